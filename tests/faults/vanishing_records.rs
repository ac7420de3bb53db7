//! Records vanish before those who read them: retention and DeleteRecords take away what slow consumers have yet to
//! read. They are told that their offset is out of range, begin anew where the log does, and come to its end.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tests::{
    Broker, JvmPermit, KafkaBody, KafkaReply, KafkaWire, Kind, TempDir, Tools, ZooKeeper, batch, full, wait_until,
};

const TOPIC: &str = "vanishing";
const LAST: &str = "the last one";
const AFTER_THE_LAST: Duration = Duration::from_secs(2);
const BROKER: &str =
    "log.retention.check.interval.ms=100\nlog.initial.task.delay.ms=100\nlog.segment.delete.delay.ms=100\n";
const SEGMENTS: &str = "--config segment.bytes=30000 --config retention.bytes=90000 --config file.delete.delay.ms=100";

/// Records of long ago would all be taken away by their age.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    since.as_millis() as i64
}

/// Writes numbered records until it is told to stop, then the last one; returns how many there are.
fn write(port: u16, stop: &Arc<AtomicBool>) -> JoinHandle<i64> {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut wire = KafkaWire::connect(port).expect("it accepts");
        let mut next = 0;
        loop {
            let ends = stop.load(Ordering::Relaxed);
            let text = if ends { LAST.to_owned() } else { format!("{next:08}{}", "r".repeat(300)) };
            let records = batch(&[text.as_bytes()], now(), (-1, -1, -1));
            let mut body = KafkaBody::new(false);
            body.no_text().i16(-1).i32(10_000).array(1).text(TOPIC).array(1).i32(0).data(&records);
            let reply = wire.ask(0, 7, &body).expect("an answer to Produce");
            let mut reply = KafkaReply::new(&reply, false);
            reply.i32();
            reply.text();
            reply.i32();
            reply.i32();
            assert_eq!((reply.i16(), reply.i64()), (0, next), "record {next}");
            next += 1;
            if ends {
                return next;
            }
            thread::sleep(Duration::from_millis(1));
        }
    })
}

/// Deletes all that is committed, again and again; returns how often.
fn delete(port: u16, stop: &Arc<AtomicBool>) -> JoinHandle<u32> {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut wire = KafkaWire::connect(port).expect("it accepts");
        let mut count = 0;
        // Once at least, however late it begins.
        while count == 0 || !stop.load(Ordering::Relaxed) {
            let mut body = KafkaBody::new(true);
            body.array(1).text(TOPIC).array(1).i32(0).i64(-1).no_tags().no_tags().i32(10_000).no_tags();
            let reply = wire.ask(21, 2, &body).expect("an answer to DeleteRecords");
            let mut reply = KafkaReply::new(&reply, true);
            reply.i32();
            reply.array();
            reply.text();
            reply.array();
            reply.i32();
            let (low_watermark, error) = (reply.i64(), reply.i16());
            assert!(low_watermark >= 0 && error == 0, "error {error}");
            count += 1;
            thread::sleep(Duration::from_millis(150));
        }
        count
    })
}

/// What a reader of raw frames saw.
#[derive(Debug, Default)]
struct Seen {
    records: i64,
    resets: u32,
}

/// Reads to the last record and rests in between, so that it falls behind; every answer is whole records or "out of
/// range".
fn read(port: u16) -> JoinHandle<Seen> {
    thread::spawn(move || {
        let mut wire = KafkaWire::connect(port).expect("it accepts");
        let (mut at, mut seen) = (0, Seen::default());
        let deadline = Instant::now() + Duration::from_mins(3);
        loop {
            assert!(Instant::now() < deadline, "stuck at {at}: {seen:?}");
            let mut body = KafkaBody::new(false);
            body.i32(-1).i32(200).i32(1).i32(1 << 20).i8(0).i32(0).i32(-1);
            body.array(1).text(TOPIC).array(1).i32(0).i64(at).i64(-1).i32(1 << 20).array(0);
            let reply = wire.ask(1, 7, &body).expect("an answer to Fetch");
            let mut reply = KafkaReply::new(&reply, false);
            reply.i32();
            reply.i16();
            reply.i32();
            reply.array();
            reply.text();
            reply.array();
            reply.i32();
            let error = reply.i16();
            let (_, _, start) = (reply.i64(), reply.i64(), reply.i64());
            reply.array();
            if error != 0 {
                assert_eq!(error, 1, "at {at}");
                seen.resets += 1;
                at = log_start(&mut wire);
                continue;
            }
            assert!(start >= 0, "a log start of {start}");
            let mut records = reply.data().unwrap_or_default();
            while records.len() > 12 {
                let offset = i64::from_be_bytes(records[..8].try_into().expect("eight bytes"));
                let len = i32::from_be_bytes(records[8..12].try_into().expect("four bytes")) as usize;
                let Some((whole, rest)) = records.split_at_checked(12 + len) else { break };
                records = rest;
                let text = String::from_utf8_lossy(&whole[61..]).into_owned();
                assert!(offset >= at, "record {offset} comes after {at}");
                (at, seen.records) = (offset + 1, seen.records + 1);
                if text.contains(LAST) {
                    return seen;
                }
                assert!(text.contains(&format!("{offset:08}rrr")), "another record at {offset}: {text}");
            }
            thread::sleep(Duration::from_millis(400));
        }
    })
}

