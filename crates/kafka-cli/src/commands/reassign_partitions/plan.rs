//! Files that say what shall be where, and assignments as such files hold them.

use std::collections::{BTreeMap, BTreeSet};

use kafka_types::{BrokerId, TopicPartition};
use serde_json::Value;

use super::{COMMAND_FAILED, Ended, OPERATION};
use crate::java_order;
use crate::json;
use crate::options::Options;
use crate::settings::{self, FileError};

/// A directory that is nobody's wish.
const ANY: &str = "any";

/// A replica by its partition and broker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Replica {
    pub(super) broker: BrokerId,
    pub(super) partition: TopicPartition,
}

impl std::fmt::Display for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.partition, self.broker)
    }
}

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Partitions with their replicas, as they stand there.
    pub(super) partitions: Vec<(TopicPartition, Vec<BrokerId>)>,
    /// Replicas that shall lie in a certain directory.
    pub(super) dirs: BTreeMap<Replica, String>,
}

impl Plan {
    /// Each partition once, each with replicas, each of these once.
    ///
    /// # Errors
    /// If it is otherwise.
    pub(super) fn executable(&self) -> Result<BTreeMap<TopicPartition, Vec<BrokerId>>, Ended> {
        let failed = |message: String| Err(Ended::thrown(COMMAND_FAILED, message));
        if self.partitions.is_empty() {
            return failed("Partition reassignment list cannot be empty".to_owned());
        }
        if self.partitions.iter().any(|(_, replicas)| replicas.is_empty()) {
            return failed("Partition replica list cannot be empty".to_owned());
        }
        let twins = twins(self.partitions.iter().map(|(partition, _)| partition.clone()));
        if !twins.is_empty() {
            let twins = java_order::of_map(twins, java_order::hash_of_partition);
            let twins: Vec<String> = twins.iter().map(ToString::to_string).collect();
            return failed(format!("Partition reassignment contains duplicate topic partitions: {}", twins.join(",")));
        }
        let doubled: Vec<String> = self.partitions.iter().filter_map(of_doubled).collect();
        if !doubled.is_empty() {
            let doubled = doubled.join(". ");
            return failed(format!("Partition replica lists may not contain duplicate entries: {doubled}"));
        }
        Ok(self.partitions.iter().cloned().collect())
    }

    /// The topics, in the order of a Java set.
    pub(super) fn topics(&self) -> Vec<String> {
        let topics: BTreeSet<String> = self.partitions.iter().map(|(one, _)| one.topic.to_string()).collect();
        java_order::of_map(topics.into_iter().collect(), |topic: &String| java_order::hash_of_string(topic))
    }
}

fn of_doubled((partition, replicas): &(TopicPartition, Vec<BrokerId>)) -> Option<String> {
    let twins = twins(replicas.iter().copied());
    let twins = joined(&java_order::of_map(twins, |id: &BrokerId| id.0), ",");
    (!twins.is_empty()).then(|| format!("{partition} contains multiple entries for {twins}"))
}

/// What comes more than once.
pub(super) fn twins<T: Ord + Clone>(all: impl Iterator<Item = T>) -> Vec<T> {
    let (mut seen, mut twins) = (BTreeSet::new(), BTreeSet::new());
    for one in all {
        if !seen.insert(one.clone()) {
            twins.insert(one);
        }
    }
    twins.into_iter().collect()
}

pub(super) fn joined(ids: &[BrokerId], separator: &str) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

/// A file's text.
pub(super) fn file(options: &Options, option: &str) -> Result<Vec<u8>, Ended> {
    let path = options.one(option)?.unwrap_or_default();
    settings::read_file(path).map_err(|error| Ended::Thrown {
        class: "java.io.IOException".to_owned(),
        message: format!("Unable to read file {path}"),
        causes: vec![match &error {
            FileError::Missing(path) => ("java.nio.file.NoSuchFileException".to_owned(), path.clone()),
            other => ("java.nio.file.FileSystemException".to_owned(), other.to_string()),
        }],
    })
}

/// The plan that the options name.
pub(super) fn read(options: &Options) -> Result<Plan, Ended> {
    parse(&file(options, "reassignment-json-file")?)
}

fn parse(text: &[u8]) -> Result<Plan, Ended> {
    const PARSING: &str = "com.fasterxml.jackson.core.JsonParseException";
    let value: Value = serde_json::from_slice(text).map_err(|error| {
        let message = complaint(text, &error);
        Ended::Thrown {
            class: OPERATION.to_owned(),
            message: message.clone(),
            causes: vec![(PARSING.to_owned(), message)],
        }
    })?;
    check_version(&value)?;
    let mut plan = Plan::default();
    let Some(listed) = value.get("partitions") else { return Ok(plan) };
    for entry in json::array(listed)? {
        let topic = json::string(json::field(entry, "topic")?)?;
        let partition = TopicPartition::new(topic, json::int(json::field(entry, "partition")?)?);
        let ids = json::array(json::field(entry, "replicas")?)?;
        let replicas: Vec<BrokerId> = ids.iter().map(|id| json::int(id).map(BrokerId)).collect::<Result<_, _>>()?;
        if let Some(dirs) = entry.get("log_dirs") {
            let dirs: Vec<&str> = json::array(dirs)?.iter().map(json::string).collect::<Result<_, _>>()?;
            if dirs.len() != replicas.len() {
                let message = format!(
                    "Size of replicas list [{}] is different from size of log dirs list [{}] for partition {partition}",
                    joined(&replicas, ", "),
                    dirs.join(", ")
                );
                return Err(Ended::thrown(COMMAND_FAILED, message));
            }
            for (broker, dir) in replicas.iter().zip(dirs).filter(|(_, dir)| *dir != ANY) {
                let replica = Replica { broker: *broker, partition: partition.clone() };
                plan.dirs.insert(replica, dir.to_owned());
            }
        }
        plan.partitions.push((partition, replicas));
    }
    Ok(plan)
}

