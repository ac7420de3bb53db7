//! Commits, how long they live, and what deletes them.

use super::*;

#[test]
fn commits_come_back_and_survive_a_reload() {
    let (mut world, a) = World::with_one_member();
    assert_eq!(world.committed(0, true), Ok(-1));
    assert_eq!(world.commit(Some(&a), 0, 42), ErrorCode::None);
    assert_eq!(world.committed(0, true), Ok(42));
    world.reloaded(Config::default());
    assert_eq!(world.committed(0, true), Ok(42));
    assert_eq!(world.heartbeat(&a), ErrorCode::None, "members are in the log");
    let token = world.sync(&a, &[]);
    assert_eq!(world.synced(token), Ok("all".into()));
    assert_eq!(world.describe().protocol, "range");
    world.pass(10_000);
    assert_eq!(world.heartbeat(&a), ErrorCode::UnknownMemberId, "their sessions go on");
}

#[test]
fn a_commit_counts_when_it_is_in_the_log() {
    let (mut world, a) = World::with_one_member();
    assert_eq!(world.commit(Some(&a), 0, 1), ErrorCode::None);
    world.holds_appends = true;
    let token = world.ask(Request::OffsetCommit(World::commit_request(Some(&a), 0, 2)));
    assert!(world.is_parked(token));
    assert_eq!(world.committed(0, false), Ok(1));
    assert_eq!(world.committed(0, true), Err(ErrorCode::UnstableOffsetCommit));
    world.release();
    assert_eq!(world.commit_answer(token), ErrorCode::None);
    assert_eq!(world.committed(0, true), Ok(2));
}

#[test]
fn a_commit_that_fails_changes_nothing_and_says_why() {
    for (cause, told) in [
        (ErrorCode::NotEnoughReplicasAfterAppend, ErrorCode::CoordinatorNotAvailable),
        (ErrorCode::KafkaStorageError, ErrorCode::NotCoordinator),
        (ErrorCode::RecordListTooLarge, ErrorCode::InvalidCommitOffsetSize),
        (ErrorCode::RequestTimedOut, ErrorCode::RequestTimedOut),
    ] {
        let (mut world, a) = World::with_one_member();
        world.holds_appends = true;
        let token = world.ask(Request::OffsetCommit(World::commit_request(Some(&a), 0, 2)));
        world.fail(cause);
        assert_eq!(world.commit_answer(token), told);
        assert_eq!(world.committed(0, true), Ok(-1));
    }
}

#[test]
fn commits_out_of_the_past_or_from_strangers_are_refused() {
    let (mut world, a) = World::with_one_member();
    let stale = Joined { generation: 0, ..a.clone() };
    assert_eq!(world.commit(Some(&stale), 0, 1), ErrorCode::IllegalGeneration);
    assert_eq!(world.commit(Some(&Joined { id: "x".into(), ..a.clone() }), 0, 1), ErrorCode::UnknownMemberId);
    assert_eq!(world.commit(None, 0, 1), ErrorCode::UnknownMemberId, "the group has members");
    let (_, token) = world.join("a", &a.id);
    let a = world.joined(token);
    assert_eq!(world.commit(Some(&a), 0, 1), ErrorCode::RebalanceInProgress, "it has not synced yet");
    let token = world.sync(&a, &[]);
    world.synced(token).unwrap();
    let (_, b_token) = world.join("b", "");
    assert!(world.is_parked(b_token));
    assert_eq!(world.commit(Some(&a), 0, 9), ErrorCode::None, "before a rebalance one may still commit");
    let request = OffsetCommit { group_id: "none".into(), ..World::commit_request(Some(&a), 0, 1) };
    let token = world.ask(Request::OffsetCommit(request));
    assert_eq!(world.commit_answer(token), ErrorCode::IllegalGeneration);
}

#[test]
fn simple_consumers_commit_without_a_group() {
    let mut world = World::new();
    assert_eq!(world.commit(None, 3, 7), ErrorCode::None);
    assert_eq!(world.committed(3, true), Ok(7));
    let described = world.describe();
    assert_eq!((described.state, &*described.protocol_type), ("Empty", ""));
}

