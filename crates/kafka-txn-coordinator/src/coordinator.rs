//! All transactional ids of one `__transaction_state` partition: who may ask, which id it concerns, what comes back.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kafka_types::{ErrorCode, ProducerId};
use time_types::{Now, Tick};

use crate::config::Config;
use crate::effect::{AppendToken, Effect, Event, ListReply, MarkersToken, Reply, ReplyToken};
use crate::init_producer::{self, Decision};
use crate::pending::{Decider, InFlight, Pending, Then, store_error};
use crate::request::{AddPartitions, EndTransaction, InitProducer, Request};
use crate::transaction::{State, Transaction};
use crate::{RecordError, end_txn, expiry, partitions, queries, records};

/// How long to wait before a completion that could not be stored is tried again, in ms.
const RETRY_MS: u64 = 100;
/// Texts in records have two bytes of length.
const ID_BYTES_MAX: usize = i16::MAX as usize;

/// The coordinator of all transactional ids of one `__transaction_state` partition.
#[derive(Debug)]
pub struct Coordinator {
    config: Config,
    /// Stands in every marker, so that partitions can tell a former coordinator.
    epoch: i32,
    phase: Phase,
    transactions: HashMap<Arc<str>, Transaction>,
    pending: Pending,
    next_abort: Tick,
    next_expiry: Tick,
    /// Completions that could not be stored.
    retries: BTreeSet<(Tick, Arc<str>)>,
}

/// One life of a coordinator, from taking the partition to losing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Loading,
    Active,
    Unloaded,
}

impl Coordinator {
    /// A coordinator that is still loading: it answers so until [`Coordinator::on_loaded`]. `epoch` is the partition's
    /// leader epoch.
    pub fn new(config: Config, epoch: i32) -> Coordinator {
        Coordinator {
            config,
            epoch,
            phase: Phase::Loading,
            transactions: HashMap::new(),
            pending: Pending::default(),
            next_abort: Tick::default(),
            next_expiry: Tick::default(),
            retries: BTreeSet::new(),
        }
    }

    /// Applies a record of the log while loading. An unreadable record changes nothing and is an error to be logged;
    /// a record of a kind that this version does not know is skipped, as Kafka does.
    pub fn replay(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), RecordError> {
        let Some(record) = records::decode(key, value)? else { return Ok(()) };
        match record.facts {
            Some(facts) => drop(self.transactions.insert(record.transactional_id.into(), Transaction::new(facts))),
            None => drop(self.transactions.remove(record.transactional_id.as_str())),
        }
        Ok(())
    }

    /// All is replayed: from here on requests are served, and what was decided is carried out.
    pub fn on_loaded(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.phase = Phase::Active;
        self.next_abort = now.tick.after(self.config.abort_interval_ms);
        self.next_expiry = now.tick.after(self.config.expiry_interval_ms);
        let (epoch, pending) = (self.epoch, &mut self.pending);
        for (id, transaction) in &mut self.transactions {
            if transaction.facts.state.is_prepared() {
                transaction.write_markers(id, epoch, pending, effects);
            }
        }
    }

    /// The partition is led elsewhere now: everything parked is answered `NOT_COORDINATOR`, and so is what comes.
    pub fn unload(&mut self, effects: &mut Vec<Effect>) {
        self.phase = Phase::Unloaded;
        self.pending.refuse_all(ErrorCode::NotCoordinator, effects);
        self.transactions.clear();
        self.retries.clear();
    }

