//! `kafka-consumer-groups`, case by case, with consumers that come and go between the cases.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tests::{Broker, Kind, Terminal, Tools, ZooKeeper, full, wait_until};

use crate::compare::Order;
use crate::scope;
use crate::stage::Stage;
use crate::transcript::{self, Entry};

const FILE: &str = "kafka-consumer-groups";

#[test]
fn kafka_consumer_groups() {
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
    let mut broker = Broker::start(servers, &stage.path("kafka"), &zookeeper.address());
    stage.rename("9092", &broker.port().to_string());
    stage.rename_closed_ports();
    let mut wrong = Vec::new();
    let mut consumers = Vec::new();
    let mut replayed = 0;
    for entry in transcript::read(FILE) {
        match entry {
            Entry::Setup { command, input } => stage.setup(&command, &input),
            Entry::Remark(remark) => {
                if let Some(command) = remark.strip_prefix("in the background from here: ") {
                    consumers.push(Terminal::start(stage.command(command)));
                    await_members(&broker.address(), consumers.len());
                } else if remark.starts_with("the background tool is ended") {
                    let mut consumer = consumers.remove(0);
                    consumer.ctrl_c();
                    consumer.end();
                } else if remark.starts_with("config/offsets.csv") {
                    stage.write("config/offsets.csv", "\"orders\",0,2\n\"orders\",1,1\n");
                    stage.write("config/offsets-bad.csv", "orders;0;2\n");
                }
            }
            Entry::Case(case) => {
                if scope::left_out(FILE, &case.name, tool).is_some() {
                    continue;
                }
                // Members are told in the order of a hash table of random ids.
                let order = if case.name == "describe-live-members-verbose-two" { Order::Free } else { Order::Fixed };
                // How far a tool comes in a millisecond is chance, unless nobody answers.
                let is_silent = case.name == "describe-timeout";
                if is_silent {
                    send(&mut broker, Signal::STOP);
                }
                let found = stage.replay(&case, order);
                if is_silent {
                    send(&mut broker, Signal::CONT);
                }
                replayed += 1;
                wrong.extend(case.told(found));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {replayed} are not as Apache's:\n{}", wrong.len(), wrong.join("\n"));
    assert!(replayed > 60, "only {replayed} were replayed");
}

fn send(broker: &mut Broker, signal: Signal) {
    let pid = Pid::from_raw(broker.process().id() as i32).expect("it runs");
    kill_process(pid, signal).expect("it is ours");
}

fn await_members(server: &str, count: usize) {
    let settled = wait_until(Duration::from_mins(1), || {
        let args = format!("--bootstrap-server {server} --describe --group live --state");
        let state = Tools(Kind::Ours).run("kafka-consumer-groups", &args).stdout;
        state.lines().any(|line| line.contains(" Stable ") && line.trim_end().ends_with(&format!(" {count}")))
    });
    assert!(settled, "the group does not settle with {count} members");
    // They commit every five seconds.
    let committed = wait_until(Duration::from_mins(1), || {
        let args = format!("--bootstrap-server {server} --describe --group live");
        !Tools(Kind::Ours).run("kafka-consumer-groups", &args).stdout.contains(" -  ")
    });
    assert!(committed, "the group commits nothing");
}
