//! Decisions against Apache's own log, and the order of checks.

use proptest::prelude::*;
use zk_proto::ops::{CreateTtlRequest, GetDataRequest};
use zk_proto::{Jute, MultiResult, Stat};

use super::*;
use crate::apply::tests::whole_history;
use crate::apply::{Applied, Outcome};

mod quotas;
mod sizes;

const SESSION: SessionId = SessionId(0x0100_0000_0000_0001);

/// A state with what is pending, driven like a server that applies at once unless told to wait.
struct Server {
    state: ZkState,
    pending: Pending,
    rules: Rules,
    ids: Vec<Id>,
}

impl Server {
    fn new() -> Server {
        let state = ZkState::new();
        let pending = Pending::new(&state);
        let mut server = Server { state, pending, rules: Rules::default(), ids: Vec::new() };
        server.run_as(SESSION, Write::CreateSession(6000));
        server
    }

    fn prepare_as(&mut self, session: SessionId, write: Write<'_>) -> LoggedTxn {
        let asker = Asker { session, cxid: 1, ids: &self.ids };
        self.state.prepare(&mut self.pending, self.rules, asker, write, WallMillis(1000))
    }

    fn apply(&mut self, logged: &LoggedTxn) -> Applied {
        let applied = self.state.apply(&logged.header, &logged.txn);
        self.pending.applied(logged.header.zxid);
        if let Some(digest) = logged.digest {
            assert_eq!(digest.tree_digest, self.state.digest().0, "{logged:?}");
        }
        applied
    }

    fn run_as(&mut self, session: SessionId, write: Write<'_>) -> Outcome {
        let logged = self.prepare_as(session, write);
        self.apply(&logged).outcome
    }

    fn run(&mut self, request: &Request) -> Outcome {
        self.run_as(SESSION, Write::Request(request))
    }

    fn error(&mut self, request: &Request) -> ErrorCode {
        let before = self.state.digest();
        match self.run(request) {
            Outcome::Failed(code) => {
                assert_eq!(self.state.digest(), before);
                code
            }
            other => panic!("{request:?}: {other:?}"),
        }
    }

    fn create(&mut self, path: &str, flags: i32) -> String {
        match self.run(&create(path, flags)) {
            Outcome::Created { path, .. } => path,
            other => panic!("{path}: {other:?}"),
        }
    }
}

fn create_request(path: &str, flags: i32) -> CreateRequest {
    CreateRequest { path: path.into(), data: Some("x".into()), acl: Acl::open(), flags }
}

fn create(path: &str, flags: i32) -> Request {
    Request::Create(create_request(path, flags))
}

fn delete(path: &str, version: i32) -> Request {
    Request::Delete(DeleteRequest { path: path.into(), version })
}

fn set(path: &str, version: i32) -> Request {
    Request::SetData(SetDataRequest { path: path.into(), data: None, version })
}

fn set_acl(path: &str, acl: Vec<Acl>, version: i32) -> Request {
    Request::SetAcl(SetAclRequest { path: path.into(), acl, version })
}

/// The request that must have led to a logged transaction; `None` for multis that failed.
fn request_of(txn: &Txn) -> Option<Request> {
    Some(match txn {
        Txn::Create(txn) | Txn::Create2(txn) => {
            let request = CreateRequest {
                path: txn.path.clone(),
                data: txn.data.clone(),
                acl: txn.acl.clone(),
                flags: i32::from(txn.ephemeral),
            };
            Request::Create(request)
        }
        Txn::CreateContainer(txn) => Request::CreateContainer(CreateRequest {
            path: txn.path.clone(),
            data: txn.data.clone(),
            acl: txn.acl.clone(),
            flags: 4,
        }),
        Txn::CreateTtl(txn) => Request::CreateTtl(CreateTtlRequest {
            path: txn.path.clone(),
            data: txn.data.clone(),
            acl: txn.acl.clone(),
            flags: 5,
            ttl: txn.ttl,
        }),
        Txn::Delete(txn) => delete(&txn.path, -1),
        Txn::DeleteContainer(txn) => Request::DeleteContainer(Bytes::from(txn.path.clone())),
        Txn::SetData(txn) => {
            Request::SetData(SetDataRequest { path: txn.path.clone(), data: txn.data.clone(), version: -1 })
        }
        Txn::SetAcl(txn) => set_acl(&txn.path, txn.acl.clone(), -1),
        Txn::Multi(parts) => {
            let ops: Option<Vec<MultiOp>> = parts
                .iter()
                .map(|part| {
                    if let Txn::Check(txn) = part {
                        let version = txn.version - 1;
                        return Some(MultiOp::Check(CheckVersionRequest { path: txn.path.clone(), version }));
                    }
                    Some(match (part, request_of(part)?) {
                        (Txn::Create2(_), Request::Create(request)) => MultiOp::Create2(request),
                        (_, Request::Create(request)) => MultiOp::Create(request),
                        (_, Request::CreateContainer(request)) => MultiOp::CreateContainer(request),
                        (_, Request::CreateTtl(request)) => MultiOp::CreateTtl(request),
                        (_, Request::Delete(request)) => MultiOp::Delete(request),
                        (_, Request::SetData(request)) => MultiOp::SetData(request),
                        _ => return None,
                    })
                })
                .collect();
            Request::Multi(ops?)
        }
        _ => return None,
    })
}

