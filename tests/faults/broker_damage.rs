//! Torn and rotten log directories under the real broker: what is whole is served, what is not is never served as if it
//! were, and what can be made anew is.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tests::{Broker, Kind, RawBatch, RawKafka, TempDir, Tools, ZooKeeper, batch_positions, full, wait_until};

const START: i64 = 1_700_000_000_000;
/// No retention by time, small index entries, and a clean stop is never assumed.
const BROKER: &str = "log.retention.ms=-1\nlog.index.interval.bytes=200\nlog.cleaner.enable=false\n";
const CORRUPT_MESSAGE: i16 = 2;

/// A broker with a topic of one partition.
struct Site {
    _dir: TempDir,
    _zookeeper: ZooKeeper,
    broker: Broker,
}

impl Site {
    fn new(name: &str, options: &str) -> Site {
        let dir = TempDir::new(name);
        let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
        let broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), BROKER);
        let create = format!("--create --topic t --partitions 1 {options} --bootstrap-server {}", broker.address());
        let created = Tools(Kind::Ours).run("kafka-topics", &create);
        assert_eq!(created.code, 0, "{}{}", created.stdout, created.stderr);
        Site { _dir: dir, _zookeeper: zookeeper, broker }
    }

    fn partition(&self) -> PathBuf {
        self.broker.data().join("t-0")
    }

    fn connect(&self) -> RawKafka {
        let mut last = None;
        let led = wait_until(Duration::from_mins(1), || {
            last =
                RawKafka::connect(self.broker.port()).and_then(|mut kafka| kafka.list_offsets("t", 0, -1, false)).ok();
            last.is_some_and(|(error, ..)| error == 0)
        });
        assert!(led, "t-0 is not led: {last:?}\n{}", self.log());
        RawKafka::connect(self.broker.port()).expect("it accepts")
    }

    fn append(&self, batch: &RawBatch) -> i64 {
        let (error, offset) = self.connect().produce("t", 0, &batch.bytes()).expect("an answer");
        assert_eq!(error, 0);
        offset
    }

    fn end(&self) -> i64 {
        self.connect().list_offsets("t", 0, -1, false).expect("an answer").2
    }

    /// All batches as they are served, from an offset on.
    fn read(&self, from: i64) -> Result<Vec<u8>, (i64, i16)> {
        let mut kafka = self.connect();
        let (mut offset, mut found) = (from, Vec::new());
        loop {
            let fetched = kafka.fetch("t", 0, offset, false, 4000).expect("an answer");
            if fetched.error != 0 {
                return Err((offset, fetched.error));
            }
            let whole = batch_positions(&fetched.records);
            let Some((at, last)) = whole.last() else { return Ok(found) };
            let end = at + 12 + u32::from_be_bytes(fetched.records[at + 8..at + 12].try_into().expect("four")) as usize;
            found.extend(&fetched.records[..end]);
            offset = last + 1;
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.broker.log()).expect("the log")
    }
}

/// The segments, oldest first.
fn segments(partition: &Path) -> Vec<PathBuf> {
    files(partition, ".log")
}

fn files(partition: &Path, end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(partition).expect("the partition's directory").flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(end));
    paths.sort();
    paths
}

