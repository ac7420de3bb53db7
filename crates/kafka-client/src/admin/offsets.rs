//! Where logs begin, end, and where they were at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kafka_types::{BrokerId, ErrorCode, Offset, TopicPartition};
use kafka_wire::list_offsets::{self, ListOffsetsPartition, ListOffsetsTopic};

use super::Admin;
use super::call::{Call, Target};
use super::topics::{TopicSelection, try_metadata};
use crate::connection::Connection;
use crate::error::{ConnectionError, Error};

/// Which offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// Behind the last record that may be read.
    Latest,
    /// Of the first record.
    Earliest,
    /// Of the record with the largest timestamp (KIP-734).
    MaxTimestamp,
    /// Of the first record on the broker's own disk (KIP-405).
    EarliestLocal,
    /// Of the last record in remote storage (KIP-1005).
    LatestTiered,
    /// Of the first record that is not older than this (ms since 1970).
    Timestamp(i64),
}

impl OffsetSpec {
    /// As ListOffsets says it.
    fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Latest => -1,
            OffsetSpec::Earliest => -2,
            OffsetSpec::MaxTimestamp => -3,
            OffsetSpec::EarliestLocal => -4,
            OffsetSpec::LatestTiered => -5,
            OffsetSpec::Timestamp(at) => at,
        }
    }

    /// Can it be asked in this version?
    fn fits(self, version: list_offsets::Version) -> bool {
        match self {
            OffsetSpec::MaxTimestamp => version.allows_max_timestamp(),
            OffsetSpec::EarliestLocal => version.allows_earliest_local(),
            OffsetSpec::LatestTiered => version.allows_latest_tiered(),
            OffsetSpec::Latest | OffsetSpec::Earliest | OffsetSpec::Timestamp(_) => true,
        }
    }
}

/// What was found for each partition: an offset, `None` where there is no such record, or why it cannot be told.
pub type FoundOffsets = Vec<(TopicPartition, Result<Option<Offset>, Error>)>;

impl Admin {
    /// Looks offsets up. Every partition has an outcome of its own; what nobody leads, or is not there, is tried until
    /// the call's time is over.
    pub async fn list_offsets(&self, wanted: &[(TopicPartition, OffsetSpec)]) -> FoundOffsets {
        let call = self.call("listOffsets(api=METADATA)");
        let mut settled: HashMap<TopicPartition, Result<Option<Offset>, Error>> = HashMap::new();
        let failure =
            call.until_settled(async |call| self.try_list_offsets(call, wanted, &mut settled).await).await.err();
        let unsettled =
            || Err(failure.clone().unwrap_or(Error::Broker { code: ErrorCode::UnknownServerError, message: None }));
        let outcome = |partition: &TopicPartition| settled.get(partition).cloned().unwrap_or_else(unsettled);
        wanted.iter().map(|(partition, _)| (partition.clone(), outcome(partition))).collect()
    }

    /// One round; fails with what keeps it from being the last one.
    async fn try_list_offsets(
        &self,
        call: &mut Call<'_>,
        wanted: &[(TopicPartition, OffsetSpec)],
        settled: &mut HashMap<TopicPartition, Result<Option<Offset>, Error>>,
    ) -> Result<(), Error> {
        let pending: Vec<&(TopicPartition, OffsetSpec)> =
            wanted.iter().filter(|(partition, _)| !settled.contains_key(partition)).collect();
        if pending.is_empty() {
            return Ok(());
        }
        let names: BTreeSet<String> = pending.iter().map(|(partition, _)| partition.topic.to_string()).collect();
        let names: Vec<String> = names.into_iter().collect();
        let metadata = try_metadata(call, Some(TopicSelection::Names(&names))).await?;
        let mut later = None;
        let mut by_leader: BTreeMap<BrokerId, Vec<&(TopicPartition, OffsetSpec)>> = BTreeMap::new();
        for wish in pending {
            let invalid = metadata.topics.get(&wish.0.topic).map(|topic| topic.error);
            match metadata.leader(&wish.0) {
                Some((node, _)) => by_leader.entry(node.id).or_default().push(wish),
                None if invalid == Some(ErrorCode::InvalidTopicException) => {
                    settled.insert(wish.0.clone(), Err(self.invalid_topic(&wish.0)));
                }
                None => later = Some(ErrorCode::UnknownTopicOrPartition),
            }
        }
        for (leader, wishes) in by_leader {
            let connection = call.connection(Target::Broker(leader)).await?;
            let found = ask(call, &connection, &wishes, settled).await?;
            later = found.or(later);
        }
        match later {
            Some(code) => Err(Error::Broker { code, message: None }),
            None => Ok(()),
        }
    }

    fn invalid_topic(&self, partition: &TopicPartition) -> Error {
        let topic = &partition.topic;
        tracing::error!(
            target: "org.apache.kafka.clients.admin.internals.PartitionLeaderStrategy",
            "{}Received invalid topic error for topic {topic} in `Metadata` response", self.config.log_prefix()
        );
        Error::Broker {
            code: ErrorCode::InvalidTopicException,
            message: Some(format!("Failed to fetch metadata for partition {partition} due to invalid topic `{topic}`")),
        }
    }
}

/// Asks one leader; what it says that another attempt may mend.
async fn ask(
    call: &Call<'_>,
    connection: &Connection,
    wishes: &[&(TopicPartition, OffsetSpec)],
    settled: &mut HashMap<TopicPartition, Result<Option<Offset>, Error>>,
) -> Result<Option<ErrorCode>, Error> {
    let version = list_offsets::Version(connection.version::<list_offsets::ListOffsets>()?);
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for (partition, spec) in wishes {
        if !spec.fits(version) {
            let api = kafka_wire::ApiKey::ListOffsets;
            settled.insert(partition.clone(), Err(ConnectionError::UnsupportedVersion { api }.into()));
            continue;
        }
        let wish = ListOffsetsPartition {
            partition_index: partition.partition,
            timestamp: spec.timestamp(),
            ..ListOffsetsPartition::default()
        };
        match topics.iter_mut().find(|topic| *topic.name == *partition.topic) {
            Some(topic) => topic.partitions.push(wish),
            None => topics.push(ListOffsetsTopic { name: partition.topic.to_string(), partitions: vec![wish] }),
        }
    }
    if topics.is_empty() {
        return Ok(None);
    }
    let request = list_offsets::Request { replica_id: -1, topics, ..list_offsets::Request::default() };
    let response = call.send::<list_offsets::ListOffsets>(connection, &request).await?;
    let mut later = None;
    for topic in response.topics {
        for found in topic.partitions {
            let code = ErrorCode::from_code(found.error_code);
            if code.is_retriable() {
                later = Some(code);
                continue;
            }
            let offset = if version.answers_old_style() {
                found.old_style_offsets.first().copied().unwrap_or(-1)
            } else {
                found.offset
            };
            let outcome = Error::check(found.error_code).map(|()| Some(Offset(offset)).filter(|at| at.0 >= 0));
            settled.insert(TopicPartition::new(topic.name.as_str(), found.partition_index), outcome);
        }
    }
    Ok(later)
}
