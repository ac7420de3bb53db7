//! Records of `__consumer_offsets` to and from state.
//!
//! A key is `version: i16` and fields: versions 0 and 1 name an offset (group, topic, partition; written as 1),
//! version 2 a group. An offset's value is written in version 3 (version 1 if it has an expiry of its own), a group's
//! in version 3. A null value deletes.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_types::{Offset, TopicName, TopicPartition, varint};
use time_types::{Tick, WallMillis};

use crate::RecordError;
use crate::effect::KeyValue;
use crate::member::Member;
use crate::offsets::Committed;

const KEY_OFFSET: i16 = 1;
const KEY_GROUP: i16 = 2;
/// Offsets without an expiry of their own.
const VALUE_OFFSET: i16 = 3;
/// The last version that carries an expiry.
const VALUE_OFFSET_WITH_EXPIRY: i16 = 1;
const VALUE_GROUP: i16 = 3;

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
    pub(crate) fn into_member(self, protocol: String) -> Member {
        Member {
            id: self.member_id.into(),
            group_instance_id: self.group_instance_id,
            client_id: self.client_id,
            client_host: self.client_host,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            protocols: vec![(protocol, self.subscription)],
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
        let mut key = BytesMut::new();
        let value = match self {
            Record::Offset { group_id, topic_partition, value } => {
                key.put_i16(KEY_OFFSET);
                put_string(&mut key, group_id);
                put_string(&mut key, &topic_partition.topic);
                key.put_i32(topic_partition.partition);
                value.as_ref().map(encode_offset)
            }
            Record::Group { group_id, value } => {
                key.put_i16(KEY_GROUP);
                put_string(&mut key, group_id);
                value.as_ref().map(encode_group)
            }
        };
        KeyValue { key: key.freeze(), value }
    }

    /// Out of the log; `None` if the key is of a kind that is not ours.
    pub(crate) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Record>, RecordError> {
        let mut key = Reader::new(key, "key");
        match key.i16()? {
            0..=KEY_OFFSET => {
                let group_id = key.string()?.into();
                let topic: TopicName = key.string()?.into();
                let topic_partition = TopicPartition::new(topic, key.i32()?);
                let value = value.map(decode_offset).transpose()?;
                Ok(Some(Record::Offset { group_id, topic_partition, value }))
            }
            KEY_GROUP => {
                let group_id = key.string()?.into();
                let value = value.map(decode_group).transpose()?;
                Ok(Some(Record::Group { group_id, value }))
            }
            _ => Ok(None),
        }
    }
}

fn encode_offset(committed: &Committed) -> Bytes {
    let mut value = BytesMut::new();
    let version = if committed.expires_at.is_some() { VALUE_OFFSET_WITH_EXPIRY } else { VALUE_OFFSET };
    value.put_i16(version);
    value.put_i64(committed.offset.0);
    if version == VALUE_OFFSET {
        value.put_i32(committed.leader_epoch);
    }
    put_string(&mut value, &committed.metadata);
    value.put_i64(committed.at.0);
    if let Some(expires_at) = committed.expires_at {
        value.put_i64(expires_at.0);
    }
    value.freeze()
}

fn decode_offset(value: &[u8]) -> Result<Committed, RecordError> {
    let mut value = Reader::new(value, "offset");
    let version = value.version(4)?;
    let offset = Offset(value.i64()?);
    let leader_epoch = if version >= VALUE_OFFSET { value.i32()? } else { -1 };
    let metadata = value.string()?;
    let at = WallMillis(value.i64()?);
    let expires_at = if version == VALUE_OFFSET_WITH_EXPIRY { Some(value.i64()?) } else { None };
    let expires_at = expires_at.filter(|at| *at != -1).map(WallMillis);
    Ok(Committed { offset, leader_epoch, metadata, at, expires_at, logged_at: Offset::NONE })
}

fn encode_group(group: &GroupRecord) -> Bytes {
    let mut value = BytesMut::new();
    value.put_i16(VALUE_GROUP);
    put_string(&mut value, &group.protocol_type);
    value.put_i32(group.generation);
    put_nullable_string(&mut value, group.protocol.as_deref());
    put_nullable_string(&mut value, group.leader.as_deref());
    value.put_i64(group.state_since.map_or(-1, |since| since.0));
    value.put_i32(group.members.len() as i32);
    for member in &group.members {
        put_string(&mut value, &member.member_id);
        put_nullable_string(&mut value, member.group_instance_id.as_deref());
        put_string(&mut value, &member.client_id);
        put_string(&mut value, &member.client_host);
        value.put_i32(member.rebalance_timeout_ms);
        value.put_i32(member.session_timeout_ms);
        put_bytes(&mut value, &member.subscription);
        put_bytes(&mut value, &member.assignment);
    }
    value.freeze()
}

