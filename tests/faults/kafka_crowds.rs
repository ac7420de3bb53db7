//! Heavy and hostile clients of the broker: whatever they do, they pay for it, and others are served.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tests::{
    Broker, KafkaBody, KafkaReply, KafkaWire, Kind, Pulse, TempDir, Tools, WallClock, ZooKeeper, batch, closes, crowd,
    full, wait_until,
};

const NOBODY: (i64, i16, i32) = (-1, -1, -1);
const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const UNKNOWN_TOPIC: i16 = 3;
const NOT_LEADER: i16 = 6;

/// A broker with a topic of one partition, and a client that writes into it.
struct Site {
    pulse: Pulse,
    _dir: TempDir,
    _zookeeper: ZooKeeper,
    broker: Broker,
    witness: KafkaWire,
    written: i64,
    /// How far the broker's wall clock is ahead, in ms.
    ahead_ms: i64,
}

impl Site {
    fn new(name: &str, settings: &str) -> Site {
        Site::under(name, settings, &[])
    }

    /// The same with a broker that runs under another program.
    fn under(name: &str, settings: &str, words: &[&str]) -> Site {
        let dir = TempDir::new(name);
        let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
        let mut broker = Broker::configured(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), settings);
        broker.run_under(words);
        broker.run();
        let create = format!("--create --topic t --partitions 1 --bootstrap-server {}", broker.address());
        let created = Tools(Kind::Ours).run("kafka-topics", &create);
        assert_eq!(created.code, 0, "{}", created.stderr);
        let witness = KafkaWire::connect(broker.port()).expect("it accepts");
        let pulse = Pulse::start(dir.path());
        Site { pulse, _dir: dir, _zookeeper: zookeeper, broker, witness, written: 0, ahead_ms: 0 }
    }

    /// The slowest of some writes, each of which is acknowledged and lies where it should.
    fn slowest(&mut self, times: usize) -> Duration {
        let mut worst = Duration::ZERO;
        for _ in 0..times {
            let mut produced = None;
            let took = self.pulse.time(|| produced = Some(produce(&mut self.witness, now_ms() + self.ahead_ms)));
            assert_eq!(produced, Some((0, self.written)));
            worst = worst.max(took);
            self.written += 1;
        }
        worst
    }

    /// A crowd's connection.
    fn socket(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.broker.port())).expect("it accepts")
    }

    fn assert_sound(&mut self) {
        let process = self.broker.process();
        assert!(process.ended().is_none(), "{}", process.output());
        assert!(!process.output().contains("panicked"), "{}", process.output());
    }
}

fn now_ms() -> i64 {
    std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as i64
}

/// Produces one record of this time; the error code and the offset.
fn produce(wire: &mut KafkaWire, time_ms: i64) -> (i16, i64) {
    let mut body = KafkaBody::new(false);
    body.no_text().i16(-1).i32(30_000).array(1).text("t").array(1).i32(0).data(&batch(&[b"record"], time_ms, NOBODY));
    let reply = wire.ask(PRODUCE, 7, &body).expect("an answer to Produce");
    let mut reply = KafkaReply::new(&reply, false);
    assert_eq!(reply.array(), Some(1));
    reply.text();
    assert_eq!(reply.array(), Some(1));
    reply.i32();
    (reply.i16(), reply.i64())
}

/// A request as it goes over the wire, with its length.
fn frame(api: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut request = KafkaBody::new(false);
    request.i16(api).i16(version).i32(1).i16(5).raw(b"crowd").raw(body);
    [&(request.bytes.len() as u32).to_be_bytes()[..], &request.bytes].concat()
}

/// A request for all that the topic has.
fn fetch_all() -> Vec<u8> {
    let mut body = KafkaBody::new(false);
    body.i32(-1).i32(0).i32(1).i32(50 << 20).i8(0).i32(0).i32(-1);
    body.array(1).text("t").array(1).i32(0).i64(0).i64(-1).i32(50 << 20).array(0);
    frame(FETCH, 7, &body.bytes)
}

