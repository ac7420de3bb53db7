//! Accepts connections and hands them to the shards in turn.

use std::sync::Arc;

use net::{Accepted, Incoming, Listener, Shutdown, Stream};
use tracing::{debug, info, warn};

use super::connection;
use crate::broker::{Broker, ListenerInfo};

/// Accepts until the listener ends.
pub(crate) async fn run(broker: Arc<Broker>, mut listener: Listener, info: Arc<ListenerInfo>) {
    let mut next = 0;
    loop {
        let incoming = tokio::select! {
            incoming = listener.accept() => incoming,
            () = info.shutdown.begun() => return,
        };
        if let Some(pause) = broker.quotas.accept(&broker, &info.name) {
            // All that come after it wait with it, in the system's queue.
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = info.shutdown.begun() => return,
            }
        }
        match incoming {
            Incoming::Accepted(accepted) => {
                if let Some(pause) = broker.quotas.connect(&broker, accepted.stream.peer().ip()) {
                    keep_waiting(&info.shutdown, accepted, pause);
                    continue;
                }
                broker.listeners.close_excess(&broker);
                next = (next + 1) % broker.shards.count();
                if let Err(error) = hand_over(&broker, accepted, &info, next).await {
                    debug!(target: "kafka.network.DataPlaneAcceptor", "A connection was lost before it was served: {error}");
                }
            }
            Incoming::Refused { peer, refusal } => {
                info!(target: "kafka.network.DataPlaneAcceptor", "Rejected connection from {peer}: {refusal:?}");
            }
        }
    }
}

/// An address that connects too often is not served, and learns it late: a client that comes back at once would come
/// back at once for ever. The connection has its place among the others meanwhile.
fn keep_waiting(shutdown: &Shutdown, accepted: Accepted, pause: std::time::Duration) {
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.begun() => {}
        }
        drop(accepted);
    });
}

async fn hand_over(
    broker: &Arc<Broker>,
    accepted: Accepted,
    info: &Arc<ListenerInfo>,
    shard: usize,
) -> std::io::Result<()> {
    let Accepted { stream, admission } = accepted;
    let socket = stream.into_std()?;
    let (for_shard, info, shelf) = (Arc::clone(broker), Arc::clone(info), broker.metrics.requests.shelf(shard));
    let spawned = broker.shards.spawn_on(shard, move || async move {
        match Stream::from_std(socket) {
            Ok(stream) => connection::serve(for_shard, stream, info, shelf, admission).await,
            Err(error) => warn!(target: "kafka.network.Processor", "A connection cannot be served: {error}"),
        }
    });
    spawned.await.map_err(std::io::Error::other)
}
