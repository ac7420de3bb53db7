//! Golden stores in every form, damaged ones, and the names inside.

use proptest::prelude::*;

use super::*;

const PASSWORD: &str = "changeit";

fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/../../tests/golden/key-stores/{name}", env!("CARGO_MANIFEST_DIR"));
    #[expect(clippy::disallowed_methods, reason = "a golden file")]
    std::fs::read(path).unwrap()
}

fn store(kind: StoreType, name: &str) -> KeyStore {
    KeyStore::read(kind, &golden(name), PASSWORD).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// `server.*` hold the same key and certificates, written by keytool and OpenSSL in different ways.
#[test]
fn all_formats_hold_the_same() {
    let plain = store(StoreType::Pem, "server-plain.pem");
    let [expected] = plain.identities.as_slice() else { panic!("one key") };
    assert_eq!((expected.chain.len(), plain.trusted.len()), (2, 2));
    for (kind, name) in [
        (StoreType::Jks, "server.jks"),
        (StoreType::Pkcs12, "server.jks"),
        (StoreType::Pkcs12, "server.p12"),
        (StoreType::Jks, "server.p12"),
        (StoreType::Pkcs12, "server-legacy.p12"),
        (StoreType::Pkcs12, "server-keytool.p12"),
        (StoreType::Pem, "server-encrypted.pem"),
    ] {
        let read = store(kind, name);
        let [identity] = read.identities.as_slice() else { panic!("{name}: one key") };
        assert_eq!(identity.chain, expected.chain, "{name}");
        assert_eq!(identity.key.secret_der(), expected.key.secret_der(), "{name}");
        assert_eq!(read.trusted.is_empty(), kind != StoreType::Pem, "{name}");
    }
}

#[test]
fn trusted_certificates() {
    let ca = &store(StoreType::Pem, "server-plain.pem").trusted[1];
    for (kind, name) in [(StoreType::Jks, "trust.jks"), (StoreType::Pkcs12, "trust.p12")] {
        let read = store(kind, name);
        assert_eq!(read.trusted.as_slice(), std::slice::from_ref(ca), "{name}");
        assert!(read.identities.is_empty());
    }
}

#[test]
fn a_wrong_password_is_said_to_be_one() {
    for name in ["server.jks", "server.p12", "server-legacy.p12", "server-keytool.p12"] {
        let error = KeyStore::read(StoreType::Jks, &golden(name), "wrong").unwrap_err();
        assert_eq!(error, KeyStoreError::Password, "{name}");
    }
    let error = KeyStore::read(StoreType::Pem, &golden("server-encrypted.pem"), "wrong").unwrap_err();
    assert_eq!(error, KeyStoreError::Key);
}

fn certificate(name: &str) -> Vec<u8> {
    store(StoreType::Pem, name).trusted[0].to_vec()
}

#[test]
fn names_as_java_prints_them() {
    let server = certificate("server-plain.pem");
    assert_eq!(
        subject(&server).unwrap(),
        "1.2.840.113549.1.9.1=#16056140622e63,CN=localhost,O=Te\\\"st,ST=A\\, B,C=DE"
    );
    assert_eq!(
        subject(&certificate("odd1.pem")).unwrap(),
        "2.5.4.5=#13023132,2.5.4.12=#0c024472,STREET=S 1,DC=example,UID=u1,O=a\\,b\\;c\\<d\\>e\\=f\\\\g\\\"h,CN=\\ lead and trail\\ "
    );
    assert_eq!(
        subject(&certificate("odd2.pem")).unwrap(),
        "OU=\\#hash,2.5.4.4=#0c014d+2.5.4.42=#0c014a,CN=Jürgen 世界,C=DE"
    );
    let names = subject_alternative_names(&server).unwrap();
    let names: Vec<(u8, &str)> = names.iter().map(|(kind, text)| (*kind, text.as_str())).collect();
    assert_eq!(
        names,
        [(2, "localhost"), (7, "127.0.0.1"), (6, "spiffe://a/b"), (1, "a@b.c"), (7, "0:0:0:0:0:0:0:1"), (8, "1.2.3")]
    );
    assert!(subject(b"no certificate").is_err());
}

#[test]
fn a_certificate_of_version_1() {
    let old = store(StoreType::Pem, "version1.pem").trusted[0].to_vec();
    let ca = store(StoreType::Pem, "server-plain.pem").trusted[1].to_vec();
    let (stranger, server) = (store(StoreType::Pem, "odd1.pem").trusted[0].to_vec(), certificate("server-plain.pem"));
    assert_eq!(is_version_1_of(&old, &ca), Ok(true));
    assert_eq!(is_version_1_of(&old, &stranger), Ok(false));
    assert_eq!(is_version_1_of(&server, &ca), Ok(false), "version 3");
    let mut forged = old.clone();
    let at = forged.len() - 1;
    forged[at] ^= 1;
    assert_eq!(is_version_1_of(&forged, &ca), Ok(false));
    assert_eq!((is_valid_at(&old, 1_900_000_000), is_valid_at(&old, 1_000)), (Ok(true), Ok(false)));
    assert_eq!(common_name(&old).unwrap().as_deref(), Some("localhost"));
    assert!(public_key_info(&old).unwrap().len() > 200);
}

/// A store with the checksum made right again, so that the reader behind it is reached.
fn resealed(mut body: Vec<u8>) -> Vec<u8> {
    use sha1::{Digest, Sha1};
    let password: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let seal = Sha1::new().chain_update(password).chain_update(b"Mighty Aphrodite").chain_update(&body).finalize();
    body.extend(seal);
    body
}

#[test]
fn a_store_that_announces_more_than_it_has() {
    let bytes = golden("server.jks");
    let body = &bytes[..bytes.len() - 20];
    for cut in 0..body.len() {
        assert!(KeyStore::read(StoreType::Jks, &resealed(body[..cut].to_vec()), PASSWORD).is_err(), "{cut}");
    }
    let mut huge = body.to_vec();
    huge[8..12].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(KeyStore::read(StoreType::Jks, &resealed(huge), PASSWORD), Err(KeyStoreError::Cut(_))));
    assert_eq!(KeyStore::read(StoreType::Jks, b"\xce\xce\xce\xce", "").unwrap_err(), KeyStoreError::Foreign("JCEKS"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_bytes_are_read_or_refused(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        for name in ["server.jks", "trust.jks"] {
            let bytes = golden(name);
            let mut body = bytes[..bytes.len() - 20].to_vec();
            let at = at.index(body.len());
            body[at] ^= flip;
            let _ = KeyStore::read(StoreType::Jks, &resealed(body), PASSWORD);
        }
        for (kind, name) in [(StoreType::Pkcs12, "trust.p12"), (StoreType::Pem, "odd1.pem")] {
            let mut bytes = golden(name);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(read) = KeyStore::read(kind, &bytes, PASSWORD) {
                for certificate in &read.trusted {
                    let _ = subject(certificate);
                    let _ = subject_alternative_names(certificate);
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for kind in [StoreType::Jks, StoreType::Pkcs12, StoreType::Pem] {
            let _ = KeyStore::read(kind, &bytes, PASSWORD);
        }
        let _ = subject(&bytes);
    }
}
