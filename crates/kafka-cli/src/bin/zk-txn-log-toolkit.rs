//! `zk-txn-log-toolkit`: see `kafka_cli::commands`.

#[path = "../launch.rs"]
mod launch;

fn main() -> std::process::ExitCode {
    launch::launch("zk-txn-log-toolkit")
}
