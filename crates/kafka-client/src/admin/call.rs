//! One call with all its attempts: until when, how often, and what is said when time runs out.

use std::time::Duration;

use kafka_types::{BrokerId, ErrorCode};
use kafka_wire::Api;
use net::backoff::Backoff;
use time_types::Tick;

use super::Admin;
use crate::cluster::{CoordinatorKind, Lane, Topics};
use crate::connection::Connection;
use crate::error::{ConnectionError, Error};
use crate::metadata::Node;

/// Who has to answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    /// Any broker.
    Any,
    /// The controller.
    Controller,
    /// This broker.
    Broker(BrokerId),
    /// The coordinator of this group.
    GroupCoordinator(&'a str),
    /// The coordinator of this transactional id.
    TransactionCoordinator(&'a str),
}

/// A call that is under way.
pub(super) struct Call<'a> {
    admin: &'a Admin,
    /// As Java calls it.
    name: &'static str,
    deadline: Tick,
    backoff: Backoff,
    /// Attempts that a broker was found for.
    tries: u32,
}

impl Admin {
    pub(super) fn call(&self, name: &'static str) -> Call<'_> {
        let deadline = self.cluster.clock().tick().after(self.config.api_timeout_ms);
        Call { admin: self, name, deadline, backoff: self.config.common.retry.backoff(), tries: 0 }
    }
}

impl Call<'_> {
    /// How long the call may still take, in ms, for requests that say so.
    pub(super) fn remaining_ms(&self) -> i32 {
        let most = Duration::from_millis(self.admin.config.common.request_timeout_ms);
        i32::try_from(self.remaining().min(most).as_millis()).unwrap_or(i32::MAX)
    }

    fn remaining(&self) -> Duration {
        self.admin.cluster.clock().until(self.deadline)
    }

    /// A connection to whom it concerns; waits for one until the call's time is over.
    pub(super) async fn connection(&mut self, target: Target<'_>) -> Result<Connection, Error> {
        let no_node = || Error::Timeout(format!("Timed out waiting for a node assignment. Call: {}", self.name));
        loop {
            let found = tokio::time::timeout(self.remaining(), self.find(target)).await;
            match found {
                Err(_) => return Err(no_node()),
                Ok(Ok(connection)) => {
                    self.tries += 1;
                    return Ok(connection);
                }
                Ok(Err(error)) if !error.is_retriable() => return Err(error),
                // The cluster keeps the pause that is due before it tries that broker again.
                Ok(Err(Error::Connection(
                    ConnectionError::Unreachable { .. }
                    | ConnectionError::Closed { .. }
                    | ConnectionError::ZooKeeper { .. },
                ))) => continue,
                Ok(Err(_)) => {}
            }
            let pause = self.backoff.next(crate::clock::random());
            if pause >= self.remaining() {
                tokio::time::sleep(self.remaining()).await;
                return Err(no_node());
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn find(&self, target: Target<'_>) -> Result<Connection, Error> {
        let cluster = &self.admin.cluster;
        match target {
            Target::Any => Ok(cluster.any().await?),
            Target::Controller => cluster.controller().await,
            Target::Broker(broker) => {
                if !cluster.metadata().brokers.contains_key(&broker) {
                    cluster.refresh(Topics::None, false).await?;
                }
                Ok(cluster.connection(broker, Lane::Data).await?)
            }
            Target::GroupCoordinator(group) => {
                let node = cluster.coordinator(CoordinatorKind::Group, group).await?;
                Ok(cluster.connection_to(&node, Lane::Data).await?)
            }
            Target::TransactionCoordinator(id) => {
                let node = cluster.coordinator(CoordinatorKind::Transaction, id).await?;
                Ok(cluster.connection_to(&node, Lane::Data).await?)
            }
        }
    }

    /// Sends a request and waits for its answer, as long as one request and the call may take.
    pub(super) async fn send<A: Api>(
        &self,
        connection: &Connection,
        request: &A::Request,
    ) -> Result<A::Response, Error> {
        let version = connection.version::<A>()?;
        let request_timeout = Duration::from_millis(self.admin.config.common.request_timeout_ms);
        let mut answer = connection.start::<A>(version, request).await?;
        Ok(answer.answer_within(self.remaining().min(request_timeout)).await?)
    }

    /// Tries until it is done or over, with the pauses that are due between attempts.
    pub(super) async fn until_settled<T>(
        mut self,
        mut attempt: impl AsyncFnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            let tried = attempt(&mut self).await;
            if let Some(done) = self.settle(tried).await? {
                return Ok(done);
            }
        }
    }

    /// What an attempt's result means: done, over, or (`None`) another attempt, after the pause that is due.
    pub(super) async fn settle<T>(&mut self, attempt: Result<T, Error>) -> Result<Option<T>, Error> {
        let error = match attempt {
            Ok(done) => return Ok(Some(done)),
            // The call's own: there was no broker to ask.
            Err(error @ Error::Timeout(_)) => return Err(error),
            Err(error) => error,
        };
        if !error.is_retriable() || self.tries > self.admin.config.retries {
            return Err(error);
        }
        if error.code() == Some(ErrorCode::NotController) || matches!(error, Error::Connection(_)) {
            self.admin.cluster.forget_controller();
        }
        let pause = self.backoff.next(crate::clock::random());
        if pause >= self.remaining() {
            return Err(self.too_late(&error, pause));
        }
        tokio::time::sleep(pause).await;
        Ok(None)
    }

    /// Who coordinates this transactional id, and a connection to it; waits for one until the call's time is over.
    pub(super) async fn transaction_coordinator(&mut self, id: &str) -> Result<(BrokerId, Connection), Error> {
        let connection = self.connection(Target::TransactionCoordinator(id)).await?;
        let known = self.admin.cluster.known_coordinator(CoordinatorKind::Transaction, id);
        let gone = Error::Broker { code: ErrorCode::CoordinatorNotAvailable, message: None };
        Ok((known.ok_or(gone)?.id, connection))
    }

    /// The coordinator of this transactional id is another one, or gone.
    pub(super) fn forget_transaction_coordinator(&self, id: &str) {
        self.admin.cluster.forget_coordinator(CoordinatorKind::Transaction, id);
    }

    /// The coordinator of this group is another one, or gone.
    pub(super) fn forget_coordinator(&self, group: &str) {
        self.admin.cluster.forget_coordinator(CoordinatorKind::Group, group);
    }

    /// The coordinator of this group, as far as it is known.
    pub(super) fn coordinator(&self, group: &str) -> Option<Node> {
        self.admin.cluster.known_coordinator(CoordinatorKind::Group, group)
    }

    fn too_late(&self, error: &Error, pause: Duration) -> Error {
        if let Error::Connection(ConnectionError::ZooKeeper { .. }) = error {
            return error.clone();
        }
        let now = self.admin.cluster.clock().wall().0;
        let deadline = now + self.remaining().as_millis() as i64;
        let next = now + pause.as_millis() as i64;
        Error::Timeout(format!(
            "Call(callName={}, deadlineMs={deadline}, tries={}, nextAllowedTryMs={next}) timed out at {now} after {} \
             attempt(s)",
            self.name, self.tries, self.tries
        ))
    }
}
