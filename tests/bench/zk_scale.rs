//! The rows about a coordination server that is large: a million znodes, ten thousand connections, a hundred thousand
//! things that happen together, and how cost grows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tests::{Kind, RawZk, TempDir};

use crate::floor::percentile_99;
use crate::proc::{Worker, resident_mb};
use crate::servers::Server;
use crate::table::{Goal, Who};
use crate::zk_crowd;
use crate::zk_load::{self, Load, Operation, Shape};
use crate::{Options, Part, Tables, settle};

/// Sessions of the crowds, and what each has.
const SESSIONS: usize = 1000;
const EACH: usize = 100;

/// What the growth of cost is shown over.
const ZNODES: [(usize, &str); 3] = [(10_000, "10 k znodes"), (100_000, "100 k znodes"), (1_000_000, "1 M znodes")];
const CLIENTS: [(usize, &str); 4] = [(1, "1 client"), (8, "8 clients"), (64, "64 clients"), (512, "512 clients")];
const PAYLOADS: [(usize, &str); 3] = [(0, "0 bytes"), (100, "100 bytes"), (10_000, "10 kB")];

/// Everything of this file, as far as it is wanted.
pub(crate) fn measure(kind: Kind, options: &Options, tables: &mut Tables) {
    if options.wants(Part::Million) {
        million(kind, options, tables);
    }
    if options.wants(Part::Connections) {
        connections(kind, options, tables);
    }
    if options.wants(Part::Storms) {
        storms(kind, tables);
    }
    if options.wants(Part::Growth) {
        growth(kind, options, tables);
    }
}

/// Memory, start and snapshot of many znodes.
fn million(kind: Kind, options: &Options, tables: &mut Tables) {
    let count = if options.quick { 200_000 } else { 1_000_000 };
    let who = Who::from(kind);
    let dir = TempDir::new("bench-million");
    settle();
    let server = Server::zookeeper_with(kind, dir.path(), "snapCount=400000");
    thread::sleep(Duration::from_secs(1));
    let empty = resident_mb(server.pid());
    let rate = zk_load::fill(server.port, count);
    tables.large.add(who, &format!("{count} creates in a row: per s"), Goal::None, rate);
    thread::sleep(Duration::from_secs(2));
    let each = (resident_mb(server.pid()) - empty) * 1e6 / count as f64;
    tables.large.add(who, &format!("memory per znode of {count}, bytes"), Goal::AtMost(0.25), each);
    server.stop();
    settle();
    // Not so much that the disk has nothing left: whoever waits then waits for the snapshot.
    let shape = Shape { rate: Some(2_000.0), ..Shape::new(16, 1) };
    let paced = |server: &Server, seconds| {
        let times = (Duration::from_secs(3), Duration::from_secs(seconds));
        zk_load::run(server.port, Worker::Process(server.pid()), Operation::Set, shape, times)
    };
    let server = Server::zookeeper_with(kind, dir.path(), "snapCount=1000000");
    let ready = server.ready.as_secs_f64() * 1e3;
    tables.large.add(who, &format!("ready with {count} znodes after, ms"), Goal::AtMost(0.2), ready);
    let alone = paced(&server, 10);
    tables.large.add(who, "2000 sets/s, no snapshot: slowest, ms", Goal::None, alone.max_ms);
    tables.large.add(who, "2000 sets/s, no snapshot: p99 ms", Goal::None, alone.p99_ms);
    server.stop();
    let server = Server::zookeeper_with(kind, dir.path(), "snapCount=30000");
    let loaded = paced(&server, if options.quick { 20 } else { 30 });
    let snapshots = std::fs::read_dir(dir.join("zookeeper/version-2")).map_or(0, |entries| {
        entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("snapshot.")).count()
    });
    assert!(snapshots >= 2, "no snapshot was taken under load");
    tables.large.add(who, "2000 sets/s while snapshots are taken: slowest, ms", Goal::Below(20.0), loaded.max_ms);
    tables.large.add(who, "2000 sets/s while snapshots are taken: p99 ms", Goal::None, loaded.p99_ms);
    server.stop();
}

/// Memory of idle connections.
fn connections(kind: Kind, options: &Options, tables: &mut Tables) {
    let count = if options.quick { 2_000 } else { 10_000 };
    let who = Who::from(kind);
    let dir = TempDir::new("bench-connections");
    settle();
    let server = Server::zookeeper_with(kind, dir.path(), "");
    thread::sleep(Duration::from_secs(1));
    let empty = resident_mb(server.pid());
    let crowd = zk_crowd::gather(server.port, count, 60_000);
    thread::sleep(Duration::from_secs(1));
    let each = (resident_mb(server.pid()) - empty) * 1e3 / count as f64;
    tables.large.add(who, "memory per idle connection, kB", Goal::Below(16.4), each);
    let begin = Instant::now();
    RawZk::connect(server.port).expect("one more fits");
    let took = begin.elapsed().as_secs_f64() * 1e3;
    tables.large.add(who, "one more session beside the idle ones, ms", Goal::Below(10.0), took);
    drop(crowd);
    server.stop();
}

