//! Consumer groups: listed, described, their committed offsets, deleted.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_types::{BrokerId, ErrorCode, LeaderEpoch, Offset, TopicPartition};
use kafka_wire::{delete_groups, describe_groups, list_groups, offset_fetch};

use super::call::{Call, Target};
use super::topics::left_out;
use super::{Admin, Outcomes};
use crate::cluster::Topics;
use crate::connection::Connection;
use crate::error::Error;
use crate::metadata::Node;

/// Which groups are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupFilter {
    /// Names of their states, such as `Stable`; empty for all.
    pub states: Vec<String>,
    /// Names of their types, such as `classic`; empty for all.
    pub types: Vec<String>,
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its name.
    pub group: String,
    /// What its members speak: `consumer`, or empty for one that only commits.
    pub protocol_type: String,
    /// Its state, such as `Stable`; `None` from old brokers.
    pub state: Option<String>,
    /// Its type, such as `classic`; `None` from brokers before 3.8.
    pub group_type: Option<String>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// The name that the coordinator gave it.
    pub member_id: String,
    /// The name it gave itself, if it is a static one.
    pub group_instance_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Where it is, as Java prints addresses: `/127.0.0.1`.
    pub client_host: String,
    /// What it subscribes to, as the protocol encodes it.
    pub metadata: Bytes,
    /// What it was assigned, as the protocol encodes it.
    pub assignment: Bytes,
}

/// A group as its coordinator describes it; one that does not exist is `Dead` and empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its state, such as `Stable`.
    pub state: String,
    /// What its members speak.
    pub protocol_type: String,
    /// The assignor they agreed on.
    pub protocol: String,
    /// Who coordinates it.
    pub coordinator: Option<Node>,
    /// Its members.
    pub members: Vec<MemberDescription>,
}

/// A position that a group has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next record to read.
    pub offset: Offset,
    /// The epoch of the record before it, or none.
    pub leader_epoch: LeaderEpoch,
    /// What the committer wrote beside it.
    pub metadata: String,
}

impl Admin {
    /// The groups of all brokers by name. Old brokers know fewer filters (KIP-518, KIP-848): one that they do not know
    /// is an error.
    pub async fn list_groups(&self, filter: &GroupFilter) -> Result<Vec<GroupListing>, Error> {
        let call = self.call("findAllBrokers");
        let brokers: Vec<BrokerId> = call.until_settled(async |call| find_brokers(self, call).await).await?;
        let mut groups = BTreeMap::new();
        for broker in brokers {
            let call = self.call("listConsumerGroups");
            let listed = call.until_settled(async |call| try_list(call, broker, filter).await).await?;
            groups.extend(listed.into_iter().map(|group| (group.group.clone(), group)));
        }
        Ok(groups.into_values().collect())
    }

    /// Groups with their members.
    pub async fn describe_groups(&self, groups: &[String]) -> Result<Outcomes<GroupDescription>, Error> {
        let mut outcomes = Vec::with_capacity(groups.len());
        for group in groups {
            let mut call = self.call("describeConsumerGroups(api=FIND_COORDINATOR)");
            let result = loop {
                let attempt = try_describe(&mut call, group).await;
                match settle_group(&mut call, group, attempt).await {
                    Ok(None) => {}
                    Ok(Some(description)) => break Ok(description),
                    Err(error) => break Err(error),
                }
            };
            outcomes.push((group.clone(), only_timeouts_end(result)?));
        }
        Ok(outcomes)
    }

    /// The positions a group has stored.
    pub async fn group_offsets(&self, group: &str) -> Result<BTreeMap<TopicPartition, CommittedOffset>, Error> {
        let mut call = self.call("listConsumerGroupOffsets(api=FIND_COORDINATOR)");
        loop {
            let attempt = try_offsets(&mut call, group).await;
            if let Some(offsets) = settle_group(&mut call, group, attempt).await? {
                return Ok(offsets);
            }
        }
    }

