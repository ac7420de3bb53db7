//! The tools and the tutorial, case by case, against running servers.

use std::fs;
use std::time::Duration;

use tests::{Broker, Kind, RawZk, TempDir, Tools, ZooKeeper, full, wait_until};

use crate::compare::Order;
use crate::scope;
use crate::stage::{Conversation, Stage};
use crate::transcript::{self, Entry};

#[test]
fn tutorial() {
    replay("tutorial");
}

#[test]
fn settings_come_through_pipes() {
    let dir = TempDir::new("piped-settings");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::configured(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), "");
    broker.run_under(&["bash", "-c", r#"exec "$0" <(cat "$1")"#]);
    broker.run();
    let list = |settings: &str| {
        let args = format!("--list --command-config /dev/stdin --bootstrap-server {}", broker.address());
        Tools(Kind::Ours).run_with_input("kafka-topics", &args, settings)
    };
    assert_eq!(list("client.id=piped\n").code, 0);
    let refused = list("security.protocol=NOPE\n");
    assert!(refused.code != 0 && refused.stderr.contains("NOPE"), "{}{}", refused.stdout, refused.stderr);
}

#[test]
fn kafka_topics() {
    replay("kafka-topics");
}

#[test]
fn kafka_configs() {
    replay("kafka-configs");
}

#[test]
fn kafka_log_dirs() {
    replay("kafka-log-dirs");
}

#[test]
fn kafka_get_offsets() {
    replay("kafka-get-offsets");
}

#[test]
fn kafka_console_producer() {
    replay("kafka-console-producer");
}

#[test]
fn kafka_console_consumer() {
    replay("kafka-console-consumer");
}

#[test]
fn zookeeper_shell() {
    replay("zookeeper-shell");
}

/// The one case that was recorded on a tree of its own.
#[test]
fn zookeeper_shell_on_a_terminal() {
    let mut stage = Stage::new("zookeeper-shell-terminal", Kind::Ours);
    let zookeeper = ZooKeeper::start(Kind::Ours, &stage.path("zookeeper"));
    stage.rename("2181", &zookeeper.port().to_string());
    stage.setup("./zookeeper-shell.sh localhost:2181 create /n data", "");
    for entry in transcript::read("zookeeper-shell") {
        if let Entry::Case(case) = entry
            && case.name == scope::ON_ITS_OWN_TREE
        {
            let wrong = stage.replay(&case, Order::Fixed);
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
            return;
        }
    }
    panic!("the case is not there");
}

/// Waits until the session of a shell that was killed, or that left without a word, has run out.
fn await_expiry(port: u16, prefix: &str) {
    let gone = wait_until(Duration::from_mins(1), || {
        let children = RawZk::connect(port).and_then(|mut session| session.children("/")).expect("it serves");
        !children.iter().any(|name| name.starts_with(prefix))
    });
    assert!(gone, "{prefix}: the ephemeral node is still there");
}

/// In the long tier Apache's own programs are replayed as well: they judge the judge.
fn replay(file: &str) {
    replay_with(file, Kind::Ours);
    if full() {
        replay_with(file, Kind::Apache);
    }
}

fn replay_with(file: &str, kind: Kind) {
    let mut stage = Stage::new(file, kind);
    // The shell's cases count znodes, and begin with an empty tree.
    let with_broker = file != "zookeeper-shell";
    // Shells that are killed leave their ephemeral nodes for so long; the cases know when they are gone.
    let zookeeper = ZooKeeper::start_with(kind, &stage.path("zookeeper"), "maxSessionTimeout=12000");
    let broker = with_broker.then(|| Broker::start(kind, &stage.path("kafka"), &zookeeper.address()));
    stage.rename("2181", &zookeeper.port().to_string());
    if let Some(broker) = &broker {
        stage.rename("9092", &broker.port().to_string());
        stage.rename("/tmp/kafka-logs", &broker.data().display().to_string());
    }
    stage.rename_closed_ports();
    for config in ["config/producer.properties", "config/consumer.properties"] {
        let text = fs::read_to_string(stage.path(config)).expect("it was copied");
        stage.write(config, &text);
    }
    let mut wrong = Vec::new();
    let mut conversation = None;
    let mut replayed = 0;
    for entry in transcript::read(file) {
        match entry {
            Entry::Setup { command, input } => stage.setup(&command, &input),
            Entry::Remark(_) => {}
            Entry::Case(case) => {
                if case.code.is_some() {
                    conversation = None;
                }
                if scope::left_out(file, &case.name, kind).is_some() {
                    if let (None, Some(line)) = (case.code, &case.stdin) {
                        // The history of the shell counts it.
                        let shell = conversation.get_or_insert_with(|| Conversation::start(&stage, &case.command));
                        shell.say(line.trim_end());
                    }
                    continue;
                }
                if let Some(prefix) = scope::gone_before(file, &case.name) {
                    await_expiry(zookeeper.port(), prefix);
                }
                let order = if scope::in_any_order(file, &case.name) {
                    Order::Free
                } else if scope::first_event_is_a_race(file, &case.name) {
                    Order::FirstEventOptional
                } else {
                    Order::Fixed
                };
                let found = match case.code {
                    Some(_) => stage.replay(&case, order),
                    None => {
                        conversation.get_or_insert_with(|| Conversation::start(&stage, &case.command)).replay(&case)
                    }
                };
                replayed += 1;
                wrong.extend(
                    found.into_iter().map(|what| format!("=== {file}/{}\n$ {}\n{what}", case.name, case.command)),
                );
            }
        }
    }
    drop(conversation);
    assert!(wrong.is_empty(), "{} of {replayed} are not as Apache's:\n{}", wrong.len(), wrong.join("\n"));
    assert!(replayed > 0, "nothing was replayed");
}
