//! Finding and handing out what is in the log.

use std::sync::Arc;

use bytes::Bytes;
use kafka_record::{Batch, MAX_DECOMPRESSED_DEFAULT, NO_TIMESTAMP};
use kafka_types::{LeaderEpoch, Offset, ProducerId};
use time_types::WallMillis;
use vfs::File;

use super::Log;
use crate::error::ReadError;
use crate::segment::Segment;
use crate::walk::{WINDOW_SCAN, Walker};

/// Bytes of a segment. They never change: what is above the log end is not handed out, and a file that is removed
/// lives as long as this does. (A follower that truncates cuts only what no consumer could see.)
#[derive(Debug, Clone)]
pub struct Slice {
    /// The segment.
    pub file: Arc<dyn File>,
    /// First byte.
    pub position: u64,
    /// Number of bytes.
    pub len: u64,
}

impl Slice {
    /// Reads the bytes into memory.
    pub fn read(&self) -> std::io::Result<Bytes> {
        let mut bytes = vec![0; usize::try_from(self.len).map_err(std::io::Error::other)?];
        self.file.read_exact_at(&mut bytes, self.position)?;
        Ok(bytes.into())
    }
}

/// A transaction of which records in a read range are not to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: ProducerId,
    /// Where it began in this partition.
    pub first_offset: Offset,
}

/// A place in the bytes of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// Base of the segment.
    pub segment: Offset,
    /// Bytes of the segment before it.
    pub bytes: u64,
}

/// The answer to a read.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// Batches from the one that holds the offset on; the last one may be cut. `None`: nothing below the bound.
    pub slice: Option<Slice>,
    /// The first batch is larger than what was asked for and is cut (only without `min_one`).
    pub first_batch_incomplete: bool,
    /// Bytes of the first batch; 0 if there is none.
    pub first_batch: u64,
    /// Where the batch that holds the offset begins; `None`: nothing below the bound.
    pub position: Option<LogPosition>,
    /// Bytes from there to the bound, or to the end of the segment if that comes before.
    pub available: u64,
    /// The bound lies in a later segment.
    pub goes_on: bool,
    /// Base of the segment that the slice lies in.
    segment: Offset,
}

impl Read {
    /// Number of bytes.
    pub fn len(&self) -> u64 {
        self.slice.as_ref().map_or(0, |slice| slice.len)
    }

    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What ListOffsets asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetQuery {
    /// The first record whose timestamp is this or later.
    At(WallMillis),
    /// -1: the bound that the caller gives (high watermark or last stable offset).
    Latest,
    /// -2: the log start.
    Earliest,
    /// -3: the record with the largest timestamp.
    MaxTimestamp,
    /// -4: the earliest offset on local disk; the log start, as nothing is tiered.
    EarliestLocal,
    /// -5: the last offset in tiered storage; never there.
    LatestTiered,
}

impl OffsetQuery {
    /// From the timestamp field of the request.
    pub fn from_wire(timestamp: i64) -> OffsetQuery {
        match timestamp {
            -1 => OffsetQuery::Latest,
            -2 => OffsetQuery::Earliest,
            -3 => OffsetQuery::MaxTimestamp,
            -4 => OffsetQuery::EarliestLocal,
            -5 => OffsetQuery::LatestTiered,
            other => OffsetQuery::At(WallMillis(other)),
        }
    }
}

/// A record found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundTimestamp {
    /// Its timestamp; -1 for the ends of the log.
    pub timestamp: WallMillis,
    /// Its offset.
    pub offset: Offset,
    /// The epoch of its batch, `NONE` if not known.
    pub leader_epoch: LeaderEpoch,
}

/// Answer to [`Log::offset_for`].
pub type Found = Option<FoundTimestamp>;

