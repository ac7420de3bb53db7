//! Which commands the admin server has: names, and what they need.

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Configuration,
    ConnectionStatReset,
    Connections,
    Dirs,
    Dump,
    Environment,
    GetTraceMask,
    Hash,
    InitialConfiguration,
    IsReadOnly,
    LastSnapshot,
    Leader,
    Monitor,
    ObserverConnectionStatReset,
    Observers,
    Restore,
    Ruok,
    ServerStats,
    SetTraceMask,
    Snapshot,
    StatReset,
    Stats,
    SystemProperties,
    VotingView,
    WatchSummary,
    Watches,
    WatchesByPath,
    ZabState,
}

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) action: Action,
    /// The name that answers carry, and that the list shows.
    pub(crate) name: &'static str,
    /// Other names, mostly four-letter words.
    aliases: &'static [&'static str],
    /// Is it refused while the server does not serve?
    pub(crate) needs_server: bool,
    /// Is it asked for by POST?
    pub(crate) by_post: bool,
}

const fn ask(action: Action, name: &'static str, aliases: &'static [&'static str]) -> Command {
    Command { action, name, aliases, needs_server: true, by_post: false }
}

const fn always(action: Action, name: &'static str, aliases: &'static [&'static str]) -> Command {
    Command { action, name, aliases, needs_server: false, by_post: false }
}

/// All commands, by name.
pub(crate) const COMMANDS: [Command; 28] = [
    ask(Action::Configuration, "configuration", &["conf", "config"]),
    ask(Action::ConnectionStatReset, "connection_stat_reset", &["crst"]),
    ask(Action::Connections, "connections", &["cons"]),
    ask(Action::Dirs, "dirs", &[]),
    ask(Action::Dump, "dump", &[]),
    always(Action::Environment, "environment", &["env", "envi"]),
    always(Action::GetTraceMask, "get_trace_mask", &["gtmk"]),
    ask(Action::Hash, "hash", &[]),
    ask(Action::InitialConfiguration, "initial_configuration", &["icfg"]),
    ask(Action::IsReadOnly, "is_read_only", &["isro"]),
    ask(Action::LastSnapshot, "last_snapshot", &["lsnp"]),
    ask(Action::Leader, "leader", &["lead"]),
    ask(Action::Monitor, "monitor", &["mntr"]),
    ask(Action::ObserverConnectionStatReset, "observer_connection_stat_reset", &["orst"]),
    ask(Action::Observers, "observers", &["obsr"]),
    Command { action: Action::Restore, name: "restore", aliases: &["rest"], needs_server: true, by_post: true },
    ask(Action::Ruok, "ruok", &[]),
    ask(Action::ServerStats, "server_stats", &["srvr"]),
    always(Action::SetTraceMask, "set_trace_mask", &["stmk"]),
    ask(Action::Snapshot, "snapshot", &["snap"]),
    ask(Action::StatReset, "stat_reset", &["srst"]),
    ask(Action::Stats, "stats", &["stat"]),
    always(Action::SystemProperties, "system_properties", &["sysp"]),
    ask(Action::VotingView, "voting_view", &[]),
    ask(Action::WatchSummary, "watch_summary", &["wchs"]),
    ask(Action::Watches, "watches", &["wchc"]),
    ask(Action::WatchesByPath, "watches_by_path", &["wchp"]),
    always(Action::ZabState, "zabstate", &[]),
];

impl Command {
    /// The command of this name or alias.
    pub(crate) fn named(name: &str) -> Option<&'static Command> {
        COMMANDS.iter().find(|command| command.name == name || command.aliases.contains(&name))
    }
}

/// What the page of all commands shows.
pub(crate) fn page(command_url: &str) -> String {
    let line = |Command { name, .. }: &Command| format!("<a href=\"{command_url}/{name}\">{name}</a>\n<br/>\n");
    COMMANDS.iter().map(line).collect::<Vec<String>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sorted() {
        assert!(COMMANDS.is_sorted_by_key(|command| command.name));
        let names = COMMANDS.iter().flat_map(|command| command.aliases.iter().chain([&command.name]));
        let all: Vec<&&str> = names.collect();
        let unique: std::collections::BTreeSet<&&str> = all.iter().copied().collect();
        assert_eq!(all.len(), unique.len());
        assert_eq!(Command::named("wchc").map(|command| command.name), Some("watches"));
        assert_eq!(Command::named("WCHC"), None);
    }

    #[test]
    fn the_page() {
        let page = page("/adm");
        assert!(page.starts_with("<a href=\"/adm/configuration\">configuration</a>\n<br/>\n"));
        assert_eq!(page.lines().count(), 2 * COMMANDS.len());
    }
}
