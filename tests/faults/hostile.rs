//! Random bytes, oversized and half frames on either port close that connection and nothing else.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use tests::{Broker, Kind, RawZk, TempDir, Tools, ZooKeeper};

/// A small generator with a printed seed: the same bytes again when a run has to be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// What nobody should send.
fn nasty(random: &mut Random) -> Vec<Vec<u8>> {
    let frame = |payload: &[u8]| [&(payload.len() as u32).to_be_bytes()[..], payload].concat();
    let mut sent = vec![
        (-1i32).to_be_bytes().to_vec(),
        i32::MAX.to_be_bytes().to_vec(),
        i32::MIN.to_be_bytes().to_vec(),
        0i32.to_be_bytes().to_vec(),
        frame(&[0, 3]),
        frame(&[0xff; 64]),
        // A known key in a version that nobody has, and a key that nobody has.
        frame(&[0, 0, 0x7f, 0xff, 0, 0, 0, 1, 0xff, 0xff]),
        frame(&[0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff]),
        // Metadata v1 with an array of 2^31 - 1 topics, and with one of -2.
        frame(&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]),
        frame(&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        // Half a frame.
        [&1000u32.to_be_bytes()[..], &[1; 10]].concat(),
    ];
    for len in [1, 3, 4, 5, 17, 100, 5000] {
        sent.push(random.bytes(len));
        let payload = random.bytes(len);
        sent.push(frame(&payload));
    }
    sent
}

#[test]
fn broken_frames_close_their_connection_and_nothing_else() {
    let seed = u64::from(std::process::id());
    eprintln!("seed {seed}");
    let dir = TempDir::new("hostile");
    let mut zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start(Kind::Ours, &dir.join("kafka"), &zookeeper.address());
    let mut witness = RawZk::connect(zookeeper.port()).expect("a session");
    let tools = Tools(Kind::Ours);
    let created = tools.run("kafka-topics", &format!("--create --topic t --bootstrap-server {}", broker.address()));
    assert_eq!(created.code, 0, "{}", created.stderr);

    let mut random = Random(seed);
    let mut half_open = Vec::new();
    for round in 0..20 {
        for bytes in nasty(&mut random) {
            for port in [zookeeper.port(), broker.port()] {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it still accepts");
                // The server may close before all is sent.
                let _ = stream.write_all(&bytes);
                if round % 2 == 0 {
                    drop(stream);
                } else {
                    half_open.push(stream);
                }
            }
        }
    }
    // An announced length that is too large is answered by closing at once, not by waiting for the bytes.
    for port in [zookeeper.port(), broker.port()] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it still accepts");
        stream.write_all(&i32::MAX.to_be_bytes()).expect("sent");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
        let closed = matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_));
        assert!(closed, "port {port} kept a connection that announced 2 GiB");
    }

    assert!(witness.create("/still-here", b"").expect("the old session serves on"));
    let args = format!("--bootstrap-server {} --topic t", broker.address());
    let sent = tools.run_with_input("kafka-console-producer", &args, "alive\n");
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    let read =
        tools.run("kafka-console-consumer", &format!("{args} --from-beginning --max-messages 1 --timeout-ms 20000"));
    assert_eq!(read.stdout, "alive\n", "{}", read.stderr);
    for process in [zookeeper.process(), broker.process()] {
        assert!(process.ended().is_none(), "{}", process.output());
        assert!(!process.output().contains("panicked"), "{}", process.output());
    }
}
