//! Which transactional batches may go: those of aborted transactions at once, markers when nothing of their
//! transaction is left.

use std::collections::{BTreeMap, HashMap, HashSet};

use kafka_types::{Offset, ProducerId};

use crate::producer_state::Marker;
use crate::txn_index::AbortedTxn;
use crate::walk::Head;

/// What is known at one place of a walk in offset order.
#[derive(Debug)]
pub(crate) struct Transactions {
    /// Aborted ones that have not begun yet.
    ahead: BTreeMap<(Offset, ProducerId), AbortedTxn>,
    /// Aborted ones that have begun, and whether a batch of them was met.
    aborted: HashMap<ProducerId, (AbortedTxn, bool)>,
    /// Producers with batches of a transaction that is not among the aborted ones.
    others: HashSet<ProducerId>,
}

/// What a control batch means to compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MarkerFate {
    /// Something of its transaction is still there. If it was aborted, this entry has to be kept, too.
    Needed(Option<AbortedTxn>),
    /// Its transaction is gone: it may go when its time has come.
    Useless,
}

impl Transactions {
    /// For a walk that begins at `from`: what was over before is none of its business.
    pub(crate) fn new(aborted: &[AbortedTxn], from: Offset) -> Transactions {
        let ahead = aborted.iter().filter(|entry| entry.last_offset >= from);
        Transactions {
            ahead: ahead.map(|entry| ((entry.first_offset, entry.producer_id), *entry)).collect(),
            aborted: HashMap::new(),
            others: HashSet::new(),
        }
    }

    /// A batch of data; is it of an aborted transaction?
    pub(crate) fn on_data(&mut self, head: &Head) -> bool {
        let Some(header) = head.v2.filter(kafka_record::BatchHeader::is_transactional) else { return false };
        self.advance(header.base_offset);
        if let Some((_, met)) = self.aborted.get_mut(&header.producer_id) {
            *met = true;
            return true;
        }
        self.others.insert(header.producer_id);
        false
    }

    /// A control batch; one without marker was emptied by an earlier compaction.
    pub(crate) fn on_control(&mut self, head: &Head, marker: Option<Marker>) -> MarkerFate {
        let (Some(header), Some(marker)) = (head.v2, marker) else { return MarkerFate::Useless };
        self.advance(header.base_offset);
        let producer = header.producer_id;
        if marker.commit {
            return if self.others.remove(&producer) { MarkerFate::Needed(None) } else { MarkerFate::Useless };
        }
        match self.aborted.remove(&producer) {
            Some((entry, true)) => MarkerFate::Needed(Some(entry)),
            _ => MarkerFate::Useless,
        }
    }

    fn advance(&mut self, offset: Offset) {
        while let Some(entry) = self.ahead.first_entry().filter(|entry| entry.key().0 <= offset) {
            let txn = entry.remove();
            self.aborted.entry(txn.producer_id).or_insert((txn, false));
        }
    }
}
