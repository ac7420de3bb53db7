//! What a client knows of the cluster: brokers, topics, leaders. A value; the [`Cluster`](crate::Cluster) keeps it fresh.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kafka_types::{BrokerId, ErrorCode, LeaderEpoch, TopicName, TopicPartition, Uuid};
use kafka_wire::metadata;

use crate::bootstrap::HostPort;

/// A broker, by its number and the address it advertises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its number; bootstrap addresses, whose broker is not known yet, count down from -1.
    pub id: BrokerId,
    /// Where it can be reached.
    pub address: HostPort,
    /// Where it stands (`broker.rack`).
    pub rack: Option<String>,
}

/// As Java's clients print it: `localhost:9092 (id: 0 rack: null)`.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rack = self.rack.as_deref().unwrap_or("null");
        write!(f, "{}:{} (id: {} rack: {rack})", self.address.host, self.address.port, self.id)
    }
}

/// A partition as the cluster described it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Its number.
    pub partition: i32,
    /// Its leader, if it has one.
    pub leader: Option<BrokerId>,
    /// The leader's epoch, or none from old brokers.
    pub leader_epoch: LeaderEpoch,
    /// All replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Those in sync.
    pub isr: Vec<BrokerId>,
    /// Those on brokers or disks that are gone.
    pub offline: Vec<BrokerId>,
    /// What the broker said of it.
    pub error: ErrorCode,
}

/// A topic as the cluster described it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: TopicName,
    /// Its id, or zero from old brokers.
    pub id: Uuid,
    /// Does it belong to the cluster itself (`__consumer_offsets`)?
    pub internal: bool,
    /// What the broker said of it; with an error there are no partitions.
    pub error: ErrorCode,
    /// Its partitions by number.
    pub partitions: Vec<PartitionInfo>,
}

impl TopicInfo {
    /// A partition by its number.
    pub fn partition(&self, partition: i32) -> Option<&PartitionInfo> {
        self.partitions.binary_search_by_key(&partition, |info| info.partition).ok().map(|at| &self.partitions[at])
    }
}

/// The cluster as it was described last. Topics that a response did not speak of are kept from before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The controller, if it has one.
    pub controller: Option<BrokerId>,
    /// The brokers by number.
    pub brokers: BTreeMap<BrokerId, Node>,
    /// The topics by name, those with errors too.
    pub topics: BTreeMap<TopicName, Arc<TopicInfo>>,
}

impl Metadata {
    /// A topic that exists.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicInfo>> {
        self.topics.get(name).filter(|topic| topic.error == ErrorCode::None)
    }

    /// How many partitions a topic has, if it exists.
    pub fn partition_count(&self, name: &str) -> Option<usize> {
        self.topic(name).map(|topic| topic.partitions.len())
    }

    /// A partition of a topic that exists.
    pub fn partition(&self, partition: &TopicPartition) -> Option<&PartitionInfo> {
        self.topic(&partition.topic)?.partition(partition.partition)
    }

    /// Leader and epoch of a partition, if it has a leader and that broker is known.
    pub fn leader(&self, partition: &TopicPartition) -> Option<(&Node, LeaderEpoch)> {
        let info = self.partition(partition)?;
        self.brokers.get(&info.leader?).map(|node| (node, info.leader_epoch))
    }

    /// The name of a topic by its id.
    pub fn topic_name(&self, id: Uuid) -> Option<&TopicName> {
        self.topics.values().find(|topic| topic.id == id && !id.is_zero()).map(|topic| &topic.name)
    }

    /// This knowledge with a response added. `all` says that the response speaks of every topic there is.
    pub(crate) fn updated(&self, response: &metadata::Response, all: bool) -> Metadata {
        let mut topics = if all { BTreeMap::new() } else { self.topics.clone() };
        for topic in &response.topics {
            let Some(name) = topic.name.as_deref() else { continue };
            let before = self.topics.get(name);
            let info = topic_info(name, topic, before.map(Arc::as_ref));
            topics.insert(info.name.clone(), Arc::new(info));
        }
        let brokers = response.brokers.iter().filter_map(|broker| {
            let port = u16::try_from(broker.port).ok()?;
            let id = BrokerId(broker.node_id);
            Some((id, Node { id, address: HostPort::new(&broker.host, port), rack: broker.rack.clone() }))
        });
        Metadata {
            cluster_id: response.cluster_id.clone(),
            controller: some_broker(response.controller_id),
            brokers: brokers.collect(),
            topics,
        }
    }
}

