//! Partitions, commit and abort, markers, and what a new coordinator makes of all that.

use super::*;

#[test]
fn partitions_are_added_once_and_are_known_to_whoever_verifies() {
    let mut world = World::new();
    let producer = world.init().unwrap();
    assert_eq!(world.verify(producer, 0), ErrorCode::TransactionAbortable);
    assert_eq!(world.add(producer, &[0, 1]), ErrorCode::None);
    let written = world.log.len();
    assert_eq!(world.add(producer, &[1]), ErrorCode::None);
    assert_eq!(world.log.len(), written, "what is there already is not stored again");
    assert_eq!(world.add(producer, &[2]), ErrorCode::None);
    assert_eq!(world.verify(producer, 2), ErrorCode::None);
    assert_eq!(world.verify(producer, 3), ErrorCode::TransactionAbortable);
    assert_eq!(world.verify(bumped(producer, 1), 2), ErrorCode::ProducerFenced);
    assert_eq!(world.verify((ProducerId(5), producer.1), 2), ErrorCode::InvalidProducerIdMapping);
    let described = world.describe().unwrap();
    assert_eq!((described.state, described.partitions), (State::Ongoing, vec![tp(0), tp(1), tp(2)]));
    assert_eq!((described.started, described.timeout_ms), (world.now.wall, 60_000));
}

#[test]
fn nothing_is_known_of_an_id_that_was_never_initialized() {
    let mut world = World::new();
    let nobody = (ProducerId(1), ProducerEpoch(0));
    assert_eq!(world.add(nobody, &[0]), ErrorCode::InvalidProducerIdMapping);
    assert_eq!(world.verify(nobody, 0), ErrorCode::InvalidProducerIdMapping);
    assert_eq!(world.end(nobody, true), ErrorCode::InvalidProducerIdMapping);
    assert_eq!(world.describe(), Err(ErrorCode::TransactionalIdNotFound));
}

#[test]
fn a_commit_is_told_before_its_markers_and_may_be_repeated() {
    let (mut world, producer) = World::with_open_transaction();
    world.holds_markers = true;
    assert_eq!(world.end(producer, true), ErrorCode::None);
    assert_eq!(world.state(), "PrepareCommit");
    assert_eq!(world.end(producer, true), ErrorCode::ConcurrentTransactions);
    assert_eq!(world.add(producer, &[1]), ErrorCode::ConcurrentTransactions);
    assert_eq!(world.verify(producer, 0), ErrorCode::ConcurrentTransactions);
    world.release_markers();
    assert_eq!(world.state(), "CompleteCommit");
    assert!(world.written[0].committed);
    assert_eq!(world.end(producer, true), ErrorCode::None);
    assert_eq!(world.end(producer, false), ErrorCode::InvalidTxnState);
    assert_eq!(world.written.len(), 1);
    // The next transaction of the same producer.
    assert_eq!(world.add(producer, &[4]), ErrorCode::None);
    assert_eq!(world.describe().unwrap().partitions, [tp(4)]);
}

#[test]
fn an_abort_may_be_repeated_and_is_no_commit() {
    let (mut world, producer) = World::with_open_transaction();
    assert_eq!(world.end(producer, false), ErrorCode::None);
    assert_eq!(world.state(), "CompleteAbort");
    assert_eq!(world.end(producer, false), ErrorCode::None);
    assert_eq!(world.end(producer, true), ErrorCode::InvalidTxnState);
}

#[test]
fn without_a_transaction_there_is_nothing_to_end() {
    let mut world = World::new();
    let producer = world.init().unwrap();
    assert_eq!(world.end(producer, true), ErrorCode::InvalidTxnState);
    assert_eq!(world.end(producer, false), ErrorCode::InvalidTxnState);
}

