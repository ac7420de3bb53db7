//! Partitions move: from one broker to another, on the way somewhere else, back, and under the next controller.

use super::*;

const ON_ZERO: &str = r#"{"partitions":{"0":[0]},"topic_id":"bQA6Iq8GReS3J6LHASjqcg","adding_replicas":{},"removing_replicas":{},"version":3}"#;

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

/// Three brokers, and a partition on the first.
fn on_zero() -> World {
    let mut world = World::new();
    for id in 0..3 {
        world.start(id);
    }
    world.create_topic("t", ON_ZERO);
    world.lines.clear();
    world
}

impl World {
    /// Code and text for partition 0 of the topic; no replicas: cancel.
    fn reassign(&mut self, topic: &str, replicas: Option<&[i32]>) -> (ErrorCode, String) {
        let moves = vec![(TopicPartition::new(topic, 0), replicas.map(ids))];
        self.tell(0, Event::AlterReassignments { token: ReplyToken(3), moves });
        match self.answers.pop() {
            Some(Answer::AlterReassignments(Ok(outcomes))) => {
                assert_eq!(outcomes.len(), 1);
                (outcomes[0].error, outcomes[0].message.clone().unwrap_or_default())
            }
            other => panic!("{other:?}"),
        }
    }

    fn moving(&mut self) -> Vec<String> {
        self.tell(0, Event::ListReassignments { token: ReplyToken(4), partitions: None });
        let Some(Answer::ListReassignments(Ok(moving))) = self.answers.pop() else { panic!("answered") };
        let one = |(partition, known): &(TopicPartition, kafka_metadata::znodes::topics::ReplicaAssignment)| {
            format!("{partition} {:?} +{:?} -{:?}", raw(&known.replicas), raw(&known.adding), raw(&known.removing))
        };
        moving.iter().map(one).collect()
    }

    fn assignment(&self) -> String {
        let text = self.znodes.text("/brokers/topics/t").expect("there");
        let (from, to) = (text.find("\"partitions\"").expect("a field"), text.find(",\"topic_id\"").expect("a field"));
        let moves = text.find("\"adding").expect("a field");
        format!("{} {}", &text[from..to], text[moves..].trim_end_matches(",\"version\":3}"))
    }
}

