//! Which metrics there are: Apache's names, in the order in which its `mntr` prints them.
//!
//! A name without a handle below is about an ensemble, a JVM, or a stage of Apache's pipeline that this server does not
//! have; it is printed all the same, as a standalone server of Apache's prints it.

/// Figures that only grow.
pub(crate) const COUNTERS: [&str; 47] = [
    "proposal_count",
    "watch_bytes",
    "outstanding_changes_removed",
    "throttled_ops",
    "stale_requests_dropped",
    "large_requests_rejected",
    "insecure_admin_count",
    "connection_rejected",
    "cnxn_closed_without_zk_server_running",
    "sessionless_connections_expired",
    "looking_count",
    "dead_watchers_queued",
    "stale_requests",
    "connection_drop_count",
    "learner_proposal_received_count",
    "digest_mismatches_count",
    "dead_watchers_cleared",
    "response_packet_cache_hits",
    "bytes_received_count",
    "add_dead_watcher_stall_time",
    "request_throttle_wait_count",
    "requests_not_forwarded_to_commit_processor",
    "response_packet_cache_misses",
    "ensemble_auth_success",
    "prep_processor_request_queued",
    "learner_commit_received_count",
    "stale_replies",
    "connection_request_count",
    "response_bytes",
    "ensemble_auth_fail",
    "diff_count",
    "response_packet_get_children_cache_misses",
    "connection_revalidate_count",
    "quit_leading_due_to_disloyal_voter",
    "snap_count",
    "unrecoverable_error_count",
    "unsuccessful_handshake",
    "commit_count",
    "stale_sessions_expired",
    "response_packet_get_children_cache_hits",
    "sync_processor_request_queued",
    "outstanding_changes_queued",
    "request_commit_queued",
    "ensemble_auth_skip",
    "skip_learner_request_to_next_processor_count",
    "tls_handshake_exceeded",
    "revalidate_count",
];

/// Summaries with mean, least, greatest, count and sum; in Prometheus also the median.
pub(crate) const BASIC: [&str; 41] = [
    "socket_closing_time",
    "proposal_process_time",
    "leader_unavailable_time",
    "node_created_watch_count",
    "session_queues_drained",
    "write_commit_proc_req_queued",
    "connection_token_deficit",
    "read_commit_proc_req_queued",
    "node_deleted_watch_count",
    "startup_txns_load_time",
    "sync_processor_queue_size",
    "follower_sync_time",
    "prep_processor_queue_size",
    "fsynctime",
    "inflight_snap_count",
    "reads_issued_from_session_queue",
    "learner_request_processor_queue_size",
    "snapshottime",
    "unavailable_time",
    "startup_txns_loaded",
    "reads_after_write_in_session_queue",
    "requests_in_session_queue",
    "write_commit_proc_issued",
    "prep_process_time",
    "pending_session_queue_size",
    "time_waiting_empty_pool_in_commit_processor_read_ms",
    "commit_process_time",
    "dbinittime",
    "inflight_diff_count",
    "netty_queued_buffer_capacity",
    "election_time",
    "commit_commit_proc_req_queued",
    "sync_processor_batch_size",
    "node_children_watch_count",
    "write_batch_time_in_commit_processor",
    "read_commit_proc_issued",
    "concurrent_request_processing_in_commit_processor",
    "observer_sync_time",
    "node_changed_watch_count",
    "sync_process_time",
    "startup_snap_load_time",
];

/// Summaries that have percentiles besides; all of them are milliseconds.
pub(crate) const ADVANCED: [&str; 23] = [
    "prep_processor_queue_time_ms",
    "jvm_pause_time_ms",
    "close_session_prep_time",
    "read_commitproc_time_ms",
    "updatelatency",
    "local_write_committed_time_ms",
    "request_throttle_queue_time_ms",
    "readlatency",
    "quorum_ack_latency",
    "om_commit_process_time_ms",
    "read_final_proc_time_ms",
    "commit_propagation_latency",
    "dead_watchers_cleaner_latency",
    "write_final_proc_time_ms",
    "proposal_ack_creation_latency",
    "proposal_latency",
    "om_proposal_process_time_ms",
    "sync_processor_queue_and_flush_time_ms",
    "propagation_latency",
    "server_write_committed_time_ms",
    "sync_processor_queue_time_ms",
    "sync_processor_queue_flush_time_ms",
    "write_commitproc_time_ms",
];

/// All summaries: the basic ones first.
pub(crate) const SUMMARIES: usize = BASIC.len() + ADVANCED.len();

