//! Walking a segment batch by batch without holding it in memory.

use std::io;
use std::path::{Path, PathBuf};

use kafka_record::batch::{HEAD_TO_MAGIC, HEADER_LEN, MAGIC_V2};
use kafka_record::control::EndTxnMarker;
use kafka_record::{Batch, BatchHeader, EntryHead, NO_TIMESTAMP};
use kafka_types::{LeaderEpoch, Offset};
use vfs::File;

use crate::error::{LogError, ReadError};
use crate::producer_state::Marker;

/// Window for a few headers: a lookup walks a few KiB at most.
pub(crate) const WINDOW_LOOKUP: usize = 4 << 10;
/// Window for a walk over many headers: small enough to skip the bodies of large batches.
pub(crate) const WINDOW_HEADERS: usize = 16 << 10;
/// Window for whole segments.
pub(crate) const WINDOW_SCAN: usize = 1 << 20;
/// A control batch is smaller than this by far; one that claims more is not read into memory for its marker.
const CONTROL_MAX: u64 = 64 << 10;
/// Where the timestamp of a message of format 1 lies.
const V1_TIMESTAMP: usize = 18;

/// What the front of a batch tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// Where in the segment it begins.
    pub(crate) position: u64,
    /// Its bytes, in number.
    pub(crate) size: u64,
    /// Its first offset; in formats 0 and 1 its last one.
    pub(crate) first_offset: Offset,
    pub(crate) last_offset: Offset,
    pub(crate) max_timestamp: i64,
    pub(crate) leader_epoch: LeaderEpoch,
    /// All fields, in format 2.
    pub(crate) v2: Option<BatchHeader>,
}

impl Head {
    pub(crate) fn end(&self) -> u64 {
        self.position + self.size
    }

    pub(crate) fn of_v2(position: u64, header: BatchHeader) -> Head {
        Head {
            position,
            size: header.size as u64,
            first_offset: header.base_offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp,
            leader_epoch: header.leader_epoch,
            v2: Some(header),
        }
    }
}

/// Why a walk cannot go on.
#[derive(Debug)]
pub(crate) enum WalkError {
    /// No batch begins at this position.
    Damaged {
        position: u64,
        what: String,
    },
    Io(io::Error),
}

impl From<io::Error> for WalkError {
    fn from(error: io::Error) -> WalkError {
        WalkError::Io(error)
    }
}

impl WalkError {
    pub(crate) fn at(self, path: &Path) -> ReadError {
        match self {
            WalkError::Damaged { position, what } => ReadError::Damaged { path: path.to_owned(), position, what },
            WalkError::Io(source) => {
                ReadError::Storage(LogError { action: "reading", path: PathBuf::from(path), source })
            }
        }
    }
}

/// Reads a segment through a window.
pub(crate) struct Walker<'a> {
    file: &'a dyn File,
    position: u64,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
    window_len: usize,
}

