//! The command line of `kafka-console-consumer.sh`.

use properties::Properties;

use super::deserializer::Deserializer;
use super::formatter::{self, Formatter};
use crate::exit::Failure;
use crate::options::{Opt, OptionError, Options, Table, key_values};
use crate::settings::{self, set, set_default};

const DEFAULT_FORMATTER: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";

/// All options.
pub(super) const TABLE: Table = Table(&[
    Opt::value("topic", "String", "topic", "The topic to read."),
    Opt::value("whitelist", "String", "Java regex (String)", "DEPRECATED, the older name of --include."),
    Opt::value("include", "String", "Java regex (String)", "An expression for the names of the topics to read."),
    Opt::value(
        "partition",
        "Integer",
        "partition",
        "Reads this partition only, from the end unless --offset is given.",
    ),
    Opt::value("offset", "String", "consume offset", "Where to begin, with --partition: a number, earliest or latest.")
        .or("latest"),
    Opt::value(
        "consumer-property",
        "String",
        "consumer_prop",
        "A setting of the consumer, as name=value; may be repeated.",
    ),
    Opt::value(
        "consumer.config",
        "String",
        "config file",
        "A file with settings of the consumer; --consumer-property counts if both name one.",
    ),
    Opt::value("formatter", "String", "class", "The class that prints records.").or(DEFAULT_FORMATTER),
    Opt::value(
        "property",
        "String",
        "prop",
        "What is printed of a record, as name=value; may be repeated: print.timestamp, print.partition, print.offset, \
         print.headers, print.key, print.value (true or false), key.separator, line.separator, headers.separator, \
         null.literal, key.deserializer, value.deserializer, headers.deserializer.",
    ),
    Opt::value(
        "formatter-config",
        "String",
        "config file",
        "A file with such properties; --property counts if both name one.",
    ),
    Opt::flag(
        "from-beginning",
        "Begins with the oldest record if the group has no offsets yet, instead of with the newest.",
    ),
    Opt::value("max-messages", "Integer", "num_messages", "Ends after so many records."),
    Opt::value("timeout-ms", "Long", "timeout_ms", "Ends when there was no record for so many milliseconds."),
    Opt::flag("skip-message-on-error", "Goes on behind a record that cannot be printed, instead of ending."),
    Opt::value(
        "bootstrap-server",
        "String",
        "server to connect to",
        "REQUIRED: brokers to begin with, as host:port,..",
    ),
    Opt::value("key-deserializer", "String", "deserializer for key", "The class that reads keys."),
    Opt::value("value-deserializer", "String", "deserializer for values", "The class that reads values."),
    Opt::flag("enable-systest-events", "Prints shutdown_complete when the consumer has ended."),
    Opt::value(
        "isolation-level",
        "String",
        "",
        "read_committed leaves out records of transactions that are open or were aborted.",
    )
    .or("read_uncommitted"),
    Opt::value("group", "String", "consumer group id", "The group to be a member of. Without it: a new one each time."),
    Opt::flag("help", "Prints this."),
    Opt::flag("version", "Prints the version."),
]);

/// Which records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A topic, as a member of the group.
    Topic(String),
    /// All topics with such names, as a member of the group.
    Include(String),
    /// One partition, without a group.
    Partition { topic: String, partition: i32, start: StartOffset },
}

/// Where a partition is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartOffset {
    Earliest,
    Latest,
    At(i64),
}

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) source: Source,
    pub(super) consumer: Properties,
    pub(super) formatter: Formatter,
    /// Warnings about names that will go, and errors about classes that are not there.
    pub(super) remarks: Vec<String>,
    pub(super) unknown_deserializers: Vec<String>,
    /// Read when the first record is waited for, as Java does.
    pub(super) max_messages: Result<Option<u64>, OptionError>,
    pub(super) timeout_ms: Result<Option<u64>, OptionError>,
    pub(super) skip_on_error: bool,
    pub(super) systest_events: bool,
}

fn uncaught(class: &str, message: impl std::fmt::Display) -> Failure {
    Failure::new(format!("Exception in thread \"main\" {class}: {message}"))
}

