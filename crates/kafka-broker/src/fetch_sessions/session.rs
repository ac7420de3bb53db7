//! One session: the partitions that a client reads, and what it was told of them.

use std::collections::{BTreeMap, HashMap};

use kafka_types::{ErrorCode, IsolationLevel, TopicName, Uuid};

/// A topic as a request names it, and its name if that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchTopic {
    /// Zero in versions that name topics.
    pub(crate) id: Uuid,
    /// `None`: nobody knows a topic of this id, yet.
    pub(crate) name: Option<TopicName>,
}

/// What a client wants of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) offset: i64,
    pub(crate) max_bytes: i32,
    /// -1: it does not say.
    pub(crate) current_epoch: i32,
    /// -1: it does not say.
    pub(crate) last_fetched_epoch: i32,
    /// Where the log of a follower starts; -1 for consumers.
    pub(crate) log_start: i64,
}

/// A partition that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) topic: FetchTopic,
    pub(crate) partition: i32,
    pub(crate) wanted: Wanted,
}

/// What was found in a partition, as far as it decides whether there is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct News {
    pub(crate) has_records: bool,
    pub(crate) high_watermark: i64,
    pub(crate) log_start: i64,
    pub(crate) is_error: bool,
    pub(crate) diverges: bool,
    /// The client is to read elsewhere.
    pub(crate) has_preferred_replica: bool,
}

/// What a partition is looked up by: the id if there is one, else the name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Id(Uuid, i32),
    Name(TopicName, i32),
}

impl Key {
    fn of(topic: &FetchTopic, partition: i32) -> Key {
        match &topic.name {
            Some(name) if topic.id.is_zero() => Key::Name(name.clone(), partition),
            _ => Key::Id(topic.id, partition),
        }
    }
}

/// A partition of a session. `M` marks one of which nothing is to be told until it moves.
#[derive(Debug)]
pub(crate) struct Cached<M> {
    pub(crate) asked: Asked,
    /// Told last; -1 after an error, so that the partition is told again when it is over.
    high_watermark: i64,
    /// Told last.
    log_start: i64,
    pub(crate) idle: Option<M>,
}

impl<M> Cached<M> {
    fn new(asked: Asked) -> Cached<M> {
        Cached { asked, high_watermark: -1, log_start: -1, idle: None }
    }
}

/// The epoch of the request after the one with `epoch`: 0 begins sessions and -1 ends them, so neither comes again.
pub(crate) fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        i32::MAX => 1,
        ..0 => -1,
        epoch => epoch + 1,
    }
}

/// The partitions of a session in the order in which they are read, each in a place of its own. Places are never given
/// anew: a partition that moves to the end gets another one.
#[derive(Debug)]
pub(crate) struct Session<M> {
    by_id: bool,
    epoch: i32,
    places: HashMap<Key, u64>,
    partitions: BTreeMap<u64, Cached<M>>,
    next_place: u64,
    /// Under what the marks were made: how far the reader may see, and which picture of the cluster was known.
    marked_under: Option<(IsolationLevel, u64)>,
}

impl<M> Session<M> {
    /// A session that begins with a request for these partitions, without one twice; `by_id` if it names topics by id.
    pub(crate) fn begin(by_id: bool, asked: impl IntoIterator<Item = (Asked, News)>) -> Session<M> {
        let mut session = Session {
            by_id,
            epoch: next_epoch(0),
            places: HashMap::new(),
            partitions: BTreeMap::new(),
            next_place: 0,
            marked_under: None,
        };
        for (asked, news) in asked {
            let place = session.name(asked);
            session.tell(place, news);
        }
        session
    }

    /// Takes a request of the session: partitions that are new or wanted otherwise, and those that leave it. Returns how
    /// many there are now. Without any the session is over, and goes on to no further epoch.
    pub(crate) fn update(
        &mut self,
        epoch: i32,
        by_id: bool,
        asked: &[Asked],
        forgotten: &[(FetchTopic, i32)],
    ) -> Result<usize, ErrorCode> {
        if epoch != self.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if by_id != self.by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        for asked in asked {
            self.name(asked.clone());
        }
        for (topic, partition) in forgotten {
            if let Some(place) = self.places.remove(&Key::of(topic, *partition)) {
                self.partitions.remove(&place);
            }
        }
        if !self.partitions.is_empty() {
            self.epoch = next_epoch(self.epoch);
        }
        Ok(self.partitions.len())
    }

    /// The epoch that the next request has to have.
    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Marks hold for one kind of reader and one picture of the cluster: under others all partitions are looked at.
    pub(crate) fn keep_marks_under(&mut self, isolation: IsolationLevel, image: u64) {
        let under = Some((isolation, image));
        if self.marked_under != under {
            self.partitions.values_mut().for_each(|cached| cached.idle = None);
            self.marked_under = under;
        }
    }

    /// All partitions with their places, in order.
    pub(crate) fn partitions(&mut self) -> impl Iterator<Item = (u64, &mut Cached<M>)> {
        self.partitions.iter_mut().map(|(place, cached)| (*place, cached))
    }

