//! The broker's way to the coordination server: one session, typed reads and writes.
//!
//! A lost connection is no error here: calls wait for the next one and are made again, as Apache does. What may not be
//! made twice says so.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use kafka_metadata::Endpoint;
use kafka_metadata::broker_config::BrokerConfig;
use kafka_metadata::znodes::brokers::BrokerRegistration;
use kafka_metadata::znodes::{self, admin, brokers, cluster, config, topics};
use kafka_metadata::zookeeper_client::client_property;
use kafka_types::{BrokerEpoch, BrokerId};
use properties::{Origin, Properties};
use tracing::{info, warn};
use vfs::OsVfs;
use zk_client::{Client, Error, EventReceiver, Op, OpResult, Options, Security, SessionKey};
use zk_proto::{Acl, CreateMode, ErrorCode, Stat};

/// Between two looks at a registration that somebody else still holds.
const REGISTRATION_POLL: Duration = Duration::from_millis(100);

/// How to reach the coordination server: hosts, TLS and SASL. The stores and the JAAS file are read anew each time.
pub(crate) fn options(config: &BrokerConfig) -> Result<Options> {
    options_for(&config.zookeeper_connect, |name| config.text(name))
}

/// How to reach the servers of a connect string, with these settings of the client.
pub(crate) fn options_for<'a>(connect: &str, setting: impl Fn(&str) -> Option<&'a str>) -> Result<Options> {
    let mut options = Options::new(connect).map_err(|error| anyhow!("java.lang.IllegalArgumentException: {error}"))?;
    let mut system = Properties::new();
    system.define(&Origin::Variable("KAFKA_OPTS"), &std::env::var("KAFKA_OPTS").unwrap_or_default());
    let mut lookup =
        |name: &str| client_property(name, |name| setting(name).map(|value| value as &str), |name| system.get(name));
    options.security = Security::load(&mut lookup, &OsVfs)
        .map_err(|error| anyhow!("org.apache.kafka.common.KafkaException: {error}"))?;
    if let Some(tls) = &options.security.tls
        && !tls.unknown_suites.is_empty()
    {
        let names = tls.unknown_suites.join(", ");
        warn!(target: "kafka.zookeeper.ZooKeeperClient", "zookeeper.ssl.cipher.suites: not there and left out: {names}");
    }
    Ok(options)
}

/// A shared handle on the session of this broker.
pub(crate) struct ZooKeeper {
    client: RwLock<Client>,
}

impl ZooKeeper {
    /// Around a session.
    pub(crate) fn new(client: Client) -> ZooKeeper {
        ZooKeeper { client: RwLock::new(client) }
    }

    /// The session of the moment.
    pub(crate) fn client(&self) -> Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a new session in the place of one that expired.
    pub(crate) fn replace(&self, client: Client) {
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client;
    }

    /// Makes a call, again and again while the connection is lost in it.
    pub(crate) async fn retry<R, F: Future<Output = Result<R, Error>>>(
        &self,
        mut call: impl FnMut(Client) -> F,
    ) -> Result<R, Error> {
        loop {
            let client = self.client();
            match call(client.clone()).await {
                Err(error) if error.is_connection_loss() => {
                    client.connected().await?;
                }
                result => return result,
            }
        }
    }

