//! What is asked of a coordinator: requests as plain values, one group each. Requests that name several groups on the
//! wire (DescribeGroups, OffsetFetch v8, DeleteGroups) are split by the shell, which knows whose partition each is.

use bytes::Bytes;
use kafka_types::{Offset, ProducerEpoch, ProducerId, TopicPartition};

/// One request for one group.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// JoinGroup; answered by [`crate::Reply::Join`], often much later.
    Join(Join),
    /// SyncGroup; answered by [`crate::Reply::Sync`] when the leader's assignment is stored.
    Sync(Sync),
    /// Heartbeat; answered by [`crate::Reply::Heartbeat`].
    Heartbeat(Heartbeat),
    /// LeaveGroup; answered by [`crate::Reply::Leave`].
    Leave(Leave),
    /// OffsetCommit; answered by [`crate::Reply::OffsetCommit`].
    OffsetCommit(OffsetCommit),
    /// TxnOffsetCommit; answered by [`crate::Reply::OffsetCommit`].
    TxnOffsetCommit(TxnOffsetCommit),
    /// OffsetFetch; answered by [`crate::Reply::OffsetFetch`].
    OffsetFetch(OffsetFetch),
    /// DescribeGroups for one group; answered by [`crate::Reply::Describe`].
    Describe {
        /// The group.
        group_id: String,
    },
    /// ListGroups, the part of it that this coordinator can tell; answered by [`crate::Reply::List`].
    List {
        /// Names of states that are wanted, in any case; empty for all (KIP-518).
        states: Vec<String>,
    },
    /// DeleteGroups for one group; answered by [`crate::Reply::DeleteGroup`].
    DeleteGroup {
        /// The group.
        group_id: String,
    },
    /// OffsetDelete (KIP-496); answered by [`crate::Reply::DeleteOffsets`].
    DeleteOffsets {
        /// The group.
        group_id: String,
        /// Partitions that exist in the cluster; what does not exist is answered by the shell.
        partitions: Vec<TopicPartition>,
    },
}

/// JoinGroup.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Join {
    /// The group.
    pub group_id: String,
    /// The member's id, empty if it has none yet.
    pub member_id: String,
    /// Name of a static member (KIP-345).
    pub group_instance_id: Option<String>,
    /// From the request header; empty if there was none.
    pub client_id: String,
    /// The peer's address as Java prints it: `/127.0.0.1`.
    pub client_host: String,
    /// Milliseconds without heartbeat after which the member is out.
    pub session_timeout_ms: i32,
    /// Milliseconds that a rebalance may wait for this member; negative means the session timeout (version 0).
    pub rebalance_timeout_ms: i32,
    /// `consumer`, `connect` ..
    pub protocol_type: String,
    /// Assignors the member can do, best first, each with what it tells the leader.
    pub protocols: Vec<(String, Bytes)>,
    /// From version 4 on a member gets its id before it joins (KIP-394).
    pub requires_known_member_id: bool,
    /// From version 9 on a static leader can be told to skip the assignment.
    pub supports_skipping_assignment: bool,
    /// 16 random bytes, for the id of a new member.
    pub random: [u8; 16],
}

/// SyncGroup.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sync {
    /// The group.
    pub group_id: String,
    /// The generation that the member joined.
    pub generation: i32,
    /// The member's id.
    pub member_id: String,
    /// Name of a static member.
    pub group_instance_id: Option<String>,
    /// The protocol type that the member believes in (version 5 on).
    pub protocol_type: Option<String>,
    /// The protocol that the member believes in (version 5 on).
    pub protocol: Option<String>,
    /// Assignment per member id; only the leader's counts.
    pub assignments: Vec<(String, Bytes)>,
}

/// Heartbeat.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heartbeat {
    /// The group.
    pub group_id: String,
    /// The generation that the member is in.
    pub generation: i32,
    /// The member's id.
    pub member_id: String,
    /// Name of a static member.
    pub group_instance_id: Option<String>,
}

/// LeaveGroup, batched as from version 3 on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Leave {
    /// The group.
    pub group_id: String,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// One member that leaves, or is removed by an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeavingMember {
    /// The member's id; empty removes whoever holds the instance id.
    pub member_id: String,
    /// Name of a static member.
    pub group_instance_id: Option<String>,
}

/// OffsetCommit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetCommit {
    /// The group.
    pub group_id: String,
    /// The committing member's generation; -1 for who is no member.
    pub generation: i32,
    /// The member's id, empty for who is no member.
    pub member_id: String,
    /// Name of a static member.
    pub group_instance_id: Option<String>,
    /// Milliseconds to keep the offsets (versions 2 to 4); `None` for the broker's retention.
    pub retention_ms: Option<i64>,
    /// What is committed.
    pub offsets: Vec<OffsetToCommit>,
}

/// TxnOffsetCommit: offsets that count when the transaction commits.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TxnOffsetCommit {
    /// The group.
    pub group_id: String,
    /// Who produces in the transaction.
    pub producer_id: ProducerId,
    /// The producer's incarnation.
    pub producer_epoch: ProducerEpoch,
    /// The consumer's generation; -1 before version 3.
    pub generation: i32,
    /// The consumer's member id, empty before version 3.
    pub member_id: String,
    /// Name of a static member.
    pub group_instance_id: Option<String>,
    /// What is committed.
    pub offsets: Vec<OffsetToCommit>,
}

/// One offset to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetToCommit {
    /// Which partition.
    pub topic_partition: TopicPartition,
    /// The next record to read.
    pub offset: Offset,
    /// Leader epoch of the last record read, -1 if unknown.
    pub leader_epoch: i32,
    /// Free text; `None` is kept as empty text.
    pub metadata: Option<String>,
}

/// OffsetFetch for one group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetFetch {
    /// The group.
    pub group_id: String,
    /// Which partitions; `None` for all that the group has.
    pub partitions: Option<Vec<TopicPartition>>,
    /// Refuse partitions that have commits in flight (KIP-447).
    pub require_stable: bool,
}
