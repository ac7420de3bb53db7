//! Who this broker is: cluster, settings and log directories have to agree.

use anyhow::{Result, bail};
use kafka_log::{DirError, LogDir, MetaProperties, is_out_of_descriptors};
use kafka_types::BrokerId;
use tracing::info;

use crate::clock::{Clock, random_uuid};
use crate::config::Config;
use crate::replicas::log_dirs::LogDirs;
use crate::zookeeper::ZooKeeper;

/// Cluster id and broker id: what the cluster, the settings and the directories say must agree.
pub(super) async fn agree(
    config: &Config,
    zookeeper: &ZooKeeper,
    dirs: &LogDirs,
    clock: Clock,
) -> Result<(String, BrokerId)> {
    let mut stored = Vec::new();
    let mut usable = Vec::new();
    for (one, dir) in dirs.online() {
        match dir.read_meta() {
            Ok(meta) => {
                stored.push(meta);
                usable.push(dir);
            }
            Err(DirError::Storage(error)) if !is_out_of_descriptors(&error) => {
                one.health().fail("Error while reading meta.properties", &error);
            }
            Err(error) => bail!("java.lang.RuntimeException: {error}"),
        }
    }
    let dirs = usable;
    let fresh = zookeeper.cluster_id().await?.is_none();
    let cluster_id = zookeeper.create_cluster_id(&random_uuid().to_string()).await?;
    info!(target: "kafka.server.KafkaServer", "Cluster ID = {cluster_id}");
    for (dir, meta) in dirs.iter().zip(&stored) {
        let read = meta.as_ref().and_then(|meta| meta.cluster_id.as_ref());
        if let Some(read) = read.filter(|read| **read != cluster_id) {
            let reason = if fresh {
                "ZooKeeper has just got its first cluster: its data directory was wiped, or it is another ZooKeeper. \
                 Put that data back, or wipe both sides (./restart.sh --wipe; all topics are lost)."
            } else {
                "The log directory belongs to another cluster: point zookeeper.connect or log.dirs to the right one, \
                 or wipe both sides (./restart.sh --wipe; all topics are lost)."
            };
            bail!(
                "java.lang.RuntimeException: Invalid cluster.id in: {}/meta.properties. Expected {cluster_id}, but read {read}\n{reason}",
                dir.path().display()
            );
        }
    }
    let id = broker_id(config, zookeeper, &dirs, &stored).await?;
    for (dir, meta) in dirs.iter().zip(&stored) {
        let wanted = MetaProperties {
            broker_id: Some(id),
            cluster_id: Some(cluster_id.clone()),
            directory_id: meta.as_ref().and_then(|meta| meta.directory_id.clone()),
        };
        if meta.as_ref() != Some(&wanted) {
            info!(target: "kafka.server.KafkaServer", "[KafkaServer id={id}] Rewriting {}/meta.properties", dir.path().display());
            dir.write_meta(&wanted, &java_date(clock))?;
        }
    }
    Ok((cluster_id, id))
}

async fn broker_id(
    config: &Config,
    zookeeper: &ZooKeeper,
    dirs: &[&LogDir],
    stored: &[Option<MetaProperties>],
) -> Result<BrokerId> {
    let mut known: Option<BrokerId> = None;
    for (dir, meta) in dirs.iter().zip(stored) {
        let Some(id) = meta.as_ref().and_then(|meta| meta.broker_id) else { continue };
        let expected = config.broker().broker_id.or(known);
        if let Some(expected) = expected.filter(|expected| *expected != id) {
            bail!(
                "java.lang.RuntimeException: Stored node id {id} doesn't match previous node id {expected} in {}/meta.properties. \
                 If you moved your data, make sure your configured node id matches. If you intend to create a new node, \
                 you should remove all data in your data directories.",
                dir.path().display()
            );
        }
        known = Some(id);
    }
    match config.broker().broker_id.or(known) {
        Some(id) => Ok(id),
        None => Ok(zookeeper.generate_broker_id(config.positive("reserved.broker.max.id") as i32).await?),
    }
}

/// `java.util.Date`'s text, as Java writes it into `meta.properties`.
fn java_date(clock: Clock) -> String {
    let moment = jiff::Timestamp::from_millisecond(clock.wall().0).unwrap_or_default();
    let zone = logging::local_zone();
    let name = zone.to_offset_info(moment).abbreviation().to_owned();
    zone.to_datetime(moment).strftime(&format!("%a %b %d %H:%M:%S {name} %Y")).to_string()
}
