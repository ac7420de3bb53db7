//! The tests of the `rdkafka` crate, as published, with the librdkafka that it brings along.

use std::fs;
use std::path::Path;

use tests::{Kind, full};

use super::crates::{self, WORKERS};
use super::kafka_servers::KafkaServers;
use super::{Exemption, Outcomes, compare, output};

const VERSION: &str = "0.39.0";

/// As in the crate's own set-up: topics that are made by being written to have three partitions.
const SETTINGS: &str = "num.partitions=3";

/// What tests take for granted that others ask for, a broker at port 9092: file, text, and what stands there instead.
const PORT_9092: &[(&str, &str, &str)] = &[
    (
        "tests/test_high_producers.rs",
        ".set(\"bootstrap.servers\", \"localhost\")",
        ".set(\"bootstrap.servers\", get_bootstrap_server())",
    ),
    (
        "tests/test_metadata.rs",
        "broker_metadata[0].port(), 9092",
        "get_bootstrap_server().ends_with(&format!(\":{}\", broker_metadata[0].port())), true",
    ),
];

/// Messages for a topic that is made on the way are to be too late after 100 ms.
const TOO_FAST: &[Exemption] = &[Exemption {
    test: "test_low_producers::test_base_producer_timeout",
    reason: "the first answer about a new topic names its leaders, and the messages arrive in time",
    is_luck: true,
}];

/// Lets any port do.
fn free_the_port(source: &Path) {
    for (file, text, instead) in PORT_9092 {
        let before = fs::read_to_string(source.join(file)).expect("the crate has its tests");
        assert_eq!(before.matches(text).count(), 1, "{file} is not what it was");
        fs::write(source.join(file), before.replace(text, instead)).expect("target/ can be written");
    }
}

/// Runs the named tests, all if none is named.
fn run(kind: Kind, names: &[String]) -> Outcomes {
    let source = crates::source("rdkafka", VERSION, free_the_port);
    let mut tests = crates::build(&source, &["--lib", "--tests"]);
    tests.retain(|test| names.is_empty() || names.contains(&test.full_name));
    let servers = KafkaServers::start(kind, SETTINGS);
    // By name: a test wants messages to expire in the time that it takes to try the first of its addresses in vain.
    let host = servers.address().replace("127.0.0.1", "localhost");
    crates::run(tests, WORKERS, &source, &output("rdkafka", kind), |command| {
        command.env("KAFKA_HOST", &host).env("KAFKA_VERSION", "3.9.1");
    })
}

#[test]
fn the_rdkafka_crate_passes_what_it_passes_with_apache() {
    if full() {
        compare(&format!("rdkafka {VERSION}"), TOO_FAST, run);
    }
}
