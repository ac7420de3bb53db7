//! The shell with a person at a terminal that can be written on anywhere: a prompt, lines that are edited, words that
//! are completed.

use std::process::Command;
use std::time::Duration;

use tests::{Kind, RawZk, TempDir, Terminal, ZooKeeper, programs};

fn shell(address: &str) -> Terminal {
    let mut command = Command::new(programs().join("zookeeper-shell"));
    command.arg(address).env("TERM", "xterm");
    let mut terminal = Terminal::start(command);
    terminal.patience(Duration::from_secs(20));
    terminal.expect("JLine support is enabled");
    terminal
}

#[test]
fn words_are_completed_and_lines_remembered() {
    let dir = TempDir::new("shell-terminal");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut session = RawZk::connect(zookeeper.port()).expect("a session");
    session.create("/brokers", b"these").expect("made");
    session.create("/brokers/topics", b"those").expect("made");
    let address = zookeeper.address();
    let mut terminal = shell(&address);
    terminal.expect("WatchedEvent state:SyncConnected");
    // A command, a znode at the top, one below it.
    terminal.send("whoa\t\r").expect("Auth scheme: User");
    terminal.send("get /br\t\r").expect("these");
    terminal.expect(&format!("[zk: {address}(CONNECTED) 2] "));
    terminal.send("get /brokers/to\t\r").expect("those");
    // The line before the last one, with a letter taken back.
    terminal.send("\u{1b}[A\u{1b}[Ax\u{7f}\r").expect("these");
    // An event comes above the prompt.
    terminal.send("get -w /brokers\r").expect("these");
    terminal.expect(&format!("[zk: {address}(CONNECTED) 5] "));
    session.set("/brokers", b"changed").expect("set");
    terminal.expect("WatchedEvent state:SyncConnected type:NodeDataChanged path:/brokers");
    terminal.send("quit\r").expect("WatchedEvent state:Closed");
    assert_eq!(terminal.end().1, 0);
}

#[test]
fn ctrl_c_and_ctrl_d_end_it() {
    let dir = TempDir::new("shell-terminal-ends");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut terminal = shell(&zookeeper.address());
    terminal.send("get /nowhere\r").expect("Node does not exist: /nowhere");
    terminal.expect("1] ").ctrl_d();
    // As Apache's: the exit code is that of the last command.
    assert_eq!(terminal.end().1, 1);
    let mut terminal = shell(&zookeeper.address());
    terminal.expect("0] ").ctrl_c();
    assert_eq!(terminal.end().1, 130);
}
