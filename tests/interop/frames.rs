//! Requests as real clients and Apache's brokers sent them: ours refuses none that it announces.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use tests::{Broker, Kind, TempDir, ZooKeeper, recorded_requests};

/// Replies that wait for other members of a group; on the wire nothing may come for a while.
const PARKED: &[i16] = &[11, 14];

/// Orders of another cluster's controller: obeying them is what a broker must do, and it would forget its own cluster.
const ORDERS: &[i16] = &[4, 5, 6];

#[test]
fn recorded_requests_are_answered() {
    let dir = TempDir::new("frames");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
    let served = served(broker.port());
    assert!(served.len() > 20, "{served:?}");
    let (mut asked, mut refused) = (0, Vec::new());
    for recorded in recorded_requests() {
        if !served.contains(&recorded.api) || ORDERS.contains(&recorded.api) {
            continue;
        }
        asked += 1;
        let may_wait = PARKED.contains(&recorded.api) || !recorded.answered;
        let patience = Duration::from_secs(if may_wait { 3 } else { 60 });
        match ask(broker.port(), &recorded.request, patience) {
            Answer::Frame(frame) => {
                assert_eq!(frame.get(..4), recorded.request.get(4..8), "another correlation id came back");
            }
            Answer::Nothing if may_wait => {}
            Answer::Closed if !recorded.answered => {}
            other => refused.push(format!("api {} v{}: {other:?}", recorded.api, recorded.version)),
        }
    }
    assert!(asked > 100, "only {asked} recordings were tried");
    assert!(refused.is_empty(), "{} of {asked} requests got no answer:\n{}", refused.len(), refused.join("\n"));
    let log = fs::read_to_string(broker.log()).unwrap_or_default();
    assert!(!log.contains("panicked") && !log.contains("cannot be told"), "{log}");
}

#[derive(Debug)]
pub(crate) enum Answer {
    Frame(Vec<u8>),
    Nothing,
    Closed,
}

/// One question on a connection of its own; nothing if no answer comes within so much time.
pub(crate) fn ask(port: u16, request: &[u8], patience: Duration) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
    stream.set_read_timeout(Some(patience)).expect("a timeout can be set");
    stream.write_all(&(request.len() as u32).to_be_bytes()).expect("sent");
    stream.write_all(request).expect("sent");
    let mut len = [0; 4];
    match stream.read_exact(&mut len) {
        Ok(()) => {
            let mut frame = vec![0; u32::from_be_bytes(len) as usize];
            stream.read_exact(&mut frame).expect("the whole frame comes");
            Answer::Frame(frame)
        }
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
            Answer::Nothing
        }
        Err(_) => Answer::Closed,
    }
}

/// The keys in the broker's answer to ApiVersions version 0.
fn served(port: u16) -> BTreeSet<i16> {
    let request = [0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    let Answer::Frame(frame) = ask(port, &request, Duration::from_mins(1)) else { panic!("no answer to ApiVersions") };
    assert_eq!(frame[4..6], [0, 0], "an error");
    frame[10..].chunks_exact(6).map(|entry| i16::from_be_bytes([entry[0], entry[1]])).collect()
}
