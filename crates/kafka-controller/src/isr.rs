//! AlterPartition: what a leader may change about who is in sync (KIP-497, KIP-841).

use kafka_metadata::znodes::partition_state::{self, PartitionState};
use kafka_types::{BrokerEpoch, BrokerId, ErrorCode, PartitionEpoch, TopicPartition, Uuid};

use crate::context::Leadership;
use crate::controller::Controller;
use crate::effect::{Answer, Effect, Read, Write};
use crate::event::{
    AlterPartitionRequest, AlteredPartition, AlteredState, IsrProposal, ReadResult, ReplyToken, WriteError, WriteResult,
};
use crate::job::{Io, Job, Next};
use crate::reassignment::MoveStep;

/// Steps of one request.
#[derive(Debug)]
pub(crate) enum AlterStep {
    Check(ReplyToken, AlterPartitionRequest),
    Written(ReplyToken, Vec<Pending>),
    /// States that had changed were read again; perhaps by our own write, whose answer was lost.
    Reread(ReplyToken, Vec<Pending>),
}

/// One partition of a request.
#[derive(Debug)]
pub(crate) struct Pending {
    topic_id: Uuid,
    topic: String,
    partition: i32,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Known(Result<Leadership, ErrorCode>),
    /// This state is being written.
    Writing(PartitionState),
    /// It was written: everybody must hear of it.
    Changed(Leadership),
}

impl AlterStep {
    pub(crate) fn token(&self) -> ReplyToken {
        match self {
            AlterStep::Check(token, _) | AlterStep::Written(token, _) | AlterStep::Reread(token, _) => *token,
        }
    }

    pub(crate) fn step(self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self {
            AlterStep::Check(token, request) => check(controller, token, request, effects),
            AlterStep::Written(token, pending) => written(controller, token, pending, io.writes(), effects),
            AlterStep::Reread(token, pending) => reread(controller, token, pending, io.reads(), effects),
        }
    }
}

fn check(
    controller: &mut Controller,
    token: ReplyToken,
    request: AlterPartitionRequest,
    effects: &mut Vec<Effect>,
) -> Next {
    if controller.context.broker_epoch(request.broker) != Some(request.broker_epoch) {
        let answer = Answer::AlterPartition(Err(ErrorCode::StaleBrokerEpoch));
        effects.push(Effect::Answer { token, answer });
        return Next::Done;
    }
    let mut writes: Vec<Write> = Vec::new();
    let mut pending = Vec::new();
    for proposal in request.proposals {
        let (topic, outcome) = decide(controller, &proposal, request.by_topic_id);
        if let (Some(partition), Outcome::Writing(state)) = (&topic, &outcome) {
            let version = controller.context.leaderships[partition].version;
            writes.push(controller.set_state(partition, state, version));
        }
        let topic = topic.map_or(proposal.topic, |partition| partition.topic.to_string());
        pending.push(Pending { topic_id: proposal.topic_id, topic, partition: proposal.partition, outcome });
    }
    let job = Job::Alter(AlterStep::Written(token, pending));
    if writes.is_empty() { Next::Jobs(vec![job]) } else { Next::Write(writes, job) }
}

/// Which partition is meant, as far as known, and what is to be done.
fn decide(controller: &Controller, proposal: &IsrProposal, by_id: bool) -> (Option<TopicPartition>, Outcome) {
    let context = &controller.context;
    let refuse = |error| Outcome::Known(Err(error));
    let name =
        if by_id { context.names.get(&proposal.topic_id).cloned() } else { Some(proposal.topic.as_str().into()) };
    let Some(name) = name else { return (None, refuse(ErrorCode::UnknownTopicId)) };
    let partition = TopicPartition::new(name, proposal.partition);
    let Some(known) = context.leaderships.get(&partition) else {
        return (Some(partition), refuse(ErrorCode::UnknownTopicOrPartition));
    };
    let isr = in_order(&known.state.isr, proposal);
    let is_current = proposal.leader_epoch == known.state.leader_epoch
        && isr == known.state.isr
        && proposal.recovering == known.state.recovering;
    let outcome = if proposal.leader_epoch > known.state.leader_epoch || proposal.partition_epoch > known.version {
        // The leader knows more than we do: another controller told it.
        refuse(ErrorCode::NotController)
    } else if proposal.leader_epoch < known.state.leader_epoch {
        refuse(ErrorCode::FencedLeaderEpoch)
    } else if is_current {
        // Its answer to the same question was lost.
        Outcome::Known(Ok(known.clone()))
    } else if proposal.partition_epoch < known.version {
        refuse(ErrorCode::InvalidUpdateVersion)
    } else if proposal.recovering && (isr.len() > 1 || !known.state.recovering) {
        refuse(ErrorCode::InvalidRequest)
    } else if !proposal.isr.iter().all(|(id, epoch)| is_eligible(controller, *id, *epoch)) {
        // Versions without topic ids do not know INELIGIBLE_REPLICA.
        refuse(if by_id { ErrorCode::IneligibleReplica } else { ErrorCode::OperationNotAttempted })
    } else {
        let (controller_epoch, recovering) = (context.epoch, proposal.recovering);
        let (leader, leader_epoch) = (known.state.leader, known.state.leader_epoch);
        Outcome::Writing(PartitionState { controller_epoch, leader, leader_epoch, isr, recovering })
    };
    (Some(partition), outcome)
}

