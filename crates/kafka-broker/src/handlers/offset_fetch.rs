//! OffsetFetch: how far groups have read.

use kafka_group_coordinator::{FetchedOffset, OffsetFetch, OffsetFetchReply, Reply, Request};
use kafka_security::{Operation, ResourceType};
use kafka_types::{ErrorCode, Offset, TopicPartition};
use kafka_wire::offset_fetch::{
    self as wire, OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let version = wire::Version(context.version);
    if version.is_batched() {
        let mut groups = Vec::with_capacity(request.groups.len());
        for group in request.groups {
            let partitions = group
                .topics
                .map(|topics| flatten(topics.into_iter().map(|topic| (topic.name, topic.partition_indexes))));
            let reply = fetch(context, &group.group_id, partitions, request.require_stable).await;
            groups.push(group_response(group.group_id, reply));
        }
        return wire::Response { groups, ..Default::default() };
    }
    let partitions =
        request.topics.map(|topics| flatten(topics.into_iter().map(|topic| (topic.name, topic.partition_indexes))));
    if version.reads_zookeeper() {
        let asked = partitions.unwrap_or_default();
        if !context.may_on_group(Operation::Describe, &request.group_id) {
            let offsets = refused_each(asked, ErrorCode::GroupAuthorizationFailed);
            return single_response(OffsetFetchReply { error: ErrorCode::GroupAuthorizationFailed, offsets });
        }
        let (asked, mut unauthorized) = split(context, asked);
        let mut offsets = Vec::new();
        for partition in asked {
            offsets.push(read_from_zookeeper(context, &request.group_id, partition).await);
        }
        offsets.append(&mut unauthorized);
        return single_response(OffsetFetchReply { error: ErrorCode::None, offsets });
    }
    single_response(fetch(context, &request.group_id, partitions, request.require_stable).await)
}

async fn fetch(
    context: &Context,
    group: &str,
    partitions: Option<Vec<TopicPartition>>,
    require_stable: bool,
) -> OffsetFetchReply {
    if !context.may_on_group(Operation::Describe, group) {
        return OffsetFetchReply { error: ErrorCode::GroupAuthorizationFailed, offsets: Vec::new() };
    }
    let all = partitions.is_none();
    let (partitions, mut unauthorized) = match partitions.map(|asked| split(context, asked)) {
        Some((allowed, unauthorized)) => (Some(allowed), unauthorized),
        None => (None, Vec::new()),
    };
    let fetch = OffsetFetch { group_id: group.to_owned(), partitions, require_stable };
    let error = match context.broker.ask_group(group, Request::OffsetFetch(fetch)).await {
        Ok(Reply::OffsetFetch(mut reply)) => {
            if all {
                reply.offsets.retain(|offset| {
                    context.may_quietly(Operation::Describe, ResourceType::Topic, &offset.topic_partition.topic)
                });
            }
            if !reply.error.is_error() {
                reply.offsets.append(&mut unauthorized);
            }
            return reply;
        }
        Ok(_) => ErrorCode::UnknownServerError,
        Err(error) => error,
    };
    OffsetFetchReply { error, offsets: Vec::new() }
}

/// Those that the client may know of, and answers for the others.
fn split(context: &Context, asked: Vec<TopicPartition>) -> (Vec<TopicPartition>, Vec<FetchedOffset>) {
    let mut decided: std::collections::HashMap<kafka_types::TopicName, bool> = std::collections::HashMap::new();
    let (allowed, denied) = asked.into_iter().partition(|partition: &TopicPartition| {
        let decide = || context.may_on_topic(Operation::Describe, &partition.topic);
        *decided.entry(partition.topic.clone()).or_insert_with(decide)
    });
    (allowed, refused_each(denied, ErrorCode::TopicAuthorizationFailed))
}

/// The oldest version's offsets are plain numbers under `/consumers`.
async fn read_from_zookeeper(context: &Context, group: &str, partition: TopicPartition) -> FetchedOffset {
    let known = context.broker.metadata.image().partition(&partition.topic, partition.partition).is_some();
    let stored = context.broker.zookeeper.get(&super::offset_commit::offset_path(group, &partition), false).await;
    let number = |data: &[u8]| std::str::from_utf8(data).ok()?.trim().parse().ok();
    let (offset, error) = match stored {
        _ if !known => (None, ErrorCode::UnknownTopicOrPartition),
        Ok(Some((data, _))) => (number(&data), ErrorCode::None),
        Ok(None) => (None, ErrorCode::UnknownTopicOrPartition),
        Err(_) => (None, ErrorCode::UnknownServerError),
    };
    FetchedOffset {
        topic_partition: partition,
        offset: offset.map_or(Offset::NONE, Offset),
        leader_epoch: -1,
        metadata: String::new(),
        error,
    }
}

fn flatten(topics: impl Iterator<Item = (String, Vec<i32>)>) -> Vec<TopicPartition> {
    let mut partitions = Vec::new();
    for (name, indexes) in topics {
        let name: kafka_types::TopicName = name.into();
        partitions.extend(indexes.into_iter().map(|index| TopicPartition::new(name.clone(), index)));
    }
    partitions
}

fn refused_each(partitions: Vec<TopicPartition>, error: ErrorCode) -> Vec<FetchedOffset> {
    let refused = partitions.into_iter().map(|topic_partition| FetchedOffset {
        topic_partition,
        offset: Offset::NONE,
        leader_epoch: -1,
        metadata: String::new(),
        error,
    });
    refused.collect()
}

/// Puts partitions of one topic together, in the order of the topics' first appearance.
fn by_topic(offsets: Vec<FetchedOffset>) -> Vec<(String, Vec<FetchedOffset>)> {
    let mut topics: Vec<(String, Vec<FetchedOffset>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for offset in offsets {
        let name = offset.topic_partition.topic.clone();
        let place = *places.entry(name.clone()).or_insert_with(|| {
            topics.push((name.to_string(), Vec::new()));
            topics.len() - 1
        });
        topics[place].1.push(offset);
    }
    topics
}

fn single_response(reply: OffsetFetchReply) -> wire::Response {
    let topics = by_topic(reply.offsets).into_iter().map(|(name, partitions)| OffsetFetchResponseTopic {
        name,
        partitions: partitions
            .into_iter()
            .map(|offset| OffsetFetchResponsePartition {
                partition_index: offset.topic_partition.partition,
                committed_offset: offset.offset.0,
                committed_leader_epoch: offset.leader_epoch,
                metadata: Some(offset.metadata),
                error_code: offset.error.code(),
            })
            .collect(),
    });
    wire::Response { topics: topics.collect(), error_code: reply.error.code(), ..Default::default() }
}

fn group_response(group_id: String, reply: OffsetFetchReply) -> OffsetFetchResponseGroup {
    let topics = by_topic(reply.offsets).into_iter().map(|(name, partitions)| OffsetFetchResponseTopics {
        name,
        partitions: partitions
            .into_iter()
            .map(|offset| OffsetFetchResponsePartitions {
                partition_index: offset.topic_partition.partition,
                committed_offset: offset.offset.0,
                committed_leader_epoch: offset.leader_epoch,
                metadata: Some(offset.metadata),
                error_code: offset.error.code(),
            })
            .collect(),
    });
    OffsetFetchResponseGroup { group_id, topics: topics.collect(), error_code: reply.error.code() }
}
