//! Calls of a consumer that wait for their own answer: commits, committed offsets, starts, ends, timestamps, closing.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use kafka_types::{ErrorCode, Offset, TopicPartition};
use time_types::Tick;

use super::driver::check_commit;
use super::requests::{self, FoundOffset, OffsetAndMetadata, Offsets};
use super::{Consumer, Reading};
use crate::error::Error;

/// Timestamps of ListOffsets that stand for places.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

impl Consumer {
    /// Commits the positions, and waits until that is done (`commitSync`).
    pub async fn commit(&mut self) -> Result<(), Error> {
        let consumed = self.consumed();
        self.commit_offsets(&consumed).await
    }

    /// Commits these offsets, and waits until that is done, at most `default.api.timeout.ms`.
    pub async fn commit_offsets(&mut self, offsets: &Offsets) -> Result<(), Error> {
        let deadline = self.deadline();
        self.commit_until(offsets, deadline).await
    }

    fn deadline(&self) -> Tick {
        self.clock.tick().after(self.config.default_api_timeout_ms)
    }

    async fn commit_until(&mut self, offsets: &Offsets, deadline: Tick) -> Result<(), Error> {
        if offsets.is_empty() {
            return Ok(());
        }
        loop {
            let Some(committer) = self.committer() else { return Err(no_group()) };
            let Some(result) = self.within(deadline, requests::commit(&self.cluster, &committer, offsets)).await else {
                return Err(timed_out("Timeout of {} expired before successfully committing offsets", self));
            };
            match check_commit(result) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    self.commit_refused(&error);
                    if !error.is_retriable() || !self.back_off(deadline).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// What the group has committed for these; those without a commit are missing.
    pub async fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Offsets, Error> {
        let Some(group_id) = self.config.group_id.clone() else { return Err(no_group()) };
        let deadline = self.deadline();
        loop {
            let Some(result) = self.within(deadline, requests::committed(&self.cluster, &group_id, partitions)).await
            else {
                return Err(timed_out("Timeout of {} expired before the committed offsets could be determined", self));
            };
            match result {
                Ok(mut committed) => {
                    committed.retain(|_, committed: &mut OffsetAndMetadata| committed.offset.0 >= 0);
                    return Ok(committed);
                }
                Err(error) => {
                    if let Some(code) = error.code() {
                        self.forget_coordinator_for(code);
                    }
                    if !error.is_retriable() || !self.back_off(deadline).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// The first offset of each.
    pub async fn beginning_offsets(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
        let found = self.list_offsets(partitions.iter().map(|one| (one.clone(), EARLIEST)).collect()).await?;
        Ok(found.into_iter().map(|(one, found)| (one, found.offset)).collect())
    }

    /// The offset behind the last record of each that a reader of this isolation level sees.
    pub async fn end_offsets(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Offset>, Error> {
        let found = self.list_offsets(partitions.iter().map(|one| (one.clone(), LATEST)).collect()).await?;
        Ok(found.into_iter().map(|(one, found)| (one, found.offset)).collect())
    }

    /// The first record of each whose timestamp is at least the given one; those that have none are missing.
    pub async fn offsets_for_times(
        &mut self,
        timestamps: BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, FoundOffset>, Error> {
        let mut found = self.list_offsets(timestamps).await?;
        found.retain(|_, found| found.offset.0 >= 0);
        Ok(found)
    }

    async fn list_offsets(
        &mut self,
        mut asked: BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, FoundOffset>, Error> {
        let deadline = self.deadline();
        let mut found = BTreeMap::new();
        while let Some((one, timestamp)) = asked.first_key_value().map(|(one, timestamp)| (one.clone(), *timestamp)) {
            let attempt = async {
                let (node, epoch) = self.cluster.leader(&one).await?;
                let same_leader = |(other, _): &(&TopicPartition, &i64)| {
                    self.cluster.metadata().leader(other).is_some_and(|(leader, _)| leader.id == node.id)
                };
                let mut batch: Vec<_> = vec![(one.clone(), epoch, timestamp)];
                batch.extend(asked.iter().filter(|(other, _)| **other != one).filter(same_leader).map(
                    |(other, timestamp)| {
                        let epoch = self.cluster.metadata().leader(other).map(|(_, epoch)| epoch);
                        (other.clone(), epoch.unwrap_or(kafka_types::LeaderEpoch::NONE), *timestamp)
                    },
                ));
                let reads_committed = self.config.fetch.reads_committed;
                requests::list_offsets(&self.cluster, node.id, reads_committed, &batch).await
            };
            let Some(result) = self.within(deadline, attempt).await else {
                return Err(timed_out("Failed to get offsets by times in {}", self));
            };
            let mut failure = None;
            match result {
                Ok(answers) => {
                    for (one, answer) in answers {
                        match answer {
                            Ok(offset) => {
                                asked.remove(&one);
                                found.insert(one, offset);
                            }
                            Err(code) => failure = Some(Error::Broker { code, message: None }),
                        }
                    }
                }
                Err(error) => failure = Some(error),
            }
            if let Some(error) = failure {
                if !error.is_retriable() || !self.back_off(deadline).await {
                    return Err(error);
                }
                // Its leader is another one by now, perhaps.
                let topics: Vec<_> = asked.keys().map(|one| one.topic.clone()).collect();
                let refresh = self.cluster.refresh(crate::cluster::Topics::Named(&topics), false);
                let _: Option<Result<_, _>> = self.within(deadline, refresh).await;
            }
        }
        Ok(found)
    }

    /// The result of `future` unless `deadline` comes first.
    async fn within<T>(&self, deadline: Tick, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            result = future => Some(result),
            () = self.clock.sleep_until(deadline) => None,
        }
    }

    /// The pause before a retry; false if there is no time left for one.
    async fn back_off(&self, deadline: Tick) -> bool {
        let until = self.clock.tick().after(self.config.retry_backoff_ms());
        if until >= deadline {
            return false;
        }
        self.clock.sleep_until(until).await;
        true
    }

    /// Commits if commits are automatic, leaves the group, and closes the connections; gives up on what takes longer
    /// than `timeout`.
    pub async fn close(mut self, timeout: Duration) -> Result<(), Error> {
        let deadline = self.clock.tick().after(timeout.as_millis() as u64);
        let mut outcome = Ok(());
        let is_member = self.membership.as_ref().is_none_or(super::membership::Membership::is_stable);
        if self.config.auto_commit_interval_ms.is_some() && is_member && !matches!(self.reading, Reading::Nothing) {
            let consumed = self.consumed();
            outcome = self.commit_until(&consumed, deadline).await;
        }
        self.heart = None;
        let leaves = self.membership.as_ref().is_some_and(super::membership::Membership::leaves_on_close);
        if let Some(member) = self.committer().filter(|_| leaves) {
            let leave = requests::leave(&self.cluster, &member, "the consumer is being closed");
            // The session ends by itself if the coordinator cannot be told.
            let _: Option<Result<(), Error>> = self.within(deadline, leave).await;
        }
        self.cluster.close();
        outcome
    }
}

fn no_group() -> Error {
    let text = "To use the group management or offset commit APIs, you must provide a valid group.id in the consumer \
                configuration.";
    Error::Broker { code: ErrorCode::InvalidGroupId, message: Some(text.to_owned()) }
}

fn timed_out(text: &str, consumer: &Consumer) -> Error {
    Error::Timeout(text.replace("{}", &format!("{}ms", consumer.config.default_api_timeout_ms)))
}
