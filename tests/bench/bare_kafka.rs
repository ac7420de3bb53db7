//! A Kafka client that costs next to nothing: requests made once, sent again and again, answers hardly looked at.
//!
//! What is measured with it is the server alone, and the floor gets its load from it, too. It shares no code with what
//! it measures.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PRODUCE: (i16, i16) = (0, 3);
const FETCH: (i16, i16) = (1, 4);
const LIST_OFFSETS: (i16, i16) = (2, 1);
const METADATA: (i16, i16) = (3, 1);
const CREATE_TOPICS: (i16, i16) = (19, 2);

/// Requests under way at once on a connection, as Java's producer has them.
const IN_FLIGHT: usize = 5;
/// Bytes asked for by one fetch: the default of Java's consumer for a partition.
pub(crate) const FETCH_BYTES: i32 = 1 << 20;
/// The header of a record batch.
const BATCH_HEADER: usize = 61;

/// One connection.
pub(crate) struct BareClient {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl BareClient {
    /// Connects to this machine.
    pub(crate) fn connect(port: u16) -> io::Result<BareClient> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(BareClient { stream, answer: Vec::new() })
    }

    /// How many brokers there are.
    pub(crate) fn brokers(&mut self) -> io::Result<i32> {
        self.stream.write_all(&frame(METADATA, &(-1i32).to_be_bytes()))?;
        self.receive()?;
        int(&self.answer, 4)
    }

    /// Connects, and has a topic made that takes records.
    pub(crate) fn with_topic(port: u16, topic: &str) -> io::Result<BareClient> {
        let mut client = BareClient::connect(port)?;
        let mut names = 1i32.to_be_bytes().to_vec();
        names.extend(text(topic));
        let (batch, _) = batch(1, 100);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            client.stream.write_all(&frame(METADATA, &names))?;
            client.receive()?;
            match client.produce(topic, &batch, 1) {
                Ok(()) => return Ok(client),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Has a topic made; fails if there is one.
    pub(crate) fn create_topic(&mut self, topic: &str, partitions: i32) -> io::Result<()> {
        self.stream.set_read_timeout(Some(Duration::from_mins(5)))?;
        let mut body = 1i32.to_be_bytes().to_vec();
        body.extend(text(topic));
        body.extend(partitions.to_be_bytes());
        body.extend(1i16.to_be_bytes());
        // No assignment; records are kept although their timestamps are old; a time-out; not only to check.
        body.extend(0i32.to_be_bytes());
        body.extend(1i32.to_be_bytes());
        body.extend(text("retention.ms"));
        body.extend(text("-1"));
        body.extend(300_000i32.to_be_bytes());
        body.push(0);
        self.stream.write_all(&frame(CREATE_TOPICS, &body))?;
        self.receive()?;
        // Correlation id, throttle time, count, name; then the error.
        let at = 4 + 4 + 4 + 2 + topic.len();
        match self.answer.get(at..at + 2).ok_or_else(short)? {
            [0, 0] => Ok(()),
            error => Err(io::Error::other(format!("create: error {error:?}"))),
        }
    }

    /// How many partitions of a topic have a leader.
    pub(crate) fn led(&mut self, topic: &str) -> io::Result<i32> {
        let mut names = 1i32.to_be_bytes().to_vec();
        names.extend(text(topic));
        self.stream.write_all(&frame(METADATA, &names))?;
        self.receive()?;
        let mut answer = Fields { bytes: &self.answer, at: 4 };
        for _ in 0..answer.int()? {
            answer.skip(4)?;
            answer.skip_text()?;
            answer.skip(4)?;
            answer.skip_text()?;
        }
        // The controller, one topic, its error, its name, whether it is internal.
        answer.skip(4 + 4 + 2)?;
        answer.skip_text()?;
        answer.skip(1)?;
        let mut led = 0;
        for _ in 0..answer.int()? {
            answer.skip(2 + 4)?;
            led += i32::from(answer.int()? >= 0);
            for _ in 0..2 {
                let ids = answer.int()?.max(0) as usize;
                answer.skip(4 * ids)?;
            }
        }
        Ok(led)
    }

    /// Sends a batch to every partition of a topic, several under way at once; acks=all.
    pub(crate) fn produce_to_all(&mut self, topic: &str, partitions: i32, batch: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        for done in 0..partitions {
            while sent < partitions && sent < done + IN_FLIGHT as i32 {
                self.stream.write_all(&produce_request_to(topic, sent, batch))?;
                sent += 1;
            }
            self.receive()?;
            let error = self.answer.get(18 + topic.len()..20 + topic.len()).ok_or_else(short)?;
            if error != [0, 0] {
                return Err(io::Error::other(format!("produce: error {error:?}")));
            }
        }
        Ok(())
    }

    /// Sends a batch `times` times to partition 0 of a topic, several under way at once; acks=all.
    pub(crate) fn produce(&mut self, topic: &str, batch: &[u8], times: usize) -> io::Result<()> {
        let request = produce_request(topic, batch);
        let mut sent = 0;
        for done in 0..times {
            while sent < times && sent < done + IN_FLIGHT {
                self.stream.write_all(&request)?;
                sent += 1;
            }
            self.receive()?;
            let error = self.answer.get(18 + topic.len()..20 + topic.len()).ok_or_else(short)?;
            if error != [0, 0] {
                return Err(io::Error::other(format!("produce: error {error:?}")));
            }
        }
        Ok(())
    }

    /// Reads partition 0 of a topic from its beginning until so many bytes have come; returns how many did.
    pub(crate) fn fetch(&mut self, topic: &str, bytes: usize) -> io::Result<usize> {
        let mut read = 0;
        let mut offset = 0;
        while read < bytes {
            self.stream.write_all(&fetch_request(topic, offset, 500))?;
            self.receive()?;
            let records = records_of(&self.answer, topic)?;
            read += records.len();
            offset = next_offset(records).ok_or_else(|| io::Error::other("the log ended early"))?;
        }
        Ok(read)
    }

    /// Asks for what is behind the end of partition 0 of a topic, and does not wait for the answer.
    pub(crate) fn ask_beyond_the_end(&mut self, topic: &str, patience: Duration) -> io::Result<()> {
        self.stream.write_all(&list_offsets_request(topic))?;
        self.receive()?;
        // Correlation id, count, topic, count, partition, error, timestamp; then the offset.
        let at = 4 + 4 + 2 + topic.len() + 4 + 4 + 2 + 8;
        let offset = self.answer.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).ok_or_else(short)?;
        let wait = i32::try_from(patience.as_millis()).map_err(io::Error::other)?;
        self.stream.write_all(&fetch_request(topic, i64::from_be_bytes(offset), wait))
    }

    /// Reads one answer into the buffer.
    fn receive(&mut self) -> io::Result<()> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        self.answer.resize(u32::from_be_bytes(len) as usize, 0);
        self.stream.read_exact(&mut self.answer)
    }
}

