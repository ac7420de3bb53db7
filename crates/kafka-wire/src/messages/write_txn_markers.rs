//! WriteTxnMarkers (27): write the end of transactions into the partitions they wrote to.
//!
//! Sent by transaction coordinators to the partitions' leaders, and by `kafka-transactions abort`.

messages! {
    WriteTxnMarkers

    /// Markers: producer, outcome, partitions.
    struct Request {
        0..     markers: Vec<WritableTxnMarker>;
    }

    struct WritableTxnMarker {
        0..     producer_id: i64;
        0..     producer_epoch: i16;
        0..     transaction_result: bool;
        0..     topics: Vec<WritableTxnMarkerTopic>;
        0..     coordinator_epoch: i32;
    }

    struct WritableTxnMarkerTopic {
        0..     name: String;
        0..     partition_indexes: Vec<i32>;
    }

    /// Per producer and partition: written, or why not.
    struct Response {
        0..     markers: Vec<WritableTxnMarkerResult>;
    }

    struct WritableTxnMarkerResult {
        0..     producer_id: i64;
        0..     topics: Vec<WritableTxnMarkerTopicResult>;
    }

    struct WritableTxnMarkerTopicResult {
        0..     name: String;
        0..     partitions: Vec<WritableTxnMarkerPartitionResult>;
    }

    struct WritableTxnMarkerPartitionResult {
        0..     partition_index: i32;
        0..     error_code: i16;
    }
}

/// Coordinators send this version.
pub const COORDINATOR_VERSION: i16 = 1;
