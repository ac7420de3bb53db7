//! Producer ids are handed out to brokers in blocks; the newest block stands in a znode.

use kafka_metadata::znodes::producer_ids::{self, ProducerIdBlock};
use kafka_types::{BrokerEpoch, BrokerId, ErrorCode};

use crate::controller::Controller;
use crate::effect::{Answer, Effect, NoticeLevel, Read, WriteOp};
use crate::event::{ReadResult, ReplyToken, WriteError, WriteResult};
use crate::job::{Io, Job, Next};

/// Steps of handing out one block.
#[derive(Debug)]
pub(crate) enum AllocationStep {
    Read(ReplyToken, BrokerId),
    Found(ReplyToken, BrokerId),
    Written(ReplyToken, ProducerIdBlock),
}

impl AllocationStep {
    pub(crate) fn token(&self) -> ReplyToken {
        match self {
            AllocationStep::Read(token, _) | AllocationStep::Found(token, _) | AllocationStep::Written(token, _) => {
                *token
            }
        }
    }

    pub(crate) fn step(self, controller: &mut Controller, io: Io, effects: &mut Vec<Effect>) -> Next {
        match self {
            AllocationStep::Read(token, broker) => {
                let read = Read::Data { path: producer_ids::BLOCK.to_owned(), watch: false };
                Next::Read(vec![read], Job::Allocate(AllocationStep::Found(token, broker)))
            }
            AllocationStep::Found(token, broker) => found(controller, token, broker, io.reads().pop(), effects),
            AllocationStep::Written(token, block) => match io.writes().pop() {
                Some(WriteResult::Done(_)) => answer(token, Ok(block), effects),
                // Somebody else was faster, or the answer to our own write was lost: that block is then nobody's.
                Some(WriteResult::Refused { error: WriteError::BadVersion, .. }) => {
                    Next::Jobs(vec![Job::Allocate(AllocationStep::Read(token, block.broker))])
                }
                _ => answer(token, Err(ErrorCode::UnknownServerError), effects),
            },
        }
    }
}

fn found(
    controller: &Controller,
    token: ReplyToken,
    broker: BrokerId,
    result: Option<ReadResult>,
    effects: &mut Vec<Effect>,
) -> Next {
    let Some(ReadResult::Data { data, stat }) = result else {
        return answer(token, Err(ErrorCode::UnknownServerError), effects);
    };
    let next = match ProducerIdBlock::decode(&data) {
        Ok(newest) => ProducerIdBlock::after(newest, broker),
        Err(error) => {
            controller.notice(NoticeLevel::Error, error.to_string(), effects);
            None
        }
    };
    let Some(block) = next else {
        return answer(token, Err(ErrorCode::UnknownServerError), effects);
    };
    let path = producer_ids::BLOCK.to_owned();
    let write = controller.fenced(WriteOp::Set { path, data: block.encode(), version: Some(stat.version) });
    Next::Write(vec![write], Job::Allocate(AllocationStep::Written(token, block)))
}

fn answer(token: ReplyToken, result: Result<ProducerIdBlock, ErrorCode>, effects: &mut Vec<Effect>) -> Next {
    effects.push(Effect::Answer { token, answer: Answer::AllocateProducerIds(result) });
    Next::Done
}

impl Controller {
    /// A broker wants a block of producer ids.
    pub(crate) fn on_allocate_producer_ids(
        &mut self,
        token: ReplyToken,
        broker: BrokerId,
        broker_epoch: BrokerEpoch,
        effects: &mut Vec<Effect>,
    ) {
        let error = match self.context.broker_epoch(broker) {
            None => ErrorCode::BrokerIdNotRegistered,
            Some(known) if known != broker_epoch => ErrorCode::StaleBrokerEpoch,
            Some(_) => {
                self.push_jobs([Job::Allocate(AllocationStep::Read(token, broker))]);
                return;
            }
        };
        answer(token, Err(error), effects);
    }
}
