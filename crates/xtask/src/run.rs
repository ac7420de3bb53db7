//! The tasks that run other programs: test, bench, ci.

use std::io::{BufReader, stdout};
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::failures::Failures;
use crate::{layers, purity, scripts, tidy};

/// Tests at once for each processor: most of their time goes by in waiting, for sessions that run out and servers that start.
const TESTS_PER_PROCESSOR: usize = 2;

/// Builds all programs, hands their directory to the tests and runs them. Plain `cargo test` would not build other
/// packages' programs and would test stale ones, so the harness refuses without the directory.
pub(crate) fn test(root: &Path, args: &[String]) -> Result<()> {
    let full = args.iter().any(|arg| arg == "--full");
    let others: Vec<&String> = args.iter().filter(|arg| *arg != "--full").collect();
    programs(root)?;
    let mut tests = cargo(root, &["test", "--workspace", "--no-fail-fast"]);
    tests.args(others).env("KAFKA_PROGRAMS", root.join("target/release"));
    if full {
        tests.env("KAFKA_TESTS_FULL", "1");
    }
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        tests.env("RUST_TEST_THREADS", (processors * TESTS_PER_PROCESSOR).to_string());
    }
    let mut running = tests.stdout(Stdio::piped()).spawn().context("cargo test did not start")?;
    let output = BufReader::new(running.stdout.take().context("the pipe was asked for")?);
    let failures = Failures::watch(output, stdout()).context("the output of the tests cannot be passed on")?;
    let ended = running.wait().context("cargo test cannot be waited for")?;
    if let Some(found) = failures.found() {
        eprintln!("\nWhat failed, once more:\n{found}");
    }
    judged(&tests, ended)
}

/// The bench table on stdout.
pub(crate) fn bench(root: &Path, args: &[String]) -> Result<()> {
    programs(root)?;
    let mut bench = cargo(
        root,
        &["run", "--release", "--quiet", "--package", "tests", "--features", "bench", "--bin", "bench", "--"],
    );
    bench.args(args).env("KAFKA_PROGRAMS", root.join("target/release"));
    status(bench)
}

pub(crate) fn ci(root: &Path, args: &[String]) -> Result<()> {
    layers::check(root)?;
    purity::check(root)?;
    tidy::check(root)?;
    scripts::check(root)?;
    status(cargo(root, &["fmt", "--all", "--check"]))?;
    status(cargo(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let mut doc = cargo(root, &["doc", "--workspace", "--no-deps", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    status(doc)?;
    test(root, args)
}

fn programs(root: &Path) -> Result<()> {
    status(cargo(root, &["build", "--release", "--bins", "-p", "zk-server", "-p", "kafka-broker", "-p", "kafka-cli"]))
}

fn cargo(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root);
    command
}

fn status(mut command: Command) -> Result<()> {
    let ended = command.status().with_context(|| format!("{} did not start", words(&command)))?;
    judged(&command, ended)
}

fn judged(command: &Command, ended: ExitStatus) -> Result<()> {
    if !ended.success() {
        bail!("{} failed ({ended})", words(command));
    }
    Ok(())
}

fn words(command: &Command) -> String {
    command.get_args().fold("cargo".to_owned(), |words, word| format!("{words} {}", word.display()))
}
