//! The tools for ZooKeeper's files, and the shell on trees of the past: against what Apache's tools and clients said of
//! the same files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tests::{Kind, Output, RawZk, TempDir, ZooKeeper, programs, repository, run_command};

fn golden(part: &str) -> PathBuf {
    repository().join("tests/golden/zk-data").join(part)
}

/// Runs one of our tools. Its dates are in the time zone of the golden files.
fn run(tool: &str, args: &[&str]) -> Output {
    run_with_input(tool, args, "")
}

fn run_with_input(tool: &str, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(programs().join(tool));
    command.args(args).env("TZ", "UTC");
    run_command(command, input)
}

/// The golden files with an expectation whose name ends so, and that expectation.
fn expected(suffix: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for part in ["clean", "killed", "torn"] {
        for entry in fs::read_dir(golden(part).join("expected")).expect("golden data").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(file) = name.strip_suffix(suffix) {
                let text = fs::read(entry.path()).expect("golden data");
                let text = String::from_utf8_lossy(&text).into_owned();
                found.push((golden(part).join("version-2").join(file), text));
            }
        }
    }
    assert!(!found.is_empty(), "no files with {suffix}");
    found
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of the tests is text")
}

#[test]
fn transactions_are_shown_as_apache_shows_them() {
    for (log, expected) in expected(".TxnLogToolkit.txt") {
        let output = run("zk-txn-log-toolkit", &[text(&log)]);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", log.display());
        // Line ends within data were made one kind when the golden text was taken.
        let printed = output.stdout.replace("\r\n", "\n").replace('\r', "\n");
        let differs = printed.lines().zip(expected.lines()).position(|(ours, theirs)| ours != theirs);
        assert_eq!((differs, printed.len()), (None, expected.len()), "{}", log.display());
    }
}

#[test]
fn snapshots_are_shown_as_apache_shows_them() {
    for (snapshot, expected) in expected(".SnapshotFormatter-d.txt") {
        let output = run("zk-snap-shot-toolkit", &["-d", text(&snapshot)]);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", snapshot.display());
        // Apache's order of children is that of a hash map.
        let blocks = |text: &str| text.split("----\n").map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(blocks(&output.stdout), blocks(&expected), "{}", snapshot.display());
        assert_eq!(output.stdout.lines().next(), expected.lines().next());
        assert_eq!(output.stdout.lines().last(), expected.lines().last());
    }
    for packed in ["snapshot.a2.gz", "snapshot.a2.snappy"] {
        let packed = run("zk-snap-shot-toolkit", &[text(&golden("compressed-snapshots").join(packed))]);
        let plain = run("zk-snap-shot-toolkit", &[text(&golden("torn").join("version-2/snapshot.a2"))]);
        assert!(packed.code == 0 && packed.stdout == plain.stdout, "{}", packed.stderr);
    }
}

#[test]
fn snapshots_become_the_same_json() {
    for (snapshot, expected) in expected(".SnapshotFormatter-json.txt") {
        let output = run("zk-snap-shot-toolkit", &["-json", text(&snapshot)]);
        assert_eq!(output.code, 0, "{}", output.stderr);
        let tree = |text: &str| {
            let mut value: Value = serde_json::from_str(text).expect("JSON");
            value[2]["timestamp"] = Value::Null;
            in_order(&mut value[3]);
            value
        };
        assert_eq!(tree(&output.stdout), tree(&expected), "{}", snapshot.display());
    }
}

/// The expectation is of ZooKeeper 3.9.3, which has the tool.
#[test]
fn figures_are_summed_up_as_apache_sums_them_up() {
    let [(snapshot, expected)] = &expected(".SnapshotRecursiveSummary.txt")[..] else { panic!("one") };
    let output = run("zk-snapshot-recursive-summary-toolkit", &[text(snapshot), "/", "0"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    // Apache's order of children is that of a hash map.
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&output.stdout), lines(expected));
}

/// Sorts children, and takes the numbers out that count them.
fn in_order(node: &mut Value) {
    if let Some(list) = node.as_array_mut() {
        list.iter_mut().for_each(in_order);
        list[1..].sort_by_key(Value::to_string);
    } else if let Some(fields) = node.as_object_mut() {
        fields.remove("ino");
    }
}

