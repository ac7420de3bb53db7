//! The list of all messages, for tests that want each of them.

/// Calls `$macro!` with every API: its module, its type, and what the second codec calls its request and response.
macro_rules! every_api {
    ($macro:ident) => {
        $macro! {
            produce Produce ProduceRequest ProduceResponse,
            fetch Fetch FetchRequest FetchResponse,
            list_offsets ListOffsets ListOffsetsRequest ListOffsetsResponse,
            metadata Metadata MetadataRequest MetadataResponse,
            leader_and_isr LeaderAndIsr LeaderAndIsrRequest LeaderAndIsrResponse,
            stop_replica StopReplica StopReplicaRequest StopReplicaResponse,
            update_metadata UpdateMetadata UpdateMetadataRequest UpdateMetadataResponse,
            controlled_shutdown ControlledShutdown ControlledShutdownRequest ControlledShutdownResponse,
            offset_commit OffsetCommit OffsetCommitRequest OffsetCommitResponse,
            offset_fetch OffsetFetch OffsetFetchRequest OffsetFetchResponse,
            find_coordinator FindCoordinator FindCoordinatorRequest FindCoordinatorResponse,
            join_group JoinGroup JoinGroupRequest JoinGroupResponse,
            heartbeat Heartbeat HeartbeatRequest HeartbeatResponse,
            leave_group LeaveGroup LeaveGroupRequest LeaveGroupResponse,
            sync_group SyncGroup SyncGroupRequest SyncGroupResponse,
            describe_groups DescribeGroups DescribeGroupsRequest DescribeGroupsResponse,
            list_groups ListGroups ListGroupsRequest ListGroupsResponse,
            sasl_handshake SaslHandshake SaslHandshakeRequest SaslHandshakeResponse,
            api_versions ApiVersions ApiVersionsRequest ApiVersionsResponse,
            create_topics CreateTopics CreateTopicsRequest CreateTopicsResponse,
            delete_topics DeleteTopics DeleteTopicsRequest DeleteTopicsResponse,
            delete_records DeleteRecords DeleteRecordsRequest DeleteRecordsResponse,
            init_producer_id InitProducerId InitProducerIdRequest InitProducerIdResponse,
            offset_for_leader_epoch OffsetForLeaderEpoch OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse,
            add_partitions_to_txn AddPartitionsToTxn AddPartitionsToTxnRequest AddPartitionsToTxnResponse,
            add_offsets_to_txn AddOffsetsToTxn AddOffsetsToTxnRequest AddOffsetsToTxnResponse,
            end_txn EndTxn EndTxnRequest EndTxnResponse,
            write_txn_markers WriteTxnMarkers WriteTxnMarkersRequest WriteTxnMarkersResponse,
            txn_offset_commit TxnOffsetCommit TxnOffsetCommitRequest TxnOffsetCommitResponse,
            describe_acls DescribeAcls DescribeAclsRequest DescribeAclsResponse,
            create_acls CreateAcls CreateAclsRequest CreateAclsResponse,
            delete_acls DeleteAcls DeleteAclsRequest DeleteAclsResponse,
            describe_configs DescribeConfigs DescribeConfigsRequest DescribeConfigsResponse,
            alter_configs AlterConfigs AlterConfigsRequest AlterConfigsResponse,
            alter_replica_log_dirs AlterReplicaLogDirs AlterReplicaLogDirsRequest AlterReplicaLogDirsResponse,
            describe_log_dirs DescribeLogDirs DescribeLogDirsRequest DescribeLogDirsResponse,
            sasl_authenticate SaslAuthenticate SaslAuthenticateRequest SaslAuthenticateResponse,
            create_partitions CreatePartitions CreatePartitionsRequest CreatePartitionsResponse,
            create_delegation_token CreateDelegationToken CreateDelegationTokenRequest CreateDelegationTokenResponse,
            renew_delegation_token RenewDelegationToken RenewDelegationTokenRequest RenewDelegationTokenResponse,
            expire_delegation_token ExpireDelegationToken ExpireDelegationTokenRequest ExpireDelegationTokenResponse,
            describe_delegation_token DescribeDelegationToken DescribeDelegationTokenRequest DescribeDelegationTokenResponse,
            delete_groups DeleteGroups DeleteGroupsRequest DeleteGroupsResponse,
            elect_leaders ElectLeaders ElectLeadersRequest ElectLeadersResponse,
            incremental_alter_configs IncrementalAlterConfigs IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse,
            alter_partition_reassignments AlterPartitionReassignments AlterPartitionReassignmentsRequest AlterPartitionReassignmentsResponse,
            list_partition_reassignments ListPartitionReassignments ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse,
            offset_delete OffsetDelete OffsetDeleteRequest OffsetDeleteResponse,
            describe_client_quotas DescribeClientQuotas DescribeClientQuotasRequest DescribeClientQuotasResponse,
            alter_client_quotas AlterClientQuotas AlterClientQuotasRequest AlterClientQuotasResponse,
            describe_user_scram_credentials DescribeUserScramCredentials DescribeUserScramCredentialsRequest DescribeUserScramCredentialsResponse,
            alter_user_scram_credentials AlterUserScramCredentials AlterUserScramCredentialsRequest AlterUserScramCredentialsResponse,
            alter_partition AlterPartition AlterPartitionRequest AlterPartitionResponse,
            update_features UpdateFeatures UpdateFeaturesRequest UpdateFeaturesResponse,
            envelope Envelope EnvelopeRequest EnvelopeResponse,
            describe_cluster DescribeCluster DescribeClusterRequest DescribeClusterResponse,
            describe_producers DescribeProducers DescribeProducersRequest DescribeProducersResponse,
            describe_transactions DescribeTransactions DescribeTransactionsRequest DescribeTransactionsResponse,
            list_transactions ListTransactions ListTransactionsRequest ListTransactionsResponse,
            allocate_producer_ids AllocateProducerIds AllocateProducerIdsRequest AllocateProducerIdsResponse,
            consumer_group_heartbeat ConsumerGroupHeartbeat ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse,
            consumer_group_describe ConsumerGroupDescribe ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse,
        }
    };
}

