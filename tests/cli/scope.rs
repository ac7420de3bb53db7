//! Which cases of the transcripts are not replayed, and why; and where the order of lines is no promise.

use tests::Kind;

/// File, case, reason.
type LeftOut = (&'static str, &'static str, &'static str);

const LEFT_OUT: &[LeftOut] = &[
    ("tutorial", "producer-terminal-ctrl-c", "whether its line is lost is a matter of timing"),
    ("tutorial", "kafka-server-log", "a whole log; the lines that people look for are in the server's own cases"),
    ("tutorial", "zookeeper-server-log", "a whole log; the lines that people look for are in the server's own cases"),
    ("zookeeper-shell", ON_ITS_OWN_TREE, "replayed by itself: it was recorded on a tree of its own"),
    ("zookeeper-shell", "no-port", "needs port 2181 itself"),
    ("zookeeper-shell", "get-base64", "ours has the option, as ZooKeeper 3.9 has"),
    ("zookeeper-shell", "get-hex", "ours has the option, as ZooKeeper 3.9 has"),
    ("kafka-configs", "describe-broker-all", "shows the file of the broker that was recorded, line by line"),
    ("kafka-configs", "describe-broker-loggers", "which loggers there are is each program's own affair"),
    ("kafka-console-consumer", "offsets-formatter", INTERNAL),
    ("kafka-console-consumer", "offsets-formatter-old-name", INTERNAL),
    ("kafka-console-consumer", "group-metadata-formatter", INTERNAL),
    ("kafka-console-consumer", "group-metadata-formatter-old-name", INTERNAL),
    ("kafka-console-consumer", "two-partitions", "which partition gets the records is chosen at random"),
    ("kafka-console-producer", "max-block", "ours knows the topic within the one millisecond, and sends"),
    ("kafka-console-producer", "broker-down-terminal", "warnings come in between at their own time"),
    (
        "kafka-topics",
        "create-replica-assignment-unknown-broker",
        "Apache lets the request time out; ours refuses it and names the broker",
    ),
    ("kafka-get-offsets", "offsets-time-max-timestamp", NEWEST),
    ("kafka-get-offsets", "offsets-time--3", NEWEST),
    ("kafka-server-start", "meta-properties", "reads a file, and starts nothing"),
    ("kafka-server-start", "daemon", "the file it names was not kept with the transcripts"),
    ("kafka-server-start", "stop-broker", "no broker runs there, but for the one of `daemon`"),
    (
        "kafka-server-start",
        "authorizer-unknown",
        "ours refuses every class but AclAuthorizer by name, with file and line",
    ),
    ("kafka-server-start", "same-log-dirs", "ours says that the directory is in use, before it looks at what it holds"),
    ("kafka-server-start", "log-dirs-is-a-file", "ours says so in one line"),
    ("kafka-server-start", "log-dirs-one-bad", "ours tells of the bad directory before it asks for the cluster's id"),
    (
        "zookeeper-server-start",
        "datadir-empty",
        "Apache's is a StringIndexOutOfBoundsException; ours says what is empty",
    ),
    ("zookeeper-server-start", "server-without-myid", "there are no ensembles; the setting is refused"),
    ("zookeeper-server-start", "server-without-initlimit", "there are no ensembles; the setting is refused"),
    (
        "zookeeper-server-start",
        "server-unparsable",
        "there are no ensembles; a single server is ignored with a warning",
    ),
    ("zookeeper-four-letter-words", "admin-commands-system_properties", "properties of a Java machine"),
    ("zookeeper-four-letter-words", "admin-commands-snapshot", "a command of 3.9, and ours has it"),
];

const NEWEST: &str = "which record is the newest depends on how fast the producer read its lines";

const INTERNAL: &str = "what stands in the internal topic depends on all that ran before, and on how fast";

/// Cases of the shell that were recorded after the ephemeral node of an earlier one, whose name begins so, had gone.
const AFTER_AN_EPHEMERAL_NODE: &[(&str, &str)] = &[("ls", "eph"), ("option-timeout-before", "es-")];

/// The case of the shell that begins with nothing but `/n`.
pub(crate) const ON_ITS_OWN_TREE: &str = "terminal";

/// Cases that only the real scripts answer, where the tests put a script of their own before Apache's program.
const SCRIPTS: &[(&str, &str)] = &[
    ("zookeeper-shell", "no-arguments"),
    ("kafka-server-start", "no-arguments"),
    ("kafka-server-start", "daemon-without-file"),
    ("kafka-server-start", "stop-nothing-runs"),
    ("kafka-server-start", "stop-broker"),
    ("zookeeper-server-start", "no-arguments"),
    ("zookeeper-server-start", "stop-nothing-runs"),
];

/// Cases that take a minute of waiting; replayed in the long tier.
const LONG: &[(&str, &str)] = &[
    ("kafka-configs", "broker-down"),
    ("kafka-configs", "describe-broker-unknown"),
    ("kafka-topics", "wrong-port"),
    ("kafka-console-producer", "broker-down-default-timeout"),
];

/// Cases in which it is chance whether Apache's tool has a request under way when its time is up.
const CHANCE: &[(&str, &str)] = &[("kafka-consumer-groups", "reset-unknown-partition")];

/// Why a case is not replayed with these programs, if it is not.
pub(crate) fn left_out(file: &str, case: &str, kind: Kind) -> Option<&'static str> {
    let named = |pairs: &[(&str, &str)]| pairs.contains(&(file, case));
    if named(LONG) && !tests::full() {
        return Some("takes a minute");
    }
    if kind == Kind::Apache && named(SCRIPTS) {
        return Some("answered by a script");
    }
    if kind == Kind::Apache && named(CHANCE) {
        return Some("told in one of two ways");
    }
    LEFT_OUT.iter().find(|left_out| (left_out.0, left_out.1) == (file, case)).map(|left_out| left_out.2)
}

/// Does the original print these lines in the order of a hash map, or of partitions that come in as they like?
pub(crate) fn in_any_order(file: &str, case: &str) -> bool {
    matches!(
        (file, case),
        ("kafka-topics", "describe-all" | "describe-at-min-isr")
            | ("kafka-console-consumer", "include")
            | ("tutorial", "consumer-terminal" | "consumer-pipe-sigint" | "consumer-pipe-sigterm")
    )
}

/// The beginning of the name of the ephemeral node that must have gone before this case of the shell.
pub(crate) fn gone_before(file: &str, case: &str) -> Option<&'static str> {
    let (_, prefix) = AFTER_AN_EPHEMERAL_NODE.iter().find(|(name, _)| file == "zookeeper-shell" && *name == case)?;
    Some(prefix)
}

/// May the first event of the shell be printed or not?
pub(crate) fn first_event_is_a_race(file: &str, case: &str) -> bool {
    file == "zookeeper-shell" && matches!(case, "help-option" | "create-unknown-option" | "unknown-command")
}

#[test]
fn what_is_left_out_exists() {
    use crate::transcript::{Entry, read};
    for (file, case, reason) in LEFT_OUT {
        let there = read(file).iter().any(|entry| matches!(entry, Entry::Case(found) if found.name == *case));
        assert!(there && !reason.is_empty(), "{file}/{case}");
    }
}
