//! Where a consumer is in each of its partitions, and how it gets there: committed offset, reset, seek. Pure.

use std::collections::BTreeMap;

use kafka_types::{LeaderEpoch, Offset, TopicPartition};

/// `auto.offset.reset`: where to start without a committed offset, or with one that does not exist any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// The first record there is.
    Earliest,
    /// The next record that is produced.
    #[default]
    Latest,
    /// Nowhere: an error.
    None,
}

impl OffsetReset {
    /// The timestamp of ListOffsets that stands for it; `None` for no reset.
    pub fn timestamp(self) -> Option<i64> {
        match self {
            OffsetReset::Earliest => Some(-2),
            OffsetReset::Latest => Some(-1),
            OffsetReset::None => None,
        }
    }
}

/// Where a consumer is in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be taken from the group, or from the reset policy.
    Unknown,
    /// To be asked of the partition's leader.
    Resetting(OffsetReset),
    /// The next record to hand out.
    At(Offset),
}

/// One partition of a consumer.
#[derive(Debug, Clone)]
struct Entry {
    state: State,
    /// Leader epoch of the last record handed out, for the commit.
    epoch: LeaderEpoch,
    /// Grows with each jump: what was fetched for an earlier place is dropped.
    jumps: u64,
    paused: bool,
    /// As the last fetch said; -1 before.
    high_watermark: Offset,
}

/// The partitions of a consumer and where it is in them.
#[derive(Debug, Default)]
pub struct Positions {
    partitions: BTreeMap<TopicPartition, Entry>,
    jumps: u64,
}

/// No place to start: nothing committed and no reset policy, or an offset that does not exist and none either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPosition {
    /// Nothing is committed.
    #[error("Undefined offset with no reset policy for partitions: [{}]", list(.0))]
    NothingCommitted(Vec<TopicPartition>),
    /// The offset does not exist (any more).
    #[error("Fetch position {offset} is out of range for partition {partition}")]
    OutOfRange {
        /// Where.
        partition: TopicPartition,
        /// What was asked for.
        offset: Offset,
    },
}

