//! Segments: a line per batch, and one per record.

use std::fmt::Write as _;
use std::path::Path;

use kafka_record::control::{ControlType, EndTxnMarker};
use kafka_record::{BatchHeader, NO_SEQUENCE, TimestampType};
use vfs::Vfs;

use super::batches::{Batch, Segment, Shown, thrown};
use super::message::Parser;
use super::{Findings, Settings, Thrown, base_offset, file_name, note};
use crate::output::Console;

pub(super) fn dump(
    vfs: &dyn Vfs,
    path: &Path,
    settings: &Settings,
    findings: &mut Findings,
    console: &mut Console,
) -> Result<(), Thrown> {
    let parser = Parser::of(settings, console)?;
    let max_bytes = settings.max_bytes.clone()?;
    let (_, start) = base_offset(path)?;
    console.line(&format!("Log starting offset: {start}"));
    let segment = Segment::open(vfs, path)?.slice(0, max_bytes)?;
    let mut batches = segment.batches();
    let mut position = 0;
    let mut last_offset = -1;
    while let Some(batch) = batches.next()? {
        batch_line(&batch, position, console)?;
        if settings.deep {
            let lines = Lines { batch: &batch, settings, parser: &parser };
            batch.for_each(|shown| {
                let offset = shown.record.offset.0;
                if last_offset != -1 && offset != last_offset + 1 {
                    note(&mut findings.gaps, path, (last_offset, offset));
                }
                last_offset = offset;
                lines.record(shown, console)
            })?;
        }
        position += batch.bytes.len() as u64;
        if console.is_broken() {
            return Ok(());
        }
    }
    let trailing = segment.len() - position;
    if trailing > 0 && max_bytes == i32::MAX {
        console.line(&format!("Found {trailing} invalid bytes at the end of {}", file_name(path)));
    }
    Ok(())
}

/// Begins to print before it has looked at the codec, as Java does.
fn batch_line(batch: &Batch, position: u64, console: &mut Console) -> Result<(), Thrown> {
    match &batch.header {
        Some(header) => console.bytes(v2_fields(header).as_bytes()),
        None => console.bytes(format!("offset: {}", batch.last_offset()).as_bytes()),
    }
    let timestamp = match &batch.header {
        Some(header) => header.max_timestamp,
        None => batch.legacy()?.timestamp(),
    };
    let (crc, valid) = batch.checksum()?;
    console.line(&format!(
        " position: {position} {}: {timestamp} size: {} magic: {} compresscodec: {} crc: {crc} isvalid: {valid}",
        timestamp_type(batch)?,
        batch.bytes.len(),
        batch.magic,
        batch.compression()?,
    ));
    Ok(())
}

fn v2_fields(header: &BatchHeader) -> String {
    let horizon = header.delete_horizon().map_or("OptionalLong.empty".to_owned(), |at| format!("OptionalLong[{at}]"));
    format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} \
         partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {horizon}",
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
    )
}

fn timestamp_type(batch: &Batch) -> Result<&'static str, Thrown> {
    let append_time = match &batch.header {
        Some(header) => header.timestamp_type() == TimestampType::LogAppendTime,
        None if batch.magic == 0 => return Ok("NoTimestampType"),
        None => batch.legacy()?.is_log_append_time(),
    };
    Ok(if append_time { "LogAppendTime" } else { "CreateTime" })
}

/// The lines of one batch's records.
struct Lines<'a> {
    batch: &'a Batch,
    settings: &'a Settings,
    parser: &'a Parser,
}

impl Lines<'_> {
    /// What was made of a record before it turned out to be damaged is printed, as Java prints it.
    fn record(&self, shown: Shown<'_>, console: &mut Console) -> Result<(), Thrown> {
        let mut line = String::new();
        let made = self.write(&mut line, shown);
        match &made {
            Ok(()) => console.line(&line),
            Err(_) => console.bytes(line.as_bytes()),
        }
        made
    }

    fn write(&self, line: &mut String, shown: Shown<'_>) -> Result<(), Thrown> {
        let mut prefix = "| ";
        if !self.settings.skip_record_metadata {
            line.push_str(prefix);
            self.metadata(line, &shown)?;
            prefix = " ";
        }
        let control = self.batch.header.is_some_and(|header| header.is_control());
        if self.settings.print_data && !control {
            let (key, payload) = self.parser.parse(&shown.record)?;
            if let Some(key) = key {
                let _ = write!(line, "{prefix}key: {key}");
            }
            if let Some(payload) = payload {
                let _ = write!(line, " payload: {payload}");
            }
        }
        Ok(())
    }

    fn metadata(&self, line: &mut String, shown: &Shown<'_>) -> Result<(), Thrown> {
        let record = &shown.record;
        let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
        let _ = write!(
            line,
            "offset: {} {}: {} keySize: {} valueSize: {}",
            record.offset,
            timestamp_type(self.batch)?,
            record.timestamp,
            size(record.key),
            size(record.value),
        );
        if let Some(header) = &self.batch.header {
            let names: Vec<String> = record.headers.iter().map(|(name, _)| name.into_owned()).collect();
            let sequence = sequence(header, record.offset.0);
            let _ = write!(line, " sequence: {sequence} headerKeys: [{}]", names.join(","));
            if header.is_control() {
                line.push_str(&control(record.key, record.value)?);
            }
        }
        if let Some((valid, crc)) = shown.checksum {
            // The brace is Apache's.
            let _ = write!(line, " isValid: {valid} crc: {crc}}}");
        }
        Ok(())
    }
}

/// Sequences wrap from `i32::MAX` to 0.
fn sequence(header: &BatchHeader, offset: i64) -> i32 {
    if header.base_sequence < 0 {
        return NO_SEQUENCE;
    }
    let sequence = i64::from(header.base_sequence).wrapping_add(offset.wrapping_sub(header.base_offset.0));
    (sequence & i64::from(i32::MAX)) as i32
}

/// What a control record says.
fn control(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<String, Thrown> {
    let key = key.unwrap_or_default();
    if let Some(marker) = EndTxnMarker::read(key, value.unwrap_or_default()).map_err(|error| thrown(&error))? {
        let end = if marker.commit { "COMMIT" } else { "ABORT" };
        return Ok(format!(" endTxnMarker: {end} coordinatorEpoch: {}", marker.coordinator_epoch));
    }
    let id = ControlType::from_key(key).map_err(|error| thrown(&error))?.id();
    let name = match id {
        2 => "LEADER_CHANGE",
        3 => "SNAPSHOT_HEADER",
        4 => "SNAPSHOT_FOOTER",
        5 => "KRAFT_VERSION",
        6 => "KRAFT_VOTERS",
        _ => "UNKNOWN",
    };
    Ok(format!(" controlType: {name}({id})"))
}
