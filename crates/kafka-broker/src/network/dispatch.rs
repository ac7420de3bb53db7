//! The table of requests: which are served, and by whom.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_log::Slice;
use kafka_quotas::Kind;
use kafka_wire::{
    ApiKey, Decoder, ErrorCounts, Message, Piece as WirePiece, RequestHeader, api_versions, encode_counted_response,
};
use net::Piece;
use tracing::{debug, error, info};

use crate::broker::{Broker, ListenerInfo};
use crate::handlers::{self, Context};
use crate::metrics::{Answered, Fetcher};

/// What this broker serves; ApiVersions tells exactly this.
pub(crate) const SERVED: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::LeaderAndIsr,
    ApiKey::StopReplica,
    ApiKey::UpdateMetadata,
    ApiKey::ControlledShutdown,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::AddPartitionsToTxn,
    ApiKey::AddOffsetsToTxn,
    ApiKey::EndTxn,
    ApiKey::WriteTxnMarkers,
    ApiKey::TxnOffsetCommit,
    ApiKey::DescribeAcls,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::AlterReplicaLogDirs,
    ApiKey::DescribeLogDirs,
    ApiKey::CreatePartitions,
    ApiKey::DeleteGroups,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::OffsetDelete,
    ApiKey::DescribeClientQuotas,
    ApiKey::AlterClientQuotas,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::AlterUserScramCredentials,
    ApiKey::AlterPartition,
    ApiKey::UpdateFeatures,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::DescribeTransactions,
    ApiKey::ListTransactions,
    ApiKey::AllocateProducerIds,
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::ConsumerGroupDescribe,
];

/// What becomes of a request.
pub(crate) enum Outcome {
    /// Send this.
    Reply(Vec<Piece>),
    /// There is no reply (produce with acks=0).
    Nothing,
    /// The client cannot be helped: close.
    Close,
}

/// A request that was served: what becomes of it, and what it took so far.
pub(crate) struct Served {
    pub(crate) outcome: Outcome,
    /// How long the client is not to be listened to afterwards.
    pub(crate) pause: Duration,
    /// As far as it is known before the answer is sent; `None` of what could not be read.
    pub(crate) measured: Option<Answered>,
}

impl From<Outcome> for Served {
    fn from(outcome: Outcome) -> Served {
        Served { outcome, pause: Duration::ZERO, measured: None }
    }
}

/// Reads one request and has it answered.
pub(crate) async fn dispatch(
    broker: &Arc<Broker>,
    listener: &Arc<ListenerInfo>,
    peer: SocketAddr,
    frame: Bytes,
) -> Served {
    let size = frame.len();
    let mut decoder = Decoder::new(frame);
    let header = match RequestHeader::decode(&mut decoder) {
        Ok(header) => header,
        Err(error) => {
            info!(target: "kafka.network.Processor", "Closing the connection with {peer}: {error}");
            return Outcome::Close.into();
        }
    };
    if !SERVED.contains(&header.api_key) {
        info!(
            target: "kafka.network.Processor",
            "Closing the connection with {peer}: {} is not served by this broker yet", header.api_key
        );
        return Outcome::Close.into();
    }
    let key = header.api_key;
    if key == ApiKey::ApiVersions && !key.serves(header.api_version) {
        let (outcome, errors) = encode(&handlers::api_versions::unsupported(), 0, key, header.correlation_id);
        let begun = Answered::at_once(key, header.api_version, broker.clock.precise(), decoder.remaining() as u64);
        return Served { outcome, pause: Duration::ZERO, measured: Some(Answered { errors, ..begun }) };
    }
    let clock = broker.clock;
    let begun = Answered::at_once(key, header.api_version, clock.precise(), decoder.remaining() as u64);
    let context = Context::new(broker, listener, peer, header);
    if key == ApiKey::Produce {
        context.charge(Kind::Produce, size as f64);
    }
    let is_timed = context.is_timed();
    // These two know better when it is others that they wait for.
    let tells_parking = matches!(key, ApiKey::Produce | ApiKey::Fetch);
    let mut answering = std::pin::pin!(answer(&context, &mut decoder));
    let answered = std::future::poll_fn(|task| {
        let polled = if is_timed {
            context.charge.timed(|| clock.precise().as_nanos() as u64, || answering.as_mut().poll(task))
        } else {
            answering.as_mut().poll(task)
        };
        if polled.is_pending() && !tells_parking {
            context.effort.parked(clock);
        }
        polled
    })
    .await;
    match answered {
        Ok(outcome) => served(&context, begun, outcome),
        Err(error) => {
            info!(target: "kafka.network.Processor", "Closing the connection with {peer}: {error}");
            Outcome::Close.into()
        }
    }
}

/// What comes of a request that was read and is done.
pub(super) fn served(context: &Context, begun: Answered, outcome: Outcome) -> Served {
    let (pause, ready) = (context.charge.pause(), context.broker.clock.precise());
    let measured = context.effort.measured(Answered { ready, sent: ready, throttled: pause, ..begun });
    Served { outcome, pause, measured: Some(measured) }
}

