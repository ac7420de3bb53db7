//! `kafka-consumer-groups.sh`: list, describe and delete groups, reset and delete their offsets.

mod arguments;
mod csv;
mod delete;
mod describe;
mod list;
mod reset;
mod time;

use kafka_client::{Admin, Error};

use crate::exit::Failure;
use crate::options::{OptionError, Options};
use crate::output::Console;
use crate::start::{self, Introduction, Mistake};
use crate::{Invocation, admin};

const LOGGER: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

const PURPOSE: &str = "This tool helps to list all consumer groups, describe a consumer group, delete consumer group \
                       info, or reset consumer group offsets.";

const INTRODUCTION: Introduction = Introduction {
    table: arguments::TABLE,
    purpose: PURPOSE,
    without_arguments: Some(PURPOSE),
    mistake: Mistake::Thrown,
};

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let (options, mut console) = match INTRODUCTION.begin(invocation) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    if let Err(failure) = arguments::check(&options, &mut console) {
        return failure.report(arguments::TABLE, &mut console);
    }
    start::block_on(main(options, console))
}

async fn main(options: Options, mut console: Console) -> u8 {
    let outcome = execute(&options, &mut console).await;
    match outcome {
        Ok(()) => 0,
        Err(Trouble::Usage(message)) => Failure::usage(message).report(arguments::TABLE, &mut console),
        Err(Trouble::Unusable(failure)) => failure.report(arguments::TABLE, &mut console),
        // Java's tool ends well then.
        Err(Trouble::Thrown { class, message }) => {
            print_error(&mut console, &format!("Executing consumer group command failed due to {message}"));
            console.error(&format!("{class}: {message}"));
            0
        }
    }
}

async fn execute(options: &Options, console: &mut Console) -> Result<(), Trouble> {
    // Each call may take so long.
    let timeout = options.number::<i64>("timeout")?.unwrap_or(5_000);
    let mut config = admin::config(options).map_err(Trouble::Unusable)?;
    config.api_timeout_ms = u64::try_from(timeout).unwrap_or(0);
    let admin = admin::create(config).await.map_err(Trouble::Unusable)?;
    let mut tool = Tool { admin, options, console };
    if options.has("list") {
        tool.list().await
    } else if options.has("describe") {
        tool.describe().await
    } else if options.has("delete") {
        tool.delete().await
    } else if options.has("reset-offsets") {
        tool.reset_offsets().await
    } else {
        tool.delete_offsets().await
    }
}

/// One run.
struct Tool<'t> {
    admin: Admin,
    options: &'t Options,
    console: &'t mut Console,
}

impl Tool<'_> {
    /// The groups that the options name, or all.
    async fn groups(&self) -> Result<Vec<String>, Trouble> {
        if self.options.has("all-groups") {
            let listed = list::consumer_groups(&self.admin, &kafka_client::admin::GroupFilter::default()).await;
            return Ok(listed.map_err(Trouble::wrapped)?.into_iter().map(|group| group.group).collect());
        }
        Ok(self.options.all("group").into_iter().map(str::to_owned).collect())
    }

    /// An error that does not end the run.
    fn error(&mut self, message: &str) {
        print_error(self.console, message);
    }
}

fn print_error(console: &mut Console, message: &str) {
    console.line("");
    console.line(&format!("Error: {message}"));
}

/// Why the tool stops.
#[derive(Debug)]
enum Trouble {
    /// The options make no sense; the usage follows.
    Usage(String),
    /// There is no client with these settings.
    Unusable(Failure),
    /// What Java's tool throws: the class outside, and its message.
    Thrown { class: &'static str, message: String },
}

const EXECUTION: &str = "java.util.concurrent.ExecutionException";

impl Trouble {
    /// A call failed, and Java hands on what its future throws.
    #[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
    fn failed(error: Error) -> Trouble {
        Trouble::Thrown { class: EXECUTION, message: described(&error) }
    }

    /// A call failed, and Java wraps what its future throws once more.
    #[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
    fn wrapped(error: Error) -> Trouble {
        Trouble::runtime(format!("{EXECUTION}: {}", described(&error)))
    }

    /// Java throws this about something that a `RuntimeException` is put around: class and message.
    fn runtime(message: String) -> Trouble {
        Trouble::Thrown { class: "java.lang.RuntimeException", message }
    }
}

impl From<OptionError> for Trouble {
    fn from(error: OptionError) -> Trouble {
        let class = match error {
            OptionError::Multiple(_) => "joptsimple.MultipleArgumentsForOptionException",
            _ => "joptsimple.OptionArgumentConversionException",
        };
        Trouble::Thrown { class, message: error.to_string() }
    }
}

/// Class and message of what Java would have caught.
fn described(error: &Error) -> String {
    match error {
        Error::Timeout(text) if text.contains("findAllBrokers") => {
            "org.apache.kafka.common.KafkaException: Failed to find brokers to send ListGroups".to_owned()
        }
        error => format!("{}: {error}", error.exception()),
    }
}
