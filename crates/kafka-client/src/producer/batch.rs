//! One batch on its way: growing, waiting, sealed, sent, sent again, split. Pure.

use std::sync::Arc;

use bytes::Bytes;
use kafka_record::batch::{ATTRIBUTES_AT, BatchHeader, HEADER_LEN};
use kafka_record::checksum::crc32c;
use kafka_record::{BatchBuilder, BatchOptions, Codec, Compression, Header, RecordBatch};
use kafka_types::varint::{len_i32, len_i64};
use kafka_types::{ProducerEpoch, ProducerId, TopicName, TopicPartition};
use time_types::Tick;

use super::delivery::{Fate, Outcome};

/// A partition by its topic's place in the accumulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PartitionKey {
    pub(super) topic: u32,
    pub(super) partition: i32,
}

/// The place of a batch in the order in which its partition's records were sent: batches are numbered, and the parts
/// of a split batch are told apart by their first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Order {
    pub(super) number: u64,
    pub(super) first: u32,
}

/// The idempotent producer that a batch speaks for, and the sequence of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) id: ProducerId,
    pub(super) epoch: ProducerEpoch,
    pub(super) base_sequence: i32,
}

impl Stamp {
    /// Of a producer that is not idempotent.
    pub(super) const NONE: Stamp =
        Stamp { id: ProducerId::NONE, epoch: ProducerEpoch::NONE, base_sequence: kafka_record::NO_SEQUENCE };
}

/// A record before it is in a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) timestamp: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: &'a [Header],
}

impl Parts<'_> {
    /// The most bytes that the record takes in a batch, as Java counts them: what is compared with `batch.size`.
    pub(super) fn size_bound(&self) -> usize {
        /// Length, attributes, timestamp and offset, each at its longest.
        const OVERHEAD: usize = 21;
        let text = |len: usize| len_i32(i32::try_from(len).unwrap_or(i32::MAX)) + len;
        let bytes = |bytes: Option<&[u8]>| bytes.map_or(1, |bytes| text(bytes.len()));
        let headers: usize =
            self.headers.iter().map(|header| text(header.key.len()) + bytes(header.value.as_deref())).sum();
        let count = len_i64(self.headers.len() as i64);
        OVERHEAD + bytes(self.key) + bytes(self.value) + count + headers
    }
}

/// One batch of one partition.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) key: PartitionKey,
    pub(super) order: Order,
    pub(super) topic: TopicName,
    pub(super) outcome: Arc<Outcome>,
    /// Place and tag of each record whose fate the listener wants to hear.
    pub(super) tags: Vec<(u32, u64)>,
    pub(super) count: i32,
    pub(super) created: Tick,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// Not to be sent before this.
    pub(super) not_before: Tick,
    /// Bytes of `buffer.memory` that it holds.
    pub(super) reserved: usize,
    /// Bytes before compression, header included.
    pub(super) uncompressed: usize,
    /// It has a sequence: only it may be sent with that.
    pub(super) has_sequence: bool,
    pub(super) stamp: Stamp,
    /// No record is added any more.
    pub(super) is_closed: bool,
    codec: Codec,
    /// Before it is sealed.
    builder: Option<BatchBuilder>,
    /// Once it is sealed, with the stamp that is written in it.
    sealed: Option<(Bytes, Stamp)>,
}

impl Batch {
    /// An empty batch that grows in `buffer`.
    pub(super) fn new(
        (key, topic): (PartitionKey, TopicName),
        order: Order,
        codec: Codec,
        created: Tick,
        buffer: Vec<u8>,
    ) -> Batch {
        let options = BatchOptions { codec, ..BatchOptions::default() };
        Batch {
            key,
            order,
            outcome: Outcome::new(topic.clone(), key.partition),
            topic,
            tags: Vec::new(),
            count: 0,
            created,
            attempts: 0,
            not_before: Tick(0),
            reserved: 0,
            uncompressed: HEADER_LEN,
            has_sequence: false,
            stamp: Stamp::NONE,
            is_closed: false,
            codec,
            builder: Some(BatchBuilder::with_buffer(options, buffer)),
            sealed: None,
        }
    }

    /// Adds a record; its place in the batch, or `None` if the batch takes no more.
    pub(super) fn append(&mut self, parts: &Parts<'_>) -> Option<u32> {
        let builder = self.builder.as_mut().filter(|_| !self.is_closed)?;
        builder.append(parts.timestamp, parts.key, parts.value, parts.headers).ok()?;
        let index = self.count as u32;
        self.count += 1;
        self.uncompressed = builder.len();
        Some(index)
    }