pub(super) fn check_version(value: &Value) -> Result<(), Ended> {
    let version = json::object(value)?.get("version").map_or(Ok(1), json::int)?;
    if version == 1 {
        Ok(())
    } else {
        Err(Ended::thrown(OPERATION, format!("Not supported version field value {version}")))
    }
}

/// What is wrong with a text that is no JSON: where it is a word that JSON does not know or there is no text at all, in
/// Jackson's words.
fn complaint(text: &[u8], error: &serde_json::Error) -> String {
    const SOURCE: &str = "[Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)";
    let text = String::from_utf8_lossy(text);
    if text.is_empty() {
        return "The input string shouldn't be empty\n at [Source: UNKNOWN; byte offset: #UNKNOWN]".to_owned();
    }
    let begins = text.len() - text.trim_start().len();
    let word: String = text[begins..].chars().take_while(|c| c.is_alphanumeric() || "_$".contains(*c)).collect();
    if word.starts_with(|c: char| c.is_alphabetic()) && !["null", "true", "false"].contains(&word.as_str()) {
        let before = &text[..begins];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + word.chars().count() + 1;
        return format!(
            "Unrecognized token '{word}': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or \
             'false')\n at {SOURCE}; line: {line}, column: {column}]"
        );
    }
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    format!("{said}\n at {SOURCE}; line: {}, column: {}]", error.line(), error.column())
}

/// An assignment as a file of it, in one line.
pub(super) fn to_json(assignment: &BTreeMap<TopicPartition, Vec<BrokerId>>) -> String {
    let one = |(partition, replicas): (&TopicPartition, &Vec<BrokerId>)| {
        let dirs = vec![format!("\"{ANY}\""); replicas.len()].join(",");
        format!(
            "{{\"topic\":{},\"partition\":{},\"replicas\":[{}],\"log_dirs\":[{dirs}]}}",
            Value::from(partition.topic.to_string()),
            partition.partition,
            joined(replicas, ",")
        )
    };
    let partitions: Vec<String> = assignment.iter().map(one).collect();
    format!("{{\"version\":1,\"partitions\":[{}]}}", partitions.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let ended = parse(text.as_bytes()).and_then(|plan| plan.executable()).expect_err("it cannot be used");
        let Ended::Thrown { message, .. } = ended else { panic!("{ended:?}") };
        message
    }

    #[test]
    fn a_plan_names_replicas_and_directories() {
        let text = r#"{"partitions":[{"topic":"t","partition":3,"replicas":[1,0],"log_dirs":["any","/d"]}]}"#;
        let plan = parse(text.as_bytes()).expect("a plan");
        let partition = TopicPartition::new("t", 3);
        assert_eq!(plan.partitions, [(partition.clone(), vec![BrokerId(1), BrokerId(0)])]);
        let replica = Replica { broker: BrokerId(0), partition: partition.clone() };
        assert_eq!(replica.to_string(), "t-3-0");
        assert_eq!(plan.dirs, BTreeMap::from([(replica, "/d".to_owned())]));
        let back = to_json(&plan.executable().expect("legal"));
        assert_eq!(
            back,
            r#"{"version":1,"partitions":[{"topic":"t","partition":3,"replicas":[1,0],"log_dirs":["any","any"]}]}"#
        );
        assert_eq!(parse(b"{}"), Ok(Plan::default()));
    }

    #[test]
    fn mistakes_are_told_in_apaches_words() {
        assert_eq!(message("{}"), "Partition reassignment list cannot be empty");
        let of = |rest: &str| format!(r#"{{"partitions":[{rest}]}}"#);
        let one = |partition: i32, replicas: &str| {
            format!(r#"{{"topic":"foo","partition":{partition},"replicas":[{replicas}]}}"#)
        };
        assert_eq!(message(&of(&one(0, ""))), "Partition replica list cannot be empty");
        assert_eq!(
            message(&of(&format!("{},{}", one(0, "1"), one(0, "2")))),
            "Partition reassignment contains duplicate topic partitions: foo-0"
        );
        assert_eq!(
            message(&of(&format!("{},{}", one(0, "0,0"), one(1, "0,0,0,1,1")))),
            "Partition replica lists may not contain duplicate entries: foo-0 contains multiple entries for 0. foo-1 \
             contains multiple entries for 0,1"
        );
        assert_eq!(message(&of(&one(0, "\"a\""))), "Expected `Integer` value, received \"a\"");
        assert_eq!(message(r#"{"version":2}"#), "Not supported version field value 2");
        let dirs = r#"{"topic":"foo","partition":0,"replicas":[0],"log_dirs":["any","any"]}"#;
        assert_eq!(
            message(&of(dirs)),
            "Size of replicas list [0] is different from size of log dirs list [any, any] for partition foo-0"
        );
        assert_eq!(
            message("\n  rubbish here"),
            "Unrecognized token 'rubbish': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or \
             'false')\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 2, column: \
             10]"
        );
        for broken in ["", "}", "{", "{\"partitions\":[", "nul", "\u{fffd}", "\"", "[1,", "1 2"] {
            assert!(message(broken).contains("\n at [Source: "), "{broken:?}");
        }
        for other in ["[]", "7", "null"] {
            assert_eq!(message(other), format!("Expected JSON object, received {other}"));
        }
    }
}
