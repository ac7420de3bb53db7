//! Brokers come and go: who leads, who is in sync, and who is waited for.

use super::*;

#[test]
fn a_follower_dies_and_comes_back() {
    let mut world = three_brokers();
    world.kill(2);
    assert_eq!(
        world.take_lines(),
        [
            "remove broker 2",
            "0 lead-or-follow t-0 leader 0 isr [0, 1] epoch 1; live leaders [0]",
            "1 lead-or-follow t-0 leader 0 isr [0, 1] epoch 1; live leaders [0]",
            "0 news brokers [0, 1] t-0 leader 0 offline [2]",
            "1 news brokers [0, 1] t-0 leader 0 offline [2]",
            "0 news brokers [0, 1]",
            "1 news brokers [0, 1]",
        ]
    );
    world.start(2);
    assert_eq!(
        world.take_lines(),
        [
            "role Other(Some(BrokerId(0)))",
            "add broker 2",
            "0 news brokers [0, 1, 2]",
            "1 news brokers [0, 1, 2]",
            "2 news brokers [0, 1, 2] t-0 leader 0",
            "2 lead-or-follow t-0 leader 0 isr [0, 1] epoch 1; live leaders [0]",
            "0 news brokers [0, 1, 2] t-0 leader 0",
            "1 news brokers [0, 1, 2] t-0 leader 0",
            "2 news brokers [0, 1, 2] t-0 leader 0",
        ]
    );
    let altered = world.alter(0, 0, "t", 0, &[0, 1, 2]);
    let state = altered[0].result.clone().expect("accepted");
    assert_eq!((raw(&state.isr), state.partition_epoch.0, state.leader_epoch.0), (vec![0, 1, 2], 2, 1));
    assert_eq!(world.state("t", 0), "leader 0 isr [0, 1, 2] epoch 1");
}