#[test]
fn command_lines_that_cannot_be_are_refused() {
    let missing = "/nowhere/snapshot.1";
    for (tool, args, code, stderr) in [
        ("zk-snap-shot-toolkit", vec![], 2, "USAGE: SnapshotFormatter [-d|-json] snapshot_file"),
        ("zk-snap-shot-toolkit", vec![missing], 2, "File '/nowhere/snapshot.1' does not exist."),
        ("zk-snap-shot-toolkit", vec!["/"], 2, "'/' is a directory. it must be a file."),
        ("zk-txn-log-toolkit", vec!["-q", "f"], 1, "Unrecognized option: -q"),
        ("zk-txn-log-toolkit", vec!["/nowhere/log.1"], 1, "File doesn't exist or not readable: /nowhere/log.1"),
        ("zk-snapshot-comparer", vec!["-l", "f"], 2, "Missing required options: r, b, n"),
        ("zk-snapshot-recursive-summary-toolkit", vec!["f"], 2, "USAGE:"),
        ("zk-cleanup", vec!["/nowhere", "-n", "3"], 1, "Path '/nowhere' does not exist. "),
    ] {
        let output = run(tool, &args);
        assert_eq!((output.code, output.stderr.lines().next()), (code, Some(stderr)), "{tool} {args:?}");
    }
    let help = run("zk-txn-log-toolkit", &["-h"]);
    assert_eq!(help.code, 0);
    let first = "usage: TxnLogToolkit [-dhrvc] <txn_log_file_name> (-z <zxid>)\n -c,--chop         Chop mode.";
    assert!(help.stdout.starts_with(first), "{}", help.stdout);
}

/// The tree as it was at each transaction of the golden log, as the results of its clients tell.
#[test]
fn trees_of_the_past_are_found_again() {
    let data = golden("clean");
    let at = |zxid: &str, command: &str| {
        let mut args = vec!["--at-zxid", zxid, "--data-dir", text(&data)];
        args.extend(command.split(' '));
        let output = run("zookeeper-shell", &args);
        assert!(output.stdout.starts_with("Reading "), "{}{}", output.stdout, output.stderr);
        let rest = output.stdout.split_once('\n').expect("a line").1.to_owned();
        (rest, output.stderr, output.code)
    };
    let fine = |text: &str| (text.to_owned(), String::new(), 0);
    assert_eq!(at("0x12", "get /r1/create2"), fine("new\n"));
    assert_eq!(at("19", "get /r1/create2"), fine("newer\n"));
    assert_eq!(at("0x14", "get /r1/create2"), fine("null\n"));
    let missing = "Node does not exist: /r1/eph-closed\n";
    assert_eq!(at("0x24", "get /r1/eph-closed"), (String::new(), missing.to_owned(), 1));
    assert_eq!(at("0x25", "get /r1/eph-closed"), fine("e\n"));
    assert_eq!(at("0x28", "get /r1/eph-closed"), (String::new(), missing.to_owned(), 1));
    assert_eq!(at("0x26", "getEphemerals /r1/eph"), fine("[/r1/eph-closed, /r1/eph-closed2-0000000019]\n"));
    assert_eq!(at("0x1b", "getAcl /r1/null").0.lines().nth(2), Some("'ip,'127.0.0.1"));
    assert!(at("0", "ls -R /").0.ends_with("/zookeeper/config\n/zookeeper/quota\n"));
    let read_only = "Not a read-only call: the tree at zxid 0x12 is read from files\n";
    assert_eq!(at("0x12", "set /r1/create2 x"), (String::new(), read_only.to_owned(), 1));
    let beyond = run("zookeeper-shell", &["--at-zxid", "0x1000", "--data-dir", text(&data), "ls", "/"]);
    assert_eq!(beyond.code, 1);
    assert!(beyond.stderr.starts_with("zxid 0x1000 is beyond the end of the log: the last transaction is 0x"));
    let nowhere = run("zookeeper-shell", &["--at-zxid", "1", "--data-dir", "/nowhere", "ls", "/"]);
    let text = "/nowhere: not the data directory of a ZooKeeper: /nowhere/version-2 is not there\n";
    assert_eq!((nowhere.code, nowhere.stderr.as_str()), (1, text));
}

