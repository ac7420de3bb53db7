//! `kafka-topics.sh`: create, list, describe, alter, delete.

mod arguments;
mod describe;
