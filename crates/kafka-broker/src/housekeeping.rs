//! What has to be done from time to time: deadlines of coordinators, background syncs, idle files, retention, lagging replicas.
//!
//! Each shard looks after its own partitions, and often after those only that somebody reached for
//! (`replicas/partitions.rs`); files that speak of all partitions of a directory are written by `checkpoints.rs`.

use std::sync::Arc;
use std::time::Duration;

use kafka_log::{Log, SyncDone, SyncJob};
use time_types::Tick;
use tokio::sync::Notify;
use tracing::{error, info};

use crate::background::Background;
use crate::broker::Broker;
use crate::checkpoints::{self, Checkpoints, Points};
use crate::coordinators::{GroupCoordinator, TransactionCoordinator, deadlines};
use crate::replicas::{Owned, Shared};
use crate::shard::here;

/// How often a shard looks whether anything is to be synced.
const SYNC_CHECK: Duration = Duration::from_millis(500);
/// How often it closes files that nobody uses.
const CLOSE_EVERY: Duration = Duration::from_secs(2);
/// A log with so many bytes above its recovery point is synced at once ..
const SYNC_BYTES: u64 = 64 << 20;
/// .. and one whose oldest unsynced record is so old. So recovery after a kill reads seconds of log, not a segment.
const SYNC_AGE_MS: u64 = 5_000;
/// Logs that are closed at the same time, at most. All but a few of the threads wait for the disk, and what they wait for together
/// a file system writes together: thousands of logs are closed several times sooner than one after the other.
const CLOSERS: usize = 32;
/// How often directories of deleted partitions are looked at.
const REMOVAL_CHECK: Duration = Duration::from_secs(1);

/// Starts the tasks of one shard; runs on its thread.
pub(crate) fn start_on_shard(broker: &Arc<Broker>) {
    tokio::task::spawn_local(deadlines::<GroupCoordinator>(Arc::clone(broker)));
    tokio::task::spawn_local(deadlines::<TransactionCoordinator>(Arc::clone(broker)));
    tokio::task::spawn_local(crate::transactions::tasks::jobs(Arc::clone(broker)));
    tokio::task::spawn_local(syncs(Arc::clone(broker)));
    tokio::task::spawn_local(idle_files(Arc::clone(broker)));
    tokio::task::spawn_local(retention(Arc::clone(broker)));
    tokio::task::spawn_local(removals(Arc::clone(broker)));
    tokio::task::spawn_local(lagging_replicas(Arc::clone(broker)));
}

async fn syncs(broker: Arc<Broker>) {
    let more = Arc::new(Notify::new());
    loop {
        tokio::select! {
            () = tokio::time::sleep(SYNC_CHECK) => {}
            () = more.notified() => {}
        }
        let now = broker.clock.tick();
        let jobs = here(|owned: &mut Owned| due_syncs(owned, now));
        for job in jobs {
            let done = broker.background.run(move || job.run());
            let more = Arc::clone(&more);
            tokio::task::spawn_local(async move {
                // The pool ends with the process only.
                let Ok(done) = done.await else { return };
                let has_room = here(|owned: &mut Owned| {
                    synced(owned, done);
                    owned.partitions.sync_ended()
                });
                if has_room {
                    more.notify_one();
                }
            });
        }
    }
}

fn due_syncs(owned: &mut Owned, now: Tick) -> Vec<SyncJob> {
    owned.partitions.due_syncs(now, |partition| {
        let unsynced = partition.log.unsynced();
        let old = unsynced.since.is_some_and(|since| now.since(since) >= SYNC_AGE_MS);
        let asked = partition.log.flush_deadline().is_some_and(|deadline| deadline <= now);
        old || asked || unsynced.bytes >= SYNC_BYTES
    })
}

async fn idle_files(broker: Arc<Broker>) {
    loop {
        tokio::time::sleep(CLOSE_EVERY).await;
        let now = broker.clock.tick();
        here(|owned: &mut Owned| owned.partitions.close_idle(now));
    }
}

fn synced(owned: &mut Owned, done: SyncDone) {
    let Some(partition) = owned.partitions.get_mut(&done.partition) else { return };
    if let Err(error) = partition.log.on_synced(done) {
        partition.fail(&error);
    }
}

