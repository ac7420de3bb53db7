//! Start and stop, in order, on one page.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use http_server::HttpServer;
use kafka_metadata::{BrokerConfig, Endpoint};
use kafka_types::{BrokerId, ErrorCode, TopicPartition};
use net::{Listener, Memory, Shutdown};
use tokio::sync::Notify;
use tracing::{error, info, warn};
use vfs::{OsVfs, Vfs};
use zk_client::{Client, EventReceiver, Options};

use crate::background::Background;
use crate::broker::Broker;
use crate::checkpoints::CheckpointOrders;
use crate::clock::{Clock, random_bytes};
use crate::config::{Config, TopicSettingsCache};
use crate::dir_moves::DirMoves;
use crate::fetch_sessions::FetchSessions;
use crate::metadata::MetadataCache;
use crate::metrics::Metrics;
use crate::network::listeners::Listeners;
use crate::producer_ids::ProducerIds;
use crate::quotas::ClientQuotas;
use crate::replicas::log_dirs::LogDirs;
use crate::replicas::moves::MoveId;
use crate::replicas::{Owned, Shared};
use crate::replication_quotas::ReplicationQuotas;
use crate::settings::{Changes, brokers};
use crate::shard::Shards;
use crate::zookeeper::{self, ZooKeeper};
use crate::{
    authorizer, checkpoints, cleaner, controller, descriptors, dir_failures, dir_moves, housekeeping, idle_settings,
    operators, peers, session_file, watches,
};

pub(crate) mod connections;
mod identity;
mod loading;
mod log_dirs;

use connections::ConnectionLimits;

/// Before the user is told that the coordination server does not answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long "started" may wait for the first news of the controller.
const FIRST_NEWS: Duration = Duration::from_secs(3);
/// Threads for long work.
const BACKGROUND_THREADS: usize = 2;
/// How long a broker that stops waits for its own controller.
const OWN_CONTROLLER: Duration = Duration::from_secs(5);

/// A broker that runs, with what its end needs.
pub(crate) struct Running {
    broker: Arc<Broker>,
    shared: Arc<Shared>,
    session_dir: PathBuf,
    /// Metrics and health over HTTP.
    operators: Option<HttpServer>,
}

/// Starts everything; returns when the broker serves.
pub(crate) async fn start(config: BrokerConfig, clock: Clock) -> Result<Running> {
    info!(target: "kafka.server.KafkaServer", "starting");
    let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
    let config = Arc::new(Config::new(config));
    let options = zookeeper_options(&config)?;
    info!(target: "kafka.server.KafkaServer", "Connecting to zookeeper on {}", config.broker().zookeeper_connect);
    let (client, events) = connect(&config, &options).await?;
    let zookeeper = Arc::new(ZooKeeper::new(client));
    zookeeper.create_top_paths().await?;

    let dirs = log_dirs::open(&vfs, &config)?;
    let session_dir = end_last_session(&*vfs, &config, options, &dirs).await;
    let (cluster_id, id) = identity::agree(&config, &zookeeper, &dirs, clock).await?;
    adopt_stored(&zookeeper, &config, id).await?;
    let idle_logs = descriptors::idle_logs(descriptors::raise_limit(), config.shards());
    let shared = Arc::new(Shared { clock, config: Arc::clone(&config), dirs, idle_logs });
    let (background, _threads) = Background::start(BACKGROUND_THREADS);
    let topic_settings = TopicSettingsCache::default();
    let logs = loading::load(&shared, &zookeeper, &topic_settings, &background).await?;

    let for_shards = Arc::clone(&shared);
    let (shards, _threads) = Shards::start(config.shards(), move |_| Owned::new(Arc::clone(&for_shards)));
    let moves = loading::hand_over(&shared, &shards, logs).await?;
    let limits = ConnectionLimits::new(&config, &background).await?;
    let shutdown = Shutdown::new();
    let listeners = Listeners::new(&shutdown);
    let bound = bind(&config, &limits, &listeners)?;
    let authorizer = authorizer::start(&config, clock, &shutdown, random_seed()).await?;
    let (controller, runner) = controller::create(id, controller_settings(&config), Arc::clone(&zookeeper), clock);
    let broker = Arc::new(Broker {
        id,
        cluster_id,
        clock,
        fetch_sessions: FetchSessions::new(config.fetch_session_slots()),
        config,
        shards,
        background,
        metadata: MetadataCache::new(),
        zookeeper,
        controller,
        topic_settings,
        producer_ids: ProducerIds::default(),
        moves: DirMoves::new(alter_threads(&shared)),
        shared: Arc::clone(&shared),
        checkpoint_orders: CheckpointOrders::new(),
        shutdown,
        authorizer,
        halt: Notify::new(),
        epoch: AtomicI64::new(-1),
        controller_epoch: AtomicI32::new(0),
        features_epoch: AtomicI64::new(-1),
        metrics: Metrics::new(shared.config.shards()),
        changes: Changes::new(),
        quotas: ClientQuotas::new(&shared.config),
        replication_quotas: ReplicationQuotas::new(&shared.config),
        limits,
        request_memory: shared.config.queued_max_request_bytes().map(Memory::new),
        listeners,
    });
    let operators = operators::start(&broker);
    let running = Running { broker: Arc::clone(&broker), shared, session_dir, operators };
    start_housekeeping(&broker).await?;
    broker.zookeeper.refuse_taken_addresses(id, &broker.config.broker().advertised_listeners).await?;
    register(&broker, &running.session_dir).await?;
    tokio::spawn(runner.run());
    tokio::spawn(watches::run(Arc::clone(&broker), events, running.session_dir.clone()));
    watches::start(&broker).await?;
    go_on_moving(&broker, moves).await;
    serve(&running, bound).await;
    Ok(running)
}

