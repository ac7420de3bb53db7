//! The checkpoint files of every log directory: written when something moved, from what moved alone.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kafka_log::{Checkpoint, LogDir, LogError};
use kafka_types::{Offset, TopicPartition};
use time_types::Tick;
use tokio::sync::{Notify, watch};

use crate::broker::Broker;
use crate::config::Config;
use crate::replicas::partition::Partition;
use crate::replicas::{Owned, Shared};
use crate::shard::ShardGone;

/// How often a file is written if something moved and nobody has said how often. Apache's defaults are longer (a minute
/// for two of them), and what a file does not tell yet is what a broker that was killed has to read again.
const EVERY_MS: u64 = 1_000;
/// Settings that say it for the files in the order of [`FILES`]; what the cleaner has done has none.
const INTERVALS: [Option<&str>; FILES.len()] = [
    Some("log.flush.offset.checkpoint.interval.ms"),
    Some("log.flush.start.offset.checkpoint.interval.ms"),
    Some("replica.high.watermark.checkpoint.interval.ms"),
    None,
];

/// How often each file is written, in ms.
fn intervals(config: &Config) -> [u64; FILES.len()] {
    let broker = config.broker();
    INTERVALS.map(|name| match name {
        Some(name) if broker.text(name).is_some() => config.positive(name).max(1),
        _ => EVERY_MS,
    })
}

/// When each file may be written again.
#[derive(Debug)]
struct Timetable {
    every: [u64; FILES.len()],
    due: [Tick; FILES.len()],
}

impl Timetable {
    fn new(every: [u64; FILES.len()], now: Tick) -> Timetable {
        Timetable { every, due: every.map(|every| now.after(every)) }
    }

    /// The next time that one may be.
    fn next(&self) -> Tick {
        self.due.into_iter().fold(Tick(u64::MAX), Tick::min)
    }

    /// Those that may be written now, or all of them.
    fn take(&mut self, now: Tick, all: bool) -> [bool; FILES.len()] {
        let mut taken = [false; FILES.len()];
        for (taken, (due, every)) in taken.iter_mut().zip(self.due.iter_mut().zip(self.every)) {
            if all || now >= *due {
                (*taken, *due) = (true, now.after(every));
            }
        }
        taken
    }
}

/// What the checkpoints say of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Points {
    pub(crate) recovery: Offset,
    pub(crate) start: Offset,
    pub(crate) high_watermark: Offset,
    /// Of a compacted log.
    pub(crate) clean_to: Option<Offset>,
}

/// One file each.
const FILES: [Checkpoint; 4] =
    [Checkpoint::RecoveryPoint, Checkpoint::LogStart, Checkpoint::HighWatermark, Checkpoint::Cleaner];

impl Points {
    fn of(partition: &Partition) -> Points {
        let log = &partition.log;
        Points {
            recovery: log.recovery_point(),
            start: log.log_start(),
            high_watermark: log.high_watermark(),
            clean_to: partition.cleaning.clean_to().filter(|_| log.config().cleanup.compact),
        }
    }

    /// What the files say, in the order of [`FILES`]; `None`: not mentioned.
    fn values(&self) -> [Option<Offset>; 4] {
        let start = Some(self.start).filter(|start| *start > Offset(0));
        [Some(self.recovery), start, Some(self.high_watermark), self.clean_to]
    }
}

/// Where a log is and what is to be said of it; `None`: it is gone or not usable.
pub(crate) type News = (TopicPartition, Option<(usize, Points)>);

/// What the files of one directory say, and which are to be written.
#[derive(Debug, Default)]
struct DirFiles {
    points: BTreeMap<TopicPartition, Points>,
    stale: [bool; FILES.len()],
}

impl DirFiles {
    fn set(&mut self, partition: TopicPartition, points: Points) {
        let before = self.points.get(&partition).map_or([None; FILES.len()], Points::values);
        for (stale, (before, now)) in self.stale.iter_mut().zip(before.iter().zip(points.values())) {
            *stale |= *before != now;
        }
        self.points.insert(partition, points);
    }

