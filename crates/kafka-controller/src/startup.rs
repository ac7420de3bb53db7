//! Becoming the controller: the election over `/controller`, and what the winner reads before it begins.
//!
//! The order matters: brokers are told who lives before anybody is told to follow, because a follower refuses a leader
//! that it does not know to be alive.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use kafka_metadata::Broker;
use kafka_metadata::znodes::brokers::BrokerRegistration;
use kafka_metadata::znodes::partition_state::{self, PartitionState};
use kafka_metadata::znodes::topics::TopicAssignment;
use kafka_metadata::znodes::{self, admin, brokers, controller as controller_znode, feature, notifications, topics};
use kafka_types::{BrokerEpoch, BrokerId, ControllerEpoch, PartitionEpoch, TopicName, TopicPartition, Uuid};

use crate::context::{Context, Leadership, Topic};
use crate::controller::Controller;
use crate::effect::{BrokerNode, Effect, NoticeLevel, Read, Role, Write, WriteOp};
use crate::event::{ReadResult, WriteError, WriteResult};
use crate::job::{Io, Job, Next};
use crate::notifications::NotificationStep;
use crate::partition_states::PartitionStatus;
use crate::reassignment::MoveStep;
use crate::replica_states::{ReplicaChange, ReplicaStatus};

/// Steps of an election.
#[derive(Debug)]
pub(crate) enum Elect {
    /// Who controls?
    Look,
    /// `/controller` was read.
    Looked,
    /// Nobody does; `/controller_epoch` was read.
    EpochRead,
    /// `/controller_epoch` was not there and was created.
    EpochMade,
    /// This broker wrote its name, for this epoch.
    Claimed(ControllerEpoch),
    /// That was refused: perhaps it was our own write whose answer was lost.
    Doubted(ControllerEpoch),
    /// `/controller` named this broker, which does not control; it was removed.
    Cleared,
}

impl Elect {
    pub(crate) fn step(self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self {
            Elect::Look => {
                let path = controller_znode::CONTROLLER.to_owned();
                let reads = vec![Read::Exists { path: path.clone(), watch: true }, Read::Data { path, watch: false }];
                Next::Read(reads, Job::Elect(Elect::Looked))
            }
            Elect::Looked => looked(controller, &io.reads(), effects),
            Elect::EpochRead => epoch_read(controller, &io.reads(), effects),
            Elect::EpochMade => match io.writes().pop() {
                Some(WriteResult::Done(_)) => claim(controller, controller_znode::INITIAL_EPOCH.next(), 0),
                // Another broker made it at the same moment.
                _ => read_epoch(),
            },
            Elect::Claimed(epoch) => {
                if let Some(WriteResult::Done(versions)) = io.writes().pop() {
                    return won(controller, epoch, versions.last().copied().unwrap_or(0), effects);
                }
                let data = |path: &str| Read::Data { path: path.to_owned(), watch: false };
                let reads = vec![data(controller_znode::CONTROLLER), data(controller_znode::EPOCH)];
                Next::Read(reads, Job::Elect(Elect::Doubted(epoch)))
            }
            Elect::Cleared => Next::Jobs(vec![Job::Elect(Elect::Look)]),
            Elect::Doubted(epoch) => doubted(controller, epoch, &io.reads(), effects),
        }
    }
}

fn read_epoch() -> Next {
    let path = controller_znode::EPOCH.to_owned();
    Next::Read(vec![Read::Data { path, watch: false }], Job::Elect(Elect::EpochRead))
}

fn looked(controller: &mut Controller, results: &[ReadResult], effects: &mut Vec<Effect>) -> Next {
    let named = match results.last() {
        Some(ReadResult::Data { data, .. }) => controller_znode::decode(data).ok(),
        _ => None,
    };
    match named {
        Some(id) if id == controller.id && controller.is_active() => Next::Done,
        // Left by a life of this broker that is over, or by a takeover that failed: nobody would control.
        Some(id) if id == controller.id => {
            let op = WriteOp::Delete { path: controller_znode::CONTROLLER.to_owned(), version: None };
            Next::Write(vec![Write { ops: vec![op] }], Job::Elect(Elect::Cleared))
        }
        Some(id) => {
            controller.resign(effects);
            effects.push(Effect::Role(Role::Other(Some(id))));
            controller.notice(
                NoticeLevel::Debug,
                format!("Broker {id} has been elected as the controller, so stopping the election process."),
                effects,
            );
            Next::Done
        }
        None => {
            controller.resign(effects);
            read_epoch()
        }
    }
}

