//! The two tasks of a connection and what they share.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use kafka_wire::{ApiKey, Decoder, decode_response_header};
use net::frame::{FrameError, FrameReader};
use net::send::Piece;
use net::stream::{ReadHalf, Stream, WriteHalf};
use tokio::sync::{mpsc, watch};

use crate::error::ConnectionError;

/// Called once with the answer, its body next in the decoder, or with why there is none.
pub(crate) type OnReply = Box<dyn FnOnce(i32, Result<Decoder, ConnectionError>) + Send>;

/// Requests that may wait for the socket; a caller waits for a place.
const QUEUED_MAX: usize = 64;
/// Requests that go out in one write.
const BATCH_MAX: usize = 32;

/// A place in the queue.
pub(super) type Slot = mpsc::OwnedPermit<Vec<Piece>>;

/// What the handles and the tasks share.
pub(crate) struct Link {
    /// Dropped with the last handle: the writer then ends, and the peer with it.
    requests: mpsc::Sender<Vec<Piece>>,
    shared: Arc<Shared>,
}

struct Shared {
    address: String,
    state: Mutex<State>,
    closed: watch::Sender<Option<ConnectionError>>,
}

#[derive(Default)]
struct State {
    last_correlation_id: i32,
    awaited: VecDeque<Awaited>,
}

struct Awaited {
    correlation_id: i32,
    api: ApiKey,
    version: i16,
    on_reply: OnReply,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("address", &self.shared.address)
            .field("closed", &self.closed())
            .finish_non_exhaustive()
    }
}

impl Link {
    /// Starts both tasks on the current runtime.
    pub(super) fn start(stream: Stream, address: &str) -> Arc<Link> {
        let (requests, queue) = mpsc::channel(QUEUED_MAX);
        let (closed, _) = watch::channel(None);
        let shared = Arc::new(Shared { address: address.to_owned(), state: Mutex::default(), closed });
        let (read, write) = stream.into_split();
        tokio::spawn(write_all(shared.clone(), queue, write));
        tokio::spawn(read_all(shared.clone(), read));
        Arc::new(Link { requests, shared })
    }

    pub(super) fn address(&self) -> &str {
        &self.shared.address
    }

    /// Waits for a place in the queue.
    pub(super) async fn reserve(&self) -> Result<Slot, ConnectionError> {
        if let Some(reason) = self.closed() {
            return Err(reason);
        }
        let reason = || self.closed().unwrap_or(ConnectionError::ClosedHere);
        self.requests.clone().reserve_owned().await.map_err(|_| reason())
    }

    /// Encodes a request with the next correlation id and queues it. Number, expectation and place in the queue are
    /// taken under one lock, so that answers come in the order of `awaited`.
    pub(super) fn push(
        &self,
        slot: Slot,
        (api, version): (ApiKey, i16),
        on_reply: Option<OnReply>,
        encode: impl FnOnce(i32) -> Result<Vec<Piece>, ConnectionError>,
    ) -> Result<(), ConnectionError> {
        let mut state = self.shared.lock();
        if let Some(reason) = self.closed() {
            return Err(reason);
        }
        let correlation_id = state.last_correlation_id.wrapping_add(1) & i32::MAX;
        let pieces = encode(correlation_id)?;
        state.last_correlation_id = correlation_id;
        if let Some(on_reply) = on_reply {
            state.awaited.push_back(Awaited { correlation_id, api, version, on_reply });
        }
        slot.send(pieces);
        Ok(())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.shared.lock().awaited.len()
    }

    pub(super) fn closed(&self) -> Option<ConnectionError> {
        self.shared.closed.borrow().clone()
    }

    pub(super) async fn wait_closed(&self) -> ConnectionError {
        let mut closed = self.shared.closed.subscribe();
        let reason = closed.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or(ConnectionError::ClosedHere)
    }

    pub(super) fn close(&self, reason: ConnectionError) {
        self.shared.close(reason);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn close(&self, reason: ConnectionError) {
        let awaited = {
            let mut state = self.lock();
            // The first reason stands.
            self.closed.send_if_modified(|closed| {
                let first = closed.is_none();
                closed.get_or_insert_with(|| reason.clone());
                first
            });
            std::mem::take(&mut state.awaited)
        };
        let reason = self.closed.borrow().clone().unwrap_or(reason);
        for awaited in awaited {
            (awaited.on_reply)(awaited.correlation_id, Err(reason.clone()));
        }
    }

    fn answer(&self, frame: Bytes) -> Result<(), ConnectionError> {
        let awaited = self.lock().awaited.pop_front();
        let Some(awaited) = awaited else {
            return Err(ConnectionError::Protocol { reason: "an answer that nobody asked for".to_owned() });
        };
        match body_of(&awaited, frame) {
            Ok(body) => {
                (awaited.on_reply)(awaited.correlation_id, Ok(body));
                Ok(())
            }
            Err(error) => {
                (awaited.on_reply)(awaited.correlation_id, Err(error.clone()));
                Err(error)
            }
        }
    }
}

/// Checks an answer's header; the body follows in the decoder.
fn body_of(awaited: &Awaited, frame: Bytes) -> Result<Decoder, ConnectionError> {
    let protocol = |reason: String| ConnectionError::Protocol { reason: format!("{}: {reason}", awaited.api) };
    let mut decoder = Decoder::new(frame);
    let correlation_id = decode_response_header(&mut decoder, awaited.api, awaited.version)
        .map_err(|error| protocol(error.to_string()))?;
    if correlation_id == awaited.correlation_id {
        return Ok(decoder);
    }
    Err(protocol(format!("correlation id {correlation_id} came, {} was sent", awaited.correlation_id)))
}

async fn write_all(shared: Arc<Shared>, mut queue: mpsc::Receiver<Vec<Piece>>, mut write: WriteHalf) {
    let mut closed = shared.closed.subscribe();
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    loop {
        let taken = tokio::select! {
            taken = queue.recv_many(&mut waiting, BATCH_MAX) => taken,
            _ = closed.wait_for(Option::is_some) => 0,
        };
        if taken == 0 {
            // All handles are gone, or the connection is closed: dropping the half tells the peer.
            return;
        }
        let pieces: Vec<Piece> = waiting.drain(..).flatten().collect();
        let sent = tokio::select! {
            sent = write.send_all(&pieces) => sent.is_ok(),
            _ = closed.wait_for(Option::is_some) => false,
        };
        if !sent {
            shared.close(ConnectionError::Closed { address: shared.address.clone() });
            return;
        }
    }
}

async fn read_all(shared: Arc<Shared>, mut read: ReadHalf) {
    let mut closed = shared.closed.subscribe();
    let mut frames = FrameReader::new(i32::MAX as usize);
    let reason = loop {
        let frame = tokio::select! {
            frame = frames.next(&mut read) => frame,
            _ = closed.wait_for(Option::is_some) => return,
        };
        match frame {
            Ok(Some(frame)) => {
                if let Err(error) = shared.answer(frame) {
                    break error;
                }
            }
            Err(FrameError::Length { announced, .. }) => {
                break ConnectionError::Protocol { reason: format!("an answer of {announced} bytes was announced") };
            }
            Ok(None) | Err(_) => break ConnectionError::Closed { address: shared.address.clone() },
        }
    };
    shared.close(reason);
}
