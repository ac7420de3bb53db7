//! LeaderAndIsr (4): the controller tells a broker which replicas it leads or follows.
//!
//! Sent by the controller, always in [`CONTROLLER_VERSION`]; there is no negotiation between brokers here. Stale
//! controller epochs and broker epochs are refused.

use kafka_types::Uuid;

messages! {
    LeaderAndIsr

    /// Roles of partitions on the receiver.
    struct Request {
        0..     controller_id: i32;
        7..     is_k_raft_controller: bool;
        /// Fences a controller that was replaced.
        0..     controller_epoch: i32;
        /// The incarnation of the receiver that the controller means.
        2..     broker_epoch: i64 = -1, ignorable;
        /// 0: these partitions; 1: these, some as a delta; 2: all that the broker has.
        5..     r#type: i8;
        0..=1   ungrouped_partition_states: Vec<LeaderAndIsrPartitionState>;
        2..     topic_states: Vec<LeaderAndIsrTopicState>;
        0..     live_leaders: Vec<LeaderAndIsrLiveLeader>;
    }

    struct LeaderAndIsrPartitionState {
        0..=1   topic_name: String, ignorable;
        0..     partition_index: i32;
        0..     controller_epoch: i32;
        0..     leader: i32;
        0..     leader_epoch: i32;
        0..     isr: Vec<i32>;
        /// Version of the partition's state, as known to ZooKeeper.
        0..     partition_epoch: i32;
        0..     replicas: Vec<i32>;
        3..     adding_replicas: Vec<i32>, ignorable;
        3..     removing_replicas: Vec<i32>, ignorable;
        /// The replica was just created.
        1..     is_new: bool, ignorable;
        6..     leader_recovery_state: i8;
    }

    struct LeaderAndIsrTopicState {
        2..     topic_name: String;
        5..     topic_id: Uuid, ignorable;
        2..     partition_states: Vec<LeaderAndIsrPartitionState>;
    }

    struct LeaderAndIsrLiveLeader {
        0..     broker_id: i32;
        0..     host_name: String;
        0..     port: i32;
    }

    /// Per partition: taken over, or why not.
    struct Response {
        0..     error_code: i16;
        0..=4   partition_errors: Vec<LeaderAndIsrPartitionError>;
        5..     topics: Vec<LeaderAndIsrTopicError>;
    }

    struct LeaderAndIsrPartitionError {
        0..=4   topic_name: String, ignorable;
        0..     partition_index: i32;
        0..     error_code: i16;
    }

    struct LeaderAndIsrTopicError {
        5..     topic_id: Uuid;
        5..     partition_errors: Vec<LeaderAndIsrPartitionError>;
    }
}

/// The controller sends this version.
pub const CONTROLLER_VERSION: i16 = 7;

questions! {
    /// Topics have ids, and the response names topics by them.
    uses_topic_ids: 5..;
}

impl Request {
    /// Every partition state with its topic's name and id (zero when unknown), however the version groups them.
    pub fn states(&self) -> impl Iterator<Item = (&str, Uuid, &LeaderAndIsrPartitionState)> {
        let alone = self.ungrouped_partition_states.iter().map(|state| (&*state.topic_name, Uuid::ZERO, state));
        let by_topic = self
            .topic_states
            .iter()
            .flat_map(|topic| topic.partition_states.iter().map(|state| (&*topic.topic_name, topic.topic_id, state)));
        alone.chain(by_topic)
    }
}
