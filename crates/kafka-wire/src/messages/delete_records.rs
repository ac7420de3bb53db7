//! DeleteRecords (21): delete the records before an offset.
//!
//! Sent by admin clients (and Streams, for repartition topics) to the partitions' leaders.

messages! {
    DeleteRecords

    /// New log starts; offset -1 is the high watermark.
    struct Request {
        0..     topics: Vec<DeleteRecordsTopic>;
        0..     timeout_ms: i32;
    }

    struct DeleteRecordsTopic {
        0..     name: String;
        0..     partitions: Vec<DeleteRecordsPartition>;
    }

    struct DeleteRecordsPartition {
        0..     partition_index: i32;
        0..     offset: i64;
    }

    /// Per partition: the new low watermark, or an error.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     topics: Vec<DeleteRecordsTopicResult>;
    }

    struct DeleteRecordsTopicResult {
        0..     name: String;
        0..     partitions: Vec<DeleteRecordsPartitionResult>;
    }

    struct DeleteRecordsPartitionResult {
        0..     partition_index: i32;
        0..     low_watermark: i64;
        0..     error_code: i16;
    }
}