    /// Its partition, for messages.
    pub(super) fn partition(&self) -> TopicPartition {
        TopicPartition::new(self.topic.clone(), self.key.partition)
    }

    /// How large it will be on the wire if records compress as `ratio` says.
    pub(super) fn estimated_size(&self, ratio: f32) -> usize {
        match &self.sealed {
            Some((bytes, _)) => bytes.len(),
            None => estimate(self.codec.compression, self.uncompressed, ratio),
        }
    }

    /// The bytes to send: finished once, then only restamped.
    pub(super) fn seal(&mut self) -> Bytes {
        let stamp = self.stamp;
        let bytes = match (self.builder.take(), self.sealed.take()) {
            (Some(mut builder), _) => {
                builder.set_producer(stamp.id, stamp.epoch, stamp.base_sequence);
                builder.finish()
            }
            (None, Some((bytes, sealed_as))) if sealed_as == stamp => bytes,
            (None, Some((bytes, _))) => restamped(bytes, stamp),
            (None, None) => Bytes::new(),
        };
        self.is_closed = true;
        self.sealed = Some((bytes.clone(), stamp));
        bytes
    }

    /// The memory of its bytes, if it was sealed as it grew and nobody else holds them.
    pub(super) fn take_buffer(&mut self) -> Option<Vec<u8>> {
        let (bytes, _) = self.sealed.take()?;
        bytes.try_into_mut().ok().map(Vec::from)
    }

    /// How well it compressed: compressed by uncompressed size; `None` if it is not compressed or not sealed.
    pub(super) fn compression_ratio(&self) -> Option<f32> {
        let (bytes, _) = self.sealed.as_ref().filter(|_| self.codec.compression != Compression::None)?;
        Some(bytes.len() as f32 / self.uncompressed as f32)
    }

    /// The same records in batches of at most `target` bytes, one record at least in each; `None` if its bytes cannot
    /// be read. Its outcome then points to theirs.
    pub(super) fn split(&mut self, target: usize) -> Option<Vec<Batch>> {
        let bytes = self.seal();
        let view = RecordBatch::read(&bytes).ok()?;
        let records = view.records(self.uncompressed).ok()?;
        let mut parts: Vec<Batch> = Vec::new();
        for record in &records {
            let record = record.ok()?;
            let headers = owned_headers(&record);
            let parts_of =
                Parts { timestamp: record.timestamp, key: record.key, value: record.value, headers: &headers };
            let has_room = |part: &Batch| part.uncompressed + parts_of.size_bound() <= target;
            if !parts.last().is_some_and(has_room) {
                let first = parts.iter().map(|part| part.count as u32).sum::<u32>();
                parts.push(self.part(first, target.min(bytes.len())));
            }
            parts.last_mut().expect("one was pushed if there was none").append(&parts_of)?;
        }
        self.hand_over(&mut parts);
        Some(parts)
    }

    /// An empty batch that takes over records from `first` on.
    fn part(&self, first: u32, capacity: usize) -> Batch {
        let order = Order { number: self.order.number, first: self.order.first + first };
        let mut part =
            Batch::new((self.key, self.topic.clone()), order, self.codec, self.created, Vec::with_capacity(capacity));
        part.attempts = self.attempts;
        part
    }

    fn hand_over(&mut self, parts: &mut [Batch]) {
        let mut first = 0;
        let mut tags = self.tags.drain(..).peekable();
        let mut outcomes = Vec::with_capacity(parts.len());
        for part in parts {
            part.is_closed = true;
            part.reserved = part.uncompressed;
            let end = first + part.count as u32;
            while let Some((index, tag)) = tags.next_if(|(index, _)| *index < end) {
                part.tags.push((index - first, tag));
            }
            outcomes.push((first, part.outcome.clone()));
            first = end;
        }
        self.outcome.complete(Fate::Split(outcomes));
    }
}

/// The size on the wire of so many uncompressed bytes; Java adds a twentieth for safety.
pub(super) fn estimate(compression: Compression, uncompressed: usize, ratio: f32) -> usize {
    match compression {
        Compression::None => uncompressed,
        _ => (uncompressed as f32 * ratio * 1.05) as usize,
    }
}

