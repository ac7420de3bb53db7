//! Small appends of many clients, together: what the connections of one shard's thread want to append to a partition in
//! one turn goes there in one call, and to the file in one write.
//!
//! Whoever is the first to want something has a task started, which gets its turn behind all connections that are ready
//! by then. So nobody waits for a time. Where clients come one by one there is nobody to wait for, and nobody waits.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::Poll;

use kafka_types::{ErrorCode, TopicPartition};
use tokio::sync::oneshot;
use tokio::task::Id;

use crate::broker::Broker;
use crate::replicas::Owned;
use crate::replicas::groups::Sent;
use crate::replicas::partition::{Produced, Refused};
use crate::shard::Shards;

/// Records above this size are appended at once: the write costs so much more than the call that others would rather
/// not wait for it, and a client of full batches not for them.
const SMALL: usize = 8 << 10;
/// So many are not let wait for others.
const GROUP_MAX: usize = 256;
/// Partitions that have groups at the same time.
const GROUPS_MAX: usize = 16;
/// So many turns with one client each, and the next is not let wait either.
const ALONE: u32 = 4;

/// What comes of an append.
pub(super) type Outcome = Result<Produced, Refused>;

/// The appends to one partition that wait for their turn.
struct Group {
    partition: TopicPartition,
    sent: Vec<Sent>,
    /// One for each.
    told: Vec<oneshot::Sender<Outcome>>,
}

/// The groups of a thread, and whether there is anything to group.
#[derive(Default)]
struct Groups {
    waiting: Vec<Group>,
    /// The last turn that had an append, and how many had one then.
    turn: u64,
    in_turn: u32,
    /// The connection's task that had the last one: what one client sends in a row is no crowd.
    last: Option<Id>,
    /// Turns in a row that had one client.
    alone: u32,
}

impl Groups {
    /// An append comes in a turn: is it worth while to wait for others?
    fn is_crowd(&mut self, turn: u64, task: Option<Id>) -> bool {
        let is_other = std::mem::replace(&mut self.last, task) != task;
        if turn == self.turn {
            self.in_turn += u32::from(is_other);
        } else {
            self.alone = if self.in_turn <= 1 { self.alone.saturating_add(1) } else { 0 };
            (self.turn, self.in_turn) = (turn, 1);
        }
        self.in_turn > 1 || self.alone < ALONE
    }

    /// The place of the partition's group; `None` if there are enough groups.
    fn of(&mut self, partition: &TopicPartition) -> Option<usize> {
        let at = self.waiting.iter().position(|group| group.partition == *partition);
        if at.is_none() && self.waiting.len() < GROUPS_MAX {
            self.waiting.push(Group { partition: partition.clone(), sent: Vec::new(), told: Vec::new() });
            return Some(self.waiting.len() - 1);
        }
        at
    }
}

/// What became of records that were to go into a group.
enum Placed {
    /// They are in one: the first of all, and perhaps as many as may be.
    Waits { outcome: oneshot::Receiver<Outcome>, is_first: bool, full: Option<Group> },
    /// Better alone.
    Alone(Sent),
}

thread_local! {
    /// Of this shard's thread, in whichever shard the partitions are.
    static GROUPS: RefCell<Groups> = RefCell::default();
}

/// An append on its way.
pub(super) enum Appending {
    Done(Outcome),
    /// To be waited for by [`outcome`].
    InGroup(oneshot::Receiver<Outcome>),
}

/// What comes of an append in a group.
pub(super) async fn outcome(of_group: oneshot::Receiver<Outcome>) -> Outcome {
    of_group.await.unwrap_or_else(|_| Err(gone()))
}

/// Appends, at once or with what other connections of this thread want to append in this turn.
pub(super) async fn append(broker: &Broker, partition: &TopicPartition, sent: Sent) -> Appending {
    let shards = &broker.shards;
    let placed = match shards.turn() {
        Some(turn) if sent.records.len() <= SMALL => place(turn, partition, sent),
        _ => Placed::Alone(sent),
    };
    match placed {
        Placed::Alone(sent) => Appending::Done(append_alone(shards, partition, sent).await),
        Placed::Waits { outcome, is_first, full } => {
            if is_first {
                tokio::task::spawn_local(append_groups(shards.clone()));
            }
            if let Some(group) = full {
                append_group(shards.clone(), group).await;
            }
            Appending::InGroup(outcome)
        }
    }
}

