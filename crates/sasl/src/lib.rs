//! SASL exchanges as values: bytes in, bytes out, no sockets and no random numbers of their own.
//!
//! DIGEST-MD5 (RFC 2831) is what ZooKeeper speaks when nobody has Kerberos; both ends of it are here. Of SCRAM there is what a server keeps.
#![deny(missing_docs)]

mod digest_md5;
mod directives;
mod scram;

pub use digest_md5::{DigestMd5Client, DigestMd5Server, Mechanism, SaslError};
pub use scram::{MAX_ITERATIONS, ScramCredential, ScramMechanism};