fn owned_headers(record: &kafka_record::RecordRef<'_>) -> Vec<Header> {
    let owned = |(key, value): (std::borrow::Cow<'_, str>, Option<&[u8]>)| Header {
        key: key.into_owned(),
        value: value.map(Bytes::copy_from_slice),
    };
    record.headers.iter().map(owned).collect()
}

/// The batch with another producer or sequence in its header. In place if nobody else holds the bytes.
fn restamped(bytes: Bytes, stamp: Stamp) -> Bytes {
    let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| bytes::BytesMut::from(&shared[..]));
    let Ok(mut header) = BatchHeader::read(&bytes) else { return bytes.freeze() };
    header.producer_id = stamp.id;
    header.producer_epoch = stamp.epoch;
    header.base_sequence = stamp.base_sequence;
    bytes[..HEADER_LEN].copy_from_slice(&header.write());
    header.crc = crc32c(&bytes[ATTRIBUTES_AT..]);
    bytes[..HEADER_LEN].copy_from_slice(&header.write());
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: PartitionKey = PartitionKey { topic: 0, partition: 3 };

    fn batch(codec: Compression, values: &[&str]) -> Batch {
        let order = Order { number: 5, first: 0 };
        let mut batch = Batch::new((KEY, "t".into()), order, codec.into(), Tick(9), Vec::with_capacity(1024));
        for value in values {
            let headers = [Header { key: "h".to_owned(), value: None }];
            let parts = Parts { timestamp: 7, key: None, value: Some(value.as_bytes()), headers: &headers };
            batch.append(&parts).unwrap();
        }
        batch
    }

    fn values(bytes: &[u8]) -> Vec<String> {
        let view = RecordBatch::read(bytes).unwrap();
        view.check_crc().unwrap();
        let records = view.records(1 << 20).unwrap();
        records.iter().map(|record| String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap()).collect()
    }

    #[test]
    fn size_bound_is_javas() {
        let size = |key: Option<&[u8]>, value: usize, headers: &[Header]| {
            let value = vec![0; value];
            HEADER_LEN + Parts { timestamp: 0, key, value: Some(&value), headers }.size_bound()
        };
        // From `kafka-console-producer --producer-property max.request.size=1000`.
        assert_eq!(size(None, 2000, &[]), 2086);
        let header = Header { key: "h".to_owned(), value: Some(Bytes::from_static(b"v")) };
        assert_eq!(size(Some(b"k"), 2000, &[header]), 2086 + 1 + 4);
    }

    #[test]
    fn a_batch_keeps_its_bytes_and_gets_a_new_stamp() {
        let mut batch = batch(Compression::Gzip, &["a", "b"]);
        batch.stamp = Stamp { id: ProducerId(8), epoch: ProducerEpoch(0), base_sequence: 40 };
        let first = batch.seal();
        assert_eq!(batch.seal(), first);
        batch.stamp = Stamp { id: ProducerId(8), epoch: ProducerEpoch(1), base_sequence: 0 };
        let second = batch.seal();
        assert_eq!(second[HEADER_LEN..], first[HEADER_LEN..]);
        let header = *RecordBatch::read(&second).unwrap().header();
        assert_eq!((header.producer_epoch.0, header.base_sequence, header.count), (1, 0, 2));
        assert_eq!(values(&second), ["a", "b"]);
        assert!(batch.append(&Parts { timestamp: 0, key: None, value: None, headers: &[] }).is_none());
    }

    #[tokio::test]
    async fn a_split_keeps_records_tags_order_and_those_who_wait() {
        let mut whole = batch(Compression::Zstd, &["aaaa", "bbbb", "cccc"]);
        whole.tags = vec![(0, 100), (2, 102)];
        let waits = super::super::delivery::Delivery::new(whole.outcome.clone(), 2, 7);
        let mut parts = whole.split(61 + 30).unwrap();
        assert_eq!(parts.iter().map(|part| part.count).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(parts.iter().map(|part| part.order.first).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((&parts[0].tags[..], &parts[2].tags[..]), (&[(0, 100)][..], &[(0, 102)][..]));
        assert_eq!(values(&parts[2].seal()), ["cccc"]);
        parts[2].outcome.complete(Fate::Written { base_offset: 12, log_append_time: -1 });
        assert_eq!(waits.await.unwrap().offset.0, 12);
    }
}