fn epoch_read(controller: &Controller, results: &[ReadResult], effects: &mut Vec<Effect>) -> Next {
    let [ReadResult::Data { data, stat }] = results else {
        let data = Some(controller_znode::encode_epoch(controller_znode::INITIAL_EPOCH));
        let op = WriteOp::Create { path: controller_znode::EPOCH.to_owned(), data, ephemeral: false };
        return Next::Write(vec![Write { ops: vec![op] }], Job::Elect(Elect::EpochMade));
    };
    match controller_znode::decode_epoch(data) {
        Ok(epoch) => claim(controller, epoch.next(), stat.version),
        Err(error) => {
            controller.notice(NoticeLevel::Error, error.to_string(), effects);
            Next::Done
        }
    }
}

fn claim(controller: &Controller, epoch: ControllerEpoch, version: i32) -> Next {
    let ops = vec![
        WriteOp::Create {
            path: controller_znode::CONTROLLER.to_owned(),
            data: Some(controller_znode::encode(controller.id, controller.now.wall)),
            ephemeral: true,
        },
        WriteOp::Set {
            path: controller_znode::EPOCH.to_owned(),
            data: controller_znode::encode_epoch(epoch),
            version: Some(version),
        },
    ];
    Next::Write(vec![Write { ops }], Job::Elect(Elect::Claimed(epoch)))
}

fn won(controller: &mut Controller, epoch: ControllerEpoch, version: i32, effects: &mut Vec<Effect>) -> Next {
    let id = controller.id;
    let text = format!(
        "{id} successfully elected as the controller. Epoch incremented to {epoch} and epoch zk version is now {version}"
    );
    controller.notice(NoticeLevel::Info, text, effects);
    controller.activate(Context { epoch, epoch_version: version, ..Context::default() }, effects);
    Next::Jobs(vec![Job::Failover(Failover::Start)])
}

/// Somebody else was faster, or the claim happened and its answer was lost.
fn doubted(
    controller: &mut Controller,
    epoch: ControllerEpoch,
    results: &[ReadResult],
    effects: &mut Vec<Effect>,
) -> Next {
    if let [ReadResult::Data { data: name, .. }, ReadResult::Data { data: number, stat }] = results
        && controller_znode::decode(name) == Ok(controller.id)
        && controller_znode::decode_epoch(number) == Ok(epoch)
    {
        return won(controller, epoch, stat.version, effects);
    }
    // Look again: the watch on /controller may have fired already, then nobody controls.
    Next::Jobs(vec![Job::Elect(Elect::Look)])
}

/// Steps of taking over.
#[derive(Debug)]
pub(crate) enum Failover {
    Start,
    FeatureRead,
    FeatureMade,
    Listed,
    Described(Box<Listing>),
    Cleaned(Box<Listing>),
    StatesRead(Box<Listing>, Vec<TopicPartition>),
}

/// What was found by listing znodes.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    brokers: Vec<BrokerId>,
    topics: Vec<TopicName>,
    deleting: Vec<TopicName>,
    stale: Vec<String>,
    wishes: Vec<NotificationStep>,
}

impl Failover {
    pub(crate) fn step(self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self {
            Failover::Start => {
                let read = Read::Data { path: feature::FEATURE.to_owned(), watch: false };
                Next::Read(vec![read], Job::Failover(Failover::FeatureRead))
            }
            Failover::FeatureRead => match io.reads().pop() {
                Some(ReadResult::NoNode) => {
                    let data = Some(feature::FeatureZnode::initial().encode());
                    let op = WriteOp::Create { path: feature::FEATURE.to_owned(), data, ephemeral: false };
                    Next::Write(vec![Write { ops: vec![op] }], Job::Failover(Failover::FeatureMade))
                }
                _ => list(),
            },
            Failover::FeatureMade => list(),
            Failover::Listed => describe(&io.reads()),
            Failover::Described(listing) => described(controller, listing, io.reads(), effects),
            Failover::Cleaned(listing) => read_states(controller, listing),
            Failover::StatesRead(listing, partitions) => begin(controller, *listing, partitions, io.reads(), effects),
        }
    }
}

/// Everything that is watched from now on.
fn list() -> Next {
    let exists = |path: &str| Read::Exists { path: path.to_owned(), watch: true };
    let children = |path: &str| Read::Children { path: path.to_owned(), watch: true };
    let reads = vec![
        exists(admin::PREFERRED_REPLICA_ELECTION),
        exists(admin::REASSIGN_PARTITIONS),
        children(notifications::LOG_DIR_EVENTS),
        children(notifications::ISR_CHANGES),
        children(brokers::IDS),
        children(topics::TOPICS),
        children(admin::DELETE_TOPICS),
    ];
    Next::Read(reads, Job::Failover(Failover::Listed))
}

