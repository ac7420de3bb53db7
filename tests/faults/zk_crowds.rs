//! Heavy and hostile clients of the coordination server: whatever they do, they pay for it, and others are served.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tests::{Kind, Mode, Pulse, RawZk, Session, TempDir, ZooKeeper, buffer, closes, crowd, full, wait_until};

fn handshake(timeout_ms: i32) -> Vec<u8> {
    let mut request = vec![0; 12];
    request.extend(timeout_ms.to_be_bytes());
    request.extend([0; 8]);
    request.extend(16i32.to_be_bytes());
    request.extend([0; 17]);
    buffer(&request)
}

fn socket(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
    stream
}

/// A client that has a session and a node, and beats that tell what is its own slowness.
struct Witness {
    session: Session,
    pulse: Pulse,
}

impl Witness {
    fn ping(&mut self) -> io::Result<()> {
        self.session.ping()
    }
}

/// A server with a witness.
fn served(name: &str, settings: &str) -> (TempDir, ZooKeeper, Witness) {
    let dir = TempDir::new(name);
    let server = ZooKeeper::start_with(Kind::Ours, dir.path(), settings);
    let mut session = Session::open(server.port(), 40_000).expect("a session");
    session.create("/witness", b"", Mode::Persistent).expect("an answer").expect("it is made");
    let pulse = Pulse::start(dir.path());
    (dir, server, Witness { session, pulse })
}

/// The slowest of some writes.
fn slowest(Witness { session, pulse }: &mut Witness, times: usize) -> Duration {
    let mut write = || session.set("/witness", b"still").expect("an answer").expect("it is set");
    (0..times).map(|_| pulse.time(&mut write)).max().unwrap_or_default()
}

