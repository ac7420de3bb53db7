//! Which brokers hold the replicas of a new topic's partitions: Apache's algorithm, given its two random numbers.
//!
//! Without racks: the first replicas go round the brokers from a start, the others follow at a distance that grows by
//! one each time the partitions have gone round all brokers. With racks the brokers are ordered so that neighbours
//! stand in different racks, and a rack is used twice only when all were used once.

use std::collections::{BTreeMap, BTreeSet};

use kafka_types::BrokerId;
use thiserror::Error;

/// A broker that may hold replicas.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// Its number.
    pub id: BrokerId,
    /// Where it stands.
    pub rack: Option<String>,
}

/// What shall be placed, and the two random numbers that spread topics over the brokers. Apache draws both below the
/// number of brokers for a new topic; for added partitions it derives them from the replicas of the first one (see
/// [`start_for_added`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// How many partitions.
    pub partitions: i32,
    /// Replicas of each.
    pub replication_factor: i32,
    /// The number of the first partition: 0 for a new topic, else how many there are.
    pub first_partition: i32,
    /// Index (not id) of the broker that leads partition `start` if that were 0.
    pub start: usize,
    /// Distance of the second replica from the first at the beginning.
    pub shift: usize,
}

/// Why nothing can be placed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlacementError {
    /// No partitions.
    #[error("Number of partitions must be larger than 0.")]
    NoPartitions,
    /// No replicas.
    #[error("Replication factor must be larger than 0.")]
    NoReplicas,
    /// Fewer brokers than replicas.
    #[error("Replication factor: {wanted} larger than available brokers: {there}.")]
    TooFewBrokers {
        /// Replicas asked for.
        wanted: i32,
        /// Brokers that live.
        there: usize,
    },
    /// Some brokers say where they stand and others do not, so that racks cannot be told apart.
    #[error("Not all brokers have rack information for replica rack aware assignment.")]
    SomeRacksMissing,
}

/// Replicas by partition number, the preferred leader first. Without racks the brokers stand in the circle in the order
/// given; racks count if every broker has one.
pub fn place(candidates: &[Candidate], wanted: Placement) -> Result<BTreeMap<i32, Vec<BrokerId>>, PlacementError> {
    if wanted.partitions <= 0 {
        return Err(PlacementError::NoPartitions);
    }
    if wanted.replication_factor <= 0 {
        return Err(PlacementError::NoReplicas);
    }
    if wanted.replication_factor as usize > candidates.len() {
        return Err(PlacementError::TooFewBrokers { wanted: wanted.replication_factor, there: candidates.len() });
    }
    let with_rack = candidates.iter().filter(|candidate| candidate.rack.is_some()).count();
    if with_rack == 0 {
        return Ok(without_racks(candidates, wanted));
    }
    if with_rack < candidates.len() {
        return Err(PlacementError::SomeRacksMissing);
    }
    Ok(with_racks(candidates, wanted))
}

/// `start` and `shift` for partitions that are added to a topic: the index of the preferred leader of its partition 0
/// among the brokers, so that the old round goes on. The brokers must be in the order of their ids.
pub fn start_for_added(candidates: &[Candidate], replicas_of_first: &[BrokerId]) -> usize {
    let leader = replicas_of_first.first().copied().unwrap_or(BrokerId::NONE);
    candidates.iter().position(|candidate| candidate.id >= leader).unwrap_or(0)
}

fn without_racks(candidates: &[Candidate], wanted: Placement) -> BTreeMap<i32, Vec<BrokerId>> {
    let ids: Vec<BrokerId> = candidates.iter().map(|candidate| candidate.id).collect();
    let mut placed = BTreeMap::new();
    let mut shift = wanted.shift;
    for partition in wanted.first_partition..wanted.first_partition + wanted.partitions {
        if partition > 0 && (partition as usize).is_multiple_of(ids.len()) {
            shift += 1;
        }
        let first = (partition as usize + wanted.start) % ids.len();
        let others = (0..wanted.replication_factor as usize - 1)
            .map(|replica| ids[replica_index(first, shift, replica, ids.len())]);
        placed.insert(partition, std::iter::once(ids[first]).chain(others).collect());
    }
    placed
}

