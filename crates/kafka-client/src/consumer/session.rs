//! Fetch sessions (KIP-227): the broker remembers what a consumer reads, so that a request names only what changed.
//! Pure.

use std::collections::BTreeMap;

use kafka_types::{ErrorCode, LeaderEpoch, Offset, TopicName, TopicPartition, Uuid};
use kafka_wire::fetch;

/// The epoch of a request that begins a session.
const INITIAL_EPOCH: i32 = 0;

/// What is wanted of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    /// From where.
    pub(crate) offset: Offset,
    /// In which epoch the broker is believed to lead; -1 if unknown.
    pub(crate) leader_epoch: LeaderEpoch,
    /// The topic's id; zero if unknown.
    pub(crate) topic_id: Uuid,
    /// `max.partition.fetch.bytes`
    pub(crate) max_bytes: i32,
}

/// The session with one broker.
#[derive(Debug, Default)]
pub(crate) struct Session {
    id: i32,
    epoch: i32,
    /// What the broker remembers.
    known: BTreeMap<TopicPartition, Want>,
}

impl Session {
    /// Puts what is wanted into `request`: all of it, or what changed since the last one.
    pub(crate) fn fill(&mut self, request: &mut fetch::Request, wanted: BTreeMap<TopicPartition, Want>) {
        request.session_id = self.id;
        request.session_epoch = self.epoch;
        if self.epoch == INITIAL_EPOCH {
            request.topics = topics(wanted.iter());
        } else {
            let is_same_topic = |one: &TopicPartition, want: &Want| {
                self.known.get(one).is_some_and(|known| known.topic_id == want.topic_id)
            };
            let is_forgotten = |(one, known): &(&TopicPartition, &Want)| {
                wanted.get(*one).is_none_or(|want| want.topic_id != known.topic_id)
            };
            request.forgotten_topics_data = forgotten(self.known.iter().filter(is_forgotten));
            let is_changed = |(one, want): &(&TopicPartition, &Want)| {
                !is_same_topic(one, want) || self.known.get(*one) != Some(*want)
            };
            request.topics = topics(wanted.iter().filter(is_changed));
        }
        self.known = wanted;
    }

    /// What is wanted of a partition, as the request before said.
    pub(crate) fn asked(&self, partition: &TopicPartition) -> Option<&Want> {
        self.known.get(partition)
    }

    /// Name of a topic that goes by id.
    pub(crate) fn topic_name(&self, id: Uuid) -> Option<TopicName> {
        let known = self.known.iter().find(|(_, want)| want.topic_id == id);
        known.map(|(partition, _)| partition.topic.clone())
    }

    /// The answer of the broker: the session goes on, or has to begin anew.
    pub(crate) fn on_response(&mut self, response: &fetch::Response) {
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None if response.session_id == 0 => self.reset(0),
            ErrorCode::None => {
                // 0 begins a session, so the numbers go round without it.
                self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
                self.id = response.session_id;
            }
            ErrorCode::FetchSessionIdNotFound => self.reset(0),
            _ => self.reset(self.id),
        }
    }

    /// No answer came: what the broker knows is uncertain. It closes the session `id` when a new one begins.
    pub(crate) fn on_failure(&mut self) {
        self.reset(self.id);
    }

    fn reset(&mut self, id: i32) {
        (self.id, self.epoch) = (id, INITIAL_EPOCH);
    }
}

fn topics<'a>(wanted: impl Iterator<Item = (&'a TopicPartition, &'a Want)>) -> Vec<fetch::FetchTopic> {
    let mut topics: Vec<fetch::FetchTopic> = Vec::new();
    for (one, want) in wanted {
        // In order of topics, so that one of a topic comes after the other.
        if topics.last().is_none_or(|topic| *topic.topic != *one.topic) {
            topics.push(fetch::FetchTopic {
                topic: one.topic.to_string(),
                topic_id: want.topic_id,
                partitions: Vec::new(),
            });
        }
        let partition = fetch::FetchPartition {
            partition: one.partition,
            current_leader_epoch: want.leader_epoch.0,
            fetch_offset: want.offset.0,
            partition_max_bytes: want.max_bytes,
            ..fetch::FetchPartition::default()
        };
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(partition);
        }
    }
    topics
}

