//! A proposal: the topics' partitions, spread anew over some brokers.

use std::collections::BTreeMap;

use kafka_client::Admin;
use kafka_metadata::placement::{Candidate, Placement, PlacementError, place};
use kafka_types::{BrokerId, TopicPartition};
use serde_json::Value;

use super::plan::{self, check_version, to_json, twins};
use super::states::describe;
use super::{COMMAND_FAILED, Ended, OPERATION};
use crate::java_order;
use crate::json;
use crate::options::Options;
use crate::output::Console;

type Assignment = BTreeMap<TopicPartition, Vec<BrokerId>>;

pub(super) async fn generate(admin: &Admin, options: &Options, console: &mut Console) -> Result<(), Ended> {
    let text = plan::file(options, "topics-to-move-json-file")?;
    let brokers = broker_list(options.one("broker-list")?.unwrap_or_default())?;
    let topics = topics(&text)?;
    let described = describe(admin, &topics).await?;
    let mut current = Assignment::new();
    for topic in described.values() {
        for partition in &topic.partitions {
            current.insert(TopicPartition::new(topic.name.clone(), partition.partition), partition.replicas.clone());
        }
    }
    let candidates = candidates(admin, &brokers, !options.has("disable-rack-aware")).await?;
    let proposed = propose(&current, &candidates, || random_below(candidates.len()))?;
    console.line(&format!("Current partition replica assignment\n{}\n", to_json(&current)));
    console.line(&format!("Proposed partition reassignment configuration\n{}", to_json(&proposed)));
    Ok(())
}

/// `0,1,2`, with nothing behind the last number but commas.
fn broker_list(text: &str) -> Result<Vec<BrokerId>, Ended> {
    let number = |word: &str| {
        let wrong = || Ended::thrown("java.lang.NumberFormatException", format!("For input string: \"{word}\""));
        word.parse().map(BrokerId).map_err(|_| wrong())
    };
    let numbers = if text.is_empty() { text } else { text.trim_end_matches(',') };
    let brokers: Vec<BrokerId> = numbers.split(',').map(number).collect::<Result<_, _>>()?;
    let twins = twins(brokers.iter().copied());
    if twins.is_empty() {
        return Ok(brokers);
    }
    let twins = plan::joined(&java_order::of_map(twins, |id: &BrokerId| id.0), ", ");
    Err(Ended::thrown(COMMAND_FAILED, format!("Broker list contains duplicate entries: [{twins}]")))
}

/// The topics that the file names.
fn topics(text: &[u8]) -> Result<Vec<String>, Ended> {
    let value: Value =
        serde_json::from_slice(text).map_err(|_| Ended::thrown(OPERATION, "The input string is not a valid JSON"))?;
    check_version(&value)?;
    let Some(listed) = value.get("topics") else { return Ok(Vec::new()) };
    let name = |entry: &Value| json::string(json::field(entry, "topic")?).map(str::to_owned);
    let topics: Vec<String> = json::array(listed)?.iter().map(name).collect::<Result<_, _>>()?;
    let twins = twins(topics.iter().cloned());
    if twins.is_empty() {
        return Ok(topics);
    }
    let twins = java_order::of_map(twins, |topic: &String| java_order::hash_of_string(topic)).join(", ");
    Err(Ended::thrown(COMMAND_FAILED, format!("List of topics to reassign contains duplicate entries: [{twins}]")))
}

/// Those of the brokers that live, with their racks if these count.
async fn candidates(admin: &Admin, wanted: &[BrokerId], with_racks: bool) -> Result<Vec<Candidate>, Ended> {
    let cluster = admin.describe_cluster().await?;
    let brokers = cluster.brokers.into_iter().filter(|broker| wanted.contains(&broker.id));
    let candidate = |rack: Option<String>, id| Candidate { id, rack: rack.filter(|_| with_racks) };
    let candidates: Vec<Candidate> = brokers.map(|broker| candidate(broker.rack, broker.id)).collect();
    let without = candidates.iter().filter(|candidate| candidate.rack.is_none()).count();
    if with_racks && without > 0 && without < candidates.len() {
        let message = "Not all brokers have rack information. Add --disable-rack-aware in command line to make replica \
                       assignment without rack information.";
        return Err(Ended::thrown(OPERATION, message));
    }
    Ok(candidates)
}

/// Each topic anew, with as many replicas as its first partition has; random numbers are indexes of brokers.
fn propose(
    current: &Assignment,
    candidates: &[Candidate],
    mut random: impl FnMut() -> usize,
) -> Result<Assignment, Ended> {
    let mut sizes: BTreeMap<&str, (i32, i32)> = BTreeMap::new();
    for (partition, replicas) in current {
        sizes.entry(&partition.topic).or_insert((0, replicas.len() as i32)).0 += 1;
    }
    let mut proposed = Assignment::new();
    for (topic, (partitions, replication_factor)) in sizes {
        let (start, shift) = if candidates.is_empty() { (0, 0) } else { (random(), random()) };
        let wanted = Placement { partitions, replication_factor, first_partition: 0, start, shift };
        let placed = place(candidates, wanted).map_err(|error| {
            let class = match error {
                PlacementError::NoPartitions => "org.apache.kafka.common.errors.InvalidPartitionsException",
                PlacementError::SomeRacksMissing => OPERATION,
                _ => "org.apache.kafka.common.errors.InvalidReplicationFactorException",
            };
            Ended::thrown(class, error.to_string())
        })?;
        proposed.extend(placed.into_iter().map(|(number, ids)| (TopicPartition::new(topic, number), ids)));
    }
    Ok(proposed)
}

fn random_below(end: usize) -> usize {
    getrandom::u64().map_or(0, |number| number as usize % end.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_brokers_are_read_as_java_reads_them() {
        assert_eq!(broker_list("0,2,,"), Ok(vec![BrokerId(0), BrokerId(2)]));
        let message = |text: &str| match broker_list(text) {
            Err(Ended::Thrown { message, .. }) => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(message("0,,2"), "For input string: \"\"");
        assert_eq!(message(""), "For input string: \"\"");
        assert_eq!(message("a"), "For input string: \"a\"");
        assert_eq!(message("3,1,1,3"), "Broker list contains duplicate entries: [1, 3]");
    }

    #[test]
    fn a_proposal_keeps_the_number_of_replicas() {
        let of = |topic: &str, number, ids: &[i32]| {
            (TopicPartition::new(topic, number), ids.iter().copied().map(BrokerId).collect::<Vec<_>>())
        };
        let current = Assignment::from([of("a", 0, &[0]), of("a", 1, &[0]), of("b", 0, &[0, 1])]);
        let candidate = |id| Candidate { id: BrokerId(id), rack: None };
        let proposed = propose(&current, &[candidate(1), candidate(2)], || 1).expect("possible");
        assert_eq!(proposed, Assignment::from([of("a", 0, &[2]), of("a", 1, &[1]), of("b", 0, &[2, 1])]));
        let Err(Ended::Thrown { message, .. }) = propose(&current, &[], || 0) else { panic!("no brokers") };
        assert_eq!(message, "Replication factor: 1 larger than available brokers: 0.");
    }
}
