//! What a request wants to read, with what its session remembers.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use kafka_metadata::MetadataImage;
use kafka_security::{Operation, ResourceType};
use kafka_types::{
    BrokerEpoch, BrokerId, ErrorCode, IsolationLevel, LeaderEpoch, Offset, TopicName, TopicPartition, Uuid,
};
use kafka_wire::fetch as wire;

use super::super::Context;
use super::super::authorize::Access;
use super::lock;
use super::read::{Fetch, Outcome, Part, Target};
use crate::broker::Broker;
use crate::fetch_sessions::{Asked, FetchTopic, Session, Wanted};
use crate::long_poll::Seen;
use crate::replicas::partition::{ReadRequest, Reader};

/// A session as connections share it.
pub(crate) type SharedSession = Arc<Mutex<Session<Seen>>>;

/// How the request belongs to a session.
pub(super) enum Scope {
    /// Not at all.
    Alone,
    /// Its answer begins one, in which topics go by id or by name.
    Begins { by_id: bool },
    /// It goes on with one.
    Continues { id: i32, epoch: i32, session: SharedSession },
}

/// A request that may be answered.
pub(super) struct Opened {
    pub(super) scope: Scope,
    pub(super) fetch: Fetch,
    pub(super) image: Arc<MetadataImage>,
    pub(super) reader: Reader,
}

/// What turns partitions that are asked for into such that can be read.
#[derive(Clone)]
pub(super) struct Planner {
    broker: Arc<Broker>,
    image: Arc<MetadataImage>,
    reader: Reader,
    /// Where readers are not free to read everything.
    access: Option<Arc<Access>>,
    /// A follower that is no broker of this cluster.
    is_intruder: bool,
}

pub(super) fn open(context: &Context, request: &wire::Request, version: wire::Version) -> Result<Opened, ErrorCode> {
    let broker = &context.broker;
    let follower = request.follower_id();
    let isolation = IsolationLevel::from_wire(request.isolation_level);
    let reader = if follower >= 0 {
        Reader::Follower(BrokerId(follower), BrokerEpoch(request.replica_state.replica_epoch))
    } else {
        Reader::Consumer(isolation)
    };
    let (image_version, image) = broker.metadata.numbered_image();
    // Both only grow, so their sum changes when either does.
    let world = image_version + broker.authorizer.as_ref().map_or(0, |authorizer| authorizer.changes());
    let access = context.access().cloned();
    let is_intruder = follower >= 0 && !context.may_on_cluster(Operation::ClusterAction);
    let planner = Planner { broker: Arc::clone(broker), image: Arc::clone(&image), reader, access, is_intruder };
    let asked = planner.asked(request, version);
    let by_id = version.uses_topic_ids();
    if version.continues_session(request) {
        let forgotten = planner.forgotten(request, version);
        let (id, epoch) = (request.session_id, request.session_epoch);
        let session = go_on(broker, id, epoch, by_id, &asked, &forgotten)?;
        if let Some(session) = session {
            let (parts, has_idle) = planner.parts_of(&mut lock(&session), isolation, world);
            let scope = Scope::Continues { id, epoch, session };
            return Ok(Opened { scope, fetch: Fetch { planner, parts, has_idle }, image, reader });
        }
    } else if request.session_id != 0 {
        drop(broker.fetch_sessions.of(request.session_id).and_then(|mut part| part.remove(request.session_id)));
    }
    let begins = version.has_sessions() && request.session_epoch == 0;
    let scope = if begins { Scope::Begins { by_id } } else { Scope::Alone };
    let parts = asked.into_iter().enumerate().map(|(place, asked)| planner.part(place as u64, asked)).collect();
    Ok(Opened { scope, fetch: Fetch { planner, parts, has_idle: false }, image, reader })
}

