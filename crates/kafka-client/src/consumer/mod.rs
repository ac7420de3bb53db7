//! The consumer: a member of a group, or a reader of partitions it chose itself.
//!
//! Everything but heartbeats happens inside of [`Consumer::poll`]: joining, finding out where to start, fetching ahead.
//! What is decided is in pure parts ([`membership`], [`positions`], the fetcher); `driver.rs` sends what they ask for
//! and tells them what came. Answers are awaited by tasks of their own, so that a poll may be dropped at any time.

pub mod assignors;
mod beat;
mod config;
mod driver;
mod fetched;
mod fetcher;
pub mod membership;
mod offsets;
pub mod positions;
mod requests;
mod session;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use kafka_types::{ErrorCode, Offset, TopicPartition};
use time_types::Tick;
use tokio::sync::mpsc;

pub use config::{ConsumerConfig, DEFINITIONS};
pub use fetched::{ConsumerRecord, InvalidBatch};
pub use fetcher::{FetchConfig, PartitionRecords};
pub use positions::{NoPosition, OffsetReset};
pub use requests::{FoundOffset, OffsetAndMetadata, Offsets};

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::error::Error;
use beat::{Heart, HeartConfig};
use driver::{Event, Jobs};
use fetcher::Fetcher;
use membership::{Membership, MembershipConfig};
use positions::Positions;

/// Reports of tasks that wait for the consumer to look at them.
const REPORTS_MAX: usize = 256;

/// Which topics a pattern means.
type Pattern = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// What is read.
enum Reading {
    Nothing,
    Topics(BTreeSet<String>),
    Pattern(Pattern),
    /// Chosen by the application, without a group's help.
    Assigned,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reading::Nothing => f.write_str("Nothing"),
            Reading::Topics(topics) => f.debug_tuple("Topics").field(topics).finish(),
            Reading::Pattern(_) => f.write_str("Pattern"),
            Reading::Assigned => f.write_str("Assigned"),
        }
    }
}

/// A consumer. It belongs to one task; its own tasks end with it.
#[derive(Debug)]
pub struct Consumer {
    config: ConsumerConfig,
    cluster: Cluster,
    clock: Clock,
    log_prefix: String,
    reading: Reading,
    membership: Option<Membership>,
    positions: Positions,
    fetcher: Fetcher,
    heart: Option<Heart>,
    jobs: Jobs,
    events: mpsc::Receiver<Event>,
    reports: mpsc::Sender<Event>,
}

/// What a poll brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Records {
    /// By partition, each in order.
    pub partitions: Vec<PartitionRecords>,
}

impl Records {
    /// How many.
    pub fn len(&self) -> usize {
        self.partitions.iter().map(|partition| partition.records.len()).sum()
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Each with its partition.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &ConsumerRecord)> {
        self.partitions.iter().flat_map(|one| one.records.iter().map(|record| (&one.partition, record)))
    }
}

impl Consumer {
    /// A consumer that reads nothing yet and has no connection. Fails with Apache's `ConfigException` texts if the
    /// bootstrap servers are wrong.
    pub async fn new(config: ConsumerConfig) -> Result<Consumer, Error> {
        let group = config.group_id.as_deref().unwrap_or("null");
        let log_prefix = match &config.group_instance_id {
            Some(instance) => {
                format!("[Consumer instanceId={instance}, clientId={}, groupId={group}] ", config.common.client_id)
            }
            None => format!("[Consumer clientId={}, groupId={group}] ", config.common.client_id),
        };
        if config.group_id.as_deref() == Some("") {
            tracing::warn!(
                target: "org.apache.kafka.clients.consumer.internals.ClassicKafkaConsumer",
                "{log_prefix}Support for using the empty group id by consumers is deprecated and will be removed in the \
                 next major release."
            );
        }
        let cluster = Cluster::new(config.common.cluster_options(log_prefix.clone())).await?;
        let (reports, events) = mpsc::channel(REPORTS_MAX);
        let clock = cluster.clock();
        Ok(Consumer {
            fetcher: Fetcher::new(config.fetch.clone()),
            jobs: Jobs::new(clock.tick(), config.auto_commit_interval_ms),
            config,
            cluster,
            clock,
            log_prefix,
            reading: Reading::Nothing,
            membership: None,
            positions: Positions::default(),
            heart: None,
            events,
            reports,
        })
    }

    /// The cluster it reads from, for questions of other kinds.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Reads these topics as a member of the group; another call changes them.
    pub fn subscribe<T: Into<String>>(&mut self, topics: impl IntoIterator<Item = T>) -> Result<(), Error> {
        let topics: BTreeSet<String> = topics.into_iter().map(Into::into).collect();
        if topics.iter().any(|topic| topic.trim().is_empty()) {
            let text = "Topic collection to subscribe to cannot contain null or empty topic";
            return Err(Error::Usage(text.to_owned()));
        }
        self.become_member()?;
        if let Some(membership) = &mut self.membership {
            membership.subscribe(topics.clone());
        }
        self.reading = Reading::Topics(topics);
        Ok(())
    }

    /// Reads all topics that `matches` says yes to, those that are made later too, as a member of the group.
    pub fn subscribe_pattern(&mut self, matches: impl Fn(&str) -> bool + Send + Sync + 'static) -> Result<(), Error> {
        self.become_member()?;
        self.reading = Reading::Pattern(Box::new(matches));
        self.jobs.needs_metadata();
        Ok(())
    }

