//! Segments that Apache's broker wrote, against what `kafka-dump-log --deep-iteration` says of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;

use bytes::Bytes;
use kafka_types::{Offset, TopicPartition};
use time_types::WallMillis;

use crate::batch::{RecordBatch, TimestampType};
use crate::compression::Compression;
use crate::control::EndTxnMarker;
use crate::reader::{Batch, batches};
use crate::record::RecordRef;
use crate::validate::validate;

const LIMIT: usize = 1 << 20;

macro_rules! golden {
    ($path:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/log-dir/", $path))
    };
}

/// The files of a gzipped tar.
fn untar(archive: &[u8]) -> BTreeMap<String, Bytes> {
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(archive).read_to_end(&mut tar).unwrap();
    let mut files = BTreeMap::new();
    let mut at = 0;
    while tar[at] != 0 {
        let text = |range: std::ops::Range<usize>| {
            let field = &tar[at + range.start..at + range.end];
            String::from_utf8(field.iter().copied().take_while(|&byte| byte != 0).collect()).unwrap()
        };
        let size = usize::from_str_radix(text(124..136).trim(), 8).unwrap();
        let kind = tar[at + 156];
        assert!(matches!(kind, b'0' | b'5'), "plain files and directories only");
        if kind == b'0' {
            files.insert(text(0..100), Bytes::copy_from_slice(&tar[at + 512..at + 512 + size]));
        }
        at += 512 + size.div_ceil(512) * 512;
    }
    files
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

fn len(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| bytes.len() as i64)
}

/// Key and value as the tool prints them.
fn payload(record: &RecordRef<'_>) -> String {
    let mut line = String::new();
    if record.key.is_some() {
        write!(line, " key: {}", text(record.key)).unwrap();
    }
    if record.value.is_some() {
        write!(line, " payload: {}", text(record.value)).unwrap();
    }
    line
}

fn dump(segment: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut position = 0;
    for batch in batches(segment) {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        dump_batch(&batch, position, &mut lines);
        position += batch.size();
    }
    lines
}

fn dump_batch(batch: &Batch<'_>, position: usize, lines: &mut Vec<String>) {
    let codec = batch.compression().unwrap();
    match batch {
        Batch::V2(v2) => dump_v2(v2, codec, position, lines),
        Batch::Legacy(entry) => {
            let time = if entry.magic() == 0 { "NoTimestampType" } else { "CreateTime" };
            lines.push(format!(
                "offset: {} position: {position} {time}: {} size: {} magic: {} compresscodec: {codec}",
                entry.offset(),
                entry.timestamp(),
                entry.bytes().len(),
                entry.magic(),
            ));
            for message in entry.messages(LIMIT).unwrap() {
                let record = message.as_ref();
                lines.push(format!(
                    "| offset: {} {time}: {} keySize: {} valueSize: {}{}",
                    record.offset,
                    record.timestamp,
                    len(record.key),
                    len(record.value),
                    payload(&record)
                ));
            }
        }
    }
}

fn dump_v2(batch: &RecordBatch<'_>, codec: Compression, position: usize, lines: &mut Vec<String>) {
    let header = batch.header();
    let time = match header.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    let horizon =
        header.delete_horizon().map_or("OptionalLong.empty".to_owned(), |horizon| format!("OptionalLong[{horizon}]"));
    lines.push(format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} \
         producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {horizon} \
         position: {position} {time}: {} size: {} magic: 2 compresscodec: {codec} crc: {} isvalid: true",
        header.base_offset,
        header.last_offset(),
        header.count,
        header.base_sequence,
        header.last_sequence(),
        header.producer_id,
        header.producer_epoch,
        header.leader_epoch,
        header.is_transactional(),
        header.is_control(),
        header.max_timestamp,
        header.size,
        header.crc,
    ));
    for record in &batch.records(LIMIT).unwrap() {
        let record = record.unwrap();
        let delta = (record.offset - header.base_offset) as i32;
        let sequence = if header.base_sequence < 0 { -1 } else { header.base_sequence + delta };
        let headers: Vec<String> = record.headers.iter().map(|(key, _)| key.into_owned()).collect();
        let what = if header.is_control() {
            let marker = EndTxnMarker::read(record.key.unwrap(), record.value.unwrap()).unwrap().unwrap();
            let kind = if marker.commit { "COMMIT" } else { "ABORT" };
            format!(" endTxnMarker: {kind} coordinatorEpoch: {}", marker.coordinator_epoch)
        } else {
            payload(&record)
        };
        lines.push(format!(
            "| offset: {} {time}: {} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [{}]{what}",
            record.offset,
            record.timestamp,
            len(record.key),
            len(record.value),
            headers.join(","),
        ));
    }
}

/// What the tool printed of one `.log` file. Of old messages the checksums are left out: they are checked on reading,
/// and inner messages do not keep theirs.
fn expected(dump: &str, file: &str) -> Vec<String> {
    let section = dump.split("\n$ ").find(|section| section.contains(&format!("\nDumping {file}\n"))).unwrap();
    let lines =
        section.lines().filter(|line| line.starts_with(['b', 'o', '|']) && !line.starts_with("offset: 0 timestamp"));
    lines
        .map(|line| {
            let Some(start) = line.find(" isValid: ") else {
                let old = !line.contains("baseOffset: ") && line.contains(" crc: ");
                return line[..if old { line.find(" crc: ").unwrap() } else { line.len() }].to_owned();
            };
            let end = start + line[start..].find('}').unwrap() + 1;
            format!("{}{}", &line[..start], &line[end..])
        })
        .collect()
}

