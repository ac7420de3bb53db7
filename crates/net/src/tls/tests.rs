//! Both ends of TLS over sockets, with the golden stores.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vfs::{OsVfs, Vfs};

use super::*;
use crate::Stream;

const WITHIN: Duration = Duration::from_secs(20);

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Settings over the golden stores.
fn settings(more: &[(&str, &str)]) -> TlsSettings {
    let dir = format!("{}/../../tests/golden/key-stores", env!("CARGO_MANIFEST_DIR"));
    TlsSettings::read("ssl.", &mut |name| {
        let name = name.strip_prefix("ssl.")?;
        let value = match more.iter().find(|(key, _)| *key == name) {
            Some((_, value)) => *value,
            None if name == "keyStore.location" => "server.jks",
            None if name == "trustStore.location" => "trust.p12",
            None if name.ends_with("Store.password") => "changeit",
            None => return None,
        };
        Some(if name.ends_with("location") && !value.is_empty() { format!("{dir}/{value}") } else { value.to_owned() })
    })
    .unwrap()
}

fn server(more: &[(&str, &str)]) -> ServerTls {
    ServerTls::load(&settings(more), &OsVfs).unwrap()
}

fn client(more: &[(&str, &str)]) -> ClientTls {
    ClientTls::load(&settings(more), &OsVfs).unwrap()
}

async fn pair() -> (Stream, Stream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (one, other) = tokio::join!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)), listener.accept());
    (Stream::plain(one.unwrap()).unwrap(), Stream::plain(other.unwrap().0).unwrap())
}

/// Both ends of a handshake. A client of TLS 1.3 is done before the server has looked at its certificate, so it reads a
/// byte that the server writes.
async fn shake(
    server: ServerTls,
    client: &ClientTls,
    host: &str,
) -> (std::io::Result<Stream>, Result<Stream, HandshakeError>) {
    let handshakes = Handshakes::start(server, None).unwrap();
    let (near, far) = pair().await;
    let ours = async {
        let mut stream = near.into_tls(client, host).await?;
        stream.read_u8().await?;
        Ok(stream)
    };
    let theirs = async {
        let mut stream = handshakes.accept(far, WITHIN).await?;
        stream.write_all(b"!").await?;
        stream.flush().await?;
        Ok(stream)
    };
    tokio::join!(ours, theirs)
}

#[test]
fn every_pair_of_stores_works() {
    run(async {
        for (of_server, of_client) in [
            ("server.jks", "server-plain.pem"),
            ("server.p12", "server.jks"),
            ("server-encrypted.pem", "server-keytool.p12"),
            ("server-legacy.p12", "server-legacy.p12"),
        ] {
            let tls = (server(&[("keyStore.location", of_server)]), client(&[("keyStore.location", of_client)]));
            let (ours, theirs) = shake(tls.0, &tls.1, "localhost").await;
            assert!(ours.unwrap().is_secure());
            let theirs = theirs.unwrap();
            assert_eq!(theirs.peer_certificates().unwrap().len(), 2, "{of_client}");
        }
    });
}

#[test]
fn names_are_looked_at() {
    run(async {
        for (host, allowed) in [("localhost", true), ("127.0.0.1", true), ("example.com", false), ("10.0.0.1", false)] {
            let (ours, _) = shake(server(&[]), &client(&[]), host).await;
            assert_eq!(ours.is_ok(), allowed, "{host}");
            let (ours, _) = shake(server(&[]), &client(&[("hostnameVerification", "false")]), host).await;
            assert!(ours.is_ok(), "{host}");
        }
        let (_, theirs) = shake(server(&[("clientHostnameVerification", "true")]), &client(&[]), "localhost").await;
        assert!(theirs.is_ok(), "the certificate names 127.0.0.1");
    });
}

#[test]
fn who_has_no_certificate() {
    run(async {
        let anonymous = client(&[("keyStore.location", "")]);
        for (wanted, let_in) in [("none", true), ("want", true), ("need", false)] {
            let (ours, theirs) = shake(server(&[("clientAuth", wanted)]), &anonymous, "localhost").await;
            assert_eq!((ours.is_ok(), theirs.is_ok()), (let_in, let_in), "{wanted}");
        }
    });
}

