//! ListOffsets: where a log begins and ends, and which record was the first at or after a time.

use std::collections::HashSet;

use kafka_log::OffsetQuery;
use kafka_security::Operation;
use kafka_types::{BrokerEpoch, BrokerId, ErrorCode, IsolationLevel, LeaderEpoch, TopicPartition};
use kafka_wire::list_offsets::{
    self as wire, ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopic, ListOffsetsTopicResponse,
};
use time_types::WallMillis;

use super::{Context, error_codes};
use crate::replicas::partition::Reader;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let reader = if request.replica_id >= 0 {
        Reader::Follower(BrokerId(request.replica_id), BrokerEpoch::NONE)
    } else {
        Reader::Consumer(IsolationLevel::from_wire(request.isolation_level))
    };
    let twins_allowed = wire::Version(context.version).answers_old_style();
    let twins = if twins_allowed { HashSet::new() } else { twins(&request.topics) };
    let (mut topics, mut unauthorized) = (Vec::with_capacity(request.topics.len()), Vec::new());
    for topic in request.topics {
        if !context.may_on_topic(Operation::Describe, &topic.name) {
            let refused = |asked: ListOffsetsPartition| ListOffsetsPartitionResponse {
                partition_index: asked.partition_index,
                error_code: ErrorCode::TopicAuthorizationFailed.code(),
                ..Default::default()
            };
            let partitions = topic.partitions.into_iter().map(refused).collect();
            unauthorized.push(ListOffsetsTopicResponse { name: topic.name, partitions });
            continue;
        }
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        let name: kafka_types::TopicName = topic.name.as_str().into();
        for partition in topic.partitions {
            let topic_partition = TopicPartition::new(name.clone(), partition.partition_index);
            if twins.contains(&topic_partition) {
                partitions.push(ListOffsetsPartitionResponse {
                    partition_index: partition.partition_index,
                    error_code: ErrorCode::InvalidRequest.code(),
                    ..Default::default()
                });
                continue;
            }
            partitions.push(look_up(context, topic_partition, &partition, reader).await);
        }
        topics.push(ListOffsetsTopicResponse { name: topic.name, partitions });
    }
    topics.append(&mut unauthorized);
    wire::Response { throttle_time_ms: 0, topics }
}

/// Partitions that are named more than once.
fn twins(topics: &[ListOffsetsTopic]) -> HashSet<TopicPartition> {
    let (mut seen, mut twins) = (HashSet::new(), HashSet::new());
    for topic in topics {
        let name: kafka_types::TopicName = topic.name.as_str().into();
        for partition in &topic.partitions {
            let named = TopicPartition::new(name.clone(), partition.partition_index);
            if !seen.insert(named.clone()) {
                twins.insert(named);
            }
        }
    }
    twins
}

async fn look_up(
    context: &Context,
    topic_partition: TopicPartition,
    asked: &ListOffsetsPartition,
    reader: Reader,
) -> ListOffsetsPartitionResponse {
    let version = wire::Version(context.version);
    if version.answers_old_style() {
        return look_up_old_style(context, topic_partition, asked, reader).await;
    }
    let mut response = ListOffsetsPartitionResponse { partition_index: asked.partition_index, ..Default::default() };
    let image = context.broker.metadata.image();
    let found = if image.partition(&topic_partition.topic, topic_partition.partition).is_none() {
        Err(ErrorCode::UnknownTopicOrPartition)
    } else {
        match query(asked.timestamp, version) {
            Err(error) => Err(error),
            Ok(query) => {
                let epoch = LeaderEpoch(asked.current_leader_epoch);
                let owner = context.broker.shards.owner(&topic_partition);
                let visit = context
                    .broker
                    .shards
                    .on(owner, move |owned| owned.partition(&topic_partition)?.offset_for(query, reader, epoch));
                visit.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower))
            }
        }
    };
    match found {
        Err(error) => response.error_code = error_codes::list_offsets(error, version).code(),
        Ok(Some(found)) => {
            response.timestamp = found.timestamp.0;
            response.offset = found.offset.0;
            if version.carries_leader_epoch() {
                response.leader_epoch = found.leader_epoch.0;
            }
        }
        Ok(None) => {}
    }
    response
}

/// The oldest version asks for as many places as it wants and knows neither epochs nor records' times.
async fn look_up_old_style(
    context: &Context,
    topic_partition: TopicPartition,
    asked: &ListOffsetsPartition,
    reader: Reader,
) -> ListOffsetsPartitionResponse {
    let version = wire::Version(context.version);
    let mut response = ListOffsetsPartitionResponse { partition_index: asked.partition_index, ..Default::default() };
    let image = context.broker.metadata.image();
    let found = if image.partition(&topic_partition.topic, topic_partition.partition).is_none() {
        Err(ErrorCode::UnknownTopicOrPartition)
    } else {
        match query(asked.timestamp, version) {
            Err(error) => Err(error),
            Ok(query) => {
                let max = asked.max_num_offsets.max(0) as usize;
                let owner = context.broker.shards.owner(&topic_partition);
                let visit = context.broker.shards.on(owner, move |owned| {
                    let now = owned.shared.clock.now();
                    owned.partition(&topic_partition)?.bases_before(now, query, max, reader)
                });
                visit.await.unwrap_or(Err(ErrorCode::NotLeaderOrFollower))
            }
        }
    };
    match found {
        Err(error) => response.error_code = error_codes::list_offsets(error, version).code(),
        Ok(offsets) => response.old_style_offsets = offsets.into_iter().map(|offset| offset.0).collect(),
    }
    response
}

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

fn query(timestamp: i64, version: wire::Version) -> Result<OffsetQuery, ErrorCode> {
    Ok(match timestamp {
        LATEST => OffsetQuery::Latest,
        EARLIEST => OffsetQuery::Earliest,
        MAX_TIMESTAMP if version.allows_max_timestamp() => OffsetQuery::MaxTimestamp,
        EARLIEST_LOCAL if version.allows_earliest_local() => OffsetQuery::EarliestLocal,
        LATEST_TIERED if version.allows_latest_tiered() => OffsetQuery::LatestTiered,
        ..0 => return Err(ErrorCode::UnsupportedVersion),
        time => OffsetQuery::At(WallMillis(time)),
    })
}
