//! A serving server stops at every call that changes its files: snapshots, rolled logs and purges among the writes.

use vfs::Crash;

use super::*;

/// Snapshots come often, and old ones go.
fn busy() -> ServerConfig {
    ServerConfig { snap_count: 12, purge_interval_hours: 1, ..config() }
}

/// Creates nodes one after the other until the server ends or `count` are there; how many were acknowledged.
fn create_until_it_ends(server: &Running, count: usize) -> usize {
    let Some(mut client) = RawClient::connect(server, &ConnectRequest { timeout_ms: 30_000, ..new_session() }) else {
        return 0;
    };
    for made in 0..count {
        let mut out = Writer::new();
        RequestHeader { xid: made as i32 + 1, op: OpCode::Create.code() }.write(&mut out);
        create(&format!("/n{made}"), (made % 2) as i32).write(&mut out);
        let sent = client.socket.write_all(&(out.len() as u32).to_be_bytes());
        if sent.and_then(|()| client.socket.write_all(out.as_slice())).is_err() {
            return made;
        }
        let Some(frame) = client.frame() else { return made };
        assert_eq!(ReplyHeader::read(&mut Reader::new(frame)).unwrap().err, 0);
    }
    count
}

/// Stops a server at the changing call number `stop`; false if it did all it should before.
fn stop_at(stop: u64) -> bool {
    const COUNT: usize = 40;
    let disk = MemoryVfs::new();
    let faults = FaultVfs::new(Arc::new(disk.clone()));
    faults.stop_at_change(stop);
    let mut acknowledged = 0;
    if let Ok(server) = Running::try_start(busy(), Arc::new(faults)) {
        acknowledged = create_until_it_ends(&server, COUNT);
        drop(server);
    }
    for crash in [Crash::Process, Crash::Torn { seed: stop }, Crash::Scattered { seed: stop }] {
        let left = disk.fork();
        left.crash_with(crash);
        let server = Running::start(busy(), Arc::new(left));
        let mut client = server.client();
        for made in 0..acknowledged {
            let there = client.call(&exists(&format!("/n{made}"), false));
            assert!(there.is_ok(), "/n{made} of {acknowledged} is lost, stopped at {stop}, {crash:?}");
        }
        assert!(client.call(&create("/after", 0)).is_ok(), "stopped at {stop}, {crash:?}");
        server.stop().unwrap();
    }
    acknowledged < COUNT
}

#[test]
fn nothing_acknowledged_is_lost_whatever_call_was_the_last() {
    let all = std::env::var_os("KAFKA_TESTS_FULL").is_some();
    let (mut stops, mut stop) = (0, 0);
    while stop_at(stop) {
        stops += 1;
        // Steps without a common rhythm with what a write does.
        stop += if all { 1 } else { 3 + stop % 8 };
    }
    assert!(stop > 100, "only {stop} calls");
    assert!(stops > 12, "only {stops} stops");
}
