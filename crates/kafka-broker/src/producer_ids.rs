//! Producer ids, in blocks from the controller.
//!
//! A block that was begun is lost with the process: ids are never handed out twice.

use std::sync::Arc;

use kafka_types::{ErrorCode, ProducerId};
use tokio::sync::Mutex;

use crate::broker::Broker;

/// The rest of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    next: i64,
    end: i64,
}

/// Hands out producer ids.
#[derive(Default)]
pub(crate) struct ProducerIds {
    block: Mutex<Block>,
}

impl ProducerIds {
    /// The next id; asks the controller when the block is used up. `COORDINATOR_LOAD_IN_PROGRESS` when it does not
    /// answer: the client tries again.
    pub(crate) async fn next(&self, broker: &Arc<Broker>) -> Result<ProducerId, ErrorCode> {
        // Held while the controller is asked: whoever comes meanwhile waits for the same block.
        let mut block = self.block.lock().await;
        if block.next >= block.end {
            let (first, len) =
                broker.allocate_producer_ids().await.map_err(|_| ErrorCode::CoordinatorLoadInProgress)?;
            *block = Block { next: first, end: first + i64::from(len) };
        }
        let id = block.next;
        block.next += 1;
        Ok(ProducerId(id))
    }
}
