//! When is a produce satisfied, and may it be appended at all?

use kafka_types::{Acks, Offset};

/// How far a produce with acks=all has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not on every in-sync replica yet.
    Waiting,
    /// Committed.
    Done,
    /// Committed, but by fewer replicas than `min.insync.replicas` asks for: the ISR shrank after the append
    /// (`NOT_ENOUGH_REPLICAS_AFTER_APPEND`).
    TooFew,
}

/// May records with these acks be appended while the ISR has `in_sync` members? If not: `NOT_ENOUGH_REPLICAS`.
///
/// `min_in_sync` counts at most as many replicas as the partition has: `min.insync.replicas=2` on one replica refuses
/// nothing.
pub fn may_append(acks: Acks, in_sync: usize, min_in_sync: usize, replicas: usize) -> bool {
    acks != Acks::All || in_sync >= effective_min(min_in_sync, replicas)
}

/// How far the records below `end` have come.
pub(crate) fn progress(end: Offset, high_watermark: Offset, in_sync: usize, min_in_sync: usize) -> Progress {
    if high_watermark < end {
        Progress::Waiting
    } else if in_sync >= min_in_sync {
        Progress::Done
    } else {
        Progress::TooFew
    }
}

/// `min.insync.replicas`, but no more than there are replicas.
pub(crate) fn effective_min(min_in_sync: usize, replicas: usize) -> usize {
    min_in_sync.min(replicas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_acks_all_asks_for_in_sync_replicas() {
        assert!(!may_append(Acks::All, 1, 2, 3));
        assert!(may_append(Acks::All, 2, 2, 3));
        assert!(may_append(Acks::Leader, 1, 2, 3));
        assert!(may_append(Acks::All, 1, 2, 1));
    }
}
