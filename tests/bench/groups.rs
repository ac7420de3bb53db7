//! Groups: how long a crowd takes to become a group, what many small groups cost, how many commits there are for a
//! second of processor time, and how long a start takes with what was committed.

use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tests::{Kind, TempDir};

use crate::assembly::assemble;
use crate::bare_kafka::BareClient;
use crate::floor::listen;
use crate::line::{Line, PATIENCE, short, text};
use crate::proc::{cpu_seconds, resident_mb, thread_cpu_seconds};
use crate::seat::{HEARTBEAT, JOIN, SYNC, Seat, is_in};
use crate::servers::Server;
use crate::table::{Goal, Table, Who};
use crate::{Options, Part, Tables, settle};

const OFFSET_COMMIT: (i16, i16) = (8, 2);
const OFFSET_FETCH: (i16, i16) = (9, 3);
const FIND_COORDINATOR: (i16, i16) = (10, 0);
/// Length, correlation id, no throttle time, no error.
const BEAT_ANSWER: [u8; 14] = [0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
const TOPIC: &str = "committed";
/// Partitions of it; so many offsets has a group.
const PARTITIONS: i32 = 10;
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
    small_groups(kind, &broker, small_count(options), table);
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
    let mut line = Line::connect(broker.port).expect("it accepts");
    let mut seats: Vec<Seat> = (0..count).map(|number| Seat::in_group(&format!("small-{number}"))).collect();
    for seat in &mut seats {
        let all = seat.joined(line.ask(JOIN, &seat.join()).expect("an answer")).expect("the group is served");
        let answer = line.ask(SYNC, &seat.sync(&all)).expect("an answer");
        assert!(is_in(answer).expect("the group is served"));
    }
    let joined = cpu_seconds(broker.pid()) - cpu;
    table.add(who, &format!("{count} groups of one member join: CPU s"), Goal::None, joined);
    let grown = (resident_mb(broker.pid()) - memory).max(0.0);
    table.add(who, &format!("{count} groups of one member: memory, MB"), Goal::AtMost(0.25), grown);
    let cpu = cpu_seconds(broker.pid());
    for _ in 0..3 {
        for seat in &seats {
            let answer = line.ask(HEARTBEAT, &seat.beat()).expect("an answer");
            assert!(is_in(answer).expect("the group is served"), "{} rebalances", seat.group);
        }
    }
    let spent = cpu_seconds(broker.pid()) - cpu;
    table.add(who, &beats_label(count), Goal::None, spent);
    table.add(who, &format!("{count} groups of one member, both: CPU s"), Goal::AtMost(0.25), joined + spent);
}

fn beats_label(count: usize) -> String {
    format!("{count} groups of one member beat three times: CPU s")
}

/// What beats cost where nobody looks at them: read a request, write an answer of the same length.
pub(crate) fn floor(options: &Options, tables: &mut Tables) {
    if !options.wants(Part::Groups) {
        return;
    }
    let count = small_count(options);
    let (listener, port) = listen();
    let server = thread::spawn(move || -> io::Result<f64> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut buffer = [0; 1 << 10];
        let begin = thread_cpu_seconds();
        // A request of this size comes in one piece.
        while stream.read(&mut buffer)? > 0 {
            stream.write_all(&BEAT_ANSWER)?;
        }
        Ok(thread_cpu_seconds() - begin)
    });
    let mut line = Line::connect(port).expect("it listens");
    let seat =
        Seat { group: "small-1000".to_owned(), id: "b-00000000-0000-0000-0000-000000000000".to_owned(), generation: 1 };
    for _ in 0..3 * count {
        let answer = line.ask(HEARTBEAT, &seat.beat()).expect("an answer");
        assert!(is_in(answer).expect("it is the answer to a beat"));
    }
    drop(line);
    let spent = server.join().expect("the loop does not panic").expect("the loop's socket works");
    tables.groups.add(Who::Floor, &beats_label(count), Goal::None, spent);
}

fn small_count(options: &Options) -> usize {
    if options.quick { 1_000 } else { 10_000 }
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
