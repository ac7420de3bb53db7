//! The options, and which of them go together.

use crate::options::{Opt, Options, Table};
use crate::start::{Introduction, Mistake};

pub(super) const PURPOSE: &str = "This tool helps to move topic partitions between replicas.";

pub(super) const TABLE: Table = Table(&[
    Opt::flag(
        "verify",
        "Tells how far the moves of --reassignment-json-file are, and lifts throttles when they are done.",
    ),
    Opt::flag("generate", "Proposes a plan for topics and brokers, and executes nothing."),
    Opt::flag("execute", "Begins the moves of --reassignment-json-file."),
    Opt::flag("cancel", "Takes the moves of --reassignment-json-file back that are under way."),
    Opt::flag("list", "Lists all moves that are under way."),
    Opt::value(
        "bootstrap-server",
        "String",
        "Server(s) to use for bootstrapping",
        "REQUIRED: brokers to begin with, as host:port,..",
    ),
    Opt::value("command-config", "String", "Admin client property file", "A file with settings of the admin client."),
    Opt::value(
        "reassignment-json-file",
        "String",
        "manual assignment json file path",
        "A file that says where partitions shall be, such as\n{\"partitions\":\n  [{\"topic\": \"foo\",\n    \
         \"partition\": 1,\n    \"replicas\": [1,2,3],\n    \"log_dirs\": [\"dir1\",\"dir2\",\"dir3\"]}],\n \
         \"version\":1\n}\nDirectories may be left out, or be \"any\".",
    ),
    Opt::value(
        "topics-to-move-json-file",
        "String",
        "topics to reassign json file path",
        "A file that names the topics of a proposal, such as\n{\"topics\":\n  [{\"topic\": \"foo\"},{\"topic\": \
         \"foo1\"}],\n \"version\":1\n}",
    ),
    Opt::value("broker-list", "String", "brokerlist", "The brokers of a proposal, as 0,1,2."),
    Opt::flag("disable-rack-aware", "Proposes without a look at racks."),
    Opt::value(
        "throttle",
        "Long",
        "throttle",
        "So many bytes per second may go between brokers while partitions move.",
    )
    .or("-1"),
    Opt::value(
        "replica-alter-log-dirs-throttle",
        "Long",
        "replicaAlterLogDirsThrottle",
        "So many bytes per second may go between directories of a broker.",
    )
    .or("-1"),
    Opt::value("timeout", "Long", "timeout", "How many ms to wait until moves between directories can begin.")
        .or("10000"),
    Opt::flag("additional", "Begins moves though others are under way, or changes their throttle."),
    Opt::flag("preserve-throttles", "Leaves throttles as they are."),
    Opt::flag("help", "Prints this."),
    Opt::flag("version", "Prints the version of Kafka."),
]);

pub(super) const INTRODUCTION: Introduction =
    Introduction { table: TABLE, purpose: PURPOSE, without_arguments: Some(PURPOSE), mistake: Mistake::Thrown };

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Generate,
    Execute,
    Verify,
    Cancel,
    List,
}

impl Action {
    const ALL: [Action; 5] = [Action::Generate, Action::Execute, Action::Verify, Action::Cancel, Action::List];

    fn name(self) -> &'static str {
        match self {
            Action::Generate => "generate",
            Action::Execute => "execute",
            Action::Verify => "verify",
            Action::Cancel => "cancel",
            Action::List => "list",
        }
    }

    fn needs(self) -> &'static [&'static str] {
        match self {
            Action::Generate => &["topics-to-move-json-file", "broker-list"],
            Action::Execute | Action::Verify | Action::Cancel => &["reassignment-json-file"],
            Action::List => &[],
        }
    }

    fn takes(self) -> &'static [&'static str] {
        match self {
            Action::Generate => &["disable-rack-aware"],
            Action::Execute => &["additional", "throttle", "replica-alter-log-dirs-throttle", "timeout"],
            Action::Verify => &["preserve-throttles"],
            Action::Cancel => &["preserve-throttles", "timeout"],
            Action::List => &[],
        }
    }
}

/// The one action that was asked for, with all that it needs and nothing that it does not take.
///
/// # Errors
/// What is wrong, in Apache's words.
pub(super) fn action(options: &Options) -> Result<Action, String> {
    let wanted: Vec<Action> = Action::ALL.into_iter().filter(|action| options.has(action.name())).collect();
    let [action] = wanted[..] else {
        let all = Action::ALL.map(|action| format!("--{}", action.name())).join(", ");
        return Err(format!("Command must include exactly one action: {all}"));
    };
    if !options.has("bootstrap-server") {
        return Err("Please specify --bootstrap-server".to_owned());
    }
    if let Some(missing) = action.needs().iter().find(|name| !options.has(name)) {
        return Err(format!("Missing required argument \"[{missing}]\""));
    }
    let may_be_given = |name: &str| {
        [action.name(), "bootstrap-server", "command-config"].contains(&name)
            || action.needs().contains(&name)
            || action.takes().contains(&name)
    };
    match options.given().find(|name| !may_be_given(name)) {
        Some(name) => Err(format!("Option \"[{name}]\" can't be used with action \"[{}]\"", action.name())),
        None => Ok(action),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(line: &str) -> Result<Action, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        action(&TABLE.parse(&words).expect("known options"))
    }

    #[test]
    fn an_action_has_what_it_needs_and_no_more() {
        assert_eq!(judge("--list --bootstrap-server x"), Ok(Action::List));
        assert_eq!(judge("--list"), Err("Please specify --bootstrap-server".to_owned()));
        assert_eq!(
            judge("--additional --list --bootstrap-server x --timeout 3"),
            Err("Option \"[additional]\" can't be used with action \"[list]\"".to_owned())
        );
        assert_eq!(
            judge("--generate --bootstrap-server x"),
            Err("Missing required argument \"[topics-to-move-json-file]\"".to_owned())
        );
        assert_eq!(
            judge("--bootstrap-server x --list --verify"),
            Err("Command must include exactly one action: --generate, --execute, --verify, --cancel, --list".to_owned())
        );
        assert_eq!(judge("--cancel --timeout 3 --bootstrap-server x --reassignment-json-file f"), Ok(Action::Cancel));
    }
}
