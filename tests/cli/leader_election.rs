//! `kafka-leader-election`: on one broker of ours what one broker can answer, and in the long tier every case on two of
//! Apache's, one of which goes away and comes back.

use std::time::Duration;

use tests::{Broker, Kind, Tools, ZooKeeper, full, wait_until};

use crate::compare::Order;
use crate::stage::Stage;
use crate::transcript::{self, Case, Entry};

const FILE: &str = "kafka-leader-election";

/// What cannot be seen on a single broker: the other one is missing.
const NEEDS_TWO: [&str; 5] = [
    "describe-one-broker-down",
    "describe-under-replicated",
    "preferred-not-available",
    "unclean-not-needed",
    "preferred",
];
/// Takes half a minute.
const LONG: &str = "broker-down";

fn stage_for(tool: Kind, broker: &Broker) -> Stage {
    let mut stage = Stage::new(FILE, tool);
    stage.rename("9092", &broker.port().to_string());
    stage.rename_closed("9099");
    stage
}

fn replay(stage: &Stage, case: &Case) -> Vec<String> {
    case.told(stage.replay(case, Order::Fixed))
}

#[test]
fn cases_that_one_broker_can_answer() {
    on_one_broker(Kind::Ours, Kind::Ours);
    if full() {
        on_one_broker(Kind::Ours, Kind::Apache);
        on_one_broker(Kind::Apache, Kind::Ours);
    }
}

/// The tool of one kind against the broker of another.
fn on_one_broker(tool: Kind, servers: Kind) {
    let dir = tests::TempDir::new(FILE);
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start(servers, &dir.join("kafka"), &zookeeper.address());
    let stage = stage_for(tool, &broker);
    let (mut wrong, mut replayed) = (Vec::new(), 0);
    for entry in transcript::read(FILE) {
        match entry {
            Entry::Setup { command, input } => stage.setup(&command.replace("1:0,0:1", "0,0"), &input),
            Entry::Remark(remark) => stage.write_remarked(&remark),
            Entry::Case(case) if NEEDS_TWO.contains(&case.name.as_str()) => {}
            Entry::Case(case) if case.name == LONG && !full() => {}
            Entry::Case(case) => {
                wrong.extend(replay(&stage, &case));
                replayed += 1;
            }
        }
    }
    let who = format!("{tool:?} on {servers:?}");
    assert!(wrong.is_empty(), "{who}: {} of {replayed} are not as Apache's:\n{}", wrong.len(), wrong.join("\n"));
    assert!(replayed >= 14, "{replayed}");
}

#[test]
fn every_case_on_two_brokers_of_apache() {
    if !full() {
        return;
    }
    for tool in [Kind::Ours, Kind::Apache] {
        let dir = tests::TempDir::new(FILE);
        let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
        let first = Broker::start(Kind::Apache, &dir.join("0"), &zookeeper.address());
        let mut second = Broker::start_with(Kind::Apache, &dir.join("1"), &zookeeper.address(), "broker.id=1");
        let stage = stage_for(tool, &first);
        let in_sync = || {
            let args = format!("--describe --under-replicated-partitions --bootstrap-server {}", first.address());
            let described = Tools(Kind::Ours).run("kafka-topics", &args);
            described.code == 0 && described.stdout.is_empty()
        };
        let (mut wrong, mut replayed) = (Vec::new(), 0);
        for entry in transcript::read(FILE) {
            match entry {
                Entry::Setup { command, input } => stage.setup(&command, &input),
                Entry::Remark(remark) if remark.starts_with("Broker 1 is stopped") => second.stop(),
                Entry::Remark(remark) if remark.starts_with("Broker 1 runs again") => {
                    second.run();
                    assert!(wait_until(Duration::from_mins(1), in_sync), "broker 1 does not follow");
                }
                Entry::Remark(remark) => stage.write_remarked(&remark),
                Entry::Case(case) => {
                    wrong.extend(replay(&stage, &case));
                    replayed += 1;
                }
            }
        }
        assert!(wrong.is_empty(), "{tool:?}: {} of {replayed} differ:\n{}", wrong.len(), wrong.join("\n"));
        assert!(replayed >= 20, "{replayed}");
    }
}
