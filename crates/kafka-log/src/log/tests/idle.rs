//! Logs without records, logs that nobody uses, logs that move to another directory.

use vfs::{Call, Fault, FaultVfs, On};

use super::*;
use crate::is_out_of_descriptors;

#[test]
fn without_a_record_the_small_files_are_written_and_not_waited_for() {
    let mut world = world(LogConfig::default());
    world.log.assign_epoch(at(0), LeaderEpoch(3), Offset(0));
    let done = world.log.sync_job().expect("is usable").expect("the epoch is new").run();
    world.log.on_synced(done).expect("is written");
    for name in ["partition.metadata", "leader-epoch-checkpoint"] {
        assert!(world.names().contains(&name.to_owned()), "{name}");
    }
    // After a kill they are there; after a power loss they may be empty, and the id comes from the controller again.
    let world = world.crash();
    assert_eq!(world.log.topic_id(), Some(Uuid([7; 16])));
    for name in ["partition.metadata", "leader-epoch-checkpoint"] {
        vfs::durable::write_file(&world.vfs, &Path::new(DATA).join("t-0").join(name), b"").expect("writes");
    }
    let mut world = world.crash();
    assert_eq!(world.log.log_end(), Offset(0));
    assert!(world.log.assign_topic_id(Uuid([7; 16])));
    world.must(&batch(1000, &[b"a"]));
}

#[test]
fn whoever_appends_first_does_not_wait_for_the_disk() {
    for call in [Call::Sync, Call::SyncDir] {
        let memory = MemoryVfs::with_dirs([DATA]);
        let faults = FaultVfs::new(Arc::new(memory.clone()));
        let dir = LogDir::open(Arc::new(faults.clone()), Path::new(DATA)).expect("opens");
        let log = dir.create(&tp(), Uuid([7; 16]).into(), LogConfig::default(), at(0)).expect("creates");
        let mut world = World { vfs: memory, dir, log };
        faults.fail_from(On::Only(call), 0, Fault::Io);
        world.must(&batch(1000, &[b"a"]));
        assert!(world.log.flush().is_err(), "whoever wants it durable does");
    }
}

#[test]
fn an_id_that_a_power_loss_has_taken_is_written_anew() {
    let mut world = world(LogConfig::default());
    world.must(&batch(1000, &[b"a"]));
    let path = Path::new(DATA).join("t-0/partition.metadata");
    // The record came to the disk, and the file's content did not.
    let World { vfs, dir, log } = world;
    drop((dir, log));
    vfs.open(&path, vfs::OpenMode::Create).and_then(|file| file.set_len(0)).expect("is there");
    let shared: Arc<dyn Vfs> = Arc::new(vfs.clone());
    let (_dir, mut log) = open_one(&shared, &tp(), &LogConfig::default(), at(1));
    assert_eq!((log.log_end(), log.topic_id()), (Offset(1), None));
    assert!(log.assign_topic_id(Uuid([7; 16])));
    log.append_as_leader(at(1), &batch(2000, &[b"b"]), EPOCH, Origin::Client).expect("appends");
    log.flush().expect("syncs");
    vfs.crash();
    let text = vfs.read(&path).expect("survives");
    assert_eq!(String::from_utf8_lossy(&text), format!("version: 0\ntopic_id: {}", Uuid([7; 16])));
}

#[test]
fn a_sync_that_comes_late_does_not_take_the_durable_topic_id_away() {
    let mut world = world(LogConfig::default());
    world.log.assign_epoch(at(0), LeaderEpoch(3), Offset(0));
    let late = world.log.sync_job().expect("is usable").expect("the epoch is new");
    world.must(&batch(1000, &[b"a"]));
    world.log.flush().expect("syncs");
    world.log.on_synced(late.run()).expect("is written");
    world.vfs.crash();
    let text = world.vfs.read(&Path::new(DATA).join("t-0/partition.metadata")).expect("survives");
    assert_eq!(String::from_utf8_lossy(&text), format!("version: 0\ntopic_id: {}", Uuid([7; 16])));
}