impl Log {
    /// Batches from the one that holds `offset`, at most `max_bytes` of them (but the whole first one if `min_one`),
    /// below `bound` (high watermark, last stable offset or log end; exclusive). All of one segment: the next read
    /// goes on in the next one.
    pub fn read(&self, offset: Offset, max_bytes: u64, bound: Offset, min_one: bool) -> Result<Read, ReadError> {
        if offset < self.log_start || offset > self.log_end {
            let (start, end) = (self.log_start, self.log_end);
            return Err(ReadError::OutOfRange { partition: self.partition.clone(), offset, start, end });
        }
        let bound = bound.min(self.log_end);
        let mut index = self.segment_of(offset);
        while offset < bound && index < self.segments.len() && self.segments[index].base() < bound {
            let segment = &self.segments[index];
            if let Some(first) = segment.find(offset)? {
                let limit = if min_one { max_bytes.max(first.size) } else { max_bytes };
                let available = self.end_below(index, bound)?.saturating_sub(first.position);
                let file = segment.file()?;
                let slice = Slice { file: file.clone(), position: first.position, len: available.min(limit) };
                return Ok(Read {
                    slice: Some(slice).filter(|slice| slice.len > 0),
                    first_batch_incomplete: limit < first.size,
                    first_batch: first.size,
                    position: Some(LogPosition { segment: segment.base(), bytes: first.position }),
                    available,
                    goes_on: index < self.segment_of(bound),
                    segment: segment.base(),
                });
            }
            // Compaction may have taken all that was left of this segment.
            index += 1;
        }
        Ok(Read::default())
    }

