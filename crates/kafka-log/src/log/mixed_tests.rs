//! A log against a plain list of batches, with everything that may come to one: a leader's and a follower's appends,
//! every codec, old formats, transactions with their markers, gaps; and what takes records away.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kafka_record::control::EndTxnMarker;
use kafka_record::legacy::{SetOptions, write_set};
use kafka_record::record::{Headers, RecordRef};
use kafka_record::validate::Origin;
use kafka_record::{BatchBuilder, BatchOptions, Compression, NO_TIMESTAMP};
use kafka_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition};
use proptest::prelude::*;
use time_types::{Now, WallMillis};
use vfs::{Crash, MemoryVfs, Vfs};

use super::{Log, LogStartReason, OffsetQuery};
use crate::LogConfig;
use crate::checkpoint::Checkpoint;
use crate::log_dir::LogDir;
use crate::testing::{DATA, at, full, open_one};

const RETENTION_MS: i64 = 40;

#[derive(Debug, Clone)]
enum Step {
    /// Codec, number of records, size of each.
    Lead(u8, usize, usize),
    /// A message set of format 1, or 0.
    LeadOld(bool, usize),
    /// Codec, number of records, offsets left out before.
    Follow(u8, usize, i64),
    /// Stored in the old format as it is.
    FollowOld(bool, usize),
    /// Which producer, how many records.
    InTransaction(i64, usize),
    EndTransaction(i64, bool),
    Roll,
    Commit(usize),
    Truncate(usize),
    DeleteRecords(usize),
    RetainSize,
    RetainTime,
    Sync,
    NewEpoch,
    Restart,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5u8, 1..5usize, 0..120usize).prop_map(|(codec, count, size)| Step::Lead(codec, count, size)),
        2 => (any::<bool>(), 1..4usize).prop_map(|(timestamps, count)| Step::LeadOld(timestamps, count)),
        3 => (0..5u8, 1..4usize, 0..3i64).prop_map(|(codec, count, gap)| Step::Follow(codec, count, gap)),
        1 => (any::<bool>(), 1..4usize).prop_map(|(timestamps, count)| Step::FollowOld(timestamps, count)),
        6 => (10..13i64, 1..3usize).prop_map(|(producer, count)| Step::InTransaction(producer, count)),
        4 => (10..13i64, any::<bool>()).prop_map(|(producer, commit)| Step::EndTransaction(producer, commit)),
        1 => Just(Step::Roll),
        3 => (0..101usize).prop_map(Step::Commit),
        1 => (0..100usize).prop_map(Step::Truncate),
        1 => (0..100usize).prop_map(Step::DeleteRecords),
        1 => Just(Step::RetainSize),
        1 => Just(Step::RetainTime),
        2 => Just(Step::Sync),
        1 => Just(Step::NewEpoch),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct Record {
    offset: i64,
    timestamp: i64,
    value: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    None,
    Data(i64),
    Marker(i64, bool),
}

#[derive(Debug, Clone, PartialEq)]
struct Known {
    /// `None` in formats 0 and 1.
    epoch: Option<i32>,
    part: Part,
    records: Vec<Record>,
}

impl Known {
    fn first(&self) -> i64 {
        self.records[0].offset
    }

    fn last(&self) -> i64 {
        self.records[self.records.len() - 1].offset
    }
}

/// A transaction: producer, first offset, offset and kind of its marker.
type Transaction = (i64, i64, Option<(i64, bool)>);

struct World {
    vfs: MemoryVfs,
    dir: LogDir,
    log: Log,
    config: LogConfig,
    known: Vec<Known>,
    start: i64,
    end: i64,
    high_watermark: i64,
    epoch: i32,
    clock: u64,
    /// Batches of old formats were stored: nobody can tell epochs for sure.
    old: bool,
    /// Where the log ended when the producers were last read from snapshots, which do not say that a marker is above
    /// the high watermark: such a transaction may count as ended.
    reloaded_at: i64,
}

