//! What is measured. The registry is a part of the broker and handed to whoever counts; nothing here is global.
//!
//! What happens with every request is counted where it costs nothing: partitions count in plain numbers on the shard that
//! owns them ([`Traffic`]), requests in numbers of the thread that serves them ([`Requests`]). All else is looked up when somebody asks
//! (`facts.rs`) and written down in the names that dashboards use: those of the JMX exporter (`render.rs`) and those of
//! kafka_exporter (`exporter.rs`).

mod distribution;
mod effort;
mod exporter;
pub(crate) mod facts;
mod process;
mod render;
mod requests;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use kafka_types::TopicName;

pub(crate) use effort::Effort;
pub(crate) use facts::Facts;
pub(crate) use requests::{Answered, Fetcher, Requests, Shelf};
use text::Text;

/// The registry.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) requests: Requests,
    pub(crate) session: SessionEvents,
}

impl Metrics {
    /// For a broker with so many threads that serve connections.
    pub(crate) fn new(threads: usize) -> Metrics {
        Metrics { requests: Requests::new(threads), session: SessionEvents::default() }
    }
}

/// How often something happened.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Once more.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What became of the coordination session.
#[derive(Debug, Default)]
pub(crate) struct SessionEvents {
    pub(crate) connected: Counter,
    pub(crate) connected_read_only: Counter,
    pub(crate) disconnected: Counter,
    pub(crate) expired: Counter,
    pub(crate) auth_failed: Counter,
    pub(crate) authenticated: Counter,
}

/// What went through a partition, or through all that are gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) messages_in: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) produces: u64,
    pub(crate) failed_produces: u64,
    pub(crate) fetches: u64,
    pub(crate) failed_fetches: u64,
    pub(crate) isr_shrinks: u64,
    pub(crate) isr_expands: u64,
}

impl Traffic {
    pub(crate) fn add(&mut self, other: &Traffic) {
        self.messages_in += other.messages_in;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.produces += other.produces;
        self.failed_produces += other.failed_produces;
        self.fetches += other.fetches;
        self.failed_fetches += other.failed_fetches;
        self.isr_shrinks += other.isr_shrinks;
        self.isr_expands += other.isr_expands;
    }
}

/// What a shard counts that is no partition's own.
#[derive(Debug, Default)]
pub(crate) struct ShardTraffic {
    /// Of partitions that were here and are deleted, so that sums never go back.
    pub(crate) gone: Traffic,
    /// Sent to consumers over this shard's connections, whosever the partition is.
    bytes_out: HashMap<TopicName, u64>,
}

impl ShardTraffic {
    /// So many bytes of a topic are sent.
    pub(crate) fn sent(&mut self, topic: &TopicName, bytes: u64) {
        match self.bytes_out.get_mut(topic) {
            Some(sum) => *sum += bytes,
            None => drop(self.bytes_out.insert(topic.clone(), bytes)),
        }
    }

    /// By topic; what was sent of topics that are not there any more is added to what is gone.
    pub(crate) fn bytes_out(&mut self, exists: impl Fn(&TopicName) -> bool) -> Vec<(TopicName, u64)> {
        let gone = &mut self.gone;
        self.bytes_out.retain(|topic, sum| {
            let stays = exists(topic);
            if !stays {
                gone.bytes_out += *sum;
            }
            stays
        });
        self.bytes_out.iter().map(|(topic, sum)| (topic.clone(), *sum)).collect()
    }
}

/// Everything as Prometheus reads it.
pub(crate) fn exposition(metrics: &Metrics, facts: &Facts) -> String {
    let mut text = Text::default();
    render::broker_topics(&mut text, facts);
    render::replicas(&mut text, facts);
    render::controller(&mut text, facts);
    render::requests(&mut text, &metrics.requests, facts);
    render::session(&mut text, &metrics.session, facts);
    render::fetch_sessions(&mut text, facts);
    render::logs(&mut text, facts);
    exporter::cluster(&mut text, facts);
    exporter::topics(&mut text, facts);
    exporter::groups(&mut text, facts);
    process::figures(&mut text);
    text.into_string()
}