fn option_error(error: &OptionError) -> Failure {
    let class = match error {
        OptionError::Multiple(_) => "joptsimple.MultipleArgumentsForOptionException",
        _ => "joptsimple.OptionArgumentConversionException",
    };
    uncaught(class, error)
}

impl Arguments {
    /// `new_group` is the group's name when none is given.
    pub(super) fn read(options: &Options, new_group: &str) -> Result<Arguments, Failure> {
        let topic = options.one("topic").map_err(|error| option_error(&error))?;
        let whitelist = options.one("whitelist").map_err(|error| option_error(&error))?;
        let include = options.one("include").map_err(|error| option_error(&error))?.or(whitelist);
        check_topics(options, topic.is_some(), include.is_some())?;
        let Some(servers) = options.one("bootstrap-server").map_err(|error| option_error(&error))? else {
            return Err(Failure::usage("Missing required argument \"[bootstrap-server]\""));
        };
        let (mut consumer, groups) = consumer_settings(options)?;
        let partition = options.number::<i32>("partition").map_err(|error| option_error(&error))?;
        if let Some(group) = groups.first() {
            set(&mut consumer, "group.id", group);
            if partition.is_some() {
                return Err(Failure::usage("Options group and partition cannot be specified together."));
            }
        } else {
            set(&mut consumer, "group.id", new_group);
            set_default(&mut consumer, "enable.auto.commit", "false");
        }
        set(&mut consumer, "bootstrap.servers", servers);
        if let Some(level) = options.one("isolation-level").map_err(|error| option_error(&error))? {
            set(&mut consumer, "isolation.level", level);
        }
        set_default(&mut consumer, "isolation.level", "read_uncommitted");
        set_default(&mut consumer, "client.id", "console-consumer");
        reset_offsets(options, &mut consumer)?;
        let start = start_offset(options)?;
        let source = match (topic, include, partition) {
            (Some(topic), _, Some(partition)) => Source::Partition { topic: topic.to_owned(), partition, start },
            (Some(topic), _, None) => Source::Topic(topic.to_owned()),
            (None, include, _) => Source::Include(include.unwrap_or_default().to_owned()),
        };
        let properties = formatter_properties(options)?;
        let class = options.one("formatter").map_err(|error| option_error(&error))?.unwrap_or(DEFAULT_FORMATTER);
        let (formatter, remarks) = formatter::find(class, &properties).map_err(Failure::usage)?;
        Ok(Arguments {
            source,
            consumer,
            formatter,
            remarks,
            unknown_deserializers: unknown_deserializers(&properties),
            max_messages: options.number::<i32>("max-messages").map(most),
            timeout_ms: options
                .number::<i64>("timeout-ms")
                .map(|count| count.and_then(|count| u64::try_from(count).ok())),
            skip_on_error: options.has("skip-message-on-error"),
            systest_events: options.has("enable-systest-events"),
        })
    }
}

/// How many records are printed; Java takes -1 for all, and other negative numbers for none.
fn most(count: Option<i32>) -> Option<u64> {
    count.filter(|count| *count != -1).map(|count| u64::try_from(count).unwrap_or(0))
}

fn check_topics(options: &Options, topic: bool, include: bool) -> Result<(), Failure> {
    if topic == include {
        let hint = "--whitelist is DEPRECATED use --include instead; ignored if --include specified.";
        let hint = if options.has("whitelist") { hint } else { "" };
        return Err(Failure::usage(format!("Exactly one of --include/--topic is required. {hint}")));
    }
    if options.has("partition") {
        if !topic {
            return Err(Failure::usage("The topic is required when partition is specified."));
        }
        if options.has("from-beginning") && options.has("offset") {
            return Err(Failure::usage("Options from-beginning and offset cannot be specified together."));
        }
    } else if options.has("offset") {
        return Err(Failure::usage("The partition is required when offset is specified."));
    }
    Ok(())
}

