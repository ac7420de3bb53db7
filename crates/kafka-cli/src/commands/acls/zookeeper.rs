//! Rules changed straight in ZooKeeper, as AclAuthorizer keeps them: from the version that was read, with a notice for the
//! brokers.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use kafka_metadata::znodes::acl::{self, AclChange};
use kafka_security::{AccessEntry, AclBinding, AclFilter, CLUSTER_NAME, PatternType, ResourcePattern, ResourceType};
use zk_client::{Client, Error, EventReceiver};
use zk_proto::{Acl, CreateMode, ErrorCode};

use super::Trouble;
use crate::options::{Options, key_values};
use crate::output::Console;
use crate::zookeeper_security;

const AUTHORIZER: &str = "kafka.security.authorizer.AclAuthorizer";
/// `zookeeper.connection.timeout.ms`, where nobody sets it.
const PATIENCE_MS: u64 = 18_000;
/// How often a change is tried again when somebody else was faster.
const RETRIES: usize = 15;

/// A session, and the rules below it.
pub(super) struct Store {
    client: Client,
    _events: EventReceiver,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::thrown("org.apache.zookeeper.KeeperException", error.to_string())
    }
}

impl Store {
    /// Connects where `--authorizer-properties` say.
    pub(super) async fn open(options: &Options) -> Result<Store, Trouble> {
        if let Some(class) = options.one("authorizer")?.filter(|class| *class != AUTHORIZER) {
            return Err(Trouble::thrown("java.lang.ClassNotFoundException", class));
        }
        let settings = key_values(&options.all("authorizer-properties"));
        let get = |name: &str| settings.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let Some(connect) = get("authorizer.zookeeper.url").or_else(|| get("zookeeper.connect")) else {
            return Err(Trouble::thrown(
                "org.apache.kafka.common.config.ConfigException",
                "Missing required configuration `zookeeper.connect` which has no default value.",
            ));
        };
        let illegal = |message: String| Trouble::thrown("java.lang.IllegalArgumentException", message);
        let mut client = zk_client::Options::new(connect).map_err(|error| illegal(error.to_string()))?;
        client.security = zookeeper_security::load(None, options.one("zk-tls-config-file")?.map(Path::new))
            .map_err(|message| Trouble::thrown("org.apache.kafka.common.KafkaException", message))?;
        let (session, events) = Client::connect(client);
        let patience = get("zookeeper.connection.timeout.ms").or_else(|| get("zookeeper.session.timeout.ms"));
        let patience = Duration::from_millis(patience.and_then(|text| text.trim().parse().ok()).unwrap_or(PATIENCE_MS));
        match tokio::time::timeout(patience, session.connected()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {
                return Err(Trouble::thrown(
                    "kafka.zookeeper.ZooKeeperClientTimeoutException",
                    "Timed out waiting for connection while in state: CONNECTING",
                ));
            }
        }
        let store = Store { client: session, _events: events };
        for path in acl::persistent_paths() {
            store.create(&path, None).await?;
        }
        Ok(store)
    }

    /// Ends the session.
    pub(super) async fn close(self) {
        // It has no ephemeral znodes that anybody would wait for.
        let _ = self.client.close().await;
    }

