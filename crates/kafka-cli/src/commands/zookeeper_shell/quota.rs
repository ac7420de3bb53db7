//! Quotas as they stand in znodes: `count=5,bytes=100=;byteHardLimit=-1;countHardLimit=-1`.

use std::collections::BTreeMap;

/// Where the limits of `path` stand.
pub(super) fn limits_node(path: &str) -> String {
    format!("{}/{LIMITS}", node(path))
}

/// Where the use of `path` stands.
pub(super) fn stats_node(path: &str) -> String {
    format!("{}/zookeeper_stats", node(path))
}

/// The znode that stands for `path` below `/zookeeper/quota`.
pub(super) fn node(path: &str) -> String {
    format!("{ROOT}{path}")
}

/// All quotas are below it.
pub(super) const ROOT: &str = "/zookeeper/quota";
/// The name of a znode with limits.
pub(super) const LIMITS: &str = "zookeeper_limits";

/// Limits that are to be set, or, when they are to be removed, which ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) count: Option<i64>,
    pub(super) bytes: Option<i64>,
    pub(super) count_hard: Option<i64>,
    pub(super) bytes_hard: Option<i64>,
}

impl Limits {
    fn named(self) -> [(&'static str, Option<i64>); 4] {
        [
            ("count", self.count),
            ("bytes", self.bytes),
            ("countHardLimit", self.count_hard),
            ("byteHardLimit", self.bytes_hard),
        ]
    }
}

/// Figures with names; what is not there is -1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StatsTrack(BTreeMap<String, i64>);

impl StatsTrack {
    /// All limits there are, -1 where `limits` has none.
    pub(super) fn of(limits: Limits) -> StatsTrack {
        StatsTrack(limits.named().into_iter().map(|(name, limit)| (name.to_owned(), limit.unwrap_or(-1))).collect())
    }

    /// Nothing used.
    pub(super) fn unused() -> StatsTrack {
        StatsTrack([("count", 0), ("bytes", 0)].map(|(name, used)| (name.to_owned(), used)).into())
    }

    /// Reads `name=number` pairs between commas and semicolons; an `=` too many at the end of one does not count.
    pub(super) fn parse(data: &[u8]) -> Result<StatsTrack, String> {
        let text = String::from_utf8_lossy(data);
        let mut figures = BTreeMap::new();
        for pair in text.split([',', ';']).filter(|pair| !pair.is_empty()) {
            let unreadable = || format!("a quota cannot be read: {pair} in {text}");
            let mut parts = pair.split('=');
            let (name, number) = (parts.next().unwrap_or_default(), parts.next().ok_or_else(unreadable)?);
            let number = if number.is_empty() { -1 } else { number.parse().map_err(|_| unreadable())? };
            figures.insert(name.to_owned(), number);
        }
        Ok(StatsTrack(figures))
    }

    pub(super) fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(-1)
    }

    /// Sets what `limits` has.
    pub(super) fn set(&mut self, limits: Limits) {
        for (name, limit) in limits.named() {
            if let Some(limit) = limit {
                self.0.insert(name.to_owned(), limit);
            }
        }
    }

    /// Removes what `limits` has.
    pub(super) fn remove(&mut self, limits: Limits) {
        for (name, limit) in limits.named() {
            if limit.is_some() {
                self.0.insert(name.to_owned(), -1);
            }
        }
    }

    /// Warnings about limits that `used` is beyond already.
    pub(super) fn warnings(&self, used: &StatsTrack) -> Vec<String> {
        let exceeded = |used: i64, limits: [&str; 2]| limits.iter().any(|name| (0..used).contains(&self.get(name)));
        let (count, bytes) = (used.get("count"), used.get("bytes"));
        let mut warnings = Vec::new();
        if exceeded(count, ["count", "countHardLimit"]) {
            warnings.push(format!("[Warning]: the count quota you create is less than the existing count:{count}"));
        }
        if exceeded(bytes, ["bytes", "byteHardLimit"]) {
            warnings.push(format!("[Warning]: the bytes quota you create is less than the existing bytes:{bytes}"));
        }
        warnings
    }
}

/// Count and bytes first, an `=` behind them, and semicolons between the rest: servers before 3.7 read it so.
impl std::fmt::Display for StatsTrack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "count={},bytes={}", self.get("count"), self.get("bytes"))?;
        let others = self.0.iter().filter(|(name, _)| !matches!(name.as_str(), "count" | "bytes"));
        for (at, (name, number)) in others.enumerate() {
            write!(f, "{};{name}={number}", if at == 0 { "=" } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_apache() {
        let mut track = StatsTrack::of(Limits { count: Some(5), ..Limits::default() });
        let text = "count=5,bytes=-1=;byteHardLimit=-1;countHardLimit=-1";
        assert_eq!(track.to_string(), text);
        assert_eq!(StatsTrack::parse(text.as_bytes()), Ok(track.clone()));
        track.set(Limits { bytes_hard: Some(7), ..Limits::default() });
        track.remove(Limits { count: Some(1), ..Limits::default() });
        assert_eq!(track.to_string(), "count=-1,bytes=-1=;byteHardLimit=7;countHardLimit=-1");
        assert_eq!(StatsTrack::unused().to_string(), "count=0,bytes=0");
        assert_eq!(StatsTrack::parse(b"").unwrap().to_string(), "count=-1,bytes=-1");
        for bad in ["count", "count=x"] {
            assert!(StatsTrack::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_exceeded_already_is_told() {
        let limits = StatsTrack::of(Limits { count: Some(5), bytes_hard: Some(10), ..Limits::default() });
        let used = |text: &str| limits.warnings(&StatsTrack::parse(text.as_bytes()).unwrap());
        assert!(used("count=5,bytes=10").is_empty());
        assert_eq!(
            used("count=6,bytes=11"),
            [
                "[Warning]: the count quota you create is less than the existing count:6",
                "[Warning]: the bytes quota you create is less than the existing bytes:11"
            ]
        );
    }
}
