//! `kafka-dump-log`: the recorded cases on what our broker writes, and our tool beside Apache's on the same files.

use std::fs;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tests::{Broker, Kind, Output, Tools, ZooKeeper, run_command};

use crate::compare::{self, Order};
use crate::stage::Stage;
use crate::transcript::{self, Case, Entry, Line};

const FILE: &str = "kafka-dump-log";
const ANSWER: Duration = Duration::from_secs(30);
const SEGMENT: &str = "00000000000000000000.log";

fn left_out(case: &str) -> Option<&'static str> {
    match case {
        "file-cleaner-offset-checkpoint" => Some("ours has the heading of a list without lines, Apache's is empty"),
        _ => None,
    }
}

/// The three records of the recorded transaction, in one batch.
fn transaction(server: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", server)
        .set("transactional.id", "tx1")
        .set("linger.ms", "2000")
        .create()
        .expect("a producer");
    producer.init_transactions(ANSWER).expect("ready");
    producer.begin_transaction().expect("begun");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    for value in ["YQHHNEBSEP", "DNSEIFGAMS", "UJXKOLTXSP"] {
        let record = BaseRecord::<(), str>::to("t").payload(value).timestamp(now as i64);
        producer.send(record).expect("there is room");
    }
    producer.commit_transaction(ANSWER).expect("committed");
}

/// Without what differs by how long a program took between two records, and by whose gzip it is: sizes, and what follows
/// from them. Apache's tool judges them below.
fn without_sizes(text: &str) -> String {
    let mut words = text.split(' ').peekable();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        kept.push(word);
        if ["position:", "size:"].contains(&word) && words.next_if(|next| next.parse::<u64>().is_ok()).is_some() {
            kept.push("_");
        }
    }
    kept.join(" ")
}

/// Of a log of committed offsets, without what differs by how long the consumer ran: how often the same was committed,
/// and with that the offsets; and times as bytes, which are any characters.
fn without_repetitions(text: &str) -> String {
    const TIME: &str = "<0x00><0x00><0x01>\u{fffd}";
    const MEMBERS: &str = "<0x00><0x00><0x00><0x01><0x00>5console-consumer-";
    let mut batches: Vec<String> = Vec::new();
    for batch in text.split("baseOffset: ") {
        let (mut kept, mut rest) = (String::new(), batch);
        while let Some((before, time)) = rest.split_once(TIME) {
            kept.extend([before, "_"]);
            rest = time.find(MEMBERS).map_or("\n", |at| &time[at..]);
        }
        kept += rest;
        let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let mut of_offset = true;
        let words = kept.split(' ').map(|word| {
            let is_offset = std::mem::replace(&mut of_offset, word.ends_with("ffset:")) && is_number(word);
            if is_offset { "_" } else { word }
        });
        let batch = words.collect::<Vec<_>>().join(" ");
        if batches.last() != Some(&batch) {
            batches.push(batch);
        }
    }
    batches.join("baseOffset: ")
}

/// Cases about committed offsets.
fn replay_offsets(stage: &Stage, case: &Case) -> Vec<String> {
    let output = run_command(stage.command(&case.command), "");
    let shown = |char: char| match char {
        '\n' | '\t' => char.to_string(),
        '\r' => "<CR>".to_owned(),
        _ if char.is_ascii_control() => format!("<0x{:02x}>", u32::from(char)),
        _ => char.to_string(),
    };
    let printed: String = stage.recorded(&output.stdout).chars().map(shown).collect();
    let lines: Vec<String> = printed.split('\n').map(without_sizes).collect();
    let expected: String = case.stdout.texts().flat_map(|line| [without_sizes(line), "\n".to_owned()]).collect();
    let (expected, found) = (without_repetitions(&expected), without_repetitions(&lines.join("\n")));
    assert!(expected.matches("baseOffset: ").count() == 3, "joined, committed, left:\n{expected}");
    let mut wrong = Vec::new();
    // Lines, so that placeholders are filled.
    let mut recorded = case.stdout.clone();
    recorded.lines = expected.lines().map(|line| Line::Text(line.to_owned())).collect();
    wrong.extend(compare::section("stdout", &recorded, &found, Order::Fixed));
    wrong.extend(compare::errors(&case.stderr, &stage.recorded(&output.stderr)));
    wrong.extend((Some(output.code) != case.code).then(|| format!("the exit code is {}", output.code)));
    wrong
}

fn replay(stage: &Stage, case: &Case) -> Vec<String> {
    if ["offsets-decoder", "offsets-without-decoder"].contains(&case.name.as_str()) {
        return replay_offsets(stage, case);
    }
    let output = run_command(stage.command(&case.command), "");
    let stdout: Vec<String> = stage.recorded(&output.stdout).split('\n').map(without_sizes).collect();
    let mut expected = case.stdout.clone();
    for line in &mut expected.lines {
        if let Line::Text(text) = line {
            *text = without_sizes(text);
        }
    }
    let mut wrong = Vec::new();
    wrong.extend(compare::section("stdout", &expected, &stdout.join("\n"), Order::Fixed));
    wrong.extend(compare::errors(&case.stderr, &stage.recorded(&output.stderr)));
    let code = case.code.expect("the case ends");
    wrong.extend((output.code != code).then(|| format!("the exit code should be {code} and is {}", output.code)));
    wrong
}

