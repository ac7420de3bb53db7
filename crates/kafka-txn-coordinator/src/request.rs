//! What is asked of a coordinator.

use kafka_types::{ProducerEpoch, ProducerId, TopicPartition};

/// A request, one variant per rule of the protocol.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// InitProducerId with a transactional id.
    InitProducer(InitProducer),
    /// AddPartitionsToTxn, and AddOffsetsToTxn with the group's partition of `__consumer_offsets`.
    AddPartitions(AddPartitions),
    /// A leader asks whether partitions are part of a transaction before it appends to them (KIP-890).
    VerifyPartitions(AddPartitions),
    /// EndTxn.
    EndTransaction(EndTransaction),
    /// DescribeTransactions, for one id.
    Describe {
        /// Which.
        transactional_id: String,
    },
    /// ListTransactions.
    List(ListFilter),
}

/// InitProducerId.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InitProducer {
    /// The producer's lasting name.
    pub transactional_id: String,
    /// How long a transaction of this producer may stay open, in ms.
    pub timeout_ms: i32,
    /// What the producer has, if it goes on after an error (KIP-360).
    pub expected: Option<(ProducerId, ProducerEpoch)>,
}

/// AddPartitionsToTxn, for one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddPartitions {
    /// The producer's lasting name.
    pub transactional_id: String,
    /// The producer.
    pub producer_id: ProducerId,
    /// Its incarnation.
    pub producer_epoch: ProducerEpoch,
    /// What it is going to write to.
    pub partitions: Vec<TopicPartition>,
}

/// EndTxn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndTransaction {
    /// The producer's lasting name.
    pub transactional_id: String,
    /// The producer.
    pub producer_id: ProducerId,
    /// Its incarnation.
    pub producer_epoch: ProducerEpoch,
    /// Commit, or abort?
    pub committed: bool,
}

/// What ListTransactions is to show; empty and `None` show everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFilter {
    /// Names of states; unknown ones show nothing.
    pub states: Vec<String>,
    /// Producers.
    pub producer_ids: Vec<ProducerId>,
    /// Only transactions that began longer ago than this, in ms.
    pub duration_ms: Option<i64>,
}

impl Request {
    /// The id that it is about; `None` if it is about all.
    pub(crate) fn transactional_id(&self) -> Option<&str> {
        match self {
            Request::InitProducer(InitProducer { transactional_id, .. })
            | Request::AddPartitions(AddPartitions { transactional_id, .. })
            | Request::VerifyPartitions(AddPartitions { transactional_id, .. })
            | Request::EndTransaction(EndTransaction { transactional_id, .. })
            | Request::Describe { transactional_id } => Some(transactional_id),
            Request::List(_) => None,
        }
    }
}