/// Calls `$macro!` with every record: its module, its type, and what the second codec calls it, if it has it.
macro_rules! every_record {
    ($macro:ident) => {
        $macro! {
            groups OffsetCommitKey,
            groups OffsetCommitValue,
            groups GroupMetadataKey,
            groups GroupMetadataValue,
            transactions TransactionLogKey,
            transactions TransactionLogValue,
            consumer_protocol Subscription,
            consumer_protocol Assignment,
        }
    };
}

pub(super) use every_api;

use super::{decode, encode, generate};
use crate::schema::Message;

const SEEDS: u64 = 40;

fn reads_back<M: Message>() {
    for version in M::SHAPE.first..=M::SHAPE.last {
        for seed in 0..SEEDS {
            let message: M = generate(seed, version);
            let bytes = encode(&message, version);
            assert_eq!(decode::<M>(&bytes, version), Ok(message), "{} v{version}, seed {seed}", M::SHAPE.name);
        }
    }
}

#[test]
fn every_message_in_every_version_reads_back() {
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {$(
            reads_back::<crate::$module::Request>();
            reads_back::<crate::$module::Response>();
        )*};
    }
    every_api!(check);
}

#[test]
fn every_record_in_every_version_reads_back() {
    macro_rules! check {
        ($($module:ident $record:ident,)*) => {$(
            reads_back::<crate::records::$module::$record>();
        )*};
    }
    every_record!(check);
}

#[test]
fn every_api_is_here() {
    let mut keys = Vec::new();
    macro_rules! check {
        ($($module:ident $api:ident $request:ident $response:ident,)*) => {$(
            keys.push(<crate::$module::$api as crate::Api>::KEY);
        )*};
    }
    every_api!(check);
    assert_eq!(keys, crate::ApiKey::ALL);
}
