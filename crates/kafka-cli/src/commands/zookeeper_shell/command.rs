//! Words into a command: what Apache's shell does with them before it talks to a server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use zk_client::WatcherType;
use zk_proto::{Acl, CreateMode};
use zk_state::node::TTL_MAX;

use super::quota::Limits;
use super::settings::{exception, number_format};
use super::{acl_text, usage};
use crate::commons_cli::{Group, Opt, Options, Parsed, help};

/// Deletes in one transaction, when `deleteall` is not told.
const DELETES_AT_ONCE: i32 = 1000;

/// How `get` shows data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Plain,
    Base64,
    HexDump,
}

/// A command that talks to a server (or looks into its files), ready to be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Command {
    AddAuth {
        scheme: String,
        proof: Bytes,
    },
    AddWatch {
        path: String,
        recursive: bool,
    },
    Close,
    Config {
        client: bool,
        stat: bool,
        watch: bool,
    },
    Create {
        path: String,
        data: Option<Bytes>,
        acl: Vec<Acl>,
        mode: CreateMode,
        ttl_ms: Option<i64>,
    },
    Delete {
        path: String,
        version: i32,
    },
    /// `batch` deletes go in one transaction; each in its own if that is not positive.
    DeleteAll {
        path: String,
        batch: i32,
    },
    /// `None`: all limits.
    DelQuota {
        path: String,
        which: Option<Limits>,
    },
    Get {
        path: String,
        stat: bool,
        watch: bool,
        format: Format,
    },
    GetAcl {
        path: String,
        stat: bool,
    },
    GetAllChildrenNumber {
        path: String,
    },
    GetEphemerals {
        prefix: Option<String>,
    },
    ListQuota {
        path: String,
    },
    Ls {
        path: String,
        stat: bool,
        watch: bool,
        recursive: bool,
    },
    Reconfig {
        stat: bool,
        from: i64,
        joining: Option<String>,
        leaving: Option<String>,
        members: Members,
    },
    RemoveWatches {
        path: String,
        which: WatcherType,
        local: bool,
    },
    Set {
        path: String,
        data: Bytes,
        version: i32,
        stat: bool,
    },
    SetAcl {
        path: String,
        acl: Vec<Acl>,
        version: i32,
        stat: bool,
        recursive: bool,
    },
    SetQuota {
        path: String,
        limits: Limits,
    },
    Stat {
        path: String,
        watch: bool,
    },
    Sync {
        path: String,
    },
    Version,
    WhoAmI,
}

/// Where a new membership comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Members {
    None,
    Listed(String),
    InFile(String),
}

/// What words became.
#[derive(Debug, PartialEq)]
pub(super) struct Prepared {
    /// Text for standard output, every line ended.
    pub(super) output: String,
    /// Lines for standard error that come before anything is done.
    pub(super) notes: Vec<String>,
    /// The command, or the line that says why there is none.
    pub(super) command: Result<Option<Command>, String>,
}

type Outcome = Result<Option<Command>, String>;

/// Takes apart the words of one of the commands that [`usage::is_command`] knows; `None` for those of the shell itself.
pub(super) fn prepare(words: &[String]) -> Prepared {
    let mut prepared = Prepared { output: String::new(), notes: Vec::new(), command: Ok(None) };
    prepared.command =
        match words[0].as_str() {
            "addauth" => parse(words, &NOTHING, 2).map(|parsed| Some(add_auth(&parsed))),
            "addWatch" => add_watch(words),
            "close" => Ok(Some(Command::Close)),
            "config" => parse(words, &CONFIG, 1).map(|parsed| {
                let (client, stat, watch) = (parsed.has("c"), parsed.has("s"), parsed.has("w"));
                Some(Command::Config { client, stat, watch })
            }),
            "create" => create(words, &mut prepared.notes),
            "delete" => delete(words, &mut prepared.notes),
            "deleteall" => delete_all(words),
            "delquota" => parse(words, &DELQUOTA, 2).map(|parsed| Some(del_quota(&parsed))),
            "get" => get(words, &mut prepared.notes),
            "getAcl" => parse(words, &STAT_ONLY, 2)
                .map(|parsed| Some(Command::GetAcl { path: parsed.args[1].clone(), stat: parsed.has("s") })),
            "getAllChildrenNumber" => parse(words, &NOTHING, 2)
                .map(|parsed| Some(Command::GetAllChildrenNumber { path: parsed.args[1].clone() })),
            "getEphemerals" => parse(words, &NOTHING, 1)
                .map(|parsed| Some(Command::GetEphemerals { prefix: parsed.args.get(1).cloned() })),
            "listquota" => {
                parse(words, &NOTHING, 2).map(|parsed| Some(Command::ListQuota { path: parsed.args[1].clone() }))
            }
            "ls" => list(words, &mut prepared.output, &mut prepared.notes),
            "reconfig" => reconfig(words),
            "removewatches" => parse(words, &REMOVEWATCHES, 2).map(|parsed| Some(remove_watches(&parsed))),
            "set" => set(words),
            "setAcl" => set_acl(words, &mut prepared.notes),
            "setquota" => set_quota(words, &mut prepared.notes),
            "stat" => compatible(words, &WATCH_ONLY, 2, "'stat path [watch]'", "'stat [-w] path'", &mut prepared.notes)
                .map(|parsed| Some(Command::Stat { path: parsed.args[1].clone(), watch: parsed.has("w") })),
            "sync" => parse(words, &NOTHING, 2).map(|parsed| Some(Command::Sync { path: parsed.args[1].clone() })),
            "version" => parse(words, &NOTHING, 1).and_then(|parsed| match parsed.args.len() {
                1 => Ok(Some(Command::Version)),
                _ => Err(usage::of("version")),
            }),
            "whoami" => Ok(Some(Command::WhoAmI)),
            _ => Ok(None),
        };
    prepared
}

