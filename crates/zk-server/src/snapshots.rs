//! Snapshots while the server serves: slices are taken from the state between events, a thread of its own writes them.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use vfs::Vfs;
use zk_proto::Zxid;
use zk_store::{Dirs, SnapshotDump, SnapshotFile, SnapshotSink, purge};

use crate::config::ServerConfig;
use crate::connection::SharedPipeline;

/// Bytes of a slice: about half a millisecond of the owner's time.
const SLICE: usize = 256 << 10;
/// Slices that may wait for the disk.
const WAITING: usize = 4;
/// No snapshot is begun before so many times what the last one took have passed. A tree that is changed all the time is
/// then not written all the time: a tenth of the time goes into snapshots at most, and as reading the log back costs no
/// more per transaction than a snapshot per znode, a start is hardly longer for it.
const REST: u64 = 9;
/// Rest after a snapshot that could not be written.
const AFTER_FAILURE_MS: u64 = 1000;

/// Where snapshots go.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) dirs: Dirs,
    pub(crate) config: Arc<ServerConfig>,
}

/// Takes a snapshot whenever one is due. Random numbers come from `random`.
pub(crate) async fn run(place: Place, pipeline: SharedPipeline, random: fn() -> u64) {
    let due = pipeline.borrow().snapshot_due.clone();
    loop {
        due.notified().await;
        pipeline.borrow_mut().snapshot_begins(random());
        let rest = match take_now(&place, &pipeline).await {
            Ok(Taken { file, took }) => {
                tracing::info!(
                    target: "org.apache.zookeeper.server.ZooKeeperServer",
                    "Snapshot taken in {took} ms: {}", file.path.display()
                );
                took * REST
            }
            // The log holds everything: the server goes on, and the next snapshot may do better.
            Err(error) => {
                tracing::error!(
                    target: "org.apache.zookeeper.server.ZooKeeperServer",
                    "Cannot write a snapshot, the log is kept: {error}"
                );
                AFTER_FAILURE_MS
            }
        };
        tokio::time::sleep(Duration::from_millis(rest)).await;
    }
}

/// A snapshot that was taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) file: SnapshotFile,
    /// Milliseconds of writing it; waiting for others that wrote one is not in it.
    pub(crate) took: u64,
}

/// Takes a snapshot, when nobody else does.
pub(crate) async fn take_now(place: &Place, pipeline: &SharedPipeline) -> io::Result<Taken> {
    let (clock, snapshotting) = {
        let pipeline = pipeline.borrow();
        (pipeline.clock.clone(), Rc::clone(&pipeline.snapshotting))
    };
    let _alone = snapshotting.lock().await;
    let began = clock.tick();
    let file = take(place, pipeline).await?;
    let took = clock.tick().since(began);
    pipeline.borrow_mut().snapshot_taken(file.zxid, took);
    Ok(Taken { file, took })
}

async fn take(place: &Place, pipeline: &SharedPipeline) -> io::Result<SnapshotFile> {
    let mut dump = SnapshotDump::begin(&pipeline.borrow().state);
    let zxid = dump.start_zxid();
    tracing::info!(
        target: "org.apache.zookeeper.server.persistence.FileTxnSnapLog",
        "Snapshotting: {zxid} to {}/snapshot.{:x}", place.dirs.snapshots_dir().display(), zxid.0
    );
    let (slices, done) = writer(place, zxid)?;
    loop {
        let slice = dump.next_slice(&pipeline.borrow().state, SLICE);
        let Some(slice) = slice else { break };
        if slices.send(Ok(slice)).await.is_err() {
            // The writer has failed and says why below.
            break;
        }
        tokio::task::yield_now().await;
    }
    // What tells a finished snapshot from one whose server ended meanwhile.
    let _ = slices.send(Err(End)).await;
    drop(slices);
    done.await.unwrap_or_else(|_| Err(io::Error::other("the thread that writes the snapshot ended")))
}

/// Comes behind the last slice.
struct End;

type Slices = mpsc::Sender<Result<Bytes, End>>;

/// Starts the thread that writes slices.
fn writer(place: &Place, zxid: Zxid) -> io::Result<(Slices, oneshot::Receiver<io::Result<SnapshotFile>>)> {
    let (slices, mut incoming) = mpsc::channel::<Result<Bytes, End>>(WAITING);
    let (finished, done) = oneshot::channel();
    let place = place.clone();
    std::thread::Builder::new().name("Snapshot".into()).spawn(move || {
        let write = || {
            let mut sink = SnapshotSink::create(place.vfs, &place.dirs, zxid, place.config.compression)?;
            while let Some(slice) = incoming.blocking_recv() {
                match slice {
                    Ok(bytes) => sink.write(&bytes)?,
                    Err(End) => return sink.finish(),
                }
            }
            Err(io::Error::other("the server ended before the snapshot was finished"))
        };
        // Nobody waits any more if the server has ended.
        let _ = finished.send(write());
    })?;
    Ok((slices, done))
}

/// Removes old snapshots and logs every so many hours (`autopurge.purgeInterval`), beginning with the start.
///
/// Never beside a snapshot that is being written: a start's own snapshot comes first and counts, so that no more are left
/// than were asked for.
pub(crate) async fn purge_regularly(place: Place, pipeline: SharedPipeline) {
    const CLEANUP: &str = "org.apache.zookeeper.server.DatadirCleanupManager";
    let hours = place.config.purge_interval_hours;
    let snapshotting = Rc::clone(&pipeline.borrow().snapshotting);
    loop {
        let Place { vfs, dirs, config } = place.clone();
        let alone = snapshotting.lock().await;
        let purged = tokio::task::spawn_blocking(move || purge(vfs.as_ref(), &dirs, config.purge_retain)).await;
        drop(alone);
        match purged {
            Ok(Ok(removed)) => {
                for path in removed {
                    tracing::info!(target: CLEANUP, "Removing file: {}", path.display());
                }
            }
            Ok(Err(error)) => tracing::warn!(target: CLEANUP, "Cannot purge: {error}"),
            Err(error) => tracing::warn!(target: CLEANUP, "Cannot purge: {error}"),
        }
        tokio::time::sleep(Duration::from_secs(hours * 3600)).await;
    }
}