    /// Reads exactly these partitions, without a group's help; another call changes them.
    pub fn assign(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<(), Error> {
        if self.membership.is_some() {
            let text = "Subscription to topics, partitions and pattern are mutually exclusive";
            return Err(Error::Usage(text.to_owned()));
        }
        self.reading = Reading::Assigned;
        self.positions.set(&partitions.into_iter().collect::<Vec<_>>());
        Ok(())
    }

    fn become_member(&mut self) -> Result<(), Error> {
        if matches!(self.reading, Reading::Assigned) {
            let text = "Subscription to topics, partitions and pattern are mutually exclusive";
            return Err(Error::Usage(text.to_owned()));
        }
        // An empty name is one for Java, too; the coordinator refuses it.
        let Some(group_id) = self.config.group_id.clone() else {
            let text = "To use the group management or offset commit APIs, you must provide a valid group.id in the \
                        consumer configuration.";
            return Err(Error::Broker { code: ErrorCode::InvalidGroupId, message: Some(text.to_owned()) });
        };
        if self.membership.is_some() {
            return Ok(());
        }
        self.membership = Some(Membership::new(MembershipConfig {
            group_id,
            group_instance_id: self.config.group_instance_id.clone(),
            session_timeout_ms: self.config.session_timeout_ms,
            rebalance_timeout_ms: self.config.max_poll_interval_ms,
            retry_backoff_ms: self.config.retry_backoff_ms(),
            assignors: self.config.assignors.clone(),
            rack_id: Some(self.config.fetch.rack_id.clone()).filter(|rack| !rack.is_empty()),
        }));
        self.heart = Some(Heart::start(
            HeartConfig {
                cluster: self.cluster.clone(),
                clock: self.clock,
                interval_ms: self.config.heartbeat_interval_ms,
                max_poll_interval_ms: u64::try_from(self.config.max_poll_interval_ms).unwrap_or(0),
                log_prefix: self.log_prefix.clone(),
            },
            self.reports.clone(),
        ));
        Ok(())
    }

    /// The partitions it reads now.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.positions.assigned()
    }

    /// The next record that a poll would bring, once that is known.
    pub fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        self.positions.get(partition)
    }

    /// How many records are left in a partition, as far as the last fetch knew.
    pub fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        self.positions.lag(partition)
    }

    /// Goes on at this offset.
    pub fn seek(&mut self, partition: &TopicPartition, offset: Offset) -> Result<(), Error> {
        self.check_assigned(partition)?;
        self.positions.seek(partition, offset);
        Ok(())
    }

    /// Goes to the first record of these partitions (of all, if none is named), at the next poll.
    pub fn seek_to_beginning(&mut self, partitions: &[TopicPartition]) -> Result<(), Error> {
        self.reset(partitions, OffsetReset::Earliest)
    }

    /// Goes behind the last record of these partitions (of all, if none is named), at the next poll.
    pub fn seek_to_end(&mut self, partitions: &[TopicPartition]) -> Result<(), Error> {
        self.reset(partitions, OffsetReset::Latest)
    }

    fn reset(&mut self, partitions: &[TopicPartition], to: OffsetReset) -> Result<(), Error> {
        let all = self.positions.assigned();
        for partition in if partitions.is_empty() { &all } else { partitions } {
            self.check_assigned(partition)?;
            self.positions.reset(partition, to);
        }
        Ok(())
    }

    fn check_assigned(&self, partition: &TopicPartition) -> Result<(), Error> {
        if self.positions.contains(partition) {
            return Ok(());
        }
        Err(Error::Usage(format!("No current assignment for partition {partition}")))
    }

    /// Neither fetches these nor hands them out until they are resumed.
    pub fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), Error> {
        self.set_paused(partitions, true)
    }

    /// Goes on with these.
    pub fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), Error> {
        self.set_paused(partitions, false)
    }

    fn set_paused(&mut self, partitions: &[TopicPartition], paused: bool) -> Result<(), Error> {
        for partition in partitions {
            self.check_assigned(partition)?;
            self.positions.set_paused(partition, paused);
        }
        Ok(())
    }

    /// Waits for records, at most for `timeout`. Everything else that a consumer has to do is done in here, so it has
    /// to be called at least every `max.poll.interval.ms`. May be dropped at any time without losing a record.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Records, Error> {
        if matches!(self.reading, Reading::Nothing) {
            let text = "Consumer is not subscribed to any topics or assigned any partitions";
            return Err(Error::Usage(text.to_owned()));
        }
        let deadline = self.clock.tick().after(timeout.as_millis() as u64);
        loop {
            let now = self.clock.tick();
            if let Some(heart) = &self.heart {
                heart.polled(now);
            }
            while let Ok(event) = self.events.try_recv() {
                self.on_event(now, event)?;
            }
            self.step(now)?;
            let records = self.take_records(now)?;
            if !records.is_empty() || now >= deadline {
                return Ok(records);
            }
            let wake = self.next_wake(now).min(deadline).max(now.after(1));
            tokio::select! {
                event = self.events.recv() => {
                    if let Some(event) = event {
                        self.on_event(self.clock.tick(), event)?;
                    }
                }
                () = self.clock.sleep_until(wake) => {}
            }
        }
    }

    /// Records that are there already; what was taken is fetched anew in the background.
    fn take_records(&mut self, now: Tick) -> Result<Records, Error> {
        let drained = self.fetcher.drain(&mut self.positions);
        let partitions = drained.map_err(|error| corrupt(&error))?;
        self.send_fetches(now);
        Ok(Records { partitions })
    }
}

fn corrupt(error: &InvalidBatch) -> Error {
    Error::Broker { code: ErrorCode::CorruptMessage, message: Some(error.to_string()) }
}

#[cfg(test)]
mod tests;
