//! Reads, answered from the applied state: what is there, and who may see it.

use zk_proto::{Acl, ErrorCode, Id, Permissions, SessionId};

use crate::acl;
use crate::node::NodeRef;
use crate::prepare::Rules;
use crate::state::ZkState;

/// Somebody who reads.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The state that is read.
    pub state: &'a ZkState,
    /// Rules that the configuration sets.
    pub rules: Rules,
    /// The ids of the connection.
    pub ids: &'a [Id],
}

impl<'a> Reader<'a> {
    /// The znode for `exists`: `None` if it is not there, which leaves a watch all the same.
    ///
    /// # Errors
    /// `BadArguments` for a path with a NUL, `NoAuth` without READ.
    pub fn exists(self, path: &str) -> Result<Option<NodeRef<'a>>, ErrorCode> {
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        match self.state.tree().get(path) {
            Some(node) => self.allowed(node, Permissions::READ).map(Some),
            None => Ok(None),
        }
    }

    /// The znode for `getData`, `getChildren`, `getChildren2`.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth` without READ.
    pub fn get(self, path: &str) -> Result<NodeRef<'a>, ErrorCode> {
        let node = self.state.tree().get(path).ok_or(ErrorCode::NoNode)?;
        self.allowed(node, Permissions::READ)
    }

    /// The znode and its ACL for `getACL`; without ADMIN, hashes of digests are masked.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth` without READ and ADMIN.
    pub fn acl(self, path: &str) -> Result<(NodeRef<'a>, Vec<Acl>), ErrorCode> {
        let node = self.state.tree().get(path).ok_or(ErrorCode::NoNode)?;
        self.allowed(node, Permissions::READ | Permissions::ADMIN)?;
        let mut acls = self.state.tree().acl_of(node).to_vec();
        if self.allowed(node, Permissions::ADMIN).is_err() {
            for acl in acls.iter_mut().filter(|acl| acl.id.scheme == "digest") {
                if let Some((user, _)) = acl.id.id.split_once(':') {
                    acl.id.id = format!("{user}:x");
                }
            }
        }
        Ok((node, acls))
    }

    /// How many znodes are below one, at any depth. Asked by its empty path, the root counts itself as well: Apache's
    /// server has it under both names.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth` without READ.
    pub fn all_children_number(self, path: &str) -> Result<i32, ErrorCode> {
        self.get(path)?;
        let below = self.state.tree().descendants(path) + usize::from(path.is_empty());
        Ok(i32::try_from(below).unwrap_or(i32::MAX))
    }

    /// The session's ephemeral znodes whose paths begin with `prefix`, sorted.
    pub fn ephemerals(self, session: SessionId, prefix: &str) -> Vec<String> {
        let all = self.state.tree().ephemerals_of(session);
        all.filter(|path| prefix.is_empty() || prefix == "/" || path.starts_with(prefix)).map(str::to_owned).collect()
    }

    /// May the reader see what happens to a znode with this ACL?
    pub fn may_read(self, acls: &[Acl]) -> bool {
        self.rules.skip_acl || acl::allows(acls, Permissions::READ, self.ids)
    }

    fn allowed(self, node: NodeRef<'a>, wanted: Permissions) -> Result<NodeRef<'a>, ErrorCode> {
        let allowed = self.rules.skip_acl || acl::allows(&self.state.tree().acl_of(node), wanted, self.ids);
        if allowed { Ok(node) } else { Err(ErrorCode::NoAuth) }
    }
}

#[cfg(test)]
mod tests {
    use zk_proto::txn::CreateTxn;
    use zk_proto::{Txn, TxnHeader, Zxid};

    use super::*;

    fn state() -> ZkState {
        let mut state = ZkState::new();
        let alice = Acl::new(Permissions::ALL, Id::new("digest", "alice:hash"));
        let reader = Acl::new(Permissions::READ, Id::new("digest", "bob:hash"));
        let writer = Acl::new(Permissions::WRITE, Id::anyone());
        for (zxid, path, acl) in [(1, "/open", Acl::open()), (2, "/hers", vec![alice, reader, writer])] {
            let txn = CreateTxn { path: path.into(), data: None, acl, ephemeral: zxid == 1, parent_cversion: -1 };
            let header = TxnHeader { client_id: SessionId(7), zxid: Zxid(zxid), ..TxnHeader::default() };
            state.apply(&header, &Txn::Create(txn));
        }
        state
    }

    #[test]
    fn who_may_see_what() {
        let state = state();
        let rules = Rules::default();
        let anyone = Reader { state: &state, rules, ids: &[] };
        assert!(anyone.get("/open").is_ok());
        assert_eq!(anyone.get("/hers").unwrap_err(), ErrorCode::NoAuth);
        assert_eq!(anyone.exists("/hers").unwrap_err(), ErrorCode::NoAuth);
        assert_eq!(anyone.acl("/hers").unwrap_err(), ErrorCode::NoAuth);
        assert_eq!(anyone.get("/nope").unwrap_err(), ErrorCode::NoNode);
        assert!(anyone.exists("/nope").unwrap().is_none());
        assert_eq!(anyone.exists("/a\0").unwrap_err(), ErrorCode::BadArguments);
        assert!(Reader { rules: Rules { skip_acl: true, ..rules }, ..anyone }.get("/hers").is_ok());
    }

    #[test]
    fn hashes_are_for_administrators() {
        let state = state();
        let ids = |user| [Id::new("digest", user)];
        let seen = |ids: &[Id]| {
            let (_, acls) = Reader { state: &state, rules: Rules::default(), ids }.acl("/hers").unwrap();
            acls[0].id.id.clone()
        };
        assert_eq!(seen(&ids("alice:hash")), "alice:hash");
        assert_eq!(seen(&ids("bob:hash")), "alice:x");
    }

    #[test]
    fn counts_and_ephemerals() {
        let state = state();
        let reader = Reader { state: &state, rules: Rules::default(), ids: &[] };
        assert_eq!(reader.all_children_number("/"), Ok(5));
        assert_eq!(reader.all_children_number(""), Ok(6));
        assert_eq!(reader.all_children_number("/zookeeper"), Ok(2));
        assert_eq!(reader.ephemerals(SessionId(7), "/"), ["/open"]);
        assert_eq!(reader.ephemerals(SessionId(7), "/x"), [""; 0]);
        assert_eq!(reader.ephemerals(SessionId(8), "/"), [""; 0]);
    }
}
