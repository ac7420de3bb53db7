//! Checkpoint files are written as often as the settings say, and in any case when the broker stops.

use std::fs;
use std::time::Duration;

use tests::{Broker, Kind, TempDir, Tools, ZooKeeper, wait_until};

#[test]
fn a_file_waits_as_long_as_its_setting_says() {
    let dir = TempDir::new("checkpoint-intervals");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let hour = "replica.high.watermark.checkpoint.interval.ms=3600000";
    let mut broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), hour);
    let (tools, server) = (Tools(Kind::Ours), broker.address());
    let create = format!("--create --topic t --partitions 1 --config flush.messages=1 --bootstrap-server {server}");
    assert_eq!(tools.run("kafka-topics", &create).code, 0);
    let produced =
        tools.run_with_input("kafka-console-producer", &format!("--topic t --bootstrap-server {server}"), "a\nb\nc\n");
    assert_eq!(produced.code, 0, "{}", produced.stderr);
    let data = broker.data();
    let says = |file: &str| {
        let text = fs::read_to_string(data.join(file)).unwrap_or_default();
        text.lines().any(|line| line == "t 0 3")
    };
    let (recovery, watermark) = ("recovery-point-offset-checkpoint", "replication-offset-checkpoint");
    assert!(wait_until(Duration::from_mins(1), || says(recovery)), "nobody has said how often this one is written");
    assert!(!says(watermark), "this one waits for an hour");
    broker.stop();
    assert!(says(watermark) && says(recovery));
}
