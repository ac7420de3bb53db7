//! `kafka-topics.sh`: create, list, describe, alter, delete.

mod arguments;
mod describe;
mod service;

use kafka_client::{ConnectionError, Error};

use crate::options::Options;
use crate::output::Console;
use crate::start::{self, Introduction, Mistake};
use crate::{Invocation, admin};
use arguments::Rejection;

const LOGGER: &str = "org.apache.kafka.tools.TopicCommand";

const INTRODUCTION: Introduction = Introduction {
    table: arguments::TABLE,
    purpose: "This tool helps to create, delete, describe, or change a topic.",
    without_arguments: Some("Create, delete, describe, or change a topic."),
    mistake: Mistake::Hint,
};

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let (options, mut console) = match INTRODUCTION.begin(invocation) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    if let Err(failure) = arguments::check(&options) {
        return failure.report(arguments::TABLE, &mut console);
    }
    start::block_on(main(options, console))
}

async fn main(options: Options, mut console: Console) -> u8 {
    let admin = match admin::connect(&options).await {
        Ok(admin) => admin,
        Err(failure) => return failure.report(arguments::TABLE, &mut console),
    };
    match service::execute(&admin, &options, &mut console).await {
        Ok(()) => 0,
        Err(trouble) => {
            trouble.report(&options, &mut console);
            1
        }
    }
}

/// Why an action failed.
#[derive(Debug)]
enum Trouble {
    Rejected(Rejection),
    Failed(Error),
}

impl From<Rejection> for Trouble {
    fn from(rejection: Rejection) -> Trouble {
        Trouble::Rejected(rejection)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Failed(error)
    }
}

impl From<crate::options::OptionError> for Trouble {
    fn from(error: crate::options::OptionError) -> Trouble {
        Trouble::Rejected(error.into())
    }
}

impl Trouble {
    /// The message on standard output, the exception on standard error as a log line, then what to do.
    fn report(&self, options: &Options, console: &mut Console) {
        let (class, message) = match self {
            Trouble::Rejected(rejection) => (rejection.class.to_owned(), rejection.message.clone()),
            Trouble::Failed(error) => (error.exception(), error.to_string()),
        };
        console.line(&format!("Error while executing topic command : {message}"));
        console.flush();
        tracing::error!(target: LOGGER, "{class}: {message}\n");
        if let Some(hint) = self.hint(options) {
            console.error(&hint);
        }
    }

    fn hint(&self, options: &Options) -> Option<String> {
        use kafka_types::ErrorCode;
        let server = options.one("bootstrap-server").ok().flatten().unwrap_or_default();
        let Trouble::Failed(error) = self else { return None };
        match error {
            Error::Timeout(_) => Some(format!(
                "No broker answered on {server}. To start one: ./kafka-server-start.sh ../config/server.properties"
            )),
            Error::Connection(ConnectionError::ZooKeeper { .. }) => {
                Some(format!("{server} is ZooKeeper. Brokers listen on a port of their own, such as localhost:9092."))
            }
            Error::Broker { code: ErrorCode::TopicAlreadyExists, .. } => {
                Some("With --if-not-exists this is no error.".to_owned())
            }
            Error::Broker { code: ErrorCode::InvalidReplicationFactor, .. } => Some(
                "Each replica needs a broker of its own: start more brokers, or use a smaller --replication-factor."
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
