//! What the client behind a request may do. Without an authorizer the answer is yes, and costs nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use kafka_security::{Authorizer, CLUSTER_NAME, Client, Operation, Principal, ResourceType, host_address};
use kafka_wire::ApiKey;
use tracing::{debug, info};

use super::{Context, NO_AUTHORIZED_OPERATIONS};

/// The rules as they were when the request came, and whom they are applied to.
pub(crate) struct Access {
    rules: Arc<Authorizer>,
    client: Client,
    key: ApiKey,
}

impl Access {
    /// Everybody is anonymous on the listeners that there are.
    pub(crate) fn new(rules: Arc<Authorizer>, peer: SocketAddr, key: ApiKey) -> Access {
        Access { rules, client: Client::new(&Principal::anonymous(), host_address(peer.ip())), key }
    }

    /// May the client do this with that resource? A refusal is written down.
    pub(crate) fn may(&self, operation: Operation, kind: ResourceType, name: &str) -> bool {
        let allowed = self.rules.is_allowed(&self.client, operation, kind, name);
        if !allowed {
            let Client { principal, host } = &self.client;
            info!(
                target: "kafka.authorizer.logger",
                "Principal = {principal} is Denied operation = {} from host = {host} on resource = {}:LITERAL:{name} for request = {} with resourceRefCount = 1",
                operation.pascal_name(), kind.pascal_name(), self.key
            );
        }
        allowed
    }

    /// The same where a refusal only means that the client is told less.
    fn may_quietly(&self, operation: Operation, kind: ResourceType, name: &str) -> bool {
        self.rules.is_allowed(&self.client, operation, kind, name)
    }
}

impl Context {
    /// What decides, if anything does; for those who outlive the request.
    pub(crate) fn access(&self) -> Option<&Arc<Access>> {
        let authorizer = self.broker.authorizer.as_ref()?;
        Some(self.access.get_or_init(|| Arc::new(Access::new(authorizer.rules(), self.peer, self.key))))
    }

    /// May the client do this with that resource? A refusal is written down.
    pub(crate) fn may(&self, operation: Operation, kind: ResourceType, name: &str) -> bool {
        self.access().is_none_or(|access| access.may(operation, kind, name))
    }

    /// The same where a refusal only means that the client is told less.
    pub(crate) fn may_quietly(&self, operation: Operation, kind: ResourceType, name: &str) -> bool {
        self.access().is_none_or(|access| access.may_quietly(operation, kind, name))
    }

    /// May the client do this with a topic?
    pub(crate) fn may_on_topic(&self, operation: Operation, topic: &str) -> bool {
        self.may(operation, ResourceType::Topic, topic)
    }

    /// May the client do this with a group?
    pub(crate) fn may_on_group(&self, operation: Operation, group: &str) -> bool {
        self.may(operation, ResourceType::Group, group)
    }

    /// May the client do this with a transactional id?
    pub(crate) fn may_on_transaction(&self, operation: Operation, id: &str) -> bool {
        self.may(operation, ResourceType::TransactionalId, id)
    }

    /// May the client do this with the cluster?
    pub(crate) fn may_on_cluster(&self, operation: Operation) -> bool {
        self.may(operation, ResourceType::Cluster, CLUSTER_NAME)
    }

    /// The same where a refusal only means that something else is asked next.
    pub(crate) fn may_on_cluster_quietly(&self, operation: Operation) -> bool {
        self.may_quietly(operation, ResourceType::Cluster, CLUSTER_NAME)
    }

    /// May the client do this with any resource of a type?
    pub(crate) fn may_somewhere(&self, operation: Operation, kind: ResourceType) -> bool {
        let Some(access) = self.access() else { return true };
        let allowed = access.rules.is_allowed_somewhere(&access.client, operation, kind);
        if !allowed {
            debug!(target: "kafka.authorizer.logger", "Principal = {} is Denied operation = {} on every {}", access.client.principal, operation.pascal_name(), kind.pascal_name());
        }
        allowed
    }

    /// All that the client may do with a resource, as a set of bits.
    pub(crate) fn operations(&self, kind: ResourceType, name: &str) -> i32 {
        match self.access() {
            Some(access) => access.rules.allowed_operations(&access.client, kind, name),
            None => kind.operations().iter().fold(0, |bits, operation| bits | operation.bit()),
        }
    }

    /// The same if it was asked for.
    pub(crate) fn operations_if(&self, asked: bool, kind: ResourceType, name: &str) -> i32 {
        if asked { self.operations(kind, name) } else { NO_AUTHORIZED_OPERATIONS }
    }

    /// What the client may do with the cluster if it was asked for: nothing for those who may not know of it.
    pub(crate) fn cluster_operations_if(&self, asked: bool) -> i32 {
        if !asked {
            NO_AUTHORIZED_OPERATIONS
        } else if self.may_on_cluster(Operation::Describe) {
            self.operations(ResourceType::Cluster, CLUSTER_NAME)
        } else {
            0
        }
    }

    /// What is told to those who may not do with the cluster what they asked for, where a text is told at all.
    pub(crate) fn not_authorized(&self) -> String {
        format!(
            "Request Request(session=Session({},/{}), listenerName=ListenerName({}), securityProtocol=PLAINTEXT) is not authorized.",
            Principal::anonymous(),
            host_address(self.peer.ip()),
            self.listener.name
        )
    }
}
