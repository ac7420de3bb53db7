//! The admin server and the metrics, asked over sockets.

use serde_json::Value;
use zk_proto::Permissions;
use zk_proto::ops::SetAclRequest;

use super::*;
use crate::config::{AdminConfig, PrometheusConfig};

const SUPER: &str = "Authorization: digest super:test\r\n";

fn with_operators() -> ServerConfig {
    let mut config = config();
    let admin = AdminConfig { address: "127.0.0.1".into(), port: 0, ..AdminConfig::default() };
    config.admin = Some(AdminConfig { snapshot: Some(0), restore: Some(0), ..admin });
    config.prometheus = Some(PrometheusConfig { host: "127.0.0.1".into(), port: 0, process: true });
    config.superuser = Some(zk_state::auth::DigestAlgorithm::Sha1.digest_of("super:test"));
    config
}

/// What a server answers to `request`, until it closes the connection.
fn raw(port: u16, request: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    // A server that has had enough closes while it is still written to.
    let _ = socket.write_all(request);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    answer
}

/// Head and body.
fn fetch(port: u16, request: &str, body: &[u8]) -> (String, Vec<u8>) {
    let head =
        format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    fetch_with(port, &head, body)
}

fn fetch_with(port: u16, head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let answer = raw(port, &[head.as_bytes(), b"\r\n", body].concat());
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer to {head}"));
    (String::from_utf8_lossy(&answer[..end]).into_owned(), answer[end + 4..].to_vec())
}

