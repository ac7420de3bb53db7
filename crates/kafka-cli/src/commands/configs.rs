//! `kafka-configs.sh`: settings of topics and brokers, levels of loggers, quotas and credentials of users and clients.
//!
//! `arguments` takes the command line apart and holds its parts against each other, `values` reads what is to be added;
//! both ask nobody. `brokers` talks to brokers, `zookeeper` to a coordination server whose brokers are down.

mod arguments;
mod brokers;
mod values;
mod zookeeper;

use kafka_client::{ConnectionError, Error};

use crate::Invocation;
use crate::exit::Failure;
use crate::output::Console;
use crate::start::{self, Introduction, Mistake};
use arguments::Arguments;

const INTRODUCTION: Introduction = Introduction {
    table: arguments::TABLE,
    purpose: "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip or client-metrics",
    without_arguments: Some(
        "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip or client-metrics",
    ),
    mistake: Mistake::Hint,
};

/// Why the tool ends without having done its work.
#[derive(Debug)]
enum Trouble {
    /// Something is wrong with what was asked for; the text says it all.
    Refused(String),
    /// Something went wrong on the way: Java's exception.
    Thrown(String),
    /// The client library says so.
    Failed(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Failed(error)
    }
}

impl From<crate::options::OptionError> for Trouble {
    fn from(error: crate::options::OptionError) -> Trouble {
        Trouble::Refused(error.to_string())
    }
}

fn refused(text: impl Into<String>) -> Trouble {
    Trouble::Refused(text.into())
}

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let args = invocation.args.clone();
    let (options, mut console) = match INTRODUCTION.begin(invocation) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    let arguments = match Arguments::new(options, &args) {
        Ok(arguments) => arguments,
        Err(failure) => return failure.report(arguments::TABLE, &mut console),
    };
    start::block_on(async move {
        let done = if arguments.options.has("zookeeper") {
            zookeeper::execute(&arguments, &mut console).await
        } else {
            brokers::execute(&arguments, &mut console).await
        };
        match done {
            Ok(()) => 0,
            Err(trouble) => trouble.report(&args, &arguments, &mut console),
        }
    })
}

impl Trouble {
    fn report(&self, args: &[String], arguments: &Arguments, console: &mut Console) -> u8 {
        let failure = match self {
            Trouble::Refused(text) => Failure::new(text.clone()),
            Trouble::Thrown(exception) => thrown(args).hint(exception.clone()),
            Trouble::Failed(Error::Timeout(text)) => {
                let failure = thrown(args).hint("java.util.concurrent.TimeoutException").hint(text.clone());
                let server = arguments.options.one("bootstrap-server").ok().flatten().unwrap_or_default();
                failure.hint(format!("No broker answered on {server}, or not the one that was asked for."))
            }
            Trouble::Failed(error @ Error::Connection(ConnectionError::UnsupportedVersion { api })) => {
                let class = error.exception();
                thrown(args)
                    .hint(format!("java.util.concurrent.ExecutionException: {class}: The node does not support {api}"))
            }
            Trouble::Failed(error) => {
                let (class, message) = (error.exception(), error.to_string());
                thrown(args).hint(format!("java.util.concurrent.ExecutionException: {class}: {message}"))
            }
        };
        failure.report(arguments::TABLE, console)
    }
}

fn thrown(args: &[String]) -> Failure {
    Failure::new(format!("Error while executing config command with args '{}'", args.join(" ")))
}
