//! Settings of admin clients.

use std::sync::atomic::AtomicU32;

use properties::{Check, Definitions, Kind, Setting};

use super::common::COMMON;
use super::{CommonConfig, Texts, client_id, no_classes, parse};
use crate::error::Error;

static DEFINITIONS: Definitions = Definitions::grouped(&[COMMON, ADMIN]);

const ADMIN: &[Setting] = &[
    Setting::new(
        "bootstrap.controllers",
        Kind::List,
        "",
        "KRaft's controllers; brokers in ZooKeeper mode have none: must be empty.",
    )
    .high(),
    Setting::new(
        "receive.buffer.bytes",
        Kind::Int,
        "65536",
        "The kernel sizes the buffers of sockets itself; checked only.",
    )
    .check(Check::at_least(-1)),
    Setting::new(
        "connections.max.idle.ms",
        Kind::Long,
        "300000",
        "A tool's connections end with it; brokers close idle ones.",
    ),
    Setting::new("retries", Kind::Int, "2147483647", "How often a call is tried again.")
        .check(Check::between(0, i32::MAX as i64))
        .low(),
    Setting::new("default.api.timeout.ms", Kind::Int, "60000", "How long a call may take with all its retries.")
        .check(Check::at_least(0)),
];

/// What an [`Admin`](crate::Admin) works by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// What all clients have.
    pub common: CommonConfig,
    /// `retries`.
    pub retries: u32,
    /// `default.api.timeout.ms`.
    pub api_timeout_ms: u64,
}

impl AdminConfig {
    /// Every setting an admin client knows.
    pub fn definitions() -> &'static Definitions {
        &DEFINITIONS
    }

    /// From texts by name; the last of a name counts. What is no setting of this client is passed over, as in Java.
    pub fn parse<'t>(texts: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<AdminConfig, Error> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let texts: Texts<'_> = texts.into_iter().collect();
        let values = parse(&DEFINITIONS, &texts)?;
        no_classes(&values, "bootstrap.controllers")?;
        let client_id = client_id(&values, |number| format!("adminclient-{number}"), &COUNTER);
        Ok(AdminConfig {
            common: CommonConfig::of(&values, client_id)?,
            retries: values.int("retries") as u32,
            api_timeout_ms: values.int("default.api.timeout.ms") as u64,
        })
    }

    /// What stands before its log lines.
    pub fn log_prefix(&self) -> String {
        format!("[AdminClient clientId={}] ", self.common.client_id)
    }
}
