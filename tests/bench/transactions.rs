//! Transactions: how many there are for a second of processor time, and what those cost that stay open.
//!
//! A producer gets its id once; then it adds a partition, sends a batch there and commits, again and again, as
//! transactional clients do. What a transaction took is counted from its first request to the answer of its last, and
//! with it the time in which the coordinator refuses the next one because markers of the one before are missing.

use std::io;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use tests::{Kind, TempDir};

use crate::bare_kafka::{self, BareClient};
use crate::line::{Line, PATIENCE, int, short, text};
use crate::proc::{cpu_seconds, resident_mb};
use crate::servers::Server;
use crate::table::{Goal, Table, Who};
use crate::{Options, Part, Tables, settle};

const PRODUCE: (i16, i16) = (0, 3);
const INIT_PRODUCER_ID: (i16, i16) = (22, 0);
const ADD_PARTITIONS: (i16, i16) = (24, 0);
const END: (i16, i16) = (26, 0);

const CONCURRENT_TRANSACTIONS: i16 = 51;
/// Errors of a coordinator that is not there yet: loading, not available, somebody else, busy.
const NOT_YET: [i16; 4] = [14, 15, 16, CONCURRENT_TRANSACTIONS];
const TOPIC: &str = "transacted";
const PARTITIONS: i32 = 10;
/// Producers that work at once.
const PRODUCERS: [usize; 2] = [1, 32];
/// Bytes of a value, and of the batch that a transaction writes.
const RECORD: usize = 100;
const BATCH: usize = 1_000;
/// Within it an open transaction is not ended by its coordinator: most that brokers allow by default.
const TIMEOUT_MS: i32 = 900_000;
/// How soon a producer asks again that was refused because its last transaction is not complete.
const RETRY: Duration = Duration::from_millis(1);

/// Everything, on one pair of servers.
pub(crate) fn measure(kind: Kind, options: &Options, tables: &mut Tables) {
    if !options.wants(Part::Transactions) {
        return;
    }
    let table = &mut tables.transactions;
    let dir = TempDir::new("bench-transactions");
    settle();
    let zookeeper = Server::zookeeper(kind, dir.path());
    let broker = Server::broker(kind, dir.path(), &zookeeper);
    let mut first = BareClient::connect(broker.port).expect("the broker serves");
    first.create_topic(TOPIC, PARTITIONS).expect("the topic is new");
    let (warm, counted) = if options.quick { (2, 3) } else { (6, 6) };
    let times = (Duration::from_secs(warm), Duration::from_secs(counted));
    for producers in PRODUCERS {
        let name = if producers == 1 { "1 producer".to_owned() } else { format!("{producers} producers") };
        let done = run(&broker, producers, times);
        done.tell(kind, &name, Goal::AtLeast(3.0), Goal::AtMost(1.0), table);
    }
    let counts: &[usize] = if options.quick { &[10, 1_000] } else { &[10, 100, 1_000, 10_000] };
    for &count in counts {
        open(kind, &broker, count, times.1, table);
    }
    broker.stop();
    zookeeper.stop();
}

/// What producers did together.
struct Done {
    waits: Vec<Duration>,
    seconds: f64,
    cpu: f64,
}

impl Done {
    fn tell(mut self, kind: Kind, name: &str, per_cpu: Goal, p99: Goal, table: &mut Table) {
        let who = Who::from(kind);
        let count = self.waits.len() as f64;
        table.add(who, &format!("{name}: transactions per s"), Goal::None, count / self.seconds);
        table.add(who, &format!("{name}: transactions per CPU s"), per_cpu, count / self.cpu.max(0.01));
        self.waits.sort_unstable();
        let slow = self.waits[self.waits.len() * 99 / 100].as_secs_f64() * 1e3;
        table.add(who, &format!("{name}: p99 ms"), p99, slow);
    }
}

