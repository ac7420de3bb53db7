//! Client quotas in force: the core of `kafka-quotas` behind a lock, and flags that keep it out of the way of everybody
//! while nobody is limited.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use kafka_metadata::client_quotas::{self, QuotaEntity};
use kafka_metadata::znodes::config as znode;
use kafka_quotas::{ConnectionLimits, ConnectionRates, Kind, Quotas, Settings, Windows};
use kafka_types::ErrorCode;
use kafka_wire::ApiKey;

use crate::broker::Broker;
use crate::config::Config;
use crate::handlers::Context;
use crate::handlers::describe_client_quotas;

/// Who everybody is before anybody has said who he is.
const USER: &str = "ANONYMOUS";

/// Connections a second.
const CREATION_RATE: &str = "max.connection.creation.rate";

/// Requests that brokers make of each other: they wait for nobody.
const EXEMPT: [ApiKey; 7] = [
    ApiKey::LeaderAndIsr,
    ApiKey::StopReplica,
    ApiKey::UpdateMetadata,
    ApiKey::ControlledShutdown,
    ApiKey::AlterPartition,
    ApiKey::AllocateProducerIds,
    ApiKey::WriteTxnMarkers,
];

/// The quotas of all clients of this broker.
pub(crate) struct ClientQuotas {
    limited: [AtomicBool; 5],
    core: Mutex<Quotas>,
    connections: Mutex<ConnectionRates>,
}

impl ClientQuotas {
    /// Nobody is limited yet.
    pub(crate) fn new(config: &Config) -> ClientQuotas {
        let windows = |prefix: &str| Windows {
            samples: config.positive(&format!("{prefix}quota.window.num")).max(1) as u32,
            millis: config.positive(&format!("{prefix}quota.window.size.seconds")).max(1) * 1000,
        };
        let settings = Settings { client: windows(""), mutation: windows("controller.") };
        ClientQuotas {
            limited: Default::default(),
            core: Mutex::new(Quotas::new(settings)),
            connections: Mutex::new(ConnectionRates::new(windows(""))),
        }
    }

    /// Is anybody limited in this? One look at a flag.
    pub(crate) fn is_limited(&self, kind: Kind) -> bool {
        self.limited[kind as usize].load(Ordering::Relaxed)
    }

    fn core(&self) -> MutexGuard<'_, Quotas> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Quotas)) {
        let mut core = self.core();
        change(&mut core);
        for kind in Kind::ALL {
            self.limited[kind as usize].store(core.is_limited(kind), Ordering::Relaxed);
        }
    }

    /// The quotas of one entity from now on.
    pub(crate) fn set(&self, entity: QuotaEntity, quotas: &[(&str, f64)]) {
        self.change(|core| core.set(entity, quotas));
    }

    /// A connection came to a listener, whether it stays or not. How long accepting has to rest before it is served.
    pub(crate) fn accept(&self, broker: &Broker, listener: &str) -> Option<Duration> {
        let config = broker.config.broker();
        let limit = |rate: i32| (rate != i32::MAX).then_some(f64::from(rate));
        let is_protected = config.is_protected(listener);
        let limits = ConnectionLimits {
            broker: limit(config.values().int(CREATION_RATE)).filter(|_| !is_protected),
            listener: limit(config.listener_int(listener, CREATION_RATE)),
        };
        if limits == ConnectionLimits::default() {
            return None;
        }
        let mut rates = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = rates.connect(broker.clock.tick(), listener, limits);
        (pause > 0).then(|| Duration::from_millis(pause))
    }

    /// An address opened a connection. How long that is to be kept waiting before it is closed, if it may not.
    pub(crate) fn connect(&self, broker: &Broker, address: IpAddr) -> Option<Duration> {
        if !self.is_limited(Kind::Connection) {
            return None;
        }
        let pause = self.core().connect(broker.clock.tick(), &address.to_string());
        (pause > 0).then(|| Duration::from_millis(pause))
    }
}

/// Reads the quotas of everybody.
pub(crate) async fn read_all(broker: &Broker) -> Result<()> {
    let all = describe_client_quotas::stored(&broker.zookeeper).await?;
    broker.quotas.change(|core| {
        core.clear();
        for (entity, quotas) in all {
            core.set(entity, &quotas);
        }
    });
    Ok(())
}

