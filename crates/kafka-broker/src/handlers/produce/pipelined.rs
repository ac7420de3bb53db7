//! Requests that a producer has sent one behind the other without waiting for answers (`max.in.flight.requests`): what
//! they have for a partition is appended in one call and goes to its file in one write, in the order in which it came.

use std::collections::HashMap;
use std::time::Duration;

use kafka_types::{Acks, ErrorCode, TopicPartition};
use kafka_wire::produce as wire;

use super::{
    Part, TopicProduceResponse, check, formats_of, is_transactional, note_costs, respond, wait_until_committed,
};
use crate::broker::Broker;
use crate::handlers::Context;
use crate::handlers::twins::last_of_each;
use crate::replicas::groups::Sent;

/// May the request be served together with others? It wants an answer, and is not part of a transaction, of which a
/// coordinator may have to be asked first.
pub(crate) fn is_plain(request: &wire::Request) -> bool {
    request.transactional_id.is_none()
        && matches!(Acks::from_wire(request.acks), Some(Acks::Leader | Acks::All))
        && !is_transactional(request)
}

/// One [plain](is_plain) request on its way.
struct Pending {
    acks: Acks,
    timeout: Duration,
    responses: Vec<TopicProduceResponse>,
    parts: Vec<Part>,
}

/// What goes to one partition, and whose it is: which request, and which of its parts.
#[derive(Default)]
struct Queue {
    sent: Vec<Sent>,
    places: Vec<(usize, usize)>,
}

/// Serves requests that are all [plain](is_plain); the responses are in their order.
pub(crate) async fn handle_all(contexts: &[Context], requests: Vec<wire::Request>) -> Vec<wire::Response> {
    let Some(first) = contexts.first() else { return Vec::new() };
    let mut queues: HashMap<TopicPartition, Queue> = HashMap::new();
    let mut all: Vec<Pending> = Vec::with_capacity(requests.len());
    for (index, (context, request)) in contexts.iter().zip(requests).enumerate() {
        all.push(enqueue(context, request, index, &mut queues));
    }
    append(&first.broker, queues, &mut all).await;
    let mut responses = Vec::with_capacity(all.len());
    for (context, mut pending) in contexts.iter().zip(all) {
        note_costs(context, &pending.parts);
        if pending.acks == Acks::All {
            wait_until_committed(context, &mut pending.parts, pending.timeout).await;
        }
        responses.push(respond(context, pending.responses, pending.parts));
    }
    responses
}

/// Checks what can be checked without the partitions.
fn enqueue(
    context: &Context,
    request: wire::Request,
    index: usize,
    queues: &mut HashMap<TopicPartition, Queue>,
) -> Pending {
    let acks = Acks::from_wire(request.acks).unwrap_or(Acks::All);
    let (image, formats) = (context.broker.metadata.image(), formats_of(context));
    let timeout = Duration::from_millis(request.timeout_ms.max(0) as u64);
    let mut pending = Pending { acks, timeout, responses: Vec::new(), parts: Vec::new() };
    for (topic, data) in last_of_each(request.topic_data).into_iter().enumerate() {
        let name: kafka_types::TopicName = data.name.as_str().into();
        let allowed = context.may_on_topic(kafka_security::Operation::Write, &name);
        for partition in data.partition_data {
            let topic_partition = TopicPartition::new(name.clone(), partition.index);
            let records = partition.records.unwrap_or_default();
            let checked = check(context, &image, formats, &topic_partition, allowed, &records);
            let outcome = checked.and_then(|()| {
                let queue = queues.entry(topic_partition.clone()).or_default();
                queue.sent.push(Sent { records, acks });
                queue.places.push((index, pending.parts.len()));
                // Takes the place of what is not known yet.
                Err(ErrorCode::NotLeaderOrFollower.into())
            });
            pending.parts.push(Part { topic, index: partition.index, topic_partition, outcome });
        }
        pending.responses.push(TopicProduceResponse { name: data.name, ..Default::default() });
    }
    pending
}

/// Appends what there is for each partition.
async fn append(broker: &Broker, queues: HashMap<TopicPartition, Queue>, all: &mut [Pending]) {
    for (partition, Queue { sent, places }) in queues {
        let owner = broker.shards.owner(&partition);
        let appended = broker.shards.on(owner, move |owned| owned.produce_group(&partition, &sent)).await;
        // If the shard has ended, this broker leads nothing any more, as each part says already.
        for ((request, part), outcome) in places.into_iter().zip(appended.unwrap_or_default()) {
            all[request].parts[part].outcome = outcome;
        }
    }
}
