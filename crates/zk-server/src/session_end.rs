//! Sessions end, by themselves or because their time is over: one by one, in turns that leave room for others.
//!
//! A closeSession lists every znode that goes with it. A session with very many would make a transaction that Apache's
//! server does not read back, so the surplus is deleted by transactions of its own first.

use time_types::Tick;
use zk_proto::{OpCode, SessionId};
use zk_state::{Asker, WatcherId, Write};

use crate::client::Slot;
use crate::metrics::definitions as measured;
use crate::pipeline::{Pipeline, SERVER, Then};

/// Znodes that are planned to be deleted in one turn, about a millisecond of it.
const TURN: usize = 500;
/// With so many changes on their way the next turn waits for the next sync: whoever writes now waits for them all.
const UNDER_WAY: usize = 2000;

/// A session that is to be closed.
#[derive(Debug)]
pub(crate) struct Ending {
    session: SessionId,
    cxid: i32,
    then: Then,
    bytes: usize,
    /// What is deleted before, last first; once that is known.
    surplus: Option<Vec<String>>,
}

impl Pipeline {
    /// Ends the sessions whose time is over.
    pub(crate) fn expire_sessions(&mut self) {
        let now = self.clock.tick();
        // What is about to be replaced needs no end of sessions.
        let expired = if self.is_restoring() { Vec::new() } else { self.expiry.expire(now) };
        for session in expired {
            let timeout_ms = self.state.sessions().timeout_ms(session).unwrap_or_default();
            tracing::info!(target: SERVER, "Expiring session {session}, timeout of {timeout_ms}ms exceeded");
            self.registry.count(measured::SESSIONS_EXPIRED, 1);
            self.end_session(session);
        }
    }

    /// A client wants its session to end.
    pub(crate) fn close_session(&mut self, id: WatcherId, xid: i32, received: Tick, bytes: usize) {
        let Some(session) = self.clients.get(&id).map(|client| client.session) else { return };
        self.push(id, Slot::Write { bytes });
        let then = Then::Reply { client: id, xid, op: OpCode::CloseSession, received };
        self.add_ending(Ending { session, cxid: xid, then, bytes, surplus: None });
    }

    /// The server wants a session to end.
    pub(crate) fn end_session(&mut self, session: SessionId) {
        self.add_ending(Ending { session, cxid: 0, then: Then::Nothing, bytes: 0, surplus: None });
    }

    fn add_ending(&mut self, ending: Ending) {
        // From here on nothing more is done for it.
        self.pending.begin_closing(ending.session);
        self.ending.push_back(ending);
        // Mostly it is the only one and ends at once; of very many, most wait their turn.
        if self.ending.len() == 1 && self.pending.len() < UNDER_WAY {
            self.end_some_sessions();
        }
        if !self.ending.is_empty() {
            self.ending_due.notify_one();
        }
    }

    /// One turn; true if there is more to do.
    pub(crate) fn end_some_sessions(&mut self) -> bool {
        let mut left = TURN;
        while left > 0
            && let Some(mut ending) = self.ending.pop_front()
        {
            let session = ending.session;
            let surplus = ending.surplus.get_or_insert_with(|| self.state.surplus_of_close(&self.pending, session));
            if !surplus.is_empty() {
                let now = surplus.split_off(surplus.len().saturating_sub(left));
                left -= now.len();
                for path in &now {
                    self.write_own(session, Write::DeleteOwned(path));
                }
                self.ending.push_front(ending);
                continue;
            }
            left = left.saturating_sub(1 + self.state.tree().ephemeral_count_of(session));
            let asker = Asker { session, cxid: ending.cxid, ids: &[] };
            let now = self.clock.now();
            let txn = self.state.prepare(&mut self.pending, self.rules, asker, Write::CloseSession, now.wall);
            self.log(txn, ending.then, now.tick, ending.bytes);
        }
        !self.ending.is_empty()
    }
}

/// Ends sessions turn by turn.
pub(crate) async fn run(pipeline: crate::connection::SharedPipeline) {
    let due = pipeline.borrow().ending_due.clone();
    loop {
        // One turn for each sync, whatever else is under way, and more while there is room.
        due.notified().await;
        while pipeline.borrow_mut().end_some_sessions() && pipeline.borrow().pending.len() < UNDER_WAY {
            tokio::task::yield_now().await;
        }
    }
}