fn list(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Positions {
    /// Exactly these from now on; positions of those that were there stay.
    pub fn set(&mut self, partitions: &[TopicPartition]) {
        let mut kept = std::mem::take(&mut self.partitions);
        for partition in partitions {
            let entry = kept.remove(partition).unwrap_or_else(|| self.fresh());
            self.partitions.insert(partition.clone(), entry);
        }
    }

    /// Without these.
    pub fn remove(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.partitions.remove(partition);
        }
    }

    fn fresh(&mut self) -> Entry {
        self.jumps += 1;
        Entry {
            state: State::Unknown,
            epoch: LeaderEpoch::NONE,
            jumps: self.jumps,
            paused: false,
            high_watermark: Offset::NONE,
        }
    }

    /// All partitions, in order.
    pub fn assigned(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    /// Is it one of them?
    pub fn contains(&self, partition: &TopicPartition) -> bool {
        self.partitions.contains_key(partition)
    }

    /// The next record to hand out, once that is known.
    pub fn get(&self, partition: &TopicPartition) -> Option<Offset> {
        match self.partitions.get(partition)?.state {
            State::At(offset) => Some(offset),
            State::Unknown | State::Resetting(_) => None,
        }
    }

    /// How often the consumer jumped; a fetch remembers it.
    pub fn jumps(&self, partition: &TopicPartition) -> Option<u64> {
        self.partitions.get(partition).map(|entry| entry.jumps)
    }

    fn jump(&mut self, partition: &TopicPartition, state: State) {
        self.jumps += 1;
        if let Some(entry) = self.partitions.get_mut(partition) {
            (entry.state, entry.jumps, entry.epoch) = (state, self.jumps, LeaderEpoch::NONE);
        }
    }

    /// Go on at this offset.
    pub fn seek(&mut self, partition: &TopicPartition, offset: Offset) {
        self.jump(partition, State::At(offset));
    }

    /// Go to the start or the end, wherever that is.
    pub fn reset(&mut self, partition: &TopicPartition, to: OffsetReset) {
        self.jump(partition, State::Resetting(to));
    }

    /// The answer to a reset; nothing if the consumer went elsewhere meanwhile.
    pub fn on_reset(&mut self, partition: &TopicPartition, asked: OffsetReset, offset: Offset) {
        if self.partitions.get(partition).is_some_and(|entry| entry.state == State::Resetting(asked)) {
            self.jump(partition, State::At(offset));
        }
    }

    /// What the group has committed, -1 for nothing; nothing if the consumer went elsewhere meanwhile.
    pub fn on_committed(&mut self, partition: &TopicPartition, committed: Offset, epoch: LeaderEpoch) {
        let Some(entry) = self.partitions.get_mut(partition) else { return };
        if entry.state == State::Unknown && committed.0 >= 0 {
            entry.state = State::At(committed);
            entry.epoch = epoch;
        }
    }

    /// Partitions whose place is not known and not asked for.
    pub fn unknown(&self) -> Vec<TopicPartition> {
        let unknown = self.partitions.iter().filter(|(_, entry)| entry.state == State::Unknown);
        unknown.map(|(partition, _)| partition.clone()).collect()
    }

    /// Sends those of `among` whose place is still unknown to where the policy says.
    pub fn reset_unknown(&mut self, among: &[TopicPartition], policy: OffsetReset) -> Result<(), NoPosition> {
        let is_unknown =
            |one: &&TopicPartition| self.partitions.get(*one).is_some_and(|entry| entry.state == State::Unknown);
        let unknown: Vec<_> = among.iter().filter(is_unknown).cloned().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        if policy == OffsetReset::None {
            return Err(NoPosition::NothingCommitted(unknown));
        }
        for partition in unknown {
            self.reset(&partition, policy);
        }
        Ok(())
    }

    /// Partitions whose start or end is to be asked for.
    pub fn resetting(&self) -> Vec<(TopicPartition, OffsetReset)> {
        let resetting = self.partitions.iter().filter_map(|(partition, entry)| match entry.state {
            State::Resetting(to) => Some((partition.clone(), to)),
            State::Unknown | State::At(_) => None,
        });
        resetting.collect()
    }

    /// OFFSET_OUT_OF_RANGE for a fetch at `offset`: off to where the policy says.
    pub fn on_out_of_range(
        &mut self,
        partition: &TopicPartition,
        offset: Offset,
        policy: OffsetReset,
    ) -> Result<(), NoPosition> {
        // A seek since then makes the answer meaningless.
        if self.get(partition) != Some(offset) {
            return Ok(());
        }
        if policy == OffsetReset::None {
            return Err(NoPosition::OutOfRange { partition: partition.clone(), offset });
        }
        self.reset(partition, policy);
        Ok(())
    }

    /// Everything before `next` was handed out or passed over; `epoch` is that of the last record handed out, if any.
    pub fn advance(&mut self, partition: &TopicPartition, next: Offset, epoch: Option<LeaderEpoch>) {
        if let Some(entry) = self.partitions.get_mut(partition) {
            entry.state = State::At(next);
            entry.epoch = epoch.unwrap_or(entry.epoch);
        }
    }

    /// Neither fetch nor hand out, or go on with both.
    pub fn set_paused(&mut self, partition: &TopicPartition, paused: bool) {
        if let Some(entry) = self.partitions.get_mut(partition) {
            entry.paused = paused;
        }
    }

    /// Is it paused?
    pub fn is_paused(&self, partition: &TopicPartition) -> bool {
        self.partitions.get(partition).is_some_and(|entry| entry.paused)
    }

    /// Where the partition ends, as the last fetch said.
    pub fn on_high_watermark(&mut self, partition: &TopicPartition, high_watermark: Offset) {
        if let Some(entry) = self.partitions.get_mut(partition) {
            entry.high_watermark = high_watermark;
        }
    }

    /// How many records are still to come, as far as the last fetch knew.
    pub fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        let entry = self.partitions.get(partition).filter(|entry| entry.high_watermark.0 >= 0)?;
        let State::At(offset) = entry.state else { return None };
        Some((entry.high_watermark - offset).max(0))
    }

    /// What a commit says: every known position, with the epoch of the record before it.
    pub fn all_consumed(&self) -> Vec<(TopicPartition, Offset, LeaderEpoch)> {
        let known = self.partitions.iter().filter_map(|(partition, entry)| match entry.state {
            State::At(offset) => Some((partition.clone(), offset, entry.epoch)),
            State::Unknown | State::Resetting(_) => None,
        });
        known.collect()
    }

    /// Is every place known, so that all can be fetched?
    pub fn are_known(&self) -> bool {
        self.partitions.values().all(|entry| matches!(entry.state, State::At(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn assigned(count: i32) -> Positions {
        let mut positions = Positions::default();
        positions.set(&(0..count).map(tp).collect::<Vec<_>>());
        positions
    }

    #[test]
    fn what_is_committed_comes_first_then_the_policy() {
        let mut positions = assigned(2);
        positions.on_committed(&tp(0), Offset(7), LeaderEpoch(1));
        positions.on_committed(&tp(1), Offset::NONE, LeaderEpoch::NONE);
        assert_eq!(positions.get(&tp(0)), Some(Offset(7)));
        let error = positions.reset_unknown(&[tp(0), tp(1)], OffsetReset::None).unwrap_err();
        assert_eq!(error.to_string(), "Undefined offset with no reset policy for partitions: [t-1]");
        positions.reset_unknown(&[tp(1)], OffsetReset::Earliest).unwrap();
        assert_eq!(positions.resetting(), [(tp(1), OffsetReset::Earliest)]);
        positions.on_reset(&tp(1), OffsetReset::Earliest, Offset(3));
        assert_eq!(positions.get(&tp(1)), Some(Offset(3)));
        assert!(positions.are_known());
    }

    #[test]
    fn a_seek_outruns_answers_on_their_way() {
        let mut positions = assigned(1);
        positions.reset(&tp(0), OffsetReset::Latest);
        let before = positions.jumps(&tp(0));
        positions.seek(&tp(0), Offset(5));
        assert_ne!(positions.jumps(&tp(0)), before);
        positions.on_reset(&tp(0), OffsetReset::Latest, Offset(99));
        positions.on_committed(&tp(0), Offset(1), LeaderEpoch::NONE);
        positions.on_out_of_range(&tp(0), Offset(77), OffsetReset::Earliest).unwrap();
        assert_eq!(positions.get(&tp(0)), Some(Offset(5)));
    }

    #[test]
    fn an_offset_out_of_range_is_reset_or_an_error() {
        let mut positions = assigned(1);
        positions.seek(&tp(0), Offset(5));
        let error = positions.on_out_of_range(&tp(0), Offset(5), OffsetReset::None).unwrap_err();
        assert_eq!(error.to_string(), "Fetch position 5 is out of range for partition t-0");
        positions.on_out_of_range(&tp(0), Offset(5), OffsetReset::Latest).unwrap();
        assert_eq!(positions.resetting(), [(tp(0), OffsetReset::Latest)]);
    }

    #[test]
    fn what_stays_assigned_keeps_its_place() {
        let mut positions = assigned(2);
        positions.seek(&tp(0), Offset(5));
        positions.seek(&tp(1), Offset(6));
        positions.set(&[tp(1), tp(2)]);
        assert_eq!(positions.assigned(), [tp(1), tp(2)]);
        assert_eq!(positions.get(&tp(1)), Some(Offset(6)));
        assert_eq!(positions.unknown(), [tp(2)]);
        let jumps = positions.jumps(&tp(2));
        positions.set(&[tp(0)]);
        assert_ne!(positions.jumps(&tp(0)), jumps);
        assert_eq!(positions.get(&tp(0)), None, "it was gone in between");
    }

    #[test]
    fn lag_is_what_is_left() {
        let mut positions = assigned(1);
        assert_eq!(positions.lag(&tp(0)), None);
        positions.seek(&tp(0), Offset(5));
        positions.on_high_watermark(&tp(0), Offset(9));
        assert_eq!(positions.lag(&tp(0)), Some(4));
        positions.advance(&tp(0), Offset(9), Some(LeaderEpoch(2)));
        assert_eq!(
            (positions.lag(&tp(0)), positions.all_consumed()),
            (Some(0), vec![(tp(0), Offset(9), LeaderEpoch(2))])
        );
    }
}