/// So many producers, each with a connection and an id of its own; warm-up, then the time that counts.
fn run(broker: &Server, producers: usize, (warm, counted): (Duration, Duration)) -> Done {
    let together = Arc::new(Barrier::new(producers + 1));
    let threads: Vec<_> = (0..producers)
        .map(|number| {
            let (together, port) = (Arc::clone(&together), broker.port);
            thread::spawn(move || -> io::Result<Vec<Duration>> {
                let warmed = Producer::warmed(port, &format!("run-{producers}-{number}"), number, warm);
                together.wait();
                let mut producer = warmed?;
                let (begin, mut waits) = (Instant::now(), Vec::new());
                while begin.elapsed() < counted {
                    let sent = Instant::now();
                    producer.transact()?;
                    waits.push(sent.elapsed());
                }
                Ok(waits)
            })
        })
        .collect();
    together.wait();
    let (begin, cpu) = (Instant::now(), cpu_seconds(broker.pid()));
    let waits = threads.into_iter().flat_map(|thread| thread.join().expect("no panic").expect("acknowledged"));
    let waits = waits.collect();
    Done { waits, seconds: begin.elapsed().as_secs_f64(), cpu: cpu_seconds(broker.pid()) - cpu }
}

/// So many transactions begin and stay open; one producer works beside them; then they are committed.
fn open(kind: Kind, broker: &Server, count: usize, counted: Duration, table: &mut Table) {
    let who = Who::from(kind);
    let (memory, cpu) = (resident_mb(broker.pid()), cpu_seconds(broker.pid()));
    let mut producer = Producer::new(broker.port, &format!("open-{count}"), 0).expect("the coordinator serves");
    let mut open = Vec::with_capacity(count);
    for number in 0..count {
        producer.become_another(&format!("open-{count}-{number}"), number).expect("the coordinator serves");
        producer.begin().expect("the coordinator serves");
        producer.send().expect("acknowledged");
        open.push(producer.who.clone());
    }
    let spent = cpu_seconds(broker.pid()) - cpu;
    table.add(who, &format!("{count} transactions begin: CPU ms of each"), Goal::None, spent * 1e3 / count as f64);
    let grown = (resident_mb(broker.pid()) - memory).max(0.0) * 1e3 / count as f64;
    table.add(who, &format!("{count} open transactions: memory of each, kB"), Goal::None, grown);
    let beside = run(broker, 1, (Duration::ZERO, counted));
    beside.tell(kind, &format!("1 producer beside {count} open"), Goal::None, Goal::None, table);
    let (cpu, begin) = (cpu_seconds(broker.pid()), Instant::now());
    for one in open {
        producer.who = one;
        producer.end().expect("the coordinator serves");
    }
    let spent = (cpu_seconds(broker.pid()) - cpu) * 1e3 / count as f64;
    table.add(who, &format!("{count} open transactions are committed: CPU ms of each"), Goal::None, spent);
    let took = begin.elapsed().as_secs_f64() * 1e3 / count as f64;
    table.add(who, &format!("{count} open transactions are committed: ms for each"), Goal::None, took);
}

/// A transactional id, what the coordinator has given it, and the partition that it writes to.
#[derive(Clone)]
struct Identity {
    name: String,
    id: [u8; 8],
    epoch: [u8; 2],
    sequence: i32,
    partition: i32,
}

/// One producer on one connection.
struct Producer {
    line: Line,
    who: Identity,
    batch: Vec<u8>,
    records: i32,
}

impl Producer {
    fn new(port: u16, name: &str, number: usize) -> io::Result<Producer> {
        let (batch, records) = bare_kafka::batch(RECORD, BATCH);
        let who = Identity { name: String::new(), id: [0; 8], epoch: [0; 2], sequence: 0, partition: 0 };
        let mut producer = Producer { line: Line::connect(port)?, who, batch, records: records as i32 };
        producer.become_another(name, number)?;
        Ok(producer)
    }

    /// One that has worked for a while.
    fn warmed(port: u16, name: &str, number: usize, warm: Duration) -> io::Result<Producer> {
        let mut producer = Producer::new(port, name, number)?;
        let begin = Instant::now();
        while begin.elapsed() < warm {
            producer.transact()?;
        }
        Ok(producer)
    }

