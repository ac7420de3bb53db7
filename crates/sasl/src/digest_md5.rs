//! DIGEST-MD5 with `qop=auth` (RFC 2831), as Java's provider speaks it.
//!
//! ```text
//!  client                                   server
//!    (empty) ------------------------------>          ZooKeeper's clients open with an empty token
//!            <------------------------------ challenge: realm, nonce, charset, algorithm
//!    response: username, nonce, digest ---->
//!            <------------------------------ rspauth: the server knows the password, too
//! ```

use std::fmt::Write as _;

use md5::{Digest, Md5};
use thiserror::Error;

use crate::directives::{Directives, quote};

/// The longest message that is looked at, in bytes (RFC 2831 allows a challenge of 2048 and a response of 4096).
const MESSAGE_MAX: usize = 4096;

/// What both ends have to agree on beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mechanism {
    /// The service: the first half of the digest URI.
    pub protocol: &'static str,
    /// The server's name, which is its only realm, too.
    pub server: &'static str,
}

impl Mechanism {
    /// ZooKeeper's fixed names.
    pub const ZOOKEEPER: Mechanism = Mechanism { protocol: "zookeeper", server: "zk-sasl-md5" };

    fn uri(self) -> String {
        format!("{}/{}", self.protocol, self.server)
    }
}

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SaslError {
    /// The exchange is over.
    #[error("DIGEST-MD5: Server at illegal state")]
    Over,
    /// A message is no list of directives.
    #[error("not a message of DIGEST-MD5: {0}")]
    Malformed(&'static str),
    /// A directive is not there.
    #[error("the directive {0} is missing")]
    Missing(&'static str),
    /// A directive may stand once.
    #[error("the directive {0} is there twice")]
    Twice(&'static str),
    /// A directive says something else than was agreed on.
    #[error("the directive {0} does not fit the exchange")]
    Mismatch(&'static str),
    /// The user is not known, or the password is another one.
    #[error("DIGEST-MD5: digest response format violation. Mismatched response. The user is {0:?}")]
    WrongPassword(String),
    /// The server did not prove that it knows the password.
    #[error("the server's answer does not prove that it knows the password")]
    ServerNotProven,
}

/// The server's end of one exchange.
#[derive(Debug)]
pub struct DigestMd5Server {
    mechanism: Mechanism,
    nonce: String,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    Challenged,
    Done(String),
    Failed,
}

impl DigestMd5Server {
    /// An exchange with this nonce: printable, never used before, not to be guessed.
    pub fn new(mechanism: Mechanism, nonce: String) -> DigestMd5Server {
        DigestMd5Server { mechanism, nonce, stage: Stage::Begin }
    }

    /// The user that has proved who it is.
    pub fn user(&self) -> Option<&str> {
        match &self.stage {
            Stage::Done(user) => Some(user),
            _ => None,
        }
    }

    /// Takes the client's message; the answer. `password` tells the password of a user.
    ///
    /// # Errors
    /// [`SaslError`] when the client is not let in; the exchange is over then.
    pub fn step<'a>(
        &mut self,
        message: &[u8],
        password: impl FnOnce(&str) -> Option<&'a str>,
    ) -> Result<Vec<u8>, SaslError> {
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            // Whatever the first token is: Java's provider does not look at it, so that of a Kerberos client is
            // answered, too.
            Stage::Begin => {
                self.stage = Stage::Challenged;
                Ok(self.challenge().into_bytes())
            }
            Stage::Challenged => {
                let (user, answer) = self.check(message, password)?;
                self.stage = Stage::Done(user);
                Ok(answer.into_bytes())
            }
            Stage::Done(_) | Stage::Failed => Err(SaslError::Over),
        }
    }

    fn challenge(&self) -> String {
        let (realm, nonce) = (quote(self.mechanism.server), quote(&self.nonce));
        format!("realm={realm},nonce={nonce},charset=utf-8,algorithm=md5-sess")
    }

    fn check<'a>(
        &self,
        message: &[u8],
        password: impl FnOnce(&str) -> Option<&'a str>,
    ) -> Result<(String, String), SaslError> {
        let list = parse(message)?;
        let user = list.required("username")?;
        let fits = |key, fits| if fits { Ok(()) } else { Err(SaslError::Mismatch(key)) };
        fits("nonce", list.required("nonce")? == self.nonce)?;
        let count = u32::from_str_radix(list.required("nc")?, 16).map_err(|_| SaslError::Mismatch("nc"))?;
        fits("nc", count == 1)?;
        fits("realm", list.one("realm")?.is_none_or(|realm| realm == self.mechanism.server))?;
        fits("qop", list.one("qop")?.is_none_or(|qop| qop == "auth"))?;
        let uri = list.required("digest-uri")?;
        fits("digest-uri", uri.eq_ignore_ascii_case(&self.mechanism.uri()))?;
        let wrong = || SaslError::WrongPassword(user.to_owned());
        let proof = Proof {
            user,
            realm: list.one("realm")?.unwrap_or_default(),
            password: password(user).ok_or_else(wrong)?,
            nonce: &self.nonce,
            cnonce: list.required("cnonce")?,
            authzid: list.one("authzid")?,
            uri,
        };
        let given = list.required("response")?;
        // A comparison that ends at the first difference would tell how much of a guess was right.
        if !same(given.as_bytes(), proof.response("AUTHENTICATE:").as_bytes()) {
            return Err(wrong());
        }
        Ok((user.to_owned(), format!("rspauth={}", proof.response(":"))))
    }
}

/// The client's end of one exchange.
#[derive(Debug)]
pub struct DigestMd5Client {
    mechanism: Mechanism,
    user: String,
    password: String,
    cnonce: String,
    expected: Option<String>,
    proven: bool,
}

impl DigestMd5Client {
    /// An exchange for this user; `cnonce` is printable and not to be guessed.
    pub fn new(mechanism: Mechanism, user: &str, password: &str, cnonce: String) -> DigestMd5Client {
        let (user, password) = (user.to_owned(), password.to_owned());
        DigestMd5Client { mechanism, user, password, cnonce, expected: None, proven: false }
    }

    /// Has the server proved that it knows the password?
    pub fn is_complete(&self) -> bool {
        self.proven
    }

    /// Takes the server's message; the answer, `None` when there is nothing more to say.
    ///
    /// # Errors
    /// [`SaslError`] when the server says something that cannot be answered, or is not who it should be.
    pub fn step(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        if self.proven {
            return Err(SaslError::Over);
        }
        let list = parse(message)?;
        if let Some(expected) = &self.expected {
            if !same(list.required("rspauth")?.as_bytes(), expected.as_bytes()) {
                return Err(SaslError::ServerNotProven);
            }
            self.proven = true;
            return Ok(None);
        }
        if list.required("algorithm")? != "md5-sess" {
            return Err(SaslError::Mismatch("algorithm"));
        }
        if let Some(qop) = list.one("qop")?
            && !qop.split(',').any(|qop| qop.trim() == "auth")
        {
            return Err(SaslError::Mismatch("qop"));
        }
        let realm = list.all("realm").next().unwrap_or_default();
        let nonce = list.required("nonce")?;
        let uri = self.mechanism.uri();
        let proof = Proof {
            user: &self.user,
            realm,
            password: &self.password,
            nonce,
            cnonce: &self.cnonce,
            authzid: None,
            uri: &uri,
        };
        let mut answer = String::new();
        if list.one("charset")?.is_some() {
            answer.push_str("charset=utf-8,");
        }
        let _ = write!(answer, "username={},realm={},", quote(&self.user), quote(realm));
        let _ = write!(answer, "nonce={},nc=00000001,cnonce={},", quote(nonce), quote(&self.cnonce));
        let _ = write!(answer, "digest-uri={},maxbuf=65536,", quote(&uri));
        let _ = write!(answer, "response={},qop=auth", proof.response("AUTHENTICATE:"));
        self.expected = Some(proof.response(":"));
        Ok(Some(answer.into_bytes()))
    }
}

fn parse(message: &[u8]) -> Result<Directives, SaslError> {
    if message.len() > MESSAGE_MAX {
        return Err(SaslError::Malformed("above 4096 bytes"));
    }
    Directives::parse(message)
}

/// What goes into the digests.
struct Proof<'a> {
    user: &'a str,
    realm: &'a str,
    password: &'a str,
    nonce: &'a str,
    cnonce: &'a str,
    authzid: Option<&'a str>,
    uri: &'a str,
}

