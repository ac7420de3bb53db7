//! Start and stop, in order, on one page.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use net::listener::WhenFull;
use net::{Incoming, Limits, Listener, Shutdown, port_owner};
use thiserror::Error;
use tokio::sync::watch;
use vfs::{Lock, Vfs};
use zk_proto::Request;
use zk_state::Write;
use zk_store::{
    Dirs, Recovered, RecoveryError, RecoveryOptions, SnapshotTrigger, TxnLog, TxnLogOptions, recover, snapshot,
};

use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::connection::{self, SharedPipeline};
use crate::log_writer::{LogWriter, Progress};
use crate::pipeline::{Pipeline, SERVER};
use crate::session_end;
use crate::snapshots::{self, Place};

/// Connections that the system keeps waiting when nothing is set, as in Java.
const BACKLOG: u32 = 50;
/// Time for the connections to end.
const DRAIN: Duration = Duration::from_secs(1);

/// Why a server does not start or ends by itself.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The data directory is not there and cannot be made.
    #[error(
        "org.apache.zookeeper.server.persistence.FileTxnSnapLog$DatadirException: Unable to create data directory {path}\n\t{error}"
    )]
    DataDir {
        /// The directory.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The data directory is not there and may not be made.
    #[error(
        "org.apache.zookeeper.server.persistence.FileTxnSnapLog$DatadirException: Missing data directory {path}, automatic data directory creation is disabled (zookeeper.datadir.autocreate is false). Please create this directory manually."
    )]
    MissingDataDir {
        /// The directory.
        path: String,
    },
    /// Another server has it.
    #[error("{path} is in use by another server")]
    InUse {
        /// The directory.
        path: String,
    },
    /// The port cannot be had.
    #[error("java.net.BindException: {reason}\n\t{address}: {advice}")]
    Bind {
        /// The address with the port.
        address: SocketAddr,
        /// What the system says, in Java's words.
        reason: String,
        /// Who has it.
        advice: String,
    },
    /// The files cannot be started from.
    #[error("java.io.IOException: {0}")]
    Recovery(#[from] RecoveryError),
    /// The system failed.
    #[error("java.io.IOException: {0}")]
    Io(#[from] io::Error),
    /// The log could not be written; nothing more was acknowledged.
    #[error("the transaction log cannot be written: {0}")]
    Log(String),
}

/// A server that has its port, its data and its lock.
#[derive(Debug)]
pub struct Server {
    pipeline: SharedPipeline,
    progress: watch::Receiver<Progress>,
    listener: Option<Listener>,
    place: Place,
    random: fn() -> u64,
    _locks: Vec<Box<dyn Lock>>,
}

impl Server {
    /// Takes the port, recovers the state, makes everything ready. To be called within a runtime of one thread; `random`
    /// gives any number.
    ///
    /// # Errors
    /// [`ServerError`] when the server cannot serve.
    pub fn start(
        config: ServerConfig,
        vfs: Arc<dyn Vfs>,
        clock: Clock,
        random: fn() -> u64,
    ) -> Result<Server, ServerError> {
        let dirs = Dirs::new(&config.data_dir, config.data_log_dir.as_deref());
        let locks = take_directories(&config, &dirs, vfs.as_ref())?;
        announce(&config, &dirs);
        let listener = bind(&config)?;
        let began = clock.now().tick;
        let recovered =
            recover(vfs.as_ref(), &dirs, RecoveryOptions { trust_empty_snapshot: config.trust_empty_snapshot })?;
        report(&recovered, clock.now().tick.since(began));
        let Recovered { mut state, report } = recovered;
        if config.extended_types && config.emulate_353_ttl {
            state.emulate_353_ttl();
        }
        let config = Arc::new(config);
        let place = Place { vfs: Arc::clone(&vfs), dirs: dirs.clone(), config: Arc::clone(&config) };
        let is_new = report.snapshot.is_none();
        if is_new {
            // Logs alone would not be started from.
            let written = snapshot::write(&vfs, &dirs, &state, config.compression)?;
            tracing::info!(
                target: "org.apache.zookeeper.server.persistence.FileTxnSnapLog",
                "Snapshotting: {} to {}", state.last_zxid(), written.path.display()
            );
        }
        let log = TxnLog::new(vfs, dirs.logs_dir().to_path_buf(), log_options(&config), state.last_zxid());
        let (log, progress) = LogWriter::start(log, config.flush, config.sync_warning_ms, clock.clone())?;
        let mut trigger = SnapshotTrigger::new(config.snap_count, config.snap_bytes, random());
        // What was replayed would be replayed again: it counts towards the next snapshot.
        let due = (0..report.replayed).fold(false, |due, _| trigger.on_append(0) || due);
        let local = listener.as_ref().map(Listener::local).transpose()?;
        let mut pipeline = Pipeline::new(config, clock, place.clone(), state, (log, trigger));
        pipeline.local_port = local.map(|local| local.port());
        pipeline.random = random;
        pipeline.digest_mismatches = report.digest_mismatch.map_or(0, |(_, count)| count);
        if due {
            pipeline.snapshot_due.notify_one();
        }
        let pipeline = Rc::new(RefCell::new(pipeline));
        Ok(Server { pipeline, progress, listener, place, random, _locks: locks })
    }

    /// The port that is listened on.
    pub fn port(&self) -> Option<u16> {
        self.pipeline.borrow().local_port
    }

    /// Serves until `shutdown` begins. To be called on a `LocalSet`.
    ///
    /// # Errors
    /// [`ServerError::Log`] when the log fails.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServerError> {
        let Server { pipeline, progress, listener, place, random, _locks } = self;
        // Timers end with everything; connections are waited for.
        let timers = tokio::task::LocalSet::new();
        timers.spawn_local(expire(Rc::clone(&pipeline)));
        timers.spawn_local(session_end::run(Rc::clone(&pipeline)));
        timers.spawn_local(reap(Rc::clone(&pipeline)));
        timers.spawn_local(snapshots::run(place.clone(), Rc::clone(&pipeline), random));
        if place.config.purge_interval_hours > 0 {
            timers.spawn_local(snapshots::purge_regularly(place));
        }
        let result = tokio::select! {
            result = commit(Rc::clone(&pipeline), progress) => result,
            () = accept(listener, Rc::clone(&pipeline), shutdown.clone()) => Ok(()),
            () = timers => Ok(()),
            () = shutdown.begun() => Ok(()),
        };
        if result.is_err() {
            pipeline.borrow_mut().figures.unrecoverable += 1;
        }
        shutdown.drain(DRAIN).await;
        pipeline.borrow_mut().log.stop();
        result
    }
}

