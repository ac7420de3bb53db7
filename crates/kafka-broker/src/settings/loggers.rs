//! The levels of this process's log lines, as settings of a broker's loggers (KIP-412).

use std::collections::BTreeSet;

use logging::{LogLevel, ROOT};
use tracing::info;

use super::Refusal;
use super::alter::Wish;

const LEVELS: [LogLevel; 6] =
    [LogLevel::Debug, LogLevel::Error, LogLevel::Fatal, LogLevel::Info, LogLevel::Trace, LogLevel::Warn];

/// Loggers that operators turn up, known before they have spoken. One that stands for all that begin with its name is
/// among them where Apache's file of levels has it.
const KNOWN: [&str; 24] = [
    "kafka",
    "kafka.authorizer.logger",
    "kafka.controller",
    "kafka.controller.KafkaController",
    "kafka.coordinator.group.GroupCoordinator",
    "kafka.coordinator.transaction.TransactionCoordinator",
    "kafka.log.LogCleaner",
    "kafka.log.LogManager",
    "kafka.log.UnifiedLog",
    "kafka.network.DataPlaneAcceptor",
    "kafka.network.Processor",
    "kafka.network.RequestChannel$",
    "kafka.network.SocketServer",
    "kafka.request.logger",
    "kafka.server.KafkaApis",
    "kafka.server.KafkaConfig",
    "kafka.server.KafkaServer",
    "kafka.server.ReplicaManager",
    "kafka.server.ZkAdminManager",
    "kafka.zk.KafkaZkClient",
    "kafka.zookeeper.ZooKeeperClient",
    "org.apache.kafka",
    "org.apache.zookeeper",
    "state.change.logger",
];

/// Every logger with its level, by name.
pub(crate) fn all() -> Vec<(String, &'static str)> {
    let levels = logging::levels();
    names().into_iter().map(|name| (name.clone(), levels.of(&name).name())).collect()
}

fn names() -> BTreeSet<String> {
    let mut names = logging::levels().loggers();
    names.extend(KNOWN.iter().chain([&ROOT]).map(|name| (*name).to_owned()));
    names
}

/// Sets and unsets levels: all of them, or none if one of them cannot be.
pub(crate) fn alter(wishes: &[Wish], validate_only: bool) -> Result<(), Refusal> {
    let names = names();
    let mut changes = Vec::with_capacity(wishes.len());
    for (logger, operation, value) in wishes {
        changes.push((logger, check(&names, logger, *operation, value.as_deref())?));
    }
    if validate_only {
        return Ok(());
    }
    let levels = logging::levels();
    for (logger, level) in changes {
        if let Some(level) = level {
            info!(target: "kafka.server.ConfigAdminManager", "Updating the log level of {logger} to {}", level.name());
            levels.set(logger, level);
        } else {
            info!(target: "kafka.server.ConfigAdminManager", "Unset the log level of {logger}");
            levels.unset(logger);
        }
    }
    Ok(())
}

/// The new level; `None` to inherit it.
fn check(
    names: &BTreeSet<String>,
    logger: &str,
    operation: i8,
    value: Option<&str>,
) -> Result<Option<LogLevel>, Refusal> {
    let exists = || {
        let missing = || Refusal::config(format!("Logger {logger} does not exist!"));
        if names.contains(logger) { Ok(()) } else { Err(missing()) }
    };
    match operation {
        0 => {
            exists()?;
            let value = value.unwrap_or_default();
            let level = LEVELS.into_iter().find(|level| level.name() == value);
            level.map(Some).ok_or_else(|| {
                let names: Vec<&str> = LEVELS.iter().map(|level| level.name()).collect();
                Refusal::config(format!(
                    "Cannot set the log level of {logger} to {value} as it is not a supported log level. Valid log \
                     levels are {}",
                    names.join(", ")
                ))
            })
        }
        1 => {
            exists()?;
            if logger == ROOT {
                return Err(Refusal::request("Removing the log level of the root logger is not allowed"));
            }
            Ok(None)
        }
        2 => Err(Refusal::request("APPEND operation is not allowed for the BROKER_LOGGER resource")),
        3 => Err(Refusal::request("SUBTRACT operation is not allowed for the BROKER_LOGGER resource")),
        _ => Err(Refusal::unexpected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_those_of_release_3_9_1() {
        let answer = |logger: &str, operation, value: Option<&str>| match check(&names(), logger, operation, value) {
            Ok(level) => level.map_or("inherits".to_owned(), |level| level.name().to_owned()),
            Err(refusal) => refusal.message.unwrap_or_default(),
        };
        assert_eq!(answer("kafka.server.KafkaApis", 0, Some("DEBUG")), "DEBUG");
        assert_eq!(answer("kafka.server.KafkaApis", 1, None), "inherits");
        assert_eq!(
            answer("root", 0, Some("debug")),
            "Cannot set the log level of root to debug as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"
        );
        assert_eq!(answer("x.y", 0, Some("INFO")), "Logger x.y does not exist!");
        assert_eq!(answer("root", 1, None), "Removing the log level of the root logger is not allowed");
        assert_eq!(answer("x", 2, Some("a")), "APPEND operation is not allowed for the BROKER_LOGGER resource");
    }
}
