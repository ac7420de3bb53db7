//! What transactions leave in `__transaction_state`: keys and values of any version. What decodes is written again and
//! decodes to the same; a coordinator that loads any of it serves, ends what was open, and forgets what is old.
//!
//! Input: a kind, then a record's bytes; or 255 and records for a coordinator: flags, the lengths of key (one byte) and
//! value (two), key and value. The flags of the last one say how the log and the partitions answer.
#![no_main]

use bytes::Bytes;
use kafka_txn_coordinator::{
    AddPartitions, Config, Coordinator, Effect, EndTransaction, Event, InitProducer, ListFilter, Reply, ReplyToken,
    Request,
};
use kafka_types::{ErrorCode, ProducerId, TopicPartition};
use kafka_wire::records::Record;
use kafka_wire::records::transactions::{TransactionLogKey, TransactionLogValue};
use libfuzzer_sys::fuzz_target;
use time_types::{Now, Tick, WallMillis};

/// Effects lead to events, and these to effects; a coordinator that never comes to rest is at fault.
const ROUNDS: usize = 64;

/// Decodes, writes as this program writes, decodes again: by bytes, for what is old is written in the new form.
fn again<R: Record>(bytes: &Bytes) {
    let Ok(first) = R::from_bytes(bytes.clone()) else { return };
    // Texts may be longer than a new form has room for.
    let Ok(written) = first.to_bytes() else { return };
    let second = R::from_bytes(written.clone()).expect("what was written is read");
    assert_eq!(second.to_bytes().expect("it was written before"), written);
}

/// Answers what the coordinator wants done, until it wants nothing; what it has appended can be loaded.
fn settle(coordinator: &mut Coordinator, now: Now, fails: bool, mut effects: Vec<Effect>) {
    for _ in 0..ROUNDS {
        if effects.is_empty() {
            return;
        }
        for effect in std::mem::take(&mut effects) {
            let event = match effect {
                Effect::Append { token, records } => {
                    let mut successor = Coordinator::new(Config::default(), 2);
                    for record in records {
                        successor.replay(&record.key, record.value.as_deref()).expect("it was written by a coordinator");
                    }
                    let result = if fails { Err(ErrorCode::NotEnoughReplicas) } else { Ok(()) };
                    Event::Appended { token, result }
                }
                Effect::AllocateProducerId { token } => Event::ProducerId { token, result: Ok(ProducerId(77)) },
                Effect::WriteMarkers { token, .. } => Event::MarkersWritten { token },
                Effect::Reply { .. } => continue,
            };
            coordinator.handle(now, event, &mut effects);
        }
    }
    panic!("it does not come to rest: {effects:?}");
}

/// Every request about one id.
fn ask(coordinator: &mut Coordinator, now: Now, fails: bool, id: &str) {
    let describe = Request::Describe { transactional_id: id.to_owned() };
    let mut effects = Vec::new();
    coordinator.handle(now, Event::Request { token: ReplyToken(1), request: describe }, &mut effects);
    let Some(Effect::Reply { reply: Reply::Describe(Ok(known)), .. }) = effects.pop() else { return };
    let (transactional_id, producer_id, producer_epoch) = (id.to_owned(), known.producer_id, known.producer_epoch);
    let partitions = vec![TopicPartition::new("t", 0)];
    let add = AddPartitions { transactional_id, producer_id, producer_epoch, partitions };
    let transactional_id = id.to_owned();
    let end = EndTransaction { transactional_id, producer_id, producer_epoch, committed: id.len().is_multiple_of(2) };
    let transactional_id = id.to_owned();
    let init = InitProducer { transactional_id, timeout_ms: 1000, expected: Some((producer_id, producer_epoch)) };
    let first = InitProducer { expected: None, ..init.clone() };
    let requests = [
        Request::VerifyPartitions(add.clone()),
        Request::AddPartitions(add),
        Request::EndTransaction(end),
        Request::InitProducer(init),
        Request::InitProducer(first),
    ];
    for request in requests {
        let mut effects = Vec::new();
        coordinator.handle(now, Event::Request { token: ReplyToken(2), request }, &mut effects);
        settle(coordinator, now, fails, effects);
    }
}

fn loads(mut rest: &[u8]) {
    let mut coordinator = Coordinator::new(Config::default(), 1);
    let mut fails = false;
    while let [flags, key, high, low, after @ ..] = rest {
        let (key, value) = (usize::from(*key), usize::from(u16::from_be_bytes([*high, *low])));
        let Some((key, after)) = after.split_at_checked(key) else { break };
        let Some((value, after)) = after.split_at_checked(value) else { break };
        // An unreadable record is an error, and nothing else.
        let _ = coordinator.replay(key, (flags & 1 == 0).then_some(value));
        fails = flags & 2 != 0;
        rest = after;
    }
    let now = Now { tick: Tick(1), wall: WallMillis(1_700_000_000_000) };
    let mut effects = Vec::new();
    coordinator.on_loaded(now, &mut effects);
    settle(&mut coordinator, now, fails, effects);
    let mut effects = Vec::new();
    let request = Request::List(ListFilter::default());
    coordinator.handle(now, Event::Request { token: ReplyToken(0), request }, &mut effects);
    let listed = effects.into_iter().filter_map(|effect| match effect {
        Effect::Reply { reply: Reply::List(list), .. } => Some(list.transactions),
        _ => None,
    });
    for one in listed.flatten().take(16) {
        ask(&mut coordinator, now, fails, &one.transactional_id);
    }
    // Transactions time out, ids expire.
    let later = Now { tick: Tick(u64::from(u32::MAX)), wall: WallMillis(1_900_000_000_000) };
    for _ in 0..4 {
        let mut effects = Vec::new();
        coordinator.on_tick(later, &mut effects);
        settle(&mut coordinator, later, fails, effects);
    }
    coordinator.unload(&mut Vec::new());
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    let bytes = Bytes::copy_from_slice(body);
    match kind {
        0 => again::<TransactionLogKey>(&bytes),
        1 => again::<TransactionLogValue>(&bytes),
        _ => loads(body),
    }
});
