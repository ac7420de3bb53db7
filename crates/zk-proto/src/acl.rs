//! Access control lists as they are sent and stored.

use std::fmt;

use crate::jute::{DecodeError, Jute, Reader, Writer, records};

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(pub i32);

impl Permissions {
    /// Read data and list children.
    pub const READ: Permissions = Permissions(1);
    /// Set data.
    pub const WRITE: Permissions = Permissions(2);
    /// Create children.
    pub const CREATE: Permissions = Permissions(4);
    /// Delete children.
    pub const DELETE: Permissions = Permissions(8);
    /// Set the ACL.
    pub const ADMIN: Permissions = Permissions(16);
    /// All of them.
    pub const ALL: Permissions = Permissions(31);

    /// Has this set at least one permission of `wanted`?
    pub fn has_any(self, wanted: Permissions) -> bool {
        self.0 & wanted.0 != 0
    }
}

impl std::ops::BitOr for Permissions {
    type Output = Permissions;

    fn bitor(self, other: Permissions) -> Permissions {
        Permissions(self.0 | other.0)
    }
}

/// `cdrwa`, in the order of Apache's shell.
impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters =
            [(Self::CREATE, "c"), (Self::DELETE, "d"), (Self::READ, "r"), (Self::WRITE, "w"), (Self::ADMIN, "a")];
        letters
            .iter()
            .filter(|(permission, _)| self.has_any(*permission))
            .try_for_each(|(_, letter)| f.write_str(letter))
    }
}

impl Jute for Permissions {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        i32::read(reader).map(Permissions)
    }

    fn write(&self, out: &mut Writer) {
        self.0.write(out);
    }
}

/// Somebody: `world:anyone`, `ip:10.0.0.0/8`, `digest:user:hash` ..
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Id {
    /// Which kind of identity.
    pub scheme: String,
    /// Who; its syntax depends on the scheme.
    pub id: String,
}

/// A null string reads as an empty one: kazoo sends the id of `auth` so.
impl Jute for Id {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let mut text = || Ok(Option::<String>::read(reader)?.unwrap_or_default());
        Ok(Id { scheme: text()?, id: text()? })
    }

    fn write(&self, out: &mut Writer) {
        self.scheme.write(out);
        self.id.write(out);
    }
}

records! {
    /// What somebody may do.
    #[derive(Hash)]
    Acl {
        /// The permissions.
        perms: Permissions,
        /// Who has them.
        id: Id,
    }
}

impl Id {
    /// An identity.
    pub fn new(scheme: &str, id: &str) -> Id {
        Id { scheme: scheme.to_owned(), id: id.to_owned() }
    }

    /// Everybody.
    pub fn anyone() -> Id {
        Id::new("world", "anyone")
    }
}

impl Acl {
    /// `perms` for `id`.
    pub fn new(perms: Permissions, id: Id) -> Acl {
        Acl { perms, id }
    }

    /// Everybody may do everything: `world:anyone:cdrwa`.
    pub fn open() -> Vec<Acl> {
        vec![Acl::new(Permissions::ALL, Id::anyone())]
    }

    /// Everybody may read: `world:anyone:r`.
    pub fn read_only() -> Vec<Acl> {
        vec![Acl::new(Permissions::READ, Id::anyone())]
    }

    /// Whoever creates may do everything: `auth::cdrwa`.
    pub fn creator_all() -> Vec<Acl> {
        vec![Acl::new(Permissions::ALL, Id::new("auth", ""))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_id_is_an_empty_one() {
        let mut out = Writer::new();
        out.string("auth");
        (-1).write(&mut out);
        assert_eq!(Id::from_bytes(out.into_bytes()).unwrap(), Id::new("auth", ""));
    }

    #[test]
    fn letters() {
        assert_eq!(Permissions::ALL.to_string(), "cdrwa");
        assert_eq!((Permissions::READ | Permissions::ADMIN).to_string(), "ra");
        assert_eq!(Permissions(0).to_string(), "");
    }
}
