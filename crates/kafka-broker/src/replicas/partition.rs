//! One partition on its shard: a log and a role, and those who wait for it to move.
//!
//! The only place where bytes (`kafka-log`) and arithmetic (`kafka-replication`) meet.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_log::{
    AbortedTransaction, AppendError, AppendOrigin, Appended, Found, Log, LogStartReason, OffsetQuery, Slice,
};
use kafka_replication::{
    Effect, Fencing, Isr, IsrAnswer, IsrRefusal, Leadership, Progress, Replica, Settings, check_epoch,
};
use kafka_types::{Acks, BrokerEpoch, BrokerId, ErrorCode, IsolationLevel, LeaderEpoch, Offset, TopicPartition, Uuid};
use time_types::Now;

use super::cleaning::Cleaning;
use super::log_dirs::Health;
use super::transactions::Verifications;
use crate::clock::Clock;
use crate::long_poll::{Bell, Bound, Ends, Place, Seen};
use crate::metrics::Traffic;
use crate::waiters::{Waiter, Waiters};

/// A replica of this broker.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "a topic partition is the field's name for it")]
pub(crate) struct Partition {
    pub(crate) topic_partition: TopicPartition,
    pub(crate) topic_id: Option<Uuid>,
    pub(crate) log: Log,
    pub(crate) replica: Replica,
    /// As the controller said last.
    pub(crate) reassignment: Option<Reassignment>,
    pub(crate) traffic: Traffic,
    /// The cleaner's part, if the topic is compacted.
    pub(crate) cleaning: Cleaning,
    /// Producers that the transaction coordinator is asked about.
    pub(crate) verifications: Verifications,
    /// Produces that wait.
    waiters: Waiters,
    /// Fetches that wait.
    bell: Arc<Bell>,
    /// Housekeeping will look at it.
    pub(super) reached: bool,
    /// Of the directory that it lies in: when that has failed, nothing is served any more.
    health: Arc<Health>,
    clock: Clock,
}

/// A produce as far as it has come when the call returns.
#[derive(Debug)]
pub(crate) struct Produced {
    pub(crate) appended: Appended,
    /// With acks=all: has it to wait until this offset is committed?
    pub(crate) wait_for: Option<Offset>,
    /// How long it took to convert the records, if they had to be.
    pub(crate) conversion: Option<Duration>,
}

/// Why nothing was appended: the code, and the text for the client if there is one.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
    pub(crate) records: Vec<kafka_record::validate::RecordError>,
    /// Where the log starts, if it was looked at: a producer tells by it whether what it wrote was only cleaned away.
    pub(crate) log_start: Option<Offset>,
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Refused {
        Refused { code, message: None, records: Vec::new(), log_start: None }
    }
}

/// Refusals that say nothing of the log; with all others Apache's broker tells where it starts.
fn hides_log_start(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::MessageTooLarge
            | ErrorCode::RecordListTooLarge
            | ErrorCode::CorruptMessage
            | ErrorCode::KafkaStorageError
    )
}

impl From<AppendError> for Refused {
    fn from(error: AppendError) -> Refused {
        let code = error.code();
        match error {
            AppendError::Rejected(rejected) => Refused {
                code,
                message: rejected.response_message().map(str::to_owned),
                records: rejected.record_errors,
                log_start: None,
            },
            _ => code.into(),
        }
    }
}

/// Who reads, which decides up to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A consumer: up to the high watermark or the last stable offset.
    Consumer(IsolationLevel),
    /// A follower: up to the log end.
    Follower(BrokerId, BrokerEpoch),
}

impl Reader {
    fn bound(self) -> Bound {
        match self {
            Reader::Follower(..) => Bound::LogEnd,
            Reader::Consumer(IsolationLevel::ReadUncommitted) => Bound::HighWatermark,
            Reader::Consumer(IsolationLevel::ReadCommitted) => Bound::LastStable,
        }
    }
}

/// What a read wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadRequest {
    pub(crate) reader: Reader,
    /// The id that the reader knows the topic by; zero if it goes by the name.
    pub(crate) topic_id: Uuid,
    pub(crate) offset: Offset,
    /// What the reader wants at most; yet the first batch is found whole.
    pub(crate) max_bytes: u64,
    /// The reader has been here with this request already, and waited.
    pub(crate) is_second_look: bool,
    /// The leader epoch that the reader believes in.
    pub(crate) current_epoch: LeaderEpoch,
    /// The epoch of the follower's last record; `NONE` if it does not say.
    pub(crate) last_fetched_epoch: LeaderEpoch,
    /// Where the follower's log starts.
    pub(crate) follower_log_start: Offset,
}

