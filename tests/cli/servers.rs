//! Servers started wrongly and rightly, and the four-letter words.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use tests::{Kind, Running, ZooKeeper, free_port, full};

use crate::compare::{self, Order};
use crate::stage::{Conversation, Stage};
use crate::transcript::{self, Case, Entry, Line, Section};
use crate::{admin, scope};

#[test]
fn kafka_server_start() {
    on_both(kafka);
}

#[test]
fn zookeeper_server_start() {
    on_both(zookeeper);
}

#[test]
fn four_letter_words() {
    on_both(words);
}

fn on_both(replay: fn(Kind)) {
    replay(Kind::Ours);
    if full() {
        replay(Kind::Apache);
    }
}

/// What is not as it should be, over all cases of a file.
#[derive(Default)]
struct Findings {
    replayed: usize,
    wrong: Vec<String>,
}

impl Findings {
    fn add(&mut self, file: &str, case: &Case, wrong: Vec<String>) {
        self.replayed += 1;
        self.wrong
            .extend(wrong.into_iter().map(|what| format!("=== {file}/{}\n$ {}\n{what}", case.name, case.command)));
    }

    fn judge(self) {
        let Findings { replayed, wrong } = self;
        assert!(wrong.is_empty(), "{} of {replayed} are not as Apache's:\n{}", wrong.len(), wrong.join("\n"));
        assert!(replayed > 0, "nothing was replayed");
    }
}

fn kafka(kind: Kind) {
    let file = "kafka-server-start";
    let mut stage = Stage::new(file, kind);
    let zookeeper = ZooKeeper::start(kind, &stage.path("zookeeper"));
    stage.rename("2181", &zookeeper.port().to_string());
    stage.rename("9092", &free_port().to_string());
    // A second broker would come up on it.
    stage.rename("9093", &free_port().to_string());
    stage.rename_closed("2999");
    stage.rename("/tmp/kafka-logs", &stage.path("kafka-logs").display().to_string());
    fs::write(stage.path("kafka-logs-file"), "a file\n").expect("the folder can be written");
    // The port of the transcripts is the default one: here it has to be said.
    let base = settings(&stage, "config/server.properties", "listeners=PLAINTEXT://:9092");
    stage.write("config/server.properties", &base);
    let mut findings = Findings::default();
    let mut broker = None;
    for entry in transcript::read(file) {
        match entry {
            Entry::Setup { command, input } => stage.setup(&command, &input),
            Entry::Remark(remark) if remark.starts_with("From here a broker") => {
                let mut running = stage.start("./kafka-server-start.sh ../config/server.properties");
                let log = stage.path("server.out");
                running.wait_ready("the broker", Duration::from_mins(1), || {
                    fs::read_to_string(&log).unwrap_or_default().contains("started (kafka.server.KafkaServer)")
                });
                broker = Some(running);
            }
            Entry::Remark(remark) if remark.starts_with("From here that broker is stopped") => {
                broker.take().map(|mut running: Running| running.stop(Duration::from_mins(1)));
            }
            Entry::Remark(_) => {}
            Entry::Case(case) => {
                if scope::left_out(file, &case.name, kind).is_some() {
                    continue;
                }
                configure(&stage, &case, &base);
                let meta = stage.path("kafka-logs/meta.properties");
                match case.name.as_str() {
                    "other-cluster-id" => edit(&meta, "cluster.id=", "cluster.id=AAAAAAAAQACAAAAAAAAABw"),
                    "meta-properties-rubbish" => fs::write(&meta, "rubbish\n").expect("it can be written"),
                    "meta-properties-missing" => fs::remove_file(&meta).expect("it is there"),
                    _ => {}
                }
                findings.add(file, &case, stage.replay(&case, Order::Fixed));
            }
        }
    }
    findings.judge();
}

