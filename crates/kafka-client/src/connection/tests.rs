//! Connections over real sockets: the handshake with old brokers, the order of answers, ends of all kinds.

use kafka_types::ErrorCode;
use kafka_wire::{api_versions, heartbeat, metadata};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::fake::{Asked, Reply, broker, vacant};

fn options() -> ConnectionOptions {
    ConnectionOptions { client_id: "test".to_owned(), request_timeout_ms: 60_000, ..ConnectionOptions::default() }
}

fn beat(generation: i32) -> heartbeat::Request {
    heartbeat::Request { group_id: "g".to_owned(), generation_id: generation, ..heartbeat::Request::default() }
}

/// Answers heartbeats with their generation as the throttle time.
fn echo(mut asked: Asked) -> Reply {
    match asked.key() {
        ApiKey::Heartbeat => {
            let generation = asked.request::<heartbeat::Heartbeat>().generation_id;
            asked.answer(&heartbeat::Response { throttle_time_ms: generation, error_code: 0 })
        }
        _ => asked.usual(Vec::new()),
    }
}

#[tokio::test]
async fn answers_come_in_the_order_of_requests() {
    let (server, _) = broker(echo).await;
    let connection = Connection::open(&server, &options()).await.unwrap();
    let version = connection.version::<heartbeat::Heartbeat>().unwrap();
    let mut calls = Vec::new();
    for generation in 0..200 {
        calls.push(connection.start::<heartbeat::Heartbeat>(version, &beat(generation)).await.unwrap());
    }
    for (generation, call) in calls.iter_mut().enumerate() {
        assert_eq!(call.answer().await.unwrap().throttle_time_ms, generation as i32);
    }
    assert_eq!(connection.in_flight(), 0);
}

#[tokio::test]
async fn a_call_that_is_dropped_does_not_shift_the_answers() {
    let (server, _) = broker(echo).await;
    let connection = Connection::open(&server, &options()).await.unwrap();
    drop(connection.start::<heartbeat::Heartbeat>(4, &beat(1)).await.unwrap());
    assert_eq!(connection.call::<heartbeat::Heartbeat>(beat(2)).await.unwrap().throttle_time_ms, 2);
}

#[tokio::test]
async fn an_older_broker_is_asked_again_in_its_own_version() {
    let (server, _) = broker(|asked| match asked.header.api_version {
        4 => asked.answer_in(
            0,
            &api_versions::Response {
                error_code: ErrorCode::UnsupportedVersion.code(),
                api_keys: vec![api_versions::ApiVersion { api_key: 18, min_version: 0, max_version: 2 }],
                ..api_versions::Response::default()
            },
        ),
        2 => asked.answer(&api_versions::Response {
            api_keys: vec![api_versions::ApiVersion { api_key: 3, min_version: 0, max_version: 5 }],
            ..api_versions::Response::default()
        }),
        other => panic!("version {other} was asked"),
    })
    .await;
    let connection = Connection::open(&server, &options()).await.unwrap();
    assert_eq!(connection.version::<metadata::Metadata>(), Ok(5));
    assert_eq!(
        connection.call::<heartbeat::Heartbeat>(beat(0)).await,
        Err(ConnectionError::UnsupportedVersion { api: ApiKey::Heartbeat })
    );
}

#[tokio::test]
async fn a_broker_that_names_no_range_is_asked_in_version_0() {
    let (server, _) = broker(|asked| match asked.header.api_version {
        0 => asked.answer(&api_versions::Response::default()),
        _ => asked.answer_in(0, &api_versions::Response { error_code: 35, ..api_versions::Response::default() }),
    })
    .await;
    assert_eq!(Connection::open(&server, &options()).await.unwrap().versions().iter().count(), 0);
}

#[tokio::test]
async fn silence_closes_the_connection() {
    let (server, _) = broker(|_| Reply::Silence).await;
    // Nothing is negotiated, for that would have the same short time.
    let options = ConnectionOptions { request_timeout_ms: 50, negotiate: false, ..options() };
    let connection = Connection::open(&server, &options).await.unwrap();
    let mut behind = connection.start::<heartbeat::Heartbeat>(4, &beat(1)).await.unwrap();
    let late = ConnectionError::Timeout { api: ApiKey::Heartbeat, timeout_ms: 50 };
    assert_eq!(connection.call_at::<heartbeat::Heartbeat>(4, beat(2)).await, Err(late.clone()));
    assert_eq!(behind.answer().await, Err(late.clone()));
    assert_eq!(connection.closed(), Some(late.clone()));
    assert_eq!(connection.call_at::<heartbeat::Heartbeat>(4, beat(3)).await, Err(late));
}

#[tokio::test]
async fn a_broker_that_hangs_up_fails_all_that_waits() {
    let (server, _) = broker(|mut asked| match asked.key() {
        ApiKey::Heartbeat => Reply::Close,
        _ => asked.usual(Vec::new()),
    })
    .await;
    let connection = Connection::open(&server, &options()).await.unwrap();
    let closed = ConnectionError::Closed { address: format!("/{}", server.text()) };
    assert_eq!(connection.call::<heartbeat::Heartbeat>(beat(2)).await, Err(closed.clone()));
    assert_eq!(connection.wait_closed().await, closed);
}

#[tokio::test]
async fn the_last_handle_closes_the_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
    let options = ConnectionOptions { negotiate: false, ..options() };
    let connection = Connection::open(&server, &options).await.unwrap();
    let (mut socket, _) = listener.accept().await.unwrap();
    drop(connection);
    assert_eq!(socket.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable() {
    let server = vacant();
    let error = Connection::open(&server.address, &options()).await.unwrap_err();
    let named = format!("/{}", server.address.text());
    assert!(matches!(error, ConnectionError::Unreachable { ref address, .. } if *address == named));
}

#[tokio::test]
async fn zookeepers_port_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HostPort::new("127.0.0.1", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut first = [0; 4];
            socket.read_exact(&mut first).await.unwrap();
            if &first == b"srvr" {
                socket.write_all(b"Zookeeper version: 3.8.4\n").await.unwrap();
            }
        }
    });
    let error = Connection::open(&server, &options()).await.unwrap_err();
    assert!(matches!(error, ConnectionError::ZooKeeper { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_to_another_question_is_refused() {
    let (server, _) = broker(|mut asked| match asked.key() {
        ApiKey::Heartbeat => {
            asked.header.correlation_id += 1;
            asked.answer(&heartbeat::Response::default())
        }
        _ => asked.usual(Vec::new()),
    })
    .await;
    let connection = Connection::open(&server, &options()).await.unwrap();
    let error = connection.call::<heartbeat::Heartbeat>(beat(1)).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Protocol { .. }));
    assert_eq!(connection.closed(), Some(error));
}

#[tokio::test]
async fn what_a_version_cannot_say_is_not_sent() {
    let (server, _) = broker(echo).await;
    let connection = Connection::open(&server, &options()).await.unwrap();
    let request = heartbeat::Request { group_instance_id: Some("static".to_owned()), ..beat(7) };
    let error = connection.call_at::<heartbeat::Heartbeat>(0, request).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Unencodable { api: ApiKey::Heartbeat, .. }));
    assert_eq!(connection.call::<heartbeat::Heartbeat>(beat(8)).await.unwrap().throttle_time_ms, 8);
}
