//! One channel per live broker, this one included: orders go out in order, one at a time, again and again until they
//! are answered or the broker is gone.

use std::collections::HashMap;
use std::time::Duration;

use kafka_controller::{BrokerNode, Event};
use kafka_types::BrokerId;
use kafka_wire::{leader_and_isr, stop_replica, update_metadata};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::{debug, warn};

use super::ControllerHandle;
use super::connect::Link;
use super::orders::{self, Order};

/// Between attempts to reach a broker.
const RETRY: Duration = Duration::from_millis(100);
/// The first attempts come sooner: a broker that has just registered opens its port in a moment.
const FIRST_RETRY: Duration = Duration::from_millis(5);

/// The channels that are open.
pub(super) struct Channels {
    me: BrokerId,
    listener: String,
    controller: ControllerHandle,
    open: HashMap<BrokerId, Channel>,
}

struct Channel {
    orders: mpsc::UnboundedSender<Order>,
    task: AbortHandle,
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Channels {
    pub(super) fn new(me: BrokerId, listener: String, controller: ControllerHandle) -> Channels {
        Channels { me, listener, controller, open: HashMap::new() }
    }

    /// Opens a channel; one that is there already is closed first.
    pub(super) fn add(&mut self, node: &BrokerNode) {
        let id = node.broker.id;
        let Some(endpoint) = node.broker.endpoint(&self.listener) else {
            warn!(
                target: "kafka.controller.ControllerChannelManager",
                "[Controller id={}] Broker {id} has no listener {} and cannot be told anything", self.me, self.listener
            );
            return;
        };
        // The core bounds what it sends by the state of the cluster, and `perform` must not wait: no limit here.
        let (orders, queue) = mpsc::unbounded_channel();
        let sender = Sender {
            me: self.me,
            to: id,
            host: endpoint.host.clone(),
            port: endpoint.port,
            controller: self.controller.clone(),
        };
        let task = tokio::spawn(sender.run(queue)).abort_handle();
        self.open.insert(id, Channel { orders, task });
    }

    /// Closes a channel; what was not answered is dropped.
    pub(super) fn remove(&mut self, id: BrokerId) {
        self.open.remove(&id);
    }

    /// Queues an order.
    pub(super) fn send(&mut self, to: BrokerId, order: Order) {
        match self.open.get(&to) {
            Some(channel) => {
                let _ = channel.orders.send(order);
            }
            None => {
                debug!(target: "kafka.controller.ControllerChannelManager", "[Controller id={}] No channel to broker {to}: an order is dropped", self.me);
            }
        }
    }
}

struct Sender {
    me: BrokerId,
    to: BrokerId,
    host: String,
    port: i32,
    controller: ControllerHandle,
}

impl Sender {
    async fn run(self, mut queue: mpsc::UnboundedReceiver<Order>) {
        let mut link = None;
        while let Some(order) = queue.recv().await {
            let mut attempts = 0u32;
            while let Err(error) = self.deliver(&mut link, &order).await {
                link = None;
                if attempts == 20 {
                    warn!(
                        target: "org.apache.kafka.clients.NetworkClient",
                        "[Controller id={}, targetBrokerId={}] Connection to node {} ({}:{}) could not be established. Node may not be available. ({error})",
                        self.me, self.to, self.to, self.host, self.port
                    );
                }
                attempts = attempts.saturating_add(1);
                tokio::time::sleep(if attempts < 20 { FIRST_RETRY } else { RETRY }).await;
            }
        }
    }

    async fn deliver(&self, link: &mut Option<Link>, order: &Order) -> std::io::Result<()> {
        let link = match link {
            Some(link) => link,
            None => link.insert(Link::open(&self.host, self.port, self.me.to_string()).await?),
        };
        match order {
            Order::LeaderAndIsr(order) => {
                let version = leader_and_isr::CONTROLLER_VERSION;
                let response = link.call::<leader_and_isr::LeaderAndIsr>(version, &order.request).await?;
                let errors = orders::leader_and_isr_errors(order, &response);
                self.controller.tell(Event::LeaderAndIsrAnswered { broker: self.to, errors }).await;
            }
            Order::UpdateMetadata(request) => {
                link.call::<update_metadata::UpdateMetadata>(update_metadata::CONTROLLER_VERSION, request).await?;
            }
            Order::StopReplica(order) => {
                let version = stop_replica::CONTROLLER_VERSION;
                let response = link.call::<stop_replica::StopReplica>(version, &order.request).await?;
                let deleted = orders::deleted(order, &response);
                if !deleted.is_empty() {
                    self.controller.tell(Event::StopReplicaAnswered { broker: self.to, deleted }).await;
                }
            }
        }
        Ok(())
    }
}
