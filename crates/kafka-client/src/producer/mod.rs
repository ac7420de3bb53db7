//! The producer: records into batches, batches to their leaders, in order and at most once per record.
//!
//! It owns the choice of a partition (`partitioner`), the batches that wait (`accumulator`), what a leader's answer means
//! (`sender`), sequences and the producer's id (`idempotence`), and the task that drives those pure parts over a cluster's
//! connections (`driver`).

mod accumulator;
mod batch;
mod delivery;
mod driver;
mod idempotence;
mod partitioner;
mod sender;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use kafka_record::Header;
use kafka_types::TopicName;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::cluster::{Cluster, Topics, jitter};
use crate::config::Partitioner;
pub use crate::config::ProducerConfig;
use crate::error::Error;
use crate::metadata::Metadata;
use accumulator::{Accumulator, Limits, Refused};
use batch::{Batch, Parts};
use delivery::settled;
use driver::Driver;

pub use delivery::{Delivered, Delivery, DeliveryListener, RecordMetadata};
pub use partitioner::{Strategy, murmur2, partition_for_key};

/// A record to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProducerRecord {
    /// The topic.
    pub topic: String,
    /// The partition; `None`: by the key, or wherever there is room.
    pub partition: Option<i32>,
    /// Milliseconds since 1970; `None`: now.
    pub timestamp: Option<i64>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<Header>,
}

/// What the producer and its task share.
struct Shared {
    config: ProducerConfig,
    cluster: Cluster,
    accumulator: Mutex<Accumulator>,
    /// There is more to send.
    wake: Notify,
    /// Memory was given back.
    room: Notify,
    is_closed: AtomicBool,
    listener: Option<Arc<dyn DeliveryListener>>,
}

impl Shared {
    /// Held for single calls only, never while waiting.
    fn accumulator(&self) -> MutexGuard<'_, Accumulator> {
        self.accumulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clock(&self) -> Clock {
        self.cluster.clock()
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    fn learn(&self, names: &[TopicName], metadata: &Metadata) {
        let mut accumulator = self.accumulator();
        for name in names {
            let Some(topic) = metadata.topic(name) else { continue };
            let leaders: Vec<_> = topic.partitions.iter().map(|partition| partition.leader).collect();
            accumulator.set_topic(name, &leaders);
        }
    }
}

/// Sends records. Its task runs until it is dropped; records that are still waiting then are lost, so call
/// [`Producer::close`] first.
pub struct Producer {
    shared: Arc<Shared>,
}

impl Producer {
    /// A producer with a task of its own on the current runtime. Fails with Apache's `ConfigException` texts if the
    /// bootstrap servers are wrong; connects to nothing yet.
    pub async fn new(config: ProducerConfig) -> Result<Producer, Error> {
        Producer::with_listener(config, None).await
    }

    /// The same, with somebody who hears what became of records that were [posted](Producer::post).
    pub async fn with_listener(
        config: ProducerConfig,
        listener: Option<Arc<dyn DeliveryListener>>,
    ) -> Result<Producer, Error> {
        let prefix = format!("[Producer clientId={}] ", config.common.client_id);
        let cluster = Cluster::new(config.common.cluster_options(prefix)).await?;
        let limits = Limits {
            batch_size: config.batch_size,
            linger_ms: config.linger_ms,
            buffer_memory: config.buffer_memory,
            max_request_size: config.max_request_size,
            delivery_timeout_ms: config.delivery_timeout_ms,
            codec: config.codec,
            strategy: strategy(&config),
        };
        let shared = Arc::new(Shared {
            cluster,
            accumulator: Mutex::new(Accumulator::new(limits, jitter())),
            wake: Notify::new(),
            room: Notify::new(),
            is_closed: AtomicBool::new(false),
            listener,
            config,
        });
        tokio::spawn(Driver::new(Arc::clone(&shared)).run());
        Ok(Producer { shared })
    }

    /// Puts a record into a batch, and waits for metadata and memory if need be, at most `max.block.ms`. What becomes of
    /// it tells the [`Delivery`]. Records of one caller to one partition keep their order.
    pub async fn send(&self, record: &ProducerRecord) -> Result<Delivery, Error> {
        let mut deadline = None;
        loop {
            let refused = match self.try_send(record, delivery_of) {
                Ok(delivery) => return Ok(delivery),
                Err(refused) => refused,
            };
            self.wait_for(record, refused, &mut deadline).await?;
        }
    }

    /// The same without a future per record: the listener hears of it by its tag. For high rates.
    pub async fn post(&self, record: &ProducerRecord, tag: u64) -> Result<(), Error> {
        let mut deadline = None;
        loop {
            let refused = match self.try_send(record, |batch, index, _| batch.tags.push((index, tag))) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            self.wait_for(record, refused, &mut deadline).await?;
        }
    }

    /// Sends everything that waits, without lingering, and waits until all of it has its fate.
    pub async fn flush(&self) {
        let waiting = {
            let mut accumulator = self.shared.accumulator();
            accumulator.hurry += 1;
            accumulator.incomplete()
        };
        self.shared.wake.notify_one();
        for outcome in waiting {
            settled(outcome).await;
        }
        self.shared.accumulator().hurry -= 1;
    }

