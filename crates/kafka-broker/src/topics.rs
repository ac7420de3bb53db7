//! Creates, deletes and grows topics: plans and checks, writes the znodes, waits until the controller has done its part.
//!
//! The way of a request is the same for an administrator's CreateTopics and for a topic that a producer or a group
//! makes by asking for it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_metadata::placement::{Candidate, Placement, place, start_for_added};
use kafka_metadata::znodes::topics::{ReplicaAssignment, TopicAssignment};
use kafka_metadata::{MetadataImage, topic_config, topic_name, znodes};
use kafka_types::{BrokerId, ErrorCode, TopicName, Uuid};
use tracing::{error, info, warn};

use crate::broker::Broker;

/// How long the reply to a request that makes a topic on the way waits for its leaders.
const BRIEFLY: Duration = Duration::from_secs(2);

/// Why a topic was not made or changed: code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicError {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl TopicError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> TopicError {
        TopicError { code, message: message.into() }
    }

    fn storage(error: &dyn std::fmt::Display) -> TopicError {
        TopicError::new(ErrorCode::UnknownServerError, error.to_string())
    }
}

/// A topic as it is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewTopic {
    pub(crate) name: String,
    /// `None`: the broker's default.
    pub(crate) partitions: Option<i32>,
    /// `None`: the broker's default.
    pub(crate) replication_factor: Option<i32>,
    /// Replicas by partition; empty: the broker chooses.
    pub(crate) assignment: BTreeMap<i32, Vec<BrokerId>>,
    pub(crate) settings: BTreeMap<String, String>,
}

/// A topic as it will be.
#[derive(Debug, Clone)]
pub(crate) struct PlannedTopic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) replicas: BTreeMap<i32, Vec<BrokerId>>,
    pub(crate) settings: BTreeMap<String, String>,
}

/// How long to wait until a new topic has leaders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creation {
    wait: Duration,
}

impl Creation {
    /// As long as a client of today waits without noticing.
    pub(crate) fn wait_briefly() -> Creation {
        Creation { wait: BRIEFLY }
    }
}

/// Topic administration on one broker.
pub(crate) struct Topics<'b> {
    broker: &'b Broker,
}

