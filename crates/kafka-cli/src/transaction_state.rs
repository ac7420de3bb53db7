//! Records of `__transaction_state` in words, as Scala has them.

use kafka_types::TopicPartition;
use kafka_wire::records::transactions::PartitionsSchema;

use crate::java_order::hash_of_partition;

/// The state of a transaction by its number in a record.
pub(crate) fn state_name(status: i8) -> Option<&'static str> {
    const STATES: [&str; 8] = [
        "Empty",
        "Ongoing",
        "PrepareCommit",
        "PrepareAbort",
        "CompleteCommit",
        "CompleteAbort",
        "Dead",
        "PrepareEpochFence",
    ];
    usize::try_from(status).ok().and_then(|at| STATES.get(at)).copied()
}

/// Partitions in the order of the `scala.collection.mutable.HashSet` that Apache puts them into, topic by topic.
pub(crate) fn scala_order(topics: Vec<PartitionsSchema>) -> Vec<String> {
    let mut table = 16;
    let mut known = Vec::new();
    for topic in topics {
        // A set of known size is made room for before it is added.
        table = table.max(((topic.partition_ids.len() + 1) * 4 / 3).next_power_of_two());
        for id in topic.partition_ids {
            let partition = TopicPartition::new(topic.topic.as_str(), id);
            let hash = hash_of_partition(&partition).cast_unsigned();
            known.push(((hash ^ (hash >> 16)).cast_signed(), partition.to_string()));
            if known.len() >= table / 4 * 3 {
                table *= 2;
            }
        }
    }
    known.sort_by_key(|(hash, _)| (hash.cast_unsigned() as usize & (table - 1), *hash));
    known.into_iter().map(|(_, text)| text).collect()
}
