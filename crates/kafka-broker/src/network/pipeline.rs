//! Requests that a client has sent without waiting for answers.
//!
//! One request of a connection is served at a time, as with Apache. But a producer under load has several batches under
//! way, and those that are here already are served together: one write to the file and one packet with the answers instead of
//! one for each. They are appended and answered in the order in which they came, so that nobody can tell.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use kafka_quotas::Kind;
use kafka_wire::{ApiKey, Decoder, Message as _, RequestHeader, produce};
use net::FrameReader;

use super::dispatch::{self, Outcome, Served, settle};
use crate::broker::{Broker, ListenerInfo};
use crate::handlers::Context;
use crate::handlers::produce::pipelined;
use crate::metrics::Answered;

/// So many are served together at the most.
const MOST: usize = 16;
/// How a Produce request begins.
const PRODUCE: [u8; 2] = ApiKey::Produce.code().to_be_bytes();

/// Takes the requests that came with this one, if all are to append records; at the most [`MOST`]. They are in memory
/// anyway. Clients that may have to rest after each answer are served one by one.
pub(crate) fn take_with(first: &Bytes, reader: &mut FrameReader, broker: &Broker) -> Vec<Bytes> {
    let mut more = Vec::new();
    let is_limited = || [Kind::Produce, Kind::Request].iter().any(|kind| broker.quotas.is_limited(*kind));
    if !first.starts_with(&PRODUCE) || reader.peek().is_none() || broker.request_memory.is_some() || is_limited() {
        return more;
    }
    while more.len() + 1 < MOST && reader.peek().is_some_and(|next| next.starts_with(&PRODUCE)) {
        // It has been peeked at, so that nothing can be wrong with its length.
        let Ok(Some(frame)) = reader.next_buffered() else { break };
        more.push(frame);
    }
    more
}

/// A request that is served with others.
struct Asked {
    context: Context,
    begun: Answered,
    request: produce::Request,
}

/// Has requests answered that came together; what comes of each, in their order. If one closes the connection, those after it
/// are not served.
pub(crate) async fn serve(
    broker: &Arc<Broker>,
    listener: &Arc<ListenerInfo>,
    peer: SocketAddr,
    frames: impl Iterator<Item = Bytes>,
) -> Vec<Served> {
    let (mut served, mut together) = (Vec::new(), Vec::new());
    for frame in frames {
        if let Some(asked) = plain_produce(broker, listener, peer, &frame) {
            together.push(asked);
            continue;
        }
        append(std::mem::take(&mut together), &mut served).await;
        served.push(dispatch::dispatch(broker, listener, peer, frame).await);
        if served.last().is_some_and(|last| matches!(last.outcome, Outcome::Close)) {
            return served;
        }
    }
    append(together, &mut served).await;
    served
}

/// The request, if it is one to append and nothing is special about it.
fn plain_produce(broker: &Arc<Broker>, listener: &Arc<ListenerInfo>, peer: SocketAddr, frame: &Bytes) -> Option<Asked> {
    let mut decoder = Decoder::new(frame.clone());
    let header = RequestHeader::decode(&mut decoder).ok().filter(|header| header.api_key == ApiKey::Produce)?;
    let bytes = decoder.remaining() as u64;
    let begun = Answered::at_once(header.api_key, header.api_version, broker.clock.precise(), bytes);
    let context = Context::new(broker, listener, peer, header);
    let request = produce::Request::decode(&mut decoder, context.version).ok()?;
    if decoder.remaining() > 0 || !pipelined::is_plain(&request) {
        return None;
    }
    context.charge(Kind::Produce, frame.len() as f64);
    Some(Asked { context, begun, request })
}

async fn append(asked: Vec<Asked>, served: &mut Vec<Served>) {
    let (mut contexts, mut begun, mut requests) = (Vec::new(), Vec::new(), Vec::new());
    for one in asked {
        contexts.push(one.context);
        begun.push(one.begun);
        requests.push(one.request);
    }
    let responses = pipelined::handle_all(&contexts, requests).await;
    for ((context, begun), response) in contexts.iter().zip(begun).zip(responses) {
        served.push(dispatch::served(context, begun, settle(context, response)));
    }
}
