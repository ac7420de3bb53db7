//! Directories that the real ZooKeeper 3.8.4 left, against what its clients saw.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use vfs::{MemoryVfs, OsVfs, Vfs};
use zk_proto::{LoggedTxn, Zxid};
use zk_state::ZkState;
use zk_store::{Compression, LogReader, SnapshotFile, Tail, TxnLog, TxnLogOptions, snapshot};

use crate::support::{assert_same, dirs, golden, golden_in_memory, memory, paths, recovered};

fn text(path: &Path) -> String {
    String::from_utf8(OsVfs.read(path).unwrap()).unwrap()
}

fn assert_is_client_tree(state: &ZkState, file: &str) {
    let lines: Vec<Value> = text(&golden(file)).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut expected_paths: Vec<&str> = lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
    let mut found_paths = paths(state);
    expected_paths.sort_unstable();
    found_paths.sort_unstable();
    assert_eq!(found_paths, expected_paths);
    for line in &lines {
        let path = line["path"].as_str().unwrap();
        let node = state.tree().get(path).unwrap();
        if !path.ends_with("/zookeeper_stats") {
            assert_eq!(node.data().map(<[u8]>::to_vec), data_of(line), "{path}");
        }
        let acl: Vec<String> = (state.tree().acl_of(node).iter())
            .map(|acl| format!("{}:{}:{}", acl.id.scheme, acl.id.id, acl.perms))
            .collect();
        assert_eq!(acl.iter().map(String::as_str).collect::<Vec<_>>(), strings(&line["acl"]), "{path}");
        let stat = node.stat();
        let found = [
            ("czxid", stat.czxid.0),
            ("mzxid", stat.mzxid.0),
            ("ctime", stat.ctime),
            ("mtime", stat.mtime),
            ("version", i64::from(stat.version)),
            ("cversion", i64::from(stat.cversion)),
            ("aversion", i64::from(stat.aversion)),
            ("ephemeralOwner", stat.ephemeral_owner),
            ("dataLength", i64::from(stat.data_length)),
            ("numChildren", i64::from(stat.num_children)),
            ("pzxid", stat.pzxid.0),
        ];
        let expected = found.map(|(name, _)| (name, line["stat"][name].as_i64().unwrap()));
        assert_eq!(found, expected, "{path}");
    }
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

fn data_of(line: &Value) -> Option<Vec<u8>> {
    match (line.get("text"), line.get("hex")) {
        (Some(text), _) => Some(text.as_str().unwrap().as_bytes().to_vec()),
        (None, Some(hex)) => {
            let digits = hex.as_str().unwrap().as_bytes();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            Some(digits.chunks(2).map(byte).collect())
        }
        (None, None) => None,
    }
}

#[test]
fn after_a_clean_stop() {
    let (state, report) = recovered(&golden_in_memory("clean/version-2"));
    assert_is_client_tree(&state, "clean/client-tree-after-restart.jsonl");
    assert!(report.snapshot.unwrap().ends_with("snapshot.83"));
    assert_eq!((report.torn, report.digest_mismatch, report.gap), (None, None, None));
    assert!(report.replayed > 0);
}

#[test]
fn after_a_kill() {
    let (state, report) = recovered(&golden_in_memory("killed/version-2"));
    assert_is_client_tree(&state, "killed/client-tree-after-restart.jsonl");
    assert_eq!((report.torn, report.digest_mismatch, report.gap), (None, None, None));
}

#[test]
fn after_a_torn_write() {
    let vfs = golden_in_memory("torn/version-2");
    let (state, report) = recovered(&vfs);
    assert_is_client_tree(&state, "torn/client-tree-after-restart.jsonl");
    let torn = report.torn.unwrap();
    assert!(matches!(torn.tail, Tail::Torn { records_behind: 0, .. }));
    // Cut, so the next start finds nothing torn and the same state.
    let (again, report) = recovered(&vfs);
    assert_eq!(report.torn, None);
    assert_same(&again, &state, "");
}

#[test]
fn one_line_says_what_was_found_replayed_and_cut() {
    let summary = |dir: &str| {
        let vfs = golden_in_memory(dir);
        let recovered = zk_store::recover(&vfs, &dirs(), zk_store::RecoveryOptions::default()).unwrap();
        recovered.summary()
    };
    assert_eq!(
        summary("clean/version-2"),
        "found snapshot.83 and 2 log files, replayed 31 transactions, nothing cut: 77 znodes, 0 sessions, \
         last zxid 0xa2"
    );
    let torn = summary("torn/version-2");
    assert!(torn.starts_with("found snapshot.a2 and 1 log files, replayed "), "{torn}");
    assert!(torn.contains(" torn bytes cut off log.a3: "), "{torn}");
}

#[test]
fn what_apache_made_of_the_torn_log_reads_too() {
    // It cut nothing: the torn end is inside, and another log follows.
    let vfs = golden_in_memory("torn/version-2-after-restart");
    let (state, report) = recovered(&vfs);
    assert_eq!((report.torn, report.digest_mismatch, report.gap), (None, None, None));
    assert!(state.last_zxid() >= Zxid(0xa8));
    // From the older snapshot the way leads over the torn end.
    vfs.remove_file(&dirs().snapshots_dir().join("snapshot.a7")).unwrap();
    let (over_the_torn_end, report) = recovered(&vfs);
    assert_same(&over_the_torn_end, &state, "");
    assert_eq!((report.digest_mismatch, report.gap), (None, None));
}

#[test]
fn from_every_snapshot_to_the_same_state() {
    let vfs = golden_in_memory("killed/version-2");
    let (newest, _) = recovered(&vfs);
    for name in ["snapshot.a2", "snapshot.83", "snapshot.51", "snapshot.20"] {
        vfs.remove_file(&dirs().snapshots_dir().join(name)).unwrap();
        let (state, report) = recovered(&vfs);
        assert_same(&state, &newest, &format!("without {name}"));
        assert_eq!((report.digest_mismatch, report.gap), (None, None), "without {name}");
    }
}

#[test]
fn packed_snapshots() {
    let (clean, _) = recovered(&golden_in_memory("clean/version-2"));
    let vfs = memory();
    for (name, compression) in [("snapshot.a2.gz", Compression::Gzip), ("snapshot.a2.snappy", Compression::Snappy)] {
        let bytes = OsVfs.read(&golden("compressed-snapshots").join(name)).unwrap();
        crate::support::put(&vfs, &dirs().snapshots_dir().join(name), &bytes);
        let file = dirs().snapshots(&vfs).unwrap().into_iter().find(|file| file.compression == compression).unwrap();
        assert!(snapshot::looks_valid(&vfs, &file).unwrap());
        let loaded = snapshot::load(&vfs, &file).unwrap();
        assert_same(&loaded.state, &clean, "");
        assert_eq!(loaded.digest.unwrap().tree_digest, clean.digest().0);
    }
}

fn logged(vfs: &dyn Vfs, path: &Path) -> Vec<LoggedTxn> {
    let mut reader = LogReader::open(vfs, path).unwrap();
    let mut all = Vec::new();
    while let Some(entry) = reader.next().unwrap() {
        all.push(entry.logged);
    }
    assert_eq!(reader.tail(), Some(Tail::Clean));
    all
}

#[test]
fn logs_read_as_apaches_tool_lists_them() {
    for name in ["1", "22", "53", "85"] {
        let found: Vec<String> = logged(&OsVfs, &golden(&format!("clean/version-2/log.{name}")))
            .iter()
            .map(|txn| {
                let header = &txn.header;
                format!("session {} cxid {:#x} zxid {}", header.client_id, header.cxid, header.zxid)
            })
            .collect();
        let listing = text(&golden(&format!("clean/expected/log.{name}.TxnLogToolkit.txt")));
        let expected: Vec<String> = listing
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line[line.find(" session ")? + 1..].split(' ').collect();
                (words.get(2) == Some(&"cxid")).then(|| words[..6].join(" "))
            })
            .collect();
        assert_eq!(found, expected);
        assert!(!found.is_empty());
    }
}