/// Summaries for each first component of a path, in bytes of path, data and counters.
pub(crate) const READ_PER_NAMESPACE: &str = "read_per_namespace";
/// The same for writes.
pub(crate) const WRITE_PER_NAMESPACE: &str = "write_per_namespace";

/// A counter: an index into [`COUNTERS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counter(usize);

/// A summary: an index into [`BASIC`], then [`ADVANCED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SummaryId(usize);

impl Counter {
    /// The counter of this name; a name that is not listed does not compile.
    pub(crate) const fn named(name: &str) -> Counter {
        match position(&COUNTERS, name) {
            Some(index) => Counter(index),
            None => panic!("no such counter"),
        }
    }

    pub(crate) fn index(self) -> usize {
        self.0
    }
}

impl SummaryId {
    /// The summary of this name; a name that is not listed does not compile.
    pub(crate) const fn named(name: &str) -> SummaryId {
        if let Some(index) = position(&BASIC, name) {
            return SummaryId(index);
        }
        match position(&ADVANCED, name) {
            Some(index) => SummaryId(BASIC.len() + index),
            None => panic!("no such summary"),
        }
    }

    pub(crate) fn index(self) -> usize {
        self.0
    }
}

const fn position(names: &[&str], name: &str) -> Option<usize> {
    let mut index = 0;
    while index < names.len() {
        if same(names[index].as_bytes(), name.as_bytes()) {
            return Some(index);
        }
        index += 1;
    }
    None
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// Bytes of frames that came in, their lengths with them.
pub(crate) const BYTES_RECEIVED: Counter = Counter::named("bytes_received_count");
/// Bytes of replies.
pub(crate) const RESPONSE_BYTES: Counter = Counter::named("response_bytes");
/// Bytes of notifications.
pub(crate) const WATCH_BYTES: Counter = Counter::named("watch_bytes");
/// Handshakes.
pub(crate) const CONNECTION_REQUESTS: Counter = Counter::named("connection_request_count");
/// Connections that ended.
pub(crate) const CONNECTION_DROPS: Counter = Counter::named("connection_drop_count");
/// Connections above a limit.
pub(crate) const CONNECTIONS_REJECTED: Counter = Counter::named("connection_rejected");
/// Clients that came back to a session.
pub(crate) const CONNECTIONS_REVALIDATED: Counter = Counter::named("connection_revalidate_count");
/// Connections that showed no session in time.
pub(crate) const SESSIONLESS_EXPIRED: Counter = Counter::named("sessionless_connections_expired");
/// Sessions whose time was over.
pub(crate) const SESSIONS_EXPIRED: Counter = Counter::named("stale_sessions_expired");
/// Large requests for which there was no room.
pub(crate) const LARGE_REQUESTS_REJECTED: Counter = Counter::named("large_requests_rejected");
/// Requests that the throttle held back.
pub(crate) const THROTTLE_WAITS: Counter = Counter::named("request_throttle_wait_count");
/// Requests that were answered with an error because they had waited too long.
pub(crate) const THROTTLED_OPS: Counter = Counter::named("throttled_ops");
/// Requests that waited longer than their session lives.
pub(crate) const STALE_REQUESTS: Counter = Counter::named("stale_requests");
/// Those of them that were dropped.
pub(crate) const STALE_REQUESTS_DROPPED: Counter = Counter::named("stale_requests_dropped");
/// Handshakes of TLS that failed.
pub(crate) const UNSUCCESSFUL_HANDSHAKES: Counter = Counter::named("unsuccessful_handshake");
/// Handshakes of TLS above the limit.
pub(crate) const HANDSHAKES_EXCEEDED: Counter = Counter::named("tls_handshake_exceeded");
/// Plain connections to a port of the admin server that takes TLS as well.
pub(crate) const INSECURE_ADMIN: Counter = Counter::named("insecure_admin_count");
/// Requests that were taken in.
pub(crate) const PREP_QUEUED: Counter = Counter::named("prep_processor_request_queued");
/// Transactions that were handed to the log.
pub(crate) const SYNC_QUEUED: Counter = Counter::named("sync_processor_request_queued");
/// Changes of znodes that were prepared.
pub(crate) const CHANGES_QUEUED: Counter = Counter::named("outstanding_changes_queued");
/// Changes of znodes that were applied.
pub(crate) const CHANGES_REMOVED: Counter = Counter::named("outstanding_changes_removed");
/// Transactions whose digest was not the tree's.
pub(crate) const DIGEST_MISMATCHES: Counter = Counter::named("digest_mismatches_count");
/// Failures that end the server.
pub(crate) const UNRECOVERABLE_ERRORS: Counter = Counter::named("unrecoverable_error_count");

/// From a read's arrival to its answer.
pub(crate) const READ_LATENCY: SummaryId = SummaryId::named("readlatency");
/// From a write's arrival to its answer.
pub(crate) const UPDATE_LATENCY: SummaryId = SummaryId::named("updatelatency");
/// From a transaction's time to its application.
pub(crate) const PROPAGATION_LATENCY: SummaryId = SummaryId::named("propagation_latency");
/// The application of one transaction.
pub(crate) const PROPOSAL_PROCESS_TIME: SummaryId = SummaryId::named("proposal_process_time");
/// How long one waited for its turn behind others of all clients.
pub(crate) const THROTTLE_QUEUE_TIME: SummaryId = SummaryId::named("request_throttle_queue_time_ms");
/// One sync of the log.
pub(crate) const FSYNC_TIME: SummaryId = SummaryId::named("fsynctime");
/// One snapshot, from its first znode to its sync.
pub(crate) const SNAPSHOT_TIME: SummaryId = SummaryId::named("snapshottime");
/// Snapshot and logs read at the start.
pub(crate) const DB_INIT_TIME: SummaryId = SummaryId::named("dbinittime");
/// The snapshot read at the start.
pub(crate) const STARTUP_SNAP_LOAD_TIME: SummaryId = SummaryId::named("startup_snap_load_time");
/// The logs read at the start.
pub(crate) const STARTUP_TXNS_LOAD_TIME: SummaryId = SummaryId::named("startup_txns_load_time");
/// Transactions replayed at the start.
pub(crate) const STARTUP_TXNS_LOADED: SummaryId = SummaryId::named("startup_txns_loaded");
/// Decisions on one write.
pub(crate) const PREP_TIME: SummaryId = SummaryId::named("prep_process_time");
/// Requests that waited for theirs.
pub(crate) const PREP_QUEUE_SIZE: SummaryId = SummaryId::named("prep_processor_queue_size");
/// How long one waited.
pub(crate) const PREP_QUEUE_TIME: SummaryId = SummaryId::named("prep_processor_queue_time_ms");
/// Decisions on the end of a session.
pub(crate) const CLOSE_SESSION_PREP_TIME: SummaryId = SummaryId::named("close_session_prep_time");
/// Transactions in front of the log's thread.
pub(crate) const SYNC_QUEUE_SIZE: SummaryId = SummaryId::named("sync_processor_queue_size");
/// How long one was in front of it.
pub(crate) const SYNC_QUEUE_TIME: SummaryId = SummaryId::named("sync_processor_queue_time_ms");
/// One batch, appended and synced.
pub(crate) const SYNC_FLUSH_TIME: SummaryId = SummaryId::named("sync_processor_queue_flush_time_ms");
/// From the hand-over of a transaction to the end of its sync.
pub(crate) const SYNC_QUEUE_AND_FLUSH_TIME: SummaryId = SummaryId::named("sync_processor_queue_and_flush_time_ms");
/// Bytes of one transaction put together.
pub(crate) const SYNC_PROCESS_TIME: SummaryId = SummaryId::named("sync_process_time");
/// Transactions of one sync.
pub(crate) const SYNC_BATCH_SIZE: SummaryId = SummaryId::named("sync_processor_batch_size");
/// Tokens that a connection was short of.
pub(crate) const CONNECTION_TOKEN_DEFICIT: SummaryId = SummaryId::named("connection_token_deficit");
/// The end of a connection's socket.
pub(crate) const SOCKET_CLOSING_TIME: SummaryId = SummaryId::named("socket_closing_time");
/// Clients told of one created znode.
pub(crate) const CREATED_WATCHES: SummaryId = SummaryId::named("node_created_watch_count");
/// Clients told of one deleted znode.
pub(crate) const DELETED_WATCHES: SummaryId = SummaryId::named("node_deleted_watch_count");
/// Clients told of one change of data.
pub(crate) const CHANGED_WATCHES: SummaryId = SummaryId::named("node_changed_watch_count");
/// Clients told of one change of children.
pub(crate) const CHILDREN_WATCHES: SummaryId = SummaryId::named("node_children_watch_count");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_unique() {
        assert_eq!(COUNTERS[BYTES_RECEIVED.index()], "bytes_received_count");
        assert_eq!(ADVANCED[READ_LATENCY.index() - BASIC.len()], "readlatency");
        let all: std::collections::BTreeSet<&str> = COUNTERS.into_iter().chain(BASIC).chain(ADVANCED).collect();
        assert_eq!(all.len(), COUNTERS.len() + SUMMARIES);
    }
}