/// Decodes the request, calls its handler, encodes the response.
macro_rules! reply {
    ($api:ident, $context:expr, $decoder:expr) => {{
        let request = decode::<kafka_wire::$api::Request>($context, $decoder)?;
        let response = handlers::$api::handle($context, request).await;
        settle($context, response)
    }};
}

/// The same for handlers of requests that may be illegal as a whole: there is no answer to them.
macro_rules! reply_or_close {
    ($api:ident, $context:expr, $decoder:expr) => {{
        let request = decode::<kafka_wire::$api::Request>($context, $decoder)?;
        match handlers::$api::handle($context, request).await {
            Some(response) => settle($context, response),
            None => Outcome::Close,
        }
    }};
}

async fn produce(context: &Context, decoder: &mut Decoder) -> Result<Outcome, kafka_wire::DecodeError> {
    let request = decode::<kafka_wire::produce::Request>(context, decoder)?;
    Ok(match handlers::produce::handle(context, request).await {
        handlers::produce::Produced::Reply(response) => settle(context, response),
        handlers::produce::Produced::Silent => {
            context.settle();
            Outcome::Nothing
        }
        handlers::produce::Produced::SilentFailure(response) => {
            // Nobody hears of the errors; they are counted.
            context.effort.tells(encode(&response, context.version, context.key, context.correlation_id).1);
            Outcome::Close
        }
    })
}

async fn fetch(context: &Context, decoder: &mut Decoder) -> Result<Outcome, kafka_wire::DecodeError> {
    let request = decode::<kafka_wire::fetch::Request>(context, decoder)?;
    let fetcher = if request.follower_id() >= 0 { Fetcher::Follower } else { Fetcher::Consumer };
    context.effort.fetches(fetcher);
    let (mut response, slices) = handlers::fetch::handle(context, request).await;
    response.throttle_time_ms = context.settle();
    Ok(encode_with_slices(&response, slices, context))
}

async fn answer(context: &Context, decoder: &mut Decoder) -> Result<Outcome, kafka_wire::DecodeError> {
    Ok(match context.key {
        ApiKey::Produce => produce(context, decoder).await?,
        ApiKey::Fetch => fetch(context, decoder).await?,
        ApiKey::ListOffsets => reply!(list_offsets, context, decoder),
        ApiKey::Metadata => reply!(metadata, context, decoder),
        ApiKey::LeaderAndIsr => reply!(leader_and_isr, context, decoder),
        ApiKey::StopReplica => reply!(stop_replica, context, decoder),
        ApiKey::UpdateMetadata => reply!(update_metadata, context, decoder),
        ApiKey::ControlledShutdown => reply!(controlled_shutdown, context, decoder),
        ApiKey::OffsetCommit => reply!(offset_commit, context, decoder),
        ApiKey::OffsetFetch => reply!(offset_fetch, context, decoder),
        ApiKey::FindCoordinator => reply!(find_coordinator, context, decoder),
        ApiKey::JoinGroup => reply!(join_group, context, decoder),
        ApiKey::Heartbeat => reply!(heartbeat, context, decoder),
        ApiKey::LeaveGroup => reply!(leave_group, context, decoder),
        ApiKey::SyncGroup => reply!(sync_group, context, decoder),
        ApiKey::DescribeGroups => reply!(describe_groups, context, decoder),
        ApiKey::ListGroups => reply!(list_groups, context, decoder),
        ApiKey::ApiVersions => reply!(api_versions, context, decoder),
        ApiKey::CreateTopics => reply!(create_topics, context, decoder),
        ApiKey::DeleteTopics => reply!(delete_topics, context, decoder),
        ApiKey::DeleteRecords => reply!(delete_records, context, decoder),
        ApiKey::OffsetForLeaderEpoch => reply!(offset_for_leader_epoch, context, decoder),
        ApiKey::InitProducerId => reply!(init_producer_id, context, decoder),
        ApiKey::DescribeAcls => reply_or_close!(describe_acls, context, decoder),
        ApiKey::CreateAcls => reply_or_close!(create_acls, context, decoder),
        ApiKey::DeleteAcls => reply_or_close!(delete_acls, context, decoder),
        ApiKey::AddPartitionsToTxn => reply!(add_partitions_to_txn, context, decoder),
        ApiKey::AddOffsetsToTxn => reply!(add_offsets_to_txn, context, decoder),
        ApiKey::EndTxn => reply!(end_txn, context, decoder),
        ApiKey::WriteTxnMarkers => reply!(write_txn_markers, context, decoder),
        ApiKey::TxnOffsetCommit => reply!(txn_offset_commit, context, decoder),
        ApiKey::DescribeConfigs => reply!(describe_configs, context, decoder),
        ApiKey::AlterConfigs => reply!(alter_configs, context, decoder),
        ApiKey::ElectLeaders => reply!(elect_leaders, context, decoder),
        ApiKey::DescribeClientQuotas => reply!(describe_client_quotas, context, decoder),
        ApiKey::AlterClientQuotas => reply!(alter_client_quotas, context, decoder),
        ApiKey::DescribeUserScramCredentials => reply!(describe_user_scram_credentials, context, decoder),
        ApiKey::AlterUserScramCredentials => reply!(alter_user_scram_credentials, context, decoder),
        ApiKey::IncrementalAlterConfigs => reply!(incremental_alter_configs, context, decoder),
        ApiKey::AlterReplicaLogDirs => reply!(alter_replica_log_dirs, context, decoder),
        ApiKey::DescribeLogDirs => reply!(describe_log_dirs, context, decoder),
        ApiKey::CreatePartitions => reply!(create_partitions, context, decoder),
        ApiKey::DeleteGroups => reply!(delete_groups, context, decoder),
        ApiKey::OffsetDelete => reply!(offset_delete, context, decoder),
        ApiKey::AlterPartitionReassignments => reply!(alter_partition_reassignments, context, decoder),
        ApiKey::ListPartitionReassignments => reply!(list_partition_reassignments, context, decoder),
        ApiKey::UpdateFeatures => reply!(update_features, context, decoder),
        ApiKey::ConsumerGroupHeartbeat => reply!(consumer_group_heartbeat, context, decoder),
        ApiKey::ConsumerGroupDescribe => reply!(consumer_group_describe, context, decoder),
        ApiKey::AlterPartition => reply!(alter_partition, context, decoder),
        ApiKey::DescribeProducers => reply!(describe_producers, context, decoder),
        ApiKey::DescribeCluster => reply!(describe_cluster, context, decoder),
        ApiKey::DescribeTransactions => reply!(describe_transactions, context, decoder),
        ApiKey::ListTransactions => reply!(list_transactions, context, decoder),
        ApiKey::AllocateProducerIds => reply!(allocate_producer_ids, context, decoder),
        other => unreachable_key(other),
    })
}

