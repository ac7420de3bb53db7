//! Everything that can happen to a controller, one enum.

use kafka_types::{
    BrokerEpoch, BrokerId, ControllerEpoch, ErrorCode, LeaderEpoch, PartitionEpoch, TopicPartition, Uuid,
};

/// Names a batch of reads or writes; the core's number, handed back untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IoToken(pub u64);

/// Names a parked request; the shell's number, handed back untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyToken(pub u64);

/// What happens to a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// This broker has a session and is registered: take part in elections. Comes at the start and after each
    /// [`Event::SessionLost`].
    SessionStarted,
    /// The session expired, or this broker stops: whatever it was, it controls nothing any more.
    SessionLost,
    /// Something at a watched path changed: created, deleted, data or children (which of them does not matter, the path
    /// is read again).
    Changed {
        /// The path of the watch.
        path: String,
    },
    /// An [`crate::Effect::Read`] is done.
    ReadDone {
        /// Which.
        token: IoToken,
        /// One result per read, in order.
        results: Vec<ReadResult>,
    },
    /// An [`crate::Effect::Write`] is done.
    Written {
        /// Which.
        token: IoToken,
        /// One result per write, in order.
        results: Vec<WriteResult>,
    },
    /// A broker answered LeaderAndIsr.
    LeaderAndIsrAnswered {
        /// Who.
        broker: BrokerId,
        /// What it said of the whole request, or of each partition that failed.
        errors: Vec<(TopicPartition, ErrorCode)>,
    },
    /// A broker answered StopReplica.
    StopReplicaAnswered {
        /// Who.
        broker: BrokerId,
        /// What it said of each partition it was told to *delete* (not of those it was only told to stop). When the whole
        /// request failed, each of them with that error.
        deleted: Vec<(TopicPartition, ErrorCode)>,
    },
    /// A leader asks for other in-sync replicas.
    AlterPartition {
        /// For the answer.
        token: ReplyToken,
        /// What it asks.
        request: AlterPartitionRequest,
    },
    /// A broker wants to stop and asks to have its leaderships taken over.
    ControlledShutdown {
        /// For the answer.
        token: ReplyToken,
        /// Who.
        broker: BrokerId,
        /// Its epoch; [`BrokerEpoch::NONE`] from versions without one.
        broker_epoch: BrokerEpoch,
    },
    /// A broker wants a block of producer ids.
    AllocateProducerIds {
        /// For the answer.
        token: ReplyToken,
        /// Who.
        broker: BrokerId,
        /// Its epoch.
        broker_epoch: BrokerEpoch,
    },
    /// A tool wants other leaders.
    ElectLeaders {
        /// For the answer.
        token: ReplyToken,
        /// By which rule.
        election: ElectionType,
        /// Of which partitions; `None` for all.
        partitions: Option<Vec<TopicPartition>>,
    },
    /// A tool wants partitions moved.
    AlterReassignments {
        /// For the answer.
        token: ReplyToken,
        /// Each partition once, with the replicas that it shall have; `None`: back to where it was.
        moves: Vec<(TopicPartition, Option<Vec<BrokerId>>)>,
    },
    /// A tool asks which partitions are being moved.
    ListReassignments {
        /// For the answer.
        token: ReplyToken,
        /// Which of these; `None` for which of all.
        partitions: Option<Vec<TopicPartition>>,
    },
    /// The broker's own `unclean.leader.election.enable` was changed.
    UncleanElections {
        /// May topics that do not say elect uncleanly?
        allowed: bool,
    },
}

/// What is known of a znode beside its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeStat {
    /// How often its data was set (dataVersion).
    pub version: i32,
    /// The transaction that created it (czxid).
    pub created: i64,
    /// The session that it goes with; 0 for a persistent one.
    pub owner: i64,
}

/// The result of one [`crate::Read`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadResult {
    /// Of `Data`.
    Data {
        /// The data; empty if there is none.
        data: Vec<u8>,
        /// The rest.
        stat: NodeStat,
    },
    /// Of `Children`: their names.
    Children(Vec<String>),
    /// Of `Exists`.
    Exists(NodeStat),
    /// Of any: there is no such znode (the watch is set all the same for `Exists` only, as ZooKeeper does it).
    NoNode,
    /// Something that no repetition cures, such as missing permission.
    Failed(String),
}

/// Why a write changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// The znode is there already.
    NodeExists,
    /// The znode, or its parent, is not there.
    NoNode,
    /// The znode's version is another.
    BadVersion,
    /// The znode has children.
    NotEmpty,
    /// Something that no repetition cures, such as missing permission.
    Failed(String),
}

/// The result of one [`crate::Write`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteResult {
    /// All its operations were carried out; for each of them the znode's version afterwards (0 after a creation or where
    /// there is nothing to tell).
    Done(Vec<i32>),
    /// None was carried out.
    Refused {
        /// Which operation was refused, counted from 0.
        at: usize,
        /// Why.
        error: WriteError,
    },
}

/// By which rule a leader is chosen (ElectLeaders).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionType {
    /// The first replica, if it lives and is in sync.
    Preferred,
    /// Any replica that lives, if none in sync does: records may be lost.
    Unclean,
}

/// What a leader asks for (AlterPartition).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterPartitionRequest {
    /// The leader's broker.
    pub broker: BrokerId,
    /// Its epoch.
    pub broker_epoch: BrokerEpoch,
    /// Does it name topics by id (version 2 and later)? Decides which code says "unknown topic".
    pub by_topic_id: bool,
    /// The partitions.
    pub proposals: Vec<IsrProposal>,
}

/// The in-sync replicas that a leader wants for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsrProposal {
    /// The topic's id; [`Uuid::ZERO`] before version 2.
    pub topic_id: Uuid,
    /// Its name; empty from version 2 on.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The leader's own epoch.
    pub leader_epoch: LeaderEpoch,
    /// Who shall be in sync, each with its broker epoch ([`BrokerEpoch::NONE`] before version 3).
    pub isr: Vec<(BrokerId, BrokerEpoch)>,
    /// It has not recovered from an unclean election.
    pub recovering: bool,
    /// The version of the state that it starts from.
    pub partition_epoch: PartitionEpoch,
}

/// What became of one [`IsrProposal`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlteredPartition {
    /// The topic's id.
    pub topic_id: Uuid,
    /// Its name as far as known.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The new state, or why it was refused.
    pub result: Result<AlteredState, ErrorCode>,
}

/// A partition's state after AlterPartition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlteredState {
    /// The leader.
    pub leader: BrokerId,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// Who is in sync.
    pub isr: Vec<BrokerId>,
    /// It has not recovered from an unclean election.
    pub recovering: bool,
    /// The version of the state.
    pub partition_epoch: PartitionEpoch,
    /// The controller that wrote it.
    pub controller_epoch: ControllerEpoch,
}
