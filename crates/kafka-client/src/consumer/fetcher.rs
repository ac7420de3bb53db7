//! Which records to ask of which broker, and what to hand out of what came. Pure: the shell sends and receives.
//!
//! One request per broker is on its way at a time. While its answer is handed out the next one is fetched already, but
//! no partition gets further ahead than a response or two.

use std::collections::{BTreeMap, HashMap, VecDeque};

use kafka_types::{BrokerId, ErrorCode, LeaderEpoch, Offset, ProducerId, TopicPartition, Uuid};
use kafka_wire::fetch;
use time_types::Tick;

use super::fetched::{ConsumerRecord, Fetched, InvalidBatch, Reading};
use super::positions::Positions;
use super::session::{Session, Want};

/// What the fetcher needs to know of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchConfig {
    /// `fetch.min.bytes`
    pub min_bytes: i32,
    /// `fetch.max.bytes`
    pub max_bytes: i32,
    /// `fetch.max.wait.ms`
    pub max_wait_ms: i32,
    /// `max.partition.fetch.bytes`
    pub max_partition_bytes: i32,
    /// `max.poll.records`
    pub max_poll_records: usize,
    /// `isolation.level=read_committed`
    pub reads_committed: bool,
    /// `check.crcs`
    pub checks_crcs: bool,
    /// `client.rack`; empty if unset.
    pub rack_id: String,
}

impl Default for FetchConfig {
    fn default() -> FetchConfig {
        FetchConfig {
            min_bytes: 1,
            max_bytes: 50 << 20,
            max_wait_ms: 500,
            max_partition_bytes: 1 << 20,
            max_poll_records: 500,
            reads_committed: false,
            checks_crcs: true,
            rack_id: String::new(),
        }
    }
}

/// Where a partition is to be fetched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) leader: BrokerId,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) topic_id: Uuid,
}

/// A request to be sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) broker: BrokerId,
    pub(crate) request: fetch::Request,
    /// All its topics have ids, so that it may go in a version that names topics so.
    pub(crate) has_topic_ids: bool,
}

/// A partition that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) partition: TopicPartition,
    pub(crate) error: ErrorCode,
    /// From where it was asked for.
    pub(crate) offset: Offset,
    /// Not the leader was asked but a replica nearby: next time the leader will be.
    pub(crate) from_follower: bool,
}

/// Records of one partition, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRecords {
    /// Which partition.
    pub partition: TopicPartition,
    /// Its records.
    pub records: Vec<ConsumerRecord>,
}

#[derive(Debug, Default)]
struct Broker {
    session: Session,
    in_flight: bool,
    /// Jumps of each partition when the request was made.
    jumps: HashMap<TopicPartition, u64>,
}

/// Requests on their way, and what came.
#[derive(Debug)]
pub(crate) struct Fetcher {
    config: FetchConfig,
    brokers: BTreeMap<BrokerId, Broker>,
    /// What came and is not handed out, in the order in which it came.
    fetched: VecDeque<Fetched>,
    /// Bytes of it by partition, and where its next fetch goes on.
    ahead: HashMap<TopicPartition, Ahead>,
    /// Not to be asked for before then, after an error.
    not_before: HashMap<TopicPartition, Tick>,
    /// The leader said: read from this replica, it is near you (KIP-392).
    preferred: HashMap<TopicPartition, BrokerId>,
}

#[derive(Debug, Clone, Copy)]
struct Ahead {
    jumps: u64,
    responses: usize,
    next: Offset,
}

/// A partition with so many responses to be handed out is not fetched further.
const RESPONSES_AHEAD: usize = 2;

impl Fetcher {
    pub(crate) fn new(config: FetchConfig) -> Fetcher {
        Fetcher {
            config,
            brokers: BTreeMap::new(),
            fetched: VecDeque::new(),
            ahead: HashMap::new(),
            not_before: HashMap::new(),
            preferred: HashMap::new(),
        }
    }

    /// Requests for all brokers that have none on its way and something to read.
    pub(crate) fn requests(
        &mut self,
        now: Tick,
        positions: &Positions,
        source: impl Fn(&TopicPartition) -> Option<Source>,
    ) -> Vec<Outgoing> {
        self.not_before.retain(|_, at| *at > now);
        let mut wanted: BTreeMap<BrokerId, BTreeMap<TopicPartition, Want>> = BTreeMap::new();
        for partition in positions.assigned() {
            let (Some(offset), Some(source)) = (self.next_offset(&partition, positions), source(&partition)) else {
                continue;
            };
            let Source { leader, leader_epoch, topic_id } = source;
            let max_bytes = self.config.max_partition_bytes;
            let want = Want { offset, leader_epoch, topic_id, max_bytes };
            let broker = self.preferred.get(&partition).copied().unwrap_or(leader);
            wanted.entry(broker).or_default().insert(partition, want);
        }
        let is_idle = |broker: &BrokerId| self.brokers.get(broker).is_none_or(|broker| !broker.in_flight);
        wanted.retain(|broker, _| is_idle(broker));
        wanted.into_iter().map(|(broker, wanted)| self.request(broker, wanted, positions)).collect()
    }

