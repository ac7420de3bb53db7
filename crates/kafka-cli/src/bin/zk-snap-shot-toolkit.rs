//! `zk-snap-shot-toolkit`: see `kafka_cli::commands`.

fn main() -> std::process::ExitCode {
    kafka_cli::run("zk-snap-shot-toolkit")
}
