//! Records of `__consumer_offsets` to and from state; their bytes are `kafka_wire::records::groups`.

use std::sync::Arc;

use bytes::Bytes;
use kafka_types::{Offset, TopicName, TopicPartition};
use kafka_wire::records::Record as _;
use kafka_wire::records::consumer_protocol::Subscription;
use kafka_wire::records::groups::{
    GroupMetadataKey, GroupMetadataValue, Key, MemberMetadata, OffsetCommitKey, OffsetCommitValue,
};
use time_types::{Tick, WallMillis};

use crate::RecordError;
use crate::effect::KeyValue;
use crate::member::Member;
use crate::names::Names;
use crate::offsets::Committed;

/// One record, decoded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    /// A committed offset, or its deletion.
    Offset { group_id: Arc<str>, topic_partition: TopicPartition, value: Option<Committed> },
    /// A group, or its deletion.
    Group { group_id: Arc<str>, value: Option<GroupRecord> },
}

/// A group as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupRecord {
    pub(crate) protocol_type: String,
    pub(crate) generation: i32,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: Option<String>,
    /// Unknown before version 2.
    pub(crate) state_since: Option<WallMillis>,
    pub(crate) members: Vec<MemberRecord>,
}

/// A member as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberRecord {
    pub(crate) member_id: String,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    pub(crate) subscription: Bytes,
    pub(crate) assignment: Bytes,
}

impl MemberRecord {
    /// A member that nobody heard of yet since the coordinator took over.
    pub(crate) fn into_member(self, protocol: Arc<str>, names: &mut Names) -> Member {
        Member {
            id: self.member_id.into(),
            group_instance_id: self.group_instance_id,
            client_id: names.share(&self.client_id),
            client_host: names.share(&self.client_host),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            protocols: Box::new([(protocol, self.subscription)]),
            assignment: self.assignment,
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
            joined: 0,
            deadline: Tick::default(),
            armed: None,
        }
    }
}

impl Record {
    /// Whose it is.
    pub(crate) fn group_id(&self) -> &Arc<str> {
        match self {
            Record::Offset { group_id, .. } | Record::Group { group_id, .. } => group_id,
        }
    }

    /// As it goes into the log.
    pub(crate) fn encode(&self) -> KeyValue {
        let (key, value) = match self {
            Record::Offset { group_id, topic_partition, value } => {
                let key = Key::Offset(OffsetCommitKey {
                    group: group_id.to_string(),
                    topic: topic_partition.topic.to_string(),
                    partition: topic_partition.partition,
                });
                (key.to_bytes(), value.as_ref().map(|committed| to_wire_offset(committed).to_bytes()))
            }
            Record::Group { group_id, value } => {
                let key = Key::Group(GroupMetadataKey { group: group_id.to_string() });
                (key.to_bytes(), value.as_ref().map(|group| to_wire_group(group).to_bytes()))
            }
        };
        let fits = "texts that do not fit are refused with their request";
        KeyValue { key: key.expect(fits), value: value.transpose().expect(fits) }
    }

    /// Out of the log; `None` if the key is of a kind that is not ours.
    pub(crate) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Record>, RecordError> {
        let unreadable = |error: kafka_wire::DecodeError| RecordError(error.to_string());
        let value = value.map(Bytes::copy_from_slice);
        match Key::from_bytes(Bytes::copy_from_slice(key)).map_err(unreadable)? {
            Key::Offset(key) => {
                let topic: TopicName = key.topic.into();
                let topic_partition = TopicPartition::new(topic, key.partition);
                let value = value.map(OffsetCommitValue::from_bytes).transpose().map_err(unreadable)?;
                let value = value.map(from_wire_offset);
                Ok(Some(Record::Offset { group_id: key.group.into(), topic_partition, value }))
            }
            Key::Group(key) => {
                let value = value.map(GroupMetadataValue::from_bytes).transpose().map_err(unreadable)?;
                // A newer form has room for longer texts than the one that this group will be written in.
                if let Some(Err(error)) = value.as_ref().map(kafka_wire::records::Record::to_bytes) {
                    return Err(RecordError(error.to_string()));
                }
                Ok(Some(Record::Group { group_id: key.group.into(), value: value.map(from_wire_group) }))
            }
            Key::Unknown(_) => Ok(None),
        }
    }
}

fn to_wire_offset(committed: &Committed) -> OffsetCommitValue {
    OffsetCommitValue {
        offset: committed.offset.0,
        leader_epoch: committed.leader_epoch,
        metadata: committed.metadata.clone(),
        commit_timestamp: committed.at.0,
        expire_timestamp: committed.expires_at.map_or(-1, |at| at.0),
    }
}

fn from_wire_offset(value: OffsetCommitValue) -> Committed {
    Committed {
        offset: Offset(value.offset),
        leader_epoch: value.leader_epoch,
        metadata: value.metadata,
        at: WallMillis(value.commit_timestamp),
        expires_at: known(value.expire_timestamp),
        logged_at: Offset::NONE,
    }
}

fn to_wire_group(group: &GroupRecord) -> GroupMetadataValue {
    let to_wire = |member: &MemberRecord| MemberMetadata {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout: member.rebalance_timeout_ms,
        session_timeout: member.session_timeout_ms,
        subscription: member.subscription.clone(),
        assignment: member.assignment.clone(),
    };
    GroupMetadataValue {
        protocol_type: group.protocol_type.clone(),
        generation: group.generation,
        protocol: group.protocol.clone(),
        leader: group.leader.clone(),
        current_state_timestamp: group.state_since.map_or(-1, |since| since.0),
        members: group.members.iter().map(to_wire).collect(),
    }
}

fn from_wire_group(value: GroupMetadataValue) -> GroupRecord {
    let from_wire = |member: MemberMetadata| MemberRecord {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        // Before version 1 there was one timeout for both purposes.
        rebalance_timeout_ms: Some(member.rebalance_timeout).filter(|ms| *ms >= 0).unwrap_or(member.session_timeout),
        session_timeout_ms: member.session_timeout,
        subscription: member.subscription,
        assignment: member.assignment,
    };
    GroupRecord {
        protocol_type: value.protocol_type,
        generation: value.generation,
        protocol: value.protocol,
        leader: value.leader,
        state_since: known(value.current_state_timestamp),
        members: value.members.into_iter().map(from_wire).collect(),
    }
}

/// A time, unless it is -1.
fn known(timestamp: i64) -> Option<WallMillis> {
    Some(timestamp).filter(|at| *at != -1).map(WallMillis)
}

/// Topics of a subscription of the consumer protocol; `None` if the bytes are something else.
pub(crate) fn subscribed_topics(subscription: &Bytes) -> Option<Vec<String>> {
    Subscription::from_bytes(subscription.clone()).ok().map(|subscription| subscription.topics)
}