/// Index of the replica after next but `replica`, counted from the first one: never the first one itself.
fn replica_index(first: usize, shift: usize, replica: usize, brokers: usize) -> usize {
    let distance = 1 + (shift + replica) % (brokers - 1);
    (first + distance) % brokers
}

fn with_racks(candidates: &[Candidate], wanted: Placement) -> BTreeMap<i32, Vec<BrokerId>> {
    let rack_of: BTreeMap<BrokerId, &str> =
        candidates.iter().map(|candidate| (candidate.id, candidate.rack.as_deref().unwrap_or_default())).collect();
    let racks: BTreeSet<&str> = rack_of.values().copied().collect();
    let arranged = alternate_racks(&rack_of);
    let brokers = arranged.len();
    let mut placed = BTreeMap::new();
    let mut shift = wanted.shift;
    for partition in wanted.first_partition..wanted.first_partition + wanted.partitions {
        if partition > 0 && (partition as usize).is_multiple_of(brokers) {
            shift += 1;
        }
        let first = (partition as usize + wanted.start) % brokers;
        let mut replicas = vec![arranged[first]];
        let mut used_racks = BTreeSet::from([rack_of[&arranged[first]]]);
        let mut used = BTreeSet::from([arranged[first]]);
        let mut step = 0;
        while replicas.len() < wanted.replication_factor as usize {
            let broker = arranged[replica_index(first, shift * racks.len(), step, brokers)];
            step += 1;
            let rack = rack_of[&broker];
            // A rack again only when every rack has one; a broker again never, except that all brokers are used.
            let rack_free = !used_racks.contains(rack) || used_racks.len() == racks.len();
            let broker_free = !used.contains(&broker) || used.len() == brokers;
            if rack_free && broker_free {
                replicas.push(broker);
                used_racks.insert(rack);
                used.insert(broker);
            }
        }
        placed.insert(partition, replicas);
    }
    placed
}