impl<'b> Topics<'b> {
    pub(crate) fn new(broker: &'b Broker) -> Topics<'b> {
        Topics { broker }
    }

    /// Checks a wish and chooses what it leaves open; writes nothing.
    pub(crate) async fn plan(&self, wish: NewTopic) -> Result<PlannedTopic, TopicError> {
        let image = self.broker.metadata.image();
        topic_name::validate(&wish.name)
            .map_err(|error| TopicError::new(ErrorCode::InvalidTopicException, error.to_string()))?;
        if image.topic(&wish.name).is_some() {
            return Err(already_exists(&wish.name));
        }
        if topic_name::has_collision_chars(&wish.name) {
            self.refuse_collision(&wish.name).await?;
        }
        topic_config::validate(&self.broker.config.broker().topic_defaults(), &wish.settings)
            .map_err(|error| TopicError::new(ErrorCode::InvalidConfig, error.to_string()))?;
        let replicas = self.replicas(&wish, &image)?;
        Ok(PlannedTopic { name: wish.name, id: crate::clock::random_uuid(), replicas, settings: wish.settings })
    }

    /// Looks at the znodes: a topic that was made a moment ago has not come to the image yet.
    async fn refuse_collision(&self, wish: &str) -> Result<(), TopicError> {
        let topics = self.broker.zookeeper.children(znodes::topics::TOPICS, false).await;
        let topics = topics.map_err(|error| TopicError::storage(&error))?;
        if topics.iter().any(|name| name == wish) {
            return Err(already_exists(wish));
        }
        let colliding: Vec<String> = topics.into_iter().filter(|name| topic_name::collide(name, wish)).collect();
        if colliding.is_empty() {
            return Ok(());
        }
        let message = format!("Topic '{wish}' collides with existing topics: {}", colliding.join(", "));
        Err(TopicError::new(ErrorCode::InvalidTopicException, message))
    }

    fn replicas(&self, wish: &NewTopic, image: &MetadataImage) -> Result<BTreeMap<i32, Vec<BrokerId>>, TopicError> {
        if !wish.assignment.is_empty() {
            check_assignment(&wish.assignment)?;
            return Ok(wish.assignment.clone());
        }
        let partitions = wish.partitions.unwrap_or_else(|| self.broker.config.default_partitions());
        let factor = wish.replication_factor.unwrap_or_else(|| self.broker.config.default_replication_factor());
        if partitions <= 0 {
            return Err(TopicError::new(ErrorCode::InvalidPartitions, "Number of partitions must be larger than 0."));
        }
        if factor <= 0 {
            return Err(TopicError::new(
                ErrorCode::InvalidReplicationFactor,
                "Replication factor must be larger than 0.",
            ));
        }
        let candidates = candidates(image);
        let random = |below: usize| {
            let bytes = crate::clock::random_bytes();
            usize::from(u16::from_be_bytes([bytes[0], bytes[1]])) % below.max(1)
        };
        let wanted = Placement {
            partitions,
            replication_factor: factor,
            first_partition: 0,
            start: random(candidates.len()),
            shift: random(candidates.len()),
        };
        place(&candidates, wanted)
            .map_err(|error| TopicError::new(ErrorCode::InvalidReplicationFactor, error.to_string()))
    }

    /// Writes a planned topic; the controller sees it and does the rest.
    pub(crate) async fn create(&self, topic: &PlannedTopic) -> Result<(), TopicError> {
        info!(
            target: "kafka.zk.AdminZkClient",
            "Creating topic {} with configuration {{{}}} and initial partition assignment {}",
            topic.name,
            topic.settings.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", "),
            as_scala_prints(&topic.replicas)
        );
        let partitions =
            topic.replicas.iter().map(|(index, replicas)| (*index, ReplicaAssignment::of(replicas.clone())));
        let assignment = TopicAssignment { id: Some(topic.id), partitions: partitions.collect() };
        match self.broker.zookeeper.create_topic(&topic.name, &assignment, &topic.settings).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(already_exists(&topic.name)),
            Err(error) => Err(TopicError::storage(&error)),
        }
    }

    /// Waits until every partition of a topic has a leader here; `false` if it took too long.
    pub(crate) async fn wait_for_leaders(&self, name: &str, partitions: usize, at_most: Duration) -> bool {
        let ready = |image: &MetadataImage| {
            image.topic(name).is_some_and(|topic| {
                topic.partitions.len() >= partitions
                    && topic.partitions.values().all(|partition| partition.leader >= BrokerId(0))
            })
        };
        self.broker.metadata.wait_for(at_most, ready).await
    }

    /// Makes a topic that somebody asked for by its name, with the broker's defaults.
    pub(crate) async fn create_automatically(&self, name: &str, creation: Creation) -> Result<(), ErrorCode> {
        self.create_on_the_way(NewTopic { name: name.to_owned(), ..NewTopic::default() }, creation).await
    }

    /// Makes one of Kafka's own topics.
    pub(crate) async fn create_internal(&self, name: &str, creation: Creation) -> Result<(), ErrorCode> {
        let config = &self.broker.config;
        let texts = |pairs: &[(&str, String)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<BTreeMap<_, _>>()
        };
        let (settings, prefix, kind) = if name == topic_name::GROUP_METADATA {
            let settings = texts(&[
                ("cleanup.policy", "compact".to_owned()),
                ("compression.type", "producer".to_owned()),
                ("segment.bytes", config.positive("offsets.topic.segment.bytes").to_string()),
            ]);
            (settings, "offsets.topic", "offsets")
        } else {
            let min_in_sync = config.positive("transaction.state.log.min.isr").to_string();
            let settings = texts(&[
                ("unclean.leader.election.enable", "false".to_owned()),
                ("compression.type", "uncompressed".to_owned()),
                ("cleanup.policy", "compact".to_owned()),
                ("min.insync.replicas", min_in_sync),
                ("segment.bytes", config.positive("transaction.state.log.segment.bytes").to_string()),
            ]);
            (settings, "transaction.state.log", "transaction state")
        };
        let wish = NewTopic {
            name: name.to_owned(),
            partitions: Some(config.positive(&format!("{prefix}.num.partitions")) as i32),
            replication_factor: Some(config.positive(&format!("{prefix}.replication.factor")) as i32),
            settings,
            ..NewTopic::default()
        };
        let wanted = wish.replication_factor.unwrap_or_default();
        let alive = self.broker.metadata.image().brokers().len();
        if wanted as usize > alive {
            error!(
                target: "kafka.server.DefaultAutoTopicCreationManager",
                "Number of alive brokers '{alive}' does not meet the required replication factor '{wanted}' for the \
                 {kind} topic (configured via '{prefix}.replication.factor'). This error can be ignored if the \
                 cluster is starting up and not all brokers are up yet."
            );
            return Err(ErrorCode::CoordinatorNotAvailable);
        }
        self.create_on_the_way(wish, creation).await
    }

    async fn create_on_the_way(&self, wish: NewTopic, creation: Creation) -> Result<(), ErrorCode> {
        let name = wish.name.clone();
        let partitions = match self.plan(wish).await {
            Ok(planned) => match self.create(&planned).await {
                Ok(()) => planned.replicas.len(),
                // Somebody else was faster; wait for theirs.
                Err(error) if error.code == ErrorCode::TopicAlreadyExists => 1,
                Err(error) => return Err(report(&name, &error)),
            },
            Err(error) if error.code == ErrorCode::TopicAlreadyExists => 1,
            Err(error) => return Err(report(&name, &error)),
        };
        if self.wait_for_leaders(&name, partitions, creation.wait).await {
            Ok(())
        } else {
            Err(ErrorCode::LeaderNotAvailable)
        }
    }

    /// Marks a topic for deletion and waits until it is gone from the metadata.
    pub(crate) async fn delete(&self, name: &TopicName, at_most: Duration) -> Result<(), TopicError> {
        match self.broker.zookeeper.delete_topic(name).await {
            // Marked by somebody else already: both wait for the same end.
            Ok(_) => {}
            Err(error) => return Err(TopicError::storage(&error)),
        }
        if self.broker.metadata.wait_for(at_most, |image| image.topic(name).is_none()).await {
            Ok(())
        } else {
            Err(TopicError::new(ErrorCode::RequestTimedOut, "The topic is marked for deletion and not gone yet."))
        }
    }

    /// Adds partitions to a topic until it has `count`; `validate_only` only checks.
    pub(crate) async fn grow(
        &self,
        name: &str,
        count: i32,
        assignment: Option<Vec<Vec<BrokerId>>>,
        validate_only: bool,
    ) -> Result<usize, TopicError> {
        let stored = self.broker.zookeeper.topic(name).await.map_err(|error| TopicError::storage(&error))?;
        let Some((mut topic, version)) = stored else {
            return Err(TopicError::new(
                ErrorCode::UnknownTopicOrPartition,
                format!("The topic '{name}' does not exist."),
            ));
        };
        if topic.partitions.values().any(ReplicaAssignment::is_reassigning) {
            let message = format!("A partition reassignment is in progress for the topic '{name}'.");
            return Err(TopicError::new(ErrorCode::ReassignmentInProgress, message));
        }
        let marked = self.broker.zookeeper.exists(&znodes::admin::delete_topic_path(name), false).await;
        if marked.map_err(|error| TopicError::storage(&error))?.is_some() {
            return Err(TopicError::new(ErrorCode::InvalidTopicException, "The topic is queued for deletion."));
        }
        let added = added_partitions(&topic, count, assignment, &self.broker.metadata.image())?;
        let total = topic.partitions.len() + added.len();
        if validate_only {
            return Ok(total);
        }
        info!(
            target: "kafka.zk.AdminZkClient",
            "Creating {} partitions for '{name}' with the following replica assignment: {added:?}.", added.len()
        );
        topic.partitions.extend(added.into_iter().map(|(index, replicas)| (index, ReplicaAssignment::of(replicas))));
        let path = kafka_metadata::znodes::topics::path(name);
        let data = bytes::Bytes::from(topic.encode());
        let set = self.broker.zookeeper.retry(|client| {
            let (path, data) = (path.clone(), data.clone());
            async move { client.set(&path, Some(data), version).await }
        });
        set.await.map_err(|error| TopicError::storage(&error))?;
        Ok(total)
    }
}

