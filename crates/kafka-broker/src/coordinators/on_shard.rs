//! Coordinators as one shard sees them: what they want appended, and what comes of it.

use std::collections::VecDeque;
use std::sync::Arc;

use kafka_log::AppendOrigin;
use kafka_record::{BatchBuilder, BatchOptions};
use kafka_types::{Acks, ErrorCode, LeaderEpoch, TopicPartition};
use tokio::sync::oneshot;

use super::cores::Written;
use super::{Append, Core, GroupCoordinator, OFFSETS_TOPIC, TRANSACTION_TOPIC, TransactionCoordinator};
use crate::broker::Broker;
use crate::replicas::Owned;
use crate::shard::here;

impl Owned {
    /// Hands a request to a coordinator of this shard.
    pub(crate) fn ask_coordinator<C: Core>(
        &mut self,
        partition: i32,
        request: C::Request,
        reply: oneshot::Sender<C::Reply>,
    ) -> Result<(), ErrorCode> {
        let now = self.shared.clock.now();
        let wanted = C::on(self).request(now, partition, request, reply)?;
        self.append_for::<C>(partition, wanted);
        Ok(())
    }

    /// Tells a coordinator what happened, if it is here.
    pub(crate) fn tell_coordinator<C: Core>(&mut self, partition: i32, event: C::Event) {
        let now = self.shared.clock.now();
        let wanted = C::on(self).event(now, partition, event);
        self.append_for::<C>(partition, wanted);
    }

    /// Has the coordinators do what is due.
    fn tick_coordinators<C: Core>(&mut self) {
        let now = self.shared.clock.now();
        for (partition, wanted) in C::on(self).tick(now) {
            self.append_for::<C>(partition, wanted);
        }
    }

    /// A coordinator has replayed its log.
    pub(super) fn coordinator_loaded<C: Core>(&mut self, partition: i32, epoch: LeaderEpoch) {
        let now = self.shared.clock.now();
        let wanted = C::on(self).loaded(now, partition, epoch);
        self.append_for::<C>(partition, wanted);
    }

    /// The high watermark of a partition with a coordinator may have moved.
    pub(crate) fn after_commit(&mut self, topic_partition: &TopicPartition) {
        match &*topic_partition.topic {
            OFFSETS_TOPIC => {
                self.append_for::<GroupCoordinator>(topic_partition.partition, Vec::new());
            }
            TRANSACTION_TOPIC => {
                self.append_for::<TransactionCoordinator>(topic_partition.partition, Vec::new());
            }
            _ => {}
        }
    }

    /// The coordinator on a partition, if it has one, is not here any more.
    pub(crate) fn resign_coordinator(&mut self, topic_partition: &TopicPartition) {
        match &*topic_partition.topic {
            OFFSETS_TOPIC => self.groups.resign(topic_partition.partition),
            TRANSACTION_TOPIC => self.transactions.resign(topic_partition.partition),
            _ => {}
        }
    }

    /// Appends what a coordinator wants, tells it what came of it, and so on until it wants nothing more.
    fn append_for<C: Core>(&mut self, partition: i32, wanted: Vec<Append>) {
        // Of most requests, such as heartbeats, nothing follows.
        if wanted.is_empty() && !C::on(self).awaits_commit(partition) {
            return C::on(self).rouse(partition);
        }
        let now = self.shared.clock.now();
        let timeout = C::APPEND_TIMEOUT.map(|name| self.shared.config.positive(name));
        let deadline = timeout.map(|timeout_ms| now.tick.after(timeout_ms));
        let topic_partition = TopicPartition::new(C::TOPIC, partition);
        let mut wanted = VecDeque::from(wanted);
        loop {
            while let Some(append) = wanted.pop_front() {
                match self.append_coordinators(&topic_partition, &append) {
                    Ok(written) => C::on(self).written(partition, Written { deadline, ..written }),
                    Err(error) => {
                        wanted.extend(C::on(self).event(now, partition, C::appended(append.token, Err(error))));
                    }
                }
            }
            let Some(replica) = self.partitions.get(&topic_partition) else { break };
            let high_watermark = replica.log.high_watermark();
            wanted.extend(C::on(self).committed(now, partition, high_watermark));
            if wanted.is_empty() {
                break;
            }
        }
        C::on(self).rouse(partition);
    }

    fn append_coordinators(&mut self, partition: &TopicPartition, append: &Append) -> Result<Written, ErrorCode> {
        let now = self.shared.clock.now();
        let mut options = BatchOptions { base_sequence: append.base_sequence, ..BatchOptions::default() };
        if let Some((producer_id, producer_epoch)) = append.producer {
            options.producer_id = producer_id;
            options.producer_epoch = producer_epoch;
            options.transactional = true;
        }
        let mut builder = BatchBuilder::new(options);
        for (key, value) in &append.records {
            builder.append(now.wall.0, Some(key), value.as_deref(), &[]).map_err(|_| ErrorCode::RecordListTooLarge)?;
        }
        let produced = self
            .partition(partition)?
            .append(now, &builder.finish(), Acks::All, AppendOrigin::Coordinator)
            .map_err(|refused| refused.code)?;
        let (first, end) = (produced.appended.first_offset, produced.appended.last_offset + 1);
        Ok(Written { token: append.token, first, end, deadline: None })
    }
}

/// Sleeps until the next deadline of a coordinator of this shard, or until one may have become earlier.
pub(crate) async fn deadlines<C: Core>(broker: Arc<Broker>) {
    let earlier = here(|owned: &mut Owned| C::on(owned).alarm.rings());
    loop {
        let deadline = here(|owned: &mut Owned| {
            let cores = C::on(owned);
            cores.alarm.set(cores.next_deadline())
        });
        let sleep = async {
            match deadline {
                Some(deadline) => tokio::time::sleep(broker.clock.until(deadline)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => here(Owned::tick_coordinators::<C>),
            () = earlier.notified() => {}
        }
    }
}
