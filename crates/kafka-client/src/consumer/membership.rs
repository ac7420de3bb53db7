//! A consumer's life in a group, without I/O: find the coordinator, get an id, join, assign if leading, sync, beat,
//! and start over whenever the coordinator says so.
//!
//! ```text
//!   Idle ──join──▶ Joining ──joined──▶ Syncing ──assigned──▶ Stable
//!    ▲                │ MEMBER_ID_REQUIRED    │                  │ rebalance, new subscription,
//!    └────────────────┴───────────────────────┴──────────────────┘ lost generation, lost coordinator
//! ```
//!
//! The shell asks [`Membership::next`] what to do, does it, and reports by one of the `on_` calls.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kafka_types::{BrokerId, ErrorCode, TopicPartition};
use kafka_wire::records::Record as _;
use kafka_wire::records::consumer_protocol as wire;
use kafka_wire::{join_group, sync_group};
use time_types::Tick;

use super::assignors::{Assignment, Assignor, Member, PartitionCounts, RebalanceProtocol};

/// The protocol type of consumers.
pub const PROTOCOL_TYPE: &str = "consumer";

/// What the membership needs to know of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipConfig {
    /// `group.id`
    pub group_id: String,
    /// `group.instance.id`
    pub group_instance_id: Option<String>,
    /// `session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `max.poll.interval.ms`: how long others wait for this member in a rebalance.
    pub rebalance_timeout_ms: i32,
    /// `retry.backoff.ms`
    pub retry_backoff_ms: u64,
    /// `partition.assignment.strategy`, best first; not empty.
    pub assignors: Vec<Assignor>,
    /// `client.rack`, if set.
    pub rack_id: Option<String>,
}

/// What the shell is to do next for the group.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Ask for the coordinator, then [`Membership::on_coordinator`].
    FindCoordinator,
    /// Give these partitions up (commit their positions first if commits are automatic), then
    /// [`Membership::on_prepared`].
    Prepare {
        /// What the consumer does not own from now on.
        revoked: Vec<TopicPartition>,
        /// The generation is lost already: others may own them, so there is nothing to commit.
        lost: bool,
    },
    /// Send this JoinGroup, then [`Membership::on_join`].
    Join(Box<join_group::Request>),
    /// This member leads: learn how many partitions these topics have, then [`Membership::on_counts`].
    Count(BTreeSet<String>),
    /// Send this SyncGroup, then [`Membership::on_sync`].
    Sync(Box<sync_group::Request>),
    /// Own exactly these from now on, then [`Membership::on_assigned`].
    Assign {
        /// All of the new assignment.
        assigned: Vec<TopicPartition>,
        /// What is in it that was not owned before.
        added: Vec<TopicPartition>,
        /// What was owned and is not in it.
        revoked: Vec<TopicPartition>,
    },
    /// An answer is awaited, or a pause goes on, until then at the latest.
    Wait(Tick),
    /// A member in good standing: nothing to do.
    Stable,
}

/// Ends the membership: what no retry helps against.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// The coordinator said so.
    #[error("{}", .0.message())]
    Refused(ErrorCode),
    /// What the leader or a member sent cannot be read.
    #[error("the group's metadata cannot be read: {0}")]
    Unreadable(String),
    /// The coordinator chose an assignor that this consumer did not offer.
    #[error("the group chose the assignor {0:?}, which this consumer does not have")]
    UnknownProtocol(Option<String>),
}

#[derive(Debug, Clone, PartialEq)]
enum Phase {
    /// Not joining; a step may follow.
    Idle,
    Preparing,
    Joining,
    Counting(Box<join_group::Response>),
    ReadyToSync(Vec<sync_group::SyncGroupRequestAssignment>),
    Syncing,
    Assigning(Vec<TopicPartition>),
    Stable,
}

