//! A log against a plain list, under random appends, rolls, truncations, deletions and restarts.

use std::path::Path;
use std::sync::Arc;

use kafka_record::validate::Origin;
use kafka_types::{LeaderEpoch, Offset, TopicPartition};
use proptest::prelude::*;
use time_types::Now;
use vfs::{Crash, MemoryVfs, Vfs};

use super::{Log, LogStartReason, OffsetQuery};
use crate::LogConfig;
use crate::checkpoint::Checkpoint;
use crate::log_dir::LogDir;
use crate::testing::{DATA, at, batch, full, open_one, produced};

#[derive(Debug, Clone)]
enum Step {
    /// So many records of this size.
    Append(usize, usize),
    Produce(usize),
    Retry,
    Roll,
    Commit,
    Truncate(usize),
    DeleteRecords(usize),
    Retain,
    Sync,
    NewEpoch,
    Restart,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..5usize, 0..150usize).prop_map(|(count, size)| Step::Append(count, size)),
        6 => (1..4usize).prop_map(Step::Produce),
        1 => Just(Step::Retry),
        1 => Just(Step::Roll),
        2 => Just(Step::Commit),
        1 => (0..100usize).prop_map(Step::Truncate),
        1 => (0..100usize).prop_map(Step::DeleteRecords),
        1 => Just(Step::Retain),
        2 => Just(Step::Sync),
        1 => Just(Step::NewEpoch),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ]
}

/// One record as the model knows it.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    offset: i64,
    timestamp: i64,
    value: Vec<u8>,
    epoch: i32,
    /// First and last offset of its batch.
    batch: (i64, i64),
    sequence: Option<i32>,
}

struct World {
    vfs: MemoryVfs,
    dir: LogDir,
    log: Log,
    config: LogConfig,
    known: Vec<Known>,
    start: i64,
    end: i64,
    epoch: i32,
    clock: u64,
}

fn tp() -> TopicPartition {
    TopicPartition::new("m", 0)
}

impl World {
    fn new() -> World {
        let config = LogConfig {
            segment_bytes: 700,
            segment_index_bytes: 240,
            index_interval_bytes: 150,
            retention_bytes: 1500,
            retention_ms: -1,
            ..LogConfig::default()
        };
        let vfs = MemoryVfs::with_dirs([DATA]);
        let dir = LogDir::open(Arc::new(vfs.clone()), Path::new(DATA)).expect("opens");
        let log = dir.create(&tp(), None, config.clone(), at(0)).expect("creates");
        World { vfs, dir, log, config, known: Vec::new(), start: 0, end: 0, epoch: 0, clock: 0 }
    }

    fn now(&mut self) -> Now {
        self.clock += 1;
        at(self.clock)
    }

    fn append(&mut self, values: &[Vec<u8>], sequence: Option<i32>) {
        let now = self.now();
        let borrowed: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let records = match sequence {
            Some(first) => produced(5, 0, first, &borrowed),
            None => batch(now.wall.0, &borrowed),
        };
        let base_timestamp = if sequence.is_some() { 1_700_000_000_000 } else { now.wall.0 };
        let appended = self.log.append_as_leader(now, &records, LeaderEpoch(self.epoch), Origin::Client);
        assert_eq!(appended.expect("appends").first_offset, Offset(self.end));
        let last = self.end + values.len() as i64 - 1;
        for (index, value) in values.iter().enumerate() {
            self.known.push(Known {
                offset: self.end + index as i64,
                timestamp: base_timestamp + index as i64,
                value: value.clone(),
                epoch: self.epoch,
                batch: (self.end, last),
                sequence: sequence.map(|first| first + index as i32),
            });
        }
        self.end = last + 1;
    }

    fn next_sequence(&self) -> i32 {
        self.known.iter().rev().find_map(|known| known.sequence).map_or(0, |last| last + 1)
    }

    fn take(&mut self, step: &Step) {
        let now = self.now();
        match step {
            Step::Append(count, size) => self.append(&vec![vec![b'a'; *size]; *count], None),
            // A producer whose records were all taken back may begin anywhere, or be remembered: leave it then.
            Step::Produce(count) if self.log.active_producers().count() == 0 && self.next_sequence() > 0 => {
                self.append(&vec![b"p".to_vec(); *count], None);
            }
            Step::Produce(count) => {
                let next = self.log.active_producers().next().map_or(0, |producer| producer.last_sequence + 1);
                self.append(&vec![b"produced".to_vec(); *count], Some(next));
            }
            Step::Retry => self.retry(),
            Step::Roll => self.log.roll(now).expect("rolls"),
            Step::Commit => {
                self.log.set_high_watermark(Offset(self.end));
            }
            Step::Truncate(share) => self.truncate(now, *share),
            Step::DeleteRecords(share) => {
                let high_watermark = self.log.high_watermark().0;
                let to = self.start + (high_watermark - self.start) * *share as i64 / 100;
                self.log.advance_log_start(now, Offset(to), LogStartReason::ClientRecordDeletion).expect("moves");
                self.start = self.start.max(to);
            }
            Step::Retain => {
                let removal = self.log.apply_retention(now).expect("retains");
                if let Some(removal) = removal {
                    removal.run().expect("removes");
                }
                self.start = self.log.log_start().0;
                assert!(self.start <= self.log.high_watermark().0);
            }
            Step::Sync => {
                if let Some(job) = self.log.sync_job().expect("prepares") {
                    self.log.on_synced(job.run()).expect("syncs");
                    assert_eq!(self.log.recovery_point(), Offset(self.end));
                    self.checkpoint();
                }
            }
            Step::NewEpoch => {
                self.epoch += 1;
                self.log.assign_epoch(now, LeaderEpoch(self.epoch), Offset(self.end));
            }
            Step::Restart => self.restart(true),
            Step::Kill => self.restart(false),
        }
    }

