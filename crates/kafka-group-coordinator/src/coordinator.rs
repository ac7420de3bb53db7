//! All groups of one `__consumer_offsets` partition: who may ask, which group it concerns, and what comes back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kafka_types::{ErrorCode, Offset, ProducerId, TopicPartition};
use time_types::{Now, Tick};

use crate::RecordError;
use crate::config::Config;
use crate::effect::{
    AppendToken, DeleteOffsetsReply, Effect, Event, GroupDescription, GroupFacts, JoinReply, LeaveReply, LeftMember,
    ListReply, OffsetFetchReply, Reply, ReplyToken, SyncReply,
};
use crate::group::{Group, State};
use crate::names::Names;
use crate::offsets::{commit_error, nothing_committed, store_error};
use crate::pending::{Context, InFlight, Pending, Then};
use crate::records::Record;
use crate::request::{Join, Leave, OffsetCommit, Request, TxnOffsetCommit};
use crate::timers::{Timer, Timers};

/// The coordinator of all groups of one `__consumer_offsets` partition.
#[derive(Debug)]
pub struct Coordinator {
    config: Config,
    phase: Phase,
    /// Boxed: a map keeps places for more groups than there are.
    groups: HashMap<Arc<str>, Box<Group>>,
    /// Which groups have offsets in a producer's open transaction.
    open_transactions: HashMap<ProducerId, HashSet<Arc<str>>>,
    pending: Pending,
    timers: Timers,
    names: Names,
}

/// One life of a coordinator, from taking the partition to losing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Loading,
    Active,
    Unloaded,
}

/// One record of the partition, as loading meets it.
#[derive(Debug, Clone, Copy)]
pub struct Replayed<'a> {
    /// Its place in the partition.
    pub offset: Offset,
    /// Set if it lies in a transactional batch: it counts when the producer's marker says so.
    pub producer_id: Option<ProducerId>,
    /// Its key.
    pub key: &'a [u8],
    /// Its value; `None` deletes the key.
    pub value: Option<&'a [u8]>,
}

impl Coordinator {
    /// A coordinator that is still loading: it answers so until [`Coordinator::on_loaded`].
    pub fn new(config: Config) -> Coordinator {
        Coordinator {
            config,
            phase: Phase::Loading,
            groups: HashMap::new(),
            open_transactions: HashMap::new(),
            pending: Pending::default(),
            timers: Timers::default(),
            names: Names::default(),
        }
    }

    /// Applies a record of the log while loading. An unreadable record changes nothing and is an error to be logged;
    /// a record of a kind that this version does not know is skipped, as Kafka does.
    pub fn replay(&mut self, record: Replayed<'_>) -> Result<(), RecordError> {
        if let Some(decoded) = Record::decode(record.key, record.value)? {
            self.apply(decoded, record.offset, record.producer_id);
        }
        Ok(())
    }

    /// Applies a transaction marker of the log while loading.
    pub fn replay_marker(&mut self, producer_id: ProducerId, committed: bool) {
        self.end_transaction(producer_id, committed);
    }

    /// All is replayed: from here on requests are served, members have a full session timeout to come back.
    pub fn on_loaded(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.phase = Phase::Active;
        self.groups.retain(|_, group| !group.is_blank());
        self.timers.arm(now.tick.after(self.config.expiry_interval_ms), Timer::Expiry);
        let members_max = self.config.members_max;
        let (groups, mut cx) = self.split(now, effects);
        for group in groups.values_mut() {
            for id in group.member_ids() {
                group.touch(&mut cx, &id);
            }
            if group.members.len() > members_max {
                group.prepare_rebalance(&mut cx);
            }
        }
    }

