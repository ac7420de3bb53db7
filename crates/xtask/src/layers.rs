//! The layers of the workspace: who may use whom. This table is the rule; `crates/README.md` explains it.

use std::path::Path;

use anyhow::Result;

use crate::source::packages;
use crate::verdict;

/// What a crate may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No I/O, no clock, no runtime; uses only pure crates.
    Pure,
    /// May do I/O; no async runtime.
    Io,
    /// May do I/O and run on tokio.
    Async,
}

/// Every crate with its layer. A crate uses only crates of strictly lower layers.
pub(crate) const LAYERS: &[(&str, u8, Kind)] = &[
    ("properties", 0, Kind::Pure),
    ("time-types", 0, Kind::Pure),
    ("zk-proto", 0, Kind::Pure),
    ("kafka-types", 0, Kind::Pure),
    ("sasl", 0, Kind::Pure),
    ("key-store", 0, Kind::Pure),
    ("vfs", 0, Kind::Io),
    ("logging", 1, Kind::Io),
    ("net", 1, Kind::Async),
    ("http-server", 1, Kind::Async),
    ("kafka-wire", 1, Kind::Pure),
    ("kafka-record", 1, Kind::Pure),
    ("kafka-security", 1, Kind::Pure),
    ("zk-state", 2, Kind::Pure),
    ("kafka-metadata", 2, Kind::Pure),
    ("zk-store", 3, Kind::Io),
    ("kafka-log", 3, Kind::Io),
    ("kafka-replication", 3, Kind::Pure),
    ("kafka-controller", 3, Kind::Pure),
    ("kafka-group-coordinator", 3, Kind::Pure),
    ("kafka-quotas", 3, Kind::Pure),
    ("kafka-txn-coordinator", 3, Kind::Pure),
    ("zk-client", 4, Kind::Async),
    ("kafka-client", 4, Kind::Async),
    ("zk-server", 5, Kind::Async),
    ("kafka-broker", 5, Kind::Async),
    ("kafka-cli", 6, Kind::Async),
    ("xtask", 6, Kind::Io),
];

/// The crates in which the two sides may meet.
const MEETING_PLACES: &[&str] = &["kafka-broker", "kafka-cli"];

pub(crate) fn check(root: &Path) -> Result<()> {
    let packages = packages(root)?;
    let mut findings = Vec::new();
    for package in &packages {
        let Some(&(_, layer, kind)) = LAYERS.iter().find(|(name, ..)| *name == package.name) else {
            findings.push(format!("{}: has no layer; give it one in the table", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            if dependency == "tokio" && kind != Kind::Async {
                findings.push(format!("{}: may not use tokio", package.name));
            }
            let Some(&(_, lower, lower_kind)) = LAYERS.iter().find(|(name, ..)| name == dependency) else {
                continue;
            };
            if lower >= layer {
                findings.push(format!("{} (L{layer}) uses {dependency} (L{lower}): not strictly lower", package.name));
            }
            if kind == Kind::Pure && lower_kind != Kind::Pure {
                findings.push(format!("{} is pure and uses {dependency}, which does I/O", package.name));
            }
            if crosses(&package.name, dependency) {
                findings.push(format!("{} uses {dependency}: the sides meet in {MEETING_PLACES:?} only", package.name));
            }
        }
    }
    verdict("layers", packages.len(), &findings)
}

fn crosses(user: &str, used: &str) -> bool {
    let side = |name: &str| name.split('-').next().filter(|side| ["zk", "kafka"].contains(side)).map(str::to_owned);
    match (side(user), side(used)) {
        (Some(a), Some(b)) => a != b && !MEETING_PLACES.contains(&user),
        _ => false,
    }
}
