//! The names of kafka_exporter: brokers, partitions, and how far groups are behind. Each broker tells of the partitions
//! that it leads and the groups that it coordinates, so that the series of all brokers together are the cluster's.

use std::collections::BTreeMap;
use std::fmt::Display;

use kafka_metadata::PartitionImage;
use kafka_types::TopicPartition;

use super::Facts;
use super::facts::ReplicaFacts;
use super::text::{Kind, Text};

/// Name, what it tells, and its number.
type PartitionMetric = (&'static str, &'static str, fn(&ReplicaFacts, &PartitionImage) -> i64);

/// The brokers that live.
pub(super) fn cluster(text: &mut Text, facts: &Facts) {
    let brokers = facts.image.brokers();
    text.single("kafka_brokers", Kind::Gauge, "Brokers in the cluster.", brokers.len());
    let name = "kafka_broker_info";
    text.metric(name, Kind::Gauge, "A broker, by its id and address.");
    for (id, broker) in brokers {
        let address = broker.endpoints.first().map_or(String::new(), |at| format!("{}:{}", at.host, at.port));
        text.sample(name, &[("id", id), ("address", &address)], 1);
    }
}

/// Topics and partitions.
pub(super) fn topics(text: &mut Text, facts: &Facts) {
    let name = "kafka_topic_partitions";
    text.metric(name, Kind::Gauge, "Partitions of a topic.");
    for topic in facts.image.topics() {
        text.sample(name, &[("topic", &topic.name)], topic.partitions.len());
    }
    let metrics: [PartitionMetric; 7] = [
        ("current_offset", "Where the committed records end.", |replica, _| replica.high_watermark.0),
        ("oldest_offset", "Where the records begin.", |replica, _| replica.log_start.0),
        ("in_sync_replica", "Replicas in sync.", |_, image| image.isr.len() as i64),
        ("leader", "Id of the broker that leads.", |_, image| i64::from(image.leader.0)),
        ("leader_is_preferred", "1 if the first replica leads.", |_, image| {
            i64::from(image.replicas.first() == Some(&image.leader))
        }),
        ("replicas", "Replicas.", |_, image| image.replicas.len() as i64),
        ("under_replicated_partition", "1 if a replica is not in sync.", |_, image| {
            i64::from(image.isr.len() < image.replicas.len())
        }),
    ];
    for (what, help, number) in metrics {
        let name = format!("kafka_topic_partition_{what}");
        text.metric(&name, Kind::Gauge, help);
        for (one, replica) in facts.led() {
            let Some(image) = facts.image.partition(&one.topic, one.partition) else { continue };
            let labels: [(&str, &dyn Display); 2] = [("topic", &one.topic), ("partition", &one.partition)];
            text.sample(&name, &labels, number(replica, image));
        }
    }
}

/// What groups have committed, and how far that is from the end. The end of a partition is known to who leads it.
pub(super) fn groups(text: &mut Text, facts: &Facts) {
    let name = "kafka_consumergroup_members";
    text.metric(name, Kind::Gauge, "Members of a group.");
    for group in &facts.groups {
        text.sample(name, &[("consumergroup", &group.group_id)], group.members);
    }
    let end = |one: &TopicPartition| facts.replicas.get(one).filter(|replica| replica.leads);
    let lag =
        |one: &TopicPartition, committed: i64| end(one).map(|replica| (replica.high_watermark.0 - committed).max(0));
    let committed = |_: &TopicPartition, committed: i64| Some(committed);
    series(text, facts, ("current_offset", "Offset that a group has committed"), committed);
    series(text, facts, ("lag", "Records that a group has still to read"), lag);
}

/// One number per partition, and their sum per topic.
fn series(
    text: &mut Text,
    facts: &Facts,
    (what, help): (&str, &str),
    number: impl Fn(&TopicPartition, i64) -> Option<i64>,
) {
    let name = format!("kafka_consumergroup_{what}");
    text.metric(&name, Kind::Gauge, &format!("{help}, by partition."));
    let mut sums: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for group in &facts.groups {
        for (one, offset) in &group.offsets {
            let Some(value) = number(one, offset.0) else { continue };
            *sums.entry((&group.group_id, &one.topic)).or_default() += value;
            let labels: [(&str, &dyn Display); 3] =
                [("consumergroup", &group.group_id), ("topic", &one.topic), ("partition", &one.partition)];
            text.sample(&name, &labels, value);
        }
    }
    let name = format!("{name}_sum");
    text.metric(&name, Kind::Gauge, &format!("{help}, by topic."));
    for ((group, topic), sum) in sums {
        text.sample(&name, &[("consumergroup", &group), ("topic", &topic)], sum);
    }
}
