//! `kafka-get-offsets.sh`: where partitions begin, end, or were at a time.

use std::collections::BTreeMap;

use kafka_client::admin::{OffsetSpec, TopicSelection};
use kafka_client::config::AdminConfig;
use kafka_client::{Admin, Error};
use kafka_types::TopicPartition;

use crate::exit::Failure;
use crate::options::{Opt, Options, Table};
use crate::output::Console;
use crate::pattern::Pattern;
use crate::start::{self, Introduction, Mistake};
use crate::{Invocation, settings};

const TABLE: Table = Table(&[
    Opt::value(
        "broker-list",
        "String",
        "HOST1:PORT1,...,HOST3:PORT3",
        "DEPRECATED: use --bootstrap-server. Brokers to begin with, as host:port,..",
    ),
    Opt::value(
        "bootstrap-server",
        "String",
        "HOST1:PORT1,...,HOST3:PORT3",
        "REQUIRED: brokers to begin with, as host:port,..",
    ),
    Opt::value(
        "topic-partitions",
        "String",
        "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3",
        "Which partitions: patterns of topics, each with a number or a range, whose end is left out. Not with --topic \
         or --partitions.",
    ),
    Opt::value("topic", "String", "topic", "Which topics, as a pattern; all if it is left out."),
    Opt::value("partitions", "String", "partition ids", "Which partitions, as 0,1,..; all if it is left out."),
    Opt::value(
        "time",
        "String",
        "<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered",
        "Which offset: of the first record that is not older than a time (ms since 1970), the end, the start, the \
         record with the largest timestamp.",
    )
    .or("latest"),
    Opt::value("command-config", "String", "config file", "A file with settings of the admin client."),
    Opt::flag("exclude-internal-topics", "Leaves out the cluster's own topics."),
    Opt::flag("help", "Prints this."),
    Opt::flag("version", "Prints the version of Kafka."),
]);

const PURPOSE: &str = "An interactive shell for getting topic-partition offsets.";

const INTRODUCTION: Introduction =
    Introduction { table: TABLE, purpose: PURPOSE, without_arguments: Some(PURPOSE), mistake: Mistake::Usage };

/// Runs the tool.
pub fn run(mut invocation: Invocation) -> u8 {
    if let Err(error) = TABLE.parse(&invocation.args) {
        let hint = crate::exit::option_hint(&error, TABLE);
        return occurred(&error.to_string()).hint(hint).report(TABLE, &mut invocation.console);
    }
    let (options, mut console) = match INTRODUCTION.begin(invocation) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    start::block_on(async move {
        match execute(&options, &mut console).await {
            Ok(()) => 0,
            Err(failure) => failure.report(TABLE, &mut console),
        }
    })
}

fn occurred(text: &str) -> Failure {
    Failure::new(format!("Error occurred: {text}"))
}

/// As a future of Java's throws it.
fn failed(error: &Error) -> Failure {
    occurred(&format!("{}: {error}", error.exception()))
}

async fn execute(options: &Options, console: &mut Console) -> Result<(), Failure> {
    let plain = |error: crate::options::OptionError| occurred(&error.to_string());
    let servers = match options.one("bootstrap-server").map_err(plain)? {
        Some(servers) => Some(servers),
        None => options.one("broker-list").map_err(plain)?,
    };
    let Some(servers) = servers else {
        return Err(Failure::usage("Missing required argument \"[bootstrap-server]\""));
    };
    let selection = options.one("topic-partitions").map_err(plain)?;
    let (topic, partitions) = (options.one("topic").map_err(plain)?, options.one("partitions").map_err(plain)?);
    if selection.is_some() && (topic.is_some() || partitions.is_some()) {
        return Err(occurred("--topic-partitions cannot be used with --topic or --partitions"));
    }
    let spec = spec(options.one("time").map_err(plain)?.unwrap_or("latest"))?;
    let rules = match selection {
        Some(rules) => rules.split(',').map(Rule::read).collect::<Result<Vec<_>, _>>()?,
        None => vec![Rule { topic: pattern(topic.unwrap_or(".*"))?, partitions: numbers(partitions)? }],
    };
    let admin = connect(options, servers).await?;
    let found = partitions_of(&admin, &rules, options.has("exclude-internal-topics")).await?;
    if found.is_empty() {
        return Err(occurred("Could not match any topic-partitions with the specified filters"));
    }
    let wanted: Vec<_> = found.into_iter().map(|one| (one, spec)).collect();
    // As texts, so that partition 10 stands before partition 2.
    let mut lines = BTreeMap::new();
    for (one, outcome) in admin.list_offsets(&wanted).await {
        match outcome {
            Ok(Some(offset)) => {
                lines.insert(one.to_string(), format!("{}:{}:{offset}", one.topic, one.partition));
            }
            Ok(None) => {}
            Err(error) => console.error(&format!(
                "Skip getting offsets for topic-partition {one} due to error: {}: {error}",
                error.exception()
            )),
        }
    }
    for line in lines.into_values() {
        console.line(&line);
    }
    admin.close();
    Ok(())
}

async fn connect(options: &Options, servers: &str) -> Result<Admin, Failure> {
    let path = options.one("command-config")?;
    let mut config = settings::read(path).map_err(|error| occurred(&error.to_string()).hint(error.hint()))?;
    settings::set(&mut config, "bootstrap.servers", servers);
    settings::set(&mut config, "client.id", "GetOffsetShell");
    let config = AdminConfig::parse(settings::pairs(&config)).map_err(|error| occurred(&error.to_string()))?;
    let not_created = |error: Error| {
        occurred("Failed to create new KafkaAdminClient").hint(format!("{}: {error}", error.exception()))
    };
    Admin::new(config).await.map_err(not_created)
}

