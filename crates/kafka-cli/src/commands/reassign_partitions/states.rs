//! How far moves are: told of all, or of those of a plan.

use std::collections::{BTreeMap, BTreeSet};

use kafka_client::Admin;
use kafka_client::TopicInfo;
use kafka_client::admin::{Reassignment, TopicSelection};
use kafka_types::{BrokerId, ErrorCode, TopicPartition};

use super::plan::{Plan, Replica, joined};
use super::{Ended, throttles};
use crate::output::Console;

const UNKNOWN: &str = "org.apache.kafka.common.errors.UnknownTopicOrPartitionException";

/// All moves that are under way, by partition.
pub(super) async fn moving(admin: &Admin) -> Result<BTreeMap<TopicPartition, Reassignment>, Ended> {
    Ok(admin.list_partition_reassignments().await?.into_iter().collect())
}

/// Topics by name.
///
/// # Errors
/// If one of them is not there.
pub(super) async fn describe(admin: &Admin, topics: &[String]) -> Result<BTreeMap<String, TopicInfo>, Ended> {
    let mut found = BTreeMap::new();
    for (name, topic) in describe_each(admin, topics).await? {
        let topic = topic.ok_or_else(|| Ended::executed(UNKNOWN, &format!("Topic {name} not found.")))?;
        found.insert(name, topic);
    }
    Ok(found)
}

/// Topics by name; nothing for those that are not there.
async fn describe_each(admin: &Admin, topics: &[String]) -> Result<Vec<(String, Option<TopicInfo>)>, Ended> {
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let (outcomes, _) = admin.describe_topics(TopicSelection::Names(topics)).await?;
    let known = |(name, outcome): (String, Result<TopicInfo, kafka_client::Error>)| match outcome {
        Ok(topic) => Ok((name, Some(topic))),
        Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => Ok((name, None)),
        Err(error) => Err(Ended::from(error)),
    };
    outcomes.into_iter().map(known).collect()
}

/// Tells what is being moved.
pub(super) async fn list(admin: &Admin, console: &mut Console) -> Result<(), Ended> {
    let moving = moving(admin).await?;
    if moving.is_empty() {
        console.line("No partition reassignments found.");
        return Ok(());
    }
    console.line("Current partition reassignments:");
    for (partition, found) in moving {
        let some = |what: &str, ids: &[BrokerId]| {
            if ids.is_empty() { String::new() } else { format!(" {what}: {}.", joined(ids, ",")) }
        };
        console.line(&format!(
            "{partition}: replicas: {}.{}{}",
            joined(&found.replicas, ","),
            some("adding", &found.adding),
            some("removing", &found.removing)
        ));
    }
    Ok(())
}

/// Tells how far the moves of a plan are; when nothing moves any more throttles are lifted.
pub(super) async fn verify(
    admin: &Admin,
    plan: &Plan,
    keep_throttles: bool,
    console: &mut Console,
) -> Result<(), Ended> {
    let moving = moving(admin).await?;
    let goals: BTreeMap<&TopicPartition, &Vec<BrokerId>> =
        plan.partitions.iter().map(|(partition, replicas)| (partition, replicas)).collect();
    let at_rest = goals.keys().filter(|partition| !moving.contains_key(**partition));
    let topics: BTreeSet<String> = at_rest.map(|partition| partition.topic.to_string()).collect();
    let topics: Vec<String> = topics.into_iter().collect();
    let described: BTreeMap<String, Option<TopicInfo>> = describe_each(admin, &topics).await?.into_iter().collect();
    console.line("Status of partition reassignment:");
    for (partition, goal) in goals {
        console.line(&if moving.contains_key(partition) {
            format!("Reassignment of partition {partition} is still in progress.")
        } else {
            let topic = described.get(&*partition.topic).and_then(Option::as_ref);
            let found = topic.and_then(|topic| topic.partition(partition.partition));
            at_rest_line(partition, found.map_or(&[], |found| &found.replicas), goal)
        });
    }
    let states = dir_states(admin, &plan.dirs).await?;
    let lines: Vec<String> = states.iter().map(|(replica, state)| state.line(replica, &plan.dirs[replica])).collect();
    console.line(&lines.join("\n"));
    let dirs_move = states.values().any(|state| matches!(state, DirState::Moving { .. }));
    if moving.is_empty() && !dirs_move && !keep_throttles {
        throttles::clear(admin, plan, console).await?;
    }
    Ok(())
}

