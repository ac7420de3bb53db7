//! What a controller wants done: znodes read and written, brokers told, requests answered.

use std::sync::Arc;

use kafka_metadata::znodes::producer_ids::ProducerIdBlock;
use kafka_metadata::znodes::topics::ReplicaAssignment;
use kafka_metadata::{Broker, MetadataUpdate};
use kafka_types::{
    BrokerEpoch, BrokerId, ControllerEpoch, ErrorCode, LeaderEpoch, PartitionEpoch, TopicPartition, Uuid,
};

use crate::event::{AlteredPartition, IoToken, ReplyToken};

/// What the shell does for a controller. Effects are in order: what is sent to one broker must arrive in order, one
/// request at a time, repeated until it is answered or the broker is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read these znodes (all at once, pipelined) and report by [`crate::Event::ReadDone`]. Lost connections are the
    /// shell's business: it repeats until it has an answer or the session is over.
    Read {
        /// To report by.
        token: IoToken,
        /// In this order.
        reads: Vec<Read>,
    },
    /// Carry out these writes (all at once, pipelined, in this order) and report by [`crate::Event::Written`]. Lost
    /// connections as above.
    Write {
        /// To report by.
        token: IoToken,
        /// In this order; one that is refused does not keep the next from being tried.
        writes: Vec<Write>,
    },
    /// The role changed: until the next one, requests for the controller are answered accordingly.
    Role(Role),
    /// Open a channel to this broker: orders for it follow.
    AddBroker(BrokerNode),
    /// This broker is told to be elsewhere, in the same life: the channel stays, for listeners stay open where they are
    /// (KIP-226); if it is not to be reached there any more, it may be here.
    BrokerMoved(BrokerNode),
    /// Close the channel to this broker; what was not answered yet is dropped.
    RemoveBroker(BrokerId),
    /// Send LeaderAndIsr; its answer comes back as [`crate::Event::LeaderAndIsrAnswered`].
    LeaderAndIsr {
        /// To whom.
        to: BrokerId,
        /// What.
        request: LeaderAndIsr,
    },
    /// Send UpdateMetadata; its answer matters to nobody.
    UpdateMetadata {
        /// To whom.
        to: BrokerId,
        /// What.
        request: UpdateMetadata,
    },
    /// Send StopReplica; its answer comes back as [`crate::Event::StopReplicaAnswered`] when it deletes.
    StopReplica {
        /// To whom.
        to: BrokerId,
        /// What.
        request: StopReplica,
    },
    /// Answer a parked request.
    Answer {
        /// Which.
        token: ReplyToken,
        /// The answer.
        answer: Answer,
    },
    /// Worth a line in the log.
    Notice(Notice),
}

/// One znode to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// Its data and stat.
    Data {
        /// Where.
        path: String,
        /// Report the next change of data, or the deletion, by [`crate::Event::Changed`].
        watch: bool,
    },
    /// The names of its children.
    Children {
        /// Where.
        path: String,
        /// Report the next change among the children.
        watch: bool,
    },
    /// Whether it is there.
    Exists {
        /// Where.
        path: String,
        /// Report the next creation, deletion or change of data.
        watch: bool,
    },
}

/// Operations that are carried out together or not at all: a single one may go as a plain request, more are a multi.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// In order.
    pub ops: Vec<WriteOp>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOp {
    /// Go on only if the znode has this version.
    Check {
        /// Where.
        path: String,
        /// The version.
        version: i32,
    },
    /// Make a znode, open to everybody.
    Create {
        /// Where.
        path: String,
        /// Its data; `None` for none at all.
        data: Option<Vec<u8>>,
        /// Does it go with the session?
        ephemeral: bool,
    },
    /// Set the data of a znode.
    Set {
        /// Where.
        path: String,
        /// The data.
        data: Vec<u8>,
        /// The version it must have; `None` for any.
        version: Option<i32>,
    },
    /// Remove a znode.
    Delete {
        /// Where.
        path: String,
        /// The version it must have; `None` for any.
        version: Option<i32>,
    },
}

/// Who controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This broker, in this epoch.
    Controller(ControllerEpoch),
    /// Another broker, as far as known.
    Other(Option<BrokerId>),
}

/// A living broker with its epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerNode {
    /// Number, endpoints, rack.
    pub broker: Broker,
    /// Which life of it: orders carry this epoch, and it refuses those for an earlier life.
    pub epoch: BrokerEpoch,
}

