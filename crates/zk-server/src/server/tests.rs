//! A whole server on a port of its own and files in memory, asked by a raw client.
#![expect(clippy::disallowed_methods, reason = "tests have clocks and threads, and read the captures")]

use std::collections::HashMap;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;
use time_types::{Now, Tick, WallMillis};
use tokio::task::LocalSet;
use vfs::{Call, Fault, FaultVfs, MemoryVfs, On};
use zk_proto::header::xid as xids;
use zk_proto::ops::{
    AuthPacket, CreateRequest, DeleteRequest, ExistsRequest, GetChildrenRequest, GetDataRequest, SetDataRequest,
    SetWatches, WatcherEvent, event,
};
use zk_proto::{
    Acl, ConnectRequest, ConnectResponse, ErrorCode, Jute, MultiResult, OpCode, Reader, ReplyHeader, RequestHeader,
    Response, SessionId, Writer, Zxid,
};

use super::*;
use crate::config::Whitelist;

mod admin_tls;
mod crashes;
mod limits;
mod operators;
mod security;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden");

/// A server in a thread.
struct Running {
    port: u16,
    /// Of the admin server and of the metrics.
    http: [u16; 2],
    secure_port: u16,
    shutdown: Shutdown,
    thread: Option<JoinHandle<Result<(), String>>>,
}

fn test_clock() -> Clock {
    let start = Instant::now();
    Clock::new(move || Now {
        tick: Tick(start.elapsed().as_millis() as u64),
        wall: WallMillis(1_700_000_000_000 + start.elapsed().as_millis() as i64),
    })
}

/// A clock that stands, and goes on by what is added to the number.
fn held_clock() -> (Clock, Arc<AtomicU64>) {
    let ms = Arc::new(AtomicU64::new(1_000));
    let told = Arc::clone(&ms);
    let clock = Clock::new(move || {
        let ms = told.load(Ordering::SeqCst);
        Now { tick: Tick(ms), wall: WallMillis(1_700_000_000_000 + ms as i64) }
    });
    (clock, ms)
}

fn config() -> ServerConfig {
    let mut config = ServerConfig::new(PathBuf::from("/data"), Some(0));
    config.client_address = Some([127, 0, 0, 1].into());
    config.max_client_connections = 0;
    config.whitelist = Whitelist::All;
    config
}

impl Running {
    fn start(config: ServerConfig, vfs: Arc<dyn Vfs>) -> Running {
        Running::try_start(config, vfs).unwrap()
    }

    fn try_start(config: ServerConfig, vfs: Arc<dyn Vfs>) -> Result<Running, String> {
        Running::start_at(config, vfs, test_clock())
    }

