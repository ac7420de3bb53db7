//! Every tool behind `bin/*.sh`, in one program, `kafka-tools`; the programs of their names become it (`launch.rs`).

use std::env;
use std::process::ExitCode;

pub mod admin;
pub mod argparse;
pub mod commands;
pub mod commons_cli;
pub mod exit;
mod java_order;
pub mod json;
pub mod options;
pub mod output;
pub mod pattern;
pub mod settings;
pub mod start;
mod transaction_state;
pub mod zk_files;
pub mod zookeeper_security;

use output::Console;

/// What a tool gets from its surroundings.
#[derive(Debug)]
pub struct Invocation {
    /// The name it was called by: the script's, when called through one.
    pub program: String,
    /// What follows the name.
    pub args: Vec<String>,
    /// Where it prints.
    pub console: Console,
}

/// Runs the tool that the first argument names, with what follows it.
pub fn run() -> ExitCode {
    let mut words = env::args_os().map(|word| word.to_string_lossy().into_owned());
    let program = words.next().unwrap_or_else(|| "kafka-tools".to_owned());
    let mut console = Console::of_process();
    let Some(name) = words.next() else {
        console.error(&format!("USAGE: {program} COMMAND [ARGS]; the commands are {}", commands::NAMES.join(", ")));
        return ExitCode::FAILURE;
    };
    logging::init(logging::Options::tool());
    let code = commands::run(&name, Invocation { program, args: words.collect(), console });
    ExitCode::from(code)
}
