//! Produce requests that are sent in a row, without waiting for answers: the answers, their order and what is stored are those
//! of requests sent one by one, and those of Apache's broker.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use tests::{
    Broker, JvmPermit, KafkaBody, Kind, RawKafka, TIME, TempDir, Tools, ZooKeeper, batch, batch_positions, checksum,
    compare, message, transactional_batch,
};

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;

/// A request, and whether there is an answer to it.
struct Request {
    about: &'static str,
    api: i16,
    version: i16,
    body: KafkaBody,
    flexible: bool,
    is_answered: bool,
    parts: usize,
}

impl Request {
    fn frame(&self, correlation: usize) -> Vec<u8> {
        let mut frame = KafkaBody::new(self.flexible);
        frame.i16(self.api).i16(self.version).i32(correlation as i32).i16(5).raw(b"tests").no_tags();
        frame.raw(&self.body.bytes);
        [&(frame.bytes.len() as u32).to_be_bytes()[..], &frame.bytes].concat()
    }
}

/// Batches for partitions, as (topic, partition, batch).
fn produce(about: &'static str, acks: i16, version: i16, parts: &[(&str, i32, Vec<u8>)]) -> Request {
    let flexible = version >= 9;
    let mut body = KafkaBody::new(flexible);
    if version >= 3 {
        body.no_text();
    }
    body.i16(acks).i32(20_000).array(parts.len());
    for (topic, partition, records) in parts {
        body.text(topic).array(1).i32(*partition).data(records).no_tags().no_tags();
    }
    body.no_tags();
    Request { about, api: PRODUCE, version, body, flexible, is_answered: acks != 0, parts: parts.len() }
}

fn large(number: u8) -> Vec<u8> {
    batch(&[&[number; 9000], &[number; 7000]], TIME, (-1, -1, -1))
}

fn small(value: &str) -> Vec<u8> {
    batch(&[value.as_bytes()], TIME, (-1, -1, -1))
}

fn corrupt() -> Vec<u8> {
    let mut bytes = small("corrupt");
    *bytes.last_mut().expect("has some") ^= 1;
    bytes
}

/// All that may stand in a row, good and bad; the last one closes the connection.
fn requests() -> Vec<Request> {
    let mut all: Vec<Request> = (0..40).map(|n| produce("large", -1, 9, &[("t", 0, large(n))])).collect();
    let by = |sequence, value: &str| batch(&[value.as_bytes(), &[b'i'; 3000]], TIME, (77, 0, sequence));
    all.extend([
        produce("two partitions", -1, 11, &[("t", 0, large(41)), ("t", 1, small("one"))]),
        produce("acks=1", 1, 7, &[("t", 1, small("two"))]),
        produce("a wrong sum between good ones", -1, 9, &[("t", 0, small("a")), ("t", 1, corrupt())]),
        produce("no such topic", -1, 9, &[("nope", 0, small("b")), ("t", 0, small("c"))]),
        produce("no such partition", -1, 9, &[("t", 9, small("d"))]),
        produce("odd acks", 7, 9, &[("t", 0, small("never"))]),
        produce("first of a producer", -1, 9, &[("t", 0, by(0, "first"))]),
        produce("its second", -1, 9, &[("t", 0, by(2, "second"))]),
        produce("its first again", -1, 9, &[("t", 0, by(0, "first"))]),
        produce("one is missing", -1, 9, &[("t", 0, by(6, "fourth"))]),
        produce("its third", -1, 9, &[("t", 0, by(4, "third"))]),
        produce("no answer wanted", 0, 9, &[("t", 1, small("silent"))]),
        produce("after it", -1, 9, &[("t", 1, small("after"))]),
        produce("into a transaction of nobody", -1, 9, &[("t", 0, transactional_batch(&[b"x"], TIME, (77, 0, 6)))]),
        produce("of an old format", -1, 2, &[("t", 0, message(1, 0, TIME, b"old"))]),
        produce("of the oldest", 1, 0, &[("t", 1, message(0, 0, TIME, b"oldest"))]),
        produce("old where it may not be", -1, 9, &[("t", 0, message(1, 0, TIME, b"old"))]),
        produce("nothing", -1, 2, &[("t", 0, Vec::new())]),
        produce("nothing where there has to be something", -1, 9, &[("t", 0, Vec::new())]),
        produce("two batches", -1, 9, &[("t", 0, [small("e"), small("f")].concat())]),
        produce("without parts", -1, 9, &[]),
    ]);
    let mut names = KafkaBody::new(false);
    names.array(0);
    let metadata = Request {
        about: "of another kind",
        api: METADATA,
        version: 1,
        body: names,
        flexible: false,
        is_answered: true,
        parts: 0,
    };
    all.push(metadata);
    all.extend(
        (0..30).map(|n| produce("many small ones", if n % 2 == 0 { 1 } else { -1 }, 8, &[("t", n % 2, small("s"))])),
    );
    all.push(produce("no answer, and fails", 0, 9, &[("nope", 0, small("g"))]));
    all.push(produce("too late", -1, 9, &[("t", 0, small("never"))]));
    all
}