/// An answer, field by field.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Fields<'_> {
    fn int(&mut self) -> io::Result<i32> {
        let value = int(self.bytes, self.at)?;
        self.at += 4;
        Ok(value)
    }

    fn skip(&mut self, bytes: usize) -> io::Result<()> {
        self.at += bytes;
        if self.at <= self.bytes.len() { Ok(()) } else { Err(short()) }
    }

    fn skip_text(&mut self) -> io::Result<()> {
        let len = self.bytes.get(self.at..self.at + 2).ok_or_else(short)?;
        let len = i16::from_be_bytes([len[0], len[1]]).max(0) as usize;
        self.skip(2 + len)
    }
}

fn short() -> io::Error {
    io::Error::other("the answer is too short")
}

fn int(bytes: &[u8], at: usize) -> io::Result<i32> {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).ok_or_else(short)?;
    Ok(i32::from_be_bytes(four))
}

fn frame((key, version): (i16, i16), body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(body.len() + 20);
    frame.extend((8 + 2 + 5 + body.len() as u32).to_be_bytes());
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(7i32.to_be_bytes());
    frame.extend(text("bench"));
    frame.extend(body);
    frame
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

/// A Produce request (version 3) of one batch for partition 0; the length of its frame included.
pub(crate) fn produce_request(topic: &str, batch: &[u8]) -> Vec<u8> {
    produce_request_to(topic, 0, batch)
}

fn produce_request_to(topic: &str, partition: i32, batch: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(batch.len() + 64);
    body.extend((-1i16).to_be_bytes());
    body.extend((-1i16).to_be_bytes());
    body.extend(30_000i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    body.extend(text(topic));
    body.extend(1i32.to_be_bytes());
    body.extend(partition.to_be_bytes());
    body.extend((batch.len() as u32).to_be_bytes());
    body.extend(batch);
    frame(PRODUCE, &body)
}

/// The answer to it that the floor gives.
pub(crate) fn produce_answer(topic: &str) -> Vec<u8> {
    let mut body = 7i32.to_be_bytes().to_vec();
    body.extend(1i32.to_be_bytes());
    body.extend(text(topic));
    body.extend(1i32.to_be_bytes());
    body.extend([0; 4 + 2 + 8 + 8 + 4]);
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

/// Where does partition 0 end?
fn list_offsets_request(topic: &str) -> Vec<u8> {
    let mut body = (-1i32).to_be_bytes().to_vec();
    body.extend(1i32.to_be_bytes());
    body.extend(text(topic));
    body.extend(1i32.to_be_bytes());
    body.extend(0i32.to_be_bytes());
    body.extend((-1i64).to_be_bytes());
    frame(LIST_OFFSETS, &body)
}

fn fetch_request(topic: &str, offset: i64, wait_ms: i32) -> Vec<u8> {
    let mut body = Vec::new();
    for number in [-1i32, wait_ms, 1, 50 << 20] {
        body.extend(number.to_be_bytes());
    }
    body.push(0);
    body.extend(1i32.to_be_bytes());
    body.extend(text(topic));
    body.extend(1i32.to_be_bytes());
    body.extend(0i32.to_be_bytes());
    body.extend(offset.to_be_bytes());
    body.extend(FETCH_BYTES.to_be_bytes());
    frame(FETCH, &body)
}

/// What stands before the records in the floor's answer to a fetch of so many bytes; the length of the frame included.
pub(crate) fn fetch_answer_head(topic: &str, records: u32) -> Vec<u8> {
    let mut body = 7i32.to_be_bytes().to_vec();
    body.extend(0i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    body.extend(text(topic));
    body.extend(1i32.to_be_bytes());
    body.extend([0; 4 + 2 + 8 + 8]);
    body.extend(0i32.to_be_bytes());
    body.extend(records.to_be_bytes());
    [&(body.len() as u32 + records).to_be_bytes()[..], &body].concat()
}

/// The records in the answer to a fetch of one partition.
fn records_of<'a>(answer: &'a [u8], topic: &str) -> io::Result<&'a [u8]> {
    // Correlation id, throttle time, count, topic, count, partition; then the error.
    let error = 4 + 4 + 4 + 2 + topic.len() + 4 + 4;
    if answer.get(error..error + 2).ok_or_else(short)? != [0, 0] {
        return Err(io::Error::other("fetch: the broker answers with an error"));
    }
    let aborted = error + 2 + 8 + 8;
    let aborted_len = int(answer, aborted)?.max(0) as usize * 16;
    let at = aborted + 4 + aborted_len;
    let len = int(answer, at)?.max(0) as usize;
    answer.get(at + 4..at + 4 + len).ok_or_else(short)
}

/// The offset behind the last whole batch.
fn next_offset(mut records: &[u8]) -> Option<i64> {
    let mut next = None;
    while records.len() >= BATCH_HEADER {
        let base = i64::from_be_bytes(records[..8].try_into().ok()?);
        let size = 12 + int(records, 8).ok()? as usize;
        if records.len() < size {
            break;
        }
        next = Some(base + i64::from(int(records, 23).ok()?) + 1);
        records = &records[size..];
    }
    next
}

/// A record batch of about `size` bytes with values of `value` bytes, and how many records it has.
pub(crate) fn batch(value: usize, size: usize) -> (Vec<u8>, usize) {
    let mut records = Vec::with_capacity(size);
    let mut count = 0;
    while records.len() + value < size {
        let mut record = vec![0];
        varint(&mut record, 0);
        varint(&mut record, count);
        varint(&mut record, -1);
        varint(&mut record, value as i64);
        record.extend((0..value).map(|at| b'a' + (at % 26) as u8));
        varint(&mut record, 0);
        varint(&mut records, record.len() as i64);
        records.extend(record);
        count += 1;
    }
    // Now: retention takes what is old.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    let timestamp = (now as i64).to_be_bytes();
    let mut checked = 0i16.to_be_bytes().to_vec();
    checked.extend((count as i32 - 1).to_be_bytes());
    checked.extend(timestamp);
    checked.extend(timestamp);
    checked.extend((-1i64).to_be_bytes());
    checked.extend((-1i16).to_be_bytes());
    checked.extend((-1i32).to_be_bytes());
    checked.extend((count as i32).to_be_bytes());
    checked.extend(records);
    let mut batch = 0i64.to_be_bytes().to_vec();
    batch.extend((checked.len() as u32 + 9).to_be_bytes());
    batch.extend((-1i32).to_be_bytes());
    batch.push(2);
    batch.extend(crc32c::crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    (batch, count as usize)
}

fn varint(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}
