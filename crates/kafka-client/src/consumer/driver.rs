//! What happens inside of a poll: look at what is to be done, start it, and take in what came of what was started.
//!
//! Nothing here waits. Whatever takes time is a task that reports by an [`Event`]; [`Jobs`] knows what is under way, so
//! that nothing is started twice.

mod cluster_view;
mod fetching;
mod group;
mod places;

use std::future::Future;
use std::sync::Arc;

use kafka_types::{BrokerId, ErrorCode, TopicPartition};
use kafka_wire::{fetch, join_group, sync_group};
use time_types::Tick;

use super::Consumer;
use super::assignors::PartitionCounts;
use super::beat::BeatAnswer;
use super::positions::OffsetReset;
use super::requests::{Committer, FoundOffset, Offsets};
use crate::error::Error;
use crate::metadata::Metadata;

pub(super) use group::check_commit;

type Answers<T> = Vec<(TopicPartition, Result<T, ErrorCode>)>;

/// What became of something that was started.
#[derive(Debug)]
pub(crate) enum Event {
    Metadata(Result<Arc<Metadata>, Error>),
    Coordinator(Result<BrokerId, Error>),
    /// Positions are committed (or not) and a rebalance may go on without these partitions.
    Prepared(Vec<TopicPartition>),
    Joined(Result<Box<join_group::Response>, Error>),
    Counted(Result<PartitionCounts, Error>),
    Synced(Result<sync_group::Response, Error>),
    Beaten {
        member: Committer,
        answer: BeatAnswer,
    },
    PollExpired,
    Committed {
        offsets: Offsets,
        result: Result<Vec<(TopicPartition, ErrorCode)>, Error>,
    },
    Positions {
        asked: Vec<TopicPartition>,
        result: Result<Offsets, Error>,
    },
    Reset {
        asked: Vec<(TopicPartition, OffsetReset)>,
        result: Result<Answers<FoundOffset>, Error>,
    },
    Fetched {
        broker: BrokerId,
        result: Result<Box<fetch::Response>, Error>,
    },
}

/// What is known of the cluster, and is it being asked for?
#[derive(Debug)]
struct MetadataJob {
    is_running: bool,
    is_stale: bool,
    failures: u32,
    not_before: Tick,
    updated: Option<Tick>,
}

/// What is under way, and what has to wait.
#[derive(Debug)]
pub(crate) struct Jobs {
    metadata: MetadataJob,
    group: bool,
    positions: bool,
    positions_not_before: Tick,
    resets: usize,
    resets_not_before: Tick,
    commit: bool,
    next_commit: Tick,
}

impl Jobs {
    pub(crate) fn new(now: Tick, auto_commit_interval_ms: Option<u64>) -> Jobs {
        Jobs {
            metadata: MetadataJob { is_running: false, is_stale: true, failures: 0, not_before: now, updated: None },
            group: false,
            positions: false,
            positions_not_before: now,
            resets: 0,
            resets_not_before: now,
            commit: false,
            next_commit: now.after(auto_commit_interval_ms.unwrap_or(0)),
        }
    }

    /// What is known of the cluster is wrong or too little.
    pub(crate) fn needs_metadata(&mut self) {
        self.metadata.is_stale = true;
    }
}

impl Consumer {
    /// Starts all that is to be done now.
    pub(super) fn step(&mut self, now: Tick) -> Result<(), Error> {
        self.refresh_metadata(now);
        self.step_membership(now);
        self.auto_commit(now);
        self.find_positions(now)?;
        self.send_resets(now);
        self.send_fetches(now);
        Ok(())
    }

    /// When something is to be done that no event announces.
    pub(super) fn next_wake(&self, now: Tick) -> Tick {
        let jobs = &self.jobs;
        let mut wake = now.after(self.config.common.metadata_max_age_ms.max(1));
        let mut consider = |at: Tick| wake = wake.min(at);
        if !jobs.metadata.is_running && (jobs.metadata.is_stale || self.lacks_topics(&self.cluster.metadata())) {
            consider(jobs.metadata.not_before);
        }
        if self.config.auto_commit_interval_ms.is_some() && !jobs.commit {
            consider(jobs.next_commit);
        }
        if !self.positions.are_known() {
            let not_before = if jobs.positions { Tick(u64::MAX) } else { jobs.positions_not_before };
            consider(not_before);
            consider(if jobs.resets > 0 { Tick(u64::MAX) } else { jobs.resets_not_before });
        }
        if let Some(release) = self.fetcher.next_release() {
            consider(release);
        }
        // The membership's pauses are retry back-offs.
        if self.membership.as_ref().is_some_and(|membership| !membership.is_stable()) && !jobs.group {
            consider(now.after(self.config.retry_backoff_ms()));
        }
        wake
    }

    fn spawn(&self, job: impl Future<Output = Event> + Send + 'static) {
        let reports = self.reports.clone();
        tokio::spawn(async move {
            let event = job.await;
            // Nobody listens any more when the consumer is gone.
            let _ = reports.send(event).await;
        });
    }

    /// Takes in what came of something that was started.
    pub(super) fn on_event(&mut self, now: Tick, event: Event) -> Result<(), Error> {
        match event {
            Event::Metadata(result) => self.on_metadata(now, result),
            Event::Committed { offsets, result } => {
                self.jobs.commit = false;
                self.on_auto_commit(&offsets, result);
                Ok(())
            }
            Event::Positions { asked, result } => self.on_positions(now, &asked, result),
            Event::Reset { asked, result } => self.on_reset(now, &asked, result),
            Event::Fetched { broker, result } => self.on_fetched(now, broker, result),
            Event::PollExpired => {
                if let Some(membership) = &mut self.membership {
                    membership.on_left();
                }
                Ok(())
            }
            event => self.on_group_event(now, event),
        }
    }
}
