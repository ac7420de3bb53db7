//! A log as its owner uses it: appends, reads, rolls, epochs, producers.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kafka_record::control::EndTxnMarker;
use kafka_record::validate::Origin;
use kafka_record::{BatchOptions, TimestampType};
use kafka_types::{ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition, Uuid};
use time_types::{Now, Tick, WallMillis};
use vfs::{MemoryVfs, Vfs};

use super::*;
use crate::CleanupPolicy;
use crate::checkpoint::Checkpoint;
use crate::error::AppendError;
use crate::log_dir::{CleanShutdown, DirError, LogDir};
use crate::testing::{DATA, at, batch, built, files_of, open_one, produced, transactional, unrecovered};

mod idle;

const EPOCH: LeaderEpoch = LeaderEpoch(3);

struct World {
    vfs: MemoryVfs,
    dir: LogDir,
    log: Log,
}

fn tp() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn small() -> LogConfig {
    LogConfig { segment_bytes: 400, segment_index_bytes: 480, index_interval_bytes: 100, ..LogConfig::default() }
}

fn world(config: LogConfig) -> World {
    let vfs = MemoryVfs::with_dirs([DATA]);
    let dir = LogDir::open(Arc::new(vfs.clone()), Path::new(DATA)).expect("opens");
    let log = dir.create(&tp(), Uuid([7; 16]).into(), config, at(0)).expect("creates");
    World { vfs, dir, log }
}

impl World {
    fn append(&mut self, records: &Bytes) -> Result<Appended, AppendError> {
        self.log.append_as_leader(at(1), records, EPOCH, Origin::Client)
    }

    fn must(&mut self, records: &Bytes) -> Offset {
        self.append(records).expect("appends").first_offset
    }

    fn mark(&mut self, id: i64, epoch: i16, commit: bool, coordinator_epoch: i32) -> Result<Appended, AppendError> {
        let marker = EndTxnMarker { commit, coordinator_epoch };
        let bytes = marker.to_batch(1_700_000_000_500, ProducerId(id), ProducerEpoch(epoch));
        self.log.append_as_leader(at(1), &bytes, EPOCH, Origin::Coordinator)
    }

    fn commit_all(&mut self) {
        self.log.set_high_watermark(self.log.log_end());
    }

    /// Offsets of the batches that a read of everything finds.
    fn all(&self) -> Vec<(i64, i64)> {
        let mut found = Vec::new();
        let mut offset = self.log.log_start();
        loop {
            let read = self.log.read(offset, 1 << 20, self.log.log_end(), true).expect("reads");
            let Some(slice) = read.slice else { return found };
            for one in kafka_record::batches(&slice.read().expect("reads")) {
                let one = one.expect("a batch");
                found.push((one.first_known_offset().0, one.last_offset().0));
                offset = one.next_offset();
            }
        }
    }

    fn names(&self) -> Vec<String> {
        files_of(&self.vfs, self.log.dir()).into_iter().map(|(name, _)| name).collect()
    }

    /// Ends without stopping in order, and starts again.
    fn crash(self) -> World {
        let config = self.log.config().clone();
        drop((self.log, self.dir));
        let vfs: Arc<dyn Vfs> = Arc::new(self.vfs.clone());
        let (dir, log) = open_one(&vfs, &tp(), &config, at(5));
        World { vfs: self.vfs, dir, log }
    }

    /// Stops in order, and starts again.
    fn restart(self) -> World {
        let config = self.log.config().clone();
        let high_watermark = self.log.high_watermark();
        let log_start = self.log.log_start();
        let end = self.log.close().expect("closes");
        self.dir.write_checkpoint(Checkpoint::RecoveryPoint, [(&tp(), end)]).expect("writes");
        self.dir.write_checkpoint(Checkpoint::HighWatermark, [(&tp(), high_watermark)]).expect("writes");
        self.dir.write_checkpoint(Checkpoint::LogStart, [(&tp(), log_start)]).expect("writes");
        self.dir.write_clean_marker().expect("writes");
        drop(self.dir);
        let vfs: Arc<dyn Vfs> = Arc::new(self.vfs.clone());
        let (dir, log) = open_one(&vfs, &tp(), &config, at(5));
        World { vfs: self.vfs, dir, log }
    }
}

fn assert_same(left: &[(String, Vec<u8>)], right: &[(String, Vec<u8>)]) {
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(left), names(right));
    for ((name, left), (_, right)) in left.iter().zip(right) {
        assert!(left == right, "{name} differs");
    }
}

#[test]
fn offsets_epoch_and_bytes() {
    let mut world = world(LogConfig::default());
    assert_eq!(world.must(&batch(1000, &[b"a", b"b"])), Offset(0));
    assert_eq!(world.must(&batch(2000, &[b"c"])), Offset(2));
    assert_eq!(world.log.log_end(), Offset(3));
    assert_eq!(world.all(), [(0, 1), (2, 2)]);
    assert_eq!(world.log.latest_epoch(), Some(EPOCH));
    let read = world.log.read(Offset(2), 1 << 20, Offset(3), true).expect("reads");
    let bytes = read.slice.expect("a batch").read().expect("reads");
    let mut expected = batch(2000, &[b"c"]).to_vec();
    kafka_record::batch::set_base_offset(&mut expected, Offset(2));
    kafka_record::batch::set_leader_epoch(&mut expected, EPOCH);
    assert_eq!(bytes, expected);
}