#[test]
fn certificates_of_version_1() {
    run(async {
        let old = [("keyStore.location", "version1.pem")];
        for protocol in ["TLSv1.2", "TLSv1.3"] {
            let with = [old[0], ("protocol", protocol)];
            let (ours, theirs) = shake(server(&with), &client(&with), "localhost").await;
            assert!(ours.is_ok(), "{protocol}: {ours:?}");
            assert_eq!(theirs.unwrap().peer_certificates().unwrap().len(), 1);
            let (ours, _) = shake(server(&with), &client(&with), "example.com").await;
            assert!(ours.is_err(), "its common name is localhost");
            let stranger = [with[0], with[1], ("trustStore.location", "odd1.pem")];
            let (ours, theirs) = shake(server(&stranger), &client(&with), "localhost").await;
            assert!(ours.is_err() && theirs.is_err());
        }
    });
}

#[test]
fn who_is_not_trusted() {
    run(async {
        // The certificate in `odd1.pem` has nothing to do with those in the stores.
        let stranger = [("trustStore.location", "odd1.pem")];
        let (ours, theirs) = shake(server(&[]), &client(&stranger), "localhost").await;
        assert!(ours.is_err() && theirs.is_err());
        let (ours, theirs) = shake(server(&stranger), &client(&[]), "localhost").await;
        assert!(ours.is_err() && theirs.unwrap_err().to_string().contains("UnknownIssuer"));
    });
}

