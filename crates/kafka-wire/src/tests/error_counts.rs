//! Which error codes of a response count, as Apache's `errorCounts` has it.

use kafka_types::ErrorCode;

use crate::schema::Api;
use crate::{
    ErrorCounts, add_partitions_to_txn, delete_acls, describe_user_scram_credentials, elect_leaders,
    encode_counted_response, fetch, find_coordinator, metadata, offset_fetch,
};

/// How often there is none, and the errors.
fn counts<A: Api>(version: i16, response: &A::Response) -> (u32, Vec<(i16, u32)>) {
    let (_, errors) = encode_counted_response(A::KEY, version, 1, response).unwrap();
    (errors.none(), errors.errors().map(|(error, count)| (error.code(), count)).collect())
}

#[test]
fn every_error_code_counts_wherever_it_stands() {
    let partition = |error_code| metadata::MetadataResponsePartition {
        error_code,
        ..metadata::MetadataResponsePartition::default()
    };
    let topic = |error_code, partitions: &[i16]| metadata::MetadataResponseTopic {
        error_code,
        name: Some("t".to_owned()),
        partitions: partitions.iter().copied().map(partition).collect(),
        ..Default::default()
    };
    let topics = vec![topic(0, &[0, 0, 5]), topic(3, &[]), topic(0, &[9, 5])];
    let response = metadata::Response { topics, ..Default::default() };
    for version in [1, 12] {
        assert_eq!(counts::<metadata::Metadata>(version, &response), (4, vec![(5, 2), (3, 1), (9, 1)]));
    }
    assert_eq!(counts::<metadata::Metadata>(9, &metadata::Response::default()), (0, vec![]));
    let unknown = metadata::Response { topics: vec![topic(999, &[])], ..Default::default() };
    assert_eq!(counts::<metadata::Metadata>(9, &unknown), (0, vec![(ErrorCode::UnknownServerError.code(), 1)]));
}

#[test]
fn a_code_that_comes_in_a_later_version_counts_before_it_too() {
    assert_eq!(counts::<fetch::Fetch>(4, &fetch::Response::default()), (1, vec![]));
    assert_eq!(
        counts::<fetch::Fetch>(12, &fetch::Response { error_code: 70, ..Default::default() }),
        (0, vec![(70, 1)])
    );
    assert_eq!(counts::<elect_leaders::ElectLeaders>(0, &elect_leaders::Response::default()), (1, vec![]));
}

#[test]
fn a_code_that_is_gone_counts_no_more() {
    let coordinators =
        [0, 15].map(|error_code| find_coordinator::Coordinator { error_code, ..Default::default() }).to_vec();
    let response = find_coordinator::Response { coordinators, ..Default::default() };
    assert_eq!(counts::<find_coordinator::FindCoordinator>(4, &response), (1, vec![(15, 1)]));
    let single = find_coordinator::Response { error_code: 15, ..Default::default() };
    assert_eq!(counts::<find_coordinator::FindCoordinator>(3, &single), (0, vec![(15, 1)]));
    assert_eq!(counts::<offset_fetch::OffsetFetch>(1, &offset_fetch::Response::default()), (1, vec![]));
    assert_eq!(counts::<offset_fetch::OffsetFetch>(8, &offset_fetch::Response::default()), (0, vec![]));
}

#[test]
fn some_count_not_at_all() {
    let matching = delete_acls::DeleteAclsMatchingAcl { error_code: -1, ..Default::default() };
    let filter = delete_acls::DeleteAclsFilterResult { matching_acls: vec![matching], ..Default::default() };
    let response = delete_acls::Response { filter_results: vec![filter], ..Default::default() };
    assert_eq!(counts::<delete_acls::DeleteAcls>(2, &response), (1, vec![]));

    let user =
        describe_user_scram_credentials::DescribeUserScramCredentialsResult { error_code: 91, ..Default::default() };
    let response = describe_user_scram_credentials::Response { results: vec![user], ..Default::default() };
    let counted = counts::<describe_user_scram_credentials::DescribeUserScramCredentials>(0, &response);
    assert_eq!(counted, (0, vec![(91, 1)]));

    let partition =
        add_partitions_to_txn::AddPartitionsToTxnPartitionResult { partition_error_code: 47, ..Default::default() };
    let topic = add_partitions_to_txn::AddPartitionsToTxnTopicResult {
        results_by_partition: vec![partition],
        ..Default::default()
    };
    let single =
        add_partitions_to_txn::Response { results_by_topic_v3_and_below: vec![topic.clone()], ..Default::default() };
    assert_eq!(counts::<add_partitions_to_txn::AddPartitionsToTxn>(3, &single), (0, vec![(47, 1)]));
    let result = add_partitions_to_txn::AddPartitionsToTxnResult { topic_results: vec![topic], ..Default::default() };
    let batch = add_partitions_to_txn::Response { results_by_transaction: vec![result], ..Default::default() };
    assert_eq!(counts::<add_partitions_to_txn::AddPartitionsToTxn>(4, &batch), (1, vec![(47, 1)]));
}

#[test]
fn counts_add_up() {
    let mut counts = ErrorCounts::default();
    for code in [0, 3, 3, 0, 9] {
        counts.count(code);
    }
    let mut both = ErrorCounts::default();
    both.count(9);
    both.add(&counts);
    assert_eq!(both.none(), 2);
    let errors: Vec<_> = both.errors().collect();
    assert_eq!(errors, [(ErrorCode::ReplicaNotAvailable, 2), (ErrorCode::UnknownTopicOrPartition, 2)]);
}
