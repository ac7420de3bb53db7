//! Lines as they are typed, and what becomes of them.

use super::*;
use crate::commands::zookeeper_shell::words::split;

fn command(line: &str) -> Command {
    let prepared = prepare(&split(line));
    assert!(prepared.notes.is_empty(), "{line}: {:?}", prepared.notes);
    prepared.command.unwrap_or_else(|text| panic!("{line}: {text}")).expect("it is not the shell's own")
}

fn refused(line: &str) -> String {
    prepare(&split(line)).command.expect_err(line)
}

#[test]
fn every_command_without_its_words_says_how_it_is_written() {
    for (line, words) in [
        ("create", "create [-s] [-e] [-c] [-t ttl] path [data] [acl]"),
        ("set /a", "set [-s] [-v version] path data"),
        ("setAcl /a", "setAcl [-s] [-v version] [-R] path acl"),
        ("getAllChildrenNumber", "getAllChildrenNumber path"),
        ("ls", "ls [-s] [-w] [-R] path"),
        ("addauth", "addauth scheme auth"),
        ("removewatches -a", "removewatches path [-c|-d|-a] [-l]"),
        ("delquota", "delquota [-n|-b|-N|-B] path"),
    ] {
        assert_eq!(refused(line), words, "{line}");
    }
    for line in ["addWatch", "addWatch /a /b", "addWatch -m sometimes /a"] {
        assert!(refused(line).starts_with("addWatch [-m mode] path #"), "{line}");
    }
    assert!(refused("reconfig -s").starts_with("reconfig [-s] [-v version]"));
    for word in ["quit", "redo", "history", "connect", "printwatches"] {
        assert_eq!(prepare(&[word.to_owned()]).command, Ok(None));
    }
}

#[test]
fn create_combines_its_options() {
    let mode = |line: &str| match command(line) {
        Command::Create { mode, ttl_ms, .. } => (mode, ttl_ms),
        other => panic!("{other:?}"),
    };
    assert_eq!(mode("create /a"), (CreateMode::Persistent, None));
    assert_eq!(mode("create -se /a x"), (CreateMode::EphemeralSequential, None));
    assert_eq!(mode("create -c /a"), (CreateMode::Container, None));
    assert_eq!(mode("create -s -t 5 /a"), (CreateMode::PersistentSequential, Some(5)));
    assert_eq!(refused("create -t x -e /a"), "-t argument must be a long value");
    assert_eq!(refused("create -t 5 -e /a"), "TTLs cannot be used with Ephemeral znodes");
    assert_eq!(refused("create -t 5 -c /a"), "TTLs cannot be used with Container znodes");
    assert_eq!(refused("create -t 0 /a"), "ttl must be positive and cannot be larger than: 1099511627775");
    assert!(refused("create -cs /a").starts_with("-c cannot be combined"));
}

#[test]
fn a_list_without_entries_is_refused_before_anything_is_sent() {
    let prepared = prepare(&split("create /a v nonsense"));
    assert_eq!(prepared.notes, ["nonsense does not have the form scheme:id:perm", "KeeperErrorCode = InvalidACL"]);
    assert_eq!(prepared.command, Err("Acl is not valid : null".to_owned()));
    let prepared = prepare(&split("setAcl /a nonsense,world:anyone:r"));
    assert_eq!(prepared.notes.len(), 1);
    assert!(matches!(prepared.command, Ok(Some(Command::SetAcl { acl, .. })) if acl == Acl::read_only()));
}

#[test]
fn words_of_older_shells_are_understood() {
    let prepared = prepare(&split("get /a watch"));
    let note = "'get path [watch]' has been deprecated. Please use 'get [-s] [-w] path' instead.";
    assert_eq!(prepared.notes, [note]);
    assert!(matches!(prepared.command, Ok(Some(Command::Get { path, watch: true, .. })) if path == "/a"));
    // The third word becomes the option, also where it is the path.
    let prepared = prepare(&split("ls -s /a watch"));
    assert!(matches!(prepared.command, Ok(Some(Command::Ls { path, stat: true, watch: true, .. })) if path == "watch"));
    let prepared = prepare(&split("delete /a 3"));
    assert_eq!(prepared.notes.len(), 1);
    assert_eq!(prepared.command, Ok(Some(Command::Delete { path: "/a".into(), version: -1 })));
}

#[test]
fn data_may_be_base64() {
    let data = |line: &str| match command(line) {
        Command::Set { data, .. } => data,
        other => panic!("{other:?}"),
    };
    assert_eq!(data("set /a aGk="), "aGk=");
    assert_eq!(data("set -b /a aGk="), "hi");
    assert!(refused("set -b /a a!").starts_with("set -b: the data is not base64"));
    assert!(matches!(command("get -b -x /a"), Command::Get { format: Format::HexDump, .. }));
    assert!(matches!(command("get -b /a"), Command::Get { format: Format::Base64, .. }));
}

#[test]
fn quotas_that_cannot_be_are_told_and_not_set() {
    for (line, note) in [
        ("setquota -n 0 /a", "the num quota must be greater than zero"),
        ("setquota -B -1 /a", "the bytes quota must be greater than or equal to zero"),
        ("setquota -N x /a", "NumberFormatException happens when parsing the option value"),
        ("setquota -n 1 /zookeeper/quota/a", "cannot set a quota under the path: /zookeeper/quota"),
    ] {
        let prepared = prepare(&split(line));
        assert_eq!((prepared.command, prepared.notes), (Ok(None), vec![note.to_owned()]), "{line}");
    }
    let limits = Limits { bytes: Some(0), ..Limits::default() };
    assert_eq!(command("setquota -b 0 /a"), Command::SetQuota { path: "/a".into(), limits });
    assert_eq!(command("delquota /a"), Command::DelQuota { path: "/a".into(), which: None });
    assert!(matches!(
        command("delquota -N /a"),
        Command::DelQuota { which: Some(Limits { count_hard: Some(1), .. }), .. }
    ));
}

#[test]
fn reconfig_knows_two_ways() {
    assert!(refused("reconfig -add 1=a -members 1=b").starts_with("Can't use -file or -members together with"));
    assert!(refused("reconfig -file f -members 1=b").starts_with("Can't use -file and -members"));
    assert!(refused("reconfig -add 1=a -v z").starts_with("-v must be followed by a long"));
    let expected = Command::Reconfig {
        stat: false,
        from: 0x10,
        joining: Some("server.2=a:1:2;3".to_owned()),
        leaving: Some("3".to_owned()),
        members: Members::None,
    };
    assert_eq!(command("reconfig -v 10 -add server.2=A:1:2;3 -remove 3"), expected);
}

#[test]
fn watches_are_removed_by_kind() {
    let which = |line: &str| match command(line) {
        Command::RemoveWatches { which, local, .. } => (which, local),
        other => panic!("{other:?}"),
    };
    assert_eq!(which("removewatches /a"), (WatcherType::Any, false));
    assert_eq!(which("removewatches -c -l /a"), (WatcherType::Children, true));
    assert_eq!(which("removewatches -r /a"), (WatcherType::PersistentRecursive, false));
}

#[test]
fn help_of_ls_comes_before_its_usage() {
    let prepared = prepare(&split("ls -?"));
    assert!(prepared.output.starts_with("usage: ls [options] path\n -?   help\n -R   recurse\n"));
    assert_eq!(prepared.command, Err("ls [-s] [-w] [-R] path".to_owned()));
}
