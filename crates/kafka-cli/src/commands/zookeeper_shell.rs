//! `zookeeper-shell.sh`: znodes from the command line, one command or many; of a server, or (with `--at-zxid` and
//! `--history`) out of its files, as they were.
//!
//! `words` takes a line apart, `command` makes a command of the words: both know no server. `shell` keeps the
//! session and goes from line to line, `execute` does what a command says.

mod acl_text;
mod command;
mod complete;
mod execute;
mod history_text;
mod past;
mod print;
mod quota;
mod quotas;
mod settings;
mod shell;
mod source;
mod terminal;
mod tree_text;
mod usage;
mod words;

pub(crate) use past::data_dirs;
pub(crate) use print::date;

use crate::output::Console;
use crate::{Invocation, start};
use settings::Settings;
use shell::Shell;
use source::Source;

/// Runs the shell as Kafka's script does: the first word is the server.
pub fn run(invocation: Invocation) -> u8 {
    let Invocation { program, args, mut console } = invocation;
    if args.is_empty() {
        console.line(&format!("USAGE: {program} zookeeper_host:port[/path] [-zk-tls-config-file file] [args...]"));
        return 1;
    }
    if past::is_asked_for(&args) {
        return past::run(&program, &args, console);
    }
    let args: Vec<String> = std::iter::once("-server".to_owned()).chain(args).collect();
    connect(&args, usage::KAFKA_HEAD, console)
}

/// Runs the shell as ZooKeeper's own script does: the server is an option.
pub fn run_as_zk_cli(invocation: Invocation) -> u8 {
    let Invocation { program, args, console } = invocation;
    if past::is_asked_for(&args) {
        return past::run(&program, &args, console);
    }
    connect(&args, usage::ZOOKEEPER_HEAD, console)
}

fn connect(args: &[String], usage_head: &'static str, mut console: Console) -> u8 {
    let settings = match Settings::parse(args) {
        Ok(settings) => settings,
        Err(refused) => {
            console.error(&refused.text);
            return refused.code;
        }
    };
    console.line(&format!("Connecting to {}", settings.connection.server));
    let connection = match settings.connection() {
        Ok(connection) => connection,
        Err(refused) => {
            console.error(&refused.text);
            return refused.code;
        }
    };
    if let Err(text) = connection.options(0) {
        console.error(&text);
        return 1;
    }
    let shell = Shell::new(Source::Unconnected, Some(connection), usage_head, console);
    start::block_on(shell.run(settings.command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_arguments_it_says_how_it_is_used() {
        let (console, out, _) = crate::output::testing::console();
        let code = run(Invocation { program: "./zookeeper-shell.sh".into(), args: vec![], console });
        let usage = "USAGE: ./zookeeper-shell.sh zookeeper_host:port[/path] [-zk-tls-config-file file] [args...]\n";
        assert_eq!((code, out.text().as_str()), (1, usage));
    }
}
