//! Quotas: who is limited to what, what was used, and how long somebody who used too much has to wait.
//!
//! ```text
//!   record(now, kind, user, client, amount) ──▶ limit of the nearest entity ──▶ rate over windows ──▶ pause in ms
//! ```
//!
//! A limit may stand at eight places; the nearest one counts, and those that share it share what it allows:
//! user and client, user and any client, user, any user and client, any user and any client, any user, client, any
//! client.
#![deny(missing_docs)]

mod connections;
mod rate;
mod replication;

use std::collections::HashMap;

use kafka_metadata::client_quotas::{self, Name, QuotaEntity};
use time_types::Tick;

pub use connections::{ConnectionLimits, ConnectionRates};
pub use rate::{Rate, TokenBucket, Windows};
pub use replication::ReplicationQuota;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bytes that are produced.
    Produce,
    /// Bytes that are fetched.
    Fetch,
    /// Percent of one thread's time.
    Request,
    /// Partitions that are created and deleted.
    Mutation,
    /// Connections of an address.
    Connection,
}

impl Kind {
    /// All.
    pub const ALL: [Kind; 5] = [Kind::Produce, Kind::Fetch, Kind::Request, Kind::Mutation, Kind::Connection];

    fn of_key(key: &str) -> Option<Kind> {
        Some(match key {
            client_quotas::PRODUCER_BYTE_RATE => Kind::Produce,
            client_quotas::CONSUMER_BYTE_RATE => Kind::Fetch,
            client_quotas::REQUEST_PERCENTAGE => Kind::Request,
            client_quotas::CONTROLLER_MUTATION_RATE => Kind::Mutation,
            client_quotas::CONNECTION_CREATION_RATE => Kind::Connection,
            _ => return None,
        })
    }
}

/// Who shares what a limit allows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Sharing {
    User(String),
    Client(String),
    UserClient(String, String),
    Address(String),
}

/// How far back each kind looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `quota.window.num`, `quota.window.size.seconds`
    pub client: Windows,
    /// `controller.quota.window.num`, `controller.quota.window.size.seconds`
    pub mutation: Windows,
}

/// Idle rates are looked for this often, in ms.
const SWEEP_MS: u64 = 60_000;

/// All limits, and what was used of them.
#[derive(Debug)]
pub struct Quotas {
    settings: Settings,
    limits: HashMap<QuotaEntity, Vec<(Kind, f64)>>,
    rates: HashMap<(Kind, Sharing), Rate>,
    buckets: HashMap<Sharing, (TokenBucket, f64)>,
    swept: Tick,
}

impl Quotas {
    /// Nobody is limited.
    pub fn new(settings: Settings) -> Quotas {
        Quotas { settings, limits: HashMap::new(), rates: HashMap::new(), buckets: HashMap::new(), swept: Tick(0) }
    }

    /// The limits of an entity from now on, by the names of quotas; none takes them away.
    pub fn set(&mut self, entity: QuotaEntity, quotas: &[(&str, f64)]) {
        let limits: Vec<(Kind, f64)> =
            quotas.iter().filter_map(|(key, value)| Some((Kind::of_key(key)?, *value))).collect();
        if limits.is_empty() {
            self.limits.remove(&entity);
        } else {
            self.limits.insert(entity, limits);
        }
    }

    /// Takes all limits away.
    pub fn clear(&mut self) {
        self.limits.clear();
    }

    /// Is anybody limited in this?
    pub fn is_limited(&self, kind: Kind) -> bool {
        self.limits.values().flatten().any(|(limited, _)| *limited == kind)
    }

    /// The limit that counts for a client of a user, in units a second.
    pub fn limit(&self, kind: Kind, user: &str, client: &str) -> Option<f64> {
        self.nearest(kind, user, client).map(|(limit, _)| limit)
    }

    /// What a client may use in all full windows together: an answer that is larger than that would never be allowed.
    pub fn most(&self, kind: Kind, user: &str, client: &str) -> Option<f64> {
        let seconds = self.settings.client.full() as f64 / 1000.0;
        self.limit(kind, user, client).map(|limit| limit * seconds)
    }

    /// A client used something; how long it has to wait for it, in ms.
    pub fn record(&mut self, now: Tick, kind: Kind, user: &str, client: &str, amount: f64) -> u64 {
        let Some((limit, sharing)) = self.nearest(kind, user, client) else { return 0 };
        self.sweep(now);
        let windows = self.settings.client;
        let rate = self.rates.entry((kind, sharing)).or_default();
        rate.record(windows, now, amount);
        let pause = rate.excess(windows, now, limit);
        // Whoever took too much time is let in again when that is forgotten.
        if kind == Kind::Request { pause.min(windows.full()) } else { pause }
    }

