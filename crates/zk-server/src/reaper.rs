//! Which znodes the server deletes by itself: containers that lost their last child, and znodes whose time to live is
//! over.

use std::time::Duration;

use zk_state::ZkState;
use zk_state::node::NodeKind;

/// How the server looks for such znodes (`znode.container.*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaperConfig {
    /// Milliseconds between two looks.
    pub interval_ms: u64,
    /// Deletions in a minute.
    pub per_minute: u64,
    /// Milliseconds after which a container that never had a child goes as well; 0: never.
    pub never_used_ms: i64,
}

impl Default for ReaperConfig {
    fn default() -> ReaperConfig {
        ReaperConfig { interval_ms: 60_000, per_minute: 10_000, never_used_ms: 0 }
    }
}

impl ReaperConfig {
    /// The pause between two deletions.
    pub(crate) fn pause(self) -> Duration {
        Duration::from_millis(60_000 / self.per_minute.max(1))
    }

    /// The paths of such znodes at `now` (milliseconds since 1970): containers first, each sort by name.
    pub(crate) fn candidates(self, state: &ZkState, now: i64) -> Vec<String> {
        let tree = state.tree();
        let containers = tree.containers().filter(|path| {
            tree.get(path).is_some_and(|node| {
                let stat = node.stored_stat();
                // A container that never had a child may be waiting for its first one.
                let unused = self.never_used_ms != 0 && now.saturating_sub(stat.mtime) > self.never_used_ms;
                node.child_count() == 0 && (stat.cversion > 0 || unused)
            })
        });
        let expired = tree.ttls().filter(|path| {
            tree.get(path).is_some_and(|node| match node.kind() {
                NodeKind::Ttl(ttl) => {
                    node.child_count() == 0 && ttl != 0 && now.saturating_sub(node.stored_stat().mtime) > ttl
                }
                _ => false,
            })
        });
        containers.chain(expired).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use zk_proto::txn::{CreateContainerTxn, CreateTtlTxn, CreateTxn, DeleteTxn};
    use zk_proto::{Acl, Txn, TxnHeader, Zxid};

    use super::*;

    fn state() -> ZkState {
        let mut state = ZkState::new();
        let container = |path: &str| {
            Txn::CreateContainer(CreateContainerTxn {
                path: path.into(),
                data: None,
                acl: Acl::open(),
                parent_cversion: -1,
            })
        };
        let child = |path: &str| {
            Txn::Create(CreateTxn {
                path: path.into(),
                data: None,
                acl: Acl::open(),
                ephemeral: false,
                parent_cversion: -1,
            })
        };
        let ttl = CreateTtlTxn { path: "/t".into(), data: None, acl: Acl::open(), parent_cversion: -1, ttl: 50 };
        let txns = [
            container("/empty"),
            container("/used"),
            container("/full"),
            child("/used/x"),
            child("/full/x"),
            Txn::Delete(DeleteTxn { path: "/used/x".into() }),
            Txn::CreateTtl(ttl),
        ];
        for (at, txn) in txns.iter().enumerate() {
            let header = TxnHeader { zxid: Zxid(at as i64 + 1), time: 1000, ..TxnHeader::default() };
            state.apply(&header, txn);
        }
        state
    }

    #[test]
    fn containers_that_had_children_and_what_is_too_old() {
        let config = ReaperConfig::default();
        assert_eq!(config.candidates(&state(), 1050), ["/used"]);
        assert_eq!(config.candidates(&state(), 1051), ["/used", "/t"]);
        let impatient = ReaperConfig { never_used_ms: 100, ..config };
        assert_eq!(impatient.candidates(&state(), 1101), ["/empty", "/used", "/t"]);
    }

    #[test]
    fn so_many_in_a_minute() {
        assert_eq!(ReaperConfig::default().pause(), Duration::from_millis(6));
        assert_eq!(ReaperConfig { per_minute: 1, ..ReaperConfig::default() }.pause(), Duration::from_mins(1));
        assert_eq!(ReaperConfig { per_minute: 100_000, ..ReaperConfig::default() }.pause(), Duration::ZERO);
    }
}
