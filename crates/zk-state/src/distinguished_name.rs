//! Is a text the name of a certificate's subject, as Java's `X500Principal` reads it? Ids of the scheme `x509` are such
//! names.

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while_m_n, take_while1};
use nom::character::complete::{char, digit1, multispace0, none_of, one_of, satisfy};
use nom::combinator::{all_consuming, not, opt, recognize, value, verify};
use nom::multi::{many0_count, many1_count, separated_list1};
use nom::sequence::{delimited, pair, preceded};
use nom::{IResult, Parser};

/// The keywords that Java knows.
const KEYWORDS: &[&str] = &[
    "CN",
    "C",
    "L",
    "S",
    "ST",
    "O",
    "OU",
    "T",
    "IP",
    "STREET",
    "DC",
    "DNQUALIFIER",
    "DNQ",
    "SURNAME",
    "GIVENNAME",
    "INITIALS",
    "GENERATION",
    "EMAIL",
    "EMAILADDRESS",
    "UID",
    "SERIALNUMBER",
];

/// Is it one? The empty text is the name of nobody, and one.
pub(crate) fn is_name(text: &str) -> bool {
    text.is_empty() || all_consuming(name).parse(text).is_ok()
}

fn name(text: &str) -> IResult<&str, ()> {
    let attributes = separated_list1(char('+'), attribute);
    value((), separated_list1(one_of(",;"), attributes)).parse(text)
}

fn attribute(text: &str) -> IResult<&str, ()> {
    let key = delimited(multispace0, alt((number, keyword)), (multispace0, char('='), multispace0));
    value((), (key, alt((hex, quoted, plain)))).parse(text)
}

fn keyword(text: &str) -> IResult<&str, ()> {
    let word = take_while1(|c: char| c.is_ascii_alphanumeric());
    let known = verify(word, |word: &str| KEYWORDS.iter().any(|known| known.eq_ignore_ascii_case(word)));
    value((), known).parse(text)
}

/// `1.2.840.113549.1.9.1`, with or without `OID.` before it.
fn number(text: &str) -> IResult<&str, ()> {
    let arcs = pair(digit1, many1_count(preceded(char('.'), digit1)));
    value((), preceded(opt(tag_no_case("OID.")), arcs)).parse(text)
}

fn hex(text: &str) -> IResult<&str, ()> {
    let byte = take_while_m_n(2, 2, |c: char| c.is_ascii_hexdigit());
    value((), (char('#'), many1_count(byte), multispace0)).parse(text)
}

fn quoted(text: &str) -> IResult<&str, ()> {
    let inner = alt((recognize(none_of("\"\\")), recognize(escape)));
    value((), (char('"'), many0_count(inner), char('"'), multispace0)).parse(text)
}

/// Up to the next separator; what has a meaning is escaped.
fn plain(text: &str) -> IResult<&str, ()> {
    let inner = alt((recognize(none_of(",+<>;\"\\")), recognize(escape)));
    value((), (not(char('#')), many0_count(inner))).parse(text)
}

fn escape(text: &str) -> IResult<&str, ()> {
    let byte = recognize(take_while_m_n(2, 2, |c: char| c.is_ascii_hexdigit()));
    let special = recognize(satisfy(|c| ",+<>;\"\\=# \n".contains(c)));
    value((), pair(tag("\\"), alt((byte, special)))).parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `new X500Principal(text)` says on JDK 17.
    #[test]
    fn as_java_reads_them() {
        for legal in [
            "",
            "CN=alice",
            "cn = alice , OU=x;O=y+L=z",
            "1.2.840.113549.1.9.1=#16056140622e63,CN=localhost,O=Te\\\"st,ST=A\\, B,C=DE",
            "CN=\"a,b\"",
            "OID.2.5.4.3=x",
            "CN=",
            "CN=a=b",
            "CN=Jürgen \\4c",
        ] {
            assert!(is_name(legal), "{legal}");
        }
        for illegal in ["alice", "XX=alice", "CN=a,,O=b", "CN=a<b", "CN=#zz", "CN=\"open", "CN=a,", "CN=a\\"] {
            assert!(!is_name(illegal), "{illegal}");
        }
    }
}
