//! Timeouts, expiry, and lists that look at time.

use super::*;

const HOUR: u64 = 3_600_000;

#[test]
fn a_transaction_that_is_open_for_too_long_is_aborted_and_its_producer_fenced() {
    let (mut world, producer) = World::with_open_transaction();
    world.pass(60_000);
    assert_eq!(world.state(), "Ongoing");
    world.pass(10_001);
    assert_eq!(world.state(), "CompleteAbort");
    assert_eq!(world.written[0].producer_epoch, bumped(producer, 1).1);
    assert_eq!(world.end(producer, true), ErrorCode::ProducerFenced);
    assert_eq!(world.add(producer, &[1]), ErrorCode::ProducerFenced);
    // It may come back under its old epoch only by asking for a new one.
    assert_eq!(world.init_with(Some(producer)), Err(ErrorCode::ProducerFenced));
    assert_eq!(world.init(), Ok(bumped(producer, 2)));
}

#[test]
fn time_runs_from_the_first_partition_and_not_from_the_last() {
    let (mut world, producer) = World::with_open_transaction();
    world.pass(50_000);
    assert_eq!(world.add(producer, &[1]), ErrorCode::None);
    world.pass(25_000);
    assert_eq!(world.state(), "CompleteAbort");
}

#[test]
fn a_transaction_in_the_middle_of_something_is_not_timed_out() {
    let (mut world, producer) = World::with_open_transaction();
    world.holds_appends = true;
    let token = world.ask(World::end_request(producer, true));
    world.pass(200_000);
    world.holds_appends = false;
    world.release();
    assert_eq!((world.error(token), world.state()), (ErrorCode::None, "CompleteCommit"));
}

#[test]
fn a_timeout_that_cannot_be_stored_comes_again() {
    let (mut world, producer) = World::with_open_transaction();
    world.holds_appends = true;
    world.pass(75_000);
    world.fail(ErrorCode::NotEnoughReplicas);
    assert_eq!(world.state(), "Ongoing");
    world.holds_appends = false;
    world.pass(10_000);
    assert_eq!(world.describe().unwrap().producer_epoch, bumped(producer, 1).1);
    assert_eq!(world.state(), "CompleteAbort");
}

#[test]
fn an_id_that_nobody_uses_is_forgotten_after_a_week() {
    let mut world = World::new();
    let first = world.init().unwrap();
    world.pass(24 * 7 * HOUR - 1_000);
    assert_eq!(world.state(), "Empty");
    world.pass(HOUR);
    assert_eq!(world.state(), "none");
    assert_eq!(world.log.last().unwrap().value, None);
    world.reloaded();
    assert_eq!(world.state(), "none");
    assert_eq!(world.init().unwrap().0, ProducerId(first.0.0 + 1));
}

#[test]
fn an_open_transaction_is_never_forgotten_and_a_forgotten_one_is_shown_no_more() {
    let (mut world, producer) = World::with_open_transaction();
    world.holds_markers = true;
    world.end(producer, true);
    world.pass(24 * 30 * HOUR);
    assert_eq!(world.state(), "PrepareCommit");
    world.release_markers();
    world.holds_appends = true;
    world.pass(24 * 8 * HOUR);
    assert_eq!((world.state(), world.list(ListFilter::default())), ("none", 0));
    assert_eq!(world.init(), Err(ErrorCode::ConcurrentTransactions));
    world.fail(ErrorCode::NotEnoughReplicas);
    assert_eq!(world.state(), "CompleteCommit");
}

#[test]
fn lists_are_filtered_by_state_producer_and_age() {
    let (mut world, producer) = World::with_open_transaction();
    world.pass(5_000);
    let filter = ListFilter::default();
    assert_eq!(world.list(filter.clone()), 1);
    assert_eq!(world.list(ListFilter { states: vec!["Ongoing".into()], ..filter.clone() }), 1);
    assert_eq!(world.list(ListFilter { states: vec!["Empty".into()], ..filter.clone() }), 0);
    assert_eq!(world.list(ListFilter { states: vec!["Nonsense".into()], ..filter.clone() }), 0);
    assert_eq!(world.list(ListFilter { producer_ids: vec![producer.0], ..filter.clone() }), 1);
    assert_eq!(world.list(ListFilter { producer_ids: vec![ProducerId(1)], ..filter.clone() }), 0);
    assert_eq!(world.list(ListFilter { duration_ms: Some(4_999), ..filter.clone() }), 1);
    assert_eq!(world.list(ListFilter { duration_ms: Some(5_000), ..filter }), 0);
    let names = ["Ongoing".to_owned(), "ongoing".to_owned(), "x".to_owned()];
    assert_eq!(crate::unknown_states(&names), ["ongoing", "x"]);
}