    fn remove(&mut self, partition: &TopicPartition) {
        let Some(points) = self.points.remove(partition) else { return };
        for (stale, before) in self.stale.iter_mut().zip(points.values()) {
            *stale |= before.is_some();
        }
    }

    fn write(&mut self, dir: &LogDir, due: [bool; FILES.len()]) -> Result<(), LogError> {
        for (index, which) in FILES.into_iter().enumerate() {
            if self.stale[index] && due[index] {
                let entries = self.points.iter().filter_map(|(name, points)| Some((name, points.values()[index]?)));
                dir.write_checkpoint(which, entries)?;
                self.stale[index] = false;
            }
        }
        Ok(())
    }
}

/// What the files of all directories say.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    dirs: Vec<DirFiles>,
}

impl Checkpoints {
    /// Of so many directories; what the files say is not known.
    pub(crate) fn new(dirs: usize) -> Checkpoints {
        let unknown = || DirFiles { stale: [true; FILES.len()], ..DirFiles::default() };
        Checkpoints { dirs: std::iter::repeat_with(unknown).take(dirs).collect() }
    }

    /// Takes news in.
    pub(crate) fn take(&mut self, news: impl IntoIterator<Item = News>) {
        for (partition, points) in news {
            let at = points.map(|(dir, _)| dir);
            let others = self.dirs.iter_mut().enumerate().filter(|(index, _)| Some(*index) != at);
            others.for_each(|(_, dir)| dir.remove(&partition));
            if let Some((dir, points)) = points {
                self.dirs[dir].set(partition, points);
            }
        }
    }

    /// Has one of these files to be written?
    fn is_stale(&self, due: [bool; FILES.len()]) -> bool {
        self.dirs.iter().any(|dir| dir.stale.iter().zip(due).any(|(stale, due)| *stale && due))
    }

    /// Writes what has changed, whenever it would be due.
    pub(crate) fn write_all(&mut self, shared: &Shared) {
        // Who has failed has said so.
        let _ = self.write(shared, [true; FILES.len()]);
    }

    /// Writes what has changed. A directory that cannot be written to has failed; `false` if one did just now.
    fn write(&mut self, shared: &Shared, due: [bool; FILES.len()]) -> bool {
        let mut all_written = true;
        for (files, one) in self.dirs.iter_mut().zip(shared.dirs.all()) {
            let Some(dir) = one.online() else { continue };
            if let Err(error) = files.write(dir, due) {
                one.health().fail("Disk error while writing a checkpoint", &error);
                all_written = false;
            }
        }
        all_written
    }
}

/// Whoever cannot wait for the next time that checkpoints are written.
pub(crate) struct CheckpointOrders {
    given: AtomicU64,
    come: Notify,
    done: watch::Sender<u64>,
}

impl CheckpointOrders {
    /// Nobody yet.
    pub(crate) fn new() -> CheckpointOrders {
        CheckpointOrders { given: AtomicU64::new(0), come: Notify::new(), done: watch::Sender::new(0) }
    }

    /// Has the checkpoints written with everything that holds now; `false` if that could not be done in time.
    pub(crate) async fn written(&self, at_most: Duration) -> bool {
        let mut done = self.done.subscribe();
        let order = self.given.fetch_add(1, Ordering::AcqRel) + 1;
        self.come.notify_one();
        tokio::time::timeout(at_most, done.wait_for(|done| *done >= order)).await.is_ok_and(|done| done.is_ok())
    }
}

/// Writes the checkpoints whenever something has moved.
pub(crate) async fn run(broker: Arc<Broker>, shared: Arc<Shared>) {
    let mut checkpoints = Checkpoints::new(shared.dirs.all().len());
    let mut timetable = Timetable::new(intervals(&broker.config), broker.clock.tick());
    loop {
        let wait = broker.clock.until(timetable.next());
        let _ = tokio::time::timeout(wait, broker.checkpoint_orders.come.notified()).await;
        let orders = broker.checkpoint_orders.given.load(Ordering::Acquire);
        let cannot_wait = orders > *broker.checkpoint_orders.done.borrow();
        let due = timetable.take(broker.clock.tick(), cannot_wait);
        let Ok(news) = broker.shards.on_all(moved).await else { return };
        checkpoints.take(news.into_iter().flatten());
        if !checkpoints.is_stale(due) {
            broker.checkpoint_orders.done.send_replace(orders);
            continue;
        }
        let for_job = Arc::clone(&shared);
        let written = broker.background.run(move || {
            let all_written = checkpoints.write(&for_job, due);
            (checkpoints, all_written)
        });
        // The pool ends with the process only.
        let Ok((written, all_written)) = written.await else { return };
        checkpoints = written;
        if all_written {
            broker.checkpoint_orders.done.send_replace(orders);
        }
    }
}

