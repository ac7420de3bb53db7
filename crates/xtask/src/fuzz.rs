//! Runs the fuzz targets with libFuzzer, by way of `cargo fuzz`, on the stable compiler.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

mod seeds;

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
        seeds::plant(root, target, &corpus)?;
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

fn status(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} did not start"))?;
    if !status.success() {
        bail!("{command:?} failed ({status})");
    }
    Ok(())
}
