//! StopReplica (5): the controller tells a broker to stop following, and perhaps to delete, replicas.
//!
//! Sent by the controller in [`CONTROLLER_VERSION`].

messages! {
    StopReplica

    /// Replicas to stop.
    struct Request {
        0..     controller_id: i32;
        4..     is_k_raft_controller: bool;
        0..     controller_epoch: i32;
        1..     broker_epoch: i64 = -1, ignorable;
        0..=2   delete_partitions: bool;
        0..=0   ungrouped_partitions: Vec<StopReplicaPartitionV0>;
        1..=2   topics: Vec<StopReplicaTopicV1>;
        3..     topic_states: Vec<StopReplicaTopicState>;
    }

    struct StopReplicaPartitionV0 {
        0..=0   topic_name: String;
        0..=0   partition_index: i32;
    }

    struct StopReplicaTopicV1 {
        1..=2   name: String;
        1..=2   partition_indexes: Vec<i32>;
    }

    struct StopReplicaTopicState {
        3..     topic_name: String;
        3..     partition_states: Vec<StopReplicaPartitionState>;
    }

    struct StopReplicaPartitionState {
        3..     partition_index: i32;
        /// -2: the topic is being deleted, stop in any epoch; -1: no epoch known.
        3..     leader_epoch: i32 = -1;
        3..     delete_partition: bool;
    }

    /// Per partition: stopped, or why not.
    struct Response {
        0..     error_code: i16;
        0..     partition_errors: Vec<StopReplicaPartitionError>;
    }

    struct StopReplicaPartitionError {
        0..     topic_name: String;
        0..     partition_index: i32;
        0..     error_code: i16;
    }
}

/// The controller sends this version.
pub const CONTROLLER_VERSION: i16 = 4;

/// One replica to stop, as [`Request::replicas`] tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoppedReplica<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// As in [`StopReplicaPartitionState::leader_epoch`]; -1 where the version does not say.
    pub leader_epoch: i32,
    /// Delete its files, too?
    pub delete: bool,
}

impl Request {
    /// Every replica to stop, however the version groups them.
    pub fn replicas(&self) -> impl Iterator<Item = StoppedReplica<'_>> {
        let delete = self.delete_partitions;
        let replica = move |topic, partition| StoppedReplica { topic, partition, leader_epoch: -1, delete };
        let alone = self.ungrouped_partitions.iter().map(move |p| replica(&*p.topic_name, p.partition_index));
        let listed = self
            .topics
            .iter()
            .flat_map(move |topic| topic.partition_indexes.iter().map(move |p| replica(&*topic.name, *p)));
        let with_states = self.topic_states.iter().flat_map(|topic| {
            topic.partition_states.iter().map(|state| StoppedReplica {
                topic: &topic.topic_name,
                partition: state.partition_index,
                leader_epoch: state.leader_epoch,
                delete: state.delete_partition,
            })
        });
        alone.chain(listed).chain(with_states)
    }
}
