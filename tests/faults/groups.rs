//! Groups whose coordinator is killed, and members that sleep too long: nobody loses what was committed, nobody commits
//! out of the past, and no partition has two owners.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::{Broker, KafkaBody, KafkaReply, KafkaWire, Kind, TempDir, Tools, ZooKeeper, wait_until};

const JOIN: (i16, i16) = (11, 3);
const HEARTBEAT: (i16, i16) = (12, 1);
const SYNC: (i16, i16) = (14, 1);
const COMMIT: (i16, i16) = (8, 2);
const FETCH_OFFSETS: (i16, i16) = (9, 3);

const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER_ID: i16 = 25;
const REBALANCE_IN_PROGRESS: i16 = 27;

const GROUP: &str = "readers";
const TOPIC: &str = "orders";
const PARTITIONS: i32 = 4;
const SESSION_MS: i32 = 6_000;

/// One member; its connection comes and goes with the broker.
struct Member {
    wire: KafkaWire,
    id: String,
    generation: i32,
}

impl Member {
    fn new(port: u16) -> Member {
        Member { wire: KafkaWire::connect(port).expect("it accepts"), id: String::new(), generation: -1 }
    }

    fn reconnect(&mut self, port: u16) {
        self.wire = KafkaWire::connect(port).expect("it accepts");
    }

    fn send_join(&mut self) {
        let mut body = KafkaBody::new(false);
        body.text(GROUP).i32(SESSION_MS).i32(10_000).text(&self.id).text("consumer").array(1).text("range").data(b"");
        self.wire.send(JOIN.0, JOIN.1, &body).expect("it is sent");
    }

    /// All members, if it leads.
    fn joined(&mut self) -> Vec<String> {
        let reply = self.wire.receive(false).expect("an answer to JoinGroup");
        let mut reply = KafkaReply::new(&reply, false);
        reply.i32();
        assert_eq!(reply.i16(), 0, "the join is refused");
        self.generation = reply.i32();
        reply.text();
        reply.text();
        self.id = reply.text().expect("an id");
        let count = reply.array().unwrap_or_default();
        (0..count)
            .map(|_| {
                let id = reply.text().expect("an id");
                reply.data();
                id
            })
            .collect()
    }

    fn send_sync(&mut self, shares: &[(String, Vec<u8>)]) {
        let mut body = KafkaBody::new(false);
        body.text(GROUP).i32(self.generation).text(&self.id).array(shares.len());
        for (id, share) in shares {
            body.text(id).data(share);
        }
        self.wire.send(SYNC.0, SYNC.1, &body).expect("it is sent");
    }

    fn synced(&mut self) -> Vec<u8> {
        let reply = self.wire.receive(false).expect("an answer to SyncGroup");
        let mut reply = KafkaReply::new(&reply, false);
        reply.i32();
        assert_eq!(reply.i16(), 0, "the sync is refused");
        reply.data().unwrap_or_default().to_vec()
    }

    fn beat(&mut self) -> i16 {
        let mut body = KafkaBody::new(false);
        body.text(GROUP).i32(self.generation).text(&self.id);
        let reply = self.wire.ask(HEARTBEAT.0, HEARTBEAT.1, &body).expect("an answer to Heartbeat");
        KafkaReply::new(&reply[4..], false).i16()
    }

    fn commit(&mut self, partition: i32, offset: i64) -> i16 {
        let mut body = KafkaBody::new(false);
        body.text(GROUP).i32(self.generation).text(&self.id).i64(-1).array(1).text(TOPIC).array(1);
        body.i32(partition).i64(offset).text("");
        let reply = self.wire.ask(COMMIT.0, COMMIT.1, &body).expect("an answer to OffsetCommit");
        KafkaReply::new(&reply[reply.len() - 2..], false).i16()
    }
}

/// Everybody has joined: shares are given out, and come to those whose they are.
fn share_out(members: &mut [Member]) {
    let mut all = Vec::new();
    for member in members.iter_mut() {
        all.extend(member.joined());
    }
    let ids: BTreeSet<&String> = all.iter().collect();
    assert_eq!(ids.len(), members.len(), "the leader knows {all:?}");
    let share =
        |at: usize| (0..PARTITIONS as u8).filter(|one| usize::from(*one) % all.len() == at).collect::<Vec<u8>>();
    let shares: Vec<(String, Vec<u8>)> = all.iter().enumerate().map(|(at, id)| (id.clone(), share(at))).collect();
    for member in members.iter_mut() {
        // Only the leader's words count.
        member.send_sync(&shares);
    }
    let mut owned: Vec<u8> = members.iter_mut().flat_map(Member::synced).collect();
    owned.sort_unstable();
    assert_eq!(owned, (0..PARTITIONS as u8).collect::<Vec<u8>>(), "each partition has one owner");
    assert!(members.iter().all(|member| member.generation == members[0].generation));
}

