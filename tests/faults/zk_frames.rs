//! Requests that no client should send to the coordination server: an error or a closed connection, and it serves on.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use tests::{Body, Frames, Kind, Mode, Session, TempDir, ZooKeeper, buffer, closes};

const BAD_ARGUMENTS: i32 = -8;
const NO_NODE: i32 = -101;

/// How long it may take to close.
const CLOSES: Duration = Duration::from_mins(1);

fn with_session(port: u16) -> TcpStream {
    let mut frames = Frames::connect(port, Duration::from_secs(15)).expect("it accepts");
    frames.ask_session(20_000, 0, &[]).expect("sent");
    assert!(frames.granted().expect("an answer").timeout_ms > 0, "a session");
    frames.into_stream()
}

fn create_body(path: &str, data: &[u8]) -> Vec<u8> {
    Body::default().text(path).data(Some(data)).open().int(0).0
}

#[test]
fn paths_that_are_none_are_refused_as_apache_refuses_them() {
    let dir = TempDir::new("paths");
    let mut server = ZooKeeper::start(Kind::Ours, dir.path());
    let mut session = Session::open(server.port(), 20_000).expect("a session");
    session.create("/a", b"", Mode::Persistent).expect("an answer").expect("it is made");
    for path in ["", "a", "//", "/a/", "/.", "/..", "/a/..", "/a\0b", "/\u{1}", "/\u{fff0}"] {
        let answer = session.create(path, b"", Mode::Persistent).expect("an answer");
        assert_eq!(answer, Err(BAD_ARGUMENTS), "{path:?}");
    }
    // The parent is looked for before the path is looked at.
    for path in ["/a//b", "/a/../b"] {
        let answer = session.create(path, b"", Mode::Persistent).expect("an answer");
        assert_eq!(answer, Err(NO_NODE), "{path:?}");
    }
    // A megabyte and more of data is more than a request may have.
    let mut other = Session::open(server.port(), 20_000).expect("a session");
    assert!(other.create("/large", &vec![0; (1 << 20) + 1], Mode::Persistent).is_err(), "it was taken");
    assert!(!session.exists("/large", false).expect("an answer"));
    let fits = vec![7; (1 << 20) - 200];
    session.create("/fits", &fits, Mode::Persistent).expect("an answer").expect("it is made");
    assert_eq!(session.get("/fits", false).expect("an answer").expect("it is there"), fits);
    assert!(server.process().ended().is_none());
}

#[test]
fn lengths_that_are_none_close_their_connection() {
    let dir = TempDir::new("lengths");
    let mut server = ZooKeeper::start(Kind::Ours, dir.path());
    let mut witness = Session::open(server.port(), 20_000).expect("a session");
    for length in [-1, i32::MIN, i32::MAX, 2 << 20] {
        for mut stream in
            [TcpStream::connect(("127.0.0.1", server.port())).expect("it accepts"), with_session(server.port())]
        {
            stream.write_all(&i32::to_be_bytes(length)).expect("sent");
            assert!(closes(&mut stream, CLOSES), "length {length}");
            witness.ping().expect("it serves");
        }
    }
    // Lengths within a request: strings, buffers and vectors that say they are longer than the frame, or shorter than nothing.
    for length in [-2, i32::MIN, i32::MAX, 100] {
        for at in [0, 8, 13] {
            let mut body = create_body("/p", b"d");
            body[at..at + 4].copy_from_slice(&i32::to_be_bytes(length));
            let mut stream = with_session(server.port());
            let request = Body::default().int(1).int(1).0;
            let request = [request, body].concat();
            stream.write_all(&buffer(&request)).expect("sent");
            stream.shutdown(std::net::Shutdown::Write).expect("it can be shut");
            assert!(closes(&mut stream, CLOSES), "length {length} at {at}");
            witness.ping().expect("it serves");
        }
    }
    assert!(!server.process().output().contains("panicked"), "{}", server.process().output());
}

#[test]
fn requests_cut_at_every_byte_and_ended_there_hurt_nobody() {
    let dir = TempDir::new("cuts");
    let mut server = ZooKeeper::start(Kind::Ours, dir.path());
    let mut witness = Session::open(server.port(), 20_000).expect("a session");
    let request = [&1i32.to_be_bytes()[..], &1i32.to_be_bytes(), &create_body("/cut", b"data")].concat();
    for len in 0..request.len() {
        // As a frame that is complete but says too little, and as a frame that never comes to its end.
        for bytes in [buffer(&request[..len]), buffer(&request)[..len].to_vec()] {
            let mut stream = with_session(server.port());
            stream.write_all(&bytes).expect("sent");
            stream.shutdown(std::net::Shutdown::Write).expect("it can be shut");
            assert!(closes(&mut stream, CLOSES), "cut at {len}");
        }
        witness.ping().expect("it serves");
    }
    assert!(!witness.exists("/cut", false).expect("an answer"), "half a request made a node");
    assert!(!server.process().output().contains("panicked"), "{}", server.process().output());
}
