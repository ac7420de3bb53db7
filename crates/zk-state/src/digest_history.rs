//! The tree's digest at every 128th transaction, for `hash`: two servers that hold the same can be compared by it.

use std::collections::VecDeque;

use crate::digest::TreeDigest;
use zk_proto::Zxid;

const EVERY: i64 = 128;
const KEPT: usize = 1024;

/// The last digests.
#[derive(Debug, Clone, Default)]
pub struct DigestHistory {
    kept: VecDeque<(Zxid, TreeDigest)>,
}

impl DigestHistory {
    /// `zxid` is applied, and the digest is this.
    pub fn note(&mut self, zxid: Zxid, digest: TreeDigest) {
        if zxid.0 % EVERY != 0 {
            return;
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((zxid, digest));
    }

    /// Zxid and digest, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Zxid, TreeDigest)> {
        self.kept.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_128th_and_the_last_1024() {
        let mut history = DigestHistory::default();
        (1..=128 * 1030).for_each(|zxid| history.note(Zxid(zxid), TreeDigest(zxid)));
        let kept: Vec<i64> = history.iter().map(|(zxid, _)| zxid.0).collect();
        assert_eq!((kept.len(), kept[0], kept[1023]), (1024, 128 * 7, 128 * 1030));
    }
}
