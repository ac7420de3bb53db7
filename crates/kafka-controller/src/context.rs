//! What the controller remembers of the cluster while it controls.

use std::collections::{BTreeMap, BTreeSet};

use kafka_metadata::znodes::partition_state::PartitionState;
use kafka_metadata::znodes::topics::ReplicaAssignment;
use kafka_types::{BrokerEpoch, BrokerId, ControllerEpoch, PartitionEpoch, TopicName, TopicPartition, Uuid};

use crate::effect::BrokerNode;
use crate::partition_states::PartitionStatus;
use crate::replica_states::ReplicaStatus;

/// One replica of one partition.
pub(crate) type PartitionReplica = (TopicPartition, BrokerId);

/// Who leads a partition and who is in sync, as it was last read or written, and the version of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leadership {
    pub(crate) state: PartitionState,
    pub(crate) version: PartitionEpoch,
}

/// A topic and who holds its partitions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    pub(crate) partitions: BTreeMap<i32, ReplicaAssignment>,
}

#[derive(Debug, Default)]
pub(crate) struct Context {
    pub(crate) epoch: ControllerEpoch,
    /// Version of `/controller_epoch` after our election: the fence of every write.
    pub(crate) epoch_version: i32,
    /// Registered brokers, those included that are about to stop.
    pub(crate) brokers: BTreeMap<BrokerId, BrokerNode>,
    pub(crate) shutting_down: BTreeSet<BrokerId>,
    pub(crate) topics: BTreeMap<TopicName, Topic>,
    pub(crate) names: BTreeMap<Uuid, TopicName>,
    pub(crate) leaderships: BTreeMap<TopicPartition, Leadership>,
    pub(crate) partition_states: BTreeMap<TopicPartition, PartitionStatus>,
    pub(crate) replica_states: BTreeMap<PartitionReplica, ReplicaStatus>,
    /// Replicas whose directory failed.
    pub(crate) offline_dirs: BTreeSet<PartitionReplica>,
    pub(crate) deleting: BTreeSet<TopicName>,
    /// Those among `deleting` whose partitions are already taken out of use.
    pub(crate) deletion_started: BTreeSet<TopicName>,
    /// Those among `deleting` that must wait: a replica's broker is dead, or a reassignment is under way.
    pub(crate) deletion_blocked: BTreeSet<TopicName>,
    /// What `/admin/reassign_partitions` holds, as it was last read or written: goals by partition.
    pub(crate) wishes: BTreeMap<TopicPartition, Vec<BrokerId>>,
}

impl Context {
    /// Registered and not about to stop.
    pub(crate) fn is_live(&self, id: BrokerId) -> bool {
        self.brokers.contains_key(&id) && !self.shutting_down.contains(&id)
    }

    pub(crate) fn broker_epoch(&self, id: BrokerId) -> Option<BrokerEpoch> {
        self.brokers.get(&id).map(|node| node.epoch)
    }

    /// May the replica serve: its broker lives (or, if asked so, is only about to stop) and its directory is well.
    pub(crate) fn is_online(&self, partition: &TopicPartition, id: BrokerId, stopping_too: bool) -> bool {
        let lives = if stopping_too { self.brokers.contains_key(&id) } else { self.is_live(id) };
        lives && !self.offline_dirs.contains(&(partition.clone(), id))
    }

    pub(crate) fn assignment(&self, partition: &TopicPartition) -> Option<&ReplicaAssignment> {
        self.topics.get(&partition.topic)?.partitions.get(&partition.partition)
    }

    pub(crate) fn replicas(&self, partition: &TopicPartition) -> &[BrokerId] {
        self.assignment(partition).map_or(&[], |assignment| &assignment.replicas)
    }

    pub(crate) fn set_assignment(&mut self, partition: &TopicPartition, assignment: ReplicaAssignment) {
        if let Some(topic) = self.topics.get_mut(&partition.topic) {
            topic.partitions.insert(partition.partition, assignment);
        }
    }