impl Proof<'_> {
    /// The digest of RFC 2831, 2.1.2.1; `a2` begins with the method, which the server's own proof leaves empty.
    fn response(&self, method: &str) -> String {
        let secret = Md5::new()
            .chain_update(octets(self.user))
            .chain_update(":")
            .chain_update(octets(self.realm))
            .chain_update(":")
            .chain_update(octets(self.password))
            .finalize();
        let mut a1 = Md5::new().chain_update(secret).chain_update(format!(":{}:{}", self.nonce, self.cnonce));
        if let Some(authzid) = self.authzid {
            a1.update(format!(":{authzid}"));
        }
        let a2 = Md5::digest(format!("{method}{}", self.uri));
        let text = format!("{}:{}:00000001:{}:auth:{}", hex(&a1.finalize()), self.nonce, self.cnonce, hex(&a2));
        hex(&Md5::digest(text))
    }
}

/// ISO 8859-1 if all characters have a place there, else UTF-8: the RFC's rule for what is hashed.
fn octets(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<_, _>>().unwrap_or_else(|_| text.into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IMAP: Mechanism = Mechanism { protocol: "imap", server: "elwood.innosoft.com" };

    fn server() -> DigestMd5Server {
        DigestMd5Server::new(Mechanism::ZOOKEEPER, "nonce".into())
    }

    fn exchange(user: &str, given: &str, known: Option<&str>) -> Result<String, SaslError> {
        let mut server = server();
        let mut client = DigestMd5Client::new(Mechanism::ZOOKEEPER, user, given, "cnonce".into());
        let challenge = server.step(b"", |_| None)?;
        let response = client.step(&challenge)?.expect("an answer");
        let proof = server.step(&response, |_| known)?;
        assert_eq!(client.step(&proof)?, None);
        assert!(client.is_complete());
        Ok(server.user().expect("known").to_owned())
    }

    #[test]
    fn the_example_of_the_rfc() {
        let mut server = DigestMd5Server::new(IMAP, "OA6MG9tEQGm2hh".into());
        server.step(b"", |_| None).unwrap();
        let response = "charset=utf-8,username=\"chris\",realm=\"elwood.innosoft.com\",nonce=\"OA6MG9tEQGm2hh\",\
                        nc=00000001,cnonce=\"OA6MHXh6VqTrRk\",digest-uri=\"imap/elwood.innosoft.com\",\
                        response=d388dad90d4bbd760a152321f2143af7,qop=auth";
        let answer = server.step(response.as_bytes(), |user| (user == "chris").then_some("secret")).unwrap();
        assert_eq!(answer, b"rspauth=ea40f60335c427b5527b84dbabcdfffd");
        assert_eq!(server.user(), Some("chris"));
    }

    #[test]
    fn both_ends_understand_each_other() {
        for (user, password) in [("alice", "secret"), ("a\"b\\c", "p\"w,="), ("\u{fc}ser", "\u{20ac}"), ("x", "")] {
            assert_eq!(exchange(user, password, Some(password)).as_deref(), Ok(user));
        }
        assert!(matches!(exchange("alice", "wrong", Some("secret")), Err(SaslError::WrongPassword(_))));
        assert!(matches!(exchange("alice", "secret", None), Err(SaslError::WrongPassword(_))));
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_found_out() {
        let mut client = DigestMd5Client::new(Mechanism::ZOOKEEPER, "u", "p", "c".into());
        client.step(b"realm=\"r\",nonce=\"n\",algorithm=md5-sess").unwrap();
        assert_eq!(client.step(b"rspauth=00000000000000000000000000000000"), Err(SaslError::ServerNotProven));
        assert!(!client.is_complete());
    }

    #[test]
    fn what_was_not_agreed_on_is_refused() {
        let good = "username=\"u\",realm=\"zk-sasl-md5\",nonce=\"nonce\",nc=00000001,cnonce=\"c\",\
                    digest-uri=\"zookeeper/zk-sasl-md5\",response=0,qop=auth";
        let of = |from: &str, to: &str| {
            let mut server = server();
            server.step(b"", |_| None).unwrap();
            server.step(good.replace(from, to).as_bytes(), |_| Some("p")).unwrap_err()
        };
        assert_eq!(of("\"nonce\"", "\"other\""), SaslError::Mismatch("nonce"));
        assert_eq!(of("00000001", "00000002"), SaslError::Mismatch("nc"));
        assert_eq!(of("realm=\"zk", "realm=\"yk"), SaslError::Mismatch("realm"));
        assert_eq!(of("\"zookeeper/", "\"imap/"), SaslError::Mismatch("digest-uri"));
        assert_eq!(of("qop=auth", "qop=auth-conf"), SaslError::Mismatch("qop"));
        assert_eq!(of("username=\"u\",", ""), SaslError::Missing("username"));
        assert_eq!(of("qop=auth", "cnonce=\"d\""), SaslError::Twice("cnonce"));
        assert!(matches!(of("x", "x"), SaslError::WrongPassword(_)));
    }

    #[test]
    fn an_exchange_happens_once() {
        let mut server = server();
        assert!(server.step(b"`\x82", |_| None).is_ok(), "a token of Kerberos gets the challenge");
        assert!(server.step(b"`\x82", |_| None).is_err());
        assert_eq!(server.step(b"", |_| None), Err(SaslError::Over));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut server = server();
            server.step(b"", |_| None).unwrap();
            prop_assert!(server.step(&bytes, |_| Some("p")).is_err());
            let mut client = DigestMd5Client::new(Mechanism::ZOOKEEPER, "u", "p", "c".into());
            let _ = client.step(&bytes);
        }
    }
}