/// Ends the session of the last run, so that its registration goes at once: whoever holds the directories' locks knows
/// that it is over. Returns the directory that keeps the session's number.
async fn end_last_session(vfs: &dyn Vfs, config: &Config, options: Options, dirs: &LogDirs) -> PathBuf {
    let dir = dirs.online().next().map(|(one, _)| one.path().to_owned()).unwrap_or_default();
    if let Some(old) = session_file::read(vfs, &dir) {
        zookeeper::end_session(options, old, session_timeout(config)).await;
    }
    dir
}

async fn start_housekeeping(broker: &Arc<Broker>) -> Result<()> {
    for shard in 0..broker.shards.count() {
        let for_shard = Arc::clone(broker);
        broker.shards.spawn_on(shard, move || async move { housekeeping::start_on_shard(&for_shard) }).await?;
    }
    Ok(())
}

/// Goes on with the moves between directories that the last run did not end.
async fn go_on_moving(broker: &Arc<Broker>, moves: Vec<(TopicPartition, MoveId)>) {
    for (partition, id) in moves {
        dir_moves::start(broker, partition, id).await;
    }
}

/// Begins with what goes on by itself, and lets clients in.
async fn serve(running: &Running, listeners: Vec<(Endpoint, Listener)>) {
    let broker = &running.broker;
    tokio::spawn(checkpoints::run(Arc::clone(broker), Arc::clone(&running.shared)));
    tokio::spawn(dir_failures::run(Arc::clone(broker), Arc::clone(&running.shared)));
    cleaner::start(broker);
    open_ports(broker, listeners);
    wait_for_news(broker).await;
}

/// Makes a session; says once that it waits if that takes long.
async fn connect(config: &Config, options: &Options) -> Result<(Client, EventReceiver)> {
    let connect = &config.broker().zookeeper_connect;
    let patience = Duration::from_millis(config.broker().zookeeper_connection_timeout_ms.max(1) as u64);
    zookeeper::create_chroot(options, patience).await?;
    info!(target: "kafka.zookeeper.ZooKeeperClient", "[ZooKeeperClient Kafka server] Initializing a new session to {connect}.");
    info!(target: "kafka.zookeeper.ZooKeeperClient", "[ZooKeeperClient Kafka server] Waiting until connected.");
    let connecting = zookeeper::connect(options.clone(), patience);
    tokio::pin!(connecting);
    let connected = tokio::select! {
        connected = &mut connecting => connected,
        () = tokio::time::sleep(PATIENCE) => {
            warn!(
                target: "kafka.zookeeper.ZooKeeperClient",
                "No ZooKeeper answers at {connect}; waiting for it for up to {} s. Start it with: ./zookeeper-server-start.sh ../config/zookeeper.properties",
                patience.as_secs()
            );
            connecting.await
        }
    };
    if connected.is_ok() {
        info!(target: "kafka.zookeeper.ZooKeeperClient", "[ZooKeeperClient Kafka server] Connected.");
    }
    connected
}