fn place(turn: u64, partition: &TopicPartition, sent: Sent) -> Placed {
    GROUPS.with_borrow_mut(|groups| {
        if !groups.is_crowd(turn, tokio::task::try_id()) {
            return Placed::Alone(sent);
        }
        let is_first = groups.waiting.is_empty();
        let Some(at) = groups.of(partition) else { return Placed::Alone(sent) };
        let (told, outcome) = oneshot::channel();
        let group = &mut groups.waiting[at];
        group.sent.push(sent);
        group.told.push(told);
        let full = (group.sent.len() >= GROUP_MAX).then(|| groups.waiting.swap_remove(at));
        Placed::Waits { outcome, is_first, full }
    })
}

async fn append_alone(shards: &Shards<Owned>, partition: &TopicPartition, sent: Sent) -> Outcome {
    let (target, owner) = (partition.clone(), shards.owner(partition));
    let appended = shards.on(owner, move |owned| owned.produce(&target, &sent.records, sent.acks));
    appended.await.unwrap_or_else(|_| Err(gone()))
}

/// Appends all groups that there are.
async fn append_groups(shards: Shards<Owned>) {
    for group in GROUPS.with_borrow_mut(|groups| std::mem::take(&mut groups.waiting)) {
        let mut appended = Box::pin(append_group(shards.clone(), group));
        let is_done = poll_fn(|task| Poll::Ready(appended.as_mut().poll(task).is_ready())).await;
        if !is_done {
            // It waits for another shard. The next group need not.
            tokio::task::spawn_local(appended);
        }
    }
}

async fn append_group(shards: Shards<Owned>, group: Group) {
    let Group { partition, sent, told } = group;
    let owner = shards.owner(&partition);
    match shards.on(owner, move |owned| owned.produce_group(&partition, &sent)).await {
        Ok(outcomes) => {
            for (told, outcome) in told.into_iter().zip(outcomes) {
                // A connection that has ended asks no more.
                let _ = told.send(outcome);
            }
        }
        Err(_) => told.into_iter().for_each(|told| drop(told.send(Err(gone())))),
    }
}

/// The shard has ended: this broker leads nothing any more.
fn gone() -> Refused {
    ErrorCode::NotLeaderOrFollower.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: i32) -> TopicPartition {
        TopicPartition::new("t", number)
    }

    fn sent() -> Sent {
        Sent { records: bytes::Bytes::from_static(b"records"), acks: kafka_types::Acks::All }
    }

    #[tokio::test]
    async fn who_comes_alone_does_not_wait_and_a_crowd_does() {
        let [one, two] = [(); 2].map(|()| Some(tokio::spawn(async {}).id()));
        let mut groups = Groups::default();
        let crowds: Vec<bool> = (1..8).map(|turn| groups.is_crowd(turn, one)).collect();
        assert_eq!(crowds, [true, true, true, false, false, false, false]);
        assert!(!groups.is_crowd(7, one), "the same client's next");
        assert!(groups.is_crowd(7, two), "another one's in the same turn");
        assert!((8..=11).all(|turn| groups.is_crowd(turn, two)), "others may come again");
        assert!(!groups.is_crowd(12, one));
    }

    #[test]
    fn a_group_is_of_one_partition_and_no_larger_than_it_may_be() {
        GROUPS.take();
        let mut first = 0;
        for number in 0..GROUP_MAX + 5 {
            let placed = place(1, &partition(0), sent());
            let Placed::Waits { is_first, full, .. } = placed else { panic!("it is a crowd") };
            first += usize::from(is_first);
            assert_eq!(full.map(|group| group.sent.len()), (number + 1 == GROUP_MAX).then_some(GROUP_MAX));
        }
        // The one whose group is full has none left to be told of.
        assert_eq!(first, 2);
        for other in 1..GROUPS_MAX as i32 {
            assert!(matches!(place(1, &partition(other), sent()), Placed::Waits { is_first: false, .. }));
        }
        assert!(matches!(place(1, &partition(-1), sent()), Placed::Alone(_)));
        let sizes: Vec<usize> = GROUPS.take().waiting.iter().map(|group| group.told.len()).collect();
        assert_eq!((sizes.len(), sizes[0], sizes[1]), (GROUPS_MAX, 5, 1));
    }
}
