//! The real Apache Kafka 3.9.1 and ZooKeeper 3.8.4, from Maven's artefacts, kept below `target/`.

mod archive;

use std::cell::Cell;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use crate::dirs::repository;
use crate::install::ensure_program;

/// Tests that may run JVMs at once: the machine has two cores.
const TESTS_WITH_JVMS: usize = 2;

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId><artifactId>apache</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>3.9.1</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>3.9.1</version></dependency>
    <dependency><groupId>org.eclipse.jetty</groupId><artifactId>jetty-server</artifactId><version>9.4.57.v20241219</version></dependency>
    <dependency><groupId>org.eclipse.jetty</groupId><artifactId>jetty-servlet</artifactId><version>9.4.57.v20241219</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"#;

/// What 3.9 changed is compared with this one; it needs two jars that its own POM leaves to others.
const POM_ZOOKEEPER_39: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tests</groupId><artifactId>apache-zookeeper</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.zookeeper</groupId><artifactId>zookeeper</artifactId><version>3.9.3</version>
      <exclusions>
        <exclusion><groupId>ch.qos.logback</groupId><artifactId>*</artifactId></exclusion>
      </exclusions>
    </dependency>
    <dependency><groupId>io.dropwizard.metrics</groupId><artifactId>metrics-core</artifactId><version>4.1.12.1</version></dependency>
    <dependency><groupId>org.xerial.snappy</groupId><artifactId>snappy-java</artifactId><version>1.1.10.5</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-reload4j</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"#;

/// The classes of a broker, parsed and checked: see [`archive`].
const CLASSES: &str = "classes.jsa";
/// Stands beside the jars when all are there; named anew when there are others.
const COMPLETE: &str = "complete-2";

const SERVER_LOG: &str = "log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n
";

/// Apache's jars and log settings, fetched once.
#[derive(Debug)]
pub struct Apache {
    home: PathBuf,
}

impl Apache {
    /// The one installation; fetched on the first call.
    ///
    /// # Panics
    /// When Java or Maven cannot be installed, or the artefacts cannot be fetched.
    pub fn get() -> &'static Apache {
        static APACHE: OnceLock<Apache> = OnceLock::new();
        APACHE.get_or_init(|| Apache::installed("target/apache-3.9.1", POM))
    }

    /// ZooKeeper 3.9.3 alone, of which only the server is of use; fetched on the first call.
    ///
    /// # Panics
    /// As [`Apache::get`].
    pub fn zookeeper_3_9() -> &'static Apache {
        static APACHE: OnceLock<Apache> = OnceLock::new();
        APACHE.get_or_init(|| Apache::installed("target/apache-zookeeper-3.9.3", POM_ZOOKEEPER_39))
    }

    fn installed(dir: &str, pom: &str) -> Apache {
        let home = repository().join(dir);
        fs::create_dir_all(&home).expect("target/ can be written");
        let lock = File::create(home.join("lock")).expect("target/ can be written");
        lock.lock().expect("the file system has locks");
        if !home.join(COMPLETE).exists() {
            fetch(&home, pom);
        }
        let apache = Apache { home };
        if pom == POM && !apache.home.join(CLASSES).exists() {
            archive::make(&apache);
        }
        apache
    }

    /// A program of theirs under the name of its script, such as `kafka-topics`.
    pub fn command(&self, program: &str) -> Command {
        let (class, heap, log) = class_of(program);
        let mut command = self.java(class, heap, log);
        if program == "zookeeper-shell" {
            command.arg("-server");
        }
        command
    }

    /// Any class on their class path.
    pub fn java(&self, class: &str, heap: &str, log: &str) -> Command {
        let mut command = Command::new("java");
        command.args(self.java_options(heap, log));
        let classes = self.home.join(CLASSES);
        if classes.exists() {
            command.args(archive::use_of(&classes));
        }
        command.arg("-cp").arg(self.class_path()).arg(class);
        command
    }

    /// Their class path.
    pub fn class_path(&self) -> PathBuf {
        self.home.join("libs/*")
    }

    /// Options for a JVM that lives shortly and shares the machine: its heap, and one of the log settings beside the jars.
    pub fn java_options(&self, heap: &str, log: &str) -> [String; 5] {
        let log = format!("-Dlog4j.configuration=file:{}", self.home.join(log).display());
        [heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", &log].map(str::to_owned)
    }

    /// The same, with the JVM's own choice of compilers and collectors: for measuring. With another heap than the
    /// script's, such as `-Xmx2g`, if one is named.
    pub fn tuned(&self, program: &str, heap: Option<&str>) -> Command {
        let (class, usual, log) = class_of(program);
        let heap = heap.unwrap_or(usual);
        let mut command = Command::new("java");
        command
            .arg(heap)
            .arg(format!("-Dlog4j.configuration=file:{}", self.home.join(log).display()))
            .arg("-cp")
            .arg(self.home.join("libs/*"))
            .arg(class);
        command
    }
}

