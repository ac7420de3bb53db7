//! DescribeLogDirs (35): log directories of a broker, and what lies in them.
//!
//! Sent by admin clients to the broker in question.

messages! {
    DescribeLogDirs

    /// Which partitions; null: all.
    struct Request {
        0..     topics: Option<Vec<DescribableLogDirTopic>>;
    }

    struct DescribableLogDirTopic {
        0..     topic: String;
        0..     partitions: Vec<i32>;
    }

    /// Directories with replicas and sizes in bytes; -1: unknown.
    struct Response {
        0..     throttle_time_ms: i32;
        3..     error_code: i16, ignorable;
        0..     results: Vec<DescribeLogDirsResult>;
    }

    struct DescribeLogDirsResult {
        0..     error_code: i16;
        0..     log_dir: String;
        0..     topics: Vec<DescribeLogDirsTopic>;
        4..     total_bytes: i64 = -1, ignorable;
        4..     usable_bytes: i64 = -1, ignorable;
    }

    struct DescribeLogDirsTopic {
        0..     name: String;
        0..     partitions: Vec<DescribeLogDirsPartition>;
    }

    struct DescribeLogDirsPartition {
        0..     partition_index: i32;
        0..     partition_size: i64;
        0..     offset_lag: i64;
        0..     is_future_key: bool;
    }
}

questions! {
    /// There is one error for the whole answer.
    carries_error: 3..;
    /// The volume's total and usable bytes are there.
    carries_volume_size: 4..;
}
