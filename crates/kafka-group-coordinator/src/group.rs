//! One group: its state, its members, and what moves it from state to state.
//!
//! ```text
//!            first join                 all joined, or deadline
//!   Empty ──────────────▶ PreparingRebalance ─────────────────▶ CompletingRebalance
//!     ▲                     ▲        │ nobody joined                │ leader's assignment
//!     └─────────────────────┼────────┘                              ▼ is stored
//!     │                     └───────────────────────────────────  Stable
//!     │ nothing left           a member joins, leaves, is lost,
//!     ▼                        or changes what it wants
//!   Dead
//! ```

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use kafka_types::{ErrorCode, TopicPartition};
use time_types::{Tick, WallMillis};

use crate::effect::{JoinReply, JoinedMember, Reply, ReplyToken, SyncReply};
use crate::member::{Member, MemberId, Protocols, protocols};
use crate::names::Names;
use crate::offsets::Offsets;
use crate::pending::Context;
use crate::records::{GroupRecord, MemberRecord, subscribed_topics};
use crate::request::Join;
use crate::small_map::SmallMap;
use crate::timers::Timer;

/// The protocol type of Kafka's own consumers; only for them the coordinator can read subscriptions.
pub(crate) const CONSUMER: &str = "consumer";

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
    Dead,
}

impl State {
    /// As DescribeGroups prints it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
            State::Dead => "Dead",
        }
    }
}

/// A join phase that is going on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// When it ends, whoever is missing.
    pub(crate) deadline: Tick,
    /// Set for the first join of an empty group, which waits for more members whatever happens: by how many
    /// milliseconds it may still be prolonged.
    pub(crate) initial_remaining_ms: Option<u64>,
    /// When the last member came that was not in the group before.
    pub(crate) newcomer_at: Option<Tick>,
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) id: Arc<str>,
    pub(crate) state: State,
    /// When it got into this state; unknown in records of old versions.
    pub(crate) state_since: Option<WallMillis>,
    pub(crate) protocol_type: Option<Arc<str>>,
    pub(crate) generation: i32,
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) leader: Option<MemberId>,
    /// Boxed: a map of many keeps places for more members than there are.
    pub(crate) members: SmallMap<MemberId, Box<Member>>,
    /// Instance id to member id.
    pub(crate) static_members: SmallMap<String, MemberId>,
    /// Got an id and are to come back with it, until when.
    pub(crate) pending_members: SmallMap<MemberId, Tick>,
    /// Got a generation and are to sync.
    pub(crate) pending_sync: SmallMap<MemberId, ()>,
    pub(crate) sync_deadline: Option<Tick>,
    pub(crate) round: Option<Box<Round>>,
    /// Somebody new came in the first join: it may be prolonged.
    pub(crate) new_member_added: bool,
    /// Topics of all members' subscriptions; `None` if they cannot be known.
    pub(crate) subscribed_topics: Option<SmallMap<String, ()>>,
    pub(crate) offsets: Offsets,
    /// How many members can do a protocol.
    supporters: SmallMap<Arc<str>, usize>,
    awaiting_join: usize,
    joins: u64,
}

impl Group {
    /// A group of which nothing is known yet.
    pub(crate) fn new(id: Arc<str>) -> Group {
        Group {
            id,
            state: State::Empty,
            state_since: None,
            protocol_type: None,
            generation: 0,
            protocol: None,
            leader: None,
            members: SmallMap::default(),
            static_members: SmallMap::default(),
            pending_members: SmallMap::default(),
            pending_sync: SmallMap::default(),
            sync_deadline: None,
            round: None,
            new_member_added: false,
            subscribed_topics: None,
            offsets: Offsets::default(),
            supporters: SmallMap::default(),
            awaiting_join: 0,
            joins: 0,
        }
    }

    /// The same where a coordinator keeps it.
    pub(crate) fn boxed(id: Arc<str>) -> Box<Group> {
        Box::new(Group::new(id))
    }

    /// Is it in this state?
    pub(crate) fn is(&self, state: State) -> bool {
        self.state == state
    }

    /// Into another state.
    pub(crate) fn transition(&mut self, state: State, now: WallMillis) {
        self.state = state;
        self.state_since = Some(now);
    }

    /// Is this member the leader?
    pub(crate) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// Members in the order in which they came.
    pub(crate) fn members_in_order(&self) -> Vec<&Member> {
        let mut members: Vec<&Member> = self.members.values().map(|member| &**member).collect();
        members.sort_by_key(|member| member.joined);
        members
    }

