//! AlterPartition: a leader asks the controller for another ISR.

use std::collections::BTreeMap;

use kafka_controller::{AlterPartitionRequest, AlteredPartition, Answer, Event, IsrProposal};
use kafka_security::Operation;
use kafka_types::{BrokerEpoch, BrokerId, ErrorCode, LeaderEpoch, PartitionEpoch, Uuid};
use kafka_wire::alter_partition::{self as wire, ResponsePartitionData, ResponseTopicData};

use super::Context;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    if !context.may_on_cluster(Operation::ClusterAction) {
        return refused(ErrorCode::ClusterAuthorizationFailed);
    }
    let asked = domain(request, wire::Version(context.version));
    match context.broker.controller.ask(move |token| Event::AlterPartition { token, request: asked }).await {
        Ok(Answer::AlterPartition(Ok(altered))) => response(altered),
        Ok(Answer::AlterPartition(Err(error))) | Err(error) => refused(error),
        Ok(_) => refused(ErrorCode::UnknownServerError),
    }
}

fn domain(request: wire::Request, version: wire::Version) -> AlterPartitionRequest {
    let mut proposals = Vec::new();
    for topic in request.topics {
        for partition in topic.partitions {
            let isr = if version.carries_broker_epochs() {
                let member = |one: &wire::BrokerState| (BrokerId(one.broker_id), BrokerEpoch(one.broker_epoch));
                partition.new_isr_with_epochs.iter().map(member).collect()
            } else {
                partition.new_isr.iter().map(|id| (BrokerId(*id), BrokerEpoch::NONE)).collect()
            };
            proposals.push(IsrProposal {
                topic_id: topic.topic_id,
                topic: topic.topic_name.clone(),
                partition: partition.partition_index,
                leader_epoch: LeaderEpoch(partition.leader_epoch),
                isr,
                recovering: partition.leader_recovery_state != 0,
                partition_epoch: PartitionEpoch(partition.partition_epoch),
            });
        }
    }
    AlterPartitionRequest {
        broker: BrokerId(request.broker_id),
        broker_epoch: BrokerEpoch(request.broker_epoch),
        by_topic_id: version.uses_topic_ids(),
        proposals,
    }
}

fn response(altered: Vec<AlteredPartition>) -> wire::Response {
    let mut topics: BTreeMap<(Uuid, String), Vec<ResponsePartitionData>> = BTreeMap::new();
    for one in altered {
        let mut data = ResponsePartitionData { partition_index: one.partition, ..Default::default() };
        match one.result {
            Ok(state) => {
                data.leader_id = state.leader.0;
                data.leader_epoch = state.leader_epoch.0;
                data.isr = state.isr.iter().map(|id| id.0).collect();
                data.leader_recovery_state = i8::from(state.recovering);
                data.partition_epoch = state.partition_epoch.0;
            }
            Err(error) => data.error_code = error.code(),
        }
        topics.entry((one.topic_id, one.topic)).or_default().push(data);
    }
    let topics = topics.into_iter().map(|((topic_id, topic_name), partitions)| ResponseTopicData {
        topic_name,
        topic_id,
        partitions,
    });
    wire::Response { topics: topics.collect(), ..Default::default() }
}

fn refused(error: ErrorCode) -> wire::Response {
    wire::Response { error_code: error.code(), ..Default::default() }
}