fn zookeeper(kind: Kind) {
    let file = "zookeeper-server-start";
    let mut stage = Stage::new(file, kind);
    stage.rename("2181", &free_port().to_string());
    stage.rename("/tmp/zookeeper", &stage.path("zookeeper").display().to_string());
    fs::write(stage.path("zookeeper-file"), "a file\n").expect("the folder can be written");
    let base = settings(&stage, "config/zookeeper.properties", "");
    stage.write("config/zookeeper.properties", &base);
    let mut findings = Findings::default();
    let mut server = None;
    for entry in transcript::read(file) {
        match entry {
            Entry::Setup { command, input } => stage.setup(&command, &input),
            Entry::Remark(remark) if remark.starts_with("From here a server runs") => {
                server = Some(serve(&stage, "config/zookeeper.properties"));
            }
            Entry::Remark(_) => {}
            Entry::Case(case) => {
                if case.name == "stop-nothing-runs" {
                    drop(server.take());
                }
                if scope::left_out(file, &case.name, kind).is_none() {
                    configure(&stage, &case, &base);
                    findings.add(file, &case, stage.replay(&case, Order::Fixed));
                }
            }
        }
    }
    drop(server);
    findings.judge();
}

/// Starts a coordination server by its script and waits until it answers.
fn serve(stage: &Stage, config: &str) -> Running {
    let mut running = stage.start(&format!("./zookeeper-server-start.sh ../{config}"));
    let port = port(stage);
    // Apache's leaves some that come too early without an answer.
    let serves = || ask_within(port, "srvr", Duration::from_secs(2)).contains("Mode:");
    running.wait_ready("ZooKeeper", Duration::from_mins(1), serves);
    running
}

fn port(stage: &Stage) -> u16 {
    stage.here("2181").parse().expect("it was renamed to a port")
}

/// A settings file of the repository, one line changed or added.
fn settings(stage: &Stage, file: &str, line: &str) -> String {
    let text = fs::read_to_string(stage.path(file)).expect("it was copied");
    format!("{text}\n{line}\n")
}

/// Writes the file of a case: `config/X.properties is config/Y.properties, changed: a=b, c=d`.
fn configure(stage: &Stage, case: &Case, base: &str) {
    let Some((name, changes)) = case.notes.iter().find_map(|note| {
        let (name, rest) = note.strip_prefix("config/")?.split_once(" is config/")?;
        Some((name, rest.split_once("changed: ").map_or("", |(_, changes)| changes)))
    }) else {
        return;
    };
    let mut text = base.to_owned();
    for change in changes.split(", ").filter(|change| !change.is_empty()) {
        let key = change.strip_prefix("without ").unwrap_or(change).split('=').next().expect("a key");
        let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with(&format!("{key}="))).collect();
        text = kept.join("\n") + "\n";
        if change.contains('=') {
            text = text + change + "\n";
        }
    }
    stage.write(&format!("config/{name}"), &text);
}

fn edit(path: &std::path::Path, begins: &str, line: &str) {
    let text = fs::read_to_string(path).expect("it is there");
    let lines: Vec<&str> = text.lines().map(|old| if old.starts_with(begins) { line } else { old }).collect();
    fs::write(path, lines.join("\n") + "\n").expect("it can be written");
}

fn words(kind: Kind) {
    let file = "zookeeper-four-letter-words";
    let mut stage = Stage::new(file, kind);
    stage.rename("2181", &free_port().to_string());
    stage.rename("8080", &free_port().to_string());
    stage.rename("/tmp/zookeeper", &stage.path("zookeeper").display().to_string());
    let base = settings(&stage, "config/zookeeper.properties", "");
    stage.write("config/zookeeper.properties", &base);
    let mut server = serve(&stage, "config/zookeeper.properties");
    let mut findings = Findings::default();
    let mut idle = None;
    for entry in transcript::read(file) {
        match entry {
            Entry::Setup { command, input } => stage.setup(&command, &input),
            Entry::Remark(remark) if remark.starts_with("From here 4lw") => {
                server.stop(Duration::from_secs(30));
                let admin = "admin.enableServer=true\nadmin.serverPort=8080\n4lw.commands.whitelist=*\n";
                stage.write("config/zookeeper.properties", &format!("{base}{admin}"));
                server = serve(&stage, "config/zookeeper.properties");
            }
            Entry::Remark(remark) if remark.starts_with("in the background from here") => {
                let mut client = Conversation::start(&stage, "./zookeeper-shell.sh localhost:2181");
                for line in ["create -e /eph v", "get -w /a", "ls -w /a"] {
                    client.say(line);
                }
                idle = Some(client);
            }
            Entry::Remark(_) => {}
            Entry::Case(case) => {
                if scope::left_out(file, &case.name, kind).is_none() {
                    let answer = if case.command.starts_with("curl ") {
                        admin::curl(&stage.here(&case.command))
                    } else {
                        let word = case.command.split_whitespace().nth(1).expect("printf WORD | nc");
                        ask(port(&stage), &word.trim_matches('\'').replace("\\n", "\n"))
                    };
                    let answer = stage.recorded(&answer);
                    findings.add(file, &case, judge_answer(&case, &answer).into_iter().collect());
                }
            }
        }
    }
    drop(idle);
    server.stop(Duration::from_secs(30));
    findings.judge();
}

