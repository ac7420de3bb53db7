//! What a broker knows of the cluster: an immutable picture that every UpdateMetadata replaces by a new one.
//!
//! Readers hold an `Arc<MetadataImage>` and are never disturbed; a new picture shares everything that did not change
//! with the old one.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_types::{BrokerId, ControllerEpoch, LeaderEpoch, PartitionEpoch, TopicName, TopicPartition, Uuid};

use crate::endpoint::Endpoint;

/// A living broker as the controller describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its number.
    pub id: BrokerId,
    /// Where it is reached, listener by listener.
    pub endpoints: Vec<Endpoint>,
    /// Where it stands.
    pub rack: Option<String>,
}

impl Broker {
    /// Its endpoint on a listener, by the listener's name in capitals.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.listener == listener)
    }
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionImage {
    /// The controller that decided this.
    pub controller_epoch: ControllerEpoch,
    /// The leader; [`BrokerId::NONE`] if there is none.
    pub leader: BrokerId,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// Who is in sync.
    pub isr: Vec<BrokerId>,
    /// Version of the state znode.
    pub partition_epoch: PartitionEpoch,
    /// Who holds it.
    pub replicas: Vec<BrokerId>,
    /// Those among `replicas` that are dead or lost its directory.
    pub offline: Vec<BrokerId>,
}

/// What UpdateMetadata says of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionUpdate {
    /// Which.
    pub partition: i32,
    /// What it is now. A leader of [`MetadataUpdate::DELETED`] says that it is gone.
    pub image: PartitionImage,
}

/// What UpdateMetadata says of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicUpdate {
    /// Its name.
    pub name: TopicName,
    /// Its id; [`Uuid::ZERO`] if the sender knew none.
    pub id: Uuid,
    /// The partitions that changed.
    pub partitions: Vec<PartitionUpdate>,
}

/// The content of an UpdateMetadata request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataUpdate {
    /// Who sent it.
    pub controller: BrokerId,
    /// The sender's epoch.
    pub controller_epoch: ControllerEpoch,
    /// All brokers that live: who is not in it is dead.
    pub brokers: Vec<Broker>,
    /// What changed.
    pub topics: Vec<TopicUpdate>,
}

impl MetadataUpdate {
    /// The "leader" of a partition that is being deleted.
    pub const DELETED: BrokerId = BrokerId(-2);
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicImage {
    /// Its name.
    pub name: TopicName,
    /// Its id; [`Uuid::ZERO`] if it is not known.
    pub id: Uuid,
    /// Its partitions by number.
    pub partitions: BTreeMap<i32, PartitionImage>,
}

/// The cluster as one broker knows it.
#[derive(Debug, Clone, Default)]
pub struct MetadataImage {
    controller: Option<BrokerId>,
    brokers: Arc<BTreeMap<BrokerId, Broker>>,
    topics: Arc<BTreeMap<TopicName, Arc<TopicImage>>>,
    names: Arc<BTreeMap<Uuid, TopicName>>,
}

impl MetadataImage {
    /// Knows nothing yet.
    pub fn empty() -> MetadataImage {
        MetadataImage::default()
    }

    /// The controller that the last update came from.
    pub fn controller(&self) -> Option<BrokerId> {
        self.controller
    }

    /// The living brokers by id.
    pub fn brokers(&self) -> &BTreeMap<BrokerId, Broker> {
        &self.brokers
    }

    /// A living broker.
    pub fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.brokers.get(&id)
    }

    /// Does the broker live?
    pub fn is_alive(&self, id: BrokerId) -> bool {
        self.brokers.contains_key(&id)
    }

    /// Where a living broker is reached on a listener.
    pub fn endpoint(&self, id: BrokerId, listener: &str) -> Option<&Endpoint> {
        self.broker(id)?.endpoint(listener)
    }

    /// All topics by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.values()
    }

    /// How many topics there are.
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(name)
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.topic(self.names.get(&id)?)
    }

    /// The id of a topic, if both are known.
    pub fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.topic(name).map(|topic| topic.id).filter(|id| !id.is_zero())
    }

    /// A partition.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&PartitionImage> {
        self.topic(topic)?.partitions.get(&partition)
    }

    /// The leader of a partition and where it is reached on a listener; `None` if there is no leader, it is dead, or it
    /// has no such listener.
    pub fn leader(&self, topic: &str, partition: i32, listener: &str) -> Option<(BrokerId, &Endpoint)> {
        let leader = self.partition(topic, partition)?.leader;
        Some((leader, self.endpoint(leader, listener)?))
    }

    /// The picture after an update, and the partitions that it says are gone.
    pub fn apply(&self, update: &MetadataUpdate) -> (MetadataImage, Vec<TopicPartition>) {
        let mut next = self.clone();
        let mut deleted = Vec::new();
        next.controller = (update.controller != BrokerId::NONE).then_some(update.controller);
        if !self.brokers.values().eq(update.brokers.iter()) {
            next.brokers = Arc::new(update.brokers.iter().map(|broker| (broker.id, broker.clone())).collect());
        }
        if !update.topics.is_empty() {
            let topics = Arc::make_mut(&mut next.topics);
            let names = Arc::make_mut(&mut next.names);
            for topic in &update.topics {
                apply_topic(topics, names, topic, &mut deleted);
            }
        }
        (next, deleted)
    }
}

