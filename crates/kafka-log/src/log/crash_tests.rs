//! A mixed workload, ended at each call that changes something, by `kill -9` and by several kinds of power loss.
//!
//! What has to hold: after a kill everything acknowledged is there; after a power loss everything synced is; what is
//! there beyond that is a prefix of what was written; and the log can be used.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kafka_record::control::EndTxnMarker;
use kafka_record::validate::Origin;
use kafka_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition};
use vfs::{Crash, FaultVfs, MemoryVfs, Vfs};

use super::{Log, LogStartReason};
use crate::checkpoint::Checkpoint;
use crate::log_dir::LogDir;
use crate::testing::{DATA, at, batch, full, produced, transactional, unrecovered};
use crate::{FileRemoval, LogConfig};

fn tp() -> TopicPartition {
    TopicPartition::new("c", 0)
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 600,
        segment_index_bytes: 96,
        index_interval_bytes: 100,
        retention_ms: -1,
        retention_bytes: 900,
        ..LogConfig::default()
    }
}

/// What the workload was told before it was stopped.
#[derive(Debug, Default, Clone)]
struct Told {
    /// Value of each record that was written, acknowledged or not; markers are empty.
    written: Vec<Vec<u8>>,
    /// Records below are acknowledged.
    acked: i64,
    /// Records below are synced.
    synced: i64,
    /// Records below may be gone.
    start: i64,
    /// Open transaction of producer 2 begins here, if the log ends above.
    closed: bool,
}

type Stopped = Box<dyn std::error::Error>;

struct Workload {
    dir: LogDir,
    log: Log,
    told: Told,
}

impl Workload {
    fn append(&mut self, records: &Bytes, values: &[&[u8]], origin: Origin) -> Result<(), Stopped> {
        let before = self.told.written.len();
        self.told.written.extend(values.iter().map(|value| value.to_vec()));
        let appended = self.log.append_as_leader(at(1), records, LeaderEpoch(4), origin)?;
        assert_eq!(appended.first_offset, Offset(before as i64));
        self.told.acked = self.told.written.len() as i64;
        self.log.set_high_watermark(self.log.log_end());
        Ok(())
    }

    fn plain(&mut self, value: &[u8]) -> Result<(), Stopped> {
        self.append(&batch(1000, &[value, b"second"]), &[value, b"second"], Origin::Client)
    }

    fn producer(&mut self, sequence: i32) -> Result<(), Stopped> {
        self.append(&produced(1, 0, sequence, &[b"once"]), &[b"once"], Origin::Client)
    }

    fn in_transaction(&mut self, sequence: i32) -> Result<(), Stopped> {
        self.append(&transactional(2, 0, sequence, &[b"maybe"]), &[b"maybe"], Origin::Client)
    }

    fn end_transaction(&mut self, commit: bool) -> Result<(), Stopped> {
        let marker = EndTxnMarker { commit, coordinator_epoch: 0 };
        let bytes = marker.to_batch(1000, ProducerId(2), ProducerEpoch(0));
        self.append(&bytes, &[b""], Origin::Coordinator)
    }

    fn sync(&mut self) -> Result<(), Stopped> {
        let Some(job) = self.log.sync_job()? else { return Ok(()) };
        let done = job.run();
        let point = self.log.on_synced(done)?;
        self.told.synced = point.0;
        self.dir.write_checkpoint(Checkpoint::RecoveryPoint, [(&tp(), point)])?;
        Ok(())
    }

    fn retain(&mut self) -> Result<(), Stopped> {
        // What goes is decided by then; whether it is gone is for the disk to say.
        self.told.start = self.told.acked;
        let removal: Option<FileRemoval> = self.log.apply_retention(at(2))?;
        self.told.start = self.log.log_start().0;
        if let Some(removal) = removal {
            removal.run()?;
        }
        Ok(())
    }

    fn delete_records(&mut self, below: i64) -> Result<(), Stopped> {
        self.log.advance_log_start(at(2), Offset(below), LogStartReason::ClientRecordDeletion)?;
        self.told.start = self.log.log_start().0;
        self.dir.write_checkpoint(Checkpoint::LogStart, [(&tp(), self.log.log_start())])?;
        Ok(())
    }

