//! What fuzzers begin with: files and frames of the real servers. From nothing, no fuzzer finds a checksum.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Puts the seeds of a target into its corpus; some targets need none.
pub(super) fn plant(root: &Path, target: &str, corpus: &Path) -> Result<()> {
    match target {
        "txn_log" => zookeeper_files(root, "log.", &[], corpus),
        "snapshot" => {
            zookeeper_files(root, "snapshot.", &[0], corpus)?;
            compressed_snapshots(root, corpus)
        }
        "kafka_frames" => kafka_frames(root, corpus),
        "record_batches" => segments(root, &[0, 0], corpus),
        "log_recovery" => segments(root, &[0, 255, 0], corpus),
        "log_files" => log_files(root, corpus),
        "transaction_records" => transaction_records(corpus),
        _ => Ok(()),
    }
}

fn zookeeper_files(root: &Path, prefix: &str, before: &[u8], corpus: &Path) -> Result<()> {
    for entry in fs::read_dir(root.join("tests/golden/zk-data/clean/version-2"))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| name.starts_with(prefix)) else {
            continue;
        };
        fs::write(corpus.join(name), [before, &without_padding(fs::read(&path)?)].concat())?;
    }
    Ok(())
}

fn compressed_snapshots(root: &Path, corpus: &Path) -> Result<()> {
    for (name, kind) in [("snapshot.a2.gz", 1), ("snapshot.a2.snappy", 2)] {
        let bytes = fs::read(root.join("tests/golden/zk-data/compressed-snapshots").join(name))?;
        fs::write(corpus.join(name), [&[kind][..], &bytes].concat())?;
    }
    Ok(())
}

/// Padding teaches nothing.
fn without_padding(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end);
    bytes
}

/// Recorded requests behind a 0, recorded responses behind a 1, their key and their version.
fn kafka_frames(root: &Path, corpus: &Path) -> Result<()> {
    for entry in fs::read_dir(root.join("tests/golden/frames"))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let numbered = name.starts_with(|first: char| first.is_ascii_digit());
        if !numbered || path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        for (number, line) in fs::read_to_string(&path)?.lines().enumerate() {
            if let Some(request) = hex_field(line, "request") {
                fs::write(corpus.join(format!("{name}-{number}-request")), [&[0][..], &request].concat())?;
            }
            let (Some(key), Some(version)) = (number_field(line, "api"), number_field(line, "version")) else {
                bail!("{}: line {} names no API and version", path.display(), number + 1);
            };
            if let Some(response) = hex_field(line, "response") {
                fs::write(
                    corpus.join(format!("{name}-{number}-response")),
                    [&[1, key, version][..], &response].concat(),
                )?;
            }
        }
    }
    Ok(())
}

/// What follows `"key": ` in a line of JSON.
fn field<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    let (_, rest) = line.split_once(&format!("\"{key}\": "))?;
    Some(rest)
}

fn number_field(line: &str, key: &str) -> Option<u8> {
    let rest = field(line, key)?;
    rest[..rest.find(|digit: char| !digit.is_ascii_digit())?].parse().ok()
}

fn hex_field(line: &str, key: &str) -> Option<Vec<u8>> {
    let digits = field(line, key)?.strip_prefix('"')?.split('"').next()?;
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The files of the golden log directories with their partitions' names.
fn log_directories(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    for set in ["clean", "unclean", "old-message-formats"] {
        let to = root.join("target/fuzz-golden").join(set);
        fs::create_dir_all(&to)?;
        let packed = root.join("tests/golden/log-dir").join(set).join("data.tar.gz");
        super::status(Command::new("tar").arg("xzf").arg(&packed).arg("-C").arg(&to))?;
        for entry in fs::read_dir(to.join("data"))? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
            if path.is_file() {
                files.push((format!("{set}-{name}"), path));
                continue;
            }
            for inner in fs::read_dir(&path)? {
                let inner = inner?.path();
                let file = inner.file_name().and_then(|name| name.to_str()).context("a name")?;
                files.push((format!("{set}-{name}-{file}"), inner.clone()));
            }
        }
    }
    Ok(files)
}

fn segments(root: &Path, before: &[u8], corpus: &Path) -> Result<()> {
    for (name, path) in log_directories(root)? {
        if path.extension().is_some_and(|extension| extension == "log") {
            fs::write(corpus.join(name), [before, &fs::read(&path)?].concat())?;
        }
    }
    Ok(())
}

/// Each behind its number in the target.
fn log_files(root: &Path, corpus: &Path) -> Result<()> {
    const KINDS: [(&str, u8); 11] = [
        ("recovery-point-offset-checkpoint", 0),
        ("log-start-offset-checkpoint", 1),
        ("replication-offset-checkpoint", 2),
        ("cleaner-offset-checkpoint", 3),
        ("meta.properties", 4),
        (".index", 5),
        (".timeindex", 6),
        (".txnindex", 7),
        (".snapshot", 8),
        ("leader-epoch-checkpoint", 9),
        ("partition.metadata", 10),
    ];
    for (name, path) in log_directories(root)? {
        if let Some((_, kind)) = KINDS.iter().find(|(end, _)| name.ends_with(end)) {
            fs::write(corpus.join(&name), [&[*kind, 0][..], &without_padding(fs::read(&path)?)].concat())?;
        }
    }
    Ok(())
}

/// One record of each state, alone and for a coordinator, and all of them for one.
fn transaction_records(corpus: &Path) -> Result<()> {
    let (mut all, wall) = (vec![255], 1_600_000_000_000_i64.to_be_bytes());
    for state in 0..8_u8 {
        let key = [&[0, 0, 0, 2, b'i'][..], &[b'0' + state]].concat();
        let head = [&[0, 0][..], &7_i64.to_be_bytes(), &3_i16.to_be_bytes(), &60_000_i32.to_be_bytes(), &[state]];
        // One topic of two partitions.
        let topics = [1_i32.to_be_bytes().as_slice(), &[0, 1, b't'], &[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5]].concat();
        let value = [&head.concat()[..], &topics, &wall, &wall].concat();
        let lengths = [0, u8::try_from(key.len())?, 0, u8::try_from(value.len())?];
        let record = [&lengths[..], &key, &value].concat();
        fs::write(corpus.join(format!("value-{state}")), [&[1][..], &value].concat())?;
        fs::write(corpus.join(format!("loaded-{state}")), [&[255][..], &record].concat())?;
        all.extend(record);
    }
    fs::write(corpus.join("all"), all)?;
    Ok(())
}