#[test]
fn the_topic_id_is_there_before_the_first_record_and_durable_when_that_is() {
    let mut world = world(LogConfig::default());
    assert!(!world.names().contains(&"partition.metadata".to_owned()));
    let expected = format!("version: 0\ntopic_id: {}", Uuid([7; 16])).into_bytes();
    let path = Path::new(DATA).join("t-0/partition.metadata");
    world.must(&batch(1000, &[b"a"]));
    assert_eq!(world.vfs.read(&path).expect("is there"), expected, "also after a kill");
    let job = world.log.sync_job().expect("is usable").expect("a record is new");
    // What comes meanwhile is for the next one.
    world.must(&batch(2000, &[b"b"]));
    world.log.on_synced(job.run()).expect("is synced");
    assert_eq!(world.log.recovery_point(), Offset(1));
    world.vfs.crash();
    assert_eq!(world.vfs.read(&path).expect("survives"), expected);
    assert!(world.log.assign_topic_id(Uuid([7; 16])));
    assert!(!world.log.assign_topic_id(Uuid([8; 16])));
}

#[test]
fn retries_get_the_old_offsets_and_are_not_written() {
    let mut world = world(LogConfig::default());
    for sequence in 0..7 {
        world.must(&produced(9, 0, sequence * 2, &[b"x", b"y"]));
    }
    let size = world.log.size();
    for sequence in 2..7 {
        let appended = world.append(&produced(9, 0, sequence * 2, &[b"x", b"y"])).expect("a retry");
        assert!(appended.duplicate);
        assert_eq!(appended.first_offset, Offset(i64::from(sequence) * 2));
        assert_eq!(appended.last_offset, Offset(i64::from(sequence) * 2 + 1));
        assert!(appended.log_append_time.is_some(), "a retry is told the time of its batch");
    }
    assert_eq!(world.log.size(), size);
    let error = world.append(&produced(9, 0, 2, &[b"x", b"y"])).expect_err("too old to be recognised");
    assert_eq!(error.code(), ErrorCode::OutOfOrderSequenceNumber);
}

#[test]
fn sequences_and_epochs_are_checked_as_in_the_protocol() {
    let mut world = world(LogConfig::default());
    world.must(&produced(1, 0, 40, &[b"an unknown producer may begin anywhere"]));
    world.must(&produced(1, 0, 41, &[b"x"]));
    let error = world.append(&produced(1, 0, 43, &[b"x"])).expect_err("a gap");
    assert_eq!(
        error.to_string(),
        "Out of order sequence number for producer 1 at offset 2 in partition t-0: 43 (incoming seq. number), 41 \
         (current end sequence number)"
    );
    let error = world.append(&produced(1, 1, 5, &[b"x"])).expect_err("a new epoch begins at 0");
    assert_eq!(error.code(), ErrorCode::OutOfOrderSequenceNumber);
    world.must(&produced(1, 1, 0, &[b"x"]));
    let error = world.append(&produced(1, 0, 42, &[b"x"])).expect_err("fenced");
    assert_eq!(
        error.to_string(),
        "Epoch of producer 1 at offset 3 in t-0 is 0, which is smaller than the last seen epoch 1"
    );
    assert_eq!(world.log.log_end(), Offset(3), "rejected appends leave nothing");
    world.must(&produced(2, 0, i32::MAX, &[b"x"]));
    world.must(&produced(2, 0, 0, &[b"wraps"]));
}

#[test]
fn open_transactions_hold_the_last_stable_offset() {
    let mut world = world(LogConfig::default());
    world.must(&transactional(1, 0, 0, &[b"a", b"b"]));
    world.must(&transactional(2, 0, 0, &[b"c"]));
    world.must(&batch(1000, &[b"plain"]));
    world.commit_all();
    assert_eq!(world.log.last_stable_offset(), Offset(0));
    world.mark(1, 0, false, 0).expect("aborts");
    assert_eq!(world.log.last_stable_offset(), Offset(0), "the marker is not committed yet");
    world.commit_all();
    assert_eq!(world.log.last_stable_offset(), Offset(2));
    world.mark(2, 0, true, 0).expect("commits");
    world.commit_all();
    assert_eq!(world.log.last_stable_offset(), Offset(6));
    let read = world.log.read(Offset(0), 1 << 20, Offset(6), true).expect("reads");
    let aborted = world.log.aborted_transactions(Offset(0), &read).expect("reads");
    assert_eq!(aborted, [AbortedTransaction { producer_id: ProducerId(1), first_offset: Offset(0) }]);
    let read = world.log.read(Offset(5), 1 << 20, Offset(6), true).expect("reads");
    assert!(world.log.aborted_transactions(Offset(5), &read).expect("reads").is_empty());
}

