//! Groups: how long a crowd takes to become a group, what many small groups cost, how many commits there are for a
//! second of processor time, and how long a start takes with what was committed.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tests::{Kind, TempDir};

use crate::bare_kafka::BareClient;
use crate::line::{Line, PATIENCE, int, short, text, text_at};
use crate::proc::{cpu_seconds, resident_mb};
use crate::servers::Server;
use crate::table::{Goal, Table, Who};
use crate::{Options, Part, Tables, settle};

const OFFSET_COMMIT: (i16, i16) = (8, 2);
const OFFSET_FETCH: (i16, i16) = (9, 3);
const FIND_COORDINATOR: (i16, i16) = (10, 0);
// Before version 4 members are taken without an id.
const JOIN: (i16, i16) = (11, 3);
const HEARTBEAT: (i16, i16) = (12, 1);
const SYNC: (i16, i16) = (14, 1);

const REBALANCE_IN_PROGRESS: i16 = 27;
const TOPIC: &str = "committed";
/// Partitions of it; so many offsets has a group.
const PARTITIONS: i32 = 10;
/// How often a member that has its share asks whether that is still so.
const BEAT: Duration = Duration::from_millis(10);
const COMMITTING: Duration = Duration::from_secs(3);

/// Everything, on one pair of servers.
pub(crate) fn measure(kind: Kind, options: &Options, tables: &mut Tables) {
    if !options.wants(Part::Groups) {
        return;
    }
    let table = &mut tables.groups;
    let dir = TempDir::new("bench-groups");
    settle();
    let zookeeper = Server::zookeeper(kind, dir.path());
    let broker = Server::broker(kind, dir.path(), &zookeeper);
    let mut first = BareClient::connect(broker.port).expect("the broker serves");
    first.create_topic(TOPIC, PARTITIONS).expect("the topic is new");
    await_coordinator(broker.port);
    for &members in if options.quick { &[10, 100][..] } else { &[10, 100, 1_000] } {
        let took = assemble(broker.port, members);
        let goal = if members == 1_000 { Goal::AtMost(0.25) } else { Goal::None };
        let label = format!("{members} members join one group: stable after the last join, ms");
        table.add(Who::from(kind), &label, goal, took.as_secs_f64() * 1e3);
    }
    for clients in [1, 32] {
        commits(kind, &broker, clients, table);
    }
    small_groups(kind, &broker, if options.quick { 1_000 } else { 10_000 }, table);
    load(kind, options, dir.path(), (zookeeper, broker), table);
}

