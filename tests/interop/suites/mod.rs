//! The test suites of third-party clients, whole, with Apache's servers and with ours: what passes there passes here.

mod crates;
mod kafka_python;
mod kafka_servers;
mod kazoo;
mod pytest;
mod rdkafka;
mod rskafka;
mod zookeeper_client;
mod zookeeper_servers;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use tests::{JvmPermit, Kind, repository};

/// How one test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Failed,
    Skipped,
    Passed,
}

/// The tests of a suite by name.
type Outcomes = BTreeMap<String, Outcome>;

/// Why a test that passes with Apache's server need not pass with ours.
struct Exemption {
    test: &'static str,
    reason: &'static str,
    /// Does it pass now and then all the same? If not, an exemption that is not needed is a mistake.
    is_luck: bool,
}

/// How often tests that ended differently are run again, with both servers.
const AGAIN: usize = 2;

/// Where what a suite prints is added: there is no other way to see why a test failed.
fn output(suite: &str, kind: Kind) -> PathBuf {
    let dir = repository().join("target/suites");
    fs::create_dir_all(&dir).expect("target/ can be written");
    dir.join(format!("{suite}-{kind:?}.out"))
}

/// Runs a suite with both servers, and holds against each other how each test ended. Tests that ended differently are
/// run again with both, by themselves: some of the suites' tests are a matter of luck. One that passes once is taken to
/// pass. `run` runs the named tests, all if none is named; what is `exempt` need not pass with ours.
///
/// # Panics
/// When a test passes with Apache's server and not with ours, or does not need its exemption.
fn compare(suite: &str, exempt: &[Exemption], run: impl Fn(Kind, &[String]) -> Outcomes) {
    let mut theirs = {
        let _permit = JvmPermit::take();
        run(Kind::Apache, &[])
    };
    let mut ours = run(Kind::Ours, &[]);
    let mut report = format!("{suite}: {} tests\n", theirs.len());
    let _ = writeln!(report, "  Apache's server: {}\n  ours: {}", counted(&theirs), counted(&ours));
    for Exemption { test, reason, .. } in exempt {
        let _ = writeln!(report, "  not asked of ours: {test}: {reason}");
    }
    let is_exempt = |name: &str| exempt.iter().any(|exemption| exemption.test == name);
    for round in 1..=AGAIN {
        let names = differing(&theirs, &ours).filter(|name| !is_exempt(name)).cloned().collect::<Vec<_>>();
        if names.is_empty() {
            break;
        }
        for (kind, outcomes) in [(Kind::Apache, &mut theirs), (Kind::Ours, &mut ours)] {
            let _permit = (kind == Kind::Apache).then(JvmPermit::take);
            for (name, outcome) in run(kind, &names) {
                let before = outcomes.insert(name.clone(), outcome).unwrap_or(outcome);
                outcomes.insert(name.clone(), before.max(outcome));
                let _ = writeln!(report, "  again ({round}), {kind:?}: {name}: {before:?}, then {outcome:?}");
            }
        }
    }
    for (name, outcome) in theirs.iter().filter(|(_, outcome)| **outcome != Outcome::Passed) {
        let _ = writeln!(report, "  {outcome:?} with Apache's server, {:?} with ours: {name}", ours.get(name));
    }
    // Past the capture of the test's output: the counts are of interest when it passes.
    let _ = write!(std::io::stderr(), "{report}");

    assert!(!theirs.is_empty() && theirs.keys().eq(ours.keys()), "not the same tests:\n{theirs:?}\n{ours:?}");
    let worse = differing(&theirs, &ours).filter(|name| theirs[*name] == Outcome::Passed).collect::<Vec<_>>();
    let unexpected = worse.iter().filter(|name| !is_exempt(name)).collect::<Vec<_>>();
    assert!(unexpected.is_empty(), "{suite}: pass with Apache's server, and not with ours: {unexpected:#?}");
    let is_needless = |exemption: &&Exemption| !exemption.is_luck && !worse.iter().any(|name| *name == exemption.test);
    let needless = exempt.iter().filter(is_needless).map(|exemption| exemption.test).collect::<Vec<_>>();
    assert!(needless.is_empty(), "{suite}: need no exemption: {needless:#?}");
}

fn differing<'a>(theirs: &'a Outcomes, ours: &'a Outcomes) -> impl Iterator<Item = &'a String> {
    theirs.iter().filter(|(name, outcome)| ours.get(*name) != Some(outcome)).map(|(name, _)| name)
}

fn counted(outcomes: &Outcomes) -> String {
    let count = |wanted: Outcome| outcomes.values().filter(|outcome| **outcome == wanted).count();
    format!("{} passed, {} failed, {} skipped", count(Outcome::Passed), count(Outcome::Failed), count(Outcome::Skipped))
}
