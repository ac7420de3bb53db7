//! Suites that pytest runs, with a plugin that writes down how each test ended.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tests::{Python, Running, TempDir, repository};

use super::{Outcome, Outcomes};

/// Of a whole run.
const AT_MOST: Duration = Duration::from_mins(30);

/// pytest, to which the tests are to be named.
pub(super) fn command(python: &Python, dir: &TempDir) -> Command {
    let mut command = python.command();
    command
        .args(["-m", "pytest", "-p", "outcomes", "-p", "no:cacheprovider", "-rA", "--tb=short"])
        .env("PYTHONPATH", repository().join("tests/interop/python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("OUTCOMES", dir.join("outcomes"))
        .env("TMPDIR", dir.path());
    command
}

/// Runs it, with what it prints added to `log`.
///
/// # Panics
/// When it does not come to an end.
pub(super) fn run(command: Command, dir: &TempDir, log: &Path) -> Outcomes {
    let mut running = Running::start(command, log);
    running.wait(AT_MOST);
    let outcomes = fs::read_to_string(dir.join("outcomes"));
    let outcomes = outcomes.unwrap_or_else(|error| panic!("no outcomes ({error}):\n{}", running.output()));
    outcomes.lines().filter_map(read).collect()
}

fn read(line: &str) -> Option<(String, Outcome)> {
    let (name, outcome) = line.split_once('\t')?;
    let outcome = match outcome {
        "passed" => Outcome::Passed,
        "skipped" => Outcome::Skipped,
        _ => Outcome::Failed,
    };
    Some((name.to_owned(), outcome))
}
