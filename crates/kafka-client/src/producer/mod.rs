//! The producer: records into batches, batches to their leaders, in order and
//! at most once per record.
//!
//! It owns the choice of a partition (`partitioner`), the batches that wait
//! (`accumulator`), what each broker is sent and what its answers mean
//! (`sender`), sequences and the producer's id (`idempotence`), and the task
//! that drives those pure parts over a cluster's connections.
