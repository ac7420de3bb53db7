//! kafka-python's integration tests, which its source package brings along, on a broker that is there already: those of
//! SASL skip themselves then.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use tests::{Kind, Python, TempDir, full, repository};

use super::kafka_servers::KafkaServers;
use super::{AGAIN, Outcome, Outcomes, compare, output, pytest};

const VERSION: &str = "3.0.12";

/// What its tests need; codecs, without which they skip.
const PACKAGES: &[&str] = &[
    "pytest==9.2.0",
    "pytest-mock==3.17.0",
    "pytest-timeout==2.4.0",
    "py==1.11.0",
    "crc32c==2.9.post0",
    "lz4==4.4.5",
    "python-snappy==0.7.3",
    "zstandard==0.25.0",
];

/// As in the configuration that its tests write for brokers that they start.
const SETTINGS: &str = "num.partitions=4\ngroup.min.session.timeout.ms=1000\n\
                        authorizer.class.name=kafka.security.authorizer.AclAuthorizer\n\
                        allow.everyone.if.no.acl.found=true";

/// They want a broker of their own, with templates that the package does not have.
const WITHOUT: &str = "--ignore=test/integration/test_ssl_integration.py";

/// The source package, with the module that starts programs for the tests, which it does not have.
fn source(python: &Python) -> PathBuf {
    let home = repository().join("target/suites");
    fs::create_dir_all(&home).expect("target/ can be written");
    let lock = File::create(home.join("kafka-python.lock")).expect("target/ can be written");
    lock.lock().expect("the file system has locks");
    let source = home.join(format!("kafka_python-{VERSION}"));
    if !source.join("complete").exists() {
        let _ = fs::remove_dir_all(&source);
        let package = format!("kafka-python=={VERSION}");
        let download = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "kafka-python", &package];
        must(python.command().args(download).current_dir(&home));
        let archive = format!("kafka_python-{VERSION}.tar.gz");
        must(python.command().args(["-m", "tarfile", "-e", &archive]).current_dir(&home));
        let service = repository().join("tests/interop/python/kafka_python_service.py");
        fs::copy(service, source.join("test/service.py")).expect("target/ can be written");
        // Else `test` would be Python's own package of that name.
        fs::write(source.join("test/__init__.py"), "").expect("target/ can be written");
        fs::write(source.join("complete"), "").expect("target/ can be written");
    }
    source
}

fn must(command: &mut Command) {
    let done = command.status().is_ok_and(|status| status.success());
    assert!(done, "{command:?} failed");
}

/// Runs the named tests (`test/integration/test_producer_integration.py::test_end_to_end`, or a file), all if none is
/// named.
fn run(kind: Kind, names: &[String]) -> Outcomes {
    let python = Python::with("kafka-python-tests", PACKAGES);
    let source = source(&python);
    let servers = KafkaServers::start(kind, SETTINGS);
    let dir = TempDir::new("kafka-python-tests");
    let mut command = pytest::command(&python, &dir);
    command
        .arg(WITHOUT)
        .current_dir(&source)
        .env("KAFKA_VERSION", "3.9.1")
        .env("KAFKA_URI", format!("kafka://{}", servers.address()))
        // A folder that is there: it would hold the programs.
        .env("KAFKA_ROOT", dir.path());
    if names.is_empty() {
        command.arg("test/integration");
    }
    command.args(names);
    pytest::run(command, &dir, &output("kafka-python", kind))
}

#[test]
fn kafka_python_passes_what_it_passes_with_apache() {
    if full() {
        compare(&format!("kafka-python {VERSION}"), &[], run);
    }
}

/// Producers of every kind and a group's description: the short form. Like the whole suite it asks a second time for what
/// failed: a consumer that subscribes while its client still starts may miss its own wake, and read nothing for minutes.
#[test]
fn kafka_python_passes_a_part_of_its_tests() {
    let producers = ["kafka_producer_proper_record_metadata", "idempotent_producer", "transactional_producer_offsets"];
    let mut names =
        producers.map(|name| format!("test/integration/test_producer_integration.py::test_{name}")).to_vec();
    names.push("test/integration/test_admin_integration.py::test_describe_group_exists".to_owned());
    let mut outcomes = run(Kind::Ours, &names);
    for _ in 0..AGAIN {
        let failed = outcomes.iter().filter(|(_, outcome)| **outcome != Outcome::Passed);
        let failed: Vec<String> = failed.map(|(name, _)| name.clone()).collect();
        if !failed.is_empty() {
            outcomes.extend(run(Kind::Ours, &failed));
        }
    }
    assert!(outcomes.len() >= 8 && outcomes.values().all(|outcome| *outcome == Outcome::Passed), "{outcomes:?}");
}
