//! The rows about the broker and the tools.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tests::{Kind, TempDir};

use crate::bare_kafka::{self, BareClient};
use crate::floor::Work;
use crate::proc::{cpu_seconds, resident_mb};
use crate::servers::{Server, command};
use crate::table::{Goal, Who};
use crate::{Options, Part, Tables, floor, kafka_load, settle};

/// Value sizes, and how they are called.
const SIZES: [(usize, &str); 2] = [(100, "100 B"), (1024, "1 KiB")];
/// A batch of the bare client: what many producers under load send.
const BATCH_BYTES: usize = 64 << 10;
/// Into so many parts the bare client's load is divided; before each comes the floor's. What a write or a `send` costs
/// the system changes from second to second, twofold and more: only neighbours can be compared.
const PARTS: usize = 8;

/// Time until ready, idle memory, a tool call, load by two clients, memory after it.
pub(crate) fn measure(kind: Kind, options: &Options, tables: &mut Tables) {
    if ![Part::Start, Part::Produce, Part::Consume].iter().any(|part| options.wants(*part)) {
        return;
    }
    let dir = TempDir::new("bench-broker");
    settle();
    let zookeeper = Server::zookeeper(kind, dir.path());
    let broker = Server::broker(kind, dir.path(), &zookeeper);
    let who = Who::from(kind);
    if options.wants(Part::Start) {
        tables.start.add(who, "broker ready after, ms", Goal::Below(100.0), broker.ready.as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_secs(1));
        tables.start.add(who, "broker idle, MB", Goal::Below(40.0), resident_mb(broker.pid()));
        for _ in 0..3 {
            tables.start.add(who, "kafka-topics --list, ms", Goal::Below(20.0), list_topics(kind, &broker));
        }
    }
    if options.wants(Part::Produce) || options.wants(Part::Consume) {
        for (size, name) in SIZES {
            with_librdkafka(who, options, tables, &broker, (size, name));
            with_bare_client(who, options, tables, &broker, (size, name));
        }
        tables.start.add(who, "broker after load, MB", Goal::None, resident_mb(broker.pid()));
    }
    broker.stop();
    zookeeper.stop();
}

fn list_topics(kind: Kind, broker: &Server) -> f64 {
    let mut list = command(kind, "kafka-topics");
    list.args(["--list", "--bootstrap-server", &broker.address()]).stdout(Stdio::null());
    let begin = Instant::now();
    let status = list.status().expect("the tool starts");
    assert!(status.success(), "kafka-topics --list: {status}");
    begin.elapsed().as_secs_f64() * 1e3
}

fn with_librdkafka(who: Who, options: &Options, tables: &mut Tables, broker: &Server, (size, name): (usize, &str)) {
    let (topic, warm) = (format!("librdkafka-{size}"), format!("librdkafka-{size}-warm"));
    let server = broker.address();
    // Half of what the bare client sends: at 100 B the client is the slower side.
    let records = bytes_of(options, size) / 2 / size;
    let warmed = warm_up(options, size * records, || {
        kafka_load::produce(&server, &warm, size, records);
    });
    settle();
    let work = on(broker, || kafka_load::produce(&server, &topic, size, records));
    add(tables, options, who, &format!("produce {name}, librdkafka"), records * size, work);
    if options.wants(Part::Consume) {
        kafka_load::consume(&server, &warm, records * warmed);
        let work = on(broker, || kafka_load::consume(&server, &topic, records));
        add(tables, options, who, &format!("consume {name}, librdkafka"), records * size, work);
    }
}

