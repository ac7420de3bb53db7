//! Which segments may go: by time, by size, below the log start.

use time_types::{Now, WallMillis};

use crate::error::ReadError;
use crate::log::{Between, Log, LogStartReason};
use crate::removal::FileRemoval;

/// How many of the oldest segments may go, for each of the reasons that there are.
struct Breaches {
    /// They end at or below the log start offset.
    start: usize,
    /// The log is larger than it may be.
    size: usize,
    /// They are older than they may be.
    time: usize,
}

impl Log {
    /// Takes away the segments that retention does not keep: oldest first, none that reaches above the high watermark.
    /// The removal unlinks them; `None` if nothing was to be done. A log of which all records go is rolled first.
    pub fn apply_retention(&mut self, now: Now) -> Result<Option<FileRemoval>, ReadError> {
        self.check_usable()?;
        let breaches = self.breaches(now.wall)?;
        let count = breaches.start.max(breaches.size).max(breaches.time);
        if count == 0 {
            return Ok(None);
        }
        self.tell_why(&breaches)?;
        let done = self.delete_oldest(now, count);
        self.guard(done).map(Some)
    }

    fn delete_oldest(&mut self, now: Now, count: usize) -> Result<FileRemoval, ReadError> {
        if count == self.segments.len() {
            self.roll_at(self.log_end, now.wall)?;
        }
        let kept = self.segments.split_off(count);
        let gone = std::mem::replace(&mut self.segments, kept);
        // The log start moves first: what it excludes is not read any more, whatever happens to the files.
        let start = self.segments[0].base();
        if start > self.log_start {
            self.advance_log_start(now, start.min(self.high_watermark), LogStartReason::SegmentDeletion)?;
        }
        self.recovery_point = self.recovery_point.max(start);
        let removal = self.put_away(now, &gone, Between::Sync)?;
        self.snapshots.retain(|snapshot| snapshot >= start)?;
        Ok(removal)
    }

    fn breaches(&self, now: WallMillis) -> Result<Breaches, ReadError> {
        // The active segment goes for its age or its size only.
        let closed = self.segments.len() - 1;
        let start = self.count_while(|index| Ok(index < closed && self.end_of_segment(index) <= self.log_start))?;
        if !self.config.cleanup.delete {
            return Ok(Breaches { start, size: 0, time: 0 });
        }
        Ok(Breaches { start, size: self.beyond_size(), time: self.beyond_time(now)? })
    }

    /// A line for each segment that goes, in Apache's words.
    fn tell_why(&self, breaches: &Breaches) -> Result<(), ReadError> {
        let mut left = self.size();
        let count = breaches.start.max(breaches.size).max(breaches.time);
        for (index, segment) in self.segments[..count].iter().enumerate() {
            left -= segment.len();
            let reason = if index < breaches.start {
                format!("log start offset {} breach", self.log_start)
            } else if index < breaches.size {
                let keep = self.config.retention_bytes;
                format!("log retention size {keep} breach. Log size after deletion will be {left}.")
            } else {
                let keep = self.config.retention_ms;
                let by = match segment.largest()?.timestamp {
                    ..0 => "last modified time of",
                    _ => "largest record timestamp in",
                };
                format!("log retention time {keep}ms breach based on the {by} the segment")
            };
            tracing::info!(
                target: "kafka.log.UnifiedLog",
                "[UnifiedLog partition={}, dir={}] Deleting segment LogSegment(baseOffset={}, size={}, \
                 lastModifiedTime={}, largestRecordTimestamp={}) due to {reason}",
                self.partition,
                self.parent().display(),
                segment.base(),
                segment.len(),
                segment.modified()?,
                segment.largest()?.timestamp,
            );
        }
        Ok(())
    }

    fn beyond_time(&self, now: WallMillis) -> Result<usize, ReadError> {
        let keep_ms = self.config.retention_ms;
        if keep_ms < 0 {
            return Ok(0);
        }
        self.count_while(|index| {
            let segment = &self.segments[index];
            let is_old = |newest| now - WallMillis(newest) > keep_ms;
            // What goes does not come back: an index that says so is held against the batches first.
            Ok(is_old(segment.largest_or_modified()?) && is_old(segment.sure_largest_or_modified()?))
        })
    }

    fn beyond_size(&self) -> usize {
        let Ok(keep) = u64::try_from(self.config.retention_bytes) else { return 0 };
        let mut excess = self.size().saturating_sub(keep);
        let mut count = 0;
        while count < self.segments.len() && excess > 0 && self.segments[count].len() <= excess && self.may_go(count) {
            excess -= self.segments[count].len();
            count += 1;
        }
        count
    }

    fn count_while(&self, goes: impl Fn(usize) -> Result<bool, ReadError>) -> Result<usize, ReadError> {
        let mut count = 0;
        while count < self.segments.len() && self.may_go(count) && goes(count)? {
            count += 1;
        }
        Ok(count)
    }

    /// Nothing above the high watermark, and not the empty active segment.
    fn may_go(&self, index: usize) -> bool {
        let is_last = index + 1 == self.segments.len();
        self.end_of_segment(index) <= self.high_watermark && !(is_last && self.segments[index].len() == 0)
    }
}
