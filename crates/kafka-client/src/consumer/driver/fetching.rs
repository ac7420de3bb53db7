//! Fetches: sent ahead of the application, and what to do about partitions that cannot be read.

use kafka_types::{BrokerId, ErrorCode, TopicPartition};
use kafka_wire::fetch;
use time_types::Tick;

use super::Event;
use crate::consumer::Consumer;
use crate::consumer::fetcher::{Failure, Source};
use crate::consumer::requests;
use crate::error::Error;

/// Where Java's consumer logs what concerns fetches.
const FETCHER: &str = "org.apache.kafka.clients.consumer.internals.AbstractFetch";

impl Consumer {
    /// Asks every broker that leads something and owes no answer.
    pub(in crate::consumer) fn send_fetches(&mut self, now: Tick) {
        let metadata = self.cluster.metadata();
        let mut lacks_leader = false;
        let source = |one: &TopicPartition| {
            let topic_id = metadata.topic(&one.topic)?.id;
            metadata.leader(one).map(|(node, leader_epoch)| Source { leader: node.id, leader_epoch, topic_id })
        };
        for one in self.positions.assigned() {
            lacks_leader |= self.positions.get(&one).is_some() && source(&one).is_none();
        }
        let requests = self.fetcher.requests(now, &self.positions, source);
        if lacks_leader {
            self.jobs.needs_metadata();
        }
        for outgoing in requests {
            let cluster = self.cluster.clone();
            self.spawn(async move {
                let broker = outgoing.broker;
                let result = requests::fetch(&cluster, broker, &outgoing.request, outgoing.has_topic_ids).await;
                Event::Fetched { broker, result: result.map(Box::new) }
            });
        }
    }

    pub(super) fn on_fetched(
        &mut self,
        now: Tick,
        broker: BrokerId,
        result: Result<Box<fetch::Response>, Error>,
    ) -> Result<(), Error> {
        let response = match result {
            Ok(response) => response,
            Err(error) if error.is_retriable() => {
                self.jobs.needs_metadata();
                self.fetcher.on_failure(broker, now.after(self.config.retry_backoff_ms()));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if let ErrorCode::FetchSessionTopicIdError = ErrorCode::from_code(response.error_code) {
            self.jobs.needs_metadata();
        }
        for failure in self.fetcher.on_response(broker, *response, &mut self.positions) {
            self.on_fetch_failure(now, failure)?;
        }
        Ok(())
    }

    pub(super) fn on_fetch_failure(&mut self, now: Tick, failure: Failure) -> Result<(), Error> {
        let Failure { partition, error, offset, from_follower } = failure;
        let prefix = &self.log_prefix;
        match error {
            // The leader knows better than a follower that is behind.
            ErrorCode::OffsetOutOfRange if from_follower => {}
            ErrorCode::OffsetOutOfRange => {
                tracing::info!(
                    target: FETCHER,
                    "{prefix}Fetch position {offset} is out of range for partition {partition}, resetting offset"
                );
                let policy = self.config.auto_offset_reset;
                return Ok(self.positions.on_out_of_range(&partition, offset, policy)?);
            }
            ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId | ErrorCode::InconsistentTopicId => {
                tracing::warn!(
                    target: FETCHER,
                    "{prefix}Received {} in fetch for partition {partition}",
                    match error {
                        ErrorCode::UnknownTopicOrPartition => "unknown topic or partition error",
                        ErrorCode::UnknownTopicId => "unknown topic ID error",
                        _ => "inconsistent topic ID error",
                    }
                );
            }
            ErrorCode::UnknownServerError => tracing::warn!(
                target: FETCHER,
                "{prefix}Unknown server error while fetching offset {offset} for topic-partition {partition}"
            ),
            error if error.is_retriable() && error != ErrorCode::CorruptMessage => {}
            code => {
                let what = format!(
                    "Unexpected error code {} while fetching at offset {offset} from topic-partition {partition}",
                    code.code()
                );
                let message = match code {
                    ErrorCode::TopicAuthorizationFailed => {
                        Some(format!("Not authorized to access topics: [{}]", partition.topic))
                    }
                    ErrorCode::CorruptMessage => Some(format!(
                        "Encountered corrupt message when fetching offset {offset} for topic-partition {partition}"
                    )),
                    _ => Some(what),
                };
                return Err(Error::Broker { code, message });
            }
        }
        self.jobs.needs_metadata();
        self.fetcher.hold(partition, now.after(self.config.retry_backoff_ms()));
        Ok(())
    }
}
