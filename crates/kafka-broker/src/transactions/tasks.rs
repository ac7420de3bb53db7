//! What the transaction coordinators of a shard want done outside of a call.

use std::sync::Arc;

use kafka_txn_coordinator::Event;
use tokio::sync::Notify;

use super::markers;
use crate::broker::Broker;
use crate::coordinators::transactions::Task;
use crate::coordinators::{Job, TransactionCoordinator};
use crate::replicas::Owned;
use crate::shard::here;

/// Begins every job as it comes.
pub(crate) async fn jobs(broker: Arc<Broker>) {
    let has_jobs: Arc<Notify> = here(|owned: &mut Owned| Arc::clone(&owned.transactions.has_jobs));
    loop {
        for job in here(|owned: &mut Owned| owned.transactions.take_jobs()) {
            tokio::task::spawn_local(carry_out(Arc::clone(&broker), job));
        }
        has_jobs.notified().await;
    }
}

async fn carry_out(broker: Arc<Broker>, job: Job<TransactionCoordinator>) {
    let Job { partition, epoch, task } = job;
    let event = match task {
        Task::AllocateProducerId(token) => Event::ProducerId { token, result: broker.producer_ids.next(&broker).await },
        Task::WriteMarkers(token, to_write) => {
            let is_wanted = || here(|owned: &mut Owned| owned.transactions.runs(partition, epoch));
            match markers::write_all(&broker, to_write, is_wanted).await {
                markers::Outcome::Written => Event::MarkersWritten { token },
                markers::Outcome::Fenced => Event::MarkersFenced { token },
                markers::Outcome::NotWanted => return,
            }
        }
    };
    here(|owned: &mut Owned| {
        // Another coordinator than the one that wanted it has no use for it.
        if owned.transactions.runs(partition, epoch) {
            owned.tell_coordinator::<TransactionCoordinator>(partition, event);
        }
    });
}