fn fetch(home: &std::path::Path, pom: &str) {
    ensure_program("java", "openjdk-17-jre-headless");
    ensure_program("mvn", "maven");
    fs::write(home.join("pom.xml"), pom).expect("target/ can be written");
    let fetched = Command::new("mvn")
        .args(["-q", "-B", "dependency:copy-dependencies"])
        .arg(format!("-DoutputDirectory={}", home.join("libs").display()))
        .current_dir(home)
        .status();
    assert!(fetched.is_ok_and(|status| status.success()), "Apache's artefacts could not be fetched with Maven");
    fs::write(home.join("server.log4j"), SERVER_LOG).expect("target/ can be written");
    let tools = SERVER_LOG.replace("INFO, out", "WARN, out") + "log4j.appender.out.Target=System.err\n";
    fs::write(home.join("tools.log4j"), tools).expect("target/ can be written");
    fs::write(home.join(COMPLETE), "").expect("target/ can be written");
}

fn class_of(program: &str) -> (&'static str, &'static str, &'static str) {
    let tool = |class| (class, "-Xmx256m", "tools.log4j");
    match program {
        "zookeeper-server-start" => ("org.apache.zookeeper.server.quorum.QuorumPeerMain", "-Xmx512m", "server.log4j"),
        "kafka-server-start" => ("kafka.Kafka", "-Xmx1g", "server.log4j"),
        "zookeeper-shell" => tool("org.apache.zookeeper.ZooKeeperMainWithTlsSupportForKafka"),
        "zookeeper-txn-log" => tool("org.apache.zookeeper.server.persistence.TxnLogToolkit"),
        "zookeeper-snapshot" => tool("org.apache.zookeeper.server.SnapshotFormatter"),
        "kafka-topics" => tool("org.apache.kafka.tools.TopicCommand"),
        "kafka-configs" => tool("kafka.admin.ConfigCommand"),
        "kafka-console-producer" => tool("kafka.tools.ConsoleProducer"),
        "kafka-console-consumer" => tool("org.apache.kafka.tools.consumer.ConsoleConsumer"),
        "kafka-acls" => tool("kafka.admin.AclCommand"),
        "kafka-consumer-groups" => tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
        "kafka-delete-records" => tool("org.apache.kafka.tools.DeleteRecordsCommand"),
        "kafka-dump-log" => tool("kafka.tools.DumpLogSegments"),
        "kafka-get-offsets" => tool("org.apache.kafka.tools.GetOffsetShell"),
        "kafka-leader-election" => tool("org.apache.kafka.tools.LeaderElectionCommand"),
        "kafka-log-dirs" => tool("org.apache.kafka.tools.LogDirsCommand"),
        "kafka-reassign-partitions" => tool("org.apache.kafka.tools.reassign.ReassignPartitionsCommand"),
        "kafka-transactions" => tool("org.apache.kafka.tools.TransactionsCommand"),
        "kafka-producer-perf-test" => tool("org.apache.kafka.tools.ProducerPerformance"),
        "kafka-consumer-perf-test" => tool("org.apache.kafka.tools.ConsumerPerformance"),
        "kafka-verifiable-producer" => tool("org.apache.kafka.tools.VerifiableProducer"),
        "kafka-verifiable-consumer" => tool("org.apache.kafka.tools.VerifiableConsumer"),
        other => panic!("no such program of Apache's: {other}"),
    }
}

static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

thread_local! {
    /// How many JVMs run for the test on this thread.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Leave to run a JVM. A test waits for its first one, until others have ended all of theirs; it never waits for a
/// second, because who waits while holding one may wait for ever.
#[derive(Debug)]
pub struct JvmPermit(());

impl JvmPermit {
    /// Waits for its turn.
    pub fn take() -> JvmPermit {
        if HELD.get() == 0 {
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            while *running >= TESTS_WITH_JVMS {
                running = ENDED.wait(running).unwrap_or_else(PoisonError::into_inner);
            }
            *running += 1;
        }
        HELD.set(HELD.get() + 1);
        JvmPermit(())
    }
}

impl Drop for JvmPermit {
    fn drop(&mut self) {
        HELD.set(HELD.get().saturating_sub(1));
        if HELD.get() == 0 {
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            *running = running.saturating_sub(1);
            ENDED.notify_one();
        }
    }
}