/// Only what stands in [`SERVED`] comes here; a key without an arm above is a mistake in this file.
fn unreachable_key(key: ApiKey) -> Outcome {
    error!(target: "kafka.network.Processor", "{key} is announced and has no handler");
    Outcome::Close
}

fn decode<M: Message>(context: &Context, decoder: &mut Decoder) -> Result<M, kafka_wire::DecodeError> {
    let request = M::decode(decoder, context.version)?;
    if decoder.remaining() > 0 {
        debug!(target: "kafka.network.Processor", "{} bytes after a {} request are ignored", decoder.remaining(), context.key);
    }
    Ok(request)
}

/// The answer, with how long the client has to wait before it asks again.
pub(super) fn settle<M: Message>(context: &Context, mut response: M) -> Outcome {
    let throttle_time = context.settle();
    if throttle_time > 0 {
        kafka_wire::set_throttle_time(&mut response, context.version, throttle_time);
    }
    let (outcome, errors) = encode(&response, context.version, context.key, context.correlation_id);
    context.effort.tells(errors);
    outcome
}

fn encode<M: Message>(response: &M, version: i16, key: ApiKey, correlation_id: i32) -> (Outcome, ErrorCounts) {
    match encode_counted_response(key, version, correlation_id, response) {
        Ok((pieces, errors)) => (Outcome::Reply(pieces.into_iter().filter_map(without_hole).collect()), errors),
        Err(error) => {
            error!(target: "kafka.server.KafkaApis", "The answer to {key} v{version} cannot be told: {error}");
            (Outcome::Close, ErrorCounts::default())
        }
    }
}

fn without_hole(piece: WirePiece) -> Option<Piece> {
    match piece {
        WirePiece::Bytes(bytes) => Some(Piece::Bytes(bytes)),
        WirePiece::Hole(_) => None,
    }
}

/// Fills each hole of the encoded response with the slice whose turn it is.
fn encode_with_slices(response: &kafka_wire::fetch::Response, slices: Vec<Slice>, context: &Context) -> Outcome {
    let encoded = encode_counted_response(context.key, context.version, context.correlation_id, response);
    let pieces = match encoded {
        Ok((pieces, errors)) => {
            context.effort.tells(errors);
            pieces
        }
        Err(error) => {
            error!(target: "kafka.server.KafkaApis", "The answer to {} cannot be told: {error}", context.key);
            return Outcome::Close;
        }
    };
    let mut slices = slices.into_iter();
    let mut filled = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            WirePiece::Bytes(bytes) => filled.push(Piece::Bytes(bytes)),
            WirePiece::Hole(0) => {}
            WirePiece::Hole(len) => {
                let Some(slice) = slices.next().filter(|slice| slice.len == len as u64) else {
                    error!(target: "kafka.server.KafkaApis", "A fetch reply has a hole of {len} bytes and no slice for it");
                    return Outcome::Close;
                };
                filled.push(Piece::File { file: slice.file, offset: slice.position, len: slice.len });
            }
        }
    }
    Outcome::Reply(filled)
}

/// Every key that is served, with its versions.
pub(crate) fn served_versions() -> Vec<api_versions::ApiVersion> {
    let entry = |key: &ApiKey| api_versions::ApiVersion {
        api_key: key.code(),
        min_version: *key.served_versions().start(),
        max_version: *key.served_versions().end(),
    };
    SERVED.iter().map(entry).collect()
}
