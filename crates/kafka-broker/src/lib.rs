//! The broker process: listeners, dispatch, handlers, replica and coordinator runtimes, controller runtime.

mod background;
mod clock;
mod shard;
mod waiters;