/// What is committed for a partition, as soon as the coordinator tells.
fn committed(port: u16, partition: i32) -> i64 {
    let mut found = None;
    let mut body = KafkaBody::new(false);
    body.text(GROUP).array(1).text(TOPIC).array(1).i32(partition);
    let told = wait_until(Duration::from_mins(1), || {
        let mut wire = KafkaWire::connect(port).expect("it accepts");
        let reply = wire.ask(FETCH_OFFSETS.0, FETCH_OFFSETS.1, &body).expect("an answer to OffsetFetch");
        let mut reply = KafkaReply::new(&reply, false);
        reply.i32();
        for _ in 0..reply.array().unwrap_or_default() {
            reply.text();
            reply.array();
            reply.i32();
            found = Some(reply.i64());
            reply.text();
            reply.i16();
        }
        reply.i16() == 0
    });
    assert!(told, "the coordinator does not load");
    found.expect("a partition")
}

fn begin(dir: &TempDir) -> (ZooKeeper, Broker) {
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
    let args = format!("--create --topic {TOPIC} --partitions {PARTITIONS} --bootstrap-server {}", broker.address());
    assert_eq!(Tools(Kind::Ours).run("kafka-topics", &args).code, 0);
    // The first question makes the topic of the offsets.
    let mut body = KafkaBody::new(false);
    body.text(GROUP).i8(0);
    let found = wait_until(Duration::from_mins(1), || {
        let mut wire = KafkaWire::connect(broker.port()).expect("it accepts");
        let reply = wire.ask(10, 1, &body).expect("an answer to FindCoordinator");
        KafkaReply::new(&reply[4..], false).i16() == 0
    });
    assert!(found, "there is no coordinator");
    committed(broker.port(), 0);
    (zookeeper, broker)
}

#[test]
fn a_coordinator_that_is_killed_in_a_rebalance_loses_nothing() {
    let dir = TempDir::new("group-kill");
    let (_zookeeper, mut broker) = begin(&dir);
    let port = broker.port();
    let mut first = Member::new(port);
    first.send_join();
    let mut members = vec![first];
    share_out(&mut members);
    let mut newest = -1;
    for round in 0..5 {
        newest += 1;
        assert_eq!(members[0].commit(0, newest), 0);
        // Another one joins, and the rest has not come back yet.
        let mut other = Member::new(port);
        other.send_join();
        let begun = wait_until(Duration::from_mins(1), || members[0].beat() == REBALANCE_IN_PROGRESS);
        assert!(begun, "round {round}: no rebalance begins");
        broker.kill();
        broker.run();
        assert_eq!(committed(port, 0), newest, "round {round}");
        // Members come back with what they know; who was never answered begins anew.
        members.push(Member::new(port));
        for member in &mut members {
            member.reconnect(port);
        }
        let late = members.len() - 1;
        members[late].send_join();
        let begun = wait_until(Duration::from_mins(1), || members[0].beat() == REBALANCE_IN_PROGRESS);
        assert!(begun, "round {round}: the new one starts no rebalance");
        assert_eq!(members[0].commit(0, newest), 0, "a member may commit before it joins again");
        // The new one waits for those who were there before it.
        for member in &mut members[..late] {
            member.send_join();
        }
        share_out(&mut members);
    }
    assert_eq!(committed(port, 0), newest);
}

#[test]
fn a_member_that_slept_too_long_commits_nothing() {
    let dir = TempDir::new("group-sleep");
    let (_zookeeper, broker) = begin(&dir);
    let port = broker.port();
    let mut sleeper = Member::new(port);
    sleeper.send_join();
    let mut members = vec![sleeper];
    share_out(&mut members);
    assert_eq!(members[0].commit(0, 1), 0);
    let mut sleeper = members.remove(0);
    // It is silent for longer than its session; another one has its place by then.
    let mut other = Member::new(port);
    other.send_join();
    let mut members = vec![other];
    share_out(&mut members);
    assert_eq!(members[0].commit(0, 2), 0);
    for code in [sleeper.commit(0, 1), sleeper.beat()] {
        assert!([ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID].contains(&code), "error {code}");
    }
    assert_eq!(committed(port, 0), 2);
}