/// A consumer's membership of its group.
#[derive(Debug)]
pub struct Membership {
    config: MembershipConfig,
    phase: Phase,
    coordinator: Option<BrokerId>,
    subscription: BTreeSet<String>,
    /// What the last join said; another subscription needs another join.
    joined_subscription: BTreeSet<String>,
    member_id: String,
    generation: i32,
    protocol: Option<Assignor>,
    is_leader: bool,
    needs_join: bool,
    lost: bool,
    owned: Vec<TopicPartition>,
    /// The last assignment, kept after it was given up, and its generation.
    last_assigned: Option<(Vec<TopicPartition>, i32)>,
    /// The counts that the leader assigned by, `None` for topics that did not exist: when they change it assigns anew.
    assigned_by: Option<BTreeMap<String, Option<i32>>>,
    /// No step before then.
    pause_until: Tick,
    last_heartbeat: Tick,
}

impl Membership {
    /// No member yet.
    pub fn new(config: MembershipConfig) -> Membership {
        Membership {
            config,
            phase: Phase::Idle,
            coordinator: None,
            subscription: BTreeSet::new(),
            joined_subscription: BTreeSet::new(),
            member_id: String::new(),
            generation: -1,
            protocol: None,
            is_leader: false,
            needs_join: true,
            lost: false,
            owned: Vec::new(),
            last_assigned: None,
            assigned_by: None,
            pause_until: Tick::default(),
            last_heartbeat: Tick::default(),
        }
    }

    /// Who coordinates, if that is known.
    pub fn coordinator(&self) -> Option<BrokerId> {
        self.coordinator
    }

    /// Member id; empty before the first join.
    pub fn member_id(&self) -> &str {
        &self.member_id
    }

    /// Generation; -1 while there is none.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// Is it a member in good standing, that beats and commits as such?
    pub fn is_stable(&self) -> bool {
        self.phase == Phase::Stable
    }

    /// Does it beat? A member that joins does not: it is excused until it is answered.
    pub fn beats(&self) -> bool {
        self.generation >= 0 && !matches!(self.phase, Phase::Idle | Phase::Preparing | Phase::Joining)
    }

    /// Static members do not leave when they close: they are expected back.
    pub fn leaves_on_close(&self) -> bool {
        !self.member_id.is_empty() && self.config.group_instance_id.is_none()
    }

    /// The settings.
    pub fn config(&self) -> &MembershipConfig {
        &self.config
    }

    /// What it owns.
    pub fn owned(&self) -> &[TopicPartition] {
        &self.owned
    }

    /// Other topics from now on; joins again if they differ.
    pub fn subscribe(&mut self, topics: BTreeSet<String>) {
        self.subscription = topics;
    }

    /// The cluster changed; a leader whose assignment went by other counts assigns anew.
    pub fn on_metadata(&mut self, counts: impl Fn(&str) -> Option<i32>) {
        let Some(assigned_by) = &self.assigned_by else { return };
        // A topic that cannot be told now is not a change: its metadata may just be on its way.
        let has_changed = assigned_by.iter().any(|(topic, count)| counts(topic).is_some_and(|now| Some(now) != *count));
        if self.is_leader && has_changed {
            self.needs_join = true;
        }
    }

    /// All topics of the group that this member leads; empty for others.
    pub fn group_topics(&self) -> impl Iterator<Item = &str> {
        self.assigned_by.iter().flat_map(|topics| topics.keys().map(String::as_str))
    }

    /// Joins again at the next step.
    pub fn request_rejoin(&mut self) {
        self.needs_join = true;
    }

    /// The coordinator is gone or is another one.
    pub fn on_coordinator_lost(&mut self) {
        self.coordinator = None;
    }

    /// The answer to [`Step::FindCoordinator`].
    pub fn on_coordinator(&mut self, now: Tick, found: Result<BrokerId, ErrorCode>) -> Result<(), MembershipError> {
        match found {
            Ok(broker) => {
                self.coordinator = Some(broker);
                self.last_heartbeat = now;
                Ok(())
            }
            Err(error) if error.is_retriable() => {
                self.pause(now);
                Ok(())
            }
            Err(error) => Err(MembershipError::Refused(error)),
        }
    }

