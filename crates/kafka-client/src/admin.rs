//! Questions and orders to the cluster: topics, partitions, settings, brokers, groups, transactions.
//!
//! Each call is tried again while its errors pass (no controller yet, a broker that restarts), for at most
//! `default.api.timeout.ms`. A failed call is an [`Err`]; what failed for single topics or groups is a `Result` beside
//! the name. Texts of time-outs are those of Java's `AdminClient`, with its names of calls.

mod acls;
mod alter_configs;
mod brokers;
mod call;
mod configs;
mod elections;
mod group_offsets;
mod groups;
mod log_dirs;
mod offsets;
mod partitions;
mod quotas;
mod records;
mod scram;
mod topics;
mod transactions;

use kafka_types::ErrorCode;

pub use alter_configs::AlterConfig;
pub use brokers::ClusterDescription;
pub use configs::{ConfigEntry, ConfigResource, ConfigSource, ConfigSynonym, DescribedConfigs};
pub use elections::{ElectionType, Elections};
pub use group_offsets::PartitionOutcomes;
pub use groups::{CommittedOffset, GroupDescription, GroupFilter, GroupListing, MemberDescription};
pub use log_dirs::{LogDirDescription, ReplicaInfo};
pub use offsets::{FoundOffsets, OffsetSpec};
pub use partitions::{NewPartitions, PartitionMove, Reassignment};
pub use quotas::{EntityQuotas, QuotaEntity, QuotaFilter, QuotaMatch};
pub use records::LowWatermarks;
pub use scram::{AlterScram, ScramInfo};
pub use topics::{CreatedTopic, NewTopic, TopicListing, TopicSelection};
pub use transactions::{
    ProducerState, TransactionDescription, TransactionFilter, TransactionListing, TransactionToAbort,
};

use crate::cluster::Cluster;
use crate::config::AdminConfig;
use crate::error::Error;

/// What happened to each thing that was named in a call, in the order of the call.
pub type Outcomes<T> = Vec<(String, Result<T, Error>)>;

/// An admin client; clones share its connections.
#[derive(Debug, Clone)]
pub struct Admin {
    cluster: Cluster,
    config: AdminConfig,
}

impl Admin {
    /// Makes a client. Reads and resolves the bootstrap addresses, and connects with the first call.
    pub async fn new(config: AdminConfig) -> Result<Admin, Error> {
        let mut options = config.common.cluster_options(config.log_prefix());
        options.warns_of_bootstrap = false;
        Ok(Admin { cluster: Cluster::new(options).await?, config })
    }

    /// The cluster it works with.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The settings it works by.
    pub fn config(&self) -> &AdminConfig {
        &self.config
    }

    /// Closes its connections.
    pub fn close(&self) {
        self.cluster.close();
    }
}

/// A broker that is not the controller (any more) says so for each thing that was named: then nothing was done, and the
/// whole call goes to another broker.
fn unless_not_controller<'c>(codes: impl IntoIterator<Item = &'c i16>) -> Result<(), Error> {
    match codes.into_iter().find(|code| **code == ErrorCode::NotController.code()) {
        Some(code) => Error::check(*code),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
