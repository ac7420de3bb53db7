//! Stories of controllers: a few znodes, a few brokers that answer, and what comes of it.
#![expect(clippy::disallowed_methods, reason = "tests read captured files")]

use std::collections::{BTreeMap, BTreeSet};

use kafka_metadata::znodes::{admin, brokers, config, partition_state, topics};
use kafka_types::{BrokerEpoch, ControllerEpoch, LeaderEpoch, PartitionEpoch, TopicPartition, Uuid};
use time_types::WallMillis;

use super::*;
use crate::effect::Read;
use crate::event::{AlterPartitionRequest, ElectionType, IsrProposal, NodeStat};
use crate::{AlteredPartition, StopReplica};

mod captured;
mod elections;
mod moves;

#[derive(Clone, Debug)]
struct Node {
    data: Option<Vec<u8>>,
    version: i32,
    created: i64,
    owner: i64,
}

/// The coordination server as far as a controller sees it.
#[derive(Default)]
struct Znodes {
    nodes: BTreeMap<String, Node>,
    zxid: i64,
    data_watches: BTreeSet<String>,
    child_watches: BTreeSet<String>,
    fired: Vec<String>,
}

fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

impl Znodes {
    fn create(&mut self, path: &str, data: Option<Vec<u8>>, owner: i64) {
        if parent(path) != "/" && !self.nodes.contains_key(parent(path)) {
            self.create(parent(path), None, 0);
        }
        self.zxid += 1;
        self.nodes.insert(path.to_owned(), Node { data, version: 0, created: self.zxid, owner });
        self.changed(path, true);
    }

    fn set(&mut self, path: &str, data: &[u8]) {
        let node = self.nodes.get_mut(path).expect("there");
        node.data = Some(data.to_vec());
        node.version += 1;
        self.changed(path, false);
    }

    fn delete(&mut self, path: &str) {
        self.nodes.remove(path).expect("there");
        self.changed(path, true);
    }

    fn changed(&mut self, path: &str, among_children: bool) {
        if self.data_watches.remove(path) {
            self.fired.push(path.to_owned());
        }
        if among_children && self.child_watches.remove(parent(path)) {
            self.fired.push(parent(path).to_owned());
        }
    }

    fn children(&self, path: &str) -> Vec<String> {
        let below = |other: &&String| parent(other) == path;
        self.nodes.keys().filter(below).map(|path| znodes::child_name(path).to_owned()).collect()
    }

    fn read(&mut self, read: &Read) -> ReadResult {
        let stat = |node: &Node| NodeStat { version: node.version, created: node.created, owner: node.owner };
        match read {
            Read::Data { path, watch } => {
                let Some(node) = self.nodes.get(path) else { return ReadResult::NoNode };
                if *watch {
                    self.data_watches.insert(path.clone());
                }
                ReadResult::Data { data: node.data.clone().unwrap_or_default(), stat: stat(node) }
            }
            Read::Exists { path, watch } => {
                if *watch {
                    self.data_watches.insert(path.clone());
                }
                self.nodes.get(path).map_or(ReadResult::NoNode, |node| ReadResult::Exists(stat(node)))
            }
            Read::Children { path, watch } => {
                if !self.nodes.contains_key(path) {
                    return ReadResult::NoNode;
                }
                if *watch {
                    self.child_watches.insert(path.clone());
                }
                ReadResult::Children(self.children(path))
            }
        }
    }

    fn check(&self, op: &WriteOp) -> Result<(), WriteError> {
        let version = |path: &str, wanted: Option<i32>| match self.nodes.get(path) {
            None => Err(WriteError::NoNode),
            Some(node) if wanted.is_some_and(|wanted| wanted != node.version) => Err(WriteError::BadVersion),
            Some(_) => Ok(()),
        };
        match op {
            WriteOp::Check { path, version: wanted } => version(path, Some(*wanted)),
            WriteOp::Set { path, version: wanted, .. } => version(path, *wanted),
            WriteOp::Create { path, .. } if self.nodes.contains_key(path) => Err(WriteError::NodeExists),
            WriteOp::Create { path, .. } if parent(path) != "/" && !self.nodes.contains_key(parent(path)) => {
                Err(WriteError::NoNode)
            }
            WriteOp::Create { .. } => Ok(()),
            WriteOp::Delete { path, version: wanted } => {
                version(path, *wanted)?;
                if self.children(path).is_empty() { Ok(()) } else { Err(WriteError::NotEmpty) }
            }
        }
    }

