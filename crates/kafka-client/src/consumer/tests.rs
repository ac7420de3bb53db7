//! A consumer against a broker that is played: one topic of two partitions, one group.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kafka_record::{BatchBuilder, BatchOptions};
use kafka_types::Uuid;
use kafka_wire::{
    ApiKey, Records as WireRecords, fetch, find_coordinator, heartbeat, join_group, leave_group, list_offsets,
    metadata, offset_commit, offset_fetch, sync_group,
};

use super::*;
use crate::fake::{self, Asked, Reply};

const TOPIC_ID: Uuid = Uuid([7; 16]);
const FIRST_OFFSET: i64 = 2;

/// What the broker holds and what it was asked for.
#[derive(Debug, Default)]
struct World {
    /// Metadata requests that are answered before the topic exists.
    topic_comes_after: usize,
    /// Errors of the next fetches.
    fetch_errors: Vec<ErrorCode>,
    /// Values of each partition, from [`FIRST_OFFSET`] on.
    values: BTreeMap<i32, Vec<String>>,
    committed: BTreeMap<i32, i64>,
    generation: i32,
    joins: usize,
    beats: usize,
    left: Vec<String>,
}

impl World {
    fn of(values: &[(i32, &[&str])]) -> Arc<Mutex<World>> {
        let values = values
            .iter()
            .map(|(partition, values)| (*partition, values.iter().map(|value| (*value).to_owned()).collect()));
        Arc::new(Mutex::new(World { values: values.collect(), ..World::default() }))
    }

    fn reply(&mut self, mut asked: Asked) -> Reply {
        match asked.key() {
            ApiKey::Metadata => {
                let exists = self.topic_comes_after == 0;
                self.topic_comes_after = self.topic_comes_after.saturating_sub(1);
                asked.usual(vec![topic(exists)])
            }
            ApiKey::ApiVersions => asked.usual(Vec::new()),
            ApiKey::FindCoordinator => asked.answer(&find_coordinator::Response {
                coordinators: vec![find_coordinator::Coordinator {
                    host: "127.0.0.1".into(),
                    port: i32::from(asked.port),
                    ..Default::default()
                }],
                ..Default::default()
            }),
            ApiKey::JoinGroup => {
                let request = asked.request::<join_group::JoinGroup>();
                asked.answer(&self.join(request))
            }
            ApiKey::SyncGroup => {
                let request = asked.request::<sync_group::SyncGroup>();
                let assignment = request.assignments.first().map(|one| one.assignment.clone()).unwrap_or_default();
                asked.answer(&sync_group::Response { assignment, ..Default::default() })
            }
            ApiKey::Heartbeat => {
                self.beats += 1;
                asked.answer(&heartbeat::Response::default())
            }
            ApiKey::LeaveGroup => {
                let request = asked.request::<leave_group::LeaveGroup>();
                self.left.extend(request.members.into_iter().map(|member| member.member_id));
                asked.answer(&leave_group::Response::default())
            }
            ApiKey::OffsetFetch => {
                let request = asked.request::<offset_fetch::OffsetFetch>();
                asked.answer(&self.offset_fetch(request))
            }
            ApiKey::OffsetCommit => {
                let request = asked.request::<offset_commit::OffsetCommit>();
                asked.answer(&self.offset_commit(request))
            }
            ApiKey::ListOffsets => {
                let request = asked.request::<list_offsets::ListOffsets>();
                asked.answer(&self.list_offsets(request))
            }
            ApiKey::Fetch => {
                let request = asked.request::<fetch::Fetch>();
                asked.answer(&self.fetch(request))
            }
            other => panic!("{other}"),
        }
    }

