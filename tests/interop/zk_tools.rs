//! Our tools for ZooKeeper's files beside Apache's, on the same files: damaged, cut, compared, purged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Apache, JvmPermit, Kind, Output, RawZk, TempDir, ZooKeeper, programs, repository, run_command};

/// Our tool and Apache's class.
const TXN_LOG: (&str, &str) = ("zk-txn-log-toolkit", "org.apache.zookeeper.server.persistence.TxnLogToolkit");
const SNAPSHOT: (&str, &str) = ("zk-snap-shot-toolkit", "org.apache.zookeeper.server.SnapshotFormatter");
const COMPARER: (&str, &str) = ("zk-snapshot-comparer", "org.apache.zookeeper.server.SnapshotComparer");
const PURGE: (&str, &str) = ("zk-cleanup", "org.apache.zookeeper.server.PurgeTxnLog");

/// A folder for each of both, with the same files, so that what a tool writes does not get in the other's way.
struct Pair {
    _dir: TempDir,
    ours: PathBuf,
    theirs: PathBuf,
}

impl Pair {
    fn of(name: &str, files: &Path) -> Pair {
        let dir = TempDir::new(name);
        let pair = Pair { ours: dir.join("ours"), theirs: dir.join("theirs"), _dir: dir };
        for side in [&pair.ours, &pair.theirs] {
            fs::create_dir_all(side.join("version-2")).expect("the test's directory can be written");
            for entry in fs::read_dir(files).expect("files").flatten() {
                let to = side.join("version-2").join(entry.file_name());
                fs::copy(entry.path(), to).expect("the test's directory can be written");
            }
        }
        pair
    }

    fn change(&self, file: &str, change: impl Fn(&mut Vec<u8>)) {
        for side in [&self.ours, &self.theirs] {
            let path = side.join("version-2").join(file);
            let mut bytes = fs::read(&path).expect("a file");
            change(&mut bytes);
            fs::write(&path, bytes).expect("the test's directory can be written");
        }
    }

    /// Runs both in their folders, and compares what they print, lines that tell times left out.
    fn same(&self, (tool, class): (&str, &str), args: &str, input: &str) -> Output {
        let mut ours = Command::new(programs().join(tool));
        ours.args(args.split_whitespace()).current_dir(self.ours.join("version-2")).env("TZ", "UTC");
        let mut theirs = Apache::get().java(class, "-Xmx128m", "tools.log4j");
        theirs.args(args.split_whitespace()).current_dir(self.theirs.join("version-2")).env("TZ", "UTC");
        let ours = run_command(ours, input);
        let theirs = {
            let _permit = JvmPermit::take();
            run_command(theirs, input)
        };
        assert_eq!(shown(&ours.stdout), shown(&theirs.stdout), "{tool} {args}");
        assert_eq!(ours.code, theirs.code, "{tool} {args}: {}{}", ours.stderr, theirs.stderr);
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        if !theirs.stderr.starts_with("Exception in thread") {
            assert_eq!(first(&ours.stderr), first(&theirs.stderr), "{tool} {args}");
        }
        ours
    }

    /// Has each of both written the same file?
    fn same_file(&self, name: &str) {
        let read = |side: &Path| {
            let mut bytes = fs::read(side.join("version-2").join(name)).expect("it was written");
            // Apache's are padded.
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            bytes.truncate(end);
            bytes
        };
        assert!(read(&self.ours) == read(&self.theirs), "{name} is not the same");
    }
}

fn shown(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.ends_with(" seconds")).map(str::to_owned).collect()
}

fn golden(part: &str) -> PathBuf {
    repository().join("tests/golden/zk-data").join(part).join("version-2")
}