    fn start_at(config: ServerConfig, vfs: Arc<dyn Vfs>, clock: Clock) -> Result<Running, String> {
        let (started, ports) = mpsc::channel();
        let shutdown = Shutdown::new();
        let end = shutdown.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async move {
                match Server::start(config, vfs, clock, || 7) {
                    Ok(server) => {
                        let ports = [server.port(), server.admin_port(), server.metrics_port(), server.secure_port()];
                        started.send(Ok(ports.map(Option::unwrap_or_default))).unwrap();
                        server.run(end).await.map_err(|error| error.to_string())
                    }
                    Err(error) => {
                        started.send(Err(error.to_string())).unwrap();
                        Ok(())
                    }
                }
            })
        });
        let [port, admin, metrics, secure_port] = ports.recv().unwrap()?;
        Ok(Running { port, secure_port, http: [admin, metrics], shutdown, thread: Some(thread) })
    }

    fn stop(mut self) -> Result<(), String> {
        self.shutdown.begin();
        self.thread.take().unwrap().join().unwrap()
    }

    /// Waits until it ends by itself.
    fn ended(mut self) -> Result<(), String> {
        self.thread.take().unwrap().join().unwrap()
    }

    fn word(&self, word: &str) -> String {
        let mut socket = self.socket();
        socket.write_all(word.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        socket
    }

    fn client(&self) -> RawClient {
        RawClient::connect(self, &ConnectRequest { timeout_ms: 30_000, ..new_session() }).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.begin();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn new_session() -> ConnectRequest {
    ConnectRequest { password: Some(vec![0; 16].into()), read_only: Some(false), ..ConnectRequest::default() }
}

struct RawClient {
    socket: TcpStream,
    connected: ConnectResponse,
    xid: i32,
}

impl RawClient {
    /// `None`: the server closed the connection without a word.
    fn connect(server: &Running, request: &ConnectRequest) -> Option<RawClient> {
        let mut client = RawClient { socket: server.socket(), connected: ConnectResponse::default(), xid: 0 };
        client.send(&request.to_bytes());
        client.connected = ConnectResponse::from_bytes(client.frame()?).unwrap();
        Some(client)
    }

    fn resume(&self, server: &Running) -> RawClient {
        let request = ConnectRequest {
            session_id: self.connected.session_id,
            password: self.connected.password.clone(),
            timeout_ms: 30_000,
            ..new_session()
        };
        RawClient::connect(server, &request).unwrap()
    }

    fn send(&mut self, body: &[u8]) {
        let mut frame = (body.len() as i32).to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        self.socket.write_all(&frame).unwrap();
    }

    fn frame(&mut self) -> Option<Bytes> {
        let mut len = [0; 4];
        self.socket.read_exact(&mut len).ok()?;
        let mut frame = vec![0; i32::from_be_bytes(len) as usize];
        self.socket.read_exact(&mut frame).ok()?;
        Some(frame.into())
    }

    fn ask(&mut self, request: &Request) -> i32 {
        self.ask_together(std::slice::from_ref(request));
        self.xid
    }

    /// Asks all of them in one piece.
    fn ask_together(&mut self, requests: &[Request]) {
        let mut frames = Vec::new();
        for request in requests {
            self.xid += 1;
            let mut out = Writer::new();
            RequestHeader { xid: self.xid, op: request.op().code() }.write(&mut out);
            request.write(&mut out);
            frames.extend_from_slice(&(out.len() as u32).to_be_bytes());
            frames.extend_from_slice(out.as_slice());
        }
        self.socket.write_all(&frames).unwrap();
    }

    /// The next reply to a request of kind `op`.
    fn reply(&mut self, op: OpCode) -> (ReplyHeader, Option<Response>) {
        let mut reader = Reader::new(self.frame().unwrap());
        let header = ReplyHeader::read(&mut reader).unwrap();
        let body = (header.err == 0).then(|| Response::read(op, &mut reader).unwrap());
        (header, body)
    }

    fn call(&mut self, request: &Request) -> Result<Response, ErrorCode> {
        let xid = self.ask(request);
        let (header, response) = self.reply(request.op());
        let xid = if *request == Request::Ping { xids::PING } else { xid };
        assert_eq!(header.xid, xid, "{request:?}");
        response.ok_or(header.err.into())
    }

    fn event(&mut self) -> (i32, String) {
        let mut reader = Reader::new(self.frame().unwrap());
        let header = ReplyHeader::read(&mut reader).unwrap();
        assert_eq!((header.xid, header.zxid, header.err), (xids::NOTIFICATION, Zxid::NONE, 0));
        let event = WatcherEvent::read(&mut reader).unwrap();
        assert_eq!(event.state, event::STATE_SYNC_CONNECTED);
        (event.kind, event.path)
    }

    fn session(&self) -> SessionId {
        self.connected.session_id
    }
}

fn create(path: &str, flags: i32) -> Request {
    Request::Create(CreateRequest { path: path.into(), data: Some("x".into()), acl: Acl::open(), flags })
}

fn exists(path: &str, watch: bool) -> Request {
    Request::Exists(ExistsRequest { path: path.into(), watch })
}

fn get(path: &str, watch: bool) -> Request {
    Request::GetData(GetDataRequest { path: path.into(), watch })
}

fn children(path: &str, watch: bool) -> Request {
    Request::GetChildren2(GetChildrenRequest { path: path.into(), watch })
}

fn set(path: &str, data: &str) -> Request {
    Request::SetData(SetDataRequest { path: path.into(), data: Some(data.to_owned().into()), version: -1 })
}

fn delete(path: &str) -> Request {
    Request::Delete(DeleteRequest { path: path.into(), version: -1 })
}

#[test]
fn words_are_answered_and_the_whitelist_is_kept() {
    let mut config = config();
    let server = Running::start(config.clone(), Arc::new(MemoryVfs::new()));
    assert_eq!(server.word("ruok"), "imok");
    assert_eq!(server.word("isro"), "rw");
    let srvr = server.word("srvr");
    let lines: Vec<&str> = srvr.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        lines,
        ["Zookeeper", "Latency", "Received:", "Sent:", "Connections:", "Outstanding:", "Zxid:", "Mode:", "Node"]
    );
    assert!(srvr.ends_with("Mode: standalone\nNode count: 5\n"), "{srvr}");
    assert!(server.word("conf").contains("tickTime=3000\nmaxClientCnxns=0\n"));
    let mut client = server.client();
    client.call(&create("/e", 1)).unwrap();
    let cons = server.word("cons");
    assert!(cons.contains(&format!("sid={},lop=CREA,", client.session())), "{cons}");
    assert!(server.word("mntr").contains("zk_ephemerals_count\t1\n"));
    assert_eq!(server.word("srst"), "Server stats reset.\n");
    assert_eq!(server.word("RUOK"), "", "a length beyond the limit");
    drop(server);
    config.whitelist = Whitelist::Words(vec!["srvr".into()]);
    let server = Running::start(config, Arc::new(MemoryVfs::new()));
    for word in ["ruok", "mntr", "wchs", "dump"] {
        assert_eq!(server.word(word), format!("{word} is not executed because it is not in the whitelist.\n"));
    }
}

#[test]
fn forms_of_the_handshake() {
    let server = Running::start(config(), Arc::new(MemoryVfs::new()));
    let negotiated = |timeout_ms| {
        RawClient::connect(&server, &ConnectRequest { timeout_ms, ..new_session() }).unwrap().connected.timeout_ms
    };
    assert_eq!([negotiated(1), negotiated(10_000), negotiated(i32::MAX), negotiated(-5)], [6000, 10_000, 60_000, 6000]);
    let old =
        RawClient::connect(&server, &ConnectRequest { read_only: None, password: None, ..new_session() }).unwrap();
    assert_eq!(old.connected.read_only, None);
    let later = ConnectRequest { last_zxid_seen: Zxid(1 << 40), ..new_session() };
    assert!(RawClient::connect(&server, &later).is_none());
    let refused =
        ConnectResponse { password: Some(vec![0; 16].into()), read_only: Some(false), ..ConnectResponse::default() };
    let mut unknown =
        RawClient::connect(&server, &ConnectRequest { session_id: SessionId(5), ..new_session() }).unwrap();
    assert_eq!(unknown.connected, refused);
    assert_eq!(unknown.frame(), None, "closed behind the refusal");
    let client = server.client();
    let guess = ConnectRequest { session_id: client.session(), password: Some(vec![1; 16].into()), ..new_session() };
    assert_eq!(RawClient::connect(&server, &guess).unwrap().connected, refused);
}

#[test]
fn a_session_moves_with_its_password_and_ends_with_its_ephemerals() {
    let server = Running::start(config(), Arc::new(MemoryVfs::new()));
    let mut first = server.client();
    first.call(&create("/e", 1)).unwrap();
    let mut second = first.resume(&server);
    assert_eq!(second.session(), first.session());
    assert_eq!(first.frame(), None, "the old connection is closed");
    let mut other = server.client();
    other.call(&exists("/e", true)).unwrap();
    assert_eq!(second.call(&Request::CloseSession), Ok(Response::Empty));
    assert_eq!(second.frame(), None);
    assert_eq!(other.event(), (event::NODE_DELETED, "/e".into()));
    assert_eq!(other.call(&exists("/e", false)), Err(ErrorCode::NoNode));
    assert_eq!(first.resume(&server).connected.timeout_ms, 0);
}

#[test]
fn a_silent_session_expires() {
    let mut config = config();
    (config.tick_ms, config.min_session_ms) = (50, 100);
    let (clock, now) = held_clock();
    let server = Running::start_at(config, Arc::new(MemoryVfs::new()), clock).unwrap();
    let mut watcher = server.client();
    let short = ConnectRequest { timeout_ms: 100, ..new_session() };
    let mut silent = RawClient::connect(&server, &short).unwrap();
    silent.call(&create("/e", 1)).unwrap();
    watcher.call(&exists("/e", true)).unwrap();
    // One that pings lives, and has lived longer than its timeout when the other one's is over.
    let mut alive = RawClient::connect(&server, &short).unwrap();
    for _ in 0..8 {
        now.fetch_add(40, Ordering::SeqCst);
        alive.call(&Request::Ping).unwrap();
    }
    assert_eq!(watcher.event(), (event::NODE_DELETED, "/e".into()));
    assert_eq!(silent.frame(), None);
    assert_eq!(silent.resume(&server).connected.timeout_ms, 0);
    alive.call(&Request::Ping).unwrap();
}

#[test]
fn a_session_with_very_many_ephemerals_is_closed_and_no_transaction_is_too_long() {
    let vfs = MemoryVfs::new();
    let server = Running::start(config(), Arc::new(vfs.clone()));
    let mut client = server.client();
    let name = "n".repeat(150);
    for n in 0..9_000 {
        client.ask(&create(&format!("/{name}{n}"), 1));
        // Never more under way than the socket holds.
        if n % 100 == 99 {
            (0..100).for_each(|_| assert_eq!(client.reply(OpCode::Create).0.err, 0));
        }
    }
    let mut other = server.client();
    assert!(other.call(&exists(&format!("/{name}8999"), false)).is_ok());
    assert!(client.call(&Request::CloseSession).is_ok());
    assert_eq!(other.call(&exists(&format!("/{name}0"), false)), Err(ErrorCode::NoNode));
    assert_eq!(other.call(&exists(&format!("/{name}8999"), false)), Err(ErrorCode::NoNode));
    server.stop().unwrap();
    let dirs = Dirs::new(&config().data_dir, None);
    let (mut deletes, mut closes) = (0, 0);
    for file in dirs.logs(&vfs).unwrap() {
        let mut reader = zk_store::LogReader::open(&vfs, &file.path).unwrap();
        while let Some(entry) = reader.next().unwrap() {
            assert!(entry.end - entry.offset < 2 << 20);
            deletes += usize::from(entry.logged.header.op == OpCode::Delete.code());
            closes += usize::from(entry.logged.header.op == OpCode::CloseSession.code());
        }
    }
    assert!(deletes > 1_000 && closes == 1, "{deletes} deletes, {closes} closes");
}

#[test]
fn replies_keep_the_order_and_events_come_before_the_reply_that_shows_the_change() {
    let server = Running::start(config(), Arc::new(MemoryVfs::new()));
    let mut client = server.client();
    for number in 0..20 {
        client.ask(&create(&format!("/p{number}"), 0));
        client.ask(&exists(&format!("/p{number}"), false));
    }
    for number in 0..20 {
        let (header, _) = client.reply(OpCode::Create);
        assert_eq!((header.xid, header.err), (2 * number + 1, 0));
        let (read, response) = client.reply(OpCode::Exists);
        assert_eq!((read.xid, read.zxid), (2 * number + 2, header.zxid));
        let Some(Response::Exists(found)) = response else { panic!("the read saw no write of its own session") };
        assert_eq!(found.stat.czxid, header.zxid);
    }
    client.call(&get("/p0", true)).unwrap();
    client.call(&children("/", true)).unwrap();
    let mut other = server.client();
    other.ask(&set("/p0", "new"));
    other.ask(&delete("/p0"));
    assert_eq!(client.event(), (event::NODE_DATA_CHANGED, "/p0".into()));
    assert_eq!(client.event(), (event::NODE_CHILDREN_CHANGED, "/".into()));
    client.call(&exists("/own", true)).unwrap_err();
    client.ask(&create("/own", 0));
    assert_eq!(client.event(), (event::NODE_CREATED, "/own".into()));
    assert_eq!(client.reply(OpCode::Create).0.err, 0);
}

#[test]
fn what_was_missed_comes_before_the_answer_to_set_watches() {
    let server = Running::start(config(), Arc::new(MemoryVfs::new()));
    let mut client = server.client();
    client.call(&create("/a", 0)).unwrap();
    let Ok(Response::Exists(seen)) = client.call(&exists("/a", false)) else { panic!() };
    let mut other = server.client();
    other.call(&set("/a", "new")).unwrap();
    let mut back = client.resume(&server);
    let request = SetWatches {
        relative_zxid: seen.stat.czxid,
        data_watches: vec!["/a".into()],
        exist_watches: vec!["/later".into()],
        child_watches: vec!["/".into()],
    };
    back.ask(&Request::SetWatches(request));
    assert_eq!(back.event(), (event::NODE_DATA_CHANGED, "/a".into()));
    assert_eq!(back.reply(OpCode::SetWatches).0.err, 0);
    other.call(&create("/later", 0)).unwrap();
    assert_eq!(back.event(), (event::NODE_CREATED, "/later".into()));
    assert_eq!(back.event(), (event::NODE_CHILDREN_CHANGED, "/".into()));
}

#[test]
fn who_may_not_read_hears_nothing() {
    let server = Running::start(config(), Arc::new(MemoryVfs::new()));
    let mut alice = server.client();
    let packet = AuthPacket { kind: 0, scheme: Some("digest".into()), auth: Some("alice:secret".into()) };
    alice.call(&Request::Auth(packet.clone())).unwrap();
    let mut bob = server.client();
    bob.call(&exists("/hers", true)).unwrap_err();
    bob.call(&exists("/ours", true)).unwrap_err();
    let hers = CreateRequest { path: "/hers".into(), data: None, acl: Acl::creator_all(), flags: 0 };
    alice.call(&Request::Create(hers)).unwrap();
    alice.call(&create("/ours", 0)).unwrap();
    assert_eq!(bob.event(), (event::NODE_CREATED, "/ours".into()));
    assert_eq!(bob.call(&get("/hers", false)), Err(ErrorCode::NoAuth));
    bob.call(&Request::Auth(packet)).unwrap();
    assert!(bob.call(&get("/hers", false)).is_ok());
    bob.ask(&Request::Auth(AuthPacket { scheme: Some("nope".into()), ..AuthPacket::default() }));
    assert_eq!(bob.reply(OpCode::Auth).0.err, ErrorCode::AuthFailed.code());
    assert_eq!(bob.frame(), None);
}

#[test]
fn a_request_nobody_knows_closes_the_connection_behind_the_answer() {
    let server = Running::start(config(), Arc::new(MemoryVfs::new()));
    for op in [999, 0, OpCode::Check.code(), OpCode::Error.code()] {
        let mut client = server.client();
        client.ask(&create("/busy", 0));
        let mut out = Writer::new();
        RequestHeader { xid: 9, op }.write(&mut out);
        client.send(out.as_slice());
        client.reply(OpCode::Create);
        let (header, _) = client.reply(OpCode::Ping);
        assert_eq!(header, ReplyHeader { xid: 9, zxid: Zxid::NONE, err: ErrorCode::Unimplemented.code() });
        assert_eq!(client.frame(), None);
    }
    let mut client = server.client();
    client.send(&[0, 0, 0, 1, 0, 0, 0, 4, 0, 0]);
    assert_eq!(client.reply(OpCode::GetData).0.err, ErrorCode::MarshallingError.code());
    assert!(client.call(&get("/", false)).is_ok(), "a body that cannot be read closes nothing");
}

#[test]
fn broken_input_closes_its_connection_and_nothing_else() {
    let server = Running::start(config(), Arc::new(MemoryVfs::new()));
    let mut bystander = server.client();
    let mut number = 12_345u64;
    for round in 0..60usize {
        let mut socket = server.socket();
        let mut bytes: Vec<u8> = Vec::new();
        for _ in 0..round * 7 {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.push((number >> 56) as u8);
        }
        if round % 3 == 0 {
            // A small length first, so that the rest is taken for a frame.
            bytes.splice(0..bytes.len().min(4), [0, 0, 0, 40]);
        }
        let _ = socket.write_all(&bytes);
        drop(socket);
    }
    for length in [-1i32, i32::MIN, i32::MAX, 0x10_0000] {
        let mut socket = server.socket();
        socket.write_all(&length.to_be_bytes()).unwrap();
        assert_eq!(socket.read(&mut [0; 1]).unwrap_or(0), 0, "{length}");
        let mut client = server.client();
        client.socket.write_all(&length.to_be_bytes()).unwrap();
        assert_eq!(client.frame(), None, "{length}");
    }
    let half = server.client();
    (&half.socket).write_all(&[0, 0, 0, 50, 1, 2, 3]).unwrap();
    drop(half);
    assert!(bystander.call(&get("/", false)).is_ok());
}

#[test]
fn a_client_that_does_not_read_is_not_served_further_and_hurts_nobody() {
    let server = Running::start(config(), Arc::new(MemoryVfs::new()));
    let mut client = server.client();
    let big = SetDataRequest { path: "/big".into(), data: Some(vec![7; 900_000].into()), version: -1 };
    client.call(&create("/big", 0)).unwrap();
    client.call(&Request::SetData(big)).unwrap();
    for _ in 0..400 {
        client.ask(&get("/big", false));
    }
    let mut other = server.client();
    other.call(&create("/other", 0)).unwrap();
    let sent: u64 =
        server.word("mntr").lines().find_map(|line| line.strip_prefix("zk_response_bytes\t")).unwrap().parse().unwrap();
    assert!(sent < 100 * 900_000, "{sent} bytes of replies were made for a client that took none");
    for _ in 0..400 {
        let (header, _) = client.reply(OpCode::GetData);
        assert_eq!(header.err, 0);
    }
}

#[test]
fn everything_acknowledged_survives_a_power_loss() {
    let vfs = MemoryVfs::new();
    let mut config = config();
    config.snap_count = 20;
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..4 {
        let server = Running::start(config.clone(), Arc::new(vfs.clone()));
        let mut client = server.client();
        for path in &acknowledged {
            assert!(client.call(&exists(path, false)).is_ok(), "{path}");
        }
        for number in 0..60 {
            let path = format!("/r{round}-{number}");
            client.call(&create(&path, 0)).unwrap();
            acknowledged.push(path);
        }
        client.call(&create(&format!("/e{round}"), 1)).unwrap();
        // What is on the disk at this moment is what a power loss leaves.
        let left = vfs.fork();
        left.crash();
        drop(server);
        let after = Running::start(config.clone(), Arc::new(left));
        let mut back = client.resume(&after);
        assert_eq!(back.session(), client.session(), "the session lives on");
        for path in &acknowledged {
            assert!(back.call(&exists(path, false)).is_ok(), "{path}");
        }
        assert!(back.call(&exists(&format!("/e{round}"), false)).is_ok());
    }
    let names = vfs.read_dir(&PathBuf::from("/data/version-2")).unwrap();
    assert!(names.iter().filter(|entry| entry.name.starts_with("snapshot.")).count() > 2, "{names:?}");
}

#[test]
fn a_sync_that_fails_ends_the_server_without_an_acknowledgement() {
    let vfs = Arc::new(FaultVfs::new(Arc::new(MemoryVfs::new())));
    let server = Running::start(config(), vfs.clone());
    let mut client = server.client();
    client.call(&create("/a", 0)).unwrap();
    vfs.fail_from(On::Only(Call::Sync), 0, Fault::Io);
    client.ask(&create("/b", 0));
    assert_eq!(client.frame(), None);
    assert!(server.ended().unwrap_err().contains("transaction log"));
}

#[test]
fn a_data_directory_has_one_server() {
    let vfs = Arc::new(MemoryVfs::new());
    let server = Running::start(config(), vfs.clone());
    assert_eq!(Running::try_start(config(), vfs.clone()).err().unwrap(), "/data is in use by another server");
    server.stop().unwrap();
    Running::start(config(), vfs).stop().unwrap();
}

#[test]
fn a_taken_port_names_its_owner() {
    let server = Running::start(config(), Arc::new(MemoryVfs::new()));
    let mut second = config();
    second.client_port = Some(server.port);
    let error = Running::try_start(second, Arc::new(MemoryVfs::new())).err().unwrap();
    assert!(error.starts_with("java.net.BindException: Address already in use\n"), "{error}");
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
}

fn unhex(text: &str) -> Bytes {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// What two servers with different clocks and histories must agree on.
fn comparable(op: OpCode, frame: Bytes) -> String {
    let mut reader = Reader::new(frame);
    let header = ReplyHeader::read(&mut reader).unwrap();
    if header.err != 0 || header.xid == xids::NOTIFICATION {
        return format!("{} {}", header.xid, header.err);
    }
    let response = Response::read(op, &mut reader).unwrap();
    let shape = |stat: &zk_proto::Stat| {
        format!("v{} c{} a{} d{} n{}", stat.version, stat.cversion, stat.aversion, stat.data_length, stat.num_children)
    };
    let what = match response {
        Response::Exists(found) => shape(&found.stat),
        Response::GetData(found) => shape(&found.stat),
        Response::SetData(found) => shape(&found.stat),
        Response::GetChildren2(mut found) => {
            found.children.sort_unstable();
            format!("{:?} {}", found.children, shape(&found.stat))
        }
        Response::Create(created) => created.path,
        Response::Multi(results) => results
            .iter()
            .map(|result| match result {
                MultiResult::SetData(stat) => shape(stat),
                MultiResult::Error(code) => format!("{code:?}"),
                MultiResult::Create(path) => path.clone(),
                other => format!("{other:?}"),
            })
            .collect::<Vec<_>>()
            .join(" "),
        other => format!("{other:?}"),
    };
    format!("{} {what}", header.xid)
}

/// The captured frames of two brokers, in the order of their time.
fn brokers_frames() -> Vec<serde_json::Value> {
    let mut lines: Vec<serde_json::Value> = Vec::new();
    for name in ["broker-0-start-to-topic-created", "broker-1-joins"] {
        let text = std::fs::read_to_string(format!("{GOLDEN}/frames/zookeeper-{name}.jsonl")).unwrap();
        lines.extend(text.lines().map(|line| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["connection"] = format!("{name} {}", line["connection"]).into();
            line
        }));
    }
    lines.sort_by(|one, other| one["t"].as_f64().unwrap().total_cmp(&other["t"].as_f64().unwrap()));
    lines
}

/// Two brokers' conversations with Apache's server, from an empty server to the first topic, told to this server.
#[test]
fn brokers_get_the_answers_that_apache_gave() {
    let server = Running::start(config(), Arc::new(MemoryVfs::new()));
    let mut clients: HashMap<String, RawClient> = HashMap::new();
    let mut asked: HashMap<(String, i32), OpCode> = HashMap::new();
    let mut theirs: HashMap<String, Vec<String>> = HashMap::new();
    let mut ours: HashMap<String, Vec<String>> = HashMap::new();
    let mut compared = 0;
    for line in brokers_frames() {
        let connection = line["connection"].as_str().unwrap().to_owned();
        let frame = unhex(line["frame"].as_str().unwrap());
        match (line["op"].as_str().unwrap(), line["direction"] == "to-server") {
            ("connect", true) => {
                let request = ConnectRequest::from_bytes(frame).unwrap();
                clients.insert(connection, RawClient::connect(&server, &request).unwrap());
            }
            ("connect", false) | ("notification" | "ping", _) => {}
            (_, true) => {
                let header = RequestHeader::from_bytes(frame.clone()).unwrap();
                asked.insert((connection.clone(), header.xid), OpCode::from_code(header.op).unwrap());
                let client = clients.get_mut(&connection).unwrap();
                client.send(&frame);
                // Answers come one by one here, so that the order among connections is the recorded one.
                loop {
                    let reply = client.frame().unwrap();
                    let header = ReplyHeader::from_bytes(reply.clone()).unwrap();
                    if header.xid != xids::NOTIFICATION {
                        let reply = comparable(asked[&(connection.clone(), header.xid)], reply);
                        ours.entry(connection).or_default().push(reply);
                        break;
                    }
                }
            }
            (_, false) => {
                let header = ReplyHeader::from_bytes(frame.clone()).unwrap();
                let reply = comparable(asked[&(connection.clone(), header.xid)], frame);
                theirs.entry(connection).or_default().push(reply);
                compared += 1;
            }
        }
    }
    for (connection, theirs) in &theirs {
        for (theirs, ours) in theirs.iter().zip(&ours[connection]) {
            assert_eq!(ours, theirs, "{connection}");
        }
        assert_eq!(theirs.len(), ours[connection].len());
    }
    assert!(compared > 150, "{compared}");
}
