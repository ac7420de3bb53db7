//! One connection: a four-letter word, or the handshake and then frames in and frames out.
//!
//! What it holds is bounded by what its client sent and reads: a client that does not take its replies is not asked for
//! more requests, and a length that was only announced allocates nothing (see [`net::FrameReader`]).

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use net::tls::HandshakeError;
use net::{Accepted, FrameError, FrameReader, ReadHalf, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWrite as _, AsyncWriteExt};
use tokio::time::timeout;
use zk_state::WatcherId;

use crate::client::java_address;
use crate::four_letter::{self, Word};
use crate::metrics::definitions as measured;
use crate::outlet::{Bell, Outlet};
use crate::pipeline::{Duty, Pipeline};
use crate::secure::Entrance;

/// How long, and how much, is read from a client that is being closed. Without, the system would throw away the last
/// reply when there is unread input.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 1 << 20;
const FACTORY: &str = "org.apache.zookeeper.server.NettyServerCnxnFactory";
const CONNECTION: &str = "org.apache.zookeeper.server.NIOServerCnxn";

/// The pipeline, shared by all connections of its thread. Borrowed for one call at a time, never across an await.
pub(crate) type SharedPipeline = Rc<RefCell<Pipeline>>;

/// Serves a connection to its end.
pub(crate) async fn serve(accepted: Accepted, entrance: Rc<Entrance>, pipeline: SharedPipeline, shutdown: Shutdown) {
    let Accepted { stream, admission } = accepted;
    let peer = stream.peer();
    let stream = tokio::select! {
        entered = entrance.enter(stream) => match entered {
            Ok(stream) => stream,
            Err(error) => {
                let mut pipeline = pipeline.borrow_mut();
                let is_above_limit = matches!(error, HandshakeError::TooMany(_));
                let counter = if is_above_limit { measured::HANDSHAKES_EXCEEDED } else { measured::UNSUCCESSFUL_HANDSHAKES };
                pipeline.registry.count(counter, 1);
                tracing::error!(target: FACTORY, "Unsuccessful handshake with {}: {error}", java_address(peer));
                return;
            }
        },
        () = shutdown.begun() => return,
    };
    let (is_secure, ids) = (stream.is_secure(), entrance.ids(&stream));
    let (read, write) = stream.into_split();
    let (outlet, bell) = (Outlet::new(write), Rc::new(Bell::default()));
    let id = pipeline.borrow_mut().connect(peer, is_secure, ids, (outlet.clone(), Rc::clone(&bell)));
    let max_packet = pipeline.borrow().config.max_packet;
    let mut connection = Connection { id, read, outlet, frames: FrameReader::new(max_packet), pipeline, bell };
    let began = tokio::select! {
        began = connection.begin() => began,
        () = shutdown.begun() => Ok(false),
    };
    // The end of the server is an end of all clients: it is not waited for beside each of them, which takes time.
    let ended = match began {
        Ok(true) => connection.exchange().await,
        Ok(false) => Ok(()),
        Err(error) => Err(error),
    };
    let ours = connection.pipeline.borrow_mut().duty(id, false).dead;
    connection.pipeline.borrow_mut().disconnect(id);
    match ended {
        Ok(()) if !ours && !shutdown.has_begun() => {
            let (pipeline, clock) = (Rc::clone(&connection.pipeline), connection.pipeline.borrow().clock.clone());
            let began = clock.tick();
            connection.linger().await;
            let took = clock.tick().since(began);
            pipeline.borrow_mut().registry.add(measured::SOCKET_CLOSING_TIME, took);
        }
        Ok(()) => {}
        Err(error) => tracing::info!(target: CONNECTION, "Closing connection of {}: {error}", java_address(peer)),
    }
    drop(admission);
}

/// Sends some of what the client is to get, or what is kept when there is nothing; `false` when nothing is taken any more.
/// Cancel safe.
async fn send_some(outlet: &mut Outlet, pipeline: &SharedPipeline, id: WatcherId) -> io::Result<bool> {
    std::future::poll_fn(|cx| {
        let mut pipeline = pipeline.borrow_mut();
        let Some(client) = pipeline.clients.get_mut(&id) else { return Poll::Ready(Ok(false)) };
        if client.out.is_empty() {
            return Pin::new(&mut *outlet).poll_flush(cx).map_ok(|()| true);
        }
        Pin::new(&mut *outlet).poll_write(cx, &client.out).map_ok(|written| {
            client.sent(written);
            written > 0
        })
    })
    .await
}

