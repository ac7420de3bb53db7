//! The sticky assignors: even shares, with as few moves as possible.
//!
//! First everybody keeps what it has (a partition that two claim belongs to the one of the later generation, or to
//! neither). Then what is free goes to who has least. Then partitions move, one by one, from who has most to who has at
//! least two fewer, which ends because each move makes the shares more even. In a cooperative group what moved from a
//! member that still holds it is not given to its new owner yet: the old one gives it up in this rebalance, the new one
//! gets it in the next. In an eager one nobody holds anything any more.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kafka_types::TopicPartition;

use super::{Assignment, Member, PartitionCounts};

/// Shares out the partitions among members that still hold what they own.
pub(super) fn assign(counts: &PartitionCounts, members: &[Member]) -> Assignment {
    shares(counts, members).without_what_is_held()
}

/// Shares out the partitions among members that have given up what they owned.
pub(super) fn assign_at_once(counts: &PartitionCounts, members: &[Member]) -> Assignment {
    let shares = shares(counts, members);
    let named = members.iter().zip(shares.held);
    named.map(|(member, share)| (member.member_id.clone(), share.into_iter().collect())).collect()
}

fn shares<'a>(counts: &PartitionCounts, members: &'a [Member]) -> Shares<'a> {
    let owners = owners(counts, members);
    let mut shares = Shares::new(members, &owners);
    // What few can read goes first: the others' shares even out by what many can.
    let mut topics: Vec<(&String, &i32)> = counts.iter().collect();
    topics.sort_by_key(|(topic, _)| shares.readers.get(topic.as_str()).map_or(0, Vec::len));
    for (topic, &count) in topics {
        for partition in 0..count {
            let partition = TopicPartition::new(topic.as_str(), partition);
            if !owners.contains_key(&partition) {
                shares.give(partition);
            }
        }
    }
    shares.even_out();
    shares
}

/// Who holds what, as far as it is undisputed and still wanted.
fn owners(counts: &PartitionCounts, members: &[Member]) -> HashMap<TopicPartition, usize> {
    let mut claims: HashMap<&TopicPartition, (i32, Option<usize>)> = HashMap::new();
    for (index, member) in members.iter().enumerate() {
        for partition in &member.owned {
            let claim = claims.entry(partition).or_insert((member.generation, Some(index)));
            if claim.1 == Some(index) || member.generation < claim.0 {
                continue;
            }
            *claim = (member.generation, (member.generation > claim.0).then_some(index));
        }
    }
    let is_wanted = |partition: &TopicPartition, index: usize| {
        let exists = counts.get(&*partition.topic).is_some_and(|count| (0..*count).contains(&partition.partition));
        exists && members[index].topics.contains(&*partition.topic)
    };
    claims
        .into_iter()
        .filter_map(|(partition, (_, owner))| owner.map(|owner| (partition, owner)))
        .filter(|(partition, owner)| is_wanted(partition, *owner))
        .map(|(partition, owner)| (partition.clone(), owner))
        .collect()
}

