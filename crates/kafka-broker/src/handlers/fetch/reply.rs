//! What was found, as the client is told.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use kafka_log::Slice;
use kafka_metadata::MetadataImage;
use kafka_record::legacy::{DownConvertError, down_convert};
use kafka_record::validate::TargetCompression;
use kafka_record::{Compression, MAX_DECOMPRESSED_DEFAULT};
use kafka_types::{ErrorCode, Offset};
use kafka_wire::Records;
use kafka_wire::fetch::{
    self as wire, AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData,
};

use super::super::{Context, error_codes};
use super::read::{Outcome, Part};
use crate::config::TopicSettings;
use crate::fetch_sessions::FetchTopic;
use crate::replicas::partition::{ReadResult, Reader};

/// The reply as it grows.
pub(super) struct Reply<'c> {
    context: &'c Context,
    version: wire::Version,
    image: Arc<MetadataImage>,
    reader: Reader,
    responses: Vec<FetchableTopicResponse>,
    nodes: HashMap<i32, NodeEndpoint>,
    slices: Vec<Slice>,
}

impl<'c> Reply<'c> {
    pub(super) fn new(
        context: &'c Context,
        version: wire::Version,
        image: Arc<MetadataImage>,
        reader: Reader,
    ) -> Reply<'c> {
        Reply { context, version, image, reader, responses: Vec::new(), nodes: HashMap::new(), slices: Vec::new() }
    }

    pub(super) async fn build(mut self, mut parts: Vec<Part>) -> (wire::Response, Vec<Slice>) {
        for part in &mut parts {
            let outcome = std::mem::replace(&mut part.outcome, Outcome::Refused(ErrorCode::UnknownServerError));
            let data = match (self.cannot_be_told(part), outcome) {
                (Some(error), _) => PartitionData { records: None, ..hidden(part, error, self.version) },
                (None, Outcome::Found(found)) => self.found(part, *found).await,
                (None, Outcome::Refused(error)) => self.refused(part, error),
            };
            self.push(&part.asked.topic, data);
        }
        let node_endpoints = self.nodes.into_values().collect();
        (wire::Response { responses: self.responses, node_endpoints, ..Default::default() }, self.slices)
    }

    /// Partitions of one topic that follow each other stand together.
    fn push(&mut self, topic: &FetchTopic, data: PartitionData) {
        let name = topic.name.as_deref().unwrap_or_default();
        let is_same = |last: &FetchableTopicResponse| {
            if topic.id.is_zero() { last.topic_id.is_zero() && last.topic == name } else { last.topic_id == topic.id }
        };
        if let Some(last) = self.responses.last_mut().filter(|last| is_same(last)) {
            last.partitions.push(data);
            return;
        }
        let (topic, topic_id) = (name.to_owned(), topic.id);
        self.responses.push(FetchableTopicResponse { topic, topic_id, partitions: vec![data] });
    }

    fn settings(&self, part: &Part) -> Option<Arc<TopicSettings>> {
        self.context.broker.topic_settings.get(&part.target.as_ref().ok()?.topic_partition.topic)
    }

    /// A topic whose settings alone say that this client is told nothing of it.
    fn cannot_be_told(&self, part: &Part) -> Option<ErrorCode> {
        if self.version.allows_zstd() {
            return None;
        }
        let settings = self.settings(part)?;
        let is_zstd = matches!(settings.log.compression, TargetCompression::Fixed(codec) if codec.compression == Compression::Zstd);
        if is_zstd {
            return Some(ErrorCode::UnsupportedCompressionType);
        }
        let is_old = self.version.max_magic() < 2 && matches!(self.reader, Reader::Consumer(_));
        (is_old && !settings.down_conversion).then_some(ErrorCode::UnsupportedVersion)
    }

    async fn found(&mut self, part: &Part, found: ReadResult) -> PartitionData {
        let mut data = PartitionData {
            partition_index: part.asked.partition,
            high_watermark: found.high_watermark.0,
            last_stable_offset: found.last_stable_offset.0,
            log_start_offset: found.log_start.0,
            aborted_transactions: found.aborted.map(|aborted| {
                let entry = |one: kafka_log::AbortedTransaction| AbortedTransaction {
                    producer_id: one.producer_id.0,
                    first_offset: one.first_offset.0,
                };
                aborted.into_iter().map(entry).collect()
            }),
            records: Some(Records::EMPTY),
            ..Default::default()
        };
        if let Some((epoch, end)) = found.diverging {
            data.diverging_epoch = EpochEndOffset { epoch: epoch.0, end_offset: end.0 };
            return data;
        }
        let Some(slice) = found.slice else { return data };
        match self.records(part, slice).await {
            Ok(records) => data.records = Some(records),
            Err(error) => {
                let hidden = hidden(part, error, self.version);
                return PartitionData { records: None, ..hidden };
            }
        }
        data
    }

    /// The slice itself, to be sent from its file; or, for clients of old formats, its batches converted.
    async fn records(&mut self, part: &Part, slice: Slice) -> Result<Records, ErrorCode> {
        let magic = self.version.max_magic();
        if magic >= 2 {
            let hole = Records::Hole(slice.len as usize);
            self.slices.push(slice);
            return Ok(hole);
        }
        let first = Offset(part.asked.wanted.offset);
        let (context, clock) = (self.context, self.context.broker.clock);
        let converting = context.broker.background.run(move || {
            let began = clock.precise();
            let bytes: Bytes = slice.read().map_err(|_| ErrorCode::KafkaStorageError)?;
            let converted = down_convert(&bytes, magic >= 1, first, MAX_DECOMPRESSED_DEFAULT);
            let converted = converted.map_err(|error| match error {
                DownConvertError::Zstd => ErrorCode::UnsupportedCompressionType,
                DownConvertError::Read(_) => ErrorCode::CorruptMessage,
            })?;
            Ok((converted, clock.precise().saturating_sub(began)))
        });
        let (converted, took) = converting.await.map_err(|_| ErrorCode::UnknownServerError)??;
        context.effort.converted(took);
        context.effort.took_memory(converted.len() as u64);
        Ok(Records::Bytes(converted))
    }

    fn refused(&mut self, part: &Part, error: ErrorCode) -> PartitionData {
        let mut data = hidden(part, error, self.version);
        let Ok(target) = &part.target else { return data };
        // What was refused by the log itself carries no list, what was refused before an empty one: Apache's habit.
        data.aborted_transactions = None;
        let moved = matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
        let topic_partition = &target.topic_partition;
        if moved
            && self.version.carries_current_leader()
            && let Some(partition) = self.image.partition(&topic_partition.topic, topic_partition.partition)
        {
            let leader = partition.leader;
            data.current_leader = LeaderIdAndEpoch { leader_id: leader.0, leader_epoch: partition.leader_epoch.0 };
            if let Some(endpoint) = self.image.endpoint(leader, &self.context.listener.name) {
                let node = NodeEndpoint {
                    node_id: leader.0,
                    host: endpoint.host.clone(),
                    port: endpoint.port,
                    rack: self.image.broker(leader).and_then(|broker| broker.rack.clone()),
                };
                self.nodes.insert(leader.0, node);
            }
        }
        data
    }
}

/// An error that says nothing of the log.
fn hidden(part: &Part, error: ErrorCode, version: wire::Version) -> PartitionData {
    PartitionData {
        partition_index: part.asked.partition,
        error_code: error_codes::fetch(error, version).code(),
        high_watermark: -1,
        records: Some(Records::EMPTY),
        aborted_transactions: Some(Vec::new()),
        ..Default::default()
    }
}
