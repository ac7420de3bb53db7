//! What has to be done from time to time: group deadlines, background syncs, checkpoints, retention, lagging replicas.
//!
//! Each shard looks after its own partitions; files that speak of all partitions of a directory (the checkpoints) are
//! written by one task.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use kafka_log::{Checkpoint, SyncDone, SyncJob};
use kafka_types::{Offset, TopicPartition};
use time_types::Tick;
use tokio::sync::Notify;
use tracing::{error, info};

use crate::broker::Broker;
use crate::replicas::{Owned, Shared};
use crate::shard::here;

/// How often a shard looks whether anything is to be synced.
const SYNC_CHECK: Duration = Duration::from_millis(500);
/// A log with so many bytes above its recovery point is synced at once ..
const SYNC_BYTES: u64 = 64 << 20;
/// .. and one whose oldest unsynced record is so old. So recovery after a kill reads seconds of log, not a segment.
const SYNC_AGE_MS: u64 = 5_000;
/// How often checkpoints are written if something moved.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// How often directories of deleted partitions are looked at.
const REMOVAL_CHECK: Duration = Duration::from_secs(1);

/// Starts the tasks of one shard; runs on its thread.
pub(crate) fn start_on_shard(broker: &Arc<Broker>) {
    tokio::task::spawn_local(group_deadlines(Arc::clone(broker)));
    tokio::task::spawn_local(syncs(Arc::clone(broker)));
    tokio::task::spawn_local(retention(Arc::clone(broker)));
    tokio::task::spawn_local(removals(Arc::clone(broker)));
    tokio::task::spawn_local(lagging_replicas(Arc::clone(broker)));
}

