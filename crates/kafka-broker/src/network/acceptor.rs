//! Accepts connections and hands them to the shards in turn.

use std::sync::Arc;

use net::{Accepted, Incoming, Listener, Stream};
use tracing::{debug, info, warn};

use super::connection;
use crate::broker::{Broker, ListenerInfo};

/// Accepts until shutdown begins.
pub(crate) async fn run(broker: Arc<Broker>, mut listener: Listener, info: Arc<ListenerInfo>) {
    let mut next = 0;
    loop {
        let incoming = tokio::select! {
            incoming = listener.accept() => incoming,
            () = broker.shutdown.begun() => return,
        };
        match incoming {
            Incoming::Accepted(accepted) => {
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

async fn hand_over(
    broker: &Arc<Broker>,
    accepted: Accepted,
    info: &Arc<ListenerInfo>,
    shard: usize,
) -> std::io::Result<()> {
    let Accepted { stream, admission } = accepted;
    let socket = stream.into_std()?;
    let (for_shard, info) = (Arc::clone(broker), Arc::clone(info));
    let spawned = broker.shards.spawn_on(shard, move || async move {
        match Stream::from_std(socket) {
            Ok(stream) => connection::serve(for_shard, stream, info, admission).await,
            Err(error) => warn!(target: "kafka.network.Processor", "A connection cannot be served: {error}"),
        }
    });
    spawned.await.map_err(std::io::Error::other)
}
