//! What becomes of a record: one outcome per batch, shared by everybody who waits for a record of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use kafka_types::{ErrorCode, Offset, TopicName};

use crate::error::Error;

/// Where a record was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: i32,
    /// Its place there; -1 if the broker did not tell (acks 0, or a repeated batch that the broker knew already).
    pub offset: Offset,
    /// Its time in milliseconds since 1970: the producer's, or the broker's if the topic has log append time.
    pub timestamp: i64,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Written {
        /// Of the first record, or -1.
        base_offset: i64,
        /// The broker's time, or -1.
        log_append_time: i64,
    },
    Failed(Failure),
    /// It was too large and went on as several: where each begins, counted in records of this batch.
    Split(Vec<(u32, Arc<Outcome>)>),
}

/// Why the records of a batch were not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Why the batch was not.
    pub(super) error: Error,
    /// Records that were at fault themselves, by their place in the batch.
    pub(super) records: Vec<(u32, Error)>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { error, records: Vec::new() }
    }
}

impl Failure {
    /// Why this record was not written.
    pub(super) fn of_record(&self, index: u32) -> Error {
        if self.records.is_empty() {
            return self.error.clone();
        }
        let own = self.records.iter().find(|(at, _)| *at == index).map(|(_, error)| error.clone());
        // Java's words, its slip included: people search for them.
        own.unwrap_or_else(|| Error::Broker {
            code: ErrorCode::UnknownServerError,
            message: Some(
                "Failed to append record because it was part of a batch which had one more more invalid records".into(),
            ),
        })
    }
}

/// The fate of one batch, and who waits for it.
#[derive(Debug)]
pub(super) struct Outcome {
    topic: TopicName,
    partition: i32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fate: Option<Fate>,
    wakers: Vec<Waker>,
}

/// Equal only to itself.
impl PartialEq for Outcome {
    fn eq(&self, other: &Outcome) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Outcome {}

impl Outcome {
    pub(super) fn new(topic: TopicName, partition: i32) -> Arc<Outcome> {
        Arc::new(Outcome { topic, partition, state: Mutex::default() })
    }

    /// Sets the fate and wakes who waits; the first one stands. True if this was the first.
    pub(super) fn complete(&self, fate: Fate) -> bool {
        let wakers = {
            let mut state = self.lock();
            if state.fate.is_some() {
                return false;
            }
            state.fate = Some(fate);
            std::mem::take(&mut state.wakers)
        };
        for waker in wakers {
            waker.wake();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The fate, or a place among those who are woken. `slot` is the caller's place from the call before.
    fn poll(&self, waker: &Waker, slot: &mut Option<usize>) -> Option<Fate> {
        let mut state = self.lock();
        if let Some(fate) = &state.fate {
            return Some(fate.clone());
        }
        if let Some(at) = *slot {
            state.wakers[at].clone_from(waker);
        } else {
            *slot = Some(state.wakers.len());
            state.wakers.push(waker.clone());
        }
        None
    }
}

/// Tells when every record of a batch has its fate, also after splits.
pub(super) async fn settled(outcome: Arc<Outcome>) {
    let mut left = vec![outcome];
    while let Some(outcome) = left.pop() {
        let mut slot = None;
        let fate = std::future::poll_fn(|context| match outcome.poll(context.waker(), &mut slot) {
            Some(fate) => Poll::Ready(fate),
            None => Poll::Pending,
        });
        if let Fate::Split(parts) = fate.await {
            left.extend(parts.into_iter().map(|(_, part)| part));
        }
    }
}

/// Resolves when the record is written, or has failed for good. Dropping it changes nothing for the record.
#[derive(Debug)]
#[must_use = "a record may fail; use `post` if nobody wants to know"]
pub struct Delivery {
    outcome: Arc<Outcome>,
    index: u32,
    timestamp: i64,
    slot: Option<usize>,
}

impl Delivery {
    pub(super) fn new(outcome: Arc<Outcome>, index: u32, timestamp: i64) -> Delivery {
        Delivery { outcome, index, timestamp, slot: None }
    }

    /// The partition that was chosen for the record.
    pub fn partition(&self) -> i32 {
        self.outcome.partition
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let this = &mut *self;
            match this.outcome.poll(context.waker(), &mut this.slot) {
                None => return Poll::Pending,
                Some(Fate::Failed(failure)) => return Poll::Ready(Err(failure.of_record(this.index))),
                Some(Fate::Written { base_offset, log_append_time }) => {
                    return Poll::Ready(Ok(RecordMetadata {
                        topic: this.outcome.topic.clone(),
                        partition: this.outcome.partition,
                        offset: offset_of(base_offset, this.index),
                        timestamp: if log_append_time < 0 { this.timestamp } else { log_append_time },
                    }));
                }
                Some(Fate::Split(parts)) => {
                    let at = parts.partition_point(|(first, _)| *first <= this.index) - 1;
                    let (first, part) = &parts[at];
                    this.index -= first;
                    this.outcome = part.clone();
                    this.slot = None;
                }
            }
        }
    }
}

/// The offset of a record by its place in the batch; -1 if that of the batch is not known.
pub(super) fn offset_of(base_offset: i64, index: u32) -> Offset {
    if base_offset < 0 { Offset::NONE } else { Offset(base_offset) + i64::from(index) }
}

/// What became of the posted records of one batch (see [`Producer::post`](super::Producer::post)).
#[derive(Debug)]
pub struct Delivered<'a> {
    /// The topic.
    pub topic: &'a TopicName,
    /// The partition.
    pub partition: i32,
    pub(super) tags: &'a [(u32, u64)],
    pub(super) result: Result<i64, &'a Failure>,
}

impl Delivered<'_> {
    /// Tag of each posted record, and the offset it got (-1 if unknown) or why it was not written.
    pub fn records(&self) -> impl Iterator<Item = (u64, Result<Offset, Error>)> + '_ {
        self.tags.iter().map(|&(index, tag)| {
            let result = match self.result {
                Ok(base_offset) => Ok(offset_of(base_offset, index)),
                Err(failure) => Err(failure.of_record(index)),
            };
            (tag, result)
        })
    }

    /// How many posted records it speaks of.
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Does it speak of none?
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Were they written?
    pub fn is_written(&self) -> bool {
        self.result.is_ok()
    }
}

/// Is told what became of posted records, once per batch, on the producer's task: it must not block.
pub trait DeliveryListener: Send + Sync {
    /// A batch has its fate.
    fn on_delivered(&self, delivered: &Delivered<'_>);
}