/// What was changed at run time is in force from the start.
async fn adopt_stored(zookeeper: &ZooKeeper, config: &Config, id: BrokerId) -> Result<()> {
    config.replace(brokers::stored(zookeeper, config, id).await?);
    idle_settings::tell_rates(None, &config.broker());
    Ok(())
}

fn zookeeper_options(config: &Config) -> Result<Options> {
    let broker = config.broker();
    let mut options = zookeeper::options(&broker)?;
    options.session_timeout_ms = broker.zookeeper_session_timeout_ms.max(1) as u32;
    options.seed = random_seed();
    Ok(options)
}

fn random_seed() -> u64 {
    u64::from_be_bytes(random_bytes()[..8].try_into().expect("eight of sixteen bytes"))
}

fn session_timeout(config: &Config) -> Duration {
    Duration::from_millis(config.broker().zookeeper_session_timeout_ms.max(1) as u64)
}

/// `num.replica.alter.log.dirs.threads`; one per directory if it is not set.
fn alter_threads(shared: &Shared) -> usize {
    match shared.config.positive("num.replica.alter.log.dirs.threads") {
        0 => shared.dirs.all().len(),
        threads => threads as usize,
    }
}

fn controller_settings(config: &Config) -> kafka_controller::ControllerSettings {
    let broker = config.broker();
    let values = broker.values();
    kafka_controller::ControllerSettings {
        inter_broker_listener: broker.inter_broker_listener.clone(),
        delete_topics: config.delete_topics(),
        unclean_leader_election: values.boolean("unclean.leader.election.enable"),
        rebalance_leaders: values.boolean("auto.leader.rebalance.enable"),
        rebalance_interval_ms: config.positive("leader.imbalance.check.interval.seconds") * 1000,
        imbalance_percentage: config.positive("leader.imbalance.per.broker.percentage") as u32,
    }
}

/// Opens every port, so that a taken one is an error now and clients that come early wait in the queue.
fn bind(config: &Config, limits: &ConnectionLimits, listeners: &Listeners) -> Result<Vec<(Endpoint, Listener)>> {
    let mut bound = Vec::new();
    for endpoint in &config.broker().listeners {
        if endpoint.protocol != kafka_metadata::SecurityProtocol::Plaintext {
            bail!(
                "org.apache.kafka.common.config.ConfigException: Listener {} asks for {}, which this broker does not speak yet: only PLAINTEXT listeners are served",
                endpoint.listener,
                endpoint.protocol
            );
        }
        bound.push((endpoint.clone(), listeners.bind(config, limits, endpoint)?));
    }
    Ok(bound)
}

/// Registers this broker in the session that it has; an older life's session is waited for, it runs out within its timeout,
/// rounded up to the server's ticks. The session is written down first: whatever ends this process from here on, the next
/// one can end the session, and need not wait.
pub(crate) async fn register(broker: &Broker, session_dir: &Path) -> Result<()> {
    let registration = broker.registration(&broker.config.broker());
    if let Some(key) = broker.zookeeper.client().session()
        && let Err(error) = session_file::write(&OsVfs, session_dir, key)
    {
        warn!(target: "kafka.server.KafkaServer", "The session cannot be remembered for the next start: {error}");
    }
    let epoch = broker.zookeeper.register(&registration, session_timeout(&broker.config) * 2).await?;
    broker.epoch.store(epoch.0, Ordering::Release);
    Ok(())
}

