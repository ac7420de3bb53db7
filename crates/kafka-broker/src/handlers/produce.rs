//! Produce: append record batches; with acks=all the reply waits until they are committed.

use std::collections::HashMap;
use std::time::Duration;

use kafka_record::validate::{ProduceFormats, check_produced, has_transactional};
use kafka_replication::Progress;
use kafka_security::{Operation, ResourceType};
use kafka_types::{Acks, ErrorCode, Offset, TopicPartition};
use kafka_wire::produce::{
    self as wire, BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};

use super::Context;
use crate::broker::Broker;
use crate::replicas::partition::{Produced as Appended, Refused};
use crate::waiters::Waiter;

/// Clients may write to internal topics under this name only.
const ADMIN_CLIENT: &str = "__admin_client";

/// What becomes of the request.
pub(crate) enum Produced {
    /// Send this.
    Reply(wire::Response),
    /// acks=0 and all went well: no reply.
    Silent,
    /// acks=0 and something failed: the client learns it by the connection being closed.
    SilentFailure,
}

/// One partition of the request, on its way.
struct Part {
    topic: usize,
    index: i32,
    topic_partition: TopicPartition,
    outcome: Result<Appended, Refused>,
}

pub(crate) async fn handle(context: &Context, request: wire::Request) -> Produced {
    let names: Vec<String> = request.topic_data.iter().map(|topic| topic.name.clone()).collect();
    let Some(acks) = Acks::from_wire(request.acks) else {
        return Produced::Reply(refuse_all(&request, ErrorCode::InvalidRequiredAcks));
    };
    let is_transactional = |partition: &wire::PartitionProduceData| {
        partition.records.as_ref().is_some_and(|records| has_transactional(records))
    };
    let transactional = request.topic_data.iter().any(|topic| topic.partition_data.iter().any(is_transactional));
    let may_write_as = |id: &String| context.may(Operation::Write, ResourceType::TransactionalId, id);
    if transactional && !request.transactional_id.as_ref().is_some_and(may_write_as) {
        // Whoever does not say for which transaction it speaks may not write into one.
        return finish(acks, refuse_all(&request, ErrorCode::TransactionalIdAuthorizationFailed), true);
    }
    let timeout = Duration::from_millis(request.timeout_ms.max(0) as u64);
    let mut parts = append_all(context, request, acks).await;
    if acks == Acks::All {
        wait_until_committed(&context.broker, &mut parts, timeout).await;
    }
    let failed = parts.iter().any(|part| part.outcome.is_err());
    finish(acks, respond(context, &names, parts), failed)
}

fn finish(acks: Acks, response: wire::Response, failed: bool) -> Produced {
    match acks {
        Acks::None if failed => Produced::SilentFailure,
        Acks::None => Produced::Silent,
        _ => Produced::Reply(response),
    }
}

async fn append_all(context: &Context, request: wire::Request, acks: Acks) -> Vec<Part> {
    let broker = &context.broker;
    let image = broker.metadata.image();
    let version = wire::Version(context.version);
    let formats =
        ProduceFormats { old: !version.requires_one_batch(), zstd: version.allows_zstd(), version: context.version };
    let mut parts = Vec::new();
    for (topic, data) in request.topic_data.into_iter().enumerate() {
        let name: kafka_types::TopicName = data.name.as_str().into();
        let allowed = context.may_on_topic(Operation::Write, &name);
        for partition in data.partition_data {
            let topic_partition = TopicPartition::new(name.clone(), partition.index);
            let records = partition.records.unwrap_or_default();
            let outcome = if !allowed {
                Err(ErrorCode::TopicAuthorizationFailed.into())
            } else if image.partition(&name, partition.index).is_none() {
                Err(ErrorCode::UnknownTopicOrPartition.into())
            } else if let Err(rejected) = check_produced(&records, formats) {
                Err(Refused {
                    code: rejected.code,
                    message: rejected.response_message().map(str::to_owned),
                    records: rejected.record_errors,
                    log_start: None,
                })
            } else if kafka_metadata::topic_name::is_internal(&name) && context.client_id() != ADMIN_CLIENT {
                Err(ErrorCode::InvalidTopicException.into())
            } else if has_transactional(&records) {
                // Transactions are coordinated by nobody yet, so no producer can have begun one here.
                Err(ErrorCode::InvalidTxnState.into())
            } else {
                let owner = broker.shards.owner(&topic_partition);
                let target = topic_partition.clone();
                let appended = broker.shards.on(owner, move |owned| owned.produce(&target, &records, acks)).await;
                appended.unwrap_or_else(|_| Err(ErrorCode::NotLeaderOrFollower.into()))
            };
            parts.push(Part { topic, index: partition.index, topic_partition, outcome });
        }
    }
    parts
}

