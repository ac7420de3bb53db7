//! `kafka-reassign-partitions`: on one broker of ours what one broker can answer, and in the long tier every case between
//! two of Apache's.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::{Broker, Kind, Output, TempDir, Tools, ZooKeeper, full, wait_until};

use crate::compare::Order;
use crate::stage::Stage;
use crate::transcript::{self, Case, Entry, Line};

const FILE: &str = "kafka-reassign-partitions";

/// What is the same whether there is a second broker or not.
const FOR_ONE: [&str; 21] = [
    "no-arguments",
    "help",
    "version",
    "unknown-option",
    "missing-server",
    "no-action",
    "two-actions",
    "list-empty",
    "generate-without-brokers",
    "generate-broker-unknown",
    "generate-broker-twice",
    "generate-topic-unknown",
    "generate-rubbish",
    "generate-file-missing",
    "execute-topic-unknown",
    "execute-broker-unknown",
    "execute-partition-twice",
    "execute-empty",
    "execute-rubbish",
    "execute-without-file",
    "list-after-cancel",
];

fn stage_for(tool: Kind, broker: &Broker) -> Stage {
    let mut stage = Stage::new(FILE, tool);
    stage.rename("9092", &broker.port().to_string());
    for (name, text) in [
        ("topics-unknown.json", r#"{"topics":[{"topic":"nope"}],"version":1}"#),
        ("plan-empty.json", r#"{"version":1,"partitions":[]}"#),
        ("rubbish.json", "rubbish"),
    ] {
        stage.write(&format!("config/{name}"), text);
    }
    stage
}

fn replay(stage: &Stage, case: &Case) -> Vec<String> {
    case.told(stage.replay(case, Order::NoTraces))
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
    let dir = TempDir::new(FILE);
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start(servers, &dir.join("kafka"), &zookeeper.address());
    let stage = stage_for(tool, &broker);
    stage.setup("./kafka-topics.sh --create --topic foo --bootstrap-server localhost:9092 --partitions 3", "");
    let (mut wrong, mut replayed) = (Vec::new(), 0);
    for entry in transcript::read(FILE) {
        match entry {
            Entry::Remark(remark) => {
                // There is no broker 1 to go to.
                stage.write_remarked(&remark.replace("\"replicas\":[1]", "\"replicas\":[0]"));
            }
            Entry::Case(case) if FOR_ONE.contains(&case.name.as_str()) => {
                wrong.extend(replay(&stage, &case));
                replayed += 1;
            }
            _ => {}
        }
    }
    let who = format!("{tool:?} on {servers:?}");
    assert!(wrong.is_empty(), "{who}: {} of {replayed} are not as Apache's:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(replayed, FOR_ONE.len());
}

#[test]
fn every_case_between_two_brokers_of_apache() {
    if !full() {
        return;
    }
    for tool in [Kind::Ours, Kind::Apache] {
        let dir = TempDir::new(FILE);
        let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
        let first = Broker::start(Kind::Apache, &dir.join("0"), &zookeeper.address());
        let _second = Broker::start_with(Kind::Apache, &dir.join("1"), &zookeeper.address(), "broker.id=1");
        let stage = stage_for(tool, &first);
        let (mut wrong, mut replayed) = (Vec::new(), 0);
        for entry in transcript::read(FILE) {
            match entry {
                Entry::Setup { command, .. } if command.contains("perf-test") => fill(&first, 4000),
                Entry::Setup { command, input } => stage.setup(&command, &input),
                Entry::Remark(remark) => stage.write_remarked(&remark),
                Entry::Case(case) if case.name == "generate" => {
                    wrong.extend(either_proposal(&stage, &case));
                    replayed += 1;
                }
                Entry::Case(case) => {
                    prepare(&stage, &first, &case.name);
                    wrong.extend(replay(&stage, &case));
                    replayed += 1;
                    if case.name.starts_with("execute") && case.code == Some(0) && !SLOW.contains(&case.name.as_str()) {
                        assert!(wait_until(Duration::from_mins(1), || is_at_rest(&first)), "{}", case.name);
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{tool:?}: {} of {replayed} differ:\n{}", wrong.len(), wrong.join("\n"));
        assert_eq!(replayed, 42);
    }
}

/// State that was made before a case and is not in the recording.
fn prepare(stage: &Stage, broker: &Broker, case: &str) {
    match case {
        // The throttled moves had ended.
        "cancel" => {
            for id in ["0", "1"] {
                stage.setup(
                    &format!("{CONFIGS} --alter --entity-type brokers --entity-name {id} --delete-config {RATES}"),
                    "",
                );
            }
            assert!(wait_until(Duration::from_mins(1), || is_at_rest(broker)), "without a limit they do not take long");
        }
        // The topic was a new one, with more in it than a second's worth.
        "execute-slowly-again" => {
            stage.setup("./kafka-topics.sh --delete --topic foo --bootstrap-server localhost:9092", "");
            let created = || tests::run_command(stage.command(CREATE), "").code == 0;
            assert!(wait_until(Duration::from_mins(1), created), "it was not deleted in time");
            fill(broker, 20_000);
        }
        _ => {}
    }
}

const CONFIGS: &str = "./kafka-configs.sh --bootstrap-server localhost:9092";
const RATES: &str = "leader.replication.throttled.rate,follower.replication.throttled.rate";
const CREATE: &str =
    "./kafka-topics.sh --create --topic foo --bootstrap-server localhost:9092 --replica-assignment 0,0,1";

/// The broker that a proposal begins with is random: what was recorded, or the other way round.
fn either_proposal(stage: &Stage, case: &Case) -> Vec<String> {
    let mut other = case.clone();
    let Some(Line::Text(proposal)) = other.stdout.lines.last_mut() else { panic!("it ends with a proposal") };
    *proposal = proposal.replace("[0]", "[one]").replace("[1]", "[0]").replace("[one]", "[1]");
    let mut wrong = Vec::new();
    for _ in 0..20 {
        wrong = replay(stage, case);
        if wrong.is_empty() || replay(stage, &other).is_empty() {
            return Vec::new();
        }
    }
    wrong
}

/// Moves that were under way when the next case was recorded; all others had ended.
const SLOW: [&str; 3] = ["execute-slowly", "execute-additional", "execute-slowly-again"];

fn is_at_rest(broker: &Broker) -> bool {
    let listed = Tools(Kind::Ours).run(FILE, &format!("--list --bootstrap-server {}", broker.address()));
    listed.stdout == "No partition reassignments found.\n"
}

/// So many records that a throttled move takes as long as the cases need.
fn fill(broker: &Broker, records: usize) {
    let lines = format!("{}\n", "x".repeat(1000)).repeat(records);
    let args = format!("--topic foo --bootstrap-server {}", broker.address());
    assert_eq!(Tools(Kind::Ours).run_with_input("kafka-console-producer", &args, &lines).code, 0);
}

/// Plans, each with what is done with it, one after the other; the first of them in every tier.
const STORY: &[(&str, &str, &str)] = &[
    ("execute", "here", "--throttle 1000000"),
    ("verify", "here", "--preserve-throttles"),
    ("execute", "other-dir", "--replica-alter-log-dirs-throttle 100000000 --timeout 20000"),
    ("verify", "nowhere", ""),
    ("cancel", "other-dir", "--preserve-throttles"),
    ("verify", "gone", ""),
    ("cancel", "here", "--timeout 100"),
    ("execute", "here", ""),
    ("verify", "here", ""),
    ("execute", "gone", ""),
    ("execute", "more", ""),
    ("verify", "more", ""),
    ("execute", "doubled", ""),
    ("execute", "sizes", ""),
    ("execute", "types", ""),
    ("execute", "version", ""),
    ("execute", "list", ""),
    ("execute", "none", ""),
    ("execute", "nowhere", "--timeout 100"),
    ("execute", "here", "--throttle x"),
    ("execute", "here", "--timeout 9999999999999999999"),
    ("execute", "missing", ""),
    ("verify", "here", "--throttle 5 --additional"),
    ("list", "", "--additional"),
    ("list", "", "--command-config nofile"),
    ("list", "", ""),
];

fn plans(dir: &Path, other_dir: &Path) {
    let of = |rest: &str| format!(r#"{{"version":1,"partitions":[{rest}]}}"#);
    let one = |partition: i32, rest: &str| format!(r#"{{"topic":"foo","partition":{partition},{rest}}}"#);
    let in_dir = |dir: &str| of(&one(0, &format!(r#""replicas":[0],"log_dirs":["{dir}"]"#)));
    for (name, text) in [
        ("here", of(&format!("{},{}", one(1, r#""replicas":[0]"#), one(0, r#""replicas":[0]"#)))),
        ("other-dir", in_dir(&other_dir.display().to_string())),
        ("nowhere", in_dir("/no/such/dir")),
        ("gone", of(r#"{"topic":"nope","partition":0,"replicas":[0]}"#)),
        ("more", of(&one(9, r#""replicas":[0]"#))),
        ("doubled", of(&format!("{},{}", one(0, r#""replicas":[0,0]"#), one(1, r#""replicas":[0,0,0]"#)))),
        ("sizes", of(&one(0, r#""replicas":[0],"log_dirs":["any","any"]"#))),
        ("types", of(&one(0, r#""replicas":["a"]"#))),
        ("version", r#"{"version":2}"#.to_owned()),
        ("list", "[]".to_owned()),
        ("none", of(&one(0, r#""replicas":[]"#))),
    ] {
        fs::write(dir.join(name), text).expect("it can be written");
    }
}

/// How much of it is told in the short tier: each step starts a JVM.
const SHORT: usize = 6;

/// The same story of one tool on the broker of another.
fn tell(tool: Kind, servers: Kind) -> Vec<(String, Output)> {
    let dir = TempDir::new("reassign-story");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let (logs, other) = (dir.join("kafka/logs"), dir.join("kafka/other"));
    let settings = format!("log.dirs={},{}", logs.display(), other.display());
    let broker = Broker::start_with(servers, &dir.join("kafka"), &zookeeper.address(), &settings);
    let server = broker.address();
    let create = format!("--create --topic foo --partitions 2 --bootstrap-server {server}");
    assert_eq!(Tools(Kind::Ours).run("kafka-topics", &create).code, 0);
    let at = if logs.join("foo-0").exists() { (&logs, &other) } else { (&other, &logs) };
    plans(&dir.join(""), at.1);
    let mut outputs = Vec::new();
    for (action, plan, more) in STORY.iter().take(if full() { STORY.len() } else { SHORT }) {
        let file = if plan.is_empty() {
            String::new()
        } else {
            format!("--reassignment-json-file {}", dir.join(plan).display())
        };
        let mut output = Tools(tool).run(FILE, &format!("--bootstrap-server {server} --{action} {file} {more}"));
        for (path, name) in [(at.0, "FROM"), (at.1, "TO"), (&dir.join(""), "DIR/")] {
            output.stdout = output.stdout.replace(&path.display().to_string(), name);
        }
        outputs.push((format!("{action} {plan} {more}"), output));
        if *plan == "other-dir" && *action == "execute" {
            assert!(wait_until(Duration::from_mins(1), || at.1.join("foo-0").exists()), "not moved");
        }
    }
    outputs
}

/// What is promised: the exit code, standard output without traces, the first line on standard error.
fn promised(output: &Output) -> (i32, String, Option<&str>) {
    let is_trace =
        |line: &&str| line.starts_with("\tat ") || line.starts_with("\t... ") || line.starts_with("Caused by: ");
    let stdout: Vec<&str> = output.stdout.lines().filter(|line| !is_trace(line)).collect();
    (output.code, stdout.join("\n"), output.stderr.lines().next())
}

#[test]
fn a_story_on_one_broker_is_told_as_apaches_tool_tells_it() {
    let _permit = tests::JvmPermit::take();
    let ours = tell(Kind::Ours, Kind::Ours);
    let mut pairs = vec![(Kind::Apache, Kind::Apache)];
    if full() {
        pairs.extend([(Kind::Ours, Kind::Apache), (Kind::Apache, Kind::Ours)]);
    }
    for (tool, servers) in pairs {
        let theirs = tell(tool, servers);
        for ((what, ours), (_, theirs)) in ours.iter().zip(&theirs) {
            assert_eq!(promised(ours), promised(theirs), "{what} ({tool:?} on {servers:?})");
        }
    }
}