fn tp() -> TopicPartition {
    TopicPartition::new("x", 0)
}

impl World {
    fn new() -> World {
        let config = LogConfig {
            segment_bytes: 800,
            segment_index_bytes: 240,
            index_interval_bytes: 150,
            retention_bytes: -1,
            retention_ms: -1,
            ..LogConfig::default()
        };
        let vfs = MemoryVfs::with_dirs([DATA]);
        let dir = LogDir::open(Arc::new(vfs.clone()), Path::new(DATA)).expect("opens");
        let log = dir.create(&tp(), None, config.clone(), at(0)).expect("creates");
        let (known, old) = (Vec::new(), false);
        World {
            vfs,
            dir,
            log,
            config,
            known,
            start: 0,
            end: 0,
            high_watermark: 0,
            epoch: 0,
            clock: 0,
            old,
            reloaded_at: 0,
        }
    }

    fn now(&mut self) -> Now {
        self.clock += 1;
        at(self.clock)
    }

    fn records(&self, now: Now, from: i64, count: usize, size: usize) -> Vec<Record> {
        let value = |index: i64| format!("{} {index} {}", self.clock, "v".repeat(size)).into_bytes();
        (0..count as i64)
            .map(|index| Record { offset: from + index, timestamp: now.wall.0 + index % 2, value: value(index) })
            .collect()
    }

    fn lead(&mut self, now: Now, batch: &Bytes, origin: Origin, records: Vec<Record>, part: Part) {
        let appended = self.log.append_as_leader(now, batch, LeaderEpoch(self.epoch), origin).expect("appends");
        assert_eq!(appended.first_offset, Offset(self.end));
        assert!(!appended.duplicate);
        self.add(Some(self.epoch), records, part);
    }

    fn add(&mut self, epoch: Option<i32>, records: Vec<Record>, part: Part) {
        self.end = records[records.len() - 1].offset + 1;
        self.known.push(Known { epoch, part, records });
    }

    fn take(&mut self, step: &Step) {
        let now = self.now();
        match *step {
            Step::Lead(codec, count, size) => {
                let records = self.records(now, self.end, count, size);
                let batch = built(BatchOptions { codec: codec_of(codec).into(), ..BatchOptions::default() }, &records);
                self.lead(now, &batch, Origin::Client, records, Part::None);
            }
            Step::LeadOld(timestamps, count) => {
                let mut records = self.records(now, self.end, count, 20);
                let set = old_set(timestamps, &mut records);
                self.lead(now, &set, Origin::Client, records, Part::None);
            }
            Step::Follow(codec, count, gap) => {
                let records = self.records(now, self.end + gap, count, 10);
                let options = BatchOptions {
                    codec: codec_of(codec).into(),
                    base_offset: Offset(self.end + gap),
                    leader_epoch: LeaderEpoch(self.epoch),
                    ..BatchOptions::default()
                };
                self.log.append_as_follower(now, &built(options, &records)).expect("appends");
                self.add(Some(self.epoch), records, Part::None);
            }
            Step::FollowOld(timestamps, count) => {
                let mut records = self.records(now, self.end, count, 20);
                let set = old_set(timestamps, &mut records);
                self.log.append_as_follower(now, &set).expect("appends");
                self.old = true;
                // Each is an entry of its own.
                for record in records {
                    self.add(None, vec![record], Part::None);
                }
            }
            Step::InTransaction(..) | Step::EndTransaction(..) => self.transact(now, step),
            Step::NewEpoch => {
                self.epoch += 1;
                self.log.assign_epoch(now, LeaderEpoch(self.epoch), Offset(self.end));
            }
            Step::Roll => self.log.roll(now).expect("rolls"),
            Step::Commit(share) => {
                let to = self.high_watermark + (self.end - self.high_watermark) * share as i64 / 100;
                self.high_watermark = self.log.set_high_watermark(Offset(to)).0;
                assert_eq!(self.high_watermark, to);
            }
            Step::Truncate(share) => self.truncate(now, share),
            Step::DeleteRecords(share) => {
                let to = self.start + (self.stable() - self.start) * share as i64 / 100;
                self.log.advance_log_start(now, Offset(to), LogStartReason::ClientRecordDeletion).expect("moves");
                self.start = self.start.max(to);
            }
            Step::RetainSize | Step::RetainTime => self.retain(now, matches!(step, Step::RetainTime)),
            Step::Sync => {
                if let Some(job) = self.log.sync_job().expect("prepares") {
                    self.log.on_synced(job.run()).expect("syncs");
                    self.checkpoint();
                }
            }
            Step::Restart => self.restart(true),
            Step::Kill => self.restart(false),
        }
    }

