//! Moves begun and cancelled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kafka_client::admin::PartitionMove;
use kafka_client::{Admin, Error};
use kafka_types::{BrokerId, ErrorCode, TopicPartition};

use super::plan::{Plan, Replica, to_json};
use super::states::{self, DirState, describe};
use super::{COMMAND_FAILED, Ended, throttles};
use crate::java_order;
use crate::options::Options;
use crate::output::Console;

/// Between two tries to move replicas that have not come to their broker yet.
const PAUSE: Duration = Duration::from_millis(100);

/// Begins the moves of a plan.
pub(super) async fn execute(admin: &Admin, plan: &Plan, options: &Options, console: &mut Console) -> Result<(), Ended> {
    let between_brokers = options.number::<i64>("throttle")?.filter(|rate| *rate >= 0);
    let between_dirs = options.number::<i64>("replica-alter-log-dirs-throttle")?.filter(|rate| *rate >= 0);
    let timeout = timeout(options)?;
    let goals = plan.executable()?;
    let moving = states::moving(admin).await?;
    if !options.has("additional") && !moving.is_empty() {
        return Err(Ended::Terse(
            "Cannot execute because there is an existing partition assignment.  Use --additional to override this and \
             create a new partition assignment in addition to the existing one. The --additional flag can also be used \
             to change the throttle by resubmitting the current reassignment."
                .to_owned(),
        ));
    }
    brokers_exist(admin, &goals).await?;
    let current = current(admin, &goals).await?;
    console.line(&format!(
        "Current partition replica assignment\n\n{}\n\nSave this to use as the --reassignment-json-file option during \
         rollback",
        to_json(&current)
    ));
    if between_brokers.or(between_dirs).is_some() {
        console.line(
            "Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is \
             removed.",
        );
    }
    if let Some(rate) = between_brokers {
        throttles::between_brokers(admin, &throttles::moves(&moving, &goals, &current), rate, console).await?;
    }
    if let Some(rate) = between_dirs {
        throttles::between_dirs(admin, plan.dirs.keys().map(|replica| replica.broker), rate, console).await?;
    }
    let moves: Vec<PartitionMove> =
        goals.iter().map(|(partition, replicas)| (partition.clone(), Some(replicas.clone()))).collect();
    alter(admin, &moves, |_| "Error reassigning partition(s):".to_owned()).await?;
    console.line(&format!("Successfully started partition reassignment{} for {}", plural(&moves), listed(&goals)));
    if plan.dirs.is_empty() { Ok(()) } else { move_dirs(admin, plan.dirs.clone(), timeout, console).await }
}

/// Takes back the moves of a plan that are under way.
pub(super) async fn cancel(admin: &Admin, plan: &Plan, options: &Options, console: &mut Console) -> Result<(), Ended> {
    let timeout = timeout(options)?;
    let named: BTreeSet<&TopicPartition> = plan.partitions.iter().map(|(partition, _)| partition).collect();
    let mut moving = states::moving(admin).await?;
    // As Apache's does it, a move that only brings replicas in is not taken back.
    moving.retain(|partition, one| named.contains(partition) && (one.adding.is_empty() || !one.removing.is_empty()));
    if moving.is_empty() {
        console.line("None of the specified partition reassignments are active.");
    } else {
        let moves: Vec<PartitionMove> = moving.keys().map(|partition| (partition.clone(), None)).collect();
        alter(admin, &moves, |failed| {
            format!("Error cancelling partition reassignment{} for:", if failed == 1 { "" } else { "s" })
        })
        .await?;
        let text = format!("Successfully cancelled partition reassignment{} for: {}", plural(&moves), listed(&moving));
        console.line(&text);
    }
    let states = states::dir_states(admin, &plan.dirs).await?;
    let back: BTreeMap<Replica, String> = states
        .into_iter()
        .filter_map(|(replica, state)| match state {
            DirState::Moving { from, .. } => Some((replica, from)),
            _ => None,
        })
        .collect();
    if back.is_empty() {
        // Without an end of the line, as Apache's prints it.
        console.bytes(b"None of the specified partition moves are active.");
    } else {
        move_dirs(admin, back, timeout, console).await?;
    }
    if options.has("preserve-throttles") { Ok(()) } else { throttles::clear(admin, plan, console).await }
}

fn timeout(options: &Options) -> Result<Duration, Ended> {
    let ms = options.number::<i64>("timeout")?.unwrap_or(10_000);
    Ok(Duration::from_millis(ms.max(0).cast_unsigned()))
}

fn plural(moves: &[PartitionMove]) -> &'static str {
    if moves.len() == 1 { "" } else { "s" }
}