    fn join(&mut self, request: join_group::Request) -> join_group::Response {
        self.joins += 1;
        if request.member_id.is_empty() {
            let error_code = ErrorCode::MemberIdRequired.code();
            return join_group::Response { error_code, member_id: "me".into(), ..Default::default() };
        }
        self.generation += 1;
        let protocol = request.protocols.into_iter().next().unwrap();
        join_group::Response {
            generation_id: self.generation,
            protocol_type: Some(request.protocol_type),
            protocol_name: Some(protocol.name),
            leader: "me".into(),
            member_id: "me".into(),
            members: vec![join_group::JoinGroupResponseMember {
                member_id: "me".into(),
                metadata: protocol.metadata,
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn offset_fetch(&self, request: offset_fetch::Request) -> offset_fetch::Response {
        let group = request.groups.into_iter().next().unwrap();
        let topics = group.topics.unwrap().into_iter().map(|topic| offset_fetch::OffsetFetchResponseTopics {
            name: topic.name,
            partitions: topic
                .partition_indexes
                .into_iter()
                .map(|partition_index| offset_fetch::OffsetFetchResponsePartitions {
                    partition_index,
                    committed_offset: self.committed.get(&partition_index).copied().unwrap_or(-1),
                    ..Default::default()
                })
                .collect(),
        });
        let group = offset_fetch::OffsetFetchResponseGroup {
            group_id: group.group_id,
            topics: topics.collect(),
            ..Default::default()
        };
        offset_fetch::Response { groups: vec![group], ..Default::default() }
    }

    fn offset_commit(&mut self, request: offset_commit::Request) -> offset_commit::Response {
        let topics = request.topics.into_iter().map(|topic| offset_commit::OffsetCommitResponseTopic {
            name: topic.name,
            partitions: topic
                .partitions
                .into_iter()
                .map(|one| {
                    let is_of_generation = request.generation_id_or_member_epoch == self.generation;
                    if is_of_generation {
                        self.committed.insert(one.partition_index, one.committed_offset);
                    }
                    let error = if is_of_generation { ErrorCode::None } else { ErrorCode::IllegalGeneration };
                    let (partition_index, error_code) = (one.partition_index, error.code());
                    offset_commit::OffsetCommitResponsePartition { partition_index, error_code }
                })
                .collect(),
        });
        offset_commit::Response { topics: topics.collect(), ..Default::default() }
    }

    fn end(&self, partition: i32) -> i64 {
        FIRST_OFFSET + self.values.get(&partition).map_or(0, |values| values.len() as i64)
    }

    fn list_offsets(&self, request: list_offsets::Request) -> list_offsets::Response {
        let topics = request.topics.into_iter().map(|topic| list_offsets::ListOffsetsTopicResponse {
            name: topic.name,
            partitions: topic
                .partitions
                .into_iter()
                .map(|one| list_offsets::ListOffsetsPartitionResponse {
                    partition_index: one.partition_index,
                    offset: if one.timestamp == -2 { FIRST_OFFSET } else { self.end(one.partition_index) },
                    ..Default::default()
                })
                .collect(),
        });
        list_offsets::Response { topics: topics.collect(), ..Default::default() }
    }

    fn fetch(&mut self, request: fetch::Request) -> fetch::Response {
        let error = self.fetch_errors.pop();
        let responses = request.topics.into_iter().map(|topic| {
            assert_eq!(topic.topic_id, TOPIC_ID, "topics go by id");
            let partitions = topic.partitions.iter().map(|one| match error {
                Some(error) => fetch::PartitionData {
                    partition_index: one.partition,
                    error_code: error.code(),
                    ..Default::default()
                },
                None => self.read(one.partition, one.fetch_offset),
            });
            let partitions = partitions.collect();
            fetch::FetchableTopicResponse { topic_id: topic.topic_id, partitions, ..Default::default() }
        });
        fetch::Response { responses: responses.collect(), ..Default::default() }
    }

    fn read(&self, partition: i32, from: i64) -> fetch::PartitionData {
        let partition_index = partition;
        if !(FIRST_OFFSET..=self.end(partition)).contains(&from) {
            let error_code = ErrorCode::OffsetOutOfRange.code();
            return fetch::PartitionData { partition_index, error_code, ..Default::default() };
        }
        let values = self.values.get(&partition).map_or(&[][..], Vec::as_slice);
        let rest = &values[(from - FIRST_OFFSET) as usize..];
        let records = if rest.is_empty() { Bytes::new() } else { batch(from, rest) };
        let records = Some(WireRecords::Bytes(records));
        fetch::PartitionData { partition_index, high_watermark: self.end(partition), records, ..Default::default() }
    }
}

fn topic(exists: bool) -> metadata::MetadataResponseTopic {
    let error = if exists { ErrorCode::None } else { ErrorCode::LeaderNotAvailable };
    let partitions = (0..2).map(|partition_index| metadata::MetadataResponsePartition {
        partition_index,
        leader_epoch: 4,
        ..Default::default()
    });
    metadata::MetadataResponseTopic {
        error_code: error.code(),
        name: Some("t".into()),
        topic_id: TOPIC_ID,
        partitions: if exists { partitions.collect() } else { Vec::new() },
        ..Default::default()
    }
}

fn batch(base: i64, values: &[String]) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions { base_offset: Offset(base), ..BatchOptions::default() });
    for value in values {
        builder.append(7, None, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.finish()
}

async fn consumer(world: &Arc<Mutex<World>>, settings: &[(&str, &str)]) -> Consumer {
    let world = world.clone();
    let (server, _) = fake::broker(move |asked| world.lock().unwrap().reply(asked)).await;
    let server = server.text();
    let mut all = vec![("bootstrap.servers", server.as_str()), ("client.id", "c"), ("auto.offset.reset", "earliest")];
    all.extend(settings);
    Consumer::new(ConsumerConfig::parse(all).unwrap()).await.unwrap()
}

/// Polls until `count` records came.
async fn read(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    for _ in 0..500 {
        let records = consumer.poll(Duration::from_millis(20)).await.unwrap();
        values.extend(records.iter().map(|(partition, record)| {
            let value = String::from_utf8_lossy(record.record.value.as_ref().unwrap()).into_owned();
            format!("{partition}@{} {value}", record.record.offset)
        }));
        if values.len() >= count {
            values.sort();
            return values;
        }
    }
    panic!("only {values:?}");
}

/// Polls until that fails.
async fn refusal(consumer: &mut Consumer) -> Error {
    for _ in 0..500 {
        if let Err(error) = consumer.poll(Duration::from_millis(20)).await {
            return error;
        }
    }
    panic!("it goes on");
}

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

#[tokio::test]
async fn a_member_reads_commits_and_leaves() {
    let world = World::of(&[(0, &["a", "b"]), (1, &["c"])]);
    let mut consumer = consumer(&world, &[("group.id", "g")]).await;
    consumer.subscribe(["t"]).unwrap();
    assert_eq!(read(&mut consumer, 3).await, ["t-0@2 a", "t-0@3 b", "t-1@2 c"]);
    assert_eq!(consumer.assignment(), [tp(0), tp(1)]);
    assert_eq!((consumer.position(&tp(0)), consumer.lag(&tp(0))), (Some(Offset(4)), Some(0)));
    consumer.commit().await.unwrap();
    assert_eq!(world.lock().unwrap().committed, [(0, 4), (1, 3)].into());
    assert_eq!(consumer.committed(&[tp(0)]).await.unwrap()[&tp(0)].offset, Offset(4));
    consumer.close(Duration::from_secs(5)).await.unwrap();
    let world = world.lock().unwrap();
    assert_eq!((&*world.left, world.joins), (&["me".to_owned()][..], 2));
}

#[tokio::test]
async fn closing_commits_what_was_read_and_the_next_goes_on_there() {
    let world = World::of(&[(0, &["a", "b", "c"])]);
    let mut first = consumer(&world, &[("group.id", "g"), ("max.poll.records", "2")]).await;
    first.subscribe(["t"]).unwrap();
    assert_eq!(read(&mut first, 2).await, ["t-0@2 a", "t-0@3 b"]);
    first.close(Duration::from_secs(5)).await.unwrap();
    assert_eq!(world.lock().unwrap().committed.get(&0), Some(&4));
    let mut second = consumer(&world, &[("group.id", "g")]).await;
    second.subscribe_pattern(|topic| topic.starts_with('t')).unwrap();
    assert_eq!(read(&mut second, 1).await, ["t-0@4 c"]);
}

#[tokio::test]
async fn a_topic_that_comes_to_exist_is_warned_of_and_then_read() {
    let world = World::of(&[(1, &["a"])]);
    world.lock().unwrap().topic_comes_after = 3;
    let (log, _guard) = fake::capture();
    let mut consumer = consumer(&world, &[("group.id", "g")]).await;
    consumer.subscribe(["t"]).unwrap();
    assert_eq!(read(&mut consumer, 1).await, ["t-1@2 a"]);
    let lines = log.lines();
    let text = "[Consumer clientId=c, groupId=g] The metadata response from the cluster reported a recoverable issue \
                with correlation id 1 : {t=LEADER_NOT_AVAILABLE}";
    assert_eq!(lines.first(), Some(&fake::Logged::warn("org.apache.kafka.clients.NetworkClient", text)));
}

#[tokio::test]
async fn chosen_partitions_need_no_group() {
    let world = World::of(&[(0, &["a", "b"]), (1, &["c"])]);
    let mut consumer = consumer(&world, &[]).await;
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(read(&mut consumer, 2).await, ["t-0@2 a", "t-0@3 b"]);
    consumer.seek(&tp(0), Offset(3)).unwrap();
    assert_eq!(read(&mut consumer, 1).await, ["t-0@3 b"]);
    consumer.seek_to_beginning(&[]).unwrap();
    assert_eq!(read(&mut consumer, 2).await, ["t-0@2 a", "t-0@3 b"]);
    consumer.seek_to_end(&[]).unwrap();
    for _ in 0..500 {
        assert!(consumer.poll(Duration::from_millis(20)).await.unwrap().is_empty());
        if consumer.position(&tp(0)).is_some() {
            break;
        }
    }
    assert_eq!(consumer.position(&tp(0)), Some(Offset(4)));
    let ends = consumer.end_offsets(&[tp(0), tp(1)]).await.unwrap();
    assert_eq!(ends, [(tp(0), Offset(4)), (tp(1), Offset(3))].into());
    assert_eq!(consumer.beginning_offsets(&[tp(1)]).await.unwrap(), [(tp(1), Offset(2))].into());
    let error = consumer.seek(&tp(9), Offset(0)).unwrap_err();
    assert_eq!(error.to_string(), "No current assignment for partition t-9");
    assert!(consumer.subscribe(["t"]).is_err());
}

#[tokio::test]
async fn an_offset_out_of_range_is_reset_or_an_error() {
    let world = World::of(&[(0, &["a"])]);
    let mut resets = consumer(&world, &[]).await;
    resets.assign([tp(0)]).unwrap();
    resets.seek(&tp(0), Offset(99)).unwrap();
    assert_eq!(read(&mut resets, 1).await, ["t-0@2 a"]);

    let mut fails = consumer(&world, &[("auto.offset.reset", "none")]).await;
    fails.assign([tp(0)]).unwrap();
    fails.seek(&tp(0), Offset(99)).unwrap();
    let error = refusal(&mut fails).await;
    assert_eq!(error.code(), Some(ErrorCode::OffsetOutOfRange));
    assert_eq!(error.exception(), "org.apache.kafka.clients.consumer.OffsetOutOfRangeException");
}

#[tokio::test]
async fn without_offset_and_policy_there_is_an_error() {
    let world = World::of(&[(0, &["a"])]);
    let mut consumer = consumer(&world, &[("auto.offset.reset", "none")]).await;
    consumer.assign([tp(0)]).unwrap();
    let error = refusal(&mut consumer).await;
    assert_eq!(error.to_string(), "Undefined offset with no reset policy for partitions: [t-0]");
    assert_eq!(error.exception(), "org.apache.kafka.clients.consumer.NoOffsetForPartitionException");
}

#[tokio::test]
async fn fetch_errors_that_pass_are_retried() {
    let world = World::of(&[(0, &["a"])]);
    world.lock().unwrap().fetch_errors =
        vec![ErrorCode::NotLeaderOrFollower, ErrorCode::UnknownTopicOrPartition, ErrorCode::FencedLeaderEpoch];
    let mut consumer = consumer(&world, &[("retry.backoff.ms", "5")]).await;
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(read(&mut consumer, 1).await, ["t-0@2 a"]);
}

#[tokio::test]
async fn paused_partitions_are_neither_fetched_nor_handed_out() {
    let world = World::of(&[(0, &["a"]), (1, &["b"])]);
    let mut consumer = consumer(&world, &[]).await;
    consumer.assign([tp(0), tp(1)]).unwrap();
    consumer.pause(&[tp(0)]).unwrap();
    assert_eq!(read(&mut consumer, 1).await, ["t-1@2 b"]);
    assert!(consumer.poll(Duration::from_millis(50)).await.unwrap().is_empty());
    consumer.resume(&[tp(0)]).unwrap();
    assert_eq!(read(&mut consumer, 1).await, ["t-0@2 a"]);
}

#[tokio::test]
async fn a_lost_generation_is_joined_anew() {
    let world = World::of(&[(0, &["a"])]);
    let settings = [("group.id", "g"), ("enable.auto.commit", "false"), ("retry.backoff.ms", "5")];
    let mut consumer = consumer(&world, &settings).await;
    consumer.subscribe(["t"]).unwrap();
    read(&mut consumer, 1).await;
    world.lock().unwrap().generation = 10;
    let error = consumer.commit().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::IllegalGeneration));
    assert!(error.to_string().contains("is not part of an active group"), "{error}");
    // Lost without a commit: what was read is read again, by whoever gets it.
    assert_eq!(read(&mut consumer, 1).await, ["t-0@2 a"]);
    consumer.commit().await.unwrap();
    assert_eq!(world.lock().unwrap().committed.get(&0), Some(&3));
}

/// Waits, and does not poll, until the broker's side is as `done` wants it.
async fn wait(world: &Arc<Mutex<World>>, done: impl Fn(&World) -> bool) {
    for _ in 0..6_000 {
        if done(&world.lock().unwrap()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", world.lock().unwrap());
}

#[tokio::test]
async fn the_heart_beats_while_nobody_polls() {
    let world = World::of(&[(0, &["a"])]);
    let mut consumer = consumer(&world, &[("group.id", "g"), ("heartbeat.interval.ms", "20")]).await;
    consumer.subscribe(["t"]).unwrap();
    read(&mut consumer, 1).await;
    let beats = world.lock().unwrap().beats;
    wait(&world, |world| world.beats >= beats + 2).await;
    assert!(world.lock().unwrap().left.is_empty());
}

#[tokio::test]
async fn the_heart_gives_up_when_nobody_ever_polls() {
    let world = World::of(&[(0, &["a"])]);
    let settings = [("group.id", "g"), ("max.poll.interval.ms", "300"), ("retry.backoff.ms", "5")];
    let mut consumer = consumer(&world, &settings).await;
    consumer.subscribe(["t"]).unwrap();
    read(&mut consumer, 1).await;
    wait(&world, |world| !world.left.is_empty()).await;
    assert_eq!(world.lock().unwrap().left[0], "me");
    // A poll brings it back.
    let joins = world.lock().unwrap().joins;
    for _ in 0..500 {
        consumer.poll(Duration::from_millis(20)).await.unwrap();
        if world.lock().unwrap().joins > joins {
            return;
        }
    }
    panic!("it stays away");
}