/// Waits for those that are not committed at once: only with other replicas in sync.
async fn wait_until_committed(broker: &Broker, parts: &mut [Part], timeout: Duration) {
    let deadline = broker.clock.tick().after(timeout.as_millis() as u64);
    for part in parts {
        let Ok(Appended { wait_for: Some(end), .. }) = &part.outcome else { continue };
        if let Err(error) = committed(broker, &part.topic_partition, *end, deadline).await {
            part.outcome = Err(error.into());
        }
    }
}

async fn committed(
    broker: &Broker,
    topic_partition: &TopicPartition,
    end: Offset,
    deadline: time_types::Tick,
) -> Result<(), ErrorCode> {
    let owner = broker.shards.owner(topic_partition);
    loop {
        let (target, waiter) = (topic_partition.clone(), Waiter::default());
        let parked = waiter.clone();
        let progress = broker.shards.on(owner, move |owned| {
            let partition = owned.partition(&target)?;
            let progress = partition.progress(end).ok_or(ErrorCode::NotLeaderOrFollower)?;
            if progress == Progress::Waiting {
                partition.park(&parked);
            }
            Ok(progress)
        });
        match progress.await.map_err(|_| ErrorCode::NotLeaderOrFollower)?? {
            Progress::Done => return Ok(()),
            Progress::TooFew => return Err(ErrorCode::NotEnoughReplicasAfterAppend),
            Progress::Waiting => {}
        }
        let left = broker.clock.until(deadline);
        if left.is_zero() || !waiter.wait(left).await {
            return Err(ErrorCode::RequestTimedOut);
        }
    }
}

fn respond(context: &Context, names: &[String], parts: Vec<Part>) -> wire::Response {
    let mut responses: Vec<TopicProduceResponse> =
        names.iter().map(|name| TopicProduceResponse { name: name.clone(), ..Default::default() }).collect();
    let mut nodes: HashMap<i32, NodeEndpoint> = HashMap::new();
    for part in parts {
        let mut response = PartitionProduceResponse { index: part.index, base_offset: -1, ..Default::default() };
        match part.outcome {
            Ok(produced) => {
                response.base_offset = produced.appended.first_offset.0;
                response.log_append_time_ms = produced.appended.log_append_time.map_or(-1, |time| time.0);
                response.log_start_offset = produced.appended.log_start.0;
            }
            Err(refused) => {
                response.error_code = refused.code.code();
                response.error_message = refused.message;
                response.log_start_offset = refused.log_start.map_or(-1, |offset| offset.0);
                response.record_errors = refused.records.into_iter().map(record_error).collect();
                if refused.code == ErrorCode::NotLeaderOrFollower {
                    name_leader(context, &part.topic_partition, &mut response, &mut nodes);
                }
            }
        }
        responses[part.topic].partition_responses.push(response);
    }
    wire::Response { responses, throttle_time_ms: 0, node_endpoints: nodes.into_values().collect() }
}

fn record_error(error: kafka_record::validate::RecordError) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage { batch_index: error.batch_index, batch_index_error_message: Some(error.message) }
}

/// Says who leads instead (KIP-951), if this broker knows.
fn name_leader(
    context: &Context,
    topic_partition: &TopicPartition,
    response: &mut PartitionProduceResponse,
    nodes: &mut HashMap<i32, NodeEndpoint>,
) {
    if !wire::Version(context.version).carries_current_leader() {
        return;
    }
    let image = context.broker.metadata.image();
    let Some(partition) = image.partition(&topic_partition.topic, topic_partition.partition) else { return };
    response.current_leader =
        LeaderIdAndEpoch { leader_id: partition.leader.0, leader_epoch: partition.leader_epoch.0 };
    if let Some(endpoint) = image.endpoint(partition.leader, &context.listener.name) {
        nodes.insert(
            partition.leader.0,
            NodeEndpoint {
                node_id: partition.leader.0,
                host: endpoint.host.clone(),
                port: endpoint.port,
                rack: image.broker(partition.leader).and_then(|broker| broker.rack.clone()),
            },
        );
    }
}

fn refuse_all(request: &wire::Request, error: ErrorCode) -> wire::Response {
    let responses = request.topic_data.iter().map(|topic| TopicProduceResponse {
        name: topic.name.clone(),
        partition_responses: topic
            .partition_data
            .iter()
            .map(|partition| PartitionProduceResponse {
                index: partition.index,
                error_code: error.code(),
                base_offset: -1,
                ..Default::default()
            })
            .collect(),
    });
    wire::Response { responses: responses.collect(), ..Default::default() }
}