#[test]
fn logs_written_again_are_the_same_bytes() {
    for name in ["1", "22", "53", "85"] {
        let path = golden(&format!("clean/version-2/log.{name}"));
        let txns = logged(&OsVfs, &path);
        let vfs: Arc<dyn Vfs> = Arc::new(memory());
        let options = TxnLogOptions { preallocate: 16 << 10, ..TxnLogOptions::default() };
        let mut log = TxnLog::new(Arc::clone(&vfs), dirs().logs_dir().to_path_buf(), options, Zxid(0));
        for txn in &txns {
            log.append(txn).unwrap();
            log.sync().unwrap();
        }
        let expected = OsVfs.read(&path).unwrap();
        let written = vfs.read(&dirs().logs_dir().join(format!("log.{name}"))).unwrap();
        assert!(written == expected, "log.{name}: {} bytes, Apache has {}", written.len(), expected.len());
    }
}

#[test]
fn snapshots_written_again_are_the_same_but_for_order() {
    for name in ["0", "20", "51", "83"] {
        let path = golden(&format!("clean/version-2/snapshot.{name}"));
        let zxid = Zxid(i64::from_str_radix(name, 16).unwrap());
        let file = SnapshotFile { zxid, compression: Compression::None, path };
        let loaded = snapshot::load(&OsVfs, &file).unwrap();
        let vfs: Arc<dyn Vfs> = Arc::new(memory());
        for compression in [Compression::None, Compression::Gzip, Compression::Snappy] {
            let written = snapshot::write(&vfs, &dirs(), &loaded.state, compression).unwrap();
            let again = snapshot::load(vfs.as_ref(), &written).unwrap();
            assert_same(&again.state, &loaded.state, &format!("snapshot.{name} {compression:?}"));
            assert!(snapshot::looks_valid(vfs.as_ref(), &written).unwrap());
        }
        if name == "0" {
            // Four znodes in the same order; Apache's first digest is one of an unfinished tree.
            let written = vfs.read(&dirs().snapshots_dir().join("snapshot.0")).unwrap();
            let expected = OsVfs.read(&file.path).unwrap();
            assert_eq!(written.len(), expected.len());
            let tree_end = written.len() - 33;
            assert_eq!(written[..tree_end], expected[..tree_end]);
        }
    }
}

#[test]
fn going_on_where_apache_stopped() {
    let memory: MemoryVfs = golden_in_memory("killed/version-2");
    let (state, _) = recovered(&memory);
    let vfs: Arc<dyn Vfs> = Arc::new(memory.clone());
    snapshot::write(&vfs, &dirs(), &state, Compression::None).unwrap();
    memory.crash();
    let (again, report) = recovered(&memory);
    assert_same(&again, &state, "");
    assert_eq!(report.replayed, 0);
}
