//! Requests of every kind, cut and bent at every byte: an error or a closed connection, and the broker serves on.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use tests::{Broker, Kind, Recorded, TempDir, Tools, ZooKeeper, full, recorded_requests};

/// Orders of a controller and markers, and what changes quotas or settings or makes partitions: a broker that obeys a
/// bent one forgets its partitions, becomes slow, or has some ten thousand of them, as it must.
const OBEYED: [i16; 10] = [4, 5, 6, 7, 19, 27, 33, 37, 44, 49];
/// What a number is bent to.
const BENT: [i32; 4] = [-2, i32::MIN, i32::MAX, 0x0100_0000];
/// Key, version and correlation id.
const HEAD: usize = 8;

/// A recorded request of each key in its oldest and newest version; in the long tier of each version.
fn requests() -> Vec<Recorded> {
    let mut by_kind: BTreeMap<(i16, i16), Recorded> = BTreeMap::new();
    for recorded in recorded_requests().into_iter().filter(|recorded| recorded.request.len() < 1000) {
        by_kind.entry((recorded.api, recorded.version)).or_insert(recorded);
    }
    let kinds: Vec<(i16, i16)> = by_kind.keys().copied().collect();
    let is_chosen = |index: usize| {
        let (api, _) = kinds[index];
        full() || index == 0 || kinds[index - 1].0 != api || kinds.get(index + 1).is_none_or(|next| next.0 != api)
    };
    by_kind.into_values().enumerate().filter(|(index, _)| is_chosen(*index)).map(|(_, recorded)| recorded).collect()
}

/// Sends a frame, or what is left of one, and leaves.
fn send(port: u16, announced: usize, bytes: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it accepts");
    // It may be closed before all is sent.
    let _ = stream.write_all(&[&(announced as u32).to_be_bytes()[..], bytes].concat());
    let _ = stream.shutdown(std::net::Shutdown::Write);
    // Some wait for others, as they should; most are answered or closed at once.
    stream.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout can be set");
    let _ = stream.read(&mut [0; 64]);
}

#[test]
fn requests_cut_or_bent_at_every_byte_hurt_nobody() {
    let dir = TempDir::new("kafka-frames");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
    let (port, tools) = (broker.port(), Tools(Kind::Ours));
    let args = format!("--topic witness --bootstrap-server {}", broker.address());
    assert_eq!(tools.run("kafka-topics", &format!("--create {args}")).code, 0);
    let before = broker.process().resident_kib();
    let (mut sent, step) = (0, if full() { 1 } else { 5 });
    for Recorded { api, request, .. } in requests() {
        for len in (0..request.len()).step_by(step) {
            // As a frame that is complete but says too little, and as one that never comes to its end.
            send(port, len, &request[..len]);
            send(port, request.len(), &request[..len]);
            sent += 2;
        }
        if OBEYED.contains(&api) {
            continue;
        }
        for at in (HEAD..request.len().saturating_sub(4)).step_by(step) {
            for number in BENT {
                let mut bent = request.clone();
                bent[at..at + 4].copy_from_slice(&number.to_be_bytes());
                send(port, bent.len(), &bent);
                sent += 1;
            }
        }
        let process = broker.process();
        assert!(process.ended().is_none(), "after requests of key {api}:\n{}", process.output());
    }
    let process = broker.process();
    eprintln!("{sent} frames; memory {before} KiB before, at most {} KiB", process.peak_kib());
    assert!(!process.output().contains("panicked"), "{}", process.output());
    assert!(process.peak_kib() < before + (100 << 10), "{} KiB at a time", process.peak_kib());
    assert_eq!(tools.run_with_input("kafka-console-producer", &args, "alive\n").code, 0);
    let read =
        tools.run("kafka-console-consumer", &format!("{args} --from-beginning --max-messages 1 --timeout-ms 20000"));
    assert_eq!(read.stdout, "alive\n", "{}", read.stderr);
}