const NOTHING: Options = Options::of(&[]);
const STAT_ONLY: Options = Options::of(&[Opt::flag("s", "stats")]);
const WATCH_ONLY: Options = Options::of(&[Opt::flag("w", "watch")]);
const CONFIG: Options =
    Options::of(&[Opt::flag("s", "stats"), Opt::flag("w", "watch"), Opt::flag("c", "client connection string")]);
const CREATE: Options = Options::of(&[
    Opt::flag("e", "ephemeral"),
    Opt::flag("s", "sequential"),
    Opt::flag("c", "container"),
    Opt::value("t", "ttl"),
]);
const DELETE: Options = Options::of(&[Opt::value("v", "version")]);
const DELETEALL: Options = Options::of(&[Opt::value("b", "batch size")]);
const DELQUOTA: Options = Options {
    options: &[
        Opt::flag("n", "num soft quota"),
        Opt::flag("b", "bytes soft quota"),
        Opt::flag("N", "num hard quota"),
        Opt::flag("B", "bytes hard quota"),
    ],
    group: Group::AtMostOne,
};
const GET: Options = Options::of(&[
    Opt::flag("s", "stats"),
    Opt::flag("w", "watch"),
    Opt::flag("b", "data in base64"),
    Opt::flag("x", "data as a hex dump"),
]);
const LS: Options =
    Options::of(&[Opt::flag("?", "help"), Opt::flag("s", "stat"), Opt::flag("w", "watch"), Opt::flag("R", "recurse")]);
const RECONFIG: Options = Options::of(&[
    Opt::flag("s", "stats"),
    Opt::value("v", "required current config version"),
    Opt::value("file", "file with the new membership"),
    Opt::value("members", "the new membership"),
    Opt::value("add", "servers to add"),
    Opt::value("remove", "ids of servers to remove"),
]);
const REMOVEWATCHES: Options = Options::of(&[
    Opt::flag("c", "child watcher type"),
    Opt::flag("d", "data watcher type"),
    Opt::flag("p", "persistent watcher type"),
    Opt::flag("r", "persistent recursive watcher type"),
    Opt::flag("a", "any watcher type"),
    Opt::flag("l", "remove locally when there is no server connection"),
]);
const SET: Options =
    Options::of(&[Opt::flag("s", "stats"), Opt::value("v", "version"), Opt::flag("b", "data in base64")]);
const SETACL: Options =
    Options::of(&[Opt::flag("s", "stats"), Opt::value("v", "version"), Opt::flag("R", "recursive")]);
const SETQUOTA: Options = Options {
    options: &[
        Opt::value("n", "num soft quota"),
        Opt::value("b", "bytes soft quota"),
        Opt::value("N", "num hard quota"),
        Opt::value("B", "bytes hard quota"),
    ],
    group: Group::ExactlyOne,
};

/// Takes words apart; there must be at least so many besides options, the command's name among them.
fn parse(words: &[String], options: &Options, least: usize) -> Result<Parsed, String> {
    let parsed = options.parse(words).map_err(|error| error.with_class())?;
    if parsed.args.len() < least { Err(usage::of(&words[0])) } else { Ok(parsed) }
}

/// The same for commands that once took a watch as a word: the *third word* counts as `-w` then, whatever it is.
fn compatible(
    words: &[String],
    options: &Options,
    least: usize,
    old: &str,
    new: &str,
    notes: &mut Vec<String>,
) -> Result<Parsed, String> {
    let parsed = parse(words, options, least)?;
    if parsed.args.len() <= 2 {
        return Ok(parsed);
    }
    notes.push(format!("{old} has been deprecated. Please use {new} instead."));
    let mut words = words.to_vec();
    "-w".clone_into(&mut words[2]);
    parse(&words, options, 1)
}