#[test]
fn a_partition_moves_to_another_broker() {
    let mut world = on_zero();
    assert_eq!(world.reassign("t", Some(&[1])), (ErrorCode::None, String::new()));
    assert_eq!(
        world.take_lines(),
        [
            "0 lead-or-follow t-0 leader 0 isr [0] epoch 1; live leaders [0]",
            "1 lead-or-follow t-0 leader 0 isr [0] epoch 1 new; live leaders [0]",
            "0 news brokers [0, 1, 2] t-0 leader 0",
            "1 news brokers [0, 1, 2] t-0 leader 0",
            "2 news brokers [0, 1, 2] t-0 leader 0",
            "1 lead-or-follow t-0 leader 0 isr [0] epoch 1 new; live leaders [0]",
            "0 news brokers [0, 1, 2] t-0 leader 0",
            "1 news brokers [0, 1, 2] t-0 leader 0",
            "2 news brokers [0, 1, 2] t-0 leader 0",
        ]
    );
    assert_eq!(
        world.assignment(),
        r#""partitions":{"0":[1,0]} "adding_replicas":{"0":[1]},"removing_replicas":{"0":[0]}"#
    );
    assert_eq!(world.moving(), ["t-0 [1, 0] +[1] -[0]"]);
    // The new one comes into sync.
    world.alter(0, 0, "t", 0, &[0, 1]);
    assert_eq!(world.state("t", 0), "leader 1 isr [1] epoch 3");
    assert_eq!(world.assignment(), r#""partitions":{"0":[1]} "adding_replicas":{},"removing_replicas":{}"#);
    assert!(world.moving().is_empty());
    let lines = world.take_lines();
    let stops: Vec<&String> = lines.iter().filter(|line| line.contains(" stop ")).collect();
    assert_eq!(stops, ["0 stop t-0 epoch 3", "0 stop delete t-0 epoch 3"]);
    assert!(lines.contains(&"1 lead-or-follow t-0 leader 1 isr [0, 1] epoch 2; live leaders [1]".to_owned()));
    // Nobody may come into sync who does not hold it; the old one is gone from the controller's mind.
    world.kill(0);
    assert_eq!(world.state("t", 0), "leader 1 isr [1] epoch 3");
}

#[test]
fn a_move_to_where_it_is_is_a_new_epoch_and_no_more() {
    let mut world = on_zero();
    assert_eq!(world.reassign("t", Some(&[0])).0, ErrorCode::None);
    assert_eq!(world.state("t", 0), "leader 0 isr [0] epoch 1");
    assert!(world.moving().is_empty());
    assert!(world.take_lines().iter().all(|line| !line.contains("stop")));
}

#[test]
fn who_leaves_only_leaves_at_once() {
    let mut world = three_brokers();
    assert_eq!(world.reassign("t", Some(&[2, 1])).0, ErrorCode::None);
    assert_eq!(world.state("t", 0), "leader 2 isr [1, 2] epoch 2");
    assert!(world.assignment().starts_with(r#""partitions":{"0":[2,1]} "#), "{}", world.assignment());
}

#[test]
fn a_cancelled_move_leaves_nothing_behind() {
    let mut world = on_zero();
    world.reassign("t", Some(&[1, 2]));
    world.lines.clear();
    assert_eq!(world.reassign("t", None), (ErrorCode::None, String::new()));
    assert_eq!(world.assignment(), r#""partitions":{"0":[0]} "adding_replicas":{},"removing_replicas":{}"#);
    assert_eq!(world.state("t", 0), "leader 0 isr [0] epoch 2");
    let deleted: Vec<String> = world.take_lines().into_iter().filter(|line| line.contains("delete")).collect();
    assert_eq!(deleted, ["1 stop delete t-0 epoch 1", "2 stop delete t-0 epoch 1"]);
    let nothing = (ErrorCode::NoReassignmentInProgress, "No partition reassignment is in progress.".to_owned());
    assert_eq!(world.reassign("t", None), nothing);
    assert_eq!(world.reassign("unknown", None), nothing);
}

#[test]
fn another_goal_on_the_way_lets_those_go_that_are_not_needed_any_more() {
    let mut world = on_zero();
    world.reassign("t", Some(&[1]));
    world.lines.clear();
    world.reassign("t", Some(&[2]));
    assert_eq!(world.moving(), ["t-0 [2, 0] +[2] -[0]"]);
    assert!(world.take_lines().contains(&"1 stop delete t-0 epoch 1".to_owned()));
    world.alter(0, 0, "t", 0, &[0, 2]);
    assert_eq!(world.state("t", 0), "leader 2 isr [2] epoch 4");
}

#[test]
fn goals_that_cannot_be_are_refused_in_apaches_words() {
    let mut world = on_zero();
    let mut refused = |topic: &str, replicas: &[i32]| {
        let (error, text) = world.reassign(topic, Some(replicas));
        format!("{} {text}", error.name())
    };
    assert_eq!(refused("t", &[]), "INVALID_REPLICA_ASSIGNMENT Empty replica list specified in partition reassignment.");
    assert_eq!(
        refused("t", &[1, 1]),
        "INVALID_REPLICA_ASSIGNMENT Duplicate replica ids in partition reassignment replica list: ArrayBuffer(1, 1)"
    );
    assert_eq!(
        refused("t", &[0, -1]),
        "INVALID_REPLICA_ASSIGNMENT Invalid broker id in replica list: ArrayBuffer(0, -1)"
    );
    assert_eq!(
        refused("t", &[0, 5]),
        "INVALID_REPLICA_ASSIGNMENT Replica assignment has brokers that are not alive. Replica list: ArrayBuffer(5), \
         live broker list: Set(0, 1, 2)"
    );
    assert_eq!(refused("unknown", &[0]), "UNKNOWN_TOPIC_OR_PARTITION The partition does not exist.");
    assert!(world.moving().is_empty() && world.take_lines().is_empty());
    let event = Event::AlterReassignments { token: ReplyToken(1), moves: vec![] };
    world.tell(1, event);
    assert_eq!(world.answers.pop(), Some(Answer::AlterReassignments(Err(ErrorCode::NotController))));
}

#[test]
fn the_next_controller_goes_on() {
    let mut world = on_zero();
    world.create_topic("u", &ON_ZERO.replace("bQ", "cQ").replace("[0]", "[1]"));
    world.reassign("u", Some(&[2]));
    world.kill(0);
    assert!(world.controllers[&1].is_active());
    world.lines.clear();
    world.alter(1, 1, "u", 0, &[1, 2]);
    assert_eq!(world.state("u", 0), "leader 2 isr [2] epoch 4");
}

#[test]
fn a_move_waits_for_a_broker_that_is_away() {
    let mut world = on_zero();
    world.reassign("t", Some(&[1]));
    world.kill(1);
    world.start(1);
    assert_eq!(world.moving(), ["t-0 [1, 0] +[1] -[0]"]);
    world.alter(0, 0, "t", 0, &[0, 1]);
    assert!(world.state("t", 0).starts_with("leader 1 isr [1]"), "{}", world.state("t", 0));
}

#[test]
fn a_topic_that_moves_is_deleted_afterwards() {
    let mut world = on_zero();
    world.reassign("t", Some(&[1]));
    world.delete_topic("t");
    assert!(world.znodes.nodes.contains_key("/brokers/topics/t"));
    assert_eq!(world.reassign("t", Some(&[2])).0, ErrorCode::UnknownTopicOrPartition);
    world.alter(0, 0, "t", 0, &[0, 1]);
    assert!(!world.znodes.nodes.contains_key("/brokers/topics/t"));
}

#[test]
fn partitions_that_were_added_meanwhile_are_kept() {
    let mut world = on_zero();
    // Written by another broker; the watch has not fired yet.
    let more = ON_ZERO.replace(r#"{"0":[0]}"#, r#"{"0":[0],"1":[2]}"#);
    world.znodes.set("/brokers/topics/t", more.as_bytes());
    let fired = std::mem::take(&mut world.znodes.fired);
    world.reassign("t", Some(&[1]));
    assert!(world.assignment().starts_with(r#""partitions":{"0":[1,0],"1":[2]} "#), "{}", world.assignment());
    world.znodes.fired.extend(fired);
    world.settle();
    assert_eq!(world.state("t", 1), "leader 2 isr [2] epoch 0");
}

#[test]
fn an_answer_that_is_lost_moves_nothing_twice() {
    for every in 1..5 {
        let mut world = on_zero();
        world.lose_every = every;
        assert_eq!(world.reassign("t", Some(&[1])).0, ErrorCode::None, "{every}");
        assert_eq!(world.moving(), ["t-0 [1, 0] +[1] -[0]"], "{every}");
        world.alter(0, 0, "t", 0, &[0, 1]);
        assert_eq!(world.assignment(), r#""partitions":{"0":[1]} "adding_replicas":{},"removing_replicas":{}"#);
        assert!(world.state("t", 0).starts_with("leader 1 isr [1]"), "{every}: {}", world.state("t", 0));
    }
}

#[test]
fn wishes_of_old_tools_stand_until_they_are_fulfilled() {
    let mut world = on_zero();
    world.create_topic("u", &ON_ZERO.replace("bQ", "cQ"));
    let path = admin::REASSIGN_PARTITIONS;
    let wish = |topic: &str, replicas: &str| format!(r#"{{"topic":"{topic}","partition":0,"replicas":[{replicas}]}}"#);
    let wishes = |wishes: &[String]| format!(r#"{{"version":1,"partitions":[{}]}}"#, wishes.join(",")).into_bytes();
    let all = [wish("t", "1"), wish("u", "2"), wish("gone", "1"), wish("u", "2")];
    world.znodes.create(path, Some(wishes(&all)), 0);
    world.settle();
    assert_eq!(world.moving(), ["t-0 [1, 0] +[1] -[0]", "u-0 [2, 0] +[2] -[0]"]);
    let left = |world: &World| world.znodes.text(path).map(|text| text.matches("topic").count());
    assert_eq!(left(&world), Some(2), "what cannot be is not waited for");
    world.alter(0, 0, "t", 0, &[0, 1]);
    assert_eq!(left(&world), Some(1));
    // The other goal came later, by request: it counts.
    world.reassign("u", Some(&[1]));
    assert_eq!(left(&world), None);
    world.alter(0, 0, "u", 0, &[0, 1]);
    assert_eq!(world.state("u", 0), "leader 1 isr [1] epoch 4");
    // The next wish is seen, too; one that makes no sense harms nobody.
    world.znodes.create(path, Some(wishes(&[wish("u", "")])), 0);
    world.settle();
    assert_eq!((left(&world), world.moving().len()), (None, 0));
    world.znodes.create(path, Some(b"nonsense".to_vec()), 0);
    world.settle();
    world.znodes.set(path, &wishes(&[wish("u", "1,2")]));
    world.settle();
    assert_eq!(world.moving(), ["u-0 [1, 2] +[2] -[]"]);
    // A controller that takes over reads them as well.
    world.kill(0);
    world.alter(1, 1, "u", 0, &[1, 2]);
    assert_eq!(left(&world), None);
}
