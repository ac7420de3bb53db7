//! The command line of `kafka-console-producer.sh`.

use properties::Properties;

use super::reader::LineFormat;
use crate::exit::Failure;
use crate::options::{Opt, OptionError, Options, Table, key_values};
use crate::settings::{self, set, set_default};

const LINE_READER: &str = "kafka.tools.ConsoleProducer$LineMessageReader";
/// The same reader under the name it has since 4.0.
const LATER_LINE_READER: &str = "org.apache.kafka.tools.LineMessageReader";

/// All options.
pub(super) const TABLE: Table = Table(&[
    Opt::value("topic", "String", "topic", "REQUIRED: where the records go."),
    Opt::value(
        "broker-list",
        "String",
        "broker-list",
        "DEPRECATED, the older name of --bootstrap-server, which counts if both are given.",
    ),
    Opt::value(
        "bootstrap-server",
        "String",
        "server to connect to",
        "REQUIRED unless --broker-list (DEPRECATED) is given: brokers to begin with, as host:port,..",
    ),
    Opt::flag("sync", "Waits for the answer to each record before the next one is read."),
    Opt::maybe(
        "compression-codec",
        "String",
        "compression-codec",
        "How batches are compressed: none, gzip, snappy, lz4 or zstd. Without a value: gzip.",
    ),
    Opt::value("batch-size", "Integer", "size", "The bytes at which a batch is full.").or("16384"),
    Opt::value("message-send-max-retries", "Integer", "", "How often a failed send is repeated.").or("3"),
    Opt::value("retry-backoff-ms", "Long", "", "How long to wait before a send is repeated, in milliseconds.")
        .or("100"),
    Opt::value("timeout", "Long", "timeout_ms", "How long a batch waits for more records, in milliseconds.").or("1000"),
    Opt::value(
        "request-required-acks",
        "String",
        "request required acks",
        "Whose word a send waits for: 0 nobody's, 1 the leader's, -1 or all the word of all replicas in sync.",
    )
    .or("-1"),
    Opt::value("request-timeout-ms", "Integer", "request timeout ms", "How long an answer may take, in milliseconds.")
        .or("1500"),
    Opt::value(
        "metadata-expiry-ms",
        "Long",
        "metadata expiration interval",
        "After how many milliseconds the cluster is looked at anew.",
    )
    .or("300000"),
    Opt::value(
        "max-block-ms",
        "Long",
        "max block on send",
        "How long a send may wait for metadata and memory, in milliseconds.",
    )
    .or("60000"),
    Opt::value(
        "max-memory-bytes",
        "Long",
        "total memory in bytes",
        "Memory for records that are not sent yet, in bytes.",
    )
    .or("33554432"),
    Opt::value(
        "max-partition-memory-bytes",
        "Integer",
        "memory in bytes per partition",
        "Another name of --batch-size, which counts if both are given.",
    )
    .or("16384"),
    Opt::value(
        "line-reader",
        "String",
        "reader_class",
        "The class that takes lines apart. There is one, which knows the properties below.",
    )
    .or(LINE_READER),
    Opt::value("socket-buffer-size", "Integer", "size", "The socket's send buffer in bytes.").or("102400"),
    Opt::value(
        "property",
        "String",
        "prop",
        "How lines are taken apart, as name=value; may be repeated: parse.key, key.separator (a tab), parse.headers, \
         headers.delimiter (a tab), headers.separator (a comma), headers.key.separator (a colon), null.marker, \
         ignore.error.",
    ),
    Opt::value(
        "reader-config",
        "String",
        "config file",
        "A file with such properties; --property counts if both name one.",
    ),
    Opt::value(
        "producer-property",
        "String",
        "producer_prop",
        "A setting of the producer, as name=value; may be repeated.",
    ),
    Opt::value(
        "producer.config",
        "String",
        "config file",
        "A file with settings of the producer; --producer-property counts if both name one.",
    ),
    Opt::flag("help", "Prints this."),
    Opt::flag("version", "Prints the version."),
]);

