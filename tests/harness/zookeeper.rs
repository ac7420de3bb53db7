//! A coordination server under test, ours or Apache's.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Kind;
use crate::apache::{Apache, JvmPermit};
use crate::dirs::{free_port, programs};
use crate::process::Running;

/// A coordination server with a port and a data directory of its own; both stay when it is stopped or killed.
#[derive(Debug)]
pub struct ZooKeeper {
    kind: Kind,
    port: u16,
    dir: PathBuf,
    /// Words before the program's own: a program that runs it, with its options.
    under: Vec<String>,
    /// Which of Apache's it is.
    apache: fn() -> &'static Apache,
    running: Option<(Running, Option<JvmPermit>)>,
}

impl ZooKeeper {
    /// Starts one in `dir` (made if missing) and waits until it serves.
    pub fn start(kind: Kind, dir: &Path) -> ZooKeeper {
        ZooKeeper::start_with(kind, dir, "")
    }

    /// The same, with more lines for its configuration.
    pub fn start_with(kind: Kind, dir: &Path, settings: &str) -> ZooKeeper {
        let mut server = ZooKeeper::prepare(kind, dir, settings);
        server.run();
        server
    }

    /// Makes everything for one and does not start it.
    pub fn prepare(kind: Kind, dir: &Path, settings: &str) -> ZooKeeper {
        fs::create_dir_all(dir.join("data")).expect("the test's directory can be written");
        let port = free_port();
        let config = format!(
            "dataDir={}\nclientPort={port}\nmaxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n{settings}\n",
            dir.join("data").display()
        );
        fs::write(dir.join("zookeeper.properties"), config).expect("the test's directory can be written");
        ZooKeeper { kind, port, dir: dir.to_owned(), under: Vec::new(), apache: Apache::get, running: None }
    }

    /// From the next start on Apache's is 3.9.3.
    pub fn use_3_9(&mut self) {
        self.apache = Apache::zookeeper_3_9;
    }

    /// From the next start on it runs under another program: `strace`, `prlimit`, `env`, with their options.
    pub fn run_under(&mut self, words: &[&str]) {
        self.under = words.iter().map(|word| (*word).to_owned()).collect();
    }

    /// Starts it again, on the same port and data, as whichever kind.
    pub fn restart_as(&mut self, kind: Kind) {
        self.stop();
        self.kind = kind;
        self.run();
    }

    fn command(&self) -> Command {
        let mut command = match self.kind {
            Kind::Ours => Command::new(programs().join("zookeeper-server-start")),
            Kind::Apache => (self.apache)().command("zookeeper-server-start"),
        };
        command.arg(self.dir.join("zookeeper.properties"));
        let [program, options @ ..] = self.under.as_slice() else { return command };
        let mut under = Command::new(program);
        under.args(options).arg(command.get_program()).args(command.get_args());
        under
    }

    /// Starts it where it is expected not to serve: its exit code and what it printed.
    pub fn fail_to_run(&mut self) -> (Option<i32>, String) {
        let _permit = (self.kind == Kind::Apache).then(JvmPermit::take);
        let before = fs::read(self.log()).map_or(0, |bytes| bytes.len());
        let mut running = Running::start(self.command(), &self.log());
        let status = running.wait(Duration::from_mins(1));
        (status.code(), running.output()[before..].to_owned())
    }

    /// Starts it after a stop or kill.
    pub fn run(&mut self) {
        let permit = (self.kind == Kind::Apache).then(JvmPermit::take);
        let mut running = Running::start(self.command(), &self.log());
        let port = self.port;
        running.wait_ready("ZooKeeper", Duration::from_mins(1), || {
            // Apache's says `imok` before it serves, and leaves some that come too early without an answer.
            ask(port, "srvr", Duration::from_secs(5)).is_some_and(|answer| answer.contains("Mode:"))
        });
        self.running = Some((running, permit));
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its log and snapshots are.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data/version-2")
    }

    /// Where its output goes.
    pub fn log(&self) -> PathBuf {
        self.dir.join("zookeeper.out")
    }

    /// The running process.
    ///
    /// # Panics
    /// When it is stopped.
    pub fn process(&mut self) -> &mut Running {
        &mut self.running.as_mut().expect("it runs").0
    }

    /// Stops it with SIGTERM, if it runs.
    pub fn stop(&mut self) {
        if let Some((mut running, _permit)) = self.running.take() {
            running.stop(Duration::from_mins(1));
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some((mut running, _permit)) = self.running.take() {
            running.kill();
        }
    }

    /// The answer to a four-letter word.
    ///
    /// # Panics
    /// When there is none.
    pub fn four_letter(&self, word: &str) -> String {
        ask(self.port, word, Duration::from_secs(30)).unwrap_or_else(|| panic!("no answer to {word}"))
    }
}

fn ask(port: u16, word: &str, patience: Duration) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.write_all(word.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
