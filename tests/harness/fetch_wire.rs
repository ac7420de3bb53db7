//! Requests of producers and consumers as a test writes them down, and their answers as it compares them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::kafka_wire::{KafkaBody, KafkaReply, KafkaWire, Writer, batch};

/// First flexible version of Fetch, and the first in which topics go by id.
const FLEXIBLE: i16 = 12;
const BY_ID: i16 = 13;
/// All records of a history are of this time.
pub const TIME: i64 = 1_700_000_000_000;

/// One fetch: what differs from a consumer that waits for nothing.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Of the request.
    pub version: i16,
    /// -1: a consumer.
    pub replica: i32,
    /// In ms.
    pub max_wait: i32,
    /// Of the answer.
    pub min_bytes: i32,
    /// Of the answer.
    pub max_bytes: i32,
    /// Of each partition.
    pub partition_bytes: i32,
    /// 1: committed transactions only.
    pub isolation: u8,
    /// Id and epoch.
    pub session: (i32, i32),
    /// Topic, partition, offset.
    pub asked: Vec<(&'static str, i32, i64)>,
    /// Topic and partition.
    pub forgotten: Vec<(&'static str, i32)>,
    /// In which the broker is believed to lead; -1: none.
    pub current_epoch: i32,
    /// Of the record before; -1: none.
    pub last_fetched_epoch: i32,
}

impl Fetch {
    /// Alone, of a consumer that waits for nothing.
    pub fn new(version: i16, asked: &[(&'static str, i32, i64)]) -> Fetch {
        Fetch {
            version,
            replica: -1,
            max_wait: 0,
            min_bytes: 1,
            max_bytes: 1 << 20,
            partition_bytes: 1 << 20,
            isolation: 0,
            session: (0, -1),
            asked: asked.to_vec(),
            forgotten: Vec::new(),
            current_epoch: -1,
            last_fetched_epoch: -1,
        }
    }

    /// In a session.
    pub fn session(self, id: i32, epoch: i32) -> Fetch {
        Fetch { session: (id, epoch), ..self }
    }

    /// And partitions leave it.
    pub fn forget(self, forgotten: &[(&'static str, i32)]) -> Fetch {
        Fetch { forgotten: forgotten.to_vec(), ..self }
    }

    /// Waits for so many bytes.
    pub fn wait(self, max_wait: i32, min_bytes: i32) -> Fetch {
        Fetch { max_wait, min_bytes, ..self }
    }

    fn body(&self, ids: &HashMap<String, [u8; 16]>) -> KafkaBody {
        let version = self.version;
        let mut body = KafkaBody::new(version >= FLEXIBLE);
        if version < 15 {
            body.i32(self.replica);
        }
        body.i32(self.max_wait).i32(self.min_bytes);
        if version >= 3 {
            body.i32(self.max_bytes);
        }
        if version >= 4 {
            body.i8(self.isolation.cast_signed());
        }
        if version >= 7 {
            body.i32(self.session.0).i32(self.session.1);
        }
        body.array(self.asked.len());
        for (topic, partition, offset) in &self.asked {
            self.topic(&mut body, topic, ids);
            body.array(1).i32(*partition);
            if version >= 9 {
                body.i32(self.current_epoch);
            }
            body.i64(*offset);
            if version >= 12 {
                body.i32(self.last_fetched_epoch);
            }
            if version >= 5 {
                body.i64(-1);
            }
            body.i32(self.partition_bytes).no_tags().no_tags();
        }
        if version >= 7 {
            body.array(self.forgotten.len());
            for (topic, partition) in &self.forgotten {
                self.topic(&mut body, topic, ids);
                body.array(1).i32(*partition).no_tags();
            }
        }
        if version >= 11 {
            body.text("");
        }
        body.no_tags();
        body
    }

    fn topic(&self, body: &mut KafkaBody, topic: &str, ids: &HashMap<String, [u8; 16]>) {
        if self.version >= BY_ID {
            body.raw(ids.get(topic).unwrap_or(&[0x42; 16]));
        } else {
            body.text(topic);
        }
    }
}

/// A broker that a history is run against, and what it answered.
#[derive(Debug)]
pub struct Asked {
    wire: KafkaWire,
    port: u16,
    ids: HashMap<String, [u8; 16]>,
    /// One per answer.
    pub lines: Vec<String>,
    /// Session ids by the order in which they were given out.
    sessions: Vec<i32>,
}

impl Asked {
    /// Connects to the broker and learns the ids of its topics.
    ///
    /// # Panics
    /// When the broker does not answer; as all that follows.
    pub fn new(port: u16) -> Asked {
        let wire = KafkaWire::connect(port).expect("it accepts");
        let mut asked = Asked { wire, port, ids: HashMap::new(), lines: Vec::new(), sessions: Vec::new() };
        asked.learn_ids();
        asked
    }

    /// Goes on with another connection.
    pub fn reconnect(&mut self) {
        self.wire = KafkaWire::connect(self.port).expect("it accepts");
    }

    fn learn_ids(&mut self) {
        let mut body = KafkaBody::new(true);
        body.varint(0).i8(0).i8(0).no_tags();
        let reply = self.wire.ask(3, 12, &body).expect("an answer to Metadata");
        let mut reply = KafkaReply::new(&reply, true);
        reply.i32();
        for _ in 0..reply.array().unwrap_or_default() {
            reply.i32();
            reply.text();
            reply.i32();
            reply.text();
            reply.tags();
        }
        reply.text();
        reply.i32();
        for _ in 0..reply.array().unwrap_or_default() {
            reply.i16();
            let name = reply.text().unwrap_or_default();
            let id = reply.take(16).try_into().expect("16 bytes");
            self.ids.insert(name, id);
            reply.take(1);
            for _ in 0..reply.array().unwrap_or_default() {
                reply.take(2 + 4 + 4 + 4);
                for _ in 0..3 {
                    let len = reply.array().unwrap_or_default();
                    reply.take(len * 4);
                }
                reply.tags();
            }
            reply.i32();
            reply.tags();
        }
    }

    /// Writes a batch of these values.
    pub fn produce(&mut self, topic: &str, partition: i32, values: &[&str]) {
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        self.produce_as(topic, partition, &values, (-1, -1, -1));
    }

    /// The same, of a producer with an id.
    pub fn produce_as(&mut self, topic: &str, partition: i32, values: &[&[u8]], writer: Writer) {
        let code = self.produce_raw(7, topic, partition, &batch(values, TIME, writer));
        assert_eq!(code, 0, "{topic}-{partition}");
    }

    /// Sends records as they are; returns the error code.
    pub fn produce_raw(&mut self, version: i16, topic: &str, partition: i32, records: &[u8]) -> i16 {
        let mut body = KafkaBody::new(false);
        if version >= 3 {
            body.no_text();
        }
        body.i16(-1).i32(10_000).array(1).text(topic).array(1).i32(partition).data(records);
        let reply = self.wire.ask(0, version, &body).expect("an answer to Produce");
        let mut reply = KafkaReply::new(&reply, false);
        reply.i32();
        reply.text();
        reply.i32();
        reply.i32();
        reply.i16()
    }

    /// Asks anything that is answered by the same bytes everywhere.
    pub fn ask(&mut self, what: &str, api: i16, version: i16, body: &KafkaBody) {
        let line = match self.wire.ask(api, version, body) {
            Ok(reply) => reply.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            }),
            Err(error) => {
                self.reconnect();
                format!("{:?}", error.kind())
            }
        };
        self.lines.push(format!("{what} v{version}: {line}"));
    }

    /// Asks what is no part of the history, over the same connection.
    pub fn aside(&mut self, api: i16, version: i16, body: &KafkaBody) {
        if self.wire.ask(api, version, body).is_err() {
            self.reconnect();
        }
    }

    /// Fetches; returns the session's id.
    pub fn fetch(&mut self, what: &str, fetch: &Fetch) -> i32 {
        let began = Instant::now();
        let reply = self.wire.ask(1, fetch.version, &fetch.body(&self.ids)).expect("an answer to Fetch");
        let waited = fetch.max_wait > 0 && began.elapsed() >= Duration::from_millis(fetch.max_wait as u64 * 9 / 10);
        let (mut line, session) = self.describe(fetch.version, &reply);
        if fetch.max_wait > 0 {
            line.push_str(if waited { "; waited" } else { "; at once" });
        }
        self.lines.push(format!("v{} {what}: {line}", fetch.version));
        session
    }

    fn describe(&mut self, version: i16, reply: &[u8]) -> (String, i32) {
        let mut reply = KafkaReply::new(reply, version >= FLEXIBLE);
        let mut line = String::new();
        if version >= 1 {
            reply.i32();
        }
        let mut session = 0;
        if version >= 7 {
            let error = reply.i16();
            session = reply.i32();
            if session != 0 && !self.sessions.contains(&session) {
                self.sessions.push(session);
            }
            let number = self.sessions.iter().position(|known| *known == session).map_or(0, |at| at + 1);
            let _ = write!(line, "error {error} session {number}");
        }
        for _ in 0..reply.array().unwrap_or_default() {
            let topic = if version >= BY_ID {
                let id = reply.take(16);
                let known = self.ids.iter().find(|(_, known)| known.as_slice() == id);
                known.map_or("unknown".to_owned(), |(name, _)| name.clone())
            } else {
                reply.text().unwrap_or_default()
            };
            let _ = write!(line, " [{topic}");
            for _ in 0..reply.array().unwrap_or_default() {
                partition(&mut line, version, &mut reply);
            }
            reply.tags();
            line.push(']');
        }
        reply.tags();
        assert!(reply.is_empty(), "bytes after the answer");
        (line, session)
    }
}

fn partition(line: &mut String, version: i16, reply: &mut KafkaReply<'_>) {
    let _ = write!(line, " {}: error {} hw {}", reply.i32(), reply.i16(), reply.i64());
    if version >= 4 {
        let _ = write!(line, " lso {}", reply.i64());
    }
    if version >= 5 {
        let _ = write!(line, " start {}", reply.i64());
    }
    if version >= 4 {
        let aborted = reply.array();
        let _ = write!(line, " aborted {aborted:?}");
        for _ in 0..aborted.unwrap_or_default() {
            let _ = write!(line, " {}@{}", reply.i64(), reply.i64());
            reply.tags();
        }
    }
    if version >= 11 {
        let _ = write!(line, " preferred {}", reply.i32());
    }
    let records = reply.data();
    let sums = records.map(sums).unwrap_or_default();
    // What Apache's broker converts for old readers is followed by the beginning of a message that never comes, so that
    // it is as long as it was before.
    if sums.is_empty() || version >= 4 {
        let _ = write!(line, " records {:?}", records.map(<[u8]>::len));
    }
    for value in sums {
        let _ = write!(line, " {value}");
    }
    for (tag, value) in reply.tags() {
        let _ = write!(line, " tag {tag} {value:?}");
    }
    line.push(';');
}

/// First offset of each whole batch or message, and the sum of its bytes without the leader epoch.
fn sums(records: &[u8]) -> Vec<String> {
    let mut rest = records;
    let mut sums = Vec::new();
    while let Some((head, _)) = rest.split_at_checked(12) {
        let offset = i64::from_be_bytes(head[..8].try_into().expect("eight bytes"));
        let len = i32::from_be_bytes(head[8..].try_into().expect("four bytes")) as usize;
        let Some((whole, after)) = rest.split_at_checked(12 + len) else { break };
        let sum = whole[16..].iter().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
        sums.push(format!("{offset}#{sum:x}"));
        rest = after;
    }
    sums
}

/// Compares what two brokers answered, step by step.
///
/// # Panics
/// When an answer differs.
pub fn compare(ours: &[String], theirs: &[String]) {
    let mut differ = BTreeMap::new();
    for (step, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        if ours != theirs {
            differ.insert(step, format!("step {step}\n   ours: {ours}\n  their: {theirs}"));
        }
    }
    let texts: Vec<String> = differ.into_values().collect();
    assert!(texts.is_empty(), "{} of {} answers differ:\n{}", texts.len(), theirs.len(), texts.join("\n"));
    assert_eq!(ours.len(), theirs.len());
}