    /// Flushes for `timeout` at most, then ends; what is left over fails.
    pub async fn close(self, timeout: Duration) {
        // What was not sent in time fails when the task ends.
        let _ = tokio::time::timeout(timeout, self.flush()).await;
        let left = self.shared.accumulator().incomplete();
        self.shared.is_closed.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        if !left.is_empty() {
            let fates = async {
                for outcome in left {
                    settled(outcome).await;
                }
            };
            let _ = tokio::time::timeout(Duration::from_millis(100), fates).await;
        }
    }

    /// Puts the record into a batch and returns what `note` makes of that: of the batch, the record's place in it and its
    /// timestamp.
    fn try_send<T>(&self, record: &ProducerRecord, note: impl FnOnce(&mut Batch, u32, i64) -> T) -> Result<T, Refused> {
        let clock = self.shared.clock();
        let timestamp = record.timestamp.unwrap_or_else(|| clock.wall().0);
        let parts =
            Parts { timestamp, key: record.key.as_deref(), value: record.value.as_deref(), headers: &record.headers };
        let (noted, wakes) = {
            let mut accumulator = self.shared.accumulator();
            let appended = accumulator.append(|| clock.tick(), &record.topic, record.partition, &parts)?;
            (note(appended.batch, appended.index, timestamp), appended.wakes || appended.fills)
        };
        if wakes {
            self.shared.wake.notify_one();
        }
        Ok(noted)
    }

    /// Waits for what a record was refused for. The first time sets the deadline: most records are not refused, and then
    /// nobody has looked at a clock for it.
    async fn wait_for(
        &self,
        record: &ProducerRecord,
        refused: Refused,
        deadline: &mut Option<time_types::Tick>,
    ) -> Result<(), Error> {
        let shared = &self.shared;
        let (clock, max_ms) = (shared.clock(), shared.config.max_block_ms);
        let deadline = *deadline.get_or_insert_with(|| clock.tick().after(max_ms));
        match refused {
            Refused::UnknownTopic => self.wait_for_topic(record, deadline).await,
            Refused::UnknownPartition { count } => Err(Error::Timeout(format!(
                "Topic {} not present in metadata after {max_ms} ms: it has {count} partitions and no partition {}",
                record.topic,
                record.partition.unwrap_or_default()
            ))),
            Refused::NoMemory { needed } => {
                let room = shared.room.notified();
                // It may have become free before anybody was told to listen.
                if shared.accumulator().memory_free() >= needed {
                    return Ok(());
                }
                shared.wake.notify_one();
                let waited = tokio::time::timeout(clock.until(deadline), room).await;
                waited.map_err(|_| {
                    Error::Timeout(format!(
                        "Failed to allocate {needed} bytes within the configured max blocking time {max_ms} ms."
                    ))
                })
            }
            Refused::TooLarge { size, limit, setting } => Err(Error::RecordTooLarge(format!(
                "The message is {size} bytes when serialized which is larger than {limit}, which is the value of the \
                 {setting} configuration."
            ))),
        }
    }

    async fn wait_for_topic(&self, record: &ProducerRecord, deadline: time_types::Tick) -> Result<(), Error> {
        let shared = &self.shared;
        let names = [TopicName::from(record.topic.as_str())];
        loop {
            let ask = shared.cluster.refresh(Topics::Named(&names), true);
            let answer = tokio::time::timeout(shared.clock().until(deadline), ask).await;
            if let Ok(Ok(metadata)) = answer {
                shared.learn(&names, &metadata);
                let error = metadata.topics.get(&names[0]).map(|topic| topic.error);
                match error {
                    Some(kafka_types::ErrorCode::None) => return Ok(()),
                    Some(code) if !code.is_retriable() => return Err(Error::Broker { code, message: None }),
                    _ => {}
                }
            }
            let left = shared.clock().until(deadline);
            if left.is_zero() {
                let max_ms = shared.config.max_block_ms;
                return Err(Error::Timeout(format!(
                    "Topic {} not present in metadata after {max_ms} ms.",
                    record.topic
                )));
            }
            tokio::time::sleep(Duration::from_millis(shared.config.common.retry.backoff_ms).min(left)).await;
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Release);
        self.shared.wake.notify_one();
    }
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("client_id", &self.shared.config.common.client_id).finish_non_exhaustive()
    }
}

fn delivery_of(batch: &mut Batch, index: u32, timestamp: i64) -> Delivery {
    Delivery::new(Arc::clone(&batch.outcome), index, timestamp)
}

fn strategy(config: &ProducerConfig) -> Strategy {
    let adaptive = config.adaptive_partitioning;
    match config.partitioner {
        Partitioner::Default => Strategy::Default { ignores_keys: false, adaptive },
        Partitioner::IgnoreKeys => Strategy::Default { ignores_keys: true, adaptive },
        Partitioner::RoundRobin => Strategy::RoundRobin,
    }
}

#[cfg(test)]
mod tests;
