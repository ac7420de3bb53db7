//! The command line of `kafka-topics.sh`: its options, which of them go together, and what they mean.

use std::collections::BTreeMap;

use crate::exit::Failure;
use crate::options::{Opt, OptionError, Options, Table};
use crate::pattern::Pattern;

const ACTIONS: [&str; 5] = ["alter", "create", "describe", "list", "delete"];
const REPORTS: [&str; 4] =
    ["under-replicated-partitions", "unavailable-partitions", "under-min-isr-partitions", "at-min-isr-partitions"];

/// All options.
pub(super) const TABLE: Table = Table(&[
    Opt::flag("list", "Prints the names of all topics."),
    Opt::flag("create", "Creates a topic."),
    Opt::flag("delete", "Deletes topics."),
    Opt::flag("alter", "Gives topics more partitions. Settings are changed by kafka-configs."),
    Opt::flag("describe", "Shows partitions, leaders, replicas and settings of topics."),
    Opt::value(
        "topic",
        "String",
        "topic",
        "The topic. Other actions than --create take a regular expression, too, such as 'test-.*'.",
    ),
    Opt::value("topic-id", "String", "topic-id", "The topic's id, instead of its name, with --describe only."),
    Opt::value(
        "bootstrap-server",
        "String",
        "server to connect to",
        "REQUIRED: brokers to begin with, as host:port,..",
    ),
    Opt::value("command-config", "String", "command config property file", "A file with settings of the admin client."),
    Opt::value(
        "config",
        "String",
        "name=value",
        "A setting of the topic, with --create; may be repeated. The others keep the brokers' defaults.",
    ),
    Opt::value(
        "delete-config",
        "String",
        "name",
        "Had removed a setting, with --alter; kafka-configs does that today.",
    ),
    Opt::value("partitions", "Integer", "# of partitions", "How many partitions, with --create and --alter."),
    Opt::value(
        "replication-factor",
        "Integer",
        "replication factor",
        "On how many brokers each partition is kept, with --create.",
    ),
    Opt::value(
        "replica-assignment",
        "String",
        "broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , broker_id_for_part2_replica1 : \
         broker_id_for_part2_replica2 , ...",
        "Which brokers keep which partition, with --create and --alter.",
    ),
    Opt::flag("under-replicated-partitions", "Shows only partitions whose replicas are not all in sync."),
    Opt::flag("unavailable-partitions", "Shows only partitions without a living leader."),
    Opt::flag(
        "under-min-isr-partitions",
        "Shows only partitions with fewer replicas in sync than min.insync.replicas.",
    ),
    Opt::flag("at-min-isr-partitions", "Shows only partitions with as many replicas in sync as min.insync.replicas."),
    Opt::flag("topics-with-overrides", "Shows only topics with settings of their own."),
    Opt::flag("if-exists", "No error if there is no such topic, with --alter, --delete and --describe."),
    Opt::flag("if-not-exists", "No error if the topic exists, with --create."),
    Opt::flag("exclude-internal", "Leaves out the topics the brokers keep for themselves, with --list and --describe."),
    Opt::value(
        "partition-size-limit-per-response",
        "Integer",
        "maximum number of partitions in one response.",
        "How many partitions a broker may describe in one answer.",
    ),
    Opt::flag("help", "Prints this."),
    Opt::flag("version", "Prints the version."),
]);

/// Which options must be there, and which may not stand together.
pub(super) fn check(options: &Options) -> Result<(), Failure> {
    if ACTIONS.iter().filter(|action| options.has(action)).count() != 1 {
        return Err(Failure::usage(
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
        ));
    }
    required(options)?;
    only_with(options, "config", &["alter", "create"])?;
    only_with(options, "delete-config", &["alter"])?;
    // It belongs to the time of --zookeeper: kafka-configs does this now.
    not_with(options, "delete-config", &["bootstrap-server"])?;
    only_with(options, "partitions", &["alter", "create"])?;
    only_with(options, "replication-factor", &["create"])?;
    only_with(options, "replica-assignment", &["create", "alter"])?;
    if options.has("create") {
        not_with(options, "replica-assignment", &["partitions", "replication-factor"])?;
    }
    for report in REPORTS {
        only_with(options, report, &["describe"])?;
        not_with(options, report, &["topics-with-overrides"])?;
    }
    only_with(options, "topics-with-overrides", &["describe"])?;
    only_with(options, "if-exists", &["alter", "delete", "describe"])?;
    only_with(options, "if-not-exists", &["create"])?;
    only_with(options, "exclude-internal", &["list", "describe"])
}

