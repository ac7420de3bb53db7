//! Access control: who may do what, which lists are legal, and lists interned so that a znode holds four bytes.

use std::collections::HashMap;
use std::sync::Arc;

use zk_proto::{Acl, ErrorCode, Id, Permissions};

use crate::auth::{self, Schemes};

/// Names an interned list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AclId(u32);

impl AclId {
    /// `world:anyone:cdrwa`, which is in every table and listed in no snapshot.
    pub const OPEN: AclId = AclId(u32::MAX);

    /// The number in snapshots: -1 for [`AclId::OPEN`].
    pub fn index(self) -> i64 {
        if self == AclId::OPEN { -1 } else { i64::from(self.0) }
    }

    /// As a small number, 0 for [`AclId::OPEN`].
    pub(crate) fn number(self) -> u64 {
        u64::from(self.0.wrapping_add(1))
    }

    /// What [`AclId::number`] gave.
    pub(crate) fn from_number(number: u64) -> AclId {
        AclId((number as u32).wrapping_sub(1))
    }
}

#[derive(Debug)]
struct Entry {
    acls: Arc<[Acl]>,
    users: u64,
}

/// The interned lists with the number of znodes that use them.
#[derive(Debug)]
pub struct AclTable {
    open: Arc<[Acl]>,
    by_id: HashMap<AclId, Entry>,
    by_list: HashMap<Arc<[Acl]>, AclId>,
    /// Ids are never used twice: a snapshot in the making may still name an old one.
    next: u32,
}

impl Default for AclTable {
    fn default() -> AclTable {
        AclTable { open: Acl::open().into(), by_id: HashMap::new(), by_list: HashMap::new(), next: 1 }
    }
}

impl AclTable {
    /// The list with this name. An unknown name gives a list that lets nobody in.
    pub fn get(&self, id: AclId) -> Arc<[Acl]> {
        if id == AclId::OPEN {
            return Arc::clone(&self.open);
        }
        self.by_id.get(&id).map_or_else(|| nobody().into(), |entry| Arc::clone(&entry.acls))
    }

    /// All lists but the open one, with their names; in no order.
    pub fn iter(&self) -> impl Iterator<Item = (AclId, &[Acl])> {
        self.by_id.iter().map(|(id, entry)| (*id, entry.acls.as_ref()))
    }

    /// How many lists there are, the open one not counted.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Is there no list but the open one?
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Counts one more znode with this list.
    pub(crate) fn add(&mut self, acls: &[Acl]) -> AclId {
        if acls.is_empty() || acls == self.open.as_ref() {
            return AclId::OPEN;
        }
        let id = match self.by_list.get(acls) {
            Some(id) => *id,
            None => self.insert(acls.into()),
        };
        self.add_user(id);
        id
    }

    /// Makes room for a list without a user; what nobody uses goes with [`AclTable::drop_unused`].
    pub(crate) fn insert(&mut self, acls: Arc<[Acl]>) -> AclId {
        if acls.is_empty() || acls == self.open {
            return AclId::OPEN;
        }
        if let Some(id) = self.by_list.get(&acls) {
            return *id;
        }
        let id = AclId(self.next);
        self.next += 1;
        self.by_list.insert(Arc::clone(&acls), id);
        self.by_id.insert(id, Entry { acls, users: 0 });
        id
    }

    pub(crate) fn add_user(&mut self, id: AclId) {
        if let Some(entry) = self.by_id.get_mut(&id) {
            entry.users += 1;
        }
    }

    pub(crate) fn remove_user(&mut self, id: AclId) {
        let Some(entry) = self.by_id.get_mut(&id) else { return };
        entry.users = entry.users.saturating_sub(1);
        if entry.users == 0
            && let Some(entry) = self.by_id.remove(&id)
        {
            self.by_list.remove(&entry.acls);
        }
    }

    pub(crate) fn drop_unused(&mut self) {
        self.by_id.retain(|_, entry| entry.users > 0);
        self.by_list.retain(|_, id| self.by_id.contains_key(id));
    }
}

/// A list that lets nobody but the superuser in.
pub(crate) fn nobody() -> Vec<Acl> {
    vec![Acl::new(Permissions(0), Id::anyone())]
}

/// May somebody with these `ids` do one of `wanted`? The scheme `super` may everything; an empty list is open.
pub fn allows(acls: &[Acl], wanted: Permissions, ids: &[Id]) -> bool {
    if acls.is_empty() || ids.iter().any(|id| id.scheme == "super") {
        return true;
    }
    acls.iter().filter(|acl| acl.perms.has_any(wanted)).any(|acl| {
        is_anyone(&acl.id)
            || ids.iter().any(|id| id.scheme == acl.id.scheme && auth::matches(&id.scheme, &id.id, &acl.id.id))
    })
}