#[test]
fn metadata_that_is_too_long_is_refused_alone() {
    let mut world = World::new();
    let mut request = World::commit_request(None, 0, 1);
    request.offsets.push(OffsetToCommit { metadata: Some("é".repeat(4_096)), ..to_commit(1, 2) });
    request.offsets.push(OffsetToCommit { metadata: Some("e".repeat(4_097)), ..to_commit(2, 3) });
    let token = world.ask(Request::OffsetCommit(request));
    let Some(Reply::OffsetCommit(answers)) = world.answer(token) else { panic!() };
    let errors: Vec<_> = answers.iter().map(|(_, error)| *error).collect();
    assert_eq!(errors, [ErrorCode::None, ErrorCode::None, ErrorCode::OffsetMetadataTooLarge]);
    assert_eq!((world.committed(1, true), world.committed(2, true)), (Ok(2), Ok(-1)));
}

#[test]
fn offsets_in_a_transaction_count_when_it_commits() {
    let mut world = World::new();
    assert_eq!(world.commit(None, 0, 1), ErrorCode::None);
    assert_eq!(world.txn_commit(9, 0, 5), ErrorCode::None);
    assert_eq!(world.committed(0, false), Ok(1));
    assert_eq!(world.committed(0, true), Err(ErrorCode::UnstableOffsetCommit));
    world.event(Event::TransactionEnded { producer_id: ProducerId(9), committed: true });
    assert_eq!(world.committed(0, true), Ok(5));

    assert_eq!(world.txn_commit(9, 0, 6), ErrorCode::None);
    world.event(Event::TransactionEnded { producer_id: ProducerId(9), committed: false });
    assert_eq!(world.committed(0, true), Ok(5));
}

#[test]
fn a_plain_commit_after_a_transactional_one_wins() {
    let mut world = World::new();
    assert_eq!(world.txn_commit(9, 0, 5), ErrorCode::None);
    assert_eq!(world.commit(None, 0, 8), ErrorCode::None);
    world.event(Event::TransactionEnded { producer_id: ProducerId(9), committed: true });
    assert_eq!(world.committed(0, true), Ok(8), "its record lies behind the other in the log");
}

#[test]
fn open_transactions_survive_a_reload() {
    let mut world = World::new();
    assert_eq!(world.txn_commit(9, 0, 5), ErrorCode::None);
    world.reloaded(Config::default());
    assert_eq!(world.committed(0, true), Err(ErrorCode::UnstableOffsetCommit));
    world.event(Event::TransactionEnded { producer_id: ProducerId(9), committed: true });
    assert_eq!(world.committed(0, true), Ok(5));
}

const RETENTION: u64 = 10_080 * 60_000;

#[test]
fn an_empty_group_keeps_its_offsets_for_the_retention_time_and_then_dies() {
    let (mut world, a) = World::with_one_member();
    assert_eq!(world.commit(Some(&a), 0, 1), ErrorCode::None);
    for _ in 0..3 {
        world.pass(RETENTION / 2);
    }
    // Its session ended long ago, so it has been empty for more than the retention time.
    assert_eq!(world.state(), "Dead");
    assert_eq!(world.committed(0, true), Ok(-1));
    let tombstones = world.log.iter().rev().take(2).filter(|(record, _)| record.value.is_none()).count();
    assert_eq!(tombstones, 2, "of the offset and of the group");
}

#[test]
fn a_living_group_forgets_only_what_nobody_reads() {
    let mut world = World::new();
    let request = Join { session_timeout_ms: 1_800_000, ..world.join_request("a", "") };
    let (_, token) = world.join_with(request);
    let a = world.joined(token);
    let token = world.sync(&a, &[]);
    world.synced(token).unwrap();
    let mut request = World::commit_request(Some(&a), 0, 1);
    request.offsets.push(OffsetToCommit { topic_partition: TopicPartition::new("old", 0), ..to_commit(0, 2) });
    let token = world.ask(Request::OffsetCommit(request));
    assert_eq!(world.commit_answer(token), ErrorCode::None);
    let end = world.now.tick.after(RETENTION + 700_000);
    while world.now.tick < end {
        world.pass(1_500_000);
        assert_eq!(world.heartbeat(&a), ErrorCode::None);
    }
    let partitions = None;
    let token = world.ask(Request::OffsetFetch(OffsetFetch { group_id: "g".into(), partitions, require_stable: true }));
    let Some(Reply::OffsetFetch(reply)) = world.answer(token) else { panic!() };
    assert_eq!(reply.offsets.iter().map(|one| &*one.topic_partition.topic).collect::<Vec<_>>(), ["t"]);
}

