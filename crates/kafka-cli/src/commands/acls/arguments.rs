//! The options, and which of them go together.

use crate::exit::Failure;
use crate::options::{Opt, Options, Table};
use crate::output::Console;

pub(super) const TABLE: Table = Table(&[
    Opt::value(
        "bootstrap-server",
        "String",
        "server to connect to",
        "Brokers to begin with, as host:port,..; required unless --authorizer-properties is given.",
    ),
    Opt::maybe(
        "command-config",
        "String",
        "command-config",
        "A file with settings of the admin client; with --bootstrap-server only.",
    ),
    Opt::value(
        "authorizer",
        "String",
        "authorizer",
        "DEPRECATED: the class of the authorizer whose rules are changed without a broker; \
         kafka.security.authorizer.AclAuthorizer if it is left out.",
    ),
    Opt::value(
        "authorizer-properties",
        "String",
        "authorizer-properties",
        "DEPRECATED: settings of the authorizer as key=value, such as zookeeper.connect=localhost:2181; may be given \
         more than once.",
    ),
    Opt::value(
        "topic",
        "String",
        "topic",
        "The topic that rules are about, * for all; may be given more than once, as all that name resources.",
    ),
    Opt::flag("cluster", "Rules are about the cluster."),
    Opt::value("group", "String", "group", "The consumer group that rules are about, * for all."),
    Opt::value(
        "transactional-id",
        "String",
        "transactional-id",
        "The transactional id that rules are about, * for all.",
    ),
    Opt::flag("idempotent", "With --producer: allows producer ids, too. Not needed since Kafka 2.8."),
    Opt::value(
        "delegation-token",
        "String",
        "delegation-token",
        "The delegation token that rules are about, * for all.",
    ),
    Opt::value(
        "user-principal",
        "String",
        "user-principal",
        "The user, as User:name, whose delegation tokens rules are about.",
    ),
    Opt::value(
        "resource-pattern-type",
        "ANY|MATCH|LITERAL|PREFIXED",
        "",
        "How names are meant: LITERAL as they are, PREFIXED as beginnings. --list and --remove take ANY, every pattern \
         of that name, and MATCH, every pattern that a resource of that name falls under, as well.",
    )
    .or("LITERAL"),
    Opt::flag("add", "Adds rules."),
    Opt::flag("remove", "Removes rules."),
    Opt::flag("list", "Lists rules; of the resources that are named, or all."),
    Opt::value("operation", "String", "", "What is allowed or denied, such as Read; may be given more than once.")
        .or("All"),
    Opt::value(
        "allow-principal",
        "String",
        "allow-principal",
        "Who is allowed, as User:name; User:* is everybody. May be given more than once.",
    ),
    Opt::value(
        "deny-principal",
        "String",
        "deny-principal",
        "Who is denied, whatever else is allowed, as User:name; User:* is everybody. May be given more than once.",
    ),
    Opt::maybe(
        "principal",
        "String",
        "principal",
        "With --list: only rules of this principal; may be given more than once.",
    ),
    Opt::value(
        "allow-host",
        "String",
        "allow-host",
        "Where those of --allow-principal may come from, * if it is left out; may be given more than once.",
    ),
    Opt::value(
        "deny-host",
        "String",
        "deny-host",
        "Where those of --deny-principal may not come from, * if it is left out; may be given more than once.",
    ),
    Opt::flag("producer", "What producers need: WRITE, DESCRIBE and CREATE on the topic."),
    Opt::flag("consumer", "What consumers need: READ and DESCRIBE on the topic, READ on the group."),
    Opt::flag("force", "Asks nothing."),
    Opt::value(
        "zk-tls-config-file",
        "String",
        "Authorizer ZooKeeper TLS configuration",
        "DEPRECATED: a file that says how the authorizer speaks TLS with ZooKeeper.",
    ),
    Opt::flag("help", "Prints this."),
    Opt::flag("version", "Prints the version of Kafka."),
]);

const DEPRECATED: &str = "Warning: support for ACL configuration directly through the authorizer is deprecated and will \
                          be removed in a future release. Please use --bootstrap-server instead to set ACLs through the \
                          admin client.";

/// Options that do not go with the first one.
const EXCLUDED: [(&str, &[&str]); 3] = [
    ("list", &["producer", "consumer", "allow-host", "allow-principal", "deny-host", "deny-principal"]),
    // What producers and consumers need is known, and is only ever allowed.
    ("producer", &["operation", "deny-principal", "deny-host"]),
    ("consumer", &["operation", "deny-principal", "deny-host"]),
];

/// What is wrong before anything is asked; the order of these checks is Java's.
pub(super) fn check(options: &Options, console: &mut Console) -> Result<(), Failure> {
    let has = |name: &str| options.has(name);
    let wrong = |text: &str| Err(Failure::usage(text));
    if has("bootstrap-server") && has("authorizer") {
        return wrong("Only one of --bootstrap-server or --authorizer must be specified");
    }
    if !has("bootstrap-server") {
        if !has("authorizer-properties") {
            return wrong("Missing required argument \"[authorizer-properties]\"");
        }
        console.error(DEPRECATED);
    }
    if has("command-config") && !has("bootstrap-server") {
        return wrong("The --command-config option can only be used with --bootstrap-server option");
    }
    if has("authorizer-properties") && has("bootstrap-server") {
        return wrong("The --authorizer-properties option can only be used with --authorizer option");
    }
    if ["add", "remove", "list"].into_iter().filter(|name| has(name)).count() != 1 {
        return wrong("Command must include exactly one action: --list, --add, --remove. ");
    }
    for (used, others) in EXCLUDED {
        if let Some(other) = others.iter().find(|other| has(used) && has(other)) {
            return wrong(&format!("Option \"[{used}]\" can't be used with option \"[{other}]\""));
        }
    }
    if has("principal") && !has("list") {
        return wrong("The --principal option is only available if --list is set");
    }
    if has("producer") && !has("topic") {
        return wrong("With --producer you must specify a --topic");
    }
    if has("idempotent") && !has("producer") {
        return wrong("The --idempotent option is only available if --producer is set");
    }
    let is_more = !has("producer") && (has("cluster") || has("transactional-id"));
    if has("consumer") && (!has("topic") || !has("group") || is_more) {
        return wrong(
            "With --consumer you must specify a --topic and a --group and no --cluster or --transactional-id option \
             should be specified.",
        );
    }
    Ok(())
}
