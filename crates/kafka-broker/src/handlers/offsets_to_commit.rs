//! What OffsetCommit and TxnOffsetCommit do alike, before a coordinator is asked and in their answers.

use std::collections::HashMap;

use kafka_group_coordinator::OffsetToCommit;
use kafka_security::Operation;
use kafka_types::{ErrorCode, TopicPartition};

use super::Context;

/// The offsets of a request, sifted.
#[derive(Default)]
pub(super) struct Sifted {
    /// Those that the coordinator is asked about.
    pub(super) offsets: Vec<OffsetToCommit>,
    /// Those that are refused without it.
    pub(super) refused: HashMap<TopicPartition, ErrorCode>,
}

impl Sifted {
    /// Adds those of one topic: they may be committed if it may be read, and if its partitions are there.
    pub(super) fn add(&mut self, context: &Context, topic: &str, offsets: impl Iterator<Item = OffsetToCommit>) {
        let image = context.broker.metadata.image();
        let allowed = context.may_on_topic(Operation::Read, topic);
        for offset in offsets {
            if !allowed {
                self.refused.insert(offset.topic_partition, ErrorCode::TopicAuthorizationFailed);
            } else if image.partition(topic, offset.topic_partition.partition).is_none() {
                self.refused.insert(offset.topic_partition, ErrorCode::UnknownTopicOrPartition);
            } else {
                self.offsets.push(offset);
            }
        }
    }
}

/// The answer to a request: topics by name, and what became of each partition. What was refused before the coordinator
/// was asked comes first.
pub(super) fn told<'a>(
    topics: impl Iterator<Item = (&'a str, Vec<i32>)>,
    error: impl Fn(&TopicPartition) -> ErrorCode,
) -> Vec<(String, Vec<(i32, ErrorCode)>)> {
    let is_refused = |(_, error): &(i32, ErrorCode)| {
        matches!(error, ErrorCode::TopicAuthorizationFailed | ErrorCode::UnknownTopicOrPartition)
    };
    let told = topics.map(|(name, partitions)| {
        let outcome = |partition: i32| (partition, error(&TopicPartition::new(name, partition)));
        let mut outcomes: Vec<_> = partitions.into_iter().map(outcome).collect();
        outcomes.sort_by_key(|outcome| !is_refused(outcome));
        (name.to_owned(), outcomes)
    });
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|(_, outcomes)| !outcomes.iter().any(is_refused));
    told
}
