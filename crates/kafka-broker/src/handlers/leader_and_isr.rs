//! LeaderAndIsr: the controller gives this broker its roles.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_metadata::znodes::config::EntityType;
use kafka_replication::Leadership;
use kafka_security::Operation;
use kafka_types::{
    BrokerId, ControllerEpoch, ErrorCode, LeaderEpoch, Offset, PartitionEpoch, TopicName, TopicPartition, Uuid,
};
use kafka_wire::leader_and_isr::{
    self as wire, LeaderAndIsrPartitionError, LeaderAndIsrPartitionState, LeaderAndIsrTopicError,
};
use tracing::{error, info};

use super::Context;
use crate::broker::Broker;
use crate::config::TopicSettings;
use crate::coordinators::{GroupCoordinator, OFFSETS_TOPIC, TRANSACTION_TOPIC, TransactionCoordinator};
use crate::replicas::partition::Reassignment;
use crate::replicas::{Role, RoleTaken};

/// Roles that a shard takes in one visit: making a log costs some system calls, and others wait meanwhile.
const ROLES_AT_ONCE: usize = 64;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let broker = &context.broker;
    if !context.may_on_cluster(Operation::ClusterAction) {
        let error = ErrorCode::ClusterAuthorizationFailed;
        let outcomes = vec![error; request.states().count()];
        return respond(&request, outcomes, error, context.version);
    }
    if let Err(error) = broker.check_controller(ControllerEpoch(request.controller_epoch), request.broker_epoch) {
        return wire::Response { error_code: error.code(), ..Default::default() };
    }
    let states: Vec<_> = request.states().collect();
    let outcomes = take_roles(broker, &states).await;
    respond(&request, outcomes, ErrorCode::None, context.version)
}

/// One outcome for each state of the request, in its order.
fn respond(request: &wire::Request, outcomes: Vec<ErrorCode>, error: ErrorCode, version: i16) -> wire::Response {
    let by_id = wire::Version(version).uses_topic_ids();
    let error_code = error.code();
    let mut by_topic: BTreeMap<Uuid, Vec<LeaderAndIsrPartitionError>> = BTreeMap::new();
    let mut flat = Vec::new();
    for ((topic, id, state), outcome) in request.states().zip(outcomes) {
        let mut error = LeaderAndIsrPartitionError {
            partition_index: state.partition_index,
            error_code: outcome.code(),
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
    wire::Response { error_code, partition_errors: flat, topics: topics.collect() }
}

/// Takes all roles, many per visit of a shard; the outcomes are in the order of the states.
async fn take_roles(broker: &Arc<Broker>, states: &[(&str, Uuid, &LeaderAndIsrPartitionState)]) -> Vec<ErrorCode> {
    let mut outcomes = vec![ErrorCode::None; states.len()];
    let mut by_shard: BTreeMap<usize, Vec<(usize, Role)>> = BTreeMap::new();
    let mut name = TopicName::from("");
    for (at, (topic, id, state)) in states.iter().enumerate() {
        if *name != **topic {
            name = TopicName::from(*topic);
        }
        match settings(broker, &name).await {
            Ok(settings) => {
                let role =
                    role(broker.id, TopicPartition::new(name.clone(), state.partition_index), *id, state, settings);
                by_shard.entry(broker.shards.owner(&role.topic_partition)).or_default().push((at, role));
            }
            Err(error) => outcomes[at] = error,
        }
    }
    for (shard, mut roles) in by_shard {
        while !roles.is_empty() {
            let some = roles.split_off(roles.len().saturating_sub(ROLES_AT_ONCE));
            let ats: Vec<usize> = some.iter().map(|(at, _)| *at).collect();
            let taken = broker
                .shards
                .on(shard, move |owned| some.into_iter().map(|(_, role)| owned.take_role(role)).collect::<Vec<_>>());
            let taken = taken.await.unwrap_or_else(|_| vec![Err(ErrorCode::KafkaStorageError); ats.len()]);
            for (at, taken) in ats.into_iter().zip(taken) {
                let (topic, _, state) = states[at];
                match taken {
                    Ok(taken) => follow_up(broker, topic, state, taken).await,
                    Err(error) => outcomes[at] = error,
                }
            }
        }
    }
    outcomes
}

fn role(
    me: BrokerId,
    topic_partition: TopicPartition,
    topic_id: Uuid,
    state: &LeaderAndIsrPartitionState,
    settings: Arc<TopicSettings>,
) -> Role {
    let ids = |raw: &[i32]| raw.iter().copied().map(BrokerId).collect::<Vec<_>>();
    let epoch = LeaderEpoch(state.leader_epoch);
    Role {
        topic_partition,
        topic_id,
        leader: BrokerId(state.leader),
        leader_epoch: epoch,
        leadership: Leadership {
            me,
            epoch,
            replicas: ids(&state.replicas),
            isr: ids(&state.isr).into_iter().collect(),
            partition_epoch: PartitionEpoch(state.partition_epoch),
            log_end: Offset(0),
            high_watermark: Offset(0),
        },
        reassignment: Reassignment::of(state.adding_replicas.len(), state.removing_replicas.len()),
        is_new: state.is_new,
        settings,
    }
}

/// What a role brings with it.
async fn follow_up(broker: &Arc<Broker>, topic: &str, state: &LeaderAndIsrPartitionState, taken: RoleTaken) {
    let (index, epoch) = (state.partition_index, LeaderEpoch(state.leader_epoch));
    match taken {
        RoleTaken::Leads(_) if topic == OFFSETS_TOPIC => {
            broker.elect_coordinator::<GroupCoordinator>(index, epoch, broker.config.groups()).await;
        }
        RoleTaken::Leads(_) if topic == TRANSACTION_TOPIC => {
            broker.elect_coordinator::<TransactionCoordinator>(index, epoch, broker.config.transactions()).await;
        }
        RoleTaken::Leads(_) => {}
        RoleTaken::Follows if state.leader >= 0 && state.leader != broker.id.0 => error!(
            target: "kafka.server.ReplicaManager",
            "This broker was told to follow broker {} for {topic}-{index} and cannot copy from other brokers yet: \
             the replica will not keep up",
            state.leader
        ),
        RoleTaken::Follows => info!(target: "state.change.logger", "{topic}-{index} has no leader"),
    }
}

/// The settings of a topic: those that are known, else as they are stored.
async fn settings(broker: &Broker, topic: &TopicName) -> Result<Arc<TopicSettings>, ErrorCode> {
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
