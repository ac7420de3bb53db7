//! The bytes of a snapshot, a slice at a time; no file in sight, so the owner of the tree never waits for one.

use std::convert::Infallible;

use bytes::Bytes;
use zk_proto::txn::DIGEST_VERSION;
use zk_proto::{Acl, Jute, Writer, Zxid};
use zk_state::{DumpCursor, DumpNode, ZkState};

use super::{Checksum, HEAD, STEP};

/// A snapshot in the making. Between two slices the state may change.
#[derive(Debug)]
pub struct SnapshotDump {
    cursor: DumpCursor,
    /// Written and not given out.
    out: Writer,
    checksum: Checksum,
    done: bool,
}

impl SnapshotDump {
    /// Begins: sessions and ACL lists are taken now, znodes follow with the slices.
    pub fn begin(state: &ZkState) -> SnapshotDump {
        let mut out = Writer::new();
        out.raw(&HEAD);
        (state.sessions().len() as i32).write(&mut out);
        let mut sessions: Vec<_> = state.sessions().iter().collect();
        sessions.sort_unstable();
        for (session, timeout_ms) in sessions {
            session.write(&mut out);
            timeout_ms.write(&mut out);
        }
        let acls = state.tree().acls();
        (acls.len() as i32).write(&mut out);
        let mut lists: Vec<(i64, &[Acl])> = acls.iter().map(|(id, list)| (id.index(), list)).collect();
        lists.sort_unstable_by_key(|(index, _)| *index);
        for (index, list) in lists {
            index.write(&mut out);
            list.to_vec().write(&mut out);
        }
        SnapshotDump { cursor: DumpCursor::new(state), out, checksum: Checksum::new(), done: false }
    }

    /// The zxid for the file's name: everything up to it is in the snapshot.
    pub fn start_zxid(&self) -> Zxid {
        self.cursor.start_zxid()
    }

    /// The next bytes, about `len` of them or more; `None` when everything has been given. `state` is the one that
    /// the dump began with, changed by transactions only.
    pub fn next_slice(&mut self, state: &ZkState, len: usize) -> Option<Bytes> {
        if self.done {
            return None;
        }
        while self.out.len() < len.max(1) && !self.done {
            let out = &mut self.out;
            let more: Result<bool, Infallible> = self.cursor.next_slice(state, STEP, |node| {
                put_node(out, &node);
                Ok(())
            });
            let Ok(more) = more;
            if !more {
                self.finish(state);
            }
        }
        Some(self.give())
    }

    fn finish(&mut self, state: &ZkState) {
        self.done = true;
        self.out.string("/");
        let mut given = 0;
        self.seal(&mut given);
        state.last_zxid().write(&mut self.out);
        DIGEST_VERSION.write(&mut self.out);
        state.digest().0.write(&mut self.out);
        self.seal(&mut given);
    }

    /// `given` is how much of `out` the checksum has seen.
    fn seal(&mut self, given: &mut usize) {
        self.checksum.write(&self.out.as_slice()[*given..]);
        *given = self.out.len();
        self.checksum.value().write(&mut self.out);
        self.out.string("/");
    }

    fn give(&mut self) -> Bytes {
        let bytes = std::mem::take(&mut self.out).into_bytes();
        if !self.done {
            self.checksum.write(&bytes);
        }
        bytes
    }
}

fn put_node(out: &mut Writer, node: &DumpNode<'_>) {
    out.string(node.path);
    match node.data {
        Some(data) => out.buffer(data),
        None => (-1).write(out),
    }
    node.acl_index.write(out);
    node.stat.write(out);
}
