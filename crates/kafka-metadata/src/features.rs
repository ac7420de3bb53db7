//! Inter-broker protocol versions: the names that `inter.broker.protocol.version` and the message format settings take.

/// The version whose behaviour and requests this broker has.
pub const CURRENT: &str = "3.9-IV0";

/// Every version that 3.9 knows, oldest first.
const NAMES: [&str; 57] = [
    "0.8.0",
    "0.8.1",
    "0.8.2",
    "0.9.0",
    "0.10.0-IV0",
    "0.10.0-IV1",
    "0.10.1-IV0",
    "0.10.1-IV1",
    "0.10.1-IV2",
    "0.10.2-IV0",
    "0.11.0-IV0",
    "0.11.0-IV1",
    "0.11.0-IV2",
    "1.0-IV0",
    "1.1-IV0",
    "2.0-IV0",
    "2.0-IV1",
    "2.1-IV0",
    "2.1-IV1",
    "2.1-IV2",
    "2.2-IV0",
    "2.2-IV1",
    "2.3-IV0",
    "2.3-IV1",
    "2.4-IV0",
    "2.4-IV1",
    "2.5-IV0",
    "2.6-IV0",
    "2.7-IV0",
    "2.7-IV1",
    "2.7-IV2",
    "2.8-IV0",
    "2.8-IV1",
    "3.0-IV0",
    "3.0-IV1",
    "3.1-IV0",
    "3.2-IV0",
    "3.3-IV0",
    "3.3-IV1",
    "3.3-IV2",
    "3.3-IV3",
    "3.4-IV0",
    "3.5-IV0",
    "3.5-IV1",
    "3.5-IV2",
    "3.6-IV0",
    "3.6-IV1",
    "3.6-IV2",
    "3.7-IV0",
    "3.7-IV1",
    "3.7-IV2",
    "3.7-IV3",
    "3.7-IV4",
    "3.8-IV0",
    "3.9-IV0",
    "4.0-IV0",
    "4.0-IV1",
];

/// An inter-broker protocol version; versions compare by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterBrokerVersion(usize);

impl InterBrokerVersion {
    /// From its name (`3.9-IV0`), its release (`3.9`: the newest version of it) or a bug-fix release (`3.9.1`).
    pub fn parse(text: &str) -> Option<InterBrokerVersion> {
        let parts = if text.starts_with("0.") { 3 } else { 2 };
        let key = text.split('.').take(parts).collect::<Vec<_>>().join(".");
        let release = |name: &str| name.split_once("-IV").map_or(name, |(release, _)| release) == key;
        NAMES.iter().rposition(|name| *name == key || release(name)).map(InterBrokerVersion)
    }

    /// The full name.
    pub fn name(self) -> &'static str {
        NAMES[self.0]
    }

    /// The release that it belongs to, such as `3.9`.
    pub fn release(self) -> &'static str {
        let name = self.name();
        name.split_once("-IV").map_or(name, |(release, _)| release)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_releases_and_bug_fix_releases() {
        let name = |text| InterBrokerVersion::parse(text).map(InterBrokerVersion::name);
        assert_eq!(name("3.9"), Some(CURRENT));
        assert_eq!(name("3.9.1"), Some(CURRENT));
        assert_eq!(name("2.8-IV0"), Some("2.8-IV0"));
        assert_eq!(name("2.8"), Some("2.8-IV1"));
        assert_eq!(name("0.10.2"), Some("0.10.2-IV0"));
        assert_eq!(name("0.8.2.2"), Some("0.8.2"));
        for bad in ["", "x", "3", "9.9", "0.10"] {
            assert_eq!(name(bad), None, "{bad}");
        }
        assert!(InterBrokerVersion::parse("2.7") < InterBrokerVersion::parse("3.0"));
    }
}
