//! The elected controller: events in; znode reads and writes and orders to brokers out.
//!
//! ZooKeeper-era control logic without ZooKeeper: the core says which znodes it wants to read and write, somebody else
//! does it and hands the results back, so a whole life of a controller can be replayed from a list of events. One batch
//! of reads or writes is under way at a time; other events wait until it is done, except the loss of the session.
//! Every write begins with a check of `/controller_epoch`, so that a controller that was replaced changes nothing.
#![deny(missing_docs)]

mod batch;
mod brokers;
mod context;
mod controller;
mod deletion;
mod effect;
pub mod election;
mod event;
mod isr;
mod job;
mod leaders;
mod notifications;
mod partition_states;
mod producer_ids;
mod reassignment;
mod replica_states;
mod shutdown;
mod startup;
mod topics;

pub use controller::{Controller, ControllerSettings};

pub use effect::{
    Answer, BrokerNode, Effect, ElectedPartition, LeaderAndIsr, LeaderAndIsrPartition, LiveLeader, Notice, NoticeLevel,
    Read, ReassignedPartition, Role, StopReplica, StopReplicaPartition, UpdateMetadata, Write, WriteOp,
};
pub use event::{
    AlterPartitionRequest, AlteredPartition, AlteredState, ElectionType, Event, IoToken, IsrProposal, NodeStat,
    ReadResult, ReplyToken, WriteError, WriteResult,
};