    /// The partition in a place, which is marked no longer.
    pub(crate) fn wake(&mut self, place: u64) -> Option<Asked> {
        let cached = self.partitions.get_mut(&place)?;
        cached.idle = None;
        Some(cached.asked.clone())
    }

    /// Is what was found to be told? A partition of which records are told goes to the end, so that the others have
    /// their turn before it. `idle` marks one of which nothing more is to be told before it moves.
    pub(crate) fn answer(&mut self, place: u64, news: News, idle: Option<M>) -> bool {
        let is_told = self.tell(place, news);
        if news.has_records && is_told {
            self.move_to_end(place);
        } else if let Some(cached) = self.partitions.get_mut(&place) {
            cached.idle = idle;
        }
        is_told
    }

    /// Remembers what is told; `false` if it is no news.
    fn tell(&mut self, place: u64, news: News) -> bool {
        let Some(cached) = self.partitions.get_mut(&place) else { return false };
        let moved = (cached.high_watermark, cached.log_start) != (news.high_watermark, news.log_start);
        cached.high_watermark = if news.is_error { -1 } else { news.high_watermark };
        cached.log_start = news.log_start;
        moved || news.has_records || news.is_error || news.diverges || news.has_preferred_replica
    }

    fn move_to_end(&mut self, place: u64) {
        let Some(mut cached) = self.partitions.remove(&place) else { return };
        cached.idle = None;
        self.places.insert(Key::of(&cached.asked.topic, cached.asked.partition), self.next_place);
        self.partitions.insert(self.next_place, cached);
        self.next_place += 1;
    }

    fn name(&mut self, asked: Asked) -> u64 {
        let key = Key::of(&asked.topic, asked.partition);
        if let Some(place) = self.places.get(&key)
            && let Some(cached) = self.partitions.get_mut(place)
        {
            cached.asked.wanted = asked.wanted;
            cached.idle = None;
            return *place;
        }
        let place = self.next_place;
        self.next_place += 1;
        self.places.insert(key, place);
        self.partitions.insert(place, Cached::new(asked));
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUND: News = News {
        has_records: false,
        high_watermark: 10,
        log_start: 0,
        is_error: false,
        diverges: false,
        has_preferred_replica: false,
    };
    const RECORDS: News = News { has_records: true, ..FOUND };

    fn named(name: &str, partition: i32, offset: i64) -> Asked {
        let topic = FetchTopic { id: Uuid::ZERO, name: Some(name.into()) };
        let wanted = Wanted { offset, max_bytes: 100, current_epoch: -1, last_fetched_epoch: -1, log_start: -1 };
        Asked { topic, partition, wanted }
    }

    fn by_id(id: u8, name: Option<&str>, partition: i32) -> Asked {
        Asked { topic: FetchTopic { id: Uuid([id; 16]), name: name.map(Into::into) }, ..named("", partition, 0) }
    }

    fn session(partitions: i32) -> Session<&'static str> {
        Session::begin(false, (0..partitions).map(|partition| (named("t", partition, 0), FOUND)))
    }

    fn order(session: &mut Session<&'static str>) -> Vec<(i32, i64)> {
        session.partitions().map(|(_, cached)| (cached.asked.partition, cached.asked.wanted.offset)).collect()
    }

    fn place(session: &mut Session<&'static str>, partition: i32) -> u64 {
        session.partitions().find(|(_, cached)| cached.asked.partition == partition).expect("it is there").0
    }

    fn answer(session: &mut Session<&'static str>, partition: i32, news: News) -> bool {
        let place = place(session, partition);
        session.answer(place, news, None)
    }

    #[test]
    fn epochs_count_up_and_skip_those_with_a_meaning() {
        assert_eq!([0, 1, 7, i32::MAX, -1, -5].map(next_epoch), [1, 2, 8, 1, -1, -1]);
        let mut session = session(1);
        assert_eq!(session.epoch(), 1);
        assert_eq!(session.update(1, false, &[], &[]), Ok(1));
        assert_eq!(session.epoch(), 2);
        for wrong in [1, 3, -2] {
            assert_eq!(session.update(wrong, false, &[], &[]), Err(ErrorCode::InvalidFetchSessionEpoch));
        }
        assert_eq!(session.epoch(), 2, "a refused request moves nothing");
    }

    #[test]
    fn topics_stay_named_as_they_were() {
        assert_eq!(session(1).update(1, true, &[], &[]), Err(ErrorCode::FetchSessionTopicIdError));
        let mut session: Session<()> = Session::begin(true, [(by_id(1, Some("t"), 0), FOUND)]);
        assert_eq!(session.update(1, false, &[], &[]), Err(ErrorCode::FetchSessionTopicIdError));
        assert_eq!(session.update(9, false, &[], &[]), Err(ErrorCode::InvalidFetchSessionEpoch));
    }