impl<'a> Walker<'a> {
    /// From `position`, where a batch begins, to `end`.
    pub(crate) fn new(file: &'a dyn File, position: u64, end: u64, window_len: usize) -> Walker<'a> {
        Walker { file, position, end, window: Vec::new(), window_at: position, window_len }
    }

    /// Where the next batch begins.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next batch; `None` at the end or if the last one is cut.
    pub(crate) fn next(&mut self) -> Result<Option<Head>, WalkError> {
        let position = self.position;
        let left = self.end.saturating_sub(position);
        if left < HEAD_TO_MAGIC as u64 {
            return Ok(None);
        }
        let front_len = left.min(HEADER_LEN as u64) as usize;
        let front = self.bytes(position, front_len)?;
        let damaged = |what: String| WalkError::Damaged { position, what };
        let entry = EntryHead::read(front).map_err(|error| damaged(error.to_string()))?;
        let Some(entry) = entry.filter(|entry| entry.size as u64 <= left) else { return Ok(None) };
        let head = if entry.magic == MAGIC_V2 {
            let header = BatchHeader::read(front).map_err(|error| damaged(error.to_string()))?;
            if header.last_offset_delta < 0 {
                return Err(damaged(format!("last offset delta {}", header.last_offset_delta)));
            }
            Head::of_v2(position, header)
        } else {
            Head {
                position,
                size: entry.size as u64,
                first_offset: entry.offset,
                last_offset: entry.offset,
                max_timestamp: legacy_timestamp(front, entry.magic),
                leader_epoch: LeaderEpoch::NONE,
                v2: None,
            }
        };
        self.position = head.end();
        Ok(Some(head))
    }

    /// Checks the batch's CRC.
    pub(crate) fn check(&mut self, head: &Head) -> Result<(), WalkError> {
        let damaged = |what: String| WalkError::Damaged { position: head.position, what };
        let Some(header) = head.v2 else {
            let bytes = self.whole(head)?;
            let batch = Batch::read(bytes).map_err(|error| damaged(error.to_string()))?;
            return batch.check_crc().map_err(|error| damaged(error.to_string()));
        };
        // By pieces: a damaged length may claim most of a segment.
        let mut at = head.position + kafka_record::batch::ATTRIBUTES_AT as u64;
        let mut crc = 0;
        while at < head.end() {
            let piece = (head.end() - at).min(self.window_len as u64);
            crc = crc32c::crc32c_append(crc, self.bytes(at, piece as usize)?);
            at += piece;
        }
        if crc != header.crc {
            return Err(damaged(format!("Record is corrupt (stored crc = {}, computed crc = {crc})", header.crc)));
        }
        Ok(())
    }

    /// The marker in a control batch; `None` for other batches and for one that compaction has emptied.
    pub(crate) fn marker(&mut self, head: &Head) -> Result<Option<Marker>, WalkError> {
        if !head.v2.is_some_and(|header| header.is_control()) || head.size > CONTROL_MAX {
            return Ok(None);
        }
        let bytes = self.whole(head)?;
        Ok(Batch::read(bytes).ok().and_then(|batch| marker_of(&batch)))
    }

    /// All bytes of the batch.
    pub(crate) fn whole(&mut self, head: &Head) -> Result<&[u8], WalkError> {
        Ok(self.bytes(head.position, head.size as usize)?)
    }

    /// The bytes from `at` on, which lie below `end`.
    fn bytes(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let inside = at.checked_sub(self.window_at).map(|skip| skip as usize);
        if inside.is_none_or(|skip| skip + len > self.window.len()) {
            let wanted = (self.end - at).min(self.window_len.max(len) as u64) as usize;
            self.window.resize(wanted, 0);
            self.window_at = at;
            if let Err(error) = self.file.read_exact_at(&mut self.window, at) {
                self.window.clear();
                return Err(error);
            }
        }
        let skip = (at - self.window_at) as usize;
        Ok(&self.window[skip..skip + len])
    }
}

/// The marker in a control batch.
pub(crate) fn marker_of(batch: &Batch<'_>) -> Option<Marker> {
    let mut marker = None;
    batch
        .for_each_record(CONTROL_MAX as usize, |record| {
            let (Some(key), Some(value)) = (record.key, record.value) else { return false };
            if let Ok(Some(EndTxnMarker { commit, coordinator_epoch })) = EndTxnMarker::read(key, value) {
                marker = Some(Marker { commit, coordinator_epoch, timestamp: record.timestamp });
            }
            false
        })
        .ok()?;
    marker
}

fn legacy_timestamp(front: &[u8], magic: i8) -> i64 {
    match front.get(V1_TIMESTAMP..V1_TIMESTAMP + 8) {
        Some(bytes) if magic == 1 => i64::from_be_bytes(bytes.try_into().expect("eight bytes")),
        _ => NO_TIMESTAMP,
    }
}
