//! The consumer's requests as futures: one question, one answer, in whatever version the broker speaks.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_types::{BrokerId, ErrorCode, LeaderEpoch, Offset, TopicPartition};
use kafka_wire::{fetch, heartbeat, join_group, leave_group, list_offsets, offset_commit, offset_fetch, sync_group};

use super::membership::MembershipConfig;
use crate::cluster::{Cluster, CoordinatorKind, Lane};
use crate::connection::Connection;
use crate::error::Error;

/// A rebalance may take its whole timeout; the answer is on its way a little longer.
const REBALANCE_SLACK_MS: u64 = 5_000;

/// An offset to commit, or committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The next record to read; -1 if nothing is committed.
    pub offset: Offset,
    /// Leader epoch of the record before; -1 if unknown.
    pub leader_epoch: LeaderEpoch,
    /// Free text.
    pub metadata: String,
}

impl OffsetAndMetadata {
    /// An offset alone.
    pub fn new(offset: Offset) -> OffsetAndMetadata {
        OffsetAndMetadata { offset, leader_epoch: LeaderEpoch::NONE, metadata: String::new() }
    }
}

/// What a consumer commits.
pub type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// In whose name a commit is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Committer {
    pub(crate) group_id: String,
    /// -1 for who is no member.
    pub(crate) generation: i32,
    pub(crate) member_id: String,
    pub(crate) group_instance_id: Option<String>,
}

async fn coordinator(cluster: &Cluster, group_id: &str) -> Result<Connection, Error> {
    cluster.coordinator_connection(CoordinatorKind::Group, group_id).await
}

/// The broker that coordinates a group.
pub(crate) async fn find_coordinator(cluster: &Cluster, group_id: &str) -> Result<BrokerId, Error> {
    cluster.coordinator(CoordinatorKind::Group, group_id).await.map(|node| node.id)
}

/// JoinGroup; waits as long as a rebalance may take.
pub(crate) async fn join(cluster: &Cluster, mut request: join_group::Request) -> Result<join_group::Response, Error> {
    let connection = coordinator(cluster, &request.group_id).await?;
    let version = connection.version::<join_group::JoinGroup>()?;
    if !join_group::Version(version).carries_group_instance_id() {
        request.group_instance_id = None;
    }
    let patience = u64::try_from(request.rebalance_timeout_ms).unwrap_or(0) + REBALANCE_SLACK_MS;
    let mut call = connection.start::<join_group::JoinGroup>(version, &request).await?;
    Ok(call.answer_within(Duration::from_millis(patience)).await?)
}

/// SyncGroup; waits for the leader's as long as a rebalance may take.
pub(crate) async fn sync(
    cluster: &Cluster,
    config: &MembershipConfig,
    mut request: sync_group::Request,
) -> Result<sync_group::Response, Error> {
    let connection = coordinator(cluster, &request.group_id).await?;
    let version = connection.version::<sync_group::SyncGroup>()?;
    if !sync_group::Version(version).carries_group_instance_id() {
        request.group_instance_id = None;
    }
    let patience = u64::try_from(config.rebalance_timeout_ms).unwrap_or(0) + REBALANCE_SLACK_MS;
    let mut call = connection.start::<sync_group::SyncGroup>(version, &request).await?;
    Ok(call.answer_within(Duration::from_millis(patience)).await?)
}

/// Heartbeat.
pub(crate) async fn beat(cluster: &Cluster, member: &Committer) -> Result<ErrorCode, Error> {
    let connection = coordinator(cluster, &member.group_id).await?;
    let version = heartbeat::Version(connection.version::<heartbeat::Heartbeat>()?);
    let request = heartbeat::Request {
        group_id: member.group_id.clone(),
        generation_id: member.generation,
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone().filter(|_| version.carries_group_instance_id()),
    };
    let response = connection.call::<heartbeat::Heartbeat>(request).await?;
    Ok(ErrorCode::from_code(response.error_code))
}

