//! InitProducerId: who may, with which id and epoch.

use super::*;

#[test]
fn a_new_id_begins_at_epoch_zero_and_every_successor_fences_its_predecessor() {
    let mut world = World::new();
    let first = world.init().unwrap();
    assert_eq!(first, (ProducerId(1001), ProducerEpoch(0)));
    let second = world.init().unwrap();
    assert_eq!(second, bumped(first, 1));
    assert_eq!(world.add(first, &[0]), ErrorCode::ProducerFenced);
    assert_eq!(world.end(first, true), ErrorCode::ProducerFenced);
    assert_eq!(world.add((ProducerId(5), second.1), &[0]), ErrorCode::InvalidProducerIdMapping);
    assert_eq!(world.add(second, &[0]), ErrorCode::None);
}

#[test]
fn names_and_timeouts_are_checked() {
    let mut world = World::new();
    let mut ask = |id: String, timeout_ms| {
        let token = world.ask(Request::InitProducer(InitProducer { transactional_id: id, timeout_ms, expected: None }));
        world.initialized(token)
    };
    assert_eq!(ask(String::new(), 1), Err(ErrorCode::InvalidRequest));
    // A record has no room for it.
    assert_eq!(ask("x".repeat(32_768), 1), Err(ErrorCode::InvalidRequest));
    assert_eq!(ask(ID.to_owned(), 900_001), Err(ErrorCode::InvalidTransactionTimeout));
    assert_eq!(ask(ID.to_owned(), 0), Err(ErrorCode::InvalidTransactionTimeout));
    assert!(ask(ID.to_owned(), 900_000).is_ok());
}

#[test]
fn without_a_producer_id_nothing_is_remembered() {
    let mut world = World::new();
    world.id_error = Some(ErrorCode::CoordinatorLoadInProgress);
    assert_eq!(world.init(), Err(ErrorCode::CoordinatorLoadInProgress));
    assert_eq!(world.describe(), Err(ErrorCode::TransactionalIdNotFound));
    world.id_error = None;
    assert!(world.init().is_ok());
}

#[test]
fn while_a_producer_is_being_stored_another_one_waits() {
    let mut world = World::new();
    world.holds_appends = true;
    let first = world.ask(World::init_request(None));
    assert!(world.is_parked(first));
    assert_eq!(world.init(), Err(ErrorCode::ConcurrentTransactions));
    world.release();
    let granted = world.initialized(first).unwrap();
    assert_eq!(granted.1, ProducerEpoch(0));
}

#[test]
fn what_could_not_be_stored_has_not_happened() {
    let mut world = World::new();
    world.holds_appends = true;
    let first = world.ask(World::init_request(None));
    world.fail(ErrorCode::NotEnoughReplicas);
    assert_eq!(world.initialized(first), Err(ErrorCode::CoordinatorNotAvailable));
    assert_eq!(world.describe(), Err(ErrorCode::TransactionalIdNotFound));
    world.holds_appends = false;
    let granted = world.init().unwrap();
    world.holds_appends = true;
    let add = world.ask(Request::AddPartitions(World::add_request(granted, &[1])));
    assert_eq!(world.add(granted, &[2]), ErrorCode::ConcurrentTransactions);
    world.fail(ErrorCode::MessageTooLarge);
    assert_eq!(world.error(add), ErrorCode::UnknownServerError);
    assert_eq!(world.state(), "Empty");
}

#[test]
fn a_producer_raises_its_own_epoch_and_may_repeat_the_request() {
    // KIP-360.
    let mut world = World::new();
    let first = world.init().unwrap();
    let second = world.init_with(Some(first)).unwrap();
    assert_eq!(second, bumped(first, 1));
    // The answer got lost.
    assert_eq!(world.init_with(Some(first)), Ok(second));
    assert_eq!(world.init_with(Some(first)), Ok(second));
    let third = world.init_with(Some(second)).unwrap();
    assert_eq!(third, bumped(first, 2));
    assert_eq!(world.init_with(Some(first)), Err(ErrorCode::ProducerFenced));
    // A new incarnation came between.
    let other = world.init().unwrap();
    assert_eq!(world.init_with(Some(third)), Err(ErrorCode::ProducerFenced));
    assert_eq!(world.init_with(Some((ProducerId(7), other.1))), Err(ErrorCode::ProducerFenced));
}

