//! Quotas: limits and usage of subtrees, in znodes below `/zookeeper/quota`.
//!
//! The limits of `/a/b` are the data of `/zookeeper/quota/a/b/zookeeper_limits`, its usage that of
//! `.../zookeeper_stats`. Usage is counted when the stats znode is made and follows every create, delete and setData;
//! it is no transaction and moves no counter of the znode. Only the deepest limited ancestor counts, the root never
//! does. Limits are held to if `enforceQuota` says so: hard ones refuse, soft ones are told of.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use zk_proto::ErrorCode;

use crate::path;
use crate::tree::Tree;

const LIMITS: &str = "zookeeper_limits";
const STATS: &str = "zookeeper_stats";

const COUNT: &str = "count";
const BYTES: &str = "bytes";
const COUNT_HARD: &str = "countHardLimit";
const BYTES_HARD: &str = "byteHardLimit";

/// The paths that have limits.
#[derive(Debug, Default)]
pub(crate) struct LimitedPaths(BTreeSet<String>);

impl LimitedPaths {
    /// The deepest limited path at or above `path`.
    fn above(&self, path: &str) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        let mut above = path;
        loop {
            if let Some(limited) = self.0.get(above) {
                return Some(limited);
            }
            above = path::split(above).map(|(parent, _)| parent).filter(|parent| !parent.is_empty())?;
        }
    }
}

/// The text of limits and usage: `count=5,bytes=-1` and, with hard limits, `=;byteHardLimit=7;countHardLimit=9` behind
/// it. The `=;` keeps parsers of before 3.7 from reading on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Track(BTreeMap<String, i64>);

impl Track {
    /// `None` for a text that is none; an empty one has no figures.
    fn parse(data: Option<&[u8]>) -> Option<Track> {
        let text = std::str::from_utf8(data?).ok()?;
        let mut track = Track::default();
        if text.is_empty() {
            return Some(track);
        }
        // As Java splits: what is empty at the end is no part.
        for pair in text.trim_end_matches([',', ';']).split([',', ';']) {
            let mut parts = pair.trim_end_matches('=').split('=');
            let (key, value) = (parts.next()?, parts.next()?);
            let value = if value.is_empty() { -1 } else { value.parse().ok()? };
            track.0.insert(key.to_owned(), value);
        }
        Some(track)
    }

    /// -1 for a figure that is not there.
    fn get(&self, key: &str) -> i64 {
        self.0.get(key).copied().unwrap_or(-1)
    }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{COUNT}={},{BYTES}={}", self.get(COUNT), self.get(BYTES))?;
        let mut others = self.0.iter().filter(|(key, _)| *key != COUNT && *key != BYTES).peekable();
        if others.peek().is_some() {
            f.write_str("=")?;
        }
        others.try_for_each(|(key, value)| write!(f, ";{key}={value}"))
    }
}

/// A request that goes over a limit. Only a hard one refuses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaExceeded {
    /// The znode that has the quota.
    pub path: String,
    /// Is it about bytes, not about the number of znodes?
    pub bytes: bool,
    /// Is the limit a hard one?
    pub hard: bool,
    /// What the figure would be.
    pub would_be: i64,
    /// What it may be.
    pub limit: i64,
}

/// In Apache's words.
impl fmt::Display for QuotaExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QuotaExceeded { path, bytes, hard, would_be, limit } = self;
        let (what, kind) = if *bytes { (BYTES, "Byte") } else { (COUNT, "Count") };
        let hardness = if *hard { "hard" } else { "soft" };
        write!(f, "Quota exceeded: {path} [current {what}={would_be}, {hardness}{kind}Limit={limit}]")
    }
}

impl Tree {
    /// Would one more znode (or none, `nodes` 0) and `bytes` more be too much? `notice` is called for each limit that
    /// is passed.
    ///
    /// # Errors
    /// `QuotaExceeded` for a hard limit.
    pub(crate) fn check_quota(
        &self,
        path: &str,
        nodes: i64,
        bytes: i64,
        mut notice: impl FnMut(QuotaExceeded),
    ) -> Result<(), ErrorCode> {
        let Some(limited) = self.limited_paths().above(path) else { return Ok(()) };
        let (Some(limits), Some(usage)) = (self.track(limited, LIMITS), self.track(limited, STATS)) else {
            return Ok(());
        };
        for (more, is_bytes, figure, hard) in [(nodes, false, COUNT, COUNT_HARD), (bytes, true, BYTES, BYTES_HARD)] {
            let hard_limit = limits.get(hard);
            let is_hard = hard_limit > -1;
            let limit = if is_hard { hard_limit } else { limits.get(figure) };
            let would_be = usage.get(figure).saturating_add(more);
            if more == 0 || limit <= -1 || would_be <= limit {
                continue;
            }
            notice(QuotaExceeded { path: limited.to_owned(), bytes: is_bytes, hard: is_hard, would_be, limit });
            if is_hard {
                return Err(ErrorCode::QuotaExceeded);
            }
        }
        Ok(())
    }

    /// A znode was made: it may be one that says of quotas, and it counts.
    pub(crate) fn quota_created(&mut self, path: &str, data_len: usize) {
        if let Some((namespace, name)) = quota_node(path) {
            if name == LIMITS {
                self.limited_paths_mut().0.insert(namespace.to_owned());
            } else {
                self.count_usage(namespace);
            }
        }
        self.use_quota(path, 1, data_len as i64);
    }

