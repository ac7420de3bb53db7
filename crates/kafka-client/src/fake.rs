//! A broker for tests: answers what a closure says, over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use kafka_wire::{Api, ApiKey, Decoder, Message, Piece, RequestHeader, api_versions, metadata};
use net::frame::FrameReader;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::bootstrap::HostPort;

/// What the broker does with a request.
pub(crate) enum Reply {
    /// Sends this answer.
    Answer(Bytes),
    /// Says nothing.
    Silence,
    /// Closes the connection.
    Close,
}

/// A request as the broker got it.
pub(crate) struct Asked {
    pub(crate) header: RequestHeader,
    pub(crate) body: Decoder,
    /// The broker's own port, for its answers to name.
    pub(crate) port: u16,
}

impl Asked {
    pub(crate) fn key(&self) -> ApiKey {
        self.header.api_key
    }

    pub(crate) fn request<A: Api>(&mut self) -> A::Request {
        A::Request::decode(&mut self.body, self.header.api_version).unwrap()
    }

    pub(crate) fn answer<M: Message>(&self, body: &M) -> Reply {
        self.answer_in(self.header.api_version, body)
    }

    pub(crate) fn answer_in<M: Message>(&self, version: i16, body: &M) -> Reply {
        let header = &self.header;
        let pieces = kafka_wire::encode_response(header.api_key, version, header.correlation_id, body).unwrap();
        let mut frame = Vec::new();
        for piece in pieces {
            let Piece::Bytes(bytes) = piece else { panic!("answers of tests have no holes") };
            frame.extend_from_slice(&bytes);
        }
        Reply::Answer(frame.into())
    }

    /// Answers what every client asks first: versions, and a cluster of this broker alone (number 0, controller).
    pub(crate) fn usual(&mut self, topics: Vec<metadata::MetadataResponseTopic>) -> Reply {
        match self.key() {
            ApiKey::ApiVersions => self.answer(&api_versions::Response {
                api_keys: api_versions::Response::served(),
                ..api_versions::Response::default()
            }),
            ApiKey::Metadata => self.answer(&metadata::Response {
                brokers: vec![metadata::MetadataResponseBroker {
                    node_id: 0,
                    host: "127.0.0.1".to_owned(),
                    port: i32::from(self.port),
                    rack: None,
                }],
                cluster_id: Some("fake".to_owned()),
                controller_id: 0,
                topics,
                ..metadata::Response::default()
            }),
            other => panic!("{other} is not usual"),
        }
    }
}

/// Starts a broker; it ends with the test's runtime. Counts its connections.
pub(crate) async fn broker(reply: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> (HostPort, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let (reply, counted) = (Arc::new(reply), connections.clone());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve(socket, port, reply.clone()));
        }
    });
    (HostPort::new("127.0.0.1", port), connections)
}

async fn serve(mut socket: TcpStream, port: u16, reply: Arc<impl Fn(Asked) -> Reply>) {
    let mut frames = FrameReader::new(1 << 20);
    while let Ok(Some(frame)) = frames.next(&mut socket).await {
        let mut body = Decoder::new(frame);
        let header = RequestHeader::decode(&mut body).unwrap();
        match reply(Asked { header, body, port }) {
            Reply::Answer(frame) => socket.write_all(&frame).await.unwrap(),
            Reply::Silence => {}
            Reply::Close => return,
        }
    }
}