    fn run(&mut self) -> Result<(), Stopped> {
        self.log.assign_epoch(at(0), LeaderEpoch(0), Offset(0));
        self.sync()?;
        self.plain(b"first")?;
        self.producer(0)?;
        self.sync()?;
        self.in_transaction(0)?;
        self.producer(1)?;
        self.plain(&[b'x'; 300])?;
        self.plain(&[b'y'; 300])?;
        self.end_transaction(false)?;
        self.sync()?;
        self.producer(2)?;
        self.in_transaction(1)?;
        self.log.roll(at(1))?;
        self.producer(3)?;
        self.plain(&[b'z'; 200])?;
        self.sync()?;
        self.retain()?;
        self.producer(4)?;
        self.delete_records(self.told.start + 1)?;
        self.plain(&[b'w'; 200])?;
        self.end_transaction(true)?;
        self.producer(5)
    }

    fn close(self) -> Result<Told, (Told, Stopped)> {
        let mut told = self.told;
        let close = || -> Result<(), Stopped> {
            let end = self.log.close()?;
            self.dir.write_checkpoint(Checkpoint::RecoveryPoint, [(&tp(), end)])?;
            self.dir.write_clean_marker()?;
            Ok(())
        };
        match close() {
            Ok(()) => {
                told.closed = true;
                Ok(told)
            }
            Err(stopped) => Err((told, stopped)),
        }
    }
}

/// Runs until the disk stops; `None` for what was told if not even the directory could be made.
fn rehearse(vfs: Arc<dyn Vfs>) -> (Told, bool) {
    let Ok(dir) = LogDir::open(vfs, Path::new(DATA)) else { return (Told::default(), false) };
    let Ok(log) = dir.create(&tp(), Some(kafka_types::Uuid([3; 16])), config(), at(0)) else {
        return (Told::default(), false);
    };
    let mut workload = Workload { dir, log, told: Told::default() };
    match workload.run() {
        Err(_) => (workload.told, false),
        Ok(()) => match workload.close() {
            Ok(told) => (told, true),
            Err((told, _)) => (told, false),
        },
    }
}

/// Values by offset.
fn contents(log: &Log) -> Vec<(i64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut offset = log.log_start();
    while offset < log.log_end() {
        let read = log.read(offset, 200, log.log_end(), true).expect("reads");
        let Some(slice) = read.slice else { break };
        for one in kafka_record::batches(&slice.read().expect("reads")) {
            let one = one.expect("a batch");
            one.check_crc().expect("a good checksum");
            let kafka_record::Batch::V2(v2) = one else { panic!("an old format") };
            one.for_each_record(1 << 20, |record| {
                let value = if v2.is_control() { Vec::new() } else { record.value.expect("has one").to_vec() };
                found.push((record.offset.0, value));
                true
            })
            .expect("records");
            offset = one.next_offset();
        }
    }
    found.retain(|(offset, _)| *offset >= log.log_start().0);
    found
}

fn check(memory: &MemoryVfs, told: &Told, crash: Crash, what: &str) {
    let needed = if crash == Crash::Process || told.closed { told.acked } else { told.synced };
    let shared: Arc<dyn Vfs> = Arc::new(memory.clone());
    if !shared.exists(&Path::new(DATA).join("c-0")) {
        assert_eq!(needed, 0, "{what}: the directory is gone");
        return;
    }
    let dir = LogDir::open(shared, Path::new(DATA)).expect("opens");
    let shutdown = dir.take_clean_marker().expect("reads");
    let mut log = unrecovered(&dir, &tp(), shutdown).recover(config(), at(9)).unwrap_or_else(|error| {
        panic!("{what}: {error}");
    });
    let end = log.log_end().0;
    assert!(end >= needed, "{what}: ends at {end}, {needed} were promised");
    assert!(end <= told.written.len() as i64, "{what}: more than was written");
    assert!(needed == 0 || log.topic_id().is_some(), "{what}: no topic id");
    let found = contents(&log);
    let first = found.first().map_or(end, |(offset, _)| *offset);
    assert!(first <= told.start.max(0) || end == first, "{what}: begins at {first}, kept from {}", told.start);
    let expected: Vec<(i64, Vec<u8>)> =
        (first..end).map(|offset| (offset, told.written[offset as usize].clone())).collect();
    assert!(found == expected, "{what}: {} of {} records", found.len(), expected.len());
    use_it(&mut log, what);
}