/// What moved on one shard since it was asked last.
fn moved(owned: &mut Owned) -> Vec<News> {
    let names: HashSet<TopicPartition> = owned.partitions.take_moved();
    let points = |name: TopicPartition| {
        let points = owned.partitions.get(&name).and_then(|partition| points_of(owned, partition));
        (name, points)
    };
    names.into_iter().map(points).collect()
}

fn points_of(owned: &Owned, partition: &Partition) -> Option<(usize, Points)> {
    let usable = !partition.has_failed();
    usable.then(|| (owned.shared.dirs.index_of(&partition.log), Points::of(partition)))
}

/// Of all partitions.
pub(crate) async fn all(broker: &Broker) -> Result<Vec<News>, ShardGone> {
    let news = broker.shards.on_all(|owned| {
        let owned = &*owned;
        let one = |partition: &Partition| (partition.topic_partition.clone(), points_of(owned, partition));
        owned.partitions.values().map(one).collect::<Vec<_>>()
    });
    Ok(news.await?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(recovery: i64, start: i64) -> Points {
        Points { recovery: Offset(recovery), start: Offset(start), high_watermark: Offset(7), clean_to: None }
    }

    #[test]
    fn only_files_whose_text_changes_are_written() {
        let mut checkpoints = Checkpoints::new(2);
        let stale = |checkpoints: &mut Checkpoints| {
            let stale: Vec<_> = checkpoints.dirs.iter().map(|dir| dir.stale).collect();
            checkpoints.dirs.iter_mut().for_each(|dir| dir.stale = [false; FILES.len()]);
            stale
        };
        let tp = |partition| TopicPartition::new("t", partition);
        checkpoints.take([(tp(0), Some((0, points(3, 0)))), (tp(1), Some((1, points(1, 1))))]);
        assert_eq!(stale(&mut checkpoints), [[true; 4]; 2], "the first time all are");
        checkpoints.take([(tp(0), Some((0, points(3, 0))))]);
        assert!(!checkpoints.is_stale([true; 4]), "nothing is new");
        checkpoints.take([(tp(0), Some((0, points(4, 0))))]);
        assert!(checkpoints.is_stale([true, false, false, false]));
        assert!(!checkpoints.is_stale([false, true, true, true]), "those that are due are as they were");
        assert_eq!(stale(&mut checkpoints), [[true, false, false, false], [false; 4]]);
        // It moved to the other directory.
        checkpoints.take([(tp(0), Some((1, points(4, 0))))]);
        assert_eq!(stale(&mut checkpoints), [[true, false, true, false], [true, false, true, false]]);
        checkpoints.take([(tp(1), None)]);
        assert_eq!(stale(&mut checkpoints), [[false; 4], [true, true, true, false]]);
        checkpoints.take([(tp(1), None)]);
        assert!(!checkpoints.is_stale([true; 4]));
    }

    #[test]
    fn each_file_has_its_time() {
        let mut timetable = Timetable::new([1_000, 60_000, 50, 1_000], Tick(10));
        assert_eq!(timetable.next(), Tick(60));
        assert_eq!(timetable.take(Tick(60), false), [false, false, true, false]);
        assert_eq!(timetable.next(), Tick(110));
        assert_eq!(timetable.take(Tick(1_500), false), [true, false, true, true]);
        assert_eq!(timetable.take(Tick(1_501), true), [true; 4], "somebody cannot wait");
        assert_eq!(timetable.take(Tick(2_501), false), [true, false, true, true]);
        assert_eq!(timetable.take(Tick(61_501), false), [true; 4]);
    }
}
