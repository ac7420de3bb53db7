//! House tasks: `cargo xtask TASK`. Each check is a module; this file is the list of them.
#![expect(clippy::disallowed_methods, reason = "xtask reads the tree itself; it is no part of what is shipped")]

mod failures;
mod fuzz;
mod layers;
mod purity;
mod run;
mod scripts;
mod source;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
USAGE: cargo xtask TASK

  test [--full]   build all programs, then run every test; --full adds soaks, thousands of seeds, whole suites
  ci              test, and before it: fmt, clippy, doc, tidy, layers, purity, scripts
  bench [ARGS]    the bench table: ours, Apache's and the floor in one run
  fuzz [SECONDS] [TARGET ...]   runs the fuzz targets of tests/fuzz, each for so long (60)
  layers          each crate uses only strictly lower layers (the table is in crates/xtask/src/layers.rs)
  purity          pure crates: no tokio, no files, no sockets, no clock
  tidy            every file says what it owns; no words of things left undone; lists the longest files and functions
  scripts         bin/*.sh and the programs behind them, one to one";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run_task(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_task(args: &[String]) -> Result<()> {
    let root = root();
    match args.first().map(String::as_str) {
        Some("layers") => layers::check(&root),
        Some("purity") => purity::check(&root),
        Some("tidy") => tidy::check(&root),
        Some("scripts") => scripts::check(&root),
        Some("test") => run::test(&root, &args[1..]),
        Some("bench") => run::bench(&root, &args[1..]),
        Some("fuzz") => fuzz::run(&root, &args[1..]),
        Some("ci") => run::ci(&root, &args[1..]),
        Some(other) => bail!("no task `{other}`\n{USAGE}"),
        None => bail!("which task?\n{USAGE}"),
    }
}

/// The workspace root: two folders above this crate's manifest.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/xtask is two below the root").to_owned()
}

/// Fails with all findings at once, or says what was fine.
fn verdict(task: &str, looked_at: usize, findings: &[String]) -> Result<()> {
    if findings.is_empty() {
        eprintln!("{task}: {looked_at} looked at, nothing found");
        return Ok(());
    }
    bail!("{task}: {} finding(s)\n  {}", findings.len(), findings.join("\n  "))
}
