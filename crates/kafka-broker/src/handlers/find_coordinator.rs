//! FindCoordinator: which broker coordinates a group, or a transactional id.

use kafka_security::{Operation, ResourceType};
use kafka_types::{ErrorCode, TopicPartition};
use kafka_wire::find_coordinator::{self as wire, Coordinator};

use super::Context;
use crate::coordinators::{OFFSETS_TOPIC, TRANSACTION_TOPIC, partition_for};
use crate::topics::Creation;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let version = wire::Version(context.version);
    if version.is_batched() {
        let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
        for key in request.coordinator_keys {
            let mut found = find(context, request.key_type, key).await;
            if matches!(request.key_type, GROUP | TRANSACTION | SHARE) {
                // Told one by one, Apache's broker leaves the texts empty.
                found.error_message = Some(String::new());
            }
            coordinators.push(found);
        }
        return wire::Response { coordinators, ..Default::default() };
    }
    let key_type = if version.carries_key_type() { request.key_type } else { GROUP };
    let found = find(context, key_type, request.key).await;
    wire::Response {
        error_code: found.error_code,
        error_message: found.error_message,
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    }
}

async fn find(context: &Context, key_type: i8, key: String) -> Coordinator {
    if let Some(error) = refusal(context, key_type, &key) {
        return refused(key, error, None);
    }
    match key_type {
        GROUP | TRANSACTION => match coordinator(context, key_type, &key).await {
            Ok((node_id, host, port)) => Coordinator {
                key,
                node_id,
                host,
                port,
                error_code: 0,
                error_message: Some(ErrorCode::None.name().to_owned()),
            },
            Err(error) => refused(key, error, None),
        },
        // Share groups have no coordinator without KRaft.
        SHARE if wire::Version(context.version).knows_share_groups() => {
            refused(key, ErrorCode::CoordinatorNotAvailable, None)
        }
        _ => refused(key, ErrorCode::InvalidRequest, None),
    }
}

/// Why the client is not told who coordinates this key.
fn refusal(context: &Context, key_type: i8, key: &str) -> Option<ErrorCode> {
    let (kind, error) = match key_type {
        GROUP => (ResourceType::Group, ErrorCode::GroupAuthorizationFailed),
        TRANSACTION => (ResourceType::TransactionalId, ErrorCode::TransactionalIdAuthorizationFailed),
        SHARE if wire::Version(context.version).knows_share_groups() => {
            let allowed = context.may_on_cluster(Operation::ClusterAction);
            return (!allowed).then_some(ErrorCode::ClusterAuthorizationFailed);
        }
        _ => return None,
    };
    (!context.may(Operation::Describe, kind, key)).then_some(error)
}

fn refused(key: String, error: ErrorCode, message: Option<String>) -> Coordinator {
    let error_message = Some(message.unwrap_or_else(|| error.message().to_owned()));
    Coordinator { key, node_id: -1, host: String::new(), port: -1, error_code: error.code(), error_message }
}

async fn coordinator(context: &Context, key_type: i8, key: &str) -> Result<(i32, String, i32), ErrorCode> {
    let broker = &context.broker;
    let name = if key_type == GROUP { OFFSETS_TOPIC } else { TRANSACTION_TOPIC };
    let mut image = broker.metadata.image();
    if image.topic(name).is_none() {
        // The first group, or id, makes the topic. Its reply waits until the partitions have leaders, so that clients do not
        // have to ask again and again.
        broker.topics().create_internal(name, Creation::wait_briefly()).await?;
        image = broker.metadata.image();
    }
    let topic = image.topic(name).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let partition = TopicPartition::new(name, partition_for(key, topic.partitions.len() as i32));
    let (leader, endpoint) =
        image.leader(name, partition.partition, &context.listener.name).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    Ok((leader.0, endpoint.host.clone(), endpoint.port))
}
