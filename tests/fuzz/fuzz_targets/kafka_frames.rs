//! Requests and responses of every API in every version: what decodes is written again and decodes to the same; memory
//! is taken in proportion to the bytes that are there.
//!
//! Input: 0 and a request's frame, or any other number, key, version and a response's frame; frames without length.
#![no_main]

use bytes::Bytes;
use fuzz::{Counted, bytes_taken};
use kafka_wire::{
    Api, ApiKey, Decoder, Encoder, Message, RequestHeader, decode_response_header, encode_request, encode_response,
};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static MEMORY: Counted = Counted;

/// Bytes of memory for a byte of a frame, and for any frame: twice what the decoder's budget allows, because a text
/// is made before it is found to be the last one too many.
const FACTOR: usize = 16;
const FLOOR: usize = 128 << 10;

fn written<M: Message>(message: &M, version: i16) -> Bytes {
    let mut encoder = Encoder::new();
    message.encode(&mut encoder, version).expect("what was read in a version can be written in it");
    encoder.into_bytes()
}

/// Decodes the rest of a frame, if it is a message; then whether it comes back. By bytes: NaN is not equal to itself.
fn again<M: Message>(mut decoder: Decoder, version: i16) -> Option<M> {
    let frame = decoder.remaining();
    let (message, taken) = bytes_taken(|| {
        let message = M::decode(&mut decoder, version)?;
        decoder.finish().map(|()| message)
    });
    assert!(taken <= FACTOR * frame + FLOOR, "{taken} bytes for {frame}");
    let message = message.ok()?;
    let bytes = written(&message, version);
    let mut second = Decoder::new(bytes.clone());
    let back = M::decode(&mut second, version).expect("what was written is read");
    second.finish().expect("all of it");
    assert_eq!(written(&back, version), bytes);
    Some(message)
}

fn request<A: Api>(header: &RequestHeader, decoder: Decoder) {
    if let Some(request) = again::<A::Request>(decoder, header.api_version) {
        encode_request(header, &request).expect("it was read from a frame");
    }
}

fn response<A: Api>(version: i16, mut decoder: Decoder) {
    let Ok(correlation_id) = decode_response_header(&mut decoder, A::KEY, version) else { return };
    if let Some(response) = again::<A::Response>(decoder, version) {
        encode_response(A::KEY, version, correlation_id, &response).expect("it was read from a frame");
    }
}

macro_rules! by_key {
    ($key:expr, $function:ident $arguments:tt; $($module:ident $api:ident,)*) => {
        match $key {
            $(ApiKey::$api => $function::<kafka_wire::$module::$api> $arguments,)*
        }
    };
}

macro_rules! of_api {
    ($key:expr, $function:ident $arguments:tt) => {
        by_key! { $key, $function $arguments;
            produce Produce, fetch Fetch, list_offsets ListOffsets, metadata Metadata, leader_and_isr LeaderAndIsr,
            stop_replica StopReplica, update_metadata UpdateMetadata, controlled_shutdown ControlledShutdown,
            offset_commit OffsetCommit, offset_fetch OffsetFetch, find_coordinator FindCoordinator, join_group JoinGroup,
            heartbeat Heartbeat, leave_group LeaveGroup, sync_group SyncGroup, describe_groups DescribeGroups,
            list_groups ListGroups, sasl_handshake SaslHandshake, api_versions ApiVersions, create_topics CreateTopics,
            delete_topics DeleteTopics, delete_records DeleteRecords, init_producer_id InitProducerId,
            offset_for_leader_epoch OffsetForLeaderEpoch, add_partitions_to_txn AddPartitionsToTxn,
            add_offsets_to_txn AddOffsetsToTxn, end_txn EndTxn, write_txn_markers WriteTxnMarkers,
            txn_offset_commit TxnOffsetCommit, describe_acls DescribeAcls, create_acls CreateAcls,
            delete_acls DeleteAcls, describe_configs DescribeConfigs, alter_configs AlterConfigs,
            alter_replica_log_dirs AlterReplicaLogDirs, describe_log_dirs DescribeLogDirs,
            sasl_authenticate SaslAuthenticate, create_partitions CreatePartitions,
            create_delegation_token CreateDelegationToken, renew_delegation_token RenewDelegationToken,
            expire_delegation_token ExpireDelegationToken, describe_delegation_token DescribeDelegationToken,
            delete_groups DeleteGroups, elect_leaders ElectLeaders, incremental_alter_configs IncrementalAlterConfigs,
            alter_partition_reassignments AlterPartitionReassignments,
            list_partition_reassignments ListPartitionReassignments, offset_delete OffsetDelete,
            describe_client_quotas DescribeClientQuotas, alter_client_quotas AlterClientQuotas,
            describe_user_scram_credentials DescribeUserScramCredentials,
            alter_user_scram_credentials AlterUserScramCredentials, alter_partition AlterPartition,
            update_features UpdateFeatures, envelope Envelope, describe_cluster DescribeCluster,
            describe_producers DescribeProducers, describe_transactions DescribeTransactions,
            list_transactions ListTransactions, allocate_producer_ids AllocateProducerIds,
            consumer_group_heartbeat ConsumerGroupHeartbeat, consumer_group_describe ConsumerGroupDescribe,
        }
    };
}

fuzz_target!(|data: &[u8]| {
    match data {
        [0, frame @ ..] => {
            let mut decoder = Decoder::new(Bytes::copy_from_slice(frame));
            let Ok(header) = RequestHeader::decode(&mut decoder) else { return };
            of_api!(header.api_key, request(&header, decoder));
        }
        [_, key, version, frame @ ..] => {
            let Some(key) = ApiKey::ALL.iter().find(|known| known.code() == i16::from(*key)) else { return };
            let version = i16::from(*version);
            if !key.serves(version) {
                return;
            }
            of_api!(key, response(version, Decoder::new(Bytes::copy_from_slice(frame))));
        }
        _ => {}
    }
});
