//! `kafka-console-producer.sh`: lines of standard input become records.

mod arguments;
mod reader;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_client::Error;
use kafka_client::producer::{Delivered, DeliveryListener, Producer, ProducerConfig, ProducerRecord};
use net::Signals;
use tokio::io::{AsyncReadExt, Stdin};

use crate::Invocation;
use crate::exit::Failure;
use crate::output::Console;
use crate::settings;
use crate::start::{self, Introduction, Mistake};
use arguments::{Arguments, TABLE};
use reader::{LineFormat, Lines, Parsed};

/// Java closes its producer without a limit; deliveries have one of their own, `delivery.timeout.ms`.
const FOREVER: Duration = Duration::MAX;
const CHUNK: usize = 64 * 1024;

const INTRODUCTION: Introduction = Introduction {
    table: TABLE,
    purpose: "This tool helps to read data from standard input and publish it to Kafka.",
    without_arguments: None,
    mistake: Mistake::Usage,
};

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let (options, mut console) = match INTRODUCTION.begin(invocation) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    match Arguments::read(&options) {
        Ok(arguments) => start::block_on(main(arguments, console)),
        Err(failure) => failure.report(TABLE, &mut console),
    }
}

async fn main(arguments: Arguments, mut console: Console) -> u8 {
    let listener = Arc::new(ErrorLog { topic: arguments.topic.clone() });
    let producer = match ProducerConfig::parse(settings::pairs(&arguments.producer)) {
        Ok(config) => Producer::with_listener(config, Some(listener.clone())).await.map_err(|error| {
            let wrapped = "org.apache.kafka.common.KafkaException: Failed to construct kafka producer";
            format!("{wrapped}\nCaused by: {}", exception(&error))
        }),
        Err(error) => Err(exception(&error)),
    };
    let (producer, signals) = match (producer, Signals::catch()) {
        (Ok(producer), Ok(signals)) => (producer, signals),
        (Err(failed), _) => return thrown(&failed, &mut console),
        (_, Err(error)) => return thrown(&format!("java.io.IOException: {error}"), &mut console),
    };
    // Java's console is there only if both ends are the user's.
    let prompt = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let Arguments { topic, sync, format, .. } = arguments;
    let mut sending = Sending { topic, sync, format, producer, listener, prompt, console, number: 0 };
    let mut signals = signals;
    let code = tokio::select! {
        biased;
        signal = signals.next() => net::exit_code(signal),
        ended = sending.run() => match ended {
            Ok(()) => 0,
            Err(text) => thrown(&text, &mut sending.console),
        },
    };
    // What was read is sent, also after Ctrl-C, except if somebody presses it once more.
    tokio::select! {
        () = sending.producer.close(FOREVER) => code,
        signal = signals.next() => net::exit_code(signal),
    }
}

/// Prints an exception that reached Java's `main`.
fn thrown(text: &str, console: &mut Console) -> u8 {
    Failure::new(text).report(TABLE, console)
}

fn exception(error: &Error) -> String {
    format!("{}: {error}", error.exception())
}

/// Sending, as far as it has come.
struct Sending {
    topic: String,
    sync: bool,
    format: LineFormat,
    producer: Producer,
    listener: Arc<ErrorLog>,
    prompt: bool,
    console: Console,
    /// Of the last line.
    number: u64,
}

impl Sending {
    /// Sends lines until the input ends; else the exception that ended it.
    async fn run(&mut self) -> Result<(), String> {
        let mut input: Stdin = tokio::io::stdin();
        let mut lines = Lines::default();
        let mut chunk = vec![0; CHUNK];
        self.show_prompt();
        loop {
            let read = input.read(&mut chunk).await.map_err(|error| format!("java.io.IOException: {error}"))?;
            if read > 0 {
                for line in lines.add(&chunk[..read]) {
                    self.send(&line).await?;
                }
                continue;
            }
            // On a terminal, Ctrl-D after text ends only the line: the next one ends the input.
            match lines.end() {
                Some(line) => self.send(&line).await?,
                None => return Ok(()),
            }
        }
    }

    async fn send(&mut self, line: &Bytes) -> Result<(), String> {
        self.number += 1;
        let parsed = self
            .format
            .parse(line, self.number)
            .map_err(|complaint| format!("org.apache.kafka.common.KafkaException: {complaint}"))?;
        let tag = Sizes::of(&parsed).tag();
        let Parsed { key, value, headers } = parsed;
        let record =
            ProducerRecord { topic: self.topic.clone(), partition: None, timestamp: None, key, value, headers };
        if self.sync {
            let delivered = match self.producer.send(&record).await {
                Ok(delivery) => delivery.await,
                Err(error) => Err(error),
            };
            let wrapped = |error: Error| format!("java.util.concurrent.ExecutionException: {}", exception(&error));
            delivered.map_err(wrapped)?;
        } else if let Err(error) = self.producer.post(&record, tag).await {
            self.listener.report(Sizes::from_tag(tag), &error);
        }
        self.show_prompt();
        Ok(())
    }

    fn show_prompt(&mut self) {
        if self.prompt {
            self.console.bytes(b">");
            self.console.flush();
        }
    }
}

/// How long key and value of a record are. It travels as the record's tag, so that a failure can be told without the
/// record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sizes {
    key: Option<u32>,
    value: Option<u32>,
}

impl Sizes {
    fn of(parsed: &Parsed) -> Sizes {
        // A record of 4 GB is refused long before.
        let size = |part: &Option<Bytes>| part.as_ref().map(|part| u32::try_from(part.len()).unwrap_or(u32::MAX));
        Sizes { key: size(&parsed.key), value: size(&parsed.value) }
    }

    /// Each size plus one in 32 bits, 0 for null.
    fn tag(self) -> u64 {
        let half = |size: Option<u32>| size.map_or(0, |size| u64::from(size.saturating_add(1)));
        half(self.key) << 32 | half(self.value)
    }

    fn from_tag(tag: u64) -> Sizes {
        let size = |half: u64| u32::try_from(half & u64::from(u32::MAX)).ok().and_then(|half| half.checked_sub(1));
        Sizes { key: size(tag >> 32), value: size(tag) }
    }
}

/// Logs what could not be sent, as Apache's `ErrorLoggingCallback` does.
struct ErrorLog {
    topic: String,
}

impl ErrorLog {
    fn report(&self, sizes: Sizes, error: &Error) {
        let text = |size: Option<u32>| size.map_or("null".to_owned(), |size| format!("{size} bytes"));
        let exception = exception(error);
        tracing::error!(
            target: "org.apache.kafka.clients.producer.internals.ErrorLoggingCallback",
            exception = exception.as_str(),
            "Error when sending message to topic {} with key: {}, value: {} with error:",
            self.topic, text(sizes.key), text(sizes.value)
        );
    }
}

impl DeliveryListener for ErrorLog {
    fn on_delivered(&self, delivered: &Delivered<'_>) {
        if delivered.is_written() {
            return;
        }
        for (tag, result) in delivered.records() {
            if let Err(error) = result {
                self.report(Sizes::from_tag(tag), &error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_travel_as_tags() {
        let sizes = [None, Some(0), Some(1), Some(5), Some(u32::MAX - 1)];
        for key in sizes {
            for value in sizes {
                assert_eq!(Sizes::from_tag(Sizes { key, value }.tag()), Sizes { key, value });
            }
        }
    }
}
