//! A quick look over the records of a batch: is everything about them ordinary?
//!
//! Every record that is produced is looked at, and nearly all are in order. To tell only that takes a fifth of what it takes to
//! take them apart. Who has to know what is wrong goes over them with [`Records::iter`](crate::reader::Records::iter).

use kafka_types::varint;

use crate::NO_TIMESTAMP;
use crate::record::Base;

/// What all records of a batch have in common. They are whole, as many as the batch says, and their offsets count from
/// its base offset by 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    /// The latest timestamp, or -1.
    pub latest: i64,
    /// The earliest timestamp; `None` if no record has one.
    pub earliest: Option<i64>,
    /// Does every record have a key?
    pub keyed: bool,
}

/// Looks over `count` records; `None` if there is anything odd about one of them, or if they bear a broker's clock, for
/// which there are rules of its own.
pub(crate) fn glance(records: &[u8], base: Base, count: i32) -> Option<Glance> {
    if base.append_time.is_some() {
        return None;
    }
    let count = u32::try_from(count).ok()?;
    let mut look = Look { bytes: records, at: 0 };
    let (mut earliest, mut latest, mut timed, mut keyed) = (i64::MAX, NO_TIMESTAMP, false, true);
    for index in 0..count {
        let length = length_of(look.number()?)?;
        let end = look.at + length;
        // Attributes.
        look.at += 1;
        let timestamp = base.timestamp.wrapping_add(look.long()?);
        latest = latest.max(timestamp);
        if timestamp != NO_TIMESTAMP {
            earliest = earliest.min(timestamp);
            timed = true;
        }
        // As it is written: zig-zag makes the double of it.
        if look.number()? != index << 1 {
            return None;
        }
        keyed &= look.skip()?;
        look.skip()?;
        let headers = look.number()?;
        if headers != 0 {
            look.skip_headers(length_of(headers)?)?;
        }
        // Whoever reads beyond a record's end does not come out there.
        if look.at != end {
            return None;
        }
    }
    if look.at != records.len() {
        return None;
    }
    Some(Glance { latest, earliest: timed.then_some(earliest), keyed })
}

/// A number that may not be negative, from what is written of it.
#[inline]
fn length_of(written: u32) -> Option<usize> {
    (written & 1 == 0).then_some((written >> 1) as usize)
}

/// A place in bytes. It may lie behind them: then nothing is there.
struct Look<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Look<'_> {
    /// A varint as it is written, before zig-zag is undone.
    #[inline]
    fn number(&mut self) -> Option<u32> {
        let first = *self.bytes.get(self.at)?;
        if first < 0x80 {
            self.at += 1;
            return Some(u32::from(first));
        }
        let second = *self.bytes.get(self.at + 1)?;
        if second < 0x80 {
            self.at += 2;
            return Some(u32::from(first & 0x7f) | u32::from(second) << 7);
        }
        self.large_number()
    }

    #[cold]
    fn large_number(&mut self) -> Option<u32> {
        let (number, len) = varint::read_u32(self.bytes.get(self.at..)?).ok()?;
        self.at += len;
        Some(number)
    }

    #[inline]
    fn long(&mut self) -> Option<i64> {
        let first = *self.bytes.get(self.at)?;
        if first < 0x80 {
            self.at += 1;
            return Some(i64::from(first >> 1) ^ -i64::from(first & 1));
        }
        let (number, len) = varint::read_i64(self.bytes.get(self.at..)?).ok()?;
        self.at += len;
        Some(number)
    }

    /// Goes past bytes that have their length before them; `false` if that is below zero, which stands for null.
    #[inline]
    fn skip(&mut self) -> Option<bool> {
        let Some(length) = length_of(self.number()?) else { return Some(false) };
        self.at += length;
        Some(true)
    }

    fn skip_headers(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            self.skip()?.then_some(())?;
            self.skip()?;
        }
        Some(())
    }
}
