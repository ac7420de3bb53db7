//! What the pipeline counts beside its work.

use time_types::Tick;
use zk_proto::ops::event;
use zk_proto::{LoggedTxn, OpCode, Txn, Zxid};
use zk_state::WatcherId;

use crate::metrics::Registry;
use crate::metrics::definitions as measured;
use crate::pipeline::Pipeline;
use crate::request_throttle::Verdict;

impl Pipeline {
    /// Counts a transaction that is handed to the log.
    pub(crate) fn count_prepared(&mut self, txn: &LoggedTxn, took: u64) {
        let registry = &mut self.registry;
        registry.count(measured::SYNC_QUEUED, 1);
        registry.count(measured::CHANGES_QUEUED, changes_of(&txn.txn));
        registry.add(measured::PREP_TIME, took);
        if txn.header.op == OpCode::CloseSession.code() {
            registry.add(measured::CLOSE_SESSION_PREP_TIME, took);
        }
    }

    /// Counts a request that comes to its turn: nothing waits in front of that here.
    pub(crate) fn count_request(&mut self) {
        self.registry.count(measured::PREP_QUEUED, 1);
        self.registry.add(measured::PREP_QUEUE_SIZE, 0);
        self.registry.add(measured::PREP_QUEUE_TIME, 0);
    }

    /// Counts a reply that was appended just now; its latency in milliseconds.
    pub(crate) fn count_reply(&mut self, id: WatcherId, xid: i32, zxid: Zxid, received: Tick, bytes: usize) -> u64 {
        self.count_reply_between((received, self.clock.tick()), id, xid, zxid, bytes)
    }

    /// [`Pipeline::count_reply`] for who has looked at the clock.
    pub(crate) fn count_reply_between(
        &mut self,
        (received, now): (Tick, Tick),
        id: WatcherId,
        xid: i32,
        zxid: Zxid,
        bytes: usize,
    ) -> u64 {
        let latency = now.since(received);
        self.figures.sent += 1;
        self.registry.count(measured::RESPONSE_BYTES, bytes as u64);
        self.figures.latency.add(latency);
        self.figures.response.add(bytes as u64 - 4);
        self.figures.response_last = bytes as u64 - 4;
        if let Some(client) = self.clients.get_mut(&id) {
            let figures = &mut client.figures;
            figures.sent += 1;
            figures.latency.add(latency);
            figures.last_latency = latency;
            figures.last_response = now.0;
            figures.last_xid = i64::from(xid);
            figures.last_zxid = zxid.0;
            if client.touch() {
                self.touched.push(id);
            }
        }
        latency
    }
}

/// Counts a request that the throttle has held back.
pub(crate) fn count_waited(registry: &mut Registry, waited_ms: u64, verdict: Verdict) {
    registry.add(measured::THROTTLE_QUEUE_TIME, waited_ms);
    match verdict {
        Verdict::Run => {}
        Verdict::Refuse => registry.count(measured::THROTTLED_OPS, 1),
        Verdict::Drop => {
            registry.count(measured::STALE_REQUESTS, 1);
            registry.count(measured::STALE_REQUESTS_DROPPED, 1);
        }
    }
}

/// Watchers told of one event, by what they were told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    created: u64,
    deleted: u64,
    changed: u64,
    children: u64,
}

impl Told {
    pub(crate) fn count(&mut self, kind: i32) {
        match kind {
            event::NODE_CREATED => self.created += 1,
            event::NODE_DELETED => self.deleted += 1,
            event::NODE_DATA_CHANGED => self.changed += 1,
            _ => self.children += 1,
        }
    }

    /// As in Apache, an event that nobody waited for is not counted.
    pub(crate) fn into_metrics(self, registry: &mut Registry) {
        for (summary, told) in [
            (measured::CREATED_WATCHES, self.created),
            (measured::DELETED_WATCHES, self.deleted),
            (measured::CHANGED_WATCHES, self.changed),
            (measured::CHILDREN_WATCHES, self.children),
        ] {
            if told > 0 {
                registry.add(summary, told);
            }
        }
    }
}

/// Records that Apache's server keeps until a transaction is applied: of the znode, and of a parent that changes.
pub(crate) fn changes_of(txn: &Txn) -> u64 {
    match txn {
        Txn::Create(_)
        | Txn::Create2(_)
        | Txn::CreateContainer(_)
        | Txn::CreateTtl(_)
        | Txn::Delete(_)
        | Txn::DeleteContainer(_) => 2,
        Txn::SetData(_) | Txn::SetAcl(_) | Txn::Reconfig(_) => 1,
        Txn::CloseSession(paths) => paths.as_ref().map_or(0, |paths| paths.len() as u64),
        Txn::Multi(txns) => txns.iter().map(changes_of).sum(),
        Txn::Check(_) | Txn::CreateSession(_) | Txn::Error(_) => 0,
    }
}