/// What a read found.
#[derive(Debug, Clone)]
pub(crate) struct ReadResult {
    pub(crate) slice: Option<Slice>,
    pub(crate) high_watermark: Offset,
    pub(crate) last_stable_offset: Offset,
    pub(crate) log_start: Offset,
    pub(crate) aborted: Option<Vec<AbortedTransaction>>,
    /// The follower's log has left ours: epoch and end of what agrees.
    pub(crate) diverging: Option<(LeaderEpoch, Offset)>,
    /// The read brought a follower back in sync: an ISR to be proposed.
    pub(crate) proposal: Option<Isr>,
    /// Bytes of the first batch in the slice.
    pub(crate) first_batch: u64,
    /// Bytes that the reader wants at most.
    pub(crate) max_bytes: u64,
    /// Bytes that are there for the reader, but no more than it wants.
    pub(crate) available: u64,
    /// The reader stands at the end of what it may see.
    pub(crate) is_at_end: bool,
    /// The reader is not to wait for more: it is beyond what it may see, or there is more in a next segment.
    pub(crate) ends_wait: bool,
    /// For whoever waits for more.
    pub(crate) seen: Seen,
}

/// The controller is about to give a partition other replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reassignment {
    /// Replicas that are to come, and stand among the others already.
    pub(crate) adding: usize,
}

impl Reassignment {
    /// So many replicas come, and so many go; `None` if it is none.
    pub(crate) fn of(adding: usize, removing: usize) -> Option<Reassignment> {
        (adding + removing > 0).then_some(Reassignment { adding })
    }
}

impl ReadResult {
    /// Whoever reads is to be told everything but the records, and waits for them: its limit is used up.
    pub(crate) fn withhold(&mut self) {
        self.slice = None;
        (self.first_batch, self.available, self.ends_wait) = (0, 0, false);
    }
}

impl Partition {
    /// A replica without a role.
    pub(crate) fn new(topic_id: Option<Uuid>, log: Log, health: Arc<Health>, clock: Clock) -> Partition {
        Partition {
            topic_partition: log.partition().clone(),
            topic_id,
            log,
            replica: Replica::new(),
            reassignment: None,
            traffic: Traffic::default(),
            cleaning: Cleaning::default(),
            verifications: Verifications::default(),
            waiters: Waiters::default(),
            bell: Arc::default(),
            reached: false,
            health,
            clock,
        }
    }

    /// This broker leads from now on. Returns what is to be done besides.
    pub(crate) fn lead(
        &mut self,
        now: Now,
        leadership: Leadership,
        settings: Settings,
    ) -> kafka_replication::Transition {
        let epoch = leadership.epoch;
        let transition = self.replica.lead(now.tick, leadership, settings);
        if transition != kafka_replication::Transition::Stale {
            self.log.assign_epoch(now, epoch, self.log.log_end());
            // Alone in the ISR everything that is there is committed.
            self.on_log_end(now);
        }
        transition
    }

    /// Another broker leads from now on.
    pub(crate) fn follow(&mut self, leader: BrokerId, epoch: LeaderEpoch) -> kafka_replication::Transition {
        let transition = self.replica.follow(leader, epoch);
        // Whoever waits here has to ask elsewhere.
        self.wake_all();
        transition
    }

    /// Appends what a client or a coordinator of this broker sends.
    pub(crate) fn append(
        &mut self,
        now: Now,
        records: &Bytes,
        acks: Acks,
        origin: AppendOrigin,
    ) -> Result<Produced, Refused> {
        self.traffic.produces += 1;
        self.try_append(now, records, acks, origin).map_err(|refused| self.on_refused(refused))
    }

    /// A produce failed.
    pub(super) fn on_refused(&mut self, mut refused: Refused) -> Refused {
        self.traffic.failed_produces += 1;
        if !hides_log_start(refused.code) {
            refused.log_start = Some(self.log.log_start());
        }
        refused
    }

    fn try_append(&mut self, now: Now, records: &Bytes, acks: Acks, origin: AppendOrigin) -> Result<Produced, Refused> {
        let epoch = self.check_may_append(acks)?;
        let converting = self.log.converts(records).then(|| self.clock.precise());
        let validated = self.log.validated(now, records, epoch, origin);
        let conversion = converting.map(|began| self.clock.precise().saturating_sub(began));
        let appended = validated.and_then(|validated| self.log.append_validated(now, validated, origin));
        if appended.is_ok() {
            self.on_log_end(now);
        }
        let produced = self.produced(records, acks, appended)?;
        Ok(Produced { conversion, ..produced })
    }

