//! Leaders elected by order.

use kafka_types::TopicPartition;
use kafka_wire::elect_leaders as wire;

use super::Admin;
use super::call::{Call, Target};
use crate::error::Error;

/// By which rule leaders are elected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionType {
    /// The preferred replica.
    Preferred,
    /// Any replica that lives, where none is in sync.
    Unclean,
}

impl ElectionType {
    /// As Java's tools print it.
    pub fn name(self) -> &'static str {
        match self {
            ElectionType::Preferred => "PREFERRED",
            ElectionType::Unclean => "UNCLEAN",
        }
    }
}

/// What became of each partition, in the order of the answer.
pub type Elections = Vec<(TopicPartition, Result<(), Error>)>;

impl Admin {
    /// Has leaders elected for these partitions; for all if there are none said, and then those that need none are left
    /// out.
    pub async fn elect_leaders(
        &self,
        election: ElectionType,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<Elections, Error> {
        self.call("electLeaders").until_settled(async |call| try_elect(call, election, partitions).await).await
    }
}

async fn try_elect(
    call: &mut Call<'_>,
    election: ElectionType,
    partitions: Option<&[TopicPartition]>,
) -> Result<Elections, Error> {
    let connection = call.connection(Target::Controller).await?;
    let topic_partitions = partitions.map(|partitions| {
        let mut topics: Vec<wire::TopicPartitions> = Vec::new();
        for partition in partitions {
            match topics.iter_mut().find(|topic| *topic.topic == *partition.topic) {
                Some(topic) => topic.partitions.push(partition.partition),
                None => topics.push(wire::TopicPartitions {
                    topic: partition.topic.to_string(),
                    partitions: vec![partition.partition],
                }),
            }
        }
        topics
    });
    let election_type = match election {
        ElectionType::Preferred => 0,
        ElectionType::Unclean => 1,
    };
    let request = wire::Request { election_type, topic_partitions, timeout_ms: call.remaining_ms() };
    let response = call.send::<wire::ElectLeaders>(&connection, &request).await?;
    Error::check(response.error_code)?;
    let mut elected = Vec::new();
    for topic in response.replica_election_results {
        for result in topic.partition_result {
            let outcome = Error::check_with(result.error_code, result.error_message.as_deref());
            elected.push((TopicPartition::new(topic.topic.as_str(), result.partition_id), outcome));
        }
    }
    Ok(elected)
}
