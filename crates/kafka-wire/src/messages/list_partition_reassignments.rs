//! ListPartitionReassignments (46): partitions that are being moved.
//!
//! Sent by admin clients (`kafka-topics --describe`, too) to the controller.

messages! {
    ListPartitionReassignments

    /// Which partitions; null: all.
    struct Request {
        0..     timeout_ms: i32 = 60000;
        0..     topics: Option<Vec<ListPartitionReassignmentsTopics>> = null;
    }

    struct ListPartitionReassignmentsTopics {
        0..     name: String;
        0..     partition_indexes: Vec<i32>;
    }

    /// Partitions with current, adding and removing replicas.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     error_code: i16;
        0..     error_message: Option<String>;
        0..     topics: Vec<OngoingTopicReassignment>;
    }

    struct OngoingTopicReassignment {
        0..     name: String;
        0..     partitions: Vec<OngoingPartitionReassignment>;
    }

    struct OngoingPartitionReassignment {
        0..     partition_index: i32;
        0..     replicas: Vec<i32>;
        0..     adding_replicas: Vec<i32>;
        0..     removing_replicas: Vec<i32>;
    }
}