async fn retention(broker: Arc<Broker>) {
    let every = Duration::from_millis(broker.config.positive("log.retention.check.interval.ms").max(1));
    tokio::time::sleep(Duration::from_millis(broker.config.positive("log.initial.task.delay.ms"))).await;
    loop {
        here(|owned: &mut Owned| {
            let now = owned.shared.clock.now();
            let (mut removals, mut moved) = (Vec::new(), Vec::new());
            for partition in owned.partitions.look_mut().filter(|partition| !partition.has_failed()) {
                let before = partition.log.log_start();
                partition.log.expire_producers(now.wall);
                match partition.log.apply_retention(now) {
                    Ok(Some(removal)) => {
                        removals.push(removal);
                        partition.on_log_start();
                    }
                    Ok(None) => {}
                    Err(error) => {
                        partition.fail(&error);
                    }
                }
                if partition.log.log_start() > before {
                    moved.push(partition.topic_partition.clone());
                }
            }
            owned.removals.append(&mut removals);
            for name in moved {
                owned.partitions.get_mut(&name);
            }
        });
        tokio::time::sleep(every).await;
    }
}

async fn removals(broker: Arc<Broker>) {
    loop {
        tokio::time::sleep(REMOVAL_CHECK).await;
        let due = here(|owned: &mut Owned| {
            let now = owned.shared.clock.tick();
            let (due, later) = std::mem::take(&mut owned.removals).into_iter().partition(|removal| removal.due <= now);
            owned.removals = later;
            due
        });
        for removal in due {
            let removal: kafka_log::FileRemoval = removal;
            drop(broker.background.run(move || {
                if let Err(error) = removal.run() {
                    error!(target: "kafka.log.LogManager", "Deleted files cannot be removed: {error}");
                }
            }));
        }
    }
}

/// Proposes members out of the ISR that have not kept up; with one replica there is nobody to propose.
async fn lagging_replicas(broker: Arc<Broker>) {
    let every = Duration::from_millis((broker.config.positive("replica.lag.time.max.ms") / 2).max(1));
    loop {
        tokio::time::sleep(every).await;
        let proposals = here(|owned: &mut Owned| {
            let now = owned.shared.clock.now();
            owned
                .partitions
                .look_mut()
                .filter_map(|one| Some((one.topic_partition.clone(), one.topic_id?, one.tick(now)?)))
                .collect::<Vec<_>>()
        });
        for (topic_partition, topic_id, isr) in proposals {
            crate::replicas::isr_updates::propose(&broker, topic_partition, topic_id, isr);
        }
    }
}

/// Closes every log in order and leaves each directory clean in which all went well. Returns whether all did.
pub(crate) async fn close_all(broker: &Arc<Broker>, shared: &Arc<Shared>) -> bool {
    let Ok(points) = checkpoints::all(broker).await else { return false };
    let taken = broker.shards.on_all(|owned| (owned.partitions.take_all(), owned.moves.take_all())).await;
    let Ok(taken) = taken else { return false };
    let logs = taken.into_iter().flat_map(|(partitions, futures)| {
        partitions.into_iter().map(super::replicas::partition::Partition::stop).chain(futures)
    });
    let logs: Vec<Log> = logs.collect();
    let at_once = logs.iter().filter(|log| log.has_to_be_closed()).take(CLOSERS).count();
    let (closers, _threads) = Background::start(at_once);
    let mut closing = Vec::with_capacity(logs.len());
    for log in logs {
        let dir = shared.dirs.index_of(&log);
        let failed = shared.dirs.all()[dir].online().is_none();
        closing.push((dir, closers.run(move || if failed { None } else { log.close().ok() })));
    }
    let mut clean: Vec<bool> = shared.dirs.all().iter().map(|dir| dir.online().is_some()).collect();
    for (dir, closed) in closing {
        clean[dir] &= closed.await.ok().flatten().is_some();
    }
    // A closed log is synced to its end, and with one replica everything in it is committed.
    let ends = points.into_iter().map(|(partition, at)| {
        let end = |points: Points| Points { recovery: points.recovery.max(points.high_watermark), ..points };
        (partition, at.map(|(dir, points)| (dir, end(points))))
    });
    let mut last = Checkpoints::new(shared.dirs.all().len());
    last.take(ends);
    last.write_all(shared);
    for (one, clean) in shared.dirs.all().iter().zip(&mut clean) {
        let Some(dir) = one.online().filter(|_| *clean) else { continue };
        if let Err(error) = dir.write_clean_marker() {
            error!(target: "kafka.log.LogManager", "The clean-shutdown marker cannot be written: {error}");
            *clean = false;
        }
    }
    info!(target: "kafka.log.LogManager", "Shutdown complete.");
    !clean.contains(&false)
}
