//! The command line: who is meant, and whether its parts go together. The texts are Apache's.

use std::net::ToSocketAddrs as _;

use crate::exit::Failure;
use crate::options::{Opt, Options, Table};

pub(super) const TOPICS: &str = "topics";
pub(super) const CLIENTS: &str = "clients";
pub(super) const USERS: &str = "users";
pub(super) const BROKERS: &str = "brokers";
pub(super) const BROKER_LOGGERS: &str = "broker-loggers";
pub(super) const IPS: &str = "ips";
pub(super) const CLIENT_METRICS: &str = "client-metrics";

pub(super) const TABLE: Table = Table(&[
    Opt::value("bootstrap-server", "String", "server to connect to", "Brokers to begin with, as host:port,.."),
    Opt::value("bootstrap-controller", "String", "controller to connect to", "For KRaft only."),
    Opt::value(
        "zookeeper",
        "String",
        "urls",
        "DEPRECATED: the coordination server, for users and for brokers that are down.",
    ),
    Opt::value("command-config", "String", "command config property file", "A file with settings of the admin client."),
    Opt::flag("alter", "Changes settings."),
    Opt::flag("describe", "Shows settings."),
    Opt::flag("all", "With --describe: those with their defaults, too."),
    Opt::value("entity-type", "String", "", "topics, clients, users, brokers, broker-loggers, ips or client-metrics."),
    Opt::value("entity-name", "String", "", "Which of them."),
    Opt::flag("entity-default", "What all have by default."),
    Opt::value("add-config", "String", "", "k=v,k=[v,v],..: settings to set."),
    Opt::value("add-config-file", "String", "", "A file with settings to set."),
    Opt::value("delete-config", "String", "", "k,..: settings to remove."),
    Opt::flag("force", "No questions are asked anyway."),
    Opt::value("topic", "String", "", "A topic's settings."),
    Opt::value("client", "String", "", "The quotas of a client id."),
    Opt::flag("client-defaults", "The quotas of all clients by default."),
    Opt::value("user", "String", "", "A user's quotas and credentials."),
    Opt::flag("user-defaults", "The quotas of all users by default."),
    Opt::value("broker", "String", "", "A broker's settings."),
    Opt::flag("broker-defaults", "The settings of all brokers by default."),
    Opt::value("broker-logger", "String", "", "The levels of a broker's loggers."),
    Opt::value("ip", "String", "", "The quotas of an address."),
    Opt::flag("ip-defaults", "The quotas of all addresses by default."),
    Opt::value("zk-tls-config-file", "String", "ZooKeeper TLS configuration", "A file with zookeeper.ssl... settings."),
    Opt::flag("help", "Prints this."),
    Opt::flag("version", "Prints the version."),
]);

const BY_NAME: [(&str, &str); 6] = [
    ("topic", TOPICS),
    ("client", CLIENTS),
    ("user", USERS),
    ("broker", BROKERS),
    ("broker-logger", BROKER_LOGGERS),
    ("ip", IPS),
];

const DEFAULTS: [(&str, &str); 4] =
    [("client-defaults", CLIENTS), ("user-defaults", USERS), ("broker-defaults", BROKERS), ("ip-defaults", IPS)];

const OF_BROKERS: [&str; 7] = [TOPICS, CLIENTS, USERS, BROKERS, IPS, BROKER_LOGGERS, CLIENT_METRICS];
const OF_ZOOKEEPER: [&str; 2] = [USERS, BROKERS];

/// A command line that makes sense.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) options: Options,
    /// One type, or users and clients.
    pub(super) types: Vec<String>,
    /// Names in the order of the types; an empty one is the default.
    pub(super) names: Vec<String>,
}

impl Arguments {
    pub(super) fn new(options: Options, args: &[String]) -> Result<Arguments, Failure> {
        if options.has("alter") == options.has("describe") {
            return Err(Failure::usage("Command must include exactly one action: --describe, --alter"));
        }
        for wrong in ["add-config", "delete-config"] {
            if options.has("describe") && options.has(wrong) {
                return Err(Failure::usage(format!("Option \"[describe]\" can't be used with option \"[{wrong}]\"")));
            }
        }
        let arguments = Arguments { types: types(&options), names: names(&options, args)?, options };
        arguments.check_types()?;
        arguments.check_connection()?;
        arguments.check_names()?;
        if arguments.options.has("describe") {
            arguments.check_describe()?;
        } else {
            arguments.check_alter()?;
        }
        Ok(arguments)
    }