/// An order to lead or follow partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderAndIsr {
    /// Who orders.
    pub controller: BrokerId,
    /// In which epoch.
    pub controller_epoch: ControllerEpoch,
    /// The receiver's life that is meant.
    pub broker_epoch: BrokerEpoch,
    /// The partitions.
    pub partitions: Vec<LeaderAndIsrPartition>,
    /// The leaders among the living brokers, with their endpoints between brokers.
    pub live_leaders: Vec<LiveLeader>,
}

/// Where a leader is reached by other brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLeader {
    /// Its number.
    pub id: BrokerId,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: i32,
}

/// One partition of [`LeaderAndIsr`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderAndIsrPartition {
    /// Which.
    pub partition: TopicPartition,
    /// The topic's id.
    pub topic_id: Uuid,
    /// The controller that decided the state.
    pub controller_epoch: ControllerEpoch,
    /// The leader; [`BrokerId::NONE`] if there is none.
    pub leader: BrokerId,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
    /// Who is in sync.
    pub isr: Vec<BrokerId>,
    /// The version of the state.
    pub partition_epoch: PartitionEpoch,
    /// Who holds it.
    pub replicas: Vec<BrokerId>,
    /// Who comes in by a reassignment.
    pub adding: Vec<BrokerId>,
    /// Who goes out by a reassignment.
    pub removing: Vec<BrokerId>,
    /// The receiver has not held it before.
    pub is_new: bool,
    /// The leader has not recovered from an unclean election.
    pub recovering: bool,
}

/// News of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateMetadata {
    /// The receiver's life that is meant.
    pub broker_epoch: BrokerEpoch,
    /// The news, the same for all receivers.
    pub update: Arc<MetadataUpdate>,
}

/// An order to stop holding partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReplica {
    /// Who orders.
    pub controller: BrokerId,
    /// In which epoch.
    pub controller_epoch: ControllerEpoch,
    /// The receiver's life that is meant.
    pub broker_epoch: BrokerEpoch,
    /// The partitions.
    pub partitions: Vec<StopReplicaPartition>,
}

impl StopReplica {
    /// The leader epoch that says "the topic is being deleted": it goes before every other.
    pub const EPOCH_DURING_DELETE: LeaderEpoch = LeaderEpoch(-2);
}

/// One partition of [`StopReplica`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReplicaPartition {
    /// Which.
    pub partition: TopicPartition,
    /// The newest leader epoch, or [`StopReplica::EPOCH_DURING_DELETE`].
    pub leader_epoch: LeaderEpoch,
    /// Delete its log as well?
    pub delete: bool,
}

/// Answers, one variant per request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To AlterPartition: an error for all, or what became of each.
    AlterPartition(Result<Vec<AlteredPartition>, ErrorCode>),
    /// To ControlledShutdown: the partitions that the broker still leads.
    ControlledShutdown(Result<Vec<TopicPartition>, ErrorCode>),
    /// To AllocateProducerIds.
    AllocateProducerIds(Result<ProducerIdBlock, ErrorCode>),
    /// To ElectLeaders: an error for all, or what became of each.
    ElectLeaders(Result<Vec<ElectedPartition>, ErrorCode>),
    /// To AlterReassignments: an error for all, or what became of each.
    AlterReassignments(Result<Vec<ReassignedPartition>, ErrorCode>),
    /// To ListReassignments: an error for all, or those that are being moved.
    ListReassignments(Result<Vec<(TopicPartition, ReplicaAssignment)>, ErrorCode>),
}

/// What became of one partition in AlterReassignments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReassignedPartition {
    /// Which.
    pub partition: TopicPartition,
    /// [`ErrorCode::None`] if the move has begun (and perhaps ended).
    pub error: ErrorCode,
    /// Words for the error.
    pub message: Option<String>,
}

/// What became of one partition in ElectLeaders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectedPartition {
    /// Which.
    pub partition: TopicPartition,
    /// [`ErrorCode::None`] if its leader changed.
    pub error: ErrorCode,
    /// Words for the error.
    pub message: Option<String>,
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeLevel {
    /// For those who look closely.
    Debug,
    /// The normal course of things.
    Info,
    /// Something is off.
    Warn,
    /// Something is broken.
    Error,
}

/// A line for the log, in Apache's words where people look for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub level: NoticeLevel,
    /// Apache's logger, such as `kafka.controller.KafkaController`.
    pub logger: &'static str,
    /// The line.
    pub text: String,
}