    #[test]
    fn a_request_adds_changes_and_forgets() {
        let mut session = session(3);
        let forgotten = [(named("t", 1, 0).topic, 1), (named("u", 0, 0).topic, 0)];
        assert_eq!(session.update(1, false, &[named("t", 5, 7), named("t", 0, 9)], &forgotten), Ok(3));
        assert_eq!(order(&mut session), [(0, 9), (2, 0), (5, 7)]);
        // What is named and forgotten at once is forgotten.
        assert_eq!(session.update(2, false, &[named("t", 6, 1)], &[(named("t", 6, 0).topic, 6)]), Ok(3));
    }

    #[test]
    fn topics_are_forgotten_by_id_whatever_they_are_called() {
        let mut session: Session<()> =
            Session::begin(true, [(by_id(1, Some("t"), 0), FOUND), (by_id(2, None, 0), FOUND)]);
        let forgotten = [(FetchTopic { id: Uuid([1; 16]), name: None }, 0), (by_id(2, Some("u"), 0).topic, 0)];
        assert_eq!(session.update(1, true, &[], &forgotten), Ok(0));
    }

    #[test]
    fn a_session_without_partitions_does_not_go_on() {
        let mut session = session(1);
        assert_eq!(session.update(1, false, &[], &[(named("t", 0, 0).topic, 0)]), Ok(0));
        assert_eq!(session.epoch(), 1);
        assert!(order(&mut session).is_empty());
    }

    #[test]
    fn only_news_are_told() {
        let mut session = session(1);
        assert!(!answer(&mut session, 0, FOUND), "told when the session began");
        assert!(answer(&mut session, 0, RECORDS));
        for news in [
            News { high_watermark: 11, ..FOUND },
            News { high_watermark: 11, log_start: 3, ..FOUND },
            News { high_watermark: 2, log_start: 3, ..FOUND },
        ] {
            assert!(answer(&mut session, 0, news), "{news:?}");
            assert!(!answer(&mut session, 0, news), "{news:?} was told already");
        }
        let same = News { high_watermark: 2, log_start: 3, ..FOUND };
        for news in [News { diverges: true, ..same }, News { has_preferred_replica: true, ..same }] {
            assert!(answer(&mut session, 0, news) && answer(&mut session, 0, news), "{news:?}");
        }
    }

    #[test]
    fn errors_are_told_each_time_and_their_end_as_well() {
        let mut session = session(1);
        let error = News { is_error: true, high_watermark: -1, log_start: -1, ..FOUND };
        assert!(answer(&mut session, 0, error) && answer(&mut session, 0, error));
        assert!(answer(&mut session, 0, FOUND));
        // An error beside a known high watermark hides it as well.
        assert!(answer(&mut session, 0, News { is_error: true, ..FOUND }));
        assert!(answer(&mut session, 0, FOUND));
        assert!(!answer(&mut session, 0, FOUND));
    }

    #[test]
    fn a_new_partition_is_told_even_if_it_is_empty() {
        let mut session = session(1);
        assert_eq!(session.update(1, false, &[named("t", 1, 0)], &[]), Ok(2));
        assert!(answer(&mut session, 1, News { high_watermark: 0, ..FOUND }));
    }

    #[test]
    fn who_had_records_waits_for_the_others() {
        let mut session = session(4);
        for partition in [0, 2] {
            assert!(answer(&mut session, partition, RECORDS));
        }
        assert!(answer(&mut session, 3, News { high_watermark: 12, ..FOUND }), "news without records moves nobody");
        assert_eq!(order(&mut session), [(1, 0), (3, 0), (0, 0), (2, 0)]);
        // It is found by its name in its new place.
        assert_eq!(session.update(1, false, &[named("t", 0, 5)], &[(named("t", 2, 0).topic, 2)]), Ok(3));
        assert_eq!(order(&mut session), [(1, 0), (3, 0), (0, 5)]);
    }

    #[test]
    fn marks_last_until_the_partition_is_wanted_otherwise_or_the_world_changes() {
        let mut session = session(3);
        session.keep_marks_under(IsolationLevel::ReadUncommitted, 1);
        let marks = |session: &mut Session<&'static str>| {
            session.partitions().filter_map(|(_, cached)| cached.idle).collect::<Vec<_>>()
        };
        let mark_all = |session: &mut Session<&'static str>| {
            for (partition, mark) in [(0, "a"), (1, "b"), (2, "c")] {
                let place = place(session, partition);
                session.answer(place, FOUND, Some(mark));
            }
        };
        mark_all(&mut session);
        session.keep_marks_under(IsolationLevel::ReadUncommitted, 1);
        assert_eq!(marks(&mut session), ["a", "b", "c"]);
        assert_eq!(session.update(1, false, &[named("t", 1, 0)], &[]), Ok(3));
        assert_eq!(marks(&mut session), ["a", "c"]);
        let first = place(&mut session, 0);
        session.answer(first, RECORDS, Some("never with records"));
        assert_eq!(marks(&mut session), ["c"]);
        session.keep_marks_under(IsolationLevel::ReadCommitted, 1);
        assert!(marks(&mut session).is_empty());
        mark_all(&mut session);
        session.keep_marks_under(IsolationLevel::ReadCommitted, 2);
        assert!(marks(&mut session).is_empty());
    }
}
