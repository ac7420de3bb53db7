//! Other leaders by order: ElectLeaders, and leaderships given back to preferred replicas from time to time.

use std::collections::BTreeMap;

use kafka_types::{BrokerId, ErrorCode, LeaderEpoch, TopicPartition};

use crate::controller::Controller;
use crate::effect::{Answer, Effect, ElectedPartition};
use crate::event::{ElectionType, ReplyToken};
use crate::job::{Job, Next};
use crate::partition_states::{PartitionChange, Rule};

/// What has to be told when an election is over.
#[derive(Debug)]
pub(crate) struct ElectionAnswer {
    /// Nobody asked if there is none.
    pub(crate) token: Option<ReplyToken>,
    pub(crate) election: ElectionType,
    /// Refused before the election.
    pub(crate) refused: Vec<ElectedPartition>,
    /// Leader epochs before the election: a partition whose epoch grew has a new leader.
    pub(crate) before: BTreeMap<TopicPartition, LeaderEpoch>,
}

impl Controller {
    /// A tool wants other leaders.
    pub(crate) fn on_elect_leaders(
        &mut self,
        token: ReplyToken,
        election: ElectionType,
        partitions: Option<Vec<TopicPartition>>,
    ) {
        let for_all = partitions.is_none();
        let partitions = partitions.unwrap_or_else(|| self.context.leaderships.keys().cloned().collect());
        let mut refused = Vec::new();
        let mut before = BTreeMap::new();
        for partition in partitions {
            match self.may_elect(&partition, election) {
                Ok(epoch) => {
                    before.insert(partition, epoch);
                }
                // Who asks for all wants to hear of those that changed or could not.
                Err((ErrorCode::ElectionNotNeeded, _)) if for_all => {}
                Err((error, message)) => {
                    refused.push(ElectedPartition { partition, error, message: Some(message.to_owned()) });
                }
            }
        }
        let rule = match election {
            ElectionType::Preferred => Rule::Preferred,
            ElectionType::Unclean => Rule::Offline { unclean: true },
        };
        let electing = before.keys().cloned().collect();
        self.push_jobs([
            Job::Partitions(PartitionChange::elect(electing, rule)),
            Job::AnswerElection(ElectionAnswer { token: Some(token), election, refused, before }),
        ]);
    }

    fn may_elect(
        &self,
        partition: &TopicPartition,
        election: ElectionType,
    ) -> Result<LeaderEpoch, (ErrorCode, &'static str)> {
        let context = &self.context;
        let (Some(known), Some(assignment)) = (context.leaderships.get(partition), context.assignment(partition))
        else {
            return Err((ErrorCode::UnknownTopicOrPartition, "The partition does not exist."));
        };
        if context.deleting.contains(&partition.topic) {
            return Err((ErrorCode::InvalidTopicException, "The topic is being deleted"));
        }
        let leader = known.state.leader;
        let needed = match election {
            ElectionType::Preferred => assignment.replicas.first() != Some(&leader),
            ElectionType::Unclean => !context.is_online(partition, leader, false),
        };
        if needed {
            Ok(known.state.leader_epoch)
        } else {
            Err((ErrorCode::ElectionNotNeeded, "Leader election not needed for topic partition."))
        }
    }

    /// The election is over.
    pub(crate) fn answer_election(&mut self, answer: ElectionAnswer, effects: &mut Vec<Effect>) -> Next {
        let Some(token) = answer.token else { return Next::Done };
        let mut elected = answer.refused;
        for (partition, before) in answer.before {
            let now = self.context.leaderships.get(&partition).map(|known| known.state.leader_epoch);
            let (error, message) = if now > Some(before) {
                (ErrorCode::None, None)
            } else {
                let (error, rule) = match answer.election {
                    ElectionType::Preferred => {
                        (ErrorCode::PreferredLeaderNotAvailable, "PreferredReplicaPartitionLeaderElectionStrategy")
                    }
                    ElectionType::Unclean => {
                        (ErrorCode::EligibleLeadersNotAvailable, "OfflinePartitionLeaderElectionStrategy(true)")
                    }
                };
                (error, Some(format!("Failed to elect leader for partition {partition} under strategy {rule}")))
            };
            elected.push(ElectedPartition { partition, error, message });
        }
        effects.push(Effect::Answer { token, answer: Answer::ElectLeaders(Ok(elected)) });
        Next::Done
    }

    /// Brokers that lead too few of the partitions that they should lead get those back that they can lead.
    pub(crate) fn rebalance(&mut self) -> Next {
        if !self.is_active() {
            return Next::Done;
        }
        let context = &self.context;
        let mut preferred: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
        for partition in context.leaderships.keys().filter(|partition| !context.deleting.contains(&partition.topic)) {
            if let Some(&first) = context.replicas(partition).first() {
                preferred.entry(first).or_default().push(partition.clone());
            }
        }
        let mut candidates = Vec::new();
        for (broker, partitions) in preferred.into_iter().filter(|(broker, _)| context.is_live(*broker)) {
            let total = partitions.len();
            let elsewhere: Vec<TopicPartition> = partitions
                .into_iter()
                .filter(|partition| context.leaderships[partition].state.leader != broker)
                .collect();
            if elsewhere.len() * 100 > total * self.settings.imbalance_percentage as usize {
                candidates.extend(elsewhere.into_iter().filter(|partition| {
                    context.leaderships[partition].state.isr.contains(&broker)
                        && context.is_online(partition, broker, false)
                        && context.assignment(partition).is_some_and(|assignment| !assignment.is_reassigning())
                }));
            }
        }
        if candidates.is_empty() {
            return Next::Done;
        }
        Next::Jobs(vec![Job::Partitions(PartitionChange::elect(candidates, Rule::Preferred))])
    }
}
