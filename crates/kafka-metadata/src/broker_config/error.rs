//! Why a broker's settings cannot be used, as Java would say it.

use thiserror::Error;

/// A mistake in a broker's settings. Apache prints `CLASS: message` after `Exiting Kafka due to fatal exception`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ConfigError {
    /// Java's name of the exception.
    pub class: &'static str,
    /// What is wrong.
    pub message: String,
}

impl ConfigError {
    pub(super) fn config(message: impl Into<String>) -> ConfigError {
        ConfigError { class: "org.apache.kafka.common.config.ConfigException", message: message.into() }
    }

    pub(super) fn argument(message: impl Into<String>) -> ConfigError {
        ConfigError { class: "java.lang.IllegalArgumentException", message: message.into() }
    }

    /// What Scala's `require` throws.
    pub(super) fn requirement(message: impl AsRef<str>) -> ConfigError {
        ConfigError::argument(format!("requirement failed: {}", message.as_ref()))
    }
}

/// `Err` with a failed requirement unless it holds.
pub(super) fn require(holds: bool, message: impl AsRef<str>) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::requirement(message)) }
}
