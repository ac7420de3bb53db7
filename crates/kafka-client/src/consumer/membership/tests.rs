//! Stories of a member, with the coordinator's answers given by hand.

use super::*;

const NOW: Tick = Tick(1_000);

fn config(assignors: &[Assignor]) -> MembershipConfig {
    MembershipConfig {
        group_id: "g".into(),
        group_instance_id: None,
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 300_000,
        retry_backoff_ms: 100,
        assignors: assignors.to_vec(),
        rack_id: None,
    }
}

fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

fn membership(assignors: &[Assignor], topics: &[&str]) -> Membership {
    let mut membership = Membership::new(config(assignors));
    membership.subscribe(topics.iter().map(|topic| (*topic).to_owned()).collect());
    membership
}

fn join_error(error: ErrorCode, member_id: &str) -> join_group::Response {
    join_group::Response { error_code: error.code(), member_id: member_id.into(), ..Default::default() }
}

fn joined(generation: i32, leader: &str, protocol: Assignor) -> join_group::Response {
    join_group::Response {
        generation_id: generation,
        protocol_name: Some(protocol.name().into()),
        leader: leader.into(),
        member_id: "me".into(),
        ..Default::default()
    }
}

fn synced(partitions: &[TopicPartition]) -> sync_group::Response {
    let assignment = wire::Assignment { assigned_partitions: by_topic(partitions), user_data: None };
    sync_group::Response { assignment: assignment.to_bytes().unwrap(), ..Default::default() }
}

/// Up to the join: coordinator, prepare, id.
fn to_join(membership: &mut Membership) -> join_group::Request {
    if membership.coordinator().is_none() {
        assert_eq!(membership.next(NOW), Step::FindCoordinator);
        membership.on_coordinator(NOW, Ok(BrokerId(0))).unwrap();
    }
    let Step::Prepare { revoked, .. } = membership.next(NOW) else { panic!() };
    membership.on_prepared(&revoked);
    let Step::Join(request) = membership.next(NOW) else { panic!() };
    *request
}

/// A follower that is assigned `partitions` in `generation`.
fn follow(membership: &mut Membership, generation: i32, partitions: &[TopicPartition]) {
    let protocol = membership.config.assignors[0];
    to_join(membership);
    membership.on_join(NOW, Some(joined(generation, "other", protocol))).unwrap();
    let Step::Sync(request) = membership.next(NOW) else { panic!() };
    assert_eq!((request.generation_id, request.assignments.len()), (generation, 0));
    membership.on_sync(NOW, Some(synced(partitions))).unwrap();
    let Step::Assign { assigned, .. } = membership.next(NOW) else { panic!() };
    assert_eq!(assigned, partitions);
    membership.on_assigned();
}

#[test]
fn a_member_asks_for_an_id_joins_and_syncs() {
    let mut membership = membership(&[Assignor::Range], &["t"]);
    assert_eq!(membership.next(NOW), Step::FindCoordinator);
    membership.on_coordinator(NOW, Ok(BrokerId(3))).unwrap();
    assert_eq!(membership.next(NOW), Step::Prepare { revoked: vec![], lost: false });
    membership.on_prepared(&[]);
    let Step::Join(first) = membership.next(NOW) else { panic!() };
    assert_eq!((&*first.member_id, &*first.protocol_type, first.rebalance_timeout_ms), ("", "consumer", 300_000));
    membership.on_join(NOW, Some(join_error(ErrorCode::MemberIdRequired, "me"))).unwrap();
    let Step::Join(second) = membership.next(NOW) else { panic!("at once") };
    assert_eq!(second.member_id, "me");
    membership.on_join(NOW, Some(joined(1, "other", Assignor::Range))).unwrap();
    assert!(membership.beats());
    let Step::Sync(sync) = membership.next(NOW) else { panic!() };
    assert_eq!((sync.protocol_type.as_deref(), sync.protocol_name.as_deref()), (Some("consumer"), Some("range")));
    membership.on_sync(NOW, Some(synced(&[tp("t", 0)]))).unwrap();
    let Step::Assign { assigned, added, revoked } = membership.next(NOW) else { panic!() };
    assert_eq!((assigned, added, revoked), (vec![tp("t", 0)], vec![tp("t", 0)], vec![]));
    membership.on_assigned();
    assert_eq!(membership.next(NOW), Step::Stable);
    assert_eq!((membership.generation(), membership.member_id()), (1, "me"));
}

