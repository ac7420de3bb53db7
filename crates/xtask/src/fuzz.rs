//! Runs the fuzz targets with libFuzzer, by way of `cargo fuzz`, on the stable compiler.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// `cargo fuzz` is installed in this version if it is not there.
const CARGO_FUZZ: &str = "0.13.2";

/// Runs the named targets, or all, each for so many seconds. Fails with the first finding; the input that led to it is
/// below `target/fuzz-artifacts`.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let (seconds, named) = match args.split_first().map(|(first, rest)| (first.parse::<u32>(), rest)) {
        Some((Ok(seconds), rest)) => (seconds, rest),
        _ => (60, args),
    };
    let targets = if named.is_empty() { all(root)? } else { named.to_vec() };
    let has_it = Command::new("cargo").args(["fuzz", "--version"]).output().is_ok_and(|output| output.status.success());
    if !has_it {
        status(Command::new("cargo").args(["install", "--locked", "cargo-fuzz", "--version", CARGO_FUZZ]))?;
    }
    for target in &targets {
        let corpus = root.join("target/fuzz-corpus").join(target);
        let artifacts = root.join("target/fuzz-artifacts").join(target);
        fs::create_dir_all(&corpus)?;
        fs::create_dir_all(&artifacts)?;
        seed(root, target, &corpus)?;
        let mut fuzz = Command::new("cargo");
        // The stable compiler has coverage counters, but no sanitizers.
        fuzz.args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir"]).arg(root.join("tests/fuzz"));
        fuzz.arg("--target-dir").arg(root.join("target/fuzz")).arg(target).arg(&corpus).arg("--");
        fuzz.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/", artifacts.display()));
        fuzz.args(["-use_value_profile=1", "-rss_limit_mb=2048", "-timeout=30", "-max_len=65536"]);
        status(&mut fuzz).with_context(|| format!("fuzz target {target}"))?;
    }
    Ok(())
}

/// The targets that there are.
fn all(root: &Path) -> Result<Vec<String>> {
    let mut targets: Vec<String> = fs::read_dir(root.join("tests/fuzz/fuzz_targets"))?
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    targets.sort();
    Ok(targets)
}

/// Files of the real server to begin with: from nothing, no fuzzer finds a checksum.
fn seed(root: &Path, target: &str, corpus: &Path) -> Result<()> {
    let data = root.join("tests/golden/zk-data");
    let (from, prefix, before): (&str, &str, &[u8]) = match target {
        "txn_log" => ("clean/version-2", "log.", &[]),
        "snapshot" => ("clean/version-2", "snapshot.", &[0]),
        _ => return Ok(()),
    };
    for entry in fs::read_dir(data.join(from))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| name.starts_with(prefix)) else {
            continue;
        };
        let mut bytes = fs::read(&path)?;
        // Padding teaches nothing.
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(end);
        fs::write(corpus.join(name), [before, &bytes].concat())?;
    }
    if target == "snapshot" {
        for (name, kind) in [("snapshot.a2.gz", 1), ("snapshot.a2.snappy", 2)] {
            let bytes = fs::read(data.join("compressed-snapshots").join(name))?;
            fs::write(corpus.join(name), [&[kind][..], &bytes].concat())?;
        }
    }
    Ok(())
}

fn status(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} did not start"))?;
    if !status.success() {
        bail!("{command:?} failed ({status})");
    }
    Ok(())
}
