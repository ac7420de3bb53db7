//! What a directory can hold: every kind of transaction and znode, ACLs, quotas, sessions that live on; and that all of it
//! goes on being what it is.

use tests::{Body, Cursor, Session, ZooKeeper, buffer};

use super::{Node, Seen, gone, next_number, stat_of};

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const GET_DATA: i32 = 4;
const SET_DATA: i32 = 5;
const SET_ACL: i32 = 7;
const CHECK: i32 = 13;
const MULTI: i32 = 14;
const CREATE2: i32 = 15;
const CREATE_CONTAINER: i32 = 19;
const CREATE_TTL: i32 = 21;
const AUTH: i32 = 100;
const EPHEMERALS: i32 = 103;

const PERSISTENT: i32 = 0;
const EPHEMERAL: i32 = 1;
const SEQUENTIAL: i32 = 2;
const EPHEMERAL_SEQUENTIAL: i32 = 3;
const CONTAINER: i32 = 4;
const TTL: i32 = 5;
const TTL_SEQUENTIAL: i32 = 6;

const NO_NODE: i32 = -101;
const NO_AUTH: i32 = -102;
const BAD_VERSION: i32 = -103;
const NODE_EXISTS: i32 = -110;
const NOT_EMPTY: i32 = -111;
const QUOTA_EXCEEDED: i32 = -125;

/// A day: it does not run out here.
const LONG: i64 = 86_400_000;
const SHORT: i64 = 300;

type Acl = [(i32, &'static str, &'static str)];

const OPEN: &Acl = &[(31, "world", "anyone")];
const ALICE: &str = "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=";

/// By name: ACLs of every scheme that needs no set-up. `auth` becomes the ids of who sets it.
const ACLS: [(&str, &Acl); 7] = [
    ("read-only", &[(1, "world", "anyone")]),
    ("digest", &[(31, "digest", ALICE), (1, "world", "anyone")]),
    ("alice-only", &[(31, "digest", ALICE)]),
    ("creator", &[(31, "auth", "")]),
    ("here", &[(31, "ip", "127.0.0.1")]),
    ("elsewhere", &[(31, "ip", "10.0.0.0/8"), (16, "world", "anyone")]),
    ("many", &[(1, "world", "anyone"), (2, "digest", ALICE), (4, "ip", "127.0.0.1"), (8, "digest", "bob:x")]),
];

/// Limited paths with their limits. Soft ones are only told of in the log.
const QUOTAS: [(&str, &str); 5] = [
    ("soft-count", "count=2,bytes=-1=;byteHardLimit=-1;countHardLimit=-1"),
    ("soft-bytes", "count=-1,bytes=10=;byteHardLimit=-1;countHardLimit=-1"),
    ("hard-count", "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3"),
    ("hard-bytes", "count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=-1"),
    ("all", "count=1,bytes=5=;byteHardLimit=1000;countHardLimit=100"),
];
/// Its usage says something else than what can be counted.
const WRONG: &str = "wrong";

/// Sessions that live when the server ends.
pub(super) struct Living {
    name: String,
    /// Is taken up again.
    owner: Session,
    /// Is never heard of again.
    silent: Session,
}

impl Living {
    pub(super) fn keep_alive(&mut self) {
        self.owner.ping().expect("it serves");
        self.silent.ping().expect("it serves");
    }
}

/// What a znode of usage has to say as soon as a server has started with a snapshot that has it, if it said otherwise.
pub(super) fn counted_anew(path: &str) -> Option<&'static str> {
    (path.ends_with("/wrong/zookeeper_stats")).then_some("count=2,bytes=7")
}

/// A request that is to succeed.
fn done(session: &mut Session, op: i32, body: &Body) -> Vec<u8> {
    session.call(op, &body.0).expect("an answer").unwrap_or_else(|error| panic!("op {op}: error {error}"))
}