#[test]
fn a_sync_that_comes_late_leaves_the_next_log_of_that_name_alone() {
    let mut world = world(LogConfig::default());
    world.must(&batch(1000, &[b"a"]));
    let late = world.log.sync_job().expect("is usable").expect("a record is new");
    world.dir.delete(world.log, [1; 16], Tick(0)).expect("renames");
    let mut next = world.dir.create(&tp(), Uuid([8; 16]).into(), LogConfig::default(), at(1)).expect("creates");
    let before = files_of(&world.vfs, next.dir());
    let done = late.run();
    assert_same(&files_of(&world.vfs, next.dir()), &before);
    next.on_synced(done).expect("is not concerned");
    assert_eq!(next.recovery_point(), Offset(0));
}

#[test]
fn idle_logs_hold_no_files() {
    let mut world = world(LogConfig { segment_bytes: 200, ..LogConfig::default() });
    assert!(!world.log.holds_files() && world.log.has_to_be_closed(), "a new log");
    for _ in 0..5 {
        world.must(&batch(1000, &[&[b'x'; 60]]));
    }
    world.log.release_files();
    assert!(
        world.log.holds_files(),
        "what is not synced stays open: the system tells only who holds the file of failures"
    );
    world.log.flush().expect("syncs");
    world.log.release_files();
    assert!(!world.log.holds_files());
    assert!(world.log.has_to_be_closed(), "its index files are longer than they have to be");
    assert_eq!(world.all().len(), 5, "and everything is found again");
    world.must(&batch(1000, &[b"more"]));
    let world = world.restart();
    assert!(!world.log.holds_files(), "a log that was recovered");
    assert!(!world.log.has_to_be_closed(), "nothing has happened to it");
    assert_eq!(world.all().len(), 6);
}

#[test]
fn an_append_holds_one_file() {
    let mut world = world(LogConfig { index_interval_bytes: 1, ..LogConfig::default() });
    for _ in 0..5 {
        world.must(&batch(1000, &[b"a"]));
    }
    let mut world = world.restart();
    world.must(&batch(2000, &[b"b"]));
    let segment = world.log.segments.last().expect("the active one");
    assert!(segment.holds_files());
    assert!(!segment.offsets.file.is_open() && !segment.times.file.is_open(), "the indexes were asked once");
}

#[test]
fn a_future_log_takes_the_place_of_the_current_one() {
    let mut world = world(small());
    for number in 0..20u8 {
        world.must(&produced(9, 0, i32::from(number), &[&[number; 40]]));
    }
    world.commit_all();
    world.log.advance_log_start(at(1), Offset(7), LogStartReason::ClientRecordDeletion).expect("is committed");
    world.log.assign_epoch(at(1), LeaderEpoch(8), Offset(20));
    let vfs: Arc<dyn Vfs> = Arc::new(world.vfs.clone());
    let other = LogDir::open(Arc::clone(&vfs), Path::new("/other")).expect("opens");
    let mut future = other.create_future(&world.log, small(), [5; 16], at(1)).expect("creates");
    assert!(future.dir().ends_with(format!("t-0.{}-future", "05".repeat(16))));
    future.truncate_fully(at(1), world.log.log_start()).expect("starts where the current one does");
    while future.log_end() < world.log.log_end() {
        let read = world.log.read(future.log_end(), 100, world.log.log_end(), true).expect("reads");
        future.append_as_follower(at(2), &read.slice.expect("more").read().expect("reads")).expect("appends");
    }
    future.adopt(at(3), &world.log).expect("both end at the same offset");
    other.promote(&mut future).expect("renames");
    assert_eq!(future.dir(), Path::new("/other/t-0"));
    assert_eq!((future.log_start(), future.high_watermark()), (Offset(7), Offset(20)));
    assert_eq!(future.epochs(), world.log.epochs());
    let expected = world.all();
    // The old one goes, and the new one is written to and survives a crash under its new name.
    world.dir.delete(world.log, [1; 16], Tick(0)).expect("renames").run().expect("unlinks");
    let more = produced(9, 0, 20, &[b"more"]);
    future.append_as_leader(at(4), &more, LeaderEpoch(8), Origin::Client).expect("appends");
    future.flush().expect("syncs");
    world.vfs.crash();
    let contents = other.contents(CleanShutdown::No).expect("lists");
    assert!(contents.futures.is_empty());
    let log = contents.logs.into_iter().next().expect("it is there").recover(small(), at(5)).expect("recovers");
    assert_eq!((log.log_end(), log.topic_id()), (Offset(21), Some(Uuid([7; 16]))));
    assert_eq!(log.active_producers().next().expect("is known").last_sequence, 20);
    let world = World { vfs: world.vfs, dir: other, log };
    assert_eq!(world.all().iter().filter(|(first, _)| *first >= 7 && *first < 20).count(), expected.len());
}

