//! `kafka-console-consumer.sh`: records become lines on standard output.

mod arguments;
mod deserializer;
mod formatter;
mod former;
mod internal;

use std::time::Duration;

use kafka_client::Error;
use kafka_client::consumer::{Consumer, ConsumerConfig, ConsumerRecord, Records};
use kafka_types::{Offset, TopicPartition};
use net::Signals;

use crate::Invocation;
use crate::options::OptionError;
use crate::output::Console;
use crate::pattern::Pattern;
use crate::settings;
use crate::start::{self, Introduction, Mistake};
use arguments::{Arguments, Source, StartOffset};
use formatter::Message;

const LOGGER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

/// How long one look for records takes when there is no `--timeout-ms`.
const POLL: Duration = Duration::from_secs(1);
/// How long leaving the group may take.
const CLOSE: Duration = Duration::from_secs(30);
/// Groups of consumers without `--group` are numbered below this.
const GROUPS: u32 = 100_000;

const INTRODUCTION: Introduction = Introduction {
    table: arguments::TABLE,
    purpose: "This tool helps to read data from Kafka topics and outputs it to standard output.",
    without_arguments: Some("This tool helps to read data from Kafka topics and outputs it to standard output."),
    mistake: Mistake::Usage,
};

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let (options, mut console) = match INTRODUCTION.begin(invocation) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    let arguments = match Arguments::read(&options, &new_group()) {
        Ok(arguments) => arguments,
        Err(failure) => return failure.report(arguments::TABLE, &mut console),
    };
    for remark in &arguments.remarks {
        console.error(remark);
    }
    for class in &arguments.unknown_deserializers {
        // Java says so and prints the bytes as they are.
        tracing::error!(
            target: "org.apache.kafka.tools.consumer.DefaultMessageFormatter",
            exception = format!("java.lang.ClassNotFoundException: {class}").as_str(),
            "Unable to instantiate a deserializer from {class}"
        );
    }
    start::block_on(main(arguments, console))
}

fn new_group() -> String {
    let mut bytes = [0; 4];
    // Without a random source any number does: a group of that name is new all the same on most clusters.
    let _ = getrandom::fill(&mut bytes);
    format!("console-consumer-{}", u32::from_be_bytes(bytes) % GROUPS)
}

/// How reading ended.
enum End {
    /// As asked for.
    Done,
    /// By a signal: the exit code.
    Signal(u8),
}

