//! Kafka's log directories between the programs: Apache's that ours reads, ours that Apache's reads.

mod golden;
mod ours;
mod told;