#[test]
fn epochs_are_made_anew_where_their_file_is_garbage() {
    for garbage in [&b"nonsense"[..], b"0\n7\n1 0\n", b"\xff\xfe", b""] {
        let mut world = world(LogConfig::default());
        world.must(&batch(1000, &[b"a", b"b"]));
        let known = world.log.epochs().to_vec();
        let path = Path::new(DATA).join("t-0/leader-epoch-checkpoint");
        let (vfs, config) = (world.vfs.clone(), world.log.config().clone());
        let end = world.log.close().expect("closes");
        world.dir.write_checkpoint(Checkpoint::RecoveryPoint, [(&tp(), end)]).expect("writes");
        world.dir.write_clean_marker().expect("writes");
        drop(world.dir);
        vfs::durable::write_file(&vfs, &path, garbage).expect("writes");
        let shared: Arc<dyn Vfs> = Arc::new(vfs);
        let (_dir, log) = open_one(&shared, &tp(), &config, at(5));
        let found = log.epochs().to_vec();
        assert!(found == known || (garbage.is_empty() && found.is_empty()), "{found:?}");
    }
}

#[test]
fn without_a_descriptor_left_an_append_is_refused_and_the_next_one_is_taken() {
    let mut refusals = 0;
    for (call, skip) in (0..30).map(|skip| (Call::Create, skip)).chain([(Call::Read, 0)]) {
        let memory = MemoryVfs::with_dirs([DATA]);
        let faults = FaultVfs::new(Arc::new(memory.clone()));
        let dir = LogDir::open(Arc::new(faults.clone()), Path::new(DATA)).expect("opens");
        let log = dir.create(&tp(), Uuid([7; 16]).into(), small(), at(0)).expect("creates");
        let mut world = World { vfs: memory, dir, log };
        let mut acknowledged = 0;
        if call == Call::Read {
            world.must(&batch(1000, &[b"before"]));
            world.log.flush().expect("syncs");
            world.log.release_files();
            acknowledged = 1;
        }
        faults.fail_from(On::Only(call), skip, Fault::NoDescriptor);
        for _ in 0..12 {
            match world.append(&batch(1000, &[&[b'x'; 60]])) {
                Ok(_) => acknowledged += 1,
                Err(AppendError::Storage(error)) => {
                    assert!(is_out_of_descriptors(&error), "{error}");
                    refusals += 1;
                    faults.clear();
                }
                Err(error) => panic!("{error}"),
            }
        }
        faults.clear();
        world.must(&batch(1000, &[b"after"]));
        assert_eq!(world.all().len(), acknowledged + 1, "{call:?} {skip}");
        let world = world.restart();
        assert_eq!(world.all().len(), acknowledged + 1, "{call:?} {skip}, after a start");
    }
    assert!(refusals > 10, "{refusals} refusals show nothing");
}
