//! Mistakes where Apache's text leaves people alone: ours says what was wrong, where, and what to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tests::{
    Broker, ClosedPort, Kind, Output, Running, TempDir, Tools, ZooKeeper, free_port, programs, run_command, wait_until,
};

use Kind::{Apache, Ours};

/// A settings file of a broker: its own port and directory, and more lines.
fn broker_file(dir: &TempDir, name: &str, zookeeper: &str, lines: &str) -> PathBuf {
    let file = dir.join(name);
    let text = format!(
        "broker.id=7\nlisteners=PLAINTEXT://127.0.0.1:{}\nlog.dirs={}\nzookeeper.connect={zookeeper}\n{lines}\n",
        free_port(),
        dir.join("seven").display()
    );
    fs::write(&file, text).expect("the test's directory can be written");
    file
}

fn run_server(program: &str, file: &Path) -> Output {
    let mut command = Command::new(programs().join(program));
    command.arg(file);
    run_command(command, "")
}

fn says(output: &Output, texts: &[&str]) {
    let all = format!("{}{}", output.stdout, output.stderr);
    for text in texts {
        assert!(all.contains(text), "`{text}` is missing (exit code {}):\n{all}", output.code);
    }
    assert!(!all.contains("panicked"), "{all}");
}

#[test]
fn a_taken_port_names_its_process() {
    let dir = TempDir::new("port-taken");
    let mut zookeeper = ZooKeeper::start(Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start(Ours, &dir.join("kafka"), &zookeeper.address());
    let listeners = format!("listeners=PLAINTEXT://127.0.0.1:{}", broker.port());
    let second = run_server("kafka-server-start", &broker_file(&dir, "b.properties", &zookeeper.address(), &listeners));
    let holder = format!("process {}", broker.process().id());
    says(&second, &["Address already in use", &holder, "listeners="]);
    assert_eq!(second.code, 1);

    let file = dir.join("z.properties");
    let text =
        format!("dataDir={}\nclientPort={}\nadmin.enableServer=false\n", dir.join("other").display(), zookeeper.port());
    fs::write(&file, text).expect("the test's directory can be written");
    let second = run_server("zookeeper-server-start", &file);
    let holder = format!("process {}", zookeeper.process().id());
    says(&second, &["Address already in use", &holder, "clientPort"]);
    assert_eq!(second.code, 1);
}

#[test]
fn a_data_directory_in_use_is_left_alone() {
    let dir = TempDir::new("dir-in-use");
    let zookeeper = ZooKeeper::start(Ours, &dir.join("zookeeper"));
    let broker = Broker::start(Ours, &dir.join("kafka"), &zookeeper.address());
    let dirs = format!("log.dirs={}", broker.data().display());
    let second = run_server("kafka-server-start", &broker_file(&dir, "b.properties", &zookeeper.address(), &dirs));
    says(&second, &[&broker.data().display().to_string(), "Another broker uses this directory"]);
    assert_eq!(second.code, 1);

    let file = dir.join("z.properties");
    let data = zookeeper.data();
    let data = data.parent().expect("version-2 is below it");
    fs::write(&file, format!("dataDir={}\nclientPort={}\nadmin.enableServer=false\n", data.display(), free_port()))
        .expect("it can be written");
    let second = run_server("zookeeper-server-start", &file);
    says(&second, &["is in use by another server", &data.display().to_string()]);
    assert_eq!(second.code, 3);

    // The first ones have noticed nothing.
    let tools = Tools(Ours);
    let created = tools.run("kafka-topics", &format!("--create --topic t --bootstrap-server {}", broker.address()));
    assert_eq!(created.code, 0, "{}", created.stderr);
}

#[test]
fn a_living_owner_of_the_broker_id_is_named() {
    let dir = TempDir::new("same-id");
    let zookeeper = ZooKeeper::start(Ours, &dir.join("zookeeper"));
    let broker = Broker::start(Ours, &dir.join("kafka"), &zookeeper.address());
    let second =
        run_server("kafka-server-start", &broker_file(&dir, "b.properties", &zookeeper.address(), "broker.id=0"));
    says(&second, &["NodeExists", &broker.port().to_string()]);
    assert_eq!(second.code, 1);
}

#[test]
fn addresses_of_another_broker_are_refused() {
    let dir = TempDir::new("same-address");
    let zookeeper = ZooKeeper::start(Ours, &dir.join("zookeeper"));
    let broker = Broker::start(Ours, &dir.join("kafka"), &zookeeper.address());
    // Not where it listens itself: that port is taken.
    let (taken, own) = (broker.port(), free_port());
    let more = format!(
        "broker.id=1\nlisteners=PLAINTEXT://127.0.0.1:{own}\nadvertised.listeners=PLAINTEXT://127.0.0.1:{taken}"
    );
    let file = broker_file(&dir, "b.properties", &zookeeper.address(), &more);
    for kind in [Ours, Apache] {
        let second = Tools(kind).run("kafka-server-start", &file.display().to_string());
        let words = format!(
            "Configured end points 127.0.0.1:{taken} in advertised listeners are already registered by broker 0"
        );
        says(&second, &["java.lang.IllegalArgumentException: requirement failed: ", &words]);
        assert_eq!(second.code, 1);
    }
}

#[test]
fn another_cluster_is_refused_with_the_reason() {
    let dir = TempDir::new("other-cluster");
    let first = ZooKeeper::start(Ours, &dir.join("first"));
    let mut broker = Broker::start(Ours, &dir.join("kafka"), &first.address());
    broker.stop();
    let second = ZooKeeper::start(Ours, &dir.join("second"));
    let file = dir.join("kafka/server.properties");
    let text = fs::read_to_string(&file).expect("it was written").replace(&first.address(), &second.address());
    fs::write(&file, text).expect("it can be written");
    let refused = run_server("kafka-server-start", &file);
    says(&refused, &["Invalid cluster.id in:", "Expected ", ", but read ", "its data directory was wiped"]);
    assert_eq!(refused.code, 1);
}

#[test]
fn a_broker_waits_for_zookeeper_and_says_so_once() {
    let dir = TempDir::new("zookeeper-later");
    let mut zookeeper = ZooKeeper::start(Ours, &dir.join("zookeeper"));
    zookeeper.stop();
    let file = broker_file(&dir, "b.properties", &zookeeper.address(), "");
    let mut command = Command::new(programs().join("kafka-server-start"));
    command.arg(&file);
    let mut broker = Running::start(command, &dir.join("broker.out"));
    let waits = "No ZooKeeper answers at";
    assert!(wait_until(Duration::from_mins(1), || broker.output().contains(waits)), "{}", broker.output());
    std::thread::sleep(Duration::from_secs(2));
    assert!(broker.ended().is_none(), "{}", broker.output());
    assert_eq!(broker.output().matches(waits).count(), 1, "{}", broker.output());
    assert!(broker.output().contains("./zookeeper-server-start.sh"), "{}", broker.output());
    zookeeper.run();
    broker.wait_ready("the broker", Duration::from_mins(1), || false_until_started(&dir.join("broker.out")));
}

fn false_until_started(log: &Path) -> bool {
    fs::read_to_string(log).unwrap_or_default().contains("started (kafka.server.KafkaServer)")
}

#[test]
fn a_missing_broker_and_zookeepers_port_are_told_apart() {
    let dir = TempDir::new("wrong-port");
    let zookeeper = ZooKeeper::start(Ours, &dir.join("zookeeper"));
    let short = dir.join("short.properties");
    fs::write(&short, "default.api.timeout.ms=3000\nrequest.timeout.ms=2000\n").expect("it can be written");
    let list = |server: &str| {
        let args = format!("--list --bootstrap-server {server} --command-config {}", short.display());
        let output = Tools(Ours).run("kafka-topics", &args);
        assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
        output
    };
    let closed = ClosedPort::take();
    let nobody = format!("127.0.0.1:{}", closed.number());
    says(&list(&nobody), &["Timed out waiting for a node assignment", &nobody, "./kafka-server-start.sh"]);
    says(
        &list(&zookeeper.address()),
        &["Timed out waiting for a node assignment. Call: listTopics", "is a ZooKeeper server"],
    );
}

#[test]
fn a_bad_setting_is_told_with_file_and_line() {
    let dir = TempDir::new("bad-setting");
    for (line, text) in [
        ("num.partitions=abc", "Invalid value abc for configuration num.partitions: Not a number of type INT"),
        ("log.cleanup.policy=shred", "Invalid value shred for configuration log.cleanup.policy"),
        ("log.retention.hours=", "log.retention.hours"),
    ] {
        let file = broker_file(&dir, "b.properties", "127.0.0.1:1", line);
        let output = run_server("kafka-server-start", &file);
        says(&output, &[text, &format!("{}, line 5", file.display())]);
        assert_eq!(output.code, 1);
    }
    let file = dir.join("z.properties");
    for (line, text) in [("tickTime=abc", "For input string: \"abc\""), ("clientPort=99999", "port out of range:99999")]
    {
        fs::write(
            &file,
            format!("# a comment\ndataDir={}\n{line}\nadmin.enableServer=false\n", dir.join("data").display()),
        )
        .expect("written");
        let output = run_server("zookeeper-server-start", &file);
        says(&output, &[text, &format!("{}, line 3", file.display())]);
        assert_eq!(output.code, 2);
    }
}

#[test]
fn an_unknown_setting_is_a_warning_that_names_it() {
    let dir = TempDir::new("unknown-setting");
    let zookeeper = ZooKeeper::start_with(Ours, &dir.join("zookeeper"), "no.such.key=1");
    let said = fs::read_to_string(zookeeper.log()).expect("it logs");
    assert!(said.lines().any(|line| line.contains("WARN") && line.contains("no.such.key")), "{said}");
    let settings = "no.such.key=1\nqueued.max.requests=7\nnum.io.threads=8";
    let broker = Broker::start_with(Ours, &dir.join("kafka"), &zookeeper.address(), settings);
    let said = fs::read_to_string(broker.log()).expect("it logs");
    let warns = |said: &str, name: &str| said.lines().any(|line| line.contains("WARN") && line.contains(name));
    assert!(warns(&said, "no.such.key"), "{said}");
    // Known, and without an effect here; the other one is set to its default.
    assert!(warns(&said, "queued.max.requests is set and has no effect"), "{said}");
    assert!(!said.contains("num.io.threads"), "{said}");
    let change = "--alter --add-config num.io.threads=9 --entity-type brokers --entity-default";
    let changed = Tools(Ours).run("kafka-configs", &format!("{change} --bootstrap-server {}", broker.address()));
    assert_eq!(changed.code, 0, "{}", changed.stderr);
    let told = || warns(&fs::read_to_string(broker.log()).expect("it logs"), "num.io.threads is set and has no effect");
    assert!(wait_until(Duration::from_mins(1), told), "{}", fs::read_to_string(broker.log()).expect("it logs"));
}

#[test]
fn a_missing_file_and_one_that_is_none_are_told() {
    let dir = TempDir::new("no-file");
    for (program, code) in [("kafka-server-start", 1), ("zookeeper-server-start", 2)] {
        let missing = dir.join("nofile.properties");
        let output = run_server(program, &missing);
        says(&output, &[&missing.display().to_string()]);
        assert_eq!(output.code, code, "{program}");
        let begin = Instant::now();
        let output = run_server(program, dir.path());
        says(&output, &[&dir.path().display().to_string()]);
        assert_eq!(output.code, code, "{program}");
        assert!(begin.elapsed() < Duration::from_mins(1));
    }
}