fn overwrite(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("the log directory can be written");
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_to_whole_batches() {
    let mut site = Site::new("torn-tail", "");
    for number in 0..20 {
        let mut batch = RawBatch::of(START + number, &["some", "more", "values"]);
        batch.producer = (77, 0, number as i32 * 3);
        site.append(&batch);
    }
    site.broker.kill();
    let path = segments(&site.partition()).pop().expect("a segment");
    let whole = fs::read(&path).expect("reads");
    let (last, _) = *batch_positions(&whole).last().expect("batches");
    let lost = whole.len() - last;
    let step = if full() { 1 } else { lost / 4 };
    for cut in (1..=lost).step_by(step) {
        overwrite(&path, &whole[..whole.len() - cut]);
        site.broker.run();
        assert_eq!(site.end(), 57, "{cut} bytes cut off");
        let served = site.read(0).expect("it is served");
        assert!(served == whole[..last], "{cut} bytes cut off: other batches are served");
        // The producer goes on where the log ends, and is known: what was lost is sent again, once.
        let mut again = RawBatch::of(START + 19, &["some", "more", "values"]);
        again.producer = (77, 0, 57);
        assert_eq!(site.append(&again), 57);
        assert_eq!(site.append(&again), 57, "a retry");
        assert_eq!(site.end(), 60);
        site.broker.kill();
    }
    let log = site.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_flipped_bit_is_never_served_as_good_and_takes_nothing_else_with_it() {
    let mut site = Site::new("flipped-bit", "--config segment.bytes=2000");
    for number in 0..60 {
        site.append(&RawBatch::of(START + number, &["value", &"v".repeat(80)]));
    }
    site.broker.stop();
    let all: Vec<PathBuf> = segments(&site.partition());
    assert!(all.len() > 3, "{all:?}");
    let rotten = &all[1];
    let good = fs::read(rotten).expect("reads");
    let batches = batch_positions(&good);
    let (at, last) = batches[batches.len() / 2];
    let first_of_next: i64 =
        all[2].file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()).expect("an offset");
    // The length field, the magic, the checksum, the offset delta, a value.
    for position in [8, 9, 16, 17, 25, 70, 120] {
        let mut bytes = good.clone();
        bytes[at + position] ^= 0x40;
        overwrite(rotten, &bytes);
        site.broker.run();
        assert_eq!(site.end(), 120, "byte {position}");
        match site.read(last - 1) {
            Err((_, error)) => assert_eq!(error, CORRUPT_MESSAGE, "byte {position}"),
            // Sent from the page cache, unread: the client finds the checksum wrong.
            Ok(served) => assert!(!is_good(&served), "byte {position}: damage is served with a good checksum"),
        }
        let later = site.read(first_of_next).expect("what follows is served");
        let expected: Vec<u8> = all[2..].iter().flat_map(|path| fs::read(path).expect("reads")).collect();
        assert!(later == expected, "byte {position}: other batches are served");
        site.broker.stop();
        assert_eq!(segments(&site.partition()), all, "byte {position}");
    }
    let log = site.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// Has every batch the checksum that it says?
fn is_good(batches: &[u8]) -> bool {
    let whole = batch_positions(batches);
    let ends = whole.iter().skip(1).map(|(at, _)| *at).chain([batches.len()]);
    !whole.is_empty()
        && whole.iter().zip(ends).all(|((at, _), end)| {
            let batch = &batches[*at..end];
            let stored = u32::from_be_bytes(batch[17..21].try_into().expect("four bytes"));
            batch[16] == 2 && stored == tests::checksum(&batch[21..])
        })
}

/// What is asked of a log whose helping files are gone.
#[derive(Debug, PartialEq)]
struct Answers {
    records: Vec<u8>,
    by_time: Vec<(i16, i64, i64)>,
    aborted: Vec<(i64, i64)>,
    last_stable: i64,
}

fn answers(site: &Site) -> Answers {
    let mut kafka = site.connect();
    let times = (0..12).map(|step| START + step * 23 - 5).chain([-3, -2, -1]);
    let by_time = times.map(|time| kafka.list_offsets("t", 0, time, false).expect("an answer"));
    let by_time = by_time.map(|(error, timestamp, offset, _)| (error, timestamp, offset)).collect();
    let mut aborted = Vec::new();
    let mut last_stable = 0;
    for offset in (0..site.end()).step_by(7) {
        let fetched = kafka.fetch("t", 0, offset, true, 1 << 20).expect("an answer");
        last_stable = fetched.last_stable;
        aborted.extend(fetched.aborted);
    }
    aborted.sort_unstable();
    aborted.dedup();
    Answers { records: site.read(0).expect("it is served"), by_time, aborted, last_stable }
}

/// Transactions of two producers in several segments: appended by hand, as a coordinator would have them.
fn with_transactions(site: &mut Site) {
    site.broker.stop();
    let mut next = 0;
    let path = segments(&site.partition()).pop().expect("a segment");
    let file = File::options().write(true).open(&path).expect("opens");
    let mut at = 0;
    for round in 0..10i64 {
        let mut data = RawBatch::of(START + round * 10, &["in", "doubt"]);
        data.producer = (500, 0, round as i32 * 2);
        data.transactional = true;
        let plain = RawBatch::of(START + round * 10 + 3, &["plain", &"p".repeat(60)]);
        let marker = RawBatch::marker(START + round * 10 + 5, (500, 0), round % 2 == 0);
        for mut batch in [data, plain, marker] {
            (batch.base, batch.leader_epoch) = (next, 0);
            next += batch.records.len() as i64;
            file.write_all_at(&batch.bytes(), at).expect("written");
            at += batch.bytes().len() as u64;
        }
    }
    unclean(site);
    site.broker.run();
    // More segments behind it.
    for number in 0..40 {
        site.append(&RawBatch::of(START + 100 + number * 4, &["later", &"l".repeat(60)]));
    }
}

/// As after a kill, with nothing known to be synced.
fn unclean(site: &Site) {
    for name in [".kafka_cleanshutdown", "recovery-point-offset-checkpoint"] {
        let _ = fs::remove_file(site.broker.data().join(name));
    }
}

#[test]
fn what_can_be_made_anew_is() {
    let mut site = Site::new("lost-files", "--config segment.bytes=3000");
    with_transactions(&mut site);
    let right = answers(&site);
    assert_eq!(right.aborted.len(), 5, "{right:?}");
    site.broker.stop();
    assert!(segments(&site.partition()).len() > 2);
    let saved: Vec<(PathBuf, Vec<u8>)> =
        files(&site.partition(), "").into_iter().map(|path| (path.clone(), fs::read(&path).expect("reads"))).collect();
    let kinds = [".index", ".timeindex", ".txnindex", ".snapshot", "leader-epoch-checkpoint"];
    for kind in kinds {
        let lost = files(&site.partition(), kind);
        assert!(!lost.is_empty(), "no {kind}");
        for damage in ["deleted", "empty", "rubbish"] {
            for stopped in [true, false] {
                // That there was one can be told only where the batches are read anyway.
                if stopped && (kind, damage) == (".txnindex", "deleted") {
                    continue;
                }
                for path in &lost {
                    match damage {
                        "deleted" => fs::remove_file(path).expect("removed"),
                        "empty" => overwrite(path, b""),
                        _ => overwrite(path, &[0x5a; 120]),
                    }
                }
                if !stopped {
                    unclean(&site);
                }
                site.broker.run();
                assert_eq!(answers(&site), right, "{kind} {damage}, stopped in order: {stopped}");
                site.broker.stop();
                for (path, bytes) in &saved {
                    overwrite(path, bytes);
                }
            }
        }
    }
    let log = site.log();
    assert!(!log.contains("panicked") && !log.contains(" ERROR ") || log.contains("rebuilding index files"), "{log}");
}

#[test]
fn checkpoints_may_be_missing_or_speak_of_others() {
    let mut site = Site::new("checkpoints", "--config segment.bytes=2000");
    for number in 0..60 {
        site.append(&RawBatch::of(START + number, &["value", &"v".repeat(80)]));
    }
    let right = site.read(0).expect("it is served");
    for name in [
        "recovery-point-offset-checkpoint",
        "replication-offset-checkpoint",
        "log-start-offset-checkpoint",
        "cleaner-offset-checkpoint",
    ] {
        for text in [None, Some(""), Some("0\n1\nnobody 3 1000\n"), Some("0\n2\nt 0\n"), Some("\u{7}rubbish")] {
            site.broker.kill();
            let path = site.broker.data().join(name);
            match text {
                None => drop(fs::remove_file(&path)),
                Some(text) => overwrite(&path, text.as_bytes()),
            }
            site.broker.run();
            assert_eq!(site.end(), 120, "{name}: {text:?}");
            assert!(site.read(0).expect("it is served") == right, "{name}: {text:?}");
        }
    }
    let log = site.log();
    assert!(!log.contains("panicked"), "{log}");
}