fn await_coordinator(port: u16) {
    let deadline = Instant::now() + PATIENCE;
    let mut line = Line::connect(port).expect("the broker serves");
    loop {
        let found = short(line.ask(FIND_COORDINATOR, &text("g")).expect("an answer"), 0);
        if found == 0 && is_loaded(&mut line, "g") {
            return;
        }
        assert!(Instant::now() < deadline, "there is no coordinator");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Does the group's coordinator answer?
fn is_loaded(line: &mut Line, group: &str) -> bool {
    let answer = line.ask(OFFSET_FETCH, &[&text(group)[..], &(-1i32).to_be_bytes()].concat()).expect("an answer");
    short(answer, answer.len() - 2) == 0
}

/// A member, as far as it has come.
struct Member {
    line: Line,
    group: String,
    id: String,
    generation: i32,
}

impl Member {
    fn new(port: u16, group: &str) -> Member {
        Member {
            line: Line::connect(port).expect("it accepts"),
            group: group.to_owned(),
            id: String::new(),
            generation: 0,
        }
    }

    fn ask_to_join(&mut self) -> io::Result<()> {
        let mut body = text(&self.group);
        body.extend([60_000i32.to_be_bytes(), 120_000i32.to_be_bytes()].concat());
        body.extend(text(&self.id));
        body.extend([text("consumer"), 1i32.to_be_bytes().to_vec(), text("range")].concat());
        body.extend([0, 0, 0, 0]);
        self.line.send(JOIN, &body)
    }

    /// Ids of all members, if it leads.
    fn joined(&mut self) -> io::Result<Vec<String>> {
        let answer = self.line.receive()?;
        let error = short(answer, 4);
        if error != 0 {
            return Err(io::Error::other(format!("join: error {error}")));
        }
        let generation = int(answer, 6);
        let (_protocol, at) = text_at(answer, 10);
        let (_leader, at) = text_at(answer, at);
        let (id, mut at) = text_at(answer, at);
        let count = int(answer, at);
        at += 4;
        let mut members = Vec::new();
        for _ in 0..count {
            let (member, end) = text_at(answer, at);
            at = end + 4 + int(answer, end).max(0) as usize;
            members.push(member);
        }
        (self.id, self.generation) = (id, generation);
        Ok(members)
    }

    /// Gets its share, or has to join again.
    fn synced(&mut self, members: &[String]) -> io::Result<bool> {
        let mut body = text(&self.group);
        body.extend(self.generation.to_be_bytes());
        body.extend(text(&self.id));
        body.extend((members.len() as i32).to_be_bytes());
        for member in members {
            body.extend([text(member), 1i32.to_be_bytes().to_vec(), vec![7]].concat());
        }
        self.outcome(SYNC, &body)
    }

    fn beats(&mut self) -> io::Result<bool> {
        let mut body = text(&self.group);
        body.extend(self.generation.to_be_bytes());
        body.extend(text(&self.id));
        self.outcome(HEARTBEAT, &body)
    }

    fn outcome(&mut self, call: (i16, i16), body: &[u8]) -> io::Result<bool> {
        match short(self.line.ask(call, body)?, 4) {
            0 => Ok(true),
            REBALANCE_IN_PROGRESS => Ok(false),
            error => Err(io::Error::other(format!("request {call:?}: error {error}"))),
        }
    }
}

/// A crowd joins at once; how long after the last of them has asked everybody has a share of one generation.
fn assemble(port: u16, members: usize) -> Duration {
    let group = format!("crowd-{members}");
    let asked = Arc::new(Barrier::new(members + 1));
    let (over, generation) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI32::new(0)));
    let settled = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..members)
        .map(|_| {
            let mut member = Member::new(port, &group);
            let (asked, over) = (Arc::clone(&asked), Arc::clone(&over));
            let (generation, settled) = (Arc::clone(&generation), Arc::clone(&settled));
            let live = move || -> io::Result<()> {
                member.ask_to_join()?;
                asked.wait();
                while !over.load(Ordering::Relaxed) {
                    let all = member.joined()?;
                    // Who leads knows whether everybody is there.
                    if all.len() == members {
                        settled.store(0, Ordering::SeqCst);
                        generation.store(member.generation, Ordering::SeqCst);
                    }
                    let mut is_in = member.synced(&all)?;
                    if is_in && generation.load(Ordering::SeqCst) == member.generation {
                        settled.fetch_add(1, Ordering::SeqCst);
                    }
                    while is_in && !over.load(Ordering::Relaxed) {
                        thread::sleep(BEAT);
                        is_in = member.beats()?;
                    }
                    if !over.load(Ordering::Relaxed) {
                        member.ask_to_join()?;
                    }
                }
                Ok(())
            };
            thread::Builder::new().stack_size(128 << 10).spawn(live).expect("there is room for a thread")
        })
        .collect();
    asked.wait();
    let begin = Instant::now();
    while settled.load(Ordering::SeqCst) < members {
        assert!(begin.elapsed() < PATIENCE, "{} of {members} are in", settled.load(Ordering::SeqCst));
        thread::sleep(Duration::from_millis(1));
    }
    let took = begin.elapsed();
    over.store(true, Ordering::Relaxed);
    for thread in threads {
        // A member that waits in a join when all is over is not answered; it goes with its connection.
        if thread.is_finished() {
            thread.join().expect("it does not panic").expect("the group is served");
        }
    }
    took
}

/// A commit of every partition of the topic.
fn commit_request(group: &str, partitions: i32, offset: i64) -> Vec<u8> {
    let mut body = text(group);
    // No generation, no member, retention as the broker is set, one topic.
    body.extend((-1i32).to_be_bytes());
    body.extend(text(""));
    body.extend((-1i64).to_be_bytes());
    body.extend([1i32.to_be_bytes().to_vec(), text(TOPIC), partitions.to_be_bytes().to_vec()].concat());
    for partition in 0..partitions {
        body.extend(partition.to_be_bytes());
        body.extend(offset.to_be_bytes());
        body.extend(text(""));
    }
    body
}