    fn write(&mut self, write: &Write, owner: i64) -> WriteResult {
        for (at, op) in write.ops.iter().enumerate() {
            if let Err(error) = self.check(op) {
                return WriteResult::Refused { at, error };
            }
        }
        let apply = |op: &WriteOp| match op {
            WriteOp::Check { .. } => 0,
            WriteOp::Create { path, data, ephemeral } => {
                self.create(path, data.clone(), if *ephemeral { owner } else { 0 });
                0
            }
            WriteOp::Set { path, data, .. } => {
                self.set(path, data);
                self.nodes[path].version
            }
            WriteOp::Delete { path, .. } => {
                self.delete(path);
                0
            }
        };
        WriteResult::Done(write.ops.iter().map(apply).collect())
    }

    fn text(&self, path: &str) -> Option<String> {
        let data = self.nodes.get(path)?.data.clone()?;
        Some(String::from_utf8(data).expect("text"))
    }
}

/// Controllers, the znodes, and a log of what was ordered.
struct World {
    znodes: Znodes,
    controllers: BTreeMap<i32, Controller>,
    now: Now,
    lines: Vec<String>,
    answers: Vec<Answer>,
    /// Do brokers answer orders to delete replicas?
    deletes: bool,
    /// Every so many-th batch of writes is carried out, its answer is lost, and it is made again; 0 for never.
    lose_every: usize,
    batches: usize,
}

fn settings() -> ControllerSettings {
    ControllerSettings {
        inter_broker_listener: "PLAINTEXT".to_owned(),
        delete_topics: true,
        unclean_leader_election: false,
        rebalance_leaders: false,
        rebalance_interval_ms: 300_000,
        imbalance_percentage: 10,
    }
}

fn raw(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}

impl World {
    fn new() -> World {
        let mut znodes = Znodes::default();
        for path in znodes::PERSISTENT_PATHS {
            znodes.create(path, None, 0);
        }
        World {
            znodes,
            controllers: BTreeMap::new(),
            now: Now::default(),
            lines: Vec::new(),
            answers: Vec::new(),
            deletes: true,
            lose_every: 0,
            batches: 0,
        }
    }

    /// A broker registers and starts its controller.
    fn start(&mut self, id: i32) {
        let data = format!(
            r#"{{"listener_security_protocol_map":{{"PLAINTEXT":"PLAINTEXT"}},"endpoints":["PLAINTEXT://h{id}:9092"],"version":5,"timestamp":"1"}}"#
        );
        self.znodes.create(&brokers::path(BrokerId(id)), Some(data.into_bytes()), i64::from(id) + 1);
        let controller = self.controllers.entry(id).or_insert_with(|| Controller::new(BrokerId(id), settings()));
        let mut effects = Vec::new();
        controller.handle(self.now, Event::SessionStarted, &mut effects);
        self.perform(id, effects);
        self.settle();
    }

