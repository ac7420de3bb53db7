//! Start and stop, in order, on one page.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use net::listener::WhenFull;
use net::tls::Handshakes;
use net::{Incoming, Limits, Listener, Shutdown};
use thiserror::Error;
use time_types::{Tick, WallMillis};
use tokio::sync::watch;
use vfs::{Lock, Vfs};
use zk_proto::{Request, Zxid};
use zk_state::Write;
use zk_store::{
    Dirs, Recovered, RecoveryError, RecoveryOptions, Report, SnapshotTrigger, TxnLog, TxnLogOptions, recover_telling,
    snapshot,
};

use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::connection::{self, SharedPipeline};
use crate::log_writer::{LogWriter, Progress};
use crate::metrics::Registry;
use crate::metrics::definitions as measured;
use crate::not_serving::NotServing;
use crate::operators::{Operators, why_not};
use crate::pipeline::{Pipeline, SERVER, TRACE_MASK};
use crate::sasl::Users;
use crate::secure::{self, Door, Entrance, Identifier, SecureError};
use crate::session_end;
use crate::snapshots::{self, Place};
use crate::{audit, environment, line};

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
    /// The admin server cannot listen.
    #[error(
        "org.apache.zookeeper.server.admin.AdminServer$AdminServerException: Problem starting AdminServer on address {host}, port {port} and command URL {command_url}\nCaused by: java.io.IOException: Failed to bind to {host}:{port}\nCaused by: java.net.BindException: {reason}\n\t{advice}"
    )]
    Admin {
        /// Where it was to listen.
        host: String,
        /// The port.
        port: u16,
        /// What the URLs of its commands begin with.
        command_url: String,
        /// What the system says, in Java's words.
        reason: String,
        /// What can be done.
        advice: String,
    },
    /// The metrics cannot be offered.
    #[error(
        "java.io.IOException: Cannot boot MetricsProvider org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\nCaused by: java.io.IOException: Failed to bind to {host}:{port}\nCaused by: java.net.BindException: {reason}\n\t{advice}"
    )]
    Metrics {
        /// Where they were to be offered.
        host: String,
        /// The port.
        port: u16,
        /// What the system says, in Java's words.
        reason: String,
        /// What can be done.
        advice: String,
    },
    /// The files cannot be started from.
    #[error("java.io.IOException: {0}")]
    Recovery(#[from] RecoveryError),
    /// The system failed.
    #[error("java.io.IOException: {0}")]
    Io(#[from] io::Error),
    /// TLS cannot be set up.
    #[error("org.apache.zookeeper.common.X509Exception$SSLContextException: {0}")]
    Tls(String),
    /// Nobody could log in.
    #[error(
        "java.io.IOException: Could not configure server because SASL configuration did not allow the  ZooKeeper server to authenticate itself properly: {0}"
    )]
    Login(#[from] crate::sasl::LoginError),
    /// The log could not be written; nothing more was acknowledged.
    #[error("the transaction log cannot be written: {0}")]
    Log(String),
}

