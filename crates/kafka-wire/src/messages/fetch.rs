//! Fetch (1): read record batches from partitions.
//!
//! Sent by consumers and, with a replica id, by followers; a follower's fetch offset tells the leader what it holds.
//! Fetch sessions (KIP-227) let a client name only what changed. From version 13 on topics go by id. The response's
//! records are [`Records`], so that they may come straight from segment files.

use kafka_types::Uuid;

use crate::Records;

messages! {
    Fetch

    /// What to read from where, and how long to wait for how much.
    struct Request {
        /// The cluster the sender believes to talk to.
        12..    cluster_id: Option<String> = null, ignorable, tag 0;
        /// The follower's broker id; -1 for consumers. Later versions have `replica_state`.
        0..=14  replica_id: i32 = -1;
        15..    replica_state: ReplicaState, tag 1;
        /// How long the broker may wait until `min_bytes` are there, in ms.
        0..     max_wait_ms: i32;
        0..     min_bytes: i32;
        /// Upper limit of the response; the first batch comes even if it is larger (KIP-74).
        3..     max_bytes: i32 = 2_147_483_647, ignorable;
        /// 0: all up to the high watermark; 1: committed transactions only, up to the last stable offset.
        4..     isolation_level: i8, ignorable;
        /// 0: no session yet.
        7..     session_id: i32, ignorable;
        /// -1: no session wanted; 0: begin one; above: the next request of a session.
        7..     session_epoch: i32 = -1, ignorable;
        0..     topics: Vec<FetchTopic>;
        /// Partitions that leave the session.
        7..     forgotten_topics_data: Vec<ForgottenTopic>;
        /// The consumer's rack, for reading from a follower nearby (KIP-392).
        11..    rack_id: String, ignorable;
    }

    struct ReplicaState {
        15..    replica_id: i32 = -1;
        /// The follower's broker epoch.
        15..    replica_epoch: i64 = -1;
    }

    struct FetchTopic {
        0..=12  topic: String, ignorable;
        13..    topic_id: Uuid, ignorable;
        0..     partitions: Vec<FetchPartition>;
    }

    struct FetchPartition {
        0..     partition: i32;
        /// The epoch in which the sender believes this broker to lead; -1: does not say.
        9..     current_leader_epoch: i32 = -1, ignorable;
        0..     fetch_offset: i64;
        /// Epoch of the record before `fetch_offset`; a mismatch is answered with `diverging_epoch`.
        12..    last_fetched_epoch: i32 = -1;
        /// Followers: where the follower's log starts; -1 for consumers.
        5..     log_start_offset: i64 = -1, ignorable;
        0..     partition_max_bytes: i32;
        17..    replica_directory_id: Uuid, ignorable, tag 0;
    }

    struct ForgottenTopic {
        7..=12  topic: String, ignorable;
        13..    topic_id: Uuid, ignorable;
        7..     partitions: Vec<i32>;
    }

    /// Batches per partition.
    struct Response {
        1..     throttle_time_ms: i32, ignorable;
        7..     error_code: i16, ignorable;
        7..     session_id: i32;
        0..     responses: Vec<FetchableTopicResponse>;
        16..    node_endpoints: Vec<NodeEndpoint>, tag 0;
    }

    struct FetchableTopicResponse {
        0..=12  topic: String, ignorable;
        13..    topic_id: Uuid, ignorable;
        0..     partitions: Vec<PartitionData>;
    }

    struct PartitionData {
        0..     partition_index: i32;
        /// Kafka error code.
        0..     error_code: i16;
        /// Records below are committed.
        0..     high_watermark: i64;
        /// Records below belong to no open transaction; -1 in answers that do not say.
        4..     last_stable_offset: i64 = -1, ignorable;
        5..     log_start_offset: i64 = -1, ignorable;
        /// The largest epoch and its end offset up to which the logs agree: truncate to there.
        12..    diverging_epoch: EpochEndOffset, tag 0;
        /// Who leads, with an error that says that this broker does not.
        12..    current_leader: LeaderIdAndEpoch, tag 1;
        /// KRaft's metadata log only.
        12..    snapshot_id: SnapshotId, tag 2;
        /// Null for readers of everything.
        4..     aborted_transactions: Option<Vec<AbortedTransaction>>, ignorable;
        /// Read from this broker instead; -1: stay.
        11..    preferred_read_replica: i32 = -1;
        /// Whole batches; the last one may be cut off.
        0..     records: Option<Records>;
    }

    struct EpochEndOffset {
        12..    epoch: i32 = -1;
        12..    end_offset: i64 = -1;
    }

    struct LeaderIdAndEpoch {
        12..    leader_id: i32 = -1;
        12..    leader_epoch: i32 = -1;
    }

    struct SnapshotId {
        0..     end_offset: i64 = -1;
        0..     epoch: i32 = -1;
    }

    struct AbortedTransaction {
        4..     producer_id: i64;
        /// Records of the producer from here to its abort marker are to be skipped.
        4..     first_offset: i64;
    }

    /// Where a broker named in `current_leader` can be reached.
    struct NodeEndpoint {
        16..    node_id: i32;
        16..    host: String;
        16..    port: i32;
        16..    rack: Option<String> = null;
    }
}

/// Followers fetch in this version.
pub const FOLLOWER_VERSION: i16 = 17;

questions! {
    /// Topics go by id; names are empty.
    uses_topic_ids: 13..;
    /// `max_bytes` is there, and the first batch may exceed it. Before, the partition limit holds hard.
    carries_max_bytes: 3..;
    /// Isolation level, last stable offset and aborted transactions are there.
    carries_isolation_level: 4..;
    /// Fetch sessions (KIP-227).
    has_sessions: 7..;
    /// The follower names itself in `replica_state`, with its epoch, instead of in `replica_id`.
    uses_replica_state: 15..;
    /// The client understands zstd; others get UNSUPPORTED_COMPRESSION_TYPE for such batches.
    allows_zstd: 10..;
    /// The response may send the consumer to a follower.
    carries_preferred_read_replica: 11..;
    /// The client can tell where it may have diverged, and understands `diverging_epoch`.
    carries_last_fetched_epoch: 12..;
    /// The response says who leads and where, when the broker does not.
    carries_current_leader: 16..;
    /// The client understands KAFKA_STORAGE_ERROR; older ones are told NOT_LEADER_OR_FOLLOWER, which they retry.
    knows_storage_error: 6..;
}

impl Version {
    /// Does the request go on with a session? Epoch 0 begins one and -1 wants none, whatever id stands beside it.
    pub fn continues_session(self, request: &Request) -> bool {
        self.has_sessions() && !matches!(request.session_epoch, -1 | 0)
    }

    /// The newest message format the client can read; newer batches must be converted.
    pub const fn max_magic(self) -> i8 {
        match self.0 {
            ..=1 => 0,
            2..=3 => 1,
            _ => 2,
        }
    }
}

impl Request {
    /// The follower's broker id, wherever the version has it; -1 for a consumer.
    pub fn follower_id(&self) -> i32 {
        if self.replica_state.replica_id >= 0 { self.replica_state.replica_id } else { self.replica_id }
    }

    /// Names the follower where this version has a place for it.
    pub fn set_follower(&mut self, version: Version, broker_id: i32, broker_epoch: i64) {
        if version.uses_replica_state() {
            self.replica_state = ReplicaState { replica_id: broker_id, replica_epoch: broker_epoch };
        } else {
            self.replica_id = broker_id;
        }
    }
}
