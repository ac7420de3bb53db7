//! `snapshot` streams the state out, `restore` takes one in (ZooKeeper 3.9). Both want somebody who may do everything at
//! the root, and both are rare: a limit in time stands before the work.
//!
//! What is restored gets a zxid of its own, above all that were ever given here, and is on disk as a snapshot of that
//! zxid before it counts. So a crash finds the old state or the new one, old logs mean nothing any more, and no client
//! sees time go backwards. (Apache's server takes over the snapshot's zxid in memory only.)

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use time_types::Tick;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use vfs::{File, OpenMode, Vfs};
use zk_proto::{Permissions, Zxid};
use zk_state::{ZkState, acl};
use zk_store::file_names::UNFINISHED_PREFIX;
use zk_store::{Compression, SnapshotFile, snapshot};

use super::authentication::Asker;
use crate::connection::SharedPipeline;
use crate::pipeline::{Pipeline, SERVER};
use crate::snapshots::{self, Place};

/// Bytes that are read from a snapshot at a time, and how many such pieces may wait for the asker.
const PIECE: u64 = 64 << 10;
const PIECES: usize = 4;
/// Between two looks whether everything that was begun is done.
const DRAIN_LOOK: Duration = Duration::from_millis(2);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Out,
    In,
}

/// Why nothing is transferred: the status, and what the answer's `error` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) error: Option<String>,
}

impl Refused {
    fn new(status: StatusCode, error: &str) -> Refused {
        Refused { status, error: Some(error.to_owned()) }
    }

    fn silent(status: StatusCode) -> Refused {
        Refused { status, error: None }
    }

    fn failed(what: &str, error: &dyn std::fmt::Display) -> Refused {
        tracing::error!(target: SERVER, "{what}: {error}");
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, &format!("{what}: {error}"))
    }
}

/// One at a time, and not too often.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    last: Option<Tick>,
}

impl RateLimit {
    /// Takes a turn, if there may be one.
    fn take(&mut self, now: Tick, interval_ms: u64) -> bool {
        let free = self.last.is_none_or(|last| now >= last.after(interval_ms));
        if free {
            self.last = Some(now);
        }
        free
    }
}

/// May `asker` transfer in this direction now?
pub(crate) fn admit(pipeline: &mut Pipeline, direction: Direction, asker: &Asker) -> Result<(), Refused> {
    if !asker.shows_something() {
        return Err(Refused::new(StatusCode::UNAUTHORIZED, "Auth info is missing for the command"));
    }
    let not_authenticated = || Refused::new(StatusCode::UNAUTHORIZED, "Not authenticated");
    let ids = asker.ids(&pipeline.authenticator).ok_or_else(not_authenticated)?;
    let root = pipeline.state.tree().get("/").map(|root| pipeline.state.tree().acl_of(root));
    if !pipeline.rules.skip_acl && !root.is_some_and(|acls| acl::allows(&acls, Permissions::ALL, &ids)) {
        return Err(Refused::new(StatusCode::FORBIDDEN, "Not authorized"));
    }
    let admin = pipeline.config.admin.as_ref();
    let (interval, limit) = match direction {
        Direction::Out => (admin.and_then(|admin| admin.snapshot), &mut pipeline.transfers[0]),
        Direction::In => (admin.and_then(|admin| admin.restore), &mut pipeline.transfers[1]),
    };
    let interval = interval.ok_or_else(|| Refused::silent(StatusCode::SERVICE_UNAVAILABLE))?;
    if limit.take(pipeline.clock.tick(), interval) {
        Ok(())
    } else {
        Err(Refused::silent(StatusCode::TOO_MANY_REQUESTS))
    }
}

/// A snapshot that can be read even if it is purged meanwhile.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) zxid: Zxid,
    pub(crate) len: u64,
    file: Arc<dyn File>,
}

/// Takes a snapshot for somebody who may have it.
pub(crate) async fn take(pipeline: &SharedPipeline, asker: &Asker) -> Result<Taken, Refused> {
    admit(&mut pipeline.borrow_mut(), Direction::Out, asker)?;
    let failed = |error: io::Error| Refused::failed("Cannot take a snapshot", &error);
    let place = pipeline.borrow().place();
    let SnapshotFile { zxid, path, .. } = snapshots::take_now(&place, pipeline).await.map_err(failed)?.file;
    let opened = spawn_blocking(move || {
        let file = place.vfs.open(&path, OpenMode::Read)?;
        Ok((file.len()?, file))
    });
    let (len, file) = opened.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(failed)?;
    Ok(Taken { zxid, len, file })
}