#[test]
fn apaches_transactions_are_decided_as_apache_did() {
    let state = ZkState::new();
    let mut pending = Pending::new(&state);
    let mut server = (state, &mut pending);
    let rules = Rules { extended_types: true, skip_acl: true, ..Rules::default() };
    let mut compared = 0;
    for theirs in whole_history() {
        let (state, pending) = (&mut server.0, &mut *server.1);
        let asker = Asker { session: theirs.header.client_id, cxid: theirs.header.cxid, ids: &[] };
        let now = WallMillis(theirs.header.time);
        let request = match &theirs.txn {
            Txn::Create2(_) => request_of(&theirs.txn).map(|request| match request {
                Request::Create(request) => Request::Create2(request),
                other => other,
            }),
            txn => request_of(txn),
        };
        let write = match (&theirs.txn, &request) {
            (Txn::CreateSession(txn), _) => Write::CreateSession(txn.timeout_ms),
            (Txn::CloseSession(_), _) => Write::CloseSession,
            (_, Some(request)) => Write::Request(request),
            (Txn::Error(code), _) => Write::Refused(*code),
            // A failed multi: what it tried cannot be known.
            _ => Write::Refused(ErrorCode::Ok),
        };
        let mut ours = state.prepare(pending, rules, asker, write, now);
        if let Txn::CloseSession(Some(paths)) = &theirs.txn {
            let mut sorted = paths.clone();
            sorted.sort_unstable();
            assert_eq!(ours.txn, Txn::CloseSession(Some(sorted)));
            ours.txn = theirs.txn.clone();
        }
        if matches!(theirs.txn, Txn::Multi(_)) && request.is_none() {
            ours = theirs.clone();
        }
        assert_eq!(ours, theirs);
        state.apply(&ours.header, &ours.txn);
        pending.applied(ours.header.zxid);
        compared += 1;
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn checks_of_create_in_order() {
    let mut server = Server::new();
    let mut bad = create_request("nope/x", 9);
    bad.acl.clear();
    assert_eq!(server.error(&Request::Create(bad.clone())), ErrorCode::BadArguments, "unknown flags");
    assert_eq!(
        server.run_as(SessionId(5), Write::Request(&create("/x", 0))),
        Outcome::Failed(ErrorCode::SessionExpired)
    );
    bad.flags = 0;
    bad.path = "nope".into();
    assert_eq!(server.error(&Request::Create(bad.clone())), ErrorCode::BadArguments, "no slash comes before the ACL");
    bad.path = "/nope/x".into();
    assert_eq!(server.error(&Request::Create(bad)), ErrorCode::InvalidAcl, "the ACL comes before the parent");
    assert_eq!(server.error(&create("/nope/x", 0)), ErrorCode::NoNode);
    assert_eq!(server.error(&create("/a//b", 0)), ErrorCode::NoNode);
    assert_eq!(server.error(&create("/", 0)), ErrorCode::NodeExists);
    assert_eq!(server.error(&create("/..", 0)), ErrorCode::BadArguments);
    server.create("/a", 0);
    assert_eq!(server.error(&create("/a/", 0)), ErrorCode::BadArguments);
    assert_eq!(server.create("/a/", 2), "/a/0000000000");
    assert_eq!(server.error(&create("/a", 0)), ErrorCode::NodeExists);
    server.create("/e", 1);
    assert_eq!(server.error(&create("/e/x", 0)), ErrorCode::NoChildrenForEphemerals);
    assert_eq!(server.error(&create("/e/\u{1}", 0)), ErrorCode::BadArguments);
}

#[test]
fn a_sequence_counts_every_child_ever_made() {
    let mut server = Server::new();
    server.create("/a", 0);
    server.create("/a/b", 0);
    assert_eq!(server.create("/a/s-", 2), "/a/s-0000000001");
    server.run(&delete("/a/b", -1));
    assert_eq!(server.create("/a/e-", 3), "/a/e-0000000002");
}

#[test]
fn time_to_live_must_be_allowed() {
    let mut server = Server::new();
    let request = |flags, ttl| {
        let CreateRequest { path, data, acl, .. } = create_request("/t", 0);
        Request::CreateTtl(CreateTtlRequest { path, data, acl, flags, ttl })
    };
    assert_eq!(server.error(&request(5, 100)), ErrorCode::Unimplemented);
    server.rules.extended_types = true;
    assert_eq!(server.error(&request(5, 0)), ErrorCode::BadArguments);
    assert_eq!(server.error(&request(5, TTL_MAX + 1)), ErrorCode::BadArguments);
    assert_eq!(server.error(&request(0, 100)), ErrorCode::BadArguments);
    assert!(matches!(server.run(&request(5, 100)), Outcome::Created { .. }));
    assert_eq!(server.state.tree().ttls().collect::<Vec<_>>(), ["/t"]);
    assert_eq!(server.state.tree().get("/t").unwrap().stat().ephemeral_owner, 0);
}

#[test]
fn checks_of_delete_set_data_and_set_acl_in_order() {
    let mut server = Server::new();
    for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "a", "/a\0"] {
        assert_eq!(server.error(&delete(path, -1)), ErrorCode::BadArguments, "{path:?}");
    }
    assert_eq!(server.error(&delete("/nope/x", -1)), ErrorCode::NoNode);
    assert_eq!(server.error(&delete("/nope", 3)), ErrorCode::NoNode);
    server.create("/a", 0);
    server.create("/a/b", 0);
    assert_eq!(server.error(&delete("/a", 3)), ErrorCode::BadVersion, "the version comes before the children");
    assert_eq!(server.error(&delete("/a", 0)), ErrorCode::NotEmpty);

    assert_eq!(server.error(&set("a", -1)), ErrorCode::BadArguments);
    assert_eq!(server.error(&set("/nope", -1)), ErrorCode::NoNode);
    assert_eq!(server.error(&set("/a", 1)), ErrorCode::BadVersion);
    assert!(matches!(server.run(&set("/a", 0)), Outcome::Set(Stat { version: 1, .. })));

    assert_eq!(server.error(&set_acl("a", vec![], -1)), ErrorCode::BadArguments);
    assert_eq!(server.error(&set_acl("/nope", vec![], -1)), ErrorCode::InvalidAcl);
    assert_eq!(server.error(&set_acl("/nope", Acl::open(), -1)), ErrorCode::NoNode);
    assert_eq!(server.error(&set_acl("/a", Acl::open(), 1)), ErrorCode::BadVersion);
    assert!(matches!(
        server.run(&set_acl("/a", Acl::read_only(), 0)),
        Outcome::Set(Stat { aversion: 1, version: 1, .. })
    ));
    assert_eq!(server.error(&set("/a", 7)), ErrorCode::NoAuth, "the ACL comes before the version");
    assert_eq!(server.error(&set_acl("/a", Acl::open(), 7)), ErrorCode::NoAuth);
    assert_eq!(server.error(&create("/a/c", 0)), ErrorCode::NoAuth);
    assert_eq!(server.error(&delete("/a/nope", -1)), ErrorCode::NoAuth);
    server.ids = vec![Id::new("super", "")];
    assert!(matches!(server.run(&set("/a", 1)), Outcome::Set(_)));
    assert_eq!(
        server.error(&Request::Reconfig(zk_proto::ops::ReconfigRequest::default())),
        ErrorCode::ReconfigDisabled
    );
    assert_eq!(
        server.error(&Request::GetData(GetDataRequest::default())),
        ErrorCode::Unimplemented,
        "a read is no transaction"
    );
}

#[test]
fn what_waits_counts_and_what_is_closed_is_gone() {
    let mut server = Server::new();
    let first = server.prepare_as(SESSION, Write::Request(&create("/a", 0)));
    let second = server.prepare_as(SESSION, Write::Request(&create("/a/e", 1)));
    let third = server.prepare_as(SESSION, Write::Request(&create("/a", 0)));
    assert_eq!(third.txn, Txn::Error(ErrorCode::NodeExists));
    assert_eq!(third.digest, None);
    let close = server.prepare_as(SESSION, Write::CloseSession);
    assert_eq!(close.txn, Txn::CloseSession(Some(vec!["/a/e".into()])));
    let late = server.prepare_as(SESSION, Write::Request(&create("/b", 0)));
    assert_eq!(late.txn, Txn::Error(ErrorCode::SessionExpired));
    for logged in [&first, &second, &third, &close, &late] {
        server.apply(logged);
    }
    assert!(server.pending.is_empty());
    assert_eq!(server.run(&create("/b", 0)), Outcome::Failed(ErrorCode::SessionExpired));
    assert_eq!(server.state.tree().node_count(), 6);
    assert_eq!(server.state.last_zxid(), server.pending.last_zxid());
}

#[test]
fn a_session_that_opens_and_closes_at_once() {
    let mut server = Server::new();
    let session = SessionId(77);
    let opened = server.prepare_as(session, Write::CreateSession(1000));
    let made = server.prepare_as(session, Write::Request(&create("/e", 1)));
    let closed = server.prepare_as(session, Write::CloseSession);
    assert_eq!(closed.txn, Txn::CloseSession(Some(vec!["/e".into()])));
    server.apply(&opened);
    let late = server.prepare_as(session, Write::Request(&create("/late", 0)));
    assert_eq!(late.txn, Txn::Error(ErrorCode::SessionExpired));
    for logged in [&made, &closed, &late] {
        server.apply(logged);
    }
    assert!(!server.state.sessions().contains(session));
    assert_eq!(server.state.tree().node_count(), 5);
}

#[test]
fn a_multi_sees_its_own_changes_and_is_undone_as_a_whole() {
    let mut server = Server::new();
    let check = |path: &str, version| MultiOp::Check(CheckVersionRequest { path: path.into(), version });
    let ops = vec![
        MultiOp::Create(create_request("/m", 0)),
        MultiOp::Create2(create_request("/m/s-", 2)),
        MultiOp::SetData(SetDataRequest { path: "/m".into(), data: None, version: 0 }),
        check("/m", 1),
        MultiOp::Delete(DeleteRequest { path: "/m/s-0000000000".into(), version: 0 }),
    ];
    let Outcome::Multi(results) = server.run(&Request::Multi(ops)) else { panic!() };
    assert_eq!(results[0], MultiResult::Create("/m".into()));
    assert!(matches!(&results[1], MultiResult::Create2 { path, .. } if path == "/m/s-0000000000"));
    assert!(matches!(results[2], MultiResult::SetData(Stat { version: 1, .. })));
    assert_eq!(results[3..], [MultiResult::Check, MultiResult::Delete]);

    let ops = vec![
        MultiOp::Create(create_request("/m/x", 0)),
        MultiOp::Create(create_request("/m/y", 0)),
        check("/m", 0),
        MultiOp::Create(create_request("/m/z", 0)),
    ];
    let failed = server.prepare_as(SESSION, Write::Request(&Request::Multi(ops)));
    let Txn::Multi(parts) = &failed.txn else { panic!() };
    assert!(matches!(parts[0], Txn::Create(_)), "what would have gone well is logged");
    let sequel = server.prepare_as(SESSION, Write::Request(&create("/m/x", 0)));
    assert!(matches!(sequel.txn, Txn::Create(_)), "nothing of the failed one is left");
    let errors = [ErrorCode::Ok, ErrorCode::Ok, ErrorCode::BadVersion, ErrorCode::RuntimeInconsistency];
    assert_eq!(server.apply(&failed).outcome, Outcome::Multi(errors.map(MultiResult::Error).to_vec()));
    server.apply(&sequel);
    assert_eq!(server.run(&Request::Multi(vec![])), Outcome::Multi(vec![]));
}

const PATHS: [&str; 8] = ["/a", "/a/x", "/a/x/y", "/b", "/b/", "/zookeeper/quota/q", "/", "/b/z"];

fn requests() -> impl Strategy<Value = (u8, Request)> {
    let path = prop::sample::select(PATHS.to_vec());
    let one = (0..6u8, path, 0..5i32, -1..2i32).prop_map(|(kind, path, flags, version)| match kind {
        0 | 1 => create(path, flags),
        2 => delete(path, version),
        3 => set(path, version),
        4 => set_acl(path, if flags > 3 { Acl::read_only() } else { Acl::open() }, version),
        _ => Request::Multi(vec![
            MultiOp::Create(create_request(path, flags)),
            MultiOp::SetData(SetDataRequest { path: "/a".into(), data: Some("m".into()), version }),
            MultiOp::Delete(DeleteRequest { path: path.into(), version }),
        ]),
    });
    (0..4u8, one)
}

proptest! {
    /// However far applying lags behind, each transaction's digest is the tree's when it is applied, and no prepared
    /// success fails.
    #[test]
    fn predictions_come_true(steps in prop::collection::vec(requests(), 1..80)) {
        let mut server = Server::new();
        let mut waiting = std::collections::VecDeque::new();
        for (lag, request) in &steps {
            waiting.push_back(server.prepare_as(SESSION, Write::Request(request)));
            if *lag == 0 {
                waiting.push_back(server.prepare_as(SESSION, Write::CloseSession));
                waiting.push_back(server.prepare_as(SESSION, Write::CreateSession(1000)));
            }
            while waiting.len() > usize::from(*lag) * 3 {
                let logged = waiting.pop_front().unwrap();
                let outcome = server.apply(&logged).outcome;
                prop_assert_eq!(matches!(outcome, Outcome::Failed(_)), matches!(logged.txn, Txn::Error(_)));
            }
        }
        for logged in waiting {
            server.apply(&logged);
        }
        prop_assert!(server.pending.is_empty());
    }
}

#[test]
fn a_session_with_very_many_ephemerals_loses_the_surplus_before_it_is_closed() {
    let mut server = Server::new();
    let name = "x".repeat(200);
    for n in 0..4_900 {
        server.create(&format!("/{name}{n:05}"), 1);
    }
    assert_eq!(server.state.surplus_of_close(&server.pending, SESSION), Vec::<String>::new());
    for n in 4_900..9_000 {
        server.create(&format!("/{name}{n:05}"), 1);
    }
    // What is only planned counts as well.
    let planned: Vec<LoggedTxn> = (9_000..9_100)
        .map(|n| server.prepare_as(SESSION, Write::Request(&create(&format!("/{name}{n:05}"), 1))))
        .collect();
    server.pending.begin_closing(SESSION);
    let refused = server.prepare_as(SESSION, Write::Request(&create("/late", 1)));
    assert_eq!(refused.txn, Txn::Error(ErrorCode::SessionExpired));
    let surplus = server.state.surplus_of_close(&server.pending, SESSION);
    assert!((3_900..4_300).contains(&surplus.len()), "{}", surplus.len());
    planned.iter().chain([&refused]).for_each(|txn| drop(server.apply(txn)));
    // Nobody else's are touched, and ACLs are not asked.
    assert_eq!(
        server.run_as(SessionId(9), Write::DeleteOwned(&surplus[0])),
        Outcome::Failed(ErrorCode::NoNode),
        "another session's"
    );
    for path in &surplus {
        assert_eq!(server.run_as(SESSION, Write::DeleteOwned(path)), Outcome::Done);
    }
    let close = server.prepare_as(SESSION, Write::CloseSession);
    let mut out = zk_proto::Writer::new();
    zk_proto::Jute::write(&close, &mut out);
    assert!(out.len() < 2 << 20, "{} bytes", out.len());
    server.apply(&close);
    assert_eq!(server.state.tree().ephemeral_count(), 0);
    assert!(!server.state.sessions().contains(SESSION));
}