/// Settings, and the names that are given to the group: by option, by property, by file.
fn consumer_settings(options: &Options) -> Result<(Properties, Vec<String>), Failure> {
    let path = options.one("consumer.config").map_err(|error| option_error(&error))?;
    let mut consumer = settings::read(path).map_err(|error| {
        Failure::new(format!("Exception in thread \"main\" {}", error.exception())).hint(error.hint())
    })?;
    let extra = key_values(&options.all("consumer-property"));
    let by_property = extra.iter().rev().find(|(key, _)| key == "group.id").map(|(_, value)| value.clone());
    let by_option = options.one("group").map_err(|error| option_error(&error))?.map(str::to_owned);
    let by_file = consumer.get("group.id").map(str::to_owned);
    let mut groups: Vec<String> = Vec::new();
    for group in [by_property, by_option, by_file].into_iter().flatten() {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    if groups.len() > 1 {
        let names: Vec<String> = groups.iter().map(|group| format!("'{group}'")).collect();
        return Err(Failure::usage(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '--consumer.config') do not match. Detected group ids: {}",
            names.join(", ")
        )));
    }
    for (key, value) in extra {
        set(&mut consumer, &key, &value);
    }
    Ok((consumer, groups))
}

/// `--from-beginning` is `auto.offset.reset=earliest`; the two must not contradict each other.
fn reset_offsets(options: &Options, consumer: &mut Properties) -> Result<(), Failure> {
    let given = consumer.get("auto.offset.reset").map(str::to_owned);
    if !options.has("from-beginning") {
        set_default(consumer, "auto.offset.reset", "latest");
        return Ok(());
    }
    match given.as_deref() {
        None | Some("earliest") => {
            set(consumer, "auto.offset.reset", "earliest");
            Ok(())
        }
        Some(other) => Err(Failure::new(format!(
            "Can't simultaneously specify --from-beginning and 'auto.offset.reset={other}', please remove one option"
        ))),
    }
}

fn start_offset(options: &Options) -> Result<StartOffset, Failure> {
    let Some(text) = options.one("offset").map_err(|error| option_error(&error))? else {
        return Ok(if options.has("from-beginning") { StartOffset::Earliest } else { StartOffset::Latest });
    };
    match text.to_lowercase().as_str() {
        "earliest" => Ok(StartOffset::Earliest),
        "latest" => Ok(StartOffset::Latest),
        number => number.parse().ok().filter(|offset| *offset >= 0).map(StartOffset::At).ok_or_else(|| {
            Failure::usage(format!(
                "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a \
                 non-negative long."
            ))
        }),
    }
}