/// Who shall be in sync: those that were keep their order, and new ones follow, as they always came into sync one after
/// the other. (A leader may keep them as a set.)
fn in_order(before: &[BrokerId], proposal: &IsrProposal) -> Vec<BrokerId> {
    let is_proposed = |id: &BrokerId| proposal.isr.iter().any(|(proposed, _)| proposed == id);
    let stay = before.iter().copied().filter(is_proposed);
    let come = proposal.isr.iter().map(|(id, _)| *id).filter(|id| !before.contains(id));
    stay.chain(come).collect()
}

/// May the broker come into sync: it lives, does not stop, and is in the life in which it fetched.
fn is_eligible(controller: &Controller, id: BrokerId, epoch: BrokerEpoch) -> bool {
    controller.context.is_live(id) && (epoch == BrokerEpoch::NONE || controller.context.broker_epoch(id) == Some(epoch))
}

fn written(
    controller: &mut Controller,
    token: ReplyToken,
    mut pending: Vec<Pending>,
    results: Vec<WriteResult>,
    effects: &mut Vec<Effect>,
) -> Next {
    let mut results = results.into_iter();
    let mut reads = Vec::new();
    for one in &mut pending {
        let Outcome::Writing(state) = &one.outcome else { continue };
        match results.next() {
            Some(WriteResult::Done(versions)) => {
                let version = PartitionEpoch(versions.last().copied().unwrap_or(0));
                let known = Leadership { state: state.clone(), version };
                controller.context.leaderships.insert(one.partition(), known.clone());
                one.outcome = Outcome::Changed(known);
            }
            Some(WriteResult::Refused { error: WriteError::BadVersion, .. }) => {
                reads.push(Read::Data { path: partition_state::path(&one.partition()), watch: false });
            }
            _ => one.outcome = Outcome::Known(Err(ErrorCode::UnknownServerError)),
        }
    }
    let job = Job::Alter(AlterStep::Reread(token, pending));
    if reads.is_empty() { job.step(controller, Io::None, effects) } else { Next::Read(reads, job) }
}

fn reread(
    controller: &mut Controller,
    token: ReplyToken,
    mut pending: Vec<Pending>,
    results: Vec<ReadResult>,
    effects: &mut Vec<Effect>,
) -> Next {
    let mut results = results.into_iter();
    for one in &mut pending {
        let Outcome::Writing(wanted) = &one.outcome else { continue };
        if let Some(result) = results.next() {
            controller.adopt_state(&one.partition(), result, effects);
        }
        let known = controller.context.leaderships.get(&one.partition());
        one.outcome = match known.filter(|known| known.state == *wanted) {
            Some(known) => Outcome::Changed(known.clone()),
            None => Outcome::Known(Err(ErrorCode::InvalidUpdateVersion)),
        };
    }
    let changed: Vec<TopicPartition> =
        pending.iter().filter(|one| matches!(one.outcome, Outcome::Changed(_))).map(Pending::partition).collect();
    let accepted = pending.iter().filter(|one| matches!(one.outcome, Outcome::Changed(_) | Outcome::Known(Ok(_))));
    let accepted: Vec<TopicPartition> = accepted.map(Pending::partition).collect();
    let altered = pending.into_iter().map(Pending::into_answer).collect();
    effects.push(Effect::Answer { token, answer: Answer::AlterPartition(Ok(altered)) });
    if !changed.is_empty() {
        controller.batch.tell_all(&controller.context, changed);
        controller.send_batch(effects);
    }
    // Perhaps that was the last one that a move was waiting for.
    Next::Jobs(vec![Job::Move(MoveStep::Check(accepted))])
}

impl Pending {
    fn partition(&self) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), self.partition)
    }

    fn into_answer(self) -> AlteredPartition {
        let result = match self.outcome {
            Outcome::Known(known) => known,
            Outcome::Changed(known) => Ok(known),
            Outcome::Writing(_) => Err(ErrorCode::UnknownServerError),
        };
        let result = result.map(|known| AlteredState {
            leader: known.state.leader,
            leader_epoch: known.state.leader_epoch,
            isr: known.state.isr,
            recovering: known.state.recovering,
            partition_epoch: known.version,
            controller_epoch: known.state.controller_epoch,
        });
        AlteredPartition { topic_id: self.topic_id, topic: self.topic, partition: self.partition, result }
    }
}
