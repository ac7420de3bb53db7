//! The tests of the `zookeeper-client` crate, as published. They start their servers in Docker; the crate `containers`
//! stands in for that with processes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;
use tests::{Kind, TempDir, full, repository, run_command};

use super::{Outcome, Outcomes, compare, output, use_server};

const VERSION: &str = "0.11.2";

/// Without `sasl-gssapi`, which binds a C library and has no tests.
const FEATURES: &str = "tls,sasl-digest-md5";

/// Tests at once: the machine has two cores.
const WORKERS: usize = 2;

/// They start three servers that are to form an ensemble.
const ENSEMBLES: &[(&str, &str)] = &[
    ("test_readonly_plaintext", "of three servers, two are stopped"),
    ("test_readonly_tls", "of three servers, two are stopped"),
    ("test_update_ensemble", "two servers join a third"),
];

/// The crate's source with its dependencies pinned as published, and with one more: what it was published without,
/// because it came from a git repository.
fn source() -> PathBuf {
    let home = repository().join("target/zookeeper-client");
    fs::create_dir_all(&home).expect("target/ can be written");
    let lock = File::create(home.join("lock")).expect("target/ can be written");
    lock.lock().expect("the file system has locks");
    let source = home.join(format!("source-{VERSION}"));
    let containers = repository().join("tests/interop/containers");
    let manifest = format!(
        "\n[dev-dependencies.testcontainers]\npackage = \"containers\"\npath = \"{}\"\n\n[workspace]\n",
        containers.display()
    );
    if !source.join("complete").exists() {
        let published = fetch(&home.join("fetch"));
        let _ = fs::remove_dir_all(&source);
        copy(&published, &source);
        let text = fs::read_to_string(source.join("Cargo.toml")).expect("a package has a manifest");
        // Link time optimization would only take time.
        let text = text.replace("lto = \"thin\"", "debug = 0") + &manifest;
        fs::write(source.join("Cargo.toml"), text).expect("target/ can be written");
        fs::write(source.join("complete"), "").expect("target/ can be written");
    }
    source
}

/// Has cargo download the package, for a package without content that depends on it; says where it is.
fn fetch(dir: &Path) -> PathBuf {
    fs::create_dir_all(dir.join("src")).expect("target/ can be written");
    fs::write(dir.join("src/lib.rs"), "").expect("target/ can be written");
    let manifest = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         zookeeper-client = \"={VERSION}\"\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest).expect("target/ can be written");
    let mut command = cargo();
    command.args(["metadata", "--quiet", "--format-version", "1"]).current_dir(dir);
    let output = command.output().expect("cargo is there");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let package = packages.iter().find(|package| package["name"] == "zookeeper-client").expect("it depends on it");
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

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The test programs of the crate, built.
fn programs(source: &Path) -> Vec<PathBuf> {
    let mut command = cargo();
    command
        .args(["test", "--no-run", "--quiet", "--message-format", "json", "--features", FEATURES, "--target-dir"])
        .arg(repository().join("target/zookeeper-client/target"))
        .current_dir(source);
    let built = command.output().expect("cargo is there");
    assert!(built.status.success(), "it was not built: {}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8_lossy(&built.stdout).into_owned();
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).collect()
}

/// The tests of a program, by name.
fn list(program: &Path) -> Vec<String> {
    let mut command = Command::new(program);
    command.args(["--list", "--format", "terse"]);
    let lines = run_command(command, "").stdout;
    lines.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Runs the named tests, all if none is named, with or without TLS where they would throw dice. Each has a process of
/// its own and two minutes: one of them (`with_file_based_dynamic_certs`) waits for ever now and then, for news of a
/// file, without a server.
fn run(kind: Kind, names: &[String], tls: bool) -> Outcomes {
    let source = source();
    let dir = TempDir::new("zookeeper-client-tests");
    let tests: Vec<(PathBuf, String)> = programs(&source)
        .into_iter()
        .flat_map(|program| list(&program).into_iter().map(move |name| (program.clone(), name)))
        .filter(|(_, name)| names.is_empty() || names.contains(name))
        .collect();
    // Those of ensembles have the same ports.
    let is_ensemble = |name: &str| ENSEMBLES.iter().any(|(test, _)| *test == name);
    let (alone, others): (Vec<_>, Vec<_>) = tests.into_iter().partition(|(_, name)| is_ensemble(name));
    let log = output("zookeeper-client", kind);
    let outcomes = Mutex::new(Outcomes::new());
    let work = |queue: &Mutex<Vec<(PathBuf, String)>>| {
        loop {
            let next = queue.lock().expect("no worker panics").pop();
            let Some((program, name)) = next else { break };
            let mut command = Command::new(program);
            command
                .args([&name, "--exact", "--nocapture"])
                .current_dir(&source)
                .env("TMPDIR", dir.path())
                .env("ZK_TEST_TLS", tls.to_string())
                .env("ZK_TLS_HOSTNAME_VERIFICATION", "true");
            use_server(&mut command, kind, &dir);
            let ended = run_command(command, "");
            let outcome = if ended.code == 0 { Outcome::Passed } else { Outcome::Failed };
            let mut outcomes = outcomes.lock().expect("no worker panics");
            outcomes.insert(name.clone(), outcome);
            let mut log = File::options().create(true).append(true).open(&log).expect("target/ can be written");
            let _ = writeln!(log, "=== {name}: {outcome:?}\n{}{}", ended.stdout, ended.stderr);
        }
    };
    let (alone, others) = (Mutex::new(alone), Mutex::new(others));
    std::thread::scope(|scope| (0..WORKERS).for_each(|_| drop(scope.spawn(|| work(&others)))));
    work(&alone);
    outcomes.into_inner().expect("no worker panics")
}

#[test]
fn the_zookeeper_client_crate_passes_what_it_passes_with_apache() {
    if full() {
        let suite = format!("zookeeper-client {VERSION}");
        compare(&suite, ENSEMBLES, |kind, names| run(kind, names, false));
        compare(&format!("{suite} over TLS"), ENSEMBLES, |kind, names| run(kind, names, true));
    }
}
