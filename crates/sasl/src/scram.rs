//! What a server keeps of a password for SCRAM (RFC 5802, RFC 7677), and how it is made of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::digest::Output;
use sha2::digest::block_api::BlockSizeUser;
use sha2::{Digest, Sha256, Sha512};

/// A mechanism of the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScramMechanism {
    /// `SCRAM-SHA-256`
    Sha256,
    /// `SCRAM-SHA-512`
    Sha512,
}

/// Iterations that Kafka accepts at most, for every mechanism.
pub const MAX_ITERATIONS: i32 = 16_384;

impl ScramMechanism {
    /// Both.
    pub const ALL: [ScramMechanism; 2] = [ScramMechanism::Sha256, ScramMechanism::Sha512];

    /// As SASL names it.
    pub fn name(self) -> &'static str {
        match self {
            ScramMechanism::Sha256 => "SCRAM-SHA-256",
            ScramMechanism::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The mechanism of this name.
    pub fn from_name(name: &str) -> Option<ScramMechanism> {
        ScramMechanism::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// Its number in Kafka's requests (KIP-554).
    pub fn wire_number(self) -> i8 {
        match self {
            ScramMechanism::Sha256 => 1,
            ScramMechanism::Sha512 => 2,
        }
    }

    /// The mechanism of this number.
    pub fn from_wire(number: i8) -> Option<ScramMechanism> {
        ScramMechanism::ALL.into_iter().find(|mechanism| mechanism.wire_number() == number)
    }

    /// Iterations that Kafka accepts at least.
    pub fn min_iterations(self) -> i32 {
        4096
    }

    /// The key that stands for the password: `Hi(password, salt, iterations)`. Iterations below one count as one.
    pub fn salted_password(self, password: &[u8], salt: &[u8], iterations: i32) -> Vec<u8> {
        match self {
            ScramMechanism::Sha256 => hi::<Sha256>(password, salt, iterations),
            ScramMechanism::Sha512 => hi::<Sha512>(password, salt, iterations),
        }
    }

    /// `HMAC(key, text)`
    pub fn hmac(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        match self {
            ScramMechanism::Sha256 => hmac::<Sha256>(key, &[text]).to_vec(),
            ScramMechanism::Sha512 => hmac::<Sha512>(key, &[text]).to_vec(),
        }
    }

    /// `H(text)`
    pub fn hash(self, text: &[u8]) -> Vec<u8> {
        match self {
            ScramMechanism::Sha256 => Sha256::digest(text).to_vec(),
            ScramMechanism::Sha512 => Sha512::digest(text).to_vec(),
        }
    }
}

/// What a server keeps: enough to check a proof and to prove itself, too little to log in with.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    /// Random bytes that make equal passwords different.
    pub salt: Vec<u8>,
    /// `H(HMAC(salted password, "Client Key"))`
    pub stored_key: Vec<u8>,
    /// `HMAC(salted password, "Server Key")`
    pub server_key: Vec<u8>,
    /// How often the password was hashed.
    pub iterations: i32,
}

impl std::fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScramCredential").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl ScramCredential {
    /// Of a password that was salted elsewhere.
    pub fn of_salted(mechanism: ScramMechanism, salted: &[u8], salt: &[u8], iterations: i32) -> ScramCredential {
        ScramCredential {
            salt: salt.to_vec(),
            stored_key: mechanism.hash(&mechanism.hmac(salted, b"Client Key")),
            server_key: mechanism.hmac(salted, b"Server Key"),
            iterations,
        }
    }

    /// As Kafka stores it: `salt=..,stored_key=..,server_key=..,iterations=4096`.
    pub fn to_text(&self) -> String {
        format!(
            "salt={},stored_key={},server_key={},iterations={}",
            STANDARD.encode(&self.salt),
            STANDARD.encode(&self.stored_key),
            STANDARD.encode(&self.server_key),
            self.iterations
        )
    }

    /// Reads what [`ScramCredential::to_text`] wrote; the parts may stand in any order, but each must be there once.
    pub fn parse(text: &str) -> Option<ScramCredential> {
        let parts: Vec<(&str, &str)> = text.split(',').map(|part| part.split_once('=')).collect::<Option<_>>()?;
        let part = |name: &str| parts.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let bytes = |name: &str| STANDARD.decode(part(name)?).ok();
        if parts.len() != 4 {
            return None;
        }
        Some(ScramCredential {
            salt: bytes("salt")?,
            stored_key: bytes("stored_key")?,
            server_key: bytes("server_key")?,
            iterations: part("iterations")?.parse().ok()?,
        })
    }
}

fn hmac<D: Digest + BlockSizeUser>(key: &[u8], texts: &[&[u8]]) -> Output<D> {
    let mut block = vec![0; D::block_size()];
    if key.len() > block.len() {
        let short = D::digest(key);
        block[..short.len()].copy_from_slice(&short);
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let mut inner = D::new_with_prefix(pad(0x36));
    for text in texts {
        inner.update(text);
    }
    let mut outer = D::new_with_prefix(pad(0x5c));
    outer.update(inner.finalize());
    outer.finalize()
}

fn hi<D: Digest + BlockSizeUser>(password: &[u8], salt: &[u8], iterations: i32) -> Vec<u8> {
    let mut last = hmac::<D>(password, &[salt, &1u32.to_be_bytes()]);
    let mut all = last.to_vec();
    for _ in 1..iterations {
        last = hmac::<D>(password, &[&last]);
        for (sum, byte) in all.iter_mut().zip(&last) {
            *sum ^= byte;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_of_rfc_7677() {
        let mechanism = ScramMechanism::Sha256;
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = mechanism.salted_password(b"pencil", &salt, 4096);
        let credential = ScramCredential::of_salted(mechanism, &salted, &salt, 4096);
        let message = b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = mechanism.hmac(&credential.server_key, message);
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        // The proof that the client sends leads back to the stored key.
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let client_signature = mechanism.hmac(&credential.stored_key, message);
        let client_key: Vec<u8> = proof.iter().zip(client_signature).map(|(one, other)| one ^ other).collect();
        assert_eq!(mechanism.hash(&client_key), credential.stored_key);
    }

    #[test]
    fn stored_as_apaches_broker_stores_it() {
        // What release 3.9.1 made of this salt and this salted password.
        let credential = ScramCredential::of_salted(ScramMechanism::Sha256, &[b'x'; 32], b"0123456789abcdef", 5000);
        let text = "salt=MDEyMzQ1Njc4OWFiY2RlZg==,stored_key=9Gla9MZCY/Hmir2FDttZsga97YzhDW/di4r5oduAB/0=,server_key=7x7GitGt1fP4/QEJl9m/B0Al3ku/uagY2DXTEKD4ZGk=,iterations=5000";
        assert_eq!(credential.to_text(), text);
        assert_eq!(ScramCredential::parse(text), Some(credential));
        for broken in ["", "salt=MDEy", "salt=!,stored_key=,server_key=,iterations=1", &text[..text.len() - 4]] {
            assert_eq!(ScramCredential::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn long_keys_are_hashed_first() {
        // RFC 4231, test case 6.
        let mac = ScramMechanism::Sha512.hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(mac[..4], [0x80, 0xb2, 0x42, 0x63]);
    }
}