    /// What to do next.
    pub fn next(&mut self, now: Tick) -> Step {
        if self.phase == Phase::Stable && !self.has_to_join() {
            // The coordinator is looked for even then: heartbeats and commits need it.
            return match self.coordinator {
                Some(_) => Step::Stable,
                None if now < self.pause_until => Step::Wait(self.pause_until),
                None => Step::FindCoordinator,
            };
        }
        if let Phase::Assigning(assigned) = &self.phase {
            let added = difference(assigned, &self.owned);
            return Step::Assign { assigned: assigned.clone(), added, revoked: difference(&self.owned, assigned) };
        }
        if now < self.pause_until {
            return Step::Wait(self.pause_until);
        }
        if self.coordinator.is_none() {
            return Step::FindCoordinator;
        }
        match &self.phase {
            Phase::Idle | Phase::Stable => self.prepare(),
            Phase::Counting(joined) => Step::Count(topics_of(joined)),
            Phase::ReadyToSync(_) => self.sync(),
            Phase::Preparing => self.join(),
            Phase::Joining | Phase::Syncing | Phase::Assigning(_) => Step::Wait(now.after(u64::from(u32::MAX))),
        }
    }

    fn has_to_join(&self) -> bool {
        self.needs_join || self.subscription != self.joined_subscription
    }

    fn prepare(&mut self) -> Step {
        let lost = std::mem::take(&mut self.lost);
        let revoked = match self.rebalance_protocol() {
            _ if lost => self.owned.clone(),
            RebalanceProtocol::Eager => self.owned.clone(),
            // What is not subscribed to any more is given up before the join, the rest is kept.
            RebalanceProtocol::Cooperative => {
                let is_wanted = |one: &&TopicPartition| !self.subscription.contains(&*one.topic);
                self.owned.iter().filter(is_wanted).cloned().collect()
            }
        };
        self.phase = Phase::Preparing;
        Step::Prepare { revoked, lost }
    }

    /// All assignors of a consumer must be able to do a protocol for it to be used.
    fn rebalance_protocol(&self) -> RebalanceProtocol {
        let is_cooperative = |assignor: &Assignor| assignor.protocol() == RebalanceProtocol::Cooperative;
        if self.config.assignors.iter().all(is_cooperative) {
            RebalanceProtocol::Cooperative
        } else {
            RebalanceProtocol::Eager
        }
    }

    /// What [`Step::Prepare`] named is given up.
    pub fn on_prepared(&mut self, revoked: &[TopicPartition]) {
        self.owned.retain(|one| !revoked.contains(one));
    }

    fn join(&mut self) -> Step {
        self.phase = Phase::Joining;
        self.needs_join = false;
        self.joined_subscription.clone_from(&self.subscription);
        let protocols = self.config.assignors.iter().map(|assignor| join_group::JoinGroupRequestProtocol {
            name: assignor.name().to_owned(),
            metadata: self.metadata(*assignor),
        });
        Step::Join(Box::new(join_group::Request {
            group_id: self.config.group_id.clone(),
            session_timeout_ms: self.config.session_timeout_ms,
            rebalance_timeout_ms: self.config.rebalance_timeout_ms,
            member_id: self.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
            protocol_type: PROTOCOL_TYPE.to_owned(),
            protocols: protocols.collect(),
            reason: Some(String::new()),
        }))
    }

