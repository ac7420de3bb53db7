//! A broker under test, ours or Apache's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Kind;
use crate::apache::{Apache, JvmPermit};
use crate::dirs::{free_port, programs};
use crate::process::Running;

/// A broker with a port and a log directory of its own; both stay when it is stopped or killed.
#[derive(Debug)]
pub struct Broker {
    kind: Kind,
    port: u16,
    dir: PathBuf,
    /// Words before the program's own: a program that runs it, with its options.
    under: Vec<String>,
    running: Option<(Running, Option<JvmPermit>)>,
}

impl Broker {
    /// Starts broker 0 in `dir` (made if missing) on a coordination server and waits until it has started.
    pub fn start(kind: Kind, dir: &Path, zookeeper: &str) -> Broker {
        Broker::start_with(kind, dir, zookeeper, "")
    }

    /// The same, with more lines for its configuration.
    pub fn start_with(kind: Kind, dir: &Path, zookeeper: &str, settings: &str) -> Broker {
        let mut broker = Broker::configured(kind, dir, zookeeper, settings);
        broker.run();
        broker
    }

    /// The same for records that have fixed times, long past: else a slow machine still reads them when the first check of
    /// retention takes them away.
    pub fn start_for_old_records(kind: Kind, dir: &Path, zookeeper: &str, settings: &str) -> Broker {
        Broker::start_with(kind, dir, zookeeper, &format!("log.retention.ms=-1\n{settings}"))
    }

    /// Writes its configuration and starts nothing.
    pub fn configured(kind: Kind, dir: &Path, zookeeper: &str, settings: &str) -> Broker {
        fs::create_dir_all(dir).expect("the test's directory can be written");
        let port = free_port();
        let config = format!(
            "broker.id=0\nlisteners=PLAINTEXT://127.0.0.1:{port}\nlog.dirs={}\nzookeeper.connect={zookeeper}\n\
             offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n{settings}\n",
            dir.join("logs").display()
        );
        fs::write(dir.join("server.properties"), config).expect("the test's directory can be written");
        Broker { kind, port, dir: dir.to_owned(), under: Vec::new(), running: None }
    }

    /// Starts it again, on the same port and data, as whichever kind.
    pub fn restart_as(&mut self, kind: Kind) {
        self.stop();
        self.kind = kind;
        self.run();
    }

    /// From the next start on it runs under another program: `strace`, `prlimit`, with their options.
    pub fn run_under(&mut self, words: &[&str]) {
        self.under = words.iter().map(|word| (*word).to_owned()).collect();
    }

    fn command(&self) -> Command {
        let mut command = match self.kind {
            Kind::Ours => Command::new(programs().join("kafka-server-start")),
            Kind::Apache => Apache::get().command("kafka-server-start"),
        };
        command.arg(self.dir.join("server.properties"));
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
        let command = self.command();
        let already = fs::metadata(self.log()).map_or(0, |metadata| metadata.len()) as usize;
        let mut running = Running::start(command, &self.log());
        let log = self.log();
        running.wait_ready("the broker", Duration::from_mins(1), || {
            let output = fs::read(&log).unwrap_or_default();
            String::from_utf8_lossy(&output[already.min(output.len())..]).contains("started (kafka.server.KafkaServer)")
        });
        self.running = Some((running, permit));
    }

    /// `host:port`, for `--bootstrap-server`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its log directory.
    pub fn data(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// Where its output goes.
    pub fn log(&self) -> PathBuf {
        self.dir.join("kafka.out")
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
}