fn formatter_properties(options: &Options) -> Result<Vec<(String, String)>, Failure> {
    let path = options.one("formatter-config").map_err(|error| option_error(&error))?;
    let mut properties = settings::read(path).map_err(|error| Failure::usage(error.to_string()))?;
    for (key, value) in key_values(&options.all("property")) {
        set(&mut properties, &key, &value);
    }
    for (option, key) in [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")] {
        if let Some(class) =
            options.one(option).map_err(|error| option_error(&error))?.filter(|class| !class.is_empty())
        {
            set(&mut properties, key, class);
        }
    }
    Ok(settings::pairs(&properties).map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

fn unknown_deserializers(properties: &[(String, String)]) -> Vec<String> {
    let known = ["key.deserializer", "value.deserializer", "headers.deserializer"];
    let named = properties.iter().filter(|(key, _)| known.contains(&key.as_str()));
    named.filter(|(_, class)| Deserializer::named(class).is_none()).map(|(_, class)| class.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, Failure> {
        let options = TABLE.parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).unwrap();
        Arguments::read(&options, "console-consumer-7")
    }

    #[test]
    fn mistakes_are_told_in_apaches_words() {
        let one_topic = "Exactly one of --include/--topic is required. ";
        let cases = [
            ("--bootstrap-server a:1", one_topic, true),
            ("--bootstrap-server a:1 --topic t --include x", one_topic, true),
            ("--topic t", "Missing required argument \"[bootstrap-server]\"", true),
            (
                "--bootstrap-server a:1 --topic t --partition 0 --offset 1 --from-beginning",
                "Options from-beginning and offset cannot be specified together.",
                true,
            ),
            (
                "--bootstrap-server a:1 --topic t --offset 1",
                "The partition is required when offset is specified.",
                true,
            ),
            (
                "--bootstrap-server a:1 --include t --partition 0",
                "The topic is required when partition is specified.",
                true,
            ),
            (
                "--bootstrap-server a:1 --topic t --partition 0 --offset -4",
                "The provided offset value '-4' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long.",
                true,
            ),
            (
                "--bootstrap-server a:1 --topic t --partition abc",
                "Exception in thread \"main\" joptsimple.OptionArgumentConversionException: Cannot parse argument 'abc' of \
                 option partition",
                false,
            ),
            (
                "--bootstrap-server a:1 --topic t --partition 0 --group g",
                "Options group and partition cannot be specified together.",
                true,
            ),
            ("--bootstrap-server a:1 --topic t --formatter no.such.Formatter", "no.such.Formatter", true),
            ("--bootstrap-server a:1 --topic t --formatter-config /no/file", "/no/file", true),
            (
                "--bootstrap-server a:1 --topic t --group g1 --consumer-property group.id=other",
                "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
                 '--consumer.config') do not match. Detected group ids: 'other', 'g1'",
                true,
            ),
            (
                "--bootstrap-server a:1 --topic t --from-beginning --consumer-property auto.offset.reset=latest",
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset=latest', please remove one option",
                false,
            ),
            (
                "--bootstrap-server a:1 --topic t --consumer.config /no/file",
                "Exception in thread \"main\" java.nio.file.NoSuchFileException: /no/file",
                false,
            ),
        ];
        for (line, expected, usage) in cases {
            let failure = read(line).unwrap_err();
            assert_eq!((failure.lines[0].as_str(), failure.usage, failure.code), (expected, usage, 1), "{line}");
        }
    }

    #[test]
    fn what_the_consumer_is_told() {
        let arguments = read("--bootstrap-server a:1 --topic t --from-beginning --max-messages 3").unwrap();
        let get = |key| arguments.consumer.get(key).unwrap_or("none").to_owned();
        assert_eq!((get("group.id"), get("enable.auto.commit")), ("console-consumer-7".to_owned(), "false".to_owned()));
        assert_eq!(
            (get("auto.offset.reset"), get("client.id")),
            ("earliest".to_owned(), "console-consumer".to_owned())
        );
        assert_eq!((arguments.source, arguments.max_messages), (Source::Topic("t".into()), Ok(Some(3))));
        let arguments = read("--bootstrap-server a:1 --topic t --group g").unwrap();
        assert_eq!(
            (arguments.consumer.get("group.id"), arguments.consumer.get("enable.auto.commit")),
            (Some("g"), None)
        );
        let start =
            |line: &str| read(&format!("--bootstrap-server a:1 --topic t --partition 1 {line}")).unwrap().source;
        let source = |start| Source::Partition { topic: "t".into(), partition: 1, start };
        assert_eq!(start(""), source(StartOffset::Latest));
        assert_eq!(start("--from-beginning"), source(StartOffset::Earliest));
        assert_eq!(start("--offset 5"), source(StartOffset::At(5)));
        assert!(read("--bootstrap-server a:1 --topic t --max-messages abc").unwrap().max_messages.is_err());
        let most = |count: &str| read(&format!("--bootstrap-server a:1 --topic t --max-messages {count}")).unwrap();
        assert_eq!(most("-1").max_messages, Ok(None));
        assert_eq!((most("-5").max_messages, most("0").max_messages), (Ok(Some(0)), Ok(Some(0))));
        assert!(most("9999999999").max_messages.is_err());
        let odd = read("--bootstrap-server a:1 --whitelist t.* --value-deserializer no.such.Deserializer").unwrap();
        assert_eq!(
            (odd.source, odd.unknown_deserializers),
            (Source::Include("t.*".into()), vec!["no.such.Deserializer".into()])
        );
    }
}
