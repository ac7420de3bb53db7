//! The command-line tools, ours or Apache's, run to their end.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Kind;
use crate::apache::{Apache, JvmPermit};
use crate::dirs::programs;

/// One set of tools.
#[derive(Debug, Clone, Copy)]
pub struct Tools(pub Kind);

/// What a tool printed and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code; 128 + N when signal N ended it.
    pub code: i32,
}

impl Tools {
    /// The command for a tool under the name of its script.
    pub fn command(self, tool: &str) -> Command {
        match self.0 {
            Kind::Ours => Command::new(programs().join(tool)),
            Kind::Apache => Apache::get().command(tool),
        }
    }

    /// Runs a tool; the words of `args` are split at blanks.
    pub fn run(self, tool: &str, args: &str) -> Output {
        self.run_with_input(tool, args, "")
    }

    /// Runs a tool with `input` on its standard input.
    pub fn run_with_input(self, tool: &str, args: &str, input: &str) -> Output {
        let _permit = (self.0 == Kind::Apache).then(JvmPermit::take);
        let mut command = self.command(tool);
        command.args(args.split_whitespace());
        run_command(command, input)
    }
}

/// Runs a command to its end, `input` on its standard input, for five minutes at the most.
///
/// # Panics
/// When it cannot be started.
#[expect(clippy::needless_pass_by_value, reason = "callers make it for this one call")]
pub fn run_command(command: Command, input: &str) -> Output {
    // `timeout` bounds a tool that hangs; its own code for that is 124.
    let mut bounded = Command::new("timeout");
    bounded.arg(Duration::from_mins(5).as_secs().to_string()).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(key, value),
            None => bounded.env_remove(key),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        bounded.current_dir(dir);
    }
    let mut child = bounded
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
    let mut stdin = child.stdin.take().expect("it was piped");
    let input = input.to_owned();
    // A thread of its own: a tool may print more than a pipe holds before it has read everything.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("our own child can be waited for");
    writer.join().expect("writing does not panic");
    Output {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: code_of(output.status),
    }
}

fn code_of(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}