    fn retry(&mut self) {
        let Some(last) = self.known.iter().rev().find(|known| known.sequence.is_some()).cloned() else { return };
        let producer = self.log.active_producers().next();
        if producer.is_none_or(|producer| producer.last_sequence < last.sequence.unwrap_or(0)) {
            return;
        }
        let of_batch: Vec<&Known> = self.known.iter().filter(|known| known.batch == last.batch).collect();
        let values: Vec<&[u8]> = of_batch.iter().map(|known| known.value.as_slice()).collect();
        let records = produced(5, 0, of_batch[0].sequence.expect("of a producer"), &values);
        let now = self.now();
        let epoch = LeaderEpoch(self.epoch);
        let appended = self.log.append_as_leader(now, &records, epoch, Origin::Client).expect("a retry");
        assert!(appended.duplicate);
        assert_eq!(appended.first_offset, Offset(last.batch.0));
    }

    fn truncate(&mut self, now: Now, share: usize) {
        let to = self.end - (self.end - self.start) * share as i64 / 400;
        // A batch goes as a whole: only its start is a place to cut at.
        let to = self.known.iter().find(|known| known.offset == to).map_or(to, |known| known.batch.0).max(self.start);
        if let Some(removal) = self.log.truncate_to(now, Offset(to)).expect("cuts") {
            removal.run().expect("removes");
        }
        self.known.retain(|known| known.batch.1 < to);
        self.end = self.end.min(to);
    }

    fn checkpoint(&self) {
        let entries = |offset| [(tp(), offset)];
        let write = |which, offset| {
            let entries = entries(offset);
            self.dir.write_checkpoint(which, entries.iter().map(|(tp, offset)| (tp, *offset))).expect("writes");
        };
        write(Checkpoint::RecoveryPoint, self.log.recovery_point());
        write(Checkpoint::LogStart, self.log.log_start());
        write(Checkpoint::HighWatermark, self.log.high_watermark());
    }

    /// By a clean stop, or by `kill -9`, which keeps what was written.
    fn restart(&mut self, clean: bool) {
        self.checkpoint();
        let now = self.now();
        let fresh = MemoryVfs::with_dirs(["/x"]);
        let parking = LogDir::open(Arc::new(fresh), Path::new("/x")).expect("opens");
        let parked = parking.create(&tp(), None, LogConfig::default(), now).expect("creates");
        let log = std::mem::replace(&mut self.log, parked);
        if clean {
            log.close().expect("closes");
            self.dir.write_clean_marker().expect("writes");
        } else {
            drop(log);
            self.vfs.crash_with(Crash::Process);
        }
        self.dir = parking;
        let shared: Arc<dyn Vfs> = Arc::new(self.vfs.clone());
        let (dir, log) = open_one(&shared, &tp(), &self.config, now);
        (self.dir, self.log) = (dir, log);
    }

    fn check(&self) {
        assert_eq!((self.log.log_start(), self.log.log_end()), (Offset(self.start), Offset(self.end)));
        let visible: Vec<&Known> = self.known.iter().filter(|known| known.offset >= self.start).collect();
        assert_eq!(self.read_all(), visible.iter().map(|known| (*known).clone()).collect::<Vec<_>>());
        for known in visible.iter().step_by(3) {
            let read = self.log.read(Offset(known.offset), 1, Offset(self.end), true).expect("reads");
            let bytes = read.slice.expect("there").read().expect("reads");
            let found = kafka_record::Batch::read(&bytes).expect("a batch");
            assert_eq!((found.first_known_offset().0, found.last_offset().0), known.batch);
            let query = OffsetQuery::At(time_types::WallMillis(known.timestamp));
            let first = visible.iter().find(|other| other.timestamp >= known.timestamp).expect("itself");
            let found = self.log.offset_for(query, Offset(self.end)).expect("reads").expect("there");
            assert_eq!(found.offset, Offset(first.offset));
            assert_eq!(self.log.epoch_of(Offset(known.offset)), Some(LeaderEpoch(known.epoch)));
        }
    }

    fn read_all(&self) -> Vec<Known> {
        let mut records = Vec::new();
        let mut offset = self.start;
        while offset < self.end {
            let read = self.log.read(Offset(offset), 400, Offset(self.end), true).expect("reads");
            let Some(slice) = read.slice else { break };
            for one in kafka_record::batches(&slice.read().expect("reads")) {
                let one = one.expect("a batch");
                one.check_crc().expect("a good checksum");
                let span = (one.first_known_offset().0, one.last_offset().0);
                let kafka_record::Batch::V2(v2) = one else { panic!("old format") };
                one.for_each_record(1 << 20, |record| {
                    let sequence = v2.header().base_sequence;
                    let index = (record.offset.0 - span.0) as i32;
                    records.push(Known {
                        offset: record.offset.0,
                        timestamp: record.timestamp,
                        value: record.value.expect("has one").to_vec(),
                        epoch: one.leader_epoch().0,
                        batch: span,
                        sequence: (sequence >= 0).then_some(sequence + index),
                    });
                    true
                })
                .expect("records");
                offset = span.1 + 1;
            }
        }
        records.retain(|known| known.offset >= self.start);
        records
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if full() { 5000 } else { 200 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_a_list(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
    }
}
