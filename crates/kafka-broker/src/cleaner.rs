//! The log cleaner: has compacted topics compacted, the dirtiest log first.
//!
//! A cleaner asks all shards what they have, takes the log that is worth most, and has the shard that owns it make a
//! job. The job runs on a thread of its own, so that a long one holds up neither syncs nor requests; its result goes
//! back to the owner, which swaps the new segments in. What was cleaned is kept in the checkpoint that
//! `housekeeping.rs` writes. A log that cannot be compacted is left alone until the next start.

use std::sync::Arc;
use std::time::Duration;

use kafka_log::{Cleanable, CompactionDone, CompactionError, CompactionJob, CompactionStats};
use kafka_types::TopicPartition;
use tokio::task::JoinHandle;
use tracing::{error, info};

use crate::background::Background;
use crate::broker::Broker;
use crate::cleaner_throttle::Throttle;
use crate::config::CleanerSettings;
use crate::replicas::Owned;

/// A log that might be compacted.
#[derive(Debug, Clone)]
struct Candidate {
    partition: TopicPartition,
    what: Cleanable,
}

/// Starts the cleaners, and more of them when the settings ask for more.
pub(crate) fn start(broker: &Arc<Broker>) {
    if broker.config.cleaner().is_some() {
        info!(target: "kafka.log.LogCleaner", "Starting the log cleaner");
        tokio::spawn(keep_up(Arc::clone(broker)));
    }
}