    /// The aborted transactions that overlap what `read` returned for `offset`; `read_committed` consumers need them.
    pub fn aborted_transactions(&self, offset: Offset, read: &Read) -> Result<Vec<AbortedTransaction>, ReadError> {
        let Some(slice) = &read.slice else { return Ok(Vec::new()) };
        let index = self.segment_of(read.segment);
        // Most logs have none, and then nobody has to know where the read ends.
        let mut first = index;
        while first < self.segments.len() && self.segments[first].aborted.entries()?.is_empty() {
            first += 1;
        }
        if first == self.segments.len() {
            return Ok(Vec::new());
        }
        let upper = self.segments[index].upper_bound_of(slice.position, slice.len)?;
        let upper = upper.unwrap_or_else(|| self.end_of_segment(index));
        let mut found = Vec::new();
        for segment in &self.segments[first..] {
            for txn in segment.aborted.entries()? {
                if txn.last_offset >= offset && txn.first_offset < upper {
                    found.push(AbortedTransaction { producer_id: txn.producer_id, first_offset: txn.first_offset });
                }
                // Everything below was decided when this marker was written: later ones cannot overlap.
                if txn.last_stable_offset >= upper {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// Answers ListOffsets. `bound` is the high watermark, the last stable offset or (for followers) the log end.
    pub fn offset_for(&self, query: OffsetQuery, bound: Offset) -> Result<Found, ReadError> {
        let end = |offset: Offset, epoch: Option<LeaderEpoch>| FoundTimestamp {
            timestamp: WallMillis(NO_TIMESTAMP),
            offset,
            leader_epoch: epoch.unwrap_or(LeaderEpoch::NONE),
        };
        let found = match query {
            OffsetQuery::Latest => return Ok(Some(end(bound, self.epochs.latest()))),
            OffsetQuery::Earliest | OffsetQuery::EarliestLocal => {
                return Ok(Some(end(self.log_start, self.epochs.epoch_of(self.log_start))));
            }
            OffsetQuery::LatestTiered => return Ok(Some(end(Offset::NONE, None))),
            OffsetQuery::MaxTimestamp => self.find_largest()?,
            OffsetQuery::At(timestamp) => self.find_timestamp(timestamp.0)?,
        };
        Ok(found.filter(|found| found.offset < bound))
    }

    /// Answers the oldest ListOffsets, which knows segments only: where those begin that were last written at the time
    /// or before, and where the log ends for "now"; newest first, at most `max`. `bound` stands for what is above it.
    pub fn bases_before(
        &self,
        query: OffsetQuery,
        max: usize,
        bound: Offset,
        now: WallMillis,
    ) -> Result<Vec<Offset>, ReadError> {
        let mut marks = Vec::with_capacity(self.segments.len() + 1);
        for segment in &self.segments {
            marks.push((segment.base().max(self.log_start), segment.modified()?));
        }
        if self.active().len() > 0 {
            marks.push((self.log_end, now.0));
        }
        let count = match query {
            OffsetQuery::Latest => marks.len(),
            OffsetQuery::Earliest => 1,
            OffsetQuery::At(time) => marks.iter().rposition(|(_, at)| *at <= time.0).map_or(0, |last| last + 1),
            _ => 0,
        };
        let mut offsets: Vec<Offset> = marks[..count].iter().rev().take(max).map(|(offset, _)| *offset).collect();
        if offsets.first().is_some_and(|first| *first > bound) {
            offsets.retain(|offset| *offset <= bound);
            offsets.insert(0, bound);
        }
        Ok(offsets)
    }

    fn find_timestamp(&self, timestamp: i64) -> Result<Option<FoundTimestamp>, ReadError> {
        for segment in &self.segments {
            if segment.sure_largest()?.timestamp < timestamp {
                continue;
            }
            let position = segment.search_start(timestamp, self.log_start)?;
            let found = search(
                segment,
                position,
                |at, offset| at >= timestamp && offset >= self.log_start,
                |max| max >= timestamp,
            )?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn find_largest(&self) -> Result<Option<FoundTimestamp>, ReadError> {
        let mut best = None;
        for segment in &self.segments {
            let largest = segment.sure_largest()?;
            if largest.timestamp >= 0 && best.is_none_or(|(_, timestamp, _)| largest.timestamp > timestamp) {
                best = Some((segment, largest.timestamp, largest.offset));
            }
        }
        let Some((segment, timestamp, offset)) = best else { return Ok(None) };
        let position = segment.position_for(offset)?;
        search(segment, position, |at, _| at == timestamp, |max| max == timestamp)
    }

    /// Position in a segment below which all batches lie below `bound`.
    fn end_below(&self, index: usize, bound: Offset) -> Result<u64, ReadError> {
        let segment = &self.segments[index];
        if bound >= self.end_of_segment(index) {
            return Ok(segment.len());
        }
        Ok(segment.find(bound)?.map_or(segment.len(), |place| place.position))
    }
}

/// The first record from `position` on that `wanted` accepts, looking only into batches whose max timestamp
/// `worth_a_look` accepts.
fn search(
    segment: &Segment,
    position: u64,
    wanted: impl Fn(i64, Offset) -> bool,
    worth_a_look: impl Fn(i64) -> bool,
) -> Result<Option<FoundTimestamp>, ReadError> {
    let mut walker: Walker<'_> = segment.walk(position, WINDOW_SCAN)?;
    while let Some(head) = walker.next().map_err(|error| error.at(segment.path()))? {
        if !worth_a_look(head.max_timestamp) {
            continue;
        }
        let damaged = |error: kafka_record::ReadError| ReadError::Damaged {
            path: segment.path().to_owned(),
            position: head.position,
            what: error.to_string(),
        };
        let bytes = walker.whole(&head).map_err(|error| error.at(segment.path()))?;
        let mut found = None;
        let batch = Batch::read(bytes).map_err(damaged)?;
        let looked = batch.for_each_record(MAX_DECOMPRESSED_DEFAULT, |record| {
            if wanted(record.timestamp, record.offset) {
                found = Some(FoundTimestamp {
                    timestamp: WallMillis(record.timestamp),
                    offset: record.offset,
                    leader_epoch: head.leader_epoch,
                });
            }
            found.is_none()
        });
        looked.map_err(damaged)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    segment.walked_to(walker.position())?;
    Ok(None)
}
