//! Tasks 3 to 6 of the tutorial on every pairing of servers and tools.

use std::time::Duration;

use tests::{Broker, Kind, TempDir, Terminal, Tools, ZooKeeper, full};

use Kind::{Apache, Ours};

#[test]
fn ours_alone() {
    tutorial("ours", Ours, Ours, Ours);
}

#[test]
fn apache_tools_on_our_servers() {
    tutorial("apache-tools", Ours, Ours, Apache);
}

#[test]
fn our_tools_on_apache_servers() {
    tutorial("our-tools", Apache, Apache, Ours);
}

#[test]
fn apache_broker_on_our_coordination_server() {
    tutorial("apache-broker", Ours, Apache, Ours);
    if full() {
        tutorial("apache-broker-apache-tools", Ours, Apache, Apache);
    }
}

#[test]
fn our_broker_on_apache_zookeeper() {
    tutorial("our-broker", Apache, Ours, Ours);
    if full() {
        tutorial("our-broker-apache-tools", Apache, Ours, Apache);
    }
}

fn tutorial(name: &str, zookeeper: Kind, broker: Kind, tools: Kind) {
    let dir = TempDir::new(name);
    let zookeeper = ZooKeeper::start(zookeeper, &dir.join("zookeeper"));
    let broker = Broker::start(broker, &dir.join("kafka"), &zookeeper.address());
    let tools = Tools(tools);
    topics(tools, &broker.address());
    let lines = produce(tools, &broker.address());
    consume(tools, &broker.address(), &lines);
    keyed(tools, &broker.address());
    znodes(tools, &zookeeper.address());
    delete(tools, &broker.address(), &zookeeper.address());
}

fn topics(tools: Tools, server: &str) {
    let create =
        format!("--create --topic test-topic --bootstrap-server {server} --replication-factor 1 --partitions 4");
    let created = tools.run("kafka-topics", &create);
    assert_eq!((created.stdout.as_str(), created.code), ("Created topic test-topic.\n", 0), "{}", created.stderr);
    let again = tools.run("kafka-topics", &create);
    assert_eq!(again.code, 1);
    let exists = "Error while executing topic command : Topic 'test-topic' already exists.";
    assert_eq!(again.stdout.lines().next(), Some(exists));

    let listed = tools.run("kafka-topics", &format!("--list --bootstrap-server {server}"));
    assert_eq!((listed.stdout.as_str(), listed.code), ("test-topic\n", 0), "{}", listed.stderr);
    describe(tools, server, 4);
    let altered =
        tools.run("kafka-topics", &format!("--alter --topic test-topic --partitions 6 --bootstrap-server {server}"));
    assert_eq!((altered.stdout.as_str(), altered.code), ("", 0), "{}", altered.stderr);
    describe(tools, server, 6);
}

fn describe(tools: Tools, server: &str, partitions: usize) {
    let described = tools.run("kafka-topics", &format!("--describe --topic test-topic --bootstrap-server {server}"));
    assert_eq!(described.code, 0, "{}", described.stderr);
    let mut lines = described.stdout.lines();
    let head = lines.next().unwrap_or_default();
    let columns: Vec<&str> = head.split('\t').collect();
    assert_eq!(columns.len(), 5, "{head}");
    assert_eq!((columns[0], columns[3], columns[4]), ("Topic: test-topic", "ReplicationFactor: 1", "Configs: "));
    assert_eq!(columns[1].len(), "TopicId: ".len() + 22, "{head}");
    assert_eq!(columns[2], format!("PartitionCount: {partitions}"));
    let rows: Vec<&str> = lines.collect();
    let expected: Vec<String> = (0..partitions)
        .map(|p| {
            format!("\tTopic: test-topic\tPartition: {p}\tLeader: 0\tReplicas: 0\tIsr: 0\tElr: N/A\tLastKnownElr: N/A")
        })
        .collect();
    assert_eq!(rows, expected);
}

/// Types three lines at a terminal and pipes two; returns what must be there.
fn produce(tools: Tools, server: &str) -> Vec<String> {
    let mut command = tools.command("kafka-console-producer");
    command.args(["--broker-list", server, "--topic", "test-topic"]);
    let mut terminal = Terminal::start(command);
    terminal
        .expect(">")
        .send_line("Hello World")
        .expect(">")
        .send_line("second line")
        .expect(">")
        .send_line("")
        .expect(">");
    terminal.ctrl_d();
    let (_, code) = terminal.end();
    assert_eq!(code, 0);

    let args = format!("--broker-list {server} --topic test-topic");
    let piped = tools.run_with_input("kafka-console-producer", &args, "one\ntwo without an end");
    assert_eq!((piped.stdout.as_str(), piped.code), ("", 0), "{}", piped.stderr);
    ["Hello World", "second line", "", "one", "two without an end"].map(str::to_owned).to_vec()
}

