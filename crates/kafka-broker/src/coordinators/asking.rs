//! Coordinators as the whole broker sees them: who keeps a group or a transactional id, and the questions that cross
//! shards.

use std::sync::Arc;

use kafka_group_coordinator::{Reply as GroupReply, Request as GroupRequest};
use kafka_txn_coordinator::{Reply as TxnReply, Request as TxnRequest};
use kafka_types::{ErrorCode, LeaderEpoch, TopicPartition};
use tokio::sync::oneshot;

use super::{Core, GroupCoordinator, OFFSETS_TOPIC, TransactionCoordinator, loading, partition_for};
use crate::broker::Broker;
use crate::replicas::Owned;

impl Broker {
    /// Hands a request to the coordinator of a group and waits for its reply.
    pub(crate) async fn ask_group(&self, group: &str, request: GroupRequest) -> Result<GroupReply, ErrorCode> {
        let partition = self.coordinators_partition::<GroupCoordinator>(group)?;
        self.ask_group_at(&partition, request, |_| Ok(())).await
    }

    /// The same for the coordinator on a partition; `check` is done right before the coordinator decides.
    pub(crate) async fn ask_group_at(
        &self,
        partition: &TopicPartition,
        request: GroupRequest,
        check: impl FnOnce(&mut Owned) -> Result<(), ErrorCode> + Send + 'static,
    ) -> Result<GroupReply, ErrorCode> {
        self.ask_at::<GroupCoordinator>(partition, request, check).await
    }

    /// Hands a request to the coordinator of a transactional id and waits for its reply.
    pub(crate) async fn ask_transactions(&self, id: &str, request: TxnRequest) -> Result<TxnReply, ErrorCode> {
        let partition = self.coordinators_partition::<TransactionCoordinator>(id)?;
        self.ask_at::<TransactionCoordinator>(&partition, request, |_| Ok(())).await
    }

    /// The partition of `__consumer_offsets` that keeps a group, whether the topic is there already or not.
    pub(crate) fn offsets_partition(&self, group: &str) -> TopicPartition {
        self.coordinators_partition::<GroupCoordinator>(group).unwrap_or_else(|_| {
            let count = self.config.positive("offsets.topic.num.partitions") as i32;
            TopicPartition::new(OFFSETS_TOPIC, partition_for(group, count))
        })
    }

    /// The partition that keeps a group or a transactional id; `NOT_COORDINATOR` if there is no such topic yet.
    fn coordinators_partition<C: Core>(&self, name: &str) -> Result<TopicPartition, ErrorCode> {
        let image = self.metadata.image();
        let topic = image.topic(C::TOPIC).ok_or(ErrorCode::NotCoordinator)?;
        Ok(TopicPartition::new(C::TOPIC, partition_for(name, topic.partitions.len() as i32)))
    }

    async fn ask_at<C: Core>(
        &self,
        partition: &TopicPartition,
        request: C::Request,
        check: impl FnOnce(&mut Owned) -> Result<(), ErrorCode> + Send + 'static,
    ) -> Result<C::Reply, ErrorCode> {
        let (owner, index) = (self.shards.owner(partition), partition.partition);
        let (reply, answer) = oneshot::channel();
        let asked = self.shards.on(owner, move |owned| {
            check(owned)?;
            owned.ask_coordinator::<C>(index, request, reply)
        });
        asked.await.map_err(|_| ErrorCode::CoordinatorNotAvailable)??;
        answer.await.map_err(|_| ErrorCode::NotCoordinator)
    }

    /// Hands a request to every coordinator of its kind on this broker.
    pub(crate) async fn ask_all<C: Core>(&self, request: C::Request) -> Result<Vec<C::Reply>, ErrorCode>
    where
        C::Request: Sync,
    {
        let asked = self.shards.on_all(move |owned| {
            let mut answers = Vec::new();
            for partition in C::on(owned).partitions() {
                let (reply, answer) = oneshot::channel();
                if owned.ask_coordinator::<C>(partition, request.clone(), reply).is_ok() {
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

    /// This broker leads a partition of a coordinator's topic: what it keeps is loaded in the background.
    pub(crate) async fn elect_coordinator<C: Core>(
        self: &Arc<Self>,
        partition: i32,
        epoch: LeaderEpoch,
        config: C::Config,
    ) {
        let owner = self.shards.owner(&TopicPartition::new(C::TOPIC, partition));
        let elected = self.shards.on(owner, move |owned| C::on(owned).elect(partition, epoch, config)).await;
        if elected == Ok(true) {
            let broker = Arc::clone(self);
            // A shard that has ended loads nothing any more.
            let _ = self.shards.spawn_on(owner, move || loading::load::<C>(broker, partition, epoch)).await;
        }
    }
}
