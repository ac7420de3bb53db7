//! What groups have committed, set and deleted by an administrator.

use std::collections::HashMap;

use kafka_types::{ErrorCode, Offset, TopicPartition};
use kafka_wire::offset_commit::{self, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_wire::offset_delete::{self, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};

use super::Admin;
use super::call::{Call, Target};
use super::groups::settle_group;
use super::topics::left_out;
use crate::error::Error;

/// What became of each partition that was named.
pub type PartitionOutcomes = Vec<(TopicPartition, Result<(), Error>)>;

impl Admin {
    /// Sets what a group without members has committed; nothing is stored beside the offsets. The first partition that
    /// is refused is the error.
    pub async fn alter_group_offsets(&self, group: &str, offsets: &[(TopicPartition, Offset)]) -> Result<(), Error> {
        let mut call = self.call("alterConsumerGroupOffsets(api=FIND_COORDINATOR)");
        loop {
            let attempt = try_alter(&mut call, group, offsets).await;
            if let Some(()) = settle_group(&mut call, group, attempt).await? {
                return Ok(());
            }
        }
    }

    /// Forgets what a group has committed for partitions that none of its members reads (KIP-496).
    ///
    /// # Errors
    /// What is wrong with the group as a whole.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<PartitionOutcomes, Error> {
        let mut call = self.call("deleteConsumerGroupOffsets(api=FIND_COORDINATOR)");
        loop {
            let attempt = try_delete(&mut call, group, partitions).await;
            if let Some(outcomes) = settle_group(&mut call, group, attempt).await? {
                return Ok(outcomes);
            }
        }
    }
}

async fn try_alter(call: &mut Call<'_>, group: &str, offsets: &[(TopicPartition, Offset)]) -> Result<(), Error> {
    let connection = call.connection(Target::GroupCoordinator(group)).await?;
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for (partition, offset) in offsets {
        let wish = OffsetCommitRequestPartition {
            partition_index: partition.partition,
            committed_offset: offset.0,
            committed_leader_epoch: -1,
            commit_timestamp: -1,
            committed_metadata: Some(String::new()),
        };
        match topics.iter_mut().find(|topic| *topic.name == *partition.topic) {
            Some(topic) => topic.partitions.push(wish),
            None => {
                topics.push(OffsetCommitRequestTopic { name: partition.topic.to_string(), partitions: vec![wish] });
            }
        }
    }
    let request = offset_commit::Request { group_id: group.to_owned(), topics, ..offset_commit::Request::default() };
    let response = call.send::<offset_commit::OffsetCommit>(&connection, &request).await?;
    let codes = response.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
    codes.map(Error::check).find(Result::is_err).unwrap_or(Ok(()))
}

async fn try_delete(
    call: &mut Call<'_>,
    group: &str,
    partitions: &[TopicPartition],
) -> Result<PartitionOutcomes, Error> {
    let connection = call.connection(Target::GroupCoordinator(group)).await?;
    let mut topics: Vec<OffsetDeleteRequestTopic> = Vec::new();
    for partition in partitions {
        let wish = OffsetDeleteRequestPartition { partition_index: partition.partition };
        match topics.iter_mut().find(|topic| *topic.name == *partition.topic) {
            Some(topic) => topic.partitions.push(wish),
            None => {
                topics.push(OffsetDeleteRequestTopic { name: partition.topic.to_string(), partitions: vec![wish] });
            }
        }
    }
    let request = offset_delete::Request { group_id: group.to_owned(), topics };
    let response = call.send::<offset_delete::OffsetDelete>(&connection, &request).await?;
    Error::check(response.error_code)?;
    let mut codes = HashMap::new();
    for topic in response.topics {
        for partition in topic.partitions {
            let code = ErrorCode::from_code(partition.error_code);
            if code.is_retriable() && code != ErrorCode::UnknownTopicOrPartition {
                return Err(Error::Broker { code, message: None });
            }
            codes.insert(TopicPartition::new(topic.name.as_str(), partition.partition_index), partition.error_code);
        }
    }
    let outcome = |one: &TopicPartition| codes.get(one).map_or_else(|| Err(left_out()), |code| Error::check(*code));
    Ok(partitions.iter().map(|one| (one.clone(), outcome(one))).collect())
}
