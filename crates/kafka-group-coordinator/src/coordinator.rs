//! All groups of one `__consumer_offsets` partition: who may ask, which group it concerns, and what comes back.

use kafka_types::{Offset, ProducerId};
use time_types::{Now, Tick};

use crate::config::Config;
use crate::effect::{Effect, Event};

/// The coordinator of all groups of one `__consumer_offsets` partition.
#[derive(Debug)]
pub struct Coordinator {
    config: Config,
}

/// One record of the partition, as loading meets it.
#[derive(Debug, Clone, Copy)]
pub struct Replayed<'a> {
    /// Its place in the partition.
    pub offset: Offset,
    /// Set if it lies in a transactional batch: it counts when the producer's marker says so.
    pub producer_id: Option<ProducerId>,
    /// Its key.
    pub key: &'a [u8],
    /// Its value; `None` deletes the key.
    pub value: Option<&'a [u8]>,
}
impl Coordinator {
    /// A coordinator that is still loading: it answers so until [`Coordinator::on_loaded`].
    pub fn new(config: Config) -> Coordinator {
        Coordinator { config }
    }
    /// Applies a record of the log while loading. An unreadable record changes nothing and is an error to be logged.
    pub fn replay(&mut self, record: Replayed<'_>) -> Result<(), crate::RecordError> {
        let _ = record;
        Ok(())
    }
    /// Applies a transaction marker of the log while loading.
    pub fn replay_marker(&mut self, producer_id: ProducerId, committed: bool) {
        let _ = (producer_id, committed);
    }
    /// All is replayed: from here on requests are served, members have a full session timeout to come back.
    pub fn on_loaded(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let _ = (now, effects, &self.config);
    }
    /// The partition is led elsewhere now: everything parked is answered `NOT_COORDINATOR`, and so is what comes.
    pub fn unload(&mut self, effects: &mut Vec<Effect>) {
        let _ = effects;
    }
    /// Handles one event; effects are to be performed in their order.
    pub fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        let _ = (now, event, effects);
    }
    /// When [`Coordinator::on_tick`] wants to be called, at the latest.
    pub fn next_deadline(&self) -> Option<Tick> {
        None
    }
    /// Fires what is due: sessions, joins, syncs, expiry of offsets.
    pub fn on_tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let _ = (now, effects);
    }
}
