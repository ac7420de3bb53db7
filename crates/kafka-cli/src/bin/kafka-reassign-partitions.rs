//! `kafka-reassign-partitions`: see `kafka_cli::commands`.

#[path = "../launch.rs"]
mod launch;

fn main() -> std::process::ExitCode {
    launch::launch("kafka-reassign-partitions")
}
