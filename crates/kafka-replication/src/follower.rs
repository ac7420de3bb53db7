//! What a follower decides: where to truncate, how far it may say "committed".

use kafka_types::{LeaderEpoch, Offset};

/// The leader's word that our log has left its history: its log agrees with ours up to here at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Divergence {
    /// The largest epoch of the leader's that is not above our last one.
    pub epoch: LeaderEpoch,
    /// The offset after its last record in the leader's log.
    pub end: Offset,
}

/// Where to cut a log that ends at `log_end` after a divergence. `ours` is our own end of the leader's epoch, or of
/// the largest one below it; `None` if we have no such epoch, then only the leader's word counts.
///
/// Cutting by epoch and not by high watermark is what keeps two replicas from keeping different records at one offset
/// (KIP-101, KIP-279).
pub fn truncate_to(divergence: Divergence, ours: Option<(LeaderEpoch, Offset)>, log_end: Offset) -> Offset {
    let agreed = match ours {
        Some((epoch, end)) if epoch == divergence.epoch => end.min(divergence.end),
        Some((_, end)) => end,
        None => divergence.end,
    };
    agreed.min(log_end)
}

/// The high watermark of a follower: the leader's, but never above what it holds itself.
pub fn high_watermark(leaders: Offset, log_end: Offset) -> Offset {
    leaders.min(log_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_cuts_what_its_leader_never_had() {
        // We led epoch 1 alone up to 120; the new leader's log has epoch 1 up to 100 only.
        let divergence = Divergence { epoch: LeaderEpoch(1), end: Offset(100) };
        assert_eq!(truncate_to(divergence, Some((LeaderEpoch(1), Offset(120))), Offset(120)), Offset(100));
        // The leader names an epoch that we never saw: our own end of the one below is all that can agree.
        let divergence = Divergence { epoch: LeaderEpoch(3), end: Offset(100) };
        assert_eq!(truncate_to(divergence, Some((LeaderEpoch(1), Offset(80))), Offset(120)), Offset(80));
        assert_eq!(truncate_to(divergence, None, Offset(90)), Offset(90));
    }

    #[test]
    fn a_follower_never_claims_more_than_it_holds() {
        assert_eq!(high_watermark(Offset(10), Offset(7)), Offset(7));
        assert_eq!(high_watermark(Offset(5), Offset(7)), Offset(5));
    }
}
