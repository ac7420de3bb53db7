//! TLS on the admin server's port, and whoever does not speak it.

use net::Stream;
use net::tls::{ClientAuth, ClientTls, TlsSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vfs::{OsVfs, durable};
use zk_proto::ops::SetAclRequest;
use zk_proto::{Id, Permissions};

use super::*;
use crate::config::{AdminConfig, AdminTls, AuthProvider};

const STORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/key-stores");
const RUOK: &[u8] = b"GET /commands/ruok HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// What TLS answers with when it does not go on.
const ALERT: u8 = 0x15;

fn tls(key_store: &str, trust_store: &str) -> TlsSettings {
    TlsSettings::read("ssl.quorum.", &mut |name| match name {
        "ssl.quorum.keyStore.location" if !key_store.is_empty() => Some(format!("{STORES}/{key_store}")),
        "ssl.quorum.trustStore.location" if !trust_store.is_empty() => Some(format!("{STORES}/{trust_store}")),
        "ssl.quorum.keyStore.password" | "ssl.quorum.trustStore.password" => Some("changeit".into()),
        "ssl.quorum.clientAuth" => Some("none".into()),
        _ => None,
    })
    .unwrap()
}

/// A server whose admin server has these stores; it takes TLS only, or plain connections, too.
fn start(settings: TlsSettings, force: bool, change: impl FnOnce(&mut AdminConfig)) -> Running {
    start_with(settings, force, |config| change(config.admin.as_mut().unwrap()))
}

/// The same with any settings changed.
fn start_with(settings: TlsSettings, force: bool, change: impl FnOnce(&mut ServerConfig)) -> Running {
    let vfs = MemoryVfs::with_dirs([STORES, "/data"]);
    for name in ["server.jks", "trust.p12", "server-plain.pem"] {
        let path = PathBuf::from(format!("{STORES}/{name}"));
        durable::write_file(&vfs, &path, &OsVfs.read(&path).unwrap()).unwrap();
    }
    let mut admin = AdminConfig { address: "127.0.0.1".into(), port: 0, ..AdminConfig::default() };
    admin.tls = Some(AdminTls { settings, force });
    let mut config = config();
    config.admin = Some(admin);
    change(&mut config);
    Running::start(config, Arc::new(vfs))
}

/// What is answered over TLS to a client with these stores.
fn over_tls(server: &Running, key_store: &str) -> std::io::Result<String> {
    over_tls_asking(server, key_store, RUOK)
}

fn over_tls_asking(server: &Running, key_store: &str, asked: &[u8]) -> std::io::Result<String> {
    let tls = ClientTls::load(&tls(key_store, "trust.p12"), &OsVfs).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = Stream::connect("127.0.0.1", server.http[0], Duration::from_secs(20)).await?;
        let mut stream = stream.into_tls(&tls, "localhost").await?;
        stream.write_all(asked).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    })
}

fn socket(server: &Running, sent: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", server.http[0])).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    socket.write_all(sent).unwrap();
    socket
}

/// Everything that a connection says until it is closed; a reset ends it as well.
fn rest(mut socket: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    match socket.read_to_end(&mut answer) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("still open: {error}"),
        _ => answer,
    }
}

fn plain(server: &Running) -> String {
    String::from_utf8(rest(socket(server, RUOK))).unwrap()
}

fn insecure(server: &Running) -> String {
    let mntr = server.word("mntr");
    mntr.lines().find_map(|line| line.strip_prefix("zk_insecure_admin_count\t")).unwrap().to_owned()
}

#[test]
fn one_port_takes_both() {
    for key_store in ["server.jks", "server-plain.pem"] {
        let server = start(tls(key_store, "trust.p12"), false, |_| {});
        assert_eq!(insecure(&server), "0");
        let answer = over_tls(&server, "").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nstrict-transport-security: max-age=86400; includeSubDomains\r\n"), "{answer}");
        assert!(answer.ends_with("{\n  \"command\" : \"ruok\",\n  \"error\" : null\n}"), "{answer}");
        assert_eq!(insecure(&server), "0");
        let answer = plain(&server);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("strict-transport"), "{answer}");
        // It is counted on the way in, by another thread.
        let began = Instant::now();
        while insecure(&server) == "0" {
            assert!(began.elapsed() < Duration::from_mins(1), "it is never counted");
        }
        assert_eq!(insecure(&server), "1");
    }
}

