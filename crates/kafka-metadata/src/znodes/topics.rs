//! `/brokers/topics/T`: which partitions a topic has and which brokers hold them.

use std::collections::BTreeMap;

use kafka_types::{BrokerId, Uuid};
use serde::{Deserialize, Serialize};

use super::{ZnodeError, broker_ids, from_json, raw, to_json};

/// Parent of the topics.
pub const TOPICS: &str = "/brokers/topics";

const WHAT: &str = "assignment of a topic in /brokers/topics";
const VERSION: i32 = 3;

/// Where a topic is.
pub fn path(topic: &str) -> String {
    format!("{TOPICS}/{topic}")
}

/// Parent of a topic's partitions.
pub fn partitions_path(topic: &str) -> String {
    format!("{TOPICS}/{topic}/partitions")
}

/// Who holds one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaAssignment {
    /// All that hold it or shall hold it; the first is the preferred leader.
    pub replicas: Vec<BrokerId>,
    /// Those among `replicas` that a reassignment brings in.
    pub adding: Vec<BrokerId>,
    /// Those among `replicas` that a reassignment takes out.
    pub removing: Vec<BrokerId>,
}

impl ReplicaAssignment {
    /// Nobody comes or goes.
    pub fn of(replicas: Vec<BrokerId>) -> ReplicaAssignment {
        ReplicaAssignment { replicas, adding: Vec::new(), removing: Vec::new() }
    }

    /// Is a reassignment under way?
    pub fn is_reassigning(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// Those that hold it when the reassignment is done.
    pub fn target(&self) -> Vec<BrokerId> {
        self.replicas.iter().copied().filter(|id| !self.removing.contains(id)).collect()
    }

    /// Those that held it before the reassignment began.
    pub fn origin(&self) -> Vec<BrokerId> {
        self.replicas.iter().copied().filter(|id| !self.adding.contains(id)).collect()
    }

    /// On the way to these replicas, from where it was before any move began: the new ones first, in their order, then
    /// those that will go.
    pub fn reassign_to(&self, target: &[BrokerId]) -> ReplicaAssignment {
        let origin = self.origin();
        let mut replicas = target.to_vec();
        replicas.extend(origin.iter().copied().filter(|id| !target.contains(id)));
        let without =
            |others: &[BrokerId]| replicas.iter().copied().filter(|id| !others.contains(id)).collect::<Vec<_>>();
        let (adding, removing) = (without(&origin), without(target));
        ReplicaAssignment { replicas, adding, removing }
    }
}

/// A topic's id and who holds its partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicAssignment {
    /// The id; `None` in what brokers before 2.8 wrote, the controller then gives it one.
    pub id: Option<Uuid>,
    /// By partition.
    pub partitions: BTreeMap<i32, ReplicaAssignment>,
}

#[derive(Serialize, Deserialize)]
struct Json {
    partitions: BTreeMap<NumberKey, Vec<i32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic_id: Option<String>,
    #[serde(default)]
    adding_replicas: BTreeMap<NumberKey, Vec<i32>>,
    #[serde(default)]
    removing_replicas: BTreeMap<NumberKey, Vec<i32>>,
    version: i32,
}

/// A number that is a text in JSON because it is a key, and sorts as the number.
type NumberKey = i32;

impl TopicAssignment {
    /// The znode's data, version 3.
    pub fn encode(&self) -> Vec<u8> {
        let part = |of: fn(&ReplicaAssignment) -> &Vec<BrokerId>| {
            let filled = self.partitions.iter().filter(|(_, assignment)| !of(assignment).is_empty());
            filled.map(|(&partition, assignment)| (partition, raw(of(assignment)))).collect()
        };
        to_json(&Json {
            partitions: self.partitions.iter().map(|(&partition, one)| (partition, raw(&one.replicas))).collect(),
            topic_id: self.id.map(|id| id.to_string()),
            adding_replicas: part(|assignment| &assignment.adding),
            removing_replicas: part(|assignment| &assignment.removing),
            version: VERSION,
        })
    }

    /// Reads versions 1 to 3.
    pub fn decode(data: &[u8]) -> Result<TopicAssignment, ZnodeError> {
        let json: Json = from_json(WHAT, data)?;
        if !(1..=VERSION).contains(&json.version) {
            return Err(ZnodeError::version(WHAT, json.version));
        }
        let id = match json.topic_id {
            Some(text) => Some(text.parse().map_err(|error| ZnodeError::new(WHAT, error))?),
            None => None,
        };
        let of = |map: &BTreeMap<NumberKey, Vec<i32>>, partition| {
            map.get(&partition).map(|ids| broker_ids(ids)).unwrap_or_default()
        };
        let partitions = json
            .partitions
            .iter()
            .map(|(&partition, replicas)| {
                let adding = of(&json.adding_replicas, partition);
                let removing = of(&json.removing_replicas, partition);
                (partition, ReplicaAssignment { replicas: broker_ids(replicas), adding, removing })
            })
            .collect();
        Ok(TopicAssignment { id, partitions })
    }
}
