//! What OffsetCommit and TxnOffsetCommit do alike before a coordinator is asked.

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