fn ask(server: &Running, command: &str) -> Value {
    let (head, body) = fetch(server.http[0], &format!("GET /commands/{command}"), b"");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"), "{head}");
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn commands_tell_of_the_state() {
    let server = Running::start(with_operators(), Arc::new(MemoryVfs::new()));
    let mut client = server.client();
    client.call(&create("/e", 1)).unwrap();
    client.call(&get("/e", true)).unwrap();
    let session = client.session().0.to_string();
    assert_eq!(ask(&server, "watches")["session_id_to_watched_paths"][&session][0], "/e");
    assert_eq!(ask(&server, "wchp")["path_to_session_ids"]["/e"][0], client.session().0);
    let summary = ask(&server, "watch_summary");
    assert_eq!((&summary["num_connections"], &summary["num_total_watches"]), (&1.into(), &1.into()));
    let dump = ask(&server, "dump");
    assert_eq!(dump["session_id_to_ephemeral_paths"][&session][0], "/e");
    assert_eq!(dump["expiry_time_to_session_ids"].as_object().unwrap().len(), 1);
    assert_eq!(ask(&server, "connections")["connections"][0]["last_operation"], "GETD");
    assert_eq!(ask(&server, "stat")["server_stats"]["last_processed_zxid"], 2);
    assert_eq!(ask(&server, "monitor")["ephemerals_count"], 1);
    assert_eq!(ask(&server, "lsnp")["zxid"], "0");
    assert_eq!(ask(&server, "leader")["error"], "server is not initialized");
    assert_eq!(ask(&server, "set_trace_mask?traceMask=5")["tracemask"], 5);
    assert_eq!(server.word("gtmk"), "5");
    assert_eq!(ask(&server, "nope")["error"], "Unknown command: nope");
    assert_eq!(ask(&server, "ruok"), serde_json::json!({ "command": "ruok", "error": null }));
    let (head, body) = fetch(server.http[0], "GET /commands", b"");
    assert!(head.starts_with("HTTP/1.1 200 OK") && !head.contains("content-type"), "{head}");
    assert!(body.starts_with(b"<a href=\"/commands/configuration\">configuration</a>\n<br/>\n"));
    for (request, status) in [
        ("GET /", 404),
        ("GET /commandsX", 404),
        ("POST /commands/ruok", 405),
        ("GET /commands/restore", 405),
        ("TRACE /commands", 403),
    ] {
        assert!(fetch(server.http[0], request, b"").0.starts_with(&format!("HTTP/1.1 {status} ")), "{request}");
    }
}

#[test]
fn words_tell_of_watches_and_sessions() {
    let server = Running::start(with_operators(), Arc::new(MemoryVfs::new()));
    let mut client = server.client();
    let session = client.session();
    client.call(&create("/e", 1)).unwrap();
    client.call(&get("/e", true)).unwrap();
    client.call(&children("/", true)).unwrap();
    assert_eq!(server.word("wchs"), "1 connections watching 1 paths\nTotal watches:1\n");
    assert_eq!(server.word("wchc"), format!("{session}\n\t/e\n\n"));
    assert_eq!(server.word("wchp"), format!("/e\n\t{session}\n\n"));
    let dump = server.word("dump");
    assert!(dump.starts_with("SessionTracker dump:\nSession Sets (1)/(1):\n1 expire at "), "{dump}");
    assert!(dump.contains(&format!(
        ":\n\t{session}\nephemeral nodes dump:\nSessions with Ephemerals (1):\n{session}:\n\t/e\n"
    )));
    assert!(dump.contains(&format!(" sessionId: {session}\n")) && dump.contains("(2):\n"), "{dump}");
    assert_eq!(server.word("hash"), "");
    let mut other = server.client();
    for number in 0..130 {
        other.call(&create(&format!("/n{number}"), 0)).unwrap();
    }
    assert!(server.word("hash").starts_with("80: "));
    assert_eq!(ask(&server, "hash")["digests"][0]["zxid"], 128);
    assert_eq!(server.word("stmk\0\0\0\0\0\0\0\x07"), "7");
    assert_eq!(server.word("gtmk"), "7");
    assert_eq!(server.word("crst"), "Connection stats reset.\n");
    assert!(server.word("cons").contains(",to=30000,lzxid=0xffffffffffffffff,"));
}

#[test]
fn every_way_to_the_metrics_shows_the_same() {
    let server = Running::start(with_operators(), Arc::new(MemoryVfs::new()));
    let mut client = server.client();
    for number in 0..10 {
        client.call(&create(&format!("/n{number}"), 0)).unwrap();
        client.call(&get(&format!("/n{number}"), number == 0)).unwrap();
    }
    client.ask(&set("/n0", "12345"));
    assert_eq!(client.event(), (event::NODE_DATA_CHANGED, "/n0".into()));
    client.reply(OpCode::SetData);
    let mntr = server.word("mntr");
    let of = |name: &str| {
        let line = mntr.lines().find_map(|line| line.strip_prefix(&format!("zk_{name}\t")));
        line.unwrap_or_else(|| panic!("no {name} in\n{mntr}")).to_owned()
    };
    for (name, value) in [
        ("cnt_updatelatency", "11"),
        ("cnt_readlatency", "10"),
        ("sum_sync_processor_batch_size", "12"),
        ("prep_processor_request_queued", "22"),
        ("sync_processor_request_queued", "12"),
        ("outstanding_changes_removed", "21"),
        ("sum_node_changed_watch_count", "1"),
        ("cnt_n0_write_per_namespace", "2"),
        ("sum_n0_read_per_namespace", "72"),
        ("connection_request_count", "1"),
        ("cnt_dbinittime", "1"),
    ] {
        assert_eq!(of(name), value, "{name}");
    }
    for name in ["bytes_received_count", "response_bytes", "watch_bytes", "cnt_fsynctime", "open_file_descriptor_count"]
    {
        assert!(of(name).parse::<u64>().unwrap() > 0, "{name}");
    }
    let monitor = ask(&server, "monitor");
    let (head, text) = fetch(server.http[1], "GET /metrics", b"");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let text = String::from_utf8(text).unwrap();
    for line in mntr.lines() {
        let name = line.trim_start_matches("zk_").split('\t').next().unwrap();
        assert!(monitor.get(name).is_some(), "{name}");
        let numbered = ["avg_", "min_", "max_", "cnt_", "sum_", "p50_", "p95_", "p99_", "p999_"];
        let is_sample =
            ["version", "server_state"].contains(&name) || numbered.iter().any(|word| name.starts_with(word));
        assert!(is_sample || text.contains(&format!("\n{name} ")), "{name}");
    }
    assert!(text.contains("readlatency_count 10.0\n") && text.contains("\nprocess_resident_memory_bytes "));
    let (_, some) = fetch(server.http[1], "GET /metrics?name[]=znode_count", b"");
    assert_eq!(String::from_utf8(some).unwrap().lines().count(), 3);
    assert!(fetch(server.http[1], "GET /", b"").0.starts_with("HTTP/1.1 404 "));
    server.word("srst");
    assert!(server.word("mntr").contains("zk_cnt_updatelatency\t0\n"));
}

#[test]
fn a_snapshot_goes_out_and_comes_in_again() {
    let vfs = Arc::new(MemoryVfs::new());
    let server = Running::start(with_operators(), vfs.clone());
    let admin = server.http[0];
    let mut client = server.client();
    client.call(&create("/kept", 0)).unwrap();
    client.call(&create("/e", 1)).unwrap();
    let asked = |more: &str| format!("GET /commands/snapshot HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{more}");
    for (authorization, status, error) in [
        ("", 401, "Auth info is missing for the command"),
        ("Authorization: nothing\r\n", 401, "Not authenticated"),
        ("Authorization: foo bar\r\n", 401, "Not authenticated"),
        ("Authorization:\r\n", 401, "Not authenticated"),
        ("Authorization: digest\r\n", 401, "Not authenticated"),
        ("Authorization: digest  a:b\r\n", 401, "Not authenticated"),
        ("Authorization: ip of mine\r\n", 401, "Not authenticated"),
        ("Authorization: x509\r\n", 401, "Not authenticated"),
        ("Authorization: sasl a\r\n", 401, "Not authenticated"),
        ("Authorization: ensemble\r\n", 401, "Not authenticated"),
    ] {
        let (head, body) = fetch_with(admin, &asked(authorization), b"");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["error"], error);
    }
    for authorization in ["ip", "ip of-mine", "digest a:b", "digest \u{e4}:b"] {
        let head = fetch_with(admin, &asked(&format!("Authorization: {authorization}\r\n")), b"").0;
        assert!(head.starts_with("HTTP/1.1 200 "), "{authorization}: {head}");
    }
    let (head, snapshot) = fetch_with(admin, &asked(SUPER), b"");
    assert!(head.contains("last_zxid: 0x3") && head.contains(&format!("snapshot_size: {}", snapshot.len())), "{head}");
    client.call(&delete("/kept")).unwrap();
    client.call(&create("/later", 0)).unwrap();

    let restore = |body: &[u8]| {
        let head = format!(
            "POST /commands/restore HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{SUPER}Content-Length: {}\r\n",
            body.len()
        );
        fetch_with(admin, &head, body)
    };
    assert!(restore(b"").0.starts_with("HTTP/1.1 500 "));
    let mut flipped = snapshot.clone();
    flipped[60] ^= 1;
    assert!(restore(&flipped).0.starts_with("HTTP/1.1 500 "));
    assert!(restore(&snapshot[..snapshot.len() - 1]).0.starts_with("HTTP/1.1 500 "));
    client.call(&exists("/later", false)).unwrap();

    let (head, body) = restore(&snapshot);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&answer["last_zxid"], &answer["error"]), (&6.into(), &Value::Null));
    assert_eq!(client.frame(), None, "who was connected comes back");
    let mut again = client.resume(&server);
    again.call(&exists("/kept", false)).unwrap();
    again.call(&exists("/e", false)).unwrap();
    assert_eq!(again.call(&exists("/later", false)), Err(ErrorCode::NoNode));
    again.call(&create("/new", 0)).unwrap();
    server.stop().unwrap();
    vfs.crash();
    let server = Running::start(with_operators(), vfs);
    let mut third = server.client();
    third.call(&exists("/kept", false)).unwrap();
    third.call(&exists("/new", false)).unwrap();
    assert_eq!(third.call(&exists("/later", false)), Err(ErrorCode::NoNode));
}

