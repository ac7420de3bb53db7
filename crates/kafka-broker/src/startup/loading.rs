//! Recovers every log of every directory and hands each to the shard that owns it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use kafka_log::{
    Checkpoint, CleanShutdown, Contents, DirError, LoadError, Log, LogDir, ReadError, UnrecoveredLog,
    is_out_of_descriptors,
};
use kafka_metadata::znodes::config::EntityType;
use kafka_types::{Offset, TopicName, TopicPartition};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::background::Background;
use crate::config::{TopicSettings, TopicSettingsCache};
use crate::replicas::log_dirs::{DataDir, LogDirs};
use crate::replicas::moves::MoveId;
use crate::replicas::{Owned, Shared};
use crate::shard::Shards;
use crate::zookeeper::ZooKeeper;

/// Index of the directory, the log, and whether it is on its way there from another.
type Found = (usize, UnrecoveredLog, bool);

/// Questions about settings that are on the way to the coordination server together.
const ASKED_AT_ONCE: usize = 256;
/// Logs that a thread recovers in one go: passing each on alone would cost more than recovering it.
const LOGS_AT_ONCE: usize = 32;

/// What was found in the directories.
#[derive(Default)]
pub(super) struct Loaded {
    logs: Vec<Log>,
    /// On their way to another directory.
    futures: Vec<Log>,
}

/// The logs of all directories. A directory that cannot be read through is offline, and the others go on.
pub(super) async fn load(
    shared: &Arc<Shared>,
    zookeeper: &Arc<ZooKeeper>,
    cache: &TopicSettingsCache,
    background: &Background,
) -> Result<Loaded> {
    let started = shared.clock.tick();
    let names: Vec<String> = shared.dirs.online().map(|(one, _)| one.path().display().to_string()).collect();
    info!(target: "kafka.log.LogManager", "Loading logs from log dirs ArrayBuffer({})", names.join(", "));
    let mut found: Vec<Found> = Vec::new();
    for (index, one) in shared.dirs.all().iter().enumerate() {
        if let Some(contents) = contents(one)? {
            for removal in contents.removals {
                drop(background.run(move || removal.run()));
            }
            found.extend(contents.logs.into_iter().map(|log| (index, log, false)));
            found.extend(contents.futures.into_iter().map(|log| (index, log, true)));
        }
    }
    ask_settings(shared, zookeeper, cache, &found).await?;
    let mut loading = Vec::new();
    let mut rest = found.into_iter().peekable();
    while rest.peek().is_some() {
        let some: Vec<(Found, Arc<TopicSettings>)> = rest
            .by_ref()
            .take(LOGS_AT_ONCE)
            .filter_map(|found| cache.get(&found.1.partition().topic).map(|settings| (found, settings)))
            .collect();
        let shared = Arc::clone(shared);
        loading.push(background.run(move || {
            let recover = |((dir, log, is_future), settings): (Found, Arc<TopicSettings>)| {
                recover(&shared, dir, log, &settings).map(|log| log.map(|log| (log, is_future)))
            };
            some.into_iter().map(recover).collect::<Vec<_>>()
        }));
    }
    let mut loaded = Loaded::default();
    for recovered in loading {
        for log in recovered.await.map_err(|_| anyhow!("the background threads have ended"))? {
            match log? {
                // Of a directory that failed on the way, what was read before is not used either.
                Some((log, _)) if shared.dirs.of(&log).online().is_none() => {}
                Some((log, true)) => loaded.futures.push(log),
                Some((log, false)) => loaded.logs.push(log),
                None => {}
            }
        }
    }
    let took = shared.clock.tick().since(started);
    info!(target: "kafka.log.LogManager", "Loaded {} logs in {took}ms", loaded.logs.len() + loaded.futures.len());
    Ok(loaded)
}

/// What is in a directory; `None` if it is offline, perhaps since now.
fn contents(one: &DataDir) -> Result<Option<Contents>> {
    let Some(dir) = one.online() else { return Ok(None) };
    let listed = dir.take_clean_marker().map_err(DirError::Storage).and_then(|shutdown| {
        let contents = dir.contents(shutdown)?;
        say_what_is_loaded(dir, contents.logs.len(), shutdown);
        Ok(contents)
    });
    match listed {
        Ok(contents) => Ok(Some(contents)),
        Err(DirError::Storage(error)) if !is_out_of_descriptors(&error) => {
            load_failed(one, &error);
            Ok(None)
        }
        Err(error) => Err(anyhow!("org.apache.kafka.common.KafkaException: {error}")),
    }
}

