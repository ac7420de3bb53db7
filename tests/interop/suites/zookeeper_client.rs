//! The tests of the `zookeeper-client` crate, as published. They start their servers in Docker; the crate `containers`
//! stands in for that with processes.

use tests::{Kind, TempDir, full, repository};

use super::crates::{self, WORKERS};
use super::zookeeper_servers::use_server;
use super::{Exemption, Outcomes, compare, output};

const VERSION: &str = "0.11.2";

/// Without `sasl-gssapi`, which binds a C library and has no tests.
const FEATURES: &str = "tls,sasl-digest-md5";

/// They start three servers that are to form an ensemble.
const ENSEMBLES: &[Exemption] = &[
    Exemption {
        test: "zookeeper::test_readonly_plaintext",
        reason: "of three servers, two are stopped",
        is_luck: false,
    },
    Exemption { test: "zookeeper::test_readonly_tls", reason: "of three servers, two are stopped", is_luck: false },
    Exemption { test: "zookeeper::test_update_ensemble", reason: "two servers join a third", is_luck: false },
];

/// With what it was published without, because it came from a git repository.
fn add_containers(manifest: &str) -> String {
    let containers = repository().join("tests/interop/containers");
    // Link time optimization would only take time.
    manifest.replace("lto = \"thin\"", "debug = 0")
        + &format!(
            "\n[dev-dependencies.testcontainers]\npackage = \"containers\"\npath = \"{}\"\n",
            containers.display()
        )
}

/// Runs the named tests, all if none is named, with or without TLS where they would throw dice. One of them
/// (`with_file_based_dynamic_certs`) waits for ever now and then, for news of a file, without a server.
fn run(kind: Kind, names: &[String], tls: bool) -> Outcomes {
    let source = crates::source("zookeeper-client", VERSION, |source| crates::edit_manifest(source, add_containers));
    let dir = TempDir::new("zookeeper-client-tests");
    let mut tests = crates::build(&source, &["--features", FEATURES]);
    tests.retain(|test| names.is_empty() || names.contains(&test.full_name));
    // Those of ensembles have the same ports.
    let is_ensemble = |name: &str| ENSEMBLES.iter().any(|exemption| exemption.test == name);
    let (alone, others): (Vec<_>, Vec<_>) = tests.into_iter().partition(|test| is_ensemble(&test.full_name));
    let log = output("zookeeper-client", kind);
    let mut outcomes = Outcomes::new();
    for (tests, workers) in [(others, WORKERS), (alone, 1)] {
        outcomes.append(&mut crates::run(tests, workers, &source, &log, |command| {
            command
                .env("TMPDIR", dir.path())
                .env("ZK_TEST_TLS", tls.to_string())
                .env("ZK_TLS_HOSTNAME_VERIFICATION", "true");
            use_server(command, kind, &dir);
        }));
    }
    outcomes
}

#[test]
fn the_zookeeper_client_crate_passes_what_it_passes_with_apache() {
    if full() {
        let suite = format!("zookeeper-client {VERSION}");
        compare(&suite, ENSEMBLES, |kind, names| run(kind, names, false));
        compare(&format!("{suite} over TLS"), ENSEMBLES, |kind, names| run(kind, names, true));
    }
}
