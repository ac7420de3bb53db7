//! Records into text, as `--formatter` and `--property` ask for it.

use kafka_record::{Record, TimestampType};

use super::deserializer::{Deserializer, Unreadable};
use super::former::Former;
use super::internal::Internal;

const PACKAGE: &str = "org.apache.kafka.tools.consumer.";

/// A record and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) partition: i32,
    pub(super) timestamp_type: Option<TimestampType>,
    pub(super) record: &'a Record,
}

/// What becomes of a record.
#[derive(Debug)]
pub(super) enum Formatter {
    /// Fields, one after the other.
    Fields(Box<Fields>),
    /// What brokers keep for themselves, as JSON.
    Internal(Internal),
    /// The same in its former form.
    Former(Former),
    /// Nothing.
    Nothing,
}

/// Which fields are printed, and what stands between them. Timestamp, partition, offset, headers, key, value, in that
/// order, whatever the order of the properties.
#[derive(Debug)]
pub(super) struct Fields {
    timestamp: bool,
    partition: bool,
    offset: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: String,
    line_separator: String,
    headers_separator: String,
    null_literal: String,
    key_deserializer: Option<Deserializer>,
    value_deserializer: Option<Deserializer>,
    headers_deserializer: Option<Deserializer>,
}

/// The formatter of that class, and what is to be said about its name.
pub(super) fn find(class: &str, properties: &[(String, String)]) -> Result<(Formatter, Vec<String>), String> {
    let current = |name: &str| class.strip_prefix(PACKAGE).is_some_and(|rest| rest == name);
    let old = |name: &str| class.strip_prefix("kafka.tools.").is_some_and(|rest| rest == name);
    let mut remarks = Vec::new();
    for name in ["DefaultMessageFormatter", "LoggingMessageFormatter", "NoOpMessageFormatter"] {
        if !current(name) && !old(name) {
            continue;
        }
        if old(name) {
            remarks.push(deprecated(class, name));
        }
        let formatter = if name == "NoOpMessageFormatter" {
            Formatter::Nothing
        } else {
            Formatter::Fields(Box::new(Fields::new(properties)))
        };
        return Ok((formatter, remarks));
    }
    if let Some(internal) = class.strip_prefix(PACKAGE).and_then(Internal::named) {
        return Ok((Formatter::Internal(internal), remarks));
    }
    if let Some((former, name)) = Former::named(class) {
        return Ok((Formatter::Former(former), vec![deprecated(class, name)]));
    }
    Err(class.to_owned())
}

/// Apache's words about a formatter that has another name by now.
fn deprecated(class: &str, name: &str) -> String {
    format!(
        "WARNING: {class} is deprecated and will be removed in the next major release. Please use {PACKAGE}{name} instead"
    )
}

impl Formatter {
    /// Appends what is to be printed for a record.
    pub(super) fn write(&self, message: Message<'_>, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        match self {
            Formatter::Fields(fields) => fields.write(message, out),
            Formatter::Internal(internal) => {
                out.extend_from_slice(internal.text(message.record).unwrap_or_default().as_bytes());
                Ok(())
            }
            Formatter::Former(former) => {
                out.extend_from_slice(former.line(message.record).unwrap_or_default().as_bytes());
                Ok(())
            }
            Formatter::Nothing => Ok(()),
        }
    }
}

impl Fields {
    fn new(properties: &[(String, String)]) -> Fields {
        let find = |name: &str| properties.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let flag = |name, default| find(name).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"));
        let text = |name, default: &str| find(name).unwrap_or(default).to_owned();
        let deserializer = |name| find(name).and_then(Deserializer::named);
        Fields {
            timestamp: flag("print.timestamp", false),
            partition: flag("print.partition", false),
            offset: flag("print.offset", false),
            headers: flag("print.headers", false),
            key: flag("print.key", false),
            value: flag("print.value", true),
            key_separator: text("key.separator", "\t"),
            line_separator: text("line.separator", "\n"),
            headers_separator: text("headers.separator", ","),
            null_literal: text("null.literal", "null"),
            key_deserializer: deserializer("key.deserializer"),
            value_deserializer: deserializer("value.deserializer"),
            headers_deserializer: deserializer("headers.deserializer"),
        }
    }