fn version(parsed: &Parsed) -> Result<i32, String> {
    parsed.value("v").map_or(Ok(-1), |text| text.parse().map_err(|_| exception(&number_format(text))))
}

fn add_auth(parsed: &Parsed) -> Command {
    let proof = parsed.args.get(2).map_or_else(Bytes::new, |proof| Bytes::from(proof.clone()));
    Command::AddAuth { scheme: parsed.args[1].clone(), proof }
}

fn add_watch(words: &[String]) -> Outcome {
    const OPTIONS: Options = Options::of(&[Opt::value("m", "")]);
    let parsed = parse(words, &OPTIONS, 2)?;
    let recursive = match parsed.value("m").map(str::to_uppercase).as_deref() {
        None | Some("PERSISTENT_RECURSIVE") => true,
        Some("PERSISTENT") => false,
        Some(_) => return Err(usage::of("addWatch")),
    };
    if parsed.args.len() > 2 {
        return Err(usage::of("addWatch"));
    }
    Ok(Some(Command::AddWatch { path: parsed.args[1].clone(), recursive }))
}

fn create(words: &[String], notes: &mut Vec<String>) -> Outcome {
    let parsed = parse(words, &CREATE, 2)?;
    let (sequential, ephemeral, container) = (parsed.has("s"), parsed.has("e"), parsed.has("c"));
    if container && (sequential || ephemeral) {
        return Err("-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.".to_owned());
    }
    let ttl_ms = parsed.value("t").map(str::parse::<i64>).transpose();
    let ttl_ms = ttl_ms.map_err(|_| "-t argument must be a long value".to_owned())?;
    match ttl_ms {
        Some(_) if ephemeral => return Err("TTLs cannot be used with Ephemeral znodes".to_owned()),
        Some(_) if container => return Err("TTLs cannot be used with Container znodes".to_owned()),
        Some(ttl) if !(1..=TTL_MAX).contains(&ttl) => {
            return Err(format!("ttl must be positive and cannot be larger than: {TTL_MAX}"));
        }
        _ => {}
    }
    let mode = match (container, sequential, ephemeral) {
        (true, ..) => CreateMode::Container,
        (_, false, false) => CreateMode::Persistent,
        (_, true, false) => CreateMode::PersistentSequential,
        (_, false, true) => CreateMode::Ephemeral,
        (_, true, true) => CreateMode::EphemeralSequential,
    };
    let acl = match parsed.args.get(3) {
        None => Acl::open(),
        Some(text) => acl(text, notes).inspect_err(|_| notes.push("KeeperErrorCode = InvalidACL".to_owned()))?,
    };
    let data = parsed.args.get(2).map(|data| Bytes::from(data.clone()));
    Ok(Some(Command::Create { path: parsed.args[1].clone(), data, acl, mode, ttl_ms }))
}

/// A list without entries is refused by Apache's client, which does not know for which path.
fn acl(text: &str, notes: &mut Vec<String>) -> Result<Vec<Acl>, String> {
    let (list, complaints) = acl_text::parse(text);
    notes.extend(complaints);
    if list.is_empty() { Err("Acl is not valid : null".to_owned()) } else { Ok(list) }
}

fn delete(words: &[String], notes: &mut Vec<String>) -> Outcome {
    let parsed = parse(words, &DELETE, 2)?;
    if parsed.args.len() > 2 {
        let text = "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead.";
        notes.push(text.to_owned());
    }
    Ok(Some(Command::Delete { path: parsed.args[1].clone(), version: version(&parsed)? }))
}

fn delete_all(words: &[String]) -> Outcome {
    let parsed = parse(words, &DELETEALL, 2)?;
    let batch = parsed.value("b").map_or(Ok(DELETES_AT_ONCE), str::parse);
    let batch = batch.map_err(|_| "-b argument must be an int value".to_owned())?;
    Ok(Some(Command::DeleteAll { path: parsed.args[1].clone(), batch }))
}

fn del_quota(parsed: &Parsed) -> Command {
    let flag = |short| parsed.has(short).then_some(1);
    let limits = Limits { count: flag("n"), bytes: flag("b"), count_hard: flag("N"), bytes_hard: flag("B") };
    Command::DelQuota { path: parsed.args[1].clone(), which: (limits != Limits::default()).then_some(limits) }
}

fn get(words: &[String], notes: &mut Vec<String>) -> Outcome {
    let parsed = compatible(words, &GET, 2, "'get path [watch]'", "'get [-s] [-w] path'", notes)?;
    let path = parsed.args.get(1).cloned().ok_or_else(|| usage::of("get"))?;
    let format = match (parsed.has("x"), parsed.has("b")) {
        (true, _) => Format::HexDump,
        (_, true) => Format::Base64,
        _ => Format::Plain,
    };
    Ok(Some(Command::Get { path, stat: parsed.has("s"), watch: parsed.has("w"), format }))
}

