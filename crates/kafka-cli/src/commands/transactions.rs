//! `kafka-transactions.sh`: transactions listed and described, and those that hang found and aborted.

use std::time::{SystemTime, UNIX_EPOCH};

use kafka_client::Admin;
use kafka_client::admin::{ProducerState, TransactionFilter, TransactionToAbort};
use kafka_types::{BrokerId, ProducerEpoch, TopicPartition};

use crate::argparse::{Arg, Command, Ended, Kind, Parsed, Parser};
use crate::exit::{Failure, KAFKA_VERSION};
use crate::output::Console;
use crate::{Invocation, admin, start};

mod hanging;
mod table;

const TOPIC: Arg = Arg::new("--topic", Kind::Text, "TOPIC", "name of the topic");
const PARTITION: Arg = Arg::new("--partition", Kind::Integer, "PARTITION", "number of the partition");

const PARSER: Parser = Parser {
    program: "kafka-transactions.sh",
    purpose: "This tool is used to analyze the transactional state of producers in the cluster. It can be used to \
              detect and recover from hanging transactions.",
    args: &[
        Arg::new("--version", Kind::Flag, "", "print the version and end").short("-v"),
        Arg::new("--command-config", Kind::Text, "FILE", "a file with settings of the admin client"),
        Arg::new("--bootstrap-server", Kind::Text, "host:port", "brokers to begin with, as host:port,..").required(),
    ],
    commands: &[
        Command {
            name: "list",
            help: "list transactions",
            args: &[Arg::new(
                "--duration-filter",
                Kind::Long,
                "DURATION_FILTER",
                "only transactions that began longer ago than so many ms; below 0: all",
            )],
        },
        Command {
            name: "describe",
            help: "describe the state of an active transactional-id",
            args: &[Arg::new(
                "--transactional-id",
                Kind::Text,
                "TRANSACTIONAL_ID",
                "the transactional id of a producer",
            )
            .required()],
        },
        Command {
            name: "describe-producers",
            help: "describe the states of active producers for a topic partition",
            args: &[
                Arg::new("--broker-id", Kind::Integer, "BROKER_ID", "a broker to ask instead of the leader"),
                TOPIC.required(),
                PARTITION.required(),
            ],
        },
        Command {
            name: "abort",
            help: "abort a hanging transaction (requires administrative privileges)",
            args: &[
                TOPIC.required(),
                PARTITION.required(),
                Arg::new(
                    "--start-offset",
                    Kind::Long,
                    "START_OFFSET",
                    "where the transaction begins: that is enough \
                         for brokers from 3.0 on",
                ),
                Arg::new("--producer-id", Kind::Long, "PRODUCER_ID", "for older brokers, with the two epochs"),
                Arg::new("--producer-epoch", Kind::Integer, "PRODUCER_EPOCH", "for older brokers"),
                Arg::new("--coordinator-epoch", Kind::Integer, "COORDINATOR_EPOCH", "for older brokers"),
            ],
        },
        Command {
            name: "find-hanging",
            help: "find hanging transactions",
            args: &[
                Arg::new("--broker-id", Kind::Integer, "BROKER_ID", "a broker whose partitions are looked at"),
                Arg::new(
                    "--max-transaction-timeout",
                    Kind::Integer,
                    "MAX_TRANSACTION_TIMEOUT",
                    "what has been open \
                         for so many minutes may hang (15)",
                ),
                TOPIC,
                PARTITION,
            ],
        },
    ],
};

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let Invocation { args, mut console, .. } = invocation;
    let parsed = match PARSER.parse(&args) {
        Ok(parsed) => parsed,
        Err(Ended::Flag(_)) => {
            console.line(KAFKA_VERSION);
            return 0;
        }
        Err(ended) => return ended.report(&mut console),
    };
    start::block_on(async move {
        match work(&parsed, &mut console).await {
            Ok(()) => 0,
            Err(failure) => {
                failure.lines.iter().for_each(|line| console.error(line));
                failure.code
            }
        }
    })
}

async fn work(parsed: &Parsed, console: &mut Console) -> Result<(), Failure> {
    let server = parsed.text("--bootstrap-server").unwrap_or_default();
    let admin = admin::create(admin::config_for(server, parsed.text("--command-config"))?).await?;
    match parsed.command {
        "list" => list(&admin, parsed, console).await,
        "describe" => describe(&admin, parsed, console).await,
        "describe-producers" => describe_producers(&admin, parsed, console).await,
        "abort" => abort(&admin, parsed).await,
        _ => hanging::find(&admin, parsed, console).await,
    }
}

async fn list(admin: &Admin, parsed: &Parsed, console: &mut Console) -> Result<(), Failure> {
    let duration_ms = parsed.number("--duration-filter").filter(|duration| *duration >= 0);
    let filter = TransactionFilter { duration_ms, ..TransactionFilter::default() };
    let listed = admin.list_transactions(&filter).await.map_err(failed("list transactions"))?;
    let rows = listed.into_iter().map(|one| {
        let coordinator = one.coordinator.0.to_string();
        vec![one.transactional_id, coordinator, one.producer_id.0.to_string(), one.state]
    });
    table::print(
        console,
        &["TransactionalId", "Coordinator", "ProducerId", "TransactionState"],
        &rows.collect::<Vec<_>>(),
    );
    Ok(())
}

