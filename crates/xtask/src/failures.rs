//! What failed, told once more at the end: the output of a whole test run is longer than what anybody reads of it.

use std::io::{BufRead, Write};

/// Lines kept of one test program's failures. What a test prints in a loop is not worth more.
const MOST: usize = 400;

/// Finds the `failures:` sections of libtest in the lines that go by.
#[derive(Default)]
pub(crate) struct Failures {
    found: Vec<String>,
    /// Lines of the section that goes by now.
    current: Option<Vec<String>>,
}

impl Failures {
    /// Passes everything on, and keeps the failures. Bytes that are no text go by as they are.
    pub(crate) fn watch(mut from: impl BufRead, mut to: impl Write) -> std::io::Result<Failures> {
        let mut failures = Failures::default();
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line)? > 0 {
            to.write_all(&line)?;
            failures.line(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        failures.end();
        to.flush()?;
        Ok(failures)
    }

    fn line(&mut self, line: &str) {
        match &mut self.current {
            None if line == "failures:" => self.current = Some(Vec::new()),
            None => {}
            Some(_) if line.starts_with("test result:") => self.end(),
            Some(kept) => kept.push(line.to_owned()),
        }
    }

    /// The longest sections keep their beginning, where the message stands, and their end, where the names stand.
    fn end(&mut self) {
        let Some(kept) = self.current.take() else { return };
        let left_out = kept.len().saturating_sub(MOST);
        if left_out == 0 {
            self.found.extend(kept);
            return;
        }
        self.found.extend_from_slice(&kept[..MOST / 2]);
        self.found.push(format!("... {left_out} lines left out ..."));
        self.found.extend_from_slice(&kept[kept.len() - MOST / 2..]);
    }

    /// Everything that was kept; none if nothing failed.
    pub(crate) fn found(&self) -> Option<String> {
        (!self.found.is_empty()).then(|| self.found.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(output: &str) -> (Option<String>, Vec<u8>) {
        let mut passed_on = Vec::new();
        let failures = Failures::watch(output.as_bytes(), &mut passed_on).expect("memory");
        (failures.found(), passed_on)
    }

    #[test]
    fn what_failed_is_found_among_what_passed() {
        let output = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nleft: 1\n\n\
                      failures:\n    b\n\ntest result: FAILED. 1 passed\n\nrunning 1 test\ntest c ... ok\n\n\
                      test result: ok. 1 passed\n";
        let (found, passed_on) = of(output);
        assert_eq!(found.as_deref(), Some("\n---- b stdout ----\nleft: 1\n\nfailures:\n    b\n"));
        assert_eq!(passed_on, output.as_bytes());
    }

    #[test]
    fn nothing_is_found_where_nothing_failed() {
        assert_eq!(of("running 1 test\ntest c ... ok\n\ntest result: ok. 1 passed\n").0, None);
    }

    #[test]
    fn a_program_that_died_keeps_what_it_had_said() {
        assert_eq!(of("failures:\n\n---- b stdout ----\nleft: 1").0.as_deref(), Some("\n---- b stdout ----\nleft: 1"));
    }

    #[test]
    fn a_flood_keeps_both_ends() {
        let flood = "on and on\n".repeat(10_000);
        let found = of(&format!("failures:\nfirst\n{flood}last\ntest result: FAILED\n")).0.expect("it failed");
        assert!(found.starts_with("first\n") && found.ends_with("\nlast"));
        assert_eq!(found.lines().count(), MOST + 1);
    }
}
