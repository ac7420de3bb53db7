//! `kafka-acls`, case by case, on a broker with AclAuthorizer and then on one without.

use std::fs;

use tests::{Broker, Kind, ZooKeeper, full};

use crate::compare::Order;
use crate::scope;
use crate::stage::Stage;
use crate::transcript::{self, Entry};

const FILE: &str = "kafka-acls";
const AUTHORIZER: &str = "authorizer.class.name=kafka.security.authorizer.AclAuthorizer\nsuper.users=User:ANONYMOUS";

#[test]
fn kafka_acls() {
    replay(Kind::Ours, Kind::Ours);
    if full() {
        replay(Kind::Ours, Kind::Apache);
        replay(Kind::Apache, Kind::Ours);
    }
}

/// The tool of one kind against the servers of another.
fn replay(tool: Kind, servers: Kind) {
    let mut stage = Stage::new(FILE, tool);
    let zookeeper = ZooKeeper::start(servers, &stage.path("zookeeper"));
    let mut broker = Broker::start_with(servers, &stage.path("kafka"), &zookeeper.address(), AUTHORIZER);
    stage.rename("2181", &zookeeper.port().to_string());
    stage.rename("9092", &broker.port().to_string());
    let mut wrong = Vec::new();
    let mut replayed = 0;
    for entry in transcript::read(FILE) {
        match entry {
            Entry::Setup { command, input } => stage.setup(&command, &input),
            Entry::Remark(remark) => {
                if remark.starts_with("From here the broker has no authorizer") {
                    broker.stop();
                    let file = stage.path("kafka/server.properties");
                    let text = fs::read_to_string(&file).expect("it was written");
                    fs::write(&file, text.replace(AUTHORIZER, "")).expect("the folder can be written");
                    broker.run();
                }
            }
            Entry::Case(case) => {
                if scope::left_out(FILE, &case.name, tool).is_some() {
                    continue;
                }
                let found = stage.replay(&case, Order::Rules);
                replayed += 1;
                wrong.extend(case.told(found));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {replayed} are not as Apache's:\n{}", wrong.len(), wrong.join("\n"));
    assert!(replayed > 45, "only {replayed} were replayed");
}
