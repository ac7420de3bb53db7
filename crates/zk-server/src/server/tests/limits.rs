//! Limits, throttles, who must say who they are, and what the server deletes by itself.

use zk_proto::ops::{CreateTtlRequest, ReconfigRequest};
use zk_state::auth::DigestAlgorithm;

use super::*;
use crate::config::{AuthProvider, FlushConfig};
use crate::connection_throttle::ConnectionThrottleConfig;
use crate::reaper::ReaperConfig;
use crate::request_throttle::RequestThrottleConfig;

fn start(change: impl FnOnce(&mut ServerConfig)) -> Running {
    let mut config = config();
    change(&mut config);
    Running::start(config, Arc::new(MemoryVfs::new()))
}

fn auth(scheme: &str, proof: &str) -> Request {
    let auth = Some(Bytes::copy_from_slice(proof.as_bytes()));
    Request::Auth(AuthPacket { kind: 0, scheme: Some(scheme.into()), auth })
}

/// Until `done`, for a minute at most.
fn wait(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(Instant::now() < deadline, "it does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn containers_and_expired_znodes_go_by_themselves() {
    let server = start(|config| {
        config.extended_types = true;
        config.reaper = ReaperConfig { interval_ms: 10, ..ReaperConfig::default() };
    });
    let mut client = server.client();
    let container = CreateRequest { path: "/c".into(), data: None, acl: Acl::open(), flags: 4 };
    client.call(&Request::CreateContainer(container)).unwrap();
    let ttl = CreateTtlRequest { path: "/t".into(), data: None, acl: Acl::open(), flags: 5, ttl: 1 };
    client.call(&Request::CreateTtl(ttl)).unwrap();
    wait(|| client.call(&exists("/t", false)) == Err(ErrorCode::NoNode));
    assert!(client.call(&exists("/c", false)).is_ok(), "it waits for its first child");
    client.call(&create("/c/x", 0)).unwrap();
    client.call(&delete("/c/x")).unwrap();
    let _ = client.call(&exists("/c", true));
    wait(|| server.client().call(&exists("/c", false)) == Err(ErrorCode::NoNode));
}

#[test]
fn sessions_cost_tokens() {
    let server = start(|config| {
        config.connection_throttle = ConnectionThrottleConfig { tokens: 2, fill_ms: 100_000, ..Default::default() };
    });
    let _kept = [server.client(), server.client()];
    assert!(RawClient::connect(&server, &new_session()).is_none());
    assert!(server.word("mntr").contains("zk_connection_rejected\t1\n"));
}

#[test]
fn a_connection_without_a_session_is_closed() {
    let server = start(|config| config.sessionless_ms = 30);
    let mut silent = RawClient { socket: server.socket(), connected: ConnectResponse::default(), xid: 0 };
    let began = Instant::now();
    assert_eq!(silent.frame(), None);
    assert!(began.elapsed() < Duration::from_secs(50), "it was the test's own time that was over");
}

#[test]
fn a_crowd_is_served_in_turn_when_few_requests_may_be_in_process() {
    let server = start(|config| {
        config.request_throttle = RequestThrottleConfig { max_requests: 1, ..Default::default() };
        config.large_request = Some(8);
        config.large_request_bytes = 1 << 20;
    });
    let mut clients: Vec<RawClient> = (0..4).map(|_| server.client()).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        for number in 0..30 {
            client.ask(&create(&format!("/n{at}-{number}"), 0));
            client.ask(&exists(&format!("/n{at}-{number}"), false));
        }
        client.ask(&Request::CloseSession);
    }
    for client in &mut clients {
        for number in 0..30 {
            let (header, created) = client.reply(OpCode::Create);
            assert_eq!((header.xid, created.is_some()), (2 * number + 1, true));
            let (header, found) = client.reply(OpCode::Exists);
            assert_eq!((header.xid, found.is_some()), (2 * number + 2, true));
        }
        assert_eq!(client.reply(OpCode::CloseSession).0.err, 0);
        assert_eq!(client.frame(), None);
    }
}