/// A server that has its port, its data and its lock.
#[derive(Debug)]
pub struct Server {
    pipeline: SharedPipeline,
    progress: watch::Receiver<Progress>,
    entrances: Vec<(Listener, Rc<Entrance>)>,
    place: Place,
    random: fn() -> u64,
    operators: Operators,
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
        let config = Arc::new(config);
        let users = Users::load(&config.security.sasl, vfs.as_ref())?;
        let handshakes = secure::handshakes(&config.security, vfs.as_ref()).map_err(|error| match error {
            SecureError::Tls(error) => ServerError::Tls(error.to_string()),
            SecureError::Io(error) => error.into(),
        })?;
        let trace_mask = Arc::new(AtomicI64::new(TRACE_MASK));
        let operators = Operators::start(&config, vfs.as_ref(), &trace_mask)?;
        let mut entrances = entrances(&config, handshakes.clone())?;
        let plain = entrances.iter().find(|(_, entrance)| !matches!(entrance.door, Door::Tls(_)));
        let waiting =
            plain.map(|(listener, _)| NotServing::start(listener, Arc::clone(&config), Arc::clone(&trace_mask)));
        let waiting = waiting.transpose()?;
        let mut times = StartTimes::begin(clock.tick());
        let options = RecoveryOptions { trust_empty_snapshot: config.trust_empty_snapshot };
        let recovered = recover_telling(vfs.as_ref(), &dirs, options, &mut || times.loaded = clock.tick())?;
        times.ended = clock.tick();
        let took_ms = times.ended.since(times.began);
        self::report(&recovered, took_ms);
        let Recovered { mut state, report } = recovered;
        if config.extended_types && config.emulate_353_ttl {
            state.emulate_353_ttl();
        }
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
        let window = config.prometheus.is_some();
        let (log, progress) = LogWriter::start(log, config.flush, config.sync_warning_ms, window, clock.clone())?;
        let mut trigger = SnapshotTrigger::new(config.snap_count, config.snap_bytes, random());
        // What was replayed would be replayed again: it counts towards the next snapshot.
        let due = (0..report.replayed).fold(false, |due, _| trigger.on_append(0) || due);
        let mut pipeline = Pipeline::new(config, clock, place.clone(), state, (log, trigger));
        pipeline.trace_mask = trace_mask;
        pipeline.last_snapshot = newest_snapshot(&place);
        pipeline.sasl_users = users;
        pipeline.handshakes = handshakes;
        let mut held = waiting.map(NotServing::end);
        for (listener, entrance) in &mut entrances {
            let port = Some(listener.local()?.port());
            if matches!(entrance.door, Door::Tls(_)) {
                pipeline.secure_port = port;
            } else {
                pipeline.local_port = port;
                listener.adopt(held.take().unwrap_or_default())?;
            }
        }
        pipeline.random = random;
        measure_start(&mut pipeline.registry, &report, times);
        pipeline.digests = report.digests;
        if due {
            pipeline.snapshot_due.notify_one();
        }
        let pipeline = Rc::new(RefCell::new(pipeline));
        Ok(Server { pipeline, progress, entrances, place, random, operators, _locks: locks })
    }

    /// The port of the admin server, if there is one.
    pub fn admin_port(&self) -> Option<u16> {
        self.operators.admin_port
    }

    /// The port of the metrics for Prometheus, if they are offered.
    pub fn metrics_port(&self) -> Option<u16> {
        self.operators.metrics_port
    }

    /// The port that is listened on.
    pub fn port(&self) -> Option<u16> {
        self.pipeline.borrow().local_port
    }

    /// The port for TLS.
    pub fn secure_port(&self) -> Option<u16> {
        self.pipeline.borrow().secure_port
    }

    /// Serves until `shutdown` begins. To be called on a `LocalSet`.
    ///
    /// # Errors
    /// [`ServerError::Log`] when the log fails.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServerError> {
        let Server { pipeline, progress, entrances, place, random, operators, _locks } = self;
        // Timers end with everything; connections are waited for.
        let timers = tokio::task::LocalSet::new();
        timers.spawn_local(expire(Rc::clone(&pipeline)));
        timers.spawn_local(session_end::run(Rc::clone(&pipeline)));
        timers.spawn_local(reap(Rc::clone(&pipeline)));
        timers.spawn_local(line::answer(Rc::clone(&pipeline), operators.line.open()));
        timers.spawn_local(snapshots::run(place.clone(), Rc::clone(&pipeline), random));
        let handshakes = entrances.iter().find_map(|(_, entrance)| match &entrance.door {
            Door::Tls(handshakes) | Door::Either(handshakes) => Some(handshakes.clone()),
            Door::Plain => None,
        });
        if let (Some(tls), Some(handshakes), true) =
            (&place.config.security.tls, handshakes, place.config.security.reload)
        {
            timers.spawn_local(secure::reload(tls.clone(), handshakes, Arc::clone(&place.vfs)));
        }
        if place.config.purge_interval_hours > 0 {
            // Behind the task of the snapshots, which takes the turn for the one of the start.
            timers.spawn_local(snapshots::purge_regularly(place, Rc::clone(&pipeline)));
        }
        let audits = pipeline.borrow().config.audit;
        tracing::info!(
            target: "org.apache.zookeeper.audit.ZKAuditProvider",
            "ZooKeeper audit is {}.", if audits { "enabled" } else { "disabled" }
        );
        if audits {
            audit::tell_of_server(&environment::user(), true);
        }
        let hands_over = tokio::task::spawn_local(hand_over(Rc::clone(&pipeline)));
        let result = tokio::select! {
            result = commit(Rc::clone(&pipeline), progress) => result,
            () = accept_all(entrances, Rc::clone(&pipeline), shutdown.clone()) => Ok(()),
            () = timers => Ok(()),
            () = shutdown.begun() => Ok(()),
        };
        if result.is_err() {
            pipeline.borrow_mut().registry.count(measured::UNRECOVERABLE_ERRORS, 1);
        }
        if audits {
            audit::tell_of_server(&environment::user(), false);
        }
        drop(operators);
        pipeline.borrow_mut().end();
        shutdown.drain(DRAIN).await;
        hands_over.abort();
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