/// Reads the quotas of one entity again; `path` lies below `/config`.
pub(crate) async fn read(broker: &Broker, path: &str) -> Result<()> {
    let Some(entity) = QuotaEntity::from_path(path) else { return Ok(()) };
    let stored = broker.zookeeper.get(&format!("/config/{path}"), false).await?;
    let settings = stored.map(|(data, _)| znode::decode(&data)).transpose()?.unwrap_or_default();
    let quotas = client_quotas::quotas(&entity, &settings);
    broker.quotas.set(entity, &quotas);
    Ok(())
}

/// What one request costs, and how long its client has to wait for it.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    /// In ms: the longest of all reasons.
    pause: AtomicU64,
    /// Time that was spent on it, in ns, and when the present turn began.
    spent: AtomicU64,
    turn: AtomicU64,
}

impl Charge {
    /// How long the connection is to be left alone after the answer.
    pub(crate) fn pause(&self) -> Duration {
        Duration::from_millis(self.pause.load(Ordering::Relaxed))
    }

    fn wait(&self, millis: u64) {
        self.pause.fetch_max(millis, Ordering::Relaxed);
    }

    /// Does a turn of the request's work, and counts its time.
    pub(crate) fn timed<R>(&self, nanos: impl Fn() -> u64, turn: impl FnOnce() -> R) -> R {
        let begun = nanos();
        self.turn.store(begun, Ordering::Relaxed);
        let result = turn();
        self.spent.fetch_add(nanos().saturating_sub(begun), Ordering::Relaxed);
        result
    }
}

impl Context {
    /// The client used something that may be limited.
    pub(crate) fn charge(&self, kind: Kind, amount: f64) {
        if self.broker.quotas.is_limited(kind) {
            let now = self.broker.clock.tick();
            let pause = self.broker.quotas.core().record(now, kind, USER, self.client_id(), amount);
            self.charge.wait(pause);
        }
    }

    /// The bytes that the client may be sent at once, if it is limited.
    pub(crate) fn most_fetched(&self) -> Option<u64> {
        if !self.broker.quotas.is_limited(Kind::Fetch) {
            return None;
        }
        self.broker.quotas.core().most(Kind::Fetch, USER, self.client_id()).map(|most| most as u64)
    }

    /// May the client be sent so many bytes now? If not, it is told to come again, and they do not count.
    pub(crate) fn may_fetch(&self, bytes: u64) -> bool {
        if !self.broker.quotas.is_limited(Kind::Fetch) {
            return true;
        }
        let (now, client) = (self.broker.clock.tick(), self.client_id());
        let mut core = self.broker.quotas.core();
        let unused = core.is_unused(now, Kind::Fetch, USER, client);
        let pause = core.record(now, Kind::Fetch, USER, client, bytes as f64);
        self.charge.wait(pause);
        if pause == 0 || unused {
            return true;
        }
        core.take_back(now, Kind::Fetch, USER, client, bytes as f64);
        false
    }

    /// The client wants to change so many partitions. One that knows the error gets it when it has changed too many,
    /// another one is served and waits afterwards.
    pub(crate) fn mutate(&self, partitions: usize, knows_error: bool) -> Result<(), ErrorCode> {
        if !self.broker.quotas.is_limited(Kind::Mutation) {
            return Ok(());
        }
        let (now, client) = (self.broker.clock.tick(), self.client_id());
        let mut core = self.broker.quotas.core();
        if knows_error {
            let debt = core.mutation_debt(now, USER, client);
            if debt > 0 {
                self.charge.wait(debt);
                return Err(ErrorCode::ThrottlingQuotaExceeded);
            }
        }
        core.mutate(now, USER, client, partitions as f64);
        if !knows_error {
            self.charge.wait(core.mutation_debt(now, USER, client));
        }
        Ok(())
    }

    /// Is the time of this request counted?
    pub(crate) fn is_timed(&self) -> bool {
        self.broker.quotas.is_limited(Kind::Request) && !EXEMPT.contains(&self.key)
    }

    /// The work is done but for the answer: how long the client has to wait for it, in ms.
    pub(crate) fn settle(&self) -> i32 {
        if self.is_timed() {
            let turn = self.charge.turn.load(Ordering::Relaxed);
            let running =
                if turn == 0 { 0 } else { (self.broker.clock.precise().as_nanos() as u64).saturating_sub(turn) };
            let nanos = self.charge.spent.load(Ordering::Relaxed) + running;
            // Percent of a second.
            self.charge(Kind::Request, nanos as f64 / 1e7);
        }
        i32::try_from(self.charge.pause.load(Ordering::Relaxed)).unwrap_or(i32::MAX)
    }
}
