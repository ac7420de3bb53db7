//! `/latest_producer_id_block`: which producer ids were handed out last. Blocks are taken by compare-and-set on the
//! node's version.

use kafka_types::BrokerId;
use serde::{Deserialize, Serialize};

use super::{ZnodeError, from_json, to_json};

/// Where the newest block is; no data before the first.
pub const BLOCK: &str = "/latest_producer_id_block";
/// Ids in one block.
pub const BLOCK_LEN: i64 = 1000;

/// A block of producer ids that belongs to one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// Who may hand them out.
    pub broker: BrokerId,
    /// The first id.
    pub first: i64,
    /// The last id, included.
    pub last: i64,
}

#[derive(Serialize, Deserialize)]
struct Json {
    version: i32,
    broker: i32,
    block_start: String,
    block_end: String,
}

impl ProducerIdBlock {
    /// The block after `previous` for `broker`; `None` when there are no more ids.
    pub fn after(previous: Option<ProducerIdBlock>, broker: BrokerId) -> Option<ProducerIdBlock> {
        let first = previous.map_or(Some(0), |block| block.last.checked_add(1))?;
        let last = first.checked_add(BLOCK_LEN - 1)?;
        Some(ProducerIdBlock { broker, first, last })
    }

    /// The znode's data.
    pub fn encode(&self) -> Vec<u8> {
        let (block_start, block_end) = (self.first.to_string(), self.last.to_string());
        to_json(&Json { version: 1, broker: self.broker.0, block_start, block_end })
    }

    /// The newest block; `None` for a node without data.
    pub fn decode(data: &[u8]) -> Result<Option<ProducerIdBlock>, ZnodeError> {
        const WHAT: &str = "producer ids in /latest_producer_id_block";
        if data.is_empty() {
            return Ok(None);
        }
        let json: Json = from_json(WHAT, data)?;
        let number = |text: &str| text.parse().map_err(|error| ZnodeError::new(WHAT, error));
        Ok(Some(ProducerIdBlock {
            broker: BrokerId(json.broker),
            first: number(&json.block_start)?,
            last: number(&json.block_end)?,
        }))
    }
}
