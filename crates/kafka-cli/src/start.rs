//! What all tools with Java-style options begin with: the command line, `--help`, `--version`, the runtime.

use std::future::Future;

use crate::Invocation;
use crate::exit::{Failure, KAFKA_VERSION, option_hint};
use crate::options::{Options, Table};
use crate::output::Console;

/// How a tool introduces itself.
#[derive(Debug, Clone, Copy)]
pub struct Introduction {
    /// Its options.
    pub table: Table,
    /// What stands above the usage for `--help`.
    pub purpose: &'static str,
    /// What stands above the usage when there are no arguments; `None`: the tool complains about what is missing.
    pub without_arguments: Option<&'static str>,
    /// What is said of an option that does not exist or has no value.
    pub mistake: Mistake,
}

/// How a tool takes a command line that cannot be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// The error, then the usage.
    Usage,
    /// The error, then a hint of ours.
    Hint,
    /// Java's tool takes its options apart before it catches anything: the exception as Java prints it, then a hint.
    Thrown,
}

impl Introduction {
    /// Reads the command line.
    ///
    /// # Errors
    /// The exit code, when all is said and done.
    pub fn begin(&self, invocation: Invocation) -> Result<(Options, Console), u8> {
        let Invocation { args, mut console, .. } = invocation;
        let options = match self.table.parse(&args) {
            Ok(options) => options,
            Err(error) => {
                let hint = option_hint(&error, self.table);
                let failure = match self.mistake {
                    Mistake::Usage => Failure::usage(error.to_string()),
                    Mistake::Hint => Failure::new(error.to_string()).hint(hint),
                    Mistake::Thrown => {
                        let thrown = format!("Exception in thread \"main\" {}: {error}", error.exception());
                        Failure::new(thrown).hint(hint)
                    }
                };
                return Err(failure.report(self.table, &mut console));
            }
        };
        if let Some(text) = self.without_arguments
            && args.is_empty()
        {
            return Err(Failure::usage(text).report(self.table, &mut console));
        }
        if options.has("help") {
            return Err(Failure::usage(self.purpose).report(self.table, &mut console));
        }
        if options.has("version") {
            console.line(KAFKA_VERSION);
            return Err(0);
        }
        Ok((options, console))
    }
}

/// Runs a tool's work on a runtime of its own. Reads of standard input that nobody waits for any more do not hold up
/// its end.
pub fn block_on<F: Future<Output = u8>>(work: F) -> u8 {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(work);
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            Console::of_process().error(&format!("the tool cannot run: {error}"));
            1
        }
    }
}