fn required(options: &Options) -> Result<(), Failure> {
    if !options.has("bootstrap-server") {
        return Err(Failure::new("--bootstrap-server must be specified")
            .hint("With the broker of the tutorial: --bootstrap-server localhost:9092"));
    }
    if options.has("describe") && options.has("if-exists") && !options.has("topic") && !options.has("topic-id") {
        return Err(Failure::usage("--topic or --topic-id is required to describe a topic"));
    }
    if !options.has("list") && !options.has("describe") && !options.has("topic") {
        return Err(Failure::usage("Missing required argument \"[topic]\""));
    }
    if options.has("alter") {
        if options.has("config") {
            return Err(Failure::usage(
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (the \
                 kafka-configs CLI supports altering topic configs with a --bootstrap-server option)",
            ));
        }
        if !options.has("partitions") {
            return Err(Failure::usage("Missing required argument \"[partitions]\""));
        }
    }
    Ok(())
}

fn only_with(options: &Options, option: &str, actions: &[&str]) -> Result<(), Failure> {
    let others: Vec<&str> = ACTIONS.into_iter().filter(|action| !actions.contains(action)).collect();
    not_with(options, option, &others)
}

fn not_with(options: &Options, option: &str, others: &[&str]) -> Result<(), Failure> {
    match others.iter().find(|other| options.has(option) && options.has(other)) {
        Some(other) => Err(Failure::usage(format!("Option \"[{option}]\" can't be used with option \"[{other}]\""))),
        None => Ok(()),
    }
}

/// Why an action cannot be begun: Java's exception and its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) class: &'static str,
    pub(crate) message: String,
}

impl Rejection {
    pub(super) fn new(class: &'static str, message: impl Into<String>) -> Rejection {
        Rejection { class, message: message.into() }
    }

    pub(super) fn argument(message: impl Into<String>) -> Rejection {
        Rejection::new("java.lang.IllegalArgumentException", message)
    }
}

impl From<OptionError> for Rejection {
    fn from(error: OptionError) -> Rejection {
        let class = match error {
            OptionError::Multiple(_) => "joptsimple.MultipleArgumentsForOptionException",
            _ => "joptsimple.OptionArgumentConversionException",
        };
        Rejection::new(class, error.to_string())
    }
}

/// What `--create` and `--alter` say about the topic.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) partitions: Option<i32>,
    pub(super) replication_factor: Option<i16>,
    pub(super) configs: BTreeMap<String, String>,
    /// Brokers by partition.
    pub(super) assignment: Option<Vec<Vec<i32>>>,
}

impl Wanted {
    /// Reads them in the order in which Java complains about them.
    pub(super) fn read(options: &Options) -> Result<Wanted, Rejection> {
        let name = options.one("topic")?.unwrap_or_default().to_owned();
        let partitions = options.number("partitions")?;
        let factor: Option<i32> = options.number("replication-factor")?;
        let assignment =
            options.one("replica-assignment")?.filter(|text| !text.is_empty()).map(assignment).transpose()?;
        let configs = configs(&options.all("config"))?;
        // Out of range is told later, behind the warning about the name.
        let replication_factor = factor.map(|factor| i16::try_from(factor).unwrap_or(-1));
        Ok(Wanted { name, partitions, replication_factor, configs, assignment })
    }

    /// The ranges of numbers that `--create` takes.
    pub(super) fn check_ranges(&self) -> Result<(), Rejection> {
        if self.replication_factor.is_some_and(|factor| factor < 1) {
            return Err(Rejection::argument("The replication factor must be between 1 and 32767 inclusive"));
        }
        if self.partitions.is_some_and(|partitions| partitions < 1) {
            return Err(Rejection::argument("The partitions must be greater than 0"));
        }
        Ok(())
    }
}

