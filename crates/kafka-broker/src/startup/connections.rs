//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, anyhow};
use kafka_metadata::Endpoint;
use net::Limits;
use net::listener::WhenFull;

use crate::background::Background;
use crate::config::Config;

/// How many there may be, and of each listener (`listener.name.<listener>.max.connections`).
pub(crate) struct ConnectionLimits {
    all: Limits,
    /// Those that are closed among them: what they had may still be open.
    listeners: Mutex<HashMap<String, Limits>>,
}

impl ConnectionLimits {
    /// The limits at the start.
    pub(super) async fn new(config: &Config, background: &Background) -> Result<ConnectionLimits> {
        let all = Limits::none();
        let part = |endpoint: &Endpoint| (endpoint.listener.clone(), all.part());
        let listeners = config.broker().listeners.iter().map(part).collect();
        let limits = ConnectionLimits { all, listeners: Mutex::new(listeners) };
        limits.apply(config, background).await?;
        Ok(limits)
    }

    /// Those of one listener.
    pub(crate) fn of(&self, listener: &str) -> Limits {
        self.listeners().get(listener).unwrap_or(&self.all).clone()
    }

    /// Connections above the limit on all together.
    pub(crate) fn excess(&self) -> usize {
        self.all.excess()
    }

    /// A listener is about to be opened.
    pub(crate) fn add(&self, config: &Config, listener: &str) {
        let limits = self.listeners().entry(listener.to_owned()).or_insert_with(|| self.all.part()).clone();
        set(&limits, config, listener);
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<String, Limits>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the limits as the settings have them, now and after a change. Hosts are looked up, which takes its time.
    pub(crate) async fn apply(&self, config: &Config, background: &Background) -> Result<()> {
        let broker = config.broker();
        let overrides = broker.max_connections_per_ip_overrides.clone();
        let overrides = background.run(move || addresses(&overrides)).await??;
        self.all.set_per_address(Some(config.positive("max.connections.per.ip") as usize), overrides);
        self.all.set_total(Some(config.positive(CONNECTIONS) as usize), WhenFull::Wait);
        for (listener, limits) in &*self.listeners() {
            set(limits, config, listener);
        }
        Ok(())
    }
}

fn set(limits: &Limits, config: &Config, listener: &str) {
    let broker = config.broker();
    let max = usize::try_from(broker.listener_int(listener, CONNECTIONS)).unwrap_or(0);
    limits.set_part(Some(max), broker.is_protected(listener));
}

/// Of a listener, or of all together.
const CONNECTIONS: &str = "max.connections";

/// Limits of single addresses: a host that has several has the limit for each.
fn addresses(overrides: &[(String, i32)]) -> Result<HashMap<IpAddr, usize>> {
    let mut limits = HashMap::new();
    for (host, limit) in overrides {
        let addresses = (host.as_str(), 0).to_socket_addrs().map_err(|_| {
            anyhow!(
                "java.net.UnknownHostException: {host}: Name or service not known\n(max.connections.per.ip.overrides)"
            )
        })?;
        limits.extend(addresses.map(|address| (address.ip(), (*limit).max(0) as usize)));
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn single_addresses_have_limits_of_their_own() {
        let limits = |pairs: &[(&str, i32)]| {
            let pairs: Vec<(String, i32)> = pairs.iter().map(|(host, limit)| ((*host).to_owned(), *limit)).collect();
            addresses(&pairs).expect("addresses")
        };
        let local = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(limits(&[("127.0.0.1", 7)]), HashMap::from([(local, 7)]));
        assert_eq!(limits(&[("127.0.0.1", 7), ("127.0.0.2", 0)]).len(), 2);
    }
}
