//! Routing and its log lines, against brokers that closures play.

use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_wire::ApiKey;

use super::*;
use crate::fake::{Asked, Logged, Reply, broker, capture, vacant};

fn options(server: &HostPort) -> ClusterOptions {
    let mut options = ClusterOptions::new(vec![server.text()], "c");
    options.log_prefix = "[Producer clientId=c] ".to_owned();
    options.reconnect_backoff_ms = 1;
    options.connection.request_timeout_ms = 60_000;
    options
}

fn topic(name: &str, code: i16, leader: i32) -> metadata::MetadataResponseTopic {
    metadata::MetadataResponseTopic {
        name: Some(name.to_owned()),
        error_code: code,
        partitions: vec![metadata::MetadataResponsePartition {
            leader_id: leader,
            leader_epoch: 3,
            error_code: if leader < 0 { ErrorCode::LeaderNotAvailable.code() } else { 0 },
            ..metadata::MetadataResponsePartition::default()
        }],
        ..metadata::MetadataResponseTopic::default()
    }
}

#[tokio::test]
async fn leaders_are_asked_for_once() {
    static METADATA: AtomicUsize = AtomicUsize::new(0);
    let (server, _) = broker(|mut asked| {
        METADATA.fetch_add(usize::from(asked.key() == ApiKey::Metadata), Ordering::Relaxed);
        asked.usual(vec![topic("t", 0, 0)])
    })
    .await;
    let cluster = Cluster::new(options(&server)).await.unwrap();
    for _ in 0..3 {
        let (node, epoch) = cluster.leader(&TopicPartition::new("t", 0)).await.unwrap();
        assert_eq!((node.id, epoch), (BrokerId(0), LeaderEpoch(3)));
    }
    assert_eq!(METADATA.load(Ordering::Relaxed), 1);
    let error = cluster.leader(&TopicPartition::new("t", 1)).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
}

#[tokio::test]
async fn one_connection_per_broker_and_lane() {
    let (server, connections) = broker(|mut asked| asked.usual(Vec::new())).await;
    let cluster = Cluster::new(options(&server)).await.unwrap();
    cluster.refresh(Topics::None, false).await.unwrap();
    // The bootstrap address is another node to the client than the broker behind it, as in Java.
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    for _ in 0..3 {
        cluster.connection(BrokerId(0), Lane::Data).await.unwrap();
        cluster.connection(BrokerId(0), Lane::Coordinator).await.unwrap();
        cluster.controller().await.unwrap();
    }
    assert_eq!(connections.load(Ordering::Relaxed), 3);
    let standing = cluster.standing(BrokerId(0), Lane::Data).unwrap();
    standing.close(ConnectionError::ClosedHere);
    assert!(cluster.standing(BrokerId(0), Lane::Data).is_none());
    cluster.connection(BrokerId(0), Lane::Data).await.unwrap();
    assert_eq!(connections.load(Ordering::Relaxed), 4);
}

fn coordinator(asked: &mut Asked, batched: bool) -> Reply {
    let request = asked.request::<find_coordinator::FindCoordinator>();
    let port = i32::from(asked.port);
    let mut response = find_coordinator::Response::default();
    if batched {
        response.coordinators = vec![find_coordinator::Coordinator {
            key: request.coordinator_keys[0].clone(),
            node_id: 7,
            host: "127.0.0.1".to_owned(),
            port,
            ..find_coordinator::Coordinator::default()
        }];
    } else {
        assert_eq!(request.key, "g");
        (response.node_id, response.host, response.port) = (7, "127.0.0.1".to_owned(), port);
    }
    asked.answer(&response)
}

#[tokio::test]
async fn coordinators_are_found_by_old_and_new_brokers() {
    for newest in [3, 6] {
        let (server, _) = broker(move |mut asked| match asked.key() {
            ApiKey::FindCoordinator => coordinator(&mut asked, newest > 3),
            ApiKey::ApiVersions => asked.answer(&kafka_wire::api_versions::Response {
                api_keys: vec![kafka_wire::api_versions::ApiVersion {
                    api_key: ApiKey::FindCoordinator.code(),
                    min_version: 0,
                    max_version: newest,
                }],
                ..kafka_wire::api_versions::Response::default()
            }),
            other => panic!("{other} was asked"),
        })
        .await;
        let cluster = Cluster::new(options(&server)).await.unwrap();
        assert_eq!(cluster.coordinator(CoordinatorKind::Group, "g").await.unwrap().id, BrokerId(7));
        cluster.coordinator_connection(CoordinatorKind::Group, "g").await.unwrap();
        assert!(cluster.known_coordinator(CoordinatorKind::Transaction, "g").is_none());
        cluster.forget_coordinator(CoordinatorKind::Group, "g");
        assert!(cluster.known_coordinator(CoordinatorKind::Group, "g").is_none());
    }
}

