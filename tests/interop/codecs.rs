//! Producers and consumers of others against our broker: every codec, every `acks`, messages of 10 MB, and clients that
//! speak as those of years ago. The short form has one of each, the long one all combinations.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use tests::{
    Broker, JvmPermit, Kind, Output, Python, TempDir, Tools, ZooKeeper, ensure_program, full, repository, run_command,
};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const ACKS: [&str; 3] = ["0", "1", "all"];
const LARGE: usize = 10_000_000;

struct World {
    dir: TempDir,
    broker: Broker,
    _zookeeper: ZooKeeper,
}

impl World {
    fn new(name: &str) -> World {
        let dir = TempDir::new(name);
        let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
        let broker = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
        World { dir, broker, _zookeeper: zookeeper }
    }

    fn server(&self) -> String {
        self.broker.address()
    }

    fn create(&self, topic: &str, more: &str) {
        let args = format!("--create --topic {topic} --partitions 2 {more} --bootstrap-server {}", self.server());
        let created = Tools(Kind::Ours).run("kafka-topics", &args);
        assert_eq!(created.code, 0, "{topic}: {}", created.stdout);
    }

    /// What our own consumer finds, sorted.
    fn read(&self, topic: &str, count: usize) -> Vec<String> {
        let args = format!(
            "--bootstrap-server {} --topic {topic} --from-beginning --max-messages {count} --timeout-ms 20000",
            self.server()
        );
        sorted(&done("our consumer", Tools(Kind::Ours).run("kafka-console-consumer", &args)).stdout)
    }
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn done(what: &str, output: Output) -> Output {
    assert_eq!(output.code, 0, "{what}: {}\n{}", output.stdout, output.stderr);
    output
}

/// Codecs and acks to try: each once, or all with all.
fn combinations() -> Vec<(&'static str, &'static str)> {
    if full() {
        return CODECS.iter().flat_map(|codec| ACKS.map(|acks| (*codec, acks))).collect();
    }
    CODECS.iter().enumerate().map(|(at, codec)| (*codec, ACKS[at % ACKS.len()])).collect()
}

fn lines(count: usize, what: &str) -> (String, Vec<String>) {
    let lines: Vec<String> = (0..count).map(|n| format!("line {n} of {what}")).collect();
    let text = lines.join("\n") + "\n";
    let expected = sorted(&text);
    (text, expected)
}

fn kcat(args: &str, input: &str) -> String {
    ensure_program("kcat", "kafkacat");
    let mut command = Command::new("kcat");
    // Cargo puts the librdkafka of the rdkafka crate, built without zlib, before the system's.
    command.env_remove("LD_LIBRARY_PATH").args(args.split_whitespace());
    done(&format!("kcat {args}"), run_command(command, input)).stdout
}

#[test]
fn kcat_with_every_codec_and_acks() {
    let world = World::new("kcat-codecs");
    for (codec, acks) in combinations() {
        let topic = format!("k-{codec}-{acks}");
        world.create(&topic, "");
        let (text, expected) = lines(300, &topic);
        kcat(&format!("-b {} -P -t {topic} -z {codec} -X acks={acks}", world.server()), &text);
        assert_eq!(sorted(&kcat(&format!("-b {} -C -t {topic} -e -q -o beginning", world.server()), "")), expected);
        assert_eq!(world.read(&topic, 300), expected, "{topic}");
    }
}

#[test]
fn kcat_that_speaks_as_of_old() {
    let world = World::new("kcat-old");
    let versions: &[&str] =
        if full() { &["0.8.2.2", "0.9.0.1", "0.10.0.1", "0.10.2.2"] } else { &["0.9.0.1", "0.10.0.1"] };
    for version in versions {
        for codec in ["none", "gzip", "snappy", "lz4"] {
            let topic = format!("old-{version}-{codec}");
            world.create(&topic, "");
            let old =
                format!("-b {} -X api.version.request=false -X broker.version.fallback={version}", world.server());
            let (text, expected) = lines(200, &topic);
            kcat(&format!("{old} -P -t {topic} -z {codec}"), &text);
            assert_eq!(world.read(&topic, 200), expected, "{topic}");
            // What is of today goes back to clients of that time.
            let (more, more_expected) = lines(100, "today");
            kcat(&format!("-b {} -P -t {topic} -z {codec}", world.server()), &more);
            let read = sorted(&kcat(&format!("{old} -C -t {topic} -e -q -o beginning"), ""));
            assert_eq!(read, sorted(&[expected, more_expected].concat().join("\n")), "{topic}");
        }
    }
}

#[test]
fn java_console_tools_with_every_codec_and_acks() {
    let _permit = JvmPermit::take();
    let world = World::new("java-codecs");
    let tried = if full() { combinations() } else { vec![("gzip", "all"), ("zstd", "1")] };
    for (codec, acks) in tried {
        let topic = format!("j-{codec}-{acks}");
        world.create(&topic, "");
        let (text, expected) = lines(300, &topic);
        let args = format!(
            "--bootstrap-server {} --topic {topic} --compression-codec {codec} --request-required-acks {acks}",
            world.server()
        );
        done("console producer", Tools(Kind::Apache).run_with_input("kafka-console-producer", &args, &text));
        assert_eq!(world.read(&topic, 300), expected, "{topic}");
        let args = format!(
            "--bootstrap-server {} --topic {topic} --from-beginning --max-messages 300 --timeout-ms 20000",
            world.server()
        );
        let read = done("console consumer", Tools(Kind::Apache).run("kafka-console-consumer", &args));
        assert_eq!(sorted(&read.stdout), expected, "{topic}");
    }
}

#[test]
fn java_perf_tools_and_messages_of_ten_megabytes() {
    let _permit = JvmPermit::take();
    let world = World::new("java-perf");
    world.create("large", "--config max.message.bytes=11000000");
    let tried: &[(&str, usize)] = if full() { &CODECS.map(|codec| (codec, LARGE)) } else { &[("lz4", LARGE)] };
    let mut written = 0;
    for (codec, size) in tried {
        let args = format!(
            "--topic large --num-records 3 --record-size {size} --throughput -1 --producer-props \
             bootstrap.servers={} acks=all compression.type={codec} max.request.size=11000000 buffer.memory=50000000",
            world.server()
        );
        let produced = done("perf producer", Tools(Kind::Apache).run("kafka-producer-perf-test", &args));
        assert!(produced.stdout.contains("3 records sent"), "{}", produced.stdout);
        written += 3;
    }
    // One byte more than what is allowed is refused, and the broker goes on.
    let args = format!(
        "--topic large --num-records 1 --record-size 11000000 --throughput -1 --producer-props bootstrap.servers={} \
         max.request.size=12000000 buffer.memory=50000000",
        world.server()
    );
    let refused = Tools(Kind::Apache).run("kafka-producer-perf-test", &args);
    assert!(format!("{}{}", refused.stdout, refused.stderr).contains("RecordTooLargeException"), "{refused:?}");
    let args = format!("--bootstrap-server {} --topic large --messages {written} --timeout 20000", world.server());
    let read = done("perf consumer", Tools(Kind::Apache).run("kafka-consumer-perf-test", &args));
    let row = read.stdout.lines().last().unwrap_or_default();
    assert_eq!(row.split(", ").nth(4), Some(written.to_string().as_str()), "{}", read.stdout);
    let args = format!(
        "--bootstrap-server {} --topic large --from-beginning --max-messages {written} --timeout-ms 20000",
        world.server()
    );
    let ours = done("our consumer", Tools(Kind::Ours).run("kafka-console-consumer", &args));
    assert!(ours.stdout.lines().all(|line| line.len() == LARGE), "a message was cut");
    assert_eq!(ours.stdout.lines().count(), written);
}

#[test]
fn verifiable_clients_agree_on_what_was_written() {
    let _permit = JvmPermit::take();
    let world = World::new("verifiable");
    let tried = if full() { combinations() } else { vec![("snappy", "all")] };
    for (codec, acks) in tried {
        if acks == "0" {
            // Nothing is acknowledged that could be compared.
            continue;
        }
        let topic = format!("v-{codec}-{acks}");
        world.create(&topic, "");
        let config = world.dir.join("producer.properties");
        fs::write(&config, format!("compression.type={codec}\n")).expect("the test's directory can be written");
        let acks = if acks == "all" { "-1" } else { acks };
        let args = format!(
            "--bootstrap-server {} --topic {topic} --max-messages 500 --acks {acks} --producer.config {}",
            world.server(),
            config.display()
        );
        let produced = done("verifiable producer", Tools(Kind::Apache).run("kafka-verifiable-producer", &args));
        let acked = offsets(&produced.stdout, "producer_send_success");
        let args = format!(
            "--bootstrap-server {} --topic {topic} --group-id {topic} --max-messages 500 --verbose",
            world.server()
        );
        let consumed = done("verifiable consumer", Tools(Kind::Apache).run("kafka-verifiable-consumer", &args));
        let read = offsets(&consumed.stdout, "record_data");
        assert_eq!(acked.len(), 500, "{}", produced.stdout);
        assert_eq!(read, acked, "{topic}");
    }
}

/// Values by partition and offset, from the lines of one kind.
fn offsets(printed: &str, kind: &str) -> BTreeMap<(i64, i64), String> {
    let mut found = BTreeMap::new();
    for line in printed.lines() {
        let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        if event["name"] == kind {
            let number = |key: &str| event[key].as_i64().expect("a number");
            let value = event["value"].as_str().unwrap_or_default().to_owned();
            found.insert((number("partition"), number("offset")), value);
        }
    }
    found
}

#[test]
fn kafka_python_of_every_age() {
    let world = World::new("kafka-python");
    let python = Python::with("kafka-python", &["kafka-python==2.0.6", "six==1.17.0"]);
    let script = repository().join("tests/interop/python/kafka_python_versions.py");
    let versions: &[&str] =
        if full() { &["0.8.2", "0.9", "0.10", "0.11", "1.0", "2.5"] } else { &["0.9", "0.10", "2.5"] };
    for version in versions {
        for codec in ["none", "gzip"] {
            let topic = format!("p-{version}-{codec}");
            world.create(&topic, "");
            let output = done(&topic, python.run(&script, &[&world.server(), &topic, version, codec]));
            assert_eq!(output.stdout.trim(), "200 records, as they were sent", "{}", output.stderr);
            assert_eq!(world.read(&topic, 200).len(), 200, "{topic}");
        }
    }
}