/// The session, moved on by this request; `None` if the request leaves nothing of it.
fn go_on(
    broker: &Broker,
    id: i32,
    epoch: i32,
    by_id: bool,
    asked: &[Asked],
    forgotten: &[(FetchTopic, i32)],
) -> Result<Option<SharedSession>, ErrorCode> {
    let mut sessions = broker.fetch_sessions.of(id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
    let session = sessions.get(id).cloned().ok_or(ErrorCode::FetchSessionIdNotFound)?;
    let size = lock(&session).update(epoch, by_id, asked, forgotten)?;
    if size == 0 {
        sessions.remove(id);
        return Ok(None);
    }
    let stays = sessions.touch(id, size, broker.clock.tick());
    if stays { Ok(Some(session)) } else { Err(ErrorCode::FetchSessionIdNotFound) }
}

impl Planner {
    /// What the request names; the last one counts if a partition is named twice, in the place of the first one.
    fn asked(&self, request: &wire::Request, version: wire::Version) -> Vec<Asked> {
        let mut asked = Vec::with_capacity(request.topics.iter().map(|topic| topic.partitions.len()).sum());
        for topic in &request.topics {
            let fetch_topic = self.topic(&topic.topic, topic.topic_id, version);
            asked.extend(topic.partitions.iter().map(|partition| Asked {
                topic: fetch_topic.clone(),
                partition: partition.partition,
                wanted: Wanted {
                    offset: partition.fetch_offset,
                    max_bytes: partition.partition_max_bytes,
                    current_epoch: partition.current_leader_epoch,
                    last_fetched_epoch: partition.last_fetched_epoch,
                    log_start: partition.log_start_offset,
                },
            }));
        }
        let ascends = |topic: &wire::FetchTopic| topic.partitions.is_sorted_by(|a, b| a.partition < b.partition);
        let mut topics: HashSet<(Uuid, &str)> = HashSet::new();
        // Nearly all requests are like this: no partition has to be looked up to know that it comes once.
        let has_no_twins =
            request.topics.iter().all(|topic| ascends(topic) && topics.insert((topic.topic_id, topic.topic.as_str())));
        if has_no_twins { asked } else { without_twins(asked) }
    }

    fn forgotten(&self, request: &wire::Request, version: wire::Version) -> Vec<(FetchTopic, i32)> {
        let topics = request.forgotten_topics_data.iter();
        let partitions = topics.flat_map(|topic| {
            let fetch_topic = self.topic(&topic.topic, topic.topic_id, version);
            topic.partitions.iter().map(move |partition| (fetch_topic.clone(), *partition))
        });
        partitions.collect()
    }

    fn topic(&self, name: &str, id: Uuid, version: wire::Version) -> FetchTopic {
        if version.uses_topic_ids() {
            return FetchTopic { id, name: self.name_of(id) };
        }
        let known = self.image.topic(name).map(|topic| topic.name.clone());
        FetchTopic { id: Uuid::ZERO, name: Some(known.unwrap_or_else(|| name.into())) }
    }

    fn name_of(&self, id: Uuid) -> Option<TopicName> {
        self.image.topic_by_id(id).map(|topic| topic.name.clone())
    }

    /// The partitions of a session that are to be looked at, and whether there are others.
    fn parts_of(&self, session: &mut Session<Seen>, isolation: IsolationLevel, world: u64) -> (Vec<Part>, bool) {
        session.keep_marks_under(isolation, world);
        let (mut parts, mut has_idle) = (Vec::new(), false);
        for (place, cached) in session.partitions() {
            if cached.idle.as_ref().is_some_and(Seen::is_current) {
                has_idle = true;
                continue;
            }
            cached.idle = None;
            if cached.asked.topic.name.is_none() {
                cached.asked.topic.name = self.name_of(cached.asked.topic.id);
            }
            parts.push(self.part(place, cached.asked.clone()));
        }
        (parts, has_idle)
    }

    /// What is to be read for it, or why nothing can be.
    pub(super) fn part(&self, place: u64, asked: Asked) -> Part {
        let target = self.target(&asked);
        let outcome = Outcome::Refused(target.as_ref().err().copied().unwrap_or(ErrorCode::NotLeaderOrFollower));
        let is_negative = asked.wanted.max_bytes < 0;
        Part { place, asked, target, outcome, is_negative }
    }

    /// Brokers read everything.
    fn may_read(&self, topic: &str) -> bool {
        let Some(access) = &self.access else { return true };
        matches!(self.reader, Reader::Follower(..)) || access.may(Operation::Read, ResourceType::Topic, topic)
    }

    fn target(&self, asked: &Asked) -> Result<Target, ErrorCode> {
        if self.is_intruder {
            return Err(ErrorCode::TopicAuthorizationFailed);
        }
        let name = asked.topic.name.as_ref().ok_or(ErrorCode::UnknownTopicId)?;
        if !self.may_read(name) {
            return Err(ErrorCode::TopicAuthorizationFailed);
        }
        self.image.partition(name, asked.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let topic_partition = TopicPartition::new(name.clone(), asked.partition);
        let read = ReadRequest {
            reader: self.reader,
            topic_id: asked.topic.id,
            offset: Offset(asked.wanted.offset),
            max_bytes: asked.wanted.max_bytes.max(0) as u64,
            current_epoch: LeaderEpoch(asked.wanted.current_epoch),
            last_fetched_epoch: LeaderEpoch(asked.wanted.last_fetched_epoch),
            follower_log_start: Offset(asked.wanted.log_start),
            is_second_look: false,
        };
        Ok(Target { shard: self.broker.shards.owner(&topic_partition), topic_partition, read })
    }
}

fn without_twins(asked: Vec<Asked>) -> Vec<Asked> {
    let mut places: HashMap<(Uuid, Option<TopicName>, i32), usize> = HashMap::with_capacity(asked.len());
    let mut kept: Vec<Asked> = Vec::with_capacity(asked.len());
    for asked in asked {
        let place = *places.entry((asked.topic.id, asked.topic.name.clone(), asked.partition)).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(twin) => twin.wanted = asked.wanted,
            None => kept.push(asked),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_twins_the_last_one_counts_in_the_place_of_the_first() {
        let asked = |id: u8, partition: i32, offset: i64| Asked {
            topic: FetchTopic { id: Uuid([id; 16]), name: None },
            partition,
            wanted: Wanted { offset, max_bytes: 1, current_epoch: -1, last_fetched_epoch: -1, log_start: -1 },
        };
        let kept = without_twins(vec![asked(1, 0, 5), asked(1, 1, 6), asked(2, 0, 7), asked(1, 0, 8)]);
        assert_eq!(kept, [asked(1, 0, 8), asked(1, 1, 6), asked(2, 0, 7)]);
    }
}
