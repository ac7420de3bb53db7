//! `/cluster/id`: which cluster this is.

use serde::{Deserialize, Serialize};

use super::{ZnodeError, from_json, to_json};

/// Where the cluster's id is.
pub const ID: &str = "/cluster/id";

#[derive(Serialize, Deserialize)]
struct Json {
    version: String,
    id: String,
}

/// The znode's data; the id is 22 characters of base64.
pub fn encode(id: &str) -> Vec<u8> {
    to_json(&Json { version: "1".to_owned(), id: id.to_owned() })
}

/// The cluster's id.
pub fn decode(data: &[u8]) -> Result<String, ZnodeError> {
    from_json::<Json>("cluster id in /cluster/id", data).map(|json| json.id)
}
