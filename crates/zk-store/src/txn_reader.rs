//! Reading logs: transactions in order over all files, and what to make of a damaged end.
//!
//! A crash can leave a record half written. Nothing was acknowledged that was not synced, so what is torn may be
//! forgotten, but only if it *is* the torn end: a damaged record with whole ones behind it means that acknowledged
//! transactions are damaged, and then no server may start as if nothing had happened.
//!
//! One thing looks like the latter and is the former: a disk writes the sectors of one unsynced group in any order,
//! so a power loss can keep a later record of the group and lose an earlier one. Lost sectors of a file that only
//! grows read as zeros, which flipped bits do not look like: a sector of zeros inside the damaged stretch marks it as
//! torn, as long as no more whole records are behind it than one group has.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use vfs::{File, OpenMode, Vfs};
use zk_proto::{DecodeError, Jute, LoggedTxn, Zxid};

use crate::file_names::LogFile;
use crate::record::{self, BEFORE, Before, END_MARK, GROUP_MAX, HEAD, SHORTEST_BODY};

/// Bytes read at once, at least.
const CHUNK: usize = 256 << 10;
/// The smallest piece that a disk writes whole.
const SECTOR: usize = 512;
/// After so many bytes of padding nothing more is looked for: a start should not read all 64 MiB of it.
const QUIET: u64 = 1 << 20;

/// Why logs cannot be read to their end.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file system failed.
    #[error("transaction log: {0}")]
    Io(#[from] io::Error),
    /// The file is no transaction log of the version that is read here.
    #[error("{}: not a transaction log: it should begin with {HEAD:02x?}, not {found:02x?}", path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// A record is damaged and others behind it are not, or later files are there that cannot follow.
    #[error(
        "{}: damaged record at byte {offset}, behind transaction {last}, and not at the end of the log \
         ({what}); restore the file, or cut it there if the transactions behind are not needed",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// The last transaction before it.
        last: Zxid,
        /// What is behind it.
        what: String,
    },
    /// An undamaged record holds no transaction.
    #[error("{}: the record at byte {offset} is undamaged but no transaction: {source}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        source: DecodeError,
    },
}

/// A transaction and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The transaction.
    pub logged: LoggedTxn,
    /// Byte at which its record begins.
    pub offset: u64,
    /// Byte behind its record.
    pub end: u64,
}

/// How a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// With its last record, or with padding.
    Clean,
    /// With something that is no whole record.
    Torn {
        /// Bytes of it up to the last one that is not zero.
        bytes: u64,
        /// Whole records that stand behind the torn one; see the module's text.
        records_behind: usize,
    },
}

/// Reads one file.
#[derive(Debug)]
pub struct LogReader {
    file: Arc<dyn File>,
    path: PathBuf,
    len: u64,
    /// Bytes of the file from `at` on.
    buffer: Bytes,
    /// Where the next record begins.
    at: u64,
    last: Zxid,
    tail: Option<Tail>,
}

impl LogReader {
    /// Opens a log. A file without a whole head is an empty log with a torn end.
    pub fn open(vfs: &dyn Vfs, path: &Path) -> Result<LogReader, ReadError> {
        let file = vfs.open(path, OpenMode::Read)?;
        let len = file.len()?;
        let mut head = vec![0; HEAD.len().min(len as usize)];
        file.read_exact_at(&mut head, 0)?;
        let mut reader = LogReader {
            file,
            path: path.to_path_buf(),
            len,
            buffer: Bytes::new(),
            at: HEAD.len() as u64,
            last: Zxid(0),
            tail: None,
        };
        if is_torn_head(&head) {
            reader.at = 0;
            reader.tail = Some(reader.judge_tail()?);
        } else if head.get(..8) != Some(&HEAD[..8]) {
            // The last eight bytes are a number that nobody uses.
            return Err(ReadError::NotALog { path: reader.path, found: head });
        }
        Ok(reader)
    }

    /// Where the next record begins, or the end of the last one.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// How the file ends; known when [`LogReader::next`] has given `None`.
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// Length of the file, padding included.
    pub fn file_len(&self) -> u64 {
        self.len
    }