    /// Where the next fetch of a partition goes on; `None` if it is not to be fetched now.
    fn next_offset(&self, partition: &TopicPartition, positions: &Positions) -> Option<Offset> {
        let is_held = positions.is_paused(partition) || self.not_before.contains_key(partition);
        let position = positions.get(partition).filter(|_| !is_held)?;
        match self.ahead.get(partition).filter(|ahead| positions.jumps(partition) == Some(ahead.jumps)) {
            Some(ahead) if ahead.responses >= RESPONSES_AHEAD => None,
            Some(ahead) => Some(ahead.next.max(position)),
            None => Some(position),
        }
    }

    fn request(&mut self, id: BrokerId, wanted: BTreeMap<TopicPartition, Want>, positions: &Positions) -> Outgoing {
        let broker = self.brokers.entry(id).or_default();
        broker.in_flight = true;
        let jumps = |partition: &TopicPartition| positions.jumps(partition).map(|jumps| (partition.clone(), jumps));
        broker.jumps = wanted.keys().filter_map(jumps).collect();
        let has_topic_ids = wanted.values().all(|want| !want.topic_id.is_zero());
        let mut request = fetch::Request {
            max_wait_ms: self.config.max_wait_ms,
            min_bytes: self.config.min_bytes,
            max_bytes: self.config.max_bytes,
            isolation_level: i8::from(self.config.reads_committed),
            rack_id: self.config.rack_id.clone(),
            ..fetch::Request::default()
        };
        broker.session.fill(&mut request, wanted);
        Outgoing { broker: id, request, has_topic_ids }
    }

    /// Nothing of this partition before then.
    pub(crate) fn hold(&mut self, partition: TopicPartition, until: Tick) {
        self.not_before.insert(partition, until);
    }

    /// When something that is held may be asked for again.
    pub(crate) fn next_release(&self) -> Option<Tick> {
        self.not_before.values().min().copied()
    }

    /// Leaders may know better replicas by now.
    pub(crate) fn forget_preferred(&mut self) {
        self.preferred.clear();
    }

