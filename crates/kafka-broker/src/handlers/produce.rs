//! Produce: append record batches; with acks=all the reply waits until they are committed.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_metadata::MetadataImage;
use kafka_record::Batch;
use kafka_record::validate::{ProduceFormats, check_produced, has_transactional};
use kafka_security::{Operation, ResourceType};
use kafka_txn_coordinator::AddPartitions;
use kafka_types::{Acks, ErrorCode, ProducerEpoch, ProducerId, TopicPartition};
use kafka_wire::produce::{
    self as wire, BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};

use super::Context;
use super::twins::last_of_each;
use crate::broker::Broker;
use crate::replicas::groups::Sent;
use crate::replicas::partition::{Produced as Appended, Refused};
use crate::replicas::transactions::{Guard, Transactional};
use crate::transactions::verification;
use crate::waiters::committed;
use grouping::{Appending, Outcome};

mod grouping;
pub(crate) mod pipelined;

/// Clients may write to internal topics under this name only.
const ADMIN_CLIENT: &str = "__admin_client";

/// What becomes of the request.
pub(crate) enum Produced {
    /// Send this.
    Reply(wire::Response),
    /// acks=0 and all went well: no reply.
    Silent,
    /// acks=0 and something failed: the client learns it by the connection being closed, not by this.
    SilentFailure(wire::Response),
}

/// One partition of the request, on its way.
struct Part {
    topic: usize,
    index: i32,
    topic_partition: TopicPartition,
    outcome: Outcome,
}

pub(crate) async fn handle(context: &Context, mut request: wire::Request) -> Produced {
    request.topic_data = last_of_each(request.topic_data);
    let Some(acks) = Acks::from_wire(request.acks) else {
        return Produced::Reply(refuse_all(&request, ErrorCode::InvalidRequiredAcks));
    };
    let may_write_as = |id: &String| context.may(Operation::Write, ResourceType::TransactionalId, id);
    if is_transactional(&request) && !request.transactional_id.as_ref().is_some_and(may_write_as) {
        // Whoever does not say for which transaction it speaks may not write into one.
        return finish(acks, refuse_all(&request, ErrorCode::TransactionalIdAuthorizationFailed), true);
    }
    let timeout = Duration::from_millis(request.timeout_ms.max(0) as u64);
    let (responses, mut parts) = append_all(context, request, acks).await;
    note_costs(context, &parts);
    if acks == Acks::All {
        wait_until_committed(context, &mut parts, timeout).await;
    }
    let failed = parts.iter().any(|part| part.outcome.is_err());
    finish(acks, respond(context, responses, parts), failed)
}

/// Is anything in it part of a transaction?
fn is_transactional(request: &wire::Request) -> bool {
    let mut partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    partitions.any(|partition| partition.records.as_ref().is_some_and(|records| has_transactional(records)))
}

fn note_costs(context: &Context, parts: &[Part]) {
    for produced in parts.iter().filter_map(|part| part.outcome.as_ref().ok()) {
        context.effort.took_memory(produced.appended.temporary_bytes);
        if let Some(took) = produced.conversion {
            context.effort.converted(took);
        }
    }
}

fn finish(acks: Acks, response: wire::Response, failed: bool) -> Produced {
    match acks {
        Acks::None if failed => Produced::SilentFailure(response),
        Acks::None => Produced::Silent,
        _ => Produced::Reply(response),
    }
}

/// The partitions of a request whose transaction the coordinator has to be asked about.
struct ToVerify {
    part: usize,
    records: Bytes,
    producer: Producer,
    guard: Guard,
}

type Producer = (ProducerId, ProducerEpoch);

/// Appends what is in the request; returns the response's topics, which have nothing but their names yet, and what came of
/// each partition.
async fn append_all(context: &Context, request: wire::Request, acks: Acks) -> (Vec<TopicProduceResponse>, Vec<Part>) {
    let broker = &context.broker;
    let (image, formats) = (broker.metadata.image(), formats_of(context));
    let transactional_id = request.transactional_id.unwrap_or_default();
    let mut responses = Vec::with_capacity(request.topic_data.len());
    let (mut parts, mut under_way, mut to_verify) = (Vec::new(), Vec::new(), Vec::new());
    for (topic, data) in request.topic_data.into_iter().enumerate() {
        let name: kafka_types::TopicName = data.name.as_str().into();
        let allowed = context.may_on_topic(Operation::Write, &name);
        for partition in data.partition_data {
            let topic_partition = TopicPartition::new(name.clone(), partition.index);
            let records = partition.records.unwrap_or_default();
            let checked = check(context, &image, formats, &topic_partition, allowed, &records);
            let outcome = if let Err(refused) = checked {
                Err(refused)
            } else {
                let producer = producer_of(&records).filter(|_| broker.config.verifies_transactions());
                let part = parts.len();
                // Takes the place of what is not known yet.
                let later = Err(ErrorCode::NotEnoughReplicas.into());
                if let Some(producer) = producer {
                    match append(broker, &topic_partition, &records, acks, producer, None).await {
                        Ok(Transactional::Appended(appended)) => Ok(appended),
                        Ok(Transactional::Verify(guard)) => {
                            to_verify.push(ToVerify { part, records, producer, guard });
                            later
                        }
                        Err(refused) => Err(refused),
                    }
                } else {
                    match grouping::append(broker, &topic_partition, Sent { records, acks }).await {
                        Appending::Done(outcome) => outcome,
                        Appending::InGroup(outcome) => {
                            under_way.push((part, outcome));
                            later
                        }
                    }
                }
            };
            parts.push(Part { topic, index: partition.index, topic_partition, outcome });
        }
        responses.push(TopicProduceResponse { name: data.name, ..Default::default() });
    }
    for (part, outcome) in under_way {
        parts[part].outcome = grouping::outcome(outcome).await;
    }
    append_verified(context, transactional_id, acks, &mut parts, to_verify).await;
    (responses, parts)
}

