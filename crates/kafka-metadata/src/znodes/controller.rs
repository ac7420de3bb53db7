//! `/controller` (who controls; ephemeral) and `/controller_epoch` (how often that changed).
//!
//! The *version* of `/controller_epoch` fences: every write of a controller is a multi that begins with a check of it.

use kafka_types::{BrokerId, ControllerEpoch};
use serde::{Deserialize, Serialize};
use time_types::WallMillis;

use super::{ZnodeError, from_decimal, from_json, to_json};

/// Which broker is the controller.
pub const CONTROLLER: &str = "/controller";
/// The epoch of the newest controller, as decimal text.
pub const EPOCH: &str = "/controller_epoch";
/// The epoch before there ever was a controller.
pub const INITIAL_EPOCH: ControllerEpoch = ControllerEpoch(0);

#[derive(Serialize, Deserialize)]
struct Json {
    version: i32,
    brokerid: i32,
    timestamp: String,
    #[serde(rename = "kraftControllerEpoch", default = "no_epoch")]
    kraft_controller_epoch: i32,
}

fn no_epoch() -> i32 {
    -1
}

/// Data of `/controller`.
pub fn encode(broker: BrokerId, now: WallMillis) -> Vec<u8> {
    to_json(&Json { version: 2, brokerid: broker.0, timestamp: now.0.to_string(), kraft_controller_epoch: -1 })
}

/// The broker that `/controller` names.
pub fn decode(data: &[u8]) -> Result<BrokerId, ZnodeError> {
    from_json::<Json>("controller in /controller", data).map(|json| BrokerId(json.brokerid))
}

/// Data of `/controller_epoch`.
pub fn encode_epoch(epoch: ControllerEpoch) -> Vec<u8> {
    epoch.0.to_string().into_bytes()
}

/// The epoch in `/controller_epoch`.
pub fn decode_epoch(data: &[u8]) -> Result<ControllerEpoch, ZnodeError> {
    from_decimal("controller epoch in /controller_epoch", data).map(ControllerEpoch)
}
