//! One thread that owns connections *and* partitions: its runtime, its state, its loop.
//!
//! A partition lives on exactly one shard, chosen by its name. A request for a partition of the own shard is a plain
//! call, one for another shard is one hop through a bounded channel. So partition state needs no lock, and two
//! requests for one partition are in one order for everybody.

use std::cell::RefCell;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::thread::JoinHandle;

use kafka_types::TopicPartition;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

/// Messages that may wait in front of a shard before senders wait themselves.
const QUEUE: usize = 1024;

/// The shard's thread has ended: the broker is going down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broker is shutting down")]
pub(crate) struct ShardGone;

/// Something for the owner of the state to do.
type Call<S> = Box<dyn FnOnce(&mut S) + Send>;
/// Something that runs on the shard's thread, such as a connection.
type Spawn = Box<dyn FnOnce() + Send>;

enum Message<S> {
    Call(Call<S>),
    Spawn(Spawn),
}

/// All shards, as everybody sees them. `S` is the state that a shard owns.
pub(crate) struct Shards<S> {
    queues: Vec<mpsc::Sender<Message<S>>>,
}

impl<S> Clone for Shards<S> {
    fn clone(&self) -> Self {
        Shards { queues: self.queues.clone() }
    }
}

impl<S: 'static> Shards<S> {
    /// Starts `count` threads; `make` builds the state of each on its own thread.
    #[expect(clippy::disallowed_methods, reason = "the one place that starts the shards' threads")]
    pub(crate) fn start(
        count: usize,
        make: impl Fn(usize) -> S + Send + Clone + 'static,
    ) -> (Shards<S>, Vec<JoinHandle<()>>) {
        let mut queues = Vec::new();
        let mut threads = Vec::new();
        for index in 0..count.max(1) {
            let (queue, messages) = mpsc::channel(QUEUE);
            let make = make.clone();
            threads.push(std::thread::spawn(move || run(index, make(index), messages)));
            queues.push(queue);
        }
        (Shards { queues }, threads)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.queues.len()
    }

    /// The shard that owns a partition.
    pub(crate) fn owner(&self, partition: &TopicPartition) -> usize {
        let mut hasher = DefaultHasher::new();
        partition.hash(&mut hasher);
        (hasher.finish() % self.queues.len() as u64) as usize
    }

    /// Runs `call` on the state of shard `index` and returns its result. Calls of one caller to one shard keep their
    /// order; a call to the own shard runs at once.
    pub(crate) async fn on<R: Send + 'static>(
        &self,
        index: usize,
        call: impl FnOnce(&mut S) -> R + Send + 'static,
    ) -> Result<R, ShardGone> {
        if is_here::<S>(index) {
            return Ok(here(call));
        }
        let (done, result) = oneshot::channel();
        let call: Call<S> = Box::new(move |state| {
            // The caller may have given up, its connection being closed.
            let _ = done.send(call(state));
        });
        self.queues[index].send(Message::Call(call)).await.map_err(|_| ShardGone)?;
        result.await.map_err(|_| ShardGone)
    }

    /// Runs `call` on every shard, one after the other.
    pub(crate) async fn on_all<R: Send + 'static>(
        &self,
        call: impl FnOnce(&mut S) -> R + Send + Clone + 'static,
    ) -> Result<Vec<R>, ShardGone> {
        let mut results = Vec::with_capacity(self.count());
        for index in 0..self.count() {
            results.push(self.on(index, call.clone()).await?);
        }
        Ok(results)
    }

    /// Starts a task on the thread of shard `index`; `make` is called there, so the future need not be `Send`.
    pub(crate) async fn spawn_on<F: Future<Output = ()> + 'static>(
        &self,
        index: usize,
        make: impl FnOnce() -> F + Send + 'static,
    ) -> Result<(), ShardGone> {
        let spawn: Spawn = Box::new(move || {
            tokio::task::spawn_local(make());
        });
        self.queues[index].send(Message::Spawn(spawn)).await.map_err(|_| ShardGone)
    }
}

thread_local! {
    /// The index and the state of the shard whose thread this is.
    static HERE: RefCell<Option<(usize, Rc<dyn std::any::Any>)>> = const { RefCell::new(None) };
}

fn is_here<S: 'static>(index: usize) -> bool {
    HERE.with_borrow(|here| here.as_ref().is_some_and(|(here, state)| *here == index && state.is::<RefCell<S>>()))
}

/// Runs `call` on the state of the shard whose thread this is.
///
/// Nothing called here may await or call `here` again: the state is borrowed until `call` returns.
pub(crate) fn here<S: 'static, R>(call: impl FnOnce(&mut S) -> R) -> R {
    let state = HERE.with_borrow(|here| here.as_ref().map(|(_, state)| Rc::clone(state)));
    let state = state.expect("called on a shard's thread");
    let state = state.downcast_ref::<RefCell<S>>().expect("a shard's thread holds a shard's state");
    call(&mut state.borrow_mut())
}

fn run<S: 'static>(index: usize, state: S, mut messages: mpsc::Receiver<Message<S>>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system has room for one more event loop");
    HERE.set(Some((index, Rc::new(RefCell::new(state)))));
    LocalSet::new().block_on(&runtime, async {
        while let Some(message) = messages.recv().await {
            match message {
                Message::Call(call) => here(call),
                Message::Spawn(spawn) => spawn(),
            }
        }
    });
    HERE.set(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn state_is_reached_from_outside_and_from_its_own_thread() {
        let (shards, threads) = Shards::start(2, |_| 0u32);
        assert_eq!(
            shards
                .on(1, |n| {
                    *n += 5;
                    *n
                })
                .await,
            Ok(5)
        );
        let (done, result) = oneshot::channel();
        let inner = shards.clone();
        shards
            .spawn_on(1, move || async move {
                let own = inner
                    .on(1, |n| {
                        *n += 1;
                        *n
                    })
                    .await;
                let other = inner
                    .on(0, |n| {
                        *n += 1;
                        *n
                    })
                    .await;
                drop(inner);
                let _ = done.send((own, other));
            })
            .await
            .expect("runs");
        assert_eq!(result.await.expect("answers"), (Ok(6), Ok(1)));
        drop(shards);
        for thread in threads {
            thread.join().expect("ends when nobody can reach it any more");
        }
    }

    #[test]
    fn a_partition_has_one_owner() {
        let (shards, _threads) = Shards::start(2, |_| ());
        let partition = TopicPartition::new("t", 3);
        assert_eq!(shards.owner(&partition), shards.owner(&partition.clone()));
    }
}
