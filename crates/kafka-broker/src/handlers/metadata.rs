//! Metadata: brokers, topics, leaders; topics that are missing may be created on the way.

use std::collections::HashSet;
use std::sync::Arc;

use kafka_metadata::{MetadataImage, PartitionImage, TopicImage, topic_name};
use kafka_security::{Operation, ResourceType};
use kafka_types::{BrokerId, ErrorCode, Uuid};
use kafka_wire::metadata::{self as wire, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};

use super::{Context, NO_AUTHORIZED_OPERATIONS};
use crate::topics::Creation;

pub(crate) async fn handle(context: &Context, request: wire::Request) -> wire::Response {
    let version = wire::Version(context.version);
    if version.forbids_topic_ids(&request) {
        return refuse_all(request);
    }
    let wants_all = version.wants_all(&request);
    let may_create = !version.may_forbid_auto_creation() || request.allow_auto_topic_creation;
    let mut answers = Answers {
        context,
        version,
        image: context.broker.metadata.image(),
        with_operations: request.include_topic_authorized_operations,
    };
    let mut topics = Vec::new();
    if wants_all {
        let all: Vec<Arc<TopicImage>> = answers.image.topics().cloned().collect();
        let visible =
            |topic: &&Arc<TopicImage>| context.may_quietly(Operation::Describe, ResourceType::Topic, &topic.name);
        topics.extend(all.iter().filter(visible).map(|topic| answers.describe(topic)));
    } else {
        let asked = request.topics.unwrap_or_default();
        // One id makes it a request by ids; names beside it do not count.
        let by_ids = asked.iter().any(|topic| topic.topic_id != Uuid::ZERO);
        let (mut seen, mut unknown) = (HashSet::new(), Vec::new());
        let (mut hidden, mut forbidden) = (Vec::new(), Vec::new());
        for asked in asked.into_iter().filter(|asked| !by_ids || asked.topic_id != Uuid::ZERO) {
            if !seen.insert((asked.topic_id, asked.name.clone().filter(|_| !by_ids))) {
                continue;
            }
            let name = asked.name.filter(|_| !by_ids);
            let known = answers.image.topic_by_id(asked.topic_id).map(|topic| topic.name.to_string());
            if let Some(wanted) = name.as_ref().or(known.as_ref())
                && !context.may_on_topic(Operation::Describe, wanted)
            {
                // Names are not told to who asks by id; ids are no secret, but not told to who asks by name.
                let id = if by_ids { asked.topic_id } else { Uuid::ZERO };
                hidden.push(unauthorized(name, id));
                continue;
            }
            match name {
                Some(name) if answers.may_not_create(&name, may_create) => {
                    let is_internal = topic_name::is_internal(&name);
                    let forbidding = unauthorized(Some(name), Uuid::ZERO);
                    forbidden.push(MetadataResponseTopic { is_internal, ..forbidding });
                }
                Some(name) => topics.push(answers.by_name(name, may_create).await),
                None => match answers.image.topic_by_id(asked.topic_id) {
                    Some(topic) => topics.push(answers.describe(topic)),
                    None => unknown.push(unknown_id(asked.topic_id)),
                },
            }
        }
        unknown.append(&mut topics);
        topics = unknown;
        topics.append(&mut forbidden);
        topics.append(&mut hidden);
    }
    let image = answers.image;
    let cluster_operations = request.include_cluster_authorized_operations && version.allows_cluster_operations();
    wire::Response {
        throttle_time_ms: 0,
        brokers: brokers(&image, &context.listener.name),
        cluster_id: Some(context.broker.cluster_id.clone()),
        controller_id: image.controller().unwrap_or(BrokerId::NONE).0,
        topics,
        cluster_authorized_operations: context.cluster_operations_if(cluster_operations),
    }
}

fn brokers(image: &MetadataImage, listener: &str) -> Vec<MetadataResponseBroker> {
    let reachable = image.brokers().values().filter_map(|broker| Some((broker, broker.endpoint(listener)?)));
    let broker = |(broker, endpoint): (&kafka_metadata::Broker, &kafka_metadata::Endpoint)| MetadataResponseBroker {
        node_id: broker.id.0,
        host: endpoint.host.clone(),
        port: endpoint.port,
        rack: broker.rack.clone(),
    };
    reachable.map(broker).collect()
}

/// A topic that the client may not know of, or may not make: whether it is there is not told.
fn unauthorized(name: Option<String>, topic_id: Uuid) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: ErrorCode::TopicAuthorizationFailed.code(),
        name,
        topic_id,
        topic_authorized_operations: NO_AUTHORIZED_OPERATIONS,
        ..Default::default()
    }
}

/// Nothing is told of an id that nobody knows, not even what may be done with it.
fn unknown_id(topic_id: Uuid) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: ErrorCode::UnknownTopicId.code(),
        name: None,
        topic_id,
        topic_authorized_operations: NO_AUTHORIZED_OPERATIONS,
        ..Default::default()
    }
}

struct Answers<'c> {
    context: &'c Context,
    version: wire::Version,
    image: Arc<MetadataImage>,
    with_operations: bool,
}