/// The last tree of each golden directory is that which clients saw.
#[test]
fn the_latest_tree_is_that_of_the_clients() {
    for (part, seen) in [("clean", "client-tree-before-stop.jsonl"), ("torn", "client-tree-after-restart.jsonl")] {
        let seen = fs::read_to_string(golden(part).join(seen)).expect("golden data");
        let seen: BTreeMap<String, Value> = seen
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
            .map(|node| (node["path"].as_str().expect("a path").to_owned(), node))
            .collect();
        let dir = golden(part);
        let past = |command: &[&str]| {
            let mut args = vec!["--at-zxid", "latest", "--data-dir", text(&dir)];
            args.extend(command);
            let output = run("zookeeper-shell", &args);
            assert_eq!(output.code, 0, "{}", output.stderr);
            output.stdout.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        let paths: BTreeSet<String> = past(&["ls", "-R", "/"]).into_iter().collect();
        if part == "clean" {
            assert_eq!(paths, seen.keys().cloned().collect(), "{part}");
        }
        for (path, node) in seen.iter().filter(|(path, _)| paths.contains(*path)).step_by(7) {
            let lines = past(&["stat", path]);
            let version = format!("dataVersion = {}", node["version"]);
            assert!(lines.contains(&version), "{part}{path}: {lines:?}");
        }
    }
}

#[test]
fn a_znode_has_a_history() {
    let output = run("zookeeper-shell", &["--history", "/r1/create2", "--data-dir", text(&golden("clean"))]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let rows: Vec<Vec<&str>> = output.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ZXID", "TIME", "SESSION", "VERSION", "CHANGE"]);
    let changes: Vec<(&str, &str)> = rows[1..rows.len() - 1].iter().map(|row| (row[0], row[5])).collect();
    assert!(changes.windows(3).any(|three| three == [("0x12", "1"), ("0x13", "2"), ("0x14", "3")]), "{changes:?}");
    assert_eq!(rows[1][6], "created:");
    let nobody = run("zookeeper-shell", &["--history", "/nobody", "--data-dir", text(&golden("clean"))]);
    assert_eq!(nobody.code, 1);
    assert!(nobody.stderr.contains("touched /nobody"), "{}", nobody.stderr);
    let torn = run("zookeeper-shell", &["--history", "/", "--data-dir", text(&golden("torn"))]);
    assert!(torn.stderr.contains("log.a3, with a transaction that was not written to its end"), "{}", torn.stderr);
}

/// The scripts know where the data is: their server's settings lie beside them.
#[test]
fn scripts_find_the_data_of_their_server() {
    let dir = TempDir::new("scripts-find-the-data");
    for (from, to) in [(repository().join("bin"), "bin"), (golden("clean").join("version-2"), "data/version-2")] {
        fs::create_dir_all(dir.join(to)).expect("the test's directory can be written");
        for entry in fs::read_dir(from).expect("it is there").flatten() {
            fs::copy(entry.path(), dir.join(to).join(entry.file_name())).expect("the test's directory can be written");
        }
    }
    fs::create_dir(dir.join("config")).expect("the test's directory can be written");
    let settings = format!("dataDir={}\nclientPort=2181\n", dir.join("data").display());
    fs::write(dir.join("config/zookeeper.properties"), settings).expect("the test's directory can be written");
    let script = |line: &str| {
        let mut command = Command::new("bash");
        command.args(["-c", line]).current_dir(dir.join("bin")).env("KAFKA_PROGRAM_DIR", programs());
        run_command(command, "")
    };
    let got = script("./zookeeper-shell.sh --at-zxid 0x12 get /r1/create2");
    assert_eq!((got.code, got.stdout.lines().nth(1)), (0, Some("new")), "{}", got.stderr);
    let got = script("cd /; \"$OLDPWD\"/zkCli.sh --history /r1/create2");
    assert!(got.code == 0 && got.stdout.contains("data set"), "{}", got.stderr);
    let purged = script("./zkCleanup.sh -n 3");
    assert_eq!((purged.code, purged.stdout.lines().count()), (0, 1), "{}{}", purged.stdout, purged.stderr);
    for (shown, text) in [
        ("./zkTxnLogToolkit.sh ../data/version-2/log.53", "EOF reached after "),
        ("./zkSnapShotToolkit.sh ../data/version-2/snapshot.83", "Last zxid: 0x83"),
        ("./zkSnapshotRecursiveSummaryToolkit.sh ../data/version-2/snapshot.83 / 1", "-- /r1"),
        (
            "./zkSnapshotComparer.sh -l ../data/version-2/snapshot.51 -r ../data/version-2/snapshot.83 -b 0 -n 0",
            "All layers compared.",
        ),
    ] {
        let output = script(shown);
        assert!(output.code == 0 && output.stdout.contains(text), "{shown}: {}{}", output.stdout, output.stderr);
    }
}

/// A running server's files are read while it goes on, and lines may be many.
#[test]
fn the_past_of_a_running_server() {
    let dir = TempDir::new("past-of-a-running-server");
    let zookeeper = ZooKeeper::start_with(Kind::Ours, &dir.join("zookeeper"), "snapCount=20\npreAllocSize=64");
    let mut session = RawZk::connect(zookeeper.port()).expect("a session");
    session.create("/n", b"0").expect("made");
    for number in 1..60 {
        session.set("/n", number.to_string().as_bytes()).expect("set");
    }
    let data = zookeeper.data();
    let history = run("zookeeper-shell", &["--history", "/n", "--data-dir", text(&data)]);
    assert_eq!((history.code, history.stderr.as_str()), (0, ""));
    let sets: Vec<&str> = history.stdout.lines().filter(|line| line.contains("data set")).collect();
    assert_eq!(sets.len(), 59, "{}", history.stdout);
    let zxid = sets[29].split_whitespace().next().expect("a zxid");
    let lines = "get /n\nstat /n\nhistory\nredo 0\nwhoami\nconnect\nquit\n";
    let output = run_with_input("zookeeper-shell", &["--at-zxid", zxid, "--data-dir", text(&data)], lines);
    let printed: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(printed[1..4], ["Welcome to ZooKeeper!", "JLine support is disabled", "30"]);
    assert!(printed.contains(&"dataVersion = 30") && printed.contains(&"2 - history"), "{printed:?}");
    assert_eq!(printed.last(), Some(&"30"));
    let refused = format!("Not a read-only call: the tree at zxid {zxid} is read from files\n");
    assert!(output.stderr.starts_with(&refused), "{}", output.stderr);
}
