//! The history of a znode as a table.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use zk_proto::Acl;
use zk_store::past::{Change, History, Kind};

/// What is printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// For standard output, every line ended.
    pub(super) output: String,
    /// Lines for standard error.
    pub(super) errors: Vec<String>,
    /// Do the files know the znode?
    pub(super) known: bool,
}

/// The table, oldest transaction first, and what else there is to say.
pub(super) fn render(path: &str, history: &History, zone: &TimeZone) -> Text {
    let mut text = Text { output: String::new(), errors: Vec::new(), known: true };
    if let Some((snapshot, stat)) = &history.before {
        let name = snapshot.path.file_name().unwrap_or_default().to_string_lossy();
        let state = match stat {
            Some(stat) => format!("it has version {} and was created by {}", stat.version, stat.czxid),
            None => "it is not there".to_owned(),
        };
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(text.output, "In {name}, the oldest snapshot: {state}");
    }
    let range = history.range.map_or_else(|| "the log".to_owned(), |(first, last)| format!("{first} to {last}"));
    if history.touches.is_empty() {
        text.known = history.before.as_ref().is_some_and(|(_, stat)| stat.is_some());
        let line = format!("No transaction of {range} touched {path}");
        if text.known { text.output.push_str(&(line + "\n")) } else { text.errors.push(line) }
    } else {
        text.output.push_str(&table(history, zone));
        let count = history.touches.len();
        let verb = if count == 1 { "change" } else { "changes" };
        let _ = writeln!(text.output, "{count} {verb} of {path} in the transactions {range}");
    }
    for (after, before) in &history.gaps {
        text.errors.push(format!("WARNING: the transactions between {after} and {before} are missing"));
    }
    if let Some(torn) = &history.torn {
        text.errors.push(format!(
            "WARNING: the log ends, at byte {} of {}, with a transaction that was not written to its end",
            torn.offset,
            torn.path.display()
        ));
    }
    text
}

fn table(history: &History, zone: &TimeZone) -> String {
    let mut rows = vec![["ZXID", "TIME", "SESSION", "VERSION", "CHANGE"].map(str::to_owned)];
    rows.extend(history.touches.iter().map(|touch| {
        let multi = if touch.in_multi { " (multi)" } else { "" };
        [
            touch.zxid.to_string(),
            time(touch.time, zone),
            format!("{:#x}", touch.session.0),
            version(&touch.change),
            format!("{}{multi}", change(&touch.change)),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(width).collect();
    let line = |row: &[String; 5]| {
        let cells = row[..4].iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        format!("{}{}\n", cells.collect::<String>(), row[4])
    };
    rows.iter().map(line).collect()
}

fn time(millis: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(time) => time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S.%3f %Z").to_string(),
        Err(_) => format!("{millis} ms"),
    }
}

/// The version that the change made: of the data, or of the list with `acl` before it.
fn version(change: &Change) -> String {
    match change {
        Change::Created { .. } => "0".to_owned(),
        Change::DataSet { version, .. } => version.to_string(),
        Change::AclSet { version, .. } => format!("acl {version}"),
        _ => "-".to_owned(),
    }
}

fn change(change: &Change) -> String {
    match change {
        Change::Created { kind, data_len, acl } => {
            let kind = match kind {
                Kind::Persistent => String::new(),
                Kind::Ephemeral => "ephemeral, ".to_owned(),
                Kind::Container => "container, ".to_owned(),
                Kind::Ttl(ttl) => format!("lives {ttl} ms, "),
            };
            format!("created: {kind}{}, {}", data(*data_len), acl_text(acl))
        }
        Change::DataSet { data_len, .. } => format!("data set: {}", data(*data_len)),
        Change::AclSet { acl, .. } => format!("ACL set: {}", acl_text(acl)),
        Change::Deleted => "deleted".to_owned(),
        Change::Expired => "deleted by the server: an unused container, or its time was over".to_owned(),
        Change::SessionClosed => "deleted with its session".to_owned(),
        Change::ChildCreated(name) => format!("child created: {name}"),
        Change::ChildDeleted(name) => format!("child deleted: {name}"),
    }
}

fn data(len: Option<usize>) -> String {
    match len {
        None => "null".to_owned(),
        Some(1) => "1 byte".to_owned(),
        Some(len) => format!("{len} bytes"),
    }
}

fn acl_text(acl: &[Acl]) -> String {
    let entries = acl.iter().map(|entry| format!("{}:{}:{}", entry.id.scheme, entry.id.id, entry.perms));
    entries.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use zk_proto::{SessionId, Stat, Zxid};
    use zk_store::past::Touch;
    use zk_store::{Compression, SnapshotFile};

    use super::*;

    fn touch(zxid: i64, change: Change) -> Touch {
        Touch { zxid: Zxid(zxid), time: 1_136_214_245_678, session: SessionId(0x1000), in_multi: false, change }
    }

    fn history(touches: Vec<Touch>) -> History {
        History { touches, range: Some((Zxid(1), Zxid(31))), before: None, gaps: Vec::new(), torn: None }
    }

    #[test]
    fn changes_stand_in_a_table() {
        let created = Change::Created { kind: Kind::Ephemeral, data_len: Some(5), acl: Acl::open() };
        let set = Change::DataSet { data_len: None, version: 1 };
        let mut last = touch(31, Change::ChildCreated("b".to_owned()));
        last.in_multi = true;
        let text = render("/a", &history(vec![touch(3, created), touch(16, set), last]), &TimeZone::UTC);
        let expected = "\
ZXID  TIME                         SESSION  VERSION  CHANGE
0x3   2006-01-02 15:04:05.678 UTC  0x1000   0        created: ephemeral, 5 bytes, world:anyone:cdrwa
0x10  2006-01-02 15:04:05.678 UTC  0x1000   1        data set: null
0x1f  2006-01-02 15:04:05.678 UTC  0x1000   -        child created: b (multi)
3 changes of /a in the transactions 0x1 to 0x1f
";
        assert_eq!(text, Text { output: expected.to_owned(), errors: vec![], known: true });
    }

    #[test]
    fn a_znode_that_nobody_knows_is_an_error() {
        let text = render("/a", &history(vec![]), &TimeZone::UTC);
        assert_eq!((text.known, text.errors.len()), (false, 1));
        assert_eq!(text.errors[0], "No transaction of 0x1 to 0x1f touched /a");
        let mut of_snapshot = history(vec![]);
        let file =
            SnapshotFile { zxid: Zxid(0), compression: Compression::None, path: "/d/version-2/snapshot.0".into() };
        of_snapshot.before = Some((file, Some(Stat { version: 7, czxid: Zxid(2), ..Stat::default() })));
        of_snapshot.gaps.push((Zxid(3), Zxid(9)));
        let text = render("/a", &of_snapshot, &TimeZone::UTC);
        assert!(text.known);
        let first = "In snapshot.0, the oldest snapshot: it has version 7 and was created by 0x2\n";
        assert!(text.output.starts_with(first), "{}", text.output);
        assert_eq!(text.errors, ["WARNING: the transactions between 0x3 and 0x9 are missing"]);
    }
}
