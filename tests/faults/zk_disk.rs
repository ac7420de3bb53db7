//! The coordination server and its disk: syncs that fail, no space, damaged files, kills during snapshots, a second
//! server, a stop under load. What was acknowledged is there afterwards, and nothing else was.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tests::{Kind, RawZk, TempDir, ZooKeeper, ensure_program, full, wait_until};

/// Creates `/n0`, `/n1` ... one after the other until the connection ends or `count` are made; those acknowledged.
fn create_until_it_ends(port: u16, count: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let Ok(mut session) = RawZk::connect(port) else { return acknowledged };
    for index in 0..count {
        let name = format!("n{index}");
        match session.create(&format!("/{name}"), b"some data") {
            Ok(true) => acknowledged.push(name),
            Ok(false) => panic!("{name} is there already"),
            Err(_) => break,
        }
    }
    acknowledged
}

fn children(port: u16, path: &str) -> BTreeSet<String> {
    let mut session = RawZk::connect(port).expect("a session");
    session.children(path).expect("the tree can be read").into_iter().collect()
}

fn assert_all_there(port: u16, acknowledged: &[String]) {
    let there = children(port, "/");
    let lost: Vec<&String> = acknowledged.iter().filter(|name| !there.contains(*name)).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged are lost: {lost:?}", lost.len(), acknowledged.len());
}

/// Starts ours with every call of this kind failing after some; everything acknowledged must be there afterwards.
fn failing_disk(name: &str, inject: &str) {
    ensure_program("strace", "strace");
    let dir = TempDir::new(name);
    let mut server = ZooKeeper::start(Kind::Ours, dir.path());
    let before = create_until_it_ends(server.port(), 5);
    server.stop();
    let trace = dir.join("trace").display().to_string();
    let call = inject.split(':').next().expect("a call");
    server.run_under(&[
        "strace",
        "-f",
        "-qq",
        "-o",
        &trace,
        "-e",
        &format!("trace={call}"),
        "-e",
        &format!("inject={inject}"),
    ]);
    server.run();
    let mut session = RawZk::connect(server.port()).expect("the first calls still work");
    let mut acknowledged = Vec::new();
    for index in 0..1000 {
        match session.create(&format!("/later{index}"), b"x") {
            Ok(_) => acknowledged.push(format!("later{index}")),
            Err(_) => break,
        }
    }
    assert!(acknowledged.len() < 1000, "the disk never failed");
    let status = server.process().wait(Duration::from_mins(1));
    let output = server.process().output();
    // Apache's server stops as if it had been told to: the latch opens, and `main` returns.
    assert_eq!(status.code(), Some(EXIT_AFTER_FAILED_LOG), "{output}");
    assert!(output.contains("Severe unrecoverable error, from thread : SyncThread:0"), "{output}");
    server.stop();
    server.run_under(&[]);
    server.run();
    assert_all_there(server.port(), &[before, acknowledged].concat());
}

/// Apache's exit code when its log cannot be written.
const EXIT_AFTER_FAILED_LOG: i32 = 0;

#[test]
fn a_failing_sync_ends_the_server_without_an_acknowledgement() {
    failing_disk("sync-fails", "fdatasync:error=EIO:when=6+");
}

#[test]
fn a_full_disk_ends_the_server_without_an_acknowledgement() {
    failing_disk("disk-full", "pwrite64:error=ENOSPC:when=6+");
}

#[test]
fn a_data_directory_has_one_server() {
    let dir = TempDir::new("two-servers");
    let server = ZooKeeper::start(Kind::Ours, dir.path());
    let mut second = ZooKeeper::prepare(Kind::Ours, dir.path(), "");
    let (code, output) = second.fail_to_run();
    assert_eq!(code, Some(3), "{output}");
    assert!(output.contains("is in use by another server"), "{output}");
    assert_eq!(create_until_it_ends(server.port(), 3).len(), 3, "the first one goes on");
}

