//! The task that drives the producer's pure parts over a cluster's connections.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_types::{Acks, BrokerId, ErrorCode, ProducerEpoch, ProducerId, TopicName};
use kafka_wire::produce::{self, PartitionProduceData, PartitionProduceResponse, TopicProduceData};
use kafka_wire::{ApiKey, init_producer_id};
use time_types::Tick;
use tokio::sync::mpsc;

use super::Shared;
use super::batch::Batch;
use super::delivery::{Delivered, Failure, Fate};
use super::idempotence::Sequences;
use super::sender::{Verdict, is_about_leaders, judge, judge_lost, judge_unanswered};
use crate::cluster::{Lane, Topics};
use crate::connection::{Connection, decode};
use crate::error::{ConnectionError, Error};

/// Where Java's producer logs what leaders answer.
const SENDER: &str = "org.apache.kafka.clients.producer.internals.Sender";

/// A request that came back.
struct Reply {
    leader: BrokerId,
    /// Of the request; 0 if it could not be sent.
    correlation_id: i32,
    batches: Vec<Batch>,
    result: Result<Option<produce::Response>, ConnectionError>,
}

/// What is on its way to one leader.
#[derive(Default)]
struct Leader {
    sent: VecDeque<Tick>,
    connection: Option<Connection>,
    retry_at: Tick,
}