fn apply_topic(
    topics: &mut BTreeMap<TopicName, Arc<TopicImage>>,
    names: &mut BTreeMap<Uuid, TopicName>,
    update: &TopicUpdate,
    deleted: &mut Vec<TopicPartition>,
) {
    let slot = topics.entry(update.name.clone()).or_insert_with(|| {
        Arc::new(TopicImage { name: update.name.clone(), id: update.id, partitions: BTreeMap::new() })
    });
    let topic = Arc::make_mut(slot);
    if !update.id.is_zero() {
        if topic.id != update.id {
            // A topic that was deleted and created again between two updates: the old id must not find it.
            names.remove(&topic.id);
            topic.id = update.id;
        }
        names.insert(update.id, update.name.clone());
    }
    for one in &update.partitions {
        if one.image.leader == MetadataUpdate::DELETED {
            topic.partitions.remove(&one.partition);
            deleted.push(TopicPartition::new(update.name.clone(), one.partition));
        } else {
            topic.partitions.insert(one.partition, one.image.clone());
        }
    }
    if topic.partitions.is_empty() {
        names.remove(&topic.id);
        topics.remove(&update.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::SecurityProtocol;

    fn broker(id: i32) -> Broker {
        let protocol = SecurityProtocol::Plaintext;
        let endpoint = Endpoint { listener: "PLAINTEXT".into(), protocol, host: "h".into(), port: 9092 + id };
        Broker { id: BrokerId(id), endpoints: vec![endpoint], rack: None }
    }

    fn partition(partition: i32, leader: i32) -> PartitionUpdate {
        let image = PartitionImage {
            controller_epoch: ControllerEpoch(1),
            leader: BrokerId(leader),
            leader_epoch: LeaderEpoch(0),
            isr: vec![BrokerId(0)],
            partition_epoch: PartitionEpoch(0),
            replicas: vec![BrokerId(0)],
            offline: vec![],
        };
        PartitionUpdate { partition, image }
    }

    fn update(brokers: Vec<Broker>, topics: Vec<TopicUpdate>) -> MetadataUpdate {
        MetadataUpdate { controller: BrokerId(0), controller_epoch: ControllerEpoch(1), brokers, topics }
    }

    fn topic(name: &str, id: u8, partitions: Vec<PartitionUpdate>) -> TopicUpdate {
        TopicUpdate { name: name.into(), id: Uuid([id; 16]), partitions }
    }

    #[test]
    fn a_topic_comes_changes_and_goes() {
        let (image, gone) = MetadataImage::empty().apply(&update(vec![broker(0)], vec![]));
        assert!(gone.is_empty());
        let two = topic("t", 1, vec![partition(0, 0), partition(1, -1)]);
        let (image, _) = image.apply(&update(vec![broker(0)], vec![two]));
        assert_eq!(image.leader("t", 0, "PLAINTEXT").map(|found| found.1.port), Some(9092));
        assert_eq!(image.leader("t", 1, "PLAINTEXT"), None);
        assert_eq!(image.leader("t", 0, "SSL"), None);
        assert_eq!(image.topic_by_id(Uuid([1; 16])).map(|topic| topic.partitions.len()), Some(2));

        let (next, gone) =
            image.apply(&update(vec![broker(0)], vec![topic("t", 1, vec![partition(0, -2), partition(1, -2)])]));
        assert_eq!(gone.len(), 2);
        assert!(next.topic("t").is_none() && next.topic_by_id(Uuid([1; 16])).is_none());
        assert_eq!(image.topic("t").map(|topic| topic.partitions.len()), Some(2), "the old picture stays");
    }

    #[test]
    fn a_topic_with_a_new_id_is_not_found_by_the_old_one() {
        let (image, _) = MetadataImage::empty().apply(&update(vec![], vec![topic("t", 1, vec![partition(0, 0)])]));
        let (image, _) = image.apply(&update(vec![], vec![topic("t", 2, vec![partition(0, 0)])]));
        assert!(image.topic_by_id(Uuid([1; 16])).is_none());
        assert_eq!(image.topic_id("t"), Some(Uuid([2; 16])));
    }

    #[test]
    fn brokers_are_replaced_and_topics_shared() {
        let (first, _) = MetadataImage::empty()
            .apply(&update(vec![broker(0), broker(1)], vec![topic("t", 1, vec![partition(0, 1)])]));
        let (second, _) = first.apply(&update(vec![broker(0)], vec![]));
        assert!(!second.is_alive(BrokerId(1)));
        assert_eq!(second.leader("t", 0, "PLAINTEXT"), None, "its leader is dead");
        assert!(Arc::ptr_eq(&first.topics, &second.topics));
    }
}
