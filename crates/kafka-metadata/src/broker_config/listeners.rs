//! Listeners: which there are, what they speak, which one brokers use among themselves.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::{BTreeMap, BTreeSet};

use properties::Values;
use properties::grammar;

use super::error::{ConfigError, require};
use super::{DEFINITIONS, LISTENER_LIMITS};
use crate::endpoint::{Endpoint, SecurityProtocol};

/// What the settings of listeners come to.
pub(super) struct Listeners {
    pub(super) own: Vec<Endpoint>,
    pub(super) advertised: Vec<Endpoint>,
    pub(super) inter_broker: String,
    pub(super) inter_broker_protocol: SecurityProtocol,
}

type Protocols = BTreeMap<String, SecurityProtocol>;

pub(super) fn find(values: &Values, is_set: &impl Fn(&str) -> bool) -> Result<Listeners, ConfigError> {
    let protocols = protocols(values)?;
    let text = values.string("listeners");
    let listeners = endpoints(&text, &protocols)?;
    check_ports(&text, &listeners)?;
    let (inter_broker, inter_broker_protocol) = inter_broker(values, &protocols, is_set)?;
    control_plane(values, &protocols, &inter_broker)?;
    let advertised = match values.optional_string("advertised.listeners") {
        Some(text) => {
            let advertised = endpoints(&text, &protocols)?;
            check_names(&text, &advertised)?;
            advertised
        }
        None => listeners.clone(),
    };
    check_advertised(&listeners, &advertised, &inter_broker)?;
    Ok(Listeners { own: listeners, advertised, inter_broker, inter_broker_protocol })
}

/// What listeners have for themselves, of the settings that may be had so.
pub(super) fn limits<'t>(
    listeners: &[Endpoint],
    get: &impl Fn(&str) -> Option<&'t str>,
) -> Result<BTreeMap<(String, &'static str), i32>, ConfigError> {
    let mut limits = BTreeMap::new();
    for endpoint in listeners {
        for name in LISTENER_LIMITS {
            let own = format!("listener.name.{}.{name}", endpoint.listener.to_lowercase());
            let (Some(text), Some(setting)) = (get(&own), DEFINITIONS.get(name)) else { continue };
            let value = setting.parse(text).map_err(|error| ConfigError::from(Some(error)))?;
            let value = value.as_i64().and_then(|value| i32::try_from(value).ok());
            limits.extend(value.map(|value| ((endpoint.listener.clone(), name), value)));
        }
    }
    Ok(limits)
}

/// `max.connections.per.ip.overrides`
pub(super) fn connection_overrides(values: &Values) -> Result<Vec<(String, i32)>, ConfigError> {
    let name = "max.connections.per.ip.overrides";
    map(name, &values.string(name))?
        .into_iter()
        .map(|(host, count)| {
            let class = "java.lang.NumberFormatException";
            let message = format!("For input string: \"{count}\"");
            count.parse().map(|count| (host, count)).map_err(|_| ConfigError { class, message })
        })
        .collect()
}

fn protocols(values: &Values) -> Result<Protocols, ConfigError> {
    let name = "listener.security.protocol.map";
    map(name, &values.string(name))?
        .into_iter()
        .map(|(listener, protocol)| match SecurityProtocol::from_name(&protocol) {
            Some(found) => Ok((listener.to_uppercase(), found)),
            None => Err(ConfigError::config(format!("Invalid security protocol `{protocol}` defined in {name}"))),
        })
        .collect()
}

/// Pairs between commas. The words of the error are what Java's substring says about an item without a colon.
fn map(name: &str, text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    grammar::pairs(text).map_err(|error| {
        let len = error.0.encode_utf16().count();
        ConfigError::argument(format!("Error parsing configuration property '{name}': begin 0, end -1, length {len}"))
    })
}

fn endpoints(text: &str, protocols: &Protocols) -> Result<Vec<Endpoint>, ConfigError> {
    let refuse =
        |reason: String| ConfigError::argument(format!("Error creating broker listeners from '{text}': {reason}"));
    let found = grammar::listeners(text).map_err(|error| refuse(error.to_string()))?;
    found
        .into_iter()
        .map(|listener| match protocols.get(&listener.name) {
            Some(&protocol) => {
                Ok(Endpoint { listener: listener.name, protocol, host: listener.host, port: listener.port })
            }
            None => Err(refuse(format!("No security protocol defined for listener {}", listener.name))),
        })
        .collect()
}