/// Makes the directories and takes them for this server alone.
fn take_directories(config: &ServerConfig, dirs: &Dirs, vfs: &dyn Vfs) -> Result<Vec<Box<dyn Lock>>, ServerError> {
    if !config.create_data_dir {
        for dir in [dirs.logs_dir(), dirs.snapshots_dir()] {
            if !vfs.exists(dir) {
                return Err(ServerError::MissingDataDir { path: dir.display().to_string() });
            }
        }
    }
    dirs.create(vfs)
        .map_err(|error| ServerError::DataDir { path: dirs.snapshots_dir().display().to_string(), error })?;
    let log_dir = config.data_log_dir.iter().filter(|dir| **dir != config.data_dir);
    let mut locks = Vec::new();
    for dir in std::iter::once(&config.data_dir).chain(log_dir) {
        match vfs.lock(&dir.join(".lock")) {
            Ok(lock) => locks.push(lock),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(ServerError::InUse { path: dir.display().to_string() });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(locks)
}

fn announce(config: &ServerConfig, dirs: &Dirs) {
    tracing::info!(
        target: "org.apache.zookeeper.server.persistence.FileTxnSnapLog",
        "zookeeper.snapshot.trust.empty : {}", config.trust_empty_snapshot
    );
    for (name, value) in crate::environment::environment() {
        tracing::info!(target: SERVER, "Server environment:{name}={value}");
    }
    tracing::info!(target: SERVER, "minSessionTimeout set to {} ms", config.min_session_ms);
    tracing::info!(target: SERVER, "maxSessionTimeout set to {} ms", config.max_session_ms);
    tracing::info!(
        target: SERVER,
        "Created server with tickTime {} ms minSessionTimeout {} ms maxSessionTimeout {} ms clientPortListenBacklog {} datadir {} snapdir {}",
        config.tick_ms, config.min_session_ms, config.max_session_ms, config.backlog,
        dirs.logs_dir().display(), dirs.snapshots_dir().display()
    );
    if config.max_connections == 0 {
        tracing::warn!(
            target: "org.apache.zookeeper.server.ServerCnxnFactory",
            "maxCnxns is not configured, using default value 0."
        );
    }
}

fn bind(config: &ServerConfig) -> Result<Option<Listener>, ServerError> {
    let Some(port) = config.client_port else {
        tracing::warn!(target: SERVER, "clientPort is not set: no client can connect");
        return Ok(None);
    };
    let shown = config.client_address.unwrap_or([0, 0, 0, 0].into());
    tracing::info!(
        target: "org.apache.zookeeper.server.NIOServerCnxnFactory",
        "binding to port {shown}/{shown}:{port}"
    );
    let limits = Limits::none();
    let above_zero = |limit: i32| usize::try_from(limit).ok().filter(|limit| *limit > 0);
    limits.set_total(above_zero(config.max_connections), WhenFull::Refuse);
    limits.set_per_address(above_zero(config.max_client_connections), std::collections::HashMap::new());
    let backlog = u32::try_from(config.backlog).ok().filter(|backlog| *backlog > 0).unwrap_or(BACKLOG);
    Listener::bind(config.client_address, port, backlog, limits).map(Some).map_err(|error| {
        let address = SocketAddr::new(shown, port);
        let (reason, advice) = match error.kind() {
            io::ErrorKind::AddrInUse => {
                let owner =
                    port_owner(port).map_or_else(|| "a process of another user".into(), |owner| owner.to_string());
                (
                    "Address already in use".to_owned(),
                    format!("{owner} listens there; stop it, or set another clientPort"),
                )
            }
            io::ErrorKind::AddrNotAvailable => {
                ("Cannot assign requested address".to_owned(), "clientPortAddress is no address of this machine".into())
            }
            io::ErrorKind::PermissionDenied => (
                "Permission denied".to_owned(),
                "ports below 1024 are for the superuser; set another clientPort".into(),
            ),
            _ => (error.to_string(), "the port cannot be listened on".into()),
        };
        ServerError::Bind { address, reason, advice }
    })
}

fn report(recovered: &Recovered, took_ms: u64) {
    const LOG: &str = "org.apache.zookeeper.server.persistence.FileTxnSnapLog";
    let Recovered { state, report } = recovered;
    if let Some(path) = &report.snapshot {
        tracing::info!(target: "org.apache.zookeeper.server.persistence.FileSnap", "Reading snapshot {}", path.display());
    }
    for skipped in &report.skipped {
        tracing::warn!(target: LOG, "problem reading snap file {}: {}", skipped.path.display(), skipped.error);
    }
    if report.torn.is_some() {
        tracing::warn!(
            target: LOG,
            "The last log ended in {} bytes that are no whole transaction; they were never acknowledged and are cut off",
            report.torn_bytes()
        );
    }
    if let Some((zxid, count)) = &report.digest_mismatch {
        tracing::warn!(target: LOG, "Digests are not matching. First at zxid {zxid}, {count} in all");
    }
    if let Some((behind, before)) = &report.gap {
        tracing::warn!(target: LOG, "Transactions are missing behind {behind} and before {before}");
    }
    tracing::info!(target: LOG, "Data directory checked: {}", recovered.summary());
    if report.replayed > 0 {
        tracing::info!(target: LOG, "{} txns loaded in {took_ms} ms", report.replayed);
    }
    tracing::info!(
        target: "org.apache.zookeeper.server.ZKDatabase",
        "Snapshot loaded in {took_ms} ms, highest zxid is {}, digest is {}", state.last_zxid(), state.digest().0
    );
}

fn log_options(config: &ServerConfig) -> TxnLogOptions {
    TxnLogOptions { preallocate: config.preallocate, force_sync: config.force_sync, size_limit: config.log_size_limit }
}

/// Takes connections for ever.
async fn accept(listener: Option<Listener>, pipeline: SharedPipeline, shutdown: Shutdown) {
    let Some(mut listener) = listener else { return std::future::pending().await };
    let keep_alive = pipeline.borrow().config.tcp_keep_alive;
    loop {
        match listener.accept().await {
            Incoming::Accepted(accepted) => {
                if keep_alive && let Err(error) = accepted.stream.keep_alive() {
                    tracing::warn!(target: SERVER, "Cannot set TCP keep-alive: {error}");
                }
                shutdown.spawn_local(connection::serve(accepted, Rc::clone(&pipeline), shutdown.clone()));
            }
            Incoming::Refused { peer, refusal } => {
                pipeline.borrow_mut().figures.connections_rejected += 1;
                tracing::warn!(
                    target: "org.apache.zookeeper.server.NIOServerCnxnFactory",
                    "Too many connections from {peer}: {refusal:?}"
                );
            }
        }
    }
}

/// Applies what the log says to be durable.
async fn commit(pipeline: SharedPipeline, mut progress: watch::Receiver<Progress>) -> Result<(), ServerError> {
    loop {
        // The value is copied: while it is borrowed, the log's thread cannot report the next sync.
        let now = progress.borrow_and_update().clone();
        match now {
            Progress::Synced(zxid) => {
                while !pipeline.borrow_mut().on_synced(zxid) {
                    tokio::task::yield_now().await;
                }
            }
            Progress::Failed(reason) => return Err(ServerError::Log(reason)),
        }
        if progress.changed().await.is_err() {
            return Err(ServerError::Log("its thread has ended".into()));
        }
    }
}

/// Ends sessions whose time is over.
async fn expire(pipeline: SharedPipeline) {
    let (clock, tick_ms) = {
        let pipeline = pipeline.borrow();
        (pipeline.clock.clone(), u64::from(pipeline.config.tick_ms.unsigned_abs()))
    };
    loop {
        let now = clock.now().tick;
        let next = pipeline.borrow().expiry.next_deadline().map_or(tick_ms, |deadline| deadline.since(now));
        let pause = next.clamp(1, tick_ms);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if clock.now().tick.since(now) > pause + tick_ms {
            // The whole process stood still. What clients sent meanwhile is in the sockets: read it first.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        pipeline.borrow_mut().expire_sessions();
    }
}

/// Deletes containers that lost their last child, and znodes whose time to live is over.
async fn reap(pipeline: SharedPipeline) {
    let config = pipeline.borrow().config.reaper;
    loop {
        tokio::time::sleep(Duration::from_millis(config.interval_ms)).await;
        let gone = {
            let pipeline = pipeline.borrow();
            config.candidates(&pipeline.state, pipeline.clock.now().wall.0)
        };
        for path in gone {
            tracing::info!(
                target: "org.apache.zookeeper.server.ContainerManager",
                "Attempting to delete candidate container: {path}"
            );
            // What was done to it meanwhile is found out when the transaction is prepared.
            let request = Request::DeleteContainer(path.into());
            pipeline.borrow_mut().write_own(zk_proto::SessionId::NONE, Write::Request(&request));
            tokio::time::sleep(config.pause()).await;
        }
    }
}

#[cfg(test)]
mod tests;