#[test]
fn who_sends_a_byte_at_a_time_is_closed_and_slows_nobody() {
    let count = if full() { 2000 } else { 150 };
    let (_dir, mut server, mut witness) = served("slowloris", "");
    let bytes = handshake(10_000);
    let mut slow: Vec<(Instant, TcpStream)> = (0..count).map(|_| (Instant::now(), socket(server.port()))).collect();
    let before = server.process().resident_kib();
    let begin = Instant::now();
    let mut worst = Duration::ZERO;
    for second in 0..9 {
        for (index, (opened, stream)) in slow.iter_mut().enumerate() {
            // A third says nothing at all, the others a byte of the handshake now and then. Ten seconds after its
            // opening each is closed, and to open so many takes some of them.
            if index % 3 != 0 && opened.elapsed() < Duration::from_secs(9) {
                stream.write_all(&bytes[second..=second]).expect("it is still open");
            }
        }
        worst = worst.max(slowest(&mut witness, 5));
        let next = begin + Duration::from_secs(second as u64 + 1);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    assert!(server.process().resident_kib() < before + 20 * count as u64 + 4096);
    for (_, stream) in &mut slow {
        assert!(closes(stream, Duration::from_mins(1)), "still open after {:?}", begin.elapsed());
    }
    worst = worst.max(slowest(&mut witness, 20));
    eprintln!("slowest write beside {count} of them: {worst:?}");
    assert!(worst < Duration::from_secs(1), "another client waited {worst:?}");
}

#[test]
fn who_does_not_read_is_not_asked_for_more_and_costs_little() {
    let (_dir, mut server, mut witness) = served("no-reader", "");
    witness.session.create("/large", &vec![b'x'; 500_000], Mode::Persistent).expect("an answer").expect("it is made");
    let clients = if full() { 100 } else { 10 };
    let before = server.process().resident_kib();
    let port = server.port();
    let readers: Vec<thread::JoinHandle<TcpStream>> = (0..clients)
        .map(|_| {
            thread::spawn(move || {
                let mut stream = socket(port);
                stream.write_all(&handshake(20_000)).expect("sent");
                stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout can be set");
                for xid in 0..20_000i32 {
                    let get = [&xid.to_be_bytes()[..], &4i32.to_be_bytes(), &buffer(b"/large"), &[0]].concat();
                    // At some time the server takes no more.
                    if stream.write_all(&buffer(&get)).is_err() {
                        break;
                    }
                }
                stream
            })
        })
        .collect();
    let streams: Vec<TcpStream> = readers.into_iter().map(|reader| reader.join().expect("no panic")).collect();
    let held = server.process().resident_kib().saturating_sub(before);
    eprintln!("{clients} clients that do not read hold {held} KiB");
    assert!(held < 6 * 1024 * clients + 8192, "{held} KiB");
    assert!(slowest(&mut witness, 50) < Duration::from_secs(1));
    drop(streams);
}

#[test]
fn idle_connections_are_cheap() {
    let count = if full() { 10_000 } else { 1000 };
    let (_dir, mut server, mut witness) = served("idle", "");
    let before = server.process().resident_kib();
    let mut crowd = Vec::new();
    while crowd.len() < count {
        let mut some: Vec<TcpStream> = (0..40).map(|_| socket(server.port())).collect();
        for stream in &mut some {
            stream.write_all(&handshake(40_000)).expect("sent");
        }
        for stream in &mut some {
            stream.read_exact(&mut [0; 41]).expect("a session");
        }
        crowd.append(&mut some);
    }
    let each = (server.process().resident_kib() - before) as f64 / crowd.len() as f64;
    eprintln!("{each:.1} KiB for each of {} idle connections", crowd.len());
    assert!(each < 16.0, "{each} KiB for each");
    let took = witness.pulse.time(|| drop(RawZk::connect(server.port()).expect("one more fits")));
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(slowest(&mut witness, 20) < Duration::from_secs(1));
}

#[test]
fn without_free_descriptors_it_waits_and_recovers() {
    let dir = TempDir::new("descriptors");
    let mut server = ZooKeeper::start(Kind::Ours, dir.path());
    server.stop();
    server.run_under(&["prlimit", "--nofile=60"]);
    server.run();
    let mut witness = Session::open(server.port(), 40_000).expect("a session");
    witness.create("/witness", b"", Mode::Persistent).expect("an answer").expect("it is made");
    // The system accepts for the server what the server cannot take.
    let mut crowd = crowd(server.port(), 90);
    let used_up = || server.process().descriptors() >= 59;
    assert!(wait_until(Duration::from_mins(1), used_up), "{} are used", server.process().descriptors());
    for stream in &mut crowd {
        let _ = stream.write_all(&handshake(40_000));
    }
    thread::sleep(Duration::from_millis(500));
    let (before, begin) = (server.process().cpu_ms(), Instant::now());
    for index in 0..50 {
        witness.create(&format!("/kept{index}"), b"", Mode::Persistent).expect("an answer").expect("it is made");
    }
    thread::sleep(Duration::from_secs(2).saturating_sub(begin.elapsed()));
    let used = server.process().cpu_ms() - before;
    assert!(used < 1000, "it spins: {used} ms of processor time in two seconds");
    drop(crowd);
    let again = wait_until(Duration::from_mins(1), || Session::open(server.port(), 10_000).is_ok());
    assert!(again, "it does not recover:\n{}", server.process().output());
    server.kill();
    server.run_under(&[]);
    server.run();
    let mut after = Session::open(server.port(), 10_000).expect("a session");
    for index in 0..50 {
        assert!(after.exists(&format!("/kept{index}"), false).expect("an answer"), "/kept{index} is lost");
    }
}

#[test]
fn large_requests_of_many_cost_what_was_sent() {
    let count = if full() { 200 } else { 60 };
    let (_dir, mut server, mut witness) = served("large", "");
    let before = server.process().resident_kib();
    let files = server.process().descriptors();
    let mut halves: Vec<TcpStream> = (0..count).map(|_| socket(server.port())).collect();
    for stream in &mut halves {
        stream.write_all(&handshake(40_000)).expect("sent");
        stream.read_exact(&mut [0; 41]).expect("a session");
        // A megabyte is announced and 100 KiB come.
        stream.write_all(&1_000_000u32.to_be_bytes()).expect("sent");
        stream.write_all(&vec![0; 100 << 10]).expect("sent");
    }
    thread::sleep(Duration::from_millis(300));
    let held = server.process().resident_kib().saturating_sub(before);
    eprintln!("{count} halves of large requests hold {held} KiB");
    assert!(held < 280 * count as u64 + 8192, "{held} KiB for {count} times 100 KiB");
    // More than `jute.maxbuffer` is refused by its length alone.
    let mut eager: Vec<TcpStream> = (0..20).map(|_| socket(server.port())).collect();
    for stream in &mut eager {
        stream.write_all(&handshake(40_000)).expect("sent");
        stream.read_exact(&mut [0; 41]).expect("a session");
        stream.write_all(&(8u32 << 20).to_be_bytes()).expect("sent");
        assert!(closes(stream, Duration::from_mins(1)), "8 MiB are not refused");
    }
    assert!(slowest(&mut witness, 20) < Duration::from_secs(1));
    drop(halves);
    let gone = || server.process().descriptors() <= files + 5;
    assert!(wait_until(Duration::from_mins(1), gone), "of {files} descriptors came {}", server.process().descriptors());
}

#[test]
fn a_storm_of_reconnects_leaves_nothing_behind() {
    let count = if full() { 20_000 } else { 1_500 };
    let (_dir, mut server, mut witness) = served("storm", "tickTime=500");
    // Some are of whatever else this process does: libraries in other languages let them be inherited.
    let files = server.process().descriptors();
    let port = server.port();
    let storm = |count: usize, witness: &mut Witness| {
        let (opened, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let client = || {
                loop {
                    let number = opened.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return over.store(true, Ordering::Relaxed);
                    }
                    let mut stream = socket(port);
                    stream.write_all(&handshake(1000)).expect("sent");
                    // Every other one leaves before its session is made.
                    if number % 2 == 0 {
                        stream.read_exact(&mut [0; 41]).expect("a session");
                    }
                }
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
            // Its session lasts 10 s here.
            while !over.load(Ordering::Relaxed) && !threads.iter().any(thread::ScopedJoinHandle::is_finished) {
                witness.ping().expect("it serves");
                thread::sleep(Duration::from_millis(200));
            }
        });
    };
    storm(count / 2, &mut witness);
    let settled =
        |server: &mut ZooKeeper| wait_until(Duration::from_mins(1), || server.process().descriptors() <= files + 5);
    assert!(settled(&mut server), "of {files} descriptors came {}", server.process().descriptors());
    let (memory, threads) = (server.process().resident_kib(), server.process().threads());
    storm(count, &mut witness);
    assert!(settled(&mut server), "of {files} descriptors came {}", server.process().descriptors());
    witness.ping().expect("it serves");
    // The sessions end, and with them what the server knew of them.
    thread::sleep(Duration::from_secs(3));
    witness.ping().expect("it serves");
    let grown = server.process().resident_kib().saturating_sub(memory);
    eprintln!("{count} connections, {grown} KiB more than before");
    assert!(grown < 16 * 1024, "{grown} KiB more than before");
    assert!(server.process().threads() <= threads + 1);
}
