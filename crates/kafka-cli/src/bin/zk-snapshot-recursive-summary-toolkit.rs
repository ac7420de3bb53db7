//! `zk-snapshot-recursive-summary-toolkit`: see `kafka_cli::commands`.

fn main() -> std::process::ExitCode {
    kafka_cli::run("zk-snapshot-recursive-summary-toolkit")
}
