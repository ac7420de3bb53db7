//! A broker that cannot keep anything any more goes, as Apache's does, and nothing acknowledged goes with it.

use std::fs;
use std::time::Duration;

use tests::{Broker, Kind, TempDir, Tools, ZooKeeper};

#[test]
fn a_broker_without_a_usable_directory_stops_with_an_error() {
    let dir = TempDir::new("failed-dir");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
    let tools = Tools(Kind::Ours);
    let to = format!("--bootstrap-server {}", broker.address());
    assert_eq!(tools.run("kafka-topics", &format!("--create --topic t --partitions 1 {to}")).code, 0);

    // Where the checkpoint wants to write its new version, there is something that is no file.
    let in_the_way = broker.data().join("recovery-point-offset-checkpoint.tmp");
    fs::create_dir(&in_the_way).expect("the data directory can be written");
    let produced = tools.run_with_input("kafka-console-producer", &format!("--topic t {to}"), "kept\n");
    assert_eq!(produced.code, 0, "{}", produced.stderr);
    let status = broker.process().wait(Duration::from_mins(1));
    assert_eq!(status.code(), Some(1));
    let log = fs::read_to_string(broker.log()).expect("the log");
    assert!(log.contains("Shutdown broker because all log dirs in "), "{log}");

    fs::remove_dir(&in_the_way).expect("it is empty");
    broker.run();
    let consumed = tools.run("kafka-console-consumer", &format!("--topic t {to} --from-beginning --max-messages 1"));
    assert_eq!(consumed.stdout, "kept\n");
}
