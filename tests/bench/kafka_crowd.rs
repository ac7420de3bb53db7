//! Many clients of one broker: requests of one record each, connections that say nothing, fetches that wait, and a long
//! run of 64 producers.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::thread::gettid;
use tests::{Kind, TempDir};

use crate::bare_kafka::{self, BareClient};
use crate::floor::{listen, percentile_99};
use crate::proc::{Worker, cpu_seconds, resident_mb};
use crate::servers::Server;
use crate::table::{Goal, Table, Who};
use crate::{Options, Part, Tables, settle};

/// Connections that send one record at a time.
const SENDERS: [usize; 2] = [1, 64];
const TOPIC: &str = "crowd";
/// Bytes of the record.
const RECORD: usize = 100;
/// How long waiting clients are watched.
const WATCHED: Duration = Duration::from_secs(5);
/// Producers of the long run, spread over so many topics, and the bytes of one batch.
const LONG_CLIENTS: usize = 64;
const LONG_TOPICS: usize = 8;
const LONG_BATCH: usize = 64 << 10;

/// Read, CRC-32C, write, answer; one thread for all connections.
pub(crate) fn floor(options: &Options, tables: &mut Tables) {
    if !options.wants(Part::Crowd) {
        return;
    }
    let (batch, _) = bare_kafka::batch(RECORD, RECORD + 1);
    for clients in SENDERS {
        let dir = TempDir::new("bench-crowd-floor");
        let (listener, port) = listen();
        let file = File::create(dir.join("floor.log")).expect("the bench's directory can be written");
        let (tell, told) = std::sync::mpsc::channel();
        let records = batch.len();
        let running = thread::spawn(move || {
            tell.send(gettid().as_raw_nonzero().get().unsigned_abs()).expect("somebody waits for it");
            answer(&listener, clients, file, records);
        });
        let worker = Worker::Thread(told.recv().expect("the loop starts"));
        small_requests(Who::Floor, worker, port, clients, times(options), &mut tables.crowd);
        running.join().expect("the loop does not panic");
    }
}

/// Serves so many connections until all of them have ended.
fn answer(listener: &TcpListener, clients: usize, mut file: File, records: usize) {
    let reply = bare_kafka::produce_answer(TOPIC);
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a descriptor is free");
    let mut streams: Vec<TcpStream> = (0..clients).map(|_| listener.accept().expect("they come").0).collect();
    for (index, stream) in streams.iter().enumerate() {
        stream.set_nodelay(true).expect("a socket can be so");
        epoll::add(&poll, stream, EventData::new_u64(index as u64), EventFlags::IN).expect("it can be watched");
    }
    let mut buffer = vec![0; 64 << 10];
    let mut open = clients;
    while open > 0 {
        for index in ready(&poll, clients) {
            // A request of this size comes in one piece.
            match streams[index].read(&mut buffer) {
                Ok(0) | Err(_) => {
                    open -= 1;
                    let _ = epoll::delete(&poll, &streams[index]);
                }
                Ok(len) => {
                    let batch = &buffer[len - records..len];
                    std::hint::black_box(crc32c::crc32c(&batch[21..]));
                    file.write_all(batch).expect("the file can be written");
                    let _ = streams[index].write_all(&reply);
                }
            }
        }
    }
}

fn ready(poll: &OwnedFd, at_most: usize) -> Vec<usize> {
    let mut events = Vec::with_capacity(at_most);
    let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
    epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), Some(&patience)).expect("it can be waited for");
    assert!(!events.is_empty(), "nothing for 10 s");
    events.iter().map(|event| event.data.u64() as usize).collect()
}

/// Small requests, then those who wait, then the long run.
pub(crate) fn measure(kind: Kind, options: &Options, tables: &mut Tables) {
    if !options.wants(Part::Crowd) && !options.wants(Part::Long) {
        return;
    }
    let dir = TempDir::new("bench-crowd");
    settle();
    let who = Who::from(kind);
    let zookeeper = Server::zookeeper(kind, dir.path());
    let broker = Server::broker(kind, dir.path(), &zookeeper);
    if options.wants(Part::Crowd) {
        BareClient::with_topic(broker.port, TOPIC).expect("the broker serves");
        for clients in SENDERS {
            let worker = Worker::Process(broker.pid());
            small_requests(who, worker, broker.port, clients, times(options), &mut tables.crowd);
        }
        let counts: &[usize] = if options.quick { &[1_000] } else { &[10, 100, 1_000, 10_000] };
        for &count in counts {
            waiting(who, &broker, count, &mut tables.crowd);
        }
    }
    if options.wants(Part::Long) {
        long_run(who, &broker, options, &mut tables.crowd);
    }
    broker.stop();
    zookeeper.stop();
}

/// Warm-up, so that a JVM has compiled what it runs, and the time that counts.
fn times(options: &Options) -> (Duration, Duration) {
    let seconds = if options.quick { (2, 3) } else { (6, 6) };
    (Duration::from_secs(seconds.0), Duration::from_secs(seconds.1))
}