/// A log that was recovered takes appends, and what it knows of producers fits what is in it.
fn use_it(log: &mut Log, what: &str) {
    let found = contents(log);
    let sequences = found.iter().filter(|(_, value)| value == b"once").count() as i32;
    let producer = log.active_producers().find(|producer| producer.producer_id == ProducerId(1));
    match &producer {
        Some(producer) if sequences > 0 => assert!(producer.last_sequence >= sequences - 1, "{what}"),
        None => assert_eq!(sequences, 0, "{what}: the producer is forgotten"),
        _ => {}
    }
    let next = producer.map_or(0, |producer| producer.last_sequence + 1);
    let end = log.log_end();
    let records = produced(1, 0, next, &[b"after the crash"]);
    let appended = log.append_as_leader(at(10), &records, LeaderEpoch(5), Origin::Client).expect("appends");
    assert_eq!(appended.first_offset, end, "{what}");
    assert!(!appended.duplicate, "{what}");
    log.flush().expect("syncs");
    assert_eq!(log.recovery_point(), end + 1);
}

#[test]
fn what_was_promised_survives_a_crash_at_any_call() {
    let mut finished = false;
    let mut stops = 0;
    for stop in 0.. {
        let memory = MemoryVfs::with_dirs(["/"]);
        let faults = FaultVfs::new(Arc::new(memory.clone()));
        faults.stop_at_change(stop);
        let (told, done) = rehearse(Arc::new(faults));
        let mut crashes = vec![Crash::Process, Crash::Power];
        crashes.extend((0..4).map(|seed| Crash::Torn { seed: stop * 31 + seed }));
        crashes.extend((0..4).map(|seed| Crash::Scattered { seed: stop * 31 + seed }));
        for crash in crashes {
            let left = memory.fork();
            left.crash_with(crash);
            check(&left, &told, crash, &format!("stopped at {stop}, {crash:?}"));
        }
        stops += 1;
        if done {
            finished = true;
            break;
        }
    }
    assert!(finished && stops > 100, "a rehearsal with {stops} stops proves little");
}

/// Opens the log and recovers it, if the disk lets it.
fn recovers(vfs: Arc<dyn Vfs>) -> bool {
    let Ok(dir) = LogDir::open(vfs, Path::new(DATA)) else { return false };
    let Ok(shutdown) = dir.take_clean_marker() else { return false };
    let Ok(contents) = dir.contents(shutdown) else { return false };
    let log = contents.logs.into_iter().find(|log| *log.partition() == tp()).expect("the partition is there");
    log.recover(config(), at(9)).is_ok()
}

#[test]
fn a_crash_at_any_call_of_a_recovery_changes_nothing() {
    let mut stops = 0;
    for stop in (0..).step_by(if full() { 1 } else { 11 }) {
        let memory = MemoryVfs::with_dirs(["/"]);
        let faults = FaultVfs::new(Arc::new(memory.clone()));
        faults.stop_at_change(stop);
        let (told, done) = rehearse(Arc::new(faults));
        for crash in [Crash::Process, Crash::Power, Crash::Torn { seed: stop }, Crash::Scattered { seed: stop }] {
            let left = memory.fork();
            left.crash_with(crash);
            if !left.exists(&Path::new(DATA).join("c-0")) {
                continue;
            }
            for again in 0.. {
                let second = left.fork();
                let faults = FaultVfs::new(Arc::new(second.clone()));
                faults.stop_at_change(again);
                let recovered = recovers(Arc::new(faults));
                second.crash_with(match crash {
                    Crash::Torn { .. } => Crash::Torn { seed: again },
                    Crash::Scattered { .. } => Crash::Scattered { seed: again },
                    same => same,
                });
                check(&second, &told, crash, &format!("stopped at {stop}, {crash:?}, recovery at {again}"));
                stops += 1;
                if recovered {
                    break;
                }
            }
        }
        if done {
            break;
        }
    }
    assert!(stops > 200, "{stops} stops prove little");
}

#[test]
fn a_failed_sync_is_not_taken_for_one() {
    let memory = MemoryVfs::with_dirs(["/"]);
    let faults = FaultVfs::new(Arc::new(memory));
    let dir = LogDir::open(Arc::new(faults.clone()), Path::new(DATA)).expect("opens");
    let mut log = dir.create(&tp(), None, config(), at(0)).expect("creates");
    log.append_as_leader(at(1), &batch(1000, &[b"x"]), LeaderEpoch(0), Origin::Client).expect("appends");
    let job = log.sync_job().expect("prepares").expect("there is something");
    faults.fail(vfs::On::Only(vfs::Call::Sync), 0, vfs::Fault::Io);
    let error = log.on_synced(job.run()).expect_err("the disk is bad");
    assert_ne!(error.source.kind(), io::ErrorKind::NotFound);
    assert_eq!(log.recovery_point(), Offset(0));
    assert!(log.sync_job().is_err(), "nobody may try again and call it durable");
}