    fn transact(&mut self, now: Now, step: &Step) {
        match *step {
            Step::InTransaction(producer, count) => {
                let known = self.log.active_producers().find(|active| active.producer_id.0 == producer);
                // Whose records are gone may be remembered or not: a later epoch may begin anew in any case.
                let epoch = ProducerEpoch(known.map_or(0, |known| known.producer_epoch.0));
                let base_sequence = known.map_or(0, |known| known.last_sequence + 1);
                let records = self.records(now, self.end, count, 5);
                let options = BatchOptions {
                    producer_id: ProducerId(producer),
                    producer_epoch: epoch,
                    base_sequence,
                    transactional: true,
                    ..BatchOptions::default()
                };
                self.lead(now, &built(options, &records), Origin::Client, records, Part::Data(producer));
            }
            Step::EndTransaction(producer, commit) if self.open().iter().any(|open| open.0 == producer) => {
                let marker = EndTxnMarker { commit, coordinator_epoch: 0 };
                let batch = marker.to_batch(now.wall.0, ProducerId(producer), ProducerEpoch(0));
                let records = vec![Record { offset: self.end, timestamp: now.wall.0, value: Vec::new() }];
                self.lead(now, &batch, Origin::Coordinator, records, Part::Marker(producer, commit));
            }
            _ => {}
        }
    }

    fn transactions(&self) -> Vec<Transaction> {
        let mut found: Vec<Transaction> = Vec::new();
        for batch in &self.known {
            match batch.part {
                Part::None => {}
                Part::Data(producer) => {
                    if !found.iter().any(|known| known.0 == producer && known.2.is_none()) {
                        found.push((producer, batch.first(), None));
                    }
                }
                Part::Marker(producer, commit) => {
                    // One whose records are below the start ends nothing that is known.
                    let open = found.iter_mut().find(|known| known.0 == producer && known.2.is_none());
                    if let Some(open) = open {
                        open.2 = Some((batch.last(), commit));
                    }
                }
            }
        }
        found
    }

    fn open(&self) -> Vec<Transaction> {
        self.transactions().into_iter().filter(|transaction| transaction.2.is_none()).collect()
    }

    /// Below belongs to no transaction that is open, or whose end is not committed.
    fn stable(&self) -> i64 {
        self.stable_by(self.high_watermark)
    }

    /// The same if markers below this offset count.
    fn stable_by(&self, decided: i64) -> i64 {
        let undecided = |transaction: &&Transaction| transaction.2.is_none_or(|(marker, _)| marker >= decided);
        let transactions = self.transactions();
        let first = transactions.iter().filter(undecided).map(|transaction| transaction.1.max(self.start)).min();
        first.map_or(self.high_watermark, |first| first.min(self.high_watermark))
    }

    /// At the start of a batch, not below the high watermark: what is committed is not taken back.
    fn truncate(&mut self, now: Now, share: usize) {
        // Not behind offsets that were left out: a log that ends in a hole ends before it once it is opened again.
        let mut cuts = Vec::new();
        let mut behind = 0;
        for known in &self.known {
            if known.first() == behind && behind >= self.high_watermark.max(self.start) {
                cuts.push(behind);
            }
            behind = known.last() + 1;
        }
        let Some(to) = cuts.get(cuts.len() * share / 100).copied() else { return };
        if let Some(removal) = self.log.truncate_to(now, Offset(to)).expect("cuts") {
            removal.run().expect("removes");
        }
        self.known.retain(|known| known.first() < to);
        self.end = to;
        self.reloaded_at = to;
    }

