//! `kafka-leader-election.sh`: has leaders of partitions elected.

use kafka_client::Error;
use kafka_client::admin::{ElectionType, Elections};
use kafka_client::config::AdminConfig;
use kafka_types::{ErrorCode, TopicPartition};
use serde_json::Value;

use crate::exit::Failure;
use crate::java_order;
use crate::options::{Opt, OptionError, Options, Table};
use crate::output::Console;
use crate::start::{self, Introduction, Mistake};
use crate::{Invocation, admin, json, settings};

const PURPOSE: &str = "This tool attempts to elect a new leader for a set of topic partitions. The type of elections \
                       supported are preferred replicas and unclean replicas.";

const TABLE: Table = Table(&[
    Opt::value("admin.config", "String", "config file", "A file with settings of the admin client."),
    Opt::value("bootstrap-server", "String", "host:port", "REQUIRED: brokers to begin with, as host:port,.."),
    Opt::value(
        "election-type",
        "[PREFERRED,UNCLEAN]",
        "election type",
        "REQUIRED: PREFERRED has the preferred replica lead; UNCLEAN any that lives, where no replica in sync does: \
         records may be lost.",
    ),
    Opt::value(
        "path-to-json-file",
        "String",
        "Path to JSON file",
        "A file that names partitions, such as\n{\"partitions\":\n  [{\"topic\": \"foo\", \"partition\": 1},\n   \
         {\"topic\": \"foobar\", \"partition\": 2}]\n}",
    ),
    Opt::value("topic", "String", "topic name", "The topic of one partition; goes with --partition."),
    Opt::value("partition", "Integer", "partition id", "REQUIRED with --topic: the number of the partition."),
    Opt::flag("all-topic-partitions", "All partitions of all topics that need an election."),
    Opt::flag("help", "Prints this."),
    Opt::flag("version", "Prints the version of Kafka."),
]);

const INTRODUCTION: Introduction =
    Introduction { table: TABLE, purpose: PURPOSE, without_arguments: Some(PURPOSE), mistake: Mistake::Hint };

/// What has to be said, and what exactly one of has to be.
const REQUIRED: [&str; 2] = ["bootstrap-server", "election-type"];
const SCOPES: [&str; 3] = ["topic", "all-topic-partitions", "path-to-json-file"];

/// How long the tool waits, and how long for each answer, in ms, where its settings say nothing.
const API_TIMEOUT_MS: &str = "30000";
const REQUEST_TIMEOUT_MS: &str = "15000";

const COMMAND: &str = "org.apache.kafka.server.common.AdminCommandFailedException";
const OPERATION: &str = "org.apache.kafka.server.common.AdminOperationException";

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let (options, mut console) = match INTRODUCTION.begin(invocation) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    start::block_on(async move {
        match work(&options, &mut console).await {
            Ok(()) => 0,
            Err(failure) => failure.report(TABLE, &mut console),
        }
    })
}

async fn work(options: &Options, console: &mut Console) -> Result<(), Failure> {
    validate(options)?;
    let election = election_type(options)?;
    let partitions = if let Some(path) = options.one("path-to-json-file")? {
        Some(from_file(path)?)
    } else {
        let (topic, partition) = (options.one("topic")?, options.number::<i32>("partition")?);
        topic.zip(partition).map(|(topic, partition)| vec![TopicPartition::new(topic, partition)])
    };
    let admin = admin::create(config(options)?).await?;
    let elected = admin.elect_leaders(election, partitions.as_deref()).await;
    admin.close();
    match elected {
        Ok(elected) => told(election, elected, console),
        Err(error) => Err(given_up(&error, console)),
    }
}

/// What is missing, or too much.
fn validate(options: &Options) -> Result<(), Failure> {
    let missing: Vec<&str> = REQUIRED.into_iter().filter(|name| !options.has(name)).collect();
    if !missing.is_empty() {
        return Err(refused(&format!("Missing required option(s): {}", missing.join(", "))));
    }
    if SCOPES.into_iter().filter(|name| options.has(name)).count() != 1 {
        let names = SCOPES.join(", ");
        return Err(refused(&format!("One and only one of the following options is required: {names}")));
    }
    match (options.has("topic"), options.has("partition")) {
        (true, false) => Err(refused("Missing required option(s): partition")),
        (false, true) => Err(refused("Option partition is only allowed if topic is used")),
        _ => Ok(()),
    }
}

fn refused(message: &str) -> Failure {
    Failure::new(message).hint(format!("{COMMAND}: {message}")).hint("All options: --help")
}

fn election_type(options: &Options) -> Result<ElectionType, Failure> {
    let value = options.one("election-type")?.unwrap_or_default();
    [ElectionType::Preferred, ElectionType::Unclean]
        .into_iter()
        .find(|election| election.name().eq_ignore_ascii_case(value))
        .ok_or_else(|| {
            let error = OptionError::Unparsable { name: "election-type".to_owned(), value: value.to_owned() };
            Failure::from(error).hint("It takes preferred or unclean.")
        })
}

fn config(options: &Options) -> Result<AdminConfig, Failure> {
    let mut config = settings::read(options.one("admin.config")?)
        .map_err(|error| Failure::new(error.to_string()).hint(error.exception()).hint(error.hint()))?;
    settings::set(&mut config, "bootstrap.servers", options.one("bootstrap-server")?.unwrap_or_default());
    settings::set_default(&mut config, "default.api.timeout.ms", API_TIMEOUT_MS);
    settings::set_default(&mut config, "request.timeout.ms", REQUEST_TIMEOUT_MS);
    AdminConfig::parse(settings::pairs(&config))
        .map_err(|error| Failure::new(error.to_string()).hint(format!("{}: {error}", error.exception())))
}

