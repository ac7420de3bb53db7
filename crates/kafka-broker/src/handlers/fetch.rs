//! Fetch: read record batches; too little is waited for until there is more or the time is over.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use kafka_log::Slice;
use kafka_metadata::MetadataImage;
use kafka_record::MAX_DECOMPRESSED_DEFAULT;
use kafka_record::legacy::{DownConvertError, down_convert};
use kafka_types::{BrokerEpoch, BrokerId, ErrorCode, IsolationLevel, LeaderEpoch, Offset, TopicPartition};
use kafka_wire::Records;
use kafka_wire::fetch::{
    self as wire, AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData,
};

use super::{Context, error_codes};
use crate::broker::Broker;
use crate::replicas::partition::{ReadRequest, ReadResult, Reader};
use crate::replicas::{Owned, isr_updates};
use crate::waiters::Waiter;

/// One partition of the request.
struct Part {
    topic: usize,
    index: i32,
    /// What to read; or why nothing can be read.
    read: Result<(TopicPartition, ReadRequest), ErrorCode>,
}

type Outcome = Result<ReadResult, ErrorCode>;

/// Bytes that a reply may still take, and whether its first batch may be larger than that.
#[derive(Debug, Clone, Copy)]
struct Budget {
    bytes: u64,
    min_one: bool,
}

pub(crate) async fn handle(context: &Context, request: wire::Request) -> (wire::Response, Vec<Slice>) {
    let version = wire::Version(context.version);
    if version.continues_session(&request) {
        // Sessions are never given out (id 0 in every answer, which the protocol allows), so this one is unknown.
        let error_code = ErrorCode::FetchSessionIdNotFound.code();
        return (wire::Response { error_code, ..Default::default() }, Vec::new());
    }
    let broker = &context.broker;
    let image = broker.metadata.image();
    let parts = plan(&request, version, &image);
    let max_bytes = (request.max_bytes.max(0) as u64).min(broker.config.fetch_max_bytes());
    let budget = Budget { bytes: max_bytes, min_one: version.carries_max_bytes() };
    let min_bytes = u64::try_from(request.min_bytes).unwrap_or(0).min(max_bytes);
    let deadline = broker.clock.tick().after(u64::try_from(request.max_wait_ms).unwrap_or(0));

    let mut outcomes = read_all(broker, &parts, budget, None).await;
    while !is_enough(&outcomes, min_bytes) && broker.clock.tick() < deadline {
        let waiter = Waiter::default();
        outcomes = read_all(broker, &parts, budget, Some(&waiter)).await;
        if is_enough(&outcomes, min_bytes) {
            break;
        }
        waiter.wait(broker.clock.until(deadline)).await;
        outcomes = read_all(broker, &parts, budget, None).await;
    }
    Reply::new(context, &request, version, image).build(parts, outcomes).await
}

fn plan(request: &wire::Request, version: wire::Version, image: &MetadataImage) -> Vec<Part> {
    let follower = request.follower_id();
    let reader = if follower >= 0 {
        Reader::Follower(BrokerId(follower), BrokerEpoch(request.replica_state.replica_epoch))
    } else {
        Reader::Consumer(IsolationLevel::from_wire(request.isolation_level))
    };
    let mut parts = Vec::new();
    for (topic, asked) in request.topics.iter().enumerate() {
        let known =
            if version.uses_topic_ids() { image.topic_by_id(asked.topic_id) } else { image.topic(&asked.topic) };
        for partition in &asked.partitions {
            let read = match known {
                None if version.uses_topic_ids() => Err(ErrorCode::UnknownTopicId),
                None => Err(ErrorCode::UnknownTopicOrPartition),
                Some(known) if !known.partitions.contains_key(&partition.partition) => {
                    Err(ErrorCode::UnknownTopicOrPartition)
                }
                Some(known) => Ok((
                    TopicPartition::new(known.name.clone(), partition.partition),
                    ReadRequest {
                        reader,
                        offset: Offset(partition.fetch_offset),
                        max_bytes: partition.partition_max_bytes.max(0) as u64,
                        min_one: false,
                        current_epoch: LeaderEpoch(partition.current_leader_epoch),
                        last_fetched_epoch: LeaderEpoch(partition.last_fetched_epoch),
                    },
                )),
            };
            parts.push(Part { topic, index: partition.partition, read });
        }
    }
    parts
}