#[test]
fn damaged_logs_are_shown_mended_and_cut_alike() {
    let pair = Pair::of("zk-tools-logs", &golden("clean"));
    // A letter of the data of a create.
    pair.change("log.22", |bytes| {
        let at = bytes.windows(6).position(|window| window == b"fill 3").expect("it is there");
        bytes[at] = b'F';
    });
    let damaged = pair.same(TXN_LOG, "log.22", "");
    assert!(damaged.stdout.contains("CRC ERROR - "), "{}", damaged.stdout);
    pair.same(TXN_LOG, "--recover -v log.22", "perhaps no\n");
    pair.same(TXN_LOG, "-r -y log.22", "");
    fs::remove_file(pair.ours.join("version-2/log.22.fixed")).expect("it was written");
    fs::remove_file(pair.theirs.join("version-2/log.22.fixed")).expect("it was written");
    pair.same(TXN_LOG, "-ry log.22", "");
    pair.same_file("log.22.fixed");
    pair.same(TXN_LOG, "-c -z 0x15 log.1", "");
    pair.same_file("log.1.chopped21");
    for args in ["-c -z 0x1000 log.1", "-c -z 0x30 log.22", "snapshot.0", "-z", "-h"] {
        pair.same(TXN_LOG, args, "");
    }
}

#[test]
fn snapshots_are_compared_alike() {
    let pair = Pair::of("zk-tools-snapshots", &golden("clean"));
    for args in [
        "-l snapshot.20 -r snapshot.83 -b 0 -n 0",
        "--left snapshot.83 --right snapshot.51 --bytes 2 --nodes 1 --debug",
        "-l snapshot.0 -r snapshot.20",
    ] {
        pair.same(COMPARER, args, "");
    }
    pair.same(COMPARER, "-l snapshot.20 -r snapshot.51 -b 1 -n 1 -i", "\n/r1\n/nope\nx\n2\n\n");
}

#[test]
fn directories_are_purged_alike() {
    let pair = Pair::of("zk-tools-purge", &golden("clean"));
    let first = pair.same(PURGE, ".. .. -n 4", "");
    assert_eq!(first.stdout, "");
    pair.same(PURGE, ".. -n 2", "");
    let names = |side: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(side.join("version-2")).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    // The files were copied at times of their own.
    let purge = |tool: Command| {
        let output = run_command(tool, "");
        assert_eq!(output.code, 0, "{}", output.stderr);
        let mut files: Vec<String> =
            output.stdout.lines().filter_map(|line| line.split('\t').nth(1)).map(str::to_owned).collect();
        files.sort();
        files
    };
    let mut ours = Command::new(programs().join(PURGE.0));
    ours.args(["..", "..", "-n", "3"]).current_dir(pair.ours.join("version-2"));
    let mut theirs = Apache::get().java(PURGE.1, "-Xmx128m", "tools.log4j");
    theirs.args(["..", "..", "-n", "3"]).current_dir(pair.theirs.join("version-2"));
    let ours = purge(ours);
    let _permit = JvmPermit::take();
    let theirs = purge(theirs);
    assert!(!ours.is_empty());
    assert_eq!(ours, theirs);
    assert_eq!(names(&pair.ours), names(&pair.theirs));
}

#[test]
fn files_of_ours_are_shown_alike() {
    let dir = TempDir::new("zk-tools-ours");
    let mut zookeeper = ZooKeeper::start_with(Kind::Ours, &dir.join("zookeeper"), "snapCount=50");
    let mut session = RawZk::connect(zookeeper.port()).expect("a session");
    session.create("/a", b"data, with a comma").expect("made");
    for number in 0..120 {
        session.create(&format!("/a/n{number}"), &vec![b'x'; number]).expect("made");
    }
    session.delete("/a/n7").expect("deleted");
    zookeeper.stop();
    let pair = Pair::of("zk-tools-ours-pair", &zookeeper.data());
    let mut files: Vec<String> = fs::read_dir(pair.ours.join("version-2"))
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let of = |prefix: &str| files.iter().filter(|name| name.starts_with(prefix)).cloned().collect::<Vec<_>>();
    let (logs, snapshots) = (of("log."), of("snapshot."));
    assert!(logs.len() > 1 && snapshots.len() > 1, "{files:?}");
    for log in &logs[..2] {
        pair.same(TXN_LOG, log, "");
    }
    let (first, last) = (&snapshots[0], &snapshots[snapshots.len() - 1]);
    pair.same(COMPARER, &format!("-l {first} -r {last} -b 10 -n 10"), "");
    pair.same(SNAPSHOT, &format!("-d -json {last}"), "");
}