#[test]
fn a_broker_that_was_away_unseen_is_taken_for_dead_first() {
    let mut world = three_brokers();
    let path = brokers::path(BrokerId(2));
    let node = world.znodes.nodes[&path].clone();
    // Gone and back before the watch is looked at.
    world.znodes.delete(&path);
    world.znodes.create(&path, node.data, node.owner);
    world.settle();
    let lines = world.take_lines();
    assert_eq!(lines[..2], ["remove broker 2", "add broker 2"]);
    assert!(
        lines.contains(&"2 lead-or-follow t-0 leader 0 isr [0, 1] epoch 1; live leaders [0]".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn a_broker_that_is_told_to_be_elsewhere_keeps_its_channel_and_everybody_hears_of_it() {
    let mut world = three_brokers();
    let path = brokers::path(BrokerId(2));
    let told = world.znodes.text(&path).expect("it is registered").replace("h2:9092", "h2:9999");
    world.znodes.set(&path, told.as_bytes());
    world.settle();
    assert_eq!(
        world.take_lines(),
        ["broker 2 moved", "0 news brokers [0, 1, 2]", "1 news brokers [0, 1, 2]", "2 news brokers [0, 1, 2]"]
    );
}

#[test]
fn the_last_in_sync_replica_is_waited_for_unless_the_topic_says_otherwise() {
    let mut world = three_brokers();
    world.kill(2);
    world.alter(0, 0, "t", 0, &[0]);
    // Broker 1 controls now, and holds less than broker 0 did.
    world.kill(0);
    assert_eq!(world.state("t", 0), "leader -1 isr [0] epoch 2");
    world.start(2);
    assert_eq!(world.state("t", 0), "leader -1 isr [0] epoch 2");
    world.znodes.set(&config::topic_path("t"), br#"{"version":1,"config":{"unclean.leader.election.enable":"true"}}"#);
    world.tell(1, Event::ElectLeaders { token: ReplyToken(3), election: ElectionType::Unclean, partitions: None });
    assert_eq!(world.state("t", 0), "leader 1 isr [1] epoch 3");
    assert!(
        world
            .znodes
            .text("/brokers/topics/t/partitions/0/state")
            .is_some_and(|text| text.contains(r#""leader_recovery_state":1"#))
    );
}

#[test]
fn the_brokers_default_may_be_changed_at_run_time() {
    let mut world = three_brokers();
    world.alter(0, 0, "t", 0, &[0]);
    world.kill(0);
    assert_eq!(world.state("t", 0), "leader -1 isr [0] epoch 1");
    world.tell(1, Event::UncleanElections { allowed: true });
    assert_eq!(world.state("t", 0), "leader 1 isr [1] epoch 2");
}

#[test]
fn a_topic_may_allow_unclean_elections_by_itself() {
    let mut world = three_brokers();
    world.znodes.set(&config::topic_path("t"), br#"{"version":1,"config":{"unclean.leader.election.enable":"true"}}"#);
    world.alter(0, 0, "t", 0, &[0]);
    world.kill(0);
    assert_eq!(world.state("t", 0), "leader 1 isr [1] epoch 2");
}

#[test]
fn preferred_leaders_come_back_by_order_and_by_themselves() {
    let mut world = three_brokers();
    world.kill(0);
    world.start(0);
    world.alter(1, 1, "t", 0, &[1, 2, 0]);
    assert_eq!(world.state("t", 0), "leader 1 isr [1, 2, 0] epoch 2");
    let event =
        |partitions| Event::ElectLeaders { token: ReplyToken(3), election: ElectionType::Preferred, partitions };
    world.tell(1, event(None));
    assert_eq!(world.state("t", 0), "leader 0 isr [1, 2, 0] epoch 3");
    let Some(Answer::ElectLeaders(Ok(elected))) = world.answers.pop() else { panic!("answered") };
    assert_eq!(elected.iter().map(|one| one.error).collect::<Vec<_>>(), [ErrorCode::None]);
    world.tell(1, event(Some(vec![TopicPartition::new("t", 0), TopicPartition::new("t", 9)])));
    let Some(Answer::ElectLeaders(Ok(elected))) = world.answers.pop() else { panic!("answered") };
    let errors: Vec<ErrorCode> = elected.iter().map(|one| one.error).collect();
    assert_eq!(errors, [ErrorCode::ElectionNotNeeded, ErrorCode::UnknownTopicOrPartition]);

    let mut world = three_brokers();
    world.controllers.get_mut(&1).expect("lives").settings.rebalance_leaders = true;
    world.kill(0);
    world.start(0);
    world.alter(1, 1, "t", 0, &[1, 2, 0]);
    let at = world.controllers[&1].next_deadline().expect("a timer");
    world.now.tick = at;
    let mut effects = Vec::new();
    world.controllers.get_mut(&1).expect("lives").on_tick(world.now, &mut effects);
    world.perform(1, effects);
    assert_eq!(world.state("t", 0), "leader 0 isr [1, 2, 0] epoch 3");
    assert_eq!(world.controllers[&1].next_deadline(), Some(at.after(300_000)));
}

#[test]
fn a_broker_that_stops_hands_over_first() {
    let mut world = three_brokers();
    world.tell(
        0,
        Event::ControlledShutdown { token: ReplyToken(1), broker: BrokerId(0), broker_epoch: BrokerEpoch::NONE },
    );
    assert_eq!(world.answers.pop(), Some(Answer::ControlledShutdown(Ok(vec![]))));
    assert_eq!(world.state("t", 0), "leader 1 isr [1, 2] epoch 1");
    world.lines.clear();
    world.tell(
        0,
        Event::ControlledShutdown { token: ReplyToken(1), broker: BrokerId(2), broker_epoch: BrokerEpoch::NONE },
    );
    assert_eq!(world.answers.pop(), Some(Answer::ControlledShutdown(Ok(vec![]))));
    assert_eq!(world.state("t", 0), "leader 1 isr [1] epoch 2");
    assert!(world.take_lines().contains(&"2 stop t-0 epoch 1".to_owned()));
    // Nobody is left who could take over.
    world.tell(
        0,
        Event::ControlledShutdown { token: ReplyToken(1), broker: BrokerId(1), broker_epoch: BrokerEpoch::NONE },
    );
    assert_eq!(world.answers.pop(), Some(Answer::ControlledShutdown(Ok(vec![TopicPartition::new("t", 0)]))));
    let stale = Event::ControlledShutdown { token: ReplyToken(1), broker: BrokerId(1), broker_epoch: BrokerEpoch(0) };
    world.tell(0, stale);
    assert_eq!(world.answers.pop(), Some(Answer::ControlledShutdown(Err(ErrorCode::StaleBrokerEpoch))));
}

#[test]
fn one_replica_never_keeps_a_broker_from_stopping() {
    let mut world = World::new();
    world.start(0);
    world.create_topic("t", ONE_OF_ONE);
    world.tell(
        0,
        Event::ControlledShutdown { token: ReplyToken(1), broker: BrokerId(0), broker_epoch: BrokerEpoch::NONE },
    );
    assert_eq!(world.answers.pop(), Some(Answer::ControlledShutdown(Ok(vec![]))));
    assert_eq!(world.state("t", 0), "leader 0 isr [0] epoch 0");
}