#[test]
fn a_simple_group_forgets_by_the_time_of_the_commit_or_the_clients_retention() {
    let mut world = World::new();
    assert_eq!(world.commit(None, 0, 1), ErrorCode::None);
    let short = OffsetCommit { retention_ms: Some(1_000_000), ..World::commit_request(None, 1, 2) };
    let token = world.ask(Request::OffsetCommit(short));
    assert_eq!(world.commit_answer(token), ErrorCode::None);
    world.pass(1_300_000);
    assert_eq!((world.committed(0, true), world.committed(1, true)), (Ok(1), Ok(-1)));
    world.pass(RETENTION);
    assert_eq!(world.state(), "Dead");
    assert!(!world.log.iter().any(|(record, _)| record.key.starts_with(&[0, 2])), "it was never stored as a group");
}

#[test]
fn deleted_partitions_take_their_offsets_with_them() {
    let (mut world, a) = World::with_one_member();
    world.commit(Some(&a), 0, 1);
    world.commit(Some(&a), 1, 1);
    world.event(Event::PartitionsDeleted(vec![tp(0), TopicPartition::new("x", 0)]));
    assert_eq!((world.committed(0, true), world.committed(1, true)), (Ok(-1), Ok(1)));
    world.reloaded(Config::default());
    assert_eq!((world.committed(0, true), world.committed(1, true)), (Ok(-1), Ok(1)));
}

#[test]
fn only_empty_groups_are_deleted() {
    let (mut world, a) = World::with_one_member();
    world.commit(Some(&a), 0, 1);
    let delete = |world: &mut World, group: &str| {
        let token = world.ask(Request::DeleteGroup { group_id: group.into() });
        match world.answer(token) {
            Some(Reply::DeleteGroup(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(delete(&mut world, "g"), ErrorCode::NonEmptyGroup);
    assert_eq!(delete(&mut world, "none"), ErrorCode::GroupIdNotFound);
    world.leave(&a.id, None);
    assert_eq!(delete(&mut world, "g"), ErrorCode::None);
    assert_eq!(delete(&mut world, "g"), ErrorCode::GroupIdNotFound);
    assert_eq!(world.state(), "Dead");
    world.reloaded(Config::default());
    assert_eq!((world.state(), world.committed(0, true)), ("Dead", Ok(-1)));
}

#[test]
fn a_group_lives_on_if_its_deletion_cannot_be_stored() {
    let mut world = World::new();
    world.commit(None, 0, 1);
    world.holds_appends = true;
    let token = world.ask(Request::DeleteGroup { group_id: "g".into() });
    let request = world.join_request("a", "");
    let join = world.ask(Request::Join(request));
    assert_eq!(world.join_answer(join).error, ErrorCode::CoordinatorNotAvailable, "in the middle of its deletion");
    world.fail(ErrorCode::NotEnoughReplicas);
    assert_eq!(world.answer(token), Some(Reply::DeleteGroup(ErrorCode::CoordinatorNotAvailable)));
    assert_eq!((world.state(), world.committed(0, true)), ("Empty", Ok(1)));
}

#[test]
fn offsets_of_topics_that_are_read_are_not_deleted() {
    let (mut world, a) = World::with_one_member();
    world.commit(Some(&a), 0, 1);
    let old = TopicPartition::new("old", 0);
    let mut request = World::commit_request(Some(&a), 0, 1);
    request.offsets[0].topic_partition = old.clone();
    world.ask(Request::OffsetCommit(request));
    let partitions = vec![tp(0), old.clone(), TopicPartition::new("never", 0)];
    let token = world.ask(Request::DeleteOffsets { group_id: "g".into(), partitions });
    let Some(Reply::DeleteOffsets(reply)) = world.answer(token) else { panic!() };
    let errors: Vec<_> = reply.partitions.iter().map(|(_, error)| *error).collect();
    assert_eq!(errors, [ErrorCode::GroupSubscribedToTopic, ErrorCode::None, ErrorCode::None]);
    assert_eq!(world.committed(0, true), Ok(1));
    let token = world.ask(Request::DeleteOffsets { group_id: "none".into(), partitions: vec![old] });
    let Some(Reply::DeleteOffsets(reply)) = world.answer(token) else { panic!() };
    assert_eq!(reply.error, ErrorCode::GroupIdNotFound);
}

#[test]
fn an_empty_group_goes_with_its_last_offset() {
    let (mut world, a) = World::with_one_member();
    world.commit(Some(&a), 0, 1);
    world.commit(Some(&a), 1, 1);
    world.leave(&a.id, None);
    for (partition, state) in [(0, "Empty"), (1, "Dead")] {
        world.ask(Request::DeleteOffsets { group_id: "g".into(), partitions: vec![tp(partition)] });
        assert_eq!(world.state(), state);
    }
    world.reloaded(Config::default());
    assert_eq!((world.state(), world.committed(0, true)), ("Dead", Ok(-1)));
}
