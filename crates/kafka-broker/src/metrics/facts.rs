//! What is looked up when somebody asks: copied shard by shard, so that no shard stands still for long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_group_coordinator::GroupFacts;
use kafka_metadata::MetadataImage;
use kafka_types::{Offset, TopicName, TopicPartition};
use time_types::Tick;
use zk_client::State;

use super::Traffic;
use crate::broker::Broker;
use crate::fetch_sessions::SessionCounts;
use crate::replicas::Owned;
use crate::replicas::partition::Partition;
use crate::shard::ShardGone;

/// The states of a session, as ZooKeeper's client names them.
pub(super) const SESSION_STATES: [&str; 4] = ["CONNECTED", "CONNECTING", "AUTH_FAILED", "CLOSED"];

/// A session that has expired is closed for ZooKeeper's client.
fn session_state(state: &State) -> &'static str {
    match state {
        State::Connected(_) => "CONNECTED",
        State::Connecting => "CONNECTING",
        State::AuthFailed => "AUTH_FAILED",
        State::Expired | State::Closed => "CLOSED",
    }
}

/// All that is told.
pub(crate) struct Facts {
    pub(super) now: Tick,
    pub(super) image: Arc<MetadataImage>,
    pub(super) is_controller: bool,
    pub(super) unclean_elections: u64,
    /// One of [`SESSION_STATES`].
    pub(super) session: &'static str,
    /// Replicas of this broker.
    pub(super) replicas: BTreeMap<TopicPartition, ReplicaFacts>,
    /// Of partitions that are gone.
    pub(super) gone: Traffic,
    pub(super) bytes_out: BTreeMap<TopicName, u64>,
    /// Part of the time in which shards have had nothing to do: each since the last look.
    pub(super) idle: Vec<f64>,
    pub(super) fetch_sessions: SessionCounts,
    /// Groups that this broker coordinates.
    pub(super) groups: Vec<GroupFacts>,
}

/// One replica.
#[derive(Debug, Clone)]
pub(super) struct ReplicaFacts {
    pub(super) leads: bool,
    pub(super) is_offline: bool,
    /// Enough replicas in sync for acks=all; of who leads.
    pub(super) has_enough_in_sync: bool,
    /// One less in sync, and there are too few; of who leads.
    pub(super) is_at_min_in_sync: bool,
    pub(super) in_sync: usize,
    /// Without those that are only to come.
    pub(super) replicas: usize,
    pub(super) is_reassigning: bool,
    pub(super) size: u64,
    pub(super) segments: usize,
    pub(super) log_start: Offset,
    pub(super) log_end: Offset,
    pub(super) high_watermark: Offset,
    pub(super) traffic: Traffic,
}

impl ReplicaFacts {
    fn of(partition: &Partition) -> ReplicaFacts {
        let leader = partition.replica.leader();
        let adding = partition.reassignment.map_or(0, |reassignment| reassignment.adding);
        ReplicaFacts {
            leads: leader.is_some(),
            is_offline: partition.has_failed(),
            has_enough_in_sync: leader.is_none_or(kafka_replication::Leader::has_enough_in_sync),
            is_at_min_in_sync: leader.is_some_and(kafka_replication::Leader::is_at_min_in_sync),
            in_sync: leader.map_or(0, |leader| leader.isr().len()),
            replicas: leader.map_or(0, |leader| leader.replicas().len().saturating_sub(adding)),
            is_reassigning: partition.reassignment.is_some(),
            size: partition.log.size(),
            segments: partition.log.segments(),
            log_start: partition.log.log_start(),
            log_end: partition.log.log_end(),
            high_watermark: partition.log.high_watermark(),
            traffic: partition.traffic,
        }
    }
}

/// How long a shard was busy, as far as was looked.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    until: Option<(Tick, Duration)>,
}

impl Busy {
    /// The idle part of the time since the last look; of all time at the first one.
    fn idle(&mut self, now: Tick) -> f64 {
        let busy = tokio::runtime::Handle::current().metrics().worker_total_busy_duration(0);
        let (then, before) = self.until.replace((now, busy)).unwrap_or_default();
        let passed = now.since(then) as f64;
        if passed <= 0.0 {
            1.0
        } else {
            (1.0 - busy.saturating_sub(before).as_millis() as f64 / passed).clamp(0.0, 1.0)
        }
    }
}

impl Facts {
    /// Looks everything up.
    pub(crate) async fn gather(broker: &Broker) -> Result<Facts, ShardGone> {
        let image = broker.metadata.image();
        let mut facts = Facts {
            now: broker.clock.tick(),
            is_controller: broker.is_controller(),
            unclean_elections: broker.controller.unclean_elections(),
            session: session_state(&broker.zookeeper.client().state()),
            replicas: BTreeMap::new(),
            gone: Traffic::default(),
            bytes_out: BTreeMap::new(),
            idle: Vec::new(),
            fetch_sessions: broker.fetch_sessions.counts(),
            groups: Vec::new(),
            image,
        };
        for shard in 0..broker.shards.count() {
            facts.visit(broker, shard).await?;
        }
        facts.groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        Ok(facts)
    }

    async fn visit(&mut self, broker: &Broker, shard: usize) -> Result<(), ShardGone> {
        let (now, image) = (self.now, Arc::clone(&self.image));
        let looked = broker.shards.on(shard, move |owned: &mut Owned| {
            let replicas: Vec<_> = owned
                .partitions
                .values()
                .map(|partition| (partition.topic_partition.clone(), ReplicaFacts::of(partition)))
                .collect();
            let bytes_out = owned.traffic.bytes_out(|topic| image.topic(topic).is_some());
            (replicas, owned.traffic.gone, bytes_out, owned.busy.idle(now), owned.groups.partitions())
        });
        let (replicas, gone, bytes_out, idle, coordinators) = looked.await?;
        self.replicas.extend(replicas);
        self.gone.add(&gone);
        for (topic, bytes) in bytes_out {
            *self.bytes_out.entry(topic).or_default() += bytes;
        }
        self.idle.push(idle);
        // A coordinator at a time: there may be a million offsets.
        for partition in coordinators {
            let groups = broker.shards.on(shard, move |owned: &mut Owned| owned.groups.facts(partition)).await?;
            self.groups.extend(groups);
        }
        Ok(())
    }

    /// Replicas that this broker leads.
    pub(super) fn led(&self) -> impl Iterator<Item = (&TopicPartition, &ReplicaFacts)> {
        self.replicas.iter().filter(|(_, replica)| replica.leads)
    }
}