    /// What this member tells its leader, as Java's consumers write it.
    fn metadata(&self, assignor: Assignor) -> Bytes {
        let user_data = match assignor {
            // Read by consumers before 3.5, which do not look for the generation in its own field.
            Assignor::CooperativeSticky => Some(Bytes::copy_from_slice(&self.generation.to_be_bytes())),
            // Nothing is owned any more: what was assigned last stands in the assignor's own data.
            Assignor::Sticky => self.last_assigned.as_ref().map(|(partitions, generation)| {
                let data = wire::StickyUserData { previous_assignment: by_topic(partitions), generation: *generation };
                data.to_bytes().expect("topic names are at most 249 bytes long")
            }),
            Assignor::Range | Assignor::RoundRobin => None,
        };
        let subscription = wire::Subscription {
            topics: self.subscription.iter().cloned().collect(),
            user_data,
            owned_partitions: by_topic(&self.owned),
            generation_id: self.generation,
            rack_id: self.config.rack_id.clone(),
        };
        subscription.to_bytes().expect("topic names are at most 249 bytes long")
    }

    /// The answer to [`Step::Join`]; an error of the connection counts as a lost coordinator.
    pub fn on_join(&mut self, now: Tick, answer: Option<join_group::Response>) -> Result<(), MembershipError> {
        if self.phase != Phase::Joining {
            return Ok(());
        }
        let Some(joined) = answer else {
            self.retry(now, true);
            return Ok(());
        };
        match ErrorCode::from_code(joined.error_code) {
            ErrorCode::None => self.joined(now, joined),
            ErrorCode::MemberIdRequired => {
                self.member_id = joined.member_id;
                self.needs_join = true;
                self.phase = Phase::Preparing;
                Ok(())
            }
            ErrorCode::UnknownMemberId => {
                self.lose_generation(true);
                Ok(())
            }
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                self.retry(now, true);
                Ok(())
            }
            ErrorCode::CoordinatorLoadInProgress | ErrorCode::RebalanceInProgress => {
                self.retry(now, false);
                Ok(())
            }
            error => Err(MembershipError::Refused(error)),
        }
    }

    fn joined(&mut self, now: Tick, joined: join_group::Response) -> Result<(), MembershipError> {
        let name = joined.protocol_name.clone();
        let protocol = self.config.assignors.iter().find(|assignor| Some(assignor.name()) == name.as_deref());
        self.protocol = Some(*protocol.ok_or(MembershipError::UnknownProtocol(name))?);
        self.last_heartbeat = now;
        self.generation = joined.generation_id;
        self.member_id.clone_from(&joined.member_id);
        self.is_leader = joined.leader == joined.member_id;
        self.assigned_by = None;
        self.phase = if self.is_leader && !joined.skip_assignment {
            Phase::Counting(Box::new(joined))
        } else {
            Phase::ReadyToSync(Vec::new())
        };
        Ok(())
    }

    /// The answer to [`Step::Count`]: shares out the partitions.
    pub fn on_counts(&mut self, counts: &PartitionCounts) -> Result<(), MembershipError> {
        let Phase::Counting(joined) = std::mem::replace(&mut self.phase, Phase::Idle) else { return Ok(()) };
        let Some(assignor) = self.protocol else { return Ok(()) };
        let members = joined.members.iter().map(|member| read_member(member, assignor));
        let members = members.collect::<Result<Vec<_>, _>>()?;
        let assignment = assignor.assign(counts, &members);
        let topics = members.into_iter().flat_map(|member| member.topics);
        self.assigned_by = Some(topics.map(|topic| (topic.clone(), counts.get(&topic).copied())).collect());
        self.phase = Phase::ReadyToSync(to_wire(&assignment));
        Ok(())
    }

    fn sync(&mut self) -> Step {
        let Phase::ReadyToSync(assignments) = std::mem::replace(&mut self.phase, Phase::Syncing) else {
            unreachable!("asked for in this phase only")
        };
        Step::Sync(Box::new(sync_group::Request {
            group_id: self.config.group_id.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.to_owned()),
            protocol_name: self.protocol.map(|protocol| protocol.name().to_owned()),
            assignments,
        }))
    }

    /// The answer to [`Step::Sync`].
    pub fn on_sync(&mut self, now: Tick, answer: Option<sync_group::Response>) -> Result<(), MembershipError> {
        if self.phase != Phase::Syncing {
            return Ok(());
        }
        let Some(synced) = answer else {
            self.retry(now, true);
            return Ok(());
        };
        match ErrorCode::from_code(synced.error_code) {
            ErrorCode::None => {
                self.last_heartbeat = now;
                self.phase = Phase::Assigning(read_assignment(synced.assignment)?);
            }
            ErrorCode::RebalanceInProgress => self.start_over(),
            ErrorCode::UnknownMemberId => self.lose_generation(true),
            ErrorCode::IllegalGeneration => self.lose_generation(false),
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => self.retry(now, true),
            ErrorCode::CoordinatorLoadInProgress => self.retry(now, false),
            error => return Err(MembershipError::Refused(error)),
        }
        Ok(())
    }

    /// What [`Step::Assign`] named is owned now. A cooperative member that lost something joins again at once, so that
    /// others can have it.
    pub fn on_assigned(&mut self) {
        let Phase::Assigning(assigned) = std::mem::replace(&mut self.phase, Phase::Stable) else { return };
        let is_cooperative = self.rebalance_protocol() == RebalanceProtocol::Cooperative;
        if is_cooperative && !difference(&self.owned, &assigned).is_empty() {
            self.needs_join = true;
        }
        if self.protocol == Some(Assignor::Sticky) {
            self.last_assigned = Some((assigned.clone(), self.generation));
        }
        self.owned = assigned;
    }

    /// The answer to a heartbeat that was sent in this generation as this member; what it says of another is stale.
    pub fn on_heartbeat(
        &mut self,
        now: Tick,
        (generation, member_id): (i32, &str),
        answer: Option<ErrorCode>,
    ) -> Result<(), MembershipError> {
        if generation != self.generation || member_id != self.member_id || !self.beats() {
            return Ok(());
        }
        match answer {
            None | Some(ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable) => self.coordinator = None,
            Some(ErrorCode::None) => self.last_heartbeat = now,
            Some(ErrorCode::RebalanceInProgress) => {
                self.last_heartbeat = now;
                if self.phase == Phase::Stable {
                    self.needs_join = true;
                }
            }
            Some(ErrorCode::UnknownMemberId) => self.lose_generation(true),
            Some(ErrorCode::IllegalGeneration) => self.lose_generation(false),
            Some(ErrorCode::CoordinatorLoadInProgress) => {}
            Some(error) => return Err(MembershipError::Refused(error)),
        }
        Ok(())
    }

    /// A commit was refused as coming from no member, or out of a generation that is over.
    pub fn on_commit_refused(&mut self, error: ErrorCode) {
        match error {
            ErrorCode::UnknownMemberId => self.lose_generation(true),
            ErrorCode::IllegalGeneration => self.lose_generation(false),
            ErrorCode::RebalanceInProgress => self.needs_join = true,
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => self.coordinator = None,
            _ => {}
        }
    }

    /// The coordinator did not answer for a whole session: it has given this member up, or is gone itself.
    pub fn check_session(&mut self, now: Tick) {
        let timeout = u64::try_from(self.config.session_timeout_ms).unwrap_or(0);
        if self.beats() && self.coordinator.is_some() && now.since(self.last_heartbeat) > timeout {
            self.last_heartbeat = now;
            self.coordinator = None;
        }
    }

    /// The member left the group (it did not poll in time, or unsubscribed).
    pub fn on_left(&mut self) {
        self.lose_generation(self.config.group_instance_id.is_none());
    }

    /// Generation gone, and with it what was owned; the id too if the coordinator does not know it.
    fn lose_generation(&mut self, id_too: bool) {
        self.generation = -1;
        if id_too {
            self.member_id.clear();
        }
        self.lost = true;
        self.start_over();
    }

    fn start_over(&mut self) {
        self.needs_join = true;
        self.assigned_by = None;
        self.phase = Phase::Idle;
    }

    fn retry(&mut self, now: Tick, coordinator_lost: bool) {
        if coordinator_lost {
            self.coordinator = None;
        }
        self.pause(now);
        self.start_over();
    }

    fn pause(&mut self, now: Tick) {
        self.pause_until = now.after(self.config.retry_backoff_ms);
    }
}

