//! The listeners of this broker. They may come and go while it runs (KIP-226); one that stays is open where it is until
//! the broker ends, though another address for it may be told to clients.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, anyhow};
use kafka_metadata::{BrokerConfig, Endpoint};
use net::{Listener, Shutdown};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing::{error, info};

use super::acceptor;
use super::seats::{self, Seats};
use crate::advertised;
use crate::broker::{Broker, ListenerInfo};
use crate::config::Config;
use crate::startup::connections::ConnectionLimits;

/// All that are open, by name.
pub(crate) struct Listeners {
    /// Where connections are accepted, whoever opens a listener.
    runtime: Handle,
    shutdown: Shutdown,
    open: Mutex<BTreeMap<String, Open>>,
}

/// A listener that is bound.
struct Open {
    info: Arc<ListenerInfo>,
    /// The one that it really has.
    port: u16,
    /// Accepts; `None` as long as clients wait in the system's queue.
    acceptor: Option<JoinHandle<()>>,
}

impl Listeners {
    /// None is open yet. They run where this is called, and end with `shutdown`.
    pub(crate) fn new(shutdown: &Shutdown) -> Listeners {
        Listeners { runtime: Handle::current(), shutdown: shutdown.clone(), open: Mutex::default() }
    }

    /// Binds a listener's address. Errors are texts of Apache's broker for whoever starts this one.
    pub(crate) fn bind(&self, config: &Config, limits: &ConnectionLimits, endpoint: &Endpoint) -> Result<Listener> {
        info!(
            target: "kafka.network.SocketServer",
            "[SocketServer listenerType=ZK_BROKER, nodeId={}] Created data-plane acceptor and processors for endpoint : ListenerName({})",
            config.broker().broker_id.map_or(-1, |id| id.0), endpoint.listener
        );
        let (address, port) = advertised::bind_address(endpoint)?;
        // The socket belongs to the runtime that accepts.
        let _entered = self.runtime.enter();
        let listener = Listener::bind(address, port, config.socket_queues(), limits.of(&endpoint.listener))
            .map_err(|error| advertised::bind_error(endpoint, &error))?;
        let port = listener.local()?.port();
        let info =
            ListenerInfo { name: endpoint.listener.clone(), shutdown: self.shutdown.child(), seats: Seats::default() };
        let open = Open { info: Arc::new(info), port, acceptor: None };
        self.open().insert(endpoint.listener.clone(), open);
        Ok(listener)
    }

    /// Lets clients in, unless the listener has been closed since it was bound.
    pub(crate) fn serve(&self, broker: &Arc<Broker>, endpoint: &Endpoint, listener: Listener) {
        let mut open = self.open();
        let Some(one) = open.get_mut(&endpoint.listener) else { return };
        let host = if endpoint.host.is_empty() { "0.0.0.0" } else { endpoint.host.as_str() };
        info!(target: "kafka.network.DataPlaneAcceptor", "Awaiting socket connections on {host}:{}.", one.port);
        let accepting = acceptor::run(Arc::clone(broker), listener, Arc::clone(&one.info));
        one.acceptor = Some(self.runtime.spawn(accepting));
    }

    /// Closes what is above `max.connections`, but not connections of brokers: they are let in whatever there is.
    pub(crate) fn close_excess(&self, broker: &Broker) {
        let excess = broker.limits.excess();
        if excess == 0 {
            return;
        }
        let config = broker.config.broker();
        let open = self.open();
        let others = open.iter().filter(|(name, _)| !config.is_protected(name));
        seats::close_excess(others.flat_map(|(_, one)| one.info.seats.candidates()).collect(), excess);
    }

    /// The port of a listener that is open.
    pub(crate) fn port(&self, name: &str) -> Option<u16> {
        self.open().get(name).map(|one| one.port)
    }

    /// Opens and closes what is to be open by `config` and is not, or is not to be and is. Ports are free and bound when
    /// this returns; the connections of what was closed end with [`Changed::end_closed`], so that the one that has asked
    /// for it gets its answer. What cannot be opened is tried again with the next call.
    pub(crate) async fn follow(&self, broker: &Arc<Broker>, config: &BrokerConfig) -> Changed {
        let closed = self.close_others(&config.listeners).await;
        let mut changed = Changed { any: !closed.is_empty(), closed };
        for endpoint in &config.listeners {
            if self.port(&endpoint.listener).is_some() {
                continue;
            }
            match self.add(broker, endpoint).await {
                Ok(()) => changed.any = true,
                Err(error) => {
                    error!(target: "kafka.server.DynamicBrokerConfig", "The listener {} could not be opened: {error:#}", endpoint.listener);
                }
            }
        }
        changed
    }

    async fn close_others(&self, wanted: &[Endpoint]) -> Vec<Shutdown> {
        let (mut closed, mut acceptors) = (Vec::new(), Vec::new());
        self.open().retain(|name, one| {
            let stays = wanted.iter().any(|endpoint| endpoint.listener == *name);
            if !stays {
                info!(target: "kafka.network.SocketServer", "Removing data-plane listener ListenerName({name})");
                closed.push(one.info.shutdown.clone());
                acceptors.extend(one.acceptor.take());
            }
            stays
        });
        for acceptor in acceptors {
            acceptor.abort();
            // Its socket is closed when it has ended.
            let _ = acceptor.await;
        }
        closed
    }

    async fn add(&self, broker: &Arc<Broker>, endpoint: &Endpoint) -> Result<()> {
        broker.limits.add(&broker.config, &endpoint.listener);
        let (for_binding, named) = (Arc::clone(broker), endpoint.clone());
        // A host's name may have to be looked up.
        let bound = broker.background.run(move || {
            let Broker { listeners, config, limits, .. } = &*for_binding;
            listeners.bind(config, limits, &named)
        });
        let listener = bound.await.map_err(|_| anyhow!("this broker ends"))??;
        self.serve(broker, endpoint, listener);
        Ok(())
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of the listeners.
#[must_use]
pub(crate) struct Changed {
    /// Is there one more or one less?
    pub(crate) any: bool,
    closed: Vec<Shutdown>,
}

impl Changed {
    /// Ends the connections of those that are closed.
    pub(crate) fn end_closed(self) {
        for shutdown in self.closed {
            shutdown.begin();
        }
    }
}
