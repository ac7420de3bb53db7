//! Quotas of users, clients and addresses as they are stored under `/config`, asked for and changed (KIP-546).

use std::collections::BTreeMap;

use properties::Value;
use thiserror::Error;

use crate::znodes::config::{DEFAULT_ENTITY, desanitize, sanitize};

/// Whom a part of an entity names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// All that have no quota of their own.
    Default,
    /// This one.
    Is(String),
}

impl Name {
    /// As it stands in a path.
    pub fn in_path(&self) -> String {
        match self {
            Name::Default => DEFAULT_ENTITY.to_owned(),
            Name::Is(name) => sanitize(name),
        }
    }

    /// The name of this part of a path.
    pub fn from_path(part: &str) -> Option<Name> {
        if part == DEFAULT_ENTITY { Some(Name::Default) } else { desanitize(part).map(Name::Is) }
    }

    /// The name, none for the default.
    pub fn text(&self) -> Option<&str> {
        match self {
            Name::Default => None,
            Name::Is(name) => Some(name),
        }
    }
}

/// Who has quotas: a user, a client, both together, or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuotaEntity {
    /// All connections of a user.
    User(Name),
    /// All connections with a client id.
    Client(Name),
    /// A user's connections with a client id.
    UserClient(Name, Name),
    /// An address.
    Ip(Name),
}

/// Names of the types of entities on the wire.
pub const USER: &str = "user";
/// See [`USER`].
pub const CLIENT_ID: &str = "client-id";
/// See [`USER`].
pub const IP: &str = "ip";

/// An entity, a filter or a change that makes no sense (`INVALID_REQUEST`, but for [`QuotaError::CustomType`]).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum QuotaError {
    #[error("Invalid empty client quota entity")]
    EmptyEntity,
    #[error("Unhandled client quota entity type: {0}")]
    UnknownType(String),
    #[error("Empty {0} not supported")]
    EmptyName(String),
    #[error("Invalid quota entity combination, IP entity should not be used with user/client ID entity.")]
    IpWithOthers,
    #[error("Invalid configuration key {0}")]
    UnknownKey(String),
    #[error("Configuration {key} must be a {kind} value")]
    Fraction { key: String, kind: &'static str },
    #[error("Duplicate {0} filter component entity type")]
    TwiceInFilter(&'static str),
    #[error("Unexpected empty filter component entity type")]
    EmptyType,
    /// `UNSUPPORTED_VERSION`
    #[error("Custom entity type '{0}' not supported")]
    CustomType(String),
    #[error(
        "Invalid entity filter component combination, IP filter component should not be used with user or clientId filter component."
    )]
    IpFilterWithOthers,
    /// Nobody reckons with it (`UNKNOWN_SERVER_ERROR`).
    #[error("the filter's match type {0} does not go with its name")]
    Match(i8),
}