    /// The partition is led elsewhere now: everything parked is answered `NOT_COORDINATOR`, and so is what comes.
    pub fn unload(&mut self, effects: &mut Vec<Effect>) {
        self.phase = Phase::Unloaded;
        let error = ErrorCode::NotCoordinator;
        for in_flight in self.pending.take_all() {
            in_flight.then.refuse(error, effects);
        }
        let (groups, mut cx) = self.split(Now::default(), effects);
        for group in groups.values_mut() {
            for id in group.member_ids() {
                group.answer_join(&mut cx, &id, JoinReply::error(error, &id));
                group.answer_sync(&mut cx, &id, SyncReply::error(error));
            }
        }
        self.groups.clear();
        self.open_transactions.clear();
        self.timers.clear();
    }

    /// Handles one event; effects are to be performed in their order.
    pub fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Request { token, request } => self.request(now, token, request, effects),
            Event::Appended { token, result } => self.appended(now, token, result, effects),
            Event::TransactionEnded { producer_id, committed } => self.end_transaction(producer_id, committed),
            Event::PartitionsDeleted(partitions) => self.partitions_deleted(now, &partitions, effects),
        }
    }

    /// What is measured of each group; nothing while they are loaded.
    pub fn facts(&self) -> Vec<GroupFacts> {
        if self.phase != Phase::Active {
            return Vec::new();
        }
        let facts = |group: &Group| GroupFacts {
            group_id: group.id.to_string(),
            members: group.members.len(),
            offsets: group.offsets.committed(),
        };
        self.groups.values().map(|group| facts(group)).collect()
    }

    /// When [`Coordinator::on_tick`] wants to be called, at the latest.
    pub fn next_deadline(&self) -> Option<Tick> {
        self.timers.next()
    }

    /// Fires what is due: sessions, joins, syncs, expiry of offsets.
    pub fn on_tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for (armed, timer) in self.timers.take_due(now.tick) {
            let group_id = match &timer {
                Timer::Expiry => {
                    self.expire(now, effects);
                    continue;
                }
                Timer::Session(id, _) | Timer::PendingMember(id, _) | Timer::Join(id) | Timer::Sync(id) => id.clone(),
            };
            let (groups, mut cx) = self.split(now, effects);
            let Some(group) = groups.get_mut(&group_id) else { continue };
            match &timer {
                Timer::Session(_, member_id) => group.session_timer(&mut cx, member_id, armed),
                Timer::PendingMember(_, member_id) => group.pending_member_timer(&mut cx, member_id),
                Timer::Join(_) => group.advance_join(&mut cx),
                Timer::Sync(_) => group.advance_sync(&mut cx),
                Timer::Expiry => {}
            }
            self.drop_if_blank(&group_id);
        }
    }

    fn split<'a>(
        &'a mut self,
        now: Now,
        effects: &'a mut Vec<Effect>,
    ) -> (&'a mut HashMap<Arc<str>, Box<Group>>, Context<'a>) {
        let Coordinator { config, groups, pending, timers, names, .. } = self;
        (groups, Context { now, config, timers, names, pending, effects })
    }

    fn request(&mut self, now: Now, token: ReplyToken, request: Request, effects: &mut Vec<Effect>) {
        if let Err(error) = self.admit(&request) {
            return effects.push(Effect::Reply { token, reply: refusal(request, error) });
        }
        match request {
            Request::Join(join) => self.join(now, token, &join, effects),
            Request::OffsetCommit(commit) => self.commit(now, token, commit, effects),
            Request::TxnOffsetCommit(commit) => self.commit_transactional(now, token, commit, effects),
            Request::Sync(_) | Request::Heartbeat(_) | Request::Leave(_) => {
                self.member_request(now, token, &request, effects);
            }
            Request::List { states } => effects.push(Effect::Reply { token, reply: Reply::List(self.list(&states)) }),
            Request::OffsetFetch(_)
            | Request::Describe { .. }
            | Request::DeleteGroup { .. }
            | Request::DeleteOffsets { .. } => self.administrative_request(now, token, request, effects),
        }
    }

    /// What members ask after they joined.
    fn member_request(&mut self, now: Now, token: ReplyToken, request: &Request, effects: &mut Vec<Effect>) {
        let (groups, mut cx) = self.split(now, effects);
        match request {
            Request::Sync(sync) => match groups.get_mut(sync.group_id.as_str()) {
                Some(group) => group.sync(&mut cx, token, sync),
                None => cx.reply(token, Reply::Sync(SyncReply::error(ErrorCode::UnknownMemberId))),
            },
            Request::Heartbeat(heartbeat) => {
                let group = groups.get_mut(heartbeat.group_id.as_str());
                let unknown = ErrorCode::UnknownMemberId;
                let error = group.map_or(unknown, |group| group.heartbeat(&mut cx, heartbeat));
                cx.reply(token, Reply::Heartbeat(error));
            }
            Request::Leave(leave) => {
                let group = groups.get_mut(leave.group_id.as_str());
                let reply = group.map_or_else(|| nobody_left(leave), |group| group.leave(&mut cx, leave));
                cx.reply(token, Reply::Leave(reply));
                self.drop_if_blank(&leave.group_id);
            }
            _ => {}
        }
    }

    /// What can be asked without being a member.
    fn administrative_request(&mut self, now: Now, token: ReplyToken, request: Request, effects: &mut Vec<Effect>) {
        let (groups, mut cx) = self.split(now, effects);
        match request {
            Request::OffsetFetch(fetch) => {
                let nothing = || OffsetFetchReply {
                    error: ErrorCode::None,
                    offsets: nothing_committed(fetch.partitions.as_deref().unwrap_or_default()),
                };
                let group = groups.get(fetch.group_id.as_str());
                cx.reply(token, Reply::OffsetFetch(group.map_or_else(nothing, |group| group.fetch_offsets(&fetch))));
            }
            Request::Describe { group_id } => {
                let group = groups.get(group_id.as_str());
                let nothing = || no_group(group_id.clone(), ErrorCode::None, State::Dead.name());
                cx.reply(token, Reply::Describe(group.map_or_else(nothing, |group| group.describe())));
            }
            Request::DeleteGroup { group_id } => match groups.get_mut(group_id.as_str()) {
                None => cx.reply(token, Reply::DeleteGroup(ErrorCode::GroupIdNotFound)),
                Some(group) => {
                    if group.delete(&mut cx, token) {
                        groups.remove(group_id.as_str());
                    }
                }
            },
            Request::DeleteOffsets { group_id, partitions } => {
                if let Some(group) = groups.get_mut(group_id.as_str()) {
                    return group.delete_offsets(&mut cx, token, partitions);
                }
                let reply = DeleteOffsetsReply { error: ErrorCode::GroupIdNotFound, partitions: Vec::new() };
                cx.reply(token, Reply::DeleteOffsets(reply));
            }
            _ => {}
        }
    }

    fn list(&self, states: &[String]) -> ListReply {
        let is_wanted = |state: &str| states.is_empty() || states.iter().any(|one| one.eq_ignore_ascii_case(state));
        let wanted = self.groups.values().filter(|group| is_wanted(group.state.name()));
        let mut groups: Vec<_> = wanted.map(|group| group.listing()).collect();
        groups.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        ListReply { error: ErrorCode::None, groups }
    }

    /// May this be asked of this coordinator, and now?
    fn admit(&self, request: &Request) -> Result<(), ErrorCode> {
        // Offsets can be kept, and groups described and deleted, under the empty id, which old simple consumers use.
        let named = match request {
            Request::Join(Join { group_id, .. })
            | Request::Sync(crate::request::Sync { group_id, .. })
            | Request::Heartbeat(crate::request::Heartbeat { group_id, .. })
            | Request::Leave(Leave { group_id, .. })
            | Request::TxnOffsetCommit(TxnOffsetCommit { group_id, .. })
            | Request::DeleteOffsets { group_id, .. } => !group_id.is_empty(),
            _ => true,
        };
        match self.phase {
            _ if !named => Err(ErrorCode::InvalidGroupId),
            _ if !is_storable(request) => Err(ErrorCode::InvalidRequest),
            Phase::Active => Ok(()),
            Phase::Unloaded => Err(ErrorCode::NotCoordinator),
            Phase::Loading => Err(match request {
                // Old clients do not expect to be told of the loading here; joining again is what they have to do.
                Request::Sync(_) => ErrorCode::RebalanceInProgress,
                Request::Heartbeat(_) => ErrorCode::None,
                _ => ErrorCode::CoordinatorLoadInProgress,
            }),
        }
    }

    fn join(&mut self, now: Now, token: ReplyToken, join: &Join, effects: &mut Vec<Effect>) {
        let timeouts = self.config.session_timeout_min_ms..=self.config.session_timeout_max_ms;
        let (groups, mut cx) = self.split(now, effects);
        if !timeouts.contains(&join.session_timeout_ms) {
            return crate::join::refuse(&mut cx, token, ErrorCode::InvalidSessionTimeout, &join.member_id);
        }
        if !join.member_id.is_empty() && !groups.contains_key(join.group_id.as_str()) {
            return crate::join::refuse(&mut cx, token, ErrorCode::UnknownMemberId, &join.member_id);
        }
        let id: Arc<str> = Arc::from(join.group_id.as_str());
        groups.entry(id.clone()).or_insert_with(|| Group::boxed(id)).join(&mut cx, token, join);
        self.drop_if_blank(&join.group_id);
    }

    fn commit(&mut self, now: Now, token: ReplyToken, commit: OffsetCommit, effects: &mut Vec<Effect>) {
        let (groups, mut cx) = self.split(now, effects);
        let id = commit.group_id.as_str();
        if commit.generation >= 0 && !groups.contains_key(id) {
            // Out of a generation that nobody knows any more.
            return crate::offsets::refuse(&mut cx, token, &commit.offsets, ErrorCode::IllegalGeneration);
        }
        let id: Arc<str> = Arc::from(id);
        groups.entry(id.clone()).or_insert_with(|| Group::boxed(id.clone())).commit_offsets(&mut cx, token, commit);
        self.drop_if_blank(&id);
    }

    fn commit_transactional(
        &mut self,
        now: Now,
        token: ReplyToken,
        commit: TxnOffsetCommit,
        effects: &mut Vec<Effect>,
    ) {
        let (groups, mut cx) = self.split(now, effects);
        let id: Arc<str> = Arc::from(commit.group_id.as_str());
        groups
            .entry(id.clone())
            .or_insert_with(|| Group::boxed(id.clone()))
            .commit_transactional(&mut cx, token, commit);
        self.drop_if_blank(&id);
    }

    /// A group that was made for a request which was then refused leaves no trace.
    fn drop_if_blank(&mut self, group_id: &str) {
        if self.groups.get(group_id).is_some_and(|group| group.is_blank()) {
            self.groups.remove(group_id);
        }
    }

    fn appended(&mut self, now: Now, token: AppendToken, result: Result<Offset, ErrorCode>, effects: &mut Vec<Effect>) {
        let Some(InFlight { group_id, records, producer_id, then }) = self.pending.take(token) else { return };
        if let Ok(base) = result {
            for (record, delta) in records.into_iter().zip(0..) {
                self.apply(record, base + delta, producer_id);
            }
        }
        let failure = result.err();
        let (groups, mut cx) = self.split(now, effects);
        let Some(group) = groups.get_mut(&group_id) else { return };
        match then {
            Then::Emptied => {}
            Then::Assigned { generation } => {
                group.assignment_stored(&mut cx, generation, failure.map_or(ErrorCode::None, store_error));
            }
            Then::StaticMemberReplaced(then) => {
                group.replacement_stored(&mut cx, &then, failure.map_or(ErrorCode::None, store_error));
            }
            Then::Committed { token, mut answers } => {
                for (topic_partition, answer) in &mut answers {
                    if !answer.is_error() {
                        group.offsets.end(topic_partition);
                        *answer = failure.map_or(ErrorCode::None, commit_error);
                    }
                }
                cx.reply(token, Reply::OffsetCommit(answers));
            }
            Then::GroupDeleted { token } => {
                cx.reply(token, Reply::DeleteGroup(failure.map_or(ErrorCode::None, store_error)));
                self.bury(now, &group_id, failure);
            }
            Then::OffsetsDeleted { token, answers, deleted } => {
                let error = failure.map_or(ErrorCode::None, store_error);
                let fail = |(one, answer)| {
                    let answer = if deleted.contains(&one) { error } else { answer };
                    (one, answer)
                };
                let partitions = answers.into_iter().map(fail).collect();
                cx.reply(token, Reply::DeleteOffsets(DeleteOffsetsReply { error: ErrorCode::None, partitions }));
                // Its last offset may have been all that an empty group was kept for.
                if failure.is_none() && !group.is(State::Dead) && !group.is_blank() {
                    group.forget(&mut cx, Vec::new());
                }
            }
            Then::Expired => self.bury(now, &group_id, failure),
        }
        self.drop_if_blank(&group_id);
    }

    /// A group whose deletion is stored goes; if it could not be stored, the group lives on.
    fn bury(&mut self, now: Now, group_id: &str, failure: Option<ErrorCode>) {
        let Some(group) = self.groups.get_mut(group_id).filter(|group| group.is(State::Dead)) else { return };
        if failure.is_none() && group.offsets.is_empty() {
            self.groups.remove(group_id);
        } else {
            group.transition(State::Empty, now.wall);
        }
    }

    /// The second half of every change: a record that is committed becomes state, whether it is read from the log or
    /// was just appended.
    fn apply(&mut self, record: Record, logged_at: Offset, producer_id: Option<ProducerId>) {
        let group_id = record.group_id().clone();
        let group = self.groups.entry(group_id.clone()).or_insert_with(|| Group::boxed(group_id.clone()));
        match record {
            Record::Offset { topic_partition, value: None, .. } => group.offsets.delete(&topic_partition, logged_at),
            Record::Offset { topic_partition, value: Some(mut committed), .. } => {
                committed.logged_at = logged_at;
                match producer_id {
                    None => group.offsets.put(topic_partition, committed),
                    Some(producer_id) => {
                        group.offsets.put_transactional(producer_id, topic_partition, committed);
                        self.open_transactions.entry(producer_id).or_default().insert(group_id);
                    }
                }
            }
            Record::Group { value: Some(value), .. } if self.phase == Phase::Loading => {
                group.restore(value, &mut self.names);
            }
            Record::Group { value: Some(value), .. } => group.apply_stored(&value),
            Record::Group { value: None, .. } if self.phase == Phase::Loading => group.clear(),
            // In a living coordinator a group is deleted by decision, and buried when its records are stored.
            Record::Group { value: None, .. } => {}
        }
    }

    fn end_transaction(&mut self, producer_id: ProducerId, committed: bool) {
        for group_id in self.open_transactions.remove(&producer_id).unwrap_or_default() {
            if let Some(group) = self.groups.get_mut(&group_id) {
                group.offsets.end_transaction(producer_id, committed);
            }
            if self.phase == Phase::Active {
                self.drop_if_blank(&group_id);
            }
        }
    }

    fn expire(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.timers.arm(now.tick.after(self.config.expiry_interval_ms.max(1)), Timer::Expiry);
        let retention_ms = self.config.offsets_retention_ms;
        self.forget(now, effects, |group| group.expired(now.wall, retention_ms));
    }

    fn partitions_deleted(&mut self, now: Now, partitions: &[TopicPartition], effects: &mut Vec<Effect>) {
        if self.phase == Phase::Active {
            self.forget(now, effects, |group| group.committed_among(partitions));
        }
    }

    fn forget(&mut self, now: Now, effects: &mut Vec<Effect>, which: impl Fn(&Group) -> Vec<TopicPartition>) {
        let (groups, mut cx) = self.split(now, effects);
        for group in groups.values_mut().filter(|group| !group.is(State::Dead)) {
            let partitions = which(group);
            group.forget(&mut cx, partitions);
        }
        self.groups.retain(|_, group| !group.is_blank());
    }
}