    fn retain(&mut self, now: Now, by_time: bool) {
        // A transaction that is open keeps its records here, so that the model need not know of halves.
        if !self.open().is_empty() || self.stable() < self.high_watermark {
            return;
        }
        let (retention_ms, retention_bytes) = if by_time { (RETENTION_MS, -1) } else { (-1, 1500) };
        self.log.set_config(LogConfig { retention_ms, retention_bytes, ..self.config.clone() });
        let size = self.log.size();
        if let Some(removal) = self.log.apply_retention(now).expect("retains") {
            removal.run().expect("removes");
        }
        self.log.set_config(self.config.clone());
        let before = self.start;
        self.start = self.log.log_start().0;
        assert!((before..=self.high_watermark).contains(&self.start));
        if by_time {
            let removed = self.known.iter().filter(|known| known.last() < self.start && known.first() >= before);
            let youngest = removed.flat_map(|known| &known.records).map(|record| record.timestamp).max();
            assert!(youngest.is_none_or(|youngest| now.wall.0 - youngest > RETENTION_MS), "young records went");
        } else {
            assert!(self.start == before || size > 1500);
        }
        // What was below the start may go with its segments.
        let start = self.start;
        self.known.retain(|known| known.last() >= start);
    }

    fn checkpoint(&self) {
        for (which, offset) in [
            (Checkpoint::RecoveryPoint, self.log.recovery_point()),
            (Checkpoint::LogStart, self.log.log_start()),
            (Checkpoint::HighWatermark, self.log.high_watermark()),
        ] {
            self.dir.write_checkpoint(which, [(&tp(), offset)]).expect("writes");
        }
    }

    /// By a clean stop, or by `kill -9`, which keeps what was written.
    fn restart(&mut self, clean: bool) {
        self.checkpoint();
        let now = self.now();
        let parking = LogDir::open(Arc::new(MemoryVfs::with_dirs(["/x"])), Path::new("/x")).expect("opens");
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
        (self.dir, self.log) = open_one(&shared, &tp(), &self.config, now);
        assert_eq!(self.log.high_watermark(), Offset(self.high_watermark));
        self.reloaded_at = self.end;
    }

    fn check(&self) {
        let log = &self.log;
        assert_eq!((log.log_start(), log.log_end()), (Offset(self.start), Offset(self.end)));
        let stable = self.stable()..=self.stable_by(self.high_watermark.max(self.reloaded_at));
        assert!(stable.contains(&log.last_stable_offset().0), "{stable:?}: {:?}", self.transactions());
        let visible: Vec<&Known> = self.known.iter().filter(|known| known.last() >= self.start).collect();
        let (found, aborted) = self.read_all();
        assert_eq!(found.iter().collect::<Vec<_>>(), visible);
        self.check_aborted(&aborted);
        self.check_times(&visible);
    }

    /// Of a transaction that began below the start a recovery may know only what is left of it.
    fn check_aborted(&self, told: &BTreeSet<(i64, i64)>) {
        let transactions = self.transactions();
        for &(producer, first, end) in &transactions {
            let Some((marker, false)) = end else { continue };
            let of_it = |known: &&Known| known.part == Part::Data(producer) && (first..marker).contains(&known.first());
            let left = self.known.iter().filter(of_it).find(|known| known.last() >= self.start);
            let Some(left) = left.map(Known::first) else { continue };
            // What is below the start may be gone, and the log may have seen it.
            let fits = |from: i64| from <= left && (from >= first || from < self.start);
            let is_told = told.iter().any(|one| one.0 == producer && fits(one.1));
            assert!(is_told, "{producer} from {first} to {marker} is not among {told:?}");
        }
        for (producer, from) in told.iter().filter(|(_, from)| *from >= self.start) {
            let is_real = transactions.iter().any(|&(known, first, end)| {
                known == *producer && first <= *from && end.is_some_and(|(marker, commit)| *from < marker && !commit)
            });
            assert!(is_real, "{producer} from {from}: {transactions:?}");
        }
    }

