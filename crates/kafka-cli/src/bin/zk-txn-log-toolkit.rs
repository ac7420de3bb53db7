//! `zk-txn-log-toolkit`: see `kafka_cli::commands`.

fn main() -> std::process::ExitCode {
    kafka_cli::run("zk-txn-log-toolkit")
}
