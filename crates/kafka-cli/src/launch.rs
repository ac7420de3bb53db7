//! A tool under its own name: becomes `kafka-tools`, which has all of them.
//!
//! One program holds the code, because each program that links it costs a minute of building. This file uses nothing of
//! the library, so what is built from it is small.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

/// Puts `kafka-tools` of the same directory in the place of this process, told to be `tool`. Comes back only when that
/// fails.
pub(crate) fn launch(tool: &str) -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().unwrap_or_else(|| tool.into());
    let program = match std::env::current_exe() {
        Ok(this) => this.with_file_name("kafka-tools"),
        Err(error) => {
            eprintln!("{tool}: cannot tell where it lies, and so not where kafka-tools does: {error}");
            return ExitCode::FAILURE;
        }
    };
    let error = Command::new(&program).arg0(called).arg(tool).args(words).exec();
    eprintln!(
        "{tool}: {} cannot be run: {error}; build it with `cargo build --release -p kafka-cli`",
        program.display()
    );
    ExitCode::FAILURE
}
