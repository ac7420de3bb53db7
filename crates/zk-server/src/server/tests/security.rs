//! TLS and SASL through the whole server, with this repository's client.

use net::tls::{ClientTls, TlsSettings};
use vfs::{OsVfs, durable};
use zk_client::{Client, Error, Event, EventReceiver, Login, Options};
use zk_proto::{Acl, CreateMode, Id, Permissions};

use super::*;
use crate::config::{AuthProvider, SaslSettings};

const STORES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/key-stores");
const JAAS: &str = "Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_bob=\"secret\"; };";

fn tls(key_store: &str, trust_store: &str) -> TlsSettings {
    TlsSettings::read("ssl.", &mut |name| match name {
        "ssl.keyStore.location" if !key_store.is_empty() => Some(format!("{STORES}/{key_store}")),
        "ssl.trustStore.location" => Some(format!("{STORES}/{trust_store}")),
        "ssl.keyStore.password" | "ssl.trustStore.password" => Some("changeit".into()),
        "ssl.clientAuth" if key_store.is_empty() => Some("none".into()),
        _ => None,
    })
    .unwrap()
}

/// A server with both ports and one user; its stores and the JAAS file are in the memory beside its data.
fn secure(change: impl FnOnce(&mut ServerConfig)) -> Running {
    let vfs = MemoryVfs::with_dirs([STORES, "/data"]);
    for name in ["server.jks", "trust.p12", "odd1.pem"] {
        let path = PathBuf::from(format!("{STORES}/{name}"));
        durable::write_file(&vfs, &path, &OsVfs.read(&path).unwrap()).unwrap();
    }
    durable::write_file(&vfs, &PathBuf::from("/data/jaas"), JAAS.as_bytes()).unwrap();
    let mut config = config();
    config.security.secure_port = Some(0);
    config.security.secure_address = Some([127, 0, 0, 1].into());
    config.security.tls = Some(tls("server.jks", "trust.p12"));
    config.auth_providers = vec![AuthProvider::Sasl, AuthProvider::X509];
    config.security.sasl = SaslSettings { file: Some("/data/jaas".into()), ..SaslSettings::default() };
    change(&mut config);
    Running::start(config, Arc::new(vfs))
}

fn options(port: u16) -> Options {
    let mut options = Options::new(&format!("localhost:{port}")).unwrap();
    options.session_timeout_ms = 20_000;
    options
}

fn over_tls(server: &Running) -> Options {
    let mut options = options(server.secure_port);
    options.security.tls = Some(ClientTls::load(&tls("server.jks", "trust.p12"), &OsVfs).unwrap());
    options
}