/// Sends them, so many in one write, and reads the answers to those; all answers, and what is stored in the end.
fn run(kind: Kind, in_a_row: usize) -> Vec<String> {
    let dir = TempDir::new("pipelined");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let settings = "auto.create.topics.enable=false\n";
    let broker = Broker::start_for_old_records(kind, &dir.join("kafka"), &zookeeper.address(), settings);
    let args = format!("--create --topic t --partitions 2 --bootstrap-server {}", broker.address());
    assert_eq!(Tools(Kind::Ours).run("kafka-topics", &args).code, 0);
    let mut stream = TcpStream::connect(("127.0.0.1", broker.port())).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    let mut lines = Vec::new();
    for (run, requests) in requests().chunks(in_a_row).enumerate() {
        let frames = requests.iter().enumerate().flat_map(|(at, request)| request.frame(run * in_a_row + at));
        let frames: Vec<u8> = frames.collect();
        if stream.write_all(&frames).is_err() {
            // It was closed by what went before.
            lines.push("too late: closed".to_owned());
            continue;
        }
        for request in requests.iter().filter(|request| request.is_answered) {
            let answer =
                receive(&mut stream).map_or_else(|_| "closed".to_owned(), |answer| told(request, &answer, &broker));
            lines.push(format!("{}: {answer}", request.about));
        }
    }
    let mut reader = RawKafka::connect(broker.port()).expect("connects");
    for partition in 0..2 {
        let stored = reader.fetch("t", partition, 0, false, 10 << 20).expect("reads");
        lines.push(format!("{partition}: {} {:?}", stored.high_watermark, batch_positions(&stored.records)));
        lines.push(format!("{partition}: {} bytes, sum {:08x}", stored.records.len(), checksum(&stored.records)));
    }
    lines
}

fn told(request: &Request, answer: &[u8], broker: &Broker) -> String {
    if request.api == METADATA {
        // It names the broker's port.
        let port = i32::from(broker.port()).to_be_bytes();
        assert!(answer.windows(4).any(|bytes| bytes == port), "{}", hex(answer));
        return format!("{} of {} bytes", hex(&answer[..4]), answer.len());
    }
    if request.parts > 1 {
        // Their order is that of a hash table of Java.
        let mut sorted = answer.to_vec();
        sorted.sort_unstable();
        return hex(&sorted);
    }
    hex(answer)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

fn receive(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let mut answer = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[test]
fn requests_in_a_row_are_served_as_one_by_one_and_as_apaches_broker_serves_them() {
    let _permit = JvmPermit::take();
    let together = run(Kind::Ours, usize::MAX);
    assert!(together.iter().any(|line| line.starts_with("too late: closed")), "the last one was served");
    compare(&together, &run(Kind::Ours, 1));
    compare(&together, &run(Kind::Ours, 3));
    compare(&together, &run(Kind::Apache, usize::MAX));
}
