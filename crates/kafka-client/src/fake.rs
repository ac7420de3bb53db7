//! A broker for tests: answers what a closure says, over real sockets.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use kafka_wire::{Api, ApiKey, Decoder, Message, Piece, RequestHeader, api_versions, metadata};
use net::frame::FrameReader;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

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

/// An address that refuses connections as long as this lives: its port is taken, so that no other test gets it, and
/// nobody listens.
pub(crate) struct Vacant {
    pub(crate) address: HostPort,
    _socket: TcpSocket,
}

/// Takes one.
pub(crate) fn vacant() -> Vacant {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    Vacant { address: HostPort::new("127.0.0.1", socket.local_addr().unwrap().port()), _socket: socket }
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

/// A log line as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logged(pub(crate) tracing::Level, pub(crate) String, pub(crate) String);

impl Logged {
    pub(crate) fn warn(logger: &str, message: impl Into<String>) -> Logged {
        Logged(tracing::Level::WARN, logger.to_owned(), message.into())
    }

    pub(crate) fn error(logger: &str, message: impl Into<String>) -> Logged {
        Logged(tracing::Level::ERROR, logger.to_owned(), message.into())
    }
}

/// Collects the log lines of the test's thread while the guard lives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Logged>>>);

impl Log {
    pub(crate) fn lines(&self) -> Vec<Logged> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) fn capture() -> (Log, tracing::subscriber::DefaultGuard) {
    // With one subscriber alone in the process, `tracing` asks the thread that comes first to a line whether anybody
    // wants it, and keeps the answer for all threads: another test's thread says no. With two it asks all subscribers.
    static SECOND: LazyLock<tracing::Dispatch> = LazyLock::new(|| tracing::Dispatch::new(Log::default()));
    LazyLock::force(&SECOND);
    let log = Log::default();
    let guard = tracing::subscriber::set_default(log.clone());
    (log, guard)
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let metadata = event.metadata();
        self.0.lock().unwrap().push(Logged(*metadata.level(), metadata.target().to_owned(), message.0));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
