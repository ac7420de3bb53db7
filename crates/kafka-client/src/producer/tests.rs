//! A producer against a broker that is played: one topic, whose partitions may become more.

use std::collections::VecDeque;

use kafka_types::ErrorCode;
use kafka_wire::{ApiKey, init_producer_id, metadata, produce};

use super::*;
use crate::fake::{self, Asked, Logged, Reply};

const SENDER: &str = "org.apache.kafka.clients.producer.internals.Sender";

/// What the broker answers, and what it was asked for.
#[derive(Debug, Default)]
struct World {
    partitions: i32,
    /// What comes of the next produces; `None` closes the connection. Afterwards all is well.
    outcomes: VecDeque<Option<ErrorCode>>,
    produced: Vec<i32>,
    looks: usize,
}

impl World {
    fn reply(&mut self, mut asked: Asked) -> Reply {
        match asked.key() {
            ApiKey::Metadata => {
                self.looks += 1;
                asked.usual(vec![topic(self.partitions)])
            }
            ApiKey::ApiVersions => asked.usual(Vec::new()),
            ApiKey::InitProducerId => {
                asked.answer(&init_producer_id::Response { producer_id: 9, ..Default::default() })
            }
            ApiKey::Produce => {
                let request = asked.request::<produce::Produce>();
                let outcome = self.outcomes.pop_front().unwrap_or(Some(ErrorCode::None));
                let Some(code) = outcome else { return Reply::Close };
                let asked_for = request.topic_data.into_iter().flat_map(|topic| topic.partition_data);
                let partitions: Vec<i32> = asked_for.map(|data| data.index).collect();
                if code == ErrorCode::None {
                    self.produced.extend(&partitions);
                }
                let answers = partitions.into_iter().map(|index| produce::PartitionProduceResponse {
                    index,
                    error_code: code.code(),
                    ..Default::default()
                });
                let topic = produce::TopicProduceResponse { name: "t".into(), partition_responses: answers.collect() };
                asked.answer(&produce::Response { responses: vec![topic], ..Default::default() })
            }
            other => panic!("{other}"),
        }
    }
}

fn topic(partitions: i32) -> metadata::MetadataResponseTopic {
    let partitions = (0..partitions)
        .map(|partition_index| metadata::MetadataResponsePartition { partition_index, ..Default::default() });
    metadata::MetadataResponseTopic { name: Some("t".into()), partitions: partitions.collect(), ..Default::default() }
}

async fn producer(world: World, settings: &[(&str, &str)]) -> (Producer, Arc<Mutex<World>>) {
    let world = Arc::new(Mutex::new(world));
    let asked = world.clone();
    let (server, _) = fake::broker(move |request| asked.lock().unwrap().reply(request)).await;
    let server = server.text();
    let mut all = vec![("bootstrap.servers", server.as_str()), ("client.id", "p"), ("retry.backoff.ms", "1")];
    all.extend(settings);
    (Producer::new(ProducerConfig::parse(all).unwrap()).await.unwrap(), world)
}

fn record(partition: Option<i32>) -> ProducerRecord {
    ProducerRecord { topic: "t".into(), partition, value: Some(Bytes::from_static(b"v")), ..ProducerRecord::default() }
}

/// A captured log is the thread's own, so all runs on one.
#[tokio::test]
async fn when_all_retries_are_used_up_the_last_answer_is_the_reason() {
    let (log, _guard) = fake::capture();
    let too_few = Some(ErrorCode::NotEnoughReplicas);
    let world = World { partitions: 1, outcomes: [too_few; 3].into(), ..World::default() };
    let (producer, _) = producer(world, &[("retries", "2")]).await;
    let error = producer.send(&record(None)).await.unwrap().await.unwrap_err();
    assert_eq!(error.exception(), "org.apache.kafka.common.errors.NotEnoughReplicasException");
    assert_eq!(error.to_string(), "Messages are rejected since there are fewer in-sync replicas than required.");
    let said: Vec<Logged> = log.lines().into_iter().filter(|line| line.1 == SENDER).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    for (left, line) in [(1, &said[0]), (0, &said[1])] {
        let end = format!(" on topic-partition t-0, retrying ({left} attempts left). Error: NOT_ENOUGH_REPLICAS");
        assert!(
            line.2.starts_with("[Producer clientId=p] Got error produce response with correlation id "),
            "{line:?}"
        );
        assert!(line.2.ends_with(&end), "{line:?}");
    }
}

#[tokio::test]
async fn a_broken_connection_is_told_and_tried_again() {
    let (log, _guard) = fake::capture();
    let world = World { partitions: 1, outcomes: [None].into(), ..World::default() };
    let (producer, world) = producer(world, &[]).await;
    producer.send(&record(None)).await.unwrap().await.unwrap();
    assert_eq!(world.lock().unwrap().produced, [0]);
    let said: Vec<Logged> = log.lines().into_iter().filter(|line| line.1 == SENDER).collect();
    assert!(said[0].2.ends_with("Error: NETWORK_EXCEPTION. Error Message: Disconnected from node 0"), "{said:?}");
    assert!(
        said[1].2.ends_with(
            "Received invalid metadata error in produce request on partition t-0 due to \
             org.apache.kafka.common.errors.NetworkException: Disconnected from node 0. Going to request metadata update \
             now"
        ),
        "{said:?}"
    );
}

#[tokio::test]
async fn partitions_that_are_added_are_seen_in_time() {
    let world = World { partitions: 1, ..World::default() };
    let (producer, world) = producer(world, &[("metadata.max.age.ms", "20")]).await;
    producer.send(&record(None)).await.unwrap().await.unwrap();
    assert!(producer.send(&record(Some(1))).await.is_err(), "there is no such partition yet");
    world.lock().unwrap().partitions = 2;
    for _ in 0..400 {
        // Each try that finds no such partition fails at once: only the look at the cluster can help.
        if let Ok(delivery) = producer.send(&record(Some(1))).await {
            assert_eq!(delivery.await.unwrap().partition, 1);
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the partition is not seen");
}

#[tokio::test]
async fn a_topic_that_gets_no_records_is_not_asked_for_any_more() {
    let settings = [("metadata.max.age.ms", "5"), ("metadata.max.idle.ms", "60000")];
    let (producer, world) = producer(World { partitions: 1, ..World::default() }, &settings).await;
    producer.send(&record(None)).await.unwrap().await.unwrap();
    let later = producer.shared.clock().tick().after(60_000);
    assert!(producer.shared.accumulator().topics_in_use(later, 60_000).is_empty());
    let looks = world.lock().unwrap().looks;
    for _ in 0..400 {
        if world.lock().unwrap().looks >= looks + 3 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it is in use, and not looked at again");
}