    /// No answer came: nothing of these partitions before `until`.
    pub(crate) fn on_failure(&mut self, id: BrokerId, until: Tick) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        broker.in_flight = false;
        broker.session.on_failure();
        let partitions: Vec<_> = broker.jumps.keys().cloned().collect();
        for partition in partitions {
            self.preferred.remove(&partition);
            self.hold(partition, until);
        }
    }

    /// An answer came; what could not be read is the shell's to deal with.
    pub(crate) fn on_response(
        &mut self,
        id: BrokerId,
        response: fetch::Response,
        positions: &mut Positions,
    ) -> Vec<Failure> {
        let Some(broker) = self.brokers.get_mut(&id) else { return Vec::new() };
        broker.in_flight = false;
        broker.session.on_response(&response);
        if response.error_code != ErrorCode::None.code() {
            return Vec::new();
        }
        let mut failures = Vec::new();
        for topic in response.responses {
            let name = if topic.topic.is_empty() {
                self.brokers.get(&id).and_then(|broker| broker.session.topic_name(topic.topic_id))
            } else {
                Some(topic.topic.into())
            };
            let Some(name) = name else { continue };
            for data in topic.partitions {
                let partition = TopicPartition { topic: name.clone(), partition: data.partition_index };
                failures.extend(self.on_partition(id, partition, data, positions));
            }
        }
        failures
    }

    fn on_partition(
        &mut self,
        id: BrokerId,
        partition: TopicPartition,
        data: fetch::PartitionData,
        positions: &mut Positions,
    ) -> Option<Failure> {
        let broker = self.brokers.get(&id)?;
        let (jumps, offset) = (*broker.jumps.get(&partition)?, broker.session.asked(&partition)?.offset);
        // The consumer went elsewhere, or does not read it any more.
        if positions.jumps(&partition) != Some(jumps) {
            return None;
        }
        let error = ErrorCode::from_code(data.error_code);
        let mut fail = |error| {
            let from_follower = self.preferred.remove(&partition).is_some();
            Some(Failure { partition: partition.clone(), error, offset, from_follower })
        };
        if error.is_error() {
            return fail(error);
        }
        if data.preferred_read_replica >= 0 {
            self.preferred.insert(partition, BrokerId(data.preferred_read_replica));
            return None;
        }
        positions.on_high_watermark(&partition, Offset(data.high_watermark));
        let records = data.records.and_then(fetch_bytes).filter(|records| !records.is_empty())?;
        let aborted = data.aborted_transactions.unwrap_or_default();
        let aborted = aborted.into_iter().map(|one| (ProducerId(one.producer_id), Offset(one.first_offset)));
        let reading = Reading { reads_committed: self.config.reads_committed, checks_crcs: self.config.checks_crcs };
        let fetched = Fetched::new(partition.clone(), (offset, jumps), records, aborted.collect(), reading);
        // What cannot be read is met, with its reason, when it is to be handed out.
        let next = match fetched.end() {
            // Not one whole batch: brokers before 0.10.1 cut batches that are larger than the limit.
            Ok(next) if next == offset => return fail(ErrorCode::MessageTooLarge),
            Ok(next) => next,
            Err(_) => offset,
        };
        let ahead = self.ahead.entry(partition).or_insert(Ahead { jumps, responses: 0, next });
        if ahead.jumps != jumps {
            *ahead = Ahead { jumps, responses: 0, next };
        }
        ahead.responses += 1;
        ahead.next = next;
        self.fetched.push_back(fetched);
        None
    }

    /// Hands out at most `max.poll.records` records; positions go with them.
    pub(crate) fn drain(&mut self, positions: &mut Positions) -> Result<Vec<PartitionRecords>, InvalidBatch> {
        let mut drained: Vec<PartitionRecords> = Vec::new();
        let mut left = self.config.max_poll_records;
        let mut paused = Vec::new();
        while left > 0 {
            let Some(mut fetched) = self.fetched.pop_front() else { break };
            let partition = fetched.partition().clone();
            if positions.jumps(&partition) != Some(fetched.jumps) {
                self.forget(&partition, fetched.jumps);
                continue;
            }
            if positions.is_paused(&partition) {
                paused.push(fetched);
                continue;
            }
            let mut records = Vec::with_capacity(left.min(fetched.bytes_left() / 16 + 1));
            let outcome = take(&mut fetched, left, &mut records);
            left -= records.len();
            let epoch = records.last().map(|record| record.leader_epoch);
            positions.advance(&partition, fetched.position(), epoch);
            if !records.is_empty() {
                add(&mut drained, partition.clone(), records);
            }
            match outcome {
                Ok(true) => self.forget(&partition, fetched.jumps),
                Ok(false) => self.fetched.push_front(fetched),
                Err(error) => {
                    // What was read before is handed out first; the error is met again.
                    self.fetched.push_front(fetched);
                    if drained.is_empty() {
                        return Err(error);
                    }
                    break;
                }
            }
        }
        self.fetched.extend(paused);
        Ok(drained)
    }

    /// A response of this partition is done with.
    fn forget(&mut self, partition: &TopicPartition, jumps: u64) {
        let Some(ahead) = self.ahead.get_mut(partition).filter(|ahead| ahead.jumps == jumps) else { return };
        ahead.responses -= 1;
        if ahead.responses == 0 {
            self.ahead.remove(partition);
        }
    }
}

/// Takes up to `count` records; true when there are no more.
fn take(fetched: &mut Fetched, count: usize, records: &mut Vec<ConsumerRecord>) -> Result<bool, InvalidBatch> {
    while records.len() < count {
        match fetched.next()? {
            Some(record) => records.push(record),
            None => return Ok(true),
        }
    }
    Ok(false)
}

fn add(drained: &mut Vec<PartitionRecords>, partition: TopicPartition, records: Vec<ConsumerRecord>) {
    match drained.iter_mut().find(|earlier| earlier.partition == partition) {
        Some(earlier) => earlier.records.extend(records),
        None => drained.push(PartitionRecords { partition, records }),
    }
}

