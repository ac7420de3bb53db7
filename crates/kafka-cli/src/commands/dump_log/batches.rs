//! Batches of a segment, one after the other, as Java's reader takes them from a file: whatever is damaged further
//! in is handed out nonetheless, for it is what people look for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_record::batch::{ATTRIBUTES_AT, HEAD_TO_MAGIC, HEADER_LEN, LOG_OVERHEAD, MAGIC_AT, MAGIC_V2};
use kafka_record::checksum::crc32c;
use kafka_record::legacy::{LegacyEntry, OVERHEAD_V0};
use kafka_record::{BatchHeader, Compression, MAX_DECOMPRESSED_DEFAULT, NO_TIMESTAMP, ReadError, RecordRef};
use vfs::{File, OpenMode, Vfs};

use super::Thrown;

/// A segment, or a part of it.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    file: Arc<dyn File>,
    path: PathBuf,
    start: u64,
    end: u64,
}

impl Segment {
    pub(super) fn open(vfs: &dyn Vfs, path: &Path) -> Result<Segment, Thrown> {
        let failed = |error| Thrown::io(&error, path);
        let file = vfs.open(path, OpenMode::Read).map_err(failed)?;
        let len = file.len().map_err(failed)?;
        Ok(Segment { file, path: path.to_owned(), start: 0, end: len })
    }

    /// At most `len` bytes from `position` on.
    pub(super) fn slice(&self, position: i32, len: i32) -> Result<Segment, Thrown> {
        let class = "java.lang.IllegalArgumentException";
        let Ok(at) = u64::try_from(position) else {
            let message = format!("Invalid position: {position} in read from {}", self.text());
            return Err(Thrown::new(class, message));
        };
        if at > self.end - self.start {
            let message = format!("Slice from position {position} exceeds end position of {}", self.text());
            return Err(Thrown::new(class, message));
        }
        let Ok(len) = u64::try_from(len) else {
            return Err(Thrown::new(class, format!("Invalid size: {len} in read from {}", self.text())));
        };
        let start = self.start + at;
        Ok(Segment { start, end: self.end.min(start + len), ..self.clone() })
    }

    pub(super) fn len(&self) -> u64 {
        self.end - self.start
    }

    pub(super) fn batches(&self) -> Batches<'_> {
        Batches { segment: self, at: self.start }
    }

    /// How Java prints it.
    fn text(&self) -> String {
        let end = if self.start == 0 { i32::MAX.to_string() } else { self.end.to_string() };
        format!("FileRecords(size={}, file={}, start={}, end={end})", self.len(), self.path.display(), self.start)
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>, Thrown> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, at).map_err(|error| Thrown::io(&error, &self.path))?;
        Ok(bytes)
    }
}

/// Walks a segment.
#[derive(Debug)]
pub(super) struct Batches<'a> {
    segment: &'a Segment,
    at: u64,
}

impl Batches<'_> {
    /// The next whole batch; `None` at the end, and where one is cut.
    pub(super) fn next(&mut self) -> Result<Option<Batch>, Thrown> {
        let left = self.segment.end - self.at;
        if left <= HEAD_TO_MAGIC as u64 {
            return Ok(None);
        }
        let head = self.segment.read(self.at, HEAD_TO_MAGIC)?;
        let size = i32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        if size < OVERHEAD_V0 as i32 {
            let message = format!(
                "Found record size {size} smaller than minimum record overhead ({OVERHEAD_V0}) in file {}.",
                self.segment.path.display()
            );
            return Err(Thrown::new("org.apache.kafka.common.errors.CorruptRecordException", message));
        }
        let size = size as usize + LOG_OVERHEAD;
        if size as u64 > left {
            return Ok(None);
        }
        let bytes = self.segment.read(self.at, size)?;
        self.at += size as u64;
        Batch::read(bytes).map(Some)
    }
}

/// One batch, whole.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) magic: i8,
    /// In format 2.
    pub(super) header: Option<BatchHeader>,
}

/// A record with what only its format has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) record: RecordRef<'a>,
    /// In formats 0 and 1: is the checksum right, and which is it?
    pub(super) checksum: Option<(bool, u32)>,
}