fn describe(results: &[ReadResult]) -> Next {
    let names = |index: usize| match results.get(index) {
        Some(ReadResult::Children(names)) => names.clone(),
        _ => Vec::new(),
    };
    let is_there = |index: usize| matches!(results.get(index), Some(ReadResult::Exists(_)));
    let mut listing = Listing::default();
    for (index, path) in [(0, admin::PREFERRED_REPLICA_ELECTION), (1, admin::REASSIGN_PARTITIONS)] {
        if is_there(index) {
            listing.wishes.extend(NotificationStep::for_path(path));
        }
    }
    for (index, parent) in [(2, notifications::LOG_DIR_EVENTS), (3, notifications::ISR_CHANGES)] {
        listing.stale.extend(names(index).iter().map(|name| format!("{parent}/{name}")));
    }
    listing.brokers = names(4).iter().filter_map(|name| brokers::id_of(name)).collect();
    listing.topics = names(5).iter().map(|name| name.as_str().into()).collect();
    listing.deleting = names(6).iter().map(|name| name.as_str().into()).collect();
    listing.brokers.sort_unstable();
    listing.topics.sort_unstable();
    let of_broker = listing.brokers.iter().map(|id| brokers::path(*id));
    let of_topic = listing.topics.iter().map(|name| topics::path(name));
    let reads = of_broker.chain(of_topic).map(|path| Read::Data { path, watch: true }).collect();
    Next::Read(reads, Job::Failover(Failover::Described(Box::new(listing))))
}

fn described(
    controller: &mut Controller,
    listing: Box<Listing>,
    results: Vec<ReadResult>,
    effects: &mut Vec<Effect>,
) -> Next {
    let mut results = results.into_iter();
    for &id in &listing.brokers {
        if let Some(node) = results.next().and_then(|result| controller.broker_node(id, result, effects)) {
            controller.context.brokers.insert(id, node);
        }
    }
    let mut writes: Vec<Write> = Vec::new();
    for path in &listing.stale {
        writes.push(controller.fenced(WriteOp::Delete { path: path.clone(), version: None }));
    }
    for name in &listing.topics {
        let Some(result) = results.next() else { continue };
        if let Some((topic, write)) = controller.read_topic(name, result, effects) {
            controller.context.add_topic(name.clone(), topic);
            writes.extend(write);
        }
    }
    let job = Job::Failover(Failover::Cleaned(listing));
    if writes.is_empty() { Next::Jobs(vec![job]) } else { Next::Write(writes, job) }
}

fn read_states(controller: &Controller, listing: Box<Listing>) -> Next {
    let partitions: Vec<TopicPartition> = controller.context.partitions().collect();
    let read = |partition| Read::Data { path: partition_state::path(partition), watch: false };
    let reads = partitions.iter().map(read).collect();
    Next::Read(reads, Job::Failover(Failover::StatesRead(listing, partitions)))
}

/// Everything is known: the first orders go out.
fn begin(
    controller: &mut Controller,
    listing: Listing,
    partitions: Vec<TopicPartition>,
    states: Vec<ReadResult>,
    effects: &mut Vec<Effect>,
) -> Next {
    for (partition, result) in partitions.iter().zip(states) {
        controller.adopt_state(partition, result, effects);
    }
    effects.extend(controller.context.brokers.values().cloned().map(Effect::AddBroker));
    let (there, gone): (Vec<TopicName>, Vec<TopicName>) =
        listing.deleting.into_iter().partition(|name| controller.context.topics.contains_key(name));
    controller.context.deleting = there.iter().cloned().collect();
    controller.block_deletions_of_moving_topics();
    let (online, offline) = initial_states(controller, partitions);
    let everybody: BTreeSet<BrokerId> = controller.context.brokers.keys().copied().collect();
    let mut jobs = vec![
        Job::Tell(everybody, Vec::new()),
        Job::Replicas(ReplicaChange::new(online, ReplicaStatus::Online)),
        Job::Replicas(ReplicaChange::new(offline, ReplicaStatus::Offline)),
        Job::ElectMissing,
    ];
    jobs.extend(controller.forget_deletions(there, gone));
    jobs.extend(listing.wishes.into_iter().map(Job::Notifications));
    jobs.push(Job::Move(MoveStep::Resume(None)));
    Next::Jobs(jobs)
}

