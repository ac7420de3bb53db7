//! `kafka-tools`: all tools in one program.

fn main() -> std::process::ExitCode {
    kafka_cli::run()
}
