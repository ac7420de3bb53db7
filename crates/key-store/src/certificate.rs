//! What is read of certificates that webpki does not take: those of version 1, which have no extensions. Small
//! installations and older OpenSSLs make them, and Java trusts them.

use x509_parser::asn1_rs::{FromDer, Oid, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

use crate::NameError;

/// SHA-1 proves nothing any more.
const SHA1_WITH_RSA: Oid<'static> = oid!(1.2.840.113549.1.1.5);

/// The key of a certificate, as the DER of a `SubjectPublicKeyInfo`.
///
/// # Errors
/// [`NameError`] when the bytes are no certificate.
pub fn public_key_info(certificate: &[u8]) -> Result<Vec<u8>, NameError> {
    Ok(read(certificate)?.public_key().raw.to_vec())
}

/// Is this a certificate of version 1 that `issuer` itself has signed?
///
/// # Errors
/// [`NameError`] when the bytes are no certificates.
pub fn is_version_1_of(certificate: &[u8], issuer: &[u8]) -> Result<bool, NameError> {
    let (certificate, issuer) = (read(certificate)?, read(issuer)?);
    Ok(certificate.version() == X509Version::V1
        && certificate.issuer().as_raw() == issuer.subject().as_raw()
        && certificate.signature_algorithm.algorithm != SHA1_WITH_RSA
        && certificate.verify_signature(Some(issuer.public_key())).is_ok())
}

/// Is the certificate valid at this time, in seconds since 1970?
///
/// # Errors
/// [`NameError`] when the bytes are no certificate.
pub fn is_valid_at(certificate: &[u8], seconds: u64) -> Result<bool, NameError> {
    let time = i64::try_from(seconds).ok().and_then(|seconds| ASN1Time::from_timestamp(seconds).ok());
    let certificate = read(certificate)?;
    Ok(time.is_some_and(|time| certificate.validity().is_valid_at(time)))
}

fn read(certificate: &[u8]) -> Result<X509Certificate<'_>, NameError> {
    match X509Certificate::from_der(certificate) {
        Ok((_, certificate)) => Ok(certificate),
        Err(error) => Err(NameError(error.to_string())),
    }
}
