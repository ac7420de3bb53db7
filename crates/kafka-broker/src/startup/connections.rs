//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs as _};

use anyhow::{Result, anyhow};
use net::Limits;
use net::listener::WhenFull;

use crate::background::Background;
use crate::config::Config;

/// The limits at the start.
pub(super) async fn limits(config: &Config, background: &Background) -> Result<Limits> {
    let limits = Limits::none();
    limit(config, &limits, background).await?;
    Ok(limits)
}

/// Sets the limits as the settings have them, now and after a change. Hosts are looked up, which takes its time.
pub(crate) async fn limit(config: &Config, limits: &Limits, background: &Background) -> Result<()> {
    let broker = config.broker();
    let overrides = broker.max_connections_per_ip_overrides.clone();
    let overrides = background.run(move || addresses(&overrides)).await??;
    limits.set_per_address(Some(config.positive("max.connections.per.ip") as usize), overrides);
    limits.set_total(Some(config.positive("max.connections") as usize), WhenFull::Wait);
    Ok(())
}

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