#[test]
fn a_stop_under_full_load_is_clean() {
    let dir = TempDir::new("stop-under-load");
    let mut server = ZooKeeper::start_with(Kind::Ours, dir.path(), "snapCount=200");
    let port = server.port();
    for round in 0..if full() { 10 } else { 2 } {
        let acknowledged = Mutex::new(Vec::new());
        let stopped = AtomicBool::new(false);
        thread::scope(|scope| {
            for client in 0..8 {
                let (acknowledged, stopped) = (&acknowledged, &stopped);
                scope.spawn(move || {
                    let mut session = RawZk::connect(port).expect("a session");
                    for index in 0.. {
                        let name = format!("r{round}c{client}n{index}");
                        match session.create(&format!("/{name}"), b"x") {
                            Ok(_) => acknowledged.lock().expect("nobody panicked").push(name),
                            Err(error) => {
                                assert!(stopped.load(Ordering::SeqCst), "before the stop: {error}");
                                return;
                            }
                        }
                    }
                });
            }
            let enough = || acknowledged.lock().expect("nobody panicked").len() > 500;
            assert!(wait_until(Duration::from_mins(3), enough), "the load is too thin");
            stopped.store(true, Ordering::SeqCst);
            let begin = Instant::now();
            server.stop();
            assert!(begin.elapsed() < Duration::from_secs(30));
        });
        server.run();
        let output = server.process().output();
        let check =
            output.lines().rfind(|line| line.contains("Data directory checked")).expect("it says what it found");
        assert!(check.contains("nothing cut"), "{check}");
        assert_all_there(port, &acknowledged.into_inner().expect("nobody panicked"));
    }
}

/// The newest file whose name begins so.
fn newest(server: &ZooKeeper, prefix: &str) -> PathBuf {
    let zxid = |path: &PathBuf| {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        u64::from_str_radix(name.strip_prefix(prefix).expect("the prefix was looked for"), 16).expect("a zxid")
    };
    let entries = fs::read_dir(server.data()).expect("the data directory can be read");
    let files = entries.map(|entry| entry.expect("an entry").path());
    files
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .max_by_key(zxid)
        .expect("there is one")
}

/// Where the padding of a log begins.
fn written_len(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn last_check(server: &mut ZooKeeper) -> String {
    let output = server.process().output();
    output.lines().rfind(|line| line.contains("Data directory checked")).expect("it says what it found").to_owned()
}

#[test]
fn a_torn_end_is_cut_and_damage_before_good_transactions_is_refused() {
    let dir = TempDir::new("torn");
    let mut server = ZooKeeper::start(Kind::Ours, dir.path());
    let acknowledged = create_until_it_ends(server.port(), 50);
    server.kill();
    let log = newest(&server, "log.");
    let whole = fs::read(&log).expect("it can be read");
    let end = written_len(&whole);

    // The last record (the session's create of n49) loses its last bytes.
    let mut torn = whole.clone();
    torn[end - 20..end].fill(0);
    fs::write(&log, &torn).expect("it can be written");
    server.run();
    let check = last_check(&mut server);
    assert!(check.contains("torn bytes cut off log."), "{check}");
    assert_all_there(server.port(), &acknowledged[..49]);
    assert!(!children(server.port(), "/").contains("n49"));
    server.stop();

    for (at, change) in [(end / 2, 0x40), (200, 1)] {
        let mut flipped = whole.clone();
        flipped[at] ^= change;
        fs::write(&log, &flipped).expect("it can be written");
        let (code, output) = server.fail_to_run();
        assert_eq!(code, Some(1), "{output}");
        assert!(output.contains("damaged record at byte"), "{output}");
        assert_eq!(fs::read(&log).expect("it is there"), flipped, "nothing was changed");
    }
}

#[test]
fn a_damaged_snapshot_is_passed_over_and_without_any_nothing_starts() {
    let dir = TempDir::new("bad-snapshot");
    let mut server = ZooKeeper::start_with(Kind::Ours, dir.path(), "snapCount=20");
    let acknowledged = create_until_it_ends(server.port(), 100);
    let has_several = || fs::read_dir(server.data()).expect("it is there").count() > 3;
    assert!(wait_until(Duration::from_mins(1), has_several), "no snapshot was taken");
    server.kill();
    for damage in [|bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2), |bytes: &mut Vec<u8>| bytes.clear()] {
        let path = newest(&server, "snapshot.");
        let mut bytes = fs::read(&path).expect("it can be read");
        damage(&mut bytes);
        fs::write(&path, bytes).expect("it can be written");
        server.run();
        let check = last_check(&mut server);
        assert!(check.contains("unreadable passed over"), "{check}");
        assert_all_there(server.port(), &acknowledged);
        server.kill();
    }
    for entry in fs::read_dir(server.data()).expect("it is there") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("snapshot.")) {
            fs::remove_file(path).expect("it can be removed");
        }
    }
    let (code, output) = server.fail_to_run();
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("No snapshot found, but there are log entries"), "{output}");
}