/// `name=value` pairs, checked against the settings topics have.
fn configs(pairs: &[&str]) -> Result<BTreeMap<String, String>, Rejection> {
    use kafka_metadata::topic_config::{self, TopicConfigError};
    let mut configs = BTreeMap::new();
    for pair in pairs {
        let [name, value] = split(pair, '=')[..] else {
            return Err(Rejection::argument(
                "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
            ));
        };
        configs.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    topic_config::validate(&BTreeMap::new(), &configs).map_err(|error| {
        let class = match &error {
            TopicConfigError::Value(_) => "org.apache.kafka.common.config.ConfigException",
            _ => "org.apache.kafka.common.errors.InvalidConfigurationException",
        };
        Rejection::new(class, error.to_string())
    })?;
    Ok(configs)
}

/// `0:1,1:2`: brokers 0 and 1 keep partition 0, brokers 1 and 2 partition 1.
fn assignment(text: &str) -> Result<Vec<Vec<i32>>, Rejection> {
    let mut partitions: Vec<Vec<i32>> = Vec::new();
    for (number, list) in split(text, ',').into_iter().enumerate() {
        let mut brokers = Vec::new();
        for id in split(list, ':') {
            let id: i32 = id.trim().parse().map_err(|_| {
                Rejection::new("java.lang.NumberFormatException", format!("For input string: \"{}\"", id.trim()))
            })?;
            if brokers.contains(&id) {
                return Err(Rejection::new(
                    "org.apache.kafka.server.common.AdminCommandFailedException",
                    format!("Partition replica lists may not contain duplicate entries: {id}"),
                ));
            }
            brokers.push(id);
        }
        if partitions.first().is_some_and(|first| first.len() != brokers.len()) {
            return Err(Rejection::new(
                "org.apache.kafka.server.common.AdminOperationException",
                format!("Partition {number} has different replication factor: {}", crate::output::numbers(&brokers)),
            ));
        }
        partitions.push(brokers);
    }
    Ok(partitions)
}

/// The parts of a text as Java splits it: empty ones at the end do not count, unless there is no separator at all.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(separator).collect();
    while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}

/// Names that `--topic` stands for: a regular expression, in which a comma means "or".
#[derive(Debug)]
pub(super) struct Filter {
    pattern: Option<Pattern>,
    exclude_internal: bool,
}

impl Filter {
    pub(super) fn new(pattern: Option<&str>, exclude_internal: bool) -> Result<Filter, Rejection> {
        let pattern = pattern.map(include_pattern).transpose()?;
        Ok(Filter { pattern, exclude_internal })
    }

    pub(super) fn allows(&self, topic: &str) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.matches(topic))
            && !(self.exclude_internal && kafka_metadata::topic_name::is_internal(topic))
    }
}