/// Reads every partition, one visit per shard; with a waiter, parks it at each of them in the same visit, so that
/// nothing that comes after the read is missed.
async fn read_all(broker: &Arc<Broker>, parts: &[Part], mut budget: Budget, waiter: Option<&Waiter>) -> Vec<Outcome> {
    let mut by_shard: BTreeMap<usize, Vec<(usize, TopicPartition, ReadRequest)>> = BTreeMap::new();
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(parts.len());
    for (at, part) in parts.iter().enumerate() {
        match &part.read {
            Ok((topic_partition, read)) => {
                let shard = broker.shards.owner(topic_partition);
                by_shard.entry(shard).or_default().push((at, topic_partition.clone(), *read));
                outcomes.push(Err(ErrorCode::NotLeaderOrFollower));
            }
            Err(error) => outcomes.push(Err(*error)),
        }
    }
    for (shard, reads) in by_shard {
        let (waiter, for_proposals) = (waiter.cloned(), Arc::clone(broker));
        let visit = broker.shards.on(shard, move |owned| {
            let (found, left) = read_here(owned, reads, budget, waiter.as_ref());
            propose(&for_proposals, owned, &found);
            (found.into_iter().map(|(at, _, outcome)| (at, outcome)).collect::<Vec<_>>(), left)
        });
        let visit = visit.await;
        let Ok((found, left)) = visit else { continue };
        budget = left;
        for (at, outcome) in found {
            outcomes[at] = outcome;
        }
    }
    outcomes
}

fn read_here(
    owned: &mut Owned,
    reads: Vec<(usize, TopicPartition, ReadRequest)>,
    mut budget: Budget,
    waiter: Option<&Waiter>,
) -> (Vec<(usize, TopicPartition, Outcome)>, Budget) {
    let now = owned.shared.clock.now();
    let mut found = Vec::with_capacity(reads.len());
    for (at, topic_partition, mut read) in reads {
        let outcome = owned.partition(&topic_partition).and_then(|partition| {
            read.max_bytes = read.max_bytes.min(budget.bytes);
            read.min_one = budget.min_one;
            let result = partition.read(now, read)?;
            if let Some(waiter) = waiter {
                partition.park(waiter);
            }
            Ok(result)
        });
        if let Ok(ReadResult { slice: Some(slice), .. }) = &outcome {
            budget.bytes = budget.bytes.saturating_sub(slice.len);
            budget.min_one = false;
        }
        found.push((at, topic_partition, outcome));
    }
    (found, budget)
}

/// Followers that have caught up are proposed for the ISR. Runs on the shard that owns the partitions.
fn propose(broker: &Arc<Broker>, owned: &Owned, found: &[(usize, TopicPartition, Outcome)]) {
    for (_, topic_partition, outcome) in found {
        let Ok(ReadResult { proposal: Some(isr), .. }) = outcome else { continue };
        let id = owned.partitions.get(topic_partition).and_then(|partition| partition.topic_id);
        if let Some(id) = id {
            isr_updates::propose(broker, topic_partition.clone(), id, isr.clone());
        }
    }
}

/// Is there something to say now? Errors and diverged followers do not wait.
fn is_enough(outcomes: &[Outcome], min_bytes: u64) -> bool {
    let mut bytes = 0;
    for outcome in outcomes {
        match outcome {
            Err(_) => return true,
            Ok(result) if result.diverging.is_some() => return true,
            Ok(result) => bytes += result.slice.as_ref().map_or(0, |slice| slice.len),
        }
    }
    bytes >= min_bytes || outcomes.is_empty()
}

/// The reply as it grows.
struct Reply<'c> {
    context: &'c Context,
    version: wire::Version,
    image: Arc<MetadataImage>,
    responses: Vec<FetchableTopicResponse>,
    nodes: HashMap<i32, NodeEndpoint>,
    slices: Vec<Slice>,
}

