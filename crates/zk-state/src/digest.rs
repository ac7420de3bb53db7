//! The tree's digest: a sum over all nodes of CRC-32 over path, data and counters, as transactions and snapshots carry it.
//!
//! It catches replicas that drift apart. The CRC of path and data (`content`) is kept per node, so that a change of
//! counters alone costs 60 bytes of CRC.

use crc32fast::Hasher;
use zk_proto::StatPersisted;

/// The sum over all nodes; wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TreeDigest(pub i64);

impl TreeDigest {
    /// The digest with one more node.
    pub fn plus(self, node: u32) -> TreeDigest {
        TreeDigest(self.0.wrapping_add(i64::from(node)))
    }

    /// The digest with one node less.
    pub fn minus(self, node: u32) -> TreeDigest {
        TreeDigest(self.0.wrapping_sub(i64::from(node)))
    }
}

/// The CRC of a node's path (root: empty) and data.
pub fn content(path: &str, data: Option<&[u8]>) -> u32 {
    let mut crc = Hasher::new();
    crc.update(path.as_bytes());
    crc.update(data.unwrap_or_default());
    crc.finalize()
}

/// The digest of a node from [`content`] and its counters, which have an order of their own here.
pub fn node(content: u32, stat: &StatPersisted) -> u32 {
    let mut bytes = [0; 60];
    let longs = [stat.czxid.0, stat.mzxid.0, stat.pzxid.0, stat.ctime, stat.mtime];
    for (at, long) in longs.iter().enumerate() {
        bytes[at * 8..at * 8 + 8].copy_from_slice(&long.to_be_bytes());
    }
    for (at, int) in [stat.version, stat.cversion, stat.aversion].iter().enumerate() {
        bytes[40 + at * 4..44 + at * 4].copy_from_slice(&int.to_be_bytes());
    }
    bytes[52..].copy_from_slice(&stat.ephemeral_owner.to_be_bytes());
    let mut crc = Hasher::new_with_initial(content);
    crc.update(&bytes);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_continues_into_the_counters() {
        let stat = StatPersisted { version: 7, ephemeral_owner: -1, ..StatPersisted::default() };
        let mut whole = Hasher::new();
        whole.update(b"/adata");
        whole.update(&[0; 40]);
        whole.update(&[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        whole.update(&[0xff; 8]);
        assert_eq!(node(content("/a", Some(b"data")), &stat), whole.finalize());
    }
}