fn list(words: &[String], output: &mut String, notes: &mut Vec<String>) -> Outcome {
    let parsed = LS.parse(words).map_err(|error| error.with_class())?;
    if parsed.has("?") {
        *output = help::render("ls [options] path", &LS, help::WIDTH);
    }
    let parsed = compatible(words, &LS, 2, "'ls path [watch]'", "'ls [-w] path'", notes)?;
    let path = parsed.args.get(1).cloned().ok_or_else(|| usage::of("ls"))?;
    Ok(Some(Command::Ls { path, stat: parsed.has("s"), watch: parsed.has("w"), recursive: parsed.has("R") }))
}

fn reconfig(words: &[String]) -> Outcome {
    let parsed = parse(words, &RECONFIG, 1)?;
    let whole = parsed.has("file") || parsed.has("members");
    let steps = parsed.has("add") || parsed.has("remove");
    if !whole && !steps {
        return Err(usage::of("reconfig"));
    }
    let from = parsed.value("v").map_or(Ok(-1), |text| i64::from_str_radix(text, 16));
    let from = from.map_err(|_| "-v must be followed by a long (configuration version)".to_owned())?;
    if whole && steps {
        return Err("Can't use -file or -members together with -add or -remove (mixing incremental and \
                    non-incremental modes is not allowed)"
            .to_owned());
    }
    let lower = |short| parsed.value(short).map(str::to_lowercase);
    let members = match (lower("members"), parsed.value("file")) {
        (Some(_), Some(_)) => {
            return Err("Can't use -file and -members together (conflicting non-incremental modes)".to_owned());
        }
        (Some(members), _) => Members::Listed(members),
        (_, Some(file)) => Members::InFile(file.to_owned()),
        _ => Members::None,
    };
    let (joining, leaving) = (lower("add"), lower("remove"));
    Ok(Some(Command::Reconfig { stat: parsed.has("s"), from, joining, leaving, members }))
}

fn remove_watches(parsed: &Parsed) -> Command {
    let which = [
        ("c", WatcherType::Children),
        ("d", WatcherType::Data),
        ("p", WatcherType::Persistent),
        ("r", WatcherType::PersistentRecursive),
    ];
    let which = which.iter().find(|(short, _)| parsed.has(short)).map_or(WatcherType::Any, |(_, which)| *which);
    Command::RemoveWatches { path: parsed.args[1].clone(), which, local: parsed.has("l") }
}

fn set(words: &[String]) -> Outcome {
    let parsed = parse(words, &SET, 3)?;
    let data = if parsed.has("b") {
        STANDARD.decode(&parsed.args[2]).map_err(|error| format!("set -b: the data is not base64: {error}"))?
    } else {
        parsed.args[2].clone().into_bytes()
    };
    let (path, version) = (parsed.args[1].clone(), version(&parsed)?);
    Ok(Some(Command::Set { path, data: data.into(), version, stat: parsed.has("s") }))
}

fn set_acl(words: &[String], notes: &mut Vec<String>) -> Outcome {
    let parsed = parse(words, &SETACL, 3)?;
    let acl = acl(&parsed.args[2], notes)?;
    let (path, version) = (parsed.args[1].clone(), version(&parsed)?);
    Ok(Some(Command::SetAcl { path, acl, version, stat: parsed.has("s"), recursive: parsed.has("R") }))
}

/// A limit that cannot be is told, and is no failure.
fn set_quota(words: &[String], notes: &mut Vec<String>) -> Outcome {
    const RESERVED: &str = "/zookeeper/quota";
    let parsed = parse(words, &SETQUOTA, 2)?;
    let path = parsed.args[1].clone();
    if path.starts_with(RESERVED) {
        notes.push(format!("cannot set a quota under the path: {RESERVED}"));
        return Ok(None);
    }
    let mut limits = Limits::default();
    let slots = [
        ("n", &mut limits.count, true),
        ("b", &mut limits.bytes, false),
        ("N", &mut limits.count_hard, true),
        ("B", &mut limits.bytes_hard, false),
    ];
    for (short, slot, counts) in slots {
        let Some(text) = parsed.value(short) else { continue };
        let number = if counts { text.parse::<i32>().map(i64::from).ok() } else { text.parse().ok() };
        match number {
            None => notes.push("NumberFormatException happens when parsing the option value".to_owned()),
            Some(number) if counts && number <= 0 => notes.push("the num quota must be greater than zero".to_owned()),
            Some(number) if number < 0 => {
                notes.push("the bytes quota must be greater than or equal to zero".to_owned());
            }
            Some(number) => {
                *slot = Some(number);
                continue;
            }
        }
        return Ok(None);
    }
    Ok(Some(Command::SetQuota { path, limits }))
}

#[cfg(test)]
mod tests;
