//! Transactions as the whole broker sees them: who coordinates an id, and the questions that cross shards and brokers.

pub(crate) mod markers;
pub(crate) mod tasks;
pub(crate) mod verification;

use std::sync::Arc;

use kafka_txn_coordinator::{Reply, Request};
use kafka_types::{ErrorCode, LeaderEpoch, TopicPartition};
use tokio::sync::oneshot;

use crate::broker::Broker;
use crate::coordinators::transactions::TRANSACTION_TOPIC;
use crate::coordinators::{OFFSETS_TOPIC, loading, partition_for};

impl Broker {
    /// The partition of `__transaction_state` that keeps an id; `NOT_COORDINATOR` if there is no such topic yet.
    fn transaction_partition(&self, transactional_id: &str) -> Result<i32, ErrorCode> {
        let image = self.metadata.image();
        let topic = image.topic(TRANSACTION_TOPIC).ok_or(ErrorCode::NotCoordinator)?;
        Ok(partition_for(transactional_id, topic.partitions.len() as i32))
    }

    /// The partition of `__consumer_offsets` that keeps a group, whether the topic is there already or not.
    pub(crate) fn offsets_partition(&self, group: &str) -> TopicPartition {
        let image = self.metadata.image();
        let known = image.topic(OFFSETS_TOPIC).map(|topic| topic.partitions.len() as i32);
        let count = known.unwrap_or_else(|| self.config.positive("offsets.topic.num.partitions") as i32);
        TopicPartition::new(OFFSETS_TOPIC, partition_for(group, count))
    }

    /// Hands a request to the coordinator of a transactional id and waits for its reply.
    pub(crate) async fn ask_transactions(&self, transactional_id: &str, request: Request) -> Result<Reply, ErrorCode> {
        let partition = self.transaction_partition(transactional_id)?;
        let owner = self.shards.owner(&TopicPartition::new(TRANSACTION_TOPIC, partition));
        let (reply, answer) = oneshot::channel();
        let asked = self.shards.on(owner, move |owned| owned.ask_transactions(partition, request, reply));
        asked.await.map_err(|_| ErrorCode::CoordinatorNotAvailable)??;
        answer.await.map_err(|_| ErrorCode::NotCoordinator)
    }

    /// Hands a request to every transaction coordinator of this broker.
    pub(crate) async fn ask_all_transactions(&self, request: Request) -> Result<Vec<Reply>, ErrorCode> {
        let asked = self.shards.on_all(move |owned| {
            let mut answers = Vec::new();
            for partition in owned.transactions.partitions() {
                let (reply, answer) = oneshot::channel();
                if owned.ask_transactions(partition, request.clone(), reply).is_ok() {
                    answers.push(answer);
                }
            }
            answers
        });
        let mut replies = Vec::new();
        for answer in asked.await.map_err(|_| ErrorCode::CoordinatorNotAvailable)?.into_iter().flatten() {
            replies.extend(answer.await);
        }
        Ok(replies)
    }

    /// This broker leads a partition of `__transaction_state`: its transactions are loaded in the background.
    pub(crate) async fn elect_transaction_coordinator(self: &Arc<Self>, partition: i32, epoch: LeaderEpoch) {
        let config = self.config.transactions();
        let owner = self.shards.owner(&TopicPartition::new(TRANSACTION_TOPIC, partition));
        let elected = self.shards.on(owner, move |owned| owned.transactions.elect(partition, epoch, config)).await;
        if elected == Ok(true) {
            let broker = Arc::clone(self);
            // A shard that has ended loads nothing any more.
            let _ = self.shards.spawn_on(owner, move || loading::load_transactions(broker, partition, epoch)).await;
        }
    }
}