/// One broker of each rack in turn, racks and brokers in order, until all are listed.
fn alternate_racks(rack_of: &BTreeMap<BrokerId, &str>) -> Vec<BrokerId> {
    let mut by_rack: BTreeMap<&str, Vec<BrokerId>> = BTreeMap::new();
    for (&id, &rack) in rack_of {
        by_rack.entry(rack).or_default().push(id);
    }
    let longest = by_rack.values().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|turn| by_rack.values().filter_map(move |ids| ids.get(turn).copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(racks: &[Option<&str>]) -> Vec<Candidate> {
        let ids = (0..).map(BrokerId);
        ids.zip(racks).map(|(id, rack)| Candidate { id, rack: rack.map(str::to_owned) }).collect()
    }

    fn rows(placed: &BTreeMap<i32, Vec<BrokerId>>) -> Vec<Vec<i32>> {
        placed.values().map(|replicas| replicas.iter().map(|id| id.0).collect()).collect()
    }

    #[test]
    fn ten_partitions_on_five_brokers_go_round() {
        let wanted = Placement { partitions: 10, replication_factor: 3, first_partition: 0, start: 0, shift: 0 };
        let placed = place(&brokers(&[None; 5]), wanted).expect("enough brokers");
        assert_eq!(
            rows(&placed),
            [
                [0, 1, 2],
                [1, 2, 3],
                [2, 3, 4],
                [3, 4, 0],
                [4, 0, 1],
                [0, 2, 3],
                [1, 3, 4],
                [2, 4, 0],
                [3, 0, 1],
                [4, 1, 2]
            ]
        );
    }

    #[test]
    fn the_captured_topic_and_the_partitions_added_to_it() {
        // golden/znodes step 03 (Apache's broker had its brokers in this order and drew 0 twice) and step 08.
        let mut three = brokers(&[None; 3]);
        three.reverse();
        let wanted = Placement { partitions: 3, replication_factor: 3, first_partition: 0, start: 0, shift: 0 };
        let placed = place(&three, wanted).expect("enough brokers");
        assert_eq!(rows(&placed), [[2, 1, 0], [1, 0, 2], [0, 2, 1]]);

        three.reverse();
        let start = start_for_added(&three, &placed[&0]);
        let added = Placement { partitions: 2, first_partition: 3, start, shift: start, ..wanted };
        assert_eq!(rows(&place(&three, added).expect("enough brokers")), [[2, 1, 0], [0, 2, 1]]);
    }

    #[test]
    fn racks_alternate_and_repeat_only_when_all_were_used() {
        let candidates = brokers(&[Some("a"), Some("b"), Some("c"), Some("c"), Some("a"), Some("b")]);
        let wanted = Placement { partitions: 7, replication_factor: 3, first_partition: 0, start: 0, shift: 0 };
        let placed = place(&candidates, wanted).expect("enough brokers");
        assert_eq!(rows(&placed), [[0, 1, 2], [1, 2, 4], [2, 4, 5], [4, 5, 3], [5, 3, 0], [3, 0, 1], [0, 5, 3]]);
        for replicas in placed.values() {
            let racks: BTreeSet<_> = replicas.iter().map(|id| candidates[id.0 as usize].rack.clone()).collect();
            assert_eq!(racks.len(), 3);
        }
    }

    #[test]
    fn mistakes_in_apaches_words() {
        let two = brokers(&[None, None]);
        let wanted = Placement { partitions: 1, replication_factor: 3, first_partition: 0, start: 0, shift: 0 };
        let error = |candidates: &[Candidate], wanted| place(candidates, wanted).expect_err("refused").to_string();
        assert_eq!(error(&two, wanted), "Replication factor: 3 larger than available brokers: 2.");
        assert_eq!(error(&two, Placement { partitions: 0, ..wanted }), "Number of partitions must be larger than 0.");
        assert_eq!(
            error(&two, Placement { replication_factor: 0, ..wanted }),
            "Replication factor must be larger than 0."
        );
        assert!(place(&brokers(&[Some("a"), None, None]), wanted).is_err());
    }

    #[test]
    fn one_broker_holds_everything() {
        let wanted = Placement { partitions: 4, replication_factor: 1, first_partition: 0, start: 0, shift: 0 };
        assert_eq!(rows(&place(&brokers(&[None]), wanted).expect("one")), [[0], [0], [0], [0]]);
    }

    #[test]
    fn every_partition_has_different_brokers() {
        for count in 1..8_usize {
            for factor in 1..=count {
                for start in 0..count {
                    let racks: Vec<_> = (0..count).map(|broker| Some(["a", "b", "c"][broker % 3])).collect();
                    for candidates in [brokers(&vec![None; count]), brokers(&racks)] {
                        let wanted = Placement {
                            partitions: 20,
                            replication_factor: factor as i32,
                            first_partition: 3,
                            start,
                            shift: start,
                        };
                        for replicas in place(&candidates, wanted).expect("enough").values() {
                            let different: BTreeSet<_> = replicas.iter().collect();
                            assert_eq!(different.len(), factor);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_same_places_as_apaches() {
        let captured =
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/placement/assignments.txt"));
        for line in captured.lines().filter(|line| !line.starts_with('#')) {
            let (input, output) = line.split_once(" =").expect("both sides");
            let fields: Vec<&str> = input.split(' ').collect();
            let number = |index: usize| fields[index].parse::<i32>().expect("number");
            let candidate = |text: &str| {
                let (id, rack) = text.split_once(':').map_or((text, None), |(id, rack)| (id, Some(rack.to_owned())));
                Candidate { id: BrokerId(id.parse().expect("number")), rack }
            };
            let candidates: Vec<Candidate> = fields[0].split(',').map(candidate).collect();
            let wanted = Placement {
                partitions: number(1),
                replication_factor: number(2),
                start: number(3) as usize,
                shift: number(3) as usize,
                first_partition: number(4),
            };
            let placed = place(&candidates, wanted).expect("enough brokers");
            let show = |(partition, replicas): (&i32, &Vec<BrokerId>)| {
                let replicas: Vec<String> = replicas.iter().map(ToString::to_string).collect();
                format!(" {partition}:{}", replicas.join(","))
            };
            assert_eq!(placed.iter().map(show).collect::<String>(), output, "{input}");
        }
    }
}