fn decode_group(value: &[u8]) -> Result<GroupRecord, RecordError> {
    let mut value = Reader::new(value, "group");
    let version = value.version(4)?;
    let protocol_type = value.string()?;
    let generation = value.i32()?;
    let protocol = value.nullable_string()?;
    let leader = value.nullable_string()?;
    let state_since = if version >= 2 { Some(value.i64()?) } else { None };
    let mut members = Vec::new();
    for _ in 0..value.length(true)?.unwrap_or(0) {
        members.push(decode_member(&mut value, version)?);
    }
    let state_since = state_since.filter(|since| *since != -1).map(WallMillis);
    Ok(GroupRecord { protocol_type, generation, protocol, leader, state_since, members })
}

fn decode_member(value: &mut Reader<'_>, version: i16) -> Result<MemberRecord, RecordError> {
    let member_id = value.string()?;
    let group_instance_id = if version >= 3 { value.nullable_string()? } else { None };
    let client_id = value.string()?;
    let client_host = value.string()?;
    let rebalance_timeout_ms = if version >= 1 { Some(value.i32()?) } else { None };
    let session_timeout_ms = value.i32()?;
    let member = MemberRecord {
        member_id,
        group_instance_id,
        client_id,
        client_host,
        // Before version 1 there was one timeout for both purposes.
        rebalance_timeout_ms: rebalance_timeout_ms.unwrap_or(session_timeout_ms),
        session_timeout_ms,
        subscription: value.byte_string()?,
        assignment: value.byte_string()?,
    };
    value.tagged_fields()?;
    Ok(member)
}

/// Topics of a subscription of the consumer protocol, in any of its versions (they only grow at the end); `None` if
/// the bytes are something else.
pub(crate) fn subscribed_topics(subscription: &[u8]) -> Option<Vec<String>> {
    let mut value = Reader::new(subscription, "subscription");
    if value.i16().ok()? < 0 {
        return None;
    }
    let count = value.length(true).ok()?.unwrap_or(0);
    let mut topics = Vec::new();
    for _ in 0..count {
        topics.push(value.string().ok()?);
    }
    Some(topics)
}

fn put_string(out: &mut BytesMut, text: &str) {
    out.put_i16(text.len() as i16);
    out.put_slice(text.as_bytes());
}

fn put_nullable_string(out: &mut BytesMut, text: Option<&str>) {
    match text {
        Some(text) => put_string(out, text),
        None => out.put_i16(-1),
    }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(bytes.len() as i32);
    out.put_slice(bytes);
}

/// Reads the fields of one key or value.
struct Reader<'a> {
    bytes: &'a [u8],
    what: &'static str,
    /// Version 4 of both values has compact lengths and tagged fields.
    is_flexible: bool,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], what: &'static str) -> Reader<'a> {
        Reader { bytes, what, is_flexible: false }
    }

    fn error(&self, problem: &str) -> RecordError {
        RecordError(format!("{}: {problem}", self.what))
    }

    fn version(&mut self, newest: i16) -> Result<i16, RecordError> {
        let version = self.i16()?;
        if !(0..=newest).contains(&version) {
            return Err(self.error(&format!("version {version} is not known")));
        }
        self.is_flexible = version >= 4;
        Ok(version)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or_else(|| self.error("ends in the middle"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn i16(&mut self) -> Result<i16, RecordError> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, RecordError> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, RecordError> {
        self.array().map(i64::from_be_bytes)
    }

    fn unsigned_varint(&mut self) -> Result<u32, RecordError> {
        let (value, len) = varint::read_u32(self.bytes).map_err(|_| self.error("a length cannot be read"))?;
        self.take(len)?;
        Ok(value)
    }

    /// A length; `None` is null. Strings have two bytes of it, the rest four, in the classic form.
    fn length(&mut self, is_long: bool) -> Result<Option<usize>, RecordError> {
        let length = match (self.is_flexible, is_long) {
            (true, _) => i64::from(self.unsigned_varint()?) - 1,
            (false, true) => i64::from(self.i32()?),
            (false, false) => i64::from(self.i16()?),
        };
        match length {
            -1 => Ok(None),
            0.. => Ok(Some(length as usize)),
            _ => Err(self.error("a length is negative")),
        }
    }

    fn nullable_string(&mut self) -> Result<Option<String>, RecordError> {
        let Some(length) = self.length(false)? else { return Ok(None) };
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| self.error("a text is not UTF-8"))?;
        Ok(Some(text.to_owned()))
    }

    fn string(&mut self) -> Result<String, RecordError> {
        self.nullable_string()?.ok_or_else(|| self.error("a text is null"))
    }

    fn byte_string(&mut self) -> Result<Bytes, RecordError> {
        let length = self.length(true)?.unwrap_or(0);
        Ok(Bytes::copy_from_slice(self.take(length)?))
    }

    fn tagged_fields(&mut self) -> Result<(), RecordError> {
        if self.is_flexible {
            for _ in 0..self.unsigned_varint()? {
                self.unsigned_varint()?;
                let length = self.unsigned_varint()?;
                self.take(length as usize)?;
            }
        }
        Ok(())
    }
}