/// A request that is to fail.
fn fails(session: &mut Session, op: i32, body: &Body, error: i32) {
    assert_eq!(session.call(op, &body.0).expect("an answer"), Err(error), "op {op}");
}

fn new(path: &str, data: Option<&[u8]>, acl: &Acl, mode: i32) -> Body {
    Body::default().text(path).data(data).acl(acl).int(mode)
}

/// Makes a znode; its name.
fn make(session: &mut Session, op: i32, path: &str, mode: i32) -> String {
    let mut body = new(path, Some(b"made"), OPEN, mode);
    if op == CREATE_TTL {
        body = body.long(LONG);
    }
    Cursor(&done(session, op, &body)).text()
}

fn set(path: &str, data: Option<&[u8]>, version: i32) -> Body {
    Body::default().text(path).data(data).int(version)
}

fn of_version(path: &str, version: i32) -> Body {
    Body::default().text(path).int(version)
}

fn authenticate(session: &mut Session, who: &str) {
    done(session, AUTH, &Body::default().int(0).text("digest").text(who));
}

/// Fills a tree of this name, from several sessions, two of which live on.
pub(super) fn fill(port: u16, name: &str) -> Living {
    let mut session = Session::open(port, 60_000).expect("a session");
    make(&mut session, CREATE, name, PERSISTENT);
    plain(&mut session, name);
    containers_and_ttls(&mut session, name);
    acls(&mut session, name);
    multis(&mut session, name);
    quotas(&mut session, name);
    // The reaper has been there before anybody looks. It may have asked twice for what it took, where a sync was slow;
    // the second time is a transaction as well, and comes before what is written from here on.
    for path in ["ttl-short", "container-emptied", "in-multi/container"] {
        gone(&mut session, &format!("{name}/{path}"));
    }
    // Enough for several logs and snapshots.
    for number in 0..120 {
        let path = make(&mut session, CREATE, &format!("{name}/fill-{number}"), PERSISTENT);
        match number % 3 {
            0 => done(&mut session, DELETE, &of_version(&path, -1)),
            1 => done(&mut session, SET_DATA, &set(&path, Some(&vec![b'x'; number]), 0)),
            _ => Vec::new(),
        };
    }
    close(&mut session);
    // Last, so that the one that is never heard of again lives on for long enough.
    sessions(port, name)
}

/// A session that is only left would end by itself, at a moment that nobody knows.
pub(super) fn close(session: &mut Session) {
    done(session, -11, &Body::default());
}

fn plain(session: &mut Session, name: &str) {
    done(session, CREATE, &new(&format!("{name}/nothing"), None, OPEN, PERSISTENT));
    done(session, CREATE, &new(&format!("{name}/empty"), Some(b""), OPEN, PERSISTENT));
    done(session, CREATE, &new(&format!("{name}/any"), Some(&(0..=255).collect::<Vec<u8>>()), OPEN, PERSISTENT));
    done(session, CREATE, &new(&format!("{name}/large"), Some(&vec![b'l'; 900_000]), OPEN, PERSISTENT));
    make(session, CREATE, &format!("{name}/nämé-日本"), PERSISTENT);
    let changed = make(session, CREATE2, &format!("{name}/create2"), PERSISTENT);
    for (op, mode) in [(CREATE, SEQUENTIAL), (CREATE2, SEQUENTIAL), (CREATE_TTL, TTL_SEQUENTIAL)] {
        make(session, op, &format!("{name}/seq-"), mode);
    }
    done(session, SET_DATA, &set(&changed, Some(b"one"), 0));
    done(session, SET_DATA, &set(&changed, Some(b"two"), -1));
    done(session, SET_DATA, &set(&changed, None, 2));
    fails(session, SET_DATA, &set(&changed, Some(b"three"), 7), BAD_VERSION);
    fails(session, CREATE, &new(name, None, OPEN, PERSISTENT), NODE_EXISTS);
    fails(session, CREATE, &new(&format!("/nowhere{name}"), None, OPEN, PERSISTENT), NO_NODE);
    fails(session, DELETE, &of_version(name, -1), NOT_EMPTY);
    let deep = ["", "/deep", "/deep/er", "/deep/er/still"].map(|path| format!("{name}{path}"));
    for path in &deep[1..] {
        make(session, CREATE, path, PERSISTENT);
    }
    done(session, DELETE, &of_version(&deep[3], 0));
}