    /// The epoch of this leader, if it may append.
    pub(super) fn check_may_append(&self, acks: Acks) -> Result<LeaderEpoch, ErrorCode> {
        if self.has_failed() {
            return Err(ErrorCode::KafkaStorageError);
        }
        let leader = self.replica.leader().ok_or(ErrorCode::NotLeaderOrFollower)?;
        if acks == Acks::All && !leader.has_enough_in_sync() {
            return Err(ErrorCode::NotEnoughReplicas);
        }
        Ok(leader.epoch())
    }

    /// What the client is told; those who wait for the log end know of it by now.
    pub(super) fn produced(
        &mut self,
        records: &Bytes,
        acks: Acks,
        appended: Result<Appended, AppendError>,
    ) -> Result<Produced, Refused> {
        let appended = match appended {
            Ok(appended) => appended,
            // Of a group, all fail for the same reason.
            Err(AppendError::Storage(_)) if self.has_failed() => return Err(ErrorCode::KafkaStorageError.into()),
            Err(AppendError::Storage(error)) => return Err(self.fail(&error).into()),
            Err(error) => return Err(error.into()),
        };
        let end = appended.last_offset + 1;
        if appended.first_offset != Offset::NONE {
            self.traffic.messages_in += (end.0 - appended.first_offset.0).unsigned_abs();
        }
        self.traffic.bytes_in += records.len() as u64;
        let waits = acks == Acks::All && self.progress(end) == Some(Progress::Waiting);
        Ok(Produced { appended, wait_for: waits.then_some(end), conversion: None })
    }

    /// How far records below `end` have come; `None` if this broker does not lead any more.
    pub(crate) fn progress(&self, end: Offset) -> Option<Progress> {
        self.replica.leader().map(|leader| leader.progress(end))
    }

    /// Reads for a consumer or a follower.
    pub(crate) fn read(&mut self, now: Now, request: ReadRequest) -> Result<ReadResult, ErrorCode> {
        if !request.topic_id.is_zero() && self.topic_id.is_some_and(|id| id != request.topic_id) {
            return Err(ErrorCode::InconsistentTopicId);
        }
        self.check_is_replica(request)?;
        self.check_may_read(request.current_epoch)?;
        if let Some(diverging) = self.divergence(request)? {
            return Ok(ReadResult { diverging: Some(diverging), ..self.result(request, &kafka_log::Read::default()) });
        }
        let bound = self.bound_of(request.reader);
        let read = match self.log.read(request.offset, request.max_bytes, bound, true) {
            Ok(read) => read,
            Err(kafka_log::ReadError::Storage(error)) => return Err(self.fail(&error)),
            Err(error) => return Err(error.code()),
        };
        let aborted = match request.reader {
            Reader::Consumer(IsolationLevel::ReadCommitted) => {
                Some(self.log.aborted_transactions(request.offset, &read).map_err(|error| error.code())?)
            }
            _ => None,
        };
        let proposal = match request.reader {
            Reader::Follower(from, life) if !request.is_second_look => self.on_follower(now, from, life, request)?,
            _ => None,
        };
        Ok(ReadResult { aborted, proposal, ..self.result(request, &read) })
    }

    /// Parks a produce that looks again when the partition moves.
    pub(crate) fn park(&mut self, waiter: &Waiter) {
        self.waiters.park(waiter);
    }

