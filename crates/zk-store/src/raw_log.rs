//! A log record by record, damaged ones too: for tools that look at a file or mend it. Servers use
//! [`crate::TxnReader`], which stops at the first damage.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use vfs::{File, OpenMode, Vfs};

use crate::record::{self, BEFORE, END_MARK, HEAD};

/// Apache refuses records that are longer (`jute.maxbuffer` and as much again).
const LONGEST_BODY: i32 = 2 * 0xf_ffff;

/// The first bytes of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// `ZKLG`, as a number.
    pub magic: i32,
    /// The format's version.
    pub version: i32,
    /// A number that nobody uses.
    pub dbid: i64,
}

impl Head {
    /// Is it a transaction log?
    pub fn is_log(&self) -> bool {
        self.magic.to_be_bytes() == HEAD[..4]
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.magic.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.version.to_be_bytes());
        bytes[8..].copy_from_slice(&self.dbid.to_be_bytes());
        bytes
    }
}

/// Why a file cannot be read record by record.
#[derive(Debug, Error)]
pub enum RawLogError {
    /// The file system failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file ends within its head.
    #[error("the file ends before its head does")]
    NoHead,
    /// A length that no record has (Apache's words).
    #[error("Unreasonable length = {0}")]
    Length(i32),
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// The checksum that stands there.
    pub checksum: i64,
    /// The transaction.
    pub body: Bytes,
    /// The byte behind it, if the file goes on so far.
    pub end: Option<u8>,
}

impl RawRecord {
    /// The checksum that should stand there.
    pub fn true_checksum(&self) -> i64 {
        i64::from(record::checksum(&self.body))
    }

    /// Does the byte behind it say that it was written to its end?
    pub fn is_ended(&self) -> bool {
        self.end == Some(END_MARK)
    }

    /// The record with this checksum, as it stands in a file.
    pub fn to_bytes(&self, checksum: i64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BEFORE + self.body.len() + 1);
        bytes.extend_from_slice(&checksum.to_be_bytes());
        bytes.extend_from_slice(&(self.body.len() as i32).to_be_bytes());
        bytes.extend_from_slice(&self.body);
        bytes.push(END_MARK);
        bytes
    }
}

/// Reads one file.
#[derive(Debug)]
pub struct RawLog {
    file: Arc<dyn File>,
    len: u64,
    at: u64,
}

impl RawLog {
    /// Opens a file and reads its head.
    ///
    /// # Errors
    /// [`RawLogError::Io`], [`RawLogError::NoHead`].
    pub fn open(vfs: &dyn Vfs, path: &Path) -> Result<(RawLog, Head), RawLogError> {
        let file = vfs.open(path, OpenMode::Read)?;
        let len = file.len()?;
        if len < HEAD.len() as u64 {
            return Err(RawLogError::NoHead);
        }
        let mut head = [0; 16];
        file.read_exact_at(&mut head, 0)?;
        let number = i128::from_be_bytes(head);
        let head = Head { magic: (number >> 96) as i32, version: (number >> 64) as i32, dbid: number as i64 };
        Ok((RawLog { file, len, at: HEAD.len() as u64 }, head))
    }

    /// The next record; `None` at the end: an empty record, or a file that ends before the record does.
    ///
    /// # Errors
    /// [`RawLogError::Io`], [`RawLogError::Length`].
    #[expect(clippy::should_implement_trait, reason = "an iterator could be used on after an error")]
    pub fn next(&mut self) -> Result<Option<RawRecord>, RawLogError> {
        let left = self.len - self.at;
        if left < BEFORE as u64 {
            return Ok(None);
        }
        let mut before = [0; BEFORE];
        self.file.read_exact_at(&mut before, self.at)?;
        let Some(before) = record::Before::read(&before) else { return Ok(None) };
        if !(0..=LONGEST_BODY).contains(&before.length) {
            return Err(RawLogError::Length(before.length));
        }
        let len = before.length as usize;
        if len == 0 || left < (BEFORE + len) as u64 {
            return Ok(None);
        }
        let mut body = vec![0; len];
        self.file.read_exact_at(&mut body, self.at + BEFORE as u64)?;
        self.at += (BEFORE + len) as u64;
        let mut end = [0];
        let end = (self.file.read_at(&mut end, self.at)? == 1).then_some(end[0]);
        self.at = (self.at + 1).min(self.len);
        Ok(Some(RawRecord { checksum: before.checksum, body: body.into(), end }))
    }
}

#[cfg(test)]
mod tests {
    use vfs::MemoryVfs;

    use super::*;

    fn log(records: &[&[u8]]) -> (MemoryVfs, &'static Path) {
        let (vfs, path) = (MemoryVfs::new(), Path::new("/log.1"));
        let file = vfs.open(path, OpenMode::Create).unwrap();
        let bytes = [&HEAD[..], &records.concat()].concat();
        file.write_at(&bytes, 0).unwrap();
        (vfs, path)
    }

    fn record(body: &'static [u8]) -> RawRecord {
        RawRecord { checksum: 0, body: Bytes::from_static(body), end: Some(END_MARK) }
    }

    #[test]
    fn damaged_records_are_given_too() {
        let one = record(b"one");
        let (vfs, path) = log(&[&one.to_bytes(one.true_checksum()), &record(b"two").to_bytes(7), &[0; 40]]);
        let (mut raw, head) = RawLog::open(&vfs, path).unwrap();
        assert!(head.is_log());
        assert_eq!((head.version, head.dbid, head.to_bytes()), (2, 0, HEAD));
        let first = raw.next().unwrap().unwrap();
        assert_eq!(first.checksum, first.true_checksum());
        let second = raw.next().unwrap().unwrap();
        assert_eq!((second.checksum, second.body.as_ref(), second.is_ended()), (7, b"two".as_slice(), true));
        assert_eq!(raw.next().unwrap(), None);
    }

    proptest::proptest! {
        /// Whatever stands in a file, reading it comes to an end and takes no more than the file has.
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), zeros in 0..20_usize) {
            let (vfs, path) = log(&[&vec![0; zeros], &bytes]);
            let (mut raw, _) = RawLog::open(&vfs, path).unwrap();
            let mut read = 0;
            while let Ok(Some(record)) = raw.next() {
                read += record.body.len();
            }
            proptest::prop_assert!(read <= bytes.len() + zeros);
        }
    }

    #[test]
    fn ends_are_ends_and_lengths_are_checked() {
        let one = record(b"one").to_bytes(1);
        for cut in 1..one.len() - 1 {
            let (vfs, path) = log(&[&one[..cut]]);
            assert_eq!(RawLog::open(&vfs, path).unwrap().0.next().unwrap(), None, "{cut}");
        }
        let (vfs, path) = log(&[&one[..one.len() - 1]]);
        assert!(!RawLog::open(&vfs, path).unwrap().0.next().unwrap().unwrap().is_ended());
        for length in [-1, i32::MAX] {
            let (vfs, path) = log(&[&[0; 8], &length.to_be_bytes()]);
            assert!(matches!(RawLog::open(&vfs, path).unwrap().0.next(), Err(RawLogError::Length(_))));
        }
        let (vfs, _) = log(&[]);
        vfs.open(Path::new("/short"), OpenMode::Create).unwrap().write_at(b"ZKLG", 0).unwrap();
        assert!(matches!(RawLog::open(&vfs, Path::new("/short")), Err(RawLogError::NoHead)));
    }
}