#[tokio::test]
async fn a_broker_that_is_away_is_told_of_in_javas_words() {
    let server = vacant();
    let (logged, _guard) = capture();
    let cluster = Cluster::new(options(&server.address)).await.unwrap();
    assert!(cluster.any().await.is_err());
    let address = server.address.text();
    assert_eq!(
        logged.lines(),
        [
            Logged::warn(
                NETWORK_CLIENT,
                format!(
                    "[Producer clientId=c] Connection to node -1 (/{address}) could not be established. Node may not be \
                     available."
                )
            ),
            Logged::warn(
                NETWORK_CLIENT,
                format!("[Producer clientId=c] Bootstrap broker {address} (id: -1 rack: null) disconnected")
            ),
        ]
    );
}

#[tokio::test]
async fn topics_with_errors_are_told_of_in_javas_words() {
    let (server, _) =
        broker(|mut asked| asked.usual(vec![topic("bad name!", 17, 0), topic("new", 5, 0), topic("young", 0, -1)]))
            .await;
    let (logged, _guard) = capture();
    let cluster = Cluster::new(options(&server)).await.unwrap();
    cluster.refresh(Topics::All, false).await.unwrap();
    assert_eq!(
        logged.lines(),
        [
            Logged::warn(
                NETWORK_CLIENT,
                "[Producer clientId=c] The metadata response from the cluster reported a recoverable issue with \
                 correlation id 1 : {bad name!=INVALID_TOPIC_EXCEPTION, new=LEADER_NOT_AVAILABLE, \
                 young=LEADER_NOT_AVAILABLE}"
            ),
            Logged::error(
                "org.apache.kafka.clients.Metadata",
                "[Producer clientId=c] Metadata response reported invalid topics [bad name!]"
            ),
        ]
    );
}

#[tokio::test]
async fn hosts_without_an_address_are_configuration_errors() {
    let (logged, _guard) = capture();
    let of = |url: &str| Cluster::new(ClusterOptions::new(vec![url.to_owned()], "c"));
    let text = |error: Error| (error.exception(), error.to_string());
    let config = || "org.apache.kafka.common.config.ConfigException".to_owned();
    assert_eq!(
        text(of("no.such.host.invalid:9092").await.unwrap_err()),
        (config(), "No resolvable bootstrap urls given in bootstrap.servers".to_owned())
    );
    assert_eq!(
        logged.lines(),
        [Logged::warn(
            "org.apache.kafka.clients.ClientUtils",
            "Couldn't resolve server no.such.host.invalid:9092 from bootstrap.servers as DNS resolution failed for \
             no.such.host.invalid"
        )]
    );
    assert_eq!(
        text(of("localhost:abc").await.unwrap_err()),
        (config(), "Invalid url in bootstrap.servers: localhost:abc".to_owned())
    );
}

#[tokio::test]
async fn bootstrap_addresses_come_back_if_they_are_to() {
    // A broker that names a broker which is not there.
    let gone = vacant();
    let gone_port = i32::from(gone.address.port);
    let (server, _) = broker(move |mut asked| match asked.key() {
        ApiKey::Metadata => asked.answer(&metadata::Response {
            brokers: vec![metadata::MetadataResponseBroker {
                node_id: 4,
                host: "127.0.0.1".to_owned(),
                port: gone_port,
                rack: None,
            }],
            ..metadata::Response::default()
        }),
        _ => asked.usual(Vec::new()),
    })
    .await;
    for (rebootstrap, found) in [(true, true), (false, false)] {
        let cluster = Cluster::new(ClusterOptions { rebootstrap, ..options(&server) }).await.unwrap();
        cluster.refresh(Topics::None, false).await.unwrap();
        assert_eq!(cluster.any().await.is_ok(), found);
    }
}
