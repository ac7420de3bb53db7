//! JKS: Sun's format from before there was PKCS12.
//!
//! ```text
//! int magic FEEDFEED | int version 1 or 2 | int count | entries | SHA-1(password, "Mighty Aphrodite", all before)
//! entry: int tag (1 key, 2 certificate) | utf alias | long time |
//!        key:         int length, EncryptedPrivateKeyInfo | int count, certificates
//!        certificate: utf type (version 2 only) | int length, bytes
//! ```
//!
//! A key is XORed with a stream of SHA-1 digests and followed by a digest of the password and the plain key.

use sha1::{Digest, Sha1};
use x509_parser::asn1_rs::{FromDer, OctetString, Oid, Sequence, oid};

use crate::{CertificateDer, Identity, KeyStore, KeyStoreError, PrivateKeyDer};

const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const JCEKS_MAGIC: [u8; 4] = [0xce, 0xce, 0xce, 0xce];
const WHITENER: &[u8] = b"Mighty Aphrodite";
const DIGEST_LEN: usize = 20;
/// Sun's own algorithm for keys.
const KEY_PROTECTOR: Oid<'static> = oid!(1.3.6.1.4.1.42.2.17.1.1);

/// Does it begin like one?
pub(crate) fn is_jks(bytes: &[u8]) -> Result<bool, KeyStoreError> {
    if bytes.starts_with(&JCEKS_MAGIC) {
        return Err(KeyStoreError::Foreign("JCEKS"));
    }
    Ok(bytes.starts_with(&MAGIC))
}

pub(crate) fn read(bytes: &[u8], password: &str) -> Result<KeyStore, KeyStoreError> {
    let password: Vec<u8> = password.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let body = bytes.len().checked_sub(DIGEST_LEN).ok_or(KeyStoreError::Cut(bytes.len()))?;
    let (body, digest) = bytes.split_at(body);
    let expected = Sha1::new().chain_update(&password).chain_update(WHITENER).chain_update(body).finalize();
    if expected[..] != *digest {
        return Err(KeyStoreError::Password);
    }
    let mut reader = Reader { bytes: body, at: MAGIC.len() };
    let version = reader.int()?;
    if !(1..=2).contains(&version) {
        return Err(KeyStoreError::Format);
    }
    let mut store = KeyStore::default();
    for _ in 0..reader.int()? {
        let tag = reader.int()?;
        reader.utf()?;
        reader.take(8)?;
        match tag {
            1 => {
                let protected = reader.sized()?;
                let key = recover(protected, &password)?;
                let mut chain = Vec::new();
                for _ in 0..reader.int()? {
                    chain.push(reader.certificate(version)?);
                }
                store.identities.push(Identity { key, chain });
            }
            2 => store.trusted.push(reader.certificate(version)?),
            _ => return Err(KeyStoreError::Format),
        }
    }
    if reader.at == body.len() { Ok(store) } else { Err(KeyStoreError::Format) }
}

/// Takes the protection off a key.
fn recover(protected: &[u8], password: &[u8]) -> Result<PrivateKeyDer<'static>, KeyStoreError> {
    let data = encrypted_data(protected).ok_or(KeyStoreError::Key)?;
    let plain_len = data.len().checked_sub(2 * DIGEST_LEN).ok_or(KeyStoreError::Key)?;
    let (salt, rest) = data.split_at(DIGEST_LEN);
    let (cipher, check) = rest.split_at(plain_len);
    let mut plain = Vec::with_capacity(plain_len);
    let mut stream = Sha1::new().chain_update(password).chain_update(salt).finalize();
    for block in cipher.chunks(DIGEST_LEN) {
        plain.extend(block.iter().zip(stream).map(|(byte, key)| byte ^ key));
        stream = Sha1::new().chain_update(password).chain_update(stream).finalize();
    }
    if Sha1::new().chain_update(password).chain_update(&plain).finalize()[..] != *check {
        return Err(KeyStoreError::Key);
    }
    Ok(PrivateKeyDer::Pkcs8(plain.into()))
}

/// `SEQUENCE { SEQUENCE { algorithm, NULL }, OCTET STRING }`, with Sun's algorithm.
fn encrypted_data(info: &[u8]) -> Option<Vec<u8>> {
    let (_, info) = Sequence::from_der(info).ok()?;
    let (data, algorithm) = Sequence::from_der(&info.content).ok()?;
    let (_, algorithm) = Oid::from_der(&algorithm.content).ok()?;
    let (_, data) = OctetString::from_der(data).ok()?;
    (algorithm == KEY_PROTECTOR).then(|| data.as_ref().to_vec())
}

/// Lengths are held against the bytes that are there before anything is copied.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], KeyStoreError> {
        let taken = self.bytes[self.at..].get(..len).ok_or(KeyStoreError::Cut(self.bytes.len()))?;
        self.at += len;
        Ok(taken)
    }

    fn int(&mut self) -> Result<u32, KeyStoreError> {
        self.take(4).map(|bytes| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn utf(&mut self) -> Result<&'a [u8], KeyStoreError> {
        let len = self.take(2)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        self.take(len)
    }

    fn sized(&mut self) -> Result<&'a [u8], KeyStoreError> {
        let len = self.int()? as usize;
        self.take(len)
    }

    fn certificate(&mut self, version: u32) -> Result<CertificateDer<'static>, KeyStoreError> {
        if version == 2 && self.utf()? != b"X.509" {
            return Err(KeyStoreError::Invalid("a certificate in the store is not of the type X.509".into()));
        }
        self.sized().map(|bytes| CertificateDer::from(bytes.to_vec()))
    }
}
