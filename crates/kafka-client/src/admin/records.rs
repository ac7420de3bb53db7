//! Records: deleted below an offset.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kafka_types::{BrokerId, ErrorCode, Offset, TopicName, TopicPartition};
use kafka_wire::delete_records::{self, DeleteRecordsPartition, DeleteRecordsTopic};

use super::Admin;
use super::call::{Call, Target};
use crate::cluster::Topics;
use crate::error::Error;

/// Where a partition's log starts afterwards, on all replicas; or why nothing was deleted.
pub type LowWatermarks = Vec<(TopicPartition, Result<Offset, Error>)>;

impl Admin {
    /// Deletes the records below these offsets, or all that are committed where the offset is -1. Every partition has an
    /// outcome of its own; what nobody leads is tried until the call's time is over.
    pub async fn delete_records(&self, below: &[(TopicPartition, Offset)]) -> LowWatermarks {
        let call = self.call("deleteRecords(api=METADATA)");
        let mut settled: HashMap<TopicPartition, Result<Offset, Error>> = HashMap::new();
        let failure = call.until_settled(async |call| self.try_delete(call, below, &mut settled).await).await.err();
        let unsettled =
            || Err(failure.clone().unwrap_or(Error::Broker { code: ErrorCode::UnknownServerError, message: None }));
        let outcome = |partition: &TopicPartition| settled.get(partition).cloned().unwrap_or_else(unsettled);
        below.iter().map(|(partition, _)| (partition.clone(), outcome(partition))).collect()
    }

    /// One round; fails with what keeps it from being the last one.
    async fn try_delete(
        &self,
        call: &mut Call<'_>,
        below: &[(TopicPartition, Offset)],
        settled: &mut HashMap<TopicPartition, Result<Offset, Error>>,
    ) -> Result<(), Error> {
        let pending: Vec<&(TopicPartition, Offset)> =
            below.iter().filter(|(partition, _)| !settled.contains_key(partition)).collect();
        let names: BTreeSet<&TopicName> = pending.iter().map(|(partition, _)| &partition.topic).collect();
        let names: Vec<TopicName> = names.into_iter().cloned().collect();
        call.connection(Target::Any).await?;
        let metadata = self.cluster.refresh(Topics::Named(&names), false).await?;
        let mut later = None;
        let mut by_leader: BTreeMap<BrokerId, Vec<&(TopicPartition, Offset)>> = BTreeMap::new();
        for wish in pending {
            match metadata.leader(&wish.0) {
                Some((node, _)) => by_leader.entry(node.id).or_default().push(wish),
                None => later = Some(ErrorCode::UnknownTopicOrPartition),
            }
        }
        for (leader, wishes) in by_leader {
            let connection = call.connection(Target::Broker(leader)).await?;
            let request = request(&wishes, call.remaining_ms());
            let response = call.send::<delete_records::DeleteRecords>(&connection, &request).await?;
            for topic in response.topics {
                for partition in topic.partitions {
                    let code = ErrorCode::from_code(partition.error_code);
                    if code.is_retriable() {
                        later = Some(code);
                        continue;
                    }
                    let outcome = Error::check(partition.error_code).map(|()| Offset(partition.low_watermark));
                    let topic_partition = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                    if outcome.is_err() {
                        tracing::error!(
                            target: "org.apache.kafka.clients.admin.internals.DeleteRecordsHandler",
                            "{}DeleteRecords request for topic partition {topic_partition} failed due to an unexpected \
                             error {}", self.config.log_prefix(), code.name()
                        );
                    }
                    settled.insert(topic_partition, outcome);
                }
            }
        }
        match later {
            Some(code) => Err(Error::Broker { code, message: None }),
            None => Ok(()),
        }
    }
}

fn request(wishes: &[&(TopicPartition, Offset)], timeout_ms: i32) -> delete_records::Request {
    let mut topics: Vec<DeleteRecordsTopic> = Vec::new();
    for (partition, offset) in wishes {
        let wish = DeleteRecordsPartition { partition_index: partition.partition, offset: offset.0 };
        match topics.iter_mut().find(|topic| *topic.name == *partition.topic) {
            Some(topic) => topic.partitions.push(wish),
            None => topics.push(DeleteRecordsTopic { name: partition.topic.to_string(), partitions: vec![wish] }),
        }
    }
    delete_records::Request { topics, timeout_ms }
}