impl Batch {
    fn read(mut bytes: Vec<u8>) -> Result<Batch, Thrown> {
        let magic = bytes[MAGIC_AT] as i8;
        if magic < MAGIC_V2 {
            return Ok(Batch { bytes, magic, header: None });
        }
        if bytes.len() < HEADER_LEN {
            let message = format!("a batch of {} bytes has no room for its header", bytes.len());
            return Err(Thrown::new("org.apache.kafka.common.KafkaException", message));
        }
        // Java reads what claims to be newer as if it were format 2.
        bytes[MAGIC_AT] = MAGIC_V2 as u8;
        let header = BatchHeader::read(&bytes).map_err(|error| thrown(&error))?;
        Ok(Batch { bytes, magic, header: Some(header) })
    }

    pub(super) fn legacy(&self) -> Result<LegacyEntry<'_>, Thrown> {
        LegacyEntry::read(&self.bytes).map_err(|error| thrown(&error))
    }

    pub(super) fn last_offset(&self) -> i64 {
        match &self.header {
            Some(header) => header.last_offset().0,
            None => self.bytes.first_chunk().map_or(0, |offset| i64::from_be_bytes(*offset)),
        }
    }

    pub(super) fn compression(&self) -> Result<Compression, Thrown> {
        let codec = match &self.header {
            Some(header) => header.compression(),
            None => self.legacy()?.compression(),
        };
        codec.map_err(|error| Thrown::new("java.lang.IllegalArgumentException", error))
    }

    /// The checksum that is stored, and whether it is right.
    pub(super) fn checksum(&self) -> Result<(u32, bool), Thrown> {
        let Some(header) = &self.header else {
            let entry = self.legacy()?;
            return Ok((entry.crc(), entry.check_crc().is_ok()));
        };
        // The magic, which may have been changed in memory, lies before the checksum's span.
        Ok((header.crc, header.crc == crc32c(&self.bytes[ATTRIBUTES_AT..])))
    }

    /// Hands out every record, until one cannot be read or `each` fails.
    pub(super) fn for_each(&self, mut each: impl FnMut(Shown<'_>) -> Result<(), Thrown>) -> Result<(), Thrown> {
        let Some(header) = &self.header else {
            let entry = self.legacy()?;
            let valid = entry.check_crc().is_ok();
            let compressed = self.compression()? != Compression::None;
            // What a compressed entry holds was checked before it is handed out.
            for message in entry.messages(MAX_DECOMPRESSED_DEFAULT).map_err(|error| thrown(&error))? {
                each(Shown { record: message.as_ref(), checksum: Some((compressed || valid, message.crc)) })?;
            }
            return Ok(());
        };
        if header.count == 0 {
            return Ok(());
        }
        let batch = kafka_record::RecordBatch::read(&self.bytes).map_err(|error| thrown(&error))?;
        for record in &batch.records(MAX_DECOMPRESSED_DEFAULT).map_err(|error| thrown(&error))? {
            each(Shown { record: record.map_err(|error| thrown(&error))?, checksum: None })?;
        }
        Ok(())
    }

    /// The largest timestamp of its records, not of its front.
    pub(super) fn max_record_timestamp(&self) -> Result<i64, Thrown> {
        let mut max = NO_TIMESTAMP;
        self.for_each(|shown| {
            max = max.max(shown.record.timestamp);
            Ok(())
        })?;
        Ok(max)
    }
}

/// The exception that Java has for it.
pub(super) fn thrown(error: &ReadError) -> Thrown {
    let class = match error {
        ReadError::Malformed(_) => "org.apache.kafka.common.InvalidRecordException",
        ReadError::Checksum { .. } | ReadError::SizeBelowMinimum { .. } => {
            "org.apache.kafka.common.errors.CorruptRecordException"
        }
        ReadError::UnknownCodec(_) => "java.lang.IllegalArgumentException",
        _ => "org.apache.kafka.common.KafkaException",
    };
    Thrown::new(class, error)
}