fn containers_and_ttls(session: &mut Session, name: &str) {
    for path in ["container", "container-emptied"] {
        let path = make(session, CREATE_CONTAINER, &format!("{name}/{path}"), CONTAINER);
        make(session, CREATE, &format!("{path}/child"), PERSISTENT);
    }
    done(session, DELETE, &of_version(&format!("{name}/container-emptied/child"), -1));
    make(session, CREATE_CONTAINER, &format!("{name}/container-unused"), CONTAINER);
    make(session, CREATE_TTL, &format!("{name}/ttl-long"), TTL);
    for path in ["ttl-short", "ttl-parent"] {
        done(session, CREATE_TTL, &new(&format!("{name}/{path}"), Some(b"ttl"), OPEN, TTL).long(SHORT));
        if path == "ttl-parent" {
            make(session, CREATE, &format!("{name}/{path}/child"), PERSISTENT);
        }
    }
}

fn acls(session: &mut Session, name: &str) {
    authenticate(session, "alice:secret");
    let parent = make(session, CREATE, &format!("{name}/acls"), PERSISTENT);
    for (scheme, acl) in ACLS {
        done(session, CREATE, &new(&format!("{parent}/{scheme}"), Some(b"acl"), acl, PERSISTENT));
        let changed = make(session, CREATE, &format!("{parent}/changed-to-{scheme}"), PERSISTENT);
        done(session, SET_ACL, &Body::default().text(&changed).acl(acl).int(0));
    }
    fails(session, SET_ACL, &Body::default().text(&parent).acl(OPEN).int(9), BAD_VERSION);
    fails(session, GET_DATA, &Body::default().text(&format!("{parent}/elsewhere")).flag(false), NO_AUTH);
}

fn multis(session: &mut Session, name: &str) {
    let parent = make(session, CREATE, &format!("{name}/in-multi"), PERSISTENT);
    let at = |child: &str| format!("{parent}/{child}");
    let kinds = Body::default()
        .operation(CREATE, &new(&at("plain"), Some(b"1"), OPEN, PERSISTENT))
        .operation(CREATE2, &new(&at("seq-"), None, OPEN, SEQUENTIAL))
        .operation(CREATE_CONTAINER, &new(&at("container"), None, OPEN, CONTAINER))
        .operation(CREATE, &new(&at("container/child"), None, OPEN, PERSISTENT))
        .operation(CREATE_TTL, &new(&at("ttl"), Some(b"2"), OPEN, TTL).long(LONG))
        .operation(SET_DATA, &set(&at("plain"), Some(b"3"), 0))
        .operation(CHECK, &of_version(&at("plain"), 1))
        .operation(CREATE, &new(&at("short-lived"), None, OPEN, PERSISTENT))
        .operation(DELETE, &of_version(&at("short-lived"), -1))
        .operation(DELETE, &of_version(&at("container/child"), -1));
    done(session, MULTI, &kinds.end());
    // Those that fail leave nothing but their number.
    let fails_at_check = Body::default()
        .operation(CREATE, &new(&at("never"), None, OPEN, PERSISTENT))
        .operation(CHECK, &of_version(&at("plain"), 9));
    let fails_at_create =
        Body::default().operation(SET_DATA, &set(&at("plain"), None, -1)).operation(CREATE, &new(name, None, OPEN, 0));
    for body in [fails_at_check, fails_at_create, Body::default()] {
        done(session, MULTI, &body.end());
    }
    assert!(!session.exists(&at("never"), false).expect("an answer"));
}