/// The driver's own state.
pub(super) struct Driver {
    shared: Arc<Shared>,
    sequences: Sequences,
    leaders: HashMap<BrokerId, Leader>,
    replies: mpsc::UnboundedReceiver<Reply>,
    reply: mpsc::UnboundedSender<Reply>,
    refresh_at: Option<Tick>,
    /// When the cluster was looked at last.
    refreshed: Tick,
    id_retry_at: Tick,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>) -> Driver {
        let (reply, replies) = mpsc::unbounded_channel();
        let sequences = Sequences::new(shared.config.idempotent);
        let refreshed = shared.clock().tick();
        Driver {
            shared,
            sequences,
            leaders: HashMap::new(),
            replies,
            reply,
            refresh_at: None,
            refreshed,
            id_retry_at: Tick(0),
        }
    }

    /// Runs until the producer is closed.
    pub(super) async fn run(mut self) {
        while !self.shared.is_closed() {
            let next = self.step().await;
            let sleep = next.map_or(Duration::from_secs(1), |at| self.shared.clock().until(at));
            tokio::select! {
                Some(reply) = self.replies.recv() => {
                    self.on_reply(reply);
                    while let Ok(reply) = self.replies.try_recv() {
                        self.on_reply(reply);
                    }
                }
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        let left = self.shared.accumulator().take_all();
        for mut batch in left {
            self.fail(&mut batch, Error::Closed("Producer is closed forcefully.".to_owned()).into());
        }
    }

    /// Sends what can be sent; says when to look again.
    async fn step(&mut self) -> Option<Tick> {
        let now = self.shared.clock().tick();
        self.expire(now);
        self.check_timeouts(now);
        let ready = self.shared.accumulator().ready(now);
        let backoff = self.shared.config.common.retry.backoff_ms;
        if ready.lacks_leader {
            self.refresh_at.get_or_insert(now);
        }
        let mut next = ready.next;
        let mut at_least = |at: Tick| next = Some(next.map_or(at, |before: Tick| before.min(at)));
        // Partitions are added without an error that would tell.
        let outdated_at = self.refreshed.after(self.shared.config.common.metadata_max_age_ms.max(1));
        if self.refresh_at.is_some_and(|at| at <= now) || outdated_at <= now {
            self.shared.refresh_all().await;
            self.refreshed = self.shared.clock().tick();
            self.refresh_at = ready.lacks_leader.then(|| now.after(backoff));
        }
        if let Some(at) = self.refresh_at {
            at_least(at);
        }
        at_least(self.refreshed.after(self.shared.config.common.metadata_max_age_ms.max(1)));
        if !ready.leaders.is_empty() && self.sequences.needs_id() {
            if self.id_retry_at <= now && !self.fetch_id().await {
                self.id_retry_at = self.shared.clock().tick().after(backoff);
            }
            if self.sequences.needs_id() {
                at_least(self.id_retry_at);
                return next;
            }
        }
        for leader in ready.leaders {
            if let Some(at) = self.send_to(leader).await {
                at_least(at);
            }
        }
        for leader in self.leaders.values() {
            if let Some(sent) = leader.sent.front() {
                at_least(sent.after(self.shared.config.common.request_timeout_ms));
            }
        }
        next
    }

    /// Sends to one leader as many requests as may be on their way; a time if it has to be tried later.
    async fn send_to(&mut self, id: BrokerId) -> Option<Tick> {
        let now = self.shared.clock().tick();
        let entry = self.leaders.entry(id).or_default();
        if entry.retry_at > now {
            return Some(entry.retry_at);
        }
        while self.leaders.get(&id).map_or(0, |leader| leader.sent.len()) < self.shared.config.max_in_flight {
            let Ok(connection) = self.connection(id).await else {
                let at = self.shared.clock().tick().after(self.shared.config.common.retry.backoff_ms);
                self.leaders.entry(id).or_default().retry_at = at;
                self.refresh_at.get_or_insert(at);
                return Some(at);
            };
            let now = self.shared.clock().tick();
            let batches = self.shared.accumulator().drain(now, id, &mut self.sequences);
            if batches.is_empty() {
                return None;
            }
            self.send(id, &connection, batches).await;
        }
        None
    }

    async fn connection(&mut self, id: BrokerId) -> Result<Connection, ConnectionError> {
        let known = self.leaders.get(&id).and_then(|leader| leader.connection.clone());
        if let Some(connection) = known.filter(|connection| connection.closed().is_none()) {
            return Ok(connection);
        }
        let metadata = self.shared.cluster.metadata();
        let node = metadata.brokers.get(&id).ok_or(ConnectionError::ClosedHere)?;
        let connection = self.shared.cluster.connection_to(node, Lane::Data).await?;
        self.leaders.entry(id).or_default().connection = Some(connection.clone());
        Ok(connection)
    }

    async fn send(&mut self, id: BrokerId, connection: &Connection, mut batches: Vec<Batch>) {
        let now = self.shared.clock().tick();
        self.leaders.entry(id).or_default().sent.push_back(now);
        for batch in &mut batches {
            batch.attempts += 1;
        }
        let request = self.request(&mut batches);
        let reply = self.reply.clone();
        let version = match connection.version::<produce::Produce>() {
            Ok(version) => version,
            Err(error) => {
                let _ = reply.send(Reply { leader: id, correlation_id: 0, batches, result: Err(error) });
                return;
            }
        };
        if self.shared.config.acks == Acks::None {
            let sent = connection.start_with::<produce::Produce>(version, &request, None).await;
            let _ = reply.send(Reply { leader: id, correlation_id: 0, batches, result: sent.map(|()| None) });
            return;
        }
        // The answer carries the batches back; if it is never called, because the request could not be queued, they are
        // taken out of the cell again.
        let cell = Arc::new(std::sync::Mutex::new(Some(batches)));
        let for_reply = (Arc::clone(&cell), reply.clone());
        let on_reply = Box::new(move |correlation_id, answer: Result<kafka_wire::Decoder, ConnectionError>| {
            let result = answer.and_then(|body| decode::<produce::Produce>(version, body)).map(Some);
            let (cell, reply) = for_reply;
            if let Some(batches) = cell.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
                let _ = reply.send(Reply { leader: id, correlation_id, batches, result });
            }
        });
        if let Err(error) = connection.start_with::<produce::Produce>(version, &request, Some(on_reply)).await
            && let Some(batches) = cell.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
        {
            let _ = reply.send(Reply { leader: id, correlation_id: 0, batches, result: Err(error) });
        }
    }

    fn request(&self, batches: &mut [Batch]) -> produce::Request {
        let mut topics: BTreeMap<TopicName, Vec<PartitionProduceData>> = BTreeMap::new();
        for batch in batches {
            let records: Bytes = batch.seal();
            let data = PartitionProduceData { index: batch.key.partition, records: Some(records) };
            topics.entry(batch.topic.clone()).or_default().push(data);
        }
        produce::Request {
            transactional_id: None,
            acks: self.shared.config.acks.to_wire(),
            timeout_ms: i32::try_from(self.shared.config.common.request_timeout_ms).unwrap_or(i32::MAX),
            topic_data: topics
                .into_iter()
                .map(|(name, partition_data)| TopicProduceData { name: name.to_string(), partition_data })
                .collect(),
        }
    }

    fn on_reply(&mut self, reply: Reply) {
        if let Some(leader) = self.leaders.get_mut(&reply.leader) {
            leader.sent.pop_front();
        }
        match reply.result {
            Ok(Some(response)) => {
                let answers = by_partition(response);
                for batch in reply.batches {
                    self.sequences.returned();
                    let key = (batch.topic.clone(), batch.key.partition);
                    let verdict = match answers.get(&key) {
                        Some(answer) => judge(answer, &batch, &mut self.sequences),
                        None => judge_unanswered(reply.leader),
                    };
                    self.settle(batch, verdict, reply.correlation_id);
                }
            }
            // acks=0: out is all there is to know.
            Ok(None) => {
                for batch in reply.batches {
                    self.sequences.returned();
                    self.settle(batch, Verdict::Written { base_offset: -1, log_append_time: -1 }, reply.correlation_id);
                }
            }
            Err(error) => {
                for batch in reply.batches {
                    self.sequences.returned();
                    self.settle(batch, judge_lost(&error, reply.leader), reply.correlation_id);
                }
            }
        }
        self.shared.room.notify_waiters();
    }

    fn settle(&mut self, mut batch: Batch, verdict: Verdict, correlation_id: i32) {
        match verdict {
            Verdict::Written { base_offset, log_append_time } => {
                self.sequences.resolved(&batch);
                if let Some(ratio) = batch.compression_ratio() {
                    self.shared.accumulator().observe_ratio(batch.key.topic, ratio);
                }
                self.tell(&batch, Ok(base_offset));
                self.shared.accumulator().release(&mut batch);
                batch.outcome.complete(Fate::Written { base_offset, log_append_time });
            }
            Verdict::Again(error) => self.try_again(batch, error, correlation_id),
            Verdict::Split => {
                let half = (batch.uncompressed / 2).max(1).min(self.shared.config.batch_size.max(1));
                self.sequences.gave_up(&batch);
                match batch.split(half) {
                    Some(parts) if parts.len() > 1 => {
                        let mut accumulator = self.shared.accumulator();
                        accumulator.reset_ratio(batch.key.topic);
                        accumulator.replace(&mut batch, parts);
                    }
                    _ => {
                        let error = Error::Broker { code: ErrorCode::MessageTooLarge, message: None };
                        self.fail(&mut batch, error.into());
                    }
                }
            }
            Verdict::Failed(failure) => self.fail(&mut batch, failure),
        }
    }

    fn try_again(&mut self, mut batch: Batch, error: Error, correlation_id: i32) {
        let now = self.shared.clock().tick();
        let prefix = self.shared.config.log_prefix();
        let partition = batch.partition();
        let is_last = batch.attempts > self.shared.config.retries;
        if !is_last {
            tracing::warn!(
                target: SENDER,
                "{prefix}Got error produce response with correlation id {correlation_id} on topic-partition {partition}, \
                 retrying ({} attempts left). Error: {}",
                self.shared.config.retries - batch.attempts,
                named(&error)
            );
        }
        if is_about_leaders(&error) {
            self.refresh_at.get_or_insert(now);
            if error.code() == Some(ErrorCode::UnknownTopicOrPartition) {
                tracing::warn!(
                    target: SENDER,
                    "{prefix}Received unknown topic or partition error in produce request on partition {partition}. The \
                     topic-partition may not exist or the user may not have Describe access to it"
                );
            } else {
                tracing::warn!(
                    target: SENDER,
                    "{prefix}Received invalid metadata error in produce request on partition {partition} due to {}: \
                     {error}. Going to request metadata update now",
                    error.exception()
                );
            }
        }
        if is_last {
            self.fail(&mut batch, error.into());
            return;
        }
        batch.not_before = now.after(self.shared.config.common.retry.backoff_ms);
        self.shared.accumulator().put_back(batch);
    }

    fn fail(&mut self, batch: &mut Batch, failure: Failure) {
        self.sequences.gave_up(batch);
        self.tell_failure(batch, &failure);
        self.shared.accumulator().release(batch);
        batch.outcome.complete(Fate::Failed(failure));
        self.shared.room.notify_waiters();
    }

    fn tell(&self, batch: &Batch, result: Result<i64, &Failure>) {
        if let Some(listener) = &self.shared.listener
            && !batch.tags.is_empty()
        {
            listener.on_delivered(&Delivered {
                topic: &batch.topic,
                partition: batch.key.partition,
                tags: &batch.tags,
                result,
            });
        }
    }

    fn tell_failure(&self, batch: &Batch, failure: &Failure) {
        self.tell(batch, Err(failure));
    }

    fn expire(&mut self, now: Tick) {
        let expired = self.shared.accumulator().take_expired(now);
        for mut batch in expired {
            let message = format!(
                "Expiring {} record(s) for {}:{} ms has passed since batch creation",
                batch.count,
                batch.partition(),
                now.since(batch.created)
            );
            self.fail(&mut batch, Error::Timeout(message).into());
        }
    }

    /// A leader that is silent for too long is left: its requests then come back as lost.
    fn check_timeouts(&mut self, now: Tick) {
        let timeout_ms = self.shared.config.common.request_timeout_ms;
        for leader in self.leaders.values_mut() {
            if leader.sent.front().is_some_and(|sent| now.since(*sent) >= timeout_ms)
                && let Some(connection) = leader.connection.take()
            {
                connection.close(ConnectionError::Timeout { api: ApiKey::Produce, timeout_ms });
            }
        }
    }

    async fn fetch_id(&mut self) -> bool {
        let ask = async {
            let connection = self.shared.cluster.any().await?;
            let request = init_producer_id::Request {
                transactional_id: None,
                transaction_timeout_ms: i32::MAX,
                ..Default::default()
            };
            connection.call::<init_producer_id::InitProducerId>(request).await
        };
        match ask.await {
            Ok(response) if response.error_code == 0 => {
                self.sequences.set_id(ProducerId(response.producer_id), ProducerEpoch(response.producer_epoch));
                true
            }
            _ => false,
        }
    }
}

/// The error's name in the protocol, and what came with it.
fn named(error: &Error) -> String {
    match error {
        Error::Broker { code, message: Some(message) } => format!("{}. Error Message: {message}", code.name()),
        Error::Broker { code, message: None } => code.name().to_owned(),
        error => error.to_string(),
    }
}

fn by_partition(response: produce::Response) -> HashMap<(TopicName, i32), PartitionProduceResponse> {
    let mut answers = HashMap::new();
    for topic in response.responses {
        let name: TopicName = topic.name.into();
        for partition in topic.partition_responses {
            answers.insert((name.clone(), partition.index), partition);
        }
    }
    answers
}

impl Shared {
    /// Asks for every topic that records were sent to lately. Asking may create topics, so that those that were given
    /// up, and may have been deleted since, are not asked for.
    async fn refresh_all(&self) {
        let names = self.accumulator().topics_in_use(self.clock().tick(), self.config.metadata_max_idle_ms);
        if names.is_empty() {
            return;
        }
        // Failing is for the next attempt; the log has the reason.
        if let Ok(metadata) = self.cluster.refresh(Topics::Named(&names), true).await {
            self.learn(&names, &metadata);
        }
    }
}