/// What the command line asks for.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) topic: String,
    pub(super) sync: bool,
    pub(super) producer: Properties,
    pub(super) format: LineFormat,
}

/// Java prints exceptions that reach `main` by class and message.
fn thrown(class: &str, message: impl std::fmt::Display) -> Failure {
    Failure::new(format!("{class}: {message}"))
}

impl Arguments {
    pub(super) fn read(options: &Options) -> Result<Arguments, Failure> {
        let plain = |error: OptionError| Failure::new(error.to_string());
        let servers = options.one("bootstrap-server").map_err(plain)?;
        let servers = match servers {
            Some(servers) => Some(servers),
            None => options.one("broker-list").map_err(plain)?,
        };
        let Some(servers) = servers else {
            return Err(Failure::usage("Missing required option(s) [bootstrap-server]"));
        };
        let Some(topic) = options.one("topic").map_err(plain)? else {
            return Err(Failure::usage("Missing required argument \"[topic]\""));
        };
        if !servers.split(',').all(|server| kafka_client::HostPort::parse(server.trim()).is_some()) {
            return Err(Failure::usage("Please provide valid host:port like host1:9091,host2:9092\n "));
        }
        let producer = producer_settings(options, servers)?;
        let format = line_format(options)?;
        Ok(Arguments { topic: topic.to_owned(), sync: options.has("sync"), producer, format })
    }
}

fn producer_settings(options: &Options, servers: &str) -> Result<Properties, Failure> {
    let mut producer = settings::read(options.one("producer.config").map_err(|error| Failure::new(error.to_string()))?)
        .map_err(|error| Failure::new(error.exception()).hint(error.hint()))?;
    for (key, value) in key_values(&options.all("producer-property")) {
        set(&mut producer, &key, &value);
    }
    set(&mut producer, "bootstrap.servers", servers);
    let codec = match options.one("compression-codec").map_err(|error| Failure::new(error.to_string()))? {
        None => "none",
        Some("") => "gzip",
        Some(codec) => codec,
    };
    set(&mut producer, "compression.type", codec);
    set_default(&mut producer, "client.id", "console-producer");
    merge(options, &mut producer, "linger.ms", "timeout", Kind::Long)?;
    merge(options, &mut producer, "acks", "request-required-acks", Kind::Text)?;
    merge(options, &mut producer, "request.timeout.ms", "request-timeout-ms", Kind::Int)?;
    merge(options, &mut producer, "retries", "message-send-max-retries", Kind::Int)?;
    merge(options, &mut producer, "retry.backoff.ms", "retry-backoff-ms", Kind::Long)?;
    merge(options, &mut producer, "send.buffer.bytes", "socket-buffer-size", Kind::Int)?;
    merge(options, &mut producer, "buffer.memory", "max-memory-bytes", Kind::Long)?;
    merge(options, &mut producer, "batch.size", "max-partition-memory-bytes", Kind::Int)?;
    merge(options, &mut producer, "batch.size", "batch-size", Kind::Int)?;
    merge(options, &mut producer, "metadata.max.age.ms", "metadata-expiry-ms", Kind::Long)?;
    merge(options, &mut producer, "max.block.ms", "max-block-ms", Kind::Long)?;
    Ok(producer)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Long,
    Text,
}

/// An option that was given counts, then what the settings say, then the option's default.
fn merge(
    options: &Options,
    producer: &mut Properties,
    key: &str,
    option: &'static str,
    kind: Kind,
) -> Result<(), Failure> {
    let plain = |error: OptionError| Failure::new(error.to_string());
    match kind {
        Kind::Int => drop(options.number::<i32>(option).map_err(plain)?),
        Kind::Long => drop(options.number::<i64>(option).map_err(plain)?),
        Kind::Text => {}
    }
    if let Some(value) = options.one(option).map_err(plain)? {
        set(producer, key, value);
    } else if let Some(default) = TABLE.0.iter().find(|known| known.name == option).and_then(|known| known.default) {
        set_default(producer, key, default);
    }
    Ok(())
}

