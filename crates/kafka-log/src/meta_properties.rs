//! `meta.properties`: whose log directory this is. A Java properties file of version 0.

use std::fmt::Write as _;

use kafka_types::BrokerId;

/// The content of `meta.properties`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetaProperties {
    /// `broker.id`.
    pub broker_id: Option<BrokerId>,
    /// `cluster.id`.
    pub cluster_id: Option<String>,
    /// `directory.id`, which Apache writes when a broker migrates to KRaft; kept as it is.
    pub directory_id: Option<String>,
}

/// Why it cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MetaError {
    /// It belongs to a broker in KRaft mode.
    Kraft(String),
    Malformed(String),
}

/// Reads the file. Lines that are not `key=value` are skipped and missing keys are none, as Apache does it: a file
/// of rubbish is written anew.
pub(crate) fn decode(bytes: &[u8]) -> Result<MetaProperties, MetaError> {
    // Java reads properties as ISO 8859-1.
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let mut meta = MetaProperties::default();
    for line in text.lines().map(str::trim_start).filter(|line| !line.starts_with(['#', '!'])) {
        let Some((key, value)) = line.split_once(['=', ':']) else { continue };
        let value = unescape(value.trim());
        match key.trim_end() {
            "version" => match value.parse() {
                Ok(0) => {}
                Ok(1) => return Err(MetaError::Kraft("meta.properties has version=1".to_owned())),
                Ok::<i32, _>(other) => return Err(MetaError::Malformed(format!("unknown version {other}"))),
                Err(_) => return Err(MetaError::Malformed(format!("version `{value}` is not a number"))),
            },
            "broker.id" => {
                let id = value.parse();
                let id = id.map_err(|_| MetaError::Malformed(format!("broker.id `{value}` is not a number")))?;
                meta.broker_id = Some(BrokerId(id));
            }
            "cluster.id" => meta.cluster_id = Some(value),
            "directory.id" => meta.directory_id = Some(value),
            _ => {}
        }
    }
    Ok(meta)
}

/// The file's text.
pub(crate) fn encode(meta: &MetaProperties, date: &str) -> String {
    let mut text = format!("#\n#{date}\n");
    let mut line = |key: &str, value: &str| {
        text.push_str(key);
        text.push('=');
        text.push_str(value);
        text.push('\n');
    };
    if let Some(id) = meta.broker_id {
        line("broker.id", &id.to_string());
    }
    if let Some(id) = &meta.directory_id {
        line("directory.id", &escape(id));
    }
    line("version", "0");
    if let Some(id) = &meta.cluster_id {
        line("cluster.id", &escape(id));
    }
    text
}

/// In a form that Java reads as the same, whatever is in it.
fn escape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '=' | ':' | '#' | '!' | '\\' => text.extend(['\\', c]),
            '"'..='~' => text.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04X}");
                }
            }
        }
    }
    text
}

fn unescape(value: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(value.len());
    let mut rest = value.chars();
    let push = |units: &mut Vec<u16>, c: char| units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    while let Some(c) = rest.next() {
        if c != '\\' {
            push(&mut units, c);
            continue;
        }
        match rest.next() {
            Some('u') => {
                let digits =
                    rest.as_str().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
                match digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
                    Some(unit) => {
                        units.push(unit);
                        rest = rest.as_str()[4..].chars();
                    }
                    None => push(&mut units, 'u'),
                }
            }
            Some('t') => push(&mut units, '\t'),
            Some('n') => push(&mut units, '\n'),
            Some('r') => push(&mut units, '\r'),
            Some('f') => push(&mut units, '\u{c}'),
            Some(other) => push(&mut units, other),
            None => {}
        }
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_apaches_and_reads_back() {
        let text = "#\n#Sun Nov 22 08:06:24 UTC 2026\nbroker.id=0\nversion=0\ncluster.id=FnGilc00R0So3Z0dHzRGeQ\n";
        let meta = decode(text.as_bytes()).expect("Apache's own");
        assert_eq!(meta.broker_id, Some(BrokerId(0)));
        assert_eq!(meta.cluster_id.as_deref(), Some("FnGilc00R0So3Z0dHzRGeQ"));
        assert_eq!(encode(&meta, "Sun Nov 22 08:06:24 UTC 2026"), text);
        let odd = MetaProperties { cluster_id: Some("a=b:c\\d".to_owned()), ..MetaProperties::default() };
        assert_eq!(decode(encode(&odd, "").as_bytes()), Ok(odd));
        // Java reads and writes ISO 8859-1.
        let read = decode(b"cluster.id=\xff \\u00e4\\t\\u20AC\\uD83D\\uDE00\\uZ\\").expect("it reads");
        assert_eq!(read.cluster_id.as_deref(), Some("\u{ff} \u{e4}\t\u{20ac}\u{1f600}uZ"));
        assert_eq!(decode(encode(&read, "").as_bytes()), Ok(read));
    }

    #[test]
    fn rubbish_is_no_identity_and_kraft_is_refused() {
        assert_eq!(decode(b"\x00rubbish\nmore"), Ok(MetaProperties::default()));
        assert!(matches!(decode(b"version=1\nnode.id=1"), Err(MetaError::Kraft(_))));
        assert_eq!(decode(b"version=7"), Err(MetaError::Malformed("unknown version 7".to_owned())));
        assert_eq!(decode(b"broker.id=x"), Err(MetaError::Malformed("broker.id `x` is not a number".to_owned())));
    }
}
