//! Committed offsets of a group: commit, fetch, transactions, and when they are forgotten.

use kafka_types::{ErrorCode, Offset, ProducerId, TopicPartition};
use time_types::WallMillis;

use crate::effect::{FetchedOffset, OffsetFetchReply, Reply, ReplyToken};
use crate::group::{CONSUMER, Group, State};
use crate::pending::{Context, InFlight, Then};
use crate::records::Record;
use crate::request::{OffsetCommit, OffsetFetch, OffsetToCommit, TxnOffsetCommit};
use crate::small_map::SmallMap;

/// One committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    /// The next record to read.
    pub(crate) offset: Offset,
    /// Leader epoch of the last record read, -1 if unknown.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    pub(crate) at: WallMillis,
    /// Set if the client chose a retention of its own (before version 5), or an old broker did.
    pub(crate) expires_at: Option<WallMillis>,
    /// Where its record lies in the log: of two commits the later record counts, also when a transaction makes the
    /// earlier one visible afterwards.
    pub(crate) logged_at: Offset,
}

/// All offsets of a group.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    committed: SmallMap<TopicPartition, Committed>,
    /// Appended in a transaction that is open.
    transactional: SmallMap<ProducerId, SmallMap<TopicPartition, Committed>>,
    /// How many commits are on their way into the log.
    in_flight: SmallMap<TopicPartition, u32>,
}

impl Offsets {
    /// Nothing committed, nothing on its way?
    pub(crate) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.transactional.is_empty() && self.in_flight.is_empty()
    }

    /// The committed offset of a partition.
    pub(crate) fn get(&self, topic_partition: &TopicPartition) -> Option<&Committed> {
        self.committed.get(topic_partition)
    }

    /// All committed offsets, by partition.
    pub(crate) fn committed(&self) -> Vec<(TopicPartition, Offset)> {
        let mut all: Vec<_> = self.committed.iter().map(|(one, committed)| (one.clone(), committed.offset)).collect();
        all.sort();
        all
    }

    /// Applies a committed record.
    pub(crate) fn put(&mut self, topic_partition: TopicPartition, committed: Committed) {
        match self.committed.get_mut(&topic_partition) {
            Some(newer) if newer.logged_at > committed.logged_at => {}
            Some(older) => *older = committed,
            None => drop(self.committed.insert(topic_partition, committed)),
        }
    }

    /// Applies a record of an open transaction.
    pub(crate) fn put_transactional(
        &mut self,
        producer_id: ProducerId,
        topic_partition: TopicPartition,
        committed: Committed,
    ) {
        self.transactional.or_default(&producer_id).insert(topic_partition, committed);
    }

    /// Applies a deletion.
    pub(crate) fn delete(&mut self, topic_partition: &TopicPartition, logged_at: Offset) {
        if self.committed.get(topic_partition).is_some_and(|committed| committed.logged_at < logged_at) {
            self.committed.remove(topic_partition);
        }
        self.transactional.retain(|_, offsets| {
            if offsets.get(topic_partition).is_some_and(|committed| committed.logged_at < logged_at) {
                offsets.remove(topic_partition);
            }
            !offsets.is_empty()
        });
    }

    /// Applies a transaction marker.
    pub(crate) fn end_transaction(&mut self, producer_id: ProducerId, is_commit: bool) {
        let mut offsets = self.transactional.remove(&producer_id).unwrap_or_default();
        if is_commit {
            for (topic_partition, committed) in offsets.take() {
                self.put(topic_partition, committed);
            }
        }
    }

    /// Is there a commit whose outcome is open?
    pub(crate) fn is_unstable(&self, topic_partition: &TopicPartition) -> bool {
        self.in_flight.contains_key(topic_partition)
            || self.transactional.values().any(|offsets| offsets.contains_key(topic_partition))
    }

    fn begin(&mut self, topic_partition: &TopicPartition) {
        *self.in_flight.or_default(topic_partition) += 1;
    }

    /// A commit is in the log, or is not going to be.
    pub(crate) fn end(&mut self, topic_partition: &TopicPartition) {
        let Some(count) = self.in_flight.get_mut(topic_partition) else { return };
        *count -= 1;
        if *count == 0 {
            self.in_flight.remove(topic_partition);
        }
    }

    /// Every partition that has, or may get, an offset: what a deletion of the group must delete.
    pub(crate) fn all_partitions(&self) -> Vec<TopicPartition> {
        let transactional = self.transactional.values().flat_map(SmallMap::keys);
        let mut all: Vec<_> =
            self.committed.keys().chain(self.in_flight.keys()).chain(transactional).cloned().collect();
        all.sort();
        all.dedup();
        all
    }

    /// Which of these have an offset, or may get one.
    pub(crate) fn known(&self, topic_partition: &TopicPartition) -> bool {
        self.committed.contains_key(topic_partition) || self.is_unstable(topic_partition)
    }

    fn fetched(&self, topic_partition: &TopicPartition, require_stable: bool) -> FetchedOffset {
        let topic_partition = topic_partition.clone();
        let none = |error| FetchedOffset {
            topic_partition: topic_partition.clone(),
            offset: Offset::NONE,
            leader_epoch: -1,
            metadata: String::new(),
            error,
        };
        if require_stable && self.is_unstable(&topic_partition) {
            return none(ErrorCode::UnstableOffsetCommit);
        }
        match self.get(&topic_partition) {
            None => none(ErrorCode::None),
            Some(committed) => FetchedOffset {
                offset: committed.offset,
                leader_epoch: committed.leader_epoch,
                metadata: committed.metadata.clone(),
                ..none(ErrorCode::None)
            },
        }
    }
}

