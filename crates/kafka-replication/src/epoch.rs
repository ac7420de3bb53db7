//! Fencing by leader epoch: who speaks of the past, and who knows more than we do.

use kafka_types::LeaderEpoch;

/// How a peer's leader epoch compares with ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fencing {
    /// The same epoch, or the peer did not say.
    Current,
    /// The peer is behind (`FENCED_LEADER_EPOCH`): it has to refresh its metadata.
    Fenced,
    /// The peer is ahead (`UNKNOWN_LEADER_EPOCH`): we have not heard of that epoch yet.
    Unknown,
}

/// Compares the epoch in a request with ours (KIP-320); a negative one stands for "not said".
pub fn check_epoch(ours: LeaderEpoch, theirs: LeaderEpoch) -> Fencing {
    match theirs.cmp(&ours) {
        _ if theirs < LeaderEpoch(0) => Fencing::Current,
        std::cmp::Ordering::Equal => Fencing::Current,
        std::cmp::Ordering::Less => Fencing::Fenced,
        std::cmp::Ordering::Greater => Fencing::Unknown,
    }
}

/// Does a role that the controller gives in epoch `offered` replace the one we have in `ours`? The same epoch does
/// not: it is a repetition (`STALE_CONTROLLER_EPOCH`).
pub fn takes_over(ours: Option<LeaderEpoch>, offered: LeaderEpoch) -> bool {
    ours.is_none_or(|ours| offered > ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_epochs_are_told_apart() {
        let ours = LeaderEpoch(5);
        assert_eq!(check_epoch(ours, LeaderEpoch(5)), Fencing::Current);
        assert_eq!(check_epoch(ours, LeaderEpoch::NONE), Fencing::Current);
        assert_eq!(check_epoch(ours, LeaderEpoch(-2)), Fencing::Current);
        assert_eq!(check_epoch(ours, LeaderEpoch(4)), Fencing::Fenced);
        assert_eq!(check_epoch(ours, LeaderEpoch(6)), Fencing::Unknown);
    }

    #[test]
    fn only_a_newer_role_replaces_one() {
        assert!(takes_over(None, LeaderEpoch(0)));
        assert!(takes_over(Some(LeaderEpoch(0)), LeaderEpoch(1)));
        assert!(!takes_over(Some(LeaderEpoch(1)), LeaderEpoch(1)));
        assert!(!takes_over(Some(LeaderEpoch(1)), LeaderEpoch(0)));
    }
}