#[test]
fn kills_while_snapshots_are_taken_lose_nothing() {
    let dir = TempDir::new("kill-snapshots");
    let mut server = ZooKeeper::start_with(Kind::Ours, dir.path(), "snapCount=50");
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..if full() { 60 } else { 6 } {
        let port = server.port();
        let under_way = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&under_way);
        let writer = thread::spawn(move || {
            let mut made = Vec::new();
            let Ok(mut session) = RawZk::connect(port) else { return made };
            for index in 0.. {
                let name = format!("r{round}n{index}");
                match session.create(&format!("/{name}"), &[b'x'; 2000]) {
                    Ok(_) => made.push(name),
                    Err(_) => return made,
                }
                count.fetch_add(1, Ordering::SeqCst);
            }
            made
        });
        // Each time at another place among the snapshots.
        let wanted = 60 + 37 * round % 90;
        let loaded = wait_until(Duration::from_mins(3), || under_way.load(Ordering::SeqCst) >= wanted);
        assert!(loaded, "round {round}: the load is too thin");
        thread::sleep(Duration::from_millis(7 * round as u64 % 30));
        server.kill();
        acknowledged.extend(writer.join().expect("the writer did not panic"));
        server.run();
        let check = last_check(&mut server);
        assert!(!check.contains("MISSING") && !check.contains("DIFFER"), "{check}");
        assert_all_there(server.port(), &acknowledged);
    }
    assert!(acknowledged.len() > 300, "the load was too thin: {}", acknowledged.len());
}

#[test]
fn old_snapshots_and_logs_are_purged_and_nothing_is_lost() {
    let dir = TempDir::new("purge");
    let settings = "snapCount=20\nautopurge.purgeInterval=1\nautopurge.snapRetainCount=3";
    let mut server = ZooKeeper::start_with(Kind::Ours, dir.path(), settings);
    let count = |server: &ZooKeeper, prefix: &str| {
        let entries = fs::read_dir(server.data()).expect("it is there");
        entries
            .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(prefix)))
            .count()
    };
    // How many snapshots so many znodes bring depends on how long each takes: the server rests between them.
    let mut acknowledged = Vec::new();
    let mut session = RawZk::connect(server.port()).expect("a session");
    let end = Instant::now() + Duration::from_mins(3);
    while count(&server, "snapshot.") <= 6 || acknowledged.len() < 400 {
        assert!(Instant::now() < end, "too few snapshots to purge");
        let name = format!("n{}", acknowledged.len());
        assert!(session.create(&format!("/{name}"), b"some data").expect("an answer"), "{name} is there already");
        acknowledged.push(name);
    }
    drop(session);
    server.stop();
    // The first purge comes with the start, the next one an hour later.
    server.run();
    let purged = || count(&server, "snapshot.") <= 3 && count(&server, "log.") <= 5;
    assert!(wait_until(Duration::from_mins(1), purged), "{} snapshots", count(&server, "snapshot."));
    server.kill();
    server.run();
    assert_all_there(server.port(), &acknowledged);
}

#[test]
fn the_number_of_transactions_passes_the_32_bits_of_an_epoch() {
    let dir = TempDir::new("roll-over");
    let mut server = ZooKeeper::start(Kind::Ours, dir.path());
    server.stop();
    for entry in fs::read_dir(server.data()).expect("it is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        match name.as_str() {
            "snapshot.0" => fs::rename(&path, path.with_file_name("snapshot.fffffffc")).expect("it can be renamed"),
            _ if name.starts_with("log.") => fs::remove_file(&path).expect("it can be removed"),
            _ => {}
        }
    }
    server.run();
    let acknowledged = create_until_it_ends(server.port(), 20);
    assert_eq!(acknowledged.len(), 20);
    let zxids = |port| {
        let mut session = RawZk::connect(port).expect("a session");
        let zxid = |name: &String| {
            let (_, stat) = session.get(&format!("/{name}")).expect("it is there");
            u64::from_be_bytes(stat[..8].try_into().expect("eight bytes"))
        };
        acknowledged.iter().map(zxid).collect::<Vec<u64>>()
    };
    let before = zxids(server.port());
    assert!(before.windows(2).all(|pair| pair[1] == pair[0] + 1), "{before:x?}");
    assert!(before[0] < 1 << 32 && before[19] > 1 << 32, "{before:x?}");
    server.kill();
    server.run();
    assert_eq!(zxids(server.port()), before);
}