    /// A broker's session is over: its ephemeral znodes go, and it hears nothing more.
    fn kill(&mut self, id: i32) {
        self.controllers.remove(&id);
        let gone: Vec<String> = self
            .znodes
            .nodes
            .iter()
            .filter(|(_, node)| node.owner == i64::from(id) + 1)
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            self.znodes.delete(&path);
        }
        self.settle();
    }

    fn create_topic(&mut self, name: &str, assignment: &str) {
        self.znodes.create(&config::topic_path(name), Some(br#"{"version":1,"config":{}}"#.to_vec()), 0);
        self.znodes.create(&topics::path(name), Some(assignment.as_bytes().to_vec()), 0);
        self.settle();
    }

    fn delete_topic(&mut self, name: &str) {
        self.znodes.create(&admin::delete_topic_path(name), None, 0);
        self.settle();
    }

    fn tell(&mut self, id: i32, event: Event) {
        let mut effects = Vec::new();
        self.controllers.get_mut(&id).expect("lives").handle(self.now, event, &mut effects);
        self.perform(id, effects);
        self.settle();
    }

    /// Tells watches until nothing happens any more.
    fn settle(&mut self) {
        while let Some(path) = (!self.znodes.fired.is_empty()).then(|| self.znodes.fired.remove(0)) {
            for id in self.controllers.keys().copied().collect::<Vec<_>>() {
                let mut effects = Vec::new();
                let event = Event::Changed { path: path.clone() };
                self.controllers.get_mut(&id).expect("lives").handle(self.now, event, &mut effects);
                self.perform(id, effects);
            }
        }
    }

    fn perform(&mut self, id: i32, effects: Vec<Effect>) {
        for effect in effects {
            let event = match effect {
                Effect::Read { token, reads } => {
                    let results = reads.iter().map(|read| self.znodes.read(read)).collect();
                    Event::ReadDone { token, results }
                }
                Effect::Write { token, writes } => {
                    let owner = i64::from(id) + 1;
                    self.batches += 1;
                    if self.lose_every > 0 && self.batches.is_multiple_of(self.lose_every) {
                        for write in &writes {
                            self.znodes.write(write, owner);
                        }
                    }
                    let results = writes.iter().map(|write| self.znodes.write(write, owner)).collect();
                    Event::Written { token, results }
                }
                Effect::StopReplica { to, request } => {
                    self.lines.push(stop_line(to, &request));
                    let delete = request.partitions.iter().filter(|partition| partition.delete && self.deletes);
                    let deleted: Vec<_> = delete.map(|one| (one.partition.clone(), ErrorCode::None)).collect();
                    if deleted.is_empty() {
                        continue;
                    }
                    Event::StopReplicaAnswered { broker: to, deleted }
                }
                Effect::Answer { answer, .. } => {
                    self.answers.push(answer);
                    continue;
                }
                other => {
                    self.lines.extend(line(&other));
                    continue;
                }
            };
            let mut effects = Vec::new();
            self.controllers.get_mut(&id).expect("lives").handle(self.now, event, &mut effects);
            self.perform(id, effects);
        }
    }

    fn state(&self, topic: &str, partition: i32) -> String {
        let path = partition_state::path(&TopicPartition::new(topic, partition));
        let state = partition_state::PartitionState::decode(self.znodes.text(&path).expect("there").as_bytes());
        let state = state.expect("legal");
        format!("leader {} isr {:?} epoch {}", state.leader, raw(&state.isr), state.leader_epoch)
    }

    fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    fn alter(
        &mut self,
        controller: i32,
        leader: i32,
        topic: &str,
        partition: i32,
        isr: &[i32],
    ) -> Vec<AlteredPartition> {
        let path = partition_state::path(&TopicPartition::new(topic, partition));
        let node = self.znodes.nodes[&path].clone();
        let state = partition_state::PartitionState::decode(&node.data.unwrap_or_default()).expect("legal");
        let proposal = IsrProposal {
            topic_id: Uuid::ZERO,
            topic: topic.to_owned(),
            partition,
            leader_epoch: state.leader_epoch,
            isr: isr.iter().map(|id| (BrokerId(*id), BrokerEpoch::NONE)).collect(),
            recovering: false,
            partition_epoch: PartitionEpoch(node.version),
        };
        self.propose(controller, leader, proposal).expect("accepted as a whole")
    }

    fn propose(
        &mut self,
        controller: i32,
        leader: i32,
        proposal: IsrProposal,
    ) -> Result<Vec<AlteredPartition>, ErrorCode> {
        let broker_epoch = self.znodes.nodes.get(&brokers::path(BrokerId(leader))).map_or(-1, |node| node.created);
        let request = AlterPartitionRequest {
            broker: BrokerId(leader),
            broker_epoch: BrokerEpoch(broker_epoch),
            by_topic_id: false,
            proposals: vec![proposal],
        };
        self.tell(controller, Event::AlterPartition { token: ReplyToken(1), request });
        match self.answers.pop() {
            Some(Answer::AlterPartition(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }
}

fn stop_line(to: BrokerId, request: &StopReplica) -> String {
    let one = |one: &crate::StopReplicaPartition| {
        format!("{}{} epoch {}", if one.delete { "delete " } else { "" }, one.partition, one.leader_epoch)
    };
    format!("{to} stop {}", request.partitions.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn line(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Role(role) => format!("role {role:?}"),
        Effect::AddBroker(node) => format!("add broker {}", node.broker.id),
        Effect::RemoveBroker(id) => format!("remove broker {id}"),
        Effect::BrokerMoved(node) => format!("broker {} moved", node.broker.id),
        Effect::LeaderAndIsr { to, request } => {
            let one = |one: &crate::LeaderAndIsrPartition| {
                let new = if one.is_new { " new" } else { "" };
                format!(
                    "{} leader {} isr {:?} epoch {}{new}",
                    one.partition,
                    one.leader,
                    raw(&one.isr),
                    one.leader_epoch
                )
            };
            let partitions = request.partitions.iter().map(one).collect::<Vec<_>>().join(", ");
            let leaders: Vec<i32> = request.live_leaders.iter().map(|leader| leader.id.0).collect();
            format!("{to} lead-or-follow {partitions}; live leaders {leaders:?}")
        }
        Effect::UpdateMetadata { to, request } => {
            let brokers: Vec<i32> = request.update.brokers.iter().map(|broker| broker.id.0).collect();
            let topics = request.update.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|one| {
                    let offline = if one.image.offline.is_empty() {
                        String::new()
                    } else {
                        format!(" offline {:?}", raw(&one.image.offline))
                    };
                    format!("{}-{} leader {}{offline}", topic.name, one.partition, one.image.leader)
                })
            });
            let topics: Vec<String> = topics.collect();
            format!("{to} news brokers {brokers:?} {}", topics.join(", ")).trim_end().to_owned()
        }
        _ => return None,
    })
}

const ONE_OF_ONE: &str = r#"{"partitions":{"0":[0]},"topic_id":"bQA6Iq8GReS3J6LHASjqcg","adding_replicas":{},"removing_replicas":{},"version":3}"#;
const ONE_OF_THREE: &str = r#"{"partitions":{"0":[0,1,2]},"topic_id":"bQA6Iq8GReS3J6LHASjqcg","adding_replicas":{},"removing_replicas":{},"version":3}"#;

fn three_brokers() -> World {
    let mut world = World::new();
    for id in 0..3 {
        world.start(id);
    }
    world.create_topic("t", ONE_OF_THREE);
    world.lines.clear();
    world
}

#[test]
fn one_broker_from_nothing_to_a_topic_and_back() {
    let mut world = World::new();
    world.start(0);
    assert_eq!(world.take_lines(), ["role Controller(ControllerEpoch(1))", "add broker 0", "0 news brokers [0]"]);
    assert_eq!(world.znodes.text("/controller_epoch").as_deref(), Some("1"));
    assert_eq!(
        world.znodes.text("/controller").as_deref(),
        Some(r#"{"version":2,"brokerid":0,"timestamp":"0","kraftControllerEpoch":-1}"#)
    );

    world.create_topic("t", ONE_OF_ONE);
    assert_eq!(
        world.take_lines(),
        ["0 lead-or-follow t-0 leader 0 isr [0] epoch 0 new; live leaders [0]", "0 news brokers [0] t-0 leader 0",]
    );
    assert_eq!(
        world.znodes.text("/brokers/topics/t/partitions/0/state").as_deref(),
        Some(r#"{"controller_epoch":1,"leader":0,"version":1,"leader_epoch":0,"isr":[0]}"#)
    );

    world.delete_topic("t");
    assert_eq!(
        world.take_lines(),
        [
            "0 news brokers [0] t-0 leader -2",
            "0 news brokers [0] t-0 leader -2",
            "0 stop t-0 epoch 1",
            "0 stop delete t-0 epoch -2",
        ]
    );
    assert!(world.znodes.nodes.keys().all(|path| !path.contains("/t")
        || ["/brokers/topics", "/config/topics", "/admin/delete_topics"].contains(&path.as_str())));
    world.create_topic("t", ONE_OF_ONE);
    assert_eq!(world.state("t", 0), "leader 0 isr [0] epoch 0");
}

#[test]
fn a_controller_that_starts_over_old_znodes_leads_again() {
    let mut world = World::new();
    world.start(0);
    world.create_topic("t", ONE_OF_ONE);
    world.kill(0);
    world.lines.clear();
    world.start(0);
    assert_eq!(
        world.take_lines(),
        [
            "role Controller(ControllerEpoch(2))",
            "add broker 0",
            "0 news brokers [0]",
            "0 lead-or-follow t-0 leader 0 isr [0] epoch 0; live leaders [0]",
            "0 news brokers [0] t-0 leader 0",
        ]
    );
}

#[test]
fn the_others_stand_by_and_one_of_them_takes_over() {
    let mut world = three_brokers();
    assert!(world.controllers[&0].is_active() && !world.controllers[&1].is_active());
    world
        .tell(1, Event::ControlledShutdown { token: ReplyToken(9), broker: BrokerId(2), broker_epoch: BrokerEpoch(1) });
    assert_eq!(world.answers.pop(), Some(Answer::ControlledShutdown(Err(ErrorCode::NotController))));
    world.kill(0);
    assert!(world.controllers[&1].is_active() && !world.controllers[&2].is_active());
    assert_eq!(world.znodes.text("/controller_epoch").as_deref(), Some("2"));
    // As Apache's: taking the dead replica out of sync is one epoch, electing another leader the next.
    assert_eq!(world.state("t", 0), "leader 1 isr [1, 2] epoch 2");
    let roles: Vec<String> = world.take_lines().into_iter().filter(|line| line.starts_with("role")).collect();
    assert_eq!(roles.last().map(String::as_str), Some("role Other(Some(BrokerId(1)))"));
}

#[test]
fn a_replaced_controller_changes_nothing() {
    let mut world = three_brokers();
    // Another controller was elected behind its back: the watch has not fired yet.
    world.znodes.set("/controller_epoch", b"7");
    world.znodes.set("/controller", &znodes::controller::encode(BrokerId(1), WallMillis(0)));
    world.znodes.fired.clear();
    world.create_topic("late", &ONE_OF_ONE.replace("bQ", "cQ"));
    assert!(!world.controllers[&0].is_active());
    assert!(!world.znodes.nodes.contains_key("/brokers/topics/late/partitions"));
    let lines = world.take_lines();
    assert!(lines.contains(&"role Other(None)".to_owned()), "{lines:?}");
    assert!(lines.iter().all(|line| !line.contains("late")), "{lines:?}");
}

#[test]
fn what_a_leader_may_and_may_not_change() {
    let mut world = three_brokers();
    let proposal = |isr: &[i32], leader_epoch: i32, version: i32| IsrProposal {
        topic_id: Uuid::ZERO,
        topic: "t".to_owned(),
        partition: 0,
        leader_epoch: LeaderEpoch(leader_epoch),
        isr: isr.iter().map(|id| (BrokerId(*id), BrokerEpoch::NONE)).collect(),
        recovering: false,
        partition_epoch: PartitionEpoch(version),
    };
    let mut ask = |isr: &[i32], epoch, version| {
        let answer = world.propose(0, 0, proposal(isr, epoch, version)).expect("accepted as a whole");
        answer[0].result.clone().map(|state| (raw(&state.isr), state.partition_epoch.0))
    };
    assert_eq!(ask(&[0, 1], 1, 0), Err(ErrorCode::NotController));
    assert_eq!(ask(&[0, 1], 0, 5), Err(ErrorCode::NotController));
    assert_eq!(ask(&[0, 1], -1, 0), Err(ErrorCode::FencedLeaderEpoch));
    assert_eq!(ask(&[0, 1], 0, 0), Ok((vec![0, 1], 1)));
    assert_eq!(ask(&[0, 1], 0, 0), Ok((vec![0, 1], 1)), "asked again because the answer was lost");
    assert_eq!(ask(&[0], 0, 0), Err(ErrorCode::InvalidUpdateVersion));
    assert_eq!(ask(&[0, 1, 9], 0, 1), Err(ErrorCode::OperationNotAttempted));
    let mut unknown = proposal(&[0], 0, 1);
    unknown.topic = "nothing".to_owned();
    assert_eq!(world.propose(0, 0, unknown).expect("whole")[0].result, Err(ErrorCode::UnknownTopicOrPartition));
    world.znodes.nodes.get_mut(&brokers::path(BrokerId(0))).expect("there").created += 1;
    assert_eq!(world.propose(0, 0, proposal(&[0], 0, 1)), Err(ErrorCode::StaleBrokerEpoch));
}

#[test]
fn the_order_of_the_in_sync_replicas_is_that_of_their_coming() {
    let mut world = three_brokers();
    let order = |world: &mut World, isr: &[i32]| {
        let altered = world.alter(0, 0, "t", 0, isr);
        raw(&altered[0].result.clone().expect("accepted").isr)
    };
    assert_eq!(order(&mut world, &[0, 2]), [0, 2]);
    assert_eq!(order(&mut world, &[0, 1, 2]), [0, 2, 1]);
}

#[test]
fn producer_ids_are_handed_out_in_blocks() {
    let mut world = World::new();
    world.start(0);
    let epoch = BrokerEpoch(world.znodes.nodes["/brokers/ids/0"].created);
    for first in [0, 1000, 2000] {
        world.tell(0, Event::AllocateProducerIds { token: ReplyToken(1), broker: BrokerId(0), broker_epoch: epoch });
        let Some(Answer::AllocateProducerIds(Ok(block))) = world.answers.pop() else { panic!("answered") };
        assert_eq!((block.first, block.last), (first, first + 999));
    }
    world.tell(0, Event::AllocateProducerIds { token: ReplyToken(1), broker: BrokerId(7), broker_epoch: epoch });
    assert_eq!(world.answers.pop(), Some(Answer::AllocateProducerIds(Err(ErrorCode::BrokerIdNotRegistered))));
}

#[test]
fn a_topic_with_a_replica_on_a_dead_broker_waits_to_be_deleted() {
    let mut world = three_brokers();
    world.kill(2);
    world.delete_topic("t");
    assert!(world.znodes.nodes.contains_key("/brokers/topics/t"));
    assert!(world.znodes.nodes.contains_key("/admin/delete_topics/t"));
    world.start(2);
    assert!(!world.znodes.nodes.contains_key("/brokers/topics/t"));
    assert!(!world.znodes.nodes.contains_key("/config/topics/t"));
    assert!(!world.znodes.nodes.contains_key("/admin/delete_topics/t"));
}

#[test]
fn a_deletion_goes_on_under_the_next_controller() {
    let mut world = three_brokers();
    world.deletes = false;
    world.delete_topic("t");
    world.deletes = true;
    world.kill(0);
    assert!(world.znodes.nodes.contains_key("/brokers/topics/t"), "broker 0 holds a replica");
    world.start(0);
    assert!(!world.znodes.nodes.contains_key("/brokers/topics/t"));
}

#[test]
fn topics_stay_where_deletion_is_disabled() {
    let mut world = three_brokers();
    world.controllers.get_mut(&0).expect("lives").settings.delete_topics = false;
    world.delete_topic("t");
    world.delete_topic("nothing");
    assert!(world.znodes.nodes.contains_key("/brokers/topics/t"));
    assert!(world.znodes.children("/admin/delete_topics").is_empty());
}

#[test]
fn a_failed_directory_takes_its_replicas_offline() {
    let mut world = three_brokers();
    let errors = vec![(TopicPartition::new("t", 0), ErrorCode::KafkaStorageError)];
    world.tell(0, Event::LeaderAndIsrAnswered { broker: BrokerId(0), errors });
    assert_eq!(world.state("t", 0), "leader 1 isr [1, 2] epoch 1");
}

#[test]
fn a_session_that_ends_ends_the_role_and_its_questions() {
    let mut world = three_brokers();
    let mut effects = Vec::new();
    let controller = world.controllers.get_mut(&0).expect("lives");
    let request = AlterPartitionRequest {
        broker: BrokerId(0),
        broker_epoch: BrokerEpoch(world.znodes.nodes["/brokers/ids/0"].created),
        by_topic_id: false,
        proposals: vec![],
    };
    controller.handle(world.now, Event::Changed { path: brokers::IDS.to_owned() }, &mut effects);
    controller.handle(world.now, Event::AlterPartition { token: ReplyToken(5), request }, &mut effects);
    assert_eq!(effects.len(), 1, "one read at a time: {effects:?}");
    effects.clear();
    controller.handle(world.now, Event::SessionLost, &mut effects);
    assert!(!controller.is_active());
    let refused =
        Effect::Answer { token: ReplyToken(5), answer: Answer::AlterPartition(Err(ErrorCode::NotController)) };
    assert!(effects.contains(&refused) && effects.contains(&Effect::Role(Role::Other(None))), "{effects:?}");
    effects.clear();
    controller.handle(world.now, Event::ReadDone { token: IoToken(9999), results: vec![] }, &mut effects);
    assert_eq!(effects, []);
}

#[test]
fn a_takeover_that_fails_is_tried_again_later() {
    let mut world = World::new();
    world.start(0);
    world.kill(0);
    world.start(1);
    let controller = world.controllers.get_mut(&1).expect("lives");
    // The session is lost and a new one begins; then a znode cannot be read.
    let mut effects = Vec::new();
    controller.handle(world.now, Event::SessionLost, &mut effects);
    world.znodes.delete("/controller");
    world.znodes.fired.clear();
    effects.clear();
    let controller = world.controllers.get_mut(&1).expect("lives");
    controller.handle(world.now, Event::SessionStarted, &mut effects);
    let mut reads = 0;
    while let Some(effect) = effects.pop() {
        let event = match effect {
            Effect::Read { token, reads: wanted } => {
                reads += 1;
                let failed = vec![ReadResult::Failed("NoAuth".to_owned())];
                let results =
                    if reads == 3 { failed } else { wanted.iter().map(|read| world.znodes.read(read)).collect() };
                Event::ReadDone { token, results }
            }
            Effect::Write { token, writes } => {
                let results = writes.iter().map(|write| world.znodes.write(write, 2)).collect();
                Event::Written { token, results }
            }
            _ => continue,
        };
        world.controllers.get_mut(&1).expect("lives").handle(world.now, event, &mut effects);
    }
    let controller = world.controllers.get_mut(&1).expect("lives");
    assert!(!controller.is_active());
    let at = controller.next_deadline().expect("a timer");
    world.now.tick = at;
    let mut effects = Vec::new();
    controller.on_tick(world.now, &mut effects);
    world.perform(1, effects);
    world.settle();
    assert!(world.controllers[&1].is_active());
    assert_eq!(world.znodes.text("/controller_epoch").as_deref(), Some("4"));
}