impl QuotaEntity {
    /// From the parts of a request; a part without name means the default. Of two parts of one type the last counts.
    pub fn from_parts<'p>(
        parts: impl IntoIterator<Item = (&'p str, Option<&'p str>)>,
    ) -> Result<QuotaEntity, QuotaError> {
        let (mut user, mut client, mut ip) = (None, None, None);
        for (kind, name) in parts {
            let place = match kind {
                USER => &mut user,
                CLIENT_ID => &mut client,
                IP => &mut ip,
                other => return Err(QuotaError::UnknownType(other.to_owned())),
            };
            *place = Some(match name {
                None => Name::Default,
                Some("") => return Err(QuotaError::EmptyName(kind.to_owned())),
                Some(name) => Name::Is(name.to_owned()),
            });
        }
        match (user, client, ip) {
            (None, None, None) => Err(QuotaError::EmptyEntity),
            (Some(user), Some(client), None) => Ok(QuotaEntity::UserClient(user, client)),
            (Some(user), None, None) => Ok(QuotaEntity::User(user)),
            (None, Some(client), None) => Ok(QuotaEntity::Client(client)),
            (None, None, Some(ip)) => Ok(QuotaEntity::Ip(ip)),
            _ => Err(QuotaError::IpWithOthers),
        }
    }

    /// From a path below `/config`.
    pub fn from_path(path: &str) -> Option<QuotaEntity> {
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            ["users", user] => Name::from_path(user).map(QuotaEntity::User),
            ["clients", client] => Name::from_path(client).map(QuotaEntity::Client),
            ["users", user, "clients", client] => {
                Some(QuotaEntity::UserClient(Name::from_path(user)?, Name::from_path(client)?))
            }
            ["ips", ip] => Name::from_path(ip).map(QuotaEntity::Ip),
            _ => None,
        }
    }

    /// The path below `/config`.
    pub fn path(&self) -> String {
        match self {
            QuotaEntity::User(user) => format!("users/{}", user.in_path()),
            QuotaEntity::Client(client) => format!("clients/{}", client.in_path()),
            QuotaEntity::UserClient(user, client) => {
                format!("users/{}/clients/{}", user.in_path(), client.in_path())
            }
            QuotaEntity::Ip(ip) => format!("ips/{}", ip.in_path()),
        }
    }

    /// Types and names, in the order in which Apache's broker tells them.
    pub fn parts(&self) -> Vec<(&'static str, Option<&str>)> {
        match self {
            QuotaEntity::User(user) => vec![(USER, user.text())],
            QuotaEntity::Client(client) => vec![(CLIENT_ID, client.text())],
            QuotaEntity::UserClient(user, client) => vec![(USER, user.text()), (CLIENT_ID, client.text())],
            QuotaEntity::Ip(ip) => vec![(IP, ip.text())],
        }
    }

    fn keys(&self) -> &'static [(&'static str, KeyKind)] {
        match self {
            QuotaEntity::Ip(_) => &[(CONNECTION_CREATION_RATE, KeyKind::Int)],
            _ => &[
                (PRODUCER_BYTE_RATE, KeyKind::Long),
                (CONSUMER_BYTE_RATE, KeyKind::Long),
                (REQUEST_PERCENTAGE, KeyKind::Double),
                (CONTROLLER_MUTATION_RATE, KeyKind::Double),
            ],
        }
    }
}

/// Bytes a second that a producer may send.
pub const PRODUCER_BYTE_RATE: &str = "producer_byte_rate";
/// Bytes a second that a consumer may fetch.
pub const CONSUMER_BYTE_RATE: &str = "consumer_byte_rate";
/// Percent of one thread's time that requests may take.
pub const REQUEST_PERCENTAGE: &str = "request_percentage";
/// Partitions a second that may be created or deleted.
pub const CONTROLLER_MUTATION_RATE: &str = "controller_mutation_rate";
/// Connections a second that an address may open.
pub const CONNECTION_CREATION_RATE: &str = "connection_creation_rate";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Int,
    Long,
    Double,
}

/// Whole numbers may be off by this much.
const EPSILON: f64 = 1e-6;

/// Sets (`Some`) or removes (`None`) one quota among the stored settings of an entity.
pub fn change(
    entity: &QuotaEntity,
    stored: &mut BTreeMap<String, String>,
    key: &str,
    value: Option<f64>,
) -> Result<(), QuotaError> {
    let Some(value) = value else {
        stored.remove(key);
        return Ok(());
    };
    let kind = entity.keys().iter().find(|(name, _)| *name == key).map(|(_, kind)| *kind);
    let text = match kind {
        None => return Err(QuotaError::UnknownKey(key.to_owned())),
        Some(KeyKind::Double) => Value::Double(value).text().unwrap_or_default(),
        Some(KeyKind::Long) => whole(key, "LONG", value, (value + EPSILON) as i64)?,
        Some(KeyKind::Int) => whole(key, "INT", value, i64::from((value + EPSILON) as i32))?,
    };
    stored.insert(key.to_owned(), text);
    Ok(())
}

/// What is no number at all is taken for 0, as Java's conversion has it.
fn whole(key: &str, kind: &'static str, value: f64, whole: i64) -> Result<String, QuotaError> {
    if (whole as f64 - value).abs() > EPSILON {
        return Err(QuotaError::Fraction { key: key.to_owned(), kind });
    }
    Ok(whole.to_string())
}

