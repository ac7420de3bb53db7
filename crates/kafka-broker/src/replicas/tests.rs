//! One shard on directories in memory: where logs are made, how they move, what a failure takes away.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kafka_log::{CleanShutdown, LogDir};
use kafka_metadata::BrokerConfig;
use kafka_record::{BatchBuilder, BatchOptions};
use kafka_types::PartitionEpoch;
use properties::Properties;
use vfs::{Call, Fault, FaultVfs, MemoryVfs, On, Vfs};

use super::groups::Sent;
use super::moves::{MoveId, Step, Swapped};
use super::*;
use crate::waiters::Waiter;

const ME: BrokerId = BrokerId(0);

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn shard(vfs: &MemoryVfs) -> Owned {
    let vfs: Arc<dyn Vfs> = Arc::new(vfs.clone());
    shard_on(&vfs)
}

fn shard_on(vfs: &Arc<dyn Vfs>) -> Owned {
    let properties = Properties::parse("test", b"zookeeper.connect=h:1\n").expect("well formed");
    let config = Arc::new(Config::new(BrokerConfig::from_properties(&properties).expect("legal")));
    let open = |path: &str| {
        let dir = LogDir::open(Arc::clone(vfs), Path::new(path)).expect("opens");
        (PathBuf::from(path), Some(dir))
    };
    let dirs = LogDirs::new(vec![open("/d0"), open("/d1")]);
    Owned::new(Arc::new(Shared { clock: Clock::start(), config, dirs, idle_logs: 10 }))
}

fn lead(owned: &mut Owned, partition: i32, epoch: i32, is_new: bool) -> Result<RoleTaken, ErrorCode> {
    let settings = Arc::new(owned.shared.config.topic(BTreeMap::new()).expect("defaults are legal"));
    let epoch = LeaderEpoch(epoch);
    owned.take_role(Role {
        topic_partition: tp(partition),
        topic_id: Uuid([9; 16]),
        leader: ME,
        leader_epoch: epoch,
        leadership: Leadership {
            me: ME,
            epoch,
            replicas: vec![ME],
            isr: [ME].into_iter().collect(),
            partition_epoch: PartitionEpoch(0),
            log_end: Offset(0),
            high_watermark: Offset(0),
        },
        reassignment: None,
        is_new,
        settings,
    })
}

fn produce(owned: &mut Owned, partition: i32, count: usize) {
    for _ in 0..count {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(1_000, None, Some(&[b'x'; 50]), &[]).expect("fits");
        owned.produce(&tp(partition), &builder.finish(), Acks::All).expect("appends");
    }
}

fn sent(value: &[u8], acks: Acks) -> Sent {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.append(1_000, None, Some(value), &[]).expect("fits");
    Sent { records: builder.finish(), acks }
}

fn dir_of(owned: &Owned, partition: i32) -> usize {
    owned.shared.dirs.index_of(&owned.partitions.get(&tp(partition)).expect("is there").log)
}

fn log_end(owned: &Owned, partition: i32) -> Offset {
    owned.partitions.get(&tp(partition)).expect("is there").log.log_end()
}

/// Does what the task of a move does, `steps` at most; says whether the logs were swapped.
fn run(owned: &mut Owned, partition: i32, id: MoveId, steps: usize) -> bool {
    let name = tp(partition);
    for _ in 0..steps {
        match owned.step_move(&name, id, 200) {
            Step::Over => return false,
            Step::Again => {}
            Step::Read(slice) => {
                owned.fill_move(&name, id, slice.read());
            }
            Step::Sync(job) => owned.move_synced(&name, id, job.run()),
            Step::Swap => return owned.swap_move(&name, id) == Swapped::Done,
        }
    }
    false
}