fn some_broker(id: i32) -> Option<BrokerId> {
    (id >= 0).then_some(BrokerId(id))
}

fn ids(raw: &[i32]) -> Vec<BrokerId> {
    raw.iter().copied().map(BrokerId).collect()
}

fn topic_info(name: &str, topic: &metadata::MetadataResponseTopic, before: Option<&TopicInfo>) -> TopicInfo {
    // A topic that was deleted and made again begins with new epochs.
    let before = before.filter(|before| before.id == topic.topic_id);
    let mut partitions: Vec<PartitionInfo> = topic
        .partitions
        .iter()
        .map(|partition| {
            let told = partition_info(partition);
            // A broker that is behind must not bring back a leader that we know to be gone.
            match before.and_then(|before| before.partition(told.partition)) {
                Some(known) if known.leader_epoch > told.leader_epoch && told.leader_epoch != LeaderEpoch::NONE => {
                    known.clone()
                }
                _ => told,
            }
        })
        .collect();
    partitions.sort_by_key(|partition| partition.partition);
    TopicInfo {
        name: before.map_or_else(|| name.into(), |before| before.name.clone()),
        id: topic.topic_id,
        internal: topic.is_internal,
        error: ErrorCode::from_code(topic.error_code),
        partitions,
    }
}

fn partition_info(partition: &metadata::MetadataResponsePartition) -> PartitionInfo {
    PartitionInfo {
        partition: partition.partition_index,
        leader: some_broker(partition.leader_id),
        leader_epoch: LeaderEpoch(partition.leader_epoch),
        replicas: ids(&partition.replica_nodes),
        isr: ids(&partition.isr_nodes),
        offline: ids(&partition.offline_replicas),
        error: ErrorCode::from_code(partition.error_code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(topic: &str, id: u8, leader: i32, epoch: i32) -> metadata::Response {
        metadata::Response {
            brokers: vec![metadata::MetadataResponseBroker { node_id: 1, host: "h".to_owned(), port: 9, rack: None }],
            controller_id: 1,
            topics: vec![metadata::MetadataResponseTopic {
                name: Some(topic.to_owned()),
                topic_id: Uuid([id; 16]),
                partitions: vec![metadata::MetadataResponsePartition {
                    leader_id: leader,
                    leader_epoch: epoch,
                    ..metadata::MetadataResponsePartition::default()
                }],
                ..metadata::MetadataResponseTopic::default()
            }],
            ..metadata::Response::default()
        }
    }

    #[test]
    fn an_older_epoch_does_not_bring_back_a_leader() {
        let partition = TopicPartition::new("t", 0);
        let known = Metadata::default().updated(&response("t", 1, 1, 5), false);
        assert_eq!(known.leader(&partition).map(|(node, epoch)| (node.id.0, epoch.0)), Some((1, 5)));
        let behind = known.updated(&response("t", 1, 0, 4), false);
        assert_eq!(behind.partition(&partition).unwrap().leader, Some(BrokerId(1)));
        let made_again = known.updated(&response("t", 2, -1, 0), false);
        assert_eq!(made_again.partition(&partition).unwrap().leader, None);
    }

    #[test]
    fn topics_are_kept_until_all_are_told() {
        let known = Metadata::default().updated(&response("a", 1, 1, 0), false).updated(&response("b", 2, 1, 0), false);
        assert_eq!(known.topics.len(), 2);
        assert_eq!(known.updated(&response("b", 2, 1, 0), true).topics.len(), 1);
    }

    #[test]
    fn nodes_print_as_in_java() {
        let node = Node { id: BrokerId(-1), address: HostPort::new("localhost", 9092), rack: None };
        assert_eq!(node.to_string(), "localhost:9092 (id: -1 rack: null)");
    }
}
