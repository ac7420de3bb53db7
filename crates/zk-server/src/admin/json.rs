//! JSON as Jackson's pretty printer lays it out: objects line by line, arrays on one line, spaces around colons.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};
use serde_json::{Map, Value};

use crate::metrics::java_double;

/// The text of an answer.
pub(crate) fn pretty(answer: &Map<String, Value>) -> String {
    let mut bytes = Vec::new();
    let written = answer.serialize(&mut Serializer::with_formatter(&mut bytes, Jackson::default()));
    debug_assert!(written.is_ok(), "writing to memory does not fail");
    String::from_utf8(bytes).unwrap_or_default()
}

/// How far the objects around are indented, and whether the innermost one has an entry.
#[derive(Debug, Default)]
struct Jackson {
    depth: usize,
    has_entry: bool,
}

impl Formatter for Jackson {
    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.has_entry = false;
        out.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        self.line(out)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b" : ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_entry = true;
        Ok(())
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.has_entry {
            self.line(out)?;
        } else {
            out.write_all(b" ")?;
        }
        out.write_all(b"}")
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.has_entry = false;
        out.write_all(b"[ ")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_entry = true;
        Ok(())
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        // An array without an entry is `[ ]`: the space is there already.
        if std::mem::replace(&mut self.has_entry, true) { out.write_all(b" ]") } else { out.write_all(b"]") }
    }

    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        out.write_all(java_double(value).as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, out: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Quote => out.write_all(b"\\\""),
            CharEscape::ReverseSolidus => out.write_all(b"\\\\"),
            CharEscape::Solidus => out.write_all(b"/"),
            CharEscape::Backspace => out.write_all(b"\\b"),
            CharEscape::FormFeed => out.write_all(b"\\f"),
            CharEscape::LineFeed => out.write_all(b"\\n"),
            CharEscape::CarriageReturn => out.write_all(b"\\r"),
            CharEscape::Tab => out.write_all(b"\\t"),
            CharEscape::AsciiControl(byte) => write!(out, "\\u{byte:04X}"),
        }
    }
}

impl Jackson {
    fn line<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        out.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| out.write_all(b"  "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn as_jackson_does() {
        let answer = json!({
            "connections": [{ "address": "127.0.0.1:1", "n": 1 }, { "n": 2 }],
            "none": [], "empty": {}, "of": [{}], "list": [1, 2], "nested": { "a": 75.0, "b": { "c": null } },
            "text": "\"\u{1f}\n/é"
        });
        let Value::Object(answer) = answer else { panic!("an object") };
        let expected = r#"{
  "connections" : [ {
    "address" : "127.0.0.1:1",
    "n" : 1
  }, {
    "n" : 2
  } ],
  "none" : [ ],
  "empty" : { },
  "of" : [ { } ],
  "list" : [ 1, 2 ],
  "nested" : {
    "a" : 75.0,
    "b" : {
      "c" : null
    }
  },
  "text" : "\"\u001F\n/é"
}"#;
        assert_eq!(pretty(&answer), expected);
    }
}