fn listed<V>(partitions: &BTreeMap<TopicPartition, V>) -> String {
    partitions.keys().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Begins moves, or takes them back; those that failed are told below a headline.
async fn alter(admin: &Admin, moves: &[PartitionMove], headline: impl Fn(usize) -> String) -> Result<(), Ended> {
    let outcomes = match admin.alter_partition_reassignments(moves).await {
        Ok(outcomes) => outcomes,
        Err(error) => moves.iter().map(|(partition, _)| (partition.clone(), Err(error.clone()))).collect(),
    };
    let failed: Vec<String> = outcomes
        .into_iter()
        .filter_map(|(partition, outcome)| outcome.err().map(|error| format!("{partition}: {error}")))
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Ended::Terse(format!("{}\n{}", headline(failed.len()), failed.join("\n"))))
}

async fn brokers_exist(admin: &Admin, goals: &BTreeMap<TopicPartition, Vec<BrokerId>>) -> Result<(), Ended> {
    let there: BTreeSet<BrokerId> = admin.describe_cluster().await?.brokers.iter().map(|broker| broker.id).collect();
    let named: BTreeSet<BrokerId> = goals.values().flatten().copied().collect();
    let named = java_order::of_map(named.into_iter().collect(), |id: &BrokerId| id.0);
    match named.into_iter().find(|id| !there.contains(id)) {
        Some(id) => Err(Ended::thrown(COMMAND_FAILED, format!("Unknown broker id {id}"))),
        None => Ok(()),
    }
}

/// Where the partitions are now.
async fn current(
    admin: &Admin,
    goals: &BTreeMap<TopicPartition, Vec<BrokerId>>,
) -> Result<BTreeMap<TopicPartition, Vec<BrokerId>>, Ended> {
    let topics: BTreeSet<String> = goals.keys().map(|partition| partition.topic.to_string()).collect();
    let described = describe(admin, &topics.into_iter().collect::<Vec<_>>()).await?;
    let (mut current, mut missing) = (BTreeMap::new(), Vec::new());
    for partition in goals.keys() {
        let topic = described.get(&*partition.topic);
        match topic.and_then(|topic| topic.partition(partition.partition)) {
            Some(found) => {
                current.insert(partition.clone(), found.replicas.clone());
            }
            None => missing.push(partition.clone()),
        }
    }
    if missing.is_empty() {
        return Ok(current);
    }
    let missing = java_order::of_map(missing, java_order::hash_of_partition);
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let message = format!("Unable to find partition: {}", missing.join(", "));
    Err(Ended::executed("org.apache.kafka.common.errors.UnknownTopicOrPartitionException", &message))
}

/// Has replicas moved to directories; those that have not come to their broker yet are tried again until the time is over.
async fn move_dirs(
    admin: &Admin,
    mut pending: BTreeMap<Replica, String>,
    timeout: Duration,
    console: &mut Console,
) -> Result<(), Ended> {
    let began = now();
    loop {
        let begun = begin_dir_moves(admin, &pending).await?;
        for replica in begun {
            let dir = pending.remove(&replica).unwrap_or_default();
            let Replica { broker, partition } = replica;
            // The blank at its end is Apache's.
            console.line(&format!(
                "Successfully started moving log directory to {dir} for replica {partition} with broker {broker} "
            ));
        }
        if pending.is_empty() {
            return Ok(());
        }
        if began.elapsed() >= timeout {
            let left: Vec<String> = pending.keys().map(ToString::to_string).collect();
            return Err(Ended::Terse(format!(
                "Timed out before log directory move{} could be started for: {}",
                if left.len() == 1 { "" } else { "s" },
                left.join(",")
            )));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The replicas whose moves have begun.
async fn begin_dir_moves(admin: &Admin, wanted: &BTreeMap<Replica, String>) -> Result<Vec<Replica>, Ended> {
    let brokers: BTreeSet<BrokerId> = wanted.keys().map(|replica| replica.broker).collect();
    let mut begun = Vec::new();
    for broker in brokers {
        let of_broker = wanted.iter().filter(|(replica, _)| replica.broker == broker);
        let moves: Vec<(TopicPartition, String)> =
            of_broker.map(|(replica, dir)| (replica.partition.clone(), dir.clone())).collect();
        let outcomes = match admin.alter_replica_log_dirs(broker, &moves).await {
            Ok(outcomes) => outcomes,
            Err(error) => moves.into_iter().map(|(partition, _)| (partition, Err(error.clone()))).collect(),
        };
        for (partition, outcome) in outcomes {
            let replica = Replica { broker, partition };
            match outcome {
                Ok(()) => begun.push(replica),
                Err(error) if error.code() == Some(ErrorCode::ReplicaNotAvailable) => {}
                Err(error) => return Err(not_moved(&replica, &error)),
            }
        }
    }
    Ok(begun)
}

fn not_moved(replica: &Replica, error: &Error) -> Ended {
    let (class, text) = (error.exception(), error.to_string());
    Ended::Thrown {
        class: COMMAND_FAILED.to_owned(),
        message: format!("Failed to alter dir for {replica}"),
        causes: vec![("java.util.concurrent.ExecutionException".to_owned(), format!("{class}: {text}")), (class, text)],
    }
}

#[expect(clippy::disallowed_methods, reason = "how long moves may take to begin is a question to the clock")]
fn now() -> Instant {
    Instant::now()
}
