//! A link from this broker to another, for requests whose versions are fixed: one request at a time, no negotiation.

use std::io;
use std::time::Duration;

use kafka_types::{BrokerId, ErrorCode};
use kafka_wire::{
    Api, Decoder, Message as _, Piece as WirePiece, RequestHeader, decode_response_header, encode_request,
};
use net::{FrameReader, Piece, Stream};

use crate::broker::Broker;

/// `controller.socket.timeout.ms`: a peer that is silent for so long is asked anew.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Answers of brokers among themselves are small.
const MAX_ANSWER: usize = 64 << 20;

/// One open link.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Stream,
    reader: FrameReader,
    client_id: String,
    next: i32,
}

impl Link {
    /// Connects.
    pub(crate) async fn open(host: &str, port: i32, client_id: String) -> io::Result<Link> {
        let port = u16::try_from(port).map_err(io::Error::other)?;
        let stream = Stream::connect(host, port, TIMEOUT).await?;
        Ok(Link { stream, reader: FrameReader::new(MAX_ANSWER), client_id, next: 0 })
    }

    /// Sends a request and waits for its answer. After an error the link is of no use any more.
    pub(crate) async fn call<A: Api>(&mut self, version: i16, request: &A::Request) -> io::Result<A::Response> {
        self.next = self.next.wrapping_add(1);
        let header = RequestHeader {
            api_key: A::KEY,
            api_version: version,
            correlation_id: self.next,
            client_id: Some(self.client_id.clone()),
        };
        let pieces = encode_request(&header, request).map_err(io::Error::other)?;
        let pieces: Vec<Piece> = pieces.into_iter().filter_map(bytes_of).collect();
        self.stream.send_all(&pieces).await.map_err(io::Error::other)?;
        let next = tokio::time::timeout(TIMEOUT, self.reader.next(&mut self.stream));
        let frame = next.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        let mut decoder = Decoder::new(frame.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        let answered = decode_response_header(&mut decoder, A::KEY, version).map_err(io::Error::other)?;
        if answered != self.next {
            return Err(io::Error::other(format!("answer {answered} where {} was asked", self.next)));
        }
        A::Response::decode(&mut decoder, version).map_err(io::Error::other)
    }
}

fn bytes_of(piece: WirePiece) -> Option<Piece> {
    match piece {
        WirePiece::Bytes(bytes) => Some(Piece::Bytes(bytes)),
        WirePiece::Hole(_) => None,
    }
}

/// One request to whoever controls the cluster; `NOT_CONTROLLER` while nobody is known to, or cannot be reached.
pub(crate) async fn call_controller<A: Api>(
    broker: &Broker,
    version: i16,
    request: A::Request,
) -> Result<A::Response, ErrorCode> {
    let controller = broker.metadata.image().controller().ok_or(ErrorCode::NotController)?;
    call_broker::<A>(broker, controller, version, request).await.map_err(|_| ErrorCode::NotController)
}

/// One request to another broker, by the listener that brokers talk on.
pub(crate) async fn call_broker<A: Api>(
    broker: &Broker,
    to: BrokerId,
    version: i16,
    request: A::Request,
) -> io::Result<A::Response> {
    let image = broker.metadata.image();
    let endpoint = image.endpoint(to, &broker.config.broker().inter_broker_listener);
    let endpoint = endpoint.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let client_id = format!("broker-{}", broker.id);
    let mut link = Link::open(&endpoint.host, endpoint.port, client_id).await?;
    link.call::<A>(version, &request).await
}
