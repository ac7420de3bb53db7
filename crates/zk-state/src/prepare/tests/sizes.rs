//! Transactions that are too long to be read back are never made.

use super::*;

#[test]
fn lists_can_be_left_out() {
    let mut server = Server::new();
    server.rules.list_ephemerals = false;
    server.create("/e", 1);
    let logged = server.prepare_as(SESSION, Write::CloseSession);
    assert_eq!(logged.txn, Txn::CloseSession(None));
    server.apply(&logged);
    assert!(server.state.tree().get("/e").is_none());
}

#[test]
fn what_a_request_grows_into_is_measured() {
    let mut server = Server::new();
    server.ids = (0..50).map(|n| Id::new("digest", &format!("user{n}:{}", "x".repeat(40)))).collect();
    server.rules.record_max = 4000;
    let grows = CreateRequest { acl: Acl::creator_all(), ..create_request("/a", 0) };
    assert!(matches!(server.run(&Request::Create(grows.clone())), Outcome::Created { .. }));
    let ops = |count: usize| {
        let op = |n| MultiOp::Create(CreateRequest { path: format!("/a/{n}"), ..grows.clone() });
        Request::Multi((0..count).map(op).collect())
    };
    let before = server.state.digest();
    let Outcome::Multi(results) = server.run(&ops(3)) else { panic!("a multi") };
    assert_eq!(results[1], MultiResult::Error(ErrorCode::MarshallingError));
    assert_eq!(server.state.digest(), before);
    assert!(matches!(server.run(&ops(1)), Outcome::Multi(_)));
    assert!(server.state.tree().get("/a/0").is_some());
    let large = CreateRequest { data: Some(vec![0; 4000].into()), ..create_request("/b", 0) };
    assert_eq!(server.error(&Request::Create(large)), ErrorCode::MarshallingError);
}

#[test]
fn records_are_as_long_as_was_reckoned() {
    // Whatever fits by the reckoning fits in bytes.
    for record_max in (100..400).step_by(7) {
        let mut server = Server::new();
        server.rules.record_max = record_max;
        let ops = (0..10).map(|n| MultiOp::Create(create_request(&format!("/node-{n}"), 0)));
        let more = [
            MultiOp::SetData(SetDataRequest { path: "/node-0".into(), data: Some("abc".into()), version: -1 }),
            MultiOp::Check(CheckVersionRequest { path: "/node-0".into(), version: -1 }),
            MultiOp::Delete(DeleteRequest { path: "/node-1".into(), version: -1 }),
        ];
        let ops: Vec<MultiOp> = ops.chain(more).collect();
        for count in 1..=ops.len() {
            let request = Request::Multi(ops[..count].to_vec());
            let mut server = Server::new();
            server.rules.record_max = record_max;
            let logged = server.prepare_as(SESSION, Write::Request(&request));
            let failed =
                matches!(&logged.txn, Txn::Multi(parts) if parts.iter().any(|part| matches!(part, Txn::Error(_))));
            assert!(failed || logged.to_bytes().len() <= record_max + AROUND_RECORD, "{count} of {record_max}");
        }
    }
}

#[test]
fn a_server_alone_has_no_membership_to_change() {
    let reconfig = Request::Reconfig(zk_proto::ops::ReconfigRequest::default());
    let mut server = Server::new();
    assert_eq!(server.error(&reconfig), ErrorCode::ReconfigDisabled);
    server.rules.reconfig = true;
    assert_eq!(server.error(&reconfig), ErrorCode::Unimplemented);
}

#[test]
fn znodes_of_3_5_3_have_a_time_to_live() {
    let mut server = Server::new();
    let owner = SessionId(i64::MIN + 500);
    server.run_as(owner, Write::CreateSession(1000));
    let mut old = |path: &str| {
        let request = create(path, 1);
        assert!(matches!(server.run_as(owner, Write::Request(&request)), Outcome::Created { .. }));
    };
    old("/old");
    old("/older");
    server.state.emulate_353_ttl();
    assert_eq!(server.state.tree().get("/old").unwrap().kind(), NodeKind::Ttl(500));
    assert_eq!(server.state.tree().get("/old").unwrap().stat().ephemeral_owner, 0);
    assert_eq!(server.state.tree().ttls().collect::<Vec<_>>(), ["/old", "/older"]);
    server.create("/old/child", 0);
    assert!(matches!(server.run(&delete("/older", -1)), Outcome::Done));
    assert_eq!(server.state.tree().ttls().collect::<Vec<_>>(), ["/old"]);
    assert!(server.state.orphaned_owners().is_empty());
}