fn line_format(options: &Options) -> Result<LineFormat, Failure> {
    let plain = |error: OptionError| Failure::new(error.to_string());
    if let Some(class) = options.one("line-reader").map_err(plain)?
        && class != LINE_READER
        && class != LATER_LINE_READER
    {
        return Err(thrown("java.lang.ClassNotFoundException", class)
            .hint(format!("--line-reader: Java classes are not served; the one reader there is: {LINE_READER}")));
    }
    let mut properties = settings::read(options.one("reader-config").map_err(plain)?)
        .map_err(|error| Failure::new(error.exception()).hint(error.hint()))?;
    for (key, value) in key_values(&options.all("property")) {
        set(&mut properties, &key, &value);
    }
    let pairs: Vec<(String, String)> =
        settings::pairs(&properties).map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    LineFormat::new(&pairs).map_err(|message| thrown("org.apache.kafka.common.KafkaException", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, Failure> {
        Arguments::read(&TABLE.parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).unwrap())
    }

    #[test]
    fn mistakes_are_told_in_apaches_words() {
        let cases = [
            ("", "Missing required option(s) [bootstrap-server]", true),
            ("--topic t", "Missing required option(s) [bootstrap-server]", true),
            ("--bootstrap-server a:1", "Missing required argument \"[topic]\"", true),
            ("--bootstrap-server a:b --topic t", "Please provide valid host:port like host1:9091,host2:9092\n ", true),
            ("--broker-list a --topic t", "Please provide valid host:port like host1:9091,host2:9092\n ", true),
            ("--broker-list a:1 --topic t --timeout abc", "Cannot parse argument 'abc' of option timeout", false),
            (
                "--broker-list a:1 --topic t --line-reader no.such.Reader",
                "java.lang.ClassNotFoundException: no.such.Reader",
                false,
            ),
            (
                "--broker-list a:1 --topic t --producer.config /no/file",
                "java.nio.file.NoSuchFileException: /no/file",
                false,
            ),
            (
                "--broker-list a:1 --topic t --property headers.separator=:",
                "org.apache.kafka.common.KafkaException: headers.separator and headers.key.separator may not be equal",
                false,
            ),
        ];
        for (line, expected, usage) in cases {
            let failure = read(line).unwrap_err();
            assert_eq!((failure.lines[0].as_str(), failure.usage, failure.code), (expected, usage, 1), "{line}");
        }
    }

    #[test]
    fn options_go_before_settings_and_settings_before_defaults() {
        let arguments = read(
            "--broker-list old:1 --bootstrap-server a:1,b:2 --topic t --producer-property linger.ms=5 \
             --producer-property acks=1 --request-required-acks all --producer-property foo --batch-size 7 --sync",
        )
        .unwrap();
        let get = |key| arguments.producer.get(key).unwrap_or("none");
        assert_eq!((get("bootstrap.servers"), get("linger.ms"), get("acks")), ("a:1,b:2", "5", "all"));
        assert_eq!((get("batch.size"), get("retries"), get("client.id")), ("7", "3", "console-producer"));
        assert_eq!((get("compression.type"), get("foo"), arguments.sync), ("none", "", true));
        let codec = |line: &str| {
            read(&format!("--broker-list a:1 --topic t {line}"))
                .unwrap()
                .producer
                .get("compression.type")
                .map(str::to_owned)
        };
        assert_eq!(codec("--compression-codec").as_deref(), Some("gzip"));
        assert_eq!(codec("--compression-codec --sync").as_deref(), Some("gzip"));
        assert_eq!(codec("--compression-codec zstd").as_deref(), Some("zstd"));
    }
}