impl<'c> Reply<'c> {
    fn new(
        context: &'c Context,
        request: &wire::Request,
        version: wire::Version,
        image: Arc<MetadataImage>,
    ) -> Reply<'c> {
        let topic = |topic: &wire::FetchTopic| FetchableTopicResponse {
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            partitions: Vec::with_capacity(topic.partitions.len()),
        };
        let responses = request.topics.iter().map(topic).collect();
        Reply { context, version, image, responses, nodes: HashMap::new(), slices: Vec::new() }
    }

    async fn build(mut self, parts: Vec<Part>, outcomes: Vec<Outcome>) -> (wire::Response, Vec<Slice>) {
        for (part, outcome) in parts.into_iter().zip(outcomes) {
            let data = match outcome {
                Ok(result) => self.read(&part, result).await,
                Err(error) => self.refused(&part, error),
            };
            self.responses[part.topic].partitions.push(data);
        }
        let node_endpoints = self.nodes.into_values().collect();
        (wire::Response { responses: self.responses, node_endpoints, ..Default::default() }, self.slices)
    }

    async fn read(&mut self, part: &Part, result: ReadResult) -> PartitionData {
        let mut data = PartitionData {
            partition_index: part.index,
            high_watermark: result.high_watermark.0,
            last_stable_offset: result.last_stable_offset.0,
            log_start_offset: result.log_start.0,
            aborted_transactions: result.aborted.map(|aborted| {
                let entry = |one: kafka_log::AbortedTransaction| AbortedTransaction {
                    producer_id: one.producer_id.0,
                    first_offset: one.first_offset.0,
                };
                aborted.into_iter().map(entry).collect()
            }),
            records: Some(Records::EMPTY),
            ..Default::default()
        };
        if let Some((epoch, end)) = result.diverging {
            data.diverging_epoch = EpochEndOffset { epoch: epoch.0, end_offset: end.0 };
            return data;
        }
        let Some(slice) = result.slice else { return data };
        match self.records(part, slice).await {
            Ok(records) => data.records = Some(records),
            Err(error) => {
                return PartitionData {
                    partition_index: part.index,
                    error_code: error_codes::fetch(error, self.version).code(),
                    high_watermark: -1,
                    records: None,
                    aborted_transactions: Some(Vec::new()),
                    ..Default::default()
                };
            }
        }
        data
    }

    /// The slice itself, to be sent from its file; or, for clients of old formats, its batches converted.
    async fn records(&mut self, part: &Part, slice: Slice) -> Result<Records, ErrorCode> {
        let magic = self.version.max_magic();
        if magic >= 2 {
            let hole = Records::Hole(slice.len as usize);
            self.slices.push(slice);
            return Ok(hole);
        }
        let Ok((topic_partition, read)) = &part.read else { return Ok(Records::EMPTY) };
        let settings = self.context.broker.topic_settings.get(&topic_partition.topic);
        if settings.is_some_and(|settings| !settings.down_conversion) {
            return Err(ErrorCode::UnsupportedVersion);
        }
        let first = read.offset;
        let converted = self.context.broker.background.run(move || {
            let bytes: Bytes = slice.read().map_err(|_| ErrorCode::KafkaStorageError)?;
            down_convert(&bytes, magic >= 1, first, MAX_DECOMPRESSED_DEFAULT).map_err(|error| match error {
                DownConvertError::Zstd => ErrorCode::UnsupportedCompressionType,
                DownConvertError::Read(_) => ErrorCode::CorruptMessage,
            })
        });
        converted.await.map_err(|_| ErrorCode::UnknownServerError)?.map(Records::Bytes)
    }

    fn refused(&mut self, part: &Part, error: ErrorCode) -> PartitionData {
        let mut data = PartitionData {
            partition_index: part.index,
            error_code: error_codes::fetch(error, self.version).code(),
            high_watermark: -1,
            records: Some(Records::EMPTY),
            ..Default::default()
        };
        let Ok((topic_partition, _)) = &part.read else { return data };
        // What was refused by the log itself carries no list, what was refused before an empty one: Apache's habit.
        data.aborted_transactions = None;
        let moved = matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
        if moved
            && self.version.carries_current_leader()
            && let Some(partition) = self.image.partition(&topic_partition.topic, topic_partition.partition)
        {
            let leader = partition.leader;
            data.current_leader = LeaderIdAndEpoch { leader_id: leader.0, leader_epoch: partition.leader_epoch.0 };
            if let Some(endpoint) = self.image.endpoint(leader, &self.context.listener.name) {
                let node = NodeEndpoint {
                    node_id: leader.0,
                    host: endpoint.host.clone(),
                    port: endpoint.port,
                    rack: self.image.broker(leader).and_then(|broker| broker.rack.clone()),
                };
                self.nodes.insert(leader.0, node);
            }
        }
        data
    }
}
