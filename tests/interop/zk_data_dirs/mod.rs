//! The coordination server's data directory carried between ours and Apache's, in both directions and back, stopped or
//! killed in the middle of writes, with everything in it that a directory can hold: see [`content`].

mod content;
mod files;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use tests::{Body, Cursor, Kind, Mode, Session, TempDir, ZooKeeper};

use Kind::{Apache as Theirs, Ours};
use content::{close, fill, go_on};

/// A snapshot every hundred transactions or so; a session may be silent for long, because a JVM has to start meanwhile.
const SETTINGS: &str = "tickTime=500\nmaxSessionTimeout=120000\nsnapCount=100\npreAllocSize=64\nextendedTypesEnabled=true\n\
                        enforceQuota=true\n\
                        DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";
/// The reaper comes often: a system property, which each program has from a variable of its own.
const REAPER: &str = "-Dznode.container.checkIntervalMs=300";
/// Where writes are under way when a server is killed.
const FLIGHT: &str = "/flight";

/// How a server ends before its data is carried on.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Stopped,
    Killed,
}

#[test]
fn everything_ours_wrote_and_stopped_goes_to_apache_and_back() {
    carry("zk-ours-stopped", Ours, Theirs, End::Stopped);
}

#[test]
fn everything_ours_wrote_and_was_killed_goes_to_apache_and_back() {
    carry("zk-ours-killed", Ours, Theirs, End::Killed);
}

#[test]
fn everything_apache_wrote_and_stopped_goes_to_ours_and_back() {
    carry("zk-apache-stopped", Theirs, Ours, End::Stopped);
}

#[test]
fn everything_apache_wrote_and_was_killed_goes_to_ours_and_back() {
    carry("zk-apache-killed", Theirs, Ours, End::Killed);
}

fn carry(name: &str, from: Kind, to: Kind, end: End) {
    let dir = TempDir::new(name);
    let mut server = ZooKeeper::prepare(from, dir.path(), SETTINGS);
    server.run_under(&["env", &format!("JAVA_TOOL_OPTIONS={REAPER}"), &format!("SERVER_JVMFLAGS={REAPER}")]);
    server.run();
    let mut first = superuser(server.port());
    first.create(FLIGHT, b"", Mode::Persistent).expect("an answer").expect("it is made");
    close(&mut first);
    let mut living = fill(server.port(), "/first");
    let mut writer = from;
    let mut before_ours = Vec::new();
    for (kind, name) in [(to, "/second"), (from, "/third")] {
        living.keep_alive();
        let before = Seen::by_client(&server);
        let answered = take_down(&mut server, end);
        if writer == Ours {
            files::are_read_by_apaches_tools(&server.data(), &before_ours);
        }
        before_ours = files::snapshots_in(&server.data());
        let printed = output(&server).len();
        server.restart_as(kind);
        let after = Seen::by_client(&server);
        before.is_still_there_in(&after, end, answered);
        go_on(&server, &after, living);
        has_nothing_to_complain_of(&server, kind, printed);
        living = fill(server.port(), name);
        writer = kind;
    }
}

/// Ends the server; how many answers to the writes under way have come before.
fn take_down(server: &mut ZooKeeper, end: End) -> i64 {
    if end == End::Stopped {
        server.stop();
        return 0;
    }
    let mut writer = Session::open(server.port(), 10_000).expect("a session");
    let first = cversion_and_children(&stat_of(&mut writer, FLIGHT)).1;
    let asked: Vec<i32> = (0..300)
        .map(|number| {
            let path = format!("{FLIGHT}/n{:05}", first + number);
            writer.ask_create(&path, &[b'f'; 500], Mode::Persistent).expect("sent")
        })
        .collect();
    for xid in &asked[..40] {
        writer.answer(*xid).expect("an answer").expect("it is made");
    }
    server.kill();
    // What came before the end counts as well.
    let more = asked[40..].iter().take_while(|xid| writer.answer(**xid).is_ok_and(|answer| answer.is_ok())).count();
    i64::from(first) + 40 + more as i64
}

fn has_nothing_to_complain_of(server: &ZooKeeper, kind: Kind, printed: usize) {
    let counted = server.four_letter("mntr");
    let mismatches = counted.lines().find(|line| line.starts_with("zk_digest_mismatches_count"));
    assert_eq!(mismatches.and_then(|line| line.split_whitespace().nth(1)), Some("0"), "{kind:?}:\n{counted}");
    let output = output(server);
    for line in output[printed..].lines() {
        // Apache's says so when the client of a four-letter word was the first to close.
        let error = line.contains(" ERROR ") && !line.contains("Error closing a command socket");
        let complaint = error || line.contains("mismatch") || line.contains("panicked");
        assert!(!complaint, "{kind:?} says: {line}");
    }
}

