//! TLS on the admin server's port, of ours and of Apache's: the same answers to the same requests.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use tests::{Kind, TempDir, ZooKeeper, free_port, full, repository};

/// What TLS answers with when it does not go on.
const ALERT: u8 = 0x15;

/// What has the same answer at any time, on any server.
const REQUESTS: [&str; 8] = [
    "GET /commands/ruok",
    "GET /commands/is_read_only",
    "GET /commands/get_trace_mask",
    "GET /commands/zabstate",
    "GET /commands/nope",
    "GET /elsewhere",
    "TRACE /commands/ruok",
    "HEAD /commands/ruok",
];

/// How a request comes.
#[derive(Debug, Clone, Copy)]
enum By {
    Plain,
    Tls(&'static SupportedProtocolVersion),
}

/// Status, the headers that matter, body.
type Answer = (String, Vec<String>, String);

#[test]
fn one_port_takes_both() {
    let dir = TempDir::new("admin-unified");
    let ways = [By::Plain, By::Tls(&TLS12), By::Tls(&TLS13)];
    let [ours, theirs] = [Kind::Ours, Kind::Apache].map(|kind| {
        let (_server, port) = start(kind, &dir.join(&format!("{kind:?}")), "admin.portUnification=true");
        let counted = |by| answer(port, by, "GET /commands/monitor").2.contains("\"insecure_admin_count\" : 0,");
        let before = counted(By::Tls(&TLS13));
        let answers = ways.map(|by| REQUESTS.map(|request| answer(port, by, request)));
        (before, answers, counted(By::Tls(&TLS13)))
    });
    assert_eq!(ours, theirs);
    let (before, [plain, ..], after) = ours;
    assert!(before && !after, "plain connections are counted, and no others");
    assert!(plain[0].0.contains("200 OK") && plain[0].2.contains("\"ruok\""), "{:?}", plain[0]);
}

#[test]
fn or_tls_only() {
    let dir = TempDir::new("admin-https");
    let answers = kinds().iter().map(|&kind| {
        let more = "admin.forceHttps=true\nadmin.portUnification=true";
        let (_server, port) = start(kind, &dir.join(&format!("{kind:?}")), more);
        let mut refused = connect(port);
        refused.write_all(b"GET /commands/ruok HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it listens");
        let mut said = Vec::new();
        let _ = refused.read_to_end(&mut said);
        assert_eq!(said.first(), Some(&ALERT), "{kind:?}: {}", String::from_utf8_lossy(&said));
        REQUESTS.map(|request| answer(port, By::Tls(&TLS13), request))
    });
    let answers: Vec<_> = answers.collect();
    let ours = &answers[0];
    assert_eq!(
        ours[0].1,
        ["content-type: application/json", "strict-transport-security: max-age=86400; includeSubDomains"]
    );
    for theirs in &answers[1..] {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn without_its_stores_the_server_goes_on_alone() {
    let dir = TempDir::new("admin-no-stores");
    for &kind in kinds() {
        let port = free_port();
        let settings = format!("admin.enableServer=true\nadmin.serverPort={port}\nadmin.portUnification=true");
        let server = ZooKeeper::start_with(kind, &dir.join(&format!("{kind:?}")), &settings);
        assert!(server.four_letter("srvr").contains("Mode: standalone"));
        let log = std::fs::read_to_string(server.log()).expect("it has written");
        for told in ["Failed to load authentication certificates for admin server.", "Unable to start JettyAdminServer"]
        {
            assert!(log.contains(told), "{kind:?}: {log}");
        }
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "{kind:?} listens");
    }
}

/// A JVM takes seconds to start, so only the first of these tests has Apache's server in the short tier, too.
fn kinds() -> &'static [Kind] {
    const KINDS: [Kind; 2] = [Kind::Ours, Kind::Apache];
    if full() { &KINDS } else { &KINDS[..1] }
}

fn start(kind: Kind, dir: &Path, more: &str) -> (ZooKeeper, u16) {
    let port = free_port();
    let store = |name: &str| repository().join("tests/golden/key-stores").join(name).display().to_string();
    let settings = format!(
        "admin.enableServer=true\nadmin.serverAddress=127.0.0.1\nadmin.serverPort={port}\n\
         ssl.quorum.keyStore.location={}\nssl.quorum.keyStore.password=changeit\n\
         ssl.quorum.trustStore.location={}\nssl.quorum.trustStore.password=changeit\n{more}",
        store("server.jks"),
        store("trust.jks")
    );
    (ZooKeeper::start_with(kind, dir, &settings), port)
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket has timeouts");
    stream.set_nodelay(true).expect("a socket has options");
    stream
}

/// The last of two answers over one connection, which the first one has to leave open.
fn answer(port: u16, by: By, request: &str) -> Answer {
    let socket = connect(port);
    match by {
        By::Plain => ask_twice(socket, request),
        By::Tls(version) => ask_twice(over_tls(socket, version), request),
    }
}

fn over_tls(socket: TcpStream, version: &'static SupportedProtocolVersion) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(repository().join("tests/golden/key-stores/server-plain.pem"));
    for certificate in certificates.expect("a golden file") {
        roots.add(certificate.expect("a certificate")).expect("a certificate");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version that rustls has")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let host = "localhost".try_into().expect("a name");
    StreamOwned::new(ClientConnection::new(Arc::new(config), host).expect("a configuration"), socket)
}

fn ask_twice(mut stream: impl Read + Write, request: &str) -> Answer {
    let asked = "GET /commands/ruok HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(asked.as_bytes()).expect("it is connected");
    let mut first = Vec::new();
    let mut byte = [0];
    while !first.ends_with(b"}") {
        stream.read_exact(&mut byte).expect("it answers");
        first.push(byte[0]);
    }
    let asked = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).expect("it is open");
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if is_an_end(&error) => {}
        Err(error) => panic!("{request}: {error}"),
    }
    taken_apart(&String::from_utf8(answer).expect("UTF-8"))
}

/// Not everybody says farewell before closing.
fn is_an_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)
}

fn taken_apart(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let (status, headers) = head.split_once("\r\n").expect("headers");
    let headers = headers.lines().filter_map(|line| line.split_once(": "));
    let mut headers: Vec<String> = headers
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .filter(|header| header.starts_with("content-type") || header.starts_with("strict-transport"))
        .collect();
    headers.sort_unstable();
    // The pages of errors name the machinery.
    let body = if body.starts_with("<html>") { "a page".to_owned() } else { body.to_owned() };
    (status.to_owned(), headers, body)
}
