//! Random requests over a few znodes, so that they meet.

use tests::Body;

/// A small generator of numbers; the same seed gives the same history.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % end
    }

    pub(super) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Which of Apache's servers is beside ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// 3.8: see [`History::watches`].
    V38,
    /// 3.9.
    V39,
}

/// What a session does next.
#[derive(Debug)]
pub(super) enum Step {
    /// A request: op and body.
    Ask { op: i32, body: Body },
    /// The connection breaks and the session comes back.
    Reconnect,
    /// The session ends, and a new one begins in its place.
    Close,
}

type Acl = [(i32, &'static str, &'static str)];

const ALICE: &str = "digest";
const ALICE_ID: &str = "alice:aYXlLOpEooaV1cRAvUL1fp9Qt7E=";

const ACLS: [&Acl; 9] = [
    &[(31, "world", "anyone")],
    &[(1, "world", "anyone")],
    &[(31, "auth", "")],
    &[(31, ALICE, ALICE_ID), (1, "world", "anyone")],
    &[(31, "ip", "127.0.0.1")],
    &[(15, "ip", "10.0.0.0/8"), (17, "world", "anyone"), (17, "world", "anyone")],
    &[],
    &[(31, "ip", "1.2.3")],
    &[(31, "nobody", "knows")],
];

/// Usage, and limits.
const QUOTAS: [&str; 4] = [
    "count=0,bytes=0",
    "count=3,bytes=10",
    "count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=-1",
    "count=1,bytes=1=;byteHardLimit=-1;countHardLimit=4",
];

/// The requests of a history.
pub(super) struct History {
    pub(super) random: Random,
    line: Line,
    /// Paths that were answered: sequential names among them.
    pub(super) known: Vec<String>,
}

impl History {
    pub(super) fn new(seed: u64, line: Line) -> History {
        History { random: Random::new(seed), line, known: Vec::new() }
    }

    pub(super) fn step(&mut self) -> Step {
        match self.random.below(100) {
            0..=1 => return Step::Reconnect,
            2 => return Step::Close,
            _ => {}
        }
        let (op, body) = match self.random.below(100) {
            0..=23 => self.create(),
            24..=31 => (2, self.path_and_version()),
            32..=41 => (5, self.set_data()),
            42..=45 => self.set_acl(),
            46..=69 => self.read(),
            70..=80 => self.multi(),
            81..=83 => self.multi_read(),
            84..=93 => self.watches(),
            94..=95 => self.quota(),
            96..=97 => self.auth(),
            _ => self.nonsense(),
        };
        Step::Ask { op, body }
    }

    fn path(&mut self) -> String {
        if !self.known.is_empty() && self.random.one_in(3) {
            return self.random.pick(&self.known).clone();
        }
        let depth = *self.random.pick(&[1, 1, 1, 2, 2, 3]);
        (0..depth).flat_map(|_| ["/", *self.random.pick(&["a", "b", "p", "r"])]).collect()
    }

    /// Now and then one that is not legal, or the system's.
    fn any_path(&mut self) -> String {
        if self.random.one_in(20) {
            let odd = ["/", "", "a", "/a/", "//", "/a//b", "/.", "/a\u{1}", "/zookeeper", "/zookeeper/config", "/a\0"];
            return (*self.random.pick(&odd)).to_owned();
        }
        self.path()
    }

    /// Below the quotas only what reads as limits or usage: anything else there ends Apache's server at the next change.
    fn data_for(&mut self, path: &str) -> Option<Vec<u8>> {
        if path.starts_with("/zookeeper/quota/") {
            return Some(self.random.pick(&QUOTAS).as_bytes().to_vec());
        }
        self.data()
    }

    fn data(&mut self) -> Option<Vec<u8>> {
        match self.random.below(6) {
            0 => None,
            1 => Some(Vec::new()),
            len => Some(vec![b'x'; len * len]),
        }
    }