    fn write(&self, message: Message<'_>, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        // What follows a field: a separator if another one does, else the end of the line.
        let wanted = [self.timestamp, self.partition, self.offset, self.headers, self.key, self.value];
        let after = |at: usize| {
            if wanted[at + 1..].contains(&true) {
                self.key_separator.as_bytes()
            } else {
                self.line_separator.as_bytes()
            }
        };
        if self.timestamp {
            out.extend_from_slice(timestamp(message).as_bytes());
            out.extend_from_slice(after(0));
        }
        if self.partition {
            out.extend_from_slice(format!("Partition:{}", message.partition).as_bytes());
            out.extend_from_slice(after(1));
        }
        if self.offset {
            out.extend_from_slice(format!("Offset:{}", message.record.offset.0).as_bytes());
            out.extend_from_slice(after(2));
        }
        if self.headers {
            self.write_headers(message.record, out)?;
            out.extend_from_slice(after(3));
        }
        if self.key {
            self.write_part(message.record.key.as_deref(), self.key_deserializer, out)?;
            out.extend_from_slice(after(4));
        }
        if self.value {
            self.write_part(message.record.value.as_deref(), self.value_deserializer, out)?;
            out.extend_from_slice(self.line_separator.as_bytes());
        }
        Ok(())
    }

    fn write_headers(&self, record: &Record, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        if record.headers.is_empty() {
            out.extend_from_slice(b"NO_HEADERS");
        }
        for (at, header) in record.headers.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(self.headers_separator.as_bytes());
            }
            out.extend_from_slice(header.key.as_bytes());
            out.push(b':');
            self.write_part(header.value.as_deref(), self.headers_deserializer, out)?;
        }
        Ok(())
    }

    fn write_part(
        &self,
        part: Option<&[u8]>,
        deserializer: Option<Deserializer>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        // Java deserializes the literal, too: with numbers, null is an error, or a number.
        let bytes = part.unwrap_or(self.null_literal.as_bytes());
        match deserializer {
            None => out.extend_from_slice(bytes),
            Some(deserializer) => deserializer.write(bytes, out)?,
        }
        Ok(())
    }
}

fn timestamp(message: Message<'_>) -> String {
    match message.timestamp_type {
        Some(TimestampType::CreateTime) => format!("CreateTime:{}", message.record.timestamp),
        Some(TimestampType::LogAppendTime) => format!("LogAppendTime:{}", message.record.timestamp),
        None => "NO_TIMESTAMP".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_record::Header;
    use kafka_types::Offset;

    use super::*;

    fn record() -> Record {
        let header = |key: &str, value: &'static str| Header {
            key: key.into(),
            value: Some(Bytes::from_static(value.as_bytes())),
        };
        Record {
            offset: Offset(3),
            timestamp: 17,
            key: None,
            value: Some(Bytes::from_static(b"one")),
            headers: vec![header("h1", "a"), header("h2", "b")],
        }
    }

    fn show(class: &str, properties: &str) -> String {
        let properties: Vec<(String, String)> = properties
            .split(' ')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let (formatter, _) = find(class, &properties).unwrap();
        let mut out = Vec::new();
        let record = record();
        let message = Message { partition: 2, timestamp_type: Some(TimestampType::CreateTime), record: &record };
        match formatter.write(message, &mut out) {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn fields_come_in_a_fixed_order() {
        const DEFAULT: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";
        let all = "print.value=true print.key=true print.offset=TRUE print.partition=true print.headers=true print.timestamp=true";
        let cases = [
            ("", "one\n"),
            (all, "CreateTime:17\tPartition:2\tOffset:3\th1:a,h2:b\tnull\tone\n"),
            ("print.value=false print.key=true null.literal=NIL", "NIL\n"),
            ("print.value=false", ""),
            ("print.key=true key.separator= line.separator=| headers.separator=;", "nullone|"),
            ("print.headers=true headers.separator=;", "h1:a;h2:b\tone\n"),
            ("print.key=maybe", "one\n"),
            (
                "value.deserializer=org.apache.kafka.common.serialization.LongDeserializer",
                "Size of data received by LongDeserializer is not 8",
            ),
        ];
        for (properties, expected) in cases {
            assert_eq!(show(DEFAULT, properties), expected, "{properties}");
        }
        assert_eq!(show("kafka.tools.NoOpMessageFormatter", ""), "");
        assert!(find("no.such.Formatter", &[]).is_err());
        let (_, remarks) = find("kafka.tools.DefaultMessageFormatter", &[]).unwrap();
        assert_eq!(
            remarks,
            [
                "WARNING: kafka.tools.DefaultMessageFormatter is deprecated and will be removed in the next major release. \
              Please use org.apache.kafka.tools.consumer.DefaultMessageFormatter instead"
            ]
        );
    }
}