/// Sleeps until the next deadline of a group, or until one may have become earlier.
async fn group_deadlines(broker: Arc<Broker>) {
    let earlier: Rc<Notify> = here(|owned: &mut Owned| Rc::clone(&owned.deadlines));
    loop {
        let deadline = here(|owned: &mut Owned| owned.groups.next_deadline());
        let sleep = async {
            match deadline {
                Some(deadline) => tokio::time::sleep(broker.clock.until(deadline)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => here(Owned::tick_groups),
            () = earlier.notified() => {}
        }
    }
}

async fn syncs(broker: Arc<Broker>) {
    loop {
        tokio::time::sleep(SYNC_CHECK).await;
        let now = broker.clock.tick();
        let jobs = here(|owned: &mut Owned| due_syncs(owned, now));
        for job in jobs {
            let done = broker.background.run(move || job.run());
            tokio::task::spawn_local(async move {
                // The pool ends with the process only.
                if let Ok(done) = done.await {
                    here(|owned: &mut Owned| synced(owned, done));
                }
            });
        }
    }
}

fn due_syncs(owned: &mut Owned, now: Tick) -> Vec<SyncJob> {
    let mut jobs = Vec::new();
    for partition in owned.partitions.values_mut() {
        let unsynced = partition.log.unsynced();
        let old = unsynced.since.is_some_and(|since| now.since(since) >= SYNC_AGE_MS);
        let asked = partition.log.flush_deadline().is_some_and(|deadline| deadline <= now);
        if !(old || asked || unsynced.bytes >= SYNC_BYTES) {
            continue;
        }
        match partition.log.sync_job() {
            Ok(job) => jobs.extend(job),
            Err(error) => {
                partition.fail(&error);
            }
        }
    }
    jobs
}

fn synced(owned: &mut Owned, done: SyncDone) {
    let Some(partition) = owned.partitions.get_mut(&done.partition) else { return };
    if let Err(error) = partition.log.on_synced(done) {
        partition.fail(&error);
    }
}

async fn retention(broker: Arc<Broker>) {
    let every = Duration::from_millis(broker.config.positive("log.retention.check.interval.ms").max(1));
    // Apache's first look.
    tokio::time::sleep(every.min(Duration::from_secs(30))).await;
    loop {
        here(|owned: &mut Owned| {
            let now = owned.shared.clock.now();
            for partition in owned.partitions.values_mut() {
                partition.log.expire_producers(now.wall);
                match partition.log.apply_retention(now) {
                    Ok(removal) => owned.removals.extend(removal),
                    Err(error) => {
                        partition.fail(&error);
                    }
                }
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
                .values_mut()
                .filter_map(|one| Some((one.topic_partition.clone(), one.topic_id?, one.tick(now)?)))
                .collect::<Vec<_>>()
        });
        for (topic_partition, topic_id, isr) in proposals {
            crate::replicas::isr_updates::propose(&broker, topic_partition, topic_id, isr);
        }
    }
}

/// What the checkpoints say of one log.
#[derive(Debug, Clone)]
struct Points {
    dir: PathBuf,
    partition: TopicPartition,
    recovery: Offset,
    start: Offset,
    high_watermark: Offset,
    /// Of a compacted log.
    clean_to: Option<Offset>,
}

/// Writes the checkpoints whenever something has moved. A broker whose directories have all failed gives up.
pub(crate) async fn checkpoints(broker: Arc<Broker>, shared: Arc<Shared>) {
    let mut written = Written::default();
    let mut failed = BTreeSet::new();
    loop {
        tokio::time::sleep(CHECKPOINT_EVERY).await;
        let (Ok(points), Ok(more)) = (collect(&broker).await, failed_dirs(&broker).await) else { return };
        let (for_job, last) = (Arc::clone(&shared), std::mem::take(&mut written));
        match broker.background.run(move || write_changed(&for_job, &points, &last)).await {
            Ok(now) => written = now,
            Err(_) => return,
        }
        failed.extend(more);
        failed.extend(written.failed.iter().cloned());
        if shared.dirs.iter().all(|dir| failed.contains(dir.path())) {
            let dirs: Vec<String> = shared.dirs.iter().map(|dir| dir.path().display().to_string()).collect();
            error!(
                target: "kafka.log.LogManager",
                "Shutdown broker because all log dirs in {} have failed", dirs.join(", ")
            );
            broker.halt.notify_one();
            return;
        }
    }
}

/// Directories with a log that the disk failed under.
async fn failed_dirs(broker: &Broker) -> Result<BTreeSet<PathBuf>, crate::shard::ShardGone> {
    let dirs = broker.shards.on_all(|owned| {
        let failed = owned.partitions.values().filter(|partition| partition.has_failed());
        failed.map(|partition| owned.shared.dir_of(&partition.log).path().to_owned()).collect::<BTreeSet<_>>()
    });
    Ok(dirs.await?.into_iter().flatten().collect())
}

async fn collect(broker: &Broker) -> Result<Vec<Points>, crate::shard::ShardGone> {
    let points = broker.shards.on_all(|owned| {
        let points = |partition: &crate::replicas::partition::Partition| Points {
            dir: owned.shared.dir_of(&partition.log).path().to_owned(),
            partition: partition.topic_partition.clone(),
            recovery: partition.log.recovery_point(),
            start: partition.log.log_start(),
            high_watermark: partition.log.high_watermark(),
            clean_to: partition.cleaning.clean_to().filter(|_| partition.log.config().cleanup.compact),
        };
        owned.partitions.values().filter(|partition| !partition.has_failed()).map(points).collect::<Vec<_>>()
    });
    Ok(points.await?.into_iter().flatten().collect())
}

type Entries = Vec<(TopicPartition, Offset)>;

/// What the checkpoints say now.
#[derive(Default)]
struct Written {
    lists: HashMap<(PathBuf, &'static str), Entries>,
    /// Directories in which one could not be written.
    failed: BTreeSet<PathBuf>,
}

fn write_changed(shared: &Shared, points: &[Points], last: &Written) -> Written {
    let mut now = Written::default();
    for dir in &shared.dirs {
        let here = || points.iter().filter(|point| point.dir == dir.path());
        let lists: [(Checkpoint, &'static str, Entries); 4] = [
            (
                Checkpoint::RecoveryPoint,
                "recovery",
                here().map(|point| (point.partition.clone(), point.recovery)).collect(),
            ),
            (
                Checkpoint::LogStart,
                "start",
                here()
                    .filter(|point| point.start > Offset(0))
                    .map(|point| (point.partition.clone(), point.start))
                    .collect(),
            ),
            (
                Checkpoint::HighWatermark,
                "high watermark",
                here().map(|point| (point.partition.clone(), point.high_watermark)).collect(),
            ),
            (
                Checkpoint::Cleaner,
                "cleaner",
                here().filter_map(|point| Some((point.partition.clone(), point.clean_to?))).collect(),
            ),
        ];
        for (which, name, mut list) in lists {
            list.sort();
            let key = (dir.path().to_owned(), name);
            if last.lists.get(&key) != Some(&list)
                && let Err(error) =
                    dir.write_checkpoint(which, list.iter().map(|(partition, offset)| (partition, *offset)))
            {
                error!(target: "kafka.server.LogDirFailureChannel", "A checkpoint in {} cannot be written: {error}", dir.path().display());
                now.failed.insert(dir.path().to_owned());
                continue;
            }
            now.lists.insert(key, list);
        }
    }
    now
}

/// Closes every log in order and leaves the directories clean. Returns whether all went well.
pub(crate) async fn close_all(broker: &Arc<Broker>, shared: &Arc<Shared>) -> bool {
    let Ok(points) = collect(broker).await else { return false };
    let Ok(logs) = broker.shards.on_all(|owned| std::mem::take(&mut owned.partitions)).await else { return false };
    let mut closing = Vec::new();
    for (_, partition) in logs.into_iter().flatten() {
        let failed = partition.has_failed();
        let log = partition.stop();
        closing.push(broker.background.run(move || if failed { None } else { log.close().ok() }));
    }
    let mut clean = true;
    for closed in closing {
        clean &= closed.await.ok().flatten().is_some();
    }
    let ends: Vec<Points> = points
        .into_iter()
        // A closed log is synced to its end, and with one replica everything in it is committed.
        .map(|point| Points { recovery: point.recovery.max(point.high_watermark), ..point })
        .collect();
    write_changed(shared, &ends, &Written::default());
    for dir in &shared.dirs {
        if clean && let Err(error) = dir.write_clean_marker() {
            error!(target: "kafka.log.LogManager", "The clean-shutdown marker cannot be written: {error}");
            clean = false;
        }
    }
    info!(target: "kafka.log.LogManager", "Shutdown complete.");
    clean
}
