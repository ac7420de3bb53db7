//! Sessions that end, come back and race: what belongs to them goes exactly once, and no number is given twice.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use tests::{Body, Kind, Mode, Pulse, Session, TempDir, WallClock, ZooKeeper, full, wait_until};

const NODE_DELETED: i32 = 2;
/// Sessions may then be as short as a second.
const TICK: &str = "tickTime=500";

#[test]
fn a_silent_session_ends_once_and_its_client_hears_of_it() {
    let dir = TempDir::new("expiry");
    let server = ZooKeeper::start_with(Kind::Ours, dir.path(), TICK);
    let timeout = Duration::from_secs(3);
    let mut owner = Session::open(server.port(), timeout.as_millis() as i32).expect("a session");
    for index in 0..20 {
        owner.create(&format!("/e{index}"), b"", Mode::Ephemeral).expect("an answer").expect("it is made");
    }
    let mut watcher = Session::open(server.port(), 10_000).expect("a session");
    for index in 0..20 {
        owner.ping().expect("it lives");
        assert!(watcher.exists(&format!("/e{index}"), true).expect("an answer"));
    }
    let silent_since = Instant::now();
    owner.ping().expect("it lives");
    let gone = wait_until(Duration::from_mins(1), || {
        watcher.ping().expect("it serves");
        watcher.events.len() == 20
    });
    assert!(gone, "{:?}", watcher.events);
    assert!(silent_since.elapsed() >= timeout, "nothing ends early");
    let told: BTreeSet<String> = watcher.events.iter().map(|(_, path)| path.clone()).collect();
    assert!(watcher.events.iter().all(|(kind, _)| *kind == NODE_DELETED) && told.len() == 20, "{:?}", watcher.events);
    // Nothing comes a second time, and the session does not come back.
    thread::sleep(Duration::from_millis(1200));
    watcher.ping().expect("it serves");
    assert_eq!(watcher.events.len(), 20);
    assert!(owner.resume(server.port()).is_err(), "the session is over");
    assert!(owner.ping().is_err(), "its old connection is closed");
}

#[test]
fn a_session_that_moves_keeps_what_is_its_own() {
    let dir = TempDir::new("moving");
    let mut server = ZooKeeper::start_with(Kind::Ours, dir.path(), TICK);
    let mut session = Session::open(server.port(), 8000).expect("a session");
    session.create("/mine", b"", Mode::Ephemeral).expect("an answer").expect("it is made");
    let mut moved = session.resume(server.port()).expect("the session lives");
    assert!(session.ping().is_err(), "the old connection is closed");
    assert!(moved.exists("/mine", false).expect("an answer"));
    server.kill();
    server.run();
    let mut again = moved.resume(server.port()).expect("the session lives on");
    assert!(again.exists("/mine", false).expect("an answer"));
}

#[test]
fn sequential_names_of_a_hundred_clients_that_reconnect_are_all_different() {
    const CLIENTS: usize = 100;
    let each = if full() { 200 } else { 15 };
    let dir = TempDir::new("sequential");
    let server = ZooKeeper::start_with(Kind::Ours, dir.path(), TICK);
    let port = server.port();
    let mut root = Session::open(port, 20_000).expect("a session");
    root.create("/queue", b"", Mode::Persistent).expect("an answer").expect("it is made");
    let names = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let names = &names;
            scope.spawn(move || {
                let mut session = Session::open(port, 10_000).expect("a session");
                let mut made = Vec::new();
                for index in 0..each {
                    // Some requests are under way when their connection is given up: nobody knows what becomes of them.
                    if index % 5 == client % 5 {
                        let mode = if client % 2 == 0 { Mode::Sequential } else { Mode::EphemeralSequential };
                        session.ask_create("/queue/n-", b"lost", mode).expect("it can be sent");
                        session = session.resume(port).expect("the session lives");
                    }
                    let name = session.create("/queue/n-", b"x", Mode::Sequential).expect("an answer");
                    made.push(name.expect("it is made"));
                }
                let rises = made.windows(2).all(|pair| pair[0] < pair[1]);
                assert!(rises, "the numbers of one client rise: {made:?}");
                names.lock().expect("nobody panicked").extend(made);
            });
        }
    });
    let names = names.into_inner().expect("nobody panicked");
    let different: BTreeSet<&String> = names.iter().collect();
    assert_eq!(different.len(), CLIENTS * each, "a number was given twice");
    for name in names.iter().step_by(37) {
        assert_eq!(root.get(name, false).expect("an answer").expect("it is there"), b"x");
    }
}

