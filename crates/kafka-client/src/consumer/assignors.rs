//! Assignors: how a group's leader shares out partitions. Pure; the bytes around them are `kafka_wire`'s consumer
//! protocol.

use std::collections::{BTreeMap, BTreeSet};

use kafka_types::TopicPartition;

#[cfg(test)]
mod golden;
mod sticky;

/// Partitions per member id.
pub type Assignment = BTreeMap<String, Vec<TopicPartition>>;

/// How many partitions each topic has; topics that do not exist are missing.
pub type PartitionCounts = BTreeMap<String, i32>;

/// An assignor of `partition.assignment.strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Each topic by itself, in consecutive ranges.
    Range,
    /// All partitions of all topics, one by one.
    RoundRobin,
    /// Even shares that change as little as possible, though everything is given up before a join.
    Sticky,
    /// Even shares that change as little as possible; what moves is given up first and taken over in a second
    /// rebalance (KIP-429).
    CooperativeSticky,
}

/// Does a member give up everything before it joins, or only what it loses?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebalanceProtocol {
    /// Everything is given up before a join.
    Eager,
    /// What is not taken away is kept, and read on, during a rebalance.
    Cooperative,
}

/// A member, as its leader knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// Its id.
    pub member_id: String,
    /// Its name, if static.
    pub group_instance_id: Option<String>,
    /// What it wants to read.
    pub topics: BTreeSet<String>,
    /// What it had in `generation`.
    pub owned: Vec<TopicPartition>,
    /// Where `owned` comes from; -1 if it had nothing.
    pub generation: i32,
}

impl Assignor {
    /// From what stands in `partition.assignment.strategy`: Java's class, with or without its package.
    pub fn from_class(class: &str) -> Option<Assignor> {
        match class.rsplit('.').next()?.trim() {
            "RangeAssignor" => Some(Assignor::Range),
            "RoundRobinAssignor" => Some(Assignor::RoundRobin),
            "StickyAssignor" => Some(Assignor::Sticky),
            "CooperativeStickyAssignor" => Some(Assignor::CooperativeSticky),
            _ => None,
        }
    }

    /// Its name in JoinGroup.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::RoundRobin => "roundrobin",
            Assignor::Sticky => "sticky",
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// The better of the protocols that it can do.
    pub fn protocol(self) -> RebalanceProtocol {
        match self {
            Assignor::Range | Assignor::RoundRobin | Assignor::Sticky => RebalanceProtocol::Eager,
            Assignor::CooperativeSticky => RebalanceProtocol::Cooperative,
        }
    }

    /// Shares out the partitions; every member is in the result.
    pub fn assign(self, counts: &PartitionCounts, members: &[Member]) -> Assignment {
        let mut assignment: Assignment = members.iter().map(|member| (member.member_id.clone(), Vec::new())).collect();
        match self {
            Assignor::Range => range(counts, &in_order(members), &mut assignment),
            Assignor::RoundRobin => round_robin(counts, &in_order(members), &mut assignment),
            Assignor::Sticky => assignment = sticky::assign_at_once(counts, members),
            Assignor::CooperativeSticky => assignment = sticky::assign(counts, members),
        }
        assignment
    }
}

/// Static members first, by name, so that shares stay when they come back under new ids; then the others by id.
fn in_order(members: &[Member]) -> Vec<&Member> {
    let mut members: Vec<&Member> = members.iter().collect();
    members.sort_by_key(|member| match &member.group_instance_id {
        Some(instance) => (0, instance, &member.member_id),
        None => (1, &member.member_id, &member.member_id),
    });
    members
}

fn range(counts: &PartitionCounts, members: &[&Member], assignment: &mut Assignment) {
    for (topic, &count) in counts {
        let readers: Vec<_> = members.iter().filter(|member| member.topics.contains(topic)).collect();
        let (Ok(count), Ok(readers_count)) = (usize::try_from(count), i32::try_from(readers.len())) else { continue };
        if readers_count == 0 {
            continue;
        }
        let (share, left) = (count / readers.len(), count % readers.len());
        let mut next = 0;
        for (index, reader) in readers.into_iter().enumerate() {
            let end = next + share + usize::from(index < left);
            let partitions = (next..end).map(|partition| TopicPartition::new(topic.as_str(), partition as i32));
            assignment.entry(reader.member_id.clone()).or_default().extend(partitions);
            next = end;
        }
    }
}

fn round_robin(counts: &PartitionCounts, members: &[&Member], assignment: &mut Assignment) {
    let mut turn = 0;
    for (topic, &count) in counts {
        if !members.iter().any(|member| member.topics.contains(topic)) {
            continue;
        }
        for partition in 0..count {
            while !members[turn % members.len()].topics.contains(topic) {
                turn += 1;
            }
            let reader = members[turn % members.len()].member_id.clone();
            assignment.entry(reader).or_default().push(TopicPartition::new(topic.as_str(), partition));
            turn += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, topics: &[&str]) -> Member {
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        Member { member_id: id.into(), topics, generation: -1, ..Member::default() }
    }

    fn counts(counts: &[(&str, i32)]) -> PartitionCounts {
        counts.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect()
    }

    fn texts(assignment: &Assignment) -> Vec<String> {
        let text = |(id, partitions): (&String, &Vec<TopicPartition>)| {
            let partitions: Vec<_> = partitions.iter().map(ToString::to_string).collect();
            format!("{id}: {}", partitions.join(" "))
        };
        assignment.iter().map(text).collect()
    }

    #[test]
    fn range_gives_consecutive_partitions_topic_by_topic() {
        let members = [member("b", &["t", "u"]), member("a", &["t"])];
        let assignment = Assignor::Range.assign(&counts(&[("t", 3), ("u", 2), ("nobodys", 4)]), &members);
        assert_eq!(texts(&assignment), ["a: t-0 t-1", "b: t-2 u-0 u-1"]);
    }

    #[test]
    fn range_leaves_members_empty_if_there_are_too_few_partitions() {
        let members = [member("a", &["t"]), member("b", &["t"]), member("c", &["gone"])];
        assert_eq!(texts(&Assignor::Range.assign(&counts(&[("t", 1)]), &members)), ["a: t-0", "b: ", "c: "]);
    }

    #[test]
    fn static_members_keep_their_place_under_new_ids() {
        let named = |id: &str, name: &str| Member { group_instance_id: Some(name.into()), ..member(id, &["t"]) };
        let members = [member("a", &["t"]), named("z", "i1"), named("b", "i2")];
        assert_eq!(texts(&Assignor::Range.assign(&counts(&[("t", 3)]), &members)), ["a: t-2", "b: t-1", "z: t-0"]);
    }

    #[test]
    fn round_robin_goes_over_all_topics() {
        let members = [member("a", &["t", "u"]), member("b", &["t", "u"]), member("c", &["u"])];
        let assignment = Assignor::RoundRobin.assign(&counts(&[("t", 3), ("u", 2)]), &members);
        assert_eq!(texts(&assignment), ["a: t-0 t-2", "b: t-1 u-0", "c: u-1"]);
    }

    #[test]
    fn classes_are_known_by_their_last_name() {
        let class = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
        assert_eq!(Assignor::from_class(class), Some(Assignor::CooperativeSticky));
        assert_eq!(Assignor::from_class("RangeAssignor"), Some(Assignor::Range));
        let class = "org.apache.kafka.clients.consumer.StickyAssignor";
        assert_eq!(Assignor::from_class(class), Some(Assignor::Sticky));
        assert_eq!(Assignor::from_class("com.example.Mine"), None);
    }
}
