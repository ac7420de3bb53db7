//! One socket to one broker: requests pipelined in the order they were started, answers matched by that order.
//!
//! Two tasks serve it, one writing and one reading: a broker may stop reading until its answers are taken, so neither
//! may wait for the other. A request that is not answered in time closes the connection, as in Java: an answer that
//! comes late would otherwise be taken for the next one's.
//!
//! Clients [`open`](Connection::open) with negotiation: ApiVersions tells what the broker speaks. Brokers among each
//! other say fixed versions ([`ConnectionOptions::negotiate`] is false, [`Connection::call_at`]).

mod handshake;
mod link;

use std::collections::HashMap;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use kafka_wire::{Api, ApiKey, Decoder, Message as _, Piece, RequestHeader};
use net::stream::Stream;
use tokio::sync::oneshot;

use crate::bootstrap::HostPort;
use crate::error::ConnectionError;
use link::{Link, OnReply};

/// How to open a connection and how to speak on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// The name in every request's header (`client.id`).
    pub client_id: String,
    /// How long to wait for the connection to stand, per address (`socket.connection.setup.timeout.ms`).
    pub connect_timeout_ms: u64,
    /// How long to wait for an answer (`request.timeout.ms`).
    pub request_timeout_ms: u64,
    /// Ask for the broker's versions first; otherwise only [`Connection::call_at`] works.
    pub negotiate: bool,
}

impl Default for ConnectionOptions {
    fn default() -> ConnectionOptions {
        ConnectionOptions {
            client_id: String::new(),
            connect_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            negotiate: true,
        }
    }
}

/// What a broker speaks: a range of versions per kind of request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versions {
    ranges: HashMap<i16, RangeInclusive<i16>>,
}

impl Versions {
    /// The range for a kind of request, by its number (the broker may know kinds that we do not).
    pub fn range(&self, api_key: i16) -> Option<RangeInclusive<i16>> {
        self.ranges.get(&api_key).cloned()
    }

    /// The newest version that both sides speak.
    pub fn common(&self, api: ApiKey) -> Option<i16> {
        api.common_version(self.ranges.get(&api.code())?)
    }

    /// Every kind the broker speaks, by number.
    pub fn iter(&self) -> impl Iterator<Item = (i16, RangeInclusive<i16>)> + '_ {
        self.ranges.iter().map(|(&key, range)| (key, range.clone()))
    }
}

impl FromIterator<(i16, RangeInclusive<i16>)> for Versions {
    fn from_iter<I: IntoIterator<Item = (i16, RangeInclusive<i16>)>>(ranges: I) -> Versions {
        Versions { ranges: ranges.into_iter().collect() }
    }
}

/// A connection to a broker; clones share it, and it closes when the last one (and the last [`Call`]) is dropped.
#[derive(Debug, Clone)]
pub struct Connection {
    link: Arc<Link>,
    versions: Arc<Versions>,
    client_id: Option<Arc<str>>,
    request_timeout_ms: u64,
}

impl Connection {
    /// Connects to the first address of `server` that answers, and asks for versions if the options say so.
    pub async fn open(server: &HostPort, options: &ConnectionOptions) -> Result<Connection, ConnectionError> {
        let (stream, address) = connect(server, options).await?;
        let mut connection = Connection::on(stream, &address, options);
        if options.negotiate {
            match handshake::negotiate(&connection).await {
                Ok(versions) => connection.versions = Arc::new(versions),
                Err(error) => return Err(handshake::explain(error, server, &address).await),
            }
        }
        Ok(connection)
    }

    /// Speaks on a stream that stands already; nothing is negotiated.
    fn on(stream: Stream, address: &str, options: &ConnectionOptions) -> Connection {
        Connection {
            link: Link::start(stream, address),
            versions: Arc::new(Versions::default()),
            client_id: Some(options.client_id.as_str().into()),
            request_timeout_ms: options.request_timeout_ms,
        }
    }

    /// Sends a request in the newest version both sides speak, and waits for its answer.
    pub async fn call<A: Api>(&self, request: A::Request) -> Result<A::Response, ConnectionError> {
        self.call_at::<A>(self.version::<A>()?, request).await
    }

    /// Sends a request in a given version, and waits for its answer.
    pub async fn call_at<A: Api>(&self, version: i16, request: A::Request) -> Result<A::Response, ConnectionError> {
        self.start::<A>(version, &request).await?.answer().await
    }

    /// Sends a request and returns at once: requests go out in the order in which these calls return, and any number
    /// of answers may be waited for. A [`Call`] that is dropped leaves its answer unread.
    pub async fn start<A: Api>(&self, version: i16, request: &A::Request) -> Result<Call<A>, ConnectionError> {
        let (sender, reply) = oneshot::channel();
        let on_reply: OnReply = Box::new(move |_, answer| {
            let _ = sender.send(answer);
        });
        self.start_with::<A>(version, request, Some(on_reply)).await?;
        let timeout = Duration::from_millis(self.request_timeout_ms);
        Ok(Call { reply, link: self.link.clone(), version, timeout, api: PhantomData })
    }