#[test]
fn snapshots_are_for_those_who_may_do_all_and_not_too_often() {
    let mut config = with_operators();
    let admin = config.admin.take().unwrap();
    config.admin = Some(AdminConfig { snapshot: Some(60_000), restore: None, ..admin });
    let server = Running::start(config, Arc::new(MemoryVfs::new()));
    let mut client = server.client();
    let acl = vec![Acl::new(Permissions::ALL, zk_proto::Id::new("digest", "nobody:x"))];
    client.call(&Request::SetAcl(SetAclRequest { path: "/".into(), acl, version: -1 })).unwrap();
    let status = |request: &str, authorization: &str| {
        let head =
            format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n{authorization}");
        fetch_with(server.http[0], &head, b"").0[9..12].to_owned()
    };
    assert_eq!(status("GET /commands/snapshot", "Authorization: digest a:b\r\n"), "403");
    assert_eq!(status("GET /commands/snapshot?streaming=false", SUPER), "200");
    assert_eq!(status("GET /commands/snapshot", SUPER), "429");
    assert_eq!(status("POST /commands/restore", SUPER), "503");
}

#[test]
fn hostile_askers_cost_little_and_nobody_waits_for_them() {
    let mut config = with_operators();
    config.admin.as_mut().unwrap().idle_ms = 2_000;
    let server = Running::start(config, Arc::new(MemoryVfs::new()));
    let long = "a".repeat(100_000);
    for request in [
        format!("GET /commands/ruok HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
        format!("GET /commands/{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
        format!("GET /commands/ruok HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(1000)),
        "\u{16}\u{3}\u{1}\u{0}\u{a5}rubbish\r\n\r\n".to_owned(),
        "GET /commands/ruok HTTP/9.9\r\n\r\n".to_owned(),
        "POST /commands/restore HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n".to_owned(),
    ] {
        let answer = raw(server.http[0], request.as_bytes());
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    // More than there are places for, and none of them says all it has to say.
    let slow: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut socket = TcpStream::connect(("127.0.0.1", server.http[0])).unwrap();
            socket.write_all(b"GET /commands/ru").unwrap();
            socket
        })
        .collect();
    assert_eq!(server.word("ruok"), "imok");
    // They are cut off, and then others have their turn.
    assert_eq!(ask(&server, "ruok")["error"], Value::Null);
    drop(slow);
    // A body that never comes holds nobody up, and takes nothing away.
    let head = format!("POST /commands/restore HTTP/1.1\r\nHost: a\r\n{SUPER}Content-Length: 1000\r\n\r\nZKSN");
    raw(server.http[0], head.as_bytes());
    assert_eq!(server.word("ruok"), "imok");
    assert!(server.client().call(&create("/after", 0)).is_ok());
}

#[test]
fn a_port_that_is_taken_is_told_of_with_its_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut config = with_operators();
    config.admin = Some(AdminConfig { address: "127.0.0.1".into(), port, ..AdminConfig::default() });
    let error = Running::try_start(config.clone(), Arc::new(MemoryVfs::new())).err().unwrap();
    assert!(
        error.contains("Problem starting AdminServer on address 127.0.0.1, port") && error.contains("admin.serverPort"),
        "{error}"
    );
    config.admin = None;
    config.prometheus = Some(PrometheusConfig { host: "127.0.0.1".into(), port, process: false });
    let error = Running::try_start(config, Arc::new(MemoryVfs::new())).err().unwrap();
    assert!(error.contains("Cannot boot MetricsProvider") && error.contains("metricsProvider.httpPort"), "{error}");
}