fn quotas(session: &mut Session, name: &str) {
    let parent = make(session, CREATE, &format!("{name}/quotas"), PERSISTENT);
    let at = format!("/zookeeper/quota{parent}");
    for path in [format!("/zookeeper/quota{name}"), at.clone()] {
        make(session, CREATE, &path, PERSISTENT);
    }
    for (path, limits) in QUOTAS {
        done(session, CREATE, &new(&format!("{parent}/{path}"), Some(b""), OPEN, PERSISTENT));
        limit(session, &format!("{at}/{path}"), limits, "count=1,bytes=0");
        for child in ["a", "b"] {
            done(session, CREATE, &new(&format!("{parent}/{path}/{child}"), Some(b"seven.."), OPEN, PERSISTENT));
        }
    }
    done(session, CREATE, &new(&format!("{parent}/{WRONG}"), Some(b""), OPEN, PERSISTENT));
    limit(session, &format!("{at}/{WRONG}"), QUOTAS[4].1, "count=70,bytes=70");
    done(session, CREATE, &new(&format!("{parent}/{WRONG}/a"), Some(b"seven.."), OPEN, PERSISTENT));
    limits_hold(session, &parent);
}

fn limit(session: &mut Session, at: &str, limits: &str, usage: &str) {
    make(session, CREATE, at, PERSISTENT);
    done(session, CREATE, &new(&format!("{at}/zookeeper_limits"), Some(limits.as_bytes()), OPEN, PERSISTENT));
    done(session, CREATE, &new(&format!("{at}/zookeeper_stats"), Some(usage.as_bytes()), OPEN, PERSISTENT));
}

/// More znodes and more bytes: allowed where the limits are soft, and counted.
fn limits_hold(session: &mut Session, parent: &str) {
    for (path, _) in QUOTAS {
        let more = format!("{parent}/{path}/more");
        let create = new(&more, Some(b""), OPEN, PERSISTENT);
        let grow = set(&format!("{parent}/{path}/a"), Some(&[b'g'; 14]), -1);
        for (op, body, refused) in [(CREATE, create, "hard-count"), (SET_DATA, grow, "hard-bytes")] {
            let answer = session.call(op, &body.0).expect("an answer").err();
            assert_eq!(answer, (path == refused).then_some(QUOTA_EXCEEDED), "{path}: op {op}");
        }
        let (nodes, bytes) = match path {
            "hard-count" => (3, 21),
            "hard-bytes" => (4, 14),
            _ => (4, 21),
        };
        let usage = session.get(&format!("/zookeeper/quota{parent}/{path}/zookeeper_stats"), false);
        let usage = String::from_utf8(usage.expect("an answer").expect("it is there")).expect("text");
        assert_eq!(usage, format!("count={nodes},bytes={bytes}"), "{path}");
        // As it was.
        done(session, SET_DATA, &set(&format!("{parent}/{path}/a"), Some(b"seven.."), -1));
        if path != "hard-count" {
            done(session, DELETE, &of_version(&more, -1));
        }
    }
}

fn sessions(port: u16, name: &str) -> Living {
    let mut closes = Session::open(port, 20_000).expect("a session");
    make(&mut closes, CREATE, &format!("{name}/of-closed"), EPHEMERAL);
    make(&mut closes, CREATE, &format!("{name}/of-closed-"), EPHEMERAL_SEQUENTIAL);
    let multi = new(&format!("{name}/of-closed-by-multi"), None, OPEN, EPHEMERAL);
    done(&mut closes, MULTI, &Body::default().operation(CREATE, &multi).end());
    close(&mut closes);

    let mut owner = Session::open(port, 90_000).expect("a session");
    make(&mut owner, CREATE, &format!("{name}/owned"), EPHEMERAL);
    make(&mut owner, CREATE2, &format!("{name}/owned-"), EPHEMERAL_SEQUENTIAL);
    let multi = new(&format!("{name}/owned-by-multi"), None, OPEN, EPHEMERAL);
    done(&mut owner, MULTI, &Body::default().operation(CREATE, &multi).end());
    // It is waited for, and yet outlives the start of the next server and a look at all that is there.
    let mut silent = Session::open(port, 20_000).expect("a session");
    make(&mut silent, CREATE, &format!("{name}/of-silent"), EPHEMERAL);
    Living { name: name.to_owned(), owner, silent }
}

