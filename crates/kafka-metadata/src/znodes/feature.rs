//! `/feature`: finalized features. With ZooKeeper there are none; the node and its version still show in ApiVersions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ZnodeError, from_json, to_json};

/// Where it is; the node's version is `finalized_features_epoch`.
pub const FEATURE: &str = "/feature";

/// May features be used at all?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureStatus {
    /// No: the cluster speaks an inter-broker protocol from before 2.7.
    Disabled,
    /// Yes.
    Enabled,
}

/// What is in the node: the highest finalized level by feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureZnode {
    /// May features be used?
    pub status: FeatureStatus,
    /// Highest level by feature.
    pub levels: BTreeMap<String, i16>,
}

#[derive(Serialize)]
struct Json {
    features: BTreeMap<String, i16>,
    version: i32,
    status: i32,
}

#[derive(Deserialize)]
struct ReadJson {
    #[serde(default)]
    features: BTreeMap<String, serde_json::Value>,
    version: i32,
    status: i32,
}

impl FeatureZnode {
    /// What a controller of 3.9 writes: enabled and empty.
    pub fn initial() -> FeatureZnode {
        FeatureZnode { status: FeatureStatus::Enabled, levels: BTreeMap::new() }
    }

    /// The znode's data, version 2.
    pub fn encode(&self) -> Vec<u8> {
        let status = i32::from(self.status == FeatureStatus::Enabled);
        to_json(&Json { features: self.levels.clone(), version: 2, status })
    }

    /// Reads versions 1 (levels as `{"min_version_level":1,"max_version_level":2}`) and 2 (levels as numbers).
    pub fn decode(data: &[u8]) -> Result<FeatureZnode, ZnodeError> {
        const WHAT: &str = "features in /feature";
        let json: ReadJson = from_json(WHAT, data)?;
        let status = match json.status {
            0 => FeatureStatus::Disabled,
            1 => FeatureStatus::Enabled,
            other => return Err(ZnodeError::new(WHAT, format!("status {other} is not known"))),
        };
        let level = |value: &serde_json::Value| {
            let number = match json.version {
                1 => value.get("max_version_level")?.as_i64()?,
                2 => value.as_i64()?,
                _ => return None,
            };
            i16::try_from(number).ok()
        };
        let levels = json
            .features
            .iter()
            .map(|(name, value)| {
                let level =
                    level(value).ok_or_else(|| ZnodeError::new(WHAT, format!("feature {name} has no level")))?;
                Ok((name.clone(), level))
            })
            .collect::<Result<_, ZnodeError>>()?;
        match json.version {
            1 | 2 => Ok(FeatureZnode { status, levels }),
            other => Err(ZnodeError::version(WHAT, other)),
        }
    }
}
