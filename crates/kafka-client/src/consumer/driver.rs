//! What happens inside of a poll: look at what is to be done, start it, and take in what came of what was started.
//!
//! Nothing here waits. Whatever takes time is a task that reports by an [`Event`]; [`Jobs`] knows what is under way, so
//! that nothing is started twice.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use kafka_types::{BrokerId, ErrorCode, LeaderEpoch, TopicName, TopicPartition};
use kafka_wire::{fetch, join_group, sync_group};
use time_types::Tick;

use super::assignors::PartitionCounts;
use super::beat::BeatAnswer;
use super::fetcher::{Failure, Source};
use super::membership::{Membership, MembershipError, Step};
use super::positions::{NoPosition, OffsetReset};
use super::requests::{self, Committer, FoundOffset, Offsets};
use super::{Consumer, Reading};
use crate::cluster::{CoordinatorKind, Topics};
use crate::error::Error;
use crate::metadata::Metadata;

/// Where Java's consumer logs what concerns its group.
const COORDINATOR: &str = "org.apache.kafka.clients.consumer.internals.ConsumerCoordinator";
/// Where it logs what concerns positions.
const SUBSCRIPTION: &str = "org.apache.kafka.clients.consumer.internals.SubscriptionState";
/// Where it logs what concerns fetches.
const FETCHER: &str = "org.apache.kafka.clients.consumer.internals.AbstractFetch";

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