    /// Deletes the records below `offset`, or all that are committed if it is -1; returns what that offset is. The log
    /// starts there from now on, and retention removes the segments that are not needed any more.
    pub(crate) fn delete_records(&mut self, now: Now, offset: Offset) -> Result<Offset, ErrorCode> {
        self.check_may_read(LeaderEpoch::NONE)?;
        if !self.log.config().cleanup.delete {
            return Err(ErrorCode::PolicyViolation);
        }
        let offset = if offset == Offset::NONE { self.log.high_watermark() } else { offset };
        if offset < Offset(0) {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        match self.log.advance_log_start(now, offset, LogStartReason::ClientRecordDeletion) {
            Ok(true) => self.on_log_start(),
            Ok(false) => {}
            Err(kafka_log::ReadError::Storage(error)) => return Err(self.fail(&error)),
            Err(error) => return Err(error.code()),
        }
        Ok(offset)
    }

    /// Below this offset no living replica holds records any more.
    pub(crate) fn low_watermark(&self) -> Result<Offset, ErrorCode> {
        let leader = self.replica.leader().ok_or(ErrorCode::NotLeaderOrFollower)?;
        Ok(leader.low_watermark(self.log.log_start()))
    }

    /// Is a follower in the ISR that everybody knows?
    pub(crate) fn is_in_sync(&self, follower: BrokerId) -> bool {
        self.replica.leader().is_some_and(|leader| leader.isr().contains(&follower))
    }

    /// Answers OffsetForLeaderEpoch: the largest epoch that is not above `epoch`, and its end; `None` if not known.
    pub(crate) fn end_of_epoch(
        &self,
        current_epoch: LeaderEpoch,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
        self.check_may_read(current_epoch)?;
        Ok(self.log.end_of_epoch(epoch))
    }

    /// The log start has moved.
    pub(crate) fn on_log_start(&mut self) {
        self.bell.on_change();
    }

    fn wake_all(&mut self) {
        self.waiters.wake();
        self.bell.ring();
    }

    fn wake_for_data(&mut self) {
        self.waiters.wake();
        let log = &self.log;
        self.bell.on_data(|| Ends {
            log_end: log.log_end(),
            high_watermark: log.high_watermark(),
            last_stable: log.last_stable_offset(),
            position: log.end_position(),
        });
    }

    /// Up to where somebody may read.
    fn bound_of(&self, reader: Reader) -> Offset {
        match reader.bound() {
            Bound::LogEnd => self.log.log_end(),
            Bound::HighWatermark => self.log.high_watermark(),
            Bound::LastStable => self.log.last_stable_offset(),
        }
    }

    /// Answers the oldest ListOffsets.
    pub(crate) fn bases_before(
        &mut self,
        now: Now,
        query: OffsetQuery,
        max: usize,
        reader: Reader,
    ) -> Result<Vec<Offset>, ErrorCode> {
        self.check_may_read(LeaderEpoch::NONE)?;
        match self.log.bases_before(query, max, self.bound_of(reader), now.wall) {
            Ok(found) => Ok(found),
            Err(kafka_log::ReadError::Storage(error)) => Err(self.fail(&error)),
            Err(error) => Err(error.code()),
        }
    }

    /// Answers ListOffsets.
    pub(crate) fn offset_for(
        &mut self,
        query: OffsetQuery,
        reader: Reader,
        current_epoch: LeaderEpoch,
    ) -> Result<Found, ErrorCode> {
        self.check_may_read(current_epoch)?;
        let bound = self.bound_of(reader);
        match self.log.offset_for(query, bound) {
            Ok(found) => Ok(found),
            Err(kafka_log::ReadError::Storage(error)) => Err(self.fail(&error)),
            Err(error) => Err(error.code()),
        }
    }

    /// Time passes: lagging followers are proposed out of the ISR.
    pub(crate) fn tick(&mut self, now: Now) -> Option<Isr> {
        let mut effects = Vec::new();
        self.replica.leader_mut()?.on_tick(now.tick, &mut effects);
        self.perform(effects)
    }

    /// The controller answered a proposal, or refused it.
    pub(crate) fn on_isr(&mut self, now: Now, answer: Result<IsrAnswer, IsrRefusal>) -> Option<Isr> {
        let mut effects = Vec::new();
        let leader = self.replica.leader_mut()?;
        let before = leader.isr().len();
        match answer {
            Ok(answer) => leader.on_isr(now.tick, answer, &mut effects),
            Err(refusal) => leader.on_isr_refused(refusal, &mut effects),
        }
        let after = leader.isr().len();
        self.traffic.isr_shrinks += u64::from(after < before);
        self.traffic.isr_expands += u64::from(after > before);
        self.perform(effects)
    }

    /// Nothing is served any more: the role ends, whoever waits looks elsewhere.
    pub(crate) fn stop(mut self) -> Log {
        self.replica.stop();
        self.wake_all();
        self.log
    }

    /// The disk failed: from here on everything in its directory is refused, nothing is acknowledged.
    pub(crate) fn fail(&mut self, error: &(dyn std::error::Error + 'static)) -> ErrorCode {
        self.health.fail(&format!("Error while using the log of {}", self.topic_partition), error);
        self.wake_all();
        ErrorCode::KafkaStorageError
    }

    /// Has the disk failed under its directory?
    pub(crate) fn has_failed(&self) -> bool {
        self.health.is_offline()
    }

    /// Puts another log with the same records in the place of this one, which is handed out.
    pub(super) fn replace_log(&mut self, log: Log, health: Arc<Health>) -> Log {
        self.health = health;
        // Where a reader stood in the files of the old one says nothing of the new one's.
        self.bell.ring();
        std::mem::replace(&mut self.log, log)
    }

    /// Its directory has failed: the role ends, whoever waits asks again and is told.
    pub(crate) fn go_offline(&mut self) {
        self.replica.stop();
        self.waiters.wake();
    }

    fn check_may_read(&self, current_epoch: LeaderEpoch) -> Result<(), ErrorCode> {
        if self.has_failed() {
            return Err(ErrorCode::KafkaStorageError);
        }
        let leader = self.replica.leader().ok_or(ErrorCode::NotLeaderOrFollower)?;
        match check_epoch(leader.epoch(), current_epoch) {
            Fencing::Current => Ok(()),
            Fencing::Fenced => Err(ErrorCode::FencedLeaderEpoch),
            Fencing::Unknown => Err(ErrorCode::UnknownLeaderEpoch),
        }
    }

    /// A follower that is not one may know of an assignment that has not come here yet, if it says its epoch.
    fn check_is_replica(&self, request: ReadRequest) -> Result<(), ErrorCode> {
        let Reader::Follower(from, _) = request.reader else { return Ok(()) };
        let leader = self.replica.leader().ok_or(ErrorCode::NotLeaderOrFollower)?;
        if leader.has_follower(from) {
            Ok(())
        } else if request.current_epoch < LeaderEpoch(0) {
            Err(ErrorCode::NotLeaderOrFollower)
        } else {
            Err(ErrorCode::UnknownLeaderEpoch)
        }
    }

    /// Does the reader's log agree with ours (KIP-595)? Followers say the epoch of their last record.
    fn divergence(&self, request: ReadRequest) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
        if request.last_fetched_epoch < LeaderEpoch(0) {
            return Ok(None);
        }
        let (epoch, end) = self.log.end_of_epoch(request.last_fetched_epoch).ok_or(ErrorCode::OffsetOutOfRange)?;
        let diverges = epoch < request.last_fetched_epoch || end < request.offset;
        Ok(diverges.then_some((epoch, end)))
    }

    fn on_follower(
        &mut self,
        now: Now,
        from: BrokerId,
        life: BrokerEpoch,
        request: ReadRequest,
    ) -> Result<Option<Isr>, ErrorCode> {
        let log_start = self.log.log_start();
        let leader = self.replica.leader_mut().ok_or(ErrorCode::NotLeaderOrFollower)?;
        let mut effects = Vec::new();
        let low_before = leader.low_watermark(log_start);
        leader.on_follower_log_start(from, request.follower_log_start);
        leader.on_fetch(now.tick, from, request.offset, life, &mut effects);
        if leader.low_watermark(log_start) != low_before {
            // A deletion of records may wait for it.
            self.waiters.wake();
        }
        Ok(self.perform(effects))
    }

    /// New settings of the topic.
    pub(crate) fn set_settings(&mut self, now: Now, log: kafka_log::LogConfig, replica: Settings) {
        self.log.set_config(log);
        let mut effects = Vec::new();
        if let Some(leader) = self.replica.leader_mut() {
            leader.on_settings(now.tick, replica, &mut effects);
        }
        self.perform(effects);
    }

    /// Records were appended.
    pub(super) fn on_log_end(&mut self, now: Now) {
        let mut effects = Vec::new();
        let end = self.log.log_end();
        if let Some(leader) = self.replica.leader_mut() {
            leader.on_append(now.tick, end, &mut effects);
        }
        self.perform(effects);
        // Followers wait for the log end, not for the high watermark.
        self.wake_for_data();
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Option<Isr> {
        let mut proposal = None;
        for effect in effects {
            match effect {
                Effect::Commit(offset) => {
                    self.log.set_high_watermark(offset);
                    self.wake_for_data();
                }
                Effect::ProposeIsr(isr) => proposal = Some(isr),
            }
        }
        proposal
    }

    fn result(&self, request: ReadRequest, read: &kafka_log::Read) -> ReadResult {
        let end = self.bound_of(request.reader);
        let is_at_end = request.offset == end;
        // Who stands at the log end reads what is appended there next; at another end that place is not known.
        let at_log_end = (request.offset == self.log.log_end()).then(|| self.log.end_position());
        let available = read.available.min(request.max_bytes);
        let seen = self.bell.seen(Place {
            bound: request.reader.bound(),
            offset: request.offset,
            position: read.position.or(at_log_end),
            available,
            max_bytes: request.max_bytes,
        });
        ReadResult {
            slice: read.slice.clone(),
            high_watermark: self.log.high_watermark(),
            last_stable_offset: self.log.last_stable_offset(),
            log_start: self.log.log_start(),
            aborted: None,
            diverging: None,
            proposal: None,
            first_batch: read.first_batch,
            max_bytes: request.max_bytes,
            available,
            is_at_end,
            ends_wait: request.offset > end || read.goes_on,
            seen,
        }
    }
}