struct Shares<'a> {
    members: &'a [Member],
    /// By member; sorted, so that the outcome depends on nothing but the question.
    held: Vec<BTreeSet<TopicPartition>>,
    /// What each member said that it had.
    own: Vec<HashSet<&'a TopicPartition>>,
    /// Members in order of id, which is the order of ties.
    order: Vec<usize>,
    readers: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Shares<'a> {
    fn new(members: &'a [Member], owners: &HashMap<TopicPartition, usize>) -> Shares<'a> {
        let mut shares = vec![BTreeSet::new(); members.len()];
        for (partition, &owner) in owners {
            shares[owner].insert(partition.clone());
        }
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by_key(|&index| &members[index].member_id);
        let mut readers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for &index in &order {
            for topic in &members[index].topics {
                readers.entry(topic).or_default().push(index);
            }
        }
        let own = members.iter().map(|member| member.owned.iter().collect()).collect();
        Shares { members, held: shares, own, order, readers }
    }

    /// The reader of a topic that has least.
    fn poorest(&self, topic: &str) -> Option<usize> {
        self.readers.get(topic)?.iter().copied().min_by_key(|&index| self.held[index].len())
    }

    fn give(&mut self, partition: TopicPartition) {
        if let Some(index) = self.poorest(&partition.topic) {
            self.held[index].insert(partition);
        }
    }

    /// One at a time from whoever has most, so that nobody gives more than needed.
    fn even_out(&mut self) {
        while let Some((from, partition, to)) = self.next_move() {
            self.held[from].remove(&partition);
            self.held[to].insert(partition);
        }
    }

    /// What nobody had before moves first, wherever it is.
    fn next_move(&self) -> Option<(usize, TopicPartition, usize)> {
        let mut richest_first = self.order.clone();
        richest_first.sort_by_key(|&index| std::cmp::Reverse(self.held[index].len()));
        [false, true].into_iter().find_map(|its_own| {
            richest_first.iter().find_map(|&from| {
                // From the back: who keeps a share keeps its front, as the range before it.
                let candidates = self.held[from].iter().rev();
                candidates.filter(|one| self.own[from].contains(one) == its_own).find_map(|partition| {
                    let to = self.poorest(&partition.topic)?;
                    (self.held[to].len() + 1 < self.held[from].len()).then(|| (from, partition.clone(), to))
                })
            })
        })
    }

    /// Without what somebody else still holds.
    fn without_what_is_held(self) -> Assignment {
        let claimed: HashSet<&TopicPartition> = self.members.iter().flat_map(|member| &member.owned).collect();
        let members = self.members.iter().zip(self.held).zip(&self.own);
        let assignment = members.map(|((member, share), own)| {
            let may_take = |partition: &TopicPartition| own.contains(partition) || !claimed.contains(partition);
            (member.member_id.clone(), share.into_iter().filter(may_take).collect())
        });
        assignment.collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts() -> PartitionCounts {
        [("t".to_owned(), 6), ("u".to_owned(), 3)].into()
    }

    fn member(id: &str, topics: &[&str]) -> Member {
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        Member { member_id: id.into(), topics, generation: -1, ..Member::default() }
    }

    /// What members hold after they followed an assignment.
    fn follow(members: &mut [Member], assignment: &Assignment, generation: i32) {
        for member in members {
            member.owned.clone_from(&assignment[&member.member_id]);
            member.generation = generation;
        }
    }

    /// Rebalances until nothing changes, as cooperative members do; how many rebalances that took.
    fn settle(members: &mut [Member], from: i32) -> i32 {
        for generation in from..from + 10 {
            let before: Vec<_> = members.iter().map(|member| member.owned.clone()).collect();
            let assignment = assign(&counts(), members);
            follow(members, &assignment, generation);
            if members.iter().map(|member| &member.owned).eq(&before) {
                return generation - from;
            }
        }
        panic!("it never settles: {members:?}");
    }

    #[test]
    fn a_new_member_gets_its_share_in_the_second_rebalance() {
        let mut members = vec![member("a", &["t"])];
        settle(&mut members, 1);
        assert_eq!(members[0].owned.len(), 6);
        members.push(member("b", &["t"]));
        let first = assign(&counts(), &members);
        assert_eq!((first["a"].len(), first["b"].len()), (3, 0), "given up first");
        follow(&mut members, &first, 5);
        let second = assign(&counts(), &members);
        assert_eq!((second["a"].len(), second["b"].len()), (3, 3));
        assert_eq!(first["a"], second["a"]);
    }

    #[test]
    fn who_stays_keeps_all_when_another_leaves() {
        let mut members = vec![member("a", &["t"]), member("b", &["t"]), member("c", &["t"])];
        settle(&mut members, 1);
        let before = members.clone();
        members.remove(1);
        settle(&mut members, 5);
        for (member, before) in members.iter().zip([&before[0], &before[2]]) {
            assert!(before.owned.iter().all(|partition| member.owned.contains(partition)));
            assert_eq!(member.owned.len(), 3);
        }
    }

    #[test]
    fn a_member_out_of_the_past_does_not_take_what_others_have() {
        let t0 = TopicPartition::new("t", 0);
        let mut members = [member("a", &["t"]), member("b", &["t"])];
        for (member, generation) in members.iter_mut().zip([3, 7]) {
            member.owned = vec![t0.clone()];
            member.generation = generation;
        }
        assert_eq!(owners(&counts(), &members), [(t0.clone(), 1)].into());
        members[0].generation = 7;
        assert_eq!(owners(&counts(), &members), HashMap::new(), "two claim it: neither has it");
    }

    proptest! {
        #[test]
        fn all_is_shared_out_evenly_and_no_partition_twice(
            wants in prop::collection::vec(0..3u8, 1..8), leaves in any::<prop::sample::Index>(),
        ) {
            let topics: [&[&str]; 3] = [&["t"], &["u"], &["t", "u"]];
            let mut members: Vec<_> = wants
                .iter()
                .enumerate()
                .map(|(index, want)| member(&index.to_string(), topics[*want as usize]))
                .collect();
            let mut generation = 1 + settle(&mut members, 1);
            members.remove(leaves.index(members.len()));
            members.push(member("new", &["t", "u"]));
            generation += settle(&mut members, generation);
            let mut seen = BTreeSet::new();
            for member in &members {
                for partition in &member.owned {
                    prop_assert!(seen.insert(partition.clone()), "{partition} twice");
                    prop_assert!(member.topics.contains(&*partition.topic));
                }
            }
            let read: BTreeSet<_> = members.iter().flat_map(|member| &member.topics).collect();
            let expected: i32 = counts().iter().filter(|(topic, _)| read.contains(topic)).map(|(_, count)| count).sum();
            prop_assert_eq!(seen.len() as i32, expected, "generation {}", generation);
            for a in &members {
                for b in &members {
                    let could_take = a.owned.iter().any(|partition| b.topics.contains(&*partition.topic));
                    prop_assert!(!could_take || a.owned.len() <= b.owned.len() + 1, "{a:?} {b:?}");
                }
            }
        }
    }
}
