//! An archive of classes (JEP 350): what a JVM reads, parses and checks at every start, done once. With it a broker of
//! Apache's starts in half the time, and a tool in two thirds. A JVM that cannot use it does without, and says nothing.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Apache, CLASSES};
use crate::dirs::{TempDir, free_port};
use crate::process::Running;

/// How long each of the two servers may take to start, and to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// Options of a JVM that uses an archive.
pub(super) fn use_of(classes: &Path) -> [String; 2] {
    [format!("-XX:SharedArchiveFile={}", classes.display()), "-Xlog:cds=off".to_owned()]
}

/// Makes the archive of what a broker has loaded when it has started. Without one everything works as well.
pub(super) fn make(apache: &Apache) {
    let dir = TempDir::new("classes");
    let unfinished = apache.home.join("classes.unfinished");
    let (zookeeper_port, broker_port) = (free_port(), free_port());
    let file = |name: &str, text: String| {
        let path = dir.join(name);
        fs::write(&path, text).expect("the directory can be written");
        path
    };
    let data = dir.path().display();
    let zoo = format!("dataDir={data}/zookeeper\nclientPort={zookeeper_port}\nadmin.enableServer=false\n");
    let mut command = apache.command("zookeeper-server-start");
    command.arg(file("zookeeper.properties", zoo));
    let _zookeeper = Running::start(command, &dir.join("zookeeper.out"));

    let server = format!(
        "broker.id=0\nlisteners=PLAINTEXT://127.0.0.1:{broker_port}\nlog.dirs={data}/logs\n\
         zookeeper.connect=127.0.0.1:{zookeeper_port}\nzookeeper.connection.timeout.ms=60000\n\
         controlled.shutdown.enable=false\n"
    );
    let (class, heap, log) = super::class_of("kafka-server-start");
    let mut command = apache.java(class, heap, log);
    command.arg(file("server.properties", server));
    // In front of the class, behind which everything is the broker's own.
    let mut broker = std::process::Command::new(command.get_program());
    broker
        .arg(format!("-XX:ArchiveClassesAtExit={}", unfinished.display()))
        .arg("-Xlog:cds=off")
        .args(command.get_args());
    let mut running = Running::start(broker, &dir.join("broker.out"));
    let deadline = Instant::now() + PATIENCE;
    while !running.output().contains("started (kafka.server.KafkaServer)") {
        if running.ended().is_some() || Instant::now() > deadline {
            eprintln!("no archive of classes, as the broker does not start:\n{}", running.output());
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    running.stop(PATIENCE);
    if fs::rename(&unfinished, apache.home.join(CLASSES)).is_err() {
        eprintln!("no archive of classes was written:\n{}", running.output());
    }
}
