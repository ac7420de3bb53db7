//! `kafka-reassign-partitions.sh`: partitions moved between brokers, and replicas between directories of a broker.

use kafka_client::{Admin, Error};

use crate::exit::Failure;
use crate::options::{OptionError, Options};
use crate::output::Console;
use crate::{Invocation, admin, settings, start};

mod arguments;
mod execute;
mod generate;
mod plan;
mod states;
mod throttles;

use arguments::{Action, INTRODUCTION, TABLE};

/// Why the tool ends before its work is done; it tells so on standard output, as Java's does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ended {
    /// In a line of its own words.
    Terse(String),
    /// As an exception is told.
    Thrown {
        /// Its class.
        class: String,
        /// What it says.
        message: String,
        /// What it was caused by: class and text.
        causes: Vec<(String, String)>,
    },
}

const COMMAND_FAILED: &str = "org.apache.kafka.server.common.AdminCommandFailedException";
const OPERATION: &str = "org.apache.kafka.server.common.AdminOperationException";

impl Ended {
    fn thrown(class: &str, message: impl Into<String>) -> Ended {
        Ended::Thrown { class: class.to_owned(), message: message.into(), causes: Vec::new() }
    }

    /// A call to the cluster that failed in Java's way of waiting for it.
    fn executed(class: &str, message: &str) -> Ended {
        Ended::Thrown {
            class: "java.util.concurrent.ExecutionException".to_owned(),
            message: format!("{class}: {message}"),
            causes: vec![(class.to_owned(), message.to_owned())],
        }
    }

    fn tell(&self, console: &mut Console) {
        match self {
            Ended::Terse(text) => console.line(text),
            Ended::Thrown { class, message, causes } => {
                console.line(&format!("Error: {message}"));
                console.line(&format!("{class}: {message}"));
                for (class, message) in causes {
                    console.line(&format!("Caused by: {class}: {message}"));
                }
                console.line("");
            }
        }
    }
}

impl From<Error> for Ended {
    fn from(error: Error) -> Ended {
        Ended::executed(&error.exception(), &error.to_string())
    }
}

impl From<OptionError> for Ended {
    fn from(error: OptionError) -> Ended {
        Ended::thrown(error.exception(), error.to_string())
    }
}

impl From<crate::json::Unfit> for Ended {
    fn from(error: crate::json::Unfit) -> Ended {
        Ended::thrown(crate::json::MAPPING, error.to_string())
    }
}

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let (options, mut console) = match INTRODUCTION.begin(invocation) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    let action = match arguments::action(&options) {
        Ok(action) => action,
        Err(message) => return Failure::usage(message).report(TABLE, &mut console),
    };
    start::block_on(async move {
        match work(action, &options, &mut console).await {
            Ok(()) => 0,
            Err(ended) => {
                ended.tell(&mut console);
                1
            }
        }
    })
}

async fn work(action: Action, options: &Options, console: &mut Console) -> Result<(), Ended> {
    let admin = connect(options).await?;
    let done = act(action, options, &admin, console).await;
    admin.close();
    done
}

async fn act(action: Action, options: &Options, admin: &Admin, console: &mut Console) -> Result<(), Ended> {
    let keep_throttles = options.has("preserve-throttles");
    match action {
        Action::Verify => states::verify(admin, &plan::read(options)?, keep_throttles, console).await,
        Action::Generate => generate::generate(admin, options, console).await,
        Action::Execute => execute::execute(admin, &plan::read(options)?, options, console).await,
        Action::Cancel => execute::cancel(admin, &plan::read(options)?, options, console).await,
        Action::List => states::list(admin, console).await,
    }
}

async fn connect(options: &Options) -> Result<Admin, Ended> {
    let mut config = settings::read(options.one("command-config")?).map_err(|error| {
        let class = error.exception();
        Ended::thrown(class.split(": ").next().unwrap_or_default(), error.to_string())
    })?;
    settings::set(&mut config, "bootstrap.servers", options.one("bootstrap-server")?.unwrap_or_default());
    settings::set_default(&mut config, "client.id", "reassign-partitions-tool");
    let config = kafka_client::config::AdminConfig::parse(settings::pairs(&config))
        .map_err(|error| Ended::thrown(&error.exception(), error.to_string()))?;
    admin::create(config).await.map_err(|failure| {
        let [message, cause] = failure.lines.as_slice() else { return Ended::Terse(failure.lines.join("\n")) };
        let (class, text) = cause.split_once(": ").unwrap_or((cause, ""));
        Ended::Thrown {
            class: "org.apache.kafka.common.KafkaException".to_owned(),
            message: message.clone(),
            causes: vec![(class.to_owned(), text.to_owned())],
        }
    })
}