fn with_login(mut options: Options, password: &str) -> Options {
    options.security.login = Some(Arc::new(Login::new("bob", password)));
    options
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn schemes(client: &Client) -> Vec<String> {
    let ids = client.who_am_i().await.unwrap();
    ids.into_iter().map(|id| format!("{}:{}", id.auth_scheme, id.user)).collect()
}

async fn events(events: &mut EventReceiver, count: usize) -> Vec<Event> {
    let mut seen = Vec::new();
    for _ in 0..count {
        seen.push(events.recv().await.unwrap());
    }
    seen
}

#[test]
fn a_certificate_is_an_id() {
    let server = secure(|_| {});
    run(async {
        let (client, _events) = Client::connect(over_tls(&server));
        let ids = schemes(&client).await;
        assert!(
            ids.len() == 2 && ids[1].starts_with("x509:1.2.840.113549.1.9.1=#16056140622e63,CN=localhost"),
            "{ids:?}"
        );
        let data = vec![7; 800_000];
        client.create("/mine", Some(data.clone().into()), Acl::creator_all(), CreateMode::Persistent).await.unwrap();
        assert_eq!(client.get("/mine", false).await.unwrap().0.unwrap(), data);
        let (other, _events) = Client::connect(options(server.port));
        assert!(matches!(other.get("/mine", false).await, Err(Error::Refused { code: ErrorCode::NoAuth, .. })));
        let of_nobody = Acl::new(Permissions::ALL, Id::new("x509", "nobody"));
        let refused = client.create("/x", None, vec![of_nobody], CreateMode::Persistent).await;
        assert!(matches!(refused, Err(Error::Refused { code: ErrorCode::InvalidAcl, .. })));
        client.close().await.unwrap();
    });
    assert!(server.word("conf").contains(&format!("secureClientPort={}\n", server.secure_port)));
}

#[test]
fn a_login_is_an_id() {
    let server = secure(|_| {});
    run(async {
        let (client, mut told) = Client::connect(with_login(options(server.port), "secret"));
        client.connected().await.unwrap();
        assert_eq!(events(&mut told, 2).await, [Event::Connected, Event::SaslAuthenticated]);
        assert_eq!(schemes(&client).await, ["ip:127.0.0.1", "sasl:bob"]);
        let (client, _events) = Client::connect(with_login(over_tls(&server), "secret"));
        assert_eq!(schemes(&client).await.len(), 3, "a certificate beside it");
    });
}

#[test]
fn a_wrong_login_ends_the_session_and_not_the_server() {
    let server = secure(|_| {});
    run(async {
        let (client, mut told) = Client::connect(with_login(options(server.port), "wrong"));
        assert!(matches!(client.connected().await, Err(Error::AuthFailed { .. })));
        assert_eq!(events(&mut told, 2).await, [Event::Connected, Event::AuthFailed]);
        let (client, _events) = Client::connect(with_login(options(server.port), "secret"));
        client.connected().await.unwrap();
    });
}

#[test]
fn a_server_without_sasl_refuses_a_login() {
    let server = secure(|config| config.security.sasl = SaslSettings::default());
    run(async {
        let (client, _events) = Client::connect(with_login(options(server.port), "secret"));
        assert!(matches!(client.connected().await, Err(Error::AuthFailed { .. })));
    });
}

#[test]
fn one_port_takes_both() {
    let server = secure(|config| config.security.port_unification = true);
    run(async {
        let mut unified = over_tls(&server);
        unified.hosts = options(server.port).hosts;
        let (secured, _events) = Client::connect(unified);
        assert_eq!(schemes(&secured).await.len(), 2);
        let (plain, _events) = Client::connect(options(server.port));
        assert_eq!(schemes(&plain).await, ["ip:127.0.0.1"]);
    });
    assert!(server.word("ruok").contains("imok"));
}

#[test]
fn whoever_does_not_finish_a_handshake_holds_nobody_up() {
    let server = secure(|_| {});
    let half: Vec<TcpStream> = (0..200)
        .map(|number| {
            let mut socket = TcpStream::connect(("127.0.0.1", server.secure_port)).unwrap();
            socket.write_all(&[0x16, 3, 1, 0x3f][..number % 5]).unwrap();
            socket
        })
        .collect();
    run(async {
        let (client, _events) = Client::connect(over_tls(&server));
        client.connected().await.unwrap();
    });
    let mut plain = TcpStream::connect(("127.0.0.1", server.secure_port)).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    plain.write_all(&[0, 0, 0, 45]).unwrap();
    plain.write_all(&[0; 45]).unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(answer.first() != Some(&0), "plain text is not answered in plain text");
    drop(half);
    assert!(server.word("srvr").contains("Mode: standalone"));
}

#[test]
fn a_server_without_its_stores_does_not_start() {
    let mut broken = config();
    broken.security.secure_port = Some(0);
    broken.security.tls = Some(tls("server.jks", "trust.p12"));
    let error = Running::try_start(broken, Arc::new(MemoryVfs::with_dirs(["/data"]))).err().unwrap();
    assert!(error.contains("SSLContextException: ssl.keyStore.location="), "{error}");
}
