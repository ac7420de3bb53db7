//! The tools, one file per script.

use crate::Invocation;

pub mod console_consumer;
pub mod console_producer;
pub mod topics;
pub mod zookeeper_shell;

/// The names of all tools.
pub const NAMES: &[&str] = &["kafka-console-consumer", "kafka-console-producer", "kafka-topics", "zookeeper-shell"];

/// Runs the named tool; the result is its exit code.
pub fn run(name: &str, invocation: Invocation) -> u8 {
    match name {
        "kafka-console-consumer" => console_consumer::run(invocation),
        "kafka-console-producer" => console_producer::run(invocation),
        "kafka-topics" => topics::run(invocation),
        "zookeeper-shell" => zookeeper_shell::run(invocation),
        unknown => {
            let mut console = invocation.console;
            console.error(&format!("{unknown}: no such command; there are {}", NAMES.join(", ")));
            1
        }
    }
}