impl Then {
    /// The coordinator is gone before the append was: who waits is told.
    fn refuse(self, error: ErrorCode, effects: &mut Vec<Effect>) {
        let (token, reply) = match self {
            // Their members wait in the group.
            Then::Assigned { .. } | Then::Emptied | Then::StaticMemberReplaced(_) | Then::Expired => return,
            Then::Committed { token, answers } => {
                let answers =
                    answers.into_iter().map(|(one, answer)| (one, if answer.is_error() { answer } else { error }));
                (token, Reply::OffsetCommit(answers.collect()))
            }
            Then::GroupDeleted { token } => (token, Reply::DeleteGroup(error)),
            Then::OffsetsDeleted { token, .. } => {
                (token, Reply::DeleteOffsets(DeleteOffsetsReply { error, partitions: Vec::new() }))
            }
        };
        effects.push(Effect::Reply { token, reply });
    }
}

/// Texts in records have two bytes of length, in flexible requests they may be longer. (32 000 leaves room for the
/// UUID that is added to a client id.)
fn is_storable(request: &Request) -> bool {
    let fits = |text: &str| text.len() <= 32_000;
    match request {
        Request::Join(join) => {
            let names = [&join.group_id, &join.client_id, &join.client_host, &join.protocol_type];
            names.into_iter().chain(&join.group_instance_id).all(|text| fits(text))
                && join.protocols.iter().all(|(name, _)| fits(name))
        }
        Request::OffsetCommit(OffsetCommit { group_id, offsets, .. })
        | Request::TxnOffsetCommit(TxnOffsetCommit { group_id, offsets, .. }) => {
            fits(group_id) && offsets.iter().all(|one| fits(&one.topic_partition.topic))
        }
        _ => true,
    }
}

