//! `kafka-console-producer`: see `kafka_cli::commands`.

fn main() -> std::process::ExitCode {
    kafka_cli::run("kafka-console-producer")
}