async fn describe(admin: &Admin, parsed: &Parsed, console: &mut Console) -> Result<(), Failure> {
    let id = parsed.text("--transactional-id").unwrap_or_default();
    let what = format!("describe transaction state of transactional-id `{id}`");
    let one = admin.describe_transaction(id).await.map_err(failed(&what))?;
    let none = || "None".to_owned();
    let started = one.started.map_or_else(none, |started| started.0.to_string());
    let duration = one.started.map_or_else(none, |started| (now_ms() - started.0).to_string());
    let partitions: Vec<String> = one.partitions.iter().map(ToString::to_string).collect();
    let row = vec![
        one.coordinator.0.to_string(),
        id.to_owned(),
        one.producer_id.0.to_string(),
        one.producer_epoch.0.to_string(),
        one.state,
        one.timeout_ms.to_string(),
        started,
        duration,
        partitions.join(","),
    ];
    let headers = [
        "CoordinatorId",
        "TransactionalId",
        "ProducerId",
        "ProducerEpoch",
        "TransactionState",
        "TransactionTimeoutMs",
        "CurrentTransactionStartTimeMs",
        "TransactionDurationMs",
        "TopicPartitions",
    ];
    table::print(console, &headers, &[row]);
    Ok(())
}

async fn describe_producers(admin: &Admin, parsed: &Parsed, console: &mut Console) -> Result<(), Failure> {
    let partition = partition(parsed);
    let broker = parsed.number("--broker-id").map(|id| BrokerId(id as i32));
    let whom = broker.map_or_else(|| "leader".to_owned(), |id| format!("broker {id}"));
    let what = format!("describe producers for partition {partition} on {whom}");
    let producers = admin.describe_producers(&partition, broker).await.map_err(failed(&what))?;
    let row = |one: ProducerState| {
        vec![
            one.producer_id.0.to_string(),
            one.producer_epoch.to_string(),
            one.coordinator_epoch.unwrap_or(-1).to_string(),
            one.last_sequence.to_string(),
            one.last_timestamp.0.to_string(),
            one.transaction_start.map_or_else(|| "None".to_owned(), |start| start.0.to_string()),
        ]
    };
    let headers = [
        "ProducerId",
        "ProducerEpoch",
        "LatestCoordinatorEpoch",
        "LastSequence",
        "LastTimestamp",
        "CurrentTransactionStartOffset",
    ];
    table::print(console, &headers, &producers.into_iter().map(row).collect::<Vec<_>>());
    Ok(())
}

async fn abort(admin: &Admin, parsed: &Parsed) -> Result<(), Failure> {
    let partition = partition(parsed);
    let transaction = match (parsed.number("--start-offset"), parsed.number("--producer-id")) {
        (Some(start), _) => at_offset(admin, &partition, start).await?,
        (None, Some(id)) => {
            let needed = |name: &str| {
                parsed.number(name).ok_or_else(|| Failure::new(format!("Missing required argument {name}")))
            };
            let producer_epoch = needed("--producer-epoch")?;
            let coordinator_epoch = needed("--coordinator-epoch")?;
            TransactionToAbort {
                partition: partition.clone(),
                producer_id: kafka_types::ProducerId(id),
                producer_epoch: ProducerEpoch(producer_epoch as i16),
                // What older brokers need not have seen a marker for.
                coordinator_epoch: (coordinator_epoch as i32).max(0),
            }
        }
        (None, None) => {
            return Err(Failure::new(
                "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) \
                 or with --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)",
            ));
        }
    };
    let what = format!("abort the transaction of producer {} on partition {partition}", transaction.producer_id.0);
    admin.abort_transaction(&transaction).await.map_err(failed(&what))
}

/// The transaction that begins at an offset, as the leader knows it.
async fn at_offset(admin: &Admin, partition: &TopicPartition, start: i64) -> Result<TransactionToAbort, Failure> {
    let what = format!("validate producer state for partition {partition}");
    let producers = admin.describe_producers(partition, None).await.map_err(failed(&what))?;
    let found = producers.into_iter().find(|one| one.transaction_start.is_some_and(|offset| offset.0 == start));
    let found = found.ok_or_else(|| {
        Failure::new(format!(
            "Could not find any open transactions starting at offset {start} on partition {partition}"
        ))
    })?;
    Ok(TransactionToAbort {
        partition: partition.clone(),
        producer_id: found.producer_id,
        producer_epoch: ProducerEpoch(found.producer_epoch as i16),
        // A partition that has seen no marker of this producer takes one of any coordinator.
        coordinator_epoch: found.coordinator_epoch.unwrap_or(0),
    })
}

fn partition(parsed: &Parsed) -> TopicPartition {
    let index = parsed.number("--partition").unwrap_or_default() as i32;
    TopicPartition::new(parsed.text("--topic").unwrap_or_default(), index)
}

fn failed(what: &str) -> impl Fn(kafka_client::Error) -> Failure {
    let what = what.to_owned();
    move |error| Failure::new(format!("Failed to {what}: {error}. Enable debug logging for additional detail."))
}

#[expect(clippy::disallowed_methods, reason = "how long a transaction has been open is a question to the clock")]
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}