fn is_segment(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == "log")
}

fn check(files: &BTreeMap<String, Bytes>, partition: &str, dump_text: &[u8]) {
    let dump_text = String::from_utf8_lossy(dump_text);
    let mut segments = 0;
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with(&format!("data/{partition}/"))) {
        if !is_segment(name) {
            continue;
        }
        assert_eq!(dump(bytes), expected(&dump_text, name), "{name}");
        segments += 1;
    }
    assert!(segments > 0, "{partition} has segments");
}

macro_rules! check_all {
    ($archive:literal, $expected:literal, $($partition:literal),*) => {
        let files = untar(golden!($archive));
        $(check(&files, $partition, include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/log-dir/", $expected, "/dump-", $partition, ".txt"
        )));)*
    };
}

#[test]
fn segments_of_3_9_read_as_the_tool_dumps_them() {
    check_all!(
        "clean/data.tar.gz",
        "clean/expected",
        "append-time-0",
        "codec-gzip-0",
        "codec-lz4-0",
        "codec-none-0",
        "codec-snappy-0",
        "codec-zstd-0",
        "compacted-0",
        "empty-0",
        "mixed-0",
        "produce-old-formats-0",
        "segmented-0",
        "txn-0",
        "txn-1"
    );
}

#[test]
fn segments_of_old_formats_read_as_the_tool_dumps_them() {
    check_all!(
        "old-message-formats/data.tar.gz",
        "old-message-formats/expected",
        "changed-0",
        "format-v0-0",
        "format-v1-0",
        "format-v2-0"
    );
}

#[test]
fn rebuilt_uncompressed_batches_have_apaches_bytes() {
    let mut rebuilt = 0;
    for (name, segment) in untar(golden!("clean/data.tar.gz")) {
        if !is_segment(&name) {
            continue;
        }
        for batch in batches(&segment) {
            let Batch::V2(batch) = batch.unwrap() else { continue };
            let header = batch.header();
            let whole = header.last_offset_delta + 1 == header.count && header.delete_horizon().is_none();
            if batch.compression().unwrap() != Compression::None || !whole {
                continue;
            }
            let mut builder = crate::BatchBuilder::new(crate::BatchOptions {
                base_offset: header.base_offset,
                leader_epoch: header.leader_epoch,
                codec: Compression::None.into(),
                append_time: (header.timestamp_type() == TimestampType::LogAppendTime).then_some(header.max_timestamp),
                producer_id: header.producer_id,
                producer_epoch: header.producer_epoch,
                base_sequence: header.base_sequence,
                transactional: header.is_transactional(),
                control: header.is_control(),
                delete_horizon: None,
            });
            if header.timestamp_type() == TimestampType::LogAppendTime {
                continue; // the producer's own times are in the deltas, which readers do not see
            }
            for record in &batch.records(LIMIT).unwrap() {
                let record = record.unwrap();
                builder.append_ref(record.offset, &record).unwrap();
            }
            assert_eq!(builder.finish(), batch.bytes(), "{name} at {}", batch.base_offset());
            rebuilt += 1;
        }
    }
    assert!(rebuilt > 50, "{rebuilt} batches were rebuilt");
}

/// The message sets in requests of Produce 0, 1 and 2 (one topic, one partition), in the order they were sent.
fn old_requests() -> Vec<(String, Bytes)> {
    let text = std::str::from_utf8(golden!("clean/expected/produce-old-formats-requests.jsonl")).unwrap();
    let field = |line: &str, name: &str| {
        let start = line.find(&format!("\"{name}\": \"")).unwrap() + name.len() + 5;
        line[start..start + line[start..].find('"').unwrap()].to_owned()
    };
    text.lines()
        .map(|line| {
            let hex = field(line, "request");
            let bytes: Vec<u8> =
                (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
            // The last field is the message set with its length before it, which ends with the frame.
            let at = (0..bytes.len() - 4)
                .find(|&at| bytes[at..at + 4] == ((bytes.len() - at - 4) as u32).to_be_bytes())
                .unwrap();
            (field(line, "what"), Bytes::from(bytes).slice(at + 4..))
        })
        .collect()
}

#[test]
fn old_formats_are_converted_up_to_what_apache_stored() {
    let partition = TopicPartition::new("produce-old-formats", 0);
    let rules = crate::validate::Rules { leader_epoch: kafka_types::LeaderEpoch(0), ..super::rules(&partition) };
    let files = untar(golden!("clean/data.tar.gz"));
    let segment = &files["data/produce-old-formats-0/00000000000000000000.log"];
    let stored: Vec<_> = batches(segment).map(Result::unwrap).collect();
    let requests = old_requests();
    assert_eq!(requests.len(), stored.len());
    let mut next = Offset(0);
    for ((what, set), stored) in requests.iter().zip(stored) {
        let ours = validate(WallMillis(1_700_000_000_000), set, next, &rules).unwrap().unwrap();
        assert!(ours.rebuilt && crate::validate::converts(set, rules.compression), "{what}");
        next = ours.last_offset() + 1;
        let ours = ours.to_bytes();
        if stored.compression().unwrap() == Compression::None {
            assert_eq!(ours, stored.bytes(), "{what}");
        } else {
            let read = |bytes: &Bytes| Batch::read(bytes).unwrap().to_records(bytes, LIMIT).unwrap();
            assert_eq!(read(&ours), read(&Bytes::copy_from_slice(stored.bytes())), "{what}");
        }
    }
}