fn report(name: &str, error: &TopicError) -> ErrorCode {
    warn!(target: "kafka.server.DefaultAutoTopicCreationManager", "Topic {name} cannot be created automatically: {}", error.message);
    error.code
}

fn already_exists(name: &str) -> TopicError {
    TopicError::new(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists."))
}

fn candidates(image: &MetadataImage) -> Vec<Candidate> {
    image.brokers().values().map(|broker| Candidate { id: broker.id, rack: broker.rack.clone() }).collect()
}

/// An assignment as it stands in Apache's log lines and messages.
fn as_scala_prints(assignment: &BTreeMap<i32, Vec<BrokerId>>) -> String {
    let partition = |(partition, replicas): (&i32, &Vec<BrokerId>)| {
        format!("{partition} -> ArrayBuffer({})", joined(replicas.iter()))
    };
    format!("HashMap({})", assignment.iter().map(partition).collect::<Vec<_>>().join(", "))
}

fn joined<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn has_twins(replicas: &[BrokerId]) -> bool {
    replicas.iter().collect::<BTreeSet<_>>().len() != replicas.len()
}

fn bad_assignment<T>(message: impl Into<String>) -> Result<T, TopicError> {
    Err(TopicError::new(ErrorCode::InvalidReplicaAssignment, message))
}

/// Brokers that are down may be named: the topic gets its leaders when they come.
fn check_assignment(assignment: &BTreeMap<i32, Vec<BrokerId>>) -> Result<(), TopicError> {
    let factor = assignment.values().next().map_or(0, Vec::len);
    if assignment.values().any(|replicas| replicas.is_empty() || replicas.len() != factor) {
        return bad_assignment("All partitions should have the same number of replicas");
    }
    if assignment.values().any(|replicas| has_twins(replicas)) {
        return bad_assignment(format!("Duplicate replica assignment found: {}", as_scala_prints(assignment)));
    }
    if !assignment.keys().copied().eq(0..assignment.len() as i32) {
        return bad_assignment("partitions should be a consecutive 0-based integer sequence");
    }
    match assignment.values().flatten().find(|id| **id < BrokerId(0)) {
        Some(id) => bad_assignment(format!("Unknown broker(s) in replica assignment: {id}.")),
        None => Ok(()),
    }
}

/// Partitions that join others need as many replicas as those, on brokers that are there.
fn check_added(added: &BTreeMap<i32, Vec<BrokerId>>, factor: usize, image: &MetadataImage) -> Result<(), TopicError> {
    let unknown: BTreeSet<BrokerId> = added.values().flatten().copied().filter(|id| !image.is_alive(*id)).collect();
    if !unknown.is_empty() {
        return bad_assignment(format!("Unknown broker(s) in replica assignment: {}.", joined(unknown.iter())));
    }
    for (partition, replicas) in added {
        if replicas.is_empty() {
            return bad_assignment(format!("Cannot have replication factor of 0 for partition id {partition}."));
        }
        if has_twins(replicas) {
            return bad_assignment(format!(
                "Duplicate brokers not allowed in replica assignment: {} for partition id {partition}.",
                joined(replicas.iter())
            ));
        }
    }
    let odd: Vec<(&i32, &Vec<BrokerId>)> = added.iter().filter(|(_, replicas)| replicas.len() != factor).collect();
    if odd.is_empty() {
        return Ok(());
    }
    bad_assignment(format!(
        "Inconsistent replication factor between partitions, partition 0 has {factor} while partitions [{}] have \
         replication factors [{}], respectively.",
        joined(odd.iter().map(|(partition, _)| partition)),
        joined(odd.iter().map(|(_, replicas)| replicas.len()))
    ))
}

fn added_partitions(
    topic: &TopicAssignment,
    count: i32,
    assignment: Option<Vec<Vec<BrokerId>>>,
    image: &MetadataImage,
) -> Result<BTreeMap<i32, Vec<BrokerId>>, TopicError> {
    let existing = topic.partitions.len() as i32;
    if count <= existing {
        let message = if count == existing {
            format!("Topic already has {existing} partitions.")
        } else {
            format!("Topic currently has {existing} partitions, which is higher than the requested {count}.")
        };
        return Err(TopicError::new(ErrorCode::InvalidPartitions, message));
    }
    let first: Vec<BrokerId> = topic.partitions.values().next().map(|first| first.replicas.clone()).unwrap_or_default();
    if let Some(assignment) = assignment {
        if assignment.len() as i32 != count - existing {
            let message = format!(
                "Increasing the number of partitions by {} but {} assignments provided.",
                count - existing,
                assignment.len()
            );
            return Err(TopicError::new(ErrorCode::InvalidReplicaAssignment, message));
        }
        let added: BTreeMap<i32, Vec<BrokerId>> = (existing..).zip(assignment).collect();
        check_added(&added, first.len(), image)?;
        return Ok(added);
    }
    let candidates = candidates(image);
    let start = start_for_added(&candidates, &first);
    let wanted = Placement {
        partitions: count - existing,
        replication_factor: first.len() as i32,
        first_partition: existing,
        start,
        shift: start,
    };
    place(&candidates, wanted).map_err(|error| TopicError::new(ErrorCode::InvalidReplicaAssignment, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(partitions: &[(i32, &[i32])]) -> BTreeMap<i32, Vec<BrokerId>> {
        let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
        partitions.iter().map(|(index, replicas)| (*index, ids(replicas))).collect()
    }

    fn refusal(partitions: &[(i32, &[i32])]) -> String {
        check_assignment(&assignment(partitions)).expect_err("refused").message
    }

    #[test]
    fn an_assignment_is_judged_in_the_words_of_the_original() {
        assert_eq!(
            check_assignment(&assignment(&[(0, &[0]), (1, &[7])])),
            Ok(()),
            "a broker that is down may be named"
        );
        assert_eq!(refusal(&[(0, &[0, 0])]), "Duplicate replica assignment found: HashMap(0 -> ArrayBuffer(0, 0))");
        assert_eq!(refusal(&[(0, &[0]), (1, &[0, 1])]), "All partitions should have the same number of replicas");
        assert_eq!(refusal(&[(0, &[])]), "All partitions should have the same number of replicas");
        assert_eq!(refusal(&[(1, &[0])]), "partitions should be a consecutive 0-based integer sequence");
        assert_eq!(refusal(&[(0, &[-1])]), "Unknown broker(s) in replica assignment: -1.");
    }

    #[test]
    fn added_partitions_are_judged_in_the_words_of_the_original() {
        let image = MetadataImage::default();
        let refusal =
            |partitions, factor| check_added(&assignment(partitions), factor, &image).expect_err("refused").message;
        assert_eq!(refusal(&[(2, &[5]), (3, &[4, 5])], 1), "Unknown broker(s) in replica assignment: 4, 5.");
        assert_eq!(refusal(&[(2, &[])], 1), "Cannot have replication factor of 0 for partition id 2.");
    }
}
