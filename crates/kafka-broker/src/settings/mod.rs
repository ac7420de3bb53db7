//! Settings that change while the broker runs: stored under `/config`, told to every broker under `/config/changes`.
//!
//! `alter.rs` checks what a client wants and writes it; `follow.rs` reads what was told and has it put in force:
//! `topics.rs` in the logs, `brokers.rs` in this broker itself, `loggers.rs` in its log lines.

pub(crate) mod alter;
pub(crate) mod brokers;
pub(crate) mod follow;
pub(crate) mod loggers;
mod store;
pub(crate) mod topics;

use kafka_types::ErrorCode;
use tokio::sync::{Mutex, MutexGuard};

pub(crate) use store::write;

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: Option<String>,
}

impl Refusal {
    /// With a text for the client.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { code, message: Some(message.into()) }
    }

    /// `INVALID_REQUEST`
    pub(crate) fn request(message: impl Into<String>) -> Refusal {
        Refusal::new(ErrorCode::InvalidRequest, message)
    }

    /// `INVALID_CONFIG`
    pub(crate) fn config(message: impl Into<String>) -> Refusal {
        Refusal::new(ErrorCode::InvalidConfig, message)
    }

    /// Something that nobody reckoned with; Apache's broker says nothing about it either.
    pub(crate) fn unexpected() -> Refusal {
        Refusal { code: ErrorCode::UnknownServerError, message: None }
    }

    /// The coordination server does not do as it should.
    pub(crate) fn storage(error: &impl std::fmt::Display) -> Refusal {
        tracing::error!(target: "kafka.server.ZkAdminManager", "Settings cannot be stored: {error}");
        Refusal::new(ErrorCode::UnknownServerError, error.to_string())
    }
}

/// One change at a time: what is read, changed and written by one request is not changed by another in between.
#[derive(Debug)]
pub(crate) struct Changes {
    lock: Mutex<()>,
    /// The number of the last notice that was followed.
    followed: Mutex<i64>,
}

impl Changes {
    /// Nothing was followed yet.
    pub(crate) fn new() -> Changes {
        Changes { lock: Mutex::new(()), followed: Mutex::new(-1) }
    }

    /// Waits for its turn to change what is stored.
    pub(crate) async fn alone(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().await
    }
}
