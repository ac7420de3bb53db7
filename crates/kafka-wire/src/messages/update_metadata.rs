//! UpdateMetadata (6): the controller tells a broker what the cluster looks like.
//!
//! Sent by the controller in [`CONTROLLER_VERSION`] to every broker; Metadata is answered from what arrived here.

use kafka_types::Uuid;

messages! {
    UpdateMetadata

    /// Partitions that changed, and all live brokers.
    struct Request {
        0..     controller_id: i32;
        8..     is_k_raft_controller: bool;
        8..     r#type: i8, tag 0;
        0..     controller_epoch: i32;
        5..     broker_epoch: i64 = -1, ignorable;
        0..=4   ungrouped_partition_states: Vec<UpdateMetadataPartitionState>;
        5..     topic_states: Vec<UpdateMetadataTopicState>;
        0..     live_brokers: Vec<UpdateMetadataBroker>;
    }

    struct UpdateMetadataPartitionState {
        0..=4   topic_name: String, ignorable;
        0..     partition_index: i32;
        0..     controller_epoch: i32;
        /// -1: none; -2: the topic is being deleted.
        0..     leader: i32;
        0..     leader_epoch: i32;
        0..     isr: Vec<i32>;
        0..     zk_version: i32;
        0..     replicas: Vec<i32>;
        4..     offline_replicas: Vec<i32>, ignorable;
    }

    struct UpdateMetadataTopicState {
        5..     topic_name: String;
        7..     topic_id: Uuid, ignorable;
        5..     partition_states: Vec<UpdateMetadataPartitionState>;
    }

    struct UpdateMetadataBroker {
        0..     id: i32;
        0..=0   v0_host: String, ignorable;
        0..=0   v0_port: i32, ignorable;
        1..     endpoints: Vec<UpdateMetadataEndpoint>, ignorable;
        2..     rack: Option<String>, ignorable;
    }

    struct UpdateMetadataEndpoint {
        1..     port: i32;
        1..     host: String;
        3..     listener: String, ignorable;
        1..     security_protocol: i16;
    }

    /// Taken over, or why not.
    struct Response {
        0..     error_code: i16;
    }
}

/// The controller sends this version.
pub const CONTROLLER_VERSION: i16 = 8;

impl Request {
    /// Every partition state with its topic's name and id (zero when unknown), however the version groups them.
    pub fn states(&self) -> impl Iterator<Item = (&str, Uuid, &UpdateMetadataPartitionState)> {
        let alone = self.ungrouped_partition_states.iter().map(|state| (&*state.topic_name, Uuid::ZERO, state));
        let by_topic = self
            .topic_states
            .iter()
            .flat_map(|topic| topic.partition_states.iter().map(|state| (&*topic.topic_name, topic.topic_id, state)));
        alone.chain(by_topic)
    }
}
