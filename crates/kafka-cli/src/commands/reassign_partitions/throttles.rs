//! Throttles: rates of brokers, and the replicas of topics that they hold for.

use std::collections::{BTreeMap, BTreeSet};

use kafka_client::Admin;
use kafka_client::admin::{AlterConfig, ConfigResource, Reassignment};
use kafka_types::{BrokerId, TopicPartition};

use super::Ended;
use super::plan::{Plan, joined};
use crate::java_order;
use crate::output::Console;

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const DIRS_RATE: &str = "replica.alter.log.dirs.io.max.bytes.per.second";
const LEADERS: &str = "leader.replication.throttled.replicas";
const FOLLOWERS: &str = "follower.replication.throttled.replicas";

/// From which brokers a partition comes, and to which.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Way {
    from: BTreeSet<BrokerId>,
    to: BTreeSet<BrokerId>,
}

/// All that moves: what is under way, and what is about to begin.
pub(super) fn moves(
    moving: &BTreeMap<TopicPartition, Reassignment>,
    goals: &BTreeMap<TopicPartition, Vec<BrokerId>>,
    current: &BTreeMap<TopicPartition, Vec<BrokerId>>,
) -> BTreeMap<TopicPartition, Way> {
    let way = |one: &Reassignment| Way {
        from: one.replicas.iter().copied().filter(|id| !one.adding.contains(id)).collect(),
        to: one.adding.iter().copied().collect(),
    };
    let mut ways: BTreeMap<TopicPartition, Way> =
        moving.iter().map(|(partition, one)| (partition.clone(), way(one))).collect();
    for (partition, goal) in goals {
        let way = ways.entry(partition.clone()).or_insert_with(|| Way {
            from: current.get(partition).into_iter().flatten().copied().collect(),
            to: BTreeSet::new(),
        });
        way.to = goal.iter().copied().filter(|id| !way.from.contains(id)).collect();
    }
    ways
}

/// `partition:broker` of one topic, in the order of their texts.
fn replicas(ways: &BTreeMap<TopicPartition, Way>, topic: &str, of: impl Fn(&Way) -> &BTreeSet<BrokerId>) -> String {
    let of_topic = ways.iter().filter(|(partition, _)| *partition.topic == *topic);
    let pairs: BTreeSet<String> = of_topic
        .flat_map(|(partition, way)| of(way).iter().map(|id| format!("{}:{id}", partition.partition)))
        .collect();
    pairs.into_iter().collect::<Vec<_>>().join(",")
}

fn set(name: &str, value: String) -> AlterConfig {
    AlterConfig::Set(name.to_owned(), value)
}

/// Holds what moves between brokers back to a rate, in bytes per second.
pub(super) async fn between_brokers(
    admin: &Admin,
    ways: &BTreeMap<TopicPartition, Way>,
    rate: i64,
    console: &mut Console,
) -> Result<(), Ended> {
    let topics: BTreeSet<String> = ways.keys().map(|partition| partition.topic.to_string()).collect();
    for topic in topics {
        let changes = [
            set(LEADERS, replicas(ways, &topic, |way| &way.from)),
            set(FOLLOWERS, replicas(ways, &topic, |way| &way.to)),
        ];
        admin.alter_config(&ConfigResource::Topic(topic), &changes).await?;
    }
    let brokers: BTreeSet<BrokerId> = ways.values().flat_map(|way| way.from.union(&way.to).copied()).collect();
    for broker in brokers {
        let changes = [set(LEADER_RATE, rate.to_string()), set(FOLLOWER_RATE, rate.to_string())];
        admin.alter_config(&ConfigResource::Broker(broker), &changes).await?;
    }
    console.line(&format!("The inter-broker throttle limit was set to {rate} B/s"));
    Ok(())
}

/// Holds what moves between directories of these brokers back to a rate, in bytes per second.
pub(super) async fn between_dirs(
    admin: &Admin,
    brokers: impl Iterator<Item = BrokerId>,
    rate: i64,
    console: &mut Console,
) -> Result<(), Ended> {
    for broker in brokers.collect::<BTreeSet<_>>() {
        admin.alter_config(&ConfigResource::Broker(broker), &[set(DIRS_RATE, rate.to_string())]).await?;
    }
    console.line(&format!("The replica-alter-dir throttle limit was set to {rate} B/s"));
    Ok(())
}

/// Lifts all throttles of the plan's topics and of all brokers: who was a source of a move that is over nobody knows.
pub(super) async fn clear(admin: &Admin, plan: &Plan, console: &mut Console) -> Result<(), Ended> {
    let mut brokers: BTreeSet<BrokerId> =
        admin.describe_cluster().await?.brokers.iter().map(|broker| broker.id).collect();
    brokers.extend(plan.partitions.iter().flat_map(|(_, replicas)| replicas.iter().copied()));
    let brokers = java_order::of_map(brokers.into_iter().collect(), |id: &BrokerId| id.0);
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let text = joined(&brokers, ",");
    console.line(&format!("Clearing broker-level throttles on broker{} {text}", plural(brokers.len())));
    let delete = |names: &[&str]| -> Vec<AlterConfig> {
        names.iter().map(|name| AlterConfig::Delete((*name).to_owned())).collect()
    };
    for broker in brokers {
        let changes = delete(&[LEADER_RATE, FOLLOWER_RATE, DIRS_RATE]);
        admin.alter_config(&ConfigResource::Broker(broker), &changes).await?;
    }
    let topics = plan.topics();
    console.line(&format!("Clearing topic-level throttles on topic{} {}", plural(topics.len()), topics.join(",")));
    for topic in topics {
        admin.alter_config(&ConfigResource::Topic(topic), &delete(&[LEADERS, FOLLOWERS])).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[i32]) -> Vec<BrokerId> {
        ids.iter().copied().map(BrokerId).collect()
    }

    #[test]
    fn sources_and_goals_are_throttled_where_they_are() {
        let partition = |number| TopicPartition::new("foo", number);
        let moving = BTreeMap::from([(
            partition(1),
            Reassignment { replicas: ids(&[3, 1]), adding: ids(&[3]), removing: ids(&[1]) },
        )]);
        let goals =
            BTreeMap::from([(partition(0), ids(&[0])), (partition(1), ids(&[1, 2])), (partition(10), ids(&[4]))]);
        let current =
            BTreeMap::from([(partition(0), ids(&[1, 0])), (partition(1), ids(&[3, 1])), (partition(10), ids(&[2]))]);
        let ways = moves(&moving, &goals, &current);
        assert_eq!(replicas(&ways, "foo", |way| &way.from), "0:0,0:1,10:2,1:1");
        assert_eq!(replicas(&ways, "foo", |way| &way.to), "10:4,1:2");
        assert_eq!(replicas(&ways, "bar", |way| &way.to), "");
    }
}
