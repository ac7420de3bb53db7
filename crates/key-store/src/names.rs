//! The names inside a certificate, as Java writes them: they become ids in ACLs, so every character counts.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::fmt::Write as _;

use thiserror::Error;
use x509_parser::asn1_rs::{Any, Class, FromDer, Tag, ToDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::x509::X509Name;

/// The keywords that RFC 2253 knows; all other types are written as numbers.
const KEYWORDS: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// The bytes are no certificate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not an X.509 certificate: {0}")]
pub struct NameError(pub(crate) String);

/// The subject of a certificate in the form of RFC 2253, as `X500Principal.getName()` gives it.
///
/// # Errors
/// [`NameError`] when the bytes are no certificate.
pub fn subject(certificate: &[u8]) -> Result<String, NameError> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| NameError(error.to_string()))?;
    Ok(rfc2253(certificate.subject()))
}

/// The most specific common name of a certificate's subject.
///
/// # Errors
/// [`NameError`] when the bytes are no certificate.
pub fn common_name(certificate: &[u8]) -> Result<Option<String>, NameError> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| NameError(error.to_string()))?;
    Ok(certificate.subject().iter_common_name().last().and_then(|name| text_of(name.attr_value())))
}

/// The subject alternative names of a certificate: type (0 to 8, RFC 5280's `GeneralName`) and text.
///
/// # Errors
/// [`NameError`] when the bytes are no certificate.
pub fn subject_alternative_names(certificate: &[u8]) -> Result<Vec<(u8, String)>, NameError> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| NameError(error.to_string()))?;
    let names = certificate.extensions().iter().filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
        _ => None,
    });
    Ok(names.flatten().filter_map(general_name).collect())
}

/// The kinds whose value is a text in Java.
fn general_name(name: &GeneralName<'_>) -> Option<(u8, String)> {
    Some(match name {
        GeneralName::RFC822Name(text) => (1, (*text).to_owned()),
        GeneralName::DNSName(text) => (2, (*text).to_owned()),
        GeneralName::DirectoryName(name) => (4, rfc2253(name)),
        GeneralName::URI(text) => (6, (*text).to_owned()),
        GeneralName::IPAddress(bytes) => (7, address(bytes)?),
        GeneralName::RegisteredID(oid) => (8, oid.to_id_string()),
        _ => return None,
    })
}

/// IPv6 in full, as Java prints it.
fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).to_string());
    }
    let bytes = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(bytes).segments().map(|segment| format!("{segment:x}")).join(":"))
}

/// Most specific part first.
fn rfc2253(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for rdn in name.iter_rdn() {
        let attributes = rdn.iter().map(|attribute| {
            let number = attribute.attr_type().to_id_string();
            let keyword = KEYWORDS.iter().find(|(oid, _)| *oid == number).map(|(_, keyword)| *keyword);
            match keyword.zip(text_of(attribute.attr_value())) {
                Some((keyword, text)) => format!("{keyword}={}", escape(&text)),
                None => format!("{}={}", keyword.unwrap_or(&number), hex(attribute.attr_value())),
            }
        });
        parts.push(attributes.collect::<Vec<_>>().join("+"));
    }
    parts.reverse();
    parts.join(",")
}

/// The text of a value, if it is one of the string types.
fn text_of(value: &Any<'_>) -> Option<String> {
    if value.class() != Class::Universal {
        return None;
    }
    let wide = |width: usize| {
        let units =
            value.data.chunks(width).map(|unit| unit.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)));
        units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
            Some(String::from_utf8_lossy(value.data).into_owned())
        }
        Tag::T61String | Tag::GeneralString => Some(value.data.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => Some(wide(2)),
        Tag::UniversalString => Some(wide(4)),
        _ => None,
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ',' | '=' | '+' | '<' | '>' | '#' | ';' | '"' | '\\' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '\0' => escaped.push_str("\\00"),
            c => escaped.push(c),
        }
    }
    let blank = |c: char| c == ' ' || c == '\r';
    let lead = escaped.len() - escaped.trim_start_matches(blank).len();
    let trail = escaped.trim_end_matches(blank).len();
    if lead == 0 && trail == escaped.len() {
        return escaped;
    }
    let mut guarded = String::with_capacity(escaped.len() + 8);
    for (at, c) in escaped.char_indices() {
        if at < lead || at >= trail {
            guarded.push('\\');
        }
        guarded.push(c);
    }
    guarded
}

/// `#` and the DER of the value.
fn hex(value: &Any<'_>) -> String {
    let der = value.to_der_vec_raw().unwrap_or_default();
    der.iter().fold("#".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
