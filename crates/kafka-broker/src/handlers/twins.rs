//! Requests that name a partition twice: the last counts, and there is one answer, as where Apache's broker keeps a map.

use std::collections::{HashMap, HashSet};

use kafka_wire::{delete_records, offset_commit, produce, txn_offset_commit};

/// A topic in a request, with something for each of its partitions.
pub(super) trait NamedTopic {
    type Partition;
    fn name(&self) -> &str;
    fn partitions(&self) -> &[Self::Partition];
    fn partitions_mut(&mut self) -> &mut Vec<Self::Partition>;
    fn index(partition: &Self::Partition) -> i32;
}

macro_rules! named {
    ($topic:ty, $partition:ty, $partitions:ident, $index:ident) => {
        impl NamedTopic for $topic {
            type Partition = $partition;
            fn name(&self) -> &str {
                &self.name
            }
            fn partitions(&self) -> &[$partition] {
                &self.$partitions
            }
            fn partitions_mut(&mut self) -> &mut Vec<$partition> {
                &mut self.$partitions
            }
            fn index(partition: &$partition) -> i32 {
                partition.$index
            }
        }
    };
}

named!(produce::TopicProduceData, produce::PartitionProduceData, partition_data, index);
named!(delete_records::DeleteRecordsTopic, delete_records::DeleteRecordsPartition, partitions, partition_index);
named!(
    offset_commit::OffsetCommitRequestTopic,
    offset_commit::OffsetCommitRequestPartition,
    partitions,
    partition_index
);
named!(
    txn_offset_commit::TxnOffsetCommitRequestTopic,
    txn_offset_commit::TxnOffsetCommitRequestPartition,
    partitions,
    partition_index
);

/// The topics, each once, with each partition once: what came last for it, in the place of what came first.
pub(super) fn last_of_each<T: NamedTopic>(topics: Vec<T>) -> Vec<T> {
    if !has_twins(&topics) {
        return topics;
    }
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut merged: Vec<T> = Vec::new();
    for mut topic in topics {
        let at = *places.entry(topic.name().to_owned()).or_insert(merged.len());
        if at == merged.len() {
            merged.push(topic);
        } else {
            merged[at].partitions_mut().append(topic.partitions_mut());
        }
    }
    for topic in &mut merged {
        let partitions = std::mem::take(topic.partitions_mut());
        *topic.partitions_mut() = without_twins::<T>(partitions);
    }
    merged
}

fn without_twins<T: NamedTopic>(partitions: Vec<T::Partition>) -> Vec<T::Partition> {
    let mut places: HashMap<i32, usize> = HashMap::with_capacity(partitions.len());
    let mut kept: Vec<T::Partition> = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let at = *places.entry(T::index(&partition)).or_insert(kept.len());
        if at == kept.len() {
            kept.push(partition);
        } else {
            kept[at] = partition;
        }
    }
    kept
}

/// Clients name each topic once, and its partitions mostly in order: that is all that is looked at then.
fn has_twins<T: NamedTopic>(topics: &[T]) -> bool {
    let mut names = HashSet::new();
    (topics.len() > 1 && !topics.iter().all(|topic| names.insert(topic.name())))
        || topics.iter().any(|topic| {
            let indexes = || topic.partitions().iter().map(T::index);
            let mut seen = HashSet::new();
            !indexes().is_sorted_by(|one, next| one < next) && !indexes().all(|index| seen.insert(index))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use delete_records::{DeleteRecordsPartition, DeleteRecordsTopic};

    fn topic(name: &str, partitions: &[(i32, i64)]) -> DeleteRecordsTopic {
        let one = |&(partition_index, offset): &(i32, i64)| DeleteRecordsPartition { partition_index, offset };
        DeleteRecordsTopic { name: name.to_owned(), partitions: partitions.iter().map(one).collect() }
    }

    #[test]
    fn what_comes_last_counts_where_it_came_first() {
        let asked =
            vec![topic("a", &[(1, 10), (0, 11), (1, 12)]), topic("b", &[(0, 1)]), topic("a", &[(0, 13), (2, 14)])];
        let wanted = vec![topic("a", &[(1, 12), (0, 13), (2, 14)]), topic("b", &[(0, 1)])];
        assert_eq!(last_of_each(asked), wanted);
    }

    #[test]
    fn where_there_are_no_twins_nothing_moves() {
        let asked = vec![topic("a", &[(2, 1), (0, 2)]), topic("b", &[]), topic("c", &[(0, 1), (1, 1)])];
        assert!(!has_twins(&asked));
        assert_eq!(last_of_each(asked.clone()), asked);
        assert!(has_twins(&[topic("a", &[(0, 1)]), topic("a", &[(1, 1)])]));
        assert!(has_twins(&[topic("a", &[(0, 1), (0, 1)])]));
    }
}