    fn check_times(&self, visible: &[&Known]) {
        let records = || visible.iter().flat_map(|known| &known.records).filter(|record| record.offset >= self.start);
        for known in visible.iter().step_by(4) {
            let asked = known.records[0].timestamp;
            if asked >= 0 {
                let first = records().find(|record| record.timestamp >= asked).map(|record| Offset(record.offset));
                let query = OffsetQuery::At(WallMillis(asked));
                let found = self.log.offset_for(query, Offset(self.end)).expect("answers");
                assert_eq!(found.map(|found| found.offset), first, "at {asked}");
            }
            if let (Some(epoch), false) = (known.epoch, self.old) {
                assert_eq!(self.log.epoch_of(Offset(known.last())), Some(LeaderEpoch(epoch)));
            }
        }
    }

    fn read_all(&self) -> (Vec<Known>, BTreeSet<(i64, i64)>) {
        let mut found = Vec::new();
        let mut aborted = BTreeSet::new();
        let mut offset = self.start;
        while offset < self.end {
            let read = self.log.read(Offset(offset), 500, Offset(self.end), true).expect("reads");
            let of_read = self.log.aborted_transactions(Offset(offset), &read).expect("answers");
            aborted.extend(of_read.iter().map(|one| (one.producer_id.0, one.first_offset.0)));
            let Some(slice) = read.slice else { break };
            for one in kafka_record::batches(&slice.read().expect("reads")) {
                let one = one.expect("a batch");
                one.check_crc().expect("a good checksum");
                offset = one.next_offset().0;
                found.push(known_of(&one));
            }
        }
        (found, aborted)
    }
}

fn known_of(batch: &kafka_record::Batch<'_>) -> Known {
    let mut records = Vec::new();
    let mut commit = false;
    batch
        .for_each_record(1 << 20, |record| {
            commit = record.key.is_some_and(|key| key.get(3) == Some(&1));
            let value = record.value.unwrap_or_default().to_vec();
            records.push(Record { offset: record.offset.0, timestamp: record.timestamp, value });
            true
        })
        .expect("records");
    let (mut part, mut epoch) = (Part::None, None);
    if let kafka_record::Batch::V2(v2) = batch {
        epoch = Some(v2.leader_epoch().0);
        let producer = v2.header().producer_id.0;
        if v2.is_control() {
            part = Part::Marker(producer, commit);
            records[0].value.clear();
        } else if v2.is_transactional() {
            part = Part::Data(producer);
        }
    }
    Known { epoch, part, records }
}

fn codec_of(id: u8) -> Compression {
    Compression::from_id(id).expect("one of five")
}

fn built(options: BatchOptions, records: &[Record]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for record in records {
        builder.append(record.timestamp, Some(b"key"), Some(&record.value), &[]).expect("fits");
    }
    builder.finish()
}

/// Format 0 forgets the timestamps.
fn old_set(timestamps: bool, records: &mut [Record]) -> Bytes {
    if !timestamps {
        for record in records.iter_mut() {
            record.timestamp = NO_TIMESTAMP;
        }
    }
    let options = SetOptions { timestamps, codec: Compression::None.into(), append_time: None };
    let entries = records.iter().map(|record| RecordRef {
        offset: Offset(record.offset),
        timestamp: record.timestamp,
        key: None,
        value: Some(&record.value),
        headers: Headers::default(),
        size: 0,
    });
    write_set(options, entries).into()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if full() { 4000 } else { 150 }, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_comes_a_log_is_a_list(steps in proptest::collection::vec(step(), 1..70)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
    }
}