/// Each connection sends one record and waits for the answer before the next; acks=all.
fn small_requests(who: Who, server: Worker, port: u16, clients: usize, times: (Duration, Duration), table: &mut Table) {
    let (batch, count) = bare_kafka::batch(RECORD, RECORD + 1);
    assert_eq!(count, 1);
    let request = bare_kafka::produce_request(TOPIC, &batch);
    let answer_len = bare_kafka::produce_answer(TOPIC).len();
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("a descriptor is free");
    let mut streams: Vec<TcpStream> = (0..clients).map(|_| connect(port)).collect();
    for (index, stream) in streams.iter().enumerate() {
        stream.set_nonblocking(true).expect("a socket can be so");
        epoll::add(&poll, stream, EventData::new_u64(index as u64), EventFlags::IN).expect("it can be watched");
    }
    let begin = Instant::now();
    let mut sent = vec![begin; clients];
    let mut came = vec![0; clients];
    let mut buffer = vec![0; 4 << 10];
    let mut latencies = Vec::new();
    let mut counted = None;
    for stream in &mut streams {
        stream.write_all(&request).expect("there is room for one request");
    }
    while begin.elapsed() < times.0 + times.1 {
        for index in ready(&poll, clients) {
            came[index] += match streams[index].read(&mut buffer) {
                Ok(0) => panic!("the server has closed a connection"),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => panic!("the server is gone: {error}"),
            };
            if came[index] < answer_len {
                continue;
            }
            let error = 4 + 18 + TOPIC.len();
            assert_eq!(buffer[error..error + 2], [0, 0], "acknowledged");
            let now = Instant::now();
            latencies.push((now - sent[index]).as_secs_f64() * 1e3);
            (came[index], sent[index]) = (0, now);
            streams[index].write_all(&request).expect("there is room for one request");
        }
        if counted.is_none() && begin.elapsed() >= times.0 {
            latencies.clear();
            counted = Some((Instant::now(), server.cpu_seconds()));
        }
    }
    let (from, cpu) = counted.expect("the load lasted beyond its warm-up");
    let (seconds, cpu) = (from.elapsed().as_secs_f64(), server.cpu_seconds() - cpu);
    let requests = latencies.len() as f64;
    let label = format!("one record a request, {clients} connection{}", if clients == 1 { "" } else { "s" });
    table.add(who, &format!("{label}: per s"), Goal::None, requests / seconds);
    table.add(who, &format!("{label}: per CPU s"), Goal::AtLeast(4.0), requests / cpu.max(0.01));
    table.add(who, &format!("{label}: p99 ms"), Goal::AtMost(1.0), percentile_99(&mut latencies));
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server takes connections");
    stream.set_nodelay(true).expect("a socket can be so");
    stream
}

/// Connections that have asked once and say nothing more; then the same, each with a fetch that waits at the log's end.
fn waiting(who: Who, broker: &Server, count: usize, table: &mut Table) {
    thread::sleep(Duration::from_secs(1));
    let before = resident_mb(broker.pid());
    let mut clients: Vec<BareClient> = (0..count)
        .map(|_| {
            let mut client = BareClient::connect(broker.port).expect("the broker takes connections");
            assert_eq!(client.brokers().expect("the broker answers"), 1);
            client
        })
        .collect();
    thread::sleep(Duration::from_secs(1));
    let each = |now: f64, before: f64| (now - before).max(0.0) * 1e3 / count as f64;
    let idle = resident_mb(broker.pid());
    table.add(who, &format!("{count} idle connections: memory of each, kB"), Goal::None, each(idle, before));
    let patience = WATCHED + Duration::from_mins(1);
    for client in &mut clients {
        client.ask_beyond_the_end(TOPIC, patience).expect("the broker listens");
    }
    thread::sleep(Duration::from_secs(2));
    let parked = resident_mb(broker.pid());
    table.add(who, &format!("{count} waiting fetches: memory of each, kB"), Goal::None, each(parked, before));
    let cpu = cpu_seconds(broker.pid());
    thread::sleep(WATCHED);
    let milliseconds = (cpu_seconds(broker.pid()) - cpu) * 1e3 / WATCHED.as_secs_f64();
    table.add(who, &format!("{count} waiting fetches: CPU ms per s"), Goal::AtMost(1.0), milliseconds);
}

/// 64 producers in a row of full batches, 10 GB together; what the broker holds then.
fn long_run(who: Who, broker: &Server, options: &Options, table: &mut Table) {
    let total: usize = if options.quick { 1_000_000_000 } else { 10_000_000_000 };
    let (batch, _) = bare_kafka::batch(RECORD, LONG_BATCH);
    let times = total / LONG_CLIENTS / batch.len();
    let topics: Vec<String> = (0..LONG_TOPICS).map(|number| format!("long-{number}")).collect();
    for topic in &topics {
        BareClient::with_topic(broker.port, topic).expect("the broker serves");
    }
    thread::scope(|scope| {
        for client in 0..LONG_CLIENTS {
            let (topic, batch) = (&topics[client % LONG_TOPICS], &batch);
            scope.spawn(move || {
                let mut client = BareClient::connect(broker.port).expect("the broker takes connections");
                client.produce(topic, batch, times).expect("acknowledged");
            });
        }
    });
    let label = format!("after {} GB of {LONG_CLIENTS} clients: memory, MB", total / 1_000_000_000);
    table.add(who, &label, Goal::Below(200.0), resident_mb(broker.pid()));
}
