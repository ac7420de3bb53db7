//! What a coordinator wants done: records appended, markers written, producer ids fetched, parked replies sent.

use bytes::Bytes;
use kafka_types::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition};
use time_types::WallMillis;

use crate::request::Request;
use crate::transaction::State;

/// Names a parked reply; the shell's number, handed back untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyToken(pub u64);

/// Names an append; the coordinator's number, unique in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendToken(pub u64);

/// Names a set of markers; the coordinator's number, unique in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MarkersToken(pub u64);

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
    /// A producer id that [`Effect::AllocateProducerId`] asked for, or why there is none.
    ProducerId {
        /// As it stood in the effect.
        token: ReplyToken,
        /// An id that nobody else has.
        result: Result<ProducerId, ErrorCode>,
    },
    /// An [`Effect::Append`] is committed (by acks=all) or failed. Results must come in the order of the appends.
    Appended {
        /// Whose.
        token: AppendToken,
        /// Why it failed (as the append path said it; translated here).
        result: Result<(), ErrorCode>,
    },
    /// The markers of [`Effect::WriteMarkers`] are committed in every partition that is still there.
    MarkersWritten {
        /// Which.
        token: MarkersToken,
    },
    /// A partition has refused the markers for good: it has seen a newer producer or a newer coordinator. There is
    /// nothing that this coordinator could still do.
    MarkersFenced {
        /// Which.
        token: MarkersToken,
    },
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
    },
    /// Get a producer id, and report by [`Event::ProducerId`].
    AllocateProducerId {
        /// To report by.
        token: ReplyToken,
    },
    /// Write the end of a transaction to its partitions, trying again until all have it, and report by
    /// [`Event::MarkersWritten`] or [`Event::MarkersFenced`].
    WriteMarkers {
        /// To report by.
        token: MarkersToken,
        /// What to write where.
        markers: MarkersToWrite,
    },
    /// Answer a parked request.
    Reply {
        /// Which.
        token: ReplyToken,
        /// The answer.
        reply: Reply,
    },
}

/// The end of one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkersToWrite {
    /// Whose, for log lines.
    pub transactional_id: String,
    /// The producer.
    pub producer_id: ProducerId,
    /// The epoch from which on the producer may write again; older ones are fenced by the marker.
    pub producer_epoch: ProducerEpoch,
    /// Of the coordinator that has decided.
    pub coordinator_epoch: i32,
    /// Committed, or aborted?
    pub committed: bool,
    /// Where.
    pub partitions: Vec<TopicPartition>,
}

/// One record of `__transaction_state`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// Key, with its version.
    pub key: Bytes,
    /// Value, with its version; `None` deletes the key.
    pub value: Option<Bytes>,
}

/// Answers, one variant per kind of request.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To InitProducerId.
    InitProducer(Result<(ProducerId, ProducerEpoch), ErrorCode>),
    /// To AddPartitionsToTxn and AddOffsetsToTxn.
    AddPartitions(ErrorCode),
    /// To a verification: each partition of the request, in its order.
    VerifyPartitions(Vec<(TopicPartition, ErrorCode)>),
    /// To EndTxn.
    EndTransaction(ErrorCode),
    /// To DescribeTransactions.
    Describe(Result<Description, ErrorCode>),
    /// To ListTransactions.
    List(ListReply),
}

/// A transaction, described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Where it stands.
    pub state: State,
    /// How long it may stay open, in ms.
    pub timeout_ms: i32,
    /// When it began; -1 if it has not.
    pub started: WallMillis,
    /// The producer.
    pub producer_id: ProducerId,
    /// Its incarnation.
    pub producer_epoch: ProducerEpoch,
    /// What it has written to, sorted.
    pub partitions: Vec<TopicPartition>,
}

/// Answer to ListTransactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListReply {
    /// `COORDINATOR_LOAD_IN_PROGRESS` while loading.
    pub error: ErrorCode,
    /// By transactional id.
    pub transactions: Vec<Listing>,
}

/// A transaction, listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The producer's lasting name.
    pub transactional_id: String,
    /// The producer.
    pub producer_id: ProducerId,
    /// Where its transaction stands.
    pub state: State,
}
