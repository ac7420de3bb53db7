//! What groups leave in `__consumer_offsets` and consumers tell each other: keys, values, subscriptions and assignments
//! of any version. What decodes is written again and decodes to the same; a coordinator that loads any of it serves.
//!
//! Input: a kind, then a record's bytes; or 255 and records for a coordinator: flags, the lengths of key (one byte) and
//! value (two), key and value.
#![no_main]

use bytes::Bytes;
use kafka_group_coordinator::{Config, Coordinator, Event, Replayed, ReplyToken, Request};
use kafka_types::{Offset, ProducerId};
use kafka_wire::records::Record;
use kafka_wire::records::consumer_protocol::{Assignment, Subscription};
use kafka_wire::records::groups::{GroupMetadataKey, GroupMetadataValue, Key, OffsetCommitKey, OffsetCommitValue};
use libfuzzer_sys::fuzz_target;
use time_types::{Now, Tick, WallMillis};

/// Decodes, writes as this program writes, decodes again: by bytes, for what is old is written in the new form.
fn again<R: Record>(bytes: &Bytes) {
    let Ok(first) = R::from_bytes(bytes.clone()) else { return };
    // Texts may be longer than a new form has room for.
    let Ok(written) = first.to_bytes() else { return };
    let second = R::from_bytes(written.clone()).expect("what was written is read");
    assert_eq!(second.to_bytes().expect("it was written before"), written);
}

fn loads(mut rest: &[u8]) {
    let mut coordinator = Coordinator::new(Config::default());
    let mut offset = 0;
    while let [flags, key, high, low, after @ ..] = rest {
        let (key, value) = (usize::from(*key), usize::from(u16::from_be_bytes([*high, *low])));
        let producer_id = (flags & 1 != 0).then_some(ProducerId(i64::from(flags >> 4)));
        if flags & 2 != 0 {
            coordinator.replay_marker(ProducerId(i64::from(flags >> 4)), flags & 4 != 0);
        }
        let Some((key, after)) = after.split_at_checked(key) else { return };
        let Some((value, after)) = after.split_at_checked(value) else { return };
        let value = (flags & 8 == 0).then_some(value);
        // An unreadable record is an error, and nothing else.
        let _ = coordinator.replay(Replayed { offset: Offset(offset), producer_id, key, value });
        offset += 1;
        rest = after;
    }
    let mut effects = Vec::new();
    let now = Now { tick: Tick(1), wall: WallMillis(1_700_000_000_000) };
    coordinator.on_loaded(now, &mut effects);
    let request = Request::List { states: Vec::new() };
    coordinator.handle(now, Event::Request { token: ReplyToken(0), request }, &mut effects);
    for group in coordinator.facts() {
        let request = Request::Describe { group_id: group.group_id };
        coordinator.handle(now, Event::Request { token: ReplyToken(1), request }, &mut effects);
    }
    // Sessions end, offsets expire.
    let later = Now { tick: Tick(u64::from(u32::MAX)), wall: WallMillis(1_900_000_000_000) };
    for _ in 0..4 {
        coordinator.on_tick(later, &mut effects);
    }
    coordinator.unload(&mut effects);
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, body)) = data.split_first() else { return };
    let bytes = Bytes::copy_from_slice(body);
    match kind {
        0 => again::<OffsetCommitKey>(&bytes),
        1 => again::<OffsetCommitValue>(&bytes),
        2 => again::<GroupMetadataKey>(&bytes),
        3 => again::<GroupMetadataValue>(&bytes),
        4 => again::<Subscription>(&bytes),
        5 => again::<Assignment>(&bytes),
        6 => drop(Key::from_bytes(bytes)),
        _ => loads(body),
    }
});
