//! Who is in the group, which generation it is, and who leads.

use super::*;

#[test]
fn a_member_gets_an_id_then_a_generation_then_an_assignment() {
    let (mut world, a) = World::with_one_member();
    assert_eq!(a.generation, 1);
    assert_eq!(a.leader, a.id);
    assert!(a.id.starts_with("a-") && a.id.len() == 2 + 36, "{}", a.id);
    assert_eq!(world.heartbeat(&a), ErrorCode::None);
    let described = world.describe();
    assert_eq!((described.state, &*described.protocol_type, &*described.protocol), ("Stable", "consumer", "range"));
    assert_eq!(described.members[0].assignment, "all");
    assert_eq!(described.members[0].client_host, "/127.0.0.1");
}

#[test]
fn old_clients_join_at_once() {
    let mut world = World::new();
    let request = Join { requires_known_member_id: false, rebalance_timeout_ms: -1, ..world.join_request("a", "") };
    let token = world.ask(Request::Join(request));
    assert_eq!(world.joined(token).generation, 1);
}

#[test]
fn an_id_that_is_not_used_is_forfeit_after_the_session_timeout() {
    let mut world = World::new();
    let request = world.join_request("a", "");
    let token = world.ask(Request::Join(request.clone()));
    let id = world.join_answer(token).member_id;
    assert_eq!(world.state(), "Empty");
    world.pass(10_000);
    assert_eq!(world.state(), "Dead", "nothing is left of it");
    let (_, token) = world.join("a", &id);
    assert_eq!(world.join_answer(token).error, ErrorCode::UnknownMemberId);
}

#[test]
fn a_pending_id_holds_up_the_join_until_it_is_used_or_given_back() {
    let (mut world, a) = World::with_one_member();
    let request = world.join_request("b", "");
    let token = world.ask(Request::Join(request));
    let b = world.join_answer(token).member_id;
    // The leader joins again; `b` has only an id so far, and is waited for.
    let (_, a_token) = world.join("a", &a.id);
    assert!(world.is_parked(a_token));
    assert_eq!(world.leave(&b, None), ErrorCode::None);
    assert_eq!(world.joined(a_token).generation, 2);
}

#[test]
fn the_first_join_waits_for_others_and_is_prolonged_while_they_come() {
    let mut world = World::with(Config::default());
    let (_, a) = world.join("a", "");
    world.pass(2_000);
    assert!(world.is_parked(a));
    let (_, b) = world.join("b", "");
    world.pass(2_000);
    assert!(world.is_parked(a) && world.is_parked(b), "somebody new came: another delay");
    world.pass(2_000);
    let (a, b) = (world.joined(a), world.joined(b));
    assert_eq!((a.generation, b.generation), (1, 1));
    assert_eq!(a.leader, b.leader);
}

#[test]
fn the_first_join_is_not_prolonged_beyond_the_rebalance_timeout() {
    let mut world = World::with(Config::default());
    let request = Join { rebalance_timeout_ms: 5_000, ..world.join_request("a", "") };
    let (_, first) = world.join_with(request);
    for n in 0..5 {
        world.pass(1_100);
        let request = Join { rebalance_timeout_ms: 5_000, ..world.join_request(&n.to_string(), "") };
        world.join_with(request);
    }
    assert_eq!(world.joined(first).generation, 1);
}

#[test]
fn only_the_leader_learns_of_the_members() {
    let (mut world, a, b) = World::with_two_members();
    let (_, a_token) = world.join("a", &a.id);
    let (_, b_token) = world.join("b", &b.id);
    let (a, b) = (world.join_answer(a_token), world.join_answer(b_token));
    assert_eq!(a.members.iter().map(|member| &*member.member_id).collect::<Vec<_>>(), [&a.member_id, &b.member_id]);
    assert!(b.members.is_empty());
}

#[test]
fn the_next_of_a_crowd_is_waited_for() {
    let (mut world, a) = World::with_one_member();
    let mut tokens: Vec<u64> = (0..99).map(|n| world.join(&n.to_string(), "").1).collect();
    tokens.push(world.join("a", &a.id).1);
    world.pass(1);
    tokens.push(world.join("late", "").1);
    world.pass(1);
    assert!(tokens.iter().all(|token| world.is_parked(*token)), "somebody came a millisecond ago");
    world.pass(1);
    let generations: Vec<i32> = tokens.into_iter().map(|token| world.joined(token).generation).collect();
    assert_eq!(generations, [2; 101]);
}

