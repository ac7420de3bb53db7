//! Every tool behind `bin/*.sh`, over one library. A program is one line: `kafka_cli::run(NAME)`.

use std::env;
use std::process::ExitCode;

pub mod commands;
pub mod commons_cli;
pub mod exit;
pub mod options;
pub mod output;
pub mod pattern;
pub mod settings;
pub mod start;
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

/// Runs the named tool with this process's arguments. `kafka-tools` takes the tool's name as its first argument.
pub fn run(name: &str) -> ExitCode {
    let mut words = env::args_os().map(|word| word.to_string_lossy().into_owned());
    let program = words.next().unwrap_or_else(|| name.to_owned());
    let mut args: Vec<String> = words.collect();
    let mut console = Console::of_process();
    let name = if name == "kafka-tools" {
        if args.is_empty() {
            console.error(&format!("USAGE: {program} COMMAND [ARGS]; the commands are {}", commands::NAMES.join(", ")));
            return ExitCode::FAILURE;
        }
        args.remove(0)
    } else {
        name.to_owned()
    };
    logging::init(logging::Options::tool());
    let code = commands::run(&name, Invocation { program, args, console });
    ExitCode::from(code)
}