#[test]
fn markers_and_plain_records_are_checked_against_the_transaction() {
    let mut world = world(LogConfig::default());
    world.must(&transactional(1, 5, 0, &[b"a"]));
    let error = world.append(&produced(1, 5, 1, &[b"not transactional"])).expect_err("in a transaction");
    assert_eq!(error.code(), ErrorCode::InvalidTxnState);
    world.mark(1, 5, true, 7).expect("commits");
    let error = world.mark(1, 5, true, 6).expect_err("an older coordinator");
    assert_eq!(error.code(), ErrorCode::TransactionCoordinatorFenced);
    let error = world.mark(1, 4, true, 7).expect_err("an older producer");
    assert_eq!(error.code(), ErrorCode::InvalidProducerEpoch);
}

#[test]
fn a_transaction_survives_a_crash_on_both_sides_of_a_roll() {
    let mut world = world(small());
    world.must(&transactional(1, 0, 0, &[b"a"]));
    world.must(&transactional(2, 0, 0, &[b"b"]));
    world.log.roll(at(1)).expect("rolls");
    world.mark(1, 0, false, 0).expect("aborts");
    for clean in [false, true, false] {
        world = if clean { world.restart() } else { world.crash() };
        world.commit_all();
        assert_eq!(world.log.last_stable_offset(), Offset(1), "clean: {clean}");
        let read = world.log.read(Offset(0), 1 << 20, Offset(3), true).expect("reads");
        let aborted = world.log.aborted_transactions(Offset(0), &read).expect("reads");
        assert_eq!(aborted, [AbortedTransaction { producer_id: ProducerId(1), first_offset: Offset(0) }]);
    }
    world.mark(2, 0, false, 0).expect("aborts");
    world.commit_all();
    assert_eq!(world.log.last_stable_offset(), Offset(4));
}

#[test]
fn append_time_replaces_the_producers() {
    let mut world = world(LogConfig { timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() });
    let appended = world.append(&batch(1000, &[b"a", b"b"])).expect("appends");
    assert_eq!(appended.log_append_time, Some(at(1).wall));
    let found = world.log.offset_for(OffsetQuery::MaxTimestamp, world.log.log_end()).expect("reads");
    let found = found.expect("there are records");
    assert_eq!((found.timestamp, found.offset, found.leader_epoch), (at(1).wall, Offset(0), EPOCH));
}

#[test]
fn reads_are_bounded_and_give_whole_first_batches() {
    let mut world = world(LogConfig::default());
    let first = batch(1000, &[&[b'a'; 500]]);
    world.must(&first);
    world.must(&batch(1000, &[b"b", b"c"]));
    world.must(&batch(1000, &[b"d"]));
    let len = |world: &World, offset, max, bound, min_one| {
        world.log.read(Offset(offset), max, Offset(bound), min_one).expect("reads").len()
    };
    let all = world.log.size();
    assert_eq!(len(&world, 0, 1 << 20, 4, true), all);
    assert_eq!(len(&world, 0, 10, 4, true), first.len() as u64);
    assert_eq!(len(&world, 0, 10, 4, false), 10);
    assert!(world.log.read(Offset(0), 10, Offset(4), false).expect("reads").first_batch_incomplete);
    assert_eq!(len(&world, 0, 1 << 20, 1, true), first.len() as u64);
    assert_eq!(len(&world, 0, 1 << 20, 0, true), 0);
    assert_eq!(len(&world, 4, 1 << 20, 4, true), 0);
    assert_eq!(len(&world, 2, 1 << 20, 4, true), all - first.len() as u64, "the whole batch that holds 2");
    for offset in [-1, 5] {
        let error = world.log.read(Offset(offset), 10, Offset(4), true).expect_err("not there");
        assert_eq!(error.code(), ErrorCode::OffsetOutOfRange);
    }
}

#[test]
fn timestamps_are_found() {
    let mut world = world(small());
    for index in 0..40i64 {
        world.must(&batch(1000 * index, &[b"a", b"b", b"c"]));
    }
    assert!(world.log.segments() > 5);
    for index in 0..40i64 {
        for (timestamp, offset) in [(1000 * index - 500, 3 * index), (1000 * index + 1, 3 * index + 1)] {
            let query = OffsetQuery::At(WallMillis(timestamp));
            let found = world.log.offset_for(query, world.log.log_end()).expect("reads").expect("is there");
            assert_eq!(found.offset, Offset(offset), "{timestamp}");
        }
    }
    let query = |world: &World, query| world.log.offset_for(query, world.log.log_end()).expect("reads");
    assert_eq!(query(&world, OffsetQuery::At(WallMillis(39_003))), None);
    assert_eq!(query(&world, OffsetQuery::MaxTimestamp).expect("is there").offset, Offset(119));
    assert_eq!(query(&world, OffsetQuery::Latest).expect("is there").offset, Offset(120));
    assert_eq!(query(&world, OffsetQuery::Earliest).expect("is there").offset, Offset(0));
    assert_eq!(OffsetQuery::from_wire(-3), OffsetQuery::MaxTimestamp);
}