fn forgotten<'a>(partitions: impl Iterator<Item = (&'a TopicPartition, &'a Want)>) -> Vec<fetch::ForgottenTopic> {
    let mut topics: Vec<fetch::ForgottenTopic> = Vec::new();
    for (one, known) in partitions {
        if topics.last().is_none_or(|topic| *topic.topic != *one.topic) {
            let (topic, topic_id) = (one.topic.to_string(), known.topic_id);
            topics.push(fetch::ForgottenTopic { topic, topic_id, partitions: Vec::new() });
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(one.partition);
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(offset: i64) -> Want {
        Want { offset: Offset(offset), leader_epoch: LeaderEpoch(0), topic_id: Uuid([1; 16]), max_bytes: 100 }
    }

    fn wanted(offsets: &[(i32, i64)]) -> BTreeMap<TopicPartition, Want> {
        offsets.iter().map(|&(partition, offset)| (TopicPartition::new("t", partition), want(offset))).collect()
    }

    fn fill(session: &mut Session, offsets: &[(i32, i64)]) -> (i32, Vec<(i32, i64)>, Vec<i32>) {
        let mut request = fetch::Request::default();
        session.fill(&mut request, wanted(offsets));
        let named = request.topics.iter().flat_map(|topic| &topic.partitions);
        let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| topic.partitions.clone());
        let named = named.map(|one| (one.partition, one.fetch_offset)).collect();
        (request.session_epoch, named, forgotten.collect())
    }

    fn respond(session: &mut Session, error: ErrorCode, session_id: i32) {
        session.on_response(&fetch::Response { error_code: error.code(), session_id, ..fetch::Response::default() });
    }

    #[test]
    fn after_the_first_request_only_changes_are_named() {
        let mut session = Session::default();
        assert_eq!(fill(&mut session, &[(0, 5), (1, 6)]), (0, vec![(0, 5), (1, 6)], vec![]));
        respond(&mut session, ErrorCode::None, 77);
        assert_eq!(fill(&mut session, &[(0, 5), (1, 9)]), (1, vec![(1, 9)], vec![]));
        respond(&mut session, ErrorCode::None, 77);
        assert_eq!(fill(&mut session, &[(1, 9), (2, 0)]), (2, vec![(2, 0)], vec![0]));
        respond(&mut session, ErrorCode::None, 77);
        assert_eq!(fill(&mut session, &[(1, 9), (2, 0)]), (3, vec![], vec![]));
        assert_eq!(session.topic_name(Uuid([1; 16])).as_deref(), Some("t"));
    }

    #[test]
    fn a_session_that_is_lost_begins_anew_with_everything() {
        for error in [ErrorCode::FetchSessionIdNotFound, ErrorCode::InvalidFetchSessionEpoch] {
            let mut session = Session::default();
            fill(&mut session, &[(0, 5)]);
            respond(&mut session, ErrorCode::None, 77);
            fill(&mut session, &[(0, 6)]);
            respond(&mut session, error, 0);
            assert_eq!(fill(&mut session, &[(0, 6)]), (0, vec![(0, 6)], vec![]), "{error}");
        }
        let mut session = Session::default();
        fill(&mut session, &[(0, 5)]);
        respond(&mut session, ErrorCode::None, 77);
        session.on_failure();
        assert_eq!(fill(&mut session, &[(0, 5)]).0, 0);
    }

    #[test]
    fn a_broker_without_room_for_sessions_is_told_everything_each_time() {
        let mut session = Session::default();
        fill(&mut session, &[(0, 5)]);
        respond(&mut session, ErrorCode::None, 0);
        assert_eq!(fill(&mut session, &[(0, 5)]), (0, vec![(0, 5)], vec![]));
    }

    #[test]
    fn a_topic_made_anew_replaces_its_former_self() {
        let mut session = Session::default();
        fill(&mut session, &[(0, 5)]);
        respond(&mut session, ErrorCode::None, 77);
        let mut request = fetch::Request::default();
        let mut fresh = want(0);
        fresh.topic_id = Uuid([2; 16]);
        session.fill(&mut request, [(TopicPartition::new("t", 0), fresh)].into());
        assert_eq!(request.forgotten_topics_data[0].topic_id, Uuid([1; 16]));
        assert_eq!(request.topics[0].topic_id, Uuid([2; 16]));
    }
}
