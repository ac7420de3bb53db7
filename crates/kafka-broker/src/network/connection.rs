//! One client: frames in, replies out, in order.
//!
//! One request is in flight at a time (Apache mutes the channel likewise), but for those to append records that were read
//! together (`pipeline.rs`); what the client sends meanwhile stays in the socket's buffer. So the memory that a connection
//! holds is what it was read at once, one request and one reply; `queued.max.request.bytes` limits what all requests have
//! together.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use net::{Admission, FrameError, FrameReader, Grant, Piece, Stream};
use tracing::{debug, info, warn};

use super::dispatch::{self, Outcome, Served};
use super::ends::{End, Ends};
use super::pipeline;
use crate::broker::{Broker, ListenerInfo};
use crate::metrics::{Answered, Shelf};

/// Serves a connection until either side closes it.
///
/// `shelf` is that of the thread that this runs on.
pub(crate) async fn serve(
    broker: Arc<Broker>,
    mut stream: Stream,
    listener: Arc<ListenerInfo>,
    shelf: Arc<Shelf>,
    admission: Admission,
) {
    let peer = stream.peer();
    let reader = if broker.request_memory.is_some() { FrameReader::frame_by_frame } else { FrameReader::new };
    let mut reader = reader(broker.config.request_max_bytes());
    let idle = broker.config.connections_max_idle();
    let mut silent_since = broker.clock.precise();
    let seat = listener.seats.take(silent_since);
    let mut ends = Ends::new(listener.shutdown.watch(), seat, broker.clock, idle);
    loop {
        let next = ends.before(silent_since, pin!(next_request(&broker, &mut reader, &mut stream))).await;
        let (frame, memory) = match next {
            Ok(Ok(Some(request))) => request,
            Ok(Ok(None)) | Err(End::Shutdown) => break,
            Ok(Err(error)) => {
                log_frame_error(&error, peer);
                break;
            }
            Err(End::Excess) => {
                debug!(target: "kafka.network.Processor", "Closing the connection from {peer}: there are more than max.connections");
                break;
            }
            Err(End::Idle) => {
                debug!(target: "org.apache.kafka.common.network.Selector", "About to close the idle connection from {peer} after {idle:?} without a request");
                break;
            }
        };
        let more = pipeline::take_with(&frame, &mut reader, &broker);
        let answers = if more.is_empty() {
            let answer = pin!(dispatch::dispatch(&broker, &listener, peer, frame));
            ends.unless_drained(answer).await.map(Answers::of_one)
        } else {
            // Rare enough not to have its place in the memory of every connection.
            let frames = std::iter::once(frame).chain(more);
            let mut answers = Box::pin(pipeline::serve(&broker, &listener, peer, frames));
            ends.unless_drained(answers.as_mut()).await.map(Answers::of)
        };
        let Some(Answers { pieces, closes, pause, first, more }) = answers else { break };
        let is_sent = pieces.is_empty() || send(&mut stream, &pieces, idle, peer).await;
        silent_since = broker.clock.precise();
        ends.active(silent_since);
        for measured in first.into_iter().chain(more) {
            shelf.answered(&Answered { sent: silent_since, ..measured });
        }
        if closes || !is_sent {
            break;
        }
        drop(memory);
        if !pause.is_zero() {
            if !rested(pause, idle, &listener.shutdown).await {
                break;
            }
            silent_since = broker.clock.precise();
        }
    }
    drop(admission);
}

/// What comes of requests that were served together; of one, mostly.
struct Answers {
    pieces: Vec<Piece>,
    /// The client cannot be helped.
    closes: bool,
    /// How long it is not to be listened to afterwards.
    pause: Duration,
    /// What they took, as far as it is known.
    first: Option<Answered>,
    more: Vec<Answered>,
}

impl Answers {
    fn of_one(served: Served) -> Answers {
        let Served { outcome, pause, measured } = served;
        let (pieces, closes) = match outcome {
            Outcome::Reply(pieces) => (pieces, false),
            Outcome::Nothing => (Vec::new(), false),
            Outcome::Close => (Vec::new(), true),
        };
        Answers { pieces, closes, pause, first: measured, more: Vec::new() }
    }

    fn of(served: Vec<Served>) -> Answers {
        let none = Answers { pieces: Vec::new(), closes: false, pause: Duration::ZERO, first: None, more: Vec::new() };
        served.into_iter().map(Answers::of_one).fold(none, |mut all, one| {
            all.pieces.extend(one.pieces);
            all.closes |= one.closes;
            all.pause = all.pause.max(one.pause);
            all.more.extend(one.first);
            all
        })
    }
}

/// The next request, with the memory that it may have if that is limited: its bytes are read when there is some.
async fn next_request(
    broker: &Broker,
    reader: &mut FrameReader,
    stream: &mut Stream,
) -> Result<Option<(Bytes, Option<Grant>)>, FrameError> {
    let grant = match &broker.request_memory {
        None => None,
        Some(memory) => match reader.next_len(stream).await? {
            Some(len) => Some(memory.take(len).await),
            None => return Ok(None),
        },
    };
    Ok(reader.next(stream).await?.map(|frame| (frame, grant)))
}

/// A client that does not read its reply is closed like one that does not send: the reply's memory is ours.
async fn send(stream: &mut Stream, pieces: &[Piece], idle: Duration, peer: std::net::SocketAddr) -> bool {
    let mut sending = pin!(stream.send_all(pieces));
    // Most sockets take most replies at once: no timer for those.
    let at_once = std::future::poll_fn(|task| Poll::Ready(sending.as_mut().poll(task))).await;
    let sent = match at_once {
        Poll::Ready(sent) => Ok(sent),
        Poll::Pending => tokio::time::timeout(idle, sending.as_mut()).await,
    };
    match sent {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            debug!(target: "kafka.network.Processor", "Reply to {peer} not sent: {error}");
            false
        }
        Err(_) => false,
    }
}

/// Leaves a client alone that used more than it may; what it sends meanwhile waits in the socket's buffer. `false` if it
/// is to be closed instead: it was silent, if not by its own will, for as long as an idle one may be.
async fn rested(pause: Duration, idle: Duration, shutdown: &net::Shutdown) -> bool {
    tokio::select! {
        () = tokio::time::sleep(pause.min(idle)) => pause < idle,
        () = shutdown.begun() => false,
    }
}

fn log_frame_error(error: &FrameError, peer: std::net::SocketAddr) {
    match error {
        FrameError::Length { announced, max } => {
            warn!(
                target: "org.apache.kafka.common.network.Selector",
                "[SocketServer listenerType=ZK_BROKER] Unexpected error from {peer}; closing connection\n\
                 org.apache.kafka.common.network.InvalidReceiveException: Invalid receive (size = {announced} larger than {max})"
            );
            if announced.to_be_bytes().iter().all(u8::is_ascii_graphic) {
                info!(
                    target: "org.apache.kafka.common.network.Selector",
                    "What {peer} sent looks like text: this port speaks Kafka's protocol, neither HTTP nor ZooKeeper's commands"
                );
            }
        }
        other => {
            debug!(target: "org.apache.kafka.common.network.Selector", "Connection with {peer} disconnected: {other}");
        }
    }
}
