//! `kafka-log-dirs.sh`: what lies in the log directories of brokers, as one line of JSON.

use std::collections::BTreeSet;

use kafka_client::Error;
use kafka_client::admin::{LogDirDescription, ReplicaInfo};
use kafka_types::BrokerId;
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::options::{Opt, Options, Table};
use crate::output::Console;
use crate::start::{Introduction, Mistake};
use crate::{Invocation, admin, java_order};

const TABLE: Table = Table(&[
    Opt::value(
        "bootstrap-server",
        "String",
        "The server(s) to use for bootstrapping",
        "REQUIRED: brokers to begin with, as host:port,..",
    ),
    Opt::value("command-config", "String", "Admin client property file", "A file with settings of the admin client."),
    Opt::flag("describe", "Describes the log directories of brokers."),
    Opt::value("topic-list", "String", "Topic list", "The topics to show, as a,b,..; all if it is empty.").or(""),
    Opt::value("broker-list", "String", "Broker list", "The brokers to ask, as 0,1,..; all if it is empty.").or(""),
    Opt::flag("help", "Prints this."),
    Opt::flag("version", "Prints the version."),
]);

const INTRODUCTION: Introduction = Introduction {
    table: TABLE,
    purpose: "This tool helps to query log directory usage on the specified brokers.",
    without_arguments: Some("This tool helps to query log directory usage on the specified brokers."),
    mistake: Mistake::Usage,
};

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    admin::run(INTRODUCTION, &["bootstrap-server", "describe"], invocation, describe)
}

async fn describe(options: &Options, console: &mut Console) -> Result<(), Failure> {
    let topics = words(options.one("topic-list")?);
    let wanted = broker_ids(options.one("broker-list")?)?;
    let admin = admin::connect(options).await?;
    let cluster = admin.describe_cluster().await.map_err(|error| failed(&error, options))?;
    let existing: BTreeSet<i32> = cluster.brokers.iter().map(|broker| broker.id.0).collect();
    let missing: BTreeSet<i32> = wanted.difference(&existing).copied().collect();
    if !missing.is_empty() {
        return Err(Failure::new(format!(
            "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
            joined(&missing),
            joined(&existing)
        )));
    }
    let asked = if wanted.is_empty() { existing } else { wanted };
    console.line("Querying brokers for log directories information");
    let mut brokers = Vec::new();
    for id in &asked {
        let dirs = admin.describe_log_dirs(BrokerId(*id)).await.map_err(|error| failed(&error, options))?;
        brokers.push(broker_json(*id, dirs, &topics));
    }
    console.line(&format!("Received log directory information from brokers {}", joined(&asked)));
    // The keys in the order that Java's map has them in.
    let brokers = brokers.join(",");
    console.line(&format!("{{\"brokers\":[{brokers}],\"version\":1}}"));
    Ok(())
}

fn failed(error: &Error, options: &Options) -> Failure {
    let failure = Failure::new(format!("{}: {error}", error.exception()));
    let server = options.one("bootstrap-server").ok().flatten().unwrap_or_default();
    match error {
        Error::Timeout(_) => failure.hint(format!("No broker answered on {server}.")),
        _ => failure,
    }
}

fn words(list: Option<&str>) -> Vec<String> {
    list.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn broker_ids(list: Option<&str>) -> Result<BTreeSet<i32>, Failure> {
    let id = |word: &String| {
        let wrong = || Failure::new(format!("java.lang.NumberFormatException: For input string: \"{word}\""));
        word.parse().map_err(|_| wrong().hint("--broker-list takes numbers of brokers, as 0,1"))
    };
    words(list).iter().map(id).collect()
}

fn joined(ids: &BTreeSet<i32>) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

fn broker_json(id: i32, dirs: Vec<LogDirDescription>, topics: &[String]) -> String {
    let dirs = java_order::of_map(dirs, |dir| java_order::hash_of_string(&dir.path));
    let dirs: Vec<String> = dirs.into_iter().map(|dir| dir_json(dir, topics)).collect();
    format!("{{\"broker\":{id},\"logDirs\":[{}]}}", dirs.join(","))
}

fn dir_json(dir: LogDirDescription, topics: &[String]) -> String {
    let replicas = java_order::of_map(dir.replicas, |replica| java_order::hash_of_partition(&replica.partition));
    let shown =
        replicas.iter().filter(|replica| topics.is_empty() || topics.iter().any(|t| **t == *replica.partition.topic));
    let partitions: Vec<String> = shown.map(replica_json).collect();
    let error = dir.error.map_or(Value::Null, |error| json!(error.exception()));
    format!("{{\"partitions\":[{}],\"error\":{error},\"logDir\":{}}}", partitions.join(","), json!(dir.path))
}

fn replica_json(replica: &ReplicaInfo) -> String {
    format!(
        "{{\"partition\":{},\"size\":{},\"offsetLag\":{},\"isFuture\":{}}}",
        json!(replica.partition.to_string()),
        replica.size,
        replica.offset_lag,
        replica.is_future
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_types::TopicPartition;

    #[test]
    fn json_is_as_the_original_prints_it() {
        let replica = |topic: &str, partition, size, is_future| ReplicaInfo {
            partition: TopicPartition::new(topic, partition),
            size,
            offset_lag: 0,
            is_future,
        };
        let dir = LogDirDescription {
            path: "/tmp/kafka-logs".to_owned(),
            error: None,
            replicas: vec![
                replica("orders", 0, 127, false),
                replica("orders", 1, 105, true),
                replica("other", 0, 0, false),
            ],
        };
        assert_eq!(
            broker_json(0, vec![dir.clone()], &[]),
            "{\"broker\":0,\"logDirs\":[{\"partitions\":[\
             {\"partition\":\"other-0\",\"size\":0,\"offsetLag\":0,\"isFuture\":false},\
             {\"partition\":\"orders-0\",\"size\":127,\"offsetLag\":0,\"isFuture\":false},\
             {\"partition\":\"orders-1\",\"size\":105,\"offsetLag\":0,\"isFuture\":true}],\
             \"error\":null,\"logDir\":\"/tmp/kafka-logs\"}]}"
        );
        assert_eq!(
            broker_json(0, vec![dir], &["nope".to_owned()]),
            "{\"broker\":0,\"logDirs\":[{\"partitions\":[],\"error\":null,\"logDir\":\"/tmp/kafka-logs\"}]}"
        );
    }
}