/// LeaveGroup.
pub(crate) async fn leave(cluster: &Cluster, member: &Committer, reason: &str) -> Result<(), Error> {
    let connection = coordinator(cluster, &member.group_id).await?;
    let version = leave_group::Version(connection.version::<leave_group::LeaveGroup>()?);
    let group_id = member.group_id.clone();
    let request = if version.is_batched() {
        let member = leave_group::MemberIdentity {
            member_id: member.member_id.clone(),
            group_instance_id: member.group_instance_id.clone(),
            reason: Some(reason.to_owned()),
        };
        leave_group::Request { group_id, members: vec![member], ..leave_group::Request::default() }
    } else {
        leave_group::Request { group_id, member_id: member.member_id.clone(), ..leave_group::Request::default() }
    };
    let response = connection.call::<leave_group::LeaveGroup>(request).await?;
    Error::check(response.error_code)
}

/// OffsetCommit; the answer per partition.
pub(crate) async fn commit(
    cluster: &Cluster,
    committer: &Committer,
    offsets: &Offsets,
) -> Result<Vec<(TopicPartition, ErrorCode)>, Error> {
    let connection = coordinator(cluster, &committer.group_id).await?;
    let version = offset_commit::Version(connection.version::<offset_commit::OffsetCommit>()?);
    let mut topics: Vec<offset_commit::OffsetCommitRequestTopic> = Vec::new();
    for (one, committed) in offsets {
        if topics.last().is_none_or(|topic| *topic.name != *one.topic) {
            let name = one.topic.to_string();
            topics.push(offset_commit::OffsetCommitRequestTopic { name, ..Default::default() });
        }
        let partition = offset_commit::OffsetCommitRequestPartition {
            partition_index: one.partition,
            committed_offset: committed.offset.0,
            committed_leader_epoch: committed.leader_epoch.0,
            committed_metadata: Some(committed.metadata.clone()),
            ..Default::default()
        };
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(partition);
        }
    }
    let request = offset_commit::Request {
        group_id: committer.group_id.clone(),
        generation_id_or_member_epoch: committer.generation,
        member_id: committer.member_id.clone(),
        group_instance_id: committer.group_instance_id.clone().filter(|_| version.carries_group_instance_id()),
        topics,
        ..Default::default()
    };
    let response = connection.call::<offset_commit::OffsetCommit>(request).await?;
    let answers = response.topics.into_iter().flat_map(|topic| {
        let name: kafka_types::TopicName = topic.name.into();
        topic.partitions.into_iter().map(move |partition| {
            let one = TopicPartition { topic: name.clone(), partition: partition.partition_index };
            (one, ErrorCode::from_code(partition.error_code))
        })
    });
    Ok(answers.collect())
}

/// One partition of the answer to OffsetFetch, in whichever version.
struct CommittedPartition {
    one: TopicPartition,
    committed: OffsetAndMetadata,
    error: i16,
}

/// OffsetFetch: what the group has committed for these. Commits in flight make it `UNSTABLE_OFFSET_COMMIT`, to be
/// tried again.
pub(crate) async fn committed(
    cluster: &Cluster,
    group_id: &str,
    partitions: &[TopicPartition],
) -> Result<Offsets, Error> {
    let connection = coordinator(cluster, group_id).await?;
    let version = offset_fetch::Version(connection.version::<offset_fetch::OffsetFetch>()?);
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for one in partitions {
        by_topic.entry(&one.topic).or_default().push(one.partition);
    }
    let mut request = offset_fetch::Request { require_stable: version.allows_require_stable(), ..Default::default() };
    if version.is_batched() {
        let topics = by_topic.into_iter().map(|(name, partition_indexes)| offset_fetch::OffsetFetchRequestTopics {
            name: name.to_owned(),
            partition_indexes,
        });
        let topics = Some(topics.collect());
        request.groups =
            vec![offset_fetch::OffsetFetchRequestGroup { group_id: group_id.to_owned(), topics, ..Default::default() }];
        request.topics = Some(Vec::new());
    } else {
        let topics = by_topic.into_iter().map(|(name, partition_indexes)| offset_fetch::OffsetFetchRequestTopic {
            name: name.to_owned(),
            partition_indexes,
        });
        request.group_id = group_id.to_owned();
        request.topics = Some(topics.collect());
    }
    let response = connection.call::<offset_fetch::OffsetFetch>(request).await?;
    read_committed(response)
}