    /// Sends a request whose answer `on_reply` gets, its body next in the decoder, on the connection's task; without it no
    /// answer is expected at all (Produce with acks 0). No time limit is kept: that is the caller's.
    pub(crate) async fn start_with<A: Api>(
        &self,
        version: i16,
        request: &A::Request,
        on_reply: Option<OnReply>,
    ) -> Result<(), ConnectionError> {
        let slot = self.link.reserve().await?;
        let client_id = self.client_id.as_deref().map(str::to_owned);
        self.link.push(slot, (A::KEY, version), on_reply, |correlation_id| {
            let header = RequestHeader { api_key: A::KEY, api_version: version, correlation_id, client_id };
            kafka_wire::encode_request(&header, request)
                .map(without_holes)
                .map_err(|error| ConnectionError::Unencodable { api: A::KEY, reason: error.to_string() })
        })
    }

    /// The newest version of a request that both sides speak.
    pub fn version<A: Api>(&self) -> Result<i16, ConnectionError> {
        self.versions.common(A::KEY).ok_or(ConnectionError::UnsupportedVersion { api: A::KEY })
    }

    /// What the broker said that it speaks; empty without negotiation.
    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Host and address as Java writes them: `localhost/127.0.0.1:9092`.
    pub fn address(&self) -> &str {
        self.link.address()
    }

    /// How many answers are awaited.
    pub fn in_flight(&self) -> usize {
        self.link.in_flight()
    }

    /// The reason why nothing can be sent any more; `None` while it stands.
    pub fn closed(&self) -> Option<ConnectionError> {
        self.link.closed()
    }

    /// Waits until the connection is closed, by whichever side.
    pub async fn wait_closed(&self) -> ConnectionError {
        self.link.wait_closed().await
    }

    /// Closes the connection; awaited answers fail with `reason`.
    pub fn close(&self, reason: ConnectionError) {
        self.link.close(reason);
    }
}

fn without_holes(pieces: Vec<Piece>) -> Vec<net::send::Piece> {
    pieces
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Bytes(bytes) => Some(net::send::Piece::Bytes(bytes)),
            // Only a Fetch response has holes.
            Piece::Hole(_) => None,
        })
        .collect()
}

/// Decodes the body of an answer.
pub(crate) fn decode<A: Api>(version: i16, mut body: Decoder) -> Result<A::Response, ConnectionError> {
    let protocol = |error: kafka_wire::DecodeError| ConnectionError::Protocol {
        reason: format!("{} version {version}: {error}", A::KEY),
    };
    let response = A::Response::decode(&mut body, version).map_err(protocol)?;
    body.finish().map_err(protocol)?;
    Ok(response)
}

/// An answer that is on its way.
#[derive(Debug)]
#[must_use = "the answer comes to those who wait"]
pub struct Call<A: Api> {
    reply: oneshot::Receiver<Result<Decoder, ConnectionError>>,
    link: Arc<Link>,
    version: i16,
    timeout: Duration,
    api: PhantomData<fn() -> A>,
}

impl<A: Api> Call<A> {
    /// Waits for the answer, at most for the connection's request timeout from now on; cancel safe.
    pub async fn answer(&mut self) -> Result<A::Response, ConnectionError> {
        let timeout = self.timeout;
        self.answer_within(timeout).await
    }

    /// Waits for the answer for `timeout` from now on; after that the connection is closed.
    pub async fn answer_within(&mut self, timeout: Duration) -> Result<A::Response, ConnectionError> {
        match tokio::time::timeout(timeout, &mut self.reply).await {
            Ok(Ok(answer)) => decode::<A>(self.version, answer?),
            Ok(Err(_)) => Err(self.link.closed().unwrap_or(ConnectionError::ClosedHere)),
            Err(_) => {
                let late = ConnectionError::Timeout { api: A::KEY, timeout_ms: timeout.as_millis() as u64 };
                self.link.close(late.clone());
                Err(late)
            }
        }
    }
}

async fn connect(server: &HostPort, options: &ConnectionOptions) -> Result<(Stream, String), ConnectionError> {
    let unresolved = |reason: String| ConnectionError::Unresolved { host: server.host.clone(), reason };
    let addresses = server.resolve().await.map_err(|error| unresolved(error.to_string()))?;
    let timeout = Duration::from_millis(options.connect_timeout_ms);
    let mut first_failure = None;
    for address in addresses {
        match Stream::connect_to(address, timeout).await {
            Ok(stream) => return Ok((stream, server.java_text(address))),
            Err(error) => {
                first_failure.get_or_insert_with(|| unreachable_address(server, address, &error));
            }
        }
    }
    Err(first_failure.unwrap_or_else(|| unresolved("it has no address".to_owned())))
}

fn unreachable_address(server: &HostPort, address: SocketAddr, error: &std::io::Error) -> ConnectionError {
    ConnectionError::Unreachable { address: server.java_text(address), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
