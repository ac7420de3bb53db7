//! Fetch: read record batches; too little is waited for until there is more or the time is over.
//!
//! `request.rs` finds out what is to be read, with the session that the request belongs to; `read.rs` reads and waits;
//! `reply.rs` tells what was found.

mod read;
mod reply;
mod request;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_log::Slice;
use kafka_types::ErrorCode;
use kafka_wire::fetch as wire;

use super::Context;
use read::{Fetch, Limits, Outcome, Part};
pub(crate) use request::SharedSession;
use request::{Opened, Scope};

use crate::broker::Broker;
use crate::clock::random_bytes;
use crate::fetch_sessions::{News, Origin, Session, next_epoch};
use crate::long_poll::Seen;
use crate::replicas::partition::Reader;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> (wire::Response, Vec<Slice>) {
    let broker = &context.broker;
    let version = wire::Version(context.version);
    let opened = match request::open(context, &request, version) {
        Ok(opened) => opened,
        Err(error) => return (refusal(error, 0), Vec::new()),
    };
    let Opened { scope, mut fetch, image, reader } = opened;
    let mut max_bytes = (request.max_bytes.max(0) as u64).min(broker.config.fetch_max_bytes());
    let is_consumer = matches!(reader, Reader::Consumer(_));
    if let Some(most) = context.most_fetched().filter(|_| is_consumer) {
        max_bytes = max_bytes.min(most);
    }
    let limits = Limits {
        min_bytes: u64::try_from(request.min_bytes).unwrap_or(0).min(max_bytes),
        max_bytes,
        is_hard: !version.carries_max_bytes(),
    };
    if version.carries_max_bytes() && request.max_bytes < 0 {
        fetch.begin_below_zero();
    }
    let deadline = broker.clock.tick().after(u64::try_from(request.max_wait_ms).unwrap_or(0));
    fetch.run(context, &scope, limits, deadline).await;
    if is_consumer {
        fetch.count_sent();
    } else {
        fetch.count_throttled(broker);
    }
    let Fetch { mut parts, .. } = fetch;
    if is_consumer && !context.may_fetch(parts.iter().map(bytes_of).sum()) {
        return (throttled(scope), Vec::new());
    }
    parts.sort_by_key(|part| (rank(part, reader), part.place));
    let session_id = match close(broker, scope, reader, &mut parts) {
        Ok(session_id) => session_id,
        Err((error, session_id)) => return (refusal(error, session_id), Vec::new()),
    };
    let (mut response, slices) = reply::Reply::new(context, version, image, reader).build(parts).await;
    response.session_id = session_id;
    (response, slices)
}

/// Apache's order of an answer: what could not even be looked up comes last. For clients, whose permissions are asked for
/// by topic, the topics that nobody knows were sorted out before that.
fn rank(part: &Part, reader: Reader) -> u8 {
    match (&part.target, reader) {
        (Ok(_), _) => 0,
        (Err(ErrorCode::UnknownTopicId), Reader::Consumer(_)) => 1,
        (Err(_), _) => 2,
    }
}

fn bytes_of(part: &Part) -> u64 {
    match &part.outcome {
        Outcome::Found(found) => found.slice.as_ref().map_or(0, |slice| slice.len),
        Outcome::Refused(_) => 0,
    }
}

/// An answer that tells nothing, and has the session forget nothing: the client is to come again later.
fn throttled(scope: Scope) -> wire::Response {
    match scope {
        Scope::Alone | Scope::Begins { .. } => refusal(ErrorCode::None, 0),
        Scope::Continues { id, epoch, session } => {
            let as_asked = lock(&session).epoch() == next_epoch(epoch);
            refusal(if as_asked { ErrorCode::None } else { ErrorCode::InvalidFetchSessionEpoch }, id)
        }
    }
}

fn refusal(error: ErrorCode, session_id: i32) -> wire::Response {
    wire::Response { error_code: error.code(), session_id, ..Default::default() }
}

/// Has the session remember what is told, and leaves in `parts` what is; returns the session's id.
fn close(broker: &Broker, scope: Scope, reader: Reader, parts: &mut Vec<Part>) -> Result<i32, (ErrorCode, i32)> {
    match scope {
        Scope::Alone => Ok(0),
        Scope::Begins { by_id } => {
            let origin = if matches!(reader, Reader::Follower(..)) { Origin::Follower } else { Origin::Client };
            let random = || u32::from_be_bytes(std::array::from_fn(|at| random_bytes()[at]));
            let begin = || {
                let told = parts.iter().map(|part| (part.asked.clone(), news(part)));
                Arc::new(Mutex::new(Session::begin(by_id, told)))
            };
            let mut sessions = broker.fetch_sessions.next();
            Ok(sessions.create(broker.clock.tick(), origin, parts.len(), random, begin).unwrap_or(0))
        }
        Scope::Continues { id, epoch, session } => {
            let mut session = lock(&session);
            if session.epoch() != next_epoch(epoch) {
                tracing::info!(
                    target: "kafka.server.IncrementalFetchContext",
                    "Incremental fetch session {id} expected epoch {}, but got {}.  Possible duplicate request.",
                    next_epoch(epoch), session.epoch()
                );
                return Err((ErrorCode::InvalidFetchSessionEpoch, id));
            }
            parts.retain(|part| session.answer(part.place, news(part), idle(part, reader)));
            Ok(id)
        }
    }
}

fn news(part: &Part) -> News {
    match &part.outcome {
        Outcome::Found(found) => News {
            has_records: found.slice.is_some(),
            high_watermark: found.high_watermark.0,
            log_start: found.log_start.0,
            diverges: found.diverging.is_some(),
            ..News::default()
        },
        Outcome::Refused(_) => News { is_error: true, high_watermark: -1, log_start: -1, ..News::default() },
    }
}

/// Consumers need not look at a partition again before it moves, if they stand at its end. A follower's look is more
/// than that: it tells what the follower holds.
fn idle(part: &Part, reader: Reader) -> Option<Seen> {
    match (&part.outcome, reader) {
        (Outcome::Found(found), Reader::Consumer(_)) if found.is_at_end && found.diverging.is_none() => {
            Some(found.seen.clone())
        }
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
