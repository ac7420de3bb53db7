//! One file per request: wire structs to domain calls and back. Rules live in the cores; versions in `kafka-wire`.

pub(crate) mod add_offsets_to_txn;
pub(crate) mod add_partitions_to_txn;
pub(crate) mod allocate_producer_ids;
pub(crate) mod alter_client_quotas;
pub(crate) mod alter_configs;
pub(crate) mod alter_partition;
pub(crate) mod alter_partition_reassignments;
pub(crate) mod alter_replica_log_dirs;
pub(crate) mod alter_user_scram_credentials;
pub(crate) mod api_versions;
pub(crate) mod authorize;
pub(crate) mod consumer_group_describe;
pub(crate) mod consumer_group_heartbeat;
pub(crate) mod controlled_shutdown;
pub(crate) mod create_acls;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_acls;
pub(crate) mod delete_groups;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_acls;
pub(crate) mod describe_client_quotas;
pub(crate) mod describe_cluster;
pub(crate) mod describe_configs;
pub(crate) mod describe_groups;
pub(crate) mod describe_log_dirs;
pub(crate) mod describe_producers;
pub(crate) mod describe_transactions;
pub(crate) mod describe_user_scram_credentials;
pub(crate) mod elect_leaders;
pub(crate) mod end_txn;
pub(crate) mod error_codes;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
pub(crate) mod heartbeat;
pub(crate) mod incremental_alter_configs;
pub(crate) mod init_producer_id;
pub(crate) mod join_group;
pub(crate) mod leader_and_isr;
pub(crate) mod leave_group;
pub(crate) mod list_groups;
pub(crate) mod list_offsets;
pub(crate) mod list_partition_reassignments;
pub(crate) mod list_transactions;
pub(crate) mod metadata;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(crate) mod offset_for_leader_epoch;
mod offsets_to_commit;
pub(crate) mod produce;
pub(crate) mod stop_replica;
pub(crate) mod sync_group;
mod twins;
pub(crate) mod txn_offset_commit;
pub(crate) mod update_features;
pub(crate) mod update_metadata;
pub(crate) mod write_txn_markers;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use kafka_wire::{ApiKey, RequestHeader};

use crate::broker::{Broker, ListenerInfo};
use crate::metrics::Effort;
use crate::quotas::Charge;

/// "Nobody asked what is allowed": the smallest number, as the protocol says it.
pub(crate) const NO_AUTHORIZED_OPERATIONS: i32 = i32::MIN;

/// Who asks, where, and in which version.
pub(crate) struct Context {
    pub(crate) broker: Arc<Broker>,
    pub(crate) listener: Arc<ListenerInfo>,
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    peer: SocketAddr,
    client_id: Option<String>,
    access: OnceLock<Arc<authorize::Access>>,
    /// What the request costs its client.
    pub(crate) charge: Charge,
    /// What it takes, for whoever measures.
    pub(crate) effort: Effort,
}

impl Context {
    /// From what the connection knows.
    pub(crate) fn new(
        broker: &Arc<Broker>,
        listener: &Arc<ListenerInfo>,
        peer: SocketAddr,
        header: RequestHeader,
    ) -> Context {
        Context {
            broker: Arc::clone(broker),
            listener: Arc::clone(listener),
            key: header.api_key,
            version: header.api_version,
            correlation_id: header.correlation_id,
            peer,
            client_id: header.client_id,
            access: OnceLock::new(),
            charge: Charge::default(),
            effort: Effort::default(),
        }
    }

    /// The name the client gave itself; empty if none.
    pub(crate) fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or_default()
    }

    /// The client's address as Java prints an `InetAddress`: with a slash before it.
    pub(crate) fn client_host(&self) -> String {
        format!("/{}", self.peer.ip())
    }
}
