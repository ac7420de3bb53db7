//! `zk-cleanup`: see `kafka_cli::commands`.

fn main() -> std::process::ExitCode {
    kafka_cli::run("zk-cleanup")
}
