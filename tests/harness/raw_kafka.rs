//! Kafka's wire and batches, written anew for the tests: a few requests for one partition, and batches of format 2 as
//! clients and coordinators make them. What judges the broker shares no code with it.

use std::io;
use std::time::Duration;

use crate::wire::{Body, Cursor, Frames, buffer};

/// The header of a batch.
const HEADER: usize = 61;

/// One connection.
#[derive(Debug)]
pub struct RawKafka {
    frames: Frames,
    correlation: i32,
}

/// The answer to a fetch of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Error code.
    pub error: i16,
    /// Where committed records end.
    pub high_watermark: i64,
    /// Where records of ended transactions end.
    pub last_stable: i64,
    /// Where the log starts.
    pub log_start: i64,
    /// Producer and first offset of aborted transactions.
    pub aborted: Vec<(i64, i64)>,
    /// The batches.
    pub records: Vec<u8>,
}

/// What ListOffsets found: error code, timestamp, offset, leader epoch.
pub type FoundOffset = (i16, i64, i64, i32);

impl RawKafka {
    /// Connects to this machine.
    pub fn connect(port: u16) -> io::Result<RawKafka> {
        Ok(RawKafka { frames: Frames::connect(port, Duration::from_secs(20))?, correlation: 0 })
    }

    /// Sends a request's frame as it is; the answer's.
    pub fn exchange(&mut self, frame: &[u8]) -> io::Result<Vec<u8>> {
        self.frames.send(frame)?;
        self.frames.receive()
    }

    fn call(&mut self, (key, version): (i16, i16), flexible: bool, body: &Body) -> io::Result<Vec<u8>> {
        self.correlation += 1;
        let mut frame = [key.to_be_bytes(), version.to_be_bytes()].concat();
        frame.extend(self.correlation.to_be_bytes());
        frame.extend(name("tests"));
        if flexible {
            frame.push(0);
        }
        frame.extend(&body.0);
        let answer = self.exchange(&frame)?;
        let mut cursor = Cursor(&answer);
        if cursor.int() != self.correlation {
            return Err(io::Error::other("an answer to another request"));
        }
        if flexible {
            cursor.take(1);
        }
        Ok(cursor.0.to_vec())
    }

    /// Appends batches, acks=all: error code and offset of the first record.
    pub fn produce(&mut self, topic: &str, partition: i32, batches: &[u8]) -> io::Result<(i16, i64)> {
        self.produce_for(None, topic, partition, batches)
    }

    /// The same in the name of a transactional id.
    pub fn produce_for(
        &mut self,
        transactional_id: Option<&str>,
        topic: &str,
        partition: i32,
        batches: &[u8],
    ) -> io::Result<(i16, i64)> {
        let mut body = Body::default();
        match transactional_id {
            Some(id) => body.0.extend(name(id)),
            None => body.0.extend((-1i16).to_be_bytes()),
        }
        body.0.extend((-1i16).to_be_bytes());
        body = body.int(30_000).int(1);
        body.0.extend(name(topic));
        body = body.int(1).int(partition).data(Some(batches));
        let answer = self.call((0, 7), false, &body)?;
        let mut cursor = Cursor(&answer);
        cursor.int();
        skip_name(&mut cursor);
        cursor.take(8);
        Ok((short(&mut cursor), cursor.long()))
    }

    /// Reads from an offset on, at most so many bytes (a first batch whole), without waiting.
    pub fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        committed: bool,
        max: i32,
    ) -> io::Result<Fetched> {
        let mut body = Body::default().int(-1).int(0).int(0).int(max).flag(committed).int(0).int(-1).int(1);
        body.0.extend(name(topic));
        body = body.int(1).int(partition).int(-1).long(offset).long(-1).int(max).int(0);
        body.0.extend(name(""));
        let answer = self.call((1, 11), false, &body)?;
        let mut cursor = Cursor(&answer);
        cursor.take(4 + 2 + 4);
        if cursor.int() == 0 {
            return Err(io::Error::other("an answer without the topic"));
        }
        skip_name(&mut cursor);
        cursor.take(4 + 4);
        let error = short(&mut cursor);
        let (high_watermark, last_stable, log_start) = (cursor.long(), cursor.long(), cursor.long());
        let aborted = (0..cursor.int()).map(|_| (cursor.long(), cursor.long())).collect();
        cursor.int();
        let records = cursor.data().unwrap_or_default().to_vec();
        Ok(Fetched { error, high_watermark, last_stable, log_start, aborted, records })
    }

    /// Asks for an offset by a timestamp, or −1 (the end), −2 (the start), −3 (the largest timestamp).
    pub fn list_offsets(
        &mut self,
        topic: &str,
        partition: i32,
        timestamp: i64,
        committed: bool,
    ) -> io::Result<FoundOffset> {
        let mut body = Body::default().int(-1).flag(committed);
        body.0.extend([2, topic.len() as u8 + 1]);
        body.0.extend(topic.as_bytes());
        body.0.push(2);
        body = body.int(partition).int(-1).long(timestamp);
        body.0.extend([0, 0, 0]);
        let answer = self.call((2, 7), true, &body)?;
        let mut cursor = Cursor(&answer);
        cursor.take(4 + 1);
        let len = cursor.take(1)[0] as usize - 1;
        cursor.take(len + 1 + 4);
        Ok((short(&mut cursor), cursor.long(), cursor.long(), cursor.int()))
    }
}

