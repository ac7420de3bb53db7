//! Rules in ZooKeeper: read, and changed only from the version that was read.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use kafka_metadata::znodes::acl::{self, AclChange};
use kafka_security::{AccessEntry, AclSet, PatternType, ResourcePattern, ResourceType};
use zk_proto::{Acl, CreateMode, ErrorCode as ZkCode};

use super::{AclAuthorizer, ErrorCode, HashMap, Result, error, info};

/// How often a change is tried again when somebody else was faster.
const MAX_RETRIES: usize = 15;
/// Before the next attempt; Apache's broker waits 100 to 150 ms.
const BACKOFF: Duration = Duration::from_millis(100);
/// ZooKeeper closes the connection of who sends more than a megabyte, and the call would be made again for ever.
const MAX_DATA: usize = (1 << 20) - 4096;

/// Rules on a pattern, with the version of their znode if there is one.
type Versioned = (Vec<AccessEntry>, Option<i32>);

impl AclAuthorizer {
    /// Reads all rules.
    pub(super) async fn load(&self) -> Result<()> {
        let mut versions = self.versions.lock().await;
        for path in acl::persistent_paths() {
            self.zookeeper.create(&path, None).await?;
        }
        let (mut set, mut read) = (AclSet::default(), HashMap::new());
        for pattern_type in [PatternType::Literal, PatternType::Prefixed] {
            for kind in ResourceType::concrete() {
                for name in self.zookeeper.children(&acl::parent(kind, pattern_type), false).await? {
                    let pattern = ResourcePattern::new(kind, name, pattern_type);
                    let (entries, version) = self.read(&pattern).await?;
                    set.set(&pattern, entries);
                    read.extend(version.map(|version| (pattern, version)));
                }
            }
        }
        self.change(|rules| rules.acls = set);
        *versions = read;
        Ok(())
    }

    /// Reads the rules on one pattern again.
    pub(super) async fn refresh(&self, pattern: &ResourcePattern) -> Result<()> {
        let mut versions = self.versions.lock().await;
        let (entries, version) = self.read(pattern).await?;
        info!(target: "kafka.security.authorizer.AclAuthorizer", "Processing Acl change notification for {pattern}, versionedAcls : {} rules, zkVersion : {}", entries.len(), version.unwrap_or(-1));
        self.change(|rules| rules.acls.set(pattern, entries));
        match version {
            Some(version) => versions.insert(pattern.clone(), version),
            None => versions.remove(pattern),
        };
        Ok(())
    }

    async fn read(&self, pattern: &ResourcePattern) -> Result<Versioned> {
        let path = acl::path(pattern);
        match self.zookeeper.get(&path, false).await? {
            Some((data, stat)) => {
                let entries = acl::decode(&data).with_context(|| format!("The data of {path} is not legal"))?;
                Ok((entries, Some(stat.version)))
            }
            None => Ok((Vec::new(), None)),
        }
    }

    /// Puts what `edit` makes of the rules on a pattern in their place, and has the other brokers know of it.
    pub(super) async fn update(
        &self,
        pattern: &ResourcePattern,
        edit: impl FnMut(&[AccessEntry]) -> Vec<AccessEntry>,
    ) -> Result<(), ErrorCode> {
        let failed = |problem: anyhow::Error| {
            error!(target: "kafka.security.authorizer.AclAuthorizer", "The rules on {pattern} cannot be changed: {problem:#}");
            ErrorCode::UnknownServerError
        };
        self.try_update(pattern, edit).await.map_err(failed)
    }

    async fn try_update(
        &self,
        pattern: &ResourcePattern,
        mut edit: impl FnMut(&[AccessEntry]) -> Vec<AccessEntry>,
    ) -> Result<()> {
        let mut versions = self.versions.lock().await;
        let (mut current, mut version) = match versions.get(pattern) {
            Some(version) => (self.rules().acls.get(pattern).to_vec(), Some(*version)),
            None => self.read(pattern).await?,
        };
        for _ in 0..=MAX_RETRIES {
            let wanted = edit(&current);
            let Some(written) = self.write(pattern, &wanted, version).await? else {
                tokio::time::sleep(BACKOFF).await;
                (current, version) = self.read(pattern).await?;
                continue;
            };
            match written {
                Some(written) => versions.insert(pattern.clone(), written),
                None => versions.remove(pattern),
            };
            let has_changed = wanted.len() != current.len() || wanted.iter().any(|entry| !current.contains(entry));
            self.change(|rules| rules.acls.set(pattern, wanted));
            if has_changed {
                info!(target: "kafka.security.authorizer.AclAuthorizer", "Updated ACLs for {pattern} with new version {}", written.unwrap_or(0));
                let change = AclChange { pattern: pattern.clone() };
                self.zookeeper.create_sequential(&change.path_prefix(), change.encode().into()).await?;
            }
            return Ok(());
        }
        anyhow::bail!("Failed to update ACLs for {pattern} after trying a maximum of {MAX_RETRIES} times")
    }

    /// Writes rules over those of a version. The new version comes back, `None` within for a znode that is gone; nothing
    /// if the version is not that any more.
    async fn write(
        &self,
        pattern: &ResourcePattern,
        wanted: &[AccessEntry],
        version: Option<i32>,
    ) -> Result<Option<Option<i32>>> {
        let (zookeeper, path) = (&self.zookeeper, acl::path(pattern));
        let path = path.as_str();
        let data = Bytes::from(acl::encode(wanted));
        anyhow::ensure!(data.len() <= MAX_DATA, "{} bytes of rules on one pattern", data.len());
        let written = match (version, wanted.is_empty()) {
            (None, true) => Ok(None),
            (Some(version), true) => {
                zookeeper.retry(|client| async move { client.delete(path, version).await }).await.map(|()| None)
            }
            (Some(version), false) => {
                let set = zookeeper.retry(|client| {
                    let data = data.clone();
                    async move { client.set(path, Some(data), version).await }
                });
                set.await.map(|stat| Some(stat.version))
            }
            (None, false) => {
                let create = zookeeper.retry(|client| {
                    let data = data.clone();
                    async move { client.create(path, Some(data), Acl::open(), CreateMode::Persistent).await }
                });
                create.await.map(|_| Some(0))
            }
        };
        match written {
            Ok(version) => Ok(Some(version)),
            Err(error) => match error.code() {
                ZkCode::NoNode if wanted.is_empty() => Ok(Some(None)),
                ZkCode::NoNode | ZkCode::BadVersion | ZkCode::NodeExists => Ok(None),
                _ => Err(error.into()),
            },
        }
    }
}