/// What is under way, and what has to wait.
#[derive(Debug)]
pub(crate) struct Jobs {
    metadata: bool,
    metadata_is_stale: bool,
    metadata_failures: u32,
    metadata_not_before: Tick,
    metadata_updated: Option<Tick>,
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
            metadata: false,
            metadata_is_stale: true,
            metadata_failures: 0,
            metadata_not_before: now,
            metadata_updated: None,
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
        self.metadata_is_stale = true;
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
        if !jobs.metadata && (jobs.metadata_is_stale || self.lacks_topics(&self.cluster.metadata())) {
            consider(jobs.metadata_not_before);
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

    // Metadata.

    fn wanted_topics(&self) -> BTreeSet<TopicName> {
        match &self.reading {
            Reading::Nothing | Reading::Pattern(_) => BTreeSet::new(),
            Reading::Topics(topics) => topics.iter().map(|topic| topic.as_str().into()).collect(),
            Reading::Assigned => self.positions.assigned().into_iter().map(|one| one.topic).collect(),
        }
    }

    fn lacks_topics(&self, metadata: &Metadata) -> bool {
        self.wanted_topics().iter().any(|topic| metadata.topic(topic).is_none())
    }

    fn refresh_metadata(&mut self, now: Tick) {
        if self.jobs.metadata || now < self.jobs.metadata_not_before {
            return;
        }
        let max_age = self.config.common.metadata_max_age_ms;
        let is_old = self.jobs.metadata_updated.is_none_or(|updated| now.since(updated) >= max_age);
        if !is_old && !self.jobs.metadata_is_stale && !self.lacks_topics(&self.cluster.metadata()) {
            return;
        }
        self.jobs.metadata = true;
        let cluster = self.cluster.clone();
        let all = matches!(self.reading, Reading::Pattern(_));
        let topics: Vec<TopicName> = self.wanted_topics().into_iter().collect();
        let create = self.config.allow_auto_create_topics;
        self.spawn(async move {
            let topics = if all { Topics::All } else { Topics::Named(&topics) };
            Event::Metadata(cluster.refresh(topics, create).await)
        });
    }

    fn on_metadata(&mut self, now: Tick, result: Result<Arc<Metadata>, Error>) -> Result<(), Error> {
        self.jobs.metadata = false;
        let metadata = match result {
            Ok(metadata) => metadata,
            Err(error) if error.is_retriable() => {
                self.pause_metadata(now);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.jobs.metadata_is_stale = false;
        self.jobs.metadata_updated = Some(now);
        self.fetcher.forget_preferred();
        self.check_topics(&metadata)?;
        if self.lacks_topics(&metadata) {
            self.pause_metadata(now);
        } else {
            self.jobs.metadata_failures = 0;
            self.jobs.metadata_not_before = now.after(self.config.retry_backoff_ms());
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

    fn pause_metadata(&mut self, now: Tick) {
        let doubled = self.config.retry_backoff_ms().saturating_mul(1 << self.jobs.metadata_failures.min(16));
        self.jobs.metadata_failures += 1;
        self.jobs.metadata_not_before = now.after(doubled.min(self.config.common.retry.backoff_max_ms.max(1)));
    }

    fn check_topics(&self, metadata: &Metadata) -> Result<(), Error> {
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

    // The group.

    /// Follows the membership until it waits for something.
    fn step_membership(&mut self, now: Tick) {
        // A pattern means nothing before the topics are known.
        if matches!(self.reading, Reading::Pattern(_)) && self.jobs.metadata_updated.is_none() {
            return;
        }
        while !self.jobs.group {
            let Some(membership) = &mut self.membership else { return };
            membership.check_session(now);
            let config = membership.config().clone();
            if membership.coordinator().is_none() {
                self.cluster.forget_coordinator(CoordinatorKind::Group, &config.group_id);
            }
            let step = membership.next(now);
            let cluster = self.cluster.clone();
            self.jobs.group = true;
            match step {
                Step::Wait(_) | Step::Stable => {
                    self.jobs.group = false;
                    break;
                }
                Step::FindCoordinator => self.spawn(async move {
                    Event::Coordinator(requests::find_coordinator(&cluster, &config.group_id).await)
                }),
                Step::Prepare { revoked, lost } => self.prepare(revoked, lost),
                Step::Join(request) => {
                    self.info(COORDINATOR, "(Re-)joining group");
                    self.spawn(async move { Event::Joined(requests::join(&cluster, *request).await.map(Box::new)) });
                }
                Step::Count(topics) => self.spawn(async move { Event::Counted(count(&cluster, topics).await) }),
                Step::Sync(request) => {
                    self.spawn(async move { Event::Synced(requests::sync(&cluster, &config, *request).await) });
                }
                Step::Assign { assigned, added, revoked } => {
                    self.jobs.group = false;
                    self.take_over(&assigned, &added, &revoked);
                }
            }
        }
        self.tell_heart();
    }

    /// Gives partitions up before a join; what was read of them, and of those that stay, is committed first.
    fn prepare(&mut self, revoked: Vec<TopicPartition>, lost: bool) {
        let offsets = self.consumed();
        let committer = self.committer();
        self.positions.remove(&revoked);
        let Some(committer) = committer.filter(|_| !lost && !offsets.is_empty() && self.auto_commits()) else {
            self.jobs.group = false;
            if let Some(membership) = &mut self.membership {
                membership.on_prepared(&revoked);
            }
            return;
        };
        let (cluster, prefix) = (self.cluster.clone(), self.log_prefix.clone());
        self.spawn(async move {
            if let Err(error) = check_commit(requests::commit(&cluster, &committer, &offsets).await) {
                warn_of_auto_commit(&prefix, &offsets, &error);
            }
            Event::Prepared(revoked)
        });
    }

    fn take_over(&mut self, assigned: &[TopicPartition], added: &[TopicPartition], revoked: &[TopicPartition]) {
        if !revoked.is_empty() && self.auto_commits() {
            // A cooperative member loses these now; who gets them goes on where it stopped.
            let consumed = self.consumed().into_iter().filter(|(one, _)| revoked.contains(one)).collect();
            self.spawn_commit(consumed);
        }
        self.positions.remove(revoked);
        self.positions.set(assigned);
        let list =
            |partitions: &[TopicPartition]| partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        self.info(COORDINATOR, &format!("Adding newly assigned partitions: {}", list(added)));
        if let Some(membership) = &mut self.membership {
            membership.on_assigned();
        }
    }

    fn on_group_event(&mut self, now: Tick, event: Event) -> Result<(), Error> {
        let Some(membership) = &mut self.membership else { return Ok(()) };
        let is_beat = matches!(event, Event::Beaten { .. });
        let outcome = match event {
            Event::Coordinator(Ok(broker)) => membership.on_coordinator(now, Ok(broker)),
            Event::Coordinator(Err(error)) => {
                // No broker can be reached, or none knows: both pass.
                let code = error.code().filter(|_| !error.is_retriable());
                membership.on_coordinator(now, Err(code.unwrap_or(ErrorCode::CoordinatorNotAvailable)))
            }
            Event::Prepared(revoked) => {
                membership.on_prepared(&revoked);
                Ok(())
            }
            Event::Joined(Err(error)) | Event::Synced(Err(error)) if !error.is_retriable() => return Err(error),
            Event::Joined(result) => membership.on_join(now, result.ok().map(|response| *response)),
            Event::Synced(result) => membership.on_sync(now, result.ok()),
            // Asked again at the next step.
            Event::Counted(Err(_)) => Ok(()),
            Event::Counted(Ok(counts)) => membership.on_counts(counts),
            Event::Beaten { member, answer } => {
                membership.on_heartbeat(now, (member.generation, &member.member_id), answer)
            }
            _ => Ok(()),
        };
        if !is_beat {
            self.jobs.group = false;
        }
        outcome.map_err(membership_error)
    }

    fn tell_heart(&self) {
        if let (Some(heart), Some(membership)) = (&self.heart, &self.membership) {
            heart.set_member(membership.beats().then(|| member_of(membership)));
        }
    }

    /// In whose name to commit; `None` without a group.
    pub(super) fn committer(&self) -> Option<Committer> {
        let group_id = self.config.group_id.clone()?;
        match &self.membership {
            Some(membership) => Some(member_of(membership)),
            None => Some(Committer { group_id, generation: -1, ..Committer::default() }),
        }
    }

    fn auto_commits(&self) -> bool {
        self.config.auto_commit_interval_ms.is_some()
    }

    /// Positions as they are to be committed.
    pub(super) fn consumed(&self) -> Offsets {
        let consumed = self.positions.all_consumed().into_iter().map(|(one, offset, leader_epoch)| {
            (one, requests::OffsetAndMetadata { offset, leader_epoch, metadata: String::new() })
        });
        consumed.collect()
    }

    fn auto_commit(&mut self, now: Tick) {
        let Some(interval) = self.config.auto_commit_interval_ms else { return };
        let may_commit = self.membership.as_ref().is_none_or(Membership::is_stable);
        if now < self.jobs.next_commit || self.jobs.commit || !may_commit {
            return;
        }
        self.jobs.next_commit = now.after(interval.max(1));
        self.spawn_commit(self.consumed());
    }

    fn spawn_commit(&mut self, offsets: Offsets) {
        let Some(committer) = self.committer().filter(|_| !offsets.is_empty()) else { return };
        self.jobs.commit = true;
        let cluster = self.cluster.clone();
        self.spawn(async move {
            let result = requests::commit(&cluster, &committer, &offsets).await;
            Event::Committed { offsets, result }
        });
    }

    fn on_auto_commit(&mut self, offsets: &Offsets, result: Result<Vec<(TopicPartition, ErrorCode)>, Error>) {
        if let Err(error) = check_commit(result) {
            self.commit_refused(&error);
            warn_of_auto_commit(&self.log_prefix, offsets, &error);
        }
    }

    /// What a refused commit says of the membership.
    pub(super) fn commit_refused(&mut self, error: &Error) {
        let Some(code) = error.code() else { return };
        if let Some(membership) = &mut self.membership {
            membership.on_commit_refused(code);
        }
        self.forget_coordinator_for(code);
    }

    pub(super) fn forget_coordinator_for(&self, code: ErrorCode) {
        let is_gone = matches!(code, ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable);
        if let Some(group_id) = self.config.group_id.as_ref().filter(|_| is_gone) {
            self.cluster.forget_coordinator(CoordinatorKind::Group, group_id);
        }
    }

    // Positions.

    /// Where to start with what is new: where the group stopped, or where the policy says.
    fn find_positions(&mut self, now: Tick) -> Result<(), Error> {
        let unknown = self.positions.unknown();
        if unknown.is_empty() || self.jobs.positions || now < self.jobs.positions_not_before {
            return Ok(());
        }
        let Some(group_id) = self.config.group_id.clone() else {
            return self.positions.reset_unknown(&unknown, self.config.auto_offset_reset).map_err(no_position);
        };
        self.jobs.positions = true;
        let cluster = self.cluster.clone();
        self.spawn(async move {
            let result = requests::committed(&cluster, &group_id, &unknown).await;
            Event::Positions { asked: unknown, result }
        });
        Ok(())
    }

    fn on_positions(
        &mut self,
        now: Tick,
        asked: &[TopicPartition],
        result: Result<Offsets, Error>,
    ) -> Result<(), Error> {
        self.jobs.positions = false;
        match result {
            Ok(committed) => {
                for (one, committed) in committed {
                    self.positions.on_committed(&one, committed.offset, committed.leader_epoch);
                }
                self.positions.reset_unknown(asked, self.config.auto_offset_reset).map_err(no_position)
            }
            Err(error) if error.is_retriable() => {
                if let Some(code) = error.code() {
                    self.forget_coordinator_for(code);
                }
                self.jobs.positions_not_before = now.after(self.config.retry_backoff_ms());
                Ok(())
            }
            // The membership hears of it by its own requests, and joins again.
            Err(error) if self.membership.is_some() && is_of_membership(&error) => {
                self.commit_refused(&error);
                self.jobs.positions_not_before = now.after(self.config.retry_backoff_ms());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn send_resets(&mut self, now: Tick) {
        let resetting = self.positions.resetting();
        if resetting.is_empty() || self.jobs.resets > 0 || now < self.jobs.resets_not_before {
            return;
        }
        let metadata = self.cluster.metadata();
        let mut by_leader: BTreeMap<BrokerId, Vec<(TopicPartition, LeaderEpoch, OffsetReset)>> = BTreeMap::new();
        for (one, to) in resetting {
            match metadata.leader(&one) {
                Some((node, epoch)) => by_leader.entry(node.id).or_default().push((one, epoch, to)),
                None => self.jobs.needs_metadata(),
            }
        }
        if by_leader.is_empty() {
            self.jobs.resets_not_before = now.after(self.config.retry_backoff_ms());
        }
        for (leader, partitions) in by_leader {
            self.jobs.resets += 1;
            let (cluster, reads_committed) = (self.cluster.clone(), self.config.fetch.reads_committed);
            let asked: Vec<_> = partitions.iter().map(|(one, _, to)| (one.clone(), *to)).collect();
            let at = |to: OffsetReset| to.timestamp().unwrap_or(-1);
            let wanted: Vec<_> = partitions.into_iter().map(|(one, epoch, to)| (one, epoch, at(to))).collect();
            self.spawn(async move {
                let result = requests::list_offsets(&cluster, leader, reads_committed, &wanted).await;
                Event::Reset { asked, result }
            });
        }
    }

    fn on_reset(
        &mut self,
        now: Tick,
        asked: &[(TopicPartition, OffsetReset)],
        result: Result<Answers<FoundOffset>, Error>,
    ) -> Result<(), Error> {
        self.jobs.resets -= 1;
        let answers = match result {
            Ok(answers) => answers,
            Err(error) if error.is_retriable() => {
                self.retry_resets(now);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for (one, answer) in answers {
            let Some((_, to)) = asked.iter().find(|(asked, _)| *asked == one) else { continue };
            match answer {
                Ok(found) => {
                    self.positions.on_reset(&one, *to, found.offset);
                    self.info(
                        SUBSCRIPTION,
                        &format!("Resetting offset for partition {one} to position {}.", found.offset),
                    );
                }
                Err(code) if code.is_retriable() => self.retry_resets(now),
                Err(code) => return Err(Error::Broker { code, message: None }),
            }
        }
        Ok(())
    }

    fn retry_resets(&mut self, now: Tick) {
        self.jobs.needs_metadata();
        self.jobs.resets_not_before = now.after(self.config.retry_backoff_ms());
    }

    // Fetches.

    /// Asks every broker that leads something and owes no answer.
    pub(super) fn send_fetches(&mut self, now: Tick) {
        let metadata = self.cluster.metadata();
        let mut lacks_leader = false;
        let source = |one: &TopicPartition| {
            let topic_id = metadata.topic(&one.topic)?.id;
            metadata.leader(one).map(|(node, leader_epoch)| Source { leader: node.id, leader_epoch, topic_id })
        };
        for one in self.positions.assigned() {
            lacks_leader |= self.positions.get(&one).is_some() && source(&one).is_none();
        }
        let requests = self.fetcher.requests(now, &self.positions, source);
        if lacks_leader {
            self.jobs.needs_metadata();
        }
        for outgoing in requests {
            let cluster = self.cluster.clone();
            self.spawn(async move {
                let broker = outgoing.broker;
                let result = requests::fetch(&cluster, broker, &outgoing.request, outgoing.has_topic_ids).await;
                Event::Fetched { broker, result: result.map(Box::new) }
            });
        }
    }

    fn on_fetched(
        &mut self,
        now: Tick,
        broker: BrokerId,
        result: Result<Box<fetch::Response>, Error>,
    ) -> Result<(), Error> {
        let response = match result {
            Ok(response) => response,
            Err(error) if error.is_retriable() => {
                self.jobs.needs_metadata();
                self.fetcher.on_failure(broker, now.after(self.config.retry_backoff_ms()));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if let ErrorCode::FetchSessionTopicIdError = ErrorCode::from_code(response.error_code) {
            self.jobs.needs_metadata();
        }
        for failure in self.fetcher.on_response(broker, *response, &mut self.positions) {
            self.on_fetch_failure(now, failure)?;
        }
        Ok(())
    }

    fn on_fetch_failure(&mut self, now: Tick, failure: Failure) -> Result<(), Error> {
        let Failure { partition, error, offset, from_follower } = failure;
        let prefix = &self.log_prefix;
        match error {
            // The leader knows better than a follower that is behind.
            ErrorCode::OffsetOutOfRange if from_follower => {}
            ErrorCode::OffsetOutOfRange => {
                tracing::info!(
                    target: FETCHER,
                    "{prefix}Fetch position {offset} is out of range for partition {partition}, resetting offset"
                );
                let policy = self.config.auto_offset_reset;
                return self.positions.on_out_of_range(&partition, offset, policy).map_err(no_position);
            }
            ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId | ErrorCode::InconsistentTopicId => {
                tracing::warn!(
                    target: FETCHER,
                    "{prefix}Received {} in fetch for partition {partition}",
                    match error {
                        ErrorCode::UnknownTopicOrPartition => "unknown topic or partition error",
                        ErrorCode::UnknownTopicId => "unknown topic ID error",
                        _ => "inconsistent topic ID error",
                    }
                );
            }
            ErrorCode::UnknownServerError => tracing::warn!(
                target: FETCHER,
                "{prefix}Unknown server error while fetching offset {offset} for topic-partition {partition}"
            ),
            error if error.is_retriable() && error != ErrorCode::CorruptMessage => {}
            code => {
                let what = format!(
                    "Unexpected error code {} while fetching at offset {offset} from topic-partition {partition}",
                    code.code()
                );
                let message = match code {
                    ErrorCode::TopicAuthorizationFailed => {
                        Some(format!("Not authorized to access topics: [{}]", partition.topic))
                    }
                    ErrorCode::CorruptMessage => Some(format!(
                        "Encountered corrupt message when fetching offset {offset} for topic-partition {partition}"
                    )),
                    _ => Some(what),
                };
                return Err(Error::Broker { code, message });
            }
        }
        self.jobs.needs_metadata();
        self.fetcher.hold(partition, now.after(self.config.retry_backoff_ms()));
        Ok(())
    }

    fn info(&self, target: &'static str, text: &str) {
        // The target of an event is a constant; there are two.
        match target {
            COORDINATOR => tracing::info!(target: COORDINATOR, "{}{text}", self.log_prefix),
            _ => tracing::info!(target: SUBSCRIPTION, "{}{text}", self.log_prefix),
        }
    }
}

async fn count(cluster: &crate::cluster::Cluster, topics: BTreeSet<String>) -> Result<PartitionCounts, Error> {
    let names: Vec<TopicName> = topics.iter().map(|topic| topic.as_str().into()).collect();
    let metadata = cluster.refresh(Topics::Named(&names), false).await?;
    let counts = topics.into_iter().filter_map(|topic| {
        let count = metadata.partition_count(&topic)?;
        Some((topic, count as i32))
    });
    Ok(counts.collect())
}

fn member_of(membership: &Membership) -> Committer {
    Committer {
        group_id: membership.config().group_id.clone(),
        generation: membership.generation(),
        member_id: membership.member_id().to_owned(),
        group_instance_id: membership.config().group_instance_id.clone(),
    }
}

/// The first error of a commit, if there is one.
pub(super) fn check_commit(result: Result<Vec<(TopicPartition, ErrorCode)>, Error>) -> Result<(), Error> {
    let failed = result?.into_iter().map(|(_, error)| error).find(|error| error.is_error());
    failed.map_or(Ok(()), |code| Err(Error::Broker { code, message: commit_message(code) }))
}

fn commit_message(code: ErrorCode) -> Option<String> {
    let text = match code {
        ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
            "Offset commit cannot be completed since the consumer is not part of an active group for auto partition \
             assignment; it is likely that the consumer was kicked out of the group."
        }
        ErrorCode::RebalanceInProgress => {
            "Offset commit cannot be completed since the consumer is undergoing a rebalance for auto partition \
             assignment. You can try completing the rebalance by calling poll() and then retry the operation."
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn warn_of_auto_commit(prefix: &str, offsets: &Offsets, error: &Error) {
    let offsets: Vec<String> = offsets
        .iter()
        .map(|(one, committed)| {
            format!(
                "{one}=OffsetAndMetadata{{offset={}, leaderEpoch={}, metadata='{}'}}",
                committed.offset,
                if committed.leader_epoch.0 < 0 { "null".to_owned() } else { committed.leader_epoch.to_string() },
                committed.metadata
            )
        })
        .collect();
    tracing::warn!(
        target: COORDINATOR,
        "{prefix}Asynchronous auto-commit of offsets {{{}}} failed: {error}",
        offsets.join(", ")
    );
}

/// Says an error that the member is none, or not of this generation?
fn is_of_membership(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::RebalanceInProgress)
    )
}

fn membership_error(error: MembershipError) -> Error {
    match error {
        MembershipError::Refused(code) => Error::Broker { code, message: None },
        error => Error::Broker { code: ErrorCode::InconsistentGroupProtocol, message: Some(error.to_string()) },
    }
}

fn no_position(error: NoPosition) -> Error {
    let code = match error {
        NoPosition::NothingCommitted(_) => ErrorCode::UnknownServerError,
        NoPosition::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
    };
    Error::Broker { code, message: Some(error.to_string()) }
}