#[test]
fn segments_roll_by_size_age_and_order() {
    let mut world = world(LogConfig { segment_ms: 1000, ..small() });
    world.must(&batch(5000, &[&[b'x'; 200]]));
    world.must(&batch(5000, &[&[b'x'; 200]]));
    assert_eq!((world.log.segments(), world.log.active_base()), (2, Offset(1)), "by size");
    world.must(&batch(6000, &[b"x"]));
    assert_eq!(world.log.segments(), 2);
    world.must(&batch(6001, &[b"x"]));
    assert_eq!((world.log.segments(), world.log.active_base()), (3, Offset(3)), "by age");
    world.log.roll(at(1)).expect("rolls");
    world.log.roll(at(1)).expect("nothing to roll");
    assert_eq!((world.log.segments(), world.log.active_base()), (4, Offset(4)));
    assert!(world.names().contains(&"00000000000000000004.snapshot".to_owned()));
    assert_eq!(world.all(), [(0, 0), (1, 1), (2, 2), (3, 3)]);
}

#[test]
fn a_full_index_rolls() {
    let config = LogConfig { segment_index_bytes: 24, index_interval_bytes: 1, ..LogConfig::default() };
    let mut world = world(config);
    for _ in 0..10 {
        world.must(&batch(1000, &[b"x"]));
    }
    assert!(world.log.segments() > 1);
    assert_eq!(world.all().len(), 10);
}

#[test]
fn index_files_are_padded_while_active_and_trimmed_on_close() {
    let mut world = world(small());
    for index in 0..6 {
        world.must(&batch(1000 + index, &[&[b'x'; 60]]));
    }
    let active = format!("{:020}", world.log.active_base().0);
    let size = |world: &World, name: &str| world.vfs.metadata(&world.log.dir().join(name)).expect("is there").len;
    assert_eq!(size(&world, &format!("{active}.index")), 480);
    assert_eq!(size(&world, &format!("{active}.timeindex")), 480);
    assert!(world.log.segments() > 1);
    assert!(size(&world, "00000000000000000000.index") < 480);
    let world = world.restart();
    assert!(size(&world, &format!("{active}.index")) < 480);
    assert_eq!(world.all().len(), 6);
}

#[test]
fn retention_by_size_time_and_start_spares_what_is_not_committed() {
    let mut world = world(LogConfig { retention_ms: 10_000, ..small() });
    for index in 0..9 {
        world.must(&batch(at(0).wall.0 + index * 2000, &[&[b'x'; 300]]));
    }
    assert_eq!(world.log.segments(), 9);
    let later = Now { tick: Tick(0), wall: at(0).wall + 15_000 };
    assert!(world.log.apply_retention(later).expect("looks").is_none(), "nothing is committed");
    world.commit_all();
    let removal = world.log.apply_retention(later).expect("deletes").expect("something went");
    assert_eq!((world.log.segments(), world.log.log_start()), (6, Offset(3)));
    assert_eq!(removal.due, Tick(60_000));
    assert!(removal.paths().iter().all(|path| path.to_string_lossy().ends_with(".deleted")));
    removal.run().expect("unlinks");
    removal.run().expect("is gone already");
    assert!(!world.names().iter().any(|name| name.ends_with(".deleted")));

    let mut config = LogConfig { retention_ms: -1, retention_bytes: 1000, ..small() };
    world.log.set_config(config.clone());
    world.log.apply_retention(later).expect("deletes").expect("something went");
    assert!((1000..1400).contains(&world.log.size()), "{}", world.log.size());

    config.retention_bytes = -1;
    config.cleanup = CleanupPolicy { delete: false, compact: true };
    world.log.set_config(config);
    world.log.advance_log_start(later, Offset(8), LogStartReason::ClientRecordDeletion).expect("moves");
    world.log.apply_retention(later).expect("deletes").expect("something went");
    assert_eq!((world.log.segments(), world.log.log_start()), (1, Offset(8)));
    let error = world.log.read(Offset(7), 10, Offset(9), true).expect_err("deleted");
    assert_eq!(error.code(), ErrorCode::OffsetOutOfRange);
}

#[test]
fn a_log_of_which_all_records_go_keeps_its_end() {
    let mut world = world(LogConfig { retention_ms: 1000, ..small() });
    world.must(&batch(1000, &[b"x"]));
    world.commit_all();
    let removal = world.log.apply_retention(at(1)).expect("deletes").expect("something went");
    drop(removal);
    assert_eq!((world.log.log_start(), world.log.log_end(), world.log.size()), (Offset(1), Offset(1), 0));
    assert!(world.log.apply_retention(at(1)).expect("looks").is_none(), "the empty active segment stays");
    let world = world.restart();
    assert_eq!((world.log.log_start(), world.log.log_end()), (Offset(1), Offset(1)));
}

