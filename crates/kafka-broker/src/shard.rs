//! One thread that owns connections *and* partitions: its runtime, its state, its loop.
//!
//! A partition lives on exactly one shard, chosen by its name. A request for a partition of the own shard is a plain
//! call. One for another shard is a plain call, too, as long as nobody is in that shard's state: waking the other thread
//! and being woken again costs more than most requests do. Otherwise it is one hop through a bounded channel, so that
//! no thread waits for another's disk. Whoever is in a shard's state has it for itself, and two requests for one
//! partition are in one order for everybody.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;

use kafka_types::TopicPartition;
use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, oneshot};

/// Messages that may wait in front of a shard before senders wait themselves.
const QUEUE: usize = 1024;

/// How often a caller looks whether another shard's state is free before it hops: about as long as a hop costs.
const LOOKS: usize = 40;

/// Of so many tasks that run, one may be one that another thread has woken, before all that sockets have. By default it is
/// one in 31, and a loop that has always something to do kept those waiting for long who wait for another shard: members
/// of a large group for its coordinator.
const FOREIGN_EVERY: u32 = 2;

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

/// One shard, as everybody sees it.
struct Shard<S> {
    queue: mpsc::Sender<Message<S>>,
    state: Arc<Mutex<S>>,
}

/// All shards, as everybody sees them. `S` is the state that a shard owns.
pub(crate) struct Shards<S> {
    shards: Arc<[Shard<S>]>,
}

impl<S> Clone for Shards<S> {
    fn clone(&self) -> Self {
        Shards { shards: Arc::clone(&self.shards) }
    }
}

impl<S: Send + 'static> Shards<S> {
    /// Starts `count` threads; `make` builds the state of each.
    #[expect(clippy::disallowed_methods, reason = "the one place that starts the shards' threads")]
    pub(crate) fn start(count: usize, make: impl Fn(usize) -> S) -> (Shards<S>, Vec<JoinHandle<()>>) {
        let mut shards = Vec::new();
        let mut threads = Vec::new();
        for index in 0..count.max(1) {
            let (queue, messages) = mpsc::channel(QUEUE);
            let state = Arc::new(Mutex::new(make(index)));
            let of_thread = Arc::clone(&state);
            threads.push(std::thread::spawn(move || run(index, of_thread, messages)));
            shards.push(Shard { queue, state });
        }
        (Shards { shards: shards.into() }, threads)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.shards.len()
    }

    /// The shard that owns a partition.
    pub(crate) fn owner(&self, partition: &TopicPartition) -> usize {
        let mut hasher = DefaultHasher::new();
        partition.hash(&mut hasher);
        (hasher.finish() % self.shards.len() as u64) as usize
    }

    /// If this is the thread of a shard: its turn, a number that is another one as soon as all tasks that were ready have
    /// run and the thread has waited for more.
    #[expect(clippy::unused_self, reason = "a question about these shards")]
    pub(crate) fn turn(&self) -> Option<u64> {
        place::<S>().map(|_| TURN.get())
    }

    /// Runs `call` on the state of shard `index` and returns its result. Calls of one caller to one shard keep their
    /// order; a call to the own shard runs at once, and on the thread of another shard it may do so, too: what it
    /// spawns has to know its shard by itself.
    pub(crate) async fn on<R: Send + 'static>(
        &self,
        index: usize,
        call: impl FnOnce(&mut S) -> R + Send + 'static,
    ) -> Result<R, ShardGone> {
        match place::<S>() {
            Some(here_index) if here_index == index => return Ok(here(call)),
            Some(_) => {
                if let Some(mut state) = self.shards[index].look_in() {
                    return Ok(call(&mut state));
                }
            }
            // A thread of another kind has no business in there: calls may spawn what only a shard can run.
            None => {}
        }
        let (done, result) = oneshot::channel();
        let call: Call<S> = Box::new(move |state| {
            // The caller may have given up, its connection being closed.
            let _ = done.send(call(state));
        });
        self.shards[index].queue.send(Message::Call(call)).await.map_err(|_| ShardGone)?;
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
        self.shards[index].queue.send(Message::Spawn(spawn)).await.map_err(|_| ShardGone)
    }
}

