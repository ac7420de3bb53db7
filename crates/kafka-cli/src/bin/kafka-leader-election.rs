//! `kafka-leader-election`: see `kafka_cli::commands`.

#[path = "../launch.rs"]
mod launch;

fn main() -> std::process::ExitCode {
    launch::launch("kafka-leader-election")
}
