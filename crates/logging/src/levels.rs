//! Which loggers speak, and from which level on; changeable while the process runs.
//!
//! A logger that was given no level has that of the longest name it begins with, and at last that of `root`. What a
//! line costs that nobody wants is kept at nothing: `tracing` asks once per place in the code, and again after a change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// The name of the logger that all others inherit from.
pub const ROOT: &str = "root";

/// A level as log4j calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What ends the program; no line has this level here.
    Fatal,
    /// What went wrong.
    Error,
    /// What may go wrong.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// Every step.
    Trace,
}

impl LogLevel {
    /// Its name in log4j.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Off => "OFF",
            LogLevel::Fatal => "FATAL",
            LogLevel::Error => "ERROR",
            LogLevel::Warn => "WARN",
            LogLevel::Info => "INFO",
            LogLevel::Debug => "DEBUG",
            LogLevel::Trace => "TRACE",
        }
    }

    /// The level of this name, in large or small letters.
    pub fn parse(text: &str) -> Option<LogLevel> {
        Some(match text.trim().to_ascii_uppercase().as_str() {
            "OFF" => LogLevel::Off,
            "FATAL" => LogLevel::Fatal,
            "ERROR" => LogLevel::Error,
            "WARN" => LogLevel::Warn,
            "INFO" => LogLevel::Info,
            "DEBUG" => LogLevel::Debug,
            "TRACE" | "ALL" => LogLevel::Trace,
            _ => return None,
        })
    }

    fn filter(self) -> LevelFilter {
        match self {
            LogLevel::Off => LevelFilter::OFF,
            // Nobody would want to miss why the program ended.
            LogLevel::Fatal | LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        }
    }
}

/// The levels of all loggers; clones share them.
#[derive(Debug, Clone)]
pub struct Levels {
    inner: Arc<RwLock<Inner>>,
}

#[derive(Debug)]
struct Inner {
    root: LogLevel,
    named: BTreeMap<String, LogLevel>,
    /// Loggers that have spoken, or might have.
    seen: BTreeSet<&'static str>,
}

impl Inner {
    fn of(&self, logger: &str) -> LogLevel {
        let fitting = self.named.iter().filter(|(name, _)| logger.starts_with(name.as_str()));
        fitting.max_by_key(|(name, _)| name.len()).map_or(self.root, |(_, level)| *level)
    }
}

impl Levels {
    /// One level for all.
    pub fn new(root: LogLevel) -> Levels {
        Levels { inner: Arc::new(RwLock::new(Inner { root, named: BTreeMap::new(), seen: BTreeSet::new() })) }
    }

    /// The level of a logger, its own or inherited.
    pub fn of(&self, logger: &str) -> LogLevel {
        let inner = self.read();
        if logger == ROOT { inner.root } else { inner.of(logger) }
    }

    /// Gives a logger a level of its own; in force at once.
    pub fn set(&self, logger: &str, level: LogLevel) {
        self.change(|inner| {
            if logger == ROOT {
                inner.root = level;
            } else {
                inner.named.insert(logger.to_owned(), level);
            }
        });
    }

    /// Lets a logger inherit its level again.
    pub fn unset(&self, logger: &str) {
        self.change(|inner| {
            inner.named.remove(logger);
        });
    }

    /// The loggers that are known, without `root`: those that were given a level, and those that have spoken.
    pub fn loggers(&self) -> BTreeSet<String> {
        let inner = self.read();
        inner.named.keys().cloned().chain(inner.seen.iter().map(|name| (*name).to_owned())).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.inner.write().unwrap_or_else(PoisonError::into_inner));
        // Asks for the interest of every place in the code again, so the lock must be free.
        tracing::callsite::rebuild_interest_cache();
    }

    fn allows(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.read().of(metadata.target()).filter()
    }
}

impl<S: Subscriber> Layer<S> for Levels {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if !self.read().seen.contains(metadata.target()) {
            self.inner.write().unwrap_or_else(PoisonError::into_inner).seen.insert(metadata.target());
        }
        if self.allows(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.allows(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let inner = self.read();
        inner.named.values().chain([&inner.root]).map(|level| level.filter()).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApacheLayer, Console, Output};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry::Registry;
    use vfs::{MemoryVfs, Vfs};

    #[test]
    fn the_longest_name_decides() {
        let levels = Levels::new(LogLevel::Info);
        levels.set("kafka", LogLevel::Warn);
        levels.set("kafka.server", LogLevel::Debug);
        levels.set("kafka.server.Z", LogLevel::Off);
        for (logger, level) in [
            ("org.x", LogLevel::Info),
            ("kafka.log.X", LogLevel::Warn),
            ("kafka.server.KafkaApis", LogLevel::Debug),
            ("kafka.server.Z", LogLevel::Off),
            ("kafka.server.ZZ", LogLevel::Off),
            (ROOT, LogLevel::Info),
        ] {
            assert_eq!(levels.of(logger), level, "{logger}");
        }
        levels.unset("kafka.server");
        assert_eq!(levels.of("kafka.server.KafkaApis"), LogLevel::Warn);
    }

    #[test]
    fn a_change_is_in_force_with_the_next_line() {
        let vfs = MemoryVfs::new();
        let file: (Arc<dyn Vfs>, PathBuf) = (Arc::new(vfs.clone()), PathBuf::from("/log"));
        let levels = Levels::new(LogLevel::Info);
        let output = Output::open(Console::None, Some(file), &mut Vec::new());
        let subscriber = Registry::default().with(levels.clone()).with(ApacheLayer::new(output));
        tracing::subscriber::with_default(subscriber, || {
            let speak = |number: i32| {
                tracing::debug!(target: "test.levels.A", "{number}");
                tracing::info!(target: "test.levels.B", "{number}");
            };
            speak(1);
            levels.set("test.levels.A", LogLevel::Debug);
            levels.set("test.levels.B", LogLevel::Error);
            speak(2);
            levels.unset("test.levels.A");
            levels.unset("test.levels.B");
            levels.set(ROOT, LogLevel::Warn);
            speak(3);
            assert!(levels.loggers().contains("test.levels.A"));
        });
        let text = String::from_utf8(vfs.read(Path::new("/log")).unwrap()).unwrap();
        let said: Vec<&str> = text.lines().map(|line| line.split_once("] ").unwrap().1).collect();
        assert_eq!(said, ["INFO 1 (test.levels.B)", "DEBUG 2 (test.levels.A)"]);
    }

    #[test]
    fn every_name_is_understood() {
        for level in [LogLevel::Off, LogLevel::Fatal, LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Trace]
        {
            assert_eq!(LogLevel::parse(&level.name().to_lowercase()), Some(level));
        }
        assert_eq!((LogLevel::parse("ALL"), LogLevel::parse("loud")), (Some(LogLevel::Trace), None));
    }
}