fn judge_answer(case: &Case, answer: &str) -> Option<String> {
    match case.name.as_str() {
        "all-mntr" => monitor(&case.answer, answer),
        "all-dump" => admin::same_lines(&loosened(&case.answer), answer),
        name if name.starts_with("admin-") && !name.starts_with("admin-server") => admin::judge(case, answer),
        // Both list connections as a hash map has them.
        _ => compare::section("the answer", &loosened(&case.answer), answer, Order::Free),
    }
}

/// Figures that depend on what was asked before.
fn loosened(section: &Section) -> Section {
    let figures =
        ["Received: ", "Sent: ", "Connections: ", "dataDirSize=", "dataLogSize=", "datadir_size: ", "logdir_size: "];
    let mut section = section.clone();
    for line in &mut section.lines {
        let Line::Text(text) = line else { continue };
        if let Some(name) = figures.iter().find(|name| text.starts_with(**name)) {
            *text = format!("{name}<N>");
        } else if text.starts_with("Zookeeper version: ") || text.starts_with("zookeeper.version=") {
            // Ours says its own release behind the one whose words it speaks.
            let release = text.split_inclusive('-').next().expect("a release");
            *text = format!("{release}<PATHS>");
        } else if text.starts_with("Zxid: ") {
            "Zxid: <ZXID>".clone_into(text);
        } else if let Some((before, after)) = text.split_once("lzxid=0x6,") {
            *text = format!("{before}lzxid=<ZXID>,{after}");
        } else if let Some((name, _)) = text.split_once(" Sets (") {
            *text = format!("{name} Sets (<N>)/(<N>):");
        } else if text.starts_with("user.dir=") {
            "user.dir=<PATHS>".clone_into(text);
        }
    }
    section
}

/// All names are Apache's, and all of Apache's are there; what can be known is right.
fn monitor(expected: &Section, answer: &str) -> Option<String> {
    let pairs = |text: &str| text.split_once('\t').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let wanted: BTreeMap<String, String> = expected.texts().filter_map(pairs).collect();
    let given: BTreeMap<String, String> = answer.lines().filter_map(pairs).collect();
    let mut wrong = Vec::new();
    // Which parts of the tree were read is a matter of what the tools ask before.
    let told = |name: &&String| !name.ends_with("_per_namespace");
    wrong.extend(
        given.keys().filter(told).filter(|name| !wanted.contains_key(*name)).map(|name| format!("what is {name}?")),
    );
    wrong.extend(
        wanted.keys().filter(told).filter(|name| !given.contains_key(*name)).map(|name| format!("{name} is missing")),
    );
    for known in
        ["zk_server_state", "zk_ephemerals_count", "zk_znode_count", "zk_watch_count", "zk_sum_a_write_per_namespace"]
    {
        if given.get(known) != wanted.get(known) {
            wrong.push(format!("{known} should be {:?} and is {:?}", wanted.get(known), given.get(known)));
        }
    }
    (!wrong.is_empty()).then(|| wrong.join("\n"))
}

/// The answer to a word; empty if the connection is refused or closed without one.
fn ask(port: u16, word: &str) -> String {
    ask_within(port, word, Duration::from_mins(1))
}

fn ask_within(port: u16, word: &str, patience: Duration) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = stream.set_read_timeout(Some(patience));
        let _ = stream.write_all(word.as_bytes());
        // As `nc` does at the end of its input: what is no word then is no frame either.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

#[test]
fn names_of_cases_are_unique() {
    for file in ["kafka-server-start", "zookeeper-server-start", "zookeeper-four-letter-words", "kafka-topics"] {
        let mut names = std::collections::BTreeSet::new();
        for entry in transcript::read(file) {
            if let Entry::Case(case) = entry {
                assert!(names.insert(case.name.clone()), "{file}: {} twice", case.name);
            }
        }
    }
}