#[test]
fn the_active_segment_outlives_its_records() {
    let mut world = world(LogConfig { retention_ms: -1, ..small() });
    for _ in 0..3 {
        world.must(&batch(at(0).wall.0, &[&[b'x'; 300]]));
    }
    world.commit_all();
    assert!(world.log.advance_log_start(at(1), Offset(3), LogStartReason::ClientRecordDeletion).expect("moves"));
    world.log.apply_retention(at(1)).expect("deletes").expect("something went");
    assert_eq!((world.log.segments(), world.log.log_start(), world.log.log_end()), (1, Offset(3), Offset(3)));
    assert!(world.log.size() > 0, "the file of its last segment is still there");
    assert!(world.log.apply_retention(at(1)).expect("looks").is_none());
}

#[test]
fn deleted_records_stay_deleted() {
    let mut world = world(small());
    for _ in 0..4 {
        world.must(&batch(1000, &[b"x", b"y", b"z"]));
    }
    let moved = world.log.advance_log_start(at(1), Offset(5), LogStartReason::ClientRecordDeletion);
    assert!(moved.is_err(), "not committed");
    world.commit_all();
    assert!(world.log.advance_log_start(at(1), Offset(5), LogStartReason::ClientRecordDeletion).expect("moves"));
    assert!(!world.log.advance_log_start(at(1), Offset(4), LogStartReason::ClientRecordDeletion).expect("is past"));
    assert_eq!(world.log.epochs(), [(EPOCH, Offset(5))]);
    let world = world.restart();
    assert_eq!(world.log.log_start(), Offset(5));
    assert_eq!(world.all(), [(3, 5), (6, 8), (9, 11)]);
}

#[test]
fn a_follower_appends_what_it_gets_and_truncates() {
    let mut leader = world(small());
    for index in 0..10 {
        leader.must(&produced(4, 0, index, &[&[b'x'; 50]]));
    }
    let mut records = Vec::new();
    for index in 0..10 {
        let read = leader.log.read(Offset(index), 1, Offset(10), true).expect("reads");
        records.extend(read.slice.expect("a batch").read().expect("reads"));
    }
    let mut follower = world(small());
    let torn = &records[..records.len() - 1];
    let appended = follower.log.append_as_follower(at(1), torn).expect("appends");
    assert_eq!((appended.first_offset, appended.last_offset), (Offset(0), Offset(8)));
    let error = follower.log.append_as_follower(at(1), &records).expect_err("it has those");
    assert!(error.to_string().starts_with("Unexpected offset in append to t-0. First offset 0"), "{error}");
    assert_eq!(follower.log.epochs(), leader.log.epochs());
    follower.log.truncate_to(at(2), Offset(3)).expect("cuts").expect("something was there");
    assert_eq!((follower.log.log_end(), follower.all().len()), (Offset(3), 3));
    assert!(follower.log.truncate_to(at(2), Offset(3)).expect("nothing to cut").is_none());
    let producer = follower.log.active_producers().next().expect("is known");
    assert_eq!(producer.last_sequence, 2);
    let rest: Vec<u8> = records[3 * records.len() / 10..].to_vec();
    follower.log.append_as_follower(at(3), &rest).expect("appends");
    assert_eq!(follower.all(), leader.all());
    let follower = follower.restart();
    assert_eq!(follower.all(), leader.all());
    let mut follower = follower;
    let removal = follower.log.truncate_fully(at(4), Offset(70)).expect("cuts");
    assert!(!removal.paths().is_empty());
    assert_eq!((follower.log.log_start(), follower.log.log_end(), follower.log.size()), (Offset(70), Offset(70), 0));
    assert!(follower.log.epochs().is_empty());
}

#[test]
fn damaged_records_are_refused() {
    let mut world = world(LogConfig::default());
    let mut records = batch(1000, &[b"abc"]).to_vec();
    *records.last_mut().expect("has bytes") ^= 1;
    let error = world.append(&records.clone().into()).expect_err("damaged");
    assert_eq!(error.code(), ErrorCode::CorruptMessage);
    let error = world.log.append_as_follower(at(1), &records).expect_err("damaged");
    assert_eq!(error.code(), ErrorCode::CorruptMessage);
    assert_eq!(world.log.size(), 0);
}

#[test]
fn a_sync_job_moves_the_recovery_point() {
    let mut world = world(LogConfig { flush_ms: 100, ..small() });
    assert_eq!(world.log.flush_deadline(), None);
    for index in 0..5 {
        world.must(&produced(4, 0, index, &[&[b'x'; 150]]));
    }
    assert_eq!(world.log.flush_deadline(), Some(Tick(101)));
    assert_eq!(world.log.unsynced().records, 5);
    let job = world.log.sync_job().expect("prepares").expect("there is something");
    assert!(world.log.sync_job().expect("looks").is_none(), "one at a time");
    world.must(&produced(4, 0, 5, &[b"while it runs"]));
    assert_eq!(world.log.recovery_point(), Offset(0));
    assert_eq!(world.log.on_synced(job.run()).expect("went well"), Offset(5));
    assert_eq!(world.log.unsynced().records, 1);
    world.log.flush().expect("syncs");
    assert_eq!((world.log.recovery_point(), world.log.unsynced()), (Offset(6), Unsynced::default()));
    world.dir.write_checkpoint(Checkpoint::RecoveryPoint, [(&tp(), Offset(6))]).expect("writes");
    world.vfs.crash();
    let world = world.crash();
    assert_eq!(world.all().len(), 6);
}