fn at_rest_line(partition: &TopicPartition, replicas: &[BrokerId], goal: &[BrokerId]) -> String {
    if replicas == goal {
        return format!("Reassignment of partition {partition} is completed.");
    }
    format!(
        "There is no active reassignment of partition {partition}, but replica set is {} rather than {}.",
        joined(replicas, ","),
        joined(goal, ",")
    )
}

/// Where a replica lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DirState {
    /// Nowhere on its broker.
    Missing,
    /// In this directory, and it stays there.
    AtRest(String),
    /// On its way between two directories.
    Moving {
        /// Where it lies.
        from: String,
        /// Where it will lie.
        to: String,
    },
}

impl DirState {
    fn line(&self, replica: &Replica, wanted: &str) -> String {
        let Replica { broker, partition } = replica;
        match self {
            DirState::Missing => format!(
                "Partition {partition} is not found in any live log dir on broker {broker}. There is likely an offline \
                 log directory on the broker."
            ),
            DirState::AtRest(dir) if dir == wanted => {
                format!("Reassignment of replica {replica} completed successfully.")
            }
            DirState::AtRest(dir) => {
                format!("Partition {partition} on broker {broker} is not being moved from log dir {dir} to {wanted}.")
            }
            DirState::Moving { to, .. } if to == wanted => {
                format!("Reassignment of replica {replica} is still in progress.")
            }
            DirState::Moving { to, .. } => {
                format!("Partition {partition} on broker {broker} is being moved to log dir {to} instead of {wanted}.")
            }
        }
    }
}

/// Where these replicas lie, as their brokers say.
pub(super) async fn dir_states(
    admin: &Admin,
    replicas: &BTreeMap<Replica, String>,
) -> Result<BTreeMap<Replica, DirState>, Ended> {
    let mut states = BTreeMap::new();
    let brokers: BTreeSet<BrokerId> = replicas.keys().map(|replica| replica.broker).collect();
    for broker in brokers {
        let dirs = admin.describe_log_dirs(broker).await?;
        for replica in replicas.keys().filter(|replica| replica.broker == broker) {
            let lies = |future: bool| {
                let mut usable = dirs.iter().filter(|dir| dir.error.is_none());
                let holds = usable.find(|dir| {
                    dir.replicas.iter().any(|one| one.partition == replica.partition && one.is_future == future)
                });
                holds.map(|dir| dir.path.clone())
            };
            let state = match (lies(false), lies(true)) {
                (None, _) => DirState::Missing,
                (Some(dir), None) => DirState::AtRest(dir),
                (Some(from), Some(to)) => DirState::Moving { from, to },
            };
            states.insert(replica.clone(), state);
        }
    }
    Ok(states)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_in_apaches_words() {
        let replica = Replica { broker: BrokerId(4), partition: TopicPartition::new("t", 1) };
        let moving = DirState::Moving { from: "/a".to_owned(), to: "/b".to_owned() };
        assert_eq!(moving.line(&replica, "/b"), "Reassignment of replica t-1-4 is still in progress.");
        assert_eq!(
            moving.line(&replica, "/c"),
            "Partition t-1 on broker 4 is being moved to log dir /b instead of /c."
        );
        let there = DirState::AtRest("/a".to_owned());
        assert_eq!(there.line(&replica, "/a"), "Reassignment of replica t-1-4 completed successfully.");
        assert_eq!(there.line(&replica, "/b"), "Partition t-1 on broker 4 is not being moved from log dir /a to /b.");
        assert!(
            DirState::Missing.line(&replica, "/b").starts_with("Partition t-1 is not found in any live log dir on")
        );
        assert_eq!(
            at_rest_line(&replica.partition, &[], &[BrokerId(1), BrokerId(2)]),
            "There is no active reassignment of partition t-1, but replica set is  rather than 1,2."
        );
    }
}