    async fn create(&self, path: &str, data: Option<Bytes>) -> Result<bool, Error> {
        match self.client.create(path, data, Acl::open(), CreateMode::Persistent).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == ErrorCode::NodeExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn read(&self, pattern: &ResourcePattern) -> Result<(Vec<AccessEntry>, Option<i32>), Trouble> {
        match self.client.get(&acl::path(pattern), false).await {
            Ok((data, stat)) => {
                let entries = acl::decode(&data.unwrap_or_default())
                    .map_err(|error| Trouble::thrown("java.lang.IllegalArgumentException", error.to_string()))?;
                Ok((entries, Some(stat.version)))
            }
            Err(error) if error.code() == ErrorCode::NoNode => Ok((Vec::new(), None)),
            Err(error) => Err(error.into()),
        }
    }

    async fn patterns(&self) -> Result<Vec<ResourcePattern>, Trouble> {
        let mut all = Vec::new();
        for pattern_type in [PatternType::Literal, PatternType::Prefixed] {
            for kind in ResourceType::concrete() {
                let (names, _) = self.client.children(&acl::parent(kind, pattern_type), false).await?;
                all.extend(names.into_iter().map(|name| ResourcePattern::new(kind, name, pattern_type)));
            }
        }
        Ok(all)
    }

    /// The rules that a filter chooses.
    pub(super) async fn find(&self, filter: &AclFilter) -> Result<Vec<AclBinding>, Trouble> {
        let mut found = Vec::new();
        for pattern in self.patterns().await? {
            if !filter.pattern.matches(&pattern) {
                continue;
            }
            let (entries, _) = self.read(&pattern).await?;
            let chosen = entries.into_iter().filter(|entry| filter.entry.matches(entry));
            found.extend(chosen.map(|entry| AclBinding { pattern: pattern.clone(), entry }));
        }
        Ok(found)
    }

    /// Adds rules. What the authorizer refuses is told, and does not end the tool.
    pub(super) async fn add(
        &self,
        pattern: &ResourcePattern,
        entries: &[AccessEntry],
        console: &mut Console,
    ) -> Result<(), Trouble> {
        let is_other_cluster = pattern.resource_type == ResourceType::Cluster && pattern.name != CLUSTER_NAME;
        if pattern.name.contains('/') || pattern.name.is_empty() || is_other_cluster {
            for _ in entries {
                console.line("Error while adding ACLs: Failed to create ACL");
                console.line("org.apache.kafka.common.errors.InvalidRequestException: Failed to create ACL");
            }
            return Ok(());
        }
        self.update(pattern, |current| {
            let mut all = current.to_vec();
            for entry in entries {
                if !all.contains(entry) {
                    all.push(entry.clone());
                }
            }
            all
        })
        .await
    }

    /// Removes the rules that filters choose.
    pub(super) async fn remove(&self, filters: &[AclFilter]) -> Result<(), Trouble> {
        for pattern in self.patterns().await? {
            let matching: Vec<&AclFilter> = filters.iter().filter(|filter| filter.pattern.matches(&pattern)).collect();
            if matching.is_empty() {
                continue;
            }
            let is_chosen = |entry: &AccessEntry| matching.iter().any(|filter| filter.entry.matches(entry));
            self.update(&pattern, |current| current.iter().filter(|one| !is_chosen(one)).cloned().collect()).await?;
        }
        Ok(())
    }

    async fn update(
        &self,
        pattern: &ResourcePattern,
        edit: impl Fn(&[AccessEntry]) -> Vec<AccessEntry>,
    ) -> Result<(), Trouble> {
        let path = acl::path(pattern);
        for _ in 0..=RETRIES {
            let (current, version) = self.read(pattern).await?;
            let wanted = edit(&current);
            if wanted == current {
                return Ok(());
            }
            let data = Bytes::from(acl::encode(&wanted));
            let written = match version {
                None => self.create(&path, Some(data)).await.map(|created| created.then_some(())),
                Some(version) if wanted.is_empty() => self.client.delete(&path, version).await.map(Some),
                Some(version) => self.client.set(&path, Some(data), version).await.map(|_| Some(())),
            };
            match written {
                Ok(Some(())) => {
                    let change = AclChange { pattern: pattern.clone() };
                    let data = Bytes::from(change.encode());
                    let mode = CreateMode::PersistentSequential;
                    self.client.create(&change.path_prefix(), Some(data), Acl::open(), mode).await?;
                    return Ok(());
                }
                Ok(None) => {}
                Err(error) if matches!(error.code(), ErrorCode::NoNode | ErrorCode::BadVersion) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Trouble::thrown(
            "java.lang.IllegalStateException",
            format!("Failed to update ACLs for {pattern} after trying a maximum of {RETRIES} times"),
        ))
    }
}