fn check_names(text: &str, endpoints: &[Endpoint]) -> Result<(), ConfigError> {
    let names: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.listener.as_str()).collect();
    require(names.len() == endpoints.len(), format!("Each listener must have a different name, listeners: {text}"))
}

/// Two listeners may share a port only if one is an IPv4 and the other an IPv6 address.
fn check_ports(text: &str, endpoints: &[Endpoint]) -> Result<(), ConfigError> {
    check_names(text, endpoints)?;
    let mut by_port: BTreeMap<i32, Vec<&str>> = BTreeMap::new();
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.port != 0) {
        by_port.entry(endpoint.port).or_default().push(&endpoint.host);
    }
    for (port, hosts) in by_port.into_iter().filter(|(_, hosts)| hosts.len() > 1) {
        let is_v4 = |host: &&str| host.parse::<Ipv4Addr>().is_ok();
        let is_v6 = |host: &&str| host.parse::<Ipv6Addr>().is_ok();
        let addresses: Vec<&str> = hosts.iter().copied().filter(|host| is_v4(host) || is_v6(host)).collect();
        let names = hosts.len() - addresses.len();
        require(names <= 1, format!("Each listener must have a different port, listeners: {text}"))?;
        let one_of_each = format!(
            "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, \
             listeners: {text}, port: {port}"
        );
        match addresses.as_slice() {
            [] => {}
            [one, other] => {
                require(is_v4(one) && is_v6(other) || is_v6(one) && is_v4(other), &one_of_each)?;
                if names > 0 {
                    return Err(ConfigError::argument(one_of_each));
                }
            }
            _ => {
                return Err(ConfigError::argument(format!(
                    "Each listener must have a different port unless exactly one listener has an IPv4 address and the \
                     other IPv6 address, listeners: {text}, port: {port}"
                )));
            }
        }
    }
    Ok(())
}

fn inter_broker(
    values: &Values,
    protocols: &Protocols,
    is_set: &impl Fn(&str) -> bool,
) -> Result<(String, SecurityProtocol), ConfigError> {
    match values.optional_string("inter.broker.listener.name") {
        Some(_) if is_set("security.inter.broker.protocol") => Err(ConfigError::config(
            "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.",
        )),
        Some(name) => {
            let name = name.to_uppercase();
            match protocols.get(&name) {
                Some(&protocol) => Ok((name, protocol)),
                None => Err(ConfigError::config(format!(
                    "Listener with name {name} defined in inter.broker.listener.name not found in \
                     listener.security.protocol.map."
                ))),
            }
        }
        None => {
            let text = values.string("security.inter.broker.protocol");
            let protocol = SecurityProtocol::from_name(&text)
                .ok_or_else(|| ConfigError::config(format!("Invalid security protocol `{text}`")))?;
            Ok((protocol.name().to_owned(), protocol))
        }
    }
}

fn control_plane(values: &Values, protocols: &Protocols, inter_broker: &str) -> Result<(), ConfigError> {
    let Some(name) = values.optional_string("control.plane.listener.name") else { return Ok(()) };
    let name = name.to_uppercase();
    if !protocols.contains_key(&name) {
        return Err(ConfigError::config(format!(
            "Listener with {name} defined in control.plane.listener.name not found in listener.security.protocol.map."
        )));
    }
    require(
        name != inter_broker,
        format!(
            "control.plane.listener.name, when defined, should have a different value from the inter broker listener \
             name. Currently they both have the value ListenerName({name})"
        ),
    )
}

fn check_advertised(listeners: &[Endpoint], advertised: &[Endpoint], inter_broker: &str) -> Result<(), ConfigError> {
    let names = |of: &[Endpoint]| of.iter().map(|endpoint| endpoint.listener.clone()).collect::<Vec<_>>();
    let (names, own_names) = (names(advertised), names(listeners));
    require(!advertised.is_empty(), "There must be at least one broker advertised listener.")?;
    require(
        names.iter().any(|name| name == inter_broker),
        format!(
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options \
             based on currently configured listeners are {}",
            names.join(",")
        ),
    )?;
    require(
        names.iter().all(|name| own_names.contains(name)),
        format!(
            "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. Found \
             {}. The valid options based on the current configuration are {}",
            names.join(","),
            own_names.join(",")
        ),
    )?;
    require(
        advertised.iter().all(|endpoint| endpoint.host != "0.0.0.0"),
        "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
    )
}