fn name(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

/// Behind a count of topics.
fn skip_name(cursor: &mut Cursor<'_>) {
    let len = short(cursor) as usize;
    cursor.take(len);
}

fn short(cursor: &mut Cursor<'_>) -> i16 {
    let bytes = cursor.take(2);
    i16::from_be_bytes([bytes[0], bytes[1]])
}

/// A record's key and value.
pub type KeyAndValue = (Option<Vec<u8>>, Option<Vec<u8>>);

/// A batch of format 2 to be made.
#[derive(Debug, Clone)]
pub struct RawBatch {
    /// Offset of its first record.
    pub base: i64,
    /// Epoch of its leader.
    pub leader_epoch: i32,
    /// Id, epoch, first sequence.
    pub producer: (i64, i16, i32),
    /// Is it part of a transaction?
    pub transactional: bool,
    /// Of the first record; each further one is a millisecond later.
    pub timestamp: i64,
    /// Keys and values.
    pub records: Vec<KeyAndValue>,
    control: bool,
}

impl RawBatch {
    /// A batch of values without a producer.
    pub fn of(timestamp: i64, values: &[&str]) -> RawBatch {
        RawBatch {
            base: 0,
            leader_epoch: -1,
            producer: (-1, -1, -1),
            transactional: false,
            timestamp,
            records: values.iter().map(|value| (None, Some(value.as_bytes().to_vec()))).collect(),
            control: false,
        }
    }

    /// The marker that ends a producer's transaction.
    pub fn marker(timestamp: i64, producer: (i64, i16), commit: bool) -> RawBatch {
        let key = [0, 0, 0, u8::from(commit)].to_vec();
        let records = vec![(Some(key), Some(vec![0; 6]))];
        let producer = (producer.0, producer.1, -1);
        RawBatch { producer, transactional: true, control: true, records, ..RawBatch::of(timestamp, &[]) }
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let count = self.records.len() as i32;
        let attributes = i16::from(self.transactional) << 4 | i16::from(self.control) << 5;
        let mut checked = attributes.to_be_bytes().to_vec();
        checked.extend((count - 1).to_be_bytes());
        checked.extend(self.timestamp.to_be_bytes());
        checked.extend((self.timestamp + i64::from(count) - 1).to_be_bytes());
        checked.extend(self.producer.0.to_be_bytes());
        checked.extend(self.producer.1.to_be_bytes());
        checked.extend(self.producer.2.to_be_bytes());
        checked.extend(count.to_be_bytes());
        for (index, (key, value)) in self.records.iter().enumerate() {
            let mut record = vec![0];
            varint(&mut record, index as i64);
            varint(&mut record, index as i64);
            for field in [key, value] {
                varint(&mut record, field.as_ref().map_or(-1, |field| field.len() as i64));
                record.extend(field.as_deref().unwrap_or_default());
            }
            varint(&mut record, 0);
            varint(&mut checked, record.len() as i64);
            checked.extend(record);
        }
        let mut batch = self.leader_epoch.to_be_bytes().to_vec();
        batch.push(2);
        batch.extend(checksum(&checked).to_be_bytes());
        batch.extend(checked);
        [&self.base.to_be_bytes()[..], &buffer(&batch)].concat()
    }
}

fn varint(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// The checksum of batches of format 2.
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// Where each whole entry of a segment begins, with its last offset; entries of all formats.
pub fn batch_positions(segment: &[u8]) -> Vec<(usize, i64)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(entry) = segment.get(at..).filter(|rest| rest.len() > 17) {
        let mut cursor = Cursor(entry);
        let (offset, size) = (cursor.long(), 12 + cursor.int() as usize);
        if entry.len() < size {
            break;
        }
        let delta = if entry[16] == 2 && size >= HEADER { Cursor(&entry[23..]).int() } else { 0 };
        found.push((at, offset + i64::from(delta)));
        at += size;
    }
    found
}
