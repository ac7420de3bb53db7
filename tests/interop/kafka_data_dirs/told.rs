//! What a broker tells of its partitions: records as Apache's console consumer prints them, ends, times, epochs.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::{Offset, Timestamp, TopicPartitionList};
use tests::{RawKafka, wait_until};

/// A topic's partition.
pub(crate) type Partition = (String, i32);

/// What is told of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// Records with read_uncommitted, a line each.
    pub(crate) uncommitted: Vec<String>,
    /// Records with read_committed.
    pub(crate) committed: Vec<String>,
    /// Log start, high watermark, last stable offset.
    pub(crate) ends: (i64, i64, i64),
    /// Timestamp, offset and epoch for each question about a time.
    pub(crate) by_time: Vec<(i64, i64, i64, i32)>,
    /// Of each batch its first offset and leader epoch; formats 0 and 1 have none.
    pub(crate) epochs: Vec<(i64, i32)>,
    /// Aborted transactions that a fetch from the start tells of.
    pub(crate) aborted: Vec<(i64, i64)>,
}

/// Asks a broker for everything; `times` beside the ends and the largest timestamp.
pub(crate) fn told(port: u16, partitions: &[Partition], times: &[i64]) -> BTreeMap<Partition, Told> {
    for partition in partitions {
        await_leader(port, partition);
    }
    let mut uncommitted = consume_all(port, partitions, "read_uncommitted");
    let mut committed = consume_all(port, partitions, "read_committed");
    let mut of = |partition: &Partition| Told {
        uncommitted: uncommitted.remove(partition).unwrap_or_default(),
        committed: committed.remove(partition).unwrap_or_default(),
        ..of_partition(port, partition, times)
    };
    partitions.iter().map(|partition| (partition.clone(), of(partition))).collect()
}

/// Waits until the broker leads the partition and knows its topic: Apache's learns the two one after the other.
pub(crate) fn await_leader(port: u16, (topic, partition): &Partition) {
    let mut last = None;
    let led = wait_until(Duration::from_mins(1), || {
        last = RawKafka::connect(port)
            .and_then(|mut kafka| {
                let (error, _, start, _) = kafka.list_offsets(topic, *partition, -2, false)?;
                Ok((error, kafka.fetch(topic, *partition, start, false, 1)?.error))
            })
            .ok();
        last == Some((0, 0))
    });
    assert!(led, "{topic}-{partition} has no leader: {last:?}");
}

/// All but the records.
fn of_partition(port: u16, (topic, partition): &Partition, times: &[i64]) -> Told {
    let mut kafka = RawKafka::connect(port).expect("it accepts");
    let mut ask = |time, committed| kafka.list_offsets(topic, *partition, time, committed).expect("an answer");
    let by_time = [-1, -2, -3]
        .iter()
        .chain(times)
        .map(|time| {
            let (error, timestamp, offset, epoch) = ask(*time, false);
            assert_eq!(error, 0, "{topic}-{partition} at {time}");
            // The epoch of the end is that of the leader, who may be a new one.
            (*time, timestamp, offset, if *time < 0 { 0 } else { epoch })
        })
        .collect();
    let (start, stable) = (ask(-2, false).2, ask(-1, true).2);
    let mut aborted = Vec::new();
    let mut epochs = Vec::new();
    let mut offset = start;
    let mut high_watermark = start;
    loop {
        let fetched = kafka.fetch(topic, *partition, offset, true, 1 << 20).expect("an answer");
        assert_eq!(fetched.error, 0, "{topic}-{partition} at {offset}");
        high_watermark = high_watermark.max(fetched.high_watermark);
        let mut next = offset;
        for (at, last) in tests::batch_positions(&fetched.records) {
            let batch = &fetched.records[at..];
            if batch[16] == 2 {
                let base = i64::from_be_bytes(batch[..8].try_into().expect("eight bytes"));
                epochs.push((base, i32::from_be_bytes(batch[12..16].try_into().expect("four bytes"))));
            }
            next = last + 1;
        }
        // Only what begins in this range: how far a read reaches is the broker's choice.
        aborted.extend(fetched.aborted.into_iter().filter(|(_, first)| (offset..next).contains(first)));
        if next == offset {
            break;
        }
        offset = next;
    }
    aborted.sort_unstable();
    aborted.dedup();
    Told {
        uncommitted: Vec::new(),
        committed: Vec::new(),
        ends: (start, high_watermark, stable),
        by_time,
        epochs,
        aborted,
    }
}

/// All records of partitions, as the console consumer prints them with everything it can print.
pub(crate) fn consume_all(port: u16, partitions: &[Partition], isolation: &str) -> BTreeMap<Partition, Vec<String>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", format!("127.0.0.1:{port}"))
        .set("group.id", "nobody")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "20")
        .set("check.crcs", "true")
        .set("isolation.level", isolation)
        .create()
        .expect("a consumer");
    let mut assignment = TopicPartitionList::new();
    for (topic, partition) in partitions {
        assignment.add_partition_offset(topic, *partition, Offset::Beginning).expect("a partition");
    }
    consumer.assign(&assignment).expect("assigned");
    let mut lines: BTreeMap<Partition, Vec<String>> = BTreeMap::new();
    // Each partition's end is told once, as nothing is appended meanwhile.
    let mut open = partitions.len();
    while open > 0 {
        match consumer.poll(Duration::from_secs(20)) {
            Some(Ok(message)) => {
                lines.entry((message.topic().to_owned(), message.partition())).or_default().push(line(&message));
            }
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => panic!("{partitions:?}, {isolation}: {error} after {lines:?}"),
            None => panic!("{partitions:?}, {isolation}: nothing comes after {lines:?}"),
        }
    }
    lines
}

/// librdkafka does not tell "no timestamp" and −1 apart.
pub(crate) const NO_TIMESTAMP: &str = "NO_TIMESTAMP";

fn line(message: &BorrowedMessage<'_>) -> String {
    let timestamp = match message.timestamp() {
        Timestamp::NotAvailable => NO_TIMESTAMP.to_owned(),
        Timestamp::CreateTime(at) => format!("CreateTime:{at}"),
        Timestamp::LogAppendTime(at) => format!("LogAppendTime:{at}"),
    };
    let text =
        |bytes: Option<&[u8]>| bytes.map_or("<null>".into(), |bytes| String::from_utf8_lossy(bytes).into_owned());
    let headers = message.headers().filter(|headers| headers.count() > 0).map_or("NO_HEADERS".to_owned(), |headers| {
        let each: Vec<String> = headers.iter().map(|header| format!("{}:{}", header.key, text(header.value))).collect();
        each.join(",")
    });
    let (key, value) = (text(message.key()), text(message.payload()));
    format!("{timestamp}\tPartition:{}\tOffset:{}\t{headers}\t{key}\t{value}", message.partition(), message.offset())
}