impl Answers<'_> {
    /// Would the topic be made on the way if the client were allowed to make it?
    fn may_not_create(&self, name: &str, may_create: bool) -> bool {
        may_create
            && self.context.broker.config.auto_create_topics()
            && self.image.topic(name).is_none()
            && !self.context.may_on_cluster_quietly(Operation::Create)
            && !self.context.may_on_topic(Operation::Create, name)
    }

    async fn by_name(&mut self, name: String, may_create: bool) -> MetadataResponseTopic {
        if let Some(topic) = self.image.topic(&name) {
            return self.describe(&Arc::clone(topic));
        }
        if topic_name::validate(&name).is_err() {
            return self.refused(Some(name), ErrorCode::InvalidTopicException);
        }
        if !may_create || !self.context.broker.config.auto_create_topics() {
            return self.refused(Some(name), ErrorCode::UnknownTopicOrPartition);
        }
        let topics = self.context.broker.topics();
        let created = if topic_name::is_internal(&name) {
            topics.create_internal(&name, Creation::wait_briefly()).await
        } else {
            topics.create_automatically(&name, Creation::wait_briefly()).await
        };
        self.image = self.context.broker.metadata.image();
        match (created, self.image.topic(&name)) {
            (_, Some(topic)) => self.describe(&Arc::clone(topic)),
            (Ok(()), None) => self.refused(Some(name), ErrorCode::LeaderNotAvailable),
            (Err(error), None) => self.refused(Some(name), error),
        }
    }

    fn operations(&self, topic: &str) -> i32 {
        self.context.operations_if(self.with_operations, ResourceType::Topic, topic)
    }

    fn refused(&self, name: Option<String>, error: ErrorCode) -> MetadataResponseTopic {
        let is_internal = name.as_deref().is_some_and(topic_name::is_internal);
        let operations = self.operations(name.as_deref().unwrap_or_default());
        MetadataResponseTopic {
            error_code: error.code(),
            name,
            is_internal,
            topic_authorized_operations: operations,
            ..Default::default()
        }
    }

    fn describe(&self, topic: &TopicImage) -> MetadataResponseTopic {
        MetadataResponseTopic {
            error_code: 0,
            name: Some(topic.name.to_string()),
            topic_id: topic.id,
            is_internal: topic_name::is_internal(&topic.name),
            partitions: topic.partitions.iter().map(|(index, image)| self.partition(*index, image)).collect(),
            topic_authorized_operations: self.operations(&topic.name),
        }
    }

    fn partition(&self, index: i32, image: &PartitionImage) -> MetadataResponsePartition {
        let alive = |id: &BrokerId| self.image.is_alive(*id);
        let old = self.version.leaves_out_dead_replicas();
        let listed =
            |ids: &[BrokerId]| -> Vec<i32> { ids.iter().filter(|id| !old || alive(id)).map(|id| id.0).collect() };
        let reachable = self.image.endpoint(image.leader, &self.context.listener.name).is_some();
        let error = if image.leader == BrokerId::NONE || !self.image.is_alive(image.leader) {
            ErrorCode::LeaderNotAvailable
        } else if !reachable {
            if self.version.knows_listener_not_found() {
                ErrorCode::ListenerNotFound
            } else {
                ErrorCode::LeaderNotAvailable
            }
        } else if old && (!image.replicas.iter().all(alive) || !image.isr.iter().all(alive)) {
            ErrorCode::ReplicaNotAvailable
        } else {
            ErrorCode::None
        };
        MetadataResponsePartition {
            error_code: error.code(),
            partition_index: index,
            leader_id: if reachable { image.leader.0 } else { BrokerId::NONE.0 },
            leader_epoch: image.leader_epoch.0,
            replica_nodes: listed(&image.replicas),
            isr_nodes: listed(&image.isr),
            offline_replicas: image.offline.iter().map(|id| id.0).collect(),
        }
    }
}

/// Versions that carry ids and do not allow to ask by them: the whole request is at fault, and no broker is named.
fn refuse_all(request: wire::Request) -> wire::Response {
    let topics = request.topics.unwrap_or_default().into_iter().map(|asked| MetadataResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(asked.name.unwrap_or_default()),
        topic_id: asked.topic_id,
        ..Default::default()
    });
    wire::Response { topics: topics.collect(), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_wire::metadata::MetadataRequestTopic;

    #[test]
    fn ids_before_their_version_fail_the_whole_request() {
        let by_id = MetadataRequestTopic { topic_id: Uuid([7; 16]), name: None };
        let by_name = MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some("t".to_owned()) };
        let request = wire::Request { topics: Some(vec![by_name, by_id]), ..Default::default() };
        let response = refuse_all(request);
        assert!(response.brokers.is_empty() && response.controller_id == -1);
        let told: Vec<(i16, Option<&str>)> =
            response.topics.iter().map(|topic| (topic.error_code, topic.name.as_deref())).collect();
        assert_eq!(told, [(42, Some("t")), (42, Some(""))]);
    }
}