    /// A znode was deleted.
    pub(crate) fn quota_deleted(&mut self, path: &str, data_len: usize) {
        if let Some((namespace, LIMITS)) = quota_node(path) {
            self.limited_paths_mut().0.remove(namespace);
        }
        self.use_quota(path, -1, -(data_len as i64));
    }

    /// A znode's data has other bytes now.
    pub(crate) fn quota_changed(&mut self, path: &str, old_len: usize, new_len: usize) {
        self.use_quota(path, 0, new_len as i64 - old_len as i64);
    }

    /// Does a change of data matter to a quota?
    pub(crate) fn has_quotas(&self) -> bool {
        !self.limited_paths().0.is_empty()
    }

    /// Finds all limits, and counts what they limit: the tree came from a snapshot.
    pub(crate) fn find_quotas(&mut self) {
        let mut open = vec![path::QUOTA.to_owned()];
        while let Some(at) = open.pop() {
            let Some(node) = self.get(&at) else { continue };
            let below = node.children().map(|name| format!("{at}/{name}"));
            open.extend(below);
            if let Some((namespace, LIMITS)) = quota_node(&at) {
                self.limited_paths_mut().0.insert(namespace.to_owned());
                self.count_usage(namespace);
            }
        }
    }

    /// Adds to the usage of the deepest limited ancestor.
    fn use_quota(&mut self, path: &str, nodes: i64, bytes: i64) {
        let Some(limited) = self.limited_paths().above(path).map(str::to_owned) else { return };
        let stats = stats_path(&limited);
        if self.get(&stats).is_none() {
            return;
        }
        match self.track(&limited, STATS) {
            Some(mut track) => {
                for (key, more) in [(COUNT, nodes), (BYTES, bytes)] {
                    let value = track.get(key).saturating_add(more);
                    track.0.insert(key.to_owned(), value);
                }
                self.write_usage(&stats, &track);
            }
            // Somebody wrote something else there: what is right is what can be counted.
            None => self.count_usage(&limited),
        }
    }

    /// Counts the znodes and bytes at and below `path`, and writes them down, if there is a place for it.
    fn count_usage(&mut self, path: &str) {
        let stats = stats_path(path);
        if self.get(&stats).is_none() {
            return;
        }
        let (mut nodes, mut bytes) = (0, 0);
        let mut open = vec![path.to_owned()];
        while let Some(at) = open.pop() {
            let Some(node) = self.get(&at) else { continue };
            nodes += 1;
            bytes += node.data().map_or(0, <[u8]>::len) as i64;
            open.extend(node.children().map(|name| format!("{at}/{name}")));
        }
        let track = Track(BTreeMap::from([(COUNT.to_owned(), nodes), (BYTES.to_owned(), bytes)]));
        self.write_usage(&stats, &track);
    }

    fn write_usage(&mut self, stats: &str, track: &Track) {
        let written = self.set_data(stats, Some(track.to_string().as_bytes()), |_| {});
        debug_assert!(written.is_ok(), "it was just there");
    }

    fn track(&self, limited: &str, name: &str) -> Option<Track> {
        Track::parse(self.get(&format!("{}{limited}/{name}", path::QUOTA))?.data())
    }
}

fn stats_path(limited: &str) -> String {
    format!("{}{limited}/{STATS}", path::QUOTA)
}

/// Of which path a znode holds limits or usage, and its name; `None` for any other znode, and for the root's: the root
/// is never limited.
fn quota_node(path: &str) -> Option<(&str, &str)> {
    let (namespace, name) = path::split(path.strip_prefix(path::QUOTA)?)?;
    (namespace.starts_with('/') && matches!(name, LIMITS | STATS)).then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(text: &str) -> Option<Track> {
        Track::parse(Some(text.as_bytes()))
    }

    #[test]
    fn the_text_as_apache_writes_and_reads_it() {
        for text in ["count=5,bytes=-1", "count=5,bytes=-1=;byteHardLimit=7;countHardLimit=9"] {
            assert_eq!(track(text).unwrap().to_string(), text);
        }
        assert_eq!(track("").unwrap().to_string(), "count=-1,bytes=-1");
        assert_eq!(track("bytes=3").unwrap().to_string(), "count=-1,bytes=3");
        for bad in ["count", "count=x", "count=", ",count=1", "=", "\u{fffd}"] {
            assert_eq!(track(bad), None, "{bad}");
        }
        assert_eq!(Track::parse(None), None);
        assert_eq!(Track::parse(Some(&[0xff])), None);
    }

    #[test]
    fn the_deepest_limit_counts() {
        let paths = LimitedPaths(["/a", "/a/b/c"].map(str::to_owned).into());
        assert_eq!(paths.above("/a"), Some("/a"));
        assert_eq!(paths.above("/a/b"), Some("/a"));
        assert_eq!(paths.above("/a/b/c/d/e"), Some("/a/b/c"));
        assert_eq!(paths.above("/ab"), None);
        assert_eq!(paths.above("/"), None);
    }

    #[test]
    fn whose_quota() {
        assert_eq!(quota_node("/zookeeper/quota/a/b/zookeeper_limits"), Some(("/a/b", LIMITS)));
        assert_eq!(quota_node("/zookeeper/quota/a/zookeeper_stats"), Some(("/a", STATS)));
        assert_eq!(quota_node("/zookeeper/quota/zookeeper_limits"), None, "the root's");
        assert_eq!(quota_node("/zookeeper/quota/a/other"), None);
        assert_eq!(quota_node("/a/zookeeper_limits"), None);
    }
}
