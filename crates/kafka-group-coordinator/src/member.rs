//! One member of a group, dynamic or static.

use std::sync::Arc;

use bytes::Bytes;
use time_types::Tick;

use crate::effect::{MemberDescription, ReplyToken};
use crate::names::Names;
use crate::request::Join;

/// A member's id; cloning shares the text.
pub(crate) type MemberId = Arc<str>;

/// What a member can do, best first, each with what it tells the leader.
pub(crate) type Protocols = Box<[(Arc<str>, Bytes)]>;

/// A new member that waits in a join does not know its id and cannot send heartbeats; so long it may wait before it
/// counts as gone, because its disconnection cannot be seen (milliseconds).
pub(crate) const NEW_MEMBER_JOIN_TIMEOUT_MS: u64 = 5 * 60 * 1_000;

/// One member of a group.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: MemberId,
    /// Name of a static member: it survives restarts of the client, the id does not.
    pub(crate) group_instance_id: Option<String>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// Best first.
    pub(crate) protocols: Protocols,
    pub(crate) assignment: Bytes,
    pub(crate) awaiting_join: Option<ReplyToken>,
    pub(crate) awaiting_sync: Option<ReplyToken>,
    /// Added in the rebalance that is going on.
    pub(crate) is_new: bool,
    /// Members are listed, and inherit leadership, in the order in which they came.
    pub(crate) joined: u64,
    /// When its session ends unless it is heard of.
    pub(crate) deadline: Tick,
    /// The one heap entry that counts for this session; never after `deadline`.
    pub(crate) armed: Option<Tick>,
}

impl Member {
    /// A member as its first join describes it.
    pub(crate) fn new(id: MemberId, join: &Join, names: &mut Names) -> Member {
        Member {
            id,
            group_instance_id: join.group_instance_id.clone(),
            client_id: names.share(&join.client_id),
            client_host: names.share(&join.client_host),
            rebalance_timeout_ms: rebalance_timeout_ms(join),
            session_timeout_ms: join.session_timeout_ms,
            protocols: protocols(join, names),
            assignment: Bytes::new(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: true,
            joined: 0,
            deadline: Tick::default(),
            armed: None,
        }
    }

    /// Is it static?
    pub(crate) fn is_static(&self) -> bool {
        self.group_instance_id.is_some()
    }

    /// While the coordinator owes it an answer, a member need not send heartbeats; one that is new must not wait for
    /// ever, though.
    pub(crate) fn is_excused(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    /// What it says for a protocol; empty if it does not know it.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| **name == *protocol)
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    /// Would it join with the same words as before?
    pub(crate) fn matches(&self, join: &Join) -> bool {
        let same = |(ours, theirs): (&(Arc<str>, Bytes), &(String, Bytes))| *ours.0 == *theirs.0 && ours.1 == theirs.1;
        self.protocols.len() == join.protocols.len() && self.protocols.iter().zip(&join.protocols).all(same)
    }

    /// As DescribeGroups shows it; with the protocol only while the group is stable.
    pub(crate) fn describe(&self, protocol: Option<&str>) -> MemberDescription {
        MemberDescription {
            member_id: self.id.to_string(),
            group_instance_id: self.group_instance_id.clone(),
            client_id: self.client_id.to_string(),
            client_host: self.client_host.to_string(),
            metadata: protocol.map(|protocol| self.metadata(protocol)).unwrap_or_default(),
            assignment: if protocol.is_some() { self.assignment.clone() } else { Bytes::new() },
        }
    }
}

/// The protocols of a join, as they are kept.
pub(crate) fn protocols(join: &Join, names: &mut Names) -> Protocols {
    join.protocols.iter().map(|(name, metadata)| (names.share(name), metadata.clone())).collect()
}

/// Version 0 of JoinGroup knows one timeout for both purposes.
pub(crate) fn rebalance_timeout_ms(join: &Join) -> i32 {
    if join.rebalance_timeout_ms < 0 { join.session_timeout_ms } else { join.rebalance_timeout_ms }
}

/// The id of a new member: its name or its client's, and a random UUID as Java prints it.
pub(crate) fn new_member_id(join: &Join) -> MemberId {
    let mut random = join.random;
    random[6] = (random[6] & 0x0f) | 0x40;
    random[8] = (random[8] & 0x3f) | 0x80;
    let bits = u128::from_be_bytes(random);
    let name = join.group_instance_id.as_deref().unwrap_or(&join.client_id);
    let (high, low) = ((bits >> 64) as u64, bits as u64);
    format!(
        "{name}-{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
    .into()
}