fn formats_of(context: &Context) -> ProduceFormats {
    let version = wire::Version(context.version);
    ProduceFormats { old: !version.requires_one_batch(), zstd: version.allows_zstd(), version: context.version }
}

/// What can be said against an append before the partition is asked.
fn check(
    context: &Context,
    image: &MetadataImage,
    formats: ProduceFormats,
    partition: &TopicPartition,
    allowed: bool,
    records: &Bytes,
) -> Result<(), Refused> {
    if !allowed {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    if image.partition(&partition.topic, partition.partition).is_none() {
        return Err(ErrorCode::UnknownTopicOrPartition.into());
    }
    check_produced(records, formats).map_err(|rejected| Refused {
        code: rejected.code,
        message: rejected.response_message().map(str::to_owned),
        records: rejected.record_errors,
        log_start: None,
    })?;
    if kafka_metadata::topic_name::is_internal(&partition.topic) && context.client_id() != ADMIN_CLIENT {
        return Err(ErrorCode::InvalidTopicException.into());
    }
    Ok(())
}

/// Asks about all of them at once, and appends what the transaction may write.
async fn append_verified(
    context: &Context,
    transactional_id: String,
    acks: Acks,
    parts: &mut [Part],
    to_verify: Vec<ToVerify>,
) {
    let Some(first) = to_verify.first() else { return };
    let broker = &context.broker;
    context.effort.parked(broker.clock);
    let (producer_id, producer_epoch) = first.producer;
    let is_one_producer = to_verify.iter().all(|one| one.producer == first.producer);
    let partitions: Vec<_> = to_verify.iter().map(|one| parts[one.part].topic_partition.clone()).collect();
    let errors = if is_one_producer {
        let asked = AddPartitions { transactional_id, producer_id, producer_epoch, partitions };
        broker.verify_transaction(asked).await
    } else {
        // A transaction has one producer.
        vec![ErrorCode::InvalidProducerIdMapping; partitions.len()]
    };
    let knows_abortable = wire::Version(context.version).knows_transaction_abortable();
    for (one, error) in to_verify.into_iter().zip(errors) {
        let part = &mut parts[one.part];
        part.outcome = if error.is_error() {
            let (code, message) = verification::told_to_producer(error, knows_abortable);
            Err(Refused { message, ..code.into() })
        } else {
            match append(broker, &part.topic_partition, &one.records, acks, one.producer, Some(one.guard)).await {
                Ok(Transactional::Appended(appended)) => Ok(appended),
                Ok(Transactional::Verify(_)) => Err(ErrorCode::InvalidTxnState.into()),
                Err(refused) => Err(refused),
            }
        };
    }
}

/// Appends as part of a producer's transaction.
async fn append(
    broker: &Broker,
    partition: &TopicPartition,
    records: &Bytes,
    acks: Acks,
    producer: Producer,
    guard: Option<Guard>,
) -> Result<Transactional, Refused> {
    let (target, records) = (partition.clone(), records.clone());
    let appended = broker.shards.on(broker.shards.owner(partition), move |owned| {
        owned.produce_in_transaction(&target, &records, acks, producer, guard)
    });
    appended.await.unwrap_or_else(|_| Err(ErrorCode::NotLeaderOrFollower.into()))
}

/// Who writes, if it is into a transaction.
fn producer_of(records: &Bytes) -> Option<Producer> {
    match Batch::read(records) {
        Ok(Batch::V2(batch)) if batch.is_transactional() => {
            let header = batch.header();
            Some((header.producer_id, header.producer_epoch))
        }
        _ => None,
    }
}

/// Waits for those that are not committed at once: only with other replicas in sync.
async fn wait_until_committed(context: &Context, parts: &mut [Part], timeout: Duration) {
    let broker = &context.broker;
    let deadline = broker.clock.tick().after(timeout.as_millis() as u64);
    for part in parts {
        let Ok(Appended { wait_for: Some(end), .. }) = &part.outcome else { continue };
        context.effort.parked(broker.clock);
        if let Err(error) = committed(broker, &part.topic_partition, *end, deadline).await {
            part.outcome = Err(error.into());
        }
    }
}

fn respond(context: &Context, mut responses: Vec<TopicProduceResponse>, parts: Vec<Part>) -> wire::Response {
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
