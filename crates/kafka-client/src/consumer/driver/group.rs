//! The group: what the membership wants is done, and what came of it told; commits go with it.

use std::collections::BTreeSet;

use kafka_types::{ErrorCode, TopicName, TopicPartition};
use time_types::Tick;

use super::Event;
use crate::cluster::{Cluster, CoordinatorKind, Topics};
use crate::consumer::assignors::PartitionCounts;
use crate::consumer::membership::{Membership, MembershipError, Step};
use crate::consumer::requests::{self, Committer, Offsets};
use crate::consumer::{Consumer, Reading};
use crate::error::Error;

/// Where Java's consumer logs what concerns its group.
const COORDINATOR: &str = "org.apache.kafka.clients.consumer.internals.ConsumerCoordinator";

impl Consumer {
    /// Follows the membership until it waits for something.
    pub(super) fn step_membership(&mut self, now: Tick) {
        // A pattern means nothing before the topics are known.
        if matches!(self.reading, Reading::Pattern(_)) && self.jobs.metadata.updated.is_none() {
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
                    tracing::info!(target: COORDINATOR, "{}(Re-)joining group", self.log_prefix);
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
    pub(super) fn prepare(&mut self, revoked: Vec<TopicPartition>, lost: bool) {
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

    pub(super) fn take_over(
        &mut self,
        assigned: &[TopicPartition],
        added: &[TopicPartition],
        revoked: &[TopicPartition],
    ) {
        if !revoked.is_empty() && self.auto_commits() {
            // A cooperative member loses these now; who gets them goes on where it stopped.
            let consumed = self.consumed().into_iter().filter(|(one, _)| revoked.contains(one)).collect();
            self.spawn_commit(consumed);
        }
        self.positions.remove(revoked);
        self.positions.set(assigned);
        let list =
            |partitions: &[TopicPartition]| partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        tracing::info!(target: COORDINATOR, "{}Adding newly assigned partitions: {}", self.log_prefix, list(added));
        if let Some(membership) = &mut self.membership {
            membership.on_assigned();
        }
    }

    pub(super) fn on_group_event(&mut self, now: Tick, event: Event) -> Result<(), Error> {
        let Some(membership) = &mut self.membership else { return Ok(()) };
        let is_beat = matches!(event, Event::Beaten { .. });
        let is_join = matches!(event, Event::Joined(_));
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
            Event::Counted(Ok(counts)) => membership.on_counts(&counts),
            Event::Beaten { member, answer } => {
                membership.on_heartbeat(now, (member.generation, &member.member_id), answer)
            }
            // A count that failed is asked for again at the next step.
            _ => Ok(()),
        };
        if !is_beat {
            self.jobs.group = false;
        }
        if let (true, Err(MembershipError::Refused(code))) = (is_join, &outcome) {
            let why = code.message();
            tracing::error!(target: COORDINATOR, "{}JoinGroup failed due to fatal error: {why}", self.log_prefix);
        }
        outcome.map_err(membership_error)
    }

    pub(super) fn tell_heart(&self) {
        if let (Some(heart), Some(membership)) = (&self.heart, &self.membership) {
            heart.set_member(membership.beats().then(|| member_of(membership)));
        }
    }

    /// In whose name to commit; `None` without a group.
    pub(in crate::consumer) fn committer(&self) -> Option<Committer> {
        let group_id = self.config.group_id.clone()?;
        match &self.membership {
            Some(membership) => Some(member_of(membership)),
            None => Some(Committer { group_id, generation: -1, ..Committer::default() }),
        }
    }

    pub(super) fn auto_commits(&self) -> bool {
        self.config.auto_commit_interval_ms.is_some()
    }

    /// Positions as they are to be committed.
    pub(in crate::consumer) fn consumed(&self) -> Offsets {
        let consumed = self.positions.all_consumed().into_iter().map(|(one, offset, leader_epoch)| {
            (one, requests::OffsetAndMetadata { offset, leader_epoch, metadata: String::new() })
        });
        consumed.collect()
    }

    pub(super) fn auto_commit(&mut self, now: Tick) {
        let Some(interval) = self.config.auto_commit_interval_ms else { return };
        let may_commit = self.membership.as_ref().is_none_or(Membership::is_stable);
        if now < self.jobs.next_commit || self.jobs.commit || !may_commit {
            return;
        }
        self.jobs.next_commit = now.after(interval.max(1));
        self.spawn_commit(self.consumed());
    }

    pub(super) fn spawn_commit(&mut self, offsets: Offsets) {
        let Some(committer) = self.committer().filter(|_| !offsets.is_empty()) else { return };
        self.jobs.commit = true;
        let cluster = self.cluster.clone();
        self.spawn(async move {
            let result = requests::commit(&cluster, &committer, &offsets).await;
            Event::Committed { offsets, result }
        });
    }

    pub(super) fn on_auto_commit(
        &mut self,
        offsets: &Offsets,
        result: Result<Vec<(TopicPartition, ErrorCode)>, Error>,
    ) {
        if let Err(error) = check_commit(result) {
            self.commit_refused(&error);
            warn_of_auto_commit(&self.log_prefix, offsets, &error);
        }
    }

    /// What a refused commit says of the membership.
    pub(in crate::consumer) fn commit_refused(&mut self, error: &Error) {
        let Some(code) = error.code() else { return };
        if let Some(membership) = &mut self.membership {
            membership.on_commit_refused(code);
        }
        self.forget_coordinator_for(code);
    }

    pub(in crate::consumer) fn forget_coordinator_for(&self, code: ErrorCode) {
        let is_gone = matches!(code, ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable);
        if let Some(group_id) = self.config.group_id.as_ref().filter(|_| is_gone) {
            self.cluster.forget_coordinator(CoordinatorKind::Group, group_id);
        }
    }
}

async fn count(cluster: &Cluster, topics: BTreeSet<String>) -> Result<PartitionCounts, Error> {
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
pub(in crate::consumer) fn check_commit(result: Result<Vec<(TopicPartition, ErrorCode)>, Error>) -> Result<(), Error> {
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

fn membership_error(error: MembershipError) -> Error {
    match error {
        MembershipError::Refused(code) => Error::Broker { code, message: None },
        error => Error::Broker { code: ErrorCode::InconsistentGroupProtocol, message: Some(error.to_string()) },
    }
}