fn output(server: &ZooKeeper) -> String {
    String::from_utf8_lossy(&fs::read(server.log()).expect("it prints")).into_owned()
}

/// A session that sees everything.
fn superuser(port: u16) -> Session {
    let mut session = Session::open(port, 60_000).expect("a session");
    let body = Body::default().int(0).text("digest").data(Some(b"super:admin"));
    session.call(100, &body.0).expect("an answer").expect("the superuser is known");
    session
}

/// Data (there may be none at all), counters and ACL of a znode, as they came over the wire.
#[derive(Debug, PartialEq, Clone)]
struct Node {
    data: Option<Vec<u8>>,
    stat: Vec<u8>,
    acl: Vec<u8>,
}

/// What a client sees of a server.
struct Seen {
    zxid: i64,
    tree: BTreeMap<String, Node>,
}

impl Seen {
    fn by_client(server: &ZooKeeper) -> Seen {
        let said = server.four_letter("srvr");
        let zxid = said.lines().find_map(|line| line.strip_prefix("Zxid: 0x")).expect("it tells");
        let zxid = i64::from_str_radix(zxid, 16).expect("a number");
        let mut session = superuser(server.port());
        let mut tree = BTreeMap::new();
        let mut open = vec!["/".to_owned()];
        while let Some(path) = open.pop() {
            let body = Body::default().text(&path);
            let mut read = |op, body: Body| session.call(op, &body.0).expect("an answer").expect("it can be read");
            let names = Cursor(&read(8, body.clone().flag(false))).texts();
            open.extend(names.iter().map(|name| format!("{}/{name}", path.trim_end_matches('/'))));
            let got = read(4, body.clone().flag(false));
            let mut cursor = Cursor(&got);
            let data = cursor.data().map(<[u8]>::to_vec);
            let stat = cursor.0.to_vec();
            let acl = read(6, body);
            assert!(acl.ends_with(&stat), "two counters of {path}");
            tree.insert(path, Node { data, acl: acl[..acl.len() - stat.len()].to_vec(), stat });
        }
        close(&mut session);
        Seen { zxid, tree }
    }

    fn is_still_there_in(&self, after: &Seen, end: End, answered: i64) {
        for (path, node) in &self.tree {
            let found = after.tree.get(path);
            if path.starts_with(FLIGHT) && end == End::Killed {
                assert!(found.is_some(), "{path} is gone");
            } else if let Some(truth) = content::counted_anew(path) {
                assert_eq!(found.and_then(|node| node.data.as_deref()), Some(truth.as_bytes()), "{path}");
            } else {
                assert_eq!(found, Some(node), "{path} is not as it was");
            }
        }
        let mut new: Vec<&String> = after.tree.keys().filter(|path| !self.tree.contains_key(*path)).collect();
        let in_flight = new.iter().filter(|path| path.starts_with(FLIGHT)).count() as i64;
        new.retain(|path| !path.starts_with(FLIGHT));
        assert!(new.is_empty(), "what is {new:?}?");
        let (cversion, children) = cversion_and_children(&after.tree[FLIGHT].stat);
        assert_eq!(cversion, children, "created one after the other");
        assert!(i64::from(children) >= answered, "{children} are left of {answered} that were acknowledged");
        let last = format!("{FLIGHT}/n{:05}", children - 1);
        assert!(children == 0 || after.tree.contains_key(&last), "of some writes under way the first are there");
        // The first look's session begins and ends behind its number; the one of the writes under way begins.
        let sessions = if end == End::Killed { 3 } else { 2 };
        assert_eq!(after.zxid, self.zxid + in_flight + sessions, "transactions");
    }
}

fn cversion_and_children(stat: &[u8]) -> (i32, i32) {
    let mut cursor = Cursor(&stat[36..]);
    let cversion = cursor.int();
    cursor.take(16);
    (cversion, cursor.int())
}

/// The number that the next sequential name below a znode has: how many children were ever made.
fn next_number(stat: &[u8]) -> i32 {
    let (cversion, children) = cversion_and_children(stat);
    i32::midpoint(cversion, children)
}

fn stat_of(session: &mut Session, path: &str) -> Vec<u8> {
    session.call(3, &Body::default().text(path).flag(false).0).expect("an answer").expect("it is there")
}

fn gone(session: &mut Session, path: &str) {
    let gone = tests::wait_until(Duration::from_mins(1), || !session.exists(path, false).expect("it serves"));
    assert!(gone, "{path} does not go");
}
