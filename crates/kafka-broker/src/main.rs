//! `kafka-server-start`: arguments, logging, signals.

fn main() -> std::process::ExitCode {
    kafka_broker::run(std::env::args().skip(1).collect())
}