fn consume(tools: Tools, server: &str, lines: &[String]) {
    let mut command = tools.command("kafka-console-consumer");
    command.args(["--bootstrap-server", server, "--topic", "test-topic", "--from-beginning"]);
    let mut terminal = Terminal::start(command);
    // Order over partitions is free, so the screen is compared as a whole after a while.
    std::thread::sleep(Duration::from_millis(if tools.0 == Apache { 8000 } else { 2000 }));
    terminal.ctrl_c();
    let (screen, code) = terminal.end();
    assert_eq!(code, 130, "{screen}");
    assert!(screen.contains(&format!("Processed a total of {} messages", lines.len())), "{screen}");
    let mut seen: Vec<&str> = screen.lines().filter(|line| !line.contains("Processed a total")).collect();
    let mut wanted: Vec<&str> = lines.iter().map(String::as_str).collect();
    seen.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(seen, wanted);

    let max = format!(
        "--bootstrap-server {server} --topic test-topic --from-beginning --group g1 --max-messages 5 --timeout-ms 20000"
    );
    let first = tools.run("kafka-console-consumer", &max);
    assert_eq!((first.stdout.lines().count(), first.code), (5, 0), "{}", first.stderr);
    assert!(first.stderr.contains("Processed a total of 5 messages"), "{}", first.stderr);
    // The group has committed: nothing is left for its next member.
    let rest = format!("--bootstrap-server {server} --topic test-topic --from-beginning --group g1 --timeout-ms 3000");
    let second = tools.run("kafka-console-consumer", &rest);
    assert_eq!(second.stdout, "", "{}", second.stderr);
    assert!(second.stderr.contains("Processed a total of 0 messages"), "{}", second.stderr);
}

fn keyed(tools: Tools, server: &str) {
    let created =
        tools.run("kafka-topics", &format!("--create --topic keyed --partitions 1 --bootstrap-server {server}"));
    assert_eq!(created.code, 0, "{}", created.stderr);
    let produce =
        format!("--bootstrap-server {server} --topic keyed --property parse.key=true --property key.separator=:");
    let sent = tools.run_with_input("kafka-console-producer", &produce, "a:1\nb:2\na:3\n");
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    let consume = format!(
        "--bootstrap-server {server} --topic keyed --partition 0 --offset 1 --max-messages 2 --timeout-ms 20000 \
         --property print.key=true --property print.partition=true --property print.offset=true"
    );
    let read = tools.run("kafka-console-consumer", &consume);
    assert_eq!(read.stdout, "Partition:0\tOffset:1\tb\t2\nPartition:0\tOffset:2\ta\t3\n", "{}", read.stderr);
    assert_eq!(read.code, 0);
}

fn znodes(tools: Tools, server: &str) {
    let shell = |line: &str| {
        let output = tools.run("zookeeper-shell", &format!("{server} {line}"));
        assert_eq!(output.code, 0, "{line}: {}{}", output.stdout, output.stderr);
        output.stdout + &output.stderr
    };
    assert!(shell("ls /brokers/ids").contains("[0]"));
    assert!(shell("get /brokers/ids/0").contains("\"endpoints\":[\"PLAINTEXT://127.0.0.1:"));
    assert!(shell("get /brokers/topics/keyed").contains("\"partitions\":{\"0\":[0]}"));
    assert!(shell("get /controller").contains("\"brokerid\":0"));
    shell("create /lesson first");
    shell("set /lesson second");
    assert!(shell("get /lesson").contains("second"));
    assert!(shell("stat /lesson").contains("dataVersion = 1"));
    shell("delete /lesson");
    let gone = tools.run("zookeeper-shell", &format!("{server} get /lesson"));
    assert_eq!(gone.code, 1);
    assert!(gone.stderr.contains("Node does not exist: /lesson"), "{}", gone.stderr);
}

fn delete(tools: Tools, server: &str, zookeeper: &str) {
    let deleted = tools.run("kafka-topics", &format!("--delete --topic test-topic --bootstrap-server {server}"));
    assert_eq!((deleted.stdout.as_str(), deleted.code), ("", 0), "{}", deleted.stderr);
    let gone = tests::wait_until(Duration::from_secs(20), || {
        let listed = Tools(Ours).run("zookeeper-shell", &format!("{zookeeper} ls /brokers/topics"));
        listed.code == 0 && !listed.stdout.contains("test-topic")
    });
    assert!(gone, "the topic's znodes are still there");
    let listed = tools.run("kafka-topics", &format!("--list --exclude-internal --bootstrap-server {server}"));
    assert_eq!(listed.stdout, "keyed\n", "{}", listed.stderr);
    let again = tools.run("kafka-topics", &format!("--delete --topic test-topic --bootstrap-server {server}"));
    assert_eq!(again.code, 1);
    assert!(again.stdout.contains("does not exist as expected"), "{}", again.stdout);
}