    /// Ids of the members in the order in which they came.
    pub(crate) fn member_ids(&self) -> Vec<MemberId> {
        self.members_in_order().into_iter().map(|member| member.id.clone()).collect()
    }

    /// The longest time that a member may need to come back, in milliseconds; at least 1, so that a deadline lies ahead.
    pub(crate) fn rebalance_timeout_ms(&self) -> u64 {
        let longest = self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0);
        u64::try_from(longest).unwrap_or(0).max(1)
    }

    /// Is everybody known waiting in the join?
    pub(crate) fn has_all_members_joined(&self) -> bool {
        self.members.len() <= self.awaiting_join && self.pending_members.is_empty()
    }

    /// How many members wait in the join.
    pub(crate) fn awaiting_join(&self) -> usize {
        self.awaiting_join
    }

    /// Is this the member that it says it is? A static member must hold its instance id; an old holder is fenced.
    pub(crate) fn validate_member(&self, member_id: &str, group_instance_id: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = group_instance_id {
            match self.static_members.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if **current != *member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Could somebody with these protocols be a member?
    pub(crate) fn supports(&self, join: &Join) -> bool {
        if self.is(State::Empty) {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(join.protocol_type.as_str())
            && join.protocols.iter().any(|(name, _)| self.supporter_count(name) == self.members.len())
    }

    fn supporter_count(&self, protocol: &str) -> usize {
        self.supporters.get(protocol).copied().unwrap_or(0)
    }

    /// The vote: among the protocols that all can do, the one that most members like best; a tie goes to the one that
    /// the earlier member named.
    pub(crate) fn select_protocol(&self) -> Option<Arc<str>> {
        let mut votes: Vec<(&Arc<str>, usize)> = Vec::new();
        for member in self.members_in_order() {
            let choice = member.protocols.iter().find(|(name, _)| self.supporter_count(name) == self.members.len());
            let Some((name, _)) = choice else { continue };
            match votes.iter_mut().find(|(voted, _)| *voted == name) {
                Some((_, count)) => *count += 1,
                None => votes.push((name, 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.clone())
    }

    /// Adds a member.
    pub(crate) fn add(&mut self, mut member: Member, protocol_type: &Arc<str>) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.clone());
        }
        self.joins += 1;
        member.joined = self.joins;
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        if let Some(instance) = &member.group_instance_id {
            self.static_members.insert(instance.clone(), member.id.clone());
        }
        self.pending_members.remove(&member.id);
        self.put(Box::new(member));
    }

    /// Puts a member in, counted.
    fn put(&mut self, member: Box<Member>) {
        count_protocols(&mut self.supporters, &member.protocols);
        self.awaiting_join += usize::from(member.awaiting_join.is_some());
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out, uncounted; its parked replies go with it.
    fn take(&mut self, member_id: &str) -> Option<Box<Member>> {
        let member = self.members.remove(member_id)?;
        discount_protocols(&mut self.supporters, &member.protocols);
        self.awaiting_join -= usize::from(member.awaiting_join.is_some());
        Some(member)
    }

    /// Removes a member; leadership goes to the one that came next. What was parked for it is told that it is unknown.
    pub(crate) fn remove(&mut self, cx: &mut Context<'_>, member_id: &str) {
        self.pending_members.remove(member_id);
        self.pending_sync.remove(member_id);
        self.answer_join(cx, member_id, JoinReply::error(ErrorCode::UnknownMemberId, ""));
        self.answer_sync(cx, member_id, SyncReply::error(ErrorCode::UnknownMemberId));
        let Some(member) = self.take(member_id) else { return };
        if let Some(instance) = &member.group_instance_id {
            self.static_members.remove(instance);
        }
        if self.is_leader(member_id) {
            self.leader = self.members_in_order().first().map(|member| member.id.clone());
        }
    }

    /// Gives the place of a static member to a new id; who waits under the old one is fenced.
    pub(crate) fn replace_static(&mut self, cx: &mut Context<'_>, old_id: &str, new_id: &MemberId) {
        self.answer_join(cx, old_id, JoinReply::error(ErrorCode::FencedInstanceId, old_id));
        self.answer_sync(cx, old_id, SyncReply::error(ErrorCode::FencedInstanceId));
        let Some(mut member) = self.take(old_id) else { return };
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        if let Some(instance) = &member.group_instance_id {
            self.static_members.insert(instance.clone(), new_id.clone());
        }
        if self.pending_sync.remove(old_id).is_some() {
            self.pending_sync.insert(new_id.clone(), ());
        }
        member.id = new_id.clone();
        member.armed = None;
        self.put(member);
    }

    /// What a member says anew when it joins again; who waited in an earlier join of it is sent away.
    pub(crate) fn update_member(&mut self, cx: &mut Context<'_>, member_id: &str, join: &Join, token: ReplyToken) {
        self.answer_join(cx, member_id, JoinReply::error(ErrorCode::RebalanceInProgress, member_id));
        let Some(member) = self.members.get_mut(member_id) else { return };
        discount_protocols(&mut self.supporters, &member.protocols);
        member.protocols = protocols(join, cx.names);
        count_protocols(&mut self.supporters, &member.protocols);
        member.rebalance_timeout_ms = crate::member::rebalance_timeout_ms(join);
        member.session_timeout_ms = join.session_timeout_ms;
        member.awaiting_join = Some(token);
        self.awaiting_join += 1;
    }

    /// Puts back what a static member said before, after a failed replacement.
    pub(crate) fn restore_member_words(&mut self, member_id: &str, previous: &Member) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        discount_protocols(&mut self.supporters, &member.protocols);
        member.protocols.clone_from(&previous.protocols);
        count_protocols(&mut self.supporters, &member.protocols);
        member.rebalance_timeout_ms = previous.rebalance_timeout_ms;
        member.session_timeout_ms = previous.session_timeout_ms;
    }

    /// Answers the join that a member waits in; false if it waits in none.
    pub(crate) fn answer_join(&mut self, cx: &mut Context<'_>, member_id: &str, reply: JoinReply) -> bool {
        let Some(token) = self.members.get_mut(member_id).and_then(|member| member.awaiting_join.take()) else {
            return false;
        };
        self.awaiting_join -= 1;
        cx.reply(token, Reply::Join(reply));
        true
    }

    /// Answers the sync that a member waits in; false if it waits in none.
    pub(crate) fn answer_sync(&mut self, cx: &mut Context<'_>, member_id: &str, reply: SyncReply) -> bool {
        let Some(token) = self.members.get_mut(member_id).and_then(|member| member.awaiting_sync.take()) else {
            return false;
        };
        cx.reply(token, Reply::Sync(reply));
        true
    }

    /// A member was heard of: its session starts anew.
    pub(crate) fn touch(&mut self, cx: &mut Context<'_>, member_id: &str) {
        let Some(member) = self.members.get(member_id) else { return };
        let timeout = u64::try_from(member.session_timeout_ms).unwrap_or(0);
        self.arm_session(cx, member_id, timeout);
    }

    /// Sets when a member's session ends.
    pub(crate) fn arm_session(&mut self, cx: &mut Context<'_>, member_id: &str, timeout_ms: u64) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        member.deadline = cx.now.tick.after(timeout_ms);
        // An entry that is due earlier finds the new deadline then and moves on to it.
        if member.armed.is_none_or(|armed| armed > member.deadline) {
            member.armed = Some(member.deadline);
            cx.timers.arm(member.deadline, Timer::Session(self.id.clone(), member.id.clone()));
        }
    }

    /// Takes the topics that members subscribed to out of what they said for the chosen protocol.
    pub(crate) fn refresh_subscribed_topics(&mut self) {
        self.subscribed_topics = match (self.protocol_type.as_deref(), self.protocol.as_deref()) {
            (Some(CONSUMER), _) if self.members.is_empty() => Some(SmallMap::default()),
            (Some(CONSUMER), Some(protocol)) => {
                let each = self.members.values().map(|member| subscribed_topics(&member.metadata(protocol)));
                each.collect::<Option<Vec<_>>>().map(|topics| {
                    let mut all = SmallMap::default();
                    for topic in topics.into_iter().flatten() {
                        all.insert(topic, ());
                    }
                    all
                })
            }
            _ => None,
        };
    }

    /// Does a member read this topic? If that cannot be known, it is taken for read.
    pub(crate) fn is_subscribed_to(&self, topic_partition: &TopicPartition) -> bool {
        self.subscribed_topics.as_ref().is_none_or(|topics| topics.contains_key(&*topic_partition.topic))
    }

    /// Is there nothing that anybody could ever ask this group for?
    pub(crate) fn is_blank(&self) -> bool {
        self.is(State::Empty) && self.generation == 0 && self.offsets.is_empty() && self.pending_members.is_empty()
    }

    /// Forgets all but the offsets (loading: the group's record was deleted).
    pub(crate) fn clear(&mut self) {
        let offsets = std::mem::take(&mut self.offsets);
        *self = Group::new(self.id.clone());
        self.offsets = offsets;
    }

    /// The group as a record, with the given assignments; a member without one gets an empty one.
    pub(crate) fn to_record(&self, assignments: &HashMap<&str, Bytes>) -> GroupRecord {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let to_record = |member: &Member| MemberRecord {
            member_id: member.id.to_string(),
            group_instance_id: member.group_instance_id.clone(),
            client_id: member.client_id.to_string(),
            client_host: member.client_host.to_string(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: assignments.get(&*member.id).cloned().unwrap_or_default(),
        };
        GroupRecord {
            protocol_type: self.protocol_type.as_deref().unwrap_or_default().to_owned(),
            generation: self.generation,
            protocol: self.protocol.as_deref().map(str::to_owned),
            leader: self.leader.as_deref().map(str::to_owned),
            state_since: self.state_since,
            members: self.members_in_order().into_iter().map(to_record).collect(),
        }
    }

    /// A stored assignment takes effect. What a former generation stored late changes nothing.
    pub(crate) fn apply_stored(&mut self, record: &GroupRecord) {
        if record.generation != self.generation {
            return;
        }
        for stored in &record.members {
            if let Some(member) = self.members.get_mut(stored.member_id.as_str()) {
                member.assignment = stored.assignment.clone();
            }
        }
    }

    /// Becomes what the record says (loading).
    pub(crate) fn restore(&mut self, record: GroupRecord, names: &mut Names) {
        self.clear();
        self.state = if record.members.is_empty() { State::Empty } else { State::Stable };
        self.state_since = record.state_since;
        self.generation = record.generation;
        self.protocol = record.protocol.as_deref().map(|name| names.share(name));
        let (kind, protocol) = (names.share(&record.protocol_type), self.protocol.clone());
        let protocol = protocol.unwrap_or_else(|| names.share(""));
        for stored in record.members {
            let member = stored.into_member(protocol.clone(), names);
            self.add(member, &kind);
        }
        self.protocol_type = (!kind.is_empty()).then_some(kind);
        self.leader = record.leader.map(Into::into);
        self.refresh_subscribed_topics();
    }

    /// Answer to a join in the current generation.
    pub(crate) fn join_reply(&self, member_id: &str, with_members: bool) -> JoinReply {
        JoinReply {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.as_deref().map(str::to_owned),
            protocol: self.protocol.as_deref().map(str::to_owned),
            leader: self.leader.as_deref().unwrap_or_default().to_owned(),
            member_id: member_id.to_owned(),
            skip_assignment: false,
            members: if with_members { self.joined_members() } else { Vec::new() },
        }
    }

    fn joined_members(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let joined = |member: &Member| JoinedMember {
            member_id: member.id.to_string(),
            group_instance_id: member.group_instance_id.clone(),
            metadata: member.metadata(protocol),
        };
        self.members_in_order().into_iter().map(joined).collect()
    }

    /// Answer to a sync in the current generation.
    pub(crate) fn sync_reply(&self, member_id: &str) -> SyncReply {
        SyncReply {
            error: ErrorCode::None,
            protocol_type: self.protocol_type.as_deref().map(str::to_owned),
            protocol: self.protocol.as_deref().map(str::to_owned),
            assignment: self.members.get(member_id).map(|member| member.assignment.clone()).unwrap_or_default(),
        }
    }
}

impl JoinReply {
    /// A refusal.
    pub(crate) fn error(error: ErrorCode, member_id: &str) -> JoinReply {
        JoinReply {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: String::new(),
            member_id: member_id.to_owned(),
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

impl SyncReply {
    /// A refusal.
    pub(crate) fn error(error: ErrorCode) -> SyncReply {
        SyncReply { error, protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}

fn count_protocols(supporters: &mut SmallMap<Arc<str>, usize>, protocols: &Protocols) {
    for name in distinct_names(protocols) {
        *supporters.or_default(name) += 1;
    }
}

fn discount_protocols(supporters: &mut SmallMap<Arc<str>, usize>, protocols: &Protocols) {
    for name in distinct_names(protocols) {
        let Some(count) = supporters.get_mut(name) else { continue };
        *count -= 1;
        if *count == 0 {
            supporters.remove(name);
        }
    }
}

/// A member that names a protocol twice supports it once.
fn distinct_names(protocols: &Protocols) -> HashSet<&Arc<str>> {
    protocols.iter().map(|(name, _)| name).collect()
}
