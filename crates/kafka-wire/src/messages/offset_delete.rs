//! OffsetDelete (47): delete positions of a group.
//!
//! Sent by admin clients to the group's coordinator.

messages! {
    OffsetDelete

    /// Group and partitions.
    struct Request {
        0..     group_id: String;
        0..     topics: Vec<OffsetDeleteRequestTopic>;
    }

    struct OffsetDeleteRequestTopic {
        0..     name: String;
        0..     partitions: Vec<OffsetDeleteRequestPartition>;
    }

    struct OffsetDeleteRequestPartition {
        0..     partition_index: i32;
    }

    /// Per partition: deleted, or why not.
    struct Response {
        0..     error_code: i16;
        0..     throttle_time_ms: i32, ignorable;
        0..     topics: Vec<OffsetDeleteResponseTopic>;
    }

    struct OffsetDeleteResponseTopic {
        0..     name: String;
        0..     partitions: Vec<OffsetDeleteResponsePartition>;
    }

    struct OffsetDeleteResponsePartition {
        0..     partition_index: i32;
        0..     error_code: i16;
    }
}