fn with_bare_client(who: Who, options: &Options, tables: &mut Tables, broker: &Server, (size, name): (usize, &str)) {
    let (topic, warm) = (format!("bare-{size}"), format!("bare-{size}-warm"));
    let (batch, _) = bare_kafka::batch(size, BATCH_BYTES);
    let times = bytes_of(options, size) / PARTS / batch.len();
    let bytes = times * batch.len();
    let mut client = BareClient::with_topic(broker.port, &warm).expect("the broker serves");
    warm_up(options, bytes * PARTS, || client.produce(&warm, &batch, times * PARTS).expect("acknowledged"));
    let mut client = BareClient::with_topic(broker.port, &topic).expect("the broker serves");
    settle();
    let dir = TempDir::new("bench-floor");
    let what = format!("produce {name}, bare client");
    floor::produce(dir.path(), &batch, times);
    for _ in 0..PARTS {
        add(tables, options, Who::Floor, &what, bytes, floor::produce(dir.path(), &batch, times));
        let work = on(broker, || {
            let begin = Instant::now();
            client.produce(&topic, &batch, times).expect("acknowledged");
            begin.elapsed().as_secs_f64()
        });
        add(tables, options, who, &what, bytes, work);
    }
    if options.wants(Part::Consume) {
        let what = format!("consume {name}, bare client");
        let bytes = bytes * PARTS;
        floor::fetch(dir.path(), batch.len());
        client.fetch(&warm, bytes).expect("read");
        for _ in 0..PARTS {
            let (work, read) = floor::fetch(dir.path(), batch.len());
            add(tables, options, Who::Floor, &what, read, work);
            // How often a reader is woken in an answer stays as it began with the connection, and twice the processor time
            // hangs on it. The floor has a connection for each part, so everybody has.
            let mut client = BareClient::connect(broker.port).expect("the broker serves");
            let work = on(broker, || {
                let begin = Instant::now();
                client.fetch(&topic, bytes).expect("read");
                begin.elapsed().as_secs_f64()
            });
            add(tables, options, who, &what, bytes, work);
        }
    }
}

/// Repeats a load until a JVM has compiled what it runs, on both sides alike; returns how often.
fn warm_up(options: &Options, bytes: usize, mut load: impl FnMut()) -> usize {
    let (time, most) =
        if options.quick { (Duration::from_secs(2), 300_000_000) } else { (Duration::from_secs(8), 1_500_000_000) };
    let begin = Instant::now();
    let mut times = 0;
    while times == 0 || (begin.elapsed() < time && (times + 1) * bytes <= most) {
        load();
        times += 1;
    }
    times
}

/// Runs a load and looks at the broker's processor time before and after.
fn on(broker: &Server, load: impl FnOnce() -> f64) -> Work {
    let before = cpu_seconds(broker.pid());
    let seconds = load();
    Work { seconds, cpu: cpu_seconds(broker.pid()) - before }
}

fn add(tables: &mut Tables, options: &Options, who: Who, what: &str, bytes: usize, work: Work) {
    let part = if what.starts_with("produce") { Part::Produce } else { Part::Consume };
    if !options.wants(part) {
        return;
    }
    tables.records.add(who, &format!("{what}: MB/s"), Goal::AtLeast(1.0), bytes as f64 / 1e6 / work.seconds);
    // The floor is measured with the bare client's batches only.
    let goal = match (part, what.contains("100 B"), what.ends_with("bare client")) {
        (Part::Produce, true, true) => Goal::Within(0.25, 2.0),
        (Part::Produce, true, false) => Goal::AtMost(0.25),
        (Part::Produce, false, true) => Goal::Within(0.33, 1.5),
        (Part::Produce, false, false) => Goal::AtMost(0.33),
        (_, _, true) => Goal::Within(0.5, 1.3),
        (_, _, false) => Goal::AtMost(0.5),
    };
    tables.records.add(who, &format!("{what}: CPU s per GB"), goal, work.cpu / (bytes as f64 / 1e9));
}

/// How much is sent with values of that size.
fn bytes_of(options: &Options, size: usize) -> usize {
    let full = if size < 1000 { 400_000_000 } else { 800_000_000 };
    if options.quick { full / 4 } else { full }
}