/// The partitions that a file names.
fn from_file(path: &str) -> Result<Vec<TopicPartition>, Failure> {
    let text = settings::read_file(path).map_err(|error| {
        let message = format!("java.io.IOException: Unable to read file {path}");
        Failure::new(message.as_str()).hint(format!("java.lang.RuntimeException: {message}")).hint(error.hint())
    })?;
    parse(&text)
}

fn parse(text: &[u8]) -> Result<Vec<TopicPartition>, Failure> {
    let thrown = |message: &str| Failure::new(message).hint(format!("{OPERATION}: {message}"));
    let value: Value = serde_json::from_slice(text).map_err(|_| thrown("Replica election data is empty"))?;
    let value = json::object(&value).map_err(|error| error.wrapped())?;
    let listed =
        value.get("partitions").ok_or_else(|| thrown("Replica election data is missing \"partitions\" field"))?;
    let (mut partitions, mut twins) = (Vec::new(), Vec::new());
    let read = |entry: &Value| -> Result<TopicPartition, json::Unfit> {
        let topic = json::string(json::field(entry, "topic")?)?;
        Ok(TopicPartition::new(topic, json::int(json::field(entry, "partition")?)?))
    };
    for entry in json::array(listed).map_err(|error| error.wrapped())? {
        let partition = read(entry).map_err(|error| error.wrapped())?;
        if !partitions.contains(&partition) {
            partitions.push(partition);
        } else if !twins.contains(&partition) {
            twins.push(partition);
        }
    }
    if !twins.is_empty() {
        let twins = joined(twins, ", ");
        return Err(thrown(&format!("Replica election data contains duplicate partitions: [{twins}]")));
    }
    Ok(partitions)
}

/// In the order of a Java set.
fn joined(partitions: Vec<TopicPartition>, separator: &str) -> String {
    let partitions = java_order::of_map(partitions, java_order::hash_of_partition);
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

/// Tells what became of each partition.
fn told(election: ElectionType, elected: Elections, console: &mut Console) -> Result<(), Failure> {
    let (mut succeeded, mut not_needed, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (partition, outcome) in elected {
        match outcome {
            Ok(()) => succeeded.push(partition),
            Err(error) if error.code() == Some(ErrorCode::ElectionNotNeeded) => not_needed.push(partition),
            Err(error) => failed.push((partition, error)),
        }
    }
    let name = election.name();
    if !succeeded.is_empty() {
        let partitions = joined(succeeded, ", ");
        console.line(&format!("Successfully completed leader election ({name}) for partitions {partitions}"));
    }
    if !not_needed.is_empty() {
        console.line(&format!("Valid replica already elected for partitions {}", joined(not_needed, ", ")));
    }
    if failed.is_empty() {
        return Ok(());
    }
    let message = format!("{} replica(s) could not be elected", failed.len());
    let mut failure = Failure::new(message.as_str()).hint(format!("{COMMAND}: {message}"));
    for (partition, error) in java_order::of_map(failed, |(partition, _)| java_order::hash_of_partition(partition)) {
        let error = format!("{}: {error}", error.exception());
        console.line(&format!("Error completing leader election ({name}) for partition: {partition}: {error}"));
        failure = failure.hint(format!("\tSuppressed: {error}"));
    }
    Err(failure)
}

/// Why there is no result at all.
fn given_up(error: &Error, console: &mut Console) -> Failure {
    let message = match error {
        Error::Timeout(_) => "Timeout waiting for election results",
        error if error.code() == Some(ErrorCode::ClusterAuthorizationFailed) => {
            "Not authorized to perform leader election"
        }
        error => {
            let message = format!("{}: {error}", error.exception());
            return Failure::new(message.as_str()).hint(format!("java.util.concurrent.ExecutionException: {message}"));
        }
    };
    console.line(message);
    Failure::new(message)
        .hint(format!("{COMMAND}: {message}"))
        .hint(format!("Caused by: {}: {error}", error.exception()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text.as_bytes()).expect_err("it cannot be used").lines[0].clone()
    }

    #[test]
    fn a_file_names_partitions() {
        let partitions = parse(br#"{"partitions":[{"topic":"b","partition":1},{"topic":"a","partition":0}]}"#);
        assert_eq!(partitions, Ok(vec![TopicPartition::new("b", 1), TopicPartition::new("a", 0)]));
        assert_eq!(parse(br#"{"partitions":[]}"#), Ok(Vec::new()));
    }

    #[test]
    fn mistakes_in_it_are_named_in_apaches_words() {
        assert_eq!(message("x"), "Replica election data is empty");
        assert_eq!(message(""), "Replica election data is empty");
        assert_eq!(message("{}"), "Replica election data is missing \"partitions\" field");
        let mapping = "com.fasterxml.jackson.databind.JsonMappingException";
        assert_eq!(message("[]"), format!("{mapping}: Expected JSON object, received []"));
        assert_eq!(message(r#"{"partitions":5}"#), format!("{mapping}: Expected JSON array, received 5"));
        let (a, foo) = (r#"{"topic":"a","partition":1}"#, r#"{"topic":"foo","partition":0}"#);
        let text = format!(r#"{{"partitions":[{foo},{foo},{a},{a},{a}]}}"#);
        assert_eq!(message(&text), "Replica election data contains duplicate partitions: [a-1, foo-0]");
    }
}
