//! `kafka-transactions`: a producer whose transaction is committed, one whose transaction is open, and a marker that
//! nobody waits for.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tests::{Broker, Kind, Output, RawBatch, RawKafka, TempDir, Tools, ZooKeeper, full};

use crate::compare::Order;
use crate::stage::Stage;
use crate::transcript::{self, Case, Entry};

const FILE: &str = "kafka-transactions";
const ANSWER: Duration = Duration::from_secs(30);
/// Cases with figures of their own in every run: how many records there are by then, and how long that is ago.
const OWN_FIGURES: [&str; 4] = ["describe", "describe-done", "describe-producers", "describe-producers-broker"];

fn left_out(case: &str) -> Option<&'static str> {
    match case {
        "describe-producers-unknown-topic" if !full() => Some("takes a minute"),
        "version" => Some("ours has no commit of Apache's"),
        "read-committed-does-not-see-open" => Some("its partition with the committed records is chosen at random"),
        _ => None,
    }
}

/// Begins a transaction with three records in a partition.
fn begun(server: &str, id: &str, partition: i32) -> BaseProducer {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", server).set("transactional.id", id).create().expect("a producer");
    producer.init_transactions(ANSWER).expect("ready");
    producer.begin_transaction().expect("begun");
    for value in ["a", "b", "c"] {
        producer.send(BaseRecord::<(), str>::to("t").partition(partition).payload(value)).expect("there is room");
        producer.flush(ANSWER).expect("delivered");
    }
    producer
}

#[test]
fn cases_are_told_as_apache_tells_them() {
    let mut stage = Stage::new(FILE, Kind::Ours);
    let zookeeper = ZooKeeper::start(Kind::Ours, &stage.path("zookeeper"));
    let broker = Broker::start(Kind::Ours, &stage.path("kafka"), &zookeeper.address());
    stage.rename("9092", &broker.port().to_string());
    let (mut wrong, mut replayed, mut open) = (Vec::new(), 0, None);
    for entry in transcript::read(FILE) {
        match entry {
            Entry::Setup { command, .. } if command.contains("perf-test") => {
                begun(&broker.address(), "tx-done", 1).commit_transaction(ANSWER).expect("committed");
            }
            Entry::Setup { command, input } => stage.setup(&command, &input),
            Entry::Remark(remark) if remark.starts_with("in the background from here") => {
                open = Some(begun(&broker.address(), "tx-open", 0));
                // The shortest age that a case asks for.
                std::thread::sleep(Duration::from_millis(1100));
            }
            Entry::Remark(_) => {}
            Entry::Case(case) if left_out(&case.name).is_some() => {}
            Entry::Case(case) => {
                let found = if OWN_FIGURES.contains(&case.name.as_str()) {
                    with_own_figures(&case, &broker.address())
                } else if case.name == "help" {
                    help(&case)
                } else {
                    stage.replay(&case, Order::Fixed)
                };
                wrong.extend(case.told(found));
                replayed += 1;
            }
        }
    }
    drop(open);
    assert!(wrong.is_empty(), "{} of {replayed} are not as Apache's:\n{}", wrong.len(), wrong.join("\n"));
    assert!(replayed > 15, "{replayed}");
}

/// The same but for the descriptions of options, which are in our words, wherever they stand.
fn help(case: &Case) -> Vec<String> {
    let output = Tools(Kind::Ours).run(FILE, "--help");
    let masked = |lines: Vec<&str>| {
        let mut kept = Vec::new();
        let mut in_options = false;
        for line in lines {
            in_options = in_options && !line.is_empty() || line == "optional arguments:";
            let description = line.starts_with("                    ");
            let names = line.trim_start().split("  ").next().unwrap_or_default().replace(" <description>", "");
            match in_options || names == "COMMAND" {
                true if description => {}
                true => kept.push(names),
                false => kept.push(line.to_owned()),
            }
        }
        kept
    };
    let (wanted, found) = (masked(case.stdout.texts().collect()), masked(output.stdout.lines().collect()));
    let is_right = found == wanted && Some(output.code) == case.code;
    (!is_right).then(|| format!("{wanted:#?}\n{found:#?}\n{}", output.code)).into_iter().collect()
}

/// The same table but for figures; those that cannot be others are looked at.
fn with_own_figures(case: &Case, server: &str) -> Vec<String> {
    let args = case.command.split_once(".sh ").expect("a script").1.replace("localhost:9092", server);
    let output = Tools(Kind::Ours).run(FILE, &args);
    let table = |text: &str| -> Vec<Vec<String>> {
        let cells = |line: &str| line.split('\t').map(|cell| cell.trim().to_owned()).collect();
        text.lines().map(cells).collect()
    };
    let wanted: Vec<String> = case.stdout.texts().map(str::to_owned).collect();
    let (wanted, mut found) = (table(&wanted.join("\n")), table(&output.stdout));
    for (found, wanted) in found.iter_mut().zip(&wanted).skip(1) {
        let headers = &["TransactionDurationMs", "LastSequence", "CurrentTransactionStartTimeMs", "LastTimestamp"];
        for (at, cell) in found.iter_mut().enumerate() {
            let is_own =
                case.stdout.texts().next().is_some_and(|line| {
                    line.split('\t').nth(at).is_some_and(|header| headers.contains(&header.trim()))
                });
            if is_own && cell.bytes().all(|byte| byte.is_ascii_digit()) {
                *cell = wanted.get(at).cloned().unwrap_or_default();
            }
        }
    }
    let is_right = found == wanted && output.code == 0 && output.stderr.is_empty();
    (!is_right).then(|| format!("{wanted:?}\n{found:?}\n{}", output.stderr)).into_iter().collect()
}