    /// The next transaction; `None` at the end, whatever the end looks like. A damaged record that is not the end is
    /// an error.
    #[expect(clippy::should_implement_trait, reason = "an iterator could be used on after an error")]
    pub fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        if self.tail.is_some() {
            return Ok(None);
        }
        let Some(body) = self.next_body()? else { return Ok(None) };
        let offset = self.at;
        let end = offset + (BEFORE + body.len() + 1) as u64;
        let unknown = |source| ReadError::Unknown { path: self.path.clone(), offset, source };
        let logged = LoggedTxn::from_bytes(body).map_err(unknown)?;
        self.buffer = self.buffer.slice((end - offset) as usize..);
        self.at = end;
        self.last = logged.header.zxid;
        Ok(Some(Entry { logged, offset, end }))
    }

    /// The body of the record at `at`; `None` and a tail if there is none.
    fn next_body(&mut self) -> Result<Option<Bytes>, ReadError> {
        self.fill(BEFORE)?;
        let before = match Before::read(&self.buffer) {
            None => return self.end(),
            Some(before) if before.length == 0 => return self.end(),
            Some(before) => before,
        };
        // A length that does not fit into the file is damage; nothing is read or allocated for it.
        let left = self.len - self.at;
        match before.record_len() {
            Some(len) if len as u64 <= left => self.fill(len)?,
            _ => return self.end(),
        }
        match record::valid_at(&self.buffer) {
            Some(len) => Ok(Some(self.buffer.slice(BEFORE..len - 1))),
            None => self.end(),
        }
    }

    fn end(&mut self) -> Result<Option<Bytes>, ReadError> {
        self.tail = Some(self.judge_tail()?);
        Ok(None)
    }

    /// Looks at what follows `at`: up to the end of the file, or until nothing has come for long.
    fn judge_tail(&self) -> Result<Tail, ReadError> {
        let mut behind = Behind { records: 0, hole: self.first_sector_is_lost()?, dirty_end: self.at };
        let mut at = self.at;
        while at < self.len && at - behind.dirty_end.min(at) < QUIET && !behind.is_damage() {
            at += self.scan(&self.read(at, CHUNK)?, at, &mut behind)?;
        }
        if behind.is_damage() {
            let what = "whole transactions are behind it".to_string();
            return Err(ReadError::Damaged { path: self.path.clone(), offset: self.at, last: self.last, what });
        }
        Ok(match behind.dirty_end - self.at {
            0 => Tail::Clean,
            bytes => Tail::Torn { bytes, records_behind: behind.records },
        })
    }

    /// The sector that the damaged record begins in may hold older records before it; what it lacks then is the
    /// record's first part. Four bytes of zeros mean nothing, each record begins with them.
    fn first_sector_is_lost(&self) -> Result<bool, ReadError> {
        let part = self.read(self.at, SECTOR - (self.at % SECTOR as u64) as usize)?;
        Ok(part.len() > 4 && part.iter().all(|byte| *byte == 0))
    }

    /// Looks for whole records and for lost sectors in `piece`, which begins at `start`; how far it got.
    fn scan(&self, piece: &Bytes, start: u64, behind: &mut Behind) -> Result<u64, ReadError> {
        let is_last = start + piece.len() as u64 >= self.len;
        // A record that begins at the very end of a piece is met again at the start of the next one.
        let stop = if is_last { piece.len() } else { piece.len() - BEFORE };
        let mut index = 0;
        while index < stop && !behind.is_damage() {
            let at = start + index as u64;
            if at.is_multiple_of(SECTOR as u64) && is_zero_sector(&piece[index..]) {
                behind.hole |= behind.records == 0;
                // A checksum begins with zeros, so a record may begin in the last bytes.
                index += SECTOR - BEFORE;
            } else if let Some(len) = self.record_len_at(&piece[index..], at)? {
                behind.records += 1;
                behind.dirty_end = at + len;
                index += len as usize;
            } else {
                if piece[index] != 0 {
                    behind.dirty_end = at + 1;
                }
                index += 1;
            }
        }
        Ok(index as u64)
    }

    /// The length of the whole record that begins at `at`, where `bytes` are; a record may go on behind them.
    fn record_len_at(&self, bytes: &[u8], at: u64) -> Result<Option<u64>, ReadError> {
        let Some(before) = Before::read(bytes) else { return Ok(None) };
        // The cheap half of the checksum's test comes first: this runs at every byte.
        let Some(len) = before.record_len().filter(|_| before.checksum >> 32 == 0 && before.checksum != 0) else {
            return Ok(None);
        };
        if len < BEFORE + SHORTEST_BODY + 1 || at + len as u64 > self.len {
            return Ok(None);
        }
        let valid = if len <= bytes.len() {
            record::valid_at(bytes).is_some()
        } else {
            let mut mark = [0];
            self.file.read_exact_at(&mut mark, at + len as u64 - 1)?;
            mark[0] == END_MARK && record::valid_at(&self.read(at, len)?).is_some()
        };
        // The data of a torn transaction may look like a log; its transactions are not the next ones.
        let is_next = record::zxid_of(&bytes[BEFORE.min(bytes.len())..]).is_none_or(|zxid| zxid > self.last);
        Ok((valid && is_next).then_some(len as u64))
    }

    /// Up to `len` bytes at `at`; fewer only at the end of the file.
    fn read(&self, at: u64, len: usize) -> Result<Bytes, ReadError> {
        let mut bytes = vec![0; len.min((self.len - at) as usize)];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes.into())
    }

    /// Has at least `len` bytes in the buffer, if the file has them.
    fn fill(&mut self, len: usize) -> Result<(), ReadError> {
        if self.buffer.len() < len {
            self.buffer = self.read(self.at, len.max(CHUNK))?;
        }
        Ok(())
    }
}

