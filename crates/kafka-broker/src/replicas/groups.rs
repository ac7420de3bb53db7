//! Records of several clients for one partition that came at the same time: one write, and one look at those who wait.

use bytes::Bytes;
use kafka_log::AppendOrigin;
use kafka_types::{Acks, ErrorCode, TopicPartition};
use time_types::Now;

use super::Owned;
use super::partition::{Partition, Produced, Refused};

/// What one client sends.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) records: Bytes,
    pub(crate) acks: Acks,
}

impl Partition {
    /// [`Partition::append`] for each of `group`; results in order.
    fn append_group(&mut self, now: Now, group: &[Sent]) -> Vec<Result<Produced, Refused>> {
        if group.iter().any(|sent| self.log.converts(&sent.records)) {
            // That costs so much more than a write that there is nothing to gain; and the time of each is its own.
            let append = |sent: &Sent| self.append(now, &sent.records, sent.acks, AppendOrigin::Client);
            return group.iter().map(append).collect();
        }
        let mut checked = Vec::with_capacity(group.len());
        let mut records = Vec::with_capacity(group.len());
        let mut epoch = kafka_types::LeaderEpoch::NONE;
        for sent in group {
            let allowed = self.check_may_append(sent.acks);
            if let Ok(ours) = allowed {
                epoch = ours;
                records.push(&sent.records);
            }
            checked.push(allowed);
        }
        let appended = self.log.append_group(now, &records, epoch);
        self.traffic.produces += group.len() as u64;
        if appended.iter().any(Result::is_ok) {
            self.on_log_end(now);
        }
        let mut appended = appended.into_iter();
        let results = group.iter().zip(checked).map(|(sent, allowed)| {
            let produced = match allowed {
                Err(code) => Err(code.into()),
                // One result for each that was allowed.
                Ok(_) => match appended.next() {
                    Some(appended) => self.produced(&sent.records, sent.acks, appended),
                    None => Err(ErrorCode::UnknownServerError.into()),
                },
            };
            produced.map_err(|refused| self.on_refused(refused))
        });
        results.collect()
    }
}

impl Owned {
    /// [`Owned::produce`] for each of `group`; results in order.
    pub(crate) fn produce_group(
        &mut self,
        topic_partition: &TopicPartition,
        group: &[Sent],
    ) -> Vec<Result<Produced, Refused>> {
        let now = self.shared.clock.now();
        let results = match self.partition(topic_partition) {
            Ok(partition) => partition.append_group(now, group),
            Err(code) => group.iter().map(|_| Err(code.into())).collect(),
        };
        if results.iter().any(Result::is_ok) {
            self.after_commit(topic_partition);
        }
        results
    }
}