    /// Data and counters of a znode, `None` if it does not exist.
    pub(crate) async fn get(&self, path: &str, watch: bool) -> Result<Option<(Bytes, Stat)>, Error> {
        let found = self.retry(|client| async move { client.get(path, watch).await }).await;
        match found {
            Ok((data, stat)) => Ok(Some((data.unwrap_or_default(), stat))),
            Err(error) if error.code() == ErrorCode::NoNode => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Does a znode exist?
    pub(crate) async fn exists(&self, path: &str, watch: bool) -> Result<Option<Stat>, Error> {
        self.retry(|client| async move { client.exists(path, watch).await }).await
    }

    /// Names of a znode's children, sorted; none if it does not exist.
    pub(crate) async fn children(&self, path: &str, watch: bool) -> Result<Vec<String>, Error> {
        match self.retry(|client| async move { client.children(path, watch).await }).await {
            Ok((mut names, _)) => {
                names.sort();
                Ok(names)
            }
            Err(error) if error.code() == ErrorCode::NoNode => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Creates a persistent znode; `false` if it is there already.
    pub(crate) async fn create(&self, path: &str, data: Option<Bytes>) -> Result<bool, Error> {
        let created = self.retry(|client| {
            let data = data.clone();
            async move { client.create(path, data, Acl::open(), CreateMode::Persistent).await }
        });
        match created.await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == ErrorCode::NodeExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Creates a persistent znode whose name ends with a number that the server gives. One that was made although the
    /// connection was lost is made a second time.
    pub(crate) async fn create_sequential(&self, prefix: &str, data: Bytes) -> Result<(), Error> {
        let created = self.retry(|client| {
            let data = data.clone();
            async move { client.create(prefix, Some(data), Acl::open(), CreateMode::PersistentSequential).await }
        });
        created.await.map(|_| ())
    }

    /// Creates or overwrites a znode.
    pub(crate) async fn put(&self, path: &str, data: Bytes) -> Result<(), Error> {
        loop {
            if self.create(path, Some(data.clone())).await? {
                return Ok(());
            }
            let set = self.retry(|client| {
                let data = data.clone();
                async move { client.set(path, Some(data), -1).await }
            });
            match set.await {
                // Deleted between the two calls.
                Err(error) if error.code() == ErrorCode::NoNode => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Overwrites a znode that is there.
    pub(crate) async fn put_existing(&self, path: &str, data: Bytes) -> Result<(), Error> {
        let set = self.retry(|client| {
            let data = data.clone();
            async move { client.set(path, Some(data), -1).await }
        });
        set.await.map(|_| ())
    }

    /// Creates or overwrites a znode, and its parents where they are missing.
    pub(crate) async fn put_with_parents(&self, path: &str, data: Bytes) -> Result<(), Error> {
        for (at, _) in path.match_indices('/').skip(1) {
            self.create(&path[..at], None).await?;
        }
        self.put(path, data).await
    }

    /// Deletes a znode; fine if it is not there.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Error> {
        match self.retry(|client| async move { client.delete(path, -1).await }).await {
            Err(error) if error.code() != ErrorCode::NoNode => Err(error),
            _ => Ok(()),
        }
    }

    /// Creates the paths that every broker expects, parents first, all of them on the way at once.
    pub(crate) async fn create_top_paths(&self) -> Result<(), Error> {
        let mut paths: Vec<String> = Vec::new();
        for path in znodes::PERSISTENT_PATHS {
            for (at, _) in path.match_indices('/').skip(1) {
                if !paths.iter().any(|known| known == &path[..at]) {
                    paths.push(path[..at].to_owned());
                }
            }
            paths.push(path.to_owned());
        }
        let client = self.client();
        let calls: Vec<_> =
            paths.iter().map(|path| client.create(path, None, Acl::open(), CreateMode::Persistent)).collect();
        for (path, call) in paths.iter().zip(calls) {
            match call.await {
                Ok(_) => {}
                Err(error) if error.code() == ErrorCode::NodeExists => {}
                Err(error) if error.is_connection_loss() => {
                    self.create(path, None).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The cluster's id, if it has one.
    pub(crate) async fn cluster_id(&self) -> Result<Option<String>> {
        match self.get(cluster::ID, false).await? {
            Some((data, _)) => Ok(Some(cluster::decode(&data)?)),
            None => Ok(None),
        }
    }

    /// Gives the cluster an id unless it has one; returns the one it has.
    pub(crate) async fn create_cluster_id(&self, proposed: &str) -> Result<String> {
        self.create("/cluster", None).await?;
        if self.create(cluster::ID, Some(cluster::encode(proposed).into())).await? {
            return Ok(proposed.to_owned());
        }
        self.cluster_id().await?.context("/cluster/id was there and is gone")
    }

    /// A broker id that no other broker has: above `reserved`, from the version of `/brokers/seqid`.
    pub(crate) async fn generate_broker_id(&self, reserved: i32) -> Result<BrokerId, Error> {
        self.create(brokers::SEQUENCE_ID, None).await?;
        let path = brokers::SEQUENCE_ID;
        let stat = self.retry(|client| async move { client.set(path, Some(Bytes::new()), -1).await }).await?;
        Ok(BrokerId(reserved + stat.version))
    }

    /// An error if a client that asks for this broker where it is advertised would reach another one.
    pub(crate) async fn refuse_taken_addresses(&self, id: BrokerId, advertised: &[Endpoint]) -> Result<()> {
        for other in self.children(brokers::IDS, false).await? {
            let Some(other) = brokers::id_of(&other).filter(|other| *other != id) else { continue };
            let Some((data, _)) = self.get(&brokers::path(other), false).await? else { continue };
            let taken = BrokerRegistration::decode(other, &data)?.addresses_among(advertised);
            if !taken.is_empty() {
                bail!(
                    "java.lang.IllegalArgumentException: requirement failed: Configured end points {} in advertised \
                     listeners are already registered by broker {other}\n\
                     Give this one other advertised.listeners. If broker {other} was killed, its registration goes \
                     when its session times out (zookeeper.session.timeout.ms of that broker).",
                    taken.join(",")
                );
            }
        }
        Ok(())
    }

    /// Registers this broker; the epoch of its new life comes back.
    ///
    /// A registration that an older life of this broker left behind is waited for: its session runs out within
    /// `patience`. One that belongs to a broker elsewhere is an error.
    pub(crate) async fn register(&self, registration: &BrokerRegistration, patience: Duration) -> Result<BrokerEpoch> {
        let path = brokers::path(registration.id);
        info!(target: "kafka.zk.KafkaZkClient", "Creating {path} (is it secure? false)");
        let data = Bytes::from(registration.encode());
        let mut waited = Duration::ZERO;
        loop {
            let results = self.retry(|client| client.multi(register_ops(&path, &data))).await?;
            let failure = OpResult::failure(&results);
            match (failure, results.get(1)) {
                (None, Some(OpResult::Set(stat))) => {
                    let addresses: Vec<String> =
                        registration.endpoints.iter().map(Endpoint::connection_string).collect();
                    info!(
                        target: "kafka.zk.KafkaZkClient",
                        "Registered broker {} at path {path} with addresses: {}, czxid (broker epoch): {}",
                        registration.id, addresses.join(","), stat.czxid.0
                    );
                    return Ok(BrokerEpoch(stat.czxid.0));
                }
                (Some((_, ErrorCode::NodeExists)), _) => {}
                (Some((_, code)), _) => bail!("{path} cannot be created: {code}"),
                (None, other) => bail!("{path} cannot be created: unexpected answer {other:?}"),
            }
            let Some((there, stat)) = self.get(&path, false).await? else { continue };
            let own = self.client().session().map(|session| session.id.0);
            if own == Some(stat.ephemeral_owner) {
                // Our own session's, from before a reconnect whose answer was lost.
                self.delete(&path).await?;
                continue;
            }
            refuse_foreign(&path, &there, stat.ephemeral_owner, own, registration)?;
            if waited >= patience {
                bail!(
                    "org.apache.zookeeper.KeeperException$NodeExistsException: KeeperErrorCode = NodeExists\n\
                     {path} is still held by session 0x{:x} of an earlier run of this broker after {waited:?}",
                    stat.ephemeral_owner
                );
            }
            if waited.is_zero() {
                warn!(
                    target: "kafka.zk.KafkaZkClient",
                    "Session 0x{:x} of an earlier run of this broker still owns {path}; waiting for it to expire (at most {} s)",
                    stat.ephemeral_owner, patience.as_secs()
                );
            }
            tokio::time::sleep(REGISTRATION_POLL).await;
            waited += REGISTRATION_POLL;
        }
    }

    /// The settings of a topic or broker, as stored.
    pub(crate) async fn settings(&self, kind: config::EntityType, name: &str) -> Result<BTreeMap<String, String>> {
        match self.get(&config::path(kind, name), false).await? {
            Some((data, _)) => Ok(config::decode(&data)?),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Writes a new topic: settings first, so that whoever sees the topic finds them. `false` if it exists.
    pub(crate) async fn create_topic(
        &self,
        name: &str,
        assignment: &topics::TopicAssignment,
        settings: &BTreeMap<String, String>,
    ) -> Result<bool, Error> {
        if self.exists(&topics::path(name), false).await?.is_some() {
            return Ok(false);
        }
        self.put(&config::topic_path(name), config::encode(settings).into()).await?;
        self.create(&topics::path(name), Some(assignment.encode().into())).await
    }

    /// The stored assignment of a topic, with the version of its znode.
    pub(crate) async fn topic(&self, name: &str) -> Result<Option<(topics::TopicAssignment, i32)>> {
        match self.get(&topics::path(name), false).await? {
            Some((data, stat)) => Ok(Some((topics::TopicAssignment::decode(&data)?, stat.version))),
            None => Ok(None),
        }
    }

    /// Marks a topic for deletion; the controller does the rest. `false` if it is marked already.
    pub(crate) async fn delete_topic(&self, name: &str) -> Result<bool, Error> {
        self.create(&admin::delete_topic_path(name), None).await
    }
}

fn register_ops(path: &str, data: &Bytes) -> Vec<Op> {
    // Apache's two steps: a registration without data is never seen, and the Stat of the second tells the czxid.
    vec![
        Op::Create { path: path.to_owned(), data: None, acl: Acl::open(), mode: CreateMode::Ephemeral },
        Op::Set { path: path.to_owned(), data: Some(data.clone()), version: 0 },
    ]
}

/// An error if the registration that is there belongs to a broker somewhere else.
fn refuse_foreign(path: &str, there: &[u8], owner: i64, own: Option<i64>, wanted: &BrokerRegistration) -> Result<()> {
    let same = BrokerRegistration::decode(wanted.id, there)
        .is_ok_and(|there| there.endpoints.iter().any(|endpoint| wanted.endpoints.contains(endpoint)));
    if same {
        return Ok(());
    }
    tracing::error!(
        target: "kafka.zk.KafkaZkClient$CheckedEphemeral",
        "Error while creating ephemeral at {path}, node already exists and owner '0x{owner:x}' does not match current session '0x{:x}'",
        own.unwrap_or_default()
    );
    bail!(
        "org.apache.zookeeper.KeeperException$NodeExistsException: KeeperErrorCode = NodeExists\n\
         Another broker with broker.id={} is registered ({}). Give this one another broker.id in its server.properties.",
        wanted.id,
        String::from_utf8_lossy(there)
    )
}

/// Connects and waits until a server serves the session.
pub(crate) async fn connect(options: Options, at_most: Duration) -> Result<(Client, EventReceiver)> {
    let (client, events) = Client::connect(options);
    match tokio::time::timeout(at_most, client.connected()).await {
        Ok(Ok(_)) => Ok((client, events)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => bail!(
            "kafka.zookeeper.ZooKeeperClientTimeoutException: Timed out waiting for connection while in state: CONNECTING"
        ),
    }
}

/// Makes the path that all others lie under, component by component, if the connect string names one.
pub(crate) async fn create_chroot(options: &Options, patience: Duration) -> Result<()> {
    let Some(chroot) = options.hosts.chroot.clone().filter(|chroot| chroot != "/") else { return Ok(()) };
    let mut rooted = options.clone();
    rooted.hosts.chroot = None;
    let (client, _events) = connect(rooted, patience).await?;
    let at_root = ZooKeeper::new(client.clone());
    for (at, _) in chroot.match_indices('/').skip(1).chain([(chroot.len(), "")]) {
        at_root.create(&chroot[..at], None).await?;
    }
    client.close().await?;
    Ok(())
}

/// Ends a session of which only its key is left, so that its ephemeral znodes go at once. Fine if it is over already.
pub(crate) async fn end_session(mut options: Options, key: SessionKey, at_most: Duration) {
    options.existing = Some(key);
    let (client, _events) = Client::connect(options);
    let end = async {
        if client.connected().await.is_ok() {
            let _ = client.close().await;
        }
    };
    if tokio::time::timeout(at_most, end).await.is_err() {
        warn!(target: "kafka.zookeeper.ZooKeeperClient", "The session of the last run (0x{:x}) could not be ended", key.id.0);
    }
}