#[test]
fn who_sends_a_byte_at_a_time_is_closed_and_slows_nobody() {
    let count = if full() { 2000 } else { 150 };
    let mut site = Site::new("kafka-slowloris", "connections.max.idle.ms=4000");
    let request = frame(18, 0, &[]);
    let mut slow: Vec<TcpStream> = (0..count).map(|_| site.socket()).collect();
    let before = site.broker.process().resident_kib();
    let mut worst = Duration::ZERO;
    let mut closed = 0;
    let end = Instant::now() + Duration::from_secs(12);
    for second in 0.. {
        for (index, stream) in slow.iter_mut().enumerate() {
            // A third says nothing at all, a third sends half a frame at once, and the others a byte now and then.
            let bytes = match index % 3 {
                0 => &[][..],
                1 if second == 0 => &request[..request.len() / 2],
                1 => &[],
                _ => &request[second..=second],
            };
            // The broker may have closed it.
            let _ = stream.write_all(bytes);
        }
        // On a busy machine a round takes so long that the witness, too, would be closed for its silence.
        site.witness = KafkaWire::connect(site.broker.port()).expect("it accepts");
        worst = worst.max(site.slowest(5));
        closed += slow.len();
        slow.retain_mut(|stream| {
            stream.set_nonblocking(true).expect("it can be set");
            let is_open =
                matches!(stream.read(&mut [0; 64]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
            stream.set_nonblocking(false).expect("it can be set");
            is_open
        });
        closed -= slow.len();
        if slow.is_empty() || second + 1 == request.len() {
            break;
        }
        assert!(site.broker.process().resident_kib() < before + 20 * count as u64 + 4096);
        thread::sleep(Duration::from_secs(1).min(end.saturating_duration_since(Instant::now())));
    }
    for stream in &mut slow {
        assert!(closes(stream, Duration::from_mins(1)), "still open");
        closed += 1;
    }
    eprintln!("slowest write beside {closed} of them: {worst:?}");
    assert!(worst < Duration::from_secs(1), "another client waited {worst:?}");
    site.assert_sound();
}

#[test]
fn who_does_not_read_is_not_served_any_further_and_costs_little() {
    let mut site = Site::new("kafka-no-reader", "");
    // Eight megabytes for whoever asks.
    let large = vec![b'x'; 1_000_000];
    for _ in 0..8 {
        let mut body = KafkaBody::new(false);
        body.no_text().i16(-1).i32(30_000).array(1).text("t").array(1).i32(0).data(&batch(&[&large], now_ms(), NOBODY));
        site.witness.ask(PRODUCE, 7, &body).expect("an answer");
        site.written += 1;
    }
    let clients: u64 = if full() { 200 } else { 20 };
    let before = site.broker.process().resident_kib();
    let asked = fetch_all();
    let some = |count: u64| -> Vec<TcpStream> {
        let clients = (0..count).map(|_| {
            let mut stream = site.socket();
            stream.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout can be set");
            // At some time the broker takes no more.
            while stream.write_all(&asked).is_ok() {}
            stream
        });
        clients.collect()
    };
    let streams: Vec<TcpStream> = std::thread::scope(|scope| {
        let groups: Vec<_> = (0..4).map(|_| scope.spawn(|| some(clients / 4))).collect();
        groups.into_iter().flat_map(|group| group.join().expect("a group of clients")).collect()
    });
    let held = site.broker.process().resident_kib().saturating_sub(before);
    eprintln!("{clients} clients that do not read hold {held} KiB");
    assert!(held < 1024 * clients + 8192, "{held} KiB: replies lie in the log until they are taken");
    assert!(site.slowest(50) < Duration::from_secs(1));
    drop(streams);
    site.assert_sound();
}

#[test]
fn idle_connections_are_cheap() {
    let count = if full() { 10_000 } else { 1000 };
    let mut site = Site::new("kafka-idle", "");
    let before = site.broker.process().resident_kib();
    let (request, mut crowd) = (frame(18, 0, &[]), Vec::new());
    while crowd.len() < count {
        let mut some: Vec<TcpStream> = (0..40).map(|_| site.socket()).collect();
        for stream in &mut some {
            stream.write_all(&request).expect("sent");
        }
        for stream in &mut some {
            let mut len = [0; 4];
            stream.read_exact(&mut len).expect("an answer");
            stream.read_exact(&mut vec![0; u32::from_be_bytes(len) as usize]).expect("all of it");
        }
        crowd.append(&mut some);
    }
    let each = (site.broker.process().resident_kib() - before) as f64 / crowd.len() as f64;
    eprintln!("{each:.1} KiB for each of {} idle connections", crowd.len());
    assert!(each < 20.0, "{each} KiB for each");
    assert!(site.slowest(20) < Duration::from_secs(1));
    site.assert_sound();
}

#[test]
fn no_more_connections_than_are_allowed() {
    let mut site = Site::new(
        "kafka-limits",
        "max.connections=30\nmax.connections.per.ip=20\nmax.connections.per.ip.overrides=127.0.0.9:3",
    );
    let answered = |address: Ipv4Addr| {
        let mut wire = KafkaWire::connect_from(address, site.broker.port()).expect("the system accepts it");
        wire.ask(18, 0, &KafkaBody::new(false)).is_ok().then_some(wire)
    };
    let few: Vec<_> = (0..6).map_while(|_| answered(Ipv4Addr::new(127, 0, 0, 9))).collect();
    assert_eq!(few.len(), 3, "an override");
    let some: Vec<_> = (0..25).map_while(|_| answered(Ipv4Addr::new(127, 0, 0, 8))).collect();
    assert_eq!(some.len(), 20, "of one address");
    // Beyond `max.connections` a client is not refused: it waits until another one leaves.
    let taken = site.broker.process().descriptors();
    let mut waiting: Vec<TcpStream> = (0..15).map(|_| site.socket()).collect();
    thread::sleep(Duration::from_millis(300));
    let grown = site.broker.process().descriptors() - taken;
    assert!(grown <= 7, "{grown} more were taken than the seven that were left");
    drop((few, some));
    let last = waiting.last_mut().expect("there are some");
    last.write_all(&frame(18, 0, &[])).expect("sent");
    last.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    last.read_exact(&mut [0; 4]).expect("it is served when there is room");
    drop(waiting);
    assert!(site.slowest(5) < Duration::from_secs(5));
    site.assert_sound();
}

#[test]
fn without_free_descriptors_it_waits_and_recovers() {
    let mut site = Site::under("kafka-descriptors", "", &["prlimit", "--nofile=100"]);
    site.slowest(5);
    // The system accepts for the broker what the broker cannot take.
    let mut crowd = crowd(site.broker.port(), 120);
    let used_up = || site.broker.process().descriptors() >= 99;
    assert!(wait_until(Duration::from_mins(1), used_up), "{} are used", site.broker.process().descriptors());
    for stream in &mut crowd {
        let _ = stream.write_all(&frame(18, 0, &[]));
    }
    thread::sleep(Duration::from_millis(500));
    let (before, begin) = (site.broker.process().cpu_ms(), Instant::now());
    site.slowest(50);
    thread::sleep(Duration::from_secs(2).saturating_sub(begin.elapsed()));
    let used = site.broker.process().cpu_ms() - before;
    assert!(used < 1000, "it spins: {used} ms of processor time in two seconds");
    drop(crowd);
    let port = site.broker.port();
    let again = wait_until(Duration::from_mins(1), || {
        KafkaWire::connect(port).is_ok_and(|mut wire| wire.ask(18, 0, &KafkaBody::new(false)).is_ok())
    });
    assert!(again, "it does not recover:\n{}", site.broker.process().output());
    site.assert_sound();
    site.broker.kill();
    site.broker.run_under(&[]);
    site.broker.run();
    site.witness = KafkaWire::connect(site.broker.port()).expect("it accepts");
    // It has started before it knows its topics and what it leads.
    let mut produced = (-1, -1);
    let leads = wait_until(Duration::from_mins(1), || {
        produced = produce(&mut site.witness, now_ms());
        !matches!(produced.0, UNKNOWN_TOPIC | NOT_LEADER)
    });
    // The offset says that all that was acknowledged is there.
    assert!(leads && produced == (0, site.written), "{produced:?} and not at {}", site.written);
}

#[test]
fn large_requests_of_many_cost_what_was_sent_or_what_is_allowed() {
    let count: u64 = if full() { 200 } else { 60 };
    for limit in [None, Some(32u64 << 20)] {
        let settings = limit.map_or(String::new(), |bytes| {
            format!("socket.request.max.bytes=10000000\nqueued.max.request.bytes={bytes}\n")
        });
        let mut site = Site::new("kafka-large", &settings);
        site.slowest(1);
        let (before, files) = (site.broker.process().resident_kib(), site.broker.process().descriptors());
        let part = vec![0; 1 << 20];
        let halves: Vec<TcpStream> = (0..count)
            .map(|_| {
                let mut stream = site.socket();
                stream.set_write_timeout(Some(Duration::from_millis(50))).expect("a timeout can be set");
                // Eight megabytes are announced and one comes, as far as the broker takes it.
                let _ = stream.write_all(&(8u32 << 20).to_be_bytes()).and_then(|()| stream.write_all(&part));
                stream
            })
            .collect();
        thread::sleep(Duration::from_millis(300));
        let held = site.broker.process().resident_kib().saturating_sub(before);
        eprintln!("{count} halves of large requests hold {held} KiB, limit {limit:?}");
        // A buffer may be twice as large as what is in it.
        let at_most = limit.map_or(count * 1024, |bytes| (bytes >> 10) + 8192).min(count * 1024);
        assert!(held < 2 * at_most + 16_384, "{held} KiB for {count} times 1024 KiB");
        if limit.is_none() {
            assert!(site.slowest(20) < Duration::from_secs(1));
        }
        drop(halves);
        let process = site.broker.process();
        let gone = || process.descriptors() <= files + 5;
        assert!(wait_until(Duration::from_mins(1), gone), "of {files} descriptors came {}", process.descriptors());
        // Who had to wait for memory is served now.
        site.slowest(5);
        site.assert_sound();
    }
}

#[test]
fn a_storm_of_reconnects_leaves_nothing_behind() {
    let count = if full() { 60_000 } else { 4_000 };
    let mut site = Site::new("kafka-storm", "");
    let files = site.broker.process().descriptors();
    let port = site.broker.port();
    let storm = |count: usize, site: &mut Site| {
        let (opened, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let client = || {
                loop {
                    let number = opened.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return over.store(true, Ordering::Relaxed);
                    }
                    let mut wire = KafkaWire::connect(port).expect("it accepts");
                    // Every other one leaves before its answer.
                    if number % 2 == 0 {
                        wire.ask(18, 0, &KafkaBody::new(false)).expect("an answer");
                    } else {
                        wire.send(18, 0, &KafkaBody::new(false)).expect("sent");
                    }
                }
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
            while !over.load(Ordering::Relaxed) && !threads.iter().any(thread::ScopedJoinHandle::is_finished) {
                site.slowest(1);
                thread::sleep(Duration::from_millis(200));
            }
        });
    };
    storm(count / 2, &mut site);
    let settled = |site: &mut Site| {
        let process = site.broker.process();
        wait_until(Duration::from_mins(1), || process.descriptors() <= files + 5)
    };
    assert!(settled(&mut site), "of {files} descriptors came {}", site.broker.process().descriptors());
    let (memory, threads) = (site.broker.process().resident_kib(), site.broker.process().threads());
    storm(count, &mut site);
    assert!(settled(&mut site), "of {files} descriptors came {}", site.broker.process().descriptors());
    let grown = site.broker.process().resident_kib().saturating_sub(memory);
    eprintln!("{count} connections, {grown} KiB more than before");
    assert!(grown < 16 * 1024, "{grown} KiB more than before");
    assert!(site.broker.process().threads() <= threads + 1);
    site.assert_sound();
}

#[test]
fn a_jump_of_the_clock_takes_nothing_away() {
    let dir = TempDir::new("kafka-clock");
    let clock = WallClock::new(dir.path());
    let words = clock.words();
    let settings = "log.retention.check.interval.ms=200\nlog.initial.task.delay.ms=100\nlog.retention.hours=3\n\
                    zookeeper.session.timeout.ms=6000\nlog.message.timestamp.after.max.ms=600000\nlog.roll.hours=1\n";
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut site = Site::under("kafka-clock-lab", settings, &words);
    site.slowest(5);
    for (jump, hours) in [("+3600", 1), ("-3600", -1), ("+0", 0)] {
        clock.set(jump);
        site.ahead_ms = hours * 3_600_000;
        let there = now_ms() + site.ahead_ms;
        // Records of that time are taken, those of ten minutes and more after it are not (INVALID_TIMESTAMP).
        assert_eq!(produce(&mut site.witness, there), (0, site.written), "at {jump}");
        site.written += 1;
        assert_eq!(produce(&mut site.witness, there + 1_200_000).0, 32, "at {jump}");
        // A fetch that waits comes back in its own time.
        let mut body = KafkaBody::new(false);
        body.i32(-1).i32(500).i32(1).i32(1 << 20).i8(0).i32(0).i32(-1);
        body.array(1).text("t").array(1).i32(0).i64(site.written).i64(-1).i32(1 << 20).array(0);
        let begin = Instant::now();
        site.witness.ask(FETCH, 7, &body).expect("an answer");
        let waited = begin.elapsed();
        assert!(waited >= Duration::from_millis(400) && waited < Duration::from_secs(10), "{waited:?} at {jump}");
        // Longer than its session with the coordination server would last if the wall counted.
        thread::sleep(Duration::from_secs(1));
        site.slowest(3);
    }
    let output = site.broker.process().output();
    assert!(!output.contains("Found deletable segments"), "{output}");
    assert!(!output.contains("expired"), "{output}");
    let fetched = site.witness.ask(FETCH, 7, &{
        let mut body = KafkaBody::new(false);
        body.i32(-1).i32(0).i32(1).i32(1 << 20).i8(0).i32(0).i32(-1);
        body.array(1).text("t").array(1).i32(0).i64(0).i64(-1).i32(1 << 20).array(0);
        body
    });
    let fetched = fetched.expect("an answer");
    assert!(fetched.windows(6).any(|bytes| bytes == b"record"), "the first records are there");
    site.assert_sound();
}
