//! Putting records at the log's end.

use std::io::IoSlice;

use bytes::Bytes;
use kafka_record::validate::{Origin, Rules, Validated, analyze, converts, validate};
use kafka_record::{Batch, MAX_DECOMPRESSED_DEFAULT, NO_TIMESTAMP, batches};
use kafka_types::{LeaderEpoch, Offset};
use time_types::{Now, WallMillis};

use super::Log;
use crate::error::{AppendError, LogError, ReadError};
use crate::producer_state::{BatchMark, Checked, ProducerUpdate, StateBatch, Strictness};
use crate::walk::{Head, marker_of};

mod group;

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record; -1 if there was none.
    pub first_offset: Offset,
    /// Offset of the last record; -1 if there was none.
    pub last_offset: Offset,
    /// The timestamp that all records got, if the topic uses `LogAppendTime`; of a retry, the batch's latest.
    pub log_append_time: Option<WallMillis>,
    /// The log start.
    pub log_start: Offset,
    /// The records were here already (a producer's retry); the offsets are the old ones and nothing was written.
    pub duplicate: bool,
    /// Bytes written.
    pub bytes: u64,
    /// Bytes of memory that judging the records took besides what came (compressed ones are unpacked for it).
    pub temporary_bytes: u64,
}

/// A batch in the two pieces that it goes to the file in.
struct ReadyBatch<'a> {
    head: Head,
    pieces: (&'a [u8], &'a [u8]),
    update: ProducerUpdate,
}

impl Log {
    /// Checks `records` as a leader does, gives them offsets, this epoch and (by configuration) this time, and writes
    /// them. The records' bytes are not copied.
    pub fn append_as_leader(
        &mut self,
        now: Now,
        records: &Bytes,
        epoch: LeaderEpoch,
        origin: Origin,
    ) -> Result<Appended, AppendError> {
        let validated = self.validated(now, records, epoch, origin)?;
        self.append_validated(now, validated, origin)
    }

    /// Will the records be converted: are they of an old format, or in another codec than the topic wants?
    pub fn converts(&self, records: &[u8]) -> bool {
        converts(records, self.config.compression)
    }

    /// The first half of [`Log::append_as_leader`]: checks the records and makes of them what goes to the log's end.
    /// Nothing else may be appended before the second half, [`Log::append_validated`].
    pub fn validated(
        &self,
        now: Now,
        records: &Bytes,
        epoch: LeaderEpoch,
        origin: Origin,
    ) -> Result<Option<Validated>, AppendError> {
        self.check_usable()?;
        Ok(validate(now.wall, records, self.log_end, &self.rules(epoch, origin))?)
    }

    /// The second half of [`Log::append_as_leader`]: checks the producer's state, and writes.
    pub fn append_validated(
        &mut self,
        now: Now,
        validated: Option<Validated>,
        origin: Origin,
    ) -> Result<Appended, AppendError> {
        let Some(validated) = validated else { return Ok(self.nothing()) };
        debug_assert_eq!(validated.first_offset(), self.log_end, "judged for another place");
        let header = validated.header;
        let marker = header.is_control().then(|| validated.to_bytes());
        let marker = marker.and_then(|bytes| Batch::read(&bytes).ok().and_then(|batch| marker_of(&batch)));
        let strictness = match origin {
            Origin::Client => Strictness::Client,
            Origin::Coordinator => Strictness::Coordinator,
        };
        match self.producers.check(&self.partition, &[StateBatch { header, marker }], strictness)? {
            Checked::Duplicate(mark) => {
                Ok(Appended { temporary_bytes: validated.temporary_bytes, ..self.repeated(mark) })
            }
            Checked::New(update) => {
                let ready =
                    ReadyBatch { head: Head::of_v2(0, header), pieces: (&validated.head, &validated.body), update };
                self.write(now, ready)?;
                self.flush_if_asked()?;
                Ok(Appended {
                    first_offset: header.base_offset,
                    last_offset: header.last_offset(),
                    log_append_time: validated.append_time.map(WallMillis),
                    bytes: header.size as u64,
                    temporary_bytes: validated.temporary_bytes,
                    ..self.nothing()
                })
            }
        }
    }

    /// Writes batches as the leader sent them, with the offsets and epochs they carry. A cut last batch is left out.
    pub fn append_as_follower(&mut self, now: Now, records: &[u8]) -> Result<Appended, AppendError> {
        self.check_usable()?;
        let found = analyze(&self.partition, records, None)?;
        if found.batches == 0 {
            return Ok(self.nothing());
        }
        if !found.monotonic {
            return Err(AppendError::UnexpectedOffset(format!(
                "Out of order offsets found in append to {}: they end with {}",
                self.partition, found.last_offset
            )));
        }
        if found.first_offset < self.log_end {
            return Err(AppendError::UnexpectedOffset(format!(
                "Unexpected offset in append to {}. First offset {} is less than the next offset {}. Last offset in \
                 append: {}. Log start offset = {}",
                self.partition, found.first_offset, self.log_end, found.last_offset, self.log_start
            )));
        }
        for batch in batches(&records[..found.valid_bytes]) {
            let batch = batch.expect("was walked by analyze");
            self.write_replica(now, &batch)?;
        }
        self.flush_if_asked()?;
        Ok(Appended {
            first_offset: found.first_offset,
            last_offset: found.last_offset,
            bytes: found.valid_bytes as u64,
            ..self.nothing()
        })
    }

