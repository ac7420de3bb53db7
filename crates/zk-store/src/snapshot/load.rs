//! Reading a snapshot back.

use std::io;

use thiserror::Error;
use vfs::{OpenMode, Vfs};
use zk_proto::txn::DIGEST_VERSION;
use zk_proto::{Acl, DecodeError, Id, Permissions, SessionId, StatPersisted, Zxid};
use zk_state::{LoadError, Loader, ZkState};

use super::HEAD;
use super::source::Source;
use crate::file_names::SnapshotFile;

/// Bytes of a stored [`zk_proto::StatPersisted`].
const STAT_LEN: usize = 60;

/// Why a file is no snapshot that can be used.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The file system failed, or the packed data is damaged.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It begins with something else.
    #[error("does not begin as a snapshot does")]
    NotASnapshot,
    /// It ends too early: it was never finished, or cut.
    #[error("ends at byte {at}, before its end mark")]
    Ends {
        /// Its length, unpacked.
        at: u64,
    },
    /// A length or count that cannot be.
    #[error("length {length} at byte {at} is not possible")]
    Length {
        /// Where.
        at: u64,
        /// What was read.
        length: i32,
    },
    /// A value that cannot be.
    #[error("value at byte {at}: {source}")]
    Value {
        /// Where.
        at: u64,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The content does not make a tree.
    #[error("{0}")]
    Content(#[from] LoadError),
    /// The content is not what was written.
    #[error("checksum at byte {at} is {found:#x} and should be {expected:#x}")]
    Checksum {
        /// Where the seal is.
        at: u64,
        /// What the seal says.
        found: i64,
        /// What the content gives.
        expected: i64,
    },
}

/// The digest that a snapshot carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotDigest {
    /// The tree's last transaction when the dump was finished: from here on replay must give the logged digests.
    pub zxid: Zxid,
    /// The tree's digest then.
    pub tree_digest: i64,
}

/// A snapshot's content.
#[derive(Debug)]
pub struct Loaded {
    /// The state, at the zxid of the file's name. It may hold parts of later transactions until they are replayed.
    pub state: ZkState,
    /// The digest; older servers wrote none.
    pub digest: Option<SnapshotDigest>,
}

/// Reads a snapshot, all seals included. It may be used only if this succeeds.
pub fn load(vfs: &dyn Vfs, snapshot: &SnapshotFile) -> Result<Loaded, SnapshotError> {
    let file = vfs.open(&snapshot.path, OpenMode::Read)?;
    let mut source = Source::new(file, snapshot.compression);
    if source.take(HEAD.len())?[..8] != HEAD[..8] {
        return Err(SnapshotError::NotASnapshot);
    }
    let mut loader = Loader::new();
    read_sessions(&mut source, &mut loader)?;
    read_acls(&mut source, &mut loader)?;
    read_nodes(&mut source, &mut loader)?;
    check_seal(&mut source)?;
    let digest = if source.at_end()? { None } else { read_digest(&mut source)? };
    // Servers from 3.9 on may add their last zxid under a third seal.
    if !source.at_end()? {
        source.long()?;
        check_seal(&mut source)?;
    }
    Ok(Loaded { state: loader.finish(snapshot.zxid)?, digest })
}

fn read_sessions(source: &mut Source, loader: &mut Loader) -> Result<(), SnapshotError> {
    for _ in 0..source.count()? {
        let session = SessionId(source.long()?);
        let timeout_ms = source.int()?;
        loader.session(session, timeout_ms);
    }
    Ok(())
}

fn read_acls(source: &mut Source, loader: &mut Loader) -> Result<(), SnapshotError> {
    for _ in 0..source.count()? {
        let index = source.long()?;
        let mut list = Vec::new();
        for _ in 0..source.count()? {
            let perms = Permissions(source.int()?);
            let scheme = source.string()?;
            list.push(Acl::new(perms, Id { scheme, id: source.string()? }));
        }
        loader.acl(index, list)?;
    }
    Ok(())
}

fn read_nodes(source: &mut Source, loader: &mut Loader) -> Result<(), SnapshotError> {
    let (mut path, mut data) = (String::new(), Vec::new());
    loop {
        source.string_into(&mut path)?;
        if path == "/" {
            return Ok(());
        }
        data.clear();
        let is_null = match source.buffer()? {
            Some(bytes) => {
                data.extend_from_slice(bytes);
                false
            }
            None => true,
        };
        let acl = source.long()?;
        let stat = stat(source.array()?);
        loader.node(&path, (!is_null).then_some(&data), acl, stat)?;
    }
}

/// A stored [`StatPersisted`].
fn stat(bytes: [u8; STAT_LEN]) -> StatPersisted {
    let long = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
    let int = |at: usize| bytes[at..].first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes));
    StatPersisted {
        czxid: Zxid(long(0)),
        mzxid: Zxid(long(8)),
        ctime: long(16),
        mtime: long(24),
        version: int(32),
        cversion: int(36),
        aversion: int(40),
        ephemeral_owner: long(44),
        pzxid: Zxid(long(52)),
    }
}

fn check_seal(source: &mut Source) -> Result<(), SnapshotError> {
    let (at, expected) = (source.position(), source.checksum());
    let found = source.long()?;
    source.string()?;
    if found == expected { Ok(()) } else { Err(SnapshotError::Checksum { at, found, expected }) }
}

/// A digest of another version cannot be compared and is left aside.
fn read_digest(source: &mut Source) -> Result<Option<SnapshotDigest>, SnapshotError> {
    let zxid = Zxid(source.long()?);
    let version = source.int()?;
    let tree_digest = source.long()?;
    check_seal(source)?;
    Ok((version == DIGEST_VERSION).then_some(SnapshotDigest { zxid, tree_digest }))
}