impl Taken {
    /// Its bytes, read as they are taken.
    pub(crate) fn pieces(self) -> mpsc::Receiver<io::Result<Bytes>> {
        let (to, from) = mpsc::channel(PIECES);
        spawn_blocking(move || {
            let mut at = 0;
            while at < self.len {
                let mut piece = vec![0; PIECE.min(self.len - at) as usize];
                let read = self.file.read_exact_at(&mut piece, at).map(|()| Bytes::from(piece));
                at += PIECE;
                let failed = read.is_err();
                if to.blocking_send(read).is_err() || failed {
                    return;
                }
            }
        });
        from
    }
}

/// What is received: bytes, and the end behind them, without which they are not all.
pub(crate) enum Piece {
    Bytes(Bytes),
    End,
}

/// A state that came whole.
#[derive(Debug)]
pub(crate) struct Received {
    state: ZkState,
    /// The transaction that it was taken behind, if it says so.
    zxid: Option<Zxid>,
}

/// Writes what comes to a file and reads it. To be called where waiting is no harm.
pub(crate) fn receive(place: &Place, mut pieces: mpsc::Receiver<Piece>) -> Result<Received, String> {
    let path = place.dirs.snapshots_dir().join(format!("{UNFINISHED_PREFIX}restore"));
    let received = receive_at(place.vfs.as_ref(), &path, &mut pieces);
    if let Err(error) = place.vfs.remove_file(&path) {
        tracing::warn!(target: SERVER, "Cannot remove {}: {error}", path.display());
    }
    received
}

fn receive_at(vfs: &dyn Vfs, path: &Path, pieces: &mut mpsc::Receiver<Piece>) -> Result<Received, String> {
    let told = |error: io::Error| error.to_string();
    let file = vfs.open(path, OpenMode::Create).map_err(told)?;
    file.set_len(0).map_err(told)?;
    let mut len = 0;
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Bytes(bytes)) => {
                file.write_at(&bytes, len).map_err(told)?;
                len += bytes.len() as u64;
            }
            Some(Piece::End) => break,
            None => return Err("the request ended before its end".into()),
        }
    }
    let as_file = SnapshotFile { zxid: Zxid(0), compression: Compression::None, path: path.to_path_buf() };
    let loaded = snapshot::load(vfs, &as_file).map_err(|error| error.to_string())?;
    if loaded.digest.is_some_and(|digest| digest.tree_digest != loaded.state.digest().0) {
        tracing::warn!(target: SERVER, "The restored snapshot was taken while its server was changed: it is no picture of one moment");
    }
    Ok(Received { zxid: loaded.digest.map(|digest| digest.zxid), state: loaded.state })
}

/// Puts a state in place of the present one. All connections end; clients come back to the sessions that are in it.
pub(crate) async fn restore(pipeline: &SharedPipeline, received: Received) -> Result<Zxid, Refused> {
    let place = pipeline.borrow().place();
    let snapshotting = Rc::clone(&pipeline.borrow().snapshotting);
    let _alone = snapshotting.lock().await;
    pipeline.borrow_mut().close_for_restore();
    while pipeline.borrow().is_busy() {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    let above = pipeline.borrow().pending.last_zxid().next();
    let zxid = received.zxid.map_or(above, |zxid| zxid.max(above));
    let state = received.state.at(zxid);
    let written = spawn_blocking(move || {
        let written = snapshot::write(&place.vfs, &place.dirs, &state, place.config.compression);
        written.map(|_| state)
    });
    let written = written.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    let mut pipeline = pipeline.borrow_mut();
    match written {
        Ok(state) => {
            pipeline.restored(state);
            tracing::info!(target: SERVER, "Restored a snapshot; the last transaction is {zxid} now");
            Ok(zxid)
        }
        Err(error) => {
            pipeline.open_again();
            Err(Refused::failed("Cannot write the restored snapshot", &error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_too_often() {
        let mut limit = RateLimit::default();
        assert!(limit.take(Tick(10), 100));
        assert!(!limit.take(Tick(109), 100));
        assert!(limit.take(Tick(110), 100));
        assert!(limit.take(Tick(110), 0));
    }
}
