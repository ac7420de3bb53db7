//! AlterPartition (56): a leader proposes another ISR.
//!
//! Sent by brokers to the controller, in [`BROKER_VERSION`]; the ISR changes when the controller has answered.

use kafka_types::Uuid;

messages! {
    AlterPartition

    /// Proposed ISRs, with the epochs they build on.
    struct Request {
        0..     broker_id: i32;
        /// The incarnation of the sender.
        0..     broker_epoch: i64 = -1;
        0..     topics: Vec<TopicData>;
    }

    struct TopicData {
        0..=1   topic_name: String, ignorable;
        2..     topic_id: Uuid, ignorable;
        0..     partitions: Vec<PartitionData>;
    }

    struct PartitionData {
        0..     partition_index: i32;
        0..     leader_epoch: i32;
        /// Broker ids; later versions have `new_isr_with_epochs`.
        0..=2   new_isr: Vec<i32>;
        3..     new_isr_with_epochs: Vec<BrokerState>;
        1..     leader_recovery_state: i8;
        /// Version of the partition's state that the proposal builds on.
        0..     partition_epoch: i32;
    }

    struct BrokerState {
        3..     broker_id: i32;
        /// The incarnation that was seen fetching; -1: unknown.
        3..     broker_epoch: i64 = -1;
    }

    /// Per partition: the state as it is now, or an error.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     error_code: i16;
        0..     topics: Vec<ResponseTopicData>;
    }

    struct ResponseTopicData {
        0..=1   topic_name: String, ignorable;
        2..     topic_id: Uuid, ignorable;
        0..     partitions: Vec<ResponsePartitionData>;
    }

    struct ResponsePartitionData {
        0..     partition_index: i32;
        0..     error_code: i16;
        0..     leader_id: i32;
        0..     leader_epoch: i32;
        0..     isr: Vec<i32>;
        1..     leader_recovery_state: i8, ignorable;
        0..     partition_epoch: i32;
    }
}

/// Brokers send this version.
pub const BROKER_VERSION: i16 = 3;

questions! {
    /// Topics go by id; names are empty.
    uses_topic_ids: 2..;
    /// The proposed ISR comes with broker epochs.
    carries_broker_epochs: 3..;
    /// The sender understands INELIGIBLE_REPLICA; older ones are told OPERATION_NOT_ATTEMPTED.
    knows_ineligible_replica: 2..;
}
