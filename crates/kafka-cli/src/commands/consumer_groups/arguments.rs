//! The options, and which of them go together.

use crate::exit::Failure;
use crate::options::{Opt, Options, Table};
use crate::output::Console;

pub(super) const TABLE: Table = Table(&[
    Opt::value(
        "bootstrap-server",
        "String",
        "server to connect to",
        "REQUIRED: brokers to begin with, as host:port,..",
    ),
    Opt::value("group", "String", "consumer group", "The group to work on; may be given more than once."),
    Opt::value(
        "topic",
        "String",
        "topic",
        "The topic whose offsets are reset or deleted, as topic or topic:0,1 for some of its partitions; may be given \
         more than once.",
    ),
    Opt::flag("all-topics", "Resets the offsets of all topics that the group has committed."),
    Opt::flag("list", "Lists all groups."),
    Opt::flag("describe", "Shows groups: what they have read, and what is left."),
    Opt::flag("all-groups", "Works on all groups."),
    Opt::flag("delete", "Deletes groups that have no members, with all that they committed."),
    Opt::value("timeout", "Long", "timeout (ms)", "How long a call to the cluster may take.").or("5000"),
    Opt::value("command-config", "String", "command config property file", "A file with settings of the client."),
    Opt::flag(
        "reset-offsets",
        "Sets what groups without members have committed. What to is said by one of --to-offset, --to-current, \
         --to-datetime, --by-duration, --to-earliest, --to-latest, --shift-by and --from-file; --dry-run shows it, \
         --execute does it, --export prints it as CSV.",
    ),
    Opt::flag("delete-offsets", "Deletes what one group has committed for topics that no member reads."),
    Opt::flag("dry-run", "Shows what --reset-offsets would do, and does nothing."),
    Opt::flag("execute", "Does what --reset-offsets says."),
    Opt::flag("export", "Prints what --reset-offsets would do as CSV."),
    Opt::value("to-offset", "Long", "offset", "Resets to this offset."),
    Opt::value("from-file", "String", "path to CSV file", "Resets to the offsets in this file."),
    Opt::value(
        "to-datetime",
        "String",
        "datetime",
        "Resets to the first record that is not older than YYYY-MM-DDTHH:mm:SS.sss.",
    ),
    Opt::value(
        "by-duration",
        "String",
        "duration",
        "Resets to the first record that is not older than so long ago, as PnDTnHnMnS.",
    ),
    Opt::flag("to-earliest", "Resets to the beginning."),
    Opt::flag("to-latest", "Resets to the end."),
    Opt::value("shift-by", "Long", "number-of-offsets", "Moves what is committed by so much; back if it is negative."),
    Opt::flag("to-current", "Resets to what is committed."),
    Opt::flag("members", "Describes the members of groups."),
    Opt::flag("verbose", "Describes what each member was assigned, too."),
    Opt::flag("offsets", "Describes the offsets of groups; so does --describe alone."),
    Opt::maybe(
        "state",
        "String",
        "",
        "With --describe: the state of groups. With --list: shows the state, and only groups in these states.",
    ),
    Opt::maybe("type", "String", "", "With --list: shows the type, and only groups of these types."),
    Opt::flag("help", "Prints this."),
    Opt::flag("version", "Prints the version of Kafka."),
]);

const ACTIONS: [&str; 5] = ["list", "describe", "delete", "reset-offsets", "delete-offsets"];

/// Ways to say what offsets are reset to, in the order in which they are held against each other.
const SCENARIOS: [&str; 8] =
    ["to-offset", "to-datetime", "by-duration", "to-earliest", "to-latest", "to-current", "shift-by", "from-file"];

/// The same as Java's set has them, for the message about a missing one.
pub(super) const SCENARIOS_TOLD: &str = "[[to-offset], [to-current], [to-datetime], [from-file], [by-duration], \
                                         [to-earliest], [to-latest], [shift-by]]";

const NOTHING_IS_DONE: &str = "WARN: No action will be performed as the --execute option is missing.In a future major \
                               release, the default behavior of this command will be to prompt the user before \
                               executing the reset rather than doing a dry run. You should add the --dry-run option \
                               explicitly if you are scripting this command and want to keep the current default \
                               behavior without prompting.";

/// What is wrong before anything is asked; the order of these checks is Java's.
pub(super) fn check(options: &Options, console: &mut Console) -> Result<(), Failure> {
    let has = |name: &str| options.has(name);
    let wrong = |text: String| Err(Failure::usage(text));
    if !has("bootstrap-server") {
        return wrong("Missing required argument \"[bootstrap-server]\"".to_owned());
    }
    let names_groups = has("group") || has("all-groups");
    if has("describe") {
        if !names_groups {
            return wrong(
                "Option [describe] takes one of these options: [reset-offsets], [describe], [delete], [list]"
                    .to_owned(),
            );
        }
        if ["members", "offsets", "state"].into_iter().filter(|name| has(name)).count() > 1 {
            return wrong(
                "Option [describe] takes at most one of these options: [members], [offsets], [state]".to_owned(),
            );
        }
        if options.one("state")?.is_some_and(|value| !value.is_empty()) {
            return wrong("Option [describe] does not take a value for [state]".to_owned());
        }
    }
    if has("delete") {
        if !names_groups {
            return wrong("Option [delete] takes one of these options: [all-groups], [group]".to_owned());
        }
        if has("topic") {
            return wrong(
                "The consumer does not support topic-specific offset deletion from a consumer group.".to_owned(),
            );
        }
    }
    if has("delete-offsets") && !(has("group") && has("topic")) {
        return wrong("Option [delete-offsets] takes the following options: [all-groups], [group]".to_owned());
    }
    if has("reset-offsets") {
        check_reset(options, console)?;
    }
    exclude(options, "group", &["all-groups"])?;
    exclude(options, "group", &["list"])?;
    exclude(options, "topic", &["describe", "list"])?;
    if ACTIONS.into_iter().filter(|name| has(name)).count() != 1 {
        return wrong(
            "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets"
                .to_owned(),
        );
    }
    Ok(())
}

fn check_reset(options: &Options, console: &mut Console) -> Result<(), Failure> {
    let (dry, executes) = (options.has("dry-run"), options.has("execute"));
    if dry && executes {
        return Err(Failure::usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]"));
    }
    if !dry && !executes {
        console.error(NOTHING_IS_DONE);
    }
    if !options.has("group") && !options.has("all-groups") {
        return Err(Failure::usage("Option [reset-offsets] takes one of these options: [all-groups], [group]"));
    }
    SCENARIOS.into_iter().try_for_each(|scenario| {
        let others: Vec<&str> = SCENARIOS.into_iter().filter(|other| *other != scenario).collect();
        exclude(options, scenario, &others)
    })
}

fn exclude(options: &Options, name: &str, others: &[&str]) -> Result<(), Failure> {
    match others.iter().find(|other| options.has(name) && options.has(other)) {
        Some(other) => Err(Failure::usage(format!("Option \"[{name}]\" can't be used with option \"[{other}]\""))),
        None => Ok(()),
    }
}
