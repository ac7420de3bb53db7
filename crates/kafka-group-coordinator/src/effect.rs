//! What a coordinator wants done: records appended, parked replies sent.

use bytes::Bytes;
use kafka_types::{ErrorCode, Offset, ProducerEpoch, ProducerId, TopicPartition};

use crate::request::Request;

/// Names a parked reply; the shell's number, handed back untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyToken(pub u64);

/// Names an append; the coordinator's number, unique in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendToken(pub u64);

/// What happens to a coordinator.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Somebody asks; exactly one [`Effect::Reply`] with this token follows, now or later.
    Request {
        /// For the reply.
        token: ReplyToken,
        /// What is asked.
        request: Request,
    },
    /// An [`Effect::Append`] is committed (by acks=all) or failed. Results must come in the order of the appends.
    Appended {
        /// Whose.
        token: AppendToken,
        /// Offset of the first record, or why it failed (as the append path said it; translated here).
        result: Result<Offset, ErrorCode>,
    },
    /// A transaction marker is committed in this partition (WriteTxnMarkers).
    TransactionEnded {
        /// Whose transaction.
        producer_id: ProducerId,
        /// Committed or aborted.
        committed: bool,
    },
    /// Partitions are gone from the cluster: so are the offsets committed for them.
    PartitionsDeleted(Vec<TopicPartition>),
}

/// What the shell does for a coordinator.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Append these records as one batch to this coordinator's partition with acks=all, and report by
    /// [`Event::Appended`].
    Append {
        /// To report by.
        token: AppendToken,
        /// The records; timestamps are the shell's.
        records: Vec<KeyValue>,
        /// Set for offsets in a transaction: the batch must be transactional, by this producer.
        producer: Option<(ProducerId, ProducerEpoch)>,
    },
    /// Answer a parked request.
    Reply {
        /// Which.
        token: ReplyToken,
        /// The answer.
        reply: Reply,
    },
}

/// One record of `__consumer_offsets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// Key, with its version.
    pub key: Bytes,
    /// Value, with its version; `None` deletes the key.
    pub value: Option<Bytes>,
}

impl KeyValue {
    /// Is it an offset that somebody committed?
    pub fn is_commit(&self) -> bool {
        self.value.is_some() && matches!(*self.key, [0, 0 | 1, ..])
    }
}

/// Answers, one variant per kind of request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To JoinGroup.
    Join(JoinReply),
    /// To SyncGroup.
    Sync(SyncReply),
    /// To Heartbeat.
    Heartbeat(ErrorCode),
    /// To LeaveGroup.
    Leave(LeaveReply),
    /// To OffsetCommit and TxnOffsetCommit: each partition of the request, in its order.
    OffsetCommit(Vec<(TopicPartition, ErrorCode)>),
    /// To OffsetFetch.
    OffsetFetch(OffsetFetchReply),
    /// To DescribeGroups.
    Describe(GroupDescription),
    /// To ListGroups.
    List(ListReply),
    /// To DeleteGroups.
    DeleteGroup(ErrorCode),
    /// To OffsetDelete.
    DeleteOffsets(DeleteOffsetsReply),
}

/// Answer to JoinGroup. With an error all but `member_id` is empty and the generation is -1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinReply {
    /// What went wrong.
    pub error: ErrorCode,
    /// The generation that begins.
    pub generation: i32,
    /// As the group has it.
    pub protocol_type: Option<String>,
    /// The assignor that the vote chose.
    pub protocol: Option<String>,
    /// Member id of the leader.
    pub leader: String,
    /// The asking member's id, perhaps a new one.
    pub member_id: String,
    /// The leader (this member) must not assign anew (KIP-814).
    pub skip_assignment: bool,
    /// All members, for the leader only.
    pub members: Vec<JoinedMember>,
}

/// A member as its group's leader learns of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: String,
    /// Its name, if static.
    pub group_instance_id: Option<String>,
    /// What it said for the chosen protocol.
    pub metadata: Bytes,
}

/// Answer to SyncGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncReply {
    /// What went wrong.
    pub error: ErrorCode,
    /// As the group has it.
    pub protocol_type: Option<String>,
    /// As the group has it.
    pub protocol: Option<String>,
    /// What the leader gave to this member.
    pub assignment: Bytes,
}

/// Answer to LeaveGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveReply {
    /// For the request as a whole.
    pub error: ErrorCode,
    /// Per leaving member, in the order of the request.
    pub members: Vec<LeftMember>,
}

/// What became of one leaving member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftMember {
    /// As asked.
    pub member_id: String,
    /// As asked.
    pub group_instance_id: Option<String>,
    /// What went wrong.
    pub error: ErrorCode,
}

/// Answer to OffsetFetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchReply {
    /// For the group as a whole.
    pub error: ErrorCode,
    /// Per partition; empty if there is an error for the whole.
    pub offsets: Vec<FetchedOffset>,
}

/// A committed offset, as a consumer gets it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedOffset {
    /// Which partition.
    pub topic_partition: TopicPartition,
    /// The next record to read; -1 if none is committed.
    pub offset: Offset,
    /// Leader epoch of the last record read, -1 if unknown.
    pub leader_epoch: i32,
    /// As committed.
    pub metadata: String,
    /// `UNSTABLE_OFFSET_COMMIT` if commits are in flight and the consumer asked for stable ones.
    pub error: ErrorCode,
}

/// Answer to DescribeGroups, for one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// What went wrong.
    pub error: ErrorCode,
    /// The group.
    pub group_id: String,
    /// `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable`, `Dead`; empty with an error.
    pub state: &'static str,
    /// Empty if the group has none.
    pub protocol_type: String,
    /// The assignor in use while the group is stable, else empty.
    pub protocol: String,
    /// The members; metadata and assignment only while the group is stable.
    pub members: Vec<MemberDescription>,
}

/// A member, described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its id.
    pub member_id: String,
    /// Its name, if static.
    pub group_instance_id: Option<String>,
    /// From its request header.
    pub client_id: String,
    /// Its address as Java prints it.
    pub client_host: String,
    /// Its subscription.
    pub metadata: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

/// Answer to ListGroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListReply {
    /// `COORDINATOR_LOAD_IN_PROGRESS` while loading.
    pub error: ErrorCode,
    /// The groups; all are of type `classic`.
    pub groups: Vec<GroupListing>,
}

/// A group, listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Its id.
    pub group_id: String,
    /// Empty if the group has none.
    pub protocol_type: String,
    /// Name of its state.
    pub state: &'static str,
}

/// What is measured of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFacts {
    /// Its id.
    pub group_id: String,
    /// How many members it has.
    pub members: usize,
    /// What it has committed, by partition.
    pub offsets: Vec<(TopicPartition, Offset)>,
}

/// Answer to OffsetDelete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteOffsetsReply {
    /// For the request as a whole.
    pub error: ErrorCode,
    /// Per partition, in the order of the request; empty if there is an error for the whole.
    pub partitions: Vec<(TopicPartition, ErrorCode)>,
}
