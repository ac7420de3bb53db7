//! Controlled shutdown: a broker that is about to stop hands its leaderships over first.

use kafka_types::{BrokerEpoch, BrokerId, ErrorCode, TopicPartition};

use crate::controller::Controller;
use crate::effect::{Answer, Effect, NoticeLevel};
use crate::event::ReplyToken;
use crate::job::{Job, Next};
use crate::partition_states::{PartitionChange, Rule};
use crate::replica_states::{ReplicaChange, ReplicaStatus};

impl Controller {
    /// A broker wants to stop.
    pub(crate) fn on_controlled_shutdown(
        &mut self,
        token: ReplyToken,
        broker: BrokerId,
        broker_epoch: BrokerEpoch,
        effects: &mut Vec<Effect>,
    ) {
        let refuse = |error| Effect::Answer { token, answer: Answer::ControlledShutdown(Err(error)) };
        let Some(known) = self.context.broker_epoch(broker) else {
            effects.push(refuse(ErrorCode::BrokerNotAvailable));
            return;
        };
        if broker_epoch != BrokerEpoch::NONE && broker_epoch < known {
            effects.push(refuse(ErrorCode::StaleBrokerEpoch));
            return;
        }
        self.notice(NoticeLevel::Info, format!("Shutting down broker {broker}"), effects);
        self.context.shutting_down.insert(broker);
        let (led, followed): (Vec<_>, Vec<_>) = self
            .replicated_partitions_on(broker)
            .into_iter()
            .partition(|partition| self.context.leaderships[partition].state.leader == broker);
        let replicas = followed.iter().map(|partition| (partition.clone(), broker)).collect();
        self.push_jobs([
            Job::Partitions(PartitionChange::elect(led, Rule::Stopping)),
            Job::StopFollowing(broker, followed),
            Job::Replicas(ReplicaChange::new(replicas, ReplicaStatus::Offline)),
            Job::AnswerShutdown(token, broker),
        ]);
    }

    /// What it still leads: partitions that nobody else can lead.
    pub(crate) fn answer_shutdown(&mut self, token: ReplyToken, broker: BrokerId, effects: &mut Vec<Effect>) -> Next {
        let mut left = self.replicated_partitions_on(broker);
        left.retain(|partition| self.context.leaderships[partition].state.leader == broker);
        effects.push(Effect::Answer { token, answer: Answer::ControlledShutdown(Ok(left)) });
        Next::Done
    }

    /// Partitions that have a leader and other replicas besides this broker's: those without others never keep a broker
    /// from stopping.
    fn replicated_partitions_on(&self, broker: BrokerId) -> Vec<TopicPartition> {
        let context = &self.context;
        let concerns = |partition: &TopicPartition| {
            let replicas = context.replicas(partition);
            replicas.len() > 1
                && replicas.contains(&broker)
                && context.leaderships.contains_key(partition)
                && !context.deleting.contains(&partition.topic)
        };
        context.partitions().filter(concerns).collect()
    }
}
