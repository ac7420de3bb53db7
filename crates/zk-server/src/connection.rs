//! One connection: a four-letter word, or the handshake and then frames in and frames out.
//!
//! What it holds is bounded by what its client sent and reads: a client that does not take its replies is not asked for
//! more requests, and a length that was only announced allocates nothing (see [`net::FrameReader`]).

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use net::tls::HandshakeError;
use net::{Accepted, FrameError, FrameReader, ReadHalf, Shutdown, WriteHalf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::timeout;
use zk_state::WatcherId;

use crate::client::java_address;
use crate::four_letter::{self, Word};
use crate::metrics::definitions as measured;
use crate::pipeline::Pipeline;
use crate::secure::Entrance;

/// How long, and how much, is read from a client that is being closed. Without, the system would throw away the last
/// reply when there is unread input.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 1 << 20;
/// Memory for replies that a client with nothing to say keeps, in bytes.
const KEPT_OUTPUT: usize = 1 << 10;
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
    let wake = Rc::new(Notify::new());
    let id = pipeline.borrow_mut().connect(peer, stream.is_secure(), entrance.ids(&stream), Rc::clone(&wake));
    let max_packet = pipeline.borrow().config.max_packet;
    let (read, write) = stream.into_split();
    let mut connection = Connection { id, read, write, frames: FrameReader::new(max_packet), pipeline, wake };
    let ended = tokio::select! {
        ended = connection.run() => ended,
        () = shutdown.begun() => Ok(()),
    };
    let (ours, _) = connection.pipeline.borrow().is_ending(id);
    connection.pipeline.borrow_mut().disconnect(id);
    match ended {
        Ok(()) if !ours && !shutdown.has_begun() => {
            let (pipeline, clock) = (Rc::clone(&connection.pipeline), connection.pipeline.borrow().clock.clone());
            let began = clock.now().tick;
            connection.linger().await;
            let took = clock.now().tick.since(began);
            pipeline.borrow_mut().registry.add(measured::SOCKET_CLOSING_TIME, took);
        }
        Ok(()) => {}
        Err(error) => tracing::info!(target: CONNECTION, "Closing connection of {}: {error}", java_address(peer)),
    }
    drop(admission);
}

/// Writes some of the bytes, or what is kept when there are none; `false` when nothing is taken any more. Cancel safe.
async fn send_some(write: &mut WriteHalf, sending: &mut BytesMut) -> io::Result<bool> {
    if sending.is_empty() {
        write.flush().await?;
        return Ok(true);
    }
    // One buffer in one piece: `write_buf` would make a list of it, which costs the kernel more.
    let written = write.write(sending).await?;
    sending.advance(written);
    Ok(written > 0)
}

struct Connection {
    id: WatcherId,
    read: ReadHalf,
    write: WriteHalf,
    frames: FrameReader,
    pipeline: SharedPipeline,
    wake: Rc<Notify>,
}

impl Connection {
    async fn run(&mut self) -> Result<(), FrameError> {
        // One deadline for the first bytes and the handshake, however slowly they come.
        let sessionless_ms = self.pipeline.borrow().config.sessionless_ms;
        let first = timeout(Duration::from_millis(sessionless_ms), self.first()).await;
        match first {
            Ok(Ok(true)) => self.exchange().await,
            Ok(Ok(false)) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                self.pipeline.borrow_mut().registry.count(measured::SESSIONLESS_EXPIRED, 1);
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("no session within {sessionless_ms} ms")).into())
            }
        }
    }

    /// Answers a four-letter word (false), or takes the handshake (true).
    async fn first(&mut self) -> Result<bool, FrameError> {
        if !self.frames.fill(&mut self.read, 4).await? {
            return Ok(false);
        }
        if let Some(word) = self.frames.buffered().first_chunk::<4>().and_then(|bytes| Word::recognize(*bytes)) {
            let mask = if word.brings_mask() { self.mask().await? } else { None };
            let answer = four_letter::answer(&self.pipeline, self.id, word, mask).await;
            self.write.write_all(answer.as_bytes()).await?;
            self.write.flush().await?;
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
        let mut sending = BytesMut::new();
        // TLS keeps what the socket does not take at once.
        let mut kept = false;
        let mut reusable = true;
        loop {
            let may_ask = self.take_frames(sending.len())?;
            if sending.is_empty() && self.pipeline.borrow_mut().take_output(self.id, &mut sending) {
                reusable = sending.capacity() <= KEPT_OUTPUT;
            }
            let (dead, closing) = self.pipeline.borrow().is_ending(self.id);
            if dead || (closing && sending.is_empty() && !kept) {
                return Ok(());
            }
            let written = !sending.is_empty();
            tokio::select! {
                biased;
                open = send_some(&mut self.write, &mut sending), if written || kept => {
                    if !open? {
                        return Ok(());
                    }
                    kept = written && self.write.needs_flush();
                    if sending.is_empty() && !reusable {
                        sending = BytesMut::new();
                    }
                }
                frame = self.frames.next(&mut self.read), if may_ask => match frame? {
                    Some(frame) => self.pipeline.borrow_mut().on_frame(self.id, frame),
                    None => return Ok(()),
                },
                () = self.wake.notified() => {}
            }
        }
    }

    /// Takes the frames that have come. True if the pipeline would take more.
    fn take_frames(&mut self, sending: usize) -> Result<bool, FrameError> {
        let mut pipeline = self.pipeline.borrow_mut();
        while pipeline.may_ask(self.id, sending) {
            let Some(frame) = self.frames.next_buffered()? else {
                // An idle connection holds no buffer but the one for its next read.
                self.frames.release();
                return Ok(true);
            };
            pipeline.on_frame(self.id, frame);
        }
        Ok(false)
    }

    /// Ends the stream and waits for the client to do the same.
    async fn linger(mut self) {
        if self.write.shutdown().await.is_err() {
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
