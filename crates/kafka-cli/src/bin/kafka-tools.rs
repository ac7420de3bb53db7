//! `kafka-tools`: see `kafka_cli::commands`.

fn main() -> std::process::ExitCode {
    kafka_cli::run("kafka-tools")
}