    /// The first type decides what is done.
    pub(super) fn kind(&self) -> &str {
        self.types.first().map_or("", String::as_str)
    }

    pub(super) fn has_type(&self, kind: &str) -> bool {
        self.types.iter().any(|one| one == kind)
    }

    fn check_types(&self) -> Result<(), Failure> {
        let mut again: Vec<&str> = Vec::new();
        for (at, kind) in self.types.iter().enumerate() {
            if self.types[..at].contains(kind) {
                again.push(kind);
            }
        }
        if !again.is_empty() {
            return Err(Failure::new(format!("Duplicate entity type(s) specified: {}", again.join(","))));
        }
        let by_brokers = self.options.has("bootstrap-server") || self.options.has("bootstrap-controller");
        let (allowed, how): (&[&str], _) = if by_brokers {
            (&OF_BROKERS, "--bootstrap-server or --bootstrap-controller")
        } else {
            (&OF_ZOOKEEPER, "--zookeeper")
        };
        if let Some(kind) = self.types.iter().find(|kind| !allowed.contains(&kind.as_str())) {
            return Err(Failure::new(format!(
                "Invalid entity type {kind}, the entity type must be one of {} with a {how} argument",
                allowed.join(", ")
            )));
        }
        if self.types.is_empty() {
            return Err(Failure::new("At least one entity type must be specified"));
        }
        if self.types.len() > 1 && !(self.types.len() == 2 && self.has_type(USERS) && self.has_type(CLIENTS)) {
            return Err(Failure::new("Only 'users' and 'clients' entity types may be specified together"));
        }
        let general = ["entity-name", "entity-type", "entity-default"].iter().any(|name| self.options.has(name));
        if general && BY_NAME.iter().chain(&DEFAULTS).any(|(name, _)| self.options.has(name)) {
            return Err(Failure::new(
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
            ));
        }
        Ok(())
    }

    fn check_connection(&self) -> Result<(), Failure> {
        let given =
            ["bootstrap-server", "bootstrap-controller", "zookeeper"].iter().filter(|name| self.options.has(name));
        match given.count() {
            0 => Err(Failure::new(
                "One of the required --bootstrap-server, --boostrap-controller, or --zookeeper arguments must be specified",
            )),
            1 if self.options.has("all") && self.options.has("zookeeper") => {
                Err(Failure::new("--bootstrap-server must be specified for --all"))
            }
            1 if self.options.has("zk-tls-config-file") && self.options.has("bootstrap-server") => Err(Failure::new(
                "--bootstrap-server doesn't support --zk-tls-config-file option. If you intend the command to \
                     communicate directly with ZooKeeper, please use the option --zookeeper instead of \
                     --bootstrap-server. Otherwise, remove the --zk-tls-config-file option.",
            )),
            1 if self.options.has("bootstrap-controller") => {
                Err(Failure::new("--bootstrap-controller is for KRaft, and there is none: use --bootstrap-server."))
            }
            1 => Ok(()),
            _ => Err(Failure::new(
                "Only one of --bootstrap-server, --boostrap-controller, and --zookeeper can be specified",
            )),
        }
    }

    fn check_names(&self) -> Result<(), Failure> {
        let head = self.kind();
        let named = self.names.iter().filter(|name| !name.is_empty());
        for name in named {
            if [BROKERS, BROKER_LOGGERS].contains(&head) && name.parse::<i32>().is_err() {
                return Err(Failure::new(format!(
                    "The entity name for {head} must be a valid integer broker id, but it is: {name}"
                )));
            }
            if head == IPS && (name.as_str(), 0).to_socket_addrs().map_or(true, |mut found| found.next().is_none()) {
                return Err(Failure::new(format!(
                    "The entity name for {head} must be a valid IP or resolvable host, but it is: {name}"
                )));
            }
        }
        Ok(())
    }

    fn has_name(&self) -> bool {
        self.names.iter().any(|name| !name.is_empty())
    }

    fn has_defaults(&self) -> bool {
        [USERS, CLIENTS, BROKERS, IPS].iter().any(|kind| self.has_type(kind))
    }

