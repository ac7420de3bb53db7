//! `kafka-delete-records`: ours says what Apache's says, and does the same.

use std::fs;

use tests::{Broker, Kind, Output, TempDir, Tools, ZooKeeper};

const FILES: [(&str, &str); 9] = [
    (
        "delete",
        r#"{"partitions":[{"topic":"orders","partition":0,"offset":2},{"topic":"orders","partition":1,"offset":-1}],"version":1}"#,
    ),
    ("again", r#"{"partitions":[{"topic":"orders","partition":0,"offset":1}]}"#),
    ("bad", r#"{"partitions":[{"topic":"orders","partition":0,"offset":9999}],"version":1}"#),
    ("nobody", r#"{"partitions":[{"topic":"nope","partition":0,"offset":1}],"version":1}"#),
    (
        "twice",
        r#"{"partitions":[{"topic":"orders","partition":0,"offset":1},{"topic":"orders","partition":0,"offset":2}],"version":1}"#,
    ),
    ("compacted", r#"{"partitions":[{"topic":"compacted","partition":0,"offset":0}],"version":1}"#),
    ("version", r#"{"partitions":[],"version":2}"#),
    ("empty", "{}"),
    ("broken", "{\"partitions\""),
];

/// Which of these it is depends on where Apache's call stood when its time was over.
const OUT_OF_TIME: [&str; 2] = [
    "TimeoutException: Timed out waiting for a node assignment. Call: deleteRecords(api=METADATA)",
    "TimeoutException: Call(callName=deleteRecords(api=METADATA), ",
];

/// Without what is another one each time: times, and how often something was tried.
fn masked(text: &str) -> Vec<String> {
    let is_figure = |word: &str| word.trim_matches(|c: char| !c.is_ascii_digit()).len() > 9;
    let mask = |line: &str| {
        if let Some(at) = OUT_OF_TIME.iter().find_map(|text| line.find(text)) {
            return format!("{}out of time", &line[..at]);
        }
        let words: Vec<&str> = line.split(' ').map(|word| if is_figure(word) { "_" } else { word }).collect();
        let line = words.join(" ");
        match (line.find("tries="), line.find("after ")) {
            (Some(tries), Some(_)) => line[..tries].to_owned(),
            _ => line,
        }
    };
    let mut lines: Vec<String> = text.lines().map(mask).collect();
    lines.sort();
    lines
}

fn run(kind: Kind) -> Vec<(String, Output)> {
    let dir = TempDir::new("delete-records");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
    let server = broker.address();
    for create in ["orders --partitions 2", "compacted --config cleanup.policy=compact"] {
        let args = format!("--create --topic {create} --bootstrap-server {server}");
        assert_eq!(Tools(Kind::Ours).run("kafka-topics", &args).code, 0);
    }
    let lines: Vec<String> = (0..40).map(|n| format!("k{n}:v{n}")).collect();
    let args =
        format!("--topic orders --bootstrap-server {server} --property parse.key=true --property key.separator=:");
    assert_eq!(Tools(Kind::Ours).run_with_input("kafka-console-producer", &args, &lines.join("\n")).code, 0);
    let config = dir.join("short.properties");
    fs::write(&config, "default.api.timeout.ms=4000\nrequest.timeout.ms=2000\n").expect("it can be written");
    let mut outputs = Vec::new();
    for (name, json) in FILES {
        let path = dir.join(&format!("{name}.json"));
        fs::write(&path, json).expect("it can be written");
        let args = format!(
            "--bootstrap-server {server} --offset-json-file {} --command-config {}",
            path.display(),
            config.display()
        );
        outputs.push((name.to_owned(), Tools(kind).run("kafka-delete-records", &args)));
    }
    for args in ["", "--help", "--bootstrap-server x:1", "--offset-json-file x", "--nothing"] {
        outputs.push((format!("with '{args}'"), Tools(kind).run("kafka-delete-records", args)));
    }
    outputs
}

#[test]
fn kafka_delete_records_is_apaches() {
    let _permit = tests::JvmPermit::take();
    let (ours, theirs) = (run(Kind::Ours), run(Kind::Apache));
    let mut differ = Vec::new();
    for ((name, ours), (_, theirs)) in ours.into_iter().zip(theirs) {
        // Behind the first line Java prints where in its code it was; the table of options has our own words.
        let first = |output: &Output| output.stderr.lines().next().map(|line| masked(line).concat());
        let told = |output: &Output| (output.code, masked(&output.stdout), first(output).filter(|_| output.code != 0));
        if told(&ours) != told(&theirs) {
            differ.push(format!("{name}:\n ours {ours:?}\n theirs {theirs:?}"));
        }
    }
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
}