async fn partitions_of(admin: &Admin, rules: &[Rule], without_internal: bool) -> Result<Vec<TopicPartition>, Failure> {
    let listed = admin.list_topics(!without_internal).await.map_err(|error| failed(&error))?;
    let matches = |name: &str| rules.iter().any(|rule| rule.topic.matches(name));
    let names: Vec<String> = listed.into_iter().map(|topic| topic.name).filter(|name| matches(name)).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let described = admin.describe_topics(TopicSelection::Names(&names)).await.map_err(|error| failed(&error))?;
    let mut found = Vec::new();
    for (name, info) in described.0 {
        for partition in info.map_err(|error| failed(&error))?.partitions {
            let number = partition.partition;
            if rules.iter().any(|rule| rule.topic.matches(&name) && rule.partitions.contain(number)) {
                found.push(TopicPartition::new(name.as_str(), number));
            }
        }
    }
    Ok(found)
}

/// Which partitions of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Numbers {
    All,
    These(Vec<i32>),
    /// From, up to but not with.
    Range(i32, i32),
}

impl Numbers {
    fn contain(&self, number: i32) -> bool {
        match self {
            Numbers::All => true,
            Numbers::These(numbers) => numbers.contains(&number),
            Numbers::Range(from, to) => (*from..*to).contains(&number),
        }
    }
}

#[derive(Debug)]
struct Rule {
    topic: Pattern,
    partitions: Numbers,
}

impl Rule {
    /// `topic`, `topic:1`, `topic:1-3`, `topic:1-`, `topic:-3`; without a topic all are meant.
    fn read(text: &str) -> Result<Rule, Failure> {
        let invalid = || occurred(&format!("Invalid rule specification: {text}"));
        let (topic, numbers) = text.split_once(':').map_or((text, None), |(topic, numbers)| (topic, Some(numbers)));
        let number = |digits: &str, absent: i32| {
            if !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(invalid());
            }
            let unparsable = |_| occurred(&format!("For input string: \"{digits}\""));
            if digits.is_empty() { Ok(absent) } else { digits.parse::<i32>().map_err(unparsable) }
        };
        let partitions = match numbers {
            None | Some("") => Numbers::All,
            Some(numbers) => match numbers.split_once('-') {
                None => Numbers::These(vec![number(numbers, 0)?]),
                Some((from, to)) => Numbers::Range(number(from, 0)?, number(to, i32::MAX)?),
            },
        };
        Ok(Rule { topic: pattern(if topic.is_empty() { ".*" } else { topic })?, partitions })
    }
}

/// A list of patterns, as the consumers' `--include` takes it.
fn pattern(text: &str) -> Result<Pattern, Failure> {
    let text = text.trim().replace(',', "|").replace(' ', "");
    let text = text.trim_matches(['"', '\'']);
    Pattern::new(text).map_err(|error| occurred(&format!("{text} is an invalid regex.")).hint(error.to_string()))
}

fn numbers(list: Option<&str>) -> Result<Numbers, Failure> {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(Numbers::All) };
    let parsed: Result<Vec<i32>, _> = list.split(',').map(str::parse).collect();
    parsed.map(Numbers::These).map_err(|_| {
        occurred(&format!("--partitions expects a comma separated list of numeric partition ids, but received: {list}"))
    })
}

fn spec(text: &str) -> Result<OffsetSpec, Failure> {
    Ok(match text {
        "latest" | "-1" => OffsetSpec::Latest,
        "earliest" | "-2" => OffsetSpec::Earliest,
        "max-timestamp" | "-3" => OffsetSpec::MaxTimestamp,
        "earliest-local" | "-4" => OffsetSpec::EarliestLocal,
        "latest-tiered" | "-5" => OffsetSpec::LatestTiered,
        other => OffsetSpec::Timestamp(other.parse().map_err(|_| {
            occurred(&format!(
                "Malformed time argument {other}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or \
                 earliest-local / -5 or latest-tiered, or a specified long format timestamp"
            ))
        })?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_topics_and_partitions() {
        let rule =
            |text: &str| Rule::read(text).map(|rule| rule.partitions).map_err(|failure| failure.lines[0].clone());
        assert_eq!(rule("t"), Ok(Numbers::All));
        assert_eq!(rule("t:"), Ok(Numbers::All));
        assert_eq!(rule("t:3"), Ok(Numbers::These(vec![3])));
        assert_eq!(rule("t:1-3"), Ok(Numbers::Range(1, 3)));
        assert_eq!(rule(":-3"), Ok(Numbers::Range(0, 3)));
        assert_eq!(rule("t:5-"), Ok(Numbers::Range(5, i32::MAX)));
        for wrong in ["t:a", "t:1:2", "t:1-2-3"] {
            assert_eq!(rule(wrong), Err(format!("Error occurred: Invalid rule specification: {wrong}")));
        }
        assert!(Rule::read(":1").unwrap().topic.matches("anything"));
    }

    #[test]
    fn times_have_names_and_numbers() {
        assert_eq!(spec("-3").unwrap(), OffsetSpec::MaxTimestamp);
        assert_eq!(spec("1000").unwrap(), OffsetSpec::Timestamp(1000));
        assert!(spec("noon").unwrap_err().lines[0].starts_with("Error occurred: Malformed time argument noon."));
    }
}
