//! `kafka-console-consumer.sh`: records become lines on standard output.

mod arguments;
mod deserializer;
mod formatter;