struct Connection {
    id: WatcherId,
    read: ReadHalf,
    outlet: Outlet,
    frames: FrameReader,
    pipeline: SharedPipeline,
    bell: Rc<Bell>,
}

impl Connection {
    /// Takes the handshake (true), or does all there is to do.
    async fn begin(&mut self) -> Result<bool, FrameError> {
        // One deadline for the first bytes and the handshake, however slowly they come.
        let sessionless_ms = self.pipeline.borrow().config.sessionless_ms;
        let first = timeout(Duration::from_millis(sessionless_ms), self.first()).await;
        first.unwrap_or_else(|_| {
            self.pipeline.borrow_mut().registry.count(measured::SESSIONLESS_EXPIRED, 1);
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no session within {sessionless_ms} ms")).into())
        })
    }

    /// Answers a four-letter word (false), or takes the handshake (true).
    async fn first(&mut self) -> Result<bool, FrameError> {
        if !self.frames.fill(&mut self.read, 4).await? {
            return Ok(false);
        }
        if let Some(word) = self.frames.buffered().first_chunk::<4>().and_then(|bytes| Word::recognize(*bytes)) {
            let mask = if word.brings_mask() { self.mask().await? } else { None };
            let answer = four_letter::answer(&self.pipeline, self.id, word, mask).await;
            self.outlet.write_all(answer.as_bytes()).await?;
            self.outlet.flush().await?;
            return Ok(false);
        }
        match self.frames.next(&mut self.read).await? {
            Some(frame) => {
                self.pipeline.borrow_mut().on_frame(self.id, frame);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The eight bytes behind `stmk`, if they come.
    async fn mask(&mut self) -> Result<Option<i64>, FrameError> {
        let came = self.frames.fill(&mut self.read, 12).await?;
        Ok(self
            .frames
            .buffered()
            .get(4..12)
            .filter(|_| came)
            .and_then(|mask| mask.try_into().ok())
            .map(i64::from_be_bytes))
    }

    async fn exchange(&mut self) -> Result<(), FrameError> {
        // TLS keeps what the socket does not take at once.
        let mut kept = false;
        loop {
            let (may_ask, Duty { dead, closing, unsent }) = self.take_frames()?;
            if dead || (closing && !unsent && !kept) {
                return Ok(());
            }
            tokio::select! {
                biased;
                open = send_some(&mut self.outlet, &self.pipeline, self.id), if unsent || kept => {
                    if !open? {
                        return Ok(());
                    }
                    kept = unsent && self.outlet.needs_flush();
                }
                frame = self.frames.next(&mut self.read), if may_ask => match frame? {
                    Some(frame) => self.pipeline.borrow_mut().on_frame(self.id, frame),
                    None => return Ok(()),
                },
                () = self.bell.rung() => {}
            }
        }
    }

    /// Takes the frames that have come, and sends what can be answered at once. True if the pipeline would take more, and
    /// what there is to do.
    fn take_frames(&mut self) -> Result<(bool, Duty), FrameError> {
        let mut pipeline = self.pipeline.borrow_mut();
        loop {
            while pipeline.may_ask(self.id) {
                let Some(frame) = self.frames.next_buffered()? else {
                    // An idle connection holds no buffer but the one for its next read.
                    self.frames.release();
                    pipeline.flush();
                    return Ok((true, pipeline.duty(self.id, false)));
                };
                pipeline.on_frame(self.id, frame);
            }
            pipeline.flush();
            // What the client took may have made room for more.
            if !pipeline.may_ask(self.id) {
                return Ok((false, pipeline.duty(self.id, true)));
            }
        }
    }

    /// Ends the stream and waits for the client to do the same.
    async fn linger(mut self) {
        if self.outlet.shutdown().await.is_err() {
            return;
        }
        let mut rest = [0; 4096];
        let discard = async {
            let mut seen = 0;
            while seen < LINGER_BYTES {
                match self.read.read(&mut rest).await {
                    Ok(0) | Err(_) => return,
                    Ok(more) => seen += more,
                }
            }
        };
        // A client that goes on sending is cut off.
        let _ = timeout(LINGER, discard).await;
    }
}