/// Bytes that Apache's consumers sent (`__consumer_offsets` of golden/log-dir/clean).
#[test]
fn what_a_member_says_is_what_java_says() {
    let metadata = |assignor, topics: &[&str]| {
        let mut membership = membership(&[assignor], topics);
        to_join(&mut membership).protocols[0].metadata.to_vec()
    };
    let mut range = vec![0, 3, 0, 0, 0, 1, 0, 5];
    range.extend(b"mixed");
    range.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(metadata(Assignor::Range, &["mixed"]), range);
    let mut sticky = vec![0, 3, 0, 0, 0, 2, 0, 5];
    sticky.extend(b"mixed\0\x03txn");
    sticky.extend([0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(metadata(Assignor::CooperativeSticky, &["txn", "mixed"]), sticky);
}

/// Bytes as Java's StickyAssignor of 3.9.1 wrote them.
#[test]
fn an_eager_sticky_member_says_what_it_had_and_owns_nothing() {
    let mut member = membership(&[Assignor::Sticky], &["t", "u"]);
    let data = |request: &join_group::Request| {
        let subscription = wire::Subscription::from_bytes(request.protocols[0].metadata.clone()).unwrap();
        assert!(subscription.owned_partitions.is_empty());
        subscription.user_data
    };
    assert_eq!(data(&to_join(&mut member)), None);
    let mut member = membership(&[Assignor::Sticky], &["t", "u"]);
    follow(&mut member, 7, &[tp("t", 0), tp("t", 2), tp("u", 1)]);
    member.request_rejoin();
    let mut expected = vec![0, 0, 0, 2, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2];
    expected.extend([0, 1, b'u', 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7]);
    assert_eq!(data(&to_join(&mut member)).unwrap(), expected);
}

#[test]
fn a_leader_gives_back_what_eager_sticky_members_had() {
    let mut leader = membership(&[Assignor::Sticky], &["t"]);
    to_join(&mut leader);
    let had = |id: &str, data: Option<wire::StickyUserData>, raw: &[u8]| {
        let user_data = data.map(|data| data.to_bytes().unwrap()).or_else(|| Some(bytes::Bytes::copy_from_slice(raw)));
        let subscription = wire::Subscription { topics: vec!["t".into()], user_data, ..Default::default() };
        let metadata = subscription.to_bytes().unwrap();
        join_group::JoinGroupResponseMember { member_id: id.into(), metadata, ..Default::default() }
    };
    let data = |partitions: &[i32], generation| {
        let partitions = wire::TopicPartition { topic: "t".into(), partitions: partitions.to_vec() };
        Some(wire::StickyUserData { previous_assignment: vec![partitions], generation })
    };
    // Without generation, as before 2.3; and what nobody can read.
    let old = [0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 5];
    let members = vec![
        had("me", data(&[3, 1], 4), &[]),
        had("new", None, b""),
        had("odd", None, b"no bytes of an assignor"),
        had("old", None, &old),
    ];
    let response = join_group::Response { members, ..joined(5, "me", Assignor::Sticky) };
    leader.on_join(NOW, Some(response)).unwrap();
    let Step::Count(_) = leader.next(NOW) else { panic!() };
    leader.on_counts(&[("t".to_owned(), 6)].into()).unwrap();
    let Step::Sync(sync) = leader.next(NOW) else { panic!() };
    let shares: Vec<(String, Vec<i32>)> = sync
        .assignments
        .iter()
        .map(|one| {
            let assigned = wire::Assignment::from_bytes(one.assignment.clone()).unwrap().assigned_partitions;
            (one.member_id.clone(), assigned.into_iter().flat_map(|topic| topic.partitions).collect())
        })
        .collect();
    let text: Vec<String> = shares.iter().map(|(id, partitions)| format!("{id} {partitions:?}")).collect();
    assert_eq!(text, ["me [1, 3]", "new [0, 4]", "odd [2]", "old [5]"]);
}

#[test]
fn a_leader_assigns_and_assigns_anew_when_partitions_are_added() {
    let mut leader = membership(&[Assignor::Range], &["t"]);
    let metadata = to_join(&mut leader).protocols[0].metadata.clone();
    let member = |id: &str| join_group::JoinGroupResponseMember {
        member_id: id.into(),
        metadata: metadata.clone(),
        ..Default::default()
    };
    let response =
        join_group::Response { members: vec![member("me"), member("you")], ..joined(1, "me", Assignor::Range) };
    leader.on_join(NOW, Some(response)).unwrap();
    assert_eq!(leader.next(NOW), Step::Count(["t".to_owned()].into()));
    leader.on_counts(&[("t".to_owned(), 3)].into()).unwrap();
    let Step::Sync(sync) = leader.next(NOW) else { panic!() };
    assert_eq!(sync.assignments.len(), 2);
    // Version 3, one topic, partitions 0 and 1, no user data: as in golden/log-dir/clean.
    let expected = b"\0\x03\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x01\xff\xff\xff\xff";
    assert_eq!(sync.assignments[0].assignment, expected.as_slice());
    leader.on_sync(NOW, Some(synced(&[tp("t", 0), tp("t", 1)]))).unwrap();
    leader.next(NOW);
    leader.on_assigned();
    leader.on_metadata(|_| Some(3));
    leader.on_metadata(|_| None);
    assert_eq!(leader.next(NOW), Step::Stable);
    leader.on_metadata(|_| Some(4));
    assert!(matches!(leader.next(NOW), Step::Prepare { .. }));
}

#[test]
fn a_leader_assigns_anew_when_a_topic_comes_to_exist() {
    let mut leader = membership(&[Assignor::Range], &["new"]);
    let metadata = to_join(&mut leader).protocols[0].metadata.clone();
    let me = join_group::JoinGroupResponseMember { member_id: "me".into(), metadata, ..Default::default() };
    let response = join_group::Response { members: vec![me], ..joined(1, "me", Assignor::Range) };
    leader.on_join(NOW, Some(response)).unwrap();
    leader.next(NOW);
    leader.on_counts(&PartitionCounts::new()).unwrap();
    leader.next(NOW);
    leader.on_sync(NOW, Some(synced(&[]))).unwrap();
    leader.next(NOW);
    leader.on_assigned();
    assert_eq!(leader.group_topics().collect::<Vec<_>>(), ["new"]);
    assert_eq!(leader.next(NOW), Step::Stable);
    leader.on_metadata(|topic| (topic == "new").then_some(4));
    assert!(matches!(leader.next(NOW), Step::Prepare { .. }));
}

#[test]
fn a_leader_that_is_told_so_does_not_assign() {
    let mut leader = membership(&[Assignor::Range], &["t"]);
    to_join(&mut leader);
    let response = join_group::Response { skip_assignment: true, ..joined(1, "me", Assignor::Range) };
    leader.on_join(NOW, Some(response)).unwrap();
    let Step::Sync(sync) = leader.next(NOW) else { panic!() };
    assert!(sync.assignments.is_empty());
}

#[test]
fn an_eager_member_gives_everything_up_before_it_joins_again() {
    let mut member = membership(&[Assignor::Range, Assignor::CooperativeSticky], &["t"]);
    follow(&mut member, 1, &[tp("t", 0), tp("t", 1)]);
    member.on_heartbeat(NOW, (1, "me"), Some(ErrorCode::RebalanceInProgress)).unwrap();
    assert_eq!(member.next(NOW), Step::Prepare { revoked: vec![tp("t", 0), tp("t", 1)], lost: false });
}

#[test]
fn a_cooperative_member_keeps_reading_and_joins_again_after_a_loss() {
    let mut member = membership(&[Assignor::CooperativeSticky], &["t"]);
    follow(&mut member, 1, &[tp("t", 0), tp("t", 1)]);
    member.request_rejoin();
    let request = to_join(&mut member);
    let said = wire::Subscription::from_bytes(request.protocols[0].metadata.clone()).unwrap();
    assert_eq!(said.owned_partitions, by_topic(&[tp("t", 0), tp("t", 1)]));
    assert_eq!(said.generation_id, 1);
    assert_eq!(member.owned().len(), 2);
    member.on_join(NOW, Some(joined(2, "other", Assignor::CooperativeSticky))).unwrap();
    member.next(NOW);
    member.on_sync(NOW, Some(synced(&[tp("t", 1)]))).unwrap();
    let Step::Assign { added, revoked, .. } = member.next(NOW) else { panic!() };
    assert_eq!((added, revoked), (vec![], vec![tp("t", 0)]));
    member.on_assigned();
    assert_eq!(member.next(NOW), Step::Prepare { revoked: vec![], lost: false }, "so that another can have it");
}

#[test]
fn a_lost_generation_loses_its_partitions_without_a_commit() {
    for (error, id_after) in [(ErrorCode::UnknownMemberId, ""), (ErrorCode::IllegalGeneration, "me")] {
        let mut member = membership(&[Assignor::CooperativeSticky], &["t"]);
        follow(&mut member, 4, &[tp("t", 0)]);
        member.on_heartbeat(NOW, (3, "me"), Some(error)).unwrap();
        assert_eq!(member.next(NOW), Step::Stable, "an answer to a former generation says nothing");
        member.on_heartbeat(NOW, (4, "me"), Some(error)).unwrap();
        assert!(!member.beats());
        assert_eq!(member.next(NOW), Step::Prepare { revoked: vec![tp("t", 0)], lost: true });
        member.on_prepared(&[tp("t", 0)]);
        let Step::Join(request) = member.next(NOW) else { panic!() };
        assert_eq!(request.member_id, id_after);
    }
}

#[test]
fn a_lost_coordinator_is_looked_for_and_nothing_else_changes() {
    let mut member = membership(&[Assignor::Range], &["t"]);
    follow(&mut member, 1, &[tp("t", 0)]);
    member.on_heartbeat(NOW, (1, "me"), Some(ErrorCode::NotCoordinator)).unwrap();
    assert_eq!(member.next(NOW), Step::FindCoordinator);
    member.on_coordinator(NOW, Err(ErrorCode::CoordinatorNotAvailable)).unwrap();
    assert_eq!(member.next(NOW), Step::Wait(NOW.after(100)));
    assert_eq!(member.next(NOW.after(100)), Step::FindCoordinator);
    member.on_coordinator(NOW, Ok(BrokerId(1))).unwrap();
    assert_eq!(member.next(NOW), Step::Stable);
    assert_eq!(member.owned(), [tp("t", 0)]);
    // A whole session without an answer: the coordinator may be gone without a word.
    member.check_session(NOW.after(45_001));
    assert_eq!(member.next(NOW.after(45_001)), Step::FindCoordinator);
}

#[test]
fn retriable_errors_are_retried_after_a_pause_and_others_end_the_membership() {
    for error in [ErrorCode::CoordinatorLoadInProgress, ErrorCode::RebalanceInProgress, ErrorCode::NotCoordinator] {
        let mut member = membership(&[Assignor::Range], &["t"]);
        to_join(&mut member);
        member.on_join(NOW, Some(join_error(error, ""))).unwrap();
        assert_eq!(member.next(NOW), Step::Wait(NOW.after(100)));
        let later = NOW.after(100);
        assert_ne!(member.next(later), Step::Wait(later));
    }
    for error in [ErrorCode::FencedInstanceId, ErrorCode::GroupAuthorizationFailed, ErrorCode::InvalidSessionTimeout] {
        let mut member = membership(&[Assignor::Range], &["t"]);
        to_join(&mut member);
        assert_eq!(member.on_join(NOW, Some(join_error(error, ""))), Err(MembershipError::Refused(error)));
    }
    let mut member = membership(&[Assignor::Range], &["t"]);
    to_join(&mut member);
    member.on_join(NOW, None).unwrap();
    assert_eq!(member.next(NOW.after(100)), Step::FindCoordinator);
}

#[test]
fn another_subscription_is_another_join() {
    let mut member = membership(&[Assignor::CooperativeSticky], &["t", "u"]);
    follow(&mut member, 1, &[tp("t", 0), tp("u", 0)]);
    member.subscribe(["t".to_owned()].into());
    assert_eq!(member.next(NOW), Step::Prepare { revoked: vec![tp("u", 0)], lost: false });
}

#[test]
fn garbage_from_other_members_is_an_error() {
    let mut leader = membership(&[Assignor::Range], &["t"]);
    to_join(&mut leader);
    let garbage = join_group::JoinGroupResponseMember { metadata: Bytes::from_static(b"\0"), ..Default::default() };
    let response = join_group::Response { members: vec![garbage], ..joined(1, "me", Assignor::Range) };
    leader.on_join(NOW, Some(response)).unwrap();
    assert_eq!(leader.next(NOW), Step::Count(BTreeSet::new()));
    assert!(matches!(leader.on_counts(&PartitionCounts::new()), Err(MembershipError::Unreadable(_))));
}