/// Opens the ports; they share their limits.
fn entrances(
    config: &ServerConfig,
    handshakes: Option<Handshakes>,
) -> Result<Vec<(Listener, Rc<Entrance>)>, ServerError> {
    let limits = Limits::none();
    let above_zero = |limit: i32| usize::try_from(limit).ok().filter(|limit| *limit > 0);
    limits.set_total(above_zero(config.max_connections), WhenFull::Refuse);
    limits.set_per_address(above_zero(config.max_client_connections), std::collections::HashMap::new());
    let identifier = Identifier::new(&config.security);
    let security = &config.security;
    let plain = match &handshakes {
        Some(handshakes) if security.port_unification => Door::Either(handshakes.clone()),
        _ => Door::Plain,
    };
    let secure = handshakes.map(Door::Tls);
    let ports = [
        (config.client_port, config.client_address, Some(plain), "clientPort"),
        (security.secure_port, security.secure_address, secure, "secureClientPort"),
    ];
    let mut entrances = Vec::new();
    for (port, address, door, name) in ports {
        if let (Some(port), Some(door)) = (port, door) {
            let listener = bind(config, (address, port), name, limits.clone())?;
            entrances.push((listener, Rc::new(Entrance { door, identifier: Rc::clone(&identifier) })));
        }
    }
    if entrances.is_empty() {
        tracing::warn!(target: SERVER, "clientPort is not set: no client can connect");
    }
    Ok(entrances)
}