#[test]
fn ephemerals_of_many_sessions_end_together_and_others_are_served() {
    let (sessions, each) = if full() { (1000, 100) } else { (100, 50) };
    let dir = TempDir::new("many-ephemerals");
    let server = ZooKeeper::start_with(Kind::Ours, dir.path(), TICK);
    let port = server.port();
    let mut witness = Session::open(port, 10_000).expect("a session");
    witness.create("/crowd", b"", Mode::Persistent).expect("an answer").expect("it is made");
    let mut crowd: Vec<Session> = Vec::new();
    let mut pinged = Instant::now();
    for number in 0..sessions {
        let mut session = Session::open(port, 10_000).expect("a session");
        let asked: Vec<i32> = (0..each)
            .map(|index| session.ask_create(&format!("/crowd/{number}-{index}"), b"", Mode::Ephemeral).expect("sent"))
            .collect();
        for xid in asked {
            session.answer(xid).expect("an answer").expect("it is made");
        }
        crowd.push(session);
        witness.ping().expect("it serves");
        // On a slow disk the first ones would be over before the last ones are made.
        if number + 1 == sessions || pinged.elapsed() > Duration::from_secs(1) {
            for session in &mut crowd {
                session.ping().expect("it lives");
            }
            pinged = Instant::now();
        }
    }
    let pulse = Pulse::start(dir.path());
    let silent_since = Instant::now();
    let mut slowest = Duration::ZERO;
    loop {
        let took = pulse.time(|| witness.set("/crowd", b"still").expect("an answer").expect("it is set"));
        slowest = slowest.max(took);
        if witness.child_count("/crowd").expect("an answer") == 0 {
            break;
        }
        assert!(silent_since.elapsed() < Duration::from_mins(1), "the ephemerals do not go");
        thread::sleep(Duration::from_millis(2));
    }
    eprintln!("{} ephemerals gone, slowest answer of another client {slowest:?}", sessions * each);
    assert!(slowest < Duration::from_secs(2), "another client waited {slowest:?}");
}

#[test]
fn one_session_with_very_many_ephemerals_ends_and_its_log_can_be_read_by_apache() {
    let count = if full() { 100_000 } else { 12_000 };
    let dir = TempDir::new("one-owner");
    let mut server = ZooKeeper::start_with(Kind::Ours, dir.path(), TICK);
    let mut owner = Session::open(server.port(), 4000).expect("a session");
    let long = "l".repeat(if full() { 40 } else { 180 });
    let mut asked = Vec::new();
    for index in 0..count {
        asked.push(owner.ask_create(&format!("/{long}{index}"), b"", Mode::Ephemeral).expect("sent"));
        if asked.len() == 100 {
            for xid in asked.drain(..) {
                owner.answer(xid).expect("an answer").expect("it is made");
            }
        }
    }
    let mut witness = Session::open(server.port(), 20_000).expect("a session");
    // `getAllChildrenNumber`: a listing of so many names would be too long for a client.
    let mut left = || {
        let answer = witness.call(104, &Body::default().text("/").0).expect("an answer").expect("a number");
        i32::from_be_bytes(answer[..4].try_into().expect("four bytes"))
    };
    assert!(left() >= count);
    assert!(wait_until(Duration::from_mins(1), || left() < 10), "the ephemerals do not go");
    server.stop();
    server.restart_as(Kind::Apache);
    let mut there = Session::open(server.port(), 10_000).expect("Apache's server has read the log");
    assert!(!there.exists(&format!("/{long}0"), false).expect("an answer"));
    assert!(owner.resume(server.port()).is_err(), "the session is over there, too");
}

#[test]
fn a_jump_of_the_clock_ends_no_session() {
    let dir = TempDir::new("clock");
    let clock = WallClock::new(dir.path());
    let mut server = ZooKeeper::start_with(Kind::Ours, dir.path(), TICK);
    server.stop();
    server.run_under(&clock.words().iter().map(String::as_str).collect::<Vec<_>>());
    server.run();
    let mut session = Session::open(server.port(), 10_000).expect("a session");
    session.create("/mine", b"", Mode::Ephemeral).expect("an answer").expect("it is made");
    let mut ctimes = Vec::new();
    for jump in ["+3600", "-3600", "+0"] {
        clock.set(jump);
        let name = format!("/at{jump}");
        session.create(&name, b"", Mode::Persistent).expect("an answer").expect("it is made");
        // The session goes on, in its own time, whatever the wall says.
        for _ in 0..8 {
            thread::sleep(Duration::from_millis(200));
            session.ping().expect("the session lives");
        }
        assert!(session.exists("/mine", false).expect("an answer"), "after {jump}");
        let stat =
            session.call(3, &Body::default().text(&name).flag(false).0).expect("an answer").expect("it is there");
        ctimes.push(i64::from_be_bytes(stat[16..24].try_into().expect("eight bytes")));
    }
    assert!(ctimes[0] - ctimes[1] > 7_000_000, "the clock did jump: {ctimes:?}");
    // A silent one ends all the same.
    let quiet = Session::open(server.port(), 1000).expect("a session");
    clock.set("-3600");
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        session.ping().expect("the session lives");
        thread::sleep(Duration::from_millis(100));
    }
    assert!(quiet.resume(server.port()).is_err(), "an hour back on the wall gave a session more time");
}
