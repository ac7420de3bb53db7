//! AlterReplicaLogDirs (34): move replicas between the log directories of one broker.
//!
//! Sent by admin clients to the broker that has the replicas.

messages! {
    AlterReplicaLogDirs

    /// Directories and what shall lie in them.
    struct Request {
        0..     dirs: Vec<AlterReplicaLogDir>;
    }

    struct AlterReplicaLogDir {
        0..     path: String;
        0..     topics: Vec<AlterReplicaLogDirTopic>;
    }

    struct AlterReplicaLogDirTopic {
        0..     name: String;
        0..     partitions: Vec<i32>;
    }

    /// Per partition: begun, or why not.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     results: Vec<AlterReplicaLogDirTopicResult>;
    }

    struct AlterReplicaLogDirTopicResult {
        0..     topic_name: String;
        0..     partitions: Vec<AlterReplicaLogDirPartitionResult>;
    }

    struct AlterReplicaLogDirPartitionResult {
        0..     partition_index: i32;
        0..     error_code: i16;
    }
}
