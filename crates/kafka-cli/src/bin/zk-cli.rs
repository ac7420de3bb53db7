//! `zk-cli`: see `kafka_cli::commands`.

fn main() -> std::process::ExitCode {
    kafka_cli::run("zk-cli")
}