    /// Deletes groups that have no members.
    pub async fn delete_groups(&self, groups: &[String]) -> Result<Outcomes<()>, Error> {
        let mut outcomes = Vec::with_capacity(groups.len());
        for group in groups {
            let mut call = self.call("deleteConsumerGroups(api=FIND_COORDINATOR)");
            let result = loop {
                let attempt = try_delete(&mut call, group).await;
                match settle_group(&mut call, group, attempt).await {
                    Ok(None) => {}
                    Ok(Some(())) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            outcomes.push((group.clone(), only_timeouts_end(result)?));
        }
        Ok(outcomes)
    }
}

/// Like [`Call::settle`], for a group's coordinator, which may have become another broker.
pub(super) async fn settle_group<T>(
    call: &mut Call<'_>,
    group: &str,
    attempt: Result<T, Error>,
) -> Result<Option<T>, Error> {
    if let Err(error) = &attempt
        && (matches!(error, Error::Connection(_))
            || matches!(error.code(), Some(ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable)))
    {
        call.forget_coordinator(group);
    }
    call.settle(attempt).await
}

/// What one group's coordinator says is that group's affair; that no broker answers is everybody's.
fn only_timeouts_end<T>(result: Result<T, Error>) -> Result<Result<T, Error>, Error> {
    match result {
        Err(error @ (Error::Timeout(_) | Error::Connection(_))) => Err(error),
        other => Ok(other),
    }
}

async fn find_brokers(admin: &Admin, call: &mut Call<'_>) -> Result<Vec<BrokerId>, Error> {
    call.connection(Target::Any).await?;
    let metadata = admin.cluster.refresh(Topics::None, false).await?;
    Ok(metadata.brokers.keys().copied().collect())
}

async fn try_list(call: &mut Call<'_>, broker: BrokerId, filter: &GroupFilter) -> Result<Vec<GroupListing>, Error> {
    let connection = call.connection(Target::Broker(broker)).await?;
    let version = list_groups::Version(connection.version::<list_groups::ListGroups>()?);
    let request = list_groups::Request { states_filter: filter.states.clone(), types_filter: filter.types.clone() };
    let response = call.send::<list_groups::ListGroups>(&connection, &request).await?;
    Error::check(response.error_code)?;
    let listing = |group: list_groups::ListedGroup| GroupListing {
        group: group.group_id,
        protocol_type: group.protocol_type,
        state: version.carries_states().then_some(group.group_state),
        group_type: version.carries_types().then_some(group.group_type),
    };
    Ok(response.groups.into_iter().map(listing).collect())
}

async fn try_describe(call: &mut Call<'_>, group: &str) -> Result<GroupDescription, Error> {
    let connection = call.connection(Target::GroupCoordinator(group)).await?;
    let request = describe_groups::Request { groups: vec![group.to_owned()], include_authorized_operations: false };
    let response = call.send::<describe_groups::DescribeGroups>(&connection, &request).await?;
    let described = response.groups.into_iter().find(|found| found.group_id == group).ok_or_else(left_out)?;
    Error::check(described.error_code)?;
    let member = |member: describe_groups::DescribedGroupMember| MemberDescription {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        metadata: member.member_metadata,
        assignment: member.member_assignment,
    };
    Ok(GroupDescription {
        state: described.group_state,
        protocol_type: described.protocol_type,
        protocol: described.protocol_data,
        coordinator: call.coordinator(group),
        members: described.members.into_iter().map(member).collect(),
    })
}

async fn try_offsets(call: &mut Call<'_>, group: &str) -> Result<BTreeMap<TopicPartition, CommittedOffset>, Error> {
    let connection = call.connection(Target::GroupCoordinator(group)).await?;
    let (error_code, topics) = fetch_offsets(call, &connection, group).await?;
    Error::check(error_code)?;
    let mut offsets = BTreeMap::new();
    for topic in topics {
        let name: kafka_types::TopicName = topic.name.into();
        for partition in topic.partitions.into_iter().filter(|partition| partition.committed_offset >= 0) {
            Error::check(partition.error_code)?;
            offsets.insert(
                TopicPartition { topic: name.clone(), partition: partition.partition_index },
                CommittedOffset {
                    offset: Offset(partition.committed_offset),
                    leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
                    metadata: partition.metadata.unwrap_or_default(),
                },
            );
        }
    }
    Ok(offsets)
}

/// The group's error code and its topics, in the newer form whatever the version.
async fn fetch_offsets(
    call: &Call<'_>,
    connection: &Connection,
    group: &str,
) -> Result<(i16, Vec<offset_fetch::OffsetFetchResponseTopics>), Error> {
    let version = offset_fetch::Version(connection.version::<offset_fetch::OffsetFetch>()?);
    let mut request = offset_fetch::Request { topics: Some(Vec::new()), ..offset_fetch::Request::default() };
    if version.is_batched() {
        request.groups = vec![offset_fetch::OffsetFetchRequestGroup {
            group_id: group.to_owned(),
            topics: None,
            ..offset_fetch::OffsetFetchRequestGroup::default()
        }];
    } else {
        group.clone_into(&mut request.group_id);
        request.topics = None;
    }
    let response = call.send::<offset_fetch::OffsetFetch>(connection, &request).await?;
    if let Some(found) = response.groups.into_iter().next() {
        return Ok((found.error_code, found.topics));
    }
    let partition = |old: offset_fetch::OffsetFetchResponsePartition| offset_fetch::OffsetFetchResponsePartitions {
        partition_index: old.partition_index,
        committed_offset: old.committed_offset,
        committed_leader_epoch: old.committed_leader_epoch,
        metadata: old.metadata,
        error_code: old.error_code,
    };
    let topic = |old: offset_fetch::OffsetFetchResponseTopic| offset_fetch::OffsetFetchResponseTopics {
        name: old.name,
        partitions: old.partitions.into_iter().map(partition).collect(),
    };
    Ok((response.error_code, response.topics.into_iter().map(topic).collect()))
}

async fn try_delete(call: &mut Call<'_>, group: &str) -> Result<(), Error> {
    let connection = call.connection(Target::GroupCoordinator(group)).await?;
    let request = delete_groups::Request { groups_names: vec![group.to_owned()] };
    let response = call.send::<delete_groups::DeleteGroups>(&connection, &request).await?;
    let result = response.results.into_iter().find(|found| found.group_id == group).ok_or_else(left_out)?;
    Error::check(result.error_code)
}
