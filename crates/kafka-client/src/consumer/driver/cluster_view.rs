//! What is known of the cluster: when it is asked for, and what follows from an answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_types::{ErrorCode, TopicName};
use time_types::Tick;

use super::Event;
use crate::cluster::Topics;
use crate::consumer::membership::Membership;
use crate::consumer::{Consumer, Reading};
use crate::error::Error;
use crate::metadata::Metadata;

impl Consumer {
    pub(super) fn wanted_topics(&self) -> BTreeSet<TopicName> {
        match &self.reading {
            Reading::Nothing | Reading::Pattern(_) => BTreeSet::new(),
            Reading::Topics(topics) => topics.iter().map(|topic| topic.as_str().into()).collect(),
            Reading::Assigned => self.positions.assigned().into_iter().map(|one| one.topic).collect(),
        }
    }

    pub(super) fn lacks_topics(&self, metadata: &Metadata) -> bool {
        self.wanted_topics().iter().any(|topic| metadata.topic(topic).is_none())
    }

    pub(super) fn refresh_metadata(&mut self, now: Tick) {
        if self.jobs.metadata.is_running || now < self.jobs.metadata.not_before {
            return;
        }
        let max_age = self.config.common.metadata_max_age_ms;
        let is_old = self.jobs.metadata.updated.is_none_or(|updated| now.since(updated) >= max_age);
        if !is_old && !self.jobs.metadata.is_stale && !self.lacks_topics(&self.cluster.metadata()) {
            return;
        }
        self.jobs.metadata.is_running = true;
        let cluster = self.cluster.clone();
        let all = matches!(self.reading, Reading::Pattern(_));
        // A leader watches the topics of all members.
        let of_group = self.membership.iter().flat_map(Membership::group_topics).map(TopicName::from);
        let topics: BTreeSet<TopicName> = self.wanted_topics().into_iter().chain(of_group).collect();
        let topics: Vec<TopicName> = topics.into_iter().collect();
        let create = self.config.allow_auto_create_topics;
        self.spawn(async move {
            let topics = if all { Topics::All } else { Topics::Named(&topics) };
            Event::Metadata(cluster.refresh(topics, create).await)
        });
    }

    pub(super) fn on_metadata(&mut self, now: Tick, result: Result<Arc<Metadata>, Error>) -> Result<(), Error> {
        self.jobs.metadata.is_running = false;
        let metadata = match result {
            Ok(metadata) => metadata,
            Err(error) if error.is_retriable() => {
                self.pause_metadata(now);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.jobs.metadata.is_stale = false;
        self.jobs.metadata.updated = Some(now);
        self.fetcher.forget_preferred();
        self.check_topics(&metadata)?;
        if self.lacks_topics(&metadata) {
            self.pause_metadata(now);
        } else {
            self.jobs.metadata.failures = 0;
            self.jobs.metadata.not_before = now.after(self.config.retry_backoff_ms());
        }
        let Some(membership) = &mut self.membership else { return Ok(()) };
        if let Reading::Pattern(matches) = &self.reading {
            let is_read =
                |name: &str, internal: bool| matches(name) && !(internal && self.config.exclude_internal_topics);
            let known = metadata.topics.values().filter(|topic| !topic.error.is_error());
            let read = known.filter(|topic| is_read(&topic.name, topic.internal)).map(|topic| topic.name.to_string());
            membership.subscribe(read.collect());
        }
        membership.on_metadata(|topic| metadata.partition_count(topic).map(|count| count as i32));
        Ok(())
    }

    pub(super) fn pause_metadata(&mut self, now: Tick) {
        let doubled = self.config.retry_backoff_ms().saturating_mul(1 << self.jobs.metadata.failures.min(16));
        self.jobs.metadata.failures += 1;
        self.jobs.metadata.not_before = now.after(doubled.min(self.config.common.retry.backoff_max_ms.max(1)));
    }

    pub(super) fn check_topics(&self, metadata: &Metadata) -> Result<(), Error> {
        let with = |code: ErrorCode| {
            let wanted = self.wanted_topics().into_iter();
            let named: Vec<String> = wanted
                .filter(|topic| metadata.topics.get(topic).is_some_and(|topic| topic.error == code))
                .map(|topic| topic.to_string())
                .collect();
            (!named.is_empty()).then(|| named.join(", "))
        };
        if let Some(named) = with(ErrorCode::InvalidTopicException) {
            let message = Some(format!("Invalid topics: [{named}]"));
            return Err(Error::Broker { code: ErrorCode::InvalidTopicException, message });
        }
        if let Some(named) = with(ErrorCode::TopicAuthorizationFailed) {
            let message = Some(format!("Not authorized to access topics: [{named}]"));
            return Err(Error::Broker { code: ErrorCode::TopicAuthorizationFailed, message });
        }
        Ok(())
    }
}
