//! The rows about the coordination server.

use std::time::Duration;

use tests::{Kind, TempDir};

use crate::floor_zk::Bare;
use crate::proc::{Worker, resident_mb};
use crate::servers::Server;
use crate::table::{Goal, Who};
use crate::zk_load::{self, Operation, Shape};
use crate::{Options, Part, Tables, settle};

const SHAPES: [(Shape, &str); 3] = [
    (Shape::new(1, 1), "1 client"),
    (Shape::new(64, 1), "64 clients"),
    (Shape::new(8, 100), "8 clients, 100 in flight"),
];

const OPERATIONS: [(Operation, &str); 3] =
    [(Operation::Create, "create"), (Operation::Set, "set"), (Operation::Get, "get")];

/// The same load on a loop that reads, appends and syncs what came together, and answers.
pub(crate) fn floor(options: &Options, tables: &mut Tables) {
    if !options.wants(Part::ZooKeeper) {
        return;
    }
    let dir = TempDir::new("bench-floor");
    settle();
    for (shape, who) in SHAPES {
        for (operation, what) in OPERATIONS {
            if !format!("{what}, {who}").contains(&options.load) {
                continue;
            }
            let bare = Bare::start(dir.path());
            let outcome = zk_load::run(bare.port, Worker::Thread(bare.thread), operation, shape, times(options));
            let figures = (outcome.rate, outcome.per_cpu, outcome.p99_ms);
            add(tables, Who::Floor, &format!("{what}, {who}"), figures);
        }
    }
}

/// Time until ready, idle memory, load, memory after it.
pub(crate) fn measure(kind: Kind, options: &Options, tables: &mut Tables) {
    if !options.wants(Part::ZooKeeper) && !options.wants(Part::Start) {
        return;
    }
    let dir = TempDir::new("bench-zookeeper");
    settle();
    let server = Server::zookeeper(kind, dir.path());
    let who = Who::from(kind);
    if options.wants(Part::Start) {
        let ready = server.ready.as_secs_f64() * 1e3;
        tables.start.add(who, "ZooKeeper ready after, ms", Goal::Below(20.0), ready);
        std::thread::sleep(Duration::from_secs(1));
        tables.start.add(who, "ZooKeeper idle, MB", Goal::Below(40.0), resident_mb(server.pid()));
    }
    if options.wants(Part::ZooKeeper) {
        for (operation, what) in OPERATIONS {
            for (shape, clients) in SHAPES {
                if !format!("{what}, {clients}").contains(&options.load) {
                    continue;
                }
                let outcome =
                    zk_load::run(server.port, Worker::Process(server.pid()), operation, shape, times(options));
                let figures = (outcome.rate, outcome.per_cpu, outcome.p99_ms);
                add(tables, who, &format!("{what}, {clients}"), figures);
            }
        }
        tables.start.add(who, "ZooKeeper after load, MB", Goal::None, resident_mb(server.pid()));
    }
    server.stop();
}

fn add(tables: &mut Tables, who: Who, what: &str, (rate, per_cpu, p99_ms): (f64, f64, f64)) {
    let (is_pipelined, is_read) = (what.ends_with("in flight"), what.starts_with("get"));
    let rate_goal = if is_pipelined && !is_read { Goal::AtLeast(4.0) } else { Goal::None };
    let cpu_goal = Goal::AtLeast(if what.ends_with("64 clients") { 3.0 } else { 2.0 });
    tables.zookeeper.add(who, &format!("{what}: per s"), rate_goal, rate);
    tables.zookeeper.add(who, &format!("{what}: per CPU s"), cpu_goal, per_cpu);
    tables.zookeeper.add(who, &format!("{what}: p99 ms"), Goal::None, p99_ms);
}

/// Warm-up, so that a JVM has compiled what it runs, and the time that counts.
fn times(options: &Options) -> (Duration, Duration) {
    if options.quick {
        (Duration::from_secs(1), Duration::from_millis(1500))
    } else {
        (Duration::from_secs(2), Duration::from_secs(3))
    }
}
