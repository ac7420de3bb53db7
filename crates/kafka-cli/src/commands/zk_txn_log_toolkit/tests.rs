//! The tool on logs in memory.

use std::sync::Arc;

use vfs::MemoryVfs;
use zk_proto::txn::CreateSessionTxn;
use zk_proto::{SessionId, Txn, TxnHeader, Zxid};
use zk_store::{TxnLog, TxnLogOptions};

use super::*;
use crate::output::testing;

/// A log of three transactions, `/log.1`; the second one's checksum is damaged if asked for.
fn log(damaged: bool) -> MemoryVfs {
    let vfs = MemoryVfs::new();
    let options = TxnLogOptions { preallocate: 0, ..TxnLogOptions::default() };
    let mut log = TxnLog::new(Arc::new(vfs.clone()), "/".into(), options, Zxid(0));
    for zxid in 1..=3 {
        let txn = Txn::CreateSession(CreateSessionTxn { timeout_ms: 1000 * zxid });
        let header =
            TxnHeader { client_id: SessionId(7), cxid: 0, zxid: Zxid(zxid.into()), time: 0, op: txn.op().code() };
        log.append(&LoggedTxn { header, txn, digest: None }).unwrap();
    }
    log.sync().unwrap();
    if damaged {
        // A record has 12 bytes, 36 of content, and one.
        vfs.open(Path::new("/log.1"), OpenMode::ReadWrite).unwrap().write_at(&[9], 16 + 49 + 7).unwrap();
    }
    vfs
}

fn run_on(vfs: &MemoryVfs, line: &str, input: &str) -> (Result<(), Failed>, String) {
    let (mut console, out, _) = testing::console();
    let words: Vec<&str> = line.split_whitespace().collect();
    let result = act(vfs, &OPTIONS.parse(&words).unwrap(), input.as_bytes(), &mut console);
    drop(console);
    (result, out.text())
}

fn code(result: Result<(), Failed>) -> u8 {
    result.map_or_else(|failed| failed.code, |()| 0)
}

#[test]
fn damaged_records_are_shown_twice() {
    let (result, out) = run_on(&log(true), "/log.1", "");
    assert_eq!(code(result), 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "ZooKeeper Transactional Log File with dbid 0 txnlog format version 2");
    assert!(lines[2].starts_with("CRC ERROR - 1/1/70, ") && lines[2].ends_with("zxid 0x2 createSession 2000"));
    assert_eq!(lines[2].strip_prefix("CRC ERROR - "), Some(lines[3]));
    assert_eq!((lines.len(), lines[5]), (6, "EOF reached after 3 txns."));
}

#[test]
fn checksums_are_mended() {
    let vfs = log(true);
    let (result, out) = run_on(&vfs, "-r -y /log.1", "");
    assert_eq!(code(result), 0);
    assert!(out.contains("CRC FIXED - "), "{out}");
    assert!(out.ends_with("Recovery file /log.1.fixed has been written with 1 fixed CRC error(s)\n"), "{out}");
    assert_eq!(vfs.read(Path::new("/log.1.fixed")).unwrap(), log(false).read(Path::new("/log.1")).unwrap());
    let (result, _) = run_on(&vfs, "-r /log.1", "");
    assert_eq!(result.unwrap_err().text, "Recovery file /log.1.fixed already exists or not writable");
}

#[test]
fn it_asks_before_it_mends() {
    let asked = |input: &str| {
        let vfs = log(true);
        let (result, out) = run_on(&vfs, "-r -v /log.1", input);
        (code(result), out)
    };
    let (code, out) = asked("maybe yes\n");
    assert_eq!((code, out.matches("Would you like to fix it (Yes/No/Abort) ? ").count()), (0, 2));
    assert!(out.ends_with("with 1 fixed CRC error(s)\n"));
    assert!(asked("n").1.ends_with("with 0 fixed CRC error(s)\n"));
    assert_eq!(asked("abort").0, 0);
    assert!(!asked("abort").1.contains("EOF"));
    assert_eq!(asked("").0, 1);
}

#[test]
fn a_log_is_cut() {
    let vfs = log(false);
    let (result, out) = run_on(&vfs, "-c -z 0x2 /log.1", "");
    assert_eq!(code(result), 0);
    assert!(out.ends_with("Chopping at 2 new log has 2 records\n"), "{out}");
    let whole = vfs.read(Path::new("/log.1")).unwrap();
    assert_eq!(vfs.read(Path::new("/log.1.chopped2")).unwrap(), whole[..16 + 2 * 49]);
    let (_, out) = run_on(&vfs, "-c -z 3 /log.1", "");
    assert!(out.ends_with("EOF reached after 3 txns.\nGot exception: Failed to chop log.1\n"), "{out}");
    let (_, out) = run_on(&vfs, "-c -z 0 /log.1", "");
    assert!(out.contains("This log does not contain zxid 0\n"), "{out}");
    let (_, out) = run_on(&log(true), "-c -z 2 /log.1", "");
    assert!(out.contains("Got exception: CRC doesn't match "), "{out}");
    assert_eq!(code(run_on(&vfs, "-c -z x /log.1", "").0), 1);
}

#[test]
fn what_is_no_log_is_refused() {
    let vfs = MemoryVfs::new();
    let (result, _) = run_on(&vfs, "/log.1", "");
    assert_eq!(result.unwrap_err().text, "File doesn't exist or not readable: /log.1");
    vfs.open(Path::new("/x"), OpenMode::Create).unwrap().write_at(&[1; 40], 0).unwrap();
    let failed = run_on(&vfs, "/x", "").0.unwrap_err();
    assert_eq!((failed.code, failed.text.as_str()), (INVALID_INVOCATION, "Invalid magic number for x"));
}