    /// Handles one event; effects are to be performed in their order.
    pub fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Request { token, request } => self.request(now, token, request, effects),
            Event::ProducerId { token, result } => self.on_producer_id(now, token, result, effects),
            Event::Appended { token, result } => self.appended(now, token, result, effects),
            Event::MarkersWritten { token } => self.markers_written(now, token, effects),
            // The transaction stays as it is: whoever has fenced this coordinator goes on with it.
            Event::MarkersFenced { token } => drop(self.pending.take_markers(token)),
        }
    }

    /// When [`Coordinator::on_tick`] wants to be called, at the latest; `None` while there is nothing that time could
    /// change.
    pub fn next_deadline(&self) -> Option<Tick> {
        if self.phase != Phase::Active || self.transactions.is_empty() {
            return None;
        }
        let retry = self.retries.first().map_or(self.next_abort, |(at, _)| *at);
        Some(self.next_abort.min(self.next_expiry).min(retry))
    }

    /// Does what is due: aborts what is open for too long, forgets ids, stores completions that could not be stored.
    pub fn on_tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Active {
            return;
        }
        while let Some((at, _)) = self.retries.first()
            && *at <= now.tick
        {
            if let Some((_, id)) = self.retries.pop_first()
                && let Some(transaction) = self.transactions.get_mut(&id)
            {
                transaction.complete(&id, now.wall, &mut self.pending, effects);
            }
        }
        if self.next_abort <= now.tick {
            self.next_abort = now.tick.after(self.config.abort_interval_ms.max(1));
            self.abort_timed_out(now, effects);
        }
        if self.next_expiry <= now.tick {
            self.next_expiry = now.tick.after(self.config.expiry_interval_ms.max(1));
            self.expire(now, effects);
        }
    }

    fn request(&mut self, now: Now, token: ReplyToken, request: Request, effects: &mut Vec<Effect>) {
        if let Err(error) = self.admit(&request) {
            return effects.push(Effect::Reply { token, reply: refusal(request, error) });
        }
        match request {
            Request::InitProducer(request) => self.init_producer(now, token, request, None, effects),
            Request::AddPartitions(request) => self.add_partitions(now, token, &request, effects),
            Request::VerifyPartitions(request) => {
                let known = self.transactions.get(request.transactional_id.as_str());
                let reply = Reply::VerifyPartitions(partitions::verify(known, request));
                effects.push(Effect::Reply { token, reply });
            }
            Request::EndTransaction(request) => self.end_transaction(now, token, &request, effects),
            Request::Describe { transactional_id } => {
                let reply = Reply::Describe(queries::describe(self.transactions.get(transactional_id.as_str())));
                effects.push(Effect::Reply { token, reply });
            }
            Request::List(filter) => {
                let reply = Reply::List(queries::list(&self.transactions, &filter, now.wall));
                effects.push(Effect::Reply { token, reply });
            }
        }
    }

    /// May this be asked of this coordinator, and now?
    fn admit(&self, request: &Request) -> Result<(), ErrorCode> {
        if request.transactional_id().is_some_and(|id| id.is_empty() || id.len() > ID_BYTES_MAX) {
            return Err(ErrorCode::InvalidRequest);
        }
        if let Request::InitProducer(InitProducer { timeout_ms, .. }) = request
            && !(1..=self.config.timeout_max_ms).contains(timeout_ms)
        {
            return Err(ErrorCode::InvalidTransactionTimeout);
        }
        match self.phase {
            Phase::Active => Ok(()),
            Phase::Loading => Err(ErrorCode::CoordinatorLoadInProgress),
            Phase::Unloaded => Err(ErrorCode::NotCoordinator),
        }
    }

    fn init_producer(
        &mut self,
        now: Now,
        token: ReplyToken,
        request: InitProducer,
        fresh: Option<ProducerId>,
        effects: &mut Vec<Effect>,
    ) {
        let id = request.transactional_id.as_str();
        let decision = init_producer::decide(self.transactions.get(id), &request, fresh, now.wall);
        match decision {
            Decision::Refuse(error) => {
                effects.push(Effect::Reply { token, reply: Reply::InitProducer(Err(error)) });
            }
            Decision::NeedsId => {
                self.pending.await_id(token, request);
                effects.push(Effect::AllocateProducerId { token });
            }
            Decision::Initialize(next) => {
                let id: Arc<str> = Arc::from(id);
                // One that nobody knows is kept in mind from here on, so that there are no two producers at once.
                let before = crate::transaction::Facts::new(next.producer_id);
                let transaction = self.transactions.entry(id.clone()).or_insert_with(|| Transaction::new(before));
                transaction.pending = Some(State::Empty);
                let decision = InFlight { changes: vec![(id, Some(next))], then: Then::Initialized(token) };
                self.pending.append(decision, effects);
            }
            Decision::Fence(epoch) => {
                if let Some((id, transaction)) = entry(&mut self.transactions, id) {
                    let who = (Decider::Successor(token), now.wall);
                    transaction.fence(&id, epoch, who, &mut self.pending, effects);
                }
            }
        }
    }

    fn on_producer_id(
        &mut self,
        now: Now,
        token: ReplyToken,
        result: Result<ProducerId, ErrorCode>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(request) = self.pending.take_awaiting_id(token) else { return };
        match result {
            // What was decided before may have changed meanwhile; then the new id may not be needed.
            Ok(fresh) => self.init_producer(now, token, request, Some(fresh), effects),
            Err(error) => effects.push(Effect::Reply { token, reply: Reply::InitProducer(Err(error)) }),
        }
    }

    fn add_partitions(&mut self, now: Now, token: ReplyToken, request: &AddPartitions, effects: &mut Vec<Effect>) {
        let id = request.transactional_id.as_str();
        let reply = match partitions::decide(self.transactions.get(id), request, now.wall) {
            Err(error) => error,
            Ok(None) => ErrorCode::None,
            Ok(Some(next)) => {
                if let Some((id, transaction)) = entry(&mut self.transactions, id) {
                    transaction.pending = Some(State::Ongoing);
                    let decision = InFlight { changes: vec![(id, Some(next))], then: Then::PartitionsAdded(token) };
                    self.pending.append(decision, effects);
                }
                return;
            }
        };
        effects.push(Effect::Reply { token, reply: Reply::AddPartitions(reply) });
    }

    fn end_transaction(&mut self, now: Now, token: ReplyToken, request: &EndTransaction, effects: &mut Vec<Effect>) {
        let id = request.transactional_id.as_str();
        let reply = match end_txn::check(self.transactions.get(id), request) {
            Err(error) => error,
            Ok(false) => ErrorCode::None,
            Ok(true) => {
                if let Some((id, transaction)) = entry(&mut self.transactions, id) {
                    let who = (Decider::Producer(token), now.wall);
                    transaction.prepare(&id, request.committed, who, &mut self.pending, effects);
                }
                return;
            }
        };
        effects.push(Effect::Reply { token, reply: Reply::EndTransaction(reply) });
    }

    fn appended(&mut self, now: Now, token: AppendToken, result: Result<(), ErrorCode>, effects: &mut Vec<Effect>) {
        let Some(InFlight { changes, then }) = self.pending.take_append(token) else { return };
        if let Err(error) = result {
            return self.not_appended(now, &changes, &then, store_error(error), effects);
        }
        let first = changes.first().map(|(id, _)| id.clone());
        for (id, facts) in changes {
            match (facts, self.transactions.get_mut(&id)) {
                (Some(facts), Some(transaction)) => *transaction = Transaction::new(facts),
                (Some(facts), None) => drop(self.transactions.insert(id, Transaction::new(facts))),
                (None, _) => drop(self.transactions.remove(&id)),
            }
        }
        let Some(id) = first else { return };
        let transaction = self.transactions.get_mut(&id);
        match (then, transaction) {
            (Then::Initialized(token), Some(transaction)) => {
                let granted = (transaction.facts.producer_id, transaction.facts.producer_epoch);
                effects.push(Effect::Reply { token, reply: Reply::InitProducer(Ok(granted)) });
            }
            (Then::PartitionsAdded(token), _) => {
                effects.push(Effect::Reply { token, reply: Reply::AddPartitions(ErrorCode::None) });
            }
            (Then::Prepared { who, .. }, Some(transaction)) => {
                // The decision stands, whatever happens to the markers: it may be told.
                who.answer(ErrorCode::None, effects);
                transaction.write_markers(&id, self.epoch, &mut self.pending, effects);
            }
            (then, _) => then.refuse(ErrorCode::UnknownServerError, effects),
        }
    }

    /// Nothing has changed; a completion is tried again.
    fn not_appended(
        &mut self,
        now: Now,
        changes: &[(Arc<str>, Option<crate::transaction::Facts>)],
        then: &Then,
        error: ErrorCode,
        effects: &mut Vec<Effect>,
    ) {
        for (id, _) in changes {
            let Some(transaction) = self.transactions.get_mut(id) else { continue };
            match then {
                Then::Completed if error != ErrorCode::NotCoordinator => {
                    self.retries.insert((now.tick.after(RETRY_MS), id.clone()));
                    continue;
                }
                Then::Prepared { fences, .. } => transaction.has_failed_fence |= fences,
                _ => {}
            }
            transaction.pending = None;
            if transaction.facts.producer_epoch == kafka_types::ProducerEpoch::NONE {
                // It was to be its first record.
                self.transactions.remove(id);
            }
        }
        then.refuse(error, effects);
    }

    fn markers_written(&mut self, now: Now, token: MarkersToken, effects: &mut Vec<Effect>) {
        let Some(id) = self.pending.take_markers(token) else { return };
        if let Some(transaction) = self.transactions.get_mut(&id) {
            transaction.complete(&id, now.wall, &mut self.pending, effects);
        }
    }

    fn abort_timed_out(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let pending = &mut self.pending;
        for (id, transaction) in &mut self.transactions {
            if transaction.is_timed_out(now.wall)
                && let Some(epoch) = transaction.fencing_epoch()
            {
                transaction.fence(id, epoch, (Decider::Timeout, now.wall), pending, effects);
            }
        }
    }

    fn expire(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let mut expired = Vec::new();
        for (id, transaction) in &mut self.transactions {
            if transaction.is_expired(now.wall, &self.config) {
                transaction.pending = Some(State::Dead);
                expired.push(id.clone());
            }
        }
        expired.sort();
        for batch in expiry::in_batches(expired, self.config.batch_bytes_max) {
            let changes = batch.into_iter().map(|id| (id, None)).collect();
            self.pending.append(InFlight { changes, then: Then::Expired }, effects);
        }
    }
}

/// A transaction with its name as it is shared.
fn entry<'a>(
    transactions: &'a mut HashMap<Arc<str>, Transaction>,
    id: &str,
) -> Option<(Arc<str>, &'a mut Transaction)> {
    let name = transactions.get_key_value(id)?.0.clone();
    transactions.get_mut(id).map(|transaction| (name, transaction))
}

/// The answer to a request that is not admitted.
fn refusal(request: Request, error: ErrorCode) -> Reply {
    match request {
        Request::InitProducer(_) => Reply::InitProducer(Err(error)),
        Request::AddPartitions(_) => Reply::AddPartitions(error),
        Request::VerifyPartitions(request) => {
            Reply::VerifyPartitions(request.partitions.into_iter().map(|one| (one, error)).collect())
        }
        Request::EndTransaction(_) => Reply::EndTransaction(error),
        Request::Describe { .. } => Reply::Describe(Err(error)),
        Request::List(_) => Reply::List(ListReply { error, transactions: Vec::new() }),
    }
}

#[cfg(test)]
mod tests;