/// So many clients, each with a group of its own, commit one after the other.
fn commits(kind: Kind, broker: &Server, clients: usize, table: &mut Table) {
    let begin_together = Arc::new(Barrier::new(clients + 1));
    let threads: Vec<_> = (0..clients)
        .map(|client| {
            let (begin, port) = (Arc::clone(&begin_together), broker.port);
            thread::spawn(move || {
                let mut line = Line::connect(port).expect("it accepts");
                let request = commit_request(&format!("commits-{client}"), 1, 42);
                begin.wait();
                let (began, mut waits) = (Instant::now(), Vec::new());
                while began.elapsed() < COMMITTING {
                    let sent = Instant::now();
                    let answer = line.ask(OFFSET_COMMIT, &request).expect("an answer");
                    assert_eq!(short(answer, answer.len() - 2), 0, "a commit is refused");
                    waits.push(sent.elapsed());
                }
                waits
            })
        })
        .collect();
    begin_together.wait();
    let (began, cpu) = (Instant::now(), cpu_seconds(broker.pid()));
    let mut waits: Vec<Duration> = threads.into_iter().flat_map(|thread| thread.join().expect("it ends")).collect();
    let (took, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds(broker.pid()) - cpu);
    waits.sort_unstable();
    let (who, name) =
        (Who::from(kind), if clients == 1 { "1 client".to_owned() } else { format!("{clients} clients") });
    table.add(who, &format!("{name} commit: per s"), Goal::None, waits.len() as f64 / took);
    let per_cpu = waits.len() as f64 / cpu.max(0.01);
    table.add(who, &format!("{name} commit: per CPU second"), Goal::AtLeast(3.0), per_cpu);
    let p99 = waits[waits.len() * 99 / 100].as_secs_f64() * 1e3;
    table.add(who, &format!("{name} commit: p99, ms"), Goal::AtMost(1.0), p99);
}

/// Many groups of one member each: what they cost to begin with, and to keep.
fn small_groups(kind: Kind, broker: &Server, count: usize, table: &mut Table) {
    let who = Who::from(kind);
    let (memory, cpu) = (resident_mb(broker.pid()), cpu_seconds(broker.pid()));
    let mut member = Member::new(broker.port, "");
    let mut members = Vec::with_capacity(count);
    for number in 0..count {
        (member.group, member.id) = (format!("small-{number}"), String::new());
        member.ask_to_join().expect("it reads");
        let all = member.joined().expect("the group is served");
        assert!(member.synced(&all).expect("the group is served"));
        members.push((member.group.clone(), member.id.clone(), member.generation));
    }
    let spent = cpu_seconds(broker.pid()) - cpu;
    table.add(who, &format!("{count} groups of one member join: CPU s"), Goal::AtMost(0.25), spent);
    let grown = (resident_mb(broker.pid()) - memory).max(0.0);
    table.add(who, &format!("{count} groups of one member: memory, MB"), Goal::AtMost(0.25), grown);
    let cpu = cpu_seconds(broker.pid());
    for _ in 0..3 {
        for (group, id, generation) in &members {
            (member.group, member.id, member.generation) = (group.clone(), id.clone(), *generation);
            assert!(member.beats().expect("the group is served"), "{group} rebalances");
        }
    }
    let spent = cpu_seconds(broker.pid()) - cpu;
    table.add(who, &format!("{count} groups of one member beat three times: CPU s"), Goal::AtMost(0.25), spent);
}

/// A start with so many committed offsets: until the broker serves, and until every coordinator does.
fn load(
    kind: Kind,
    options: &Options,
    dir: &std::path::Path,
    (zookeeper, mut broker): (Server, Server),
    table: &mut Table,
) {
    let mut written = 0;
    for &offsets in if options.quick { &[10_000, 100_000][..] } else { &[100_000, 1_000_000] } {
        let mut line = Line::connect(broker.port).expect("it accepts");
        let (mut sent, groups) = (written, offsets / PARTITIONS as usize);
        while written < groups {
            // Several under way at once.
            while sent < groups && sent < written + 20 {
                let request = commit_request(&format!("loaded-{sent}"), PARTITIONS, 7);
                line.send(OFFSET_COMMIT, &request).expect("it reads");
                sent += 1;
            }
            let answer = line.receive().expect("an answer");
            assert_eq!(short(answer, answer.len() - 2), 0, "a commit is refused");
            written += 1;
        }
        broker.stop();
        settle();
        broker = Server::broker(kind, dir, &zookeeper);
        let loaded = broker.age_when(|| {
            let mut line = Line::connect(broker.port).expect("it accepts");
            // Among so many names are some of each partition.
            for number in 0..500 {
                while !is_loaded(&mut line, &format!("loaded-{number}")) {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let who = Who::from(kind);
        let ready = broker.ready.as_secs_f64() * 1e3;
        table.add(who, &format!("{offsets} committed offsets: ready after a start, ms"), Goal::AtMost(0.2), ready);
        let loading = (loaded.as_secs_f64() * 1e3 - ready).max(0.0);
        let goal = if offsets == 1_000_000 { Goal::AtMost(0.2) } else { Goal::None };
        table.add(who, &format!("{offsets} committed offsets: loaded, ms after that"), goal, loading);
    }
    broker.stop();
    zookeeper.stop();
}