#[test]
fn who_does_not_rejoin_in_time_is_out() {
    let (mut world, a, b) = World::with_two_members();
    let (_, token) = world.join("a", &a.id);
    // `b` beats, but does not join.
    for _ in 0..11 {
        world.pass(5_000);
        assert!(world.is_parked(token));
        assert_eq!(world.heartbeat(&b), ErrorCode::RebalanceInProgress);
    }
    world.pass(5_000);
    assert_eq!(world.joined(token).generation, 3);
    assert_eq!(world.heartbeat(&b), ErrorCode::UnknownMemberId);
}

#[test]
fn who_does_not_sync_in_time_is_out() {
    let (mut world, a, b) = World::with_two_members();
    let (_, a_token) = world.join("a", &a.id);
    let (_, b_token) = world.join("b", &b.id);
    let (a, b) = (world.joined(a_token), world.joined(b_token));
    let token = world.sync(&a, &[(&a.id, "p0"), (&b.id, "p1")]);
    assert_eq!(world.synced(token), Ok("p0".into()));
    for _ in 0..12 {
        world.pass(5_000);
        world.heartbeat(&a);
        world.heartbeat(&b);
    }
    assert_eq!(world.heartbeat(&b), ErrorCode::UnknownMemberId);
    assert_eq!(world.heartbeat(&a), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_silent_member_is_out_after_its_session_timeout() {
    let (mut world, a, b) = World::with_two_members();
    for _ in 0..3 {
        world.pass(3_000);
        assert_eq!(world.heartbeat(&a), ErrorCode::None);
    }
    world.pass(1_000);
    assert_eq!(world.heartbeat(&a), ErrorCode::RebalanceInProgress);
    assert_eq!(world.heartbeat(&b), ErrorCode::UnknownMemberId);
    let (_, token) = world.join("a", &a.id);
    assert_eq!(world.joined(token).generation, 3);
}

#[test]
fn who_waits_for_an_answer_need_not_beat() {
    let (mut world, a, b) = World::with_two_members();
    let (_, a_token) = world.join("a", &a.id);
    for _ in 0..10 {
        world.pass(5_000);
        world.heartbeat(&b);
    }
    let (_, b_token) = world.join("b", &b.id);
    assert_eq!(world.joined(a_token).generation, 3, "five sessions long it waited");
    world.joined(b_token);
}

#[test]
fn a_set_clock_expires_nobody() {
    let (mut world, a) = World::with_one_member();
    world.now.wall = world.now.wall + 3_600_000;
    let mut effects = Vec::new();
    world.coordinator.on_tick(world.now, &mut effects);
    assert_eq!(world.heartbeat(&a), ErrorCode::None);
}

#[test]
fn a_follower_that_joins_again_unchanged_gets_the_same_generation() {
    let (mut world, a, b) = World::with_two_members();
    let (_, token) = world.join("b", &b.id);
    assert_eq!(world.joined(token).generation, b.generation);
    assert_eq!(world.heartbeat(&a), ErrorCode::None);
    let token = world.sync(&b, &[]);
    assert_eq!(world.synced(token), Ok("p1".into()));
}

#[test]
fn a_follower_with_another_subscription_starts_a_rebalance_and_so_does_the_leader_always() {
    let (mut world, a, b) = World::with_two_members();
    let request = Join { protocols: vec![("range".into(), subscription(&["u"]))], ..world.join_request("b", &b.id) };
    let (_, token) = world.join_with(request);
    assert!(world.is_parked(token));
    assert_eq!(world.heartbeat(&a), ErrorCode::RebalanceInProgress);

    let (mut world, a, b) = World::with_two_members();
    let (_, token) = world.join("a", &a.id);
    assert!(world.is_parked(token));
    assert_eq!(world.heartbeat(&b), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_join_while_others_sync_sends_them_back_to_join() {
    let (mut world, a, b) = World::with_two_members();
    let (_, a_token) = world.join("a", &a.id);
    let (_, b_token) = world.join("b", &b.id);
    let (a, b) = (world.joined(a_token), world.joined(b_token));
    let b_sync = world.sync(&b, &[]);
    let (_, c_token) = world.join("c", "");
    assert_eq!(world.synced(b_sync), Err(ErrorCode::RebalanceInProgress));
    let a_sync = world.sync(&a, &[]);
    assert_eq!(world.synced(a_sync), Err(ErrorCode::RebalanceInProgress));
    let tokens = [c_token, world.join("a", &a.id).1, world.join("b", &b.id).1];
    for token in tokens {
        assert_eq!(world.joined(token).generation, 4);
    }
}

#[test]
fn an_assignment_counts_when_it_is_stored() {
    let mut world = World::new();
    let (_, token) = world.join("a", "");
    let a = world.joined(token);
    world.holds_appends = true;
    let token = world.sync(&a, &[(&a.id, "all")]);
    assert!(world.is_parked(token));
    assert_eq!(world.state(), "CompletingRebalance");
    world.release();
    assert_eq!(world.synced(token), Ok("all".into()));
    assert_eq!(world.state(), "Stable");
}

#[test]
fn an_assignment_that_cannot_be_stored_fails_the_sync_and_the_group_rebalances() {
    for (cause, told) in [
        (ErrorCode::NotEnoughReplicas, ErrorCode::CoordinatorNotAvailable),
        (ErrorCode::RequestTimedOut, ErrorCode::CoordinatorNotAvailable),
        (ErrorCode::NotLeaderOrFollower, ErrorCode::NotCoordinator),
        (ErrorCode::MessageTooLarge, ErrorCode::UnknownServerError),
    ] {
        let mut world = World::new();
        let (_, token) = world.join("a", "");
        let a = world.joined(token);
        world.holds_appends = true;
        let token = world.sync(&a, &[(&a.id, "all")]);
        world.fail(cause);
        assert_eq!(world.synced(token), Err(told));
        assert_eq!(world.state(), "PreparingRebalance");
    }
}

#[test]
fn an_assignment_that_is_stored_too_late_changes_nothing() {
    let (mut world, a, b) = World::with_two_members();
    let (_, a_token) = world.join("a", &a.id);
    let (_, b_token) = world.join("b", &b.id);
    let (a, _) = (world.joined(a_token), world.joined(b_token));
    world.holds_appends = true;
    let token = world.sync(&a, &[(&a.id, "late")]);
    let (_, c_token) = world.join("c", "");
    assert_eq!(world.synced(token), Err(ErrorCode::RebalanceInProgress));
    world.release();
    assert_eq!(world.state(), "PreparingRebalance");
    assert!(world.is_parked(c_token));
}

#[test]
fn sync_is_checked_against_member_generation_and_protocol() {
    let (mut world, a) = World::with_one_member();
    let ask = |world: &mut World, sync: Sync| {
        let token = world.ask(Request::Sync(Sync { group_id: "g".into(), ..sync }));
        world.synced(token)
    };
    let good = Sync { member_id: a.id.clone(), generation: 1, ..Sync::default() };
    let with_protocol = |protocol_type: &str, protocol: &str| Sync {
        protocol_type: Some(protocol_type.into()),
        protocol: Some(protocol.into()),
        ..good.clone()
    };
    assert_eq!(ask(&mut world, with_protocol("consumer", "range")), Ok("all".into()));
    assert_eq!(ask(&mut world, with_protocol("consumer", "other")), Err(ErrorCode::InconsistentGroupProtocol));
    assert_eq!(ask(&mut world, with_protocol("connect", "range")), Err(ErrorCode::InconsistentGroupProtocol));
    assert_eq!(ask(&mut world, Sync { generation: 2, ..good.clone() }), Err(ErrorCode::IllegalGeneration));
    assert_eq!(ask(&mut world, Sync { member_id: "x".into(), ..good }), Err(ErrorCode::UnknownMemberId));
    let token = world.ask(Request::Sync(Sync { group_id: "other".into(), ..Sync::default() }));
    assert_eq!(world.synced(token), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn heartbeats_are_checked() {
    let (mut world, a) = World::with_one_member();
    assert_eq!(world.heartbeat(&Joined { generation: 7, ..a.clone() }), ErrorCode::IllegalGeneration);
    assert_eq!(world.heartbeat(&Joined { id: "x".into(), ..a.clone() }), ErrorCode::UnknownMemberId);
    assert_eq!(world.leave(&a.id, None), ErrorCode::None);
    assert_eq!(world.heartbeat(&a), ErrorCode::UnknownMemberId);
}

#[test]
fn the_vote_goes_to_what_most_prefer_among_what_all_can_do() {
    let mut world = World::with(Config::default());
    let joins: Vec<u64> = [["sticky", "range", "rr"], ["range", "rr", "sticky"], ["x", "range", "sticky"]]
        .into_iter()
        .enumerate()
        .map(|(n, names)| {
            let protocols = names.map(|name| (name.to_owned(), subscription(&["t"]))).into();
            let request = Join { protocols, ..world.join_request(&n.to_string(), "") };
            world.join_with(request).1
        })
        .collect();
    world.pass(6_000);
    for token in joins {
        assert_eq!(world.join_answer(token).protocol.as_deref(), Some("range"));
    }
}

#[test]
fn who_cannot_do_what_the_others_do_is_refused() {
    let (mut world, _) = World::with_one_member();
    let mut refused = |change: fn(Join) -> Join| {
        let request = change(world.join_request("b", ""));
        let token = world.ask(Request::Join(request));
        world.join_answer(token).error
    };
    let inconsistent = ErrorCode::InconsistentGroupProtocol;
    assert_eq!(refused(|join| Join { protocols: vec![("other".into(), Bytes::new())], ..join }), inconsistent);
    assert_eq!(refused(|join| Join { protocol_type: "connect".into(), ..join }), inconsistent);
    assert_eq!(refused(|join| Join { group_id: "new".into(), protocols: Vec::new(), ..join }), inconsistent);
    assert_eq!(refused(|join| Join { group_id: "new".into(), protocol_type: String::new(), ..join }), inconsistent);
    assert_eq!(refused(|join| Join { group_id: String::new(), ..join }), ErrorCode::InvalidGroupId);
    assert_eq!(refused(|join| Join { session_timeout_ms: 5_999, ..join }), ErrorCode::InvalidSessionTimeout);
    assert_eq!(refused(|join| Join { session_timeout_ms: 1_800_001, ..join }), ErrorCode::InvalidSessionTimeout);
    assert_eq!(refused(|join| Join { client_id: "x".repeat(40_000), ..join }), ErrorCode::InvalidRequest);
}

#[test]
fn a_full_group_takes_nobody_new() {
    let config = Config { members_max: 1, initial_rebalance_delay_ms: 0, ..Config::default() };
    let mut world = World::with(config);
    let (_, token) = world.join("a", "");
    let a = world.joined(token);
    let token = world.sync(&a, &[]);
    world.synced(token).unwrap();
    let request = world.join_request("b", "");
    let token = world.ask(Request::Join(request));
    assert_eq!(world.join_answer(token).error, ErrorCode::GroupMaxSizeReached);
    assert_eq!(world.heartbeat(&a), ErrorCode::None);
}

#[test]
fn the_last_to_leave_empties_the_group() {
    let (mut world, a, b) = World::with_two_members();
    assert_eq!(world.leave(&b.id, None), ErrorCode::None);
    assert_eq!(world.heartbeat(&a), ErrorCode::RebalanceInProgress);
    assert_eq!(world.leave(&a.id, None), ErrorCode::None);
    assert_eq!(world.leave(&a.id, None), ErrorCode::UnknownMemberId);
    let described = world.describe();
    assert_eq!((described.state, &*described.protocol_type), ("Empty", "consumer"));
    let stored = world.log.last().unwrap().0.value.as_ref().unwrap();
    assert!(matches!(
        Record::decode(&world.log.last().unwrap().0.key, Some(stored)),
        Ok(Some(Record::Group { value: Some(group), .. }))
            if group.generation == 3 && group.members.is_empty() && group.protocol.is_none() && group.leader.is_none()
    ));
}

#[test]
fn leadership_passes_to_who_came_next() {
    let (mut world, a, b) = World::with_two_members();
    assert_eq!(world.leave(&a.id, None), ErrorCode::None);
    let (_, token) = world.join("b", &b.id);
    assert_eq!(world.joined(token).leader, b.id);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    let (mut world, old) = World::with_static_member();
    assert!(old.id.starts_with("instance-"));
    let request = world.static_request("instance");
    let (_, token) = world.join_with(request);
    let reply = world.join_answer(token);
    assert_eq!((reply.error, reply.generation), (ErrorCode::None, 1));
    assert_ne!(reply.member_id, old.id);
    assert!(reply.skip_assignment, "it leads, and must not assign anew");
    assert_eq!((&reply.leader, reply.members.len()), (&reply.member_id, 1));
    let new = Joined { id: reply.member_id, generation: 1, leader: reply.leader };
    let token = world.sync(&new, &[]);
    assert_eq!(world.synced(token), Ok("all".into()));

    // Its former self is fenced.
    let heartbeat = Heartbeat {
        group_id: "g".into(),
        generation: 1,
        member_id: old.id.clone(),
        group_instance_id: Some("instance".into()),
    };
    let token = world.ask(Request::Heartbeat(heartbeat));
    assert_eq!(world.answer(token), Some(Reply::Heartbeat(ErrorCode::FencedInstanceId)));
    assert_eq!(world.heartbeat(&new), ErrorCode::None);

    // The new id is in the log.
    world.reloaded(Config::default());
    assert_eq!(world.heartbeat(&new), ErrorCode::None);
    assert_eq!(world.heartbeat(&old), ErrorCode::UnknownMemberId);
}

#[test]
fn an_old_static_leader_is_told_that_somebody_else_leads() {
    let (mut world, old) = World::with_static_member();
    let request = Join { supports_skipping_assignment: false, ..world.static_request("instance") };
    let (_, token) = world.join_with(request);
    let reply = world.join_answer(token);
    assert_eq!((reply.error, reply.skip_assignment, reply.leader), (ErrorCode::None, false, old.id));
    assert!(reply.members.is_empty());
}

#[test]
fn a_static_member_that_cannot_be_stored_stays_who_it_was() {
    let (mut world, old) = World::with_static_member();
    world.holds_appends = true;
    let request = world.static_request("instance");
    let (_, token) = world.join_with(request);
    world.fail(ErrorCode::NotEnoughReplicas);
    assert_eq!(world.join_answer(token).error, ErrorCode::CoordinatorNotAvailable);
    assert_eq!(world.heartbeat(&old), ErrorCode::None);
    assert_eq!(world.describe().members[0].member_id, old.id);
}

#[test]
fn a_static_member_with_other_protocols_rebalances_the_group() {
    let (mut world, _) = World::with_static_member();
    let protocols = vec![("sticky".into(), subscription(&["t"])), ("range".into(), subscription(&["t"]))];
    let request = Join { protocols, ..world.static_request("instance") };
    let (_, token) = world.join_with(request);
    let reply = world.join_answer(token);
    assert_eq!((reply.generation, reply.protocol.as_deref()), (2, Some("sticky")));
}

#[test]
fn a_static_member_replaced_while_it_waits_is_fenced() {
    let mut world = World::with(Config::default());
    let request = world.static_request("instance");
    let (_, first) = world.join_with(request);
    let request = world.static_request("instance");
    let (_, second) = world.join_with(request);
    assert_eq!(world.join_answer(first).error, ErrorCode::FencedInstanceId);
    world.pass(6_000);
    assert_eq!(world.joined(second).generation, 1);
}

#[test]
fn static_members_are_removed_by_name() {
    let (mut world, member) = World::with_static_member();
    assert_eq!(world.leave("", Some("nobody")), ErrorCode::UnknownMemberId);
    assert_eq!(world.leave("other-id", Some("instance")), ErrorCode::FencedInstanceId);
    assert_eq!(world.leave("", Some("instance")), ErrorCode::None);
    assert_eq!(world.heartbeat(&member), ErrorCode::UnknownMemberId);
    assert_eq!(world.state(), "Empty");
}

#[test]
fn static_members_that_do_not_rejoin_are_waited_for_until_their_session_ends() {
    let (mut world, member) = World::with_static_member();
    let (_, token) = world.join("b", "");
    world.pass(29_000);
    assert!(world.is_parked(token));
    world.pass(1_500);
    assert_eq!(world.joined(token).generation, 2);
    assert_eq!(world.heartbeat(&member), ErrorCode::UnknownMemberId);
}

#[test]
fn a_second_join_of_the_same_member_sends_the_first_away() {
    let (mut world, a, _) = World::with_two_members();
    let (_, first) = world.join("a", &a.id);
    let (_, second) = world.join("a", &a.id);
    assert_eq!(world.join_answer(first).error, ErrorCode::RebalanceInProgress);
    assert!(world.is_parked(second));
}
