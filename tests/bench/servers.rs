//! The servers that are measured, each started as its users would: ours as it is, Apache's with the JVM's own tuning.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tests::{Apache, Kind, RawZk, Running, free_port, programs};

use crate::bare_kafka::BareClient;

/// How long a start or a stop may take: Apache's with ten thousand partitions takes minutes.
const PATIENCE: Duration = Duration::from_mins(5);

/// A server that serves.
pub(crate) struct Server {
    running: Running,
    /// Where its clients connect.
    pub(crate) port: u16,
    /// From the start of the process until it served.
    pub(crate) ready: Duration,
}

impl Server {
    /// A coordination server, ready when a session has been opened.
    pub(crate) fn zookeeper(kind: Kind, dir: &Path) -> Server {
        Server::zookeeper_with(kind, dir, "")
    }

    /// The same, with more lines for its configuration; on the data that is there.
    pub(crate) fn zookeeper_with(kind: Kind, dir: &Path, settings: &str) -> Server {
        Server::start_zookeeper(command(kind, "zookeeper-server-start"), dir, settings)
    }

    /// One that has room for millions of znodes: in the heap that Kafka's script gives it, Apache's server dies of them.
    pub(crate) fn large_zookeeper(kind: Kind, dir: &Path) -> Server {
        let program = "zookeeper-server-start";
        let command = match kind {
            Kind::Ours => command(kind, program),
            Kind::Apache => Apache::get().tuned(program, Some("-Xmx2g")),
        };
        Server::start_zookeeper(command, dir, "")
    }

    fn start_zookeeper(command: Command, dir: &Path, settings: &str) -> Server {
        let port = free_port();
        let config = format!(
            "dataDir={}\nclientPort={port}\nmaxClientCnxns=0\nadmin.enableServer=false\n{settings}",
            dir.join("zookeeper").display()
        );
        // Apache's server may take a connection while it starts and forget it: who waits for it learns nothing.
        let patience = Duration::from_millis(200);
        start(command, "zookeeper-server-start", dir, &config, port, || RawZk::connect_within(port, patience).is_ok())
    }

    /// A broker, ready when it names itself in an answer to a Metadata request.
    pub(crate) fn broker(kind: Kind, dir: &Path, zookeeper: &Server) -> Server {
        let port = free_port();
        let config = format!(
            "broker.id=0\nlisteners=PLAINTEXT://127.0.0.1:{port}\nlog.dirs={}\nzookeeper.connect=127.0.0.1:{}\n\
             num.partitions=4\noffsets.topic.replication.factor=1\ngroup.initial.rebalance.delay.ms=0\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n",
            dir.join("kafka").display(),
            zookeeper.port
        );
        let program = "kafka-server-start";
        start(command(kind, program), program, dir, &config, port, || {
            BareClient::connect(port).and_then(|mut client| client.brokers()).is_ok_and(|brokers| brokers == 1)
        })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.running.id()
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn stop(mut self) {
        self.running.stop(PATIENCE);
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.running.kill();
    }

    /// From the start of the process until `done` has returned.
    pub(crate) fn age_when(&self, done: impl FnOnce()) -> Duration {
        done();
        self.running.age()
    }
}

/// The command for a program as its users start it.
pub(crate) fn command(kind: Kind, program: &str) -> Command {
    match kind {
        Kind::Ours => Command::new(programs().join(program)),
        Kind::Apache => Apache::get().tuned(program, None),
    }
}

fn start(
    mut command: Command,
    program: &str,
    dir: &Path,
    config: &str,
    port: u16,
    serves: impl Fn() -> bool,
) -> Server {
    let file = dir.join(format!("{program}.properties"));
    fs::write(&file, config).expect("the bench's directory can be written");
    command.arg(&file);
    let mut running = Running::start(command, &dir.join(format!("{program}.out")));
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Asking for the port first keeps the poll cheap while the server has the processor to itself.
        if TcpStream::connect(("127.0.0.1", port)).is_ok() && serves() {
            break;
        }
        if let Some(status) = running.ended() {
            panic!("{program} ended ({status}) before it was ready:\n{}", running.output());
        }
        assert!(Instant::now() < deadline, "{program} is not ready after {PATIENCE:?}:\n{}", running.output());
        std::thread::sleep(Duration::from_millis(1));
    }
    let ready = running.age();
    Server { running, port, ready }
}