#[test]
fn flush_messages_syncs_within_the_append() {
    let mut world = world(LogConfig { flush_messages: 2, ..LogConfig::default() });
    world.must(&batch(1000, &[b"a"]));
    assert_eq!(world.log.recovery_point(), Offset(0));
    world.must(&batch(1000, &[b"b"]));
    assert_eq!(world.log.recovery_point(), Offset(2));
    let mut world = world.crash();
    world.must(&batch(1000, &[b"c", b"d"]));
    world.vfs.crash();
    assert_eq!(world.crash().all(), [(0, 0), (1, 1), (2, 3)]);
}

#[test]
fn recovery_begins_at_the_recovery_point() {
    let config = LogConfig { index_interval_bytes: 100, segment_index_bytes: 4800, ..LogConfig::default() };
    let mut world = world(config);
    for index in 0..50 {
        world.must(&produced(4, 0, index, &[&[b'x'; 150]]));
    }
    world.log.flush().expect("syncs");
    let point = world.log.recovery_point();
    world.dir.write_checkpoint(Checkpoint::RecoveryPoint, [(&tp(), point)]).expect("writes");
    for index in 50..60 {
        world.must(&produced(4, 0, index, &[&[b'x'; 150]]));
    }
    // Damage below the recovery point shows that nobody looks there: a walk from the front would cut everything.
    let path = world.log.dir().join("00000000000000000000.log");
    let file = world.vfs.open(&path, vfs::OpenMode::ReadWrite).expect("opens");
    file.write_at(&[0xff; 8], 300).expect("writes");
    let world = world.crash();
    assert_eq!(world.log.log_end(), Offset(60));
    assert_eq!(world.log.active_producers().next().expect("is known").last_sequence, 59);
    assert_eq!(world.log.recovery_point(), point);
    assert_eq!(world.log.unsynced().records, 10);
    let read = world.log.read(Offset(55), 1 << 20, Offset(60), true).expect("reads");
    assert_eq!(kafka_record::batches(&read.slice.expect("there").read().expect("reads")).count(), 5);
}

#[test]
fn a_wrong_index_below_the_recovery_point_is_made_anew() {
    let mut world = world(LogConfig { index_interval_bytes: 100, segment_index_bytes: 4800, ..LogConfig::default() });
    for _ in 0..20 {
        world.must(&batch(1000, &[&[b'x'; 150]]));
    }
    world.log.flush().expect("syncs");
    world.dir.write_checkpoint(Checkpoint::RecoveryPoint, [(&tp(), Offset(20))]).expect("writes");
    let path = world.log.dir().join("00000000000000000000.index");
    let before = world.vfs.read(&path).expect("reads");
    let file = world.vfs.open(&path, vfs::OpenMode::ReadWrite).expect("opens");
    let entries = before.iter().rposition(|byte| *byte != 0).expect("has entries") / 8;
    file.write_at(&[0, 0, 0, 19, 0, 0, 1, 1], entries as u64 * 8).expect("writes");
    let mut world = world.crash();
    world.must(&batch(1000, &[b"x"]));
    world.log.flush().expect("syncs");
    let known = ..(entries + 1) * 8;
    assert_eq!(world.vfs.read(&path).expect("reads")[known], before[known], "the index is that of before");
    assert_eq!(world.all().len(), 21);
}

#[test]
fn the_torn_tail_is_cut_wherever_it_was_torn() {
    let mut world = world(LogConfig { index_interval_bytes: 100, segment_index_bytes: 4800, ..LogConfig::default() });
    for index in 0..6 {
        world.must(&produced(4, 0, index, &[b"some bytes"]));
    }
    let whole = world.log.size();
    let last = whole / 6;
    drop(world.dir);
    let path = world.log.dir().join("00000000000000000000.log");
    for cut in 1..=last {
        for garbage in [0, 30] {
            let vfs = world.vfs.fork();
            let file = vfs.open(&path, vfs::OpenMode::ReadWrite).expect("opens");
            file.set_len(whole - cut).expect("cuts");
            file.write_at(&vec![0x55; garbage], whole - cut).expect("pads");
            let shared: Arc<dyn Vfs> = Arc::new(vfs.clone());
            let (dir, log) = open_one(&shared, &tp(), world.log.config(), at(9));
            assert_eq!(log.log_end(), Offset(5), "cut {cut}, garbage {garbage}");
            assert_eq!(log.size(), whole - last);
            let producer = log.active_producers().next().expect("is known");
            assert_eq!(producer.last_sequence, 4);
            let mut again = World { vfs, dir, log };
            assert_eq!(again.must(&produced(4, 0, 5, &[b"some bytes"])), Offset(5));
            assert_eq!(again.all().len(), 6);
        }
    }
}