    fn acl(&mut self) -> &'static Acl {
        if self.random.one_in(3) { ACLS[self.random.below(ACLS.len())] } else { ACLS[0] }
    }

    fn version(&mut self) -> i32 {
        *self.random.pick(&[-1, -1, -1, 0, 0, 1, 2, 7])
    }

    fn create(&mut self) -> (i32, Body) {
        let path = self.any_path();
        let (data, acl) = (self.data_for(&path), self.acl());
        let body = Body::default().text(&path).data(data.as_deref()).acl(acl);
        let odd = self.random.one_in(15);
        match self.random.below(12) {
            0 => (19, body.int(if odd { self.random.below(8) as i32 } else { 4 })),
            1 => {
                // Without a time to live a znode of another kind would be made, and end Apache's server.
                let ttls = [1_000_000_000, 0, -1, 0xff_ffff_ffff, 0x100_0000_0000];
                let (flags, ttl) = if odd {
                    (self.random.below(8) as i32, ttls[0])
                } else {
                    (*self.random.pick(&[5, 6]), *self.random.pick(&ttls))
                };
                (21, body.int(flags).long(ttl))
            }
            other => {
                let mut flags =
                    if odd { self.random.below(9) as i32 - 1 } else { *self.random.pick(&[0, 0, 0, 1, 2, 3]) };
                // Limits that end with a session count what ends with them or not, as they come earlier or later in the
                // hash table of its ephemerals.
                if path.starts_with("/zookeeper/quota/") && matches!(flags, 1 | 3) {
                    flags -= 1;
                }
                (if other < 6 { 15 } else { 1 }, body.int(flags))
            }
        }
    }

    fn path_and_version(&mut self) -> Body {
        let (path, version) = (self.any_path(), self.version());
        Body::default().text(&path).int(version)
    }

    fn set_data(&mut self) -> Body {
        let path = self.any_path();
        let (data, version) = (self.data_for(&path), self.version());
        Body::default().text(&path).data(data.as_deref()).int(version)
    }

    fn set_acl(&mut self) -> (i32, Body) {
        let (path, acl, version) = (self.any_path(), ACLS[self.random.below(ACLS.len())], self.version());
        (7, Body::default().text(&path).acl(acl).int(version))
    }

    fn read(&mut self) -> (i32, Body) {
        let path = self.any_path();
        let watch = self.random.one_in(2) && (self.line == Line::V39 || kind_of(&path) == Watch::Once);
        match self.random.below(12) {
            0..=3 => (3, Body::default().text(&path).flag(watch)),
            4..=6 => (4, Body::default().text(&path).flag(watch)),
            7 => (8, Body::default().text(&path).flag(watch)),
            8 => (12, Body::default().text(&path).flag(watch)),
            9 => (6, Body::default().text(&path)),
            10 => (*self.random.pick(&[9, 103, 104]), Body::default().text(&path)),
            _ => (*self.random.pick(&[11, 107]), Body::default()),
        }
    }

    /// Kinds of watches. A 3.8 server keeps one kind for each connection and path, and half of a persistent watch can be
    /// removed; 3.9 keeps them apart. So beside 3.8 a path has watches of one kind only, by its last name, and all are
    /// removed at once.
    fn watches(&mut self) -> (i32, Body) {
        let path = self.path();
        let (modes, kinds): (&[i32], &[i32]) = match (self.line, kind_of(&path)) {
            (Line::V39, _) => (&[0, 1, 2], &[1, 2, 3, 4, 5, 9]),
            (Line::V38, Watch::Once) => (&[2], &[1, 2, 3, 9]),
            (Line::V38, Watch::Persistent) => (&[0], &[3]),
            (Line::V38, Watch::Recursive) => (&[1], &[3]),
        };
        match self.random.below(10) {
            0..=4 => (106, Body::default().text(&path).int(*self.random.pick(modes))),
            5..=7 => self.remove_or_check(&path, kinds),
            _ => self.set_watches(),
        }
    }

    fn remove_or_check(&mut self, path: &str, kinds: &[i32]) -> (i32, Body) {
        let kind = *self.random.pick(kinds);
        // Beside 3.8, which says that there is a watch whoever watches, nobody asks.
        let op = if self.line == Line::V39 && self.random.one_in(2) { 17 } else { 18 };
        (op, Body::default().text(path).int(kind))
    }

    fn set_watches(&mut self) -> (i32, Body) {
        let mut paths = |wanted: &[Watch]| -> Vec<String> {
            let count = self.random.below(3);
            let all: Vec<String> = (0..count).map(|_| self.path()).collect();
            all.into_iter().filter(|path| self.line == Line::V39 || wanted.contains(&kind_of(path))).collect()
        };
        let lists = [(); 3].map(|()| paths(&[Watch::Once]));
        let persistent = [paths(&[Watch::Persistent]), paths(&[Watch::Recursive])];
        let since = self.random.below(200) as i64;
        let body = lists.iter().fold(Body::default().long(since), |body, list| body.texts(list));
        if self.random.one_in(2) {
            (101, body)
        } else {
            (105, persistent.iter().fold(body, |body, list| body.texts(list)))
        }
    }

    fn multi(&mut self) -> (i32, Body) {
        let mut body = Body::default();
        for _ in 0..self.random.below(5) {
            let (op, part) = match self.random.below(10) {
                0..=3 => self.create_in_multi(),
                4..=5 => (2, self.path_and_version()),
                6..=7 => (5, self.set_data()),
                _ => (13, self.path_and_version()),
            };
            body = body.operation(op, &part);
        }
        // Now and then an operation that is not legal there.
        if self.random.one_in(30) {
            body = body.operation(4, &Body::default().text("/a").flag(false));
        }
        (14, body.end())
    }

    /// None that needs a time to live and has none: it cannot be read, and Apache takes no zxid for it then.
    fn create_in_multi(&mut self) -> (i32, Body) {
        loop {
            let (op, body) = self.create();
            let flags = body.0.last().copied();
            if op == 21 || !matches!(flags, Some(5 | 6)) {
                return (op, body);
            }
        }
    }

    fn multi_read(&mut self) -> (i32, Body) {
        let mut body = Body::default();
        for _ in 0..self.random.below(4) {
            let (op, path) = (*self.random.pick(&[4, 8]), self.any_path());
            let watch = self.random.one_in(4) && (self.line == Line::V39 || kind_of(&path) == Watch::Once);
            body = body.operation(op, &Body::default().text(&path).flag(watch));
        }
        (22, body.end())
    }

    /// The znodes of quotas for `/a` and `/a/b`.
    fn quota(&mut self) -> (i32, Body) {
        let namespace = *self.random.pick(&["/a", "/a/b"]);
        let (name, data) = match self.random.below(4) {
            0 => ("", ""),
            1 => ("/zookeeper_stats", QUOTAS[0]),
            _ => ("/zookeeper_limits", *self.random.pick(&QUOTAS[1..])),
        };
        let path = format!("/zookeeper/quota{namespace}{name}");
        match self.random.below(6) {
            0 => (2, Body::default().text(&path).int(-1)),
            1 => (4, Body::default().text(&path).flag(false)),
            2 => (5, Body::default().text(&path).data(Some(data.as_bytes())).int(-1)),
            _ => (1, Body::default().text(&path).data(Some(data.as_bytes())).acl(ACLS[0]).int(0)),
        }
    }

    fn auth(&mut self) -> (i32, Body) {
        let (scheme, proof) = *self.random.pick(&[
            ("digest", "alice:secret"),
            ("digest", "bob:secret"),
            ("digest", "super:admin"),
            ("ip", ""),
            ("nobody", "knows"),
        ]);
        (100, Body::default().int(0).text(scheme).text(proof))
    }

    /// Requests that nobody knows, membership, and bodies that end too early.
    fn nonsense(&mut self) -> (i32, Body) {
        match self.random.below(4) {
            0 => (*self.random.pick(&[0, 10, 77, -5]), Body::default()),
            1 => (16, Body::default().text("").text("").text("").long(-1)),
            // The request of the reaper has another form in 3.9.
            2 if self.line == Line::V38 => (20, Body(b"/a".to_vec())),
            _ => {
                // A write that cannot be read takes a zxid in 3.8, which ours does as well, and none in 3.9.
                let ops: &[i32] =
                    if self.line == Line::V38 { &[1, 2, 3, 4, 5, 7, 12, 14, 15] } else { &[3, 4, 12, 14] };
                let op = *self.random.pick(ops);
                let len = self.random.below(12);
                (op, Body(Body::default().text("/abcdefgh").int(1).0[..len].to_vec()))
            }
        }
    }
}

/// Which watches a path has beside a 3.8 server.
#[derive(PartialEq, Eq)]
enum Watch {
    Once,
    Persistent,
    Recursive,
}

fn kind_of(path: &str) -> Watch {
    match path.rsplit('/').next().and_then(|name| name.chars().next()) {
        Some('p') => Watch::Persistent,
        Some('r') => Watch::Recursive,
        _ => Watch::Once,
    }
}