/// Ephemerals that expire together and watches that fire together, and what others feel of it.
fn storms(kind: Kind, tables: &mut Tables) {
    let who = Who::from(kind);
    let dir = TempDir::new("bench-storms");
    settle();
    let server = Server::zookeeper_with(kind, dir.path(), "tickTime=1000");
    let mut root = RawZk::connect(server.port).expect("a session");
    assert!(root.create("/crowd", b"").expect("it can be made"));
    let mut crowd = zk_crowd::gather(server.port, SESSIONS, 10_000);
    zk_crowd::make_ephemerals(&mut crowd, "/crowd", EACH);
    let others = beside(server.port, || {
        // Nobody pings: all sessions end within one tick, ten seconds after they have last asked for something.
        let deadline = Instant::now() + Duration::from_mins(1);
        while !root.children("/crowd").expect("the tree can be read").is_empty() {
            assert!(Instant::now() < deadline, "the ephemerals do not go");
            thread::sleep(Duration::from_secs(1));
        }
    });
    tables.large.add(who, "100 k ephemerals expire: p99 of others, ms", Goal::Below(50.0), others.0);
    tables.large.add(who, "100 k ephemerals expire: slowest of others, ms", Goal::None, others.1);
    drop(crowd);
    let nodes: Vec<String> = (0..EACH).map(|index| format!("/watched{index}")).collect();
    for node in &nodes {
        assert!(root.create(node, b"").expect("it can be made"));
    }
    let mut crowd = zk_crowd::gather(server.port, SESSIONS, 20_000);
    zk_crowd::watch(&mut crowd, &nodes);
    let mut setter = zk_crowd::gather(server.port, 1, 20_000).pop().expect("one");
    // Each notification is a frame of its header, kind, state and path.
    let bytes: usize = nodes.iter().map(|node| 4 + 16 + 8 + 4 + node.len()).sum();
    let mut took = 0.0;
    let others = beside(server.port, || {
        thread::sleep(Duration::from_millis(200));
        let begin = Instant::now();
        zk_crowd::set_together(&mut setter, &nodes);
        assert_eq!(zk_crowd::drain(&mut crowd, bytes, Duration::from_secs(30)), 0, "notifications are missing");
        took = begin.elapsed().as_secs_f64() * 1e3;
    });
    tables.large.add(who, "100 k watches fire: all told after, ms", Goal::None, took);
    tables.large.add(who, "100 k watches fire: p99 of others, ms", Goal::Below(50.0), others.0);
    tables.large.add(who, "100 k watches fire: slowest of others, ms", Goal::None, others.1);
    server.stop();
}

/// Eight synchronous clients that write while `event` goes on; p99 and the slowest answer in milliseconds.
fn beside(port: u16, event: impl FnOnce()) -> (f64, f64) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let probe = scope.spawn(|| {
            let mut load = Load::connect(port, Operation::Set, Shape { rate: Some(1000.0), ..Shape::new(8, 1) });
            let mut latencies = Vec::new();
            load.begin(Instant::now());
            while !over.load(Ordering::Relaxed) {
                load.turn(&mut latencies);
            }
            let max = latencies.iter().copied().fold(0.0, f64::max);
            (percentile_99(&mut latencies), max)
        });
        event();
        over.store(true, Ordering::Relaxed);
        probe.join().expect("the load did not panic")
    })
}

/// How cost grows with znodes, clients and payload.
fn growth(kind: Kind, options: &Options, tables: &mut Tables) {
    let who = Who::from(kind);
    let times = if options.quick { (300, 700) } else { (1000, 2000) };
    let times = (Duration::from_millis(times.0), Duration::from_millis(times.1));
    let dir = TempDir::new("bench-growth");
    settle();
    let server = Server::large_zookeeper(kind, dir.path());
    let mut row = |operation, name: &str, what: &str, shape| {
        let outcome = zk_load::run(server.port, Worker::Process(server.pid()), operation, shape, times);
        tables.growth.add(who, &format!("{name}, {what}: per s"), Goal::None, outcome.rate);
        tables.growth.add(who, &format!("{name}, {what}: per CPU s"), Goal::None, outcome.per_cpu);
    };
    for (clients, what) in CLIENTS {
        row(Operation::Set, "set", what, Shape::new(clients, 1));
        row(Operation::Get, "get", what, Shape::new(clients, 1));
    }
    for (payload, what) in PAYLOADS {
        row(Operation::Set, "set, 8 clients", what, Shape { payload, ..Shape::new(8, 1) });
        row(Operation::Get, "get, 8 clients", what, Shape { payload, ..Shape::new(8, 1) });
    }
    let mut there = 0;
    for (znodes, what) in ZNODES {
        if options.quick && znodes > 100_000 {
            break;
        }
        zk_load::fill(server.port, znodes - there);
        there = znodes;
        row(Operation::Create, "create, 8 clients, 10 in flight", what, Shape::new(8, 10));
        row(Operation::Get, "get, 8 clients, 10 in flight", what, Shape::new(8, 10));
    }
    server.stop();
}

/// The p99 of 64 synchronous clients at the rate that is Apache's most. Both servers run here, one after the other.
pub(crate) fn paced(options: &Options, tables: &mut Tables) {
    if !options.wants(Part::Paced) || options.kinds.len() < 2 {
        return;
    }
    let times = if options.quick { (1, 2) } else { (5, 5) };
    let times = (Duration::from_secs(times.0), Duration::from_secs(times.1));
    for (operation, name) in [(Operation::Set, "set"), (Operation::Get, "get")] {
        let mut rate = None;
        for kind in [Kind::Apache, Kind::Ours] {
            let dir = TempDir::new("bench-paced");
            settle();
            let server = Server::zookeeper_with(kind, dir.path(), "");
            // Apache's clients were as synchronous as these, and waited for nothing but their own answers.
            let shape = Shape { rate, from_due: false, ..Shape::new(64, 1) };
            let outcome = zk_load::run(server.port, Worker::Process(server.pid()), operation, shape, times);
            let label = format!("{name}, 64 clients at Apache's most: p99 ms");
            tables.large.add(Who::from(kind), &label, Goal::AtMost(1.0), outcome.p99_ms);
            tables.large.add(
                Who::from(kind),
                &format!("{name}, 64 clients at Apache's most: per s"),
                Goal::None,
                outcome.rate,
            );
            rate.get_or_insert(outcome.rate);
            server.stop();
        }
    }
}