fn bind(
    config: &ServerConfig,
    (address, port): (Option<IpAddr>, u16),
    name: &str,
    limits: Limits,
) -> Result<Listener, ServerError> {
    let shown = address.unwrap_or([0, 0, 0, 0].into());
    if name == "clientPort" {
        tracing::info!(target: "org.apache.zookeeper.server.NIOServerCnxnFactory", "binding to port {shown}/{shown}:{port}");
    } else {
        tracing::info!(target: "org.apache.zookeeper.server.NettyServerCnxnFactory", "binding to port {shown}/{shown}:{port}");
    }
    let backlog = u32::try_from(config.backlog).ok().filter(|backlog| *backlog > 0).unwrap_or(BACKLOG);
    Listener::bind(address, port, backlog, limits).map_err(|error| {
        let address = SocketAddr::new(shown, port);
        let (reason, advice) = why_not(&error, port, [name, &format!("{name}Address")]);
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

/// The newest snapshot, and when it was written; `None` if that cannot be found out, which nobody has to wait for.
fn newest_snapshot(place: &Place) -> Option<(Zxid, WallMillis)> {
    let newest = place.dirs.snapshots(place.vfs.as_ref()).ok()?.into_iter().next()?;
    let written = place.vfs.metadata(&newest.path).ok()?.modified_ms;
    Some((newest.zxid, WallMillis(written)))
}

/// When the reading of the state began, went on from the snapshot to the logs, and ended.
#[derive(Debug, Clone, Copy)]
struct StartTimes {
    began: Tick,
    loaded: Tick,
    ended: Tick,
}

impl StartTimes {
    fn begin(now: Tick) -> StartTimes {
        StartTimes { began: now, loaded: now, ended: now }
    }
}

/// What the start cost. As in Apache, an empty directory has no transactions to tell of.
fn measure_start(registry: &mut Registry, report: &Report, times: StartTimes) {
    let StartTimes { began, loaded, ended } = times;
    registry.count(measured::DIGEST_MISMATCHES, report.digest_mismatch.map_or(0, |(_, count)| count));
    registry.add(measured::DB_INIT_TIME, ended.since(began));
    registry.add(measured::STARTUP_SNAP_LOAD_TIME, loaded.since(began));
    if report.snapshot.is_some() {
        registry.add(measured::STARTUP_TXNS_LOADED, report.replayed);
        registry.add(measured::STARTUP_TXNS_LOAD_TIME, ended.since(loaded));
    }
}

fn log_options(config: &ServerConfig) -> TxnLogOptions {
    TxnLogOptions { preallocate: config.preallocate, force_sync: config.force_sync, size_limit: config.log_size_limit }
}

/// Takes connections of all ports for ever. Each port has a task beside those of its connections, which outlive this
/// call when the server drains.
async fn accept_all(entrances: Vec<(Listener, Rc<Entrance>)>, pipeline: SharedPipeline, shutdown: Shutdown) {
    for (listener, entrance) in entrances {
        let (pipeline, shutdown) = (Rc::clone(&pipeline), shutdown.clone());
        shutdown.clone().spawn_local(async move {
            tokio::select! {
                () = accept(listener, entrance, pipeline, shutdown.clone()) => {}
                () = shutdown.begun() => {}
            }
        });
    }
    std::future::pending::<()>().await;
}

async fn accept(mut listener: Listener, entrance: Rc<Entrance>, pipeline: SharedPipeline, shutdown: Shutdown) {
    let keep_alive = pipeline.borrow().config.tcp_keep_alive;
    loop {
        match listener.accept().await {
            Incoming::Accepted(accepted) => {
                if keep_alive && let Err(error) = accepted.stream.keep_alive() {
                    tracing::warn!(target: SERVER, "Cannot set TCP keep-alive: {error}");
                }
                shutdown.spawn_local(connection::serve(
                    accepted,
                    Rc::clone(&entrance),
                    Rc::clone(&pipeline),
                    shutdown.clone(),
                ));
            }
            Incoming::Refused { peer, refusal } => {
                pipeline.borrow_mut().registry.count(measured::CONNECTIONS_REJECTED, 1);
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

/// Looks at the sockets before the log is told that something waits, at most. Each look is a system call and no pause.
const LOOKS: usize = 8;

/// Tells the log of what was prepared when the sockets bring nothing more at once: clients that were answered together
/// ask together, and what they bring goes into the same sync.
async fn hand_over(pipeline: SharedPipeline) {
    let due = pipeline.borrow().log.due();
    loop {
        due.rung().await;
        let mut waiting = 0;
        for _ in 0..LOOKS {
            let before = std::mem::replace(&mut waiting, pipeline.borrow().log.waiting());
            if waiting == before {
                break;
            }
            // The runtime looks at the sockets and runs what is ready.
            tokio::task::yield_now().await;
        }
        pipeline.borrow().log.hand_over();
    }
}

/// Ends sessions whose time is over.
async fn expire(pipeline: SharedPipeline) {
    let (clock, tick_ms) = {
        let pipeline = pipeline.borrow();
        (pipeline.clock.clone(), u64::from(pipeline.config.tick_ms.unsigned_abs()))
    };
    loop {
        let now = clock.tick();
        let next = pipeline.borrow().expiry.next_deadline().map_or(tick_ms, |deadline| deadline.since(now));
        let pause = next.clamp(1, tick_ms);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if clock.tick().since(now) > pause + tick_ms {
            // The whole process stood still. What clients sent meanwhile is in the sockets: read it first.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let mut pipeline = pipeline.borrow_mut();
        pipeline.expire_sessions();
        pipeline.registry.turn(now);
        pipeline.log.turn_measured(now);
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
            if pipeline.borrow().is_restoring() {
                break;
            }
            pipeline.borrow_mut().write_own(zk_proto::SessionId::NONE, Write::Request(&request));
            tokio::time::sleep(config.pause()).await;
        }
    }
}

#[cfg(test)]
mod tests;
