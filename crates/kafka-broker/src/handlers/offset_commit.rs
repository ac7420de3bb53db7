//! OffsetCommit: store how far a group has read.

use kafka_group_coordinator::{OffsetCommit, OffsetToCommit, Reply, Request};
use kafka_security::Operation;
use kafka_types::{ErrorCode, Offset, TopicPartition};
use kafka_wire::offset_commit::{self as wire, OffsetCommitResponsePartition, OffsetCommitResponseTopic};

use super::Context;
use super::offsets_to_commit::{Sifted, told};
use super::twins::last_of_each;

pub(crate) async fn handle(context: &Context, mut request: wire::Request) -> wire::Response {
    request.topics = last_of_each(request.topics);
    let version = wire::Version(context.version);
    if !context.may_on_group(Operation::Read, &request.group_id) {
        return respond(&request, |_| ErrorCode::GroupAuthorizationFailed);
    }
    let mut sifted = Sifted::default();
    for topic in &request.topics {
        let offset = |partition: &wire::OffsetCommitRequestPartition| OffsetToCommit {
            topic_partition: TopicPartition::new(topic.name.as_str(), partition.partition_index),
            offset: Offset(partition.committed_offset),
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata.clone(),
        };
        sifted.add(context, &topic.name, topic.partitions.iter().map(offset));
    }
    let Sifted { offsets, refused: mut outcome } = sifted;
    if version.stores_in_zookeeper() {
        for offset in &offsets {
            if let Err(error) = store_in_zookeeper(context, &request.group_id, offset).await {
                outcome.insert(offset.topic_partition.clone(), error);
            }
        }
        return respond(&request, |partition| outcome.get(partition).copied().unwrap_or(ErrorCode::None));
    }
    if !offsets.is_empty() {
        let commit = OffsetCommit {
            group_id: request.group_id.clone(),
            generation: request.generation_id_or_member_epoch,
            member_id: request.member_id.clone(),
            group_instance_id: request.group_instance_id.clone(),
            retention_ms: (request.retention_time_ms >= 0).then_some(request.retention_time_ms),
            offsets,
        };
        let asked: Vec<TopicPartition> = commit.offsets.iter().map(|offset| offset.topic_partition.clone()).collect();
        match context.broker.ask_group(&request.group_id, Request::OffsetCommit(commit)).await {
            Ok(Reply::OffsetCommit(stored)) => outcome.extend(stored),
            Ok(_) => outcome.extend(asked.into_iter().map(|partition| (partition, ErrorCode::UnknownServerError))),
            Err(error) => outcome.extend(asked.into_iter().map(|partition| (partition, error))),
        }
    }
    respond(&request, |partition| outcome.get(partition).copied().unwrap_or(ErrorCode::None))
}

/// The oldest version keeps offsets as plain numbers under `/consumers`.
async fn store_in_zookeeper(context: &Context, group: &str, offset: &OffsetToCommit) -> Result<(), ErrorCode> {
    let limit = context.broker.config.groups().offset_metadata_max;
    if offset.metadata.as_ref().is_some_and(|metadata| metadata.encode_utf16().count() > limit) {
        return Err(ErrorCode::OffsetMetadataTooLarge);
    }
    let path = offset_path(group, &offset.topic_partition);
    let stored = context.broker.zookeeper.put_with_parents(&path, offset.offset.to_string().into()).await;
    stored.map_err(|_| ErrorCode::UnknownServerError)
}

/// Where the oldest versions keep the offset of a group.
pub(crate) fn offset_path(group: &str, partition: &TopicPartition) -> String {
    format!("/consumers/{group}/offsets/{}/{}", partition.topic, partition.partition)
}

fn respond(request: &wire::Request, error: impl Fn(&TopicPartition) -> ErrorCode) -> wire::Response {
    let asked = request.topics.iter().filter(|topic| !topic.partitions.is_empty());
    let asked = asked.map(|topic| {
        (topic.name.as_str(), topic.partitions.iter().map(|partition| partition.partition_index).collect())
    });
    let topics = told(asked, error).into_iter().map(|(name, outcomes)| OffsetCommitResponseTopic {
        name,
        partitions: outcomes
            .into_iter()
            .map(|(partition_index, error)| OffsetCommitResponsePartition { partition_index, error_code: error.code() })
            .collect(),
    });
    wire::Response { throttle_time_ms: 0, topics: topics.collect() }
}
