//! Produce (0): append record batches to partitions of which the broker is the leader.
//!
//! Sent by producers, one request per leader broker. With `acks = 0` there is no response at all; the broker closes the
//! connection when something goes wrong. Record bytes are slices of the frame.

use bytes::Bytes;

messages! {
    Produce

    /// Batches for partitions, and how many replicas must have them before the answer.
    struct Request {
        /// The transaction's id, if the batches are part of one.
        3..     transactional_id: Option<String> = null;
        /// 0: no answer; 1: the leader has it; -1: every replica in sync has it.
        0..     acks: i16;
        /// How long the leader may wait for the other replicas, in ms.
        0..     timeout_ms: i32;
        0..     topic_data: Vec<TopicProduceData>;
    }

    struct TopicProduceData {
        0..     name: String;
        0..     partition_data: Vec<PartitionProduceData>;
    }

    struct PartitionProduceData {
        0..     index: i32;
        /// One batch of format 2, or a message set of an older format (see [`Version`]).
        0..     records: Option<Bytes>;
    }

    /// Per partition: the offset of the first record, or an error.
    struct Response {
        0..     responses: Vec<TopicProduceResponse>;
        1..     throttle_time_ms: i32, ignorable;
        10..    node_endpoints: Vec<NodeEndpoint>, tag 0;
    }

    struct TopicProduceResponse {
        0..     name: String;
        0..     partition_responses: Vec<PartitionProduceResponse>;
    }

    struct PartitionProduceResponse {
        0..     index: i32;
        0..     error_code: i16;
        /// Offset of the first record; -1 with an error.
        0..     base_offset: i64;
        /// The broker's time if the topic uses log append time, else -1.
        2..     log_append_time_ms: i64 = -1, ignorable;
        5..     log_start_offset: i64 = -1, ignorable;
        8..     record_errors: Vec<BatchIndexAndErrorMessage>, ignorable;
        8..     error_message: Option<String> = null, ignorable;
        10..    current_leader: LeaderIdAndEpoch, tag 0;
    }

    struct BatchIndexAndErrorMessage {
        /// Which record of the batch was refused, from 0.
        8..     batch_index: i32;
        8..     batch_index_error_message: Option<String> = null;
    }

    /// Who leads now, when the error is that this broker does not.
    struct LeaderIdAndEpoch {
        10..    leader_id: i32 = -1;
        10..    leader_epoch: i32 = -1;
    }

    /// Where a broker named in `current_leader` can be reached.
    struct NodeEndpoint {
        10..    node_id: i32;
        10..    host: String;
        10..    port: i32;
        10..    rack: Option<String> = null;
    }
}

questions! {
    /// The body is exactly one batch of format 2.
    requires_one_batch: 3..;
    /// The response says which records of a batch were refused, and why.
    carries_record_errors: 8..;
    /// The response says who leads, when the broker does not.
    carries_current_leader: 10..;
    /// Batches compressed with zstd are taken; older clients get UNSUPPORTED_COMPRESSION_TYPE.
    allows_zstd: 7..;
    /// The client understands TRANSACTION_ABORTABLE.
    knows_transaction_abortable: 11..;
}

impl Version {
    /// The newest message format the client may send.
    pub const fn max_magic(self) -> i8 {
        match self.0 {
            ..=1 => 0,
            2 => 1,
            _ => 2,
        }
    }
}