/// The quotas among the stored settings of an entity; a user's settings are credentials, too.
pub fn quotas(entity: &QuotaEntity, stored: &BTreeMap<String, String>) -> Vec<(&'static str, f64)> {
    let quota = |(key, _): &(&'static str, KeyKind)| Some((*key, stored.get(*key)?.trim().parse().ok()?));
    entity.keys().iter().filter_map(quota).collect()
}

/// What one part of an entity must be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Match {
    Is(Name),
    Any,
}

impl Match {
    fn fits(&self, name: &Name) -> bool {
        match self {
            Match::Any => true,
            Match::Is(wanted) => wanted == name,
        }
    }
}

/// Which entities DescribeClientQuotas asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    user: Option<Match>,
    client: Option<Match>,
    ip: Option<Match>,
    strict: bool,
}

impl Filter {
    /// From the parts of a request: type, match type, name. A strict filter leaves out entities with other parts.
    pub fn new<'p>(
        parts: impl IntoIterator<Item = (&'p str, i8, Option<&'p str>)>,
        strict: bool,
    ) -> Result<Filter, QuotaError> {
        let mut filter = Filter { user: None, client: None, ip: None, strict };
        let mut matches = Vec::new();
        for (kind, match_type, name) in parts {
            // Before anything else is looked at.
            let found = match (match_type, name) {
                (0, Some(name)) => Match::Is(Name::Is(name.to_owned())),
                (1, _) => Match::Is(Name::Default),
                (2, _) => Match::Any,
                _ => return Err(QuotaError::Match(match_type)),
            };
            matches.push((kind, found));
        }
        for (kind, found) in matches {
            let (place, name) = match kind {
                USER => (&mut filter.user, "user"),
                CLIENT_ID => (&mut filter.client, "client"),
                IP => (&mut filter.ip, "ip"),
                "" => return Err(QuotaError::EmptyType),
                other => return Err(QuotaError::CustomType(other.to_owned())),
            };
            if place.replace(found).is_some() {
                return Err(QuotaError::TwiceInFilter(name));
            }
        }
        if filter.ip.is_some() && (filter.user.is_some() || filter.client.is_some()) {
            return Err(QuotaError::IpFilterWithOthers);
        }
        Ok(filter)
    }

    /// Is this entity asked for?
    pub fn fits(&self, entity: &QuotaEntity) -> bool {
        let (user, client, ip) = match entity {
            QuotaEntity::User(user) => (Some(user), None, None),
            QuotaEntity::Client(client) => (None, Some(client), None),
            QuotaEntity::UserClient(user, client) => (Some(user), Some(client), None),
            QuotaEntity::Ip(ip) => (None, None, Some(ip)),
        };
        let part = |wanted: &Option<Match>, there: Option<&Name>| match (wanted, there) {
            (Some(wanted), Some(there)) => wanted.fits(there),
            (Some(_), None) => false,
            (None, Some(_)) => !self.strict,
            (None, None) => true,
        };
        part(&self.user, user) && part(&self.client, client) && part(&self.ip, ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(parts: &[(&'static str, Option<&'static str>)]) -> Result<QuotaEntity, String> {
        QuotaEntity::from_parts(parts.iter().copied()).map_err(|error| error.to_string())
    }

    #[test]
    fn entities_are_paths() {
        for (parts, path) in [
            (vec![(USER, Some("alice"))], "users/alice"),
            (vec![(USER, None), (CLIENT_ID, Some("app"))], "users/<default>/clients/app"),
            (vec![(CLIENT_ID, Some("a b/c*"))], "clients/a%20b%2Fc%2A"),
            (vec![(IP, Some("::1"))], "ips/%3A%3A1"),
        ] {
            let entity = entity(&parts).expect("legal");
            assert_eq!(entity.path(), path);
            assert_eq!(QuotaEntity::from_path(path), Some(entity));
        }
        for path in ["topics/t", "users/%zz", "users", "users/a/b/c"] {
            assert_eq!(QuotaEntity::from_path(path), None, "{path}");
        }
    }

    #[test]
    fn entities_are_refused_in_the_words_of_the_original() {
        let refused = |parts| entity(parts).expect_err("refused");
        assert_eq!(refused(&[]), "Invalid empty client quota entity");
        assert_eq!(refused(&[("foo", Some("u"))]), "Unhandled client quota entity type: foo");
        assert_eq!(refused(&[(CLIENT_ID, Some(""))]), "Empty client-id not supported");
        assert_eq!(
            refused(&[(IP, Some("1.2.3.4")), (USER, Some("u"))]),
            "Invalid quota entity combination, IP entity should not be used with user/client ID entity."
        );
    }

    #[test]
    fn values_are_stored_as_the_original_stores_them() {
        let user = QuotaEntity::User(Name::Is("u".to_owned()));
        let ip = QuotaEntity::Ip(Name::Default);
        let stored = |entity: &QuotaEntity, key: &str, value: f64| {
            let mut stored = BTreeMap::new();
            change(entity, &mut stored, key, Some(value)).map_err(|error| error.to_string())?;
            Ok::<String, String>(stored[key].clone())
        };
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(stored(&user, PRODUCER_BYTE_RATE, 1000.0), ok("1000"));
        assert_eq!(stored(&user, PRODUCER_BYTE_RATE, 11.000_000_000_1), ok("11"));
        assert_eq!(stored(&user, PRODUCER_BYTE_RATE, f64::NAN), ok("0"));
        assert_eq!(stored(&user, REQUEST_PERCENTAGE, 25.5), ok("25.5"));
        assert_eq!(stored(&user, REQUEST_PERCENTAGE, 1e30), ok("1.0E30"));
        assert_eq!(stored(&ip, CONNECTION_CREATION_RATE, 11.0), ok("11"));
        let refused = Err("Configuration producer_byte_rate must be a LONG value".to_owned());
        for value in [11.5, -1.0, f64::INFINITY, 1e30] {
            assert_eq!(stored(&user, PRODUCER_BYTE_RATE, value), refused);
        }
        let refused = Err("Configuration connection_creation_rate must be a INT value".to_owned());
        assert_eq!(stored(&ip, CONNECTION_CREATION_RATE, 11.5), refused);
        let refused = Err("Invalid configuration key connection_creation_rate".to_owned());
        assert_eq!(stored(&user, CONNECTION_CREATION_RATE, 11.0), refused);
    }

    #[test]
    fn filters_find_what_they_name() {
        let name = |name: &str| Name::Is(name.to_owned());
        let all = [
            QuotaEntity::User(name("alice")),
            QuotaEntity::User(Name::Default),
            QuotaEntity::UserClient(name("alice"), name("app")),
            QuotaEntity::Client(name("app")),
            QuotaEntity::Ip(name("1.2.3.4")),
        ];
        let found = |parts: &[(&'static str, i8, Option<&'static str>)], strict| {
            let filter = Filter::new(parts.iter().copied(), strict).map_err(|error| error.to_string())?;
            let fits = (0..all.len()).filter(|at| filter.fits(&all[*at]));
            Ok::<Vec<usize>, String>(fits.collect())
        };
        assert_eq!(found(&[], false), Ok(vec![0, 1, 2, 3, 4]));
        assert_eq!(found(&[], true), Ok(vec![]));
        assert_eq!(found(&[(USER, 0, Some("alice"))], false), Ok(vec![0, 2]));
        assert_eq!(found(&[(USER, 0, Some("alice"))], true), Ok(vec![0]));
        assert_eq!(found(&[(USER, 1, None)], false), Ok(vec![1]));
        assert_eq!(found(&[(USER, 2, None), (CLIENT_ID, 2, None)], true), Ok(vec![2]));
        assert_eq!(found(&[(CLIENT_ID, 0, Some("app"))], false), Ok(vec![2, 3]));
        assert_eq!(found(&[(IP, 2, None)], true), Ok(vec![4]));
        let refused = |text: &str| Err(text.to_owned());
        let twice = [(USER, 2, None), (USER, 2, None)];
        assert_eq!(found(&twice, false), refused("Duplicate user filter component entity type"));
        assert_eq!(found(&[("foo", 2, None)], false), refused("Custom entity type 'foo' not supported"));
        assert_eq!(found(&[("", 2, None)], false), refused("Unexpected empty filter component entity type"));
        assert!(found(&[(USER, 0, None)], false).is_err() && found(&[(USER, 7, None)], false).is_err());
        assert!(found(&[(USER, 2, None), (IP, 2, None)], false).is_err());
    }
}