/// What a transaction leaves in a partition when nobody knows of it: made of a producer's batch that nobody coordinated.
fn with_a_hanging_transaction(kind: Kind) -> Vec<(String, Output)> {
    let dir = TempDir::new("hanging");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let settings = "transaction.partition.verification.enable=false\n";
    let broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), settings);
    let server = broker.address();
    for topic in ["t", "other"] {
        let created = Tools(Kind::Ours)
            .run("kafka-topics", &format!("--create --topic {topic} --partitions 2 --bootstrap-server {server}"));
        assert_eq!(created.code, 0, "{}", created.stdout);
    }
    // Two hours old, and of no transactional id.
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis() as i64;
    let mut batch = RawBatch::of(now - 7_200_000, &["hangs"]);
    (batch.producer, batch.transactional) = ((700, 3, 0), true);
    let mut connection = RawKafka::connect(broker.port()).expect("connects");
    let produced = connection.produce_for(Some("nobody"), "t", 1, &batch.bytes()).expect("answers");
    assert_eq!(produced, (0, 0));
    let mut outputs = Vec::new();
    for args in [
        "find-hanging --topic t",
        "find-hanging --topic t --partition 1",
        "find-hanging --topic t --partition 0",
        "find-hanging --broker-id 0",
        "find-hanging --broker-id 0 --max-transaction-timeout 130",
        "find-hanging --partition 1",
        "find-hanging --broker-id 0 --partition 1",
        "describe-producers --topic t --partition 1",
        "abort --topic t --partition 1 --start-offset 1",
        "abort --topic t --partition 1",
        "abort --topic t --partition 1 --producer-id 700",
        "abort --topic t --partition x --start-offset 0",
        "abort --topic",
        "list --duration-filter x",
        "list more",
        "abort --topic t --partition 1 --start-offset 0",
        "find-hanging --topic t",
        "abort --topic t --partition 1 --start-offset 0",
    ] {
        let output = Tools(kind).run(FILE, &format!("--bootstrap-server {server} {args}"));
        outputs.push((args.to_owned(), output));
    }
    outputs
}

#[test]
fn a_transaction_that_hangs_is_found_and_aborted() {
    let outputs = with_a_hanging_transaction(Kind::Ours);
    let of = |at: usize| {
        let (args, output) = &outputs[at];
        (args.as_str(), output.code, output.stdout.lines().count(), output.stderr.lines().last().unwrap_or_default())
    };
    assert_eq!(of(0), ("find-hanging --topic t", 0, 2, ""));
    assert!(
        outputs[0].1.stdout.contains("t    \t1        \t700       \t3            \t-1              \t0          \t")
    );
    assert_eq!(of(2), ("find-hanging --topic t --partition 0", 0, 1, ""));
    assert_eq!(of(3), ("find-hanging --broker-id 0", 0, 2, ""));
    assert_eq!(of(4).2, 1, "two hours are less than 130 minutes");
    assert_eq!(of(15), ("abort --topic t --partition 1 --start-offset 0", 0, 0, ""));
    assert_eq!(of(16), ("find-hanging --topic t", 0, 1, ""));
    assert_eq!(of(17).3, "Could not find any open transactions starting at offset 0 on partition t-1");
    if full() {
        let theirs = with_a_hanging_transaction(Kind::Apache);
        // Times are of each run, and so is how many minutes ago the transaction began.
        let ages: Vec<String> = (120..130).map(|minutes| minutes.to_string()).collect();
        let masked = |text: &str| {
            let is_time = |word: &str| word.len() == 13 && word.bytes().all(|byte| byte.is_ascii_digit());
            let words: Vec<&str> = text.split(' ').flat_map(|word| word.split('\t')).collect();
            let aged = |word: &str| if ages.iter().any(|age| age == word) { "120".to_owned() } else { word.to_owned() };
            words.into_iter().filter(|word| !is_time(word)).map(aged).collect::<Vec<_>>().join(" ")
        };
        for ((args, ours), (_, theirs)) in outputs.iter().zip(&theirs) {
            let told = |output: &Output| (output.code, masked(&output.stdout), masked(&output.stderr));
            assert_eq!(told(ours), told(theirs), "{args}");
        }
    }
}
