//! Replays what Apache's three brokers did (tests/golden/znodes) and compares every partition's znode.

use super::*;

/// The captured scenario of Apache's brokers: their znodes, step by step.
struct Capture(BTreeMap<String, (Option<String>, i32)>);

impl Capture {
    fn step(name: &str) -> Capture {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/znodes/");
        let text = std::fs::read_to_string(format!("{dir}{name}.jsonl")).expect("captured");
        Capture(text.lines().map(captured).collect())
    }

    fn text(&self, path: &str) -> String {
        self.0[path].0.clone().expect("data")
    }
}

/// One line of a capture: `{"path": .., "text": .., "version": ..}`, read without a JSON crate.
fn captured(line: &str) -> (String, (Option<String>, i32)) {
    let field = |name: &str| line.split_once(&format!("\"{name}\": ")).map(|(_, rest)| rest);
    let string = |rest: &str| {
        let mut out = String::new();
        let mut chars = rest[1..].chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => out.extend(chars.next()),
                c => out.push(c),
            }
        }
        out
    };
    let version = field("version").and_then(|rest| rest.split([',', '}']).next()?.parse().ok()).expect("version");
    (string(field("path").expect("path")), (field("text").map(string), version))
}

/// Every znode below /brokers/topics/NAME, with its data and version, as Apache's controller left it.
fn assert_same(world: &World, capture: &Capture, names: &[&str]) {
    for name in names {
        let below = |path: &str| path == topics::path(name) || path.starts_with(&format!("{}/", topics::path(name)));
        let theirs: Vec<_> = capture.0.iter().filter(|(path, _)| below(path)).collect();
        let ours: BTreeMap<String, (Option<String>, i32)> = world
            .znodes
            .nodes
            .iter()
            .filter(|(path, _)| below(path))
            .map(|(path, node)| (path.clone(), (world.znodes.text(path), node.version)))
            .collect();
        assert_eq!(ours.iter().collect::<Vec<_>>(), theirs, "{name}");
    }
}

fn leader_and_isr(text: &str) -> (i32, Vec<i32>) {
    let state = partition_state::PartitionState::decode(text.as_bytes()).expect("legal");
    (state.leader.0, raw(&state.isr))
}

/// Leaders propose what the capture shows, until every ISR is as captured.
fn catch_up(world: &mut World, capture: &Capture) {
    for (path, (text, _)) in &capture.0 {
        let parts: Vec<&str> = path.split('/').collect();
        let (["", "brokers", "topics", topic, "partitions", partition, "state"], Some(text)) = (parts.as_slice(), text)
        else {
            continue;
        };
        let Some(ours) = world.znodes.text(path) else { continue };
        let (leader, isr) = leader_and_isr(text);
        if leader_and_isr(&ours).1 != isr {
            world.alter(0, leader, topic, partition.parse().expect("number"), &isr);
        }
    }
}

#[test]
fn what_apaches_controller_did_with_the_same_events() {
    replay(0);
}

#[test]
fn the_same_when_answers_are_lost() {
    for lose_every in 1..12 {
        replay(lose_every);
    }
}

fn replay(lose_every: usize) {
    let started = Capture::step("01-broker-0-started");
    let mut world = World::new();
    world.lose_every = lose_every;
    let time = started.text("/controller").split('"').nth(7).expect("timestamp").parse().expect("number");
    world.now.wall = WallMillis(time);
    world.start(0);
    for path in ["/controller", "/controller_epoch", "/feature"] {
        assert_eq!(world.znodes.text(path), started.0[path].0, "{path}");
        assert_eq!(world.znodes.nodes[path].version, started.0[path].1, "{path}");
    }
    world.start(1);
    world.start(2);

    let created = Capture::step("03-topic-created");
    for name in ["golden", "manual"] {
        world.create_topic(name, &created.text(&topics::path(name)));
    }
    assert_same(&world, &created, &["golden", "manual"]);

    let added = Capture::step("08-partition-added");
    world.znodes.set(&topics::path("golden"), added.text(&topics::path("golden")).as_bytes());
    world.settle();
    assert_same(&world, &added, &["golden", "manual"]);

    world.kill(1);
    assert_same(&world, &Capture::step("09-leader-died"), &["golden", "manual"]);

    let back = Capture::step("10-leader-back");
    world.start(1);
    catch_up(&mut world, &back);
    assert_same(&world, &back, &["golden", "manual"]);

    let event = Event::ElectLeaders { token: ReplyToken(1), election: ElectionType::Preferred, partitions: None };
    world.tell(0, event);
    assert_same(&world, &Capture::step("12-preferred-election-b-after"), &["golden", "manual"]);

    world.kill(2);
    world.delete_topic("golden");
    assert_same(&world, &Capture::step("13-topic-deletion-a-in-progress-replica-down"), &["golden", "manual"]);

    let deleted = Capture::step("13-topic-deletion-b-complete");
    world.start(2);
    catch_up(&mut world, &deleted);
    assert_same(&world, &deleted, &["golden", "manual"]);
    assert!(!world.znodes.nodes.contains_key("/config/topics/golden"));
    assert_eq!(world.controllers[&0].context.epoch, ControllerEpoch(1));
}
