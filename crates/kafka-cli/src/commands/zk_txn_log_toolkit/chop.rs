//! Cutting a log at a zxid: a copy of it, up to that transaction.

use std::path::Path;

use vfs::{OpenMode, Vfs};
use zk_proto::{Jute, LoggedTxn, Zxid};
use zk_store::raw_log::RawLog;

use super::{Failed, text};
use crate::output::Console;

/// Writes `FILE.choppedZXID`. What keeps it from doing so is told, and is no failure: the exit code stays 0, as
/// Apache's.
pub(super) fn run(vfs: &dyn Vfs, path: &Path, zxid: &str, console: &mut Console) -> Result<(), Failed> {
    let number = decode(zxid).ok_or_else(|| {
        Failed::new(format!(
            "Exception in thread \"main\" java.lang.NumberFormatException: For input string: \"{zxid}\""
        ))
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let target = path.with_file_name(format!("{name}.chopped{number}"));
    match chop(vfs, path, &target, Zxid(number), console) {
        Ok(true) => {}
        Ok(false) => console.line(&format!("Got exception: Failed to chop {name}")),
        Err(why) => console.line(&format!("Got exception: {why}")),
    }
    Ok(())
}

fn chop(vfs: &dyn Vfs, path: &Path, target: &Path, zxid: Zxid, console: &mut Console) -> Result<bool, String> {
    let (mut log, head) = RawLog::open(vfs, path).map_err(|error| error.to_string())?;
    if !head.is_log() {
        console.error("Invalid magic number in txn log file");
        return Ok(false);
    }
    console.line(&text::head(&head));
    let file = vfs.open(target, OpenMode::Create).map_err(|error| format!("{}: {error}", target.display()))?;
    let mut end = 0;
    let mut write = |bytes: &[u8]| {
        let result = file.write_at(bytes, end);
        end += bytes.len() as u64;
        result.map_err(|error| format!("{}: {error}", target.display()))
    };
    file.set_len(0).map_err(|error| format!("{}: {error}", target.display()))?;
    write(&head.to_bytes())?;
    let (mut count, mut found, mut previous) = (0, false, None);
    while let Some(record) = log.next().map_err(|error| error.to_string())? {
        let (stands, should) = (record.checksum, record.true_checksum());
        if stands != should {
            return Err(format!("CRC doesn't match {stands} vs {should}"));
        }
        let logged = LoggedTxn::from_bytes(record.body.clone()).map_err(|error| error.to_string())?;
        if !record.is_ended() {
            console.line("Last transaction was partial.");
            return Err("Last transaction was partial.".to_owned());
        }
        let this = logged.header.zxid;
        if let Some(line) = previous.and_then(|previous| gap(previous, this)) {
            console.line(&line);
        }
        previous = Some(this);
        found |= this == zxid;
        if this > zxid {
            if count == 0 || !found {
                console.line(&format!("This log does not contain zxid {:x}", zxid.0));
                return Ok(false);
            }
            console.line(&format!("Chopping at {:x} new log has {count} records", zxid.0));
            file.sync_data().map_err(|error| format!("{}: {error}", target.display()))?;
            return Ok(true);
        }
        write(&record.to_bytes(stands))?;
        count += 1;
    }
    // Nothing was cut off.
    console.line(&format!("EOF reached after {count} txns."));
    Ok(false)
}

/// A line about transactions that are missing between two.
fn gap(previous: Zxid, this: Zxid) -> Option<String> {
    let kind = if this.epoch() == previous.epoch() {
        if this == previous.next() { None } else { Some("intra") }
    } else if this.0 & 0xffff_ffff == 1 {
        None
    } else {
        Some("inter")
    };
    kind.map(|kind| format!("There is {kind}-epoch gap between {:x} and {:x}", previous.0, this.0))
}

/// Reads a number as Java's `Long.decode`: decimal, `0x` or `#` hexadecimal, `0` octal; none below 0.
fn decode(text: &str) -> Option<i64> {
    let (radix, digits) = match text {
        _ if text.starts_with("0x") || text.starts_with("0X") => (16, &text[2..]),
        _ if text.starts_with('#') => (16, &text[1..]),
        _ if text.len() > 1 && text.starts_with('0') => (8, &text[1..]),
        _ => (10, text),
    };
    i64::from_str_radix(digits, radix).ok().filter(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_gaps() {
        assert_eq!(
            (decode("0x2a"), decode("42"), decode("052"), decode("#2a")),
            (Some(42), Some(42), Some(42), Some(42))
        );
        assert_eq!((decode("-1"), decode("x"), decode("")), (None, None, None));
        let line = |previous, this| gap(Zxid(previous), Zxid(this));
        assert_eq!(line(1, 2), None);
        assert_eq!(line(1, 0x1_0000_0001), None);
        assert_eq!(line(1, 3).unwrap(), "There is intra-epoch gap between 1 and 3");
        assert_eq!(line(1, 0x1_0000_0002).unwrap(), "There is inter-epoch gap between 1 and 100000002");
    }
}