fn difference(all: &[TopicPartition], without: &[TopicPartition]) -> Vec<TopicPartition> {
    let without: BTreeSet<&TopicPartition> = without.iter().collect();
    all.iter().filter(|one| !without.contains(one)).cloned().collect()
}

fn by_topic(partitions: &[TopicPartition]) -> Vec<wire::TopicPartition> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for one in partitions {
        topics.entry(&one.topic).or_default().push(one.partition);
    }
    let to_wire = |(topic, mut partitions): (&str, Vec<i32>)| {
        partitions.sort_unstable();
        wire::TopicPartition { topic: topic.to_owned(), partitions }
    };
    topics.into_iter().map(to_wire).collect()
}

fn from_topics(topics: &[wire::TopicPartition]) -> Vec<TopicPartition> {
    let partitions = topics.iter().flat_map(|topic| {
        let name: kafka_types::TopicName = topic.topic.as_str().into();
        topic.partitions.iter().map(move |&partition| TopicPartition { topic: name.clone(), partition })
    });
    partitions.collect()
}

fn unreadable(error: impl std::fmt::Display) -> MembershipError {
    MembershipError::Unreadable(error.to_string())
}

fn read_subscription(member: &join_group::JoinGroupResponseMember) -> Result<wire::Subscription, MembershipError> {
    wire::Subscription::from_bytes(member.metadata.clone()).map_err(unreadable)
}

