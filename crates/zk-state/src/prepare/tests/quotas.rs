//! Quotas: usage follows what is done, limits hold.

use super::*;
use crate::snapshot::{DumpCursor, DumpNode, Loader};

impl Server {
    fn with_limits(limits: &str, enforce_quota: bool) -> Server {
        let mut server = Server::new();
        server.rules = Rules { enforce_quota, ..server.rules };
        for (path, data) in [("/a", "1234"), ("/a/x", "1"), ("/b", "")] {
            server.put(path, data);
        }
        server.put("/zookeeper/quota/a", "");
        server.put("/zookeeper/quota/a/zookeeper_limits", limits);
        server.put("/zookeeper/quota/a/zookeeper_stats", "count=0,bytes=0");
        server
    }

    fn put(&mut self, path: &str, data: &str) {
        let request = CreateRequest { data: Some(Bytes::copy_from_slice(data.as_bytes())), ..create_request(path, 0) };
        assert!(matches!(self.run(&Request::Create(request)), Outcome::Created { .. }), "{path}");
    }

    fn usage(&self) -> String {
        let node = self.state.tree().get("/zookeeper/quota/a/zookeeper_stats").unwrap();
        assert_eq!((node.stat().version, node.stat().mzxid), (0, node.stat().czxid), "no transaction changed it");
        String::from_utf8(node.data().unwrap().to_vec()).unwrap()
    }
}

fn set_to(path: &str, data: &'static str) -> Request {
    Request::SetData(SetDataRequest { path: path.into(), data: Some(data.into()), version: -1 })
}

#[test]
fn usage_is_counted_and_then_followed() {
    let mut server = Server::with_limits("count=100,bytes=100", false);
    assert_eq!(server.usage(), "count=2,bytes=5");
    server.put("/a/y", "12");
    assert_eq!(server.usage(), "count=3,bytes=7");
    server.run(&set_to("/a", "1"));
    assert_eq!(server.usage(), "count=3,bytes=4");
    server.run(&delete("/a/y", -1));
    assert_eq!(server.usage(), "count=2,bytes=2");
    server.put("/b/z", "not below");
    assert_eq!(server.usage(), "count=2,bytes=2");
    server.run(&delete("/zookeeper/quota/a/zookeeper_limits", -1));
    server.put("/a/free", "1");
    assert_eq!(server.usage(), "count=2,bytes=2", "without limits nobody counts");
}

#[test]
fn hard_limits_refuse_and_soft_ones_are_told_of() {
    let mut server = Server::with_limits("count=3,bytes=5=;byteHardLimit=8;countHardLimit=4", true);
    server.put("/a/3", "");
    server.put("/a/4", "");
    assert_eq!(server.pending.take_quota_notices(), [], "the hard limit is the one that counts");
    assert_eq!(server.error(&create("/a/5", 0)), ErrorCode::QuotaExceeded);
    let told: Vec<_> = server.pending.take_quota_notices().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["Quota exceeded: /a [current count=5, hardCountLimit=4]"]);
    assert_eq!(server.error(&set_to("/a", "12345678")), ErrorCode::QuotaExceeded);
    assert!(matches!(server.run(&set_to("/a", "1234567")), Outcome::Set(_)));
    assert_eq!(
        server.error(&Request::SetData(SetDataRequest {
            path: "/a".into(),
            data: Some("123456789".into()),
            version: 77
        })),
        ErrorCode::QuotaExceeded,
        "before the version"
    );

    let mut soft = Server::with_limits("count=2,bytes=-1", true);
    soft.put("/a/3", "many bytes");
    let told: Vec<_> = soft.pending.take_quota_notices().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["Quota exceeded: /a [current count=3, softCountLimit=2]"]);

    let mut off = Server::with_limits("count=0,bytes=0=;byteHardLimit=0;countHardLimit=0", false);
    off.put("/a/3", "many bytes");
    assert_eq!(off.pending.take_quota_notices(), []);
}

#[test]
fn nonsense_in_the_znodes_of_quotas_does_no_harm() {
    let mut server = Server::with_limits("nonsense", true);
    server.put("/a/3", "12");
    assert_eq!(server.usage(), "count=3,bytes=7");
    server.run(&Request::SetData(SetDataRequest {
        path: "/zookeeper/quota/a/zookeeper_stats".into(),
        data: None,
        version: -1,
    }));
    server.put("/a/4", "1");
    let node = server.state.tree().get("/zookeeper/quota/a/zookeeper_stats").unwrap();
    assert_eq!(node.data(), Some(b"count=4,bytes=8".as_slice()), "counted anew");
    server.put("/zookeeper/quota/zookeeper_limits", "count=1,bytes=1");
    server.put("/free", "1");
}

/// The state as a snapshot brings it back.
fn copy(state: &ZkState) -> ZkState {
    let mut loader = Loader::new();
    for (id, acls) in state.tree().acls().iter() {
        loader.acl(id.index(), acls.to_vec()).unwrap();
    }
    let mut cursor = DumpCursor::new(state);
    let mut each = |node: DumpNode<'_>| loader.node(node.path, node.data, node.acl_index, node.stat);
    while cursor.next_slice(state, 100, &mut each).unwrap() {}
    loader.finish(state.last_zxid()).unwrap()
}

#[test]
fn a_snapshot_brings_the_quotas_back() {
    let server = Server::with_limits("count=3,bytes=5", true);
    let mut restored = copy(&server.state);
    assert_eq!(restored.digest(), server.state.digest());
    assert!(restored.tree.has_quotas());
    let header = TxnHeader { zxid: server.state.last_zxid().next(), ..TxnHeader::default() };
    restored.apply(&header, &Txn::Delete(DeleteTxn { path: "/a/x".into() }));
    let node = restored.tree().get("/zookeeper/quota/a/zookeeper_stats").unwrap();
    assert_eq!(node.data(), Some(b"count=1,bytes=4".as_slice()));
}
