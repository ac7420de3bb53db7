//! The tests of published crates: sources that cargo downloads, changed where they have to be, built and run.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;
use tests::{repository, run_command};

use super::{Outcome, Outcomes};

/// Tests at once: the machine has two cores.
pub(super) const WORKERS: usize = 2;

/// One test of a crate.
#[derive(Debug, Clone)]
pub(super) struct Test {
    program: PathBuf,
    /// In the program.
    name: String,
    /// Among all of the crate: the program's target, `::`, the name in the program.
    pub(super) full_name: String,
}

fn home() -> PathBuf {
    let home = repository().join("target/suites");
    fs::create_dir_all(&home).expect("target/ can be written");
    home
}

/// The sources of a crate with its dependencies pinned as published, in a folder where they may be changed, and are once
/// by `change`.
pub(super) fn source(name: &str, version: &str, change: impl FnOnce(&Path)) -> PathBuf {
    let home = home();
    let lock = File::create(home.join(format!("{name}.lock"))).expect("target/ can be written");
    lock.lock().expect("the file system has locks");
    let source = home.join(format!("{name}-{version}"));
    if !source.join("complete").exists() {
        let published = fetch(&home.join(format!("fetch-{name}")), name, version);
        let _ = fs::remove_dir_all(&source);
        copy(&published, &source);
        // It is built by the compiler that builds this repository, and is no part of its workspace.
        let _ = fs::remove_file(source.join("rust-toolchain.toml"));
        edit_manifest(&source, |text| format!("{text}\n[workspace]\n"));
        change(&source);
        fs::write(source.join("complete"), "").expect("target/ can be written");
    }
    source
}

/// Changes the manifest of sources.
pub(super) fn edit_manifest(source: &Path, change: impl FnOnce(&str) -> String) {
    let text = fs::read_to_string(source.join("Cargo.toml")).expect("a package has a manifest");
    fs::write(source.join("Cargo.toml"), change(&text)).expect("target/ can be written");
}

/// Has cargo download a package, for a package without content that depends on it; says where it is.
fn fetch(dir: &Path, name: &str, version: &str) -> PathBuf {
    fs::create_dir_all(dir.join("src")).expect("target/ can be written");
    fs::write(dir.join("src/lib.rs"), "").expect("target/ can be written");
    let manifest = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         {name} = \"={version}\"\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest).expect("target/ can be written");
    let mut command = cargo();
    command.args(["metadata", "--quiet", "--format-version", "1"]).current_dir(dir);
    let output = command.output().expect("cargo is there");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let package = packages.iter().find(|package| package["name"] == name).expect("it depends on it");
    let manifest = package["manifest_path"].as_str().expect("a package has a manifest");
    Path::new(manifest).parent().expect("a file is in a folder").to_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("target/ can be written");
    for entry in fs::read_dir(from).expect("cargo unpacked it").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("target/ can be written");
        }
    }
}

/// The cargo that runs these tests.
pub(super) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Builds the test programs of a crate, which `options` of `cargo test` choose, and lists their tests.
pub(super) fn build(source: &Path, options: &[&str]) -> Vec<Test> {
    let mut command = cargo();
    command
        .args(["test", "--no-run", "--quiet", "--message-format", "json", "--target-dir"])
        .arg(home().join("target"))
        .args(options)
        .current_dir(source)
        // Nobody looks into them with a debugger.
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_TEST_DEBUG", "0");
    let built = command.output().expect("cargo is there");
    assert!(built.status.success(), "it was not built: {}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8_lossy(&built.stdout).into_owned();
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.flat_map(|message| list(&message)).collect()
}

/// The tests of the program that a message of cargo's is about, if it is about one.
fn list(message: &Value) -> Vec<Test> {
    let Some(program) = message["executable"].as_str().map(PathBuf::from) else { return Vec::new() };
    let target = message["target"]["name"].as_str().expect("a program is of a target").to_owned();
    let mut command = Command::new(&program);
    command.args(["--list", "--format", "terse"]);
    let lines = run_command(command, "").stdout;
    let names = lines.lines().filter_map(|line| line.strip_suffix(": test"));
    names
        .map(|name| Test { program: program.clone(), name: name.to_owned(), full_name: format!("{target}::{name}") })
        .collect()
}

/// Runs tests, each in a process of its own for which `prepare` sets the environment, and which has two minutes. What
/// they print is added to `log`.
pub(super) fn run(
    tests: Vec<Test>,
    workers: usize,
    source: &Path,
    log: &Path,
    prepare: impl Fn(&mut Command) + Sync,
) -> Outcomes {
    let queue = Mutex::new(tests);
    let outcomes = Mutex::new(Outcomes::new());
    let work = || {
        loop {
            let next = queue.lock().expect("no worker panics").pop();
            let Some(test) = next else { break };
            let mut command = Command::new(&test.program);
            command.args([&test.name, "--exact", "--nocapture"]).current_dir(source);
            prepare(&mut command);
            let ended = run_command(command, "");
            let outcome = match ended.code {
                0 if ended.stdout.contains("ok. 0 passed; 0 failed; 1 ignored") => Outcome::Skipped,
                0 => Outcome::Passed,
                _ => Outcome::Failed,
            };
            let mut outcomes = outcomes.lock().expect("no worker panics");
            outcomes.insert(test.full_name.clone(), outcome);
            let mut log = File::options().create(true).append(true).open(log).expect("target/ can be written");
            let _ = writeln!(log, "=== {}: {outcome:?}\n{}{}", test.full_name, ended.stdout, ended.stderr);
        }
    };
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
    outcomes.into_inner().expect("no worker panics")
}
