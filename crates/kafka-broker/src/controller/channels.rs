//! One channel per live broker, this one included: orders go out in order, one at a time, again and again until they
//! are answered or the broker is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    addresses: Arc<Addresses>,
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
        let Some(address) = self.address(node) else { return };
        let addresses = Arc::new(Addresses::new(address));
        // The core bounds what it sends by the state of the cluster, and `perform` must not wait: no limit here.
        let (orders, queue) = mpsc::unbounded_channel();
        let sender =
            Sender { me: self.me, to: id, addresses: Arc::clone(&addresses), controller: self.controller.clone() };
        let task = tokio::spawn(sender.run(queue)).abort_handle();
        self.open.insert(id, Channel { orders, addresses, task });
    }

    /// A broker is told to be elsewhere. Its listener is where it was; but what was told of it before may have been wrong.
    pub(super) fn moved(&mut self, node: &BrokerNode) {
        match (self.open.get(&node.broker.id), self.address(node)) {
            (Some(channel), Some(address)) => channel.addresses.add(address),
            (None, Some(_)) => self.add(node),
            (_, None) => {}
        }
    }

    fn address(&self, node: &BrokerNode) -> Option<Address> {
        let endpoint = node.broker.endpoint(&self.listener);
        if endpoint.is_none() {
            warn!(
                target: "kafka.controller.ControllerChannelManager",
                "[Controller id={}] Broker {} has no listener {} and cannot be told anything", self.me, node.broker.id, self.listener
            );
        }
        endpoint.map(|endpoint| (endpoint.host.clone(), endpoint.port))
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

/// Host and port.
type Address = (String, i32);

/// Where a broker may be: where it was told to be when its channel was opened, and where it is told to be now.
struct Addresses(Mutex<Known>);

struct Known {
    told: Vec<Address>,
    /// Which of them is tried.
    at: usize,
}

impl Addresses {
    fn new(address: Address) -> Addresses {
        Addresses(Mutex::new(Known { told: vec![address], at: 0 }))
    }

    fn add(&self, address: Address) {
        let mut known = self.known();
        known.told.truncate(1);
        if !known.told.contains(&address) {
            known.told.push(address);
        }
    }

    /// The one to be tried.
    fn current(&self) -> Address {
        let known = self.known();
        known.told.get(known.at).or(known.told.first()).cloned().unwrap_or_default()
    }

    /// It is not there.
    fn next(&self) {
        let mut known = self.known();
        known.at = (known.at + 1) % known.told.len().max(1);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sender {
    me: BrokerId,
    to: BrokerId,
    addresses: Arc<Addresses>,
    controller: ControllerHandle,
}

impl Sender {
    async fn run(self, mut queue: mpsc::UnboundedReceiver<Order>) {
        let mut link = None;
        while let Some(order) = queue.recv().await {
            let mut attempts = 0u32;
            while let Err(error) = self.deliver(&mut link, &order).await {
                link = None;
                let (host, port) = self.addresses.current();
                self.addresses.next();
                if attempts == 20 {
                    warn!(
                        target: "org.apache.kafka.clients.NetworkClient",
                        "[Controller id={}, targetBrokerId={}] Connection to node {} ({host}:{port}) could not be established. Node may not be available. ({error})",
                        self.me, self.to, self.to
                    );
                }
                attempts = attempts.saturating_add(1);
                tokio::time::sleep(if attempts < 20 { FIRST_RETRY } else { RETRY }).await;
            }
        }
    }

    async fn deliver(&self, link: &mut Option<Link>, order: &Order) -> std::io::Result<()> {
        let link = if let Some(link) = link {
            link
        } else {
            let (host, port) = self.addresses.current();
            link.insert(Link::open(&host, port, self.me.to_string()).await?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_looked_for_where_it_began_and_where_it_is_told_to_be_now() {
        let addresses = Addresses::new(("old".to_owned(), 1));
        let tried = || {
            let address = addresses.current();
            addresses.next();
            address.0
        };
        assert_eq!([tried(), tried()], ["old", "old"]);
        addresses.add(("new".to_owned(), 2));
        assert_eq!([tried(), tried(), tried()], ["old", "new", "old"]);
        addresses.add(("newer".to_owned(), 2));
        assert_eq!([tried(), tried(), tried()], ["newer", "old", "newer"]);
        addresses.next();
        addresses.add(("old".to_owned(), 1));
        assert_eq!([tried(), tried()], ["old", "old"]);
    }
}