/// All of it is still what it was, for another server.
pub(super) fn go_on(server: &ZooKeeper, seen: &Seen, living: Living) {
    let Living { name, owner, silent } = living;
    let port = server.port();
    let mut owner = owner.resume(port).expect("the session lives");
    let mut visitor = Session::open(port, 60_000).expect("a session");
    permissions_hold(&mut visitor, &format!("{name}/acls"), seen);
    limits_hold(&mut visitor, &format!("{name}/quotas"));

    let next = next_number(&stat_of(&mut owner, &name));
    let number = make(&mut owner, CREATE, &format!("{name}/owned-"), EPHEMERAL_SEQUENTIAL);
    assert_eq!(number, format!("{name}/owned-{next:010}"));
    let listed = done(&mut owner, EPHEMERALS, &Body::default().text(&name));
    let listed = Cursor(&listed).texts();
    let owned: Vec<&String> =
        seen.tree.iter().filter(|(_, node)| owner_of(node) == owner.id).map(|(path, _)| path).collect();
    assert_eq!(owned.len(), 3, "{owned:?}");
    assert!(
        listed.len() == 4 && listed.contains(&number) && owned.iter().all(|path| listed.contains(path)),
        "{listed:?}"
    );

    // What the first server made the second reaps.
    for path in ["container", "ttl-parent"] {
        done(&mut visitor, DELETE, &of_version(&format!("{name}/{path}/child"), 0));
        gone(&mut visitor, &format!("{name}/{path}"));
    }
    assert!(visitor.exists(&format!("{name}/ttl-long"), false).expect("an answer"));
    gone(&mut visitor, &format!("{name}/of-silent"));
    assert!(silent.resume(port).is_err(), "its session is over");
    close(&mut owner);
    for path in listed {
        assert!(!visitor.exists(&path, false).expect("an answer"), "{path} is there after its session");
    }
    done(&mut visitor, SET_DATA, &set(&format!("{name}/create2"), Some(b"on and on"), 3));
    close(&mut visitor);
}

fn owner_of(node: &Node) -> i64 {
    Cursor(&node.stat[44..]).long()
}

fn permissions_hold(visitor: &mut Session, parent: &str, seen: &Seen) {
    let may = |session: &mut Session, path: &str| {
        let read = session.call(GET_DATA, &Body::default().text(path).flag(false).0).expect("an answer");
        let write = session.call(SET_DATA, &set(path, Some(b"acl"), -1).0).expect("an answer");
        [read.is_ok(), write.is_ok()]
    };
    // For a stranger, and for who has authenticated.
    let expected = [
        ("read-only", [true, false], [true, false]),
        ("digest", [true, false], [true, true]),
        ("alice-only", [false, false], [true, true]),
        ("creator", [false, false], [true, true]),
        ("here", [true, true], [true, true]),
        ("elsewhere", [false, false], [false, false]),
        ("many", [true, false], [true, true]),
    ];
    for (scheme, stranger, _) in expected {
        for path in [format!("{parent}/{scheme}"), format!("{parent}/changed-to-{scheme}")] {
            assert_eq!(may(visitor, &path), stranger, "{path}");
        }
    }
    authenticate(visitor, "alice:secret");
    for (scheme, _, alice) in expected {
        for path in [format!("{parent}/{scheme}"), format!("{parent}/changed-to-{scheme}")] {
            assert_eq!(may(visitor, &path), alice, "{path}");
        }
    }
    let creators = &seen.tree[&format!("{parent}/creator")].acl;
    let hash = buffer(ALICE.as_bytes());
    assert!(creators.windows(hash.len()).any(|part| part == hash), "the ids of who made it");
}
