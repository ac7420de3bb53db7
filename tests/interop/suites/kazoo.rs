//! kazoo's own tests, which its package brings along. They are for three servers; some of them want more than the one
//! that they get here, and fail with Apache's server as well.

use std::path::PathBuf;

use tests::{Kind, Python, TempDir, free_port, full, run_command};

use super::zookeeper_servers::use_server;
use super::{Outcome, Outcomes, compare, output, pytest};

/// kazoo, and what its tests need; the last pyOpenSSL with which they can make certificates.
const PACKAGES: &[&str] = &[
    "kazoo==2.11.0",
    "pure-sasl==0.6.2",
    "pytest==9.2.0",
    "pytest-timeout==2.4.0",
    "gevent==26.9.0",
    "eventlet==0.41.3",
    "pyjks==20.0.0",
    "objgraph==3.7.0",
    "pyOpenSSL==24.2.1",
];

/// Runs the named tests (`test_client.py::TestClient::test_close`, or a file), all if none is named.
fn run(kind: Kind, names: &[String]) -> Outcomes {
    let python = Python::with("kazoo-tests", PACKAGES);
    let dir = TempDir::new("kazoo-tests");
    let mut command = pytest::command(&python, &dir);
    command
        .arg("--timeout=90")
        .current_dir(home(&python))
        .env("ZOOKEEPER_VERSION", "3.8.4")
        .env("ZOOKEEPER_CLUSTER_SIZE", "1")
        // Of five ports from here on.
        .env("ZOOKEEPER_PORT_OFFSET", free_port().to_string());
    use_server(&mut command, kind, &dir);
    if names.is_empty() {
        command.arg("kazoo/tests");
    }
    command.args(names.iter().map(|name| format!("kazoo/tests/{name}")));
    pytest::run(command, &dir, &output("kazoo", kind))
}

/// The folder in which the package is installed.
fn home(python: &Python) -> PathBuf {
    let mut command = python.command();
    command.args(["-c", "import kazoo, pathlib; print(pathlib.Path(kazoo.__file__).parent.parent)"]);
    PathBuf::from(run_command(command, "").stdout.trim())
}

#[test]
fn kazoo_passes_what_it_passes_with_apache() {
    if full() {
        compare("kazoo 2.11.0", &[], run);
    }
}

/// Authentication, data and a recipe: the short form.
#[test]
fn kazoo_passes_a_part_of_its_tests() {
    let files = ["test_sasl.py::TestSASLDigestAuthentication", "test_queue.py", "test_counter.py"];
    let outcomes = run(Kind::Ours, &files.map(str::to_owned));
    assert!(outcomes.len() > 15 && outcomes.values().all(|outcome| *outcome == Outcome::Passed), "{outcomes:?}");
}