#[test]
fn a_missing_index_is_made_anew() {
    let mut world = world(small());
    for index in 0..20 {
        world.must(&batch(1000 + index, &[&[b'x'; 60]]));
    }
    let world = world.restart();
    let before = files_of(&world.vfs, world.log.dir());
    let world = world.restart();
    for name in ["00000000000000000000.index", "00000000000000000000.timeindex"] {
        world.vfs.remove_file(&world.log.dir().join(name)).expect("is there");
    }
    let world = world.restart();
    assert_same(&files_of(&world.vfs, world.log.dir()), &before);
}

#[test]
fn a_missing_log_makes_its_indexes_orphans() {
    let mut world = world(small());
    for index in 0..20 {
        world.must(&batch(1000 + index, &[&[b'x'; 60]]));
    }
    world.commit_all();
    let world = world.restart();
    world.vfs.remove_file(&world.log.dir().join("00000000000000000000.log")).expect("is there");
    let world = world.restart();
    assert!(!world.names().contains(&"00000000000000000000.index".to_owned()));
    assert!(world.log.log_start() > Offset(0));
    assert_eq!(world.log.log_end(), Offset(20));
}

#[test]
fn a_log_that_ends_below_its_start_begins_anew() {
    let mut world = world(small());
    world.must(&batch(1000, &[b"x"]));
    world.commit_all();
    let config = world.log.config().clone();
    let _end = world.log.close().expect("closes");
    world.dir.write_checkpoint(Checkpoint::LogStart, [(&tp(), Offset(50))]).expect("writes");
    let log = unrecovered(&world.dir, &tp(), CleanShutdown::Yes).recover(config, at(1)).expect("recovers");
    assert_eq!((log.log_start(), log.log_end(), log.size()), (Offset(50), Offset(50), 0));
}

#[test]
fn a_full_disk_takes_the_log_out_of_service_and_nothing_is_lost() {
    let memory = MemoryVfs::with_dirs([DATA]);
    let faults = vfs::FaultVfs::new(Arc::new(memory.clone()));
    let dir = LogDir::open(Arc::new(faults.clone()), Path::new(DATA)).expect("opens");
    let mut log = dir.create(&tp(), None, small(), at(0)).expect("creates");
    let append = |log: &mut Log| log.append_as_leader(at(1), &batch(1000, &[b"abc"]), EPOCH, Origin::Client);
    append(&mut log).expect("appends");
    faults.fail(vfs::On::Only(vfs::Call::Write), 0, vfs::Fault::ShortWrite { kept: 20 });
    let error = append(&mut log).expect_err("the disk is full");
    assert_eq!(error.code(), ErrorCode::KafkaStorageError);
    assert_eq!(log.log_end(), Offset(1));
    append(&mut log).expect_err("out of service");
    drop((log, dir));
    let shared: Arc<dyn Vfs> = Arc::new(memory);
    let (_dir, log) = open_one(&shared, &tp(), &small(), at(9));
    assert_eq!(log.log_end(), Offset(1));
}

#[test]
fn large_batches_are_refused_and_legacy_ones_converted() {
    let mut world = world(LogConfig { max_message_bytes: 300, ..small() });
    let error = world.append(&batch(1000, &[&[b'x'; 300]])).expect_err("too large");
    assert_eq!(error.code(), ErrorCode::MessageTooLarge);
    world.log.set_config(LogConfig { segment_bytes: 100, ..small() });
    let error = world.append(&batch(1000, &[&[b'x'; 90]])).expect_err("too large for a segment");
    assert_eq!(error.code(), ErrorCode::RecordListTooLarge);
    assert_eq!(world.append(&Bytes::new()).expect("nothing").first_offset, Offset::NONE);
}

#[test]
fn producers_expire_unless_they_have_a_transaction() {
    let mut world = world(LogConfig { producer_id_expiration_ms: 1000, ..LogConfig::default() });
    world.must(&produced(1, 0, 0, &[b"x"]));
    world.must(&transactional(2, 0, 0, &[b"x"]));
    world.log.expire_producers(WallMillis(1_700_000_000_999));
    assert_eq!(world.log.active_producers().count(), 2);
    world.log.expire_producers(WallMillis(1_700_000_001_000));
    let left: Vec<i64> = world.log.active_producers().map(|one| one.producer_id.0).collect();
    assert_eq!(left, [2]);
    world.must(&produced(1, 0, 77, &[b"any sequence"]));
}

#[test]
fn a_directory_is_locked_and_strangers_in_it_are_refused() {
    let world = world(LogConfig::default());
    let vfs: Arc<dyn Vfs> = Arc::new(world.vfs.clone());
    let error = LogDir::open(vfs.clone(), Path::new(DATA)).expect_err("is locked");
    assert_eq!(
        error.to_string(),
        "Failed to acquire lock on file .lock in /data. A Kafka instance in another process or thread is using this \
         directory."
    );
    vfs.create_dir_all(Path::new("/data/remote-log-index-cache")).expect("makes");
    vfs.create_dir_all(Path::new("/data/t-1.0123-stray")).expect("makes");
    let contents = world.dir.contents(CleanShutdown::No).expect("lists");
    assert_eq!((contents.logs.len(), contents.ignored.len()), (1, 1));
    vfs.create_dir_all(Path::new("/data/lost+found")).expect("makes");
    let error = world.dir.contents(CleanShutdown::No).expect_err("a stranger");
    assert!(error.to_string().starts_with("Found directory /data/lost+found, 'lost+found' is not in the form of"));
    vfs.remove_dir_all(Path::new("/data/lost+found")).expect("removes");
    vfs.create_dir_all(Path::new("/data/__cluster_metadata-0")).expect("makes");
    assert!(matches!(world.dir.contents(CleanShutdown::No), Err(DirError::Kraft { .. })));
}

