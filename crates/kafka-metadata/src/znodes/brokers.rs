//! `/brokers/ids/N` (a living broker; ephemeral) and `/brokers/seqid` (ids for brokers without one).
//!
//! A broker registers by a multi: create the node without data, then set its data. The transaction that created it
//! (czxid) is the *broker epoch*.

use std::collections::BTreeMap;

use kafka_types::BrokerId;
use properties::grammar::listener;
use serde::{Deserialize, Serialize};
use time_types::WallMillis;

use super::{ZnodeError, from_json, to_json};
use crate::endpoint::{Endpoint, SecurityProtocol};

/// Parent of the living brokers.
pub const IDS: &str = "/brokers/ids";
/// Setting its data counts: the version that comes back is a new number for a broker without an id.
pub const SEQUENCE_ID: &str = "/brokers/seqid";

const WHAT: &str = "registration of a broker in /brokers/ids";
const VERSION: i32 = 5;

/// Where a broker registers.
pub fn path(id: BrokerId) -> String {
    format!("{IDS}/{id}")
}

/// The id that a child of [`IDS`] stands for.
pub fn id_of(child: &str) -> Option<BrokerId> {
    child.parse().ok().map(BrokerId)
}

/// What a broker says of itself when it registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// Its number.
    pub id: BrokerId,
    /// Where it is reached.
    pub endpoints: Vec<Endpoint>,
    /// Where it stands (`broker.rack`).
    pub rack: Option<String>,
    /// Port of Java's management interface; -1 for none.
    pub jmx_port: i32,
    /// When it registered.
    pub timestamp: WallMillis,
}

#[derive(Serialize, Deserialize)]
struct Json {
    #[serde(default)]
    features: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    listener_security_protocol_map: BTreeMap<String, String>,
    #[serde(default)]
    endpoints: Vec<String>,
    #[serde(default = "none")]
    jmx_port: i32,
    #[serde(default = "none")]
    port: i32,
    #[serde(default)]
    host: Option<String>,
    version: i32,
    #[serde(default)]
    timestamp: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rack: Option<String>,
}

fn none() -> i32 {
    -1
}

impl BrokerRegistration {
    /// The znode's data. `host` and `port` repeat the first endpoint in the clear, for clients that know no others.
    pub fn encode(&self) -> Vec<u8> {
        let plain = self.endpoints.iter().find(|endpoint| endpoint.protocol == SecurityProtocol::Plaintext);
        to_json(&Json {
            features: BTreeMap::new(),
            listener_security_protocol_map: self
                .endpoints
                .iter()
                .map(|endpoint| (endpoint.listener.clone(), endpoint.protocol.name().to_owned()))
                .collect(),
            endpoints: self.endpoints.iter().map(Endpoint::connection_string).collect(),
            jmx_port: self.jmx_port,
            port: plain.map_or(-1, |endpoint| endpoint.port),
            host: plain.map(|endpoint| endpoint.host.clone()),
            version: VERSION,
            timestamp: self.timestamp.0.to_string(),
            rack: self.rack.clone(),
        })
    }

    /// Reads versions 1 to 5.
    pub fn decode(id: BrokerId, data: &[u8]) -> Result<BrokerRegistration, ZnodeError> {
        let json: Json = from_json(WHAT, data)?;
        if !(1..=VERSION).contains(&json.version) {
            return Err(ZnodeError::version(WHAT, json.version));
        }
        let endpoints = if json.version == 1 {
            let host = json.host.ok_or_else(|| ZnodeError::new(WHAT, "it has no host"))?;
            let protocol = SecurityProtocol::Plaintext;
            vec![Endpoint { listener: protocol.name().to_owned(), protocol, host, port: json.port }]
        } else {
            json.endpoints
                .iter()
                .map(|text| endpoint(text, &json.listener_security_protocol_map))
                .collect::<Result<_, _>>()?
        };
        let timestamp = WallMillis(json.timestamp.parse().unwrap_or(-1));
        Ok(BrokerRegistration { id, endpoints, rack: json.rack, jmx_port: json.jmx_port, timestamp })
    }

    /// Those of `endpoints` where clients would reach this broker, each as `host:port`, whatever the listeners are
    /// called. An endpoint that names no host is nobody's yet.
    pub fn addresses_among(&self, endpoints: &[Endpoint]) -> Vec<String> {
        let is_ours =
            |other: &Endpoint| self.endpoints.iter().any(|own| own.host == other.host && own.port == other.port);
        let taken = endpoints.iter().filter(|endpoint| !endpoint.host.is_empty() && is_ours(endpoint));
        taken.map(|endpoint| format!("{}:{}", endpoint.host, endpoint.port)).collect()
    }
}

/// One endpoint as text; before version 4 the listener's name *is* the protocol.
fn endpoint(text: &str, protocols: &BTreeMap<String, String>) -> Result<Endpoint, ZnodeError> {
    let found = listener(text).map_err(|error| ZnodeError::new(WHAT, error))?;
    let protocol = protocols.get(&found.name).unwrap_or(&found.name);
    let protocol = SecurityProtocol::from_name(protocol)
        .ok_or_else(|| ZnodeError::new(WHAT, format!("listener {} has no known protocol", found.name)))?;
    Ok(Endpoint { listener: found.name, protocol, host: found.host, port: found.port })
}