fn load_failed(one: &DataDir, error: &(dyn std::error::Error + 'static)) {
    let (path, exception) = (one.path().display(), format!("java.io.IOException: {error}"));
    error!(target: "kafka.log.LogManager", exception, "Error while loading log dir {path}");
    one.health().fail("Error while loading log", error);
}

fn recover(shared: &Shared, dir: usize, log: UnrecoveredLog, settings: &TopicSettings) -> Result<Option<Log>> {
    let one = &shared.dirs.all()[dir];
    if one.online().is_none() {
        return Ok(None);
    }
    match log.recover(settings.log.clone(), shared.clock.now()) {
        Ok(log) => Ok(Some(log)),
        Err(LoadError::Storage(error) | LoadError::Read(ReadError::Storage(error)))
            if !is_out_of_descriptors(&error) =>
        {
            load_failed(one, &error);
            Ok(None)
        }
        Err(error) => Err(anyhow!("org.apache.kafka.common.KafkaException: {error}")),
    }
}

/// Hands each log to the shard that owns its partition; the moves that go on come back.
pub(super) async fn hand_over(
    shared: &Shared,
    shards: &Shards<Owned>,
    loaded: Loaded,
) -> Result<Vec<(TopicPartition, MoveId)>> {
    let mut cleaned = cleaned_before(&shared.dirs);
    let mut by_shard: BTreeMap<usize, Vec<(Log, Option<Offset>)>> = BTreeMap::new();
    for log in loaded.logs {
        let clean_to = cleaned.remove(log.partition());
        by_shard.entry(shards.owner(log.partition())).or_default().push((log, clean_to));
    }
    for (shard, logs) in by_shard {
        shards.on(shard, move |owned| logs.into_iter().for_each(|(log, clean_to)| owned.add(log, clean_to))).await?;
    }
    let mut moves = Vec::new();
    for future in loaded.futures {
        let name = future.partition().clone();
        let resumed = shards.on(shards.owner(&name), move |owned| owned.resume_move(future)).await?;
        moves.extend(resumed.map(|id| (name, id)));
    }
    Ok(moves)
}

/// The cleaner's checkpoints. One that cannot be read costs a compaction from the start.
fn cleaned_before(dirs: &LogDirs) -> HashMap<TopicPartition, Offset> {
    let mut cleaned = HashMap::new();
    for (_, dir) in dirs.online() {
        match dir.read_checkpoint(Checkpoint::Cleaner) {
            Ok(entries) => cleaned.extend(entries),
            Err(error) => {
                warn!(target: "kafka.log.LogCleanerManager", "The cleaner's checkpoint in {} is not used: {error}", dir.path().display());
            }
        }
    }
    cleaned
}

fn say_what_is_loaded(dir: &LogDir, logs: usize, shutdown: CleanShutdown) {
    let path = dir.path().display();
    match (logs, shutdown) {
        (0, _) => info!(target: "kafka.log.LogManager", "No logs found to be loaded in {path}"),
        (_, CleanShutdown::Yes) => {
            info!(target: "kafka.log.LogManager", "Skipping recovery of {logs} logs from {path} since clean shutdown file was found");
        }
        (_, CleanShutdown::No) => {
            info!(target: "kafka.log.LogManager", "Recovering {logs} logs from {path} since no clean shutdown file was found");
        }
    }
}

/// Has the settings of every topic in the cache, many questions at a time.
async fn ask_settings(
    shared: &Shared,
    zookeeper: &Arc<ZooKeeper>,
    cache: &TopicSettingsCache,
    found: &[Found],
) -> Result<()> {
    let mut topics: BTreeSet<TopicName> = found.iter().map(|(_, log, _)| log.partition().topic.clone()).collect();
    let mut asked = JoinSet::new();
    loop {
        while asked.len() < ASKED_AT_ONCE
            && let Some(topic) = topics.pop_first()
        {
            let zookeeper = Arc::clone(zookeeper);
            asked.spawn(async move {
                let stored = zookeeper.settings(EntityType::Topics, &topic).await;
                (topic, stored)
            });
        }
        let Some(answered) = asked.join_next().await else { return Ok(()) };
        let (topic, stored) = answered?;
        let settings = shared.config.topic(stored?).or_else(|error| {
            warn!(target: "kafka.log.LogManager", "The settings of topic {topic} are not legal and ignored: {error}");
            shared.config.topic(BTreeMap::new())
        });
        cache.put(topic, Arc::new(settings.map_err(|error| anyhow!("{error}"))?));
    }
}
