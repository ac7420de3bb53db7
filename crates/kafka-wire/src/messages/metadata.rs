//! Metadata (3): brokers, controller, and for topics their partitions with leaders, replicas and ISRs.
//!
//! Sent by every client to find its way, and again after errors that say that something moved. May create topics.

use kafka_types::Uuid;

messages! {
    Metadata

    /// The topics wanted; see [`Version::wants_all`] for how "all" is said.
    struct Request {
        0..     topics: Option<Vec<MetadataRequestTopic>>, null_from 1;
        /// Create missing topics if the broker does so at all.
        4..     allow_auto_topic_creation: bool = true;
        8..=10  include_cluster_authorized_operations: bool;
        8..     include_topic_authorized_operations: bool;
    }

    struct MetadataRequestTopic {
        10..    topic_id: Uuid, ignorable;
        /// Null when asked by id.
        0..     name: Option<String>, null_from 10;
    }

    /// The cluster as this broker knows it.
    struct Response {
        3..     throttle_time_ms: i32, ignorable;
        0..     brokers: Vec<MetadataResponseBroker>;
        2..     cluster_id: Option<String> = null, ignorable;
        /// Broker id of the controller; -1: none known.
        1..     controller_id: i32 = -1, ignorable;
        0..     topics: Vec<MetadataResponseTopic>;
        /// Bit field of ACL operations; i32::MIN: not asked for.
        8..=10  cluster_authorized_operations: i32 = -2_147_483_648;
    }

    struct MetadataResponseBroker {
        0..     node_id: i32;
        0..     host: String;
        0..     port: i32;
        1..     rack: Option<String> = null, ignorable;
    }

    struct MetadataResponseTopic {
        0..     error_code: i16;
        0..     name: Option<String>, null_from 12;
        10..    topic_id: Uuid, ignorable;
        1..     is_internal: bool, ignorable;
        0..     partitions: Vec<MetadataResponsePartition>;
        /// Bit field of ACL operations; i32::MIN: not asked for.
        8..     topic_authorized_operations: i32 = -2_147_483_648;
    }

    struct MetadataResponsePartition {
        0..     error_code: i16;
        0..     partition_index: i32;
        /// -1: no leader.
        0..     leader_id: i32;
        7..     leader_epoch: i32 = -1, ignorable;
        0..     replica_nodes: Vec<i32>;
        0..     isr_nodes: Vec<i32>;
        5..     offline_replicas: Vec<i32>, ignorable;
    }
}

questions! {
    /// The oldest way to say "all topics": an empty list. Later an empty list is none, and null is all.
    empty_means_all: 0..=0;
    /// Topics may be asked for by id.
    allows_topic_ids: 12..;
    /// Topic ids are in the answer.
    carries_topic_ids: 10..;
    /// The client may forbid to create missing topics; older ones always allow it.
    may_forbid_auto_creation: 4..;
    /// Operations on the cluster may be asked for.
    allows_cluster_operations: 8..=10;
    /// Replicas on brokers that are down are left out and make REPLICA_NOT_AVAILABLE.
    leaves_out_dead_replicas: 0..=0;
    /// The client understands LISTENER_NOT_FOUND; older ones are told LEADER_NOT_AVAILABLE.
    knows_listener_not_found: 6..;
}

impl Version {
    /// Does this request ask for all topics?
    pub fn wants_all(self, request: &Request) -> bool {
        match &request.topics {
            None => true,
            Some(topics) => self.empty_means_all() && topics.is_empty(),
        }
    }

    /// Does the request ask by id, in a version that has the field and not the meaning?
    pub fn forbids_topic_ids(self, request: &Request) -> bool {
        let by_id = |topic: &MetadataRequestTopic| topic.name.is_none() || topic.topic_id != Uuid::ZERO;
        !self.allows_topic_ids() && request.topics.iter().flatten().any(by_id)
    }

    /// The `topics` of a request for all topics.
    pub fn all_topics(self) -> Option<Vec<MetadataRequestTopic>> {
        self.empty_means_all().then(Vec::new)
    }
}
