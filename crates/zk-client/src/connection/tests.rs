//! The client over real sockets, against a server that the test plays.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use zk_proto::ops::GetDataResponse;
use zk_proto::{
    ConnectRequest, ConnectResponse, ErrorCode, Jute, OpCode, Reader, ReplyHeader, RequestHeader, SessionId, Stat, Zxid,
};

use super::*;
use crate::{Client, Options};

async fn read_frame(stream: &mut TcpStream) -> Bytes {
    let length = stream.read_u32().await.unwrap();
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame).await.unwrap();
    Bytes::from(frame)
}

async fn write_frame(stream: &mut TcpStream, frame: &[u8]) {
    stream.write_all(&(frame.len() as u32).to_be_bytes()).await.unwrap();
    stream.write_all(frame).await.unwrap();
}

async fn accept(listener: &TcpListener) -> (TcpStream, ConnectRequest) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let request = ConnectRequest::from_bytes(read_frame(&mut stream).await).unwrap();
    let response = ConnectResponse {
        protocol_version: 0,
        // No ping comes between the requests, however long the test is kept from going on.
        timeout_ms: 600_000,
        session_id: SessionId(42),
        password: Some(Bytes::from(vec![1; 16])),
        read_only: Some(false),
    };
    write_frame(&mut stream, &response.to_bytes()).await;
    (stream, request)
}

async fn answer_get(stream: &mut TcpStream, data: &'static [u8]) -> String {
    let mut reader = Reader::new(read_frame(stream).await);
    let header = RequestHeader::read(&mut reader).unwrap();
    assert_eq!(header.op, OpCode::GetData.code());
    let mut reply = ReplyHeader { xid: header.xid, zxid: Zxid(9), err: 0 }.to_bytes().to_vec();
    let body = GetDataResponse { data: Some(Bytes::from_static(data)), stat: Stat::default() };
    reply.extend_from_slice(&body.to_bytes());
    write_frame(stream, &reply).await;
    String::read(&mut reader).unwrap()
}

async fn listen() -> (TcpListener, Options) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = Options::new(&listener.local_addr().unwrap().to_string()).unwrap();
    options.session_timeout_ms = 600_000;
    (listener, options)
}

#[tokio::test]
async fn a_broken_connection_is_replaced_and_the_session_stays() {
    let (listener, options) = listen().await;
    let (client, mut events) = Client::connect(options);
    let first = client.get("/a", false);
    let (mut stream, request) = accept(&listener).await;
    assert_eq!(request.session_id, SessionId::NONE);
    assert_eq!(answer_get(&mut stream, b"one").await, "/a");
    assert_eq!(first.await.unwrap().0.as_deref(), Some(&b"one"[..]));
    assert_eq!(events.recv().await, Some(Event::Connected));

    let lost = client.get("/b", false);
    read_frame(&mut stream).await;
    drop(stream);
    assert_eq!(lost.await, Err(Error::ConnectionLoss { path: "/b".into() }));
    let (mut stream, request) = accept(&listener).await;
    assert_eq!((request.session_id, request.last_zxid_seen), (SessionId(42), Zxid(9)));
    client.connected().await.unwrap();
    let second = client.get("/c", false);
    answer_get(&mut stream, b"two").await;
    assert_eq!(second.await.unwrap().0.as_deref(), Some(&b"two"[..]));
    assert_eq!([events.recv().await, events.recv().await], [Some(Event::Disconnected), Some(Event::Connected)]);
}

#[tokio::test]
async fn many_calls_are_on_their_way_at_once() {
    let (listener, options) = listen().await;
    let (client, _events) = Client::connect(options);
    let (mut stream, _) = accept(&listener).await;
    let calls: Vec<_> = (0..5000).map(|number| client.get(&format!("/{number}"), false)).collect();
    let server = tokio::spawn(async move {
        for number in 0..5000 {
            assert_eq!(answer_get(&mut stream, b"x").await, format!("/{number}"));
        }
        stream
    });
    for call in calls {
        call.await.unwrap();
    }
    server.await.unwrap();
}

#[tokio::test]
async fn closing_ends_the_events_and_all_later_calls() {
    let (listener, options) = listen().await;
    let (client, mut events) = Client::connect(options);
    let (mut stream, _) = accept(&listener).await;
    let closing = client.close();
    let mut reader = Reader::new(read_frame(&mut stream).await);
    let header = RequestHeader::read(&mut reader).unwrap();
    assert_eq!(header.op, OpCode::CloseSession.code());
    write_frame(&mut stream, &ReplyHeader { xid: header.xid, zxid: Zxid(1), err: 0 }.to_bytes()).await;
    closing.await.unwrap();
    assert_eq!(client.get("/a", false).await, Err(Error::Closed));
    assert_eq!(client.state(), State::Closed);
    assert_eq!([events.recv().await, events.recv().await], [Some(Event::Connected), None]);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn rubbish_costs_the_connection_only() {
    let (listener, options) = listen().await;
    let (client, _events) = Client::connect(options);
    let (mut stream, _) = accept(&listener).await;
    let call = client.get("/a", false);
    stream.write_all(&[0x7f; 64]).await.unwrap();
    assert_eq!(call.await.unwrap_err().code(), ErrorCode::ConnectionLoss);
    let _second = accept(&listener).await;
    client.connected().await.unwrap();
}

#[tokio::test]
async fn a_bad_path_is_refused_before_it_is_sent() {
    let (_listener, options) = listen().await;
    let (client, _events) = Client::connect(options);
    assert!(matches!(client.get("a", false).await, Err(Error::InvalidPath(_))));
}

#[test]
fn frames_come_whole_or_not_at_all() {
    let mut inbox = BytesMut::from(&[0, 0, 0, 2, 1, 2, 0, 0, 0, 1][..]);
    assert_eq!(take_frame(&mut inbox, 10), Ok(Some(Bytes::from_static(&[1, 2]))));
    assert_eq!(take_frame(&mut inbox, 10), Ok(None));
    inbox.extend_from_slice(&[9]);
    assert_eq!(take_frame(&mut inbox, 10), Ok(Some(Bytes::from_static(&[9]))));
    assert!(take_frame(&mut BytesMut::from(&[0, 0, 0, 11][..]), 10).is_err());
    assert!(take_frame(&mut BytesMut::from(&[0xff, 0, 0, 1][..]), 10).is_err());
}
