//! Transactions that nobody will end: a partition has one open for long, and no coordinator knows of it.

use std::collections::{BTreeSet, HashMap};

use kafka_client::Admin;
use kafka_client::admin::{ProducerState, TopicSelection, TransactionFilter};
use kafka_types::{BrokerId, ProducerId, TopicPartition};

use super::{failed, now_ms, partition, table};
use crate::argparse::Parsed;
use crate::exit::Failure;
use crate::output::Console;

const MINUTE_MS: i64 = 60_000;

/// Looks through the partitions that the arguments name.
pub(super) async fn find(admin: &Admin, parsed: &Parsed, console: &mut Console) -> Result<(), Failure> {
    let broker = parsed.number("--broker-id").map(|id| BrokerId(id as i32));
    if !parsed.has("--topic") && broker.is_none() {
        return Err(Failure::new(
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search",
        ));
    }
    if parsed.has("--partition") && !parsed.has("--topic") {
        return Err(Failure::new("The --partition argument requires --topic to be provided"));
    }
    let max_ms = parsed.number("--max-transaction-timeout").unwrap_or(15) * MINUTE_MS;
    let mut open = Vec::new();
    for partition in partitions(admin, parsed, broker).await? {
        let what = format!("describe producers for partition {partition}");
        let producers = admin.describe_producers(&partition, broker).await.map_err(failed(&what))?;
        let long_open = producers
            .into_iter()
            .filter(|one| one.transaction_start.is_some() && now_ms() - one.last_timestamp.0 > max_ms);
        open.extend(long_open.map(|producer| (partition.clone(), producer)));
    }
    let hanging = hanging(admin, open).await?;
    let headers = [
        "Topic",
        "Partition",
        "ProducerId",
        "ProducerEpoch",
        "CoordinatorEpoch",
        "StartOffset",
        "LastTimestamp",
        "Duration(min)",
    ];
    table::print(console, &headers, &hanging.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

async fn partitions(admin: &Admin, parsed: &Parsed, broker: Option<BrokerId>) -> Result<Vec<TopicPartition>, Failure> {
    if parsed.has("--partition") {
        return Ok(vec![partition(parsed)]);
    }
    let topics: Vec<String> = if let Some(topic) = parsed.text("--topic") {
        vec![topic.to_owned()]
    } else {
        let listed = admin.list_topics(true).await.map_err(failed("list topics"))?;
        listed.into_iter().map(|topic| topic.name).collect()
    };
    let what = format!("describe {} topics", topics.len());
    let (described, _) = admin.describe_topics(TopicSelection::Names(&topics)).await.map_err(failed(&what))?;
    let mut partitions = Vec::new();
    for (name, described) in described {
        for one in described.map_err(failed(&what))?.partitions {
            if broker.is_none_or(|broker| one.replicas.contains(&broker)) {
                partitions.push(TopicPartition::new(name.as_str(), one.partition));
            }
        }
    }
    Ok(partitions)
}

/// Those of the open transactions that no coordinator knows, or that it knows without this partition.
async fn hanging(
    admin: &Admin,
    open: Vec<(TopicPartition, ProducerState)>,
) -> Result<Vec<(TopicPartition, ProducerState)>, Failure> {
    if open.is_empty() {
        return Ok(open);
    }
    let producer_ids: BTreeSet<ProducerId> = open.iter().map(|(_, producer)| producer.producer_id).collect();
    let filter = TransactionFilter { producer_ids: producer_ids.into_iter().collect(), duration_ms: None };
    let listed = admin.list_transactions(&filter).await.map_err(failed("list transactions"))?;
    let mut known: HashMap<ProducerId, Vec<TopicPartition>> = HashMap::new();
    for one in listed {
        let what = format!("describe transaction state of transactional-id `{}`", one.transactional_id);
        match admin.describe_transaction(&one.transactional_id).await {
            Ok(description) => drop(known.insert(one.producer_id, description.partitions)),
            // It was forgotten since it was listed.
            Err(error) if error.code() == Some(kafka_types::ErrorCode::TransactionalIdNotFound) => {}
            Err(error) => return Err(failed(&what)(error)),
        }
    }
    let hangs = |(partition, producer): &(TopicPartition, ProducerState)| {
        known.get(&producer.producer_id).is_none_or(|partitions| !partitions.contains(partition))
    };
    Ok(open.into_iter().filter(hangs).collect())
}

fn row((partition, producer): &(TopicPartition, ProducerState)) -> Vec<String> {
    let start = producer.transaction_start.map_or(-1, |start| start.0);
    vec![
        partition.topic.to_string(),
        partition.partition.to_string(),
        producer.producer_id.0.to_string(),
        producer.producer_epoch.to_string(),
        producer.coordinator_epoch.unwrap_or(-1).to_string(),
        start.to_string(),
        producer.last_timestamp.0.to_string(),
        ((now_ms() - producer.last_timestamp.0) / MINUTE_MS).to_string(),
    ]
}
