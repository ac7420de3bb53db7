//! Appends that came at the same time, as one write.

use std::io::{self, IoSlice};

use bytes::Bytes;
use kafka_record::batch::HEADER_LEN;
use kafka_record::validate::{Origin, Validated, validate};
use kafka_types::{LeaderEpoch, Offset};
use time_types::{Now, WallMillis};

use super::{Appended, Log};
use crate::error::{AppendError, LogError};
use crate::producer_state::{Checked, ProducerUpdate, StateBatch, Strictness};
use crate::walk::Head;

/// A body above this size is not copied together with others: gathering it costs the kernel less.
const COPIED_MAX: usize = if cfg!(test) { 150 } else { 4 << 10 };

/// Batches that have been judged and are not in the file yet. All go to the active segment.
#[derive(Default)]
struct Unwritten {
    heads: Vec<Head>,
    /// What goes to the file, but for large bodies. Copied together: for small batches this costs less than it costs the kernel
    /// to gather them.
    copied: Vec<u8>,
    /// The large bodies, and how many of the copied bytes go before each.
    large: Vec<(usize, Bytes)>,
    /// Bytes of all.
    size: u64,
}

impl Unwritten {
    fn push(&mut self, head: Head, batch: &Validated) {
        self.copied.extend_from_slice(&batch.head);
        if batch.body.len() <= COPIED_MAX {
            self.copied.extend_from_slice(&batch.body);
        } else {
            self.large.push((self.copied.len(), batch.body.clone()));
        }
        self.size += head.size;
        self.heads.push(head);
    }

    /// All bytes in the order of the file.
    fn pieces(&self) -> Vec<IoSlice<'_>> {
        let mut pieces = Vec::with_capacity(2 * self.large.len() + 1);
        let mut copied = 0;
        for (before, body) in &self.large {
            pieces.extend([IoSlice::new(&self.copied[copied..*before]), IoSlice::new(body)]);
            copied = *before;
        }
        pieces.push(IoSlice::new(&self.copied[copied..]));
        pieces
    }

    /// The offset after the last one.
    fn end(&self) -> Option<Offset> {
        self.heads.last().map(|head| head.last_offset + 1)
    }

    fn clear(&mut self) {
        self.heads.clear();
        self.copied.clear();
        self.large.clear();
        self.size = 0;
    }
}

impl Log {
    /// What [`Log::append_as_leader`] does with a client's records, for several that came at the same time. They are
    /// judged one after the other, each as if those before it were in the log already, and what is good goes to the file
    /// in one write; with `flush.messages` it is synced once. The results are in the order of `group`.
    ///
    /// If the disk fails, none of them was appended, whatever the file holds by then.
    pub fn append_group(
        &mut self,
        now: Now,
        group: &[&Bytes],
        epoch: LeaderEpoch,
    ) -> Vec<Result<Appended, AppendError>> {
        if let [records] = group {
            return vec![self.append_as_leader(now, records, epoch, Origin::Client)];
        }
        if group.is_empty() {
            return Vec::new();
        }
        let copied = group.iter().map(|records| if records.len() <= COPIED_MAX { records.len() } else { HEADER_LEN });
        let mut unwritten = Unwritten {
            heads: Vec::with_capacity(group.len()),
            copied: Vec::with_capacity(copied.sum()),
            ..Unwritten::default()
        };
        let mut results: Vec<_> = group.iter().map(|records| self.judge(now, records, epoch, &mut unwritten)).collect();
        let written = self.write_group(now, &mut unwritten).and_then(|()| self.flush_if_asked());
        if let Err(error) = written.and_then(|()| self.check_usable()) {
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                *result = Err(again(&error).into());
            }
        }
        results
    }

    /// Judges one, and keeps it if it is good. Only the file knows nothing of it then.
    fn judge(
        &mut self,
        now: Now,
        records: &Bytes,
        epoch: LeaderEpoch,
        unwritten: &mut Unwritten,
    ) -> Result<Appended, AppendError> {
        self.check_usable()?;
        let first = unwritten.end().unwrap_or(self.log_end);
        let Some(validated) = validate(now.wall, records, first, &self.rules(epoch, Origin::Client))? else {
            return Ok(self.nothing());
        };
        let header = validated.header;
        // Markers are not for clients to send.
        let batch = StateBatch { header, marker: None };
        let update = match self.producers.check(&self.partition, &[batch], Strictness::Client)? {
            Checked::Duplicate(mark) => {
                return Ok(Appended { temporary_bytes: validated.temporary_bytes, ..self.repeated(mark) });
            }
            Checked::New(update) => update,
        };
        let head = Head::of_v2(0, header);
        self.write_metadata()?;
        self.make_room_behind(now, &head, unwritten)?;
        self.apply(update)?;
        let append_time = validated.append_time.map(WallMillis);
        unwritten.push(head, &validated);
        Ok(Appended {
            first_offset: header.base_offset,
            last_offset: header.last_offset(),
            log_append_time: append_time,
            bytes: header.size as u64,
            temporary_bytes: validated.temporary_bytes,
            ..self.nothing()
        })
    }

    /// Makes room in the active segment for one more; if it perhaps is the first of a new one, with all before it written.
    fn make_room_behind(&mut self, now: Now, head: &Head, unwritten: &mut Unwritten) -> Result<(), AppendError> {
        if !unwritten.heads.is_empty() {
            let may_roll = self.may_roll(now, head, unwritten);
            if !self.guard_opening(may_roll)? {
                let opened = self.active().open_for_append(unwritten.size, self.config.index_interval_bytes);
                return self.guard_opening(opened).map_err(AppendError::from);
            }
            self.write_group(now, unwritten)?;
        }
        let prepared = self.make_room(now, head);
        self.guard_opening(prepared).map_err(AppendError::from)
    }

    /// Would the batch perhaps begin a new segment if all before it were written? `false` is sure.
    fn may_roll(&self, now: Now, head: &Head, unwritten: &Unwritten) -> Result<bool, AppendError> {
        let active = self.active();
        // The age of a segment counts from its first batch, which has to be there for that.
        if active.len() == 0 || active.may_fill_indexes(unwritten.heads.len()) {
            return Ok(true);
        }
        let together = Head { size: unwritten.size + head.size, ..*head };
        Ok(active.should_roll(&together, &self.config, now.wall)?)
    }

    /// Those that follow are judged by it. If the write fails, nothing is judged any more.
    fn apply(&mut self, update: ProducerUpdate) -> Result<(), AppendError> {
        let aborted = &mut self.segments.last_mut().expect("a log has at least one segment").aborted;
        let applied = self.producers.apply(update, |entry| aborted.append(entry));
        self.guard(applied).map_err(AppendError::from)
    }

    fn write_group(&mut self, now: Now, unwritten: &mut Unwritten) -> Result<(), LogError> {
        if unwritten.heads.is_empty() {
            return Ok(());
        }
        // It may have failed half-way: what is in the file then is not known.
        self.check_usable()?;
        let interval = self.config.index_interval_bytes;
        let written = self.active_mut().append(&unwritten.heads, &unwritten.pieces(), interval);
        self.guard(written)?;
        for head in &unwritten.heads {
            self.on_written(now, head);
        }
        unwritten.clear();
        Ok(())
    }
}

/// The same failure, for one more of those that it hit.
fn again(error: &LogError) -> LogError {
    let source = io::Error::new(error.source.kind(), error.source.to_string());
    LogError { action: error.action, path: error.path.clone(), source }
}

#[cfg(test)]
mod tests;
