//! The tests of the `rskafka` crate, as published: those that want a broker.

use std::path::Path;

use tests::{Kind, full};

use super::crates::{self, WORKERS};
use super::kafka_servers::KafkaServers;
use super::{Outcomes, compare, output};

const VERSION: &str = "0.6.0";

/// As in the crate's own set-up: nothing but a request makes a topic.
const SETTINGS: &str = "auto.create.topics.enable=false";

/// What it pins of this dependency does not build with a compiler of today.
fn mend(source: &Path) {
    let mut command = crates::cargo();
    command.args(["update", "--quiet", "--package", "rsasl", "--precise", "2.3.1"]).current_dir(source);
    assert!(command.status().is_ok_and(|status| status.success()), "{command:?} failed");
}

/// Runs the named tests, all if none is named. Those of a proxy and of SASL pass without doing anything.
fn run(kind: Kind, names: &[String]) -> Outcomes {
    let source = crates::source("rskafka", VERSION, mend);
    let mut tests = crates::build(&source, &["--features", "full", "--test", "*"]);
    tests.retain(|test| names.is_empty() || names.contains(&test.full_name));
    let servers = KafkaServers::start(kind, SETTINGS);
    crates::run(tests, WORKERS, &source, &output("rskafka", kind), |command| {
        command.env("TEST_INTEGRATION", "1").env("TEST_BROKER_IMPL", "kafka").env("KAFKA_CONNECT", servers.address());
    })
}

#[test]
fn the_rskafka_crate_passes_what_it_passes_with_apache() {
    if full() {
        compare(&format!("rskafka {VERSION}"), &[], run);
    }
}