fn fetch_bytes(records: kafka_wire::Records) -> Option<bytes::Bytes> {
    match records {
        kafka_wire::Records::Bytes(bytes) => Some(bytes),
        kafka_wire::Records::Hole(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use kafka_record::{BatchBuilder, BatchOptions};

    use super::*;

    const NOW: Tick = Tick(0);

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn source(partition: &TopicPartition) -> Option<Source> {
        (*partition.topic == *"t").then_some(Source {
            leader: BrokerId(1),
            leader_epoch: LeaderEpoch(0),
            topic_id: Uuid([1; 16]),
        })
    }

    fn positions(partitions: i32) -> Positions {
        let mut positions = Positions::default();
        positions.set(&(0..partitions).map(tp).collect::<Vec<_>>());
        (0..partitions).for_each(|partition| positions.seek(&tp(partition), Offset(0)));
        positions
    }

    fn fetcher() -> Fetcher {
        Fetcher::new(FetchConfig { max_poll_records: 3, ..FetchConfig::default() })
    }

    /// The offsets that the one request asks for.
    fn asked(fetcher: &mut Fetcher, now: Tick, positions: &Positions) -> Vec<(i32, i64)> {
        let requests = fetcher.requests(now, positions, source);
        let partitions = requests.iter().flat_map(|one| &one.request.topics).flat_map(|topic| &topic.partitions);
        partitions.map(|one| (one.partition, one.fetch_offset)).collect()
    }

    fn answer(partition: i32, base: i64, count: i64) -> fetch::Response {
        let options = BatchOptions { base_offset: Offset(base), ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        (0..count).for_each(|_| builder.append(0, None, Some(b"v"), &[]).unwrap());
        let records = Some(kafka_wire::Records::Bytes(builder.finish()));
        let data = fetch::PartitionData { partition_index: partition, records, ..Default::default() };
        let topic =
            fetch::FetchableTopicResponse { topic_id: Uuid([1; 16]), partitions: vec![data], ..Default::default() };
        fetch::Response { responses: vec![topic], ..Default::default() }
    }

    fn offsets(fetcher: &mut Fetcher, positions: &mut Positions) -> Vec<i64> {
        let drained = fetcher.drain(positions).unwrap();
        drained.iter().flat_map(|one| &one.records).map(|record| record.record.offset.0).collect()
    }

    #[test]
    fn a_partition_is_fetched_ahead_but_not_without_end() {
        let (mut fetcher, mut positions) = (fetcher(), positions(1));
        assert_eq!(asked(&mut fetcher, NOW, &positions), [(0, 0)]);
        assert_eq!(asked(&mut fetcher, NOW, &positions), [], "one request at a time");
        fetcher.on_response(BrokerId(1), answer(0, 0, 5), &mut positions);
        assert_eq!(asked(&mut fetcher, NOW, &positions), [(0, 5)], "while the first is not handed out yet");
        fetcher.on_response(BrokerId(1), answer(0, 5, 5), &mut positions);
        assert_eq!(asked(&mut fetcher, NOW, &positions), []);
        assert_eq!(offsets(&mut fetcher, &mut positions), [0, 1, 2], "max.poll.records");
        assert_eq!(positions.get(&tp(0)), Some(Offset(3)));
        assert_eq!(offsets(&mut fetcher, &mut positions), [3, 4, 5]);
        assert_eq!(asked(&mut fetcher, NOW, &positions), [(0, 10)], "there is room again");
    }

    #[test]
    fn what_was_fetched_before_a_seek_is_dropped() {
        let (mut fetcher, mut positions) = (fetcher(), positions(1));
        asked(&mut fetcher, NOW, &positions);
        fetcher.on_response(BrokerId(1), answer(0, 0, 2), &mut positions);
        asked(&mut fetcher, NOW, &positions);
        positions.seek(&tp(0), Offset(50));
        fetcher.on_response(BrokerId(1), answer(0, 2, 2), &mut positions);
        assert_eq!(offsets(&mut fetcher, &mut positions), []);
        assert_eq!(asked(&mut fetcher, NOW, &positions), [(0, 50)]);
    }

    #[test]
    fn a_failure_holds_its_partitions_for_a_while() {
        let (mut fetcher, positions) = (fetcher(), positions(2));
        asked(&mut fetcher, NOW, &positions);
        fetcher.on_failure(BrokerId(1), Tick(100));
        assert_eq!(asked(&mut fetcher, Tick(99), &positions), []);
        assert_eq!(fetcher.next_release(), Some(Tick(100)));
        assert_eq!(asked(&mut fetcher, Tick(100), &positions), [(0, 0), (1, 0)]);
    }

    #[test]
    fn a_replica_nearby_is_read_until_it_fails() {
        let (mut fetcher, mut positions) = (fetcher(), positions(1));
        asked(&mut fetcher, NOW, &positions);
        let mut response = answer(0, 0, 1);
        response.responses[0].partitions[0].preferred_read_replica = 7;
        response.responses[0].partitions[0].records = None;
        fetcher.on_response(BrokerId(1), response, &mut positions);
        assert_eq!(fetcher.requests(NOW, &positions, source)[0].broker, BrokerId(7));
        let mut response = answer(0, 0, 1);
        response.responses[0].partitions[0].error_code = ErrorCode::OffsetOutOfRange.code();
        let failures = fetcher.on_response(BrokerId(7), response, &mut positions);
        assert!(failures[0].from_follower);
        assert_eq!(fetcher.requests(NOW, &positions, source)[0].broker, BrokerId(1));
    }
}
