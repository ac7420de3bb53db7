//! Many partitions: what each costs while nobody asks for it, how long a large topic takes to be made, and how long a
//! broker takes to be ready with all of them, after a stop and after a kill.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tests::{Kind, TempDir};

use crate::bare_kafka::{self, BareClient};
use crate::proc::{cpu_seconds, open_files, resident_mb};
use crate::servers::Server;
use crate::table::{Goal, Table, Who};
use crate::{Options, Part, Tables, settle};

const TOPIC: &str = "many";
/// A topic of this size is to be made in less than a second.
const LARGE_TOPIC: i32 = 1_000;
/// What a start may take, whatever is there.
const READY_MS: f64 = 1_000.0;
/// Until a broker has written behind what it wants to write behind.
const QUIET: Duration = Duration::from_secs(8);
/// How long an idle broker is watched.
const WATCHED: Duration = Duration::from_secs(10);
/// Until ZooKeeper has given up the session of a killed broker: `zookeeper.session.timeout.ms`, and two ticks.
const SESSION_OVER: Duration = Duration::from_secs(25);
/// How long a broker with so many partitions may take before the bench gives up.
const PATIENCE: Duration = Duration::from_mins(5);

/// The floor: every directory listed, and the end of each log read.
pub(crate) fn floor(options: &Options, tables: &mut Tables) {
    if !options.wants(Part::Partitions) {
        return;
    }
    for &count in counts(options) {
        let dir = TempDir::new("bench-partitions-floor");
        for partition in 0..count {
            let place = dir.join(&format!("{TOPIC}-{partition}"));
            fs::create_dir(&place).expect("the bench's directory can be written");
            for name in ["00000000000000000000.index", "00000000000000000000.timeindex", "partition.metadata"] {
                fs::write(place.join(name), b"").expect("the bench's directory can be written");
            }
            fs::write(place.join("00000000000000000000.log"), vec![0; 100])
                .expect("the bench's directory can be written");
        }
        settle();
        let begin = Instant::now();
        let read = walk(dir.path()).expect("what was written can be read");
        assert_eq!(read, 100 * count as usize);
        tables.partitions.add(Who::Floor, &ready_label(count), Goal::None, begin.elapsed().as_secs_f64() * 1e3);
    }
}

fn walk(dir: &Path) -> io::Result<usize> {
    let mut bytes = 0;
    for partition in fs::read_dir(dir)? {
        for file in fs::read_dir(partition?.path())? {
            let path = file?.path();
            if fs::metadata(&path)?.len() > 0 {
                bytes += fs::read(&path)?.len();
            }
        }
    }
    Ok(bytes)
}

fn counts(options: &Options) -> &'static [i32] {
    if options.quick { &[10, 1_000] } else { &[10, 100, 1_000, 10_000] }
}

fn ready_label(count: i32) -> String {
    format!("{} partitions: ready after a stop, ms", spaced(count))
}

fn spaced(count: i32) -> String {
    if count < 10_000 { count.to_string() } else { format!("{} {:03}", count / 1000, count % 1000) }
}

/// One curve each.
pub(crate) fn measure(kind: Kind, options: &Options, tables: &mut Tables) {
    if options.wants(Part::Partitions) {
        for &count in counts(options) {
            with(kind, count, &mut tables.partitions);
        }
    }
}

fn with(kind: Kind, count: i32, table: &mut Table) {
    let (who, name) = (Who::from(kind), spaced(count));
    let dir = TempDir::new("bench-partitions");
    settle();
    let zookeeper = Server::zookeeper(kind, dir.path());
    let broker = Server::broker(kind, dir.path(), &zookeeper);
    thread::sleep(Duration::from_secs(2));
    let (memory, files) = (resident_mb(broker.pid()), open_files(broker.pid()));

    let mut client = BareClient::connect(broker.port).expect("the broker serves");
    let begin = Instant::now();
    client.create_topic(TOPIC, count).expect("the topic is new");
    wait_for_leaders(&mut client, count);
    let goal = if count == LARGE_TOPIC { Goal::Below(1_000.0) } else { Goal::None };
    table.add(who, &format!("{name} partitions: topic made, ms"), goal, begin.elapsed().as_secs_f64() * 1e3);
    thread::sleep(QUIET);
    let each = |now: f64, before: f64| (now - before).max(0.0) / f64::from(count);
    let kilobytes = each(resident_mb(broker.pid()), memory) * 1e3;
    table.add(who, &format!("{name} partitions: memory of each, idle, KB"), Goal::AtMost(1.0), kilobytes);
    let open = each(open_files(broker.pid()) as f64, files as f64);
    table.add(who, &format!("{name} partitions: descriptors of each, idle"), Goal::AtMost(1.0), open);
    let before = cpu_seconds(broker.pid());
    thread::sleep(WATCHED);
    let milliseconds = (cpu_seconds(broker.pid()) - before) * 1e3 / WATCHED.as_secs_f64();
    table.add(who, &format!("{name} partitions, idle: CPU ms per s"), Goal::AtMost(1.0), milliseconds);

    let (batch, _) = bare_kafka::batch(1, 100);
    client.produce_to_all(TOPIC, count, &batch).expect("acknowledged");
    drop(client);
    broker.stop();
    settle();
    let broker = Server::broker(kind, dir.path(), &zookeeper);
    table.add(who, &ready_label(count), Goal::Below(READY_MS), broker.ready.as_secs_f64() * 1e3);
    let led = broker.age_when(|| wait_for_leaders(&mut BareClient::connect(broker.port).expect("serves"), count));
    table.add(
        who,
        &format!("{name} partitions: all led after a stop, ms"),
        Goal::Below(READY_MS),
        led.as_secs_f64() * 1e3,
    );
    let mut client = BareClient::connect(broker.port).expect("the broker serves");
    client.produce_to_all(TOPIC, count, &batch).expect("acknowledged");
    drop(client);
    broker.kill();
    if kind == Kind::Apache {
        // It does not start while ZooKeeper still has the session of the one that was killed.
        thread::sleep(SESSION_OVER);
    }
    let broker = Server::broker(kind, dir.path(), &zookeeper);
    let label = format!("{name} partitions: ready after a kill, ms");
    table.add(who, &label, Goal::AtMost(1.0), broker.ready.as_secs_f64() * 1e3);
    broker.stop();
    zookeeper.stop();
}

fn wait_for_leaders(client: &mut BareClient, count: i32) {
    let deadline = Instant::now() + PATIENCE;
    while client.led(TOPIC).expect("the broker answers") < count {
        assert!(Instant::now() < deadline, "{count} partitions are not led after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(2));
    }
}