#[test]
fn a_deleted_partition_is_renamed_and_removed_later() {
    let mut world = world(LogConfig::default());
    world.must(&batch(1000, &[b"x"]));
    let config = world.log.config().clone();
    let removal = world.dir.delete(world.log, [0xab; 16], Tick(10)).expect("renames");
    assert_eq!(removal.due, Tick(60_010));
    world.dir.create(&tp(), None, config, at(1)).expect("the name is free");
    let contents = world.dir.contents(CleanShutdown::No).expect("lists");
    assert_eq!((contents.logs.len(), contents.removals.len()), (1, 1));
    removal.run().expect("removes");
    assert!(world.dir.contents(CleanShutdown::No).expect("lists").removals.is_empty());
    let error = world.dir.create(&tp(), None, LogConfig::default(), at(1)).expect_err("is there");
    assert!(error.to_string().starts_with("creating /data/t-0"), "{error}");
}

#[test]
fn identity_and_clean_marker_read_back() {
    let world = world(LogConfig::default());
    assert_eq!(world.dir.read_meta().expect("reads"), None);
    let meta = crate::MetaProperties { cluster_id: Some("abc".to_owned()), ..crate::MetaProperties::default() };
    world.dir.write_meta(&meta, "Sun Nov 22 08:06:24 UTC 2026").expect("writes");
    assert_eq!(world.dir.read_meta().expect("reads"), Some(meta));
    assert_eq!(world.dir.take_clean_marker().expect("reads"), CleanShutdown::No);
    world.dir.write_clean_marker().expect("writes");
    let text = world.vfs.read(Path::new("/data/.kafka_cleanshutdown")).expect("reads");
    assert_eq!(text, b"{\"version\":0,\"brokerEpoch\":-1}");
    assert_eq!(world.dir.take_clean_marker().expect("reads"), CleanShutdown::Yes);
    assert_eq!(world.dir.take_clean_marker().expect("reads"), CleanShutdown::No);
}

#[test]
fn preallocated_segments_are_cut_when_closed_and_after_a_crash() {
    let mut world = world(LogConfig { preallocate: true, ..small() });
    world.must(&built(BatchOptions::default(), 1000, &[b"x"]));
    let size =
        |world: &World| world.vfs.metadata(&world.log.dir().join("00000000000000000000.log")).expect("there").len;
    assert_eq!(size(&world), 400);
    assert!(world.log.size() < 100);
    let world = world.crash();
    assert_eq!((world.log.log_end(), world.log.size()), (Offset(1), size(&world)));
    let world = world.restart();
    assert_eq!((world.log.log_end(), world.log.size()), (Offset(1), size(&world)));
}

#[test]
fn the_oldest_list_offsets_knows_segments_only() {
    let mut world = world(small());
    let bases = |world: &World, query, max, bound| {
        world.log.bases_before(query, max, bound, at(1).wall).expect("reads").iter().map(|offset| offset.0).collect()
    };
    let none: Vec<i64> = bases(&world, OffsetQuery::Latest, 9, Offset(0));
    assert_eq!(none, [0], "an empty log has one place");
    for _ in 0..12 {
        world.must(&built(BatchOptions::default(), 1000, &[b"xxxxxxxxxx"]));
    }
    assert!(world.log.segments() > 1);
    let end = world.log.log_end();
    let all: Vec<i64> = bases(&world, OffsetQuery::Latest, 99, end);
    assert_eq!(all.len(), world.log.segments() + 1);
    assert_eq!((all[0], all[all.len() - 1]), (end.0, 0));
    assert!(all.is_sorted_by(|one, next| one > next), "newest first: {all:?}");
    let two: Vec<i64> = bases(&world, OffsetQuery::Latest, 2, end);
    assert_eq!(two, all[..2]);
    let earliest: Vec<i64> = bases(&world, OffsetQuery::Earliest, 5, end);
    assert_eq!(earliest, [0]);
    let future: Vec<i64> = bases(&world, OffsetQuery::At(WallMillis(i64::MAX)), 99, end);
    assert_eq!(future, all);
    let before_all: Vec<i64> = bases(&world, OffsetQuery::At(WallMillis(-1)), 99, end);
    assert!(before_all.is_empty(), "{before_all:?}");
    let bounded: Vec<i64> = bases(&world, OffsetQuery::Latest, 99, Offset(end.0 - 1));
    assert_eq!(bounded[0], end.0 - 1, "what is above the bound is not told");
}