async fn keep_up(broker: Arc<Broker>) {
    let mut changes = broker.config.changes();
    let mut cleaners: Vec<JoinHandle<()>> = Vec::new();
    loop {
        let wanted = broker.config.cleaner().map_or(0, |settings| settings.threads);
        for number in 0..wanted {
            if cleaners.get(number).is_none_or(JoinHandle::is_finished) {
                let cleaner = tokio::spawn(run(Arc::clone(&broker), number));
                if let Some(ended) = cleaners.get_mut(number) { *ended = cleaner } else { cleaners.push(cleaner) }
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = broker.shutdown.begun() => return,
        }
    }
}

/// One cleaner with a thread of its own. It obeys the settings of the moment, and ends when there are to be fewer.
async fn run(broker: Arc<Broker>, number: usize) {
    let (pool, _threads) = Background::start(1);
    let mut changes = broker.config.changes();
    loop {
        let Some(settings) = broker.config.cleaner().filter(|settings| number < settings.threads) else { return };
        let pause = match clean_one(&broker, &pool, number, settings).await {
            Cleaned::Some(pause) => pause,
            Cleaned::Nothing => settings.backoff,
            Cleaned::GoingDown => return,
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = changes.changed() => if changed.is_err() { return },
            () = broker.shutdown.begun() => return,
        }
    }
}

/// What became of a round.
enum Cleaned {
    /// A log was looked at; go on after this pause.
    Some(Duration),
    /// No log is dirty enough.
    Nothing,
    /// The shards are gone.
    GoingDown,
}

async fn clean_one(broker: &Arc<Broker>, pool: &Background, number: usize, settings: CleanerSettings) -> Cleaned {
    let Ok(candidates) = broker.shards.on_all(candidates).await else { return Cleaned::GoingDown };
    let Some(chosen) = dirtiest(candidates.into_iter().flatten()) else { return Cleaned::Nothing };
    let Candidate { partition, what } = chosen;
    let owner = broker.shards.owner(&partition);
    let map_bytes = settings.map_bytes;
    let wanted = partition.clone();
    let job = broker.shards.on(owner, move |owned| begin(owned, &wanted, &what, map_bytes));
    let job = match job.await {
        Err(_) => return Cleaned::GoingDown,
        // Another cleaner was faster, or it is gone.
        Ok(None) => return Cleaned::Some(Duration::ZERO),
        Ok(Some(job)) => job,
    };
    info!(target: "kafka.log.LogCleaner", "Cleaner {number}: Beginning cleaning of log {partition}");
    let started = broker.clock.tick();
    let mut throttle = Throttle::new(broker);
    let Ok(result) = pool.run(move || job.run(&mut |bytes| throttle.spent(bytes))).await else {
        return Cleaned::GoingDown;
    };
    let ended = partition.clone();
    let Ok(stats) = broker.shards.on(owner, move |owned| end(owned, &ended, result)).await else {
        return Cleaned::GoingDown;
    };
    let took = Duration::from_millis(broker.clock.tick().since(started));
    let Some(stats) = stats else { return Cleaned::Some(Duration::ZERO) };
    say(number, &partition, &what, &stats, took);
    Cleaned::Some(Duration::ZERO)
}

/// What one shard has that is worth while.
fn candidates(owned: &mut Owned) -> Vec<Candidate> {
    let now = owned.shared.clock.now().wall;
    let mut found = Vec::new();
    for partition in owned.partitions.look_mut() {
        let config = partition.log.config();
        if !config.cleanup.compact || partition.has_failed() || !partition.cleaning.may_begin() {
            continue;
        }
        let min_ratio = config.min_cleanable_dirty_ratio;
        match partition.log.cleanable(now, partition.cleaning.clean_to()) {
            Ok(what) if what.is_due(min_ratio) => {
                found.push(Candidate { partition: partition.topic_partition.clone(), what });
            }
            Ok(_) => {}
            Err(error) => give_up(partition, &error),
        }
    }
    found
}

/// Overdue ones or not, the one with the largest share of what was never compacted goes first.
fn dirtiest(candidates: impl Iterator<Item = Candidate>) -> Option<Candidate> {
    candidates.max_by(|one, other| one.what.dirty_ratio().total_cmp(&other.what.dirty_ratio()))
}

fn begin(
    owned: &mut Owned,
    topic_partition: &TopicPartition,
    what: &Cleanable,
    map_bytes: usize,
) -> Option<CompactionJob> {
    let now = owned.shared.clock.now().wall;
    let partition = owned.partitions.get_mut(topic_partition)?;
    if !partition.cleaning.may_begin() {
        return None;
    }
    match partition.log.compaction_job(now, what, map_bytes) {
        Ok(job) => {
            partition.cleaning.begin();
            Some(job)
        }
        Err(error) => {
            give_up(partition, &error);
            None
        }
    }
}

/// Swaps in what a job made; `None` if nothing came of it.
fn end(
    owned: &mut Owned,
    topic_partition: &TopicPartition,
    result: Result<CompactionDone, CompactionError>,
) -> Option<CompactionStats> {
    let now = owned.shared.clock.now();
    // Deleted meanwhile: its directory goes, and what the job wrote with it.
    let partition = owned.partitions.get_mut(topic_partition)?;
    partition.cleaning.end();
    let done = match result {
        Ok(done) => done,
        // What is here by its name now is another one.
        Err(CompactionError::Deleted) => return None,
        Err(error) => {
            give_up(partition, &error);
            return None;
        }
    };
    match partition.log.swap_compacted(now, done) {
        Ok(Some(compacted)) => {
            partition.cleaning.cleaned(compacted.clean_to);
            owned.removals.push(compacted.removal);
            Some(compacted.stats)
        }
        // Retention was faster: the next round looks at what is left.
        Ok(None) => None,
        Err(error) => {
            partition.fail(&error);
            None
        }
    }
}

fn give_up(partition: &mut crate::replicas::partition::Partition, error: &dyn std::fmt::Display) {
    partition.cleaning.give_up();
    error!(
        target: "kafka.log.LogCleaner",
        "Unexpected exception thrown when cleaning log {}. Marking its partition as uncleanable until the next start\n{error}",
        partition.topic_partition
    );
}

fn say(number: usize, partition: &TopicPartition, what: &Cleanable, stats: &CompactionStats, took: Duration) {
    let megabytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let saved = 100.0 * (1.0 - stats.bytes_written as f64 / stats.bytes_read.max(1) as f64);
    info!(
        target: "kafka.log.LogCleaner",
        "[kafka-log-cleaner-thread-{number}]: \n\tLog cleaner thread {number} cleaned log {partition} (dirty section = [{}, {}])\n\
         \t{:.1} MB of log processed in {:.1} seconds.\n\
         \t{} keys, {} of {} batches kept\n\
         \tStart size: {:.1} MB\n\tEnd size: {:.1} MB\n\t{saved:.1}% size reduction",
        what.dirty_from, what.dirty_to,
        megabytes(stats.bytes_read), took.as_secs_f64(),
        stats.keys, stats.batches_written, stats.batches_read,
        megabytes(stats.bytes_read), megabytes(stats.bytes_written)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_types::Offset;

    fn candidate(topic: &str, dirty_bytes: u64, clean_bytes: u64) -> Candidate {
        let (dirty_from, dirty_to) = (Offset(0), Offset(10));
        let what = Cleanable { dirty_from, dirty_to, dirty_bytes, clean_bytes, is_overdue: false };
        Candidate { partition: TopicPartition::new(topic, 0), what }
    }

    #[test]
    fn the_dirtiest_log_goes_first_not_the_largest() {
        let all = [candidate("large", 600, 400), candidate("dirty", 9, 1), candidate("clean", 0, 5)];
        let chosen = dirtiest(all.into_iter()).expect("there are some");
        assert_eq!(&*chosen.partition.topic, "dirty");
        assert!(dirtiest(std::iter::empty()).is_none());
    }
}