fn read_committed(response: offset_fetch::Response) -> Result<Offsets, Error> {
    Error::check(response.error_code)?;
    let mut all: Vec<CommittedPartition> = Vec::new();
    for topic in response.topics {
        let name: kafka_types::TopicName = topic.name.into();
        all.extend(topic.partitions.into_iter().map(|partition| CommittedPartition {
            one: TopicPartition { topic: name.clone(), partition: partition.partition_index },
            committed: OffsetAndMetadata {
                offset: Offset(partition.committed_offset),
                leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
                metadata: partition.metadata.unwrap_or_default(),
            },
            error: partition.error_code,
        }));
    }
    for group in response.groups {
        Error::check(group.error_code)?;
        for topic in group.topics {
            let name: kafka_types::TopicName = topic.name.into();
            all.extend(topic.partitions.into_iter().map(|partition| CommittedPartition {
                one: TopicPartition { topic: name.clone(), partition: partition.partition_index },
                committed: OffsetAndMetadata {
                    offset: Offset(partition.committed_offset),
                    leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
                    metadata: partition.metadata.unwrap_or_default(),
                },
                error: partition.error_code,
            }));
        }
    }
    let mut offsets = Offsets::new();
    for CommittedPartition { one, committed, error } in all {
        Error::check(error)?;
        offsets.insert(one, committed);
    }
    Ok(offsets)
}

/// An offset that ListOffsets found; -1 if no record has such a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset.
    pub offset: Offset,
    /// The record's timestamp; -1 for start and end.
    pub timestamp: i64,
    /// The epoch it is of.
    pub leader_epoch: LeaderEpoch,
}

/// ListOffsets to one broker; the answer per partition.
pub(crate) async fn list_offsets(
    cluster: &Cluster,
    broker: BrokerId,
    reads_committed: bool,
    asked: &[(TopicPartition, LeaderEpoch, i64)],
) -> Result<Vec<(TopicPartition, Result<FoundOffset, ErrorCode>)>, Error> {
    let connection = cluster.connection(broker, Lane::Data).await?;
    let version = list_offsets::Version(connection.version::<list_offsets::ListOffsets>()?);
    let mut topics: BTreeMap<&str, Vec<list_offsets::ListOffsetsPartition>> = BTreeMap::new();
    for (one, epoch, timestamp) in asked {
        topics.entry(&one.topic).or_default().push(list_offsets::ListOffsetsPartition {
            partition_index: one.partition,
            current_leader_epoch: epoch.0,
            timestamp: *timestamp,
            ..Default::default()
        });
    }
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| list_offsets::ListOffsetsTopic { name: name.to_owned(), partitions });
    let isolation_level = i8::from(reads_committed && version.carries_isolation_level());
    let request = list_offsets::Request { replica_id: -1, isolation_level, topics: topics.collect() };
    let response = connection.call::<list_offsets::ListOffsets>(request).await?;
    let answers = response.topics.into_iter().flat_map(|topic| {
        let name: kafka_types::TopicName = topic.name.into();
        topic.partitions.into_iter().map(move |found| {
            let one = TopicPartition { topic: name.clone(), partition: found.partition_index };
            (one, read_found(&found))
        })
    });
    Ok(answers.collect())
}

fn read_found(found: &list_offsets::ListOffsetsPartitionResponse) -> Result<FoundOffset, ErrorCode> {
    match ErrorCode::from_code(found.error_code) {
        ErrorCode::None => Ok(FoundOffset {
            offset: Offset(found.old_style_offsets.first().copied().unwrap_or(found.offset)),
            timestamp: found.timestamp,
            leader_epoch: LeaderEpoch(found.leader_epoch),
        }),
        error => Err(error),
    }
}

/// Fetch; in the last version that names topics if one of them has no id.
pub(crate) async fn fetch(
    cluster: &Cluster,
    broker: BrokerId,
    request: &fetch::Request,
    has_topic_ids: bool,
) -> Result<fetch::Response, Error> {
    let connection = cluster.connection(broker, Lane::Data).await?;
    let mut version = connection.version::<fetch::Fetch>()?;
    while !has_topic_ids && fetch::Version(version).uses_topic_ids() {
        version -= 1;
    }
    let mut call = connection.start::<fetch::Fetch>(version, request).await?;
    Ok(call.answer().await?)
}