/// The expression behind an include list: quotes around it and blanks in it do not count.
fn include_pattern(text: &str) -> Result<Pattern, Rejection> {
    let text = text.trim().replace(',', "|").replace(' ', "");
    let text = text.trim_matches(|c| c == '"' || c == '\'');
    Pattern::new(text).map_err(|_| Rejection::new("java.lang.RuntimeException", format!("{text} is an invalid regex.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        TABLE.parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    fn complaint(line: &str) -> String {
        check(&options(&format!("--bootstrap-server a:1 {line}"))).unwrap_err().lines[0].clone()
    }

    #[test]
    fn options_that_do_not_go_together() {
        let one_action = "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
        let cases = [
            ("", one_action),
            ("--list --describe", one_action),
            ("--create", "Missing required argument \"[topic]\""),
            ("--alter --topic t", "Missing required argument \"[partitions]\""),
            ("--alter --topic t --delete-config a", "Missing required argument \"[partitions]\""),
            ("--list --partitions 3", "Option \"[partitions]\" can't be used with option \"[list]\""),
            ("--describe --config a=b", "Option \"[config]\" can't be used with option \"[describe]\""),
            ("--delete --topic t --if-not-exists", "Option \"[if-not-exists]\" can't be used with option \"[delete]\""),
            (
                "--describe --under-replicated-partitions --topics-with-overrides",
                "Option \"[under-replicated-partitions]\" can't be used with option \"[topics-with-overrides]\"",
            ),
            (
                "--create --topic t --delete-config a",
                "Option \"[delete-config]\" can't be used with option \"[create]\"",
            ),
            (
                "--create --topic t --replica-assignment 0 --partitions 1",
                "Option \"[replica-assignment]\" can't be used with option \"[partitions]\"",
            ),
            (
                "--list --unavailable-partitions",
                "Option \"[unavailable-partitions]\" can't be used with option \"[list]\"",
            ),
            ("--create --topic x --if-exists", "Option \"[if-exists]\" can't be used with option \"[create]\""),
            (
                "--alter --topic t --partitions 3 --delete-config a",
                "Option \"[delete-config]\" can't be used with option \"[bootstrap-server]\"",
            ),
            ("--describe --if-exists", "--topic or --topic-id is required to describe a topic"),
        ];
        for (line, expected) in cases {
            assert_eq!(complaint(line), expected, "{line}");
        }
        for line in [
            "--list",
            "--describe --topic t --if-exists",
            "--create --topic t --partitions 0",
            "--alter --topic t --partitions 2",
        ] {
            assert_eq!(check(&options(&format!("--bootstrap-server a:1 {line}"))), Ok(()), "{line}");
        }
        assert_eq!(check(&options("--list")).unwrap_err().lines[0], "--bootstrap-server must be specified");
    }

    #[test]
    fn what_a_topic_shall_be() {
        let read = |line: &str| Wanted::read(&options(line));
        let wanted = read(
            "--topic t --partitions 4 --replication-factor 2 --config retention.ms=1 --config cleanup.policy=compact",
        )
        .unwrap();
        assert_eq!((wanted.partitions, wanted.replication_factor, wanted.configs.len()), (Some(4), Some(2), 2));
        assert_eq!(
            read("--topic t --replica-assignment 0:1,1:2").unwrap().assignment,
            Some(vec![vec![0, 1], vec![1, 2]])
        );
        let message = |line: &str| read(line).unwrap_err().message;
        assert_eq!(message("--topic t --partitions abc"), "Cannot parse argument 'abc' of option partitions");
        assert_eq!(
            message("--topic t --topic u"),
            "Found multiple arguments for option topic, but you asked for only one"
        );
        assert_eq!(
            message("--topic t --replica-assignment 0:0"),
            "Partition replica lists may not contain duplicate entries: 0"
        );
        assert_eq!(
            message("--topic t --replica-assignment 0,0:1"),
            "Partition 1 has different replication factor: [0, 1]"
        );
        assert_eq!(message("--topic t --config no.such.config=1"), "Unknown topic config name: no.such.config");
        assert_eq!(
            message("--topic t --config retention.ms=abc"),
            "Invalid value abc for configuration retention.ms: Not a number of type LONG"
        );
        for pair in ["retention.ms", "retention.ms=", "retention.ms=1=2"] {
            let said = message(&format!("--topic t --config {pair}"));
            assert!(said.starts_with("requirement failed: Invalid topic config"), "{pair}: {said}");
        }
        assert_eq!(
            read("--topic t --replica-assignment 0:1:,1:2,").unwrap().assignment,
            Some(vec![vec![0, 1], vec![1, 2]])
        );
        assert_eq!(message("--topic t --replica-assignment 0,,0"), "For input string: \"\"");
        for (line, expected) in [
            ("--topic t --partitions 0", "The partitions must be greater than 0"),
            ("--topic t --replication-factor 0", "The replication factor must be between 1 and 32767 inclusive"),
            ("--topic t --replication-factor 40000", "The replication factor must be between 1 and 32767 inclusive"),
        ] {
            assert_eq!(read(line).unwrap().check_ranges().unwrap_err().message, expected);
        }
    }

    #[test]
    fn names_are_found_by_expressions() {
        let allows = |pattern, exclude, topic| Filter::new(pattern, exclude).unwrap().allows(topic);
        assert!(allows(Some("or.*"), false, "orders") && !allows(Some("or.*"), false, "x-orders"));
        assert!(allows(Some("'orders, tuned'"), false, "tuned"));
        assert!(allows(Some("(?!__).*"), false, "tuned") && !allows(Some("(?!__).*"), false, "__consumer_offsets"));
        assert!(allows(None, false, "__consumer_offsets") && !allows(None, true, "__consumer_offsets"));
        assert_eq!(Filter::new(Some("("), false).unwrap_err().message, "( is an invalid regex.");
    }
}