/// Was the head not written, or not to its end?
fn is_torn_head(head: &[u8]) -> bool {
    let written = head.iter().zip(HEAD).take_while(|(found, expected)| **found == *expected).count();
    let rest_is_zero = head[written..].iter().all(|byte| *byte == 0);
    let is_short = head.len() < HEAD.len();
    // The last eight bytes are a number that nobody uses, so what is in a part of it means nothing.
    if written < 8 { rest_is_zero } else { is_short }
}

fn is_zero_sector(bytes: &[u8]) -> bool {
    bytes.get(..SECTOR).is_some_and(|sector| sector.iter().all(|byte| *byte == 0))
}

/// What stands behind the place where reading ended.
struct Behind {
    records: usize,
    /// A whole sector of zeros before the first whole record.
    hole: bool,
    /// Behind the last byte that is not padding.
    dirty_end: u64,
}

impl Behind {
    fn is_damage(&self) -> bool {
        self.records > if self.hole { GROUP_MAX } else { 0 }
    }
}

/// Where reading a log ended before the end of the file, or in an unusual way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornEnd {
    /// The file.
    pub path: PathBuf,
    /// Where the torn part begins: behind the last whole record.
    pub offset: u64,
    /// What is there.
    pub tail: Tail,
    /// No whole record is before it.
    pub no_records: bool,
}

/// A file that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    /// The file.
    pub path: PathBuf,
    /// Where its last whole record ends.
    pub end: u64,
    /// Its length, padding included.
    pub len: u64,
    /// Has it a whole record?
    pub has_records: bool,
}

/// Reads all files from a transaction on.
#[derive(Debug)]
pub struct TxnReader<'a> {
    vfs: &'a dyn Vfs,
    /// Not opened yet, in reverse: the next one is at the end.
    files: Vec<LogFile>,
    current: Option<LogReader>,
    from: Zxid,
    /// The last transaction of any file, also one before `from`.
    last: Zxid,
    records_in_current: usize,
    files_read: usize,
    /// The end of the file that was read last, if it was torn.
    torn: Option<TornEnd>,
    last_file: Option<ReadFile>,
}

impl<'a> TxnReader<'a> {
    /// Gives the transactions from `from` on. `files` are all logs, oldest first, as [`crate::Dirs::logs`] gives them.
    pub fn new(vfs: &'a dyn Vfs, files: &[LogFile], from: Zxid) -> TxnReader<'a> {
        let first = files.iter().rposition(|file| file.first <= from).unwrap_or(0);
        let files = files[first..].iter().rev().cloned().collect();
        let last = Zxid(0);
        TxnReader {
            vfs,
            files,
            current: None,
            from,
            last,
            records_in_current: 0,
            files_read: 0,
            torn: None,
            last_file: None,
        }
    }

    /// The next transaction, or `None` behind the last one of the last file.
    #[expect(clippy::should_implement_trait, reason = "an iterator could be used on after an error")]
    pub fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            let Some(reader) = &mut self.current else {
                if self.open_next()? {
                    continue;
                }
                return Ok(None);
            };
            match reader.next()? {
                Some(entry) => {
                    self.records_in_current += 1;
                    self.last = entry.logged.header.zxid;
                    if self.last >= self.from {
                        return Ok(Some(entry));
                    }
                }
                None => self.close_current(),
            }
        }
    }

    /// The torn end of the last file, when everything was read.
    pub fn torn_end(&self) -> Option<&TornEnd> {
        self.torn.as_ref()
    }

    /// The last file, when everything was read.
    pub fn last_file(&self) -> Option<&ReadFile> {
        self.last_file.as_ref()
    }

    /// How many files were opened.
    pub fn files_read(&self) -> usize {
        self.files_read
    }

    fn open_next(&mut self) -> Result<bool, ReadError> {
        let Some(file) = self.files.pop() else { return Ok(false) };
        self.check_torn_before(&file)?;
        self.current = Some(LogReader::open(self.vfs, &file.path)?);
        self.records_in_current = 0;
        self.files_read += 1;
        Ok(true)
    }

    /// A torn end is followed by another file where a server (Apache's, which cuts nothing off) recovered from the
    /// crash and went on. Then the torn transaction was given again; if its number is missing, it had been
    /// acknowledged.
    fn check_torn_before(&mut self, next: &LogFile) -> Result<(), ReadError> {
        let Some(torn) = self.torn.take() else { return Ok(()) };
        let follows = next.first <= self.last.next() || next.first.epoch() > self.last.epoch();
        if follows || torn.no_records {
            return Ok(());
        }
        let what = format!("the next file begins with {}", next.first);
        Err(ReadError::Damaged { path: torn.path, offset: torn.offset, last: self.last, what })
    }

    fn close_current(&mut self) {
        let Some(reader) = self.current.take() else { return };
        let no_records = self.records_in_current == 0;
        self.torn = match reader.tail() {
            Some(tail @ Tail::Torn { .. }) => {
                Some(TornEnd { path: reader.path.clone(), offset: reader.at, tail, no_records })
            }
            _ => None,
        };
        let has_records = !no_records;
        self.last_file = Some(ReadFile { path: reader.path, end: reader.at, len: reader.len, has_records });
    }
}
