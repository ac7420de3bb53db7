//! Accepting when descriptors run out. The only test of its process, because the limit is the process's.

use std::fs::File;
use std::net::Ipv4Addr;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;

use net::{Incoming, Limits, Listener};

#[test]
#[expect(clippy::disallowed_methods, reason = "the test fills the table of descriptors and counts CPU time")]
fn accepting_rests_and_goes_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut listener = Listener::bind(Some(Ipv4Addr::LOCALHOST.into()), 0, 50, Limits::none()).unwrap();
        let port = listener.local().unwrap().port();
        let _client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();

        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum }).unwrap();
        let mut held = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            held.push(file);
        }

        let before = cpu_ms();
        let nothing = tokio::time::timeout(Duration::from_millis(500), listener.accept()).await;
        assert!(nothing.is_err(), "there was a descriptor left");
        assert!(cpu_ms() - before < 100, "a busy loop");

        held.clear();
        let accepted = tokio::time::timeout(Duration::from_secs(10), listener.accept()).await.unwrap();
        assert!(matches!(accepted, Incoming::Accepted(_)));
    });
}

fn cpu_ms() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}
