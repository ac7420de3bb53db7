//! `/config/...`: settings of topics, brokers, clients, users and addresses, and the notices that they changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{ZnodeError, from_json, to_json};

/// Parent of the notices.
pub const CHANGES: &str = "/config/changes";
/// Path of a notice up to the number that the server appends (persistent, sequential).
pub const CHANGE_PREFIX: &str = "/config/changes/config_change_";
/// The entity whose settings hold for all of its type.
pub const DEFAULT_ENTITY: &str = "<default>";
/// Brokers forget notices that are older.
pub const CHANGE_LIFETIME_MS: i64 = 15 * 60 * 1000;

/// Whose settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntityType {
    /// A topic.
    Topics,
    /// A client by its client id.
    Clients,
    /// A user by name.
    Users,
    /// A broker by id.
    Brokers,
    /// A client by its address.
    Ips,
}

impl EntityType {
    /// The name in paths.
    pub fn name(self) -> &'static str {
        match self {
            EntityType::Topics => "topics",
            EntityType::Clients => "clients",
            EntityType::Users => "users",
            EntityType::Brokers => "brokers",
            EntityType::Ips => "ips",
        }
    }

    /// Parent of the entities of this type.
    pub fn path(self) -> String {
        format!("/config/{}", self.name())
    }
}

/// Where an entity's settings are; names of clients and users must be [`sanitize`]d.
pub fn path(kind: EntityType, entity: &str) -> String {
    format!("/config/{}/{entity}", kind.name())
}

/// Where a topic's settings are.
pub fn topic_path(topic: &str) -> String {
    path(EntityType::Topics, topic)
}

/// A name as it stands in a path: bytes other than letters, digits, `.`, `-` and `_` as `%XX`.
pub fn sanitize(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            out.push(byte as char);
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
    }
    out
}

/// The name that [`sanitize`] made such; `None` if it is no such text.
pub fn desanitize(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| (byte as char).to_digit(16));
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            out.push((high * 16 + low) as u8);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[derive(Serialize, Deserialize)]
struct Json {
    version: i32,
    config: BTreeMap<String, String>,
}

/// Data of an entity's settings.
pub fn encode(settings: &BTreeMap<String, String>) -> Vec<u8> {
    to_json(&Json { version: 1, config: settings.clone() })
}

/// An entity's settings. A node without data, or with empty data, has none.
pub fn decode(data: &[u8]) -> Result<BTreeMap<String, String>, ZnodeError> {
    const WHAT: &str = "settings in /config";
    if data.is_empty() {
        return Ok(BTreeMap::new());
    }
    let json: Json = from_json(WHAT, data)?;
    if json.version == 1 { Ok(json.config) } else { Err(ZnodeError::version(WHAT, json.version)) }
}

#[derive(Serialize, Deserialize)]
struct ChangeJson {
    version: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entity_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entity_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entity_name: Option<String>,
}

/// Data of a notice; `entity_path` is such as `topics/t` or `users/u/clients/c`.
pub fn encode_change(entity_path: &str) -> Vec<u8> {
    to_json(&ChangeJson { version: 2, entity_path: Some(entity_path.to_owned()), entity_type: None, entity_name: None })
}

/// The `entity_path` of a notice, of version 1 (topics and clients only) or 2.
pub fn decode_change(data: &[u8]) -> Result<String, ZnodeError> {
    const WHAT: &str = "notice in /config/changes";
    let json: ChangeJson = from_json(WHAT, data)?;
    match (json.version, json.entity_path, json.entity_type, json.entity_name) {
        (2, Some(path), ..) => Ok(path),
        (1, _, Some(kind), Some(name)) if kind == "topics" || kind == "clients" => Ok(format!("{kind}/{name}")),
        (1 | 2, ..) => Err(ZnodeError::new(WHAT, "it names no entity")),
        (version, ..) => Err(ZnodeError::version(WHAT, version)),
    }
}