/// Who commits, as both kinds of commit say it.
struct Committer<'a> {
    generation: i32,
    member_id: &'a str,
    group_instance_id: Option<&'a str>,
    is_transactional: bool,
}

impl Group {
    /// Handles an OffsetCommit.
    pub(crate) fn commit_offsets(&mut self, cx: &mut Context<'_>, token: ReplyToken, commit: OffsetCommit) {
        let committer = Committer {
            generation: commit.generation,
            member_id: &commit.member_id,
            group_instance_id: commit.group_instance_id.as_deref(),
            is_transactional: false,
        };
        let checked = self.validate_commit(&committer).and(match self.state {
            // Its generation is valid, so it joined; it has to sync and then knows what it may commit.
            State::CompletingRebalance => Err(ErrorCode::RebalanceInProgress),
            _ => Ok(()),
        });
        if let Err(error) = checked {
            return refuse(cx, token, &commit.offsets, error);
        }
        if !self.is(State::Empty) {
            self.touch(cx, &commit.member_id);
        }
        let expires_at = commit.retention_ms.filter(|ms| *ms >= 0).map(|ms| cx.now.wall + ms);
        let (answers, records) = self.offset_records(cx, commit.offsets, expires_at);
        self.store_offsets(cx, (token, answers), records, None);
    }

    /// Handles a TxnOffsetCommit.
    pub(crate) fn commit_transactional(&mut self, cx: &mut Context<'_>, token: ReplyToken, commit: TxnOffsetCommit) {
        let committer = Committer {
            generation: commit.generation,
            member_id: &commit.member_id,
            group_instance_id: commit.group_instance_id.as_deref(),
            is_transactional: true,
        };
        if let Err(error) = self.validate_commit(&committer) {
            return refuse(cx, token, &commit.offsets, error);
        }
        let (answers, records) = self.offset_records(cx, commit.offsets, None);
        let producer = Some((commit.producer_id, commit.producer_epoch));
        self.store_offsets(cx, (token, answers), records, producer);
    }

