//! `__transaction_state` as Apache's broker wrote it, read from its own data directories: the transactions must be those
//! that Apache's tools showed (`transactions-list.txt`, `transactions-describe-*.txt`).

use std::io::Read as _;

use bytes::Bytes;

use super::*;

const LOG_DIRS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/log-dir");

/// The log files of the topic in a `data.tar.gz`.
fn logs(directory: &str) -> Vec<Bytes> {
    #[expect(clippy::disallowed_methods, reason = "golden data of a test")]
    let packed = std::fs::read(format!("{LOG_DIRS}/{directory}/data.tar.gz")).unwrap();
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut tar).unwrap();
    let mut logs = Vec::new();
    let mut at = 0;
    // A header block of 512 bytes (name at 0, size in octal at 124), then the contents in whole blocks.
    while tar[at] != 0 {
        let text = |from: usize, len: usize| {
            let field = &tar[at + from..at + from + len];
            String::from_utf8(field.iter().copied().take_while(|byte| *byte != 0 && *byte != b' ').collect()).unwrap()
        };
        let (name, size) = (text(0, 100), usize::from_str_radix(&text(124, 12), 8).unwrap());
        if name.contains("__transaction_state") && name.strip_suffix(".log").is_some() {
            logs.push(Bytes::copy_from_slice(&tar[at + 512..at + 512 + size]));
        }
        at += 512 + size.next_multiple_of(512);
    }
    logs
}

/// Everything about every transaction, a line each, in the tools' words; and what is left to be done.
fn told(directory: &str) -> (Vec<String>, Vec<Effect>) {
    let (mut lines, mut left) = (Vec::new(), Vec::new());
    for log in logs(directory) {
        let mut coordinator = Coordinator::new(Config::default(), 0);
        for batch in kafka_record::batches(&log) {
            // The last one may be torn.
            let Ok(kafka_record::Batch::V2(batch)) = batch else { break };
            for record in batch.shared_records(&log, 1 << 20).unwrap() {
                let record = record.unwrap();
                let (key, value) = (record.key.unwrap(), record.value);
                coordinator.replay(&key, value.as_deref()).unwrap();
                if let Some(value) = value {
                    // What Apache wrote is what we would have written.
                    let decoded = records::decode(&key, Some(&value)).unwrap().unwrap();
                    let again = records::encode(&decoded.transactional_id, decoded.facts.as_ref());
                    assert_eq!((again.key, again.value), (key, Some(value)));
                }
            }
        }
        let now = Now { tick: Tick(1), wall: WallMillis(1_795_334_900_000) };
        coordinator.on_loaded(now, &mut left);
        for (id, transaction) in &coordinator.transactions {
            let one = queries::describe(Some(transaction)).unwrap();
            let partitions: Vec<String> = one.partitions.iter().map(ToString::to_string).collect();
            lines.push(format!(
                "{id} {} {} {} {} {} {}",
                one.producer_id.0,
                one.producer_epoch.0,
                one.state.name(),
                one.timeout_ms,
                one.started.0,
                partitions.join(",")
            ));
        }
    }
    lines.sort();
    (lines, left)
}

#[test]
fn a_directory_that_was_closed_in_order_loads_as_apache_showed_it() {
    let (lines, left) = told("clean");
    assert_eq!(
        lines,
        [
            "tx-abort 1001 2 CompleteAbort 60000 1795334838862 ",
            "tx-commit 1000 2 CompleteCommit 60000 1795334838443 ",
            "tx-empty 1005 0 Empty 60000 -1 ",
            "tx-open-1 2003 0 Ongoing 600000 1795334872094 txn-0",
        ]
    );
    assert_eq!(left, []);
}

#[test]
fn a_directory_of_a_killed_broker_loads_as_apache_recovered_it() {
    let (lines, left) = told("unclean");
    assert_eq!(
        lines,
        [
            "tx-abort 1001 2 CompleteAbort 60000 1795334838862 ",
            "tx-commit 1000 2 CompleteCommit 60000 1795334838443 ",
            "tx-empty 1005 0 Empty 60000 -1 ",
            "tx-open-1 2003 0 Ongoing 600000 1795334872094 txn-0",
            "tx-open-2 3000 0 Ongoing 600000 1795334957720 txn-0",
        ]
    );
    assert_eq!(left, []);
}
