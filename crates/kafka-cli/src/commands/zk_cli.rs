//! `zkCli.sh`: the shell under ZooKeeper's own name; the server is given with `-server`.

use crate::Invocation;
use crate::commands::zookeeper_shell;

/// Runs the shell.
pub fn run(invocation: Invocation) -> u8 {
    zookeeper_shell::run_as_zk_cli(invocation)
}