/// States as the znodes show them; what differs from what should be is then moved. Returns the replicas that may serve
/// and those that may not.
#[expect(clippy::type_complexity, reason = "two lists of the same")]
fn initial_states(
    controller: &mut Controller,
    partitions: Vec<TopicPartition>,
) -> (Vec<(TopicPartition, BrokerId)>, Vec<(TopicPartition, BrokerId)>) {
    let context = &mut controller.context;
    for partition in &partitions {
        let status = match context.leaderships.get(partition) {
            None => PartitionStatus::New,
            Some(known) if context.is_online(partition, known.state.leader, false) => PartitionStatus::Online,
            Some(_) => PartitionStatus::Offline,
        };
        context.partition_states.insert(partition.clone(), status);
    }
    let (online, offline): (Vec<_>, Vec<_>) =
        context.pairs(partitions).into_iter().partition(|(partition, id)| context.is_online(partition, *id, false));
    for replica in &online {
        context.replica_states.insert(replica.clone(), ReplicaStatus::Online);
    }
    for replica in &offline {
        // A replica of a topic that is being deleted must be deleted when its broker is back.
        context.replica_states.insert(replica.clone(), ReplicaStatus::DeletionIneligible);
    }
    for (partition, _) in &offline {
        if context.deleting.contains(&partition.topic) {
            context.deletion_blocked.insert(partition.topic.clone());
        }
    }
    (online, offline)
}

impl Controller {
    /// A broker from its registration; a broken one is reported and left out.
    pub(crate) fn broker_node(
        &self,
        id: BrokerId,
        result: ReadResult,
        effects: &mut Vec<Effect>,
    ) -> Option<BrokerNode> {
        let ReadResult::Data { data, stat } = result else { return None };
        match BrokerRegistration::decode(id, &data) {
            Ok(found) => {
                let broker = Broker { id, endpoints: found.endpoints, rack: found.rack };
                Some(BrokerNode { broker, epoch: BrokerEpoch(stat.created) })
            }
            Err(error) => {
                self.notice(NoticeLevel::Error, format!("{}: {error}", brokers::path(id)), effects);
                None
            }
        }
    }

    /// A topic from its znode, and the write that gives it an id if it has none.
    pub(crate) fn read_topic(
        &self,
        name: &TopicName,
        result: ReadResult,
        effects: &mut Vec<Effect>,
    ) -> Option<(Topic, Option<Write>)> {
        let ReadResult::Data { data, stat } = result else { return None };
        let mut assignment = match TopicAssignment::decode(&data) {
            Ok(assignment) => assignment,
            Err(error) => {
                self.notice(NoticeLevel::Error, format!("{}: {error}", topics::path(name)), effects);
                return None;
            }
        };
        let mut write = None;
        let id = assignment.id.unwrap_or_else(|| {
            let id = derived_id(name, stat.created);
            assignment.id = Some(id);
            let (path, data) = (topics::path(name), assignment.encode());
            write = Some(self.fenced(WriteOp::Set { path, data, version: Some(stat.version) }));
            id
        });
        Some((Topic { id, partitions: assignment.partitions }, write))
    }

    /// Takes over a partition's state as it was read; without one the partition never had a leader.
    pub(crate) fn adopt_state(&mut self, partition: &TopicPartition, result: ReadResult, effects: &mut Vec<Effect>) {
        let ReadResult::Data { data, stat } = result else { return };
        match PartitionState::decode(&data) {
            Ok(state) => {
                let known = Leadership { state, version: PartitionEpoch(stat.version) };
                self.context.leaderships.insert(partition.clone(), known);
            }
            Err(error) => {
                self.notice(NoticeLevel::Error, format!("{}: {error}", partition_state::path(partition)), effects);
            }
        }
    }

    /// Topics to delete: those that are there are begun, the wishes for others are removed; so are all wishes when
    /// topics may not be deleted.
    pub(crate) fn forget_deletions(&mut self, there: Vec<TopicName>, gone: Vec<TopicName>) -> Vec<Job> {
        let mut forget = gone;
        let mut jobs = Vec::new();
        if self.settings.delete_topics {
            jobs.push(Job::ResumeDeletions);
        } else {
            self.context.deleting.clear();
            self.context.deletion_blocked.clear();
            forget.extend(there);
        }
        if !forget.is_empty() {
            jobs.push(Job::Deletions(crate::deletion::DeletionStep::Forget(forget)));
        }
        jobs
    }
}

/// An id for a topic of a broker from before 2.8, made of its name and of the transaction that created it: two
/// controllers that meet the same topic give it the same id.
fn derived_id(name: &str, created: i64) -> Uuid {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, name, created).hash(&mut hasher);
        hasher.finish().to_be_bytes()
    };
    let attempt = |salt: u8| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&half(salt));
        bytes[8..].copy_from_slice(&half(salt.wrapping_add(128)));
        Uuid::from_random(bytes)
    };
    (0..128).find_map(attempt).unwrap_or(Uuid([1; 16]))
}

/// Did a creation succeed, or was the znode there already?
pub(crate) fn is_there(result: &WriteResult) -> bool {
    matches!(result, WriteResult::Done(_) | WriteResult::Refused { error: WriteError::NodeExists, .. })
}

/// The last path element, as a topic's name.
pub(crate) fn topic_names(children: &[String]) -> BTreeSet<TopicName> {
    children.iter().map(|path| znodes::child_name(path).into()).collect()
}