#[test]
fn new_logs_are_spread_and_one_that_moved_is_where_it_is_wanted() {
    let vfs = MemoryVfs::new();
    let mut owned = shard(&vfs);
    for partition in 0..4 {
        lead(&mut owned, partition, 0, true).expect("leads");
    }
    let dirs: Vec<usize> = (0..4).map(|partition| dir_of(&owned, partition)).collect();
    assert_eq!(dirs, [0, 1, 0, 1]);
    produce(&mut owned, 0, 20);
    let id = owned.alter_dir(&tp(0), 1).expect("is here").expect("there is something to do");
    assert_eq!(owned.alter_dir(&tp(0), 1).expect("is here"), None, "it is on its way");
    let lags: Vec<(bool, i64)> =
        owned.describe_logs(|name| *name == tp(0)).iter().map(|one| (one.is_future, one.lag)).collect();
    assert_eq!(lags, [(false, 0), (true, 20)]);
    assert!(!run(&mut owned, 0, id, 3), "not in so few steps");
    produce(&mut owned, 0, 5);
    assert!(run(&mut owned, 0, id, 1_000));
    assert_eq!((dir_of(&owned, 0), log_end(&owned, 0)), (1, Offset(25)));
    produce(&mut owned, 0, 1);
    let names = |dir: &str| {
        let entries = vfs.read_dir(Path::new(dir)).expect("lists").into_iter().filter(|entry| entry.is_dir);
        entries.map(|entry| entry.name).collect::<Vec<_>>()
    };
    assert_eq!(names("/d1"), ["t-0", "t-1", "t-3"]);
    assert!(names("/d0")[0].ends_with("-delete") && names("/d0")[1] == "t-2", "{:?}", names("/d0"));
    assert_eq!(owned.alter_dir(&tp(7), 1), Err(ErrorCode::ReplicaNotAvailable));
    lead(&mut owned, 7, 0, true).expect("leads");
    assert_eq!(dir_of(&owned, 7), 1, "although the other one has fewer");
}

#[test]
fn a_move_is_given_up_by_another_one_and_with_its_partition() {
    let vfs = MemoryVfs::new();
    let mut owned = shard(&vfs);
    lead(&mut owned, 0, 0, true).expect("leads");
    produce(&mut owned, 0, 20);
    let first = owned.alter_dir(&tp(0), 1).expect("is here").expect("begins");
    assert_eq!(owned.alter_dir(&tp(0), 0).expect("is here"), None, "where it is");
    assert!(!run(&mut owned, 0, first, 1_000), "the first one is over");
    assert_eq!(owned.describe_logs(|_| true).len(), 1);
    let second = owned.alter_dir(&tp(0), 1).expect("is here").expect("begins anew");
    owned.stop_replica(&tp(0), true).expect("deletes");
    assert!(!run(&mut owned, 0, second, 1_000));
    let left = vfs.read_dir(Path::new("/d1")).expect("lists");
    assert!(left.iter().filter(|entry| entry.is_dir).all(|entry| entry.name.ends_with("-delete")), "{left:?}");
}

#[test]
fn a_failed_directory_refuses_and_the_other_one_serves() {
    let vfs = MemoryVfs::new();
    let mut owned = shard(&vfs);
    for partition in 0..2 {
        lead(&mut owned, partition, 0, true).expect("leads");
        produce(&mut owned, partition, 3);
    }
    let moving = owned.alter_dir(&tp(0), 1).expect("is here").expect("begins");
    owned.partitions.get_mut(&tp(1)).expect("is there").fail(&std::io::Error::from_raw_os_error(5));
    assert_eq!(owned.forget_moves(1), [tp(0)]);
    assert!(!run(&mut owned, 0, moving, 1_000));
    let records = {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(1_000, None, Some(b"x"), &[]).expect("fits");
        builder.finish()
    };
    let refused = owned.produce(&tp(1), &records, Acks::All).expect_err("is offline").code;
    assert_eq!(refused, ErrorCode::KafkaStorageError);
    assert_eq!(lead(&mut owned, 1, 1, false), Err(ErrorCode::KafkaStorageError));
    assert_eq!(owned.stop_replica(&tp(1), true), Err(ErrorCode::KafkaStorageError));
    assert_eq!(owned.alter_dir(&tp(0), 1), Err(ErrorCode::KafkaStorageError));
    produce(&mut owned, 0, 1);
    // What is not new may lie in the directory that has failed.
    assert_eq!(lead(&mut owned, 5, 1, false), Err(ErrorCode::KafkaStorageError));
    for partition in 6..8 {
        lead(&mut owned, partition, 0, true).expect("leads");
        assert_eq!(dir_of(&owned, partition), 0);
    }
}