/// The answer to a request that is not admitted.
fn refusal(request: Request, error: ErrorCode) -> Reply {
    let offsets_refused = |offsets: Vec<crate::request::OffsetToCommit>| {
        Reply::OffsetCommit(offsets.into_iter().map(|one| (one.topic_partition, error)).collect())
    };
    match request {
        Request::Join(join) => Reply::Join(JoinReply::error(error, &join.member_id)),
        Request::Sync(_) => Reply::Sync(SyncReply::error(error)),
        Request::Heartbeat(_) => Reply::Heartbeat(error),
        Request::Leave(_) => Reply::Leave(LeaveReply { error, members: Vec::new() }),
        Request::OffsetCommit(commit) => offsets_refused(commit.offsets),
        Request::TxnOffsetCommit(commit) => offsets_refused(commit.offsets),
        Request::OffsetFetch(_) => Reply::OffsetFetch(OffsetFetchReply { error, offsets: Vec::new() }),
        Request::Describe { group_id } => Reply::Describe(no_group(group_id, error, "")),
        Request::List { .. } => Reply::List(ListReply { error, groups: Vec::new() }),
        Request::DeleteGroup { .. } => Reply::DeleteGroup(error),
        Request::DeleteOffsets { .. } => Reply::DeleteOffsets(DeleteOffsetsReply { error, partitions: Vec::new() }),
    }
}

fn no_group(group_id: String, error: ErrorCode, state: &'static str) -> GroupDescription {
    GroupDescription {
        error,
        group_id,
        state,
        protocol_type: String::new(),
        protocol: String::new(),
        members: Vec::new(),
    }
}

fn nobody_left(leave: &Leave) -> LeaveReply {
    let unknown = |leaving: &crate::request::LeavingMember| LeftMember {
        member_id: leaving.member_id.clone(),
        group_instance_id: leaving.group_instance_id.clone(),
        error: ErrorCode::UnknownMemberId,
    };
    LeaveReply { error: ErrorCode::None, members: leave.members.iter().map(unknown).collect() }
}

#[cfg(test)]
mod tests;