    fn write_replica(&mut self, now: Now, batch: &Batch<'_>) -> Result<(), AppendError> {
        let mut update = ProducerUpdate::default();
        let mut head = Head {
            position: 0,
            size: batch.size() as u64,
            first_offset: batch.first_known_offset(),
            last_offset: batch.last_offset(),
            max_timestamp: batch.max_timestamp(),
            leader_epoch: batch.leader_epoch(),
            v2: None,
        };
        if let Batch::V2(v2) = batch {
            let header = *v2.header();
            head.v2 = Some(header);
            let marker = if header.is_control() { marker_of(batch) } else { None };
            let checked =
                self.producers.check(&self.partition, &[StateBatch { header, marker }], Strictness::Replication)?;
            if let Checked::New(new) = checked {
                update = new;
            }
        }
        self.write(now, ReadyBatch { head, pieces: (batch.bytes(), &[]), update })
    }

    fn rules(&self, leader_epoch: LeaderEpoch, origin: Origin) -> Rules<'_> {
        let config = &self.config;
        Rules {
            partition: &self.partition,
            origin,
            leader_epoch,
            compacted: config.cleanup.compact,
            timestamp_type: config.timestamp_type,
            timestamp_before_max_ms: config.timestamp_before_max_ms,
            timestamp_after_max_ms: config.timestamp_after_max_ms,
            compression: config.compression,
            max_message_bytes: config.max_message_bytes as usize,
            segment_bytes: usize::try_from(config.segment_bytes).unwrap_or(usize::MAX),
            decompressed_max: MAX_DECOMPRESSED_DEFAULT,
        }
    }

    fn nothing(&self) -> Appended {
        Appended {
            first_offset: Offset::NONE,
            last_offset: Offset::NONE,
            log_append_time: None,
            log_start: self.log_start,
            duplicate: false,
            bytes: 0,
            temporary_bytes: 0,
        }
    }

    fn repeated(&self, mark: BatchMark) -> Appended {
        Appended {
            first_offset: mark.first_offset(),
            last_offset: mark.last_offset,
            // Whatever kind of time it was: Apache's broker does not ask either.
            log_append_time: (mark.timestamp != NO_TIMESTAMP).then_some(WallMillis(mark.timestamp)),
            duplicate: true,
            ..self.nothing()
        }
    }

    /// The batch has been judged: from here on only the disk can say no, and then the log is not used any more.
    fn write(&mut self, now: Now, ready: ReadyBatch<'_>) -> Result<(), AppendError> {
        self.write_metadata()?;
        let prepared = self.make_room(now, &ready.head);
        self.guard_opening(prepared)?;
        let written = self.write_batch(now, ready);
        self.guard(written).map_err(AppendError::from)
    }

    /// Rolls if that is due, and opens the files that the batch goes to.
    fn make_room(&mut self, now: Now, head: &Head) -> Result<(), ReadError> {
        if self.active().should_roll(head, &self.config, now.wall)? {
            // At the log end even if the batch leaves offsets out: a segment that begins where the last one ends shows
            // that nothing is missing between them.
            let reaches = i32::try_from(head.last_offset - self.log_end).is_ok();
            let base = if reaches { self.log_end } else { head.first_offset.max(self.log_end) };
            self.roll_at(base, now.wall)?;
        }
        if !self.indexes_open {
            let bytes = self.config.segment_index_bytes;
            self.active_mut().adopt_times()?;
            self.active_mut().preallocate_indexes(bytes)?;
            self.active_mut().release_indexes(false);
            self.indexes_open = true;
        }
        self.active().open_for_append(0, self.config.index_interval_bytes)?;
        Ok(())
    }

    fn write_batch(&mut self, now: Now, ready: ReadyBatch<'_>) -> Result<(), LogError> {
        let head = ready.head;
        let interval = self.config.index_interval_bytes;
        let pieces = [IoSlice::new(ready.pieces.0), IoSlice::new(ready.pieces.1)];
        self.active_mut().append(&[head], &pieces, interval)?;
        let aborted = &mut self.segments.last_mut().expect("a log has at least one segment").aborted;
        self.producers.apply(ready.update, |entry| aborted.append(entry))?;
        self.on_written(now, &head);
        Ok(())
    }

    /// A batch is in the active segment.
    fn on_written(&mut self, now: Now, head: &Head) {
        if head.v2.is_some() {
            self.epochs.assign(head.leader_epoch, head.first_offset);
        } else {
            // Epochs cannot be told from batches of format 0 and 1: those that are known would mislead.
            self.epochs.clear();
        }
        let records = head.last_offset + 1 - self.log_end;
        self.log_end = head.last_offset + 1;
        self.producers.set_end(self.log_end);
        self.unsynced.bytes += head.size;
        self.unsynced.records += records;
        self.unsynced.since.get_or_insert(now.tick);
    }

    fn flush_if_asked(&mut self) -> Result<(), LogError> {
        if self.unsynced.records >= self.config.flush_messages { self.flush() } else { Ok(()) }
    }
}
