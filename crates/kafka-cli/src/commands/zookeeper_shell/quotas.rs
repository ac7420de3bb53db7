//! The commands about quotas, which are znodes below `/zookeeper/quota` that clients make.

use bytes::Bytes;
use zk_client::Error;
use zk_proto::{Acl, CreateMode, ErrorCode};

use super::execute::Outcome;
use super::quota::{self, LIMITS, Limits, ROOT, StatsTrack};
use super::shell::{Complaints, Shell};
use super::tree_text;

impl Shell {
    pub(super) async fn list_quota(&mut self, path: &str) -> Outcome {
        let limits_node = quota::limits_node(path);
        self.console.error(&format!("absolute path is {limits_node}"));
        let limits = self.figures(&limits_node).await?;
        let used = match limits {
            Some(_) => self.figures(&quota::stats_node(path)).await?,
            None => None,
        };
        if let (Some(limits), Some(used)) = (limits, used) {
            self.console.line(&format!("Output quota for {path} {limits}"));
            self.console.line(&format!("Output stat for {path} {used}"));
            return Ok(());
        }
        self.console.error(&format!("quota for {path} does not exist."));
        Ok(())
    }

    /// The figures in a znode, if it is there.
    async fn figures(&mut self, node: &str) -> Result<Option<StatsTrack>, Complaints> {
        let read = self.try_read(node, |client| client.get(node, false), |past| past.data(node)).await?;
        match read {
            Err(error) if error.code() == ErrorCode::NoNode => Ok(None),
            read => {
                let (data, _) = self.settle(read)?;
                StatsTrack::parse(&data.unwrap_or_default()).map(Some).map_err(|text| vec![text])
            }
        }
    }

    pub(super) async fn set_quota(&mut self, path: &str, limits: Limits) -> Outcome {
        if self.call(path, |client| client.exists(path, false)).await?.is_none() {
            return Err(vec![format!("{path} does not exist.")]);
        }
        self.refuse_quota_below(path).await?;
        self.refuse_quota_above(path).await?;
        for parent in parents_of_limits(path) {
            self.create_if_missing(&parent, None).await?;
        }
        let (limits_node, stats_node) = (quota::limits_node(path), quota::stats_node(path));
        let Some(mut now) = self.figures(&limits_node).await? else {
            self.create_if_missing(&limits_node, Some(StatsTrack::of(limits))).await?;
            self.create_if_missing(&stats_node, Some(StatsTrack::unused())).await?;
            let now = self.figures(&limits_node).await?.unwrap_or_default();
            return self.warn_if_exceeded(&now, &stats_node).await;
        };
        now.set(limits);
        self.warn_if_exceeded(&now, &stats_node).await?;
        self.set_figures(&limits_node, &now).await
    }

    async fn warn_if_exceeded(&mut self, limits: &StatsTrack, stats_node: &str) -> Outcome {
        let used = self.figures(stats_node).await?.unwrap_or_default();
        for warning in limits.warnings(&used) {
            self.console.line(&warning);
        }
        Ok(())
    }

    async fn set_figures(&mut self, node: &str, figures: &StatsTrack) -> Outcome {
        let data = Bytes::from(figures.to_string());
        self.call(node, |client| client.set(node, Some(data), -1)).await.map(|_| ())
    }

    async fn create_if_missing(&mut self, node: &str, figures: Option<StatsTrack>) -> Outcome {
        let data = figures.map(|figures| Bytes::from(figures.to_string()));
        let created =
            self.try_call(node, |client| client.create(node, data, Acl::open(), CreateMode::Persistent)).await?;
        match created {
            Err(error) if error.code() == ErrorCode::NodeExists => Ok(()),
            created => self.settle(created).map(|_| ()),
        }
    }

    /// Nested quotas are not possible.
    async fn refuse_quota_below(&mut self, path: &str) -> Outcome {
        let own = quota::node(path);
        let exists = self.call(&own, |client| client.exists(&own, false)).await?;
        if exists.is_none() {
            return Ok(());
        }
        for node in self.subtree(&own, false).await? {
            if node != own && node.ends_with(&format!("/{LIMITS}")) && node != quota::limits_node(path) {
                let owner = node.strip_suffix(&format!("/{LIMITS}")).unwrap_or(&node);
                let owner = owner.strip_prefix(ROOT).unwrap_or(owner);
                return Err(vec![format!("{path} has a child {owner} which has a quota")]);
            }
        }
        Ok(())
    }

    async fn refuse_quota_above(&mut self, path: &str) -> Outcome {
        let parents = parents_of_limits(path);
        for parent in &parents[..parents.len().saturating_sub(1)] {
            let listed = self.try_call(parent, |client| client.children(parent, false)).await?;
            let names = match listed {
                Err(error) if error.code() == ErrorCode::NoNode => return Ok(()),
                listed => self.settle(listed)?.0,
            };
            if names.iter().any(|name| name == LIMITS) {
                let owner = parent.strip_prefix(ROOT).unwrap_or(parent);
                return Err(vec![format!("{path} has a parent {owner} which has a quota")]);
            }
        }
        Ok(())
    }

    pub(super) async fn del_quota(&mut self, path: &str, which: Option<Limits>) -> Outcome {
        let limits_node = quota::limits_node(path);
        self.client(path)?;
        let Some(mut limits) = self.figures(&limits_node).await? else {
            self.console.line(&format!("Quota does not exist for {path}"));
            return Ok(());
        };
        if let Some(which) = which {
            limits.remove(which);
            return self.set_figures(&limits_node, &limits).await;
        }
        match self.remove_quota(path).await? {
            Err(error) if error.code() == ErrorCode::NoNode => {
                self.console.error(&format!("quota for {path} does not exist."));
                Ok(())
            }
            removed => self.settle(removed),
        }
    }

    /// Removes the znodes of a quota, and those above that have nothing else below them.
    async fn remove_quota(&mut self, path: &str) -> Result<Result<(), Error>, Complaints> {
        let mut node = quota::node(path);
        let client = self.client(&node)?;
        let names = match client.children(&node, false).await {
            Ok((names, _)) => names,
            Err(error) => return Ok(Err(error)),
        };
        for name in names {
            let child = tree_text::join(&node, &name);
            if let Err(error) = client.delete(&child, -1).await {
                return Ok(Err(error));
            }
        }
        while node != ROOT {
            match client.children(&node, false).await {
                Ok((names, _)) if names.is_empty() => {}
                Ok(_) => break,
                Err(error) => return Ok(Err(error)),
            }
            if let Err(error) = client.delete(&node, -1).await {
                return Ok(Err(error));
            }
            node.truncate(node.rfind('/').unwrap_or(0));
        }
        Ok(Ok(()))
    }
}

/// The znodes that have to be there before the limits of a path can be, from the top.
fn parents_of_limits(path: &str) -> Vec<String> {
    let mut node = ROOT.to_owned();
    path.split('/')
        .filter(|name| !name.is_empty())
        .map(|name| {
            node = tree_text::join(&node, name);
            node.clone()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_from_the_top() {
        assert_eq!(parents_of_limits("/a/b"), ["/zookeeper/quota/a", "/zookeeper/quota/a/b"]);
        assert!(parents_of_limits("/").is_empty());
    }
}
