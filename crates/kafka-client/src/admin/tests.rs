//! Admin calls against brokers that closures play.

use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_types::{BrokerId, Uuid};
use kafka_wire::{ApiKey, create_topics, delete_topics, metadata};

use super::*;
use crate::bootstrap::HostPort;
use crate::fake::{Asked, Reply, broker, vacant};

async fn admin(server: &HostPort, timeout_ms: &str) -> Admin {
    let address = server.text();
    let settings = [
        ("bootstrap.servers", address.as_str()),
        ("default.api.timeout.ms", timeout_ms),
        ("retry.backoff.ms", "1"),
        ("client.id", "tester"),
    ];
    Admin::new(AdminConfig::parse(settings).unwrap()).await.unwrap()
}

fn topic(name: &str) -> NewTopic {
    NewTopic { name: name.to_owned(), partitions: Some(4), replication_factor: Some(1), ..NewTopic::default() }
}

fn create_all(asked: &mut Asked) -> Reply {
    let request = asked.request::<create_topics::CreateTopics>();
    let result = |topic: create_topics::CreatableTopic| {
        let exists = topic.name == "there";
        create_topics::CreatableTopicResult {
            error_code: if exists { 36 } else { 0 },
            error_message: exists.then(|| format!("Topic '{}' already exists.", topic.name)),
            topic_id: Uuid([1; 16]),
            num_partitions: topic.num_partitions,
            replication_factor: topic.replication_factor,
            name: topic.name,
            ..create_topics::CreatableTopicResult::default()
        }
    };
    asked.answer(&create_topics::Response {
        topics: request.topics.into_iter().map(result).collect(),
        ..create_topics::Response::default()
    })
}

#[tokio::test]
async fn topics_are_made_each_with_its_own_outcome() {
    let (server, _) = broker(|mut asked| match asked.key() {
        ApiKey::CreateTopics => create_all(&mut asked),
        _ => asked.usual(Vec::new()),
    })
    .await;
    let outcomes = admin(&server, "5000").await.create_topics(&[topic("new"), topic("there")], false).await.unwrap();
    let made = outcomes[0].1.as_ref().unwrap();
    assert_eq!((made.partitions, made.replication_factor), (Some(4), Some(1)));
    let error = outcomes[1].1.as_ref().unwrap_err();
    assert_eq!(error.to_string(), "Topic 'there' already exists.");
    assert_eq!(error.exception(), "org.apache.kafka.common.errors.TopicExistsException");
}

#[tokio::test]
async fn a_broker_that_is_no_controller_makes_the_call_look_again() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let (server, _) = broker(|mut asked| match asked.key() {
        ApiKey::DeleteTopics => {
            let request = asked.request::<delete_topics::DeleteTopics>();
            let code = if ASKED.fetch_add(1, Ordering::Relaxed) < 2 { 41 } else { 0 };
            let result = |topic: delete_topics::DeleteTopicState| delete_topics::DeletableTopicResult {
                name: topic.name,
                error_code: code,
                ..delete_topics::DeletableTopicResult::default()
            };
            asked.answer(&delete_topics::Response {
                responses: request.topics.into_iter().map(result).collect(),
                ..delete_topics::Response::default()
            })
        }
        _ => asked.usual(Vec::new()),
    })
    .await;
    let outcomes = admin(&server, "5000").await.delete_topics(&["t".to_owned()]).await.unwrap();
    assert_eq!(outcomes, [("t".to_owned(), Ok(()))]);
    assert_eq!(ASKED.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn without_a_broker_the_call_ends_in_javas_words() {
    let server = vacant();
    let error = admin(&server.address, "200").await.create_topics(&[topic("t")], false).await.unwrap_err();
    assert_eq!(error, Error::Timeout("Timed out waiting for a node assignment. Call: createTopics".to_owned()));
    assert_eq!(error.exception(), "org.apache.kafka.common.errors.TimeoutException");
}

#[tokio::test]
async fn a_broker_that_is_silent_is_given_up_in_javas_words() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let (server, _) = broker(|mut asked| match asked.key() {
        ApiKey::CreateTopics if ASKED.fetch_add(1, Ordering::Relaxed) == 0 => create_all(&mut asked),
        ApiKey::CreateTopics => Reply::Silence,
        _ => asked.usual(Vec::new()),
    })
    .await;
    // Time is short only when the controller is known and connected: it is not to end before anybody is asked.
    let mut admin = admin(&server, "60000").await;
    admin.create_topics(&[topic("t")], false).await.unwrap();
    admin.config.api_timeout_ms = 200;
    let error = admin.create_topics(&[topic("t")], false).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("Call(callName=createTopics, deadlineMs="), "{text}");
    assert!(text.ends_with(" after 1 attempt(s)"), "{text}");
}

#[tokio::test]
async fn topics_are_described_with_their_partitions() {
    let (server, _) = broker(|mut asked| {
        let partition = |index, leader_id| metadata::MetadataResponsePartition {
            partition_index: index,
            leader_id,
            replica_nodes: vec![0, 1],
            isr_nodes: vec![0],
            ..metadata::MetadataResponsePartition::default()
        };
        let known = metadata::MetadataResponseTopic {
            name: Some("known".to_owned()),
            partitions: vec![partition(1, -1), partition(0, 0)],
            ..metadata::MetadataResponseTopic::default()
        };
        let unknown = metadata::MetadataResponseTopic {
            name: Some("unknown".to_owned()),
            error_code: 3,
            ..metadata::MetadataResponseTopic::default()
        };
        asked.usual(vec![known, unknown])
    })
    .await;
    let names = ["known".to_owned(), "unknown".to_owned()];
    let (outcomes, cluster) =
        admin(&server, "5000").await.describe_topics(TopicSelection::Names(&names)).await.unwrap();
    let known = outcomes[0].1.as_ref().unwrap();
    assert_eq!(known.partitions[0].leader, Some(BrokerId(0)));
    assert_eq!(known.partitions[1].leader, None);
    assert_eq!(known.partitions[0].replicas, [BrokerId(0), BrokerId(1)]);
    assert_eq!(outcomes[1].1.as_ref().unwrap_err().to_string(), "This server does not host this topic-partition.");
    assert_eq!(cluster.controller, Some(BrokerId(0)));
}