#[test]
fn who_waits_for_followers_hears_of_a_directory_that_fails() {
    let mut owned = shard(&MemoryVfs::new());
    let settings = Arc::new(owned.shared.config.topic(BTreeMap::new()).expect("defaults are legal"));
    let isr = [ME, BrokerId(1)];
    let leadership = Leadership {
        me: ME,
        epoch: LeaderEpoch(0),
        replicas: isr.to_vec(),
        isr: isr.into_iter().collect(),
        partition_epoch: PartitionEpoch(0),
        log_end: Offset(0),
        high_watermark: Offset(0),
    };
    let role = Role {
        topic_partition: tp(0),
        topic_id: Uuid([9; 16]),
        leader: ME,
        leader_epoch: LeaderEpoch(0),
        leadership,
        reassignment: None,
        is_new: true,
        settings,
    };
    owned.take_role(role).expect("leads");
    produce(&mut owned, 0, 1);
    let waiter = Waiter::default();
    assert_eq!(owned.look_or_park(&tp(0), Offset(1), &waiter), Ok(kafka_replication::Progress::Waiting));
    let partition = owned.partitions.get_mut(&tp(0)).expect("is there");
    partition.fail(&std::io::Error::from_raw_os_error(5));
    partition.go_offline();
    assert_eq!(owned.look_or_park(&tp(0), Offset(1), &waiter), Err(ErrorCode::KafkaStorageError));
}

#[test]
fn a_future_log_goes_without_its_current_one_unless_that_may_be_on_a_failed_disk() {
    for failed in [false, true] {
        let vfs = MemoryVfs::new();
        let mut owned = shard(&vfs);
        lead(&mut owned, 0, 0, true).expect("leads");
        owned.alter_dir(&tp(0), 1).expect("is here").expect("begins");
        let future = owned.moves.take_all().pop().expect("has begun");
        let path = future.dir().to_owned();
        let mut again = Owned::new(Arc::clone(&owned.shared));
        if failed {
            owned.partitions.get_mut(&tp(0)).expect("is there").fail(&std::io::Error::from_raw_os_error(5));
        }
        assert_eq!(again.resume_move(future), None);
        assert_eq!(vfs.exists(&path), failed);
    }
}

#[test]
fn the_longer_of_two_logs_that_a_crash_left_is_kept() {
    for longer_first in [true, false] {
        let vfs = MemoryVfs::new();
        let mut owned = shard(&vfs);
        lead(&mut owned, 0, 0, true).expect("leads");
        produce(&mut owned, 0, 3);
        let config = owned.partitions.get(&tp(0)).expect("is there").log.config().clone();
        let id = owned.alter_dir(&tp(0), 1).expect("is here").expect("begins");
        assert!(run(&mut owned, 0, id, 1_000));
        produce(&mut owned, 0, 2);
        let shared = Arc::clone(&owned.shared);
        let now = shared.clock.now();
        // The old one is there again, as if its directory had not been renamed.
        let deleted = vfs.read_dir(Path::new("/d0")).expect("lists").into_iter().find(|entry| entry.is_dir);
        let deleted = Path::new("/d0").join(deleted.expect("was renamed").name);
        vfs.rename(&deleted, Path::new("/d0/t-0")).expect("renames");
        let mut again = Owned::new(Arc::clone(&shared));
        let mut logs = Vec::new();
        for (_, dir) in shared.dirs.online() {
            let contents = dir.contents(CleanShutdown::No).expect("lists");
            logs.extend(contents.logs.into_iter().map(|log| log.recover(config.clone(), now).expect("recovers")));
        }
        assert_eq!(logs.len(), 2);
        if longer_first {
            logs.reverse();
        }
        for log in logs {
            again.add(log, None);
        }
        assert_eq!((dir_of(&again, 0), log_end(&again, 0)), (1, Offset(5)));
        assert!(!vfs.exists(Path::new("/d0/t-0")));
    }
}