    fn validate_commit(&self, committer: &Committer<'_>) -> Result<(), ErrorCode> {
        if self.is(State::Dead) {
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        if committer.generation < 0 && self.is(State::Empty) {
            return Ok(());
        }
        let claims_membership =
            committer.generation >= 0 || !committer.member_id.is_empty() || committer.group_instance_id.is_some();
        if claims_membership {
            self.validate_member(committer.member_id, committer.group_instance_id)?;
            return if committer.generation == self.generation { Ok(()) } else { Err(ErrorCode::IllegalGeneration) };
        }
        // Old producers commit for their consumer without saying who it is.
        if committer.is_transactional { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    fn offset_records(
        &self,
        cx: &Context<'_>,
        offsets: Vec<OffsetToCommit>,
        expires_at: Option<WallMillis>,
    ) -> (Vec<(TopicPartition, ErrorCode)>, Vec<Record>) {
        let (mut answers, mut records) = (Vec::with_capacity(offsets.len()), Vec::with_capacity(offsets.len()));
        for OffsetToCommit { topic_partition, offset, leader_epoch, metadata } in offsets {
            let metadata = metadata.unwrap_or_default();
            if is_longer_than(&metadata, cx.config.offset_metadata_max) {
                answers.push((topic_partition, ErrorCode::OffsetMetadataTooLarge));
                continue;
            }
            answers.push((topic_partition.clone(), ErrorCode::None));
            let (at, logged_at) = (cx.now.wall, Offset::NONE);
            let value = Committed { offset, leader_epoch, metadata, at, expires_at, logged_at };
            records.push(Record::Offset { group_id: self.id.clone(), topic_partition, value: Some(value) });
        }
        (answers, records)
    }

    fn store_offsets(
        &mut self,
        cx: &mut Context<'_>,
        (token, answers): (ReplyToken, Vec<(TopicPartition, ErrorCode)>),
        records: Vec<Record>,
        producer: Option<(ProducerId, kafka_types::ProducerEpoch)>,
    ) {
        if records.is_empty() {
            return cx.reply(token, Reply::OffsetCommit(answers));
        }
        for (topic_partition, _) in answers.iter().filter(|(_, error)| !error.is_error()) {
            self.offsets.begin(topic_partition);
        }
        let (producer_id, epoch) = producer.unzip();
        let then = Then::Committed { token, answers };
        cx.append(InFlight { group_id: self.id.clone(), records, producer_id, then }, epoch);
    }

    /// Handles an OffsetFetch.
    pub(crate) fn fetch_offsets(&self, fetch: &OffsetFetch) -> OffsetFetchReply {
        let offsets = match &fetch.partitions {
            Some(asked) if self.is(State::Dead) => nothing_committed(asked),
            None if self.is(State::Dead) => Vec::new(),
            Some(asked) => asked.iter().map(|one| self.offsets.fetched(one, fetch.require_stable)).collect(),
            None => {
                let mut all: Vec<_> = self.offsets.committed.keys().collect();
                all.sort();
                all.into_iter().map(|one| self.offsets.fetched(one, fetch.require_stable)).collect()
            }
        };
        OffsetFetchReply { error: ErrorCode::None, offsets }
    }

    /// Partitions whose offsets outlived their retention.
    ///
    /// An empty group keeps all for the retention time after its last member left; a stable one forgets what nobody
    /// reads any more by the time of the commit, and so does a group that never had members. Nothing is forgotten
    /// while a commit for it is on its way.
    pub(crate) fn expired(&self, now: WallMillis, retention_ms: i64) -> Vec<TopicPartition> {
        let by_state = self.is(State::Empty).then_some(self.state_since).flatten();
        let applies = match self.protocol_type.as_deref() {
            None => true,
            Some(_) if self.is(State::Empty) => true,
            Some(CONSUMER) => self.is(State::Stable) && self.subscribed_topics.is_some(),
            Some(_) => false,
        };
        if !applies {
            return Vec::new();
        }
        let since = |committed: &Committed| match &self.protocol_type {
            Some(_) => by_state.unwrap_or(committed.at),
            None => committed.at,
        };
        let is_expired = |topic_partition: &TopicPartition, committed: &Committed| {
            let is_due = match committed.expires_at {
                Some(expires_at) => now >= expires_at,
                None => now - since(committed) >= retention_ms,
            };
            let is_read = self.is(State::Stable) && self.is_subscribed_to(topic_partition);
            is_due && !is_read && !self.offsets.is_unstable(topic_partition)
        };
        let expired = self.offsets.committed.iter().filter(|(one, committed)| is_expired(one, committed));
        let mut expired: Vec<_> = expired.map(|(one, _)| one.clone()).collect();
        expired.sort();
        expired
    }

    /// Deletes offsets; the group too if it has nothing left and nobody in it.
    pub(crate) fn forget(&mut self, cx: &mut Context<'_>, partitions: Vec<TopicPartition>) {
        let left = self.offsets.committed.len() - partitions.len();
        let is_left = left > 0 || !self.offsets.transactional.is_empty() || !self.offsets.in_flight.is_empty();
        let dies = self.is(State::Empty) && !is_left && self.pending_members.is_empty();
        let mut records = self.tombstones(partitions);
        if dies {
            self.transition(State::Dead, cx.now.wall);
            records.extend(self.group_tombstone());
        }
        if !records.is_empty() {
            let then = Then::Expired;
            cx.append(InFlight { group_id: self.id.clone(), records, producer_id: None, then }, None);
        }
    }

    /// Partitions of this list that have a committed offset.
    pub(crate) fn committed_among(&self, partitions: &[TopicPartition]) -> Vec<TopicPartition> {
        partitions.iter().filter(|one| self.offsets.committed.contains_key(*one)).cloned().collect()
    }

    /// Records that delete offsets.
    pub(crate) fn tombstones(&self, partitions: Vec<TopicPartition>) -> Vec<Record> {
        let tombstone = |topic_partition| Record::Offset { group_id: self.id.clone(), topic_partition, value: None };
        partitions.into_iter().map(tombstone).collect()
    }

    /// The record that deletes the group; none if it never had a generation, for then it was never stored.
    pub(crate) fn group_tombstone(&self) -> Option<Record> {
        (self.generation > 0).then(|| Record::Group { group_id: self.id.clone(), value: None })
    }
}

/// No offset for any of these.
pub(crate) fn nothing_committed(asked: &[TopicPartition]) -> Vec<FetchedOffset> {
    let none = Offsets::default();
    asked.iter().map(|one| none.fetched(one, false)).collect()
}

/// The same error for every partition of a commit.
pub(crate) fn refuse(cx: &mut Context<'_>, token: ReplyToken, offsets: &[OffsetToCommit], error: ErrorCode) {
    let answers = offsets.iter().map(|one| (one.topic_partition.clone(), error)).collect();
    cx.reply(token, Reply::OffsetCommit(answers));
}

/// Java counts UTF-16 units; beyond 32 767 bytes a text cannot be stored, whatever the setting says.
fn is_longer_than(text: &str, units_max: usize) -> bool {
    text.len() > i16::MAX as usize || (text.len() > units_max && text.encode_utf16().count() > units_max)
}

/// What a failed append of offsets means to who commits.
pub(crate) fn commit_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::NotEnoughReplicasAfterAppend => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::InvalidCommitOffsetSize
        }
        other => other,
    }
}

/// What a failed append of a group means to its members.
pub(crate) fn store_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::UnknownServerError
        }
        other => other,
    }
}
