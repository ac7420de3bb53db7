//! One group with members of both kinds: ours and Java's agree on who reads what, also when one comes or goes.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::{Broker, JvmPermit, Kind, TempDir, Terminal, Tools, ZooKeeper, full, wait_until};

use Kind::{Apache, Ours};

const PER_ROUND: usize = 24;
/// From one round to the next.
const PACE: Duration = Duration::from_millis(200);

#[test]
fn members_of_both_kinds_share_a_group() {
    let _permit = JvmPermit::take();
    share(Ours, DEFAULT);
    if full() {
        share(Apache, DEFAULT);
        for assignor in ["StickyAssignor", "CooperativeStickyAssignor", "RoundRobinAssignor"] {
            share(Ours, &format!("org.apache.kafka.clients.consumer.{assignor}"));
        }
    }
}

/// What members have that are told nothing of assignors.
const DEFAULT: &str =
    "org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

fn share(kind: Kind, assignors: &str) {
    let dir = TempDir::new("mixed-group");
    let zookeeper = ZooKeeper::start(kind, &dir.join("zookeeper"));
    let broker = Broker::start(kind, &dir.join("kafka"), &zookeeper.address());
    let server = broker.address();
    let created =
        Tools(Ours).run("kafka-topics", &format!("--create --topic shared --partitions 4 --bootstrap-server {server}"));
    assert_eq!(created.code, 0, "{}", created.stdout);
    // The leader of the group is the first that joins: each kind leads once.
    for first in [Ours, Apache] {
        let second = if first == Ours { Apache } else { Ours };
        let name = format!("led-by-{first:?}");
        let leader = member(first, &server, &name, assignors);
        let mut sent = round(&server, &name, 0);
        await_lines(&[&leader], &sent);
        let follower = member(second, &server, &name, assignors);
        let both = [&leader, &follower];
        let mut number = 1;
        // The other one may take seconds to come up; until then the leader reads all.
        let both_read = wait_until(Duration::from_mins(1), || {
            std::thread::sleep(PACE);
            sent.extend(round(&server, &name, number));
            await_lines(&both, &sent);
            number += 1;
            !shares(&both, &name).contains(&0)
        });
        assert!(both_read, "{first:?} leads, and one of the two gets nothing");
        // Who goes gives back what it had, and nothing is read twice.
        ends(follower);
        sent.extend(round(&server, &name, number));
        let before = sent.len() - PER_ROUND;
        await_lines(&[&leader], &sent[before..]);
        ends(leader);
    }
}

fn member(kind: Kind, server: &str, group: &str, assignors: &str) -> Terminal {
    let mut command = Tools(kind).command("kafka-console-consumer");
    command.args(["--bootstrap-server", server, "--topic", "shared", "--group", group, "--from-beginning"]);
    command.args(["--consumer-property", &format!("partition.assignment.strategy={assignors}")]);
    Terminal::start(command)
}

/// Sends some records with different keys; returns their values.
fn round(server: &str, name: &str, number: usize) -> Vec<String> {
    let values: Vec<String> = (0..PER_ROUND).map(|i| format!("{name}/{number}/{i}")).collect();
    let lines: Vec<String> = values.iter().map(|value| format!("{value}:{value}")).collect();
    let args = format!(
        "--bootstrap-server {server} --topic shared --timeout 0 --property parse.key=true --property key.separator=:"
    );
    let output = Tools(Ours).run_with_input("kafka-console-producer", &args, &(lines.join("\n") + "\n"));
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    values
}

/// Each of the lines has come, to whichever member, and none twice.
fn await_lines(members: &[&Terminal], wanted: &[String]) {
    let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    let seen = || {
        let screens: Vec<String> = members.iter().map(|member| member.screen()).collect();
        let lines = screens.iter().flat_map(|screen| screen.lines()).filter(|line| wanted.contains(line));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let all = wait_until(Duration::from_mins(1), || seen().into_iter().collect::<BTreeSet<_>>().len() == wanted.len());
    let seen = seen();
    let screens = || members.iter().map(|member| member.screen()).collect::<Vec<_>>().join("\n--\n");
    assert!(all, "{} of {} lines came:\n{}", seen.len(), wanted.len(), screens());
    assert_eq!(seen.len(), wanted.len(), "a line came twice:\n{}", screens());
}

/// How many lines each member got after the first round, which only one of them was there for.
fn shares(members: &[&Terminal], name: &str) -> Vec<usize> {
    let first = format!("{name}/0/");
    let count = |member: &&Terminal| {
        let screen = member.screen();
        screen.lines().filter(|line| line.starts_with(name) && !line.starts_with(&first)).count()
    };
    members.iter().map(count).collect()
}

fn ends(mut member: Terminal) {
    member.ctrl_c();
    let (screen, code) = member.end();
    assert_eq!(code, 130, "{screen}");
    assert!(screen.contains("Processed a total of "), "{screen}");
}