    /// Is any partition of the topic being moved?
    pub(crate) fn is_reassigning(&self, topic: &TopicName) -> bool {
        self.topics.get(topic).is_some_and(|found| found.partitions.values().any(ReplicaAssignment::is_reassigning))
    }

    /// Every partition of every topic.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = TopicPartition> {
        self.topics.iter().flat_map(|(name, topic)| partitions_of(name, topic))
    }

    pub(crate) fn partitions_of(&self, topic: &TopicName) -> Vec<TopicPartition> {
        self.topics.get(topic).map(|found| partitions_of(topic, found).collect()).unwrap_or_default()
    }

    pub(crate) fn replicas_of(&self, topic: &TopicName) -> Vec<PartitionReplica> {
        self.pairs(self.partitions_of(topic))
    }

    /// Each of the partitions with each of its replicas.
    pub(crate) fn pairs(&self, partitions: impl IntoIterator<Item = TopicPartition>) -> Vec<PartitionReplica> {
        let pairs = |partition: TopicPartition| {
            let replicas = self.replicas(&partition).to_vec();
            replicas.into_iter().map(move |id| (partition.clone(), id))
        };
        partitions.into_iter().flat_map(pairs).collect()
    }

    pub(crate) fn replicas_on(&self, brokers: &BTreeSet<BrokerId>) -> Vec<PartitionReplica> {
        self.pairs(self.partitions()).into_iter().filter(|(_, id)| brokers.contains(id)).collect()
    }

    /// Partitions whose leader is dead or lost its directory, and that are not on their way out.
    pub(crate) fn partitions_without_living_leader(&self) -> Vec<TopicPartition> {
        let orphaned = |(partition, known): &(&TopicPartition, &Leadership)| {
            !self.is_online(partition, known.state.leader, false) && !self.deleting.contains(&partition.topic)
        };
        self.leaderships.iter().filter(orphaned).map(|(partition, _)| partition.clone()).collect()
    }

    /// Partitions that should have a leader and have none.
    pub(crate) fn partitions_to_elect(&self) -> Vec<TopicPartition> {
        let waits = |(partition, status): &(&TopicPartition, &PartitionStatus)| {
            matches!(status, PartitionStatus::Offline | PartitionStatus::New)
                && !self.deleting.contains(&partition.topic)
        };
        self.partition_states.iter().filter(waits).map(|(partition, _)| partition.clone()).collect()
    }

    pub(crate) fn is_any_replica(&self, topic: &TopicName, status: ReplicaStatus) -> bool {
        self.replicas_of(topic).iter().any(|replica| self.replica_states.get(replica) == Some(&status))
    }

    pub(crate) fn are_all_replicas(&self, topic: &TopicName, status: ReplicaStatus) -> bool {
        self.replicas_of(topic).iter().all(|replica| self.replica_states.get(replica) == Some(&status))
    }

    pub(crate) fn add_topic(&mut self, name: TopicName, topic: Topic) {
        self.names.insert(topic.id, name.clone());
        self.topics.insert(name, topic);
    }

    /// Forgets all about a topic.
    pub(crate) fn remove_topic(&mut self, name: &TopicName) {
        if let Some(topic) = self.topics.remove(name) {
            self.names.remove(&topic.id);
        }
        self.leaderships.retain(|partition, _| partition.topic != *name);
        self.partition_states.retain(|partition, _| partition.topic != *name);
        self.replica_states.retain(|(partition, _), _| partition.topic != *name);
        self.offline_dirs.retain(|(partition, _)| partition.topic != *name);
        self.deleting.remove(name);
        self.deletion_started.remove(name);
        self.deletion_blocked.remove(name);
    }
}

fn partitions_of<'t>(name: &TopicName, topic: &'t Topic) -> impl Iterator<Item = TopicPartition> + use<'t> {
    let name = name.clone();
    topic.partitions.keys().map(move |&partition| TopicPartition::new(name.clone(), partition))
}
