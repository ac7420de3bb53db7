//! One transaction as it stands in a log file, and the file's head. Apache's layout, all numbers big-endian:
//!
//! ```text
//! file   := head record* padding          head   := "ZKLG" version:int=2 dbid:long=0       (16 bytes)
//! record := checksum:long length:int body 'B'       (the Adler-32 of the body only, in the low half of the long)
//! body   := TxnHeader, record by type, TxnDigest?   (zk_proto::LoggedTxn)
//! ```
//!
//! Padding is zeros, and optional. A record of length zero is the end of the log.

use bytes::BytesMut;
use zk_proto::{Jute, LoggedTxn, Writer, Zxid};

/// What every log file begins with.
pub(crate) const HEAD: [u8; 16] = *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0";
/// Bytes before a body: checksum and length.
pub(crate) const BEFORE: usize = 12;
/// The byte behind a body.
pub(crate) const END_MARK: u8 = b'B';
/// Records that one sync makes durable at most, as in Apache; so many can be torn together.
pub(crate) const GROUP_MAX: usize = 1000;
/// The shortest body: a header and nothing else.
pub(crate) const SHORTEST_BODY: usize = 32;

/// The transaction id in a body, which is long enough.
pub(crate) fn zxid_of(body: &[u8]) -> Option<Zxid> {
    body.get(12..)?.first_chunk().map(|bytes| Zxid(i64::from_be_bytes(*bytes)))
}

/// Appends the record of `txn` to `out`.
pub(crate) fn put(out: &mut BytesMut, txn: &LoggedTxn) {
    let start = out.len();
    let mut writer = Writer::append_to(std::mem::take(out));
    writer.raw(&[0; BEFORE]);
    txn.write(&mut writer);
    *out = writer.into_inner();
    let (before, body) = out[start..].split_at_mut(BEFORE);
    before[..8].copy_from_slice(&i64::from(checksum(body)).to_be_bytes());
    before[8..].copy_from_slice(&(body.len() as i32).to_be_bytes());
    out.extend_from_slice(&[END_MARK]);
}

pub(crate) fn checksum(body: &[u8]) -> u32 {
    simd_adler32::adler32(&body)
}

/// What a record's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Before {
    pub(crate) checksum: i64,
    pub(crate) length: i32,
}

impl Before {
    pub(crate) fn read(bytes: &[u8]) -> Option<Before> {
        let (checksum, rest) = bytes.split_first_chunk::<8>()?;
        let (length, _) = rest.split_first_chunk::<4>()?;
        Some(Before { checksum: i64::from_be_bytes(*checksum), length: i32::from_be_bytes(*length) })
    }

    /// Bytes of the whole record; `None` if the length is not one.
    pub(crate) fn record_len(self) -> Option<usize> {
        usize::try_from(self.length).ok().map(|length| BEFORE + length + 1)
    }
}

/// Is there a whole and undamaged record at the start of `bytes`? Its length with everything.
pub(crate) fn valid_at(bytes: &[u8]) -> Option<usize> {
    let before = Before::read(bytes)?;
    let len = before.record_len().filter(|len| *len > BEFORE + SHORTEST_BODY)?;
    let record = bytes.get(..len)?;
    let (body, mark) = (&record[BEFORE..len - 1], record[len - 1]);
    (mark == END_MARK && before.checksum == i64::from(checksum(body))).then_some(len)
}
