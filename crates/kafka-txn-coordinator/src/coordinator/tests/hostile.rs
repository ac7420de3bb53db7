//! Records that nobody has written: cut at every byte, spoilt at every byte, with counts of what is not there.

use super::*;

/// The records of an open transaction in three partitions.
fn good() -> (Vec<u8>, Vec<u8>) {
    let (mut world, producer) = World::with_open_transaction();
    assert_eq!(world.add(producer, &[1, 2]), ErrorCode::None);
    let record = world.log.pop().unwrap();
    (record.key.to_vec(), record.value.unwrap().to_vec())
}

/// Replays one record and asks for everything; whether the record was taken does not matter, and a key is never lost.
fn replay(key: &[u8], value: &[u8]) -> bool {
    let mut coordinator = Coordinator::new(Config::default(), 0);
    let taken = coordinator.replay(key, Some(value)).is_ok();
    let mut effects = Vec::new();
    let now = Now { tick: Tick(1), wall: WallMillis(1_700_000_000_000) };
    coordinator.on_loaded(now, &mut effects);
    let later = Now { tick: Tick(u64::MAX / 2), wall: WallMillis(i64::MAX) };
    coordinator.on_tick(later, &mut effects);
    let request = Request::List(ListFilter { duration_ms: Some(0), ..ListFilter::default() });
    coordinator.handle(later, Event::Request { token: ReplyToken(1), request }, &mut effects);
    for effect in std::mem::take(&mut effects) {
        if let Effect::WriteMarkers { token, .. } = effect {
            coordinator.handle(later, Event::MarkersWritten { token }, &mut effects);
        }
    }
    taken
}

#[test]
fn a_record_that_is_cut_is_refused() {
    let (key, value) = good();
    assert!(replay(&key, &value));
    for end in 0..value.len() {
        assert!(!replay(&key, &value[..end]), "cut at {end}");
    }
    for end in 0..key.len() {
        assert!(!replay(&key[..end], &value), "key cut at {end}");
    }
}

#[test]
fn a_record_with_any_byte_spoilt_does_no_harm() {
    let (key, value) = good();
    for at in 0..value.len() {
        for byte in [0, 1, 6, 7, 0x7f, 0x80, 0xff] {
            let mut spoilt = value.clone();
            spoilt[at] = byte;
            replay(&key, &spoilt);
        }
    }
    for at in 0..key.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut spoilt = key.clone();
            spoilt[at] = byte;
            replay(&spoilt, &value);
        }
    }
}

#[test]
fn counts_of_what_is_not_there_are_refused() {
    let (key, value) = good();
    // The number of topics stands behind version, id, epoch, timeout and state.
    for count in [i32::MAX, i32::MIN, -2, 1 << 20] {
        let mut spoilt = value.clone();
        spoilt[17..21].copy_from_slice(&count.to_be_bytes());
        assert!(!replay(&key, &spoilt), "{count} topics");
    }
}
