//! Which replica leads: pure functions of who holds a partition, who is in sync and who lives.
//!
//! All of them keep the order of the assignment: the first that may lead does.

use kafka_types::BrokerId;

/// A leader and the in-sync replicas with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elected {
    /// Who leads.
    pub leader: BrokerId,
    /// Who is in sync.
    pub isr: Vec<BrokerId>,
    /// The leader was not in sync: records may be lost.
    pub unclean: bool,
}

/// What an election looks at.
pub struct Ballot<'a, L: Fn(BrokerId) -> bool> {
    /// Who holds the partition, the preferred leader first.
    pub replicas: &'a [BrokerId],
    /// Who is in sync.
    pub isr: &'a [BrokerId],
    /// Who may serve.
    pub is_live: L,
}

impl<L: Fn(BrokerId) -> bool> Ballot<'_, L> {
    fn live_in_isr(&self, id: BrokerId) -> bool {
        self.isr.contains(&id) && (self.is_live)(id)
    }

    /// The leader of a partition that never had one: the first that lives; everybody who lives is in sync.
    pub fn first(&self) -> Option<Elected> {
        let isr: Vec<BrokerId> = self.replicas.iter().copied().filter(|&id| (self.is_live)(id)).collect();
        isr.first().map(|&leader| Elected { leader, isr: isr.clone(), unclean: false })
    }

    /// The leader of a partition that lost its own: the first that lives and is in sync; if there is none and `unclean`
    /// elections are allowed, the first that lives, alone in sync.
    pub fn offline(&self, unclean: bool) -> Option<Elected> {
        if let Some(leader) = self.replicas.iter().copied().find(|&id| self.live_in_isr(id)) {
            let isr = self.isr.iter().copied().filter(|&id| (self.is_live)(id)).collect();
            return Some(Elected { leader, isr, unclean: false });
        }
        let leader = self.replicas.iter().copied().find(|&id| unclean && (self.is_live)(id))?;
        Some(Elected { leader, isr: vec![leader], unclean: true })
    }

    /// The first replica, if it lives and is in sync.
    pub fn preferred(&self) -> Option<Elected> {
        let leader = self.replicas.first().copied().filter(|&id| self.live_in_isr(id))?;
        Some(Elected { leader, isr: self.isr.to_vec(), unclean: false })
    }

    /// The leader when a reassignment ends: the first of those that stay (`replicas`) that lives and is in sync.
    pub fn reassigned(&self) -> Option<Elected> {
        let leader = self.replicas.iter().copied().find(|&id| self.live_in_isr(id))?;
        Some(Elected { leader, isr: self.isr.to_vec(), unclean: false })
    }

    /// The leader when brokers stop in an orderly way: the first that lives, is in sync and does not stop; those that
    /// stop leave the in-sync replicas.
    pub fn without(&self, stopping: impl Fn(BrokerId) -> bool) -> Option<Elected> {
        let leader = self.replicas.iter().copied().find(|&id| self.live_in_isr(id) && !stopping(id))?;
        let isr = self.isr.iter().copied().filter(|&id| !stopping(id)).collect();
        Some(Elected { leader, isr, unclean: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLICAS: [BrokerId; 3] = [BrokerId(1), BrokerId(2), BrokerId(3)];

    fn ids(ids: &[i32]) -> Vec<BrokerId> {
        ids.iter().copied().map(BrokerId).collect()
    }

    fn show(elected: Option<Elected>) -> Option<(i32, Vec<i32>, bool)> {
        elected.map(|found| (found.leader.0, found.isr.iter().map(|id| id.0).collect(), found.unclean))
    }

    /// Votes with replicas 1, 2, 3.
    fn vote(isr: &[i32], live: &[i32], rule: &str) -> Option<(i32, Vec<i32>, bool)> {
        let ballot = Ballot { replicas: &REPLICAS, isr: &ids(isr), is_live: |id: BrokerId| live.contains(&id.0) };
        show(match rule {
            "first" => ballot.first(),
            "clean" => ballot.offline(false),
            "unclean" => ballot.offline(true),
            "preferred" => ballot.preferred(),
            "without 1" => ballot.without(|id| id == BrokerId(1)),
            other => panic!("no rule {other}"),
        })
    }

    #[test]
    fn the_first_leader_is_the_first_that_lives() {
        assert_eq!(vote(&[], &[2, 3], "first"), Some((2, vec![2, 3], false)));
        assert_eq!(vote(&[], &[9], "first"), None);
    }

    #[test]
    fn who_is_in_sync_goes_before_who_is_first() {
        assert_eq!(vote(&[1, 2], &[2, 3], "clean"), Some((2, vec![2], false)));
        assert_eq!(vote(&[1, 2], &[3], "clean"), None);
        assert_eq!(vote(&[1, 2], &[3], "unclean"), Some((3, vec![3], true)));
        assert_eq!(vote(&[1, 2], &[2], "unclean"), Some((2, vec![2], false)));
        assert_eq!(vote(&[1], &[], "unclean"), None);
    }

    #[test]
    fn only_the_first_replica_is_preferred() {
        assert_eq!(vote(&[2, 1], &[1, 2], "preferred"), Some((1, vec![2, 1], false)));
        assert_eq!(vote(&[2, 3], &[1, 2, 3], "preferred"), None);
        assert_eq!(vote(&[1, 2], &[2], "preferred"), None);
    }

    #[test]
    fn who_stops_hands_over_and_leaves() {
        assert_eq!(vote(&[1, 3], &[1, 2, 3], "without 1"), Some((3, vec![3], false)));
        assert_eq!(vote(&[1], &[1, 2, 3], "without 1"), None);
    }

    #[test]
    fn a_move_ends_with_a_leader_among_those_that_stay() {
        let target = ids(&[3, 2]);
        let ballot = Ballot { replicas: &target, isr: &ids(&[1, 2]), is_live: |_| true };
        assert_eq!(show(ballot.reassigned()), Some((2, vec![1, 2], false)));
    }
}
