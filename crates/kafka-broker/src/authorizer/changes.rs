//! Follows what other brokers, and tools that write to ZooKeeper themselves, change: a notice each, in order.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::Result;
use kafka_metadata::znodes::acl::{self, AclChange};
use kafka_metadata::znodes::child_name;
use net::Shutdown;
use tracing::{error, info, warn};
use zk_client::{Event, EventReceiver, Options};

use super::{AclAuthorizer, empty_rules, options};
use crate::clock::Clock;
use crate::config::Config;
use crate::zookeeper::{self, ZooKeeper};

/// Between attempts to come back after an expired session, and to read what could not be read.
const RETRY: Duration = Duration::from_secs(1);
/// Notices as old as this have been seen by every broker.
const KEEP_MS: i64 = 15 * 60 * 1000;

/// What a broker has seen of the notices.
struct Follower {
    authorizer: Arc<AclAuthorizer>,
    clock: Clock,
    /// The numbers of the last notices, of literal rules and of prefixes.
    last: [i64; 2],
}

const ROOTS: [&str; 2] = [acl::CHANGES, acl::EXTENDED_CHANGES];

/// The authorizer that the settings ask for, with all rules read; they are followed from now on.
pub(crate) async fn start(
    config: &Config,
    clock: Clock,
    shutdown: &Shutdown,
    seed: u64,
) -> Result<Option<Arc<AclAuthorizer>>> {
    let config = config.broker();
    if !config.has_acl_authorizer() {
        return Ok(None);
    }
    let rules = empty_rules(&config)?;
    let (options, patience) = options(&config, seed)?;
    info!(target: "kafka.security.authorizer.AclAuthorizer", "Connecting to zookeeper for access rules");
    zookeeper::create_chroot(&options, patience).await?;
    let (client, events) = zookeeper::connect(options.clone(), patience).await?;
    let authorizer = Arc::new(AclAuthorizer {
        zookeeper: ZooKeeper::new(client),
        rules: RwLock::new(Arc::new(rules)),
        changes: std::sync::atomic::AtomicU64::new(0),
        versions: tokio::sync::Mutex::default(),
    });
    authorizer.load().await?;
    let mut follower = Follower { authorizer: Arc::clone(&authorizer), clock, last: [-1; 2] };
    // What changed between reading and watching is told by a notice that is there by now.
    follower.look(true).await?;
    tokio::spawn(follow(follower, events, options, patience, shutdown.clone()));
    Ok(Some(authorizer))
}

async fn follow(
    mut follower: Follower,
    mut events: EventReceiver,
    options: Options,
    patience: Duration,
    shutdown: Shutdown,
) {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = shutdown.begun() => {
                // Nobody waits for it: the session has nothing that others could miss.
                let _ = follower.authorizer.zookeeper.client().close().await;
                return;
            }
        };
        match event {
            Some(Event::Watch(_)) => {
                while let Err(problem) = follower.look(false).await {
                    warn!(target: "kafka.security.authorizer.AclAuthorizer", "A change of access rules could not be followed: {problem:#}");
                    if problem.downcast_ref::<zk_client::Error>().is_some_and(is_end) || shutdown.has_begun() {
                        break;
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
            Some(Event::Expired | Event::AuthFailed) | None => {
                if shutdown.has_begun() {
                    return;
                }
                info!(target: "kafka.zookeeper.ZooKeeperClient", "[ZooKeeperClient ACL authorizer] Session expired.");
                events = loop {
                    match follower.come_back(options.clone(), patience).await {
                        Ok(events) => break events,
                        Err(problem) => {
                            warn!(target: "kafka.zookeeper.ZooKeeperClient", "[ZooKeeperClient ACL authorizer] No new session yet: {problem:#}");
                        }
                    }
                    tokio::time::sleep(RETRY).await;
                };
            }
            Some(Event::Connected | Event::ConnectedReadOnly | Event::Disconnected | Event::SaslAuthenticated) => {}
        }
    }
}

/// Is the session over? The event that says so is on its way.
fn is_end(error: &zk_client::Error) -> bool {
    !error.is_connection_loss()
}

impl Follower {
    /// A new session, with everything read again: notices may have gone meanwhile.
    async fn come_back(&mut self, options: Options, patience: Duration) -> Result<EventReceiver> {
        let (client, events) = zookeeper::connect(options, patience).await?;
        self.authorizer.zookeeper.replace(client);
        self.last = [-1; 2];
        self.authorizer.load().await?;
        self.look(true).await?;
        Ok(events)
    }

    /// Reads every pattern that a new notice is about, and looks for the next one. `all` is for the first look: whatever
    /// is there may be news.
    async fn look(&mut self, all: bool) -> Result<()> {
        for (root, last) in ROOTS.into_iter().zip(0..) {
            let names = self.authorizer.zookeeper.children(root, true).await?;
            let mut notices: Vec<(i64, String)> =
                names.into_iter().filter_map(|name| Some((number(&name)?, format!("{root}/{name}")))).collect();
            notices.sort();
            for (number, path) in &notices {
                if *number <= self.last[last] && !all {
                    continue;
                }
                self.read_notice(path).await?;
                self.last[last] = *number;
            }
            self.remove_old(&notices).await?;
        }
        Ok(())
    }

    async fn read_notice(&self, path: &str) -> Result<()> {
        let Some((data, _)) = self.authorizer.zookeeper.get(path, false).await? else { return Ok(()) };
        match AclChange::decode(&data) {
            Ok(change) => {
                if let Err(problem) = self.authorizer.refresh(&change.pattern).await {
                    // What cannot be understood changes nothing: the rules of before stay in force.
                    match problem.downcast_ref::<zk_client::Error>() {
                        Some(_) => return Err(problem),
                        None => {
                            error!(target: "kafka.security.authorizer.AclAuthorizer", "The rules on {} stay as they were: {problem:#}", change.pattern);
                        }
                    }
                }
            }
            Err(problem) => {
                error!(target: "kafka.security.authorizer.AclAuthorizer", "{path} is passed over: {problem}");
            }
        }
        Ok(())
    }

    async fn remove_old(&self, notices: &[(i64, String)]) -> Result<()> {
        let zookeeper = &self.authorizer.zookeeper;
        for (_, path) in notices {
            match zookeeper.exists(path, false).await? {
                Some(stat) if self.clock.wall().0 - stat.ctime > KEEP_MS => zookeeper.delete(path).await?,
                Some(_) => break,
                None => {}
            }
        }
        Ok(())
    }
}

/// The number at the end of a notice's name.
fn number(name: &str) -> Option<i64> {
    child_name(name).strip_prefix(acl::CHANGE_PREFIX)?.parse().ok()
}