#[test]
fn versions_and_suites() {
    run(async {
        let (old, new) = ([("protocol", "TLSv1.2")], [("enabledProtocols", "TLSv1.3")]);
        let (ours, _) = shake(server(&old), &client(&old), "localhost").await;
        assert!(ours.is_ok());
        let (ours, theirs) = shake(server(&old), &client(&new), "localhost").await;
        assert!(ours.is_err() && theirs.is_err());
        let suites = [("ciphersuites", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")];
        let limited = server(&suites);
        assert_eq!(limited.unknown_suites, ["TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"]);
        let (ours, _) = shake(limited, &client(&[]), "localhost").await;
        assert!(ours.is_ok());
        let error = ServerTls::load(&settings(&[("ciphersuites", "TLS_RSA_X")]), &OsVfs).unwrap_err().to_string();
        assert!(error.contains("none of them is there; there are TLS_AES_256_GCM_SHA384"), "{error}");
    });
}

#[test]
fn what_is_missing_is_said_at_start() {
    let error = |more: &[(&str, &str)]| ServerTls::load(&settings(more), &OsVfs).unwrap_err().to_string();
    assert!(error(&[("keyStore.location", "")]).starts_with("ssl.keyStore.location not specified"));
    assert!(error(&[("trustStore.location", "")]).starts_with("ssl.trustStore.location not specified"));
    assert!(
        error(&[("keyStore.password", "wrong")]).ends_with("Keystore was tampered with, or password was incorrect")
    );
    assert!(error(&[("keyStore.location", "none.jks")]).contains("none.jks"));
    assert!(error(&[("keyStore.location", "trust.jks")]).ends_with("no private key with its certificate"));
    // OpenSSL's PKCS12 has no certificate that is marked as trusted.
    assert!(error(&[("trustStore.location", "server.p12")]).contains("trustAnchors parameter must be non-empty"));
    assert!(error(&[("crl", "true")]).contains("crl is set, and there is no list"));
}

#[test]
fn a_password_from_a_file() {
    let vfs = vfs::MemoryVfs::with_dirs(["/s"]);
    let path = format!("{}/../../tests/golden/key-stores/server.jks", env!("CARGO_MANIFEST_DIR"));
    vfs::durable::write_file(&vfs, Path::new("/s/k.jks"), &OsVfs.read(Path::new(&path)).unwrap()).unwrap();
    vfs::durable::write_file(&vfs, Path::new("/s/pw"), b"changeit\n").unwrap();
    let mut more = settings(&[("clientAuth", "none"), ("keyStore.password", "wrong")]);
    let store = more.key_store.as_mut().unwrap();
    (store.file, store.password_file) = ("/s/k.jks".into(), Some("/s/pw".into()));
    ServerTls::load(&more, &vfs).unwrap();
}

#[test]
fn much_is_carried_both_ways() {
    run(async {
        let (ours, theirs) = shake(server(&[]), &client(&[]), "localhost").await;
        let (mut ours, theirs) = (ours.unwrap(), theirs.unwrap());
        let (mut read, mut write) = theirs.into_split();
        assert!(write.needs_flush());
        let echo = tokio::spawn(async move {
            tokio::io::copy(&mut read, &mut write).await.unwrap();
            write.shutdown().await.unwrap();
        });
        let sent: Vec<u8> = (0..3_000_000u32).map(|number| (number * 7) as u8).collect();
        let (mut inbox, mut output) = (BytesMut::new(), BytesMut::from(sent.as_slice()));
        while inbox.len() < sent.len() {
            ours.transfer(&mut inbox, &mut output).await.unwrap();
        }
        assert!(inbox == sent);
        ours.shutdown().await.unwrap();
        echo.await.unwrap();
        let end = ours.transfer(&mut inbox, &mut output).await.unwrap_err();
        assert_eq!(end.kind(), std::io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn one_port_for_both() {
    run(async {
        let handshakes = Handshakes::start(server(&[]), None).unwrap();
        let (mut near, far) = pair().await;
        near.write_all(b"ruok").await.unwrap();
        let mut far = handshakes.accept_either(far, WITHIN).await.unwrap();
        let mut word = [0; 4];
        far.read_exact(&mut word).await.unwrap();
        assert!(!far.is_secure() && &word == b"ruok");
        let (near, far) = pair().await;
        let tls = client(&[]);
        let (ours, theirs) = tokio::join!(near.into_tls(&tls, "localhost"), handshakes.accept_either(far, WITHIN));
        assert!(ours.is_ok() && theirs.unwrap().is_secure());
    });
}

#[test]
fn whoever_does_not_speak_tls_is_let_go() {
    run(async {
        let handshakes = Handshakes::start(server(&[]), None).unwrap();
        let mut state = 1u32;
        for round in 0..100 {
            let (mut near, far) = pair().await;
            let mut bytes: Vec<u8> = (0..200)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            if round % 2 == 0 {
                // A record of a handshake that announces as much as a record can.
                bytes[..5].copy_from_slice(&[0x16, 3, 1, 0x3f, 0xff]);
            }
            near.write_all(&bytes).await.unwrap();
            near.shutdown().await.unwrap();
            assert!(handshakes.accept(far, WITHIN).await.is_err());
        }
        assert_eq!(handshakes.outstanding(), 0);
    });
}

#[test]
fn a_handshake_that_stands_still_ends() {
    run(async {
        let handshakes = Handshakes::start(server(&[]), Some(1)).unwrap();
        let (mut near, far) = pair().await;
        near.write_all(&[0x16, 3]).await.unwrap();
        let other = pair().await;
        let short = Duration::from_millis(300);
        let second = async {
            // Not before the first one has the only place.
            while handshakes.outstanding() == 0 {
                tokio::task::yield_now().await;
            }
            handshakes.accept(other.1, WITHIN).await
        };
        let (first, second) = tokio::join!(handshakes.accept(far, short), second);
        assert!(matches!(first, Err(HandshakeError::Timeout(_))));
        assert!(matches!(second, Err(HandshakeError::TooMany(1))));
        assert_eq!(near.read(&mut [0]).await.unwrap_or(0), 0, "closed");
        assert_eq!(handshakes.outstanding(), 0);
    });
}

#[test]
fn changed_stores_are_for_new_connections() {
    run(async {
        let handshakes = Handshakes::start(server(&[]), None).unwrap();
        let tls = client(&[]);
        for (store, allowed) in [("odd1.pem", false), ("trust.jks", true)] {
            handshakes.replace(server(&[("trustStore.location", store)]));
            let (near, far) = pair().await;
            let (_, theirs) = tokio::join!(near.into_tls(&tls, "localhost"), handshakes.accept(far, WITHIN));
            assert_eq!(theirs.is_ok(), allowed, "{store}");
        }
    });
}