async fn main(arguments: Arguments, console: Console) -> u8 {
    if let Err(error) = &arguments.timeout_ms {
        not_a_number(error).log();
        return 1;
    }
    let config = match ConsumerConfig::parse(settings::pairs(&arguments.consumer)) {
        Ok(config) => config,
        Err(error) => {
            Trouble::fatal(format!("{}: {error}", error.exception())).log();
            return 1;
        }
    };
    let mut consumer = match Consumer::new(config).await {
        Ok(consumer) => consumer,
        Err(error) => {
            let cause = format!("{}: {error}", error.exception());
            let text = "org.apache.kafka.common.KafkaException: Failed to construct kafka consumer";
            Trouble::fatal(format!("{text}\nCaused by: {cause}")).log();
            return 1;
        }
    };
    let mut reading = Reading { arguments, console, printed: 0 };
    if let Err(trouble) = reading.begin(&mut consumer) {
        Trouble::fatal(trouble.text).log();
        return 1;
    }
    let ended = reading.run(&mut consumer).await;
    reading.console.flush();
    let (code, trouble) = match ended {
        Ok(End::Done) => (0, None),
        Ok(End::Signal(code)) => (code, None),
        Err(trouble) if trouble.is_fatal => (1, Some(trouble)),
        Err(trouble) => {
            trouble.log();
            (0, None)
        }
    };
    // Whoever presses Ctrl-C twice does not want to wait for the coordinator.
    let closed = tokio::time::timeout(CLOSE, consumer.close(CLOSE));
    tokio::select! {
        _ = closed => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    reading.console.error(&format!("Processed a total of {} messages", reading.printed));
    if reading.arguments.systest_events {
        reading.console.line("shutdown_complete");
        reading.console.flush();
    }
    // Java counts on its way out, and learns only then why.
    if let Some(trouble) = trouble {
        trouble.log();
    }
    code
}

/// Why reading cannot go on.
struct Trouble {
    text: String,
    is_fatal: bool,
}

impl Trouble {
    fn fatal(text: String) -> Trouble {
        Trouble { text, is_fatal: true }
    }

    fn log(&self) {
        let exception = self.text.as_str();
        if self.is_fatal {
            tracing::error!(target: LOGGER, exception, "Unknown error when running consumer: ");
        } else {
            tracing::error!(target: LOGGER, exception, "Error processing message, terminating consumer process: ");
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        // Java ends with 0 after an error of the consumer itself, except where it is not allowed in.
        let text = format!("{}: {error}", error.exception());
        let is_fatal = text.contains("AuthenticationException") || text.contains("AuthorizationException");
        Trouble { text, is_fatal }
    }
}

fn not_a_number(error: &OptionError) -> Trouble {
    Trouble::fatal(format!("joptsimple.OptionArgumentConversionException: {error}"))
}

/// Reading, as far as it has come.
struct Reading {
    arguments: Arguments,
    console: Console,
    printed: u64,
}

impl Reading {
    async fn run(&mut self, consumer: &mut Consumer) -> Result<End, Trouble> {
        let mut signals = Signals::catch().map_err(|error| Trouble::fatal(format!("java.io.IOException: {error}")))?;
        let most = self.arguments.max_messages.as_ref().map_err(not_a_number)?.unwrap_or(u64::MAX);
        let timeout_ms = *self.arguments.timeout_ms.as_ref().map_err(not_a_number)?;
        let patience = timeout_ms.map_or(POLL, Duration::from_millis);
        while self.printed < most {
            let records = tokio::select! {
                records = consumer.poll(patience) => records?,
                signal = signals.next() => return Ok(End::Signal(net::exit_code(signal))),
            };
            if records.is_empty() {
                if timeout_ms.is_some() {
                    return Err(Trouble {
                        text: "org.apache.kafka.common.errors.TimeoutException".to_owned(),
                        is_fatal: false,
                    });
                }
                continue;
            }
            self.print(&records, most, consumer)?;
            if self.console.is_broken() {
                self.console.error("Unable to write to standard out, closing consumer.");
                return Ok(End::Done);
            }
        }
        Ok(End::Done)
    }

    fn begin(&self, consumer: &mut Consumer) -> Result<(), Trouble> {
        match &self.arguments.source {
            Source::Topic(topic) => consumer.subscribe([topic.clone()])?,
            Source::Include(text) => {
                let pattern = Pattern::new(text).map_err(|error| {
                    Trouble::fatal(format!("java.util.regex.PatternSyntaxException: {error}\n{text}"))
                })?;
                consumer.subscribe_pattern(move |topic| pattern.matches(topic))?;
            }
            Source::Partition { topic, partition, start } => {
                let partition = TopicPartition::new(topic.as_str(), *partition);
                consumer.assign([partition.clone()])?;
                match start {
                    StartOffset::Earliest => consumer.seek_to_beginning(&[partition])?,
                    StartOffset::Latest => consumer.seek_to_end(&[partition])?,
                    StartOffset::At(offset) => consumer.seek(&partition, Offset(*offset))?,
                }
            }
        }
        Ok(())
    }

    /// Prints until there are enough; what is left over is given back, so that the group finds it again.
    fn print(&mut self, records: &Records, most: u64, consumer: &mut Consumer) -> Result<(), Trouble> {
        let mut text = Vec::new();
        for read in &records.partitions {
            for record in &read.records {
                if self.printed >= most {
                    consumer.seek(&read.partition, record.record.offset)?;
                    break;
                }
                // Java counts before it prints.
                self.printed += 1;
                if let Err(trouble) = self.format(read.partition.partition, record, &mut text) {
                    self.console.bytes(&text);
                    return Err(trouble);
                }
            }
        }
        self.console.bytes(&text);
        self.console.flush();
        Ok(())
    }

    fn format(&self, partition: i32, record: &ConsumerRecord, text: &mut Vec<u8>) -> Result<(), Trouble> {
        let message = Message { partition, timestamp_type: record.timestamp_type, record: &record.record };
        let Err(error) = self.arguments.formatter.write(message, text) else { return Ok(()) };
        let text = format!("{}: {error}", error.exception());
        if self.arguments.skip_on_error {
            // What was printed of it before stays, as in Java.
            let exception = text.as_str();
            tracing::error!(target: LOGGER, exception, "Error processing message, skipping this message: ");
            return Ok(());
        }
        Err(Trouble::fatal(text))
    }
}
