//! LeaderAndIsr: the controller gives this broker its roles.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_metadata::znodes::config::EntityType;
use kafka_replication::Leadership;
use kafka_types::{BrokerId, ControllerEpoch, ErrorCode, LeaderEpoch, Offset, PartitionEpoch, TopicPartition, Uuid};
use kafka_wire::leader_and_isr::{
    self as wire, LeaderAndIsrPartitionError, LeaderAndIsrPartitionState, LeaderAndIsrTopicError,
};
use tracing::{error, info};

use super::Context;
use crate::broker::Broker;
use crate::config::TopicSettings;
use crate::coordinators::OFFSETS_TOPIC;
use crate::replicas::{Role, RoleTaken};

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let broker = &context.broker;
    if let Err(error) = broker.check_controller(ControllerEpoch(request.controller_epoch), request.broker_epoch) {
        return wire::Response { error_code: error.code(), ..Default::default() };
    }
    let by_id = wire::Version(context.version).uses_topic_ids();
    let mut by_topic: BTreeMap<Uuid, Vec<LeaderAndIsrPartitionError>> = BTreeMap::new();
    let mut flat = Vec::new();
    for (topic, id, state) in request.states() {
        let topic_partition = TopicPartition::new(topic, state.partition_index);
        let error_code = match take_role(broker, &topic_partition, id, state).await {
            Ok(()) => ErrorCode::None,
            Err(error) => error,
        };
        let mut error = LeaderAndIsrPartitionError {
            partition_index: state.partition_index,
            error_code: error_code.code(),
            ..Default::default()
        };
        if by_id {
            by_topic.entry(id).or_default().push(error);
        } else {
            topic.clone_into(&mut error.topic_name);
            flat.push(error);
        }
    }
    let topics =
        by_topic.into_iter().map(|(topic_id, partition_errors)| LeaderAndIsrTopicError { topic_id, partition_errors });
    wire::Response { error_code: 0, partition_errors: flat, topics: topics.collect() }
}

async fn take_role(
    broker: &Arc<Broker>,
    topic_partition: &TopicPartition,
    topic_id: Uuid,
    state: &LeaderAndIsrPartitionState,
) -> Result<(), ErrorCode> {
    let ids = |raw: &[i32]| raw.iter().copied().map(BrokerId).collect::<Vec<_>>();
    let epoch = LeaderEpoch(state.leader_epoch);
    let role = Role {
        topic_partition: topic_partition.clone(),
        topic_id,
        leader: BrokerId(state.leader),
        leader_epoch: epoch,
        leadership: Leadership {
            me: broker.id,
            epoch,
            replicas: ids(&state.replicas),
            isr: ids(&state.isr).into_iter().collect(),
            partition_epoch: PartitionEpoch(state.partition_epoch),
            log_end: Offset(0),
            high_watermark: Offset(0),
        },
        settings: settings(broker, &topic_partition.topic).await?,
    };
    let leads = role.leader == broker.id;
    let owner = broker.shards.owner(topic_partition);
    let taken = broker.shards.on(owner, move |owned| owned.take_role(role)).await;
    match taken.unwrap_or(Err(ErrorCode::KafkaStorageError))? {
        RoleTaken::Leads(_) => {
            if &*topic_partition.topic == OFFSETS_TOPIC {
                broker.elect_group_coordinator(topic_partition.partition, epoch).await;
            }
        }
        RoleTaken::Follows if !leads && state.leader >= 0 => error!(
            target: "kafka.server.ReplicaManager",
            "This broker was told to follow broker {} for {topic_partition} and cannot copy from other brokers yet: \
             the replica will not keep up",
            state.leader
        ),
        RoleTaken::Follows => info!(target: "state.change.logger", "{topic_partition} has no leader"),
    }
    Ok(())
}

/// The settings of a topic: those that are known, else as they are stored.
async fn settings(broker: &Broker, topic: &kafka_types::TopicName) -> Result<Arc<TopicSettings>, ErrorCode> {
    if let Some(known) = broker.topic_settings.get(topic) {
        return Ok(known);
    }
    let stored = broker.zookeeper.settings(EntityType::Topics, topic).await.map_err(|error| {
        error!(target: "kafka.server.ReplicaManager", "The settings of topic {topic} cannot be read: {error:#}");
        ErrorCode::UnknownServerError
    })?;
    let settings = broker.config.topic(stored).map_err(|error| {
        error!(target: "kafka.server.ReplicaManager", "The settings of topic {topic} are not legal: {error}");
        ErrorCode::InvalidConfig
    })?;
    let settings = Arc::new(settings);
    broker.topic_settings.put(topic.clone(), Arc::clone(&settings));
    Ok(settings)
}