#[test]
fn or_tls_only() {
    let server = start(tls("server.jks", "trust.p12"), true, |_| {});
    assert!(over_tls(&server, "").unwrap().contains("\"ruok\""));
    let answer = rest(socket(&server, RUOK));
    assert_eq!(answer.first(), Some(&ALERT), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(insecure(&server), "0", "it did not come in");
}

#[test]
fn clients_may_have_to_show_a_certificate() {
    let settings = TlsSettings { client_auth: ClientAuth::Need, ..tls("server.jks", "trust.p12") };
    let server = start(settings, false, |_| {});
    assert!(over_tls(&server, "").is_err());
    assert!(over_tls(&server, "server-plain.pem").unwrap().contains("\"ruok\""));
    assert!(plain(&server).contains("\"ruok\""), "only of those who speak TLS");
}

#[test]
fn without_its_stores_the_server_goes_on_alone() {
    for (key_store, trust_store) in
        [("", "trust.p12"), ("server.jks", ""), ("none.jks", "trust.p12"), ("server.jks", "none.p12")]
    {
        let server = start(tls(key_store, trust_store), false, |_| {});
        assert_eq!(server.http[0], 0, "{key_store} {trust_store}: there is no port");
        assert_eq!(server.word("ruok"), "imok");
    }
    let mut wrong = tls("server.jks", "trust.p12");
    wrong.key_store.as_mut().unwrap().password = "wrong".into();
    assert_eq!(start(wrong, true, |_| {}).http[0], 0);
}

#[test]
fn whoever_does_not_speak_holds_nothing_for_long() {
    let half_a_hello = [0x16, 3, 1, 2, 0, 1];
    for force in [false, true] {
        // Long enough for whoever speaks, even if it is kept from it for a while.
        let server = start(tls("server.jks", "trust.p12"), force, |admin| admin.idle_ms = 2_000);
        let all = [&half_a_hello[..], b"", b"\x16\x03\x01\x00\x05hello", &[0, 1, 2, 3, b'\r', b'\n', b'\r', b'\n']];
        for silent in all.map(|sent| socket(&server, sent)) {
            let answer = rest(silent);
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.is_empty() || answer.starts_with('\u{15}') || answer.contains(" 400 "), "{answer}");
        }
        assert!(over_tls(&server, "").unwrap().contains("\"ruok\""));
    }
}

#[test]
fn however_many_are_silent_others_are_served() {
    // None of them would end by itself within an hour.
    let server = start(tls("server.jks", "trust.p12"), false, |admin| admin.idle_ms = 3_600_000);
    let silent: Vec<TcpStream> = (0..120)
        .map(|number| {
            let sent: [&[u8]; 4] = [b"", &[0x16, 3, 1, 2, 0, 1], b"GET /commands/ru", b"\x16"];
            // More than there are places for are such that only their own time would end.
            socket(&server, if number < 20 { sent[number % 4] } else { sent[2] })
        })
        .collect();
    assert!(over_tls(&server, "").unwrap().contains("\"ruok\""));
    assert!(plain(&server).contains("\"ruok\""));
    drop(silent);
}

/// Who shows a certificate is known by it, if it is one of those that clients' stores trust.
#[test]
fn a_certificate_says_who_asks_for_a_snapshot() {
    const SUBJECT: &str = "1.2.840.113549.1.9.1=#16056140622e63,CN=localhost,O=Te\\\"st,ST=A\\, B,C=DE";
    let need = || TlsSettings { client_auth: ClientAuth::Need, ..tls("server.jks", "trust.p12") };
    let request = |authorization: &str| {
        format!(
            "GET /commands/snapshot HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: {authorization}\r\n\r\n"
        )
    };
    let status = |server: &Running, authorization: &str| {
        over_tls_asking(server, "server-plain.pem", request(authorization).as_bytes()).unwrap()[9..12].to_owned()
    };
    // Whose root it is is all that may be done there by anybody.
    let with = |stores: Option<TlsSettings>, superuser: Option<&str>, owner: &str| {
        let server = start_with(need(), false, |config| {
            config.admin.as_mut().unwrap().snapshot = Some(0);
            config.auth_providers.push(AuthProvider::X509);
            config.security.x509_stores = stores;
            config.security.x509_superuser = superuser.map(str::to_owned);
        });
        let acl = vec![Acl::new(Permissions::ALL, Id::new("x509", owner))];
        let request = Request::SetAcl(SetAclRequest { path: "/".into(), acl, version: -1 });
        server.client().call(&request).unwrap();
        server
    };
    let server = with(Some(tls("", "trust.p12")), None, SUBJECT);
    assert_eq!(status(&server, "x509"), "200");
    assert_eq!(status(&server, "x509 whatever"), "200");
    assert_eq!(status(&server, "x509 what ever"), "401");
    assert_eq!(status(&server, "ip"), "403", "that is nobody in particular");
    let plain = rest(socket(&server, request("x509").as_bytes()));
    assert!(plain.starts_with(b"HTTP/1.1 401 "), "{}", String::from_utf8_lossy(&plain));
    // The door trusts it, but nobody looks at certificates, or whoever looks trusts nobody.
    for stores in [None, Some(tls("", "")), Some(tls("", "none.p12"))] {
        assert_eq!(status(&with(stores, None, SUBJECT), "x509"), "401");
    }
    for (superuser, expected) in [(None, "403"), (Some(SUBJECT), "200")] {
        assert_eq!(status(&with(Some(tls("", "trust.p12")), superuser, "CN=other"), "x509"), expected);
    }
}
