//! What the tools for ZooKeeper's files share: a snapshot by its path, Java's dates, words of standard input.

use std::collections::VecDeque;
use std::io::BufRead;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use vfs::Vfs;
use zk_proto::Zxid;
use zk_store::snapshot::{self, Loaded};
use zk_store::{Compression, SnapshotFile};

/// The exit code of ZooKeeper's tools for a command line that cannot be.
pub const INVALID_INVOCATION: u8 = 2;

/// A snapshot by its path: the name says how it is packed and at which zxid it was begun (-1: it does not).
pub fn snapshot_at(path: &Path) -> SnapshotFile {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let compression = [Compression::Gzip, Compression::Snappy].into_iter().find(|it| name.ends_with(it.suffix()));
    let mut parts = name.split('.');
    let zxid = match (parts.next(), parts.next()) {
        (Some("snapshot"), Some(digits)) => u64::from_str_radix(digits, 16).map_or(-1, |zxid| zxid as i64),
        _ => -1,
    };
    SnapshotFile { zxid: Zxid(zxid), compression: compression.unwrap_or_default(), path: path.to_path_buf() }
}

/// Reads a snapshot, checksums included.
///
/// # Errors
/// A text for the user.
pub fn load_snapshot(vfs: &dyn Vfs, path: &Path) -> Result<Loaded, String> {
    snapshot::load(vfs, &snapshot_at(path)).map_err(|error| format!("{}: {error}", path.display()))
}

/// Is there a file that can be read? The words are Apache's.
///
/// # Errors
/// Why not.
pub fn check_file(vfs: &dyn Vfs, path: &Path) -> Result<(), String> {
    let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let shown = shown.display();
    match vfs.metadata(path) {
        Ok(found) if found.is_dir => Err(format!("'{shown}' is a directory. it must be a file.")),
        Ok(_) => vfs
            .open(path, vfs::OpenMode::Read)
            .map(|_| ())
            .map_err(|_| format!("Read permission is denied on the file '{shown}'")),
        Err(_) => Err(format!("File '{shown}' does not exist.")),
    }
}

/// A time as Java's date formats print it: `%` fields of strftime.
pub fn java_time(millis: i64, format: &str, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(time) => time.to_zoned_datetime(zone.clone()).strftime(format).to_string(),
        Err(_) => format!("{millis} ms"),
    }
}

/// Bytes as text, as Java decodes UTF-8: what is malformed becomes U+FFFD, an encoded surrogate *one* of them (Rust makes
/// three).
pub fn java_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return text;
            }
            Err(error) => error,
        };
        let (valid, malformed) = rest.split_at(error.valid_up_to());
        text.push_str(&String::from_utf8_lossy(valid));
        text.push(char::REPLACEMENT_CHARACTER);
        let skipped = match malformed {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => 3,
            [0xed, 0xa0..=0xbf, ..] => 2,
            _ => error.error_len().unwrap_or(malformed.len()),
        };
        rest = &malformed[skipped..];
    }
}

/// Words of a stream, as Java's `Scanner` gives them.
#[derive(Debug)]
pub struct Words<R> {
    from: R,
    waiting: VecDeque<String>,
}

impl<R: BufRead> Words<R> {
    /// Nothing is read yet.
    pub fn new(from: R) -> Words<R> {
        Words { from, waiting: VecDeque::new() }
    }

    /// The next word; `None` at the end.
    pub fn next_word(&mut self) -> Option<String> {
        while self.waiting.is_empty() {
            let mut line = String::new();
            if self.from.read_line(&mut line).ok()? == 0 {
                return None;
            }
            self.waiting.extend(line.split_whitespace().map(str::to_owned));
        }
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_zxid_and_packing() {
        let found = |name: &str| {
            let file = snapshot_at(Path::new(name));
            (file.zxid.0, file.compression)
        };
        assert_eq!(found("/d/snapshot.a2"), (0xa2, Compression::None));
        assert_eq!(found("snapshot.a2.gz"), (0xa2, Compression::Gzip));
        assert_eq!(found("snapshot.1.snappy"), (1, Compression::Snappy));
        assert_eq!(found("copy"), (-1, Compression::None));
        assert_eq!(found("snapshot.xyz"), (-1, Compression::None));
    }

    #[test]
    fn times_are_javas() {
        let time = 1_795_334_010_000;
        assert_eq!(java_time(time, "%-m/%-d/%y, %-I:%M:%S %p %Z", &TimeZone::UTC), "11/22/26, 7:53:30 AM UTC");
        assert_eq!(java_time(i64::MIN, "%Y", &TimeZone::UTC), format!("{} ms", i64::MIN));
    }

    #[test]
    fn malformed_text_is_javas() {
        for (bytes, expected) in [
            (b"caf\xc3\xa9".as_slice(), "caf\u{e9}"),
            (b"a\xed\xa0\x80b", "a\u{fffd}b"),
            (b"\xed\xa0b", "\u{fffd}b"),
            (b"\xed\xa0", "\u{fffd}"),
            (b"\xe4\xb8", "\u{fffd}"),
            (b"\xff\xc0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"", ""),
        ] {
            assert_eq!(java_text(bytes), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn words_come_one_by_one() {
        let mut words = Words::new(b"yes no\n\n  abort".as_slice());
        let all: Vec<String> = std::iter::from_fn(|| words.next_word()).collect();
        assert_eq!(all, ["yes", "no", "abort"]);
    }
}