/// What the files hold, which the transcript shows as commands that nobody types.
fn file_case(stage: &Stage, broker: &Broker, case: &Case) -> Option<String> {
    let shown = match case.name.as_str() {
        "files-log-dir" => {
            let told = |name: &str| name != ".lock" && !name.starts_with("__");
            listing(&broker.data(), |name, _| told(name).then(|| name.to_owned()))
        }
        "files-partition" => {
            // The segment's own size is a figure of the run.
            let size = |name: &str, size| if name == SEGMENT { 437 } else { size };
            let all =
                listing(&broker.data().join("t-0"), |name, len| Some(format!("{name}  {} bytes", size(name, len))));
            // Each sync leaves a snapshot of producers and keeps the one before: whether there was one before that of the
            // stop is a matter of time.
            let snapshots = all.matches(".snapshot ").count();
            let earlier = |line: &&str| line.contains(".snapshot ");
            let skipped =
                all.split_inclusive('\n').filter(earlier).take(snapshots.saturating_sub(1)).collect::<Vec<_>>();
            all.split_inclusive('\n').filter(|line| !skipped.contains(line)).collect()
        }
        _ => {
            let path = stage.here(case.command.split_whitespace().last().expect("a path"));
            let text = fs::read_to_string(path).expect("it can be read");
            text.split_inclusive('\n').filter(|line| !line.starts_with("__")).collect()
        }
    };
    compare::section("the files", &case.answer, &shown, Order::Fixed)
}

fn listing(dir: &std::path::Path, line: impl Fn(&str, u64) -> Option<String>) -> String {
    let entries = fs::read_dir(dir).expect("it can be read");
    let mut lines: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.expect("it can be read");
            line(&entry.file_name().to_string_lossy(), entry.metadata().expect("it is there").len())
        })
        .collect();
    lines.sort();
    lines.iter().flat_map(|name| [name.as_str(), "\n"]).collect()
}

/// The segment of `t` with the damage that the case tells of, where the case looks for it.
fn damage(broker: &Broker, case: &str) {
    if !["log-cut-short", "log-corrupt"].contains(&case) {
        return;
    }
    let mut bytes = fs::read(broker.data().join("t-0").join(SEGMENT)).expect("it can be read");
    if case == "log-corrupt" {
        bytes[100] ^= 1;
    } else {
        bytes.truncate(bytes.len() - 7);
    }
    let dir = broker.data().join("broken-0");
    fs::create_dir_all(&dir).expect("it can be written");
    fs::write(dir.join(SEGMENT), bytes).expect("it can be written");
}

#[test]
fn cases_are_told_as_apache_tells_them() {
    let _permit = tests::JvmPermit::take();
    let mut stage = Stage::new(FILE, Kind::Ours);
    let zookeeper = ZooKeeper::start(Kind::Ours, &stage.path("zookeeper"));
    let mut broker = Broker::start(Kind::Ours, &stage.path("kafka"), &zookeeper.address());
    stage.rename("9092", &broker.port().to_string());
    stage.rename("/tmp/kafka-logs", &broker.data().display().to_string());
    let (mut wrong, mut replayed) = (Vec::new(), 0);
    for entry in transcript::read(FILE) {
        match entry {
            Entry::Setup { command, .. } if command.contains("perf-test") => transaction(&broker.address()),
            Entry::Setup { command, input } => stage.setup(&command, &input),
            Entry::Remark(remark) if remark.starts_with("The broker is stopped") => broker.stop(),
            Entry::Remark(_) => {}
            Entry::Case(case) if left_out(&case.name).is_some() => {}
            Entry::Case(case) => {
                damage(&broker, &case.name);
                let found = if case.command.starts_with("./") {
                    replay(&stage, &case)
                } else {
                    file_case(&stage, &broker, &case).into_iter().collect()
                };
                wrong.extend(case.told(found));
                replayed += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {replayed} are not as Apache's:\n{}", wrong.len(), wrong.join("\n"));
    assert!(replayed > 30, "{replayed}");
    beside_apaches(&broker);
}

/// All that our broker has left, as both tools show it.
fn beside_apaches(broker: &Broker) {
    let of = |topic: &str| {
        let partitions = fs::read_dir(broker.data()).expect("it can be read").map(|entry| entry.expect("reads").path());
        let segment = |path: std::path::PathBuf| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            let segment = path.join(SEGMENT);
            let len = fs::metadata(&segment).map_or(0, |found| found.len());
            (name.starts_with(topic) && len > 0).then(|| segment.display().to_string())
        };
        let mut segments: Vec<String> = partitions.filter_map(segment).collect();
        segments.sort();
        segments.join(",")
    };
    let files_of_t = listing(&broker.data().join("t-0"), |name, _| {
        let path = broker.data().join("t-0").join(name).display().to_string();
        name.starts_with("0000").then_some(path)
    });
    let files_of_t = files_of_t.trim_end().replace('\n', ",");
    for args in [
        format!("--files {} --offsets-decoder", of("__consumer_offsets")),
        format!("--files {} --transaction-log-decoder", of("__transaction_state")),
        format!("--files {files_of_t} --print-data-log"),
        format!("--files {} --print-data-log", of("__consumer_offsets")),
        "--nothing".to_owned(),
        "--files".to_owned(),
        "--print-data-log".to_owned(),
        format!("--files {files_of_t} --max-bytes x"),
    ] {
        let told = |output: Output| {
            let first = output.stderr.lines().next().map(str::to_owned);
            (output.code, output.stdout, first)
        };
        let ours = told(Tools(Kind::Ours).run(FILE, &args));
        assert_eq!(ours, told(Tools(Kind::Apache).run(FILE, &args)), "{args}");
    }
}