    fn check_describe(&self) -> Result<(), Failure> {
        let types = self.types.join(",");
        if !self.has_defaults() && self.options.has("entity-default") {
            return Err(Failure::new(format!("--entity-default must not be specified with --describe of {types}")));
        }
        if self.has_type(BROKER_LOGGERS) && !self.has_name() {
            return Err(Failure::new(format!("an entity name must be specified with --describe of {types}")));
        }
        Ok(())
    }

    fn check_alter(&self) -> Result<(), Failure> {
        if self.has_defaults() {
            if self.names.is_empty() {
                return Err(Failure::new(
                    "an entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
                ));
            }
        } else if !self.has_name() {
            let types = self.types.join(",");
            return Err(Failure::new(format!("an entity name must be specified with --alter of {types}")));
        }
        let has = |name| self.options.has(name);
        if has("add-config") && has("add-config-file") {
            return Err(Failure::new("Only one of --add-config or --add-config-file must be specified"));
        }
        if !has("add-config") && !has("add-config-file") && !has("delete-config") {
            return Err(Failure::new(
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
            ));
        }
        Ok(())
    }
}

fn types(options: &Options) -> Vec<String> {
    let special = BY_NAME.iter().chain(&DEFAULTS).filter(|(name, _)| options.has(name));
    let general = options.all("entity-type").into_iter().map(str::to_owned);
    general.chain(special.map(|(_, kind)| (*kind).to_owned())).collect()
}

/// Names and defaults in the order in which they were given, for they belong to the types in theirs.
fn names(options: &Options, args: &[String]) -> Result<Vec<String>, Failure> {
    let mut given = options.all("entity-name").into_iter();
    let mut names = Vec::new();
    for word in args {
        let option = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or_default();
        match option.split('=').next() {
            Some("entity-name") => names.extend(given.next().map(str::to_owned)),
            Some("entity-default") => names.push(String::new()),
            _ => {}
        }
    }
    for (name, _) in BY_NAME {
        names.extend(options.one(name)?.map(str::to_owned));
    }
    names.extend(DEFAULTS.iter().filter(|(name, _)| options.has(name)).map(|_| String::new()));
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Result<Arguments, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let options = TABLE.parse(&args).expect("known options");
        Arguments::new(options, &args).map_err(|failure| failure.lines.join("\n"))
    }

    #[test]
    fn names_belong_to_types_in_their_order() {
        let line = "--bootstrap-server b --describe --entity-type users --entity-default --entity-type clients --entity-name app";
        let found = arguments(line).expect("legal");
        assert_eq!(
            (found.types, found.names),
            (vec!["users".into(), "clients".into()], vec![String::new(), "app".into()])
        );
        let found = arguments("--bootstrap-server b --describe --user u --client-defaults").expect("legal");
        assert_eq!(
            (found.types, found.names),
            (vec!["users".into(), "clients".into()], vec!["u".into(), String::new()])
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused_in_apaches_words() {
        for (line, expected) in [
            (
                "--describe --entity-type users",
                "One of the required --bootstrap-server, --boostrap-controller, or --zookeeper arguments must be specified",
            ),
            (
                "--bootstrap-server b --describe --topic t --entity-type topics",
                "Duplicate entity type(s) specified: topics",
            ),
            (
                "--bootstrap-server b --describe --entity-name x --topic t",
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
            ),
            (
                "--bootstrap-server b --describe --entity-type users --entity-type topics",
                "Only 'users' and 'clients' entity types may be specified together",
            ),
            (
                "--bootstrap-server b --describe --entity-type broker-loggers",
                "an entity name must be specified with --describe of broker-loggers",
            ),
            (
                "--bootstrap-server b --describe --entity-type topics --entity-default",
                "--entity-default must not be specified with --describe of topics",
            ),
            (
                "--bootstrap-server b --alter --entity-type users --add-config a=b",
                "an entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
            ),
            ("--zookeeper z --all --describe --entity-type users", "--bootstrap-server must be specified for --all"),
            (
                "--bootstrap-server b --describe --add-config a=b --topic t",
                "Option \"[describe]\" can't be used with option \"[add-config]\"",
            ),
        ] {
            assert_eq!(arguments(line).expect_err(line), expected);
        }
    }
}
