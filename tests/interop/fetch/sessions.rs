//! Java's consumer and ours read many partitions in sessions, and get all of them.

use std::collections::BTreeSet;
use std::fs;

use tests::{Apache, Asked, Broker, JvmPermit, Kind, TempDir, Tools, ZooKeeper, full, run_command};

const PARTITIONS: i32 = 60;

/// What Java's consumer tells of its sessions.
const LOG: &str = "log4j.rootLogger=WARN, out
log4j.logger.org.apache.kafka.clients.FetchSessionHandler=DEBUG
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.Target=System.err
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%p %m%n
";

#[test]
fn consumers_read_many_partitions_in_sessions() {
    let _permit = JvmPermit::take();
    let dir = TempDir::new("fetch-sessions");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start_for_old_records(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), "");
    let server = broker.address();
    let create = format!("--create --topic many --partitions {PARTITIONS} --bootstrap-server {server}");
    assert_eq!(Tools(Kind::Ours).run("kafka-topics", &create).code, 0);
    let rounds = if full() { 400 } else { 40 };
    let mut asked = Asked::new(broker.port());
    let mut expected = BTreeSet::new();
    for round in 0..rounds {
        for partition in 0..PARTITIONS {
            let value = format!("{partition}-{round}-{}", "v".repeat(200));
            asked.produce("many", partition, &[&value]);
            expected.insert(value);
        }
    }
    // Small answers, so that every partition has its turn in many of them.
    let args = format!(
        "--bootstrap-server {server} --topic many --from-beginning --max-messages {} --timeout-ms 20000 \
         --consumer-property fetch.max.bytes=20000 --consumer-property max.partition.fetch.bytes=2000",
        expected.len()
    );
    let log = dir.join("tools.log4j");
    fs::write(&log, LOG).expect("the test's directory can be written");
    let class = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    let mut theirs = Apache::get().java(class, "-Xmx256m", &log.display().to_string());
    theirs.args(args.split_whitespace());
    let theirs = run_command(theirs, "");
    check(&theirs.stdout, &expected);
    let incremental = theirs.stderr.matches("sent an incremental fetch response").count();
    let partial = theirs.stderr.lines().filter(|line| line.contains("Built incremental fetch")).count();
    assert!(incremental > 10 && partial > 10, "only {incremental} answers to {partial} requests:\n{}", theirs.stderr);
    assert!(!theirs.stderr.contains("was unable to process"), "a session was refused:\n{}", theirs.stderr);

    let ours = Tools(Kind::Ours).run("kafka-console-consumer", &args);
    check(&ours.stdout, &expected);
}

fn check(printed: &str, expected: &BTreeSet<String>) {
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), expected.len());
    let read: BTreeSet<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    assert_eq!(&read, expected);
    // Each partition's records come in the order in which they were written.
    let mut next = vec![0; PARTITIONS as usize];
    for line in lines {
        let mut numbers = line.split('-').map(|number| number.parse::<usize>().unwrap_or(usize::MAX));
        let (partition, round) = (numbers.next().expect("a partition"), numbers.next().expect("a round"));
        assert_eq!(round, next[partition], "partition {partition}");
        next[partition] += 1;
    }
}