impl<S> Shard<S> {
    /// The state, if it is free or becomes so at once.
    fn look_in(&self) -> Option<MutexGuard<'_, S>> {
        for _ in 0..LOOKS {
            match self.state.try_lock() {
                Ok(state) => return Some(state),
                Err(TryLockError::Poisoned(state)) => return Some(state.into_inner()),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        None
    }
}

thread_local! {
    /// The index and the state (an `Arc<Mutex<S>>`) of the shard whose thread this is.
    static HERE: RefCell<Option<(usize, Box<dyn std::any::Any>)>> = const { RefCell::new(None) };
}

thread_local! {
    static TURN: Cell<u64> = const { Cell::new(0) };
}

/// The index of the shard whose thread this is.
fn place<S: 'static>() -> Option<usize> {
    HERE.with_borrow(|here| here.as_ref().filter(|(_, state)| state.is::<Arc<Mutex<S>>>()).map(|(index, _)| *index))
}

/// Runs `call` on the state of the shard whose thread this is.
///
/// Nothing called here may await or call `here` again: nobody else gets to the state until `call` returns.
pub(crate) fn here<S: 'static, R>(call: impl FnOnce(&mut S) -> R) -> R {
    HERE.with_borrow(|here| {
        let (_, state) = here.as_ref().expect("called on a shard's thread");
        let state = state.downcast_ref::<Arc<Mutex<S>>>().expect("a shard's thread holds a shard's state");
        call(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
    })
}

fn run<S: Send + 'static>(index: usize, state: Arc<Mutex<S>>, mut messages: mpsc::Receiver<Message<S>>) {
    // No `LocalSet`: its tasks are woken through the runtime's own waker, which is one more system call whenever sockets
    // become ready.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .global_queue_interval(FOREIGN_EVERY)
        .on_thread_park(|| TURN.set(TURN.get().wrapping_add(1)))
        .build_local(LocalOptions::default())
        .expect("the system has room for one more event loop");
    HERE.set(Some((index, Box::new(state))));
    runtime.block_on(async {
        while let Some(message) = messages.recv().await {
            match message {
                Message::Call(call) => here(call),
                Message::Spawn(spawn) => spawn(),
            }
        }
    });
    // Its tasks end with it, and may still look at the shard.
    drop(runtime);
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
    fn who_finds_a_state_in_use_leaves_its_call_there() {
        let (shards, threads) = Shards::start(2, |_| Vec::<u8>::new());
        let (runtime, inner) = (tokio::runtime::Builder::new_current_thread().build().unwrap(), shards.clone());
        let (entered, has_entered) = std::sync::mpsc::channel();
        let (leave, may_leave) = std::sync::mpsc::channel::<()>();
        let (done, results) = std::sync::mpsc::channel();
        let occupied = async {
            let on_zero = inner.on(0, move |seen| {
                entered.send(()).unwrap();
                may_leave.recv().unwrap();
                seen.push(1);
            });
            let from_one = inner.clone();
            let asks = inner.spawn_on(1, move || async move {
                has_entered.recv().unwrap();
                let asked = from_one.on(0, |seen| {
                    seen.push(2);
                    seen.clone()
                });
                let mut asked = std::pin::pin!(asked);
                // Nobody waits for a state that is in use: this thread is free for others.
                let first = poll_once(asked.as_mut()).await;
                leave.send(()).unwrap();
                done.send((first, asked.await)).unwrap();
            });
            tokio::join!(on_zero, asks)
        };
        let (first, second) = runtime.block_on(occupied);
        assert_eq!((first, second), (Ok(()), Ok(())));
        assert_eq!(results.recv().unwrap(), (None, Ok(vec![1, 2])));
        drop((inner, shards));
        for thread in threads {
            thread.join().expect("ends when nobody can reach it any more");
        }
    }

    /// Polls once.
    async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match future.as_mut().poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    #[test]
    fn a_partition_has_one_owner() {
        let (shards, _threads) = Shards::start(2, |_| ());
        let partition = TopicPartition::new("t", 3);
        assert_eq!(shards.owner(&partition), shards.owner(&partition.clone()));
    }
}