fn log_start(wire: &mut KafkaWire) -> i64 {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut body = KafkaBody::new(false);
        body.i32(-1).array(1).text(TOPIC).array(1).i32(0).i64(-2);
        let reply = wire.ask(2, 1, &body).expect("an answer to ListOffsets");
        let mut reply = KafkaReply::new(&reply, false);
        reply.array();
        reply.text();
        reply.array();
        reply.i32();
        let error = reply.i16();
        if error == 0 {
            reply.i64();
            return reply.i64();
        }
        // A broker that has just started does not know yet what it leads.
        assert!(matches!(error, 3 | 6) && Instant::now() < deadline, "error {error}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A consumer that is stopped and goes on again and again until the log has its end.
fn consume(kind: Kind, server: &str, errors: &Path, stop: &Arc<AtomicBool>) -> JoinHandle<String> {
    let mut command: Command = Tools(kind).command("kafka-console-consumer");
    command.args(["--bootstrap-server", server, "--topic", TOPIC, "--from-beginning", "--timeout-ms", "15000"]);
    command.args(["--consumer-property", "max.partition.fetch.bytes=2000"]);
    let stop = Arc::clone(stop);
    let errors = File::create(errors).expect("the test's directory can be written");
    thread::spawn(move || {
        let mut child = command.stdout(Stdio::piped()).stderr(errors).spawn().expect("it starts");
        let id = child.id().to_string();
        let printed = child.stdout.take().expect("it is piped");
        let output = thread::spawn(move || to_the_last(printed, &mut child));
        while !stop.load(Ordering::Relaxed) {
            for (signal, rest) in [("-STOP", 700), ("-CONT", 200)] {
                let _ = Command::new("kill").args([signal, &id]).status();
                thread::sleep(Duration::from_millis(rest));
            }
        }
        output.join().expect("reading does not panic")
    })
}

/// Everything that a consumer prints. It would wait for its whole timeout after the last record; so it is ended a while
/// after it has printed that, in which it would print whatever it read again.
fn to_the_last(printed: ChildStdout, child: &mut Child) -> String {
    let mut text = String::new();
    thread::scope(|scope| {
        let (ended, is_last) = mpsc::channel();
        scope.spawn(move || {
            if is_last.recv().is_ok() {
                thread::sleep(AFTER_THE_LAST);
                let _ = child.kill();
            }
            child.wait().expect("our own child can be waited for");
        });
        for line in BufReader::new(printed).lines() {
            let line = line.expect("text");
            if line == LAST {
                // Told twice, it is still ended once.
                let _ = ended.send(());
            }
            text.push_str(&line);
            text.push('\n');
        }
    });
    text
}

/// Numbers ascend to the last record; returns how often some are left out.
fn gaps(kind: Kind, printed: &str) -> usize {
    let mut gaps = 0;
    let mut before = -1;
    let mut lines = printed.lines().peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_none() {
            assert_eq!(line, LAST, "{kind:?} did not come to the end");
            return gaps;
        }
        let number: i64 = line[..8].parse().expect("a number");
        assert!(number > before, "{kind:?}: {number} after {before}");
        gaps += usize::from(number != before + 1);
        before = number;
    }
    panic!("{kind:?} read nothing");
}

#[test]
fn consumers_go_on_where_the_log_begins_when_records_vanish() {
    let _permit = JvmPermit::take();
    let dir = TempDir::new("vanishing");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let mut broker = Broker::start_with(Kind::Ours, &dir.join("kafka"), &zookeeper.address(), BROKER);
    let server = broker.address();
    let create = format!("--create --topic {TOPIC} --partitions 1 {SEGMENTS} --bootstrap-server {server}");
    assert_eq!(Tools(Kind::Ours).run("kafka-topics", &create).code, 0);

    let (stop, stop_deleting) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let writer = write(broker.port(), &stop);
    let reader = read(broker.port());
    let errors = |kind: Kind| dir.join(&format!("{kind:?}.err"));
    let consumers = [Kind::Ours, Kind::Apache].map(|kind| (kind, consume(kind, &server, &errors(kind), &stop)));
    // First only retention takes records away, then deletions do as well.
    let pace = if full() { Duration::from_mins(1) } else { Duration::from_secs(8) };
    thread::sleep(pace);
    let deleter = delete(broker.port(), &stop_deleting);
    thread::sleep(pace);
    stop_deleting.store(true, Ordering::Relaxed);
    let deletions = deleter.join().expect("every deletion is answered");
    assert!(deletions > 5, "only {deletions} deletions");
    stop.store(true, Ordering::Relaxed);
    let written = writer.join().expect("every record is taken");
    let seen = reader.join().expect("the reader comes to the end");
    assert!(seen.resets > 0 && seen.records < written, "nothing vanished before the reader: {seen:?} of {written}");
    for (kind, consumer) in consumers {
        let printed = consumer.join().expect("the consumer ends");
        let gaps = gaps(kind, &printed);
        assert!(gaps > 0, "nothing vanished before the consumer ({kind:?})");
    }

    // The files go as well, and what was deleted does not come back after a kill.
    let partition = broker.data().join(format!("{TOPIC}-0"));
    let bytes = || {
        let files = std::fs::read_dir(&partition).into_iter().flatten().flatten();
        let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "log"));
        segments.map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum::<u64>()
    };
    assert!(wait_until(Duration::from_mins(1), || bytes() <= 120_000), "{} bytes are left", bytes());
    let stopper = Arc::new(AtomicBool::new(false));
    let once = delete(broker.port(), &stopper);
    thread::sleep(Duration::from_millis(100));
    stopper.store(true, Ordering::Relaxed);
    assert!(once.join().expect("the deletion is answered") > 0);
    broker.kill();
    broker.run();
    let start = log_start(&mut KafkaWire::connect(broker.port()).expect("it accepts"));
    assert_eq!(start, written, "deleted records came back");
    let log = std::fs::read_to_string(broker.log()).expect("the log");
    assert!(!log.contains("panicked"), "{log}");
}
