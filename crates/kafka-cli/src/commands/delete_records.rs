//! `kafka-delete-records.sh`: deletes the records of partitions below given offsets.

use kafka_types::{Offset, TopicPartition};
use serde_json::Value;

use crate::exit::Failure;
use crate::options::{Opt, Options, Table};
use crate::output::Console;
use crate::start::{Introduction, Mistake};
use crate::{Invocation, admin, json, settings};

const TABLE: Table = Table(&[
    Opt::value(
        "bootstrap-server",
        "String",
        "server(s) to use for bootstrapping",
        "REQUIRED: brokers to begin with, as host:port,..",
    ),
    Opt::value(
        "offset-json-file",
        "String",
        "Offset json file path",
        "REQUIRED: a file that says what to delete, such as\n{\"partitions\":\n  [{\"topic\": \"foo\",\n    \
         \"partition\": 1,\n    \"offset\": 3}],\n \"version\":1\n}\nRecords below the offset go; -1 is the end of \
         what is committed.",
    ),
    Opt::value(
        "command-config",
        "String",
        "command config property file path",
        "A file with settings of the admin client.",
    ),
    Opt::flag("help", "Prints this."),
    Opt::flag("version", "Prints the version of Kafka."),
]);

const INTRODUCTION: Introduction = Introduction {
    table: TABLE,
    purpose: "This tool helps to delete records of the given partitions down to the specified offset.",
    without_arguments: Some("This tool helps to delete records of the given partitions down to the specified offset."),
    mistake: Mistake::Usage,
};

/// What Java throws when the file cannot be used.
const OPERATION: &str = "org.apache.kafka.server.common.AdminOperationException";
const COMMAND: &str = "org.apache.kafka.server.common.AdminCommandFailedException";

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    admin::run(INTRODUCTION, &["bootstrap-server", "offset-json-file"], invocation, execute)
}

async fn execute(options: &Options, console: &mut Console) -> Result<(), Failure> {
    let admin = admin::connect(options).await?;
    let path = options.one("offset-json-file")?.unwrap_or_default();
    let text = settings::read_file(path)
        .map_err(|error| Failure::new(error.to_string()).hint(error.exception()).hint(error.hint()))?;
    let wishes = parse(&text)?;
    console.line("Executing records delete operation");
    let low_watermarks = admin.delete_records(&wishes).await;
    console.line("Records delete operation completed:");
    for (partition, outcome) in low_watermarks {
        console.line(&match outcome {
            Ok(low_watermark) => format!("partition: {partition}\tlow_watermark: {low_watermark}"),
            Err(error) => format!("partition: {partition}\terror: {}: {error}", error.exception()),
        });
    }
    admin.close();
    Ok(())
}

/// What the file says, each partition once.
fn parse(text: &[u8]) -> Result<Vec<(TopicPartition, Offset)>, Failure> {
    let text: Value =
        serde_json::from_slice(text).map_err(|_| thrown(OPERATION, "The input string is not a valid JSON"))?;
    let version = match text.get("version") {
        None => 1,
        Some(version) => json::int(version).map_err(|error| error.thrown())?,
    };
    if version != 1 {
        return Err(thrown(OPERATION, &format!("Not supported version field value {version}")));
    }
    let partitions = text.get("partitions").ok_or_else(|| thrown(OPERATION, "Missing partitions field"))?;
    let mut wishes: Vec<(TopicPartition, Offset)> = Vec::new();
    let mut twins: Vec<String> = Vec::new();
    for entry in json::array(partitions).map_err(|error| error.thrown())? {
        let (topic_partition, offset) = wish(entry).map_err(|error| error.thrown())?;
        let written = topic_partition.to_string();
        if wishes.iter().any(|(known, _)| *known == topic_partition) {
            if !twins.contains(&written) {
                twins.push(written);
            }
            continue;
        }
        wishes.push((topic_partition, Offset(offset)));
    }
    if !twins.is_empty() {
        let message = format!("Offset json file contains duplicate topic partitions: {}", twins.join(","));
        return Err(thrown(COMMAND, &message));
    }
    Ok(wishes)
}

fn wish(entry: &Value) -> Result<(TopicPartition, i64), json::Unfit> {
    let topic = json::string(json::field(entry, "topic")?)?;
    let partition = json::int(json::field(entry, "partition")?)?;
    Ok((TopicPartition::new(topic, partition), json::long(json::field(entry, "offset")?)?))
}

/// As Java's tool ends: the message, then the exception.
fn thrown(class: &str, message: &str) -> Failure {
    Failure::new(message).hint(format!("{class}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text.as_bytes()).expect_err("it cannot be used").lines[0].clone()
    }

    #[test]
    fn a_file_names_partitions_and_offsets() {
        let text = r#"{"partitions":[{"topic":"t","partition":0,"offset":2},{"topic":"t","partition":1,"offset":-1}]}"#;
        let wishes = parse(text.as_bytes()).expect("it is as it should be");
        assert_eq!(wishes, [(TopicPartition::new("t", 0), Offset(2)), (TopicPartition::new("t", 1), Offset(-1))]);
    }

    #[test]
    fn mistakes_are_named_in_apaches_words() {
        assert_eq!(message("nothing"), "The input string is not a valid JSON");
        assert_eq!(message(r#"{"version":2,"partitions":[]}"#), "Not supported version field value 2");
        assert_eq!(message("{}"), "Missing partitions field");
        let twice = r#"{"topic":"t","partition":0,"offset":2}"#;
        let text = format!(r#"{{"partitions":[{twice},{twice},{twice}]}}"#);
        assert_eq!(message(&text), "Offset json file contains duplicate topic partitions: t-0");
    }
}
