//! Log lines as people grep them: `[2024-11-22 05:31:07,123] INFO message (logger)`, log4j's `[%d] %p %m (%c)`.
//!
//! A program calls [`init`] once; everything else uses `tracing` with `target:` set to the logger's name. Three
//! habits come from log4j: the message may have several lines; a field named `exception` is printed below the line,
//! as it is; times are local, with a comma before the milliseconds. Other fields follow the message as `name=value`.
//!
//! Levels are chosen by the first of these variables that is set: `KAFKA_LOG_LEVEL`, `RUST_LOG`,
//! `KAFKA_LOG4J_ROOT_LOGLEVEL` (the one of Apache's image). The value is a level, or a list such as
//! `INFO,kafka.controller=DEBUG`, where a name stands for all loggers that begin with it.
#![deny(missing_docs)]

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tracing::Level;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use vfs::Vfs;

mod layer;
mod levels;
mod output;
mod zone;

pub use layer::ApacheLayer;
pub use levels::{Levels, LogLevel, ROOT};
pub use output::Output;
pub use zone::local_zone;

/// The variables that choose levels, first one set wins.
pub const LEVEL_VARIABLES: [&str; 3] = ["KAFKA_LOG_LEVEL", "RUST_LOG", "KAFKA_LOG4J_ROOT_LOGLEVEL"];

/// Where lines go besides a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// Standard output, as servers do.
    Stdout,
    /// Standard error, as tools do.
    Stderr,
    /// Nowhere.
    None,
}

/// What a program wants logged, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The console.
    pub console: Console,
    /// The level when no variable says otherwise.
    pub level: Level,
    /// A file that lines are appended to; its directory is made.
    pub file: Option<(Arc<dyn Vfs>, PathBuf)>,
}

impl Options {
    /// INFO to standard output: servers.
    pub fn server() -> Options {
        Options { console: Console::Stdout, level: Level::INFO, file: None }
    }

    /// WARN to standard error: tools.
    pub fn tool() -> Options {
        Options { console: Console::Stderr, level: Level::WARN, file: None }
    }

    /// And to this file.
    pub fn with_file(mut self, vfs: Arc<dyn Vfs>, path: PathBuf) -> Options {
        self.file = Some((vfs, path));
        self
    }
}

/// What was wrong with the wishes; logging works all the same, with what could be had.
#[derive(Debug)]
pub enum Warning {
    /// A variable's value was not understood and is ignored.
    Level {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// The file cannot be written.
    File(std::io::Error),
    /// Something else in this process has set up logging before.
    AlreadySet,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Level { variable, value } => {
                write!(f, "{variable}={value} is not a level or a list like INFO,kafka.controller=DEBUG; ignored")
            }
            Warning::File(error) => write!(f, "Log lines go to the console only: {error}"),
            Warning::AlreadySet => write!(f, "Logging was set up twice; the first one stays"),
        }
    }
}

/// The levels of this process, once [`init`] has set them up.
static PROCESS: OnceLock<Levels> = OnceLock::new();

/// The levels that this process logs by; a set that changes nothing before [`init`].
pub fn levels() -> Levels {
    PROCESS.get().cloned().unwrap_or_else(|| Levels::new(LogLevel::Info))
}

/// Sets up logging for the whole process. Wishes that cannot be met are logged as warnings and returned.
pub fn init(options: Options) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let levels = levels_from(&|name| env::var(name).ok(), options.level).unwrap_or_else(|warning| {
        warnings.push(warning);
        Levels::new(of_tracing(options.level))
    });
    let output = Output::open(options.console, options.file, &mut warnings);
    let subscriber = Registry::default().with(levels.clone()).with(ApacheLayer::new(output));
    if tracing::subscriber::set_global_default(subscriber).is_err() || PROCESS.set(levels).is_err() {
        warnings.push(Warning::AlreadySet);
    }
    for warning in &warnings {
        tracing::warn!(target: "logging", "{warning}");
    }
    warnings
}

fn of_tracing(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

fn levels_from(variable: &dyn Fn(&str) -> Option<String>, default: Level) -> Result<Levels, Warning> {
    let set = |name: &&str| variable(name).filter(|value| !value.trim().is_empty());
    match LEVEL_VARIABLES.iter().find_map(|name| set(name).map(|value| (*name, value))) {
        None => Ok(Levels::new(of_tracing(default))),
        Some((variable, value)) => parse_levels(&value, default).ok_or(Warning::Level { variable, value }),
    }
}

/// `LEVEL` for all, `logger=LEVEL` for loggers whose names begin so, separated by commas.
fn parse_levels(text: &str, default: Level) -> Option<Levels> {
    let levels = Levels::new(of_tracing(default));
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some((logger, level)) => levels.set(logger.trim(), LogLevel::parse(level)?),
            None => levels.set(ROOT, LogLevel::parse(part)?),
        }
    }
    Some(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(pairs: &[(&str, &str)]) -> Result<Levels, Warning> {
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_string());
        levels_from(&find, Level::INFO)
    }

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let targets = levels(&[("RUST_LOG", "debug"), ("KAFKA_LOG_LEVEL", "WARN")]).unwrap();
        assert!(targets.of("kafka.server.KafkaServer") >= LogLevel::Warn);
        assert!(targets.of("kafka.server.KafkaServer") < LogLevel::Info);
        let targets = levels(&[("KAFKA_LOG_LEVEL", " ")]).unwrap();
        assert!(targets.of("a") >= LogLevel::Info && targets.of("a") < LogLevel::Debug);
    }

    #[test]
    fn loggers_have_levels_of_their_own() {
        let targets = levels(&[("KAFKA_LOG_LEVEL", "error, kafka.controller=ALL,org.apache=off")]).unwrap();
        assert!(targets.of("kafka.controller.KafkaController") >= LogLevel::Trace);
        assert!(targets.of("org.apache.zookeeper.ZooKeeper") < LogLevel::Error);
        assert!(targets.of("kafka.server.KafkaServer") >= LogLevel::Error);
        assert!(targets.of("kafka.server.KafkaServer") < LogLevel::Warn);
    }

    #[test]
    fn nonsense_is_named() {
        let warning = levels(&[("RUST_LOG", "loud")]).unwrap_err().to_string();
        assert!(warning.starts_with("RUST_LOG=loud is not a level"), "{warning}");
    }
}