#[test]
fn a_producer_whose_id_was_forgotten_gets_a_new_one() {
    let mut world = World::new();
    assert_eq!(world.init_with(Some((ProducerId(7), ProducerEpoch(3)))), Ok((ProducerId(1001), ProducerEpoch(0))));
}

#[test]
fn when_epochs_are_used_up_the_producer_gets_another_id() {
    let mut world = World::new();
    let mut last = world.init().unwrap();
    for _ in 0..i16::MAX - 1 {
        last = world.init_with(Some(last)).unwrap();
    }
    assert_eq!(last, (ProducerId(1001), ProducerEpoch(i16::MAX - 1)));
    let fresh = world.init_with(Some(last)).unwrap();
    assert_eq!(fresh, (ProducerId(1002), ProducerEpoch(0)));
    // The answer got lost: the old id with its last epoch is the same producer.
    assert_eq!(world.init_with(Some(last)), Ok(fresh));
    assert_eq!(world.init_with(Some(last)), Ok(fresh));
    assert_eq!(world.init(), Ok(bumped(fresh, 1)));
    assert_eq!(world.init_with(Some(last)), Err(ErrorCode::ProducerFenced));
}

#[test]
fn an_open_transaction_of_the_predecessor_is_aborted_first() {
    let (mut world, old) = World::with_open_transaction();
    world.holds_markers = true;
    assert_eq!(world.init(), Err(ErrorCode::ConcurrentTransactions));
    assert_eq!(world.state(), "PrepareAbort");
    assert_eq!(world.init(), Err(ErrorCode::ConcurrentTransactions));
    assert_eq!(world.end(old, true), ErrorCode::ProducerFenced);
    world.release_markers();
    let markers = &world.written[0];
    assert_eq!((markers.committed, markers.producer_epoch), (false, bumped(old, 1).1));
    assert_eq!((markers.coordinator_epoch, &markers.partitions[..]), (3, &[tp(0)][..]));
    // The epoch that fenced was never given to anybody.
    assert_eq!(world.init(), Ok(bumped(old, 2)));
}

#[test]
fn a_fencing_that_cannot_be_stored_uses_up_one_epoch_only() {
    let (mut world, old) = World::with_open_transaction();
    world.holds_appends = true;
    for _ in 0..3 {
        let token = world.ask(World::init_request(None));
        // Fenced already, though nothing is stored.
        assert_eq!(world.end(old, true), ErrorCode::ProducerFenced);
        world.fail(ErrorCode::NotEnoughReplicas);
        assert_eq!(world.initialized(token), Err(ErrorCode::CoordinatorNotAvailable));
        assert_eq!(world.describe().unwrap().producer_epoch, bumped(old, 1).1);
    }
    world.holds_appends = false;
    assert_eq!(world.init(), Err(ErrorCode::ConcurrentTransactions));
    assert_eq!(world.init(), Ok(bumped(old, 2)));
}

#[test]
fn fencing_with_the_last_epoch_leads_to_another_id() {
    let mut world = World::new();
    let mut last = world.init().unwrap();
    for _ in 0..i16::MAX - 1 {
        last = world.init_with(Some(last)).unwrap();
    }
    world.add(last, &[0]);
    assert_eq!(world.init(), Err(ErrorCode::ConcurrentTransactions));
    assert_eq!(world.written[0].producer_epoch, ProducerEpoch(i16::MAX));
    assert_eq!(world.init(), Ok((ProducerId(1002), ProducerEpoch(0))));
}
