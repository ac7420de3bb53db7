//! Where to start: committed offsets, and starts and ends of partitions.

use std::collections::BTreeMap;

use kafka_types::{BrokerId, ErrorCode, LeaderEpoch, TopicPartition};
use time_types::Tick;

use super::{Answers, Event};
use crate::consumer::Consumer;
use crate::consumer::positions::OffsetReset;
use crate::consumer::requests::{self, FoundOffset, Offsets};
use crate::error::Error;

/// Where Java's consumer logs what concerns positions.
const SUBSCRIPTION: &str = "org.apache.kafka.clients.consumer.internals.SubscriptionState";

impl Consumer {
    /// Where to start with what is new: where the group stopped, or where the policy says.
    pub(super) fn find_positions(&mut self, now: Tick) -> Result<(), Error> {
        let unknown = self.positions.unknown();
        if unknown.is_empty() || self.jobs.positions || now < self.jobs.positions_not_before {
            return Ok(());
        }
        let Some(group_id) = self.config.group_id.clone() else {
            return Ok(self.positions.reset_unknown(&unknown, self.config.auto_offset_reset)?);
        };
        self.jobs.positions = true;
        let cluster = self.cluster.clone();
        self.spawn(async move {
            let result = requests::committed(&cluster, &group_id, &unknown).await;
            Event::Positions { asked: unknown, result }
        });
        Ok(())
    }

    pub(super) fn on_positions(
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
                Ok(self.positions.reset_unknown(asked, self.config.auto_offset_reset)?)
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

    pub(super) fn send_resets(&mut self, now: Tick) {
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

    pub(super) fn on_reset(
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
                    tracing::info!(
                        target: SUBSCRIPTION,
                        "{}Resetting offset for partition {one} to position {}.",
                        self.log_prefix,
                        found.offset
                    );
                }
                Err(code) if code.is_retriable() => self.retry_resets(now),
                Err(code) => return Err(Error::Broker { code, message: None }),
            }
        }
        Ok(())
    }

    pub(super) fn retry_resets(&mut self, now: Tick) {
        self.jobs.needs_metadata();
        self.jobs.resets_not_before = now.after(self.config.retry_backoff_ms());
    }
}

/// Says an error that the member is none, or not of this generation?
fn is_of_membership(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::RebalanceInProgress)
    )
}
