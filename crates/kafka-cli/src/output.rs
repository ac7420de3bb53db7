//! What tools print, and where: results on standard output, everything else on standard error.

use std::io::{self, Write};

/// The two streams of a tool. A reader that has gone away (`| head -1`) is no error: what it does not want is dropped.
pub struct Console {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Standard output has taken no more.
    broken: bool,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Console")
    }
}

impl Console {
    /// The process's own streams; standard output is buffered until [`Console::flush`].
    pub fn of_process() -> Console {
        let out = io::BufWriter::with_capacity(64 * 1024, io::stdout());
        Console::new(Box::new(out), Box::new(io::stderr()))
    }

    /// Other streams: for tests.
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Console {
        Console { out, err, broken: false }
    }

    /// A line on standard output.
    pub fn line(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(b"\n");
    }

    /// Bytes on standard output, as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.broken |= self.out.write_all(bytes).is_err();
    }

    /// Has standard output's reader gone away, as far as writing has shown?
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// A line on standard error, behind all that was printed before.
    pub fn error(&mut self, text: &str) {
        self.flush();
        let _ = writeln!(self.err, "{text}");
    }

    /// Text on standard error that has its line ends.
    pub fn error_text(&mut self, text: &str) {
        self.flush();
        let _ = self.err.write_all(text.as_bytes());
    }

    /// Brings buffered output out.
    pub fn flush(&mut self) {
        self.broken |= self.out.flush().is_err();
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Java's way to print a list: `[a, b]`.
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    format!("[{}]", items.join(", "))
}

/// The same, of numbers.
pub fn numbers(items: &[i32]) -> String {
    list(&items.iter().map(i32::to_string).collect::<Vec<_>>())
}

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A stream that a test can look into.
    #[derive(Clone, Default)]
    pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// A console, its standard output and its standard error.
    pub(crate) fn console() -> (Console, Sink, Sink) {
        let (out, err) = (Sink::default(), Sink::default());
        (Console::new(Box::new(out.clone()), Box::new(err.clone())), out, err)
    }
}
