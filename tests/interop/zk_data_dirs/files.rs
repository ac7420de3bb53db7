//! Log and snapshots before Apache's formatters.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tests::{Apache, JvmPermit, Kind, Tools, full, run_command};

/// What the directory of the original has in its logs.
const TYPES: [&str; 12] = [
    "closeSession",
    "create",
    "create2",
    "createContainer",
    "createSession",
    "createTtl",
    "delete",
    "deleteContainer",
    "error",
    "multi",
    "setACL",
    "setData",
];

pub(super) fn are_read_by_apaches_tools(data: &Path, theirs: &[PathBuf]) {
    let (logs, mut snapshots) = (files_in(data, "log."), files_in(data, "snapshot."));
    assert!(logs.len() > 1 && snapshots.len() > 1, "{logs:?} {snapshots:?}");
    let mut types = BTreeSet::new();
    let mut last = 0;
    for log in &logs {
        let read = Tools(Kind::Apache).run("zookeeper-txn-log", &log.display().to_string());
        assert_eq!(read.code, 0, "{}: {}{}", log.display(), read.stdout, read.stderr);
        assert!(!read.stdout.contains("CRC ERROR") && read.stdout.contains("EOF reached after"), "{}", read.stdout);
        assert_eq!(read.stderr, "", "{}", log.display());
        for line in read.stdout.lines().filter(|line| line.contains(" session 0x") && line.contains(" zxid 0x")) {
            let mut words = line.split(" zxid 0x").nth(1).expect("a number").split_whitespace();
            let zxid = i64::from_str_radix(words.next().expect("a number"), 16).expect("a number");
            assert_eq!(zxid, last + 1, "{}: {line}", log.display());
            last = zxid;
            types.insert(words.next().expect("a type").to_owned());
        }
    }
    let missing: Vec<&&str> = TYPES.iter().filter(|name| !types.contains(**name)).collect();
    assert!(missing.is_empty(), "there is no {missing:?} in {types:?}");
    // A kill of Apache's server leaves half a snapshot, which ours passes over: those are not ours to answer for.
    snapshots.retain(|snapshot| !theirs.contains(snapshot));
    assert!(!snapshots.is_empty(), "ours has written no snapshot");
    if !full() {
        // A JVM for each takes its time: the newest two, which a kill concerns.
        snapshots.drain(..snapshots.len().saturating_sub(2));
    }
    for snapshot in &snapshots {
        let _permit = JvmPermit::take();
        let mut format = Apache::get().command("zookeeper-snapshot");
        format.arg("-d").arg(snapshot);
        let read = run_command(format, "");
        // A snapshot may come between a limit and its usage, which are made one after the other.
        let complaints: Vec<&str> =
            read.stderr.lines().filter(|line| !line.contains(" WARN Missing quota stat node ")).collect();
        assert!(read.code == 0 && complaints.is_empty(), "{}: {} {complaints:?}", snapshot.display(), read.code);
        assert!(read.stdout.contains("ZNode Details") && read.stdout.contains("Session Details"), "{}", read.stdout);
    }
}

/// The snapshots that are there.
pub(super) fn snapshots_in(data: &Path) -> Vec<PathBuf> {
    files_in(data, "snapshot.")
}

/// In the order of their zxids.
fn files_in(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut files: Vec<(i64, PathBuf)> = fs::read_dir(dir)
        .expect("the data directory")
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let zxid = i64::from_str_radix(name.to_str()?.strip_prefix(prefix)?, 16).ok()?;
            Some((zxid, entry.path()))
        })
        .collect();
    files.sort();
    files.into_iter().map(|(_, path)| path).collect()
}
