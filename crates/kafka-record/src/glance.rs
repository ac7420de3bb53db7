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

/// Looks over `count` records; `None` if there is anything odd about one of them.
pub(crate) fn glance(records: &[u8], base: Base, count: i32) -> Option<Glance> {
    if count < 0 {
        return None;
    }
    let mut rest = records;
    let (mut earliest, mut latest, mut timed, mut keyed) = (i64::MAX, NO_TIMESTAMP, false, true);
    for index in 0..count {
        let length = number(&mut rest)?;
        let (mut record, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        rest = behind;
        let (_attributes, behind) = record.split_first()?;
        record = behind;
        let (delta, len) = varint::read_i64(record).ok()?;
        record = &record[len..];
        let timestamp = base.timestamp.wrapping_add(delta);
        latest = latest.max(timestamp);
        if timestamp != NO_TIMESTAMP {
            earliest = earliest.min(timestamp);
            timed = true;
        }
        if number(&mut record)? != index {
            return None;
        }
        keyed &= skip(&mut record)?;
        skip(&mut record)?;
        let headers = number(&mut record)?;
        if headers != 0 {
            skip_headers(&mut record, headers)?;
        }
        if !record.is_empty() {
            return None;
        }
    }
    if !rest.is_empty() {
        return None;
    }
    let (latest, earliest) = match base.append_time {
        Some(time) => (time, Some(time)),
        None => (latest, timed.then_some(earliest)),
    };
    Some(Glance { latest, earliest, keyed })
}

#[inline]
fn number(bytes: &mut &[u8]) -> Option<i32> {
    let (value, len) = varint::read_i32(bytes).ok()?;
    *bytes = &bytes[len..];
    Some(value)
}

/// Goes past bytes with their length before them; are there any, so to speak: `false` for null.
#[inline]
fn skip(bytes: &mut &[u8]) -> Option<bool> {
    let Ok(length) = usize::try_from(number(bytes)?) else { return Some(false) };
    *bytes = bytes.get(length..)?;
    Some(true)
}

fn skip_headers(bytes: &mut &[u8], count: i32) -> Option<()> {
    // A negative count is an error, which is not this function's to tell.
    for _ in 0..u32::try_from(count).ok()? {
        skip(bytes)?.then_some(())?;
        skip(bytes)?;
    }
    Some(())
}
