//! `.snapshot` and `.txnindex`: producers as they were at an offset, and the transactions that were aborted.

use std::fmt::Write as _;
use std::path::Path;

use kafka_record::checksum::crc32c;
use vfs::Vfs;

use super::{Thrown, absolute, base_offset};
use crate::output::Console;

/// Version, checksum.
const BEFORE_CHECKED: usize = 6;
const SNAPSHOT_HEAD: usize = 10;
/// Id i64, epoch i16, last sequence i32, last offset i64, offset delta i32, timestamp i64, coordinator epoch i32, first
/// offset of the open transaction i64.
const PRODUCER: usize = 46;
/// Version i16, producer i64, first, last and last stable offset i64.
const ABORTED: usize = 34;

/// Prints a snapshot; a damaged one is told of, and the tool goes on.
pub(super) fn dump_snapshot(vfs: &dyn Vfs, path: &Path, console: &mut Console) -> Result<(), Thrown> {
    let bytes = vfs.read(path).map_err(|error| Thrown::io(&error, path))?;
    match producers(&bytes) {
        Ok(producers) => producers.iter().for_each(|producer| console.line(&producer_line(producer))),
        Err(text) => console.error(&text),
    }
    Ok(())
}

/// The entries, or what Java says is wrong. Java reads all fields before it looks at the checksum.
fn producers(bytes: &[u8]) -> Result<&[[u8; PRODUCER]], String> {
    let invalid = |what: String| format!("Snapshot failed schema validation: {what}");
    let underflow = |field: &str| invalid(format!("Error reading field '{field}': java.nio.BufferUnderflowException"));
    if bytes.len() < 2 {
        return Err(underflow("version"));
    }
    if bytes.len() < BEFORE_CHECKED {
        return Err(underflow("crc"));
    }
    let Some((head, rest)) = bytes.split_first_chunk::<SNAPSHOT_HEAD>() else {
        return Err(underflow("producer_entries"));
    };
    let count = int(head, 6);
    let array = |what: String| invalid(format!("Error reading field 'producer_entries': {what}"));
    let Ok(wanted) = usize::try_from(count) else {
        return Err(array(format!("Array size {count} cannot be negative")));
    };
    if wanted > rest.len() {
        return Err(array(format!("Error reading array of size {count}, only {} bytes available", rest.len())));
    }
    let (entries, left) = rest.as_chunks::<PRODUCER>();
    let Some(entries) = entries.get(..wanted) else {
        return Err(array(format!(
            "Error reading field '{}': java.nio.BufferUnderflowException",
            cut_field(left.len())
        )));
    };
    let version = i16::from_be_bytes([head[0], head[1]]);
    if version != 1 {
        return Err(format!("Snapshot contained an unknown file version {version}"));
    }
    let (stored, computed) = (int(head, 2) as u32, crc32c(&bytes[BEFORE_CHECKED..]));
    if stored != computed {
        return Err(format!(
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: {stored}. Computed crc: {computed}"
        ));
    }
    Ok(entries)
}

/// The field that does not fit when an entry ends after `len` bytes.
fn cut_field(len: usize) -> &'static str {
    const ENDS: [(usize, &str); 8] = [
        (8, "producer_id"),
        (10, "epoch"),
        (14, "last_sequence"),
        (22, "last_offset"),
        (26, "offset_delta"),
        (34, "timestamp"),
        (38, "coordinator_epoch"),
        (PRODUCER, "current_txn_first_offset"),
    ];
    ENDS.iter().find(|(end, _)| len < *end).map_or("producer_id", |(_, field)| field)
}

fn producer_line(entry: &[u8; PRODUCER]) -> String {
    let epoch = i16::from_be_bytes([entry[8], entry[9]]);
    let (sequence, offset, delta, timestamp) = (int(entry, 10), long(entry, 14), int(entry, 22), long(entry, 26));
    let open = match long(entry, 38) {
        first @ 0.. => format!("OptionalLong[{first}]"),
        _ => "OptionalLong.empty".to_owned(),
    };
    let mut line = format!(
        "producerId: {} producerEpoch: {epoch} coordinatorEpoch: {} currentTxnFirstOffset: {open} lastTimestamp: \
         {timestamp} ",
        long(entry, 0),
        int(entry, 34),
    );
    if offset >= 0 {
        let _ = write!(
            line,
            "firstSequence: {} lastSequence: {sequence} lastOffset: {offset} offsetDelta: {delta} timestamp: \
             {timestamp}",
            first_sequence(sequence, delta)
        );
    }
    line
}

/// Sequences wrap from `i32::MAX` to 0, also backwards.
fn first_sequence(last: i32, delta: i32) -> i32 {
    if last < delta {
        i32::MAX.wrapping_sub(delta.wrapping_sub(last)).wrapping_add(1)
    } else {
        last.wrapping_sub(delta)
    }
}

/// Prints an index of aborted transactions; what is cut at its end is left out.
pub(super) fn dump_aborted(vfs: &dyn Vfs, path: &Path, console: &mut Console) -> Result<(), Thrown> {
    base_offset(path)?;
    if !vfs.exists(path) {
        return Ok(());
    }
    let bytes = vfs.read(path).map_err(|error| Thrown::io(&error, path))?;
    let (entries, _) = bytes.as_chunks::<ABORTED>();
    let versions = entries.iter().map(|entry| i16::from_be_bytes([entry[0], entry[1]]));
    // Java has read all before it prints the first.
    if let Some(version) = versions.clone().find(|version| *version > 0) {
        let message = format!(
            "Unexpected aborted transaction version {version} in transaction index {}, current version is 0",
            absolute(path)
        );
        return Err(Thrown::new("org.apache.kafka.common.KafkaException", message));
    }
    for (entry, version) in entries.iter().zip(versions) {
        console.line(&format!(
            "version: {version} producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
            long(entry, 2),
            long(entry, 10),
            long(entry, 18),
            long(entry, 26),
        ));
    }
    Ok(())
}

fn int(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn long(bytes: &[u8], at: usize) -> i64 {
    (i64::from(int(bytes, at)) << 32) | i64::from(int(bytes, at + 4) as u32)
}
