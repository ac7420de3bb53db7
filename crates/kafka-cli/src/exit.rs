//! How a tool ends: exit codes, and what stands on standard error before.

use crate::options::{OptionError, Table, usage};
use crate::output::Console;

/// The version of Apache Kafka whose tools these are.
pub const KAFKA_VERSION: &str = "3.9.1";

/// Why a tool ends without having done its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What standard output gets, if anything.
    pub output: Option<String>,
    /// What standard error gets: Apache's words first, then what to do about it.
    pub lines: Vec<String>,
    /// Does the usage table follow?
    pub usage: bool,
}

impl Failure {
    /// Ends with code 1 and this line.
    pub fn new(line: impl Into<String>) -> Failure {
        Failure { code: 1, output: None, lines: vec![line.into()], usage: false }
    }

    /// And another line, which says what to do.
    #[must_use]
    pub fn hint(mut self, line: impl Into<String>) -> Failure {
        self.lines.push(line.into());
        self
    }

    /// Ends with code 1, this line, and the usage table.
    pub fn usage(line: impl Into<String>) -> Failure {
        Failure { usage: true, ..Failure::new(line) }
    }

    /// Prints it.
    pub fn report(&self, table: Table, console: &mut Console) -> u8 {
        if let Some(output) = &self.output {
            console.line(output);
        }
        for line in &self.lines {
            console.error(line);
        }
        if self.usage {
            console.error_text(&usage::render(table));
        }
        self.code
    }
}

impl From<OptionError> for Failure {
    fn from(error: OptionError) -> Failure {
        Failure::new(error.to_string())
    }
}

/// What to do about a command line that cannot be understood.
pub fn option_hint(error: &OptionError, table: Table) -> String {
    match error {
        OptionError::Unrecognized(name) if name == "zookeeper" => {
            "Tools talk to brokers, not to ZooKeeper: use --bootstrap-server localhost:9092 instead of --zookeeper."
                .to_owned()
        }
        OptionError::Unrecognized(name) if name == "broker-list" => {
            "This tool takes the brokers as --bootstrap-server localhost:9092.".to_owned()
        }
        OptionError::Unrecognized(name) => match table.similar(name) {
            Some(similar) => format!("Did you mean --{similar}? All options: --help"),
            None => "All options: --help".to_owned(),
        },
        _ => "All options: --help".to_owned(),
    }
}
