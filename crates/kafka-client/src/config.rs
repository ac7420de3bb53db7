//! Settings of producers and admin clients, with Apache's names, defaults and error texts; a consumer's stand beside it.
//!
//! A wrong value is a `ConfigException` there and an [`Error::Config`] here, the first one in the order of the table. A
//! setting whose function does not exist here answers with an error that names it, as soon as it asks for that
//! function; what only tunes a JVM or its metrics says so in its description.

mod admin;
pub(crate) mod common;
mod producer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use properties::{Definitions, Values};

use crate::cluster::ClusterOptions;
use crate::connection::ConnectionOptions;
use crate::error::Error;
use crate::retry::RetryPolicy;

pub use admin::AdminConfig;
pub use producer::{Partitioner, ProducerConfig};

/// What every kind of client has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommonConfig {
    /// `bootstrap.servers`.
    pub bootstrap_servers: Vec<String>,
    /// `client.id`, or the one that was made up.
    pub client_id: String,
    /// `request.timeout.ms`.
    pub request_timeout_ms: u64,
    /// `socket.connection.setup.timeout.ms`.
    pub connect_timeout_ms: u64,
    /// `reconnect.backoff.ms`.
    pub reconnect_backoff_ms: u64,
    /// `reconnect.backoff.max.ms`.
    pub reconnect_backoff_max_ms: u64,
    /// `retry.backoff.ms` and `retry.backoff.max.ms`.
    pub retry: RetryPolicy,
    /// `metadata.max.age.ms`.
    pub metadata_max_age_ms: u64,
    /// `metadata.recovery.strategy`: go back to the bootstrap addresses when no known broker can be reached?
    pub rebootstrap: bool,
}

impl CommonConfig {
    /// The cluster that a client of this configuration works with.
    pub fn cluster_options(&self, log_prefix: String) -> ClusterOptions {
        ClusterOptions {
            bootstrap: self.bootstrap_servers.clone(),
            connection: ConnectionOptions {
                client_id: self.client_id.clone(),
                connect_timeout_ms: self.connect_timeout_ms,
                request_timeout_ms: self.request_timeout_ms,
                negotiate: true,
            },
            reconnect_backoff_ms: self.reconnect_backoff_ms,
            reconnect_backoff_max_ms: self.reconnect_backoff_max_ms,
            rebootstrap: self.rebootstrap,
            log_prefix,
            warns_of_bootstrap: true,
        }
    }

    pub(crate) fn of(values: &Values, client_id: String) -> Result<CommonConfig, Error> {
        let protocol = values.string("security.protocol").to_ascii_uppercase();
        if protocol != "PLAINTEXT" {
            return Err(Error::Config(format!(
                "Invalid value {protocol} for configuration security.protocol: this client speaks PLAINTEXT only"
            )));
        }
        no_classes(values, "metric.reporters")?;
        let common = CommonConfig {
            bootstrap_servers: values.list("bootstrap.servers"),
            client_id,
            request_timeout_ms: values.int("request.timeout.ms") as u64,
            connect_timeout_ms: values.long("socket.connection.setup.timeout.ms").max(0) as u64,
            reconnect_backoff_ms: values.long("reconnect.backoff.ms") as u64,
            reconnect_backoff_max_ms: values.long("reconnect.backoff.max.ms") as u64,
            retry: RetryPolicy {
                backoff_ms: values.long("retry.backoff.ms") as u64,
                backoff_max_ms: values.long("retry.backoff.max.ms") as u64,
            },
            metadata_max_age_ms: values.long("metadata.max.age.ms") as u64,
            rebootstrap: values.string("metadata.recovery.strategy").eq_ignore_ascii_case("rebootstrap"),
        };
        if common.bootstrap_servers.is_empty() {
            // Java says the same when the list holds no usable address.
            return Err(Error::Config("No resolvable bootstrap urls given in bootstrap.servers".to_owned()));
        }
        Ok(common)
    }
}

/// The texts that were given, by name; the last of a name counts.
pub(crate) type Texts<'t> = HashMap<&'t str, &'t str>;

/// Parses all settings of a table; the first error counts.
pub(crate) fn parse(definitions: &'static Definitions, texts: &Texts<'_>) -> Result<Values, Error> {
    definitions
        .parse(|name| texts.get(name).copied())
        .map_err(|errors| Error::Config(errors.first().map_or_else(String::new, ToString::to_string)))
}

/// Java classes cannot be loaded here: a list of them must be empty.
pub(crate) fn no_classes(values: &Values, name: &str) -> Result<(), Error> {
    match values.list(name).first() {
        None => Ok(()),
        Some(class) => Err(Error::Config(format!(
            "Invalid value {class} for configuration {name}: Class {class} could not be found."
        ))),
    }
}

/// `client.id`, or the next name of this kind in the process, as in Java: `producer-1`.
pub(crate) fn client_id(values: &Values, made_up: impl FnOnce(u32) -> String, counter: &AtomicU32) -> String {
    let given = values.string("client.id");
    if given.is_empty() { made_up(counter.fetch_add(1, Ordering::Relaxed) + 1) } else { given }
}

#[cfg(test)]
mod tests;
