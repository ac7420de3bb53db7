//! `kafka-console-producer.sh`: lines of standard input become records.

mod arguments;
mod reader;
