//! Random groups, shared out by Java's assignors of 3.9.1: `tests/golden/assignors/assignments.txt`.

use super::*;

const TEXT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/assignors/assignments.txt"));

struct Case {
    line: usize,
    assignor: Assignor,
    counts: PartitionCounts,
    members: Vec<Member>,
    expected: Assignment,
}

fn cases() -> Vec<Case> {
    let lines = TEXT.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    lines.map(|(at, line)| case(at + 1, line)).collect()
}

fn case(line: usize, text: &str) -> Case {
    let (question, answer) = text.split_once(" =").unwrap();
    let mut words = question.split(' ');
    let assignor = match words.next().unwrap() {
        "range" => Assignor::Range,
        "roundrobin" => Assignor::RoundRobin,
        "sticky" => Assignor::Sticky,
        "cooperative-sticky" => Assignor::CooperativeSticky,
        other => panic!("{other}"),
    };
    let count = |text: &str| {
        let (topic, count) = text.split_once('=').unwrap();
        (topic.to_owned(), count.parse().unwrap())
    };
    let counts = words.next().unwrap().split(',').filter(|count| !count.is_empty()).map(count).collect();
    let expected = answer.split_whitespace().map(|share| {
        let (id, share) = share.split_once(':').unwrap();
        (id.to_owned(), partitions(share))
    });
    Case { line, assignor, counts, members: words.map(member).collect(), expected: expected.collect() }
}

/// `id/instance/topics/owned/generation`.
fn member(text: &str) -> Member {
    let fields: Vec<&str> = text.split('/').collect();
    Member {
        member_id: fields[0].to_owned(),
        group_instance_id: Some(fields[1].to_owned()).filter(|name| !name.is_empty()),
        topics: fields[2].split(',').map(str::to_owned).collect(),
        owned: partitions(fields[3]),
        generation: fields[4].parse().unwrap(),
    }
}

/// `a0,b12`: topics have names of one letter.
fn partitions(text: &str) -> Vec<TopicPartition> {
    let one = |text: &str| TopicPartition::new(&text[..1], text[1..].parse().unwrap());
    text.split(',').filter(|text| !text.is_empty()).map(one).collect()
}

#[test]
fn range_and_round_robin_are_javas() {
    let mut count = 0;
    for case in cases() {
        if matches!(case.assignor, Assignor::Sticky | Assignor::CooperativeSticky) {
            continue;
        }
        count += 1;
        let shared = case.assignor.assign(&case.counts, &case.members);
        assert_eq!(shared, case.expected, "line {} ({:?})", case.line, case.assignor);
    }
    assert!(count >= 100, "{count}");
}

/// Who gets more in a tie follows the order of Java's hash maps. What a group sees is how even the shares are, what
/// stays where it is, and that nobody gets what another still holds.
#[test]
fn sticky_shares_are_as_even_and_stay_as_much_as_javas() {
    let mut count = 0;
    for case in cases() {
        if !matches!(case.assignor, Assignor::Sticky | Assignor::CooperativeSticky) {
            continue;
        }
        count += 1;
        let shared = case.assignor.assign(&case.counts, &case.members);
        let sizes = |shares: &Assignment| {
            let mut sizes: Vec<usize> = shares.values().map(Vec::len).collect();
            sizes.sort_unstable();
            sizes
        };
        let kept = |shares: &Assignment| {
            let stays =
                |member: &Member| shares[&member.member_id].iter().filter(|one| member.owned.contains(one)).count();
            case.members.iter().map(stays).sum::<usize>()
        };
        let same_topics = case.members.iter().all(|member| member.topics == case.members[0].topics);
        if same_topics {
            assert_eq!(sizes(&shared), sizes(&case.expected), "line {}", case.line);
        }
        assert!(kept(&shared) >= kept(&case.expected), "line {}: {shared:?}, Java {:?}", case.line, case.expected);
        for (id, share) in shared.iter().filter(|_| case.assignor == Assignor::CooperativeSticky) {
            for one in share {
                let holder = case.members.iter().find(|member| member.owned.contains(one));
                assert!(holder.is_none_or(|holder| holder.member_id == *id), "line {}: {one} of {id}", case.line);
            }
        }
    }
    assert!(count >= 200, "{count}");
}
