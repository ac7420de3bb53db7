//! Lines into records: keys, headers and null markers, as `--property` asks for them.

use bytes::Bytes;
use kafka_record::Header;

/// A record in the making.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Parsed {
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Vec<Header>,
}

/// How a line is taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineFormat {
    parse_key: bool,
    key_separator: String,
    parse_headers: bool,
    headers_delimiter: String,
    headers_separator: String,
    headers_key_separator: String,
    ignore_error: bool,
    null_marker: Option<String>,
}

/// What is wrong with the properties, or with a line: Java's message.
pub(super) type Complaint = String;

impl LineFormat {
    /// From properties, of which the last one with a name counts. Unknown ones are nobody's, as for Java.
    pub(super) fn new(properties: &[(String, String)]) -> Result<LineFormat, Complaint> {
        let find = |name: &str| properties.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let flag = |name| find(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let text = |name, default: &str| find(name).unwrap_or(default).to_owned();
        let format = LineFormat {
            parse_key: flag("parse.key"),
            key_separator: text("key.separator", "\t"),
            parse_headers: flag("parse.headers"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: text("headers.separator", ","),
            headers_key_separator: text("headers.key.separator", ":"),
            ignore_error: flag("ignore.error"),
            null_marker: find("null.marker").map(str::to_owned),
        };
        format.check()?;
        Ok(format)
    }

    fn check(&self) -> Result<(), Complaint> {
        let marker = self.null_marker.as_deref();
        let pairs = [
            (marker, "null.marker", &self.key_separator, "key.separator"),
            (marker, "null.marker", &self.headers_separator, "headers.separator"),
            (marker, "null.marker", &self.headers_delimiter, "headers.delimiter"),
            (marker, "null.marker", &self.headers_key_separator, "headers.key.separator"),
            (Some(&*self.headers_separator), "headers.separator", &self.headers_key_separator, "headers.key.separator"),
            (Some(&*self.headers_delimiter), "headers.delimiter", &self.headers_separator, "headers.separator"),
            (Some(&*self.headers_delimiter), "headers.delimiter", &self.headers_key_separator, "headers.key.separator"),
        ];
        match pairs.iter().find(|(one, _, other, _)| *one == Some(other.as_str())) {
            Some((_, one, _, other)) => Err(format!("{one} and {other} may not be equal")),
            None => Ok(()),
        }
    }

    /// Takes a line apart; `number` counts from 1. Bytes that are no UTF-8 are sent as they are.
    pub(super) fn parse(&self, line: &Bytes, number: u64) -> Result<Parsed, Complaint> {
        let mut rest = line.clone();
        let headers =
            self.cut(self.parse_headers, &self.headers_delimiter, &mut rest, (line, number, "headers delimiter"))?;
        let key = self.cut(self.parse_key, &self.key_separator, &mut rest, (line, number, "key separator"))?;
        let headers = match headers.filter(|text| !self.is_null(text)) {
            Some(text) => self.headers(&text, number)?,
            None => Vec::new(),
        };
        let present = |part: Bytes| (!self.is_null(&part)).then_some(part);
        Ok(Parsed { key: key.and_then(present), value: present(rest), headers })
    }

    fn is_null(&self, part: &[u8]) -> bool {
        self.null_marker.as_ref().is_some_and(|marker| marker.as_bytes() == part)
    }

    /// Takes what stands before the separator off the front.
    fn cut(
        &self,
        wanted: bool,
        separator: &str,
        rest: &mut Bytes,
        (line, number, name): (&Bytes, u64, &str),
    ) -> Result<Option<Bytes>, Complaint> {
        if !wanted {
            return Ok(None);
        }
        match find(rest, separator.as_bytes()) {
            Some(at) => {
                let front = rest.slice(..at);
                *rest = rest.slice(at + separator.len()..);
                Ok(Some(front))
            }
            None if self.ignore_error => Ok(None),
            None => Err(format!("No {name} found on line number {number}: '{}'", String::from_utf8_lossy(line))),
        }
    }

    fn headers(&self, text: &Bytes, number: u64) -> Result<Vec<Header>, Complaint> {
        let mut pairs = Vec::new();
        let mut rest = text.clone();
        while let Some(at) = find(&rest, self.headers_separator.as_bytes()) {
            pairs.push(rest.slice(..at));
            rest = rest.slice(at + self.headers_separator.len()..);
        }
        pairs.push(rest);
        // Java's split leaves out empty parts at the end, and keeps one if there is nothing else.
        while pairs.len() > 1 && pairs.last().is_some_and(Bytes::is_empty) {
            pairs.pop();
        }
        pairs.into_iter().map(|pair| self.header(&pair, number)).collect()
    }

    fn header(&self, pair: &Bytes, number: u64) -> Result<Header, Complaint> {
        let separator = self.headers_key_separator.as_bytes();
        let Some(at) = find(pair, separator) else {
            let text = String::from_utf8_lossy(pair).into_owned();
            if self.ignore_error {
                return Ok(Header { key: text, value: None });
            }
            return Err(format!("No header key separator found in pair '{text}' on line number {number}"));
        };
        let key = pair.slice(..at);
        if self.is_null(&key) {
            let marker = self.null_marker.as_deref().unwrap_or_default();
            return Err(format!("Header keys should not be equal to the null marker '{marker}' as they can't be null"));
        }
        let value = pair.slice(at + separator.len()..);
        let value = (!self.is_null(&value)).then_some(value);
        Ok(Header { key: String::from_utf8_lossy(&key).into_owned(), value })
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

/// Lines out of bytes as they come: ended by `\n`, `\r\n` or `\r`, the last one by the end of input.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    /// The last byte was `\r`: a `\n` that follows belongs to it.
    after_return: bool,
}

impl Lines {
    /// Adds bytes and hands out the lines that are whole.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Vec<Bytes> {
        let mut lines = Vec::new();
        for byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => lines.push(Bytes::from(std::mem::take(&mut self.pending))),
                byte => self.pending.push(*byte),
            }
        }
        lines
    }

