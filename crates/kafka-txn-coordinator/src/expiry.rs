//! What time does: transactions that are open for too long are aborted, ids that nobody uses are forgotten.

use std::sync::Arc;

use time_types::WallMillis;

use crate::config::Config;
use crate::transaction::{State, Transaction};

/// Beside the id, the bytes of a record that deletes it.
const DELETION_BYTES: usize = 32;

impl Transaction {
    /// Open for longer than its producer has said.
    pub(crate) fn is_timed_out(&self, now: WallMillis) -> bool {
        self.facts.state == State::Ongoing
            && self.pending.is_none()
            && self.facts.started + i64::from(self.facts.timeout_ms) < now
    }

    /// Nobody used it for long.
    pub(crate) fn is_expired(&self, now: WallMillis, config: &Config) -> bool {
        self.facts.state.is_at_rest() && self.pending.is_none() && now - self.facts.updated >= config.id_expiration_ms
    }
}

/// Ids in lots whose deletions fit into one batch each.
pub(crate) fn in_batches(ids: Vec<Arc<str>>, bytes_max: usize) -> Vec<Vec<Arc<str>>> {
    let mut batches: Vec<Vec<Arc<str>>> = Vec::new();
    let mut bytes = usize::MAX;
    for id in ids {
        let size = id.len() + DELETION_BYTES;
        match batches.last_mut() {
            Some(batch) if bytes.saturating_add(size) <= bytes_max => {
                bytes += size;
                batch.push(id);
            }
            _ => {
                // The header of the batch.
                bytes = 61 + size;
                batches.push(vec![id]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_are_cut_into_batches_that_fit() {
        let ids: Vec<Arc<str>> = (0..10).map(|n| Arc::from(format!("id-{n}"))).collect();
        let sizes: Vec<usize> = in_batches(ids, 61 + 3 * 36).iter().map(Vec::len).collect();
        assert_eq!(sizes, [3, 3, 3, 1]);
        assert_eq!(in_batches(vec![Arc::from("longer than fits")], 10).len(), 1);
    }
}