    /// Gets an id for another name. The first to ask has the coordinators' topic made, and waits for it.
    fn become_another(&mut self, name: &str, number: usize) -> io::Result<()> {
        let body = [text(name), TIMEOUT_MS.to_be_bytes().to_vec()].concat();
        let begin = Instant::now();
        loop {
            let answer = self.line.ask(INIT_PRODUCER_ID, &body)?;
            match short(answer, 4) {
                0 => {
                    let (mut id, mut epoch) = ([0; 8], [0; 2]);
                    id.copy_from_slice(&answer[6..14]);
                    epoch.copy_from_slice(&answer[14..16]);
                    let partition = number as i32 % PARTITIONS;
                    self.who = Identity { name: name.to_owned(), id, epoch, sequence: 0, partition };
                    return Ok(());
                }
                error if NOT_YET.contains(&error) && begin.elapsed() < PATIENCE => {
                    find_coordinator(&mut self.line, name)?;
                    thread::sleep(RETRY);
                }
                error => return Err(refused("InitProducerId", error)),
            }
        }
    }

    fn transact(&mut self) -> io::Result<()> {
        self.begin()?;
        self.send()?;
        self.end()
    }

    /// The transactional id and the producer's, as requests have them in front.
    fn head(&self) -> Vec<u8> {
        [&text(&self.who.name)[..], &self.who.id, &self.who.epoch].concat()
    }

    /// Adds the partition.
    fn begin(&mut self) -> io::Result<()> {
        let mut body = self.head();
        body.extend([1i32.to_be_bytes().to_vec(), text(TOPIC), 1i32.to_be_bytes().to_vec()].concat());
        body.extend(self.who.partition.to_be_bytes());
        loop {
            let answer = self.line.ask(ADD_PARTITIONS, &body)?;
            match short(answer, answer.len() - 2) {
                0 => return Ok(()),
                CONCURRENT_TRANSACTIONS => thread::sleep(RETRY),
                error => return Err(refused("AddPartitionsToTxn", error)),
            }
        }
    }

    /// Sends the batch; acks=all.
    fn send(&mut self) -> io::Result<()> {
        let transactional = 0x10i16;
        self.batch[21..23].copy_from_slice(&transactional.to_be_bytes());
        self.batch[43..51].copy_from_slice(&self.who.id);
        self.batch[51..53].copy_from_slice(&self.who.epoch);
        self.batch[53..57].copy_from_slice(&self.who.sequence.to_be_bytes());
        let sum = crc32c::crc32c(&self.batch[21..]);
        self.batch[17..21].copy_from_slice(&sum.to_be_bytes());
        let mut body = text(&self.who.name);
        body.extend((-1i16).to_be_bytes());
        body.extend([30_000i32.to_be_bytes(), 1i32.to_be_bytes()].concat());
        body.extend([text(TOPIC), 1i32.to_be_bytes().to_vec()].concat());
        body.extend([self.who.partition.to_be_bytes(), (self.batch.len() as u32).to_be_bytes()].concat());
        body.extend(&self.batch);
        let answer = self.line.ask(PRODUCE, &body)?;
        // Count, topic, count, partition; then the error.
        match short(answer, 4 + 2 + TOPIC.len() + 4 + 4) {
            0 => {
                self.who.sequence += self.records;
                Ok(())
            }
            error => Err(refused("Produce", error)),
        }
    }

    /// Commits.
    fn end(&mut self) -> io::Result<()> {
        let body = [&self.head()[..], &[1]].concat();
        match short(self.line.ask(END, &body)?, 4) {
            0 => Ok(()),
            error => Err(refused("EndTxn", error)),
        }
    }
}

/// Has the topic of the coordinators made. There is one broker: who it is need not be read.
fn find_coordinator(line: &mut Line, name: &str) -> io::Result<()> {
    const FIND_COORDINATOR: (i16, i16) = (10, 1);
    const TRANSACTION: u8 = 1;
    let answer = line.ask(FIND_COORDINATOR, &[&text(name)[..], &[TRANSACTION]].concat())?;
    match int(answer, 0) {
        0 => Ok(()),
        throttled => Err(io::Error::other(format!("FindCoordinator: throttled for {throttled} ms"))),
    }
}

fn refused(request: &str, error: i16) -> io::Error {
    io::Error::other(format!("{request}: error {error}"))
}