#[test]
fn what_waits_too_long_is_refused_in_its_turn() {
    // Each sync is put off by 100 ms, so that everything behind the first write waits longer than it may.
    let server = start(|config| {
        config.request_throttle = RequestThrottleConfig { max_requests: 1, wait_ms: 20, ..Default::default() };
        config.flush = FlushConfig { delay_ms: 100_000, poll_ms: 100, batch: 0 };
    });
    let mut client = server.client();
    // They come together: the first is under way when the others are looked at.
    client.ask_together(&[create("/a", 0), create("/b", 0), exists("/a", false)]);
    assert_eq!(client.reply(OpCode::Create).0.err, 0);
    assert_eq!(client.reply(OpCode::Create).0.err, ErrorCode::ThrottledOp.code());
    let (header, _) = client.reply(OpCode::Exists);
    assert_eq!((header.xid, header.err), (3, ErrorCode::ThrottledOp.code()));
    assert_eq!(client.call(&exists("/b", false)), Err(ErrorCode::NoNode));
}

#[test]
fn large_requests_have_a_limit_of_their_own() {
    let server = start(|config| {
        config.large_request = Some(1000);
        config.large_request_bytes = 5000;
    });
    let mut client = server.client();
    let large = "x".repeat(4000);
    client.call(&create("/a", 0)).unwrap();
    for _ in 0..3 {
        client.call(&set("/a", &large)).unwrap();
    }
    client.ask(&set("/a", &"x".repeat(6000)));
    assert_eq!(client.frame(), None);
}

#[test]
fn a_flush_that_is_put_off_comes() {
    let server = start(|config| config.flush = FlushConfig { delay_ms: 30, poll_ms: 10, batch: 3 });
    let mut client = server.client();
    for number in 0..10 {
        client.ask(&create(&format!("/n{number}"), 0));
    }
    for _ in 0..10 {
        assert_eq!(client.reply(OpCode::Create).0.err, 0);
    }
}

#[test]
fn who_must_say_who_it_is() {
    let server = start(|config| config.required_schemes = Some(vec!["digest".into()]));
    let mut nobody = server.client();
    nobody.ask(&exists("/", false));
    let (header, _) = nobody.reply(OpCode::Exists);
    assert_eq!((header.err, header.zxid), (ErrorCode::SessionClosedRequireSaslAuth.code(), Zxid(0)));
    assert_eq!(nobody.frame(), None);
    let mut alice = server.client();
    alice.call(&auth("digest", "alice:secret")).unwrap();
    assert!(alice.call(&exists("/", false)).is_ok());
}

#[test]
fn other_hashes_other_names() {
    let algorithm = DigestAlgorithm::Sha256;
    let server = start(|config| {
        config.digest_algorithm = Some(algorithm);
        config.superuser = Some(algorithm.digest_of("super:admin"));
        config.auth_providers = vec![AuthProvider::Ensemble];
        config.ensemble_names = Some(vec!["east".into()]);
    });
    let mut client = server.client();
    client.call(&auth("ensemble", "east")).unwrap();
    client.call(&auth("digest", "super:admin")).unwrap();
    let Ok(Response::WhoAmI(who)) = client.call(&Request::WhoAmI) else { panic!("an answer") };
    let who: Vec<(&str, &str)> =
        who.client_info.iter().map(|info| (info.auth_scheme.as_str(), info.user.as_str())).collect();
    assert_eq!(who, [("ip", "127.0.0.1"), ("super", ""), ("digest", "super")]);
    let mut lost = server.client();
    lost.ask(&auth("ensemble", "west"));
    assert_eq!(lost.frame(), None, "closed without an answer");
}

#[test]
fn membership_of_a_server_alone() {
    let reconfig = Request::Reconfig(ReconfigRequest::default());
    assert_eq!(start(|_| {}).client().call(&reconfig), Err(ErrorCode::ReconfigDisabled));
    assert_eq!(start(|config| config.reconfig = true).client().call(&reconfig), Err(ErrorCode::Unimplemented));
    let server = start(|_| {});
    let Ok(Response::GetData(config)) = server.client().call(&get("/zookeeper/config", false)) else { panic!() };
    assert_eq!((config.data, config.stat.aversion), (Some(Bytes::new()), -1));
}

#[test]
fn a_data_directory_that_may_not_be_made() {
    let mut config = config();
    config.create_data_dir = false;
    let error = Running::try_start(config, Arc::new(MemoryVfs::new())).err().unwrap();
    assert!(error.contains("Missing data directory /data/version-2"), "{error}");
}