    /// The line that the end of input ends, if there is one.
    pub(super) fn end(&mut self) -> Option<Bytes> {
        (!self.pending.is_empty()).then(|| Bytes::from(std::mem::take(&mut self.pending)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(properties: &str) -> Result<LineFormat, Complaint> {
        let properties: Vec<(String, String)> = properties
            .split(' ')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        LineFormat::new(&properties)
    }

    fn show(properties: &str, line: &str) -> String {
        match format(properties).unwrap().parse(&Bytes::copy_from_slice(line.as_bytes()), 3) {
            Err(complaint) => complaint,
            Ok(parsed) => {
                let text = |part: Option<Bytes>| part.map_or("null".to_owned(), |part| format!("{part:?}"));
                let headers: Vec<String> =
                    parsed.headers.into_iter().map(|header| format!("{}:{}", header.key, text(header.value))).collect();
                format!("[{}] {} {}", headers.join(","), text(parsed.key), text(parsed.value))
            }
        }
    }

    #[test]
    fn lines_are_taken_apart_as_java_does() {
        let key = "parse.key=true key.separator=:";
        let all = "parse.headers=true parse.key=true key.separator=:";
        let cases = [
            ("", "a:b", "[] null b\"a:b\""),
            (key, "k2:v2:more", "[] b\"k2\" b\"v2:more\""),
            (key, ":v3", "[] b\"\" b\"v3\""),
            (key, "k4:", "[] b\"k4\" b\"\""),
            (key, "broken", "No key separator found on line number 3: 'broken'"),
            ("parse.key=true key.separator=: ignore.error=true", "broken", "[] null b\"broken\""),
            ("parse.key=true key.separator=: null.marker=NULL", "k:NULL", "[] b\"k\" null"),
            ("parse.key=true key.separator=: null.marker=NULL", "NULL:v", "[] null b\"v\""),
            (all, "h1:a,h2:b\tk6:v6", "[h1:b\"a\",h2:b\"b\"] b\"k6\" b\"v6\""),
            (all, "no headers here", "No headers delimiter found on line number 3: 'no headers here'"),
            ("parse.headers=true", "nocolon\tv", "No header key separator found in pair 'nocolon' on line number 3"),
            ("parse.headers=true ignore.error=true", "nocolon\tv", "[nocolon:null] null b\"v\""),
            ("parse.headers=true null.marker=N", "h:N\tv", "[h:null] null b\"v\""),
            ("parse.headers=true null.marker=N", "N\tv", "[] null b\"v\""),
            (
                "parse.headers=true null.marker=N",
                "N:x\tv",
                "Header keys should not be equal to the null marker 'N' as they can't be null",
            ),
            ("parse.key=maybe", "a\tb", "[] null b\"a\\tb\""),
        ];
        for (properties, line, expected) in cases {
            assert_eq!(show(properties, line), expected, "{properties} / {line}");
        }
    }

    #[test]
    fn separators_must_differ() {
        let same = "parse.headers=true parse.key=true headers.delimiter=: key.separator=:";
        assert_eq!(format(same).unwrap_err(), "headers.delimiter and headers.key.separator may not be equal");
        assert_eq!(format("null.marker=:").unwrap_err(), "null.marker and headers.key.separator may not be equal");
    }

    #[test]
    fn lines_end_in_three_ways() {
        let mut lines = Lines::default();
        assert_eq!(lines.add(b"x\r"), ["x"]);
        assert_eq!(lines.add(b"\ny\n\nz\rw"), ["y", "", "z"]);
        assert_eq!(lines.end(), Some(Bytes::from_static(b"w")));
        assert_eq!(lines.end(), None);
    }
}
