//! What waits, what goes, and what is refused.

use super::*;

const LIMITS: Limits = Limits {
    batch_size: 1000,
    linger_ms: 5,
    buffer_memory: 3000,
    max_request_size: 1500,
    delivery_timeout_ms: 100,
    codec: Codec { compression: kafka_record::Compression::None, level: None },
    strategy: Strategy::Default { adaptive: false, ignores_keys: false },
};
const LEADER: BrokerId = BrokerId(1);

/// Admits everything, or nothing.
struct Door(bool);

impl Gate for Door {
    fn admit(&mut self, _: &mut Batch) -> bool {
        self.0
    }
}

fn accumulator(limits: Limits) -> Accumulator {
    let mut accumulator = Accumulator::new(limits, 1);
    accumulator.set_topic(&TopicName::from("t"), &[Some(LEADER), None]);
    accumulator
}

fn append(accumulator: &mut Accumulator, now: u64, partition: i32, size: usize) -> Result<u32, Refused> {
    let value = vec![b'v'; size];
    let parts = Parts { timestamp: 0, key: None, value: Some(&value), headers: &[] };
    accumulator.append(|| Tick(now), "t", Some(partition), &parts).map(|appended| appended.index)
}

#[test]
fn a_batch_goes_when_it_is_full_or_has_lingered() {
    let mut accumulator = accumulator(LIMITS);
    assert_eq!(append(&mut accumulator, 10, 0, 100), Ok(0));
    assert_eq!(append(&mut accumulator, 11, 0, 100), Ok(1), "the second record joins the first");
    let ready = accumulator.ready(Tick(14));
    assert_eq!((ready.leaders, ready.next), (vec![], Some(Tick(15))));
    assert_eq!(accumulator.ready(Tick(15)).leaders, [LEADER]);
    assert_eq!(append(&mut accumulator, 11, 0, 900), Ok(0), "there is no room: a batch of its own");
    assert_eq!(accumulator.ready(Tick(11)).leaders, [LEADER]);
}

#[test]
fn whoever_flushes_does_not_wait_for_lingering() {
    let mut accumulator = accumulator(LIMITS);
    append(&mut accumulator, 10, 0, 1).unwrap();
    accumulator.hurry += 1;
    assert_eq!(accumulator.ready(Tick(10)).leaders, [LEADER]);
    assert_eq!(accumulator.incomplete().len(), 1);
}

#[test]
fn batches_keep_their_order_also_when_one_comes_back() {
    let mut accumulator = accumulator(LIMITS);
    append(&mut accumulator, 10, 0, 900).unwrap();
    append(&mut accumulator, 10, 0, 901).unwrap();
    assert!(accumulator.drain(Tick(20), LEADER, &mut Door(false)).is_empty(), "the gate says no");
    let first = accumulator.drain(Tick(20), LEADER, &mut Door(true)).remove(0);
    let number = first.order.number;
    accumulator.put_back(first);
    let again = accumulator.drain(Tick(20), LEADER, &mut Door(true)).remove(0);
    assert_eq!(again.order.number, number);
    assert!(accumulator.drain(Tick(20), LEADER, &mut Door(true))[0].order.number > number);
}

#[test]
fn memory_is_limited_and_comes_back_with_the_batch_that_took_it() {
    let mut accumulator = accumulator(LIMITS);
    let free = accumulator.memory_free();
    assert_eq!(free, LIMITS.buffer_memory);
    while append(&mut accumulator, 10, 0, 900).is_ok() {}
    assert!(matches!(append(&mut accumulator, 10, 0, 900), Err(Refused::NoMemory { needed }) if needed >= 900));
    let left = accumulator.memory_free();
    let mut batch = accumulator.drain(Tick(20), LEADER, &mut Door(true)).remove(0);
    assert_eq!(accumulator.memory_free(), left, "what is under way still takes memory");
    accumulator.release(&mut batch);
    assert!(accumulator.memory_free() > left);
    assert_eq!(append(&mut accumulator, 10, 0, 900), Ok(0));
}

#[test]
fn the_next_batch_grows_in_the_memory_of_one_that_is_done() {
    let mut accumulator = accumulator(LIMITS);
    let one_after_the_other = |accumulator: &mut Accumulator, is_held: bool| {
        append(accumulator, 10, 0, 900).unwrap();
        let mut batch = accumulator.drain(Tick(20), LEADER, &mut Door(true)).remove(0);
        let sent = batch.seal();
        let held = is_held.then(|| sent.clone());
        let at = sent.as_ptr();
        drop(sent);
        accumulator.release(&mut batch);
        drop(held);
        at
    };
    let first = one_after_the_other(&mut accumulator, false);
    assert_eq!(accumulator.spare.len(), 1);
    assert_eq!(one_after_the_other(&mut accumulator, true), first);
    assert!(accumulator.spare.is_empty(), "somebody may still read it");
    one_after_the_other(&mut accumulator, false);
    for size in [900, 900, 1100] {
        append(&mut accumulator, 10, 0, size).unwrap_or_default();
        assert!(accumulator.memory_used + accumulator.spare.len() * 1000 <= LIMITS.buffer_memory);
    }
}

#[test]
fn what_can_never_be_sent_is_refused_at_once() {
    let mut accumulator = accumulator(LIMITS);
    let refused = append(&mut accumulator, 10, 0, 1500).unwrap_err();
    assert!(matches!(refused, Refused::TooLarge { limit: 1500, setting: "max.request.size", .. }), "{refused:?}");
    assert_eq!(append(&mut accumulator, 10, 2, 1), Err(Refused::UnknownPartition { count: 2 }));
    let parts = Parts { timestamp: 0, key: None, value: None, headers: &[] };
    assert_eq!(accumulator.append(|| Tick(10), "u", None, &parts).unwrap_err(), Refused::UnknownTopic);
}

#[test]
fn without_a_leader_a_batch_waits_until_its_time_is_over() {
    let mut accumulator = accumulator(LIMITS);
    append(&mut accumulator, 10, 1, 1).unwrap();
    let ready = accumulator.ready(Tick(50));
    assert_eq!((ready.leaders, ready.lacks_leader, ready.next), (vec![], true, Some(Tick(110))));
    assert!(accumulator.take_expired(Tick(109)).is_empty());
    assert_eq!(accumulator.take_expired(Tick(110)).len(), 1);
}