fn is_anyone(id: &Id) -> bool {
    id.scheme == "world" && id.id == "anyone"
}

/// The list to store for the list that a client sent: without duplicates, `auth` replaced by the client's own ids.
///
/// # Errors
/// [`ErrorCode::InvalidAcl`]: empty, unknown scheme, bad syntax, or `auth` without being authenticated.
pub fn fix_up(sent: &[Acl], ids: &[Id], schemes: Schemes) -> Result<Vec<Acl>, ErrorCode> {
    let mut fixed = Vec::new();
    for (at, acl) in sent.iter().enumerate() {
        if sent[..at].contains(acl) {
            continue;
        }
        if is_anyone(&acl.id) {
            fixed.push(acl.clone());
        } else if acl.id.scheme == "auth" {
            let before = fixed.len();
            fixed.extend(
                ids.iter().filter(|id| auth::is_authenticated(&id.scheme)).map(|id| Acl::new(acl.perms, id.clone())),
            );
            if fixed.len() == before {
                return Err(ErrorCode::InvalidAcl);
            }
        } else if schemes.has(&acl.id.scheme) && auth::is_valid(&acl.id.scheme, &acl.id.id) {
            fixed.push(acl.clone());
        } else {
            return Err(ErrorCode::InvalidAcl);
        }
    }
    if fixed.is_empty() { Err(ErrorCode::InvalidAcl) } else { Ok(fixed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Id {
        Id::new("digest", "alice:hash")
    }

    #[test]
    fn lists_are_shared_and_go_with_their_last_user() {
        let mut table = AclTable::default();
        assert_eq!(table.add(&Acl::open()), AclId::OPEN);
        let first = table.add(&Acl::read_only());
        assert_eq!(table.add(&Acl::read_only()), first);
        assert_eq!(table.get(first).as_ref(), Acl::read_only());
        table.remove_user(first);
        assert_eq!(table.len(), 1);
        table.remove_user(first);
        assert!(table.is_empty());
        assert_ne!(table.add(&Acl::read_only()), first, "an id is never used twice");
    }

    #[test]
    fn an_unknown_list_lets_nobody_in() {
        let table = AclTable::default();
        assert!(!allows(&table.get(AclId(77)), Permissions::ALL, &[alice()]));
        assert!(allows(&table.get(AclId(77)), Permissions::READ, &[Id::new("super", "")]));
    }

    #[test]
    fn permissions_are_per_id() {
        let acls = vec![Acl::new(Permissions::READ, Id::anyone()), Acl::new(Permissions::WRITE, alice())];
        assert!(allows(&acls, Permissions::READ, &[]));
        assert!(!allows(&acls, Permissions::WRITE, &[]));
        assert!(allows(&acls, Permissions::WRITE, &[alice()]));
        assert!(!allows(&acls, Permissions::ADMIN, &[alice()]));
        assert!(allows(&acls, Permissions::ADMIN, &[Id::new("super", "")]));
        assert!(allows(&[], Permissions::ADMIN, &[]));
    }

    #[test]
    fn fixing_up() {
        let (all, schemes) = (Permissions::ALL, Schemes::default());
        let twice = [Acl::new(all, Id::anyone()), Acl::new(all, Id::anyone())];
        assert_eq!(fix_up(&twice, &[], schemes), Ok(Acl::open()));
        assert_eq!(fix_up(&[], &[], schemes), Err(ErrorCode::InvalidAcl));
        assert_eq!(fix_up(&Acl::creator_all(), &[Id::new("ip", "127.0.0.1")], schemes), Err(ErrorCode::InvalidAcl));
        assert_eq!(
            fix_up(&Acl::creator_all(), &[Id::new("ip", "127.0.0.1"), alice()], schemes),
            Ok(vec![Acl::new(all, alice())])
        );
        for bad in [
            Id::new("world", "somebody"),
            Id::new("digest", "alice"),
            Id::new("ip", "1.2.3"),
            Id::new("super", ""),
            Id::new("nope", "x"),
        ] {
            assert_eq!(fix_up(&[Acl::new(all, bad.clone())], &[], schemes), Err(ErrorCode::InvalidAcl), "{bad:?}");
        }
        assert!(fix_up(&[Acl::new(all, Id::new("ip", "10.0.0.0/8"))], &[], schemes).is_ok());
    }
}