#[test]
fn a_decision_that_is_not_stored_leaves_the_transaction_open() {
    let (mut world, producer) = World::with_open_transaction();
    world.holds_appends = true;
    let token = world.ask(World::end_request(producer, true));
    assert!(world.is_parked(token), "nothing is told before it is stored");
    assert_eq!(world.end(producer, false), ErrorCode::ConcurrentTransactions);
    world.fail(ErrorCode::NotEnoughReplicasAfterAppend);
    assert_eq!(world.error(token), ErrorCode::CoordinatorNotAvailable);
    assert_eq!((world.state(), world.written.len()), ("Ongoing", 0));
    world.holds_appends = false;
    assert_eq!(world.end(producer, false), ErrorCode::None);
}

#[test]
fn a_completion_that_cannot_be_stored_is_tried_again() {
    let (mut world, producer) = World::with_open_transaction();
    world.holds_markers = true;
    assert_eq!(world.end(producer, true), ErrorCode::None);
    world.holds_appends = true;
    world.release_markers();
    world.fail(ErrorCode::NotEnoughReplicas);
    assert_eq!(world.state(), "PrepareCommit");
    assert_eq!(world.end(producer, true), ErrorCode::ConcurrentTransactions);
    world.holds_appends = false;
    world.pass(200);
    assert_eq!((world.state(), world.written.len()), ("CompleteCommit", 1));
}

#[test]
fn a_new_coordinator_goes_on_writing_markers() {
    for committed in [true, false] {
        let (mut world, producer) = World::with_open_transaction();
        world.holds_markers = true;
        assert_eq!(world.end(producer, committed), ErrorCode::None);
        world.reloaded();
        assert_eq!(world.end(producer, committed), ErrorCode::ConcurrentTransactions);
        world.release_markers();
        let [markers] = &world.written[..] else { panic!("{:?}", world.written) };
        assert_eq!((markers.committed, markers.coordinator_epoch), (committed, 4));
        assert_eq!(world.end(producer, committed), ErrorCode::None);
        assert_eq!(world.end(producer, !committed), ErrorCode::InvalidTxnState);
    }
}

#[test]
fn a_new_coordinator_knows_what_is_open() {
    let (mut world, producer) = World::with_open_transaction();
    world.reloaded();
    assert_eq!(world.add(producer, &[1]), ErrorCode::None);
    assert_eq!(world.end(producer, true), ErrorCode::None);
    assert_eq!(world.written[0].partitions, [tp(0), tp(1)]);
}

#[test]
fn a_coordinator_that_is_fenced_leaves_the_transaction_to_its_successor() {
    let (mut world, producer) = World::with_open_transaction();
    world.holds_markers = true;
    world.end(producer, true);
    let (token, _) = world.markers.pop_front().unwrap();
    world.event(Event::MarkersFenced { token });
    assert_eq!(world.state(), "PrepareCommit");
    assert_eq!(world.init(), Err(ErrorCode::ConcurrentTransactions));
    world.holds_markers = false;
    world.reloaded();
    assert_eq!(world.state(), "CompleteCommit");
}

#[test]
fn a_coordinator_that_loads_or_is_gone_says_so() {
    let mut world = World::new();
    let producer = world.init().unwrap();
    world.holds_appends = true;
    let parked = world.ask(Request::AddPartitions(World::add_request(producer, &[0])));
    let mut effects = Vec::new();
    world.coordinator.unload(&mut effects);
    world.perform(effects);
    assert_eq!(world.error(parked), ErrorCode::NotCoordinator);
    assert_eq!(world.end(producer, true), ErrorCode::NotCoordinator);
    assert_eq!(world.coordinator.next_deadline(), None);
    world.coordinator = Coordinator::new(Config::default(), 4);
    assert_eq!(world.init(), Err(ErrorCode::CoordinatorLoadInProgress));
    assert_eq!(world.verify(producer, 0), ErrorCode::CoordinatorLoadInProgress);
    assert_eq!(world.describe(), Err(ErrorCode::CoordinatorLoadInProgress));
    let token = world.ask(Request::List(ListFilter::default()));
    let loading = ListReply { error: ErrorCode::CoordinatorLoadInProgress, transactions: Vec::new() };
    assert_eq!(world.replies.remove(&token), Some(Reply::List(loading)));
}
