//! What four-letter words and the admin server tell of the state. Whatever may be long is copied piece by piece, and
//! other work goes on between two pieces; so an answer is no picture of one moment, as it is none of Apache's.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use time_types::{Tick, WallMillis};
use tokio::task::{spawn_blocking, yield_now};
use vfs::Vfs;
use zk_proto::SessionId;
use zk_state::{WatchKinds, WatcherId};

use crate::client::{Client, Stage};
use crate::connection::SharedPipeline;
use crate::environment;
use crate::metrics::{ConnectionFigures, Gauges, Registry};
use crate::pipeline::Pipeline;

/// Entries that are copied in one piece: well below a millisecond.
const PIECE: usize = 1000;
/// The watches that Apache's words count: those for data.
const DATA: WatchKinds = WatchKinds::DATA_TABLE;
/// Buckets of the deadlines of connections, and the time that one without a session has, in milliseconds.
const CONNECTION_TICK: u64 = 10_000;

/// One connection.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionFacts {
    pub(crate) peer: SocketAddr,
    /// Does it speak TLS?
    pub(crate) secure: bool,
    /// Does the server listen to it? Not while it answers a word.
    pub(crate) listens: bool,
    /// Requests that wait for their answers.
    pub(crate) queued: usize,
    pub(crate) figures: ConnectionFigures,
    /// None: it has no session yet.
    pub(crate) session: Option<(SessionId, i32)>,
}

impl ConnectionFacts {
    fn of(client: &Client) -> ConnectionFacts {
        let is_open = client.stage != Stage::New;
        ConnectionFacts {
            peer: client.peer,
            secure: client.secure,
            listens: is_open,
            queued: client.queue.len(),
            figures: client.figures.clone(),
            session: is_open.then_some((client.session, client.timeout_ms)),
        }
    }
}

/// Copies from the clients, in the order in which they came.
async fn each_client<T>(
    pipeline: &SharedPipeline,
    copy: impl Fn(&Pipeline, WatcherId, &Client) -> Option<T>,
) -> Vec<T> {
    let mut ids: Vec<WatcherId> = pipeline.borrow().clients.keys().copied().collect();
    ids.sort_unstable();
    let mut copied = Vec::new();
    for piece in ids.chunks(PIECE) {
        {
            let pipeline = pipeline.borrow();
            let clients = piece.iter().filter_map(|id| pipeline.clients.get(id).map(|client| (*id, client)));
            copied.extend(clients.filter_map(|(id, client)| copy(&pipeline, id, client)));
        }
        yield_now().await;
    }
    copied
}

/// All connections.
pub(crate) async fn connections(pipeline: &SharedPipeline) -> Vec<ConnectionFacts> {
    each_client(pipeline, |_, _, client| Some(ConnectionFacts::of(client))).await
}

/// Who watches data where: sessions with their paths, both sorted.
pub(crate) async fn watches(pipeline: &SharedPipeline) -> Vec<(SessionId, Vec<Arc<str>>)> {
    let mut sessions = each_client(pipeline, |pipeline, id, client| {
        let mut paths: Vec<Arc<str>> = pipeline.watches.paths_of(id, DATA).cloned().collect();
        paths.sort_unstable();
        (!paths.is_empty()).then_some((client.session, paths))
    })
    .await;
    sessions.sort_unstable_by_key(|(session, _)| *session);
    sessions
}

/// The same by path.
pub(crate) async fn watches_by_path(pipeline: &SharedPipeline) -> BTreeMap<Arc<str>, Vec<SessionId>> {
    let mut by_path: BTreeMap<Arc<str>, Vec<SessionId>> = BTreeMap::new();
    for (session, paths) in watches(pipeline).await {
        for piece in paths.chunks(PIECE) {
            for path in piece {
                by_path.entry(Arc::clone(path)).or_default().push(session);
            }
            yield_now().await;
        }
    }
    by_path
}

/// How many watches there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WatchSummary {
    pub(crate) connections: usize,
    pub(crate) paths: usize,
    pub(crate) watches: usize,
}

/// Counts the watches of data.
pub(crate) async fn watch_summary(pipeline: &SharedPipeline) -> WatchSummary {
    let per_client = each_client(pipeline, |pipeline, id, _| {
        let paths: Vec<Arc<str>> = pipeline.watches.paths_of(id, DATA).cloned().collect();
        (!paths.is_empty()).then_some(paths)
    })
    .await;
    let connections = per_client.len();
    let watches = per_client.iter().map(Vec::len).sum();
    let mut paths: HashSet<Arc<str>> = HashSet::new();
    for of_client in per_client {
        for piece in of_client.chunks(PIECE) {
            paths.extend(piece.iter().cloned());
            yield_now().await;
        }
    }
    WatchSummary { connections, paths: paths.len(), watches }
}