#[test]
fn housekeeping_looks_at_those_that_were_reached_for() {
    let vfs = MemoryVfs::new();
    let mut owned = shard(&vfs);
    for partition in 0..40 {
        lead(&mut owned, partition, 0, true).expect("leads");
    }
    let now = owned.shared.clock.tick();
    // So many at once; one round after the other until nothing is left.
    let all = |owned: &mut Owned| {
        let mut count = 0;
        loop {
            let jobs = owned.partitions.due_syncs(now, |_| true);
            assert!(jobs.len() <= 10, "each holds files");
            if jobs.is_empty() {
                return count;
            }
            count += jobs.len();
            for done in jobs.into_iter().map(kafka_log::SyncJob::run).collect::<Vec<_>>() {
                let partition = owned.partitions.get_mut(&done.partition).expect("is there");
                partition.log.on_synced(done).expect("is synced");
                owned.partitions.sync_ended();
            }
        }
    };
    assert_eq!(all(&mut owned), 40);
    owned.partitions.due_syncs(now, |_| true);
    assert_eq!(owned.partitions.take_moved().len(), 40);
    assert_eq!(all(&mut owned), 0);
    assert!(owned.partitions.take_moved().is_empty(), "nobody reached for any of them");
    produce(&mut owned, 3, 1);
    assert_eq!(all(&mut owned), 1);
    assert_eq!(owned.partitions.take_moved().into_iter().collect::<Vec<_>>(), [tp(3)]);
    // More logs than may have files open: all but those are closed although somebody used them just now.
    for partition in 0..40 {
        produce(&mut owned, partition, 1);
    }
    assert_eq!(all(&mut owned), 40);
    owned.partitions.due_syncs(now, |_| false);
    owned.partitions.close_idle(now);
    let open = owned.partitions.values().filter(|partition| partition.log.holds_files()).count();
    assert!(open <= 10, "{open} logs have files open");
    owned.partitions.close_idle(now.after(60_000));
    assert_eq!(owned.partitions.values().filter(|partition| partition.log.holds_files()).count(), 0);
}

#[test]
fn a_group_has_an_answer_for_each_and_shares_the_failure_of_its_write() {
    let faults = FaultVfs::new(Arc::new(MemoryVfs::new()));
    let vfs: Arc<dyn Vfs> = Arc::new(faults.clone());
    let mut owned = shard_on(&vfs);
    let group = || {
        let mut group: Vec<Sent> = (0..4).map(|_| sent(b"value", Acks::All)).collect();
        group[1].acks = Acks::Leader;
        group[2].records = group[2].records.slice(..group[2].records.len() - 1);
        group
    };
    let answers = |results: Vec<Result<Produced, Refused>>| -> Vec<Result<i64, ErrorCode>> {
        let one = |result: Result<Produced, Refused>| match result {
            Ok(produced) => {
                assert_eq!(produced.wait_for, None, "the only replica has it");
                Ok(produced.appended.first_offset.0)
            }
            Err(refused) => Err(refused.code),
        };
        results.into_iter().map(one).collect()
    };
    assert_eq!(answers(owned.produce_group(&tp(0), &group())), [Err(ErrorCode::NotLeaderOrFollower); 4]);
    lead(&mut owned, 0, 0, true).expect("leads");
    // What is cut holds no batch: an empty set of an old client.
    assert_eq!(answers(owned.produce_group(&tp(0), &group())), [Ok(0), Ok(1), Ok(-1), Ok(2)]);
    let partition = owned.partition(&tp(0)).expect("is here");
    assert_eq!((partition.log.log_end(), partition.log.high_watermark()), (Offset(3), Offset(3)));
    assert_eq!((partition.traffic.produces, partition.traffic.messages_in), (4, 3));

    faults.fail(On::Only(Call::Write), 0, Fault::NoSpace);
    assert_eq!(answers(owned.produce_group(&tp(0), &group())), [Err(ErrorCode::KafkaStorageError); 4]);
    assert!(owned.partition(&tp(0)).expect("is here").has_failed());
    assert_eq!(answers(owned.produce_group(&tp(0), &group())), [Err(ErrorCode::KafkaStorageError); 4]);
    assert_eq!(owned.partition(&tp(0)).expect("is here").traffic.failed_produces, 8);
}
