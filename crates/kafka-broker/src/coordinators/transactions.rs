//! Transaction coordinators: `kafka-txn-coordinator` over partitions of `__transaction_state`.

use kafka_record::{Batch, NO_SEQUENCE};
use kafka_txn_coordinator::{
    AppendToken, Config, Coordinator, Effect, Event, MarkersToWrite, MarkersToken, Reply, ReplyToken, Request,
};
use kafka_types::{ErrorCode, LeaderEpoch, Offset, TopicPartition};
use time_types::{Now, Tick};
use tracing::{error, info, warn};

use super::{Append, Core, Cores, Progress, Wanted};
use crate::replicas::Owned;

/// The topic that keeps transactions.
pub(crate) const TRANSACTION_TOPIC: &str = kafka_metadata::topic_name::TRANSACTION_STATE;

/// The transaction coordinators of one shard.
pub(crate) type Transactions = Cores<Coordinator>;

/// What takes longer than a call.
#[derive(Debug)]
pub(crate) enum Task {
    /// Get a producer id.
    AllocateProducerId(ReplyToken),
    /// Write markers until every partition has its own.
    WriteMarkers(MarkersToken, MarkersToWrite),
}

impl Core for Coordinator {
    type Config = Config;
    type Request = Request;
    type Reply = Reply;
    type Event = Event;
    type Effect = Effect;
    type Task = Task;

    const TOPIC: &'static str = TRANSACTION_TOPIC;
    const APPEND_TIMEOUT: Option<&'static str> = None;

    fn on(owned: &mut Owned) -> &mut Transactions {
        &mut owned.transactions
    }

    fn new(config: Config, epoch: LeaderEpoch) -> Coordinator {
        Coordinator::new(config, epoch.0)
    }

    fn replay(&mut self, batch: &Batch<'_>, partition: &TopicPartition) -> Result<(), kafka_record::ReadError> {
        batch.for_each_record(kafka_record::MAX_DECOMPRESSED_DEFAULT, |record| {
            let Some(key) = record.key else { return true };
            if let Err(error) = Coordinator::replay(self, key, record.value) {
                warn!(target: "kafka.coordinator.transaction.TransactionStateManager", "The record of {partition} at offset {} is ignored: {error}", record.offset);
            }
            true
        })
    }

    fn on_loaded(&mut self, now: Now, effects: &mut Vec<Effect>) {
        Coordinator::on_loaded(self, now, effects);
    }

    fn unload(&mut self, effects: &mut Vec<Effect>) {
        Coordinator::unload(self, effects);
    }

    fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        Coordinator::handle(self, now, event, effects);
    }

    fn next_deadline(&self) -> Option<Tick> {
        Coordinator::next_deadline(self)
    }

    fn on_tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        Coordinator::on_tick(self, now, effects);
    }

    fn asked(token: u64, request: Request) -> Event {
        Event::Request { token: ReplyToken(token), request }
    }

    fn appended(token: u64, result: Result<Offset, ErrorCode>) -> Event {
        Event::Appended { token: AppendToken(token), result: result.map(|_| ()) }
    }

    fn wanted(effect: Effect) -> Wanted<Coordinator> {
        match effect {
            Effect::Append { token, records } => {
                let records = records.into_iter().map(|record| (record.key, record.value)).collect();
                Wanted::Append(Append { token: token.0, records, producer: None, base_sequence: NO_SEQUENCE })
            }
            Effect::AllocateProducerId { token } => Wanted::Task(Task::AllocateProducerId(token)),
            Effect::WriteMarkers { token, markers } => Wanted::Task(Task::WriteMarkers(token, markers)),
            Effect::Reply { token, reply } => Wanted::Reply(token.0, reply),
        }
    }

    fn tell(id: i32, partition: &TopicPartition, epoch: LeaderEpoch, progress: Progress) {
        match progress {
            Progress::Elected => {
                info!(target: "kafka.coordinator.transaction.TransactionCoordinator", "[TransactionCoordinator id={id}] Elected as the txn coordinator for partition {} at epoch {epoch}", partition.partition);
            }
            Progress::Unreadable(from) => {
                error!(target: "kafka.coordinator.transaction.TransactionStateManager", "[Transaction State Manager {id}]: Error loading transactions from transaction log {partition} at {from}: what follows is left out");
            }
            Progress::Loaded(millis) => {
                info!(target: "kafka.coordinator.transaction.TransactionStateManager", "[Transaction State Manager {id}]: Finished loading transaction metadata from {partition} in {millis} milliseconds for coordinator epoch {epoch}");
            }
        }
    }
}