/// Sessions whose time is over together.
#[derive(Debug)]
pub(crate) struct Expiring {
    /// When, on the clock that a set clock does not move, milliseconds.
    pub(crate) tick: u64,
    /// When, if the wall clock is not set meanwhile, milliseconds.
    pub(crate) wall: i64,
    pub(crate) sessions: Vec<SessionId>,
}

/// All sessions, the soonest first.
pub(crate) async fn expiring(pipeline: &SharedPipeline) -> Vec<Expiring> {
    let mut buckets: Vec<Expiring> = {
        let pipeline = pipeline.borrow();
        let now = pipeline.clock.now();
        let bucket = |(deadline, sessions): (Tick, &HashSet<SessionId>)| Expiring {
            tick: deadline.0,
            wall: wall_of(deadline.0, now.tick.0, now.wall),
            sessions: sessions.iter().copied().collect(),
        };
        pipeline.expiry.buckets().map(bucket).collect()
    };
    for bucket in &mut buckets {
        bucket.sessions.sort_unstable();
        yield_now().await;
    }
    buckets
}

fn wall_of(tick: u64, now: u64, wall: WallMillis) -> i64 {
    wall.0.saturating_add(tick as i64 - now as i64)
}

/// Ephemeral znodes by the session that owns them, sorted.
pub(crate) async fn ephemerals(pipeline: &SharedPipeline) -> BTreeMap<SessionId, Vec<String>> {
    let owners: Vec<SessionId> = pipeline.borrow().state.tree().ephemeral_owners().collect();
    let mut all = BTreeMap::new();
    for piece in owners.chunks(PIECE / 10) {
        {
            let pipeline = pipeline.borrow();
            let tree = pipeline.state.tree();
            let of = |owner| tree.ephemerals_of(owner).map(str::to_owned).collect::<Vec<String>>();
            all.extend(piece.iter().map(|owner| (*owner, of(*owner))).filter(|(_, paths)| !paths.is_empty()));
        }
        yield_now().await;
    }
    all
}

/// Connections by the wall-clock time at which they would be closed if they stayed silent, milliseconds.
pub(crate) async fn expiring_connections(pipeline: &SharedPipeline) -> BTreeMap<i64, Vec<(SocketAddr, SessionId)>> {
    let now = pipeline.borrow().clock.now();
    let all = each_client(pipeline, |_, _, client| {
        let timeout =
            if client.stage == Stage::New { CONNECTION_TICK } else { u64::from(client.timeout_ms.unsigned_abs()) };
        let heard = if client.figures.last_response == 0 { now.tick.0 } else { client.figures.last_response };
        let deadline = wall_of(heard + timeout, now.tick.0, now.wall);
        let tick = CONNECTION_TICK as i64;
        let session = if client.stage == Stage::New { SessionId(0) } else { client.session };
        Some(((deadline / tick + 1) * tick, client.peer, session))
    })
    .await;
    let mut buckets: BTreeMap<i64, Vec<(SocketAddr, SessionId)>> = BTreeMap::new();
    for (deadline, peer, session) in all {
        buckets.entry(deadline).or_default().push((peer, session));
    }
    buckets
}

/// Bytes of the files in the directories of snapshots and of logs.
pub(crate) async fn dir_sizes(pipeline: &SharedPipeline) -> (u64, u64) {
    let (vfs, dirs) = {
        let pipeline = pipeline.borrow();
        (Arc::clone(&pipeline.vfs), pipeline.dirs.clone())
    };
    let sizes =
        spawn_blocking(move || (dir_size(vfs.as_ref(), dirs.snapshots_dir()), dir_size(vfs.as_ref(), dirs.logs_dir())));
    sizes.await.unwrap_or_default()
}

fn dir_size(vfs: &dyn Vfs, dir: &Path) -> u64 {
    let paths = vfs.paths_in(dir).unwrap_or_default();
    paths.iter().filter_map(|path| vfs.metadata(path).ok()).map(|metadata| metadata.len).sum()
}

/// What `mntr`, `monitor` and Prometheus show.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) gauges: Gauges,
    pub(crate) registry: Registry,
}

/// Everything that is measured.
pub(crate) async fn measured(pipeline: &SharedPipeline) -> Measured {
    let files = spawn_blocking(|| (environment::open_files().unwrap_or(0), environment::open_files_max().unwrap_or(0)));
    let (open, max) = files.await.unwrap_or_default();
    let pipeline = pipeline.borrow();
    Measured { gauges: pipeline.gauges(open, max), registry: pipeline.metrics() }
}