    /// Has a client used nothing that is remembered? What is too large for its limit is let through then, or it would be
    /// waited for in vain for ever.
    pub fn is_unused(&mut self, now: Tick, kind: Kind, user: &str, client: &str) -> bool {
        let Some((_, sharing)) = self.nearest(kind, user, client) else { return true };
        let windows = self.settings.client;
        self.rates.get_mut(&(kind, sharing)).is_none_or(|rate| rate.per_second(windows, now) <= 0.0)
    }

    /// What was recorded was not used after all.
    pub fn take_back(&mut self, now: Tick, kind: Kind, user: &str, client: &str, amount: f64) {
        let Some((_, sharing)) = self.nearest(kind, user, client) else { return };
        if let Some(rate) = self.rates.get_mut(&(kind, sharing)) {
            rate.record(self.settings.client, now, -amount);
        }
    }

    /// An address opened a connection. If it may not, how long the connection is to be kept waiting for its end, in ms;
    /// it does not count then.
    pub fn connect(&mut self, now: Tick, address: &str) -> u64 {
        let windows = self.settings.client;
        let own = QuotaEntity::Ip(Name::Is(address.to_owned()));
        let limit = self.stands(&own, Kind::Connection);
        let Some(limit) = limit.or_else(|| self.stands(&QuotaEntity::Ip(Name::Default), Kind::Connection)) else {
            return 0;
        };
        self.sweep(now);
        let rate = self.rates.entry((Kind::Connection, Sharing::Address(address.to_owned()))).or_default();
        rate.record(windows, now, 1.0);
        let pause = rate.excess(windows, now, limit).min(windows.millis);
        if pause > 0 {
            rate.record(windows, now, -1.0);
        }
        pause
    }

    /// How long a client has to wait before it may change topics again, in ms.
    pub fn mutation_debt(&mut self, now: Tick, user: &str, client: &str) -> u64 {
        let Some((limit, sharing)) = self.nearest(Kind::Mutation, user, client) else { return 0 };
        let windows = self.settings.mutation;
        self.bucket(sharing, limit).debt(windows, now, limit)
    }

    /// A client changed so many partitions.
    pub fn mutate(&mut self, now: Tick, user: &str, client: &str, partitions: f64) {
        let Some((limit, sharing)) = self.nearest(Kind::Mutation, user, client) else { return };
        self.sweep(now);
        let windows = self.settings.mutation;
        self.bucket(sharing, limit).take(windows, now, limit, partitions);
    }

    fn bucket(&mut self, sharing: Sharing, limit: f64) -> &mut TokenBucket {
        let (bucket, known) = self.buckets.entry(sharing).or_insert_with(|| (TokenBucket::default(), limit));
        *known = limit;
        bucket
    }

    fn stands(&self, entity: &QuotaEntity, kind: Kind) -> Option<f64> {
        self.limits.get(entity)?.iter().find(|(limited, _)| *limited == kind).map(|(_, limit)| *limit)
    }

    fn nearest(&self, kind: Kind, user: &str, client: &str) -> Option<(f64, Sharing)> {
        let is = |name: &str| Name::Is(name.to_owned());
        let both = || Sharing::UserClient(user.to_owned(), client.to_owned());
        let places: [(QuotaEntity, &dyn Fn() -> Sharing); 8] = [
            (QuotaEntity::UserClient(is(user), is(client)), &both),
            (QuotaEntity::UserClient(is(user), Name::Default), &both),
            (QuotaEntity::User(is(user)), &|| Sharing::User(user.to_owned())),
            (QuotaEntity::UserClient(Name::Default, is(client)), &both),
            (QuotaEntity::UserClient(Name::Default, Name::Default), &both),
            (QuotaEntity::User(Name::Default), &|| Sharing::User(user.to_owned())),
            (QuotaEntity::Client(is(client)), &|| Sharing::Client(client.to_owned())),
            (QuotaEntity::Client(Name::Default), &|| Sharing::Client(client.to_owned())),
        ];
        places.into_iter().find_map(|(entity, sharing)| Some((self.stands(&entity, kind)?, sharing())))
    }

    /// What nobody used for so long that it does not matter any more is forgotten: client ids are whatever clients say.
    fn sweep(&mut self, now: Tick) {
        if now.since(self.swept) < SWEEP_MS {
            return;
        }
        self.swept = now;
        let Settings { client, mutation } = self.settings;
        self.rates.retain(|_, rate| !rate.is_idle(client, now));
        self.buckets.retain(|_, (bucket, limit)| !bucket.is_full(mutation, now, *limit));
    }
}

#[cfg(test)]
mod tests;