fn read_member(member: &join_group::JoinGroupResponseMember, assignor: Assignor) -> Result<Member, MembershipError> {
    let mut subscription = read_subscription(member)?;
    if assignor == Assignor::Sticky {
        // As Java's, whatever else a member says that it owns.
        let data = subscription.user_data.take().as_ref().and_then(wire::StickyUserData::from_bytes);
        let data = data.unwrap_or_default();
        (subscription.owned_partitions, subscription.generation_id) = (data.previous_assignment, data.generation);
    }
    // Cooperative consumers before 3.2 tell the generation in the assignor's own data.
    let in_user_data = || subscription.user_data.as_ref()?.first_chunk().copied().map(i32::from_be_bytes);
    let generation = Some(subscription.generation_id).filter(|generation| *generation >= 0).or_else(in_user_data);
    Ok(Member {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        owned: from_topics(&subscription.owned_partitions),
        generation: generation.unwrap_or(-1),
        topics: subscription.topics.into_iter().collect(),
    })
}

/// All topics that members want. A member that cannot be read is found out when it is assigned to.
fn topics_of(joined: &join_group::Response) -> BTreeSet<String> {
    joined.members.iter().filter_map(|member| read_subscription(member).ok()).flat_map(|one| one.topics).collect()
}

fn to_wire(assignment: &Assignment) -> Vec<sync_group::SyncGroupRequestAssignment> {
    let to_wire = |(member_id, partitions): (&String, &Vec<TopicPartition>)| {
        let assignment = wire::Assignment { assigned_partitions: by_topic(partitions), user_data: None };
        sync_group::SyncGroupRequestAssignment {
            member_id: member_id.clone(),
            assignment: assignment.to_bytes().expect("topic names are at most 249 bytes long"),
        }
    };
    assignment.iter().map(to_wire).collect()
}

fn read_assignment(bytes: Bytes) -> Result<Vec<TopicPartition>, MembershipError> {
    // A member that the leader did not know of gets no bytes at all.
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    wire::Assignment::from_bytes(bytes).map(|one| from_topics(&one.assigned_partitions)).map_err(unreadable)
}

#[cfg(test)]
mod tests;