fn open_ports(broker: &Arc<Broker>, listeners: Vec<(Endpoint, Listener)>) {
    info!(target: "kafka.network.SocketServer", "[SocketServer listenerType=ZK_BROKER, nodeId={}] Enabling request processing.", broker.id);
    for (endpoint, listener) in listeners {
        broker.listeners.serve(broker, &endpoint, listener);
    }
}

/// Whoever reads "started" may ask for topics: the first news of the controller should be there.
async fn wait_for_news(broker: &Broker) {
    let id = broker.id;
    broker.metadata.wait_for(FIRST_NEWS, |image| image.is_alive(id) && image.controller().is_some()).await;
    info!(target: "org.apache.kafka.common.utils.AppInfoParser", "Kafka version: {}", crate::KAFKA_VERSION);
    info!(target: "org.apache.kafka.common.utils.AppInfoParser", "Kafka startTimeMs: {}", broker.clock.wall().0);
    info!(target: "kafka.server.KafkaServer", "[KafkaServer id={id}] started");
}

impl Running {
    /// Resolves when the broker cannot go on: nothing that it holds can be kept any more.
    pub(crate) async fn failed(&self) {
        self.broker.halt.notified().await;
    }

    /// Stops in order: leaderships moved, connections drained, logs closed, session ended.
    pub(crate) async fn stop(self) {
        let broker = &self.broker;
        info!(target: "kafka.server.KafkaServer", "[KafkaServer id={}] shutting down", broker.id);
        self.controlled_shutdown().await;
        broker.shutdown.begin();
        // Requests in flight get their answers.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let clean = housekeeping::close_all(broker, &self.shared).await;
        broker.controller.tell(kafka_controller::Event::SessionLost).await;
        let close = broker.zookeeper.client().close();
        if let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(2), close).await {
            session_file::remove(&OsVfs, &self.session_dir);
        } else {
            warn!(target: "kafka.server.KafkaServer", "The session could not be closed; it ends by itself");
        }
        if !clean {
            error!(target: "kafka.server.KafkaServer", "Not every log could be closed in order; the next start recovers them");
        }
        drop(self.operators);
        info!(target: "kafka.server.KafkaServer", "[KafkaServer id={}] shut down completed", broker.id);
    }

    async fn controlled_shutdown(&self) {
        let broker = &self.broker;
        if !broker.config.broker().values().boolean("controlled.shutdown.enable") {
            return;
        }
        info!(target: "kafka.server.KafkaServer", "[KafkaServer id={}] Starting controlled shutdown", broker.id);
        let started = broker.clock.tick();
        let mut retries = broker.config.positive("controlled.shutdown.max.retries");
        loop {
            let own = broker.is_controller();
            let patience = if own { OWN_CONTROLLER } else { peers::timeout(broker) };
            let asked = tokio::time::timeout(patience, peers::controlled_shutdown(broker)).await;
            // Its own controller waits for ZooKeeper then, and so would the next attempt.
            let in_vain = own && asked.is_err();
            match asked.unwrap_or(Err(ErrorCode::RequestTimedOut)) {
                Ok(0) => {
                    let took = broker.clock.tick().since(started);
                    info!(target: "kafka.server.KafkaServer", "[KafkaServer id={}] Controlled shutdown request returned successfully after {took}ms", broker.id);
                    return;
                }
                Ok(remaining) => {
                    info!(target: "kafka.server.KafkaServer", "[KafkaServer id={}] {remaining} remaining partitions need to move: nobody else can lead them yet", broker.id);
                }
                Err(error) => {
                    info!(target: "kafka.server.KafkaServer", "[KafkaServer id={}] Received error code for controlled shutdown request: {}", broker.id, error.name());
                }
            }
            if retries == 0 || in_vain {
                break;
            }
            retries -= 1;
            let backoff = broker.config.positive("controlled.shutdown.retry.backoff.ms");
            warn!(target: "kafka.server.KafkaServer", "[KafkaServer id={}] Retrying controlled shutdown after the previous attempt failed...", broker.id);
            tokio::time::sleep(Duration::from_millis(backoff)).await;
        }
        warn!(target: "kafka.server.KafkaServer", "[KafkaServer id={}] Proceeding to do an unclean shutdown as all the controlled shutdown attempts failed", broker.id);
    }
}
