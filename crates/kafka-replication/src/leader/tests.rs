//! What happens to acks=all when …: stories of a leader and its followers.

use super::*;

const LAG: u64 = 30_000;
const LIFE: BrokerEpoch = BrokerEpoch(7);

fn ids(ids: &[i32]) -> BTreeSet<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

fn leader(replicas: &[i32], min_in_sync: usize) -> Leader {
    let leadership = Leadership {
        me: BrokerId(0),
        epoch: LeaderEpoch(3),
        replicas: replicas.iter().copied().map(BrokerId).collect(),
        isr: ids(replicas),
        partition_epoch: PartitionEpoch(1),
        log_end: Offset(0),
        high_watermark: Offset(0),
    };
    Leader::new(Tick(0), leadership, Settings { lag_time_max_ms: LAG, min_in_sync })
}

fn commits(effects: &mut Vec<Effect>) -> Vec<i64> {
    let commit = |effect: Effect| match effect {
        Effect::Commit(offset) => Some(offset.0),
        Effect::ProposeIsr(_) => None,
    };
    effects.drain(..).filter_map(commit).collect()
}

fn proposals(effects: &mut Vec<Effect>) -> Vec<BTreeSet<BrokerId>> {
    let propose = |effect: Effect| match effect {
        Effect::ProposeIsr(isr) => Some(isr.members.into_keys().collect()),
        Effect::Commit(_) => None,
    };
    effects.drain(..).filter_map(propose).collect()
}

#[test]
fn alone_everything_is_committed_at_once() {
    let (mut leader, mut effects) = (leader(&[0], 2), Vec::new());
    leader.on_append(Tick(1), Offset(5), &mut effects);
    assert_eq!(commits(&mut effects), [5]);
    assert_eq!(leader.progress(Offset(5)), Progress::Done);
}

#[test]
fn the_slowest_in_sync_follower_decides() {
    let (mut leader, mut effects) = (leader(&[0, 1, 2], 1), Vec::new());
    leader.on_append(Tick(1), Offset(10), &mut effects);
    leader.on_fetch(Tick(2), BrokerId(1), Offset(10), LIFE, &mut effects);
    assert_eq!(commits(&mut effects), []);
    leader.on_fetch(Tick(3), BrokerId(2), Offset(4), LIFE, &mut effects);
    assert_eq!(commits(&mut effects), [4]);
    leader.on_fetch(Tick(4), BrokerId(2), Offset(10), LIFE, &mut effects);
    assert_eq!(commits(&mut effects), [10]);
}

#[test]
fn a_silent_follower_is_proposed_out_and_acks_all_goes_on() {
    let (mut leader, mut effects) = (leader(&[0, 1], 1), Vec::new());
    leader.on_append(Tick(1), Offset(3), &mut effects);
    leader.on_tick(Tick(LAG), &mut effects);
    assert_eq!(proposals(&mut effects), Vec::<BTreeSet<BrokerId>>::new());
    leader.on_tick(Tick(LAG + 1), &mut effects);
    assert_eq!(proposals(&mut effects), [ids(&[0])]);
    // Nothing is committed before the controller has said yes.
    assert_eq!(leader.progress(Offset(3)), Progress::Waiting);
    let answer = IsrAnswer { leader_epoch: LeaderEpoch(3), isr: ids(&[0]), partition_epoch: PartitionEpoch(2) };
    leader.on_isr(Tick(LAG + 2), answer, &mut effects);
    assert_eq!(commits(&mut effects), [3]);
}

#[test]
fn with_too_few_in_sync_nothing_is_committed() {
    let (mut leader, mut effects) = (leader(&[0, 1], 2), Vec::new());
    let answer = IsrAnswer { leader_epoch: LeaderEpoch(3), isr: ids(&[0]), partition_epoch: PartitionEpoch(2) };
    leader.on_isr(Tick(1), answer, &mut effects);
    assert!(!leader.has_enough_in_sync());
    leader.on_append(Tick(LAG * 2), Offset(3), &mut effects);
    assert_eq!(commits(&mut effects), []);
    assert_eq!(leader.progress(Offset(0)), Progress::TooFew);
}

#[test]
fn a_follower_that_has_caught_up_comes_back() {
    let (mut leader, mut effects) = (leader(&[0, 1], 1), Vec::new());
    let answer = IsrAnswer { leader_epoch: LeaderEpoch(3), isr: ids(&[0]), partition_epoch: PartitionEpoch(2) };
    leader.on_isr(Tick(1), answer, &mut effects);
    leader.on_append(Tick(LAG * 2), Offset(8), &mut effects);
    leader.on_fetch(Tick(LAG * 2 + 1), BrokerId(1), Offset(5), LIFE, &mut effects);
    assert_eq!(proposals(&mut effects), Vec::<BTreeSet<BrokerId>>::new());
    leader.on_fetch(Tick(LAG * 2 + 2), BrokerId(1), Offset(8), LIFE, &mut effects);
    assert_eq!(proposals(&mut effects), [ids(&[0, 1])]);
    // Proposed is waited for: an append is not committed without it any more.
    leader.on_append(Tick(LAG * 2 + 3), Offset(9), &mut effects);
    assert_eq!(commits(&mut effects), []);
    // The controller does not answer: the same is proposed again.
    leader.on_isr_refused(IsrRefusal::Retry, &mut effects);
    assert_eq!(proposals(&mut effects), [ids(&[0, 1])]);
}

#[test]
fn steady_reading_behind_the_end_counts_as_caught_up_then() {
    let (mut leader, mut effects) = (leader(&[0, 1], 1), Vec::new());
    // The producer never rests: at each fetch there is more than the follower has, but it always gets what there was.
    for step in 1..200u64 {
        leader.on_append(Tick(step * 1000), Offset(step as i64 * 10), &mut effects);
        leader.on_fetch(Tick(step * 1000 + 1), BrokerId(1), Offset((step as i64 - 1) * 10), LIFE, &mut effects);
    }
    leader.on_tick(Tick(200_000), &mut effects);
    assert_eq!(proposals(&mut effects), Vec::<BTreeSet<BrokerId>>::new());
}

#[test]
fn old_answers_change_nothing() {
    let (mut leader, mut effects) = (leader(&[0, 1], 1), Vec::new());
    let old = IsrAnswer { leader_epoch: LeaderEpoch(3), isr: ids(&[0]), partition_epoch: PartitionEpoch(0) };
    leader.on_isr(Tick(1), old, &mut effects);
    let other = IsrAnswer { leader_epoch: LeaderEpoch(2), isr: ids(&[0]), partition_epoch: PartitionEpoch(9) };
    leader.on_isr(Tick(1), other, &mut effects);
    assert_eq!(leader.isr(), &ids(&[0, 1]));
}

#[test]
fn a_leader_that_goes_on_remembers_its_followers() {
    let (mut leader, mut effects) = (leader(&[0, 1, 2], 1), Vec::new());
    leader.on_append(Tick(1), Offset(10), &mut effects);
    leader.on_fetch(Tick(2), BrokerId(1), Offset(10), LIFE, &mut effects);
    leader.on_fetch(Tick(2), BrokerId(2), Offset(10), LIFE, &mut effects);
    assert_eq!(commits(&mut effects), [10]);
    let leadership = Leadership {
        me: BrokerId(0),
        epoch: LeaderEpoch(4),
        replicas: vec![BrokerId(0), BrokerId(1)],
        isr: ids(&[0, 1]),
        partition_epoch: PartitionEpoch(2),
        log_end: Offset(10),
        high_watermark: Offset(10),
    };
    leader.renew(Tick(3), leadership, Settings { lag_time_max_ms: LAG, min_in_sync: 1 });
    assert_eq!((leader.epoch(), leader.high_watermark()), (LeaderEpoch(4), Offset(10)));
    leader.on_tick(Tick(10 * LAG), &mut effects);
    assert!(effects.is_empty(), "follower 1 holds everything, however long it is silent");
}

#[test]
fn who_is_about_to_stop_does_not_come_into_sync() {
    let (mut leader, mut effects) = (leader(&[0, 1], 1), Vec::new());
    let answer = IsrAnswer { leader_epoch: LeaderEpoch(3), isr: ids(&[0]), partition_epoch: PartitionEpoch(2) };
    leader.on_isr(Tick(1), answer, &mut effects);
    leader.set_eligible(|id| id != BrokerId(1));
    leader.on_fetch(Tick(2), BrokerId(1), Offset(0), LIFE, &mut effects);
    assert_eq!(proposals(&mut effects), [], "not eligible");
    leader.set_eligible(|_| true);
    leader.on_fetch(Tick(3), BrokerId(1), Offset(0), LIFE, &mut effects);
    assert_eq!(proposals(&mut effects), [ids(&[0, 1])]);
}

#[test]
fn an_outdated_leader_proposes_nothing_more() {
    let (mut leader, mut effects) = (leader(&[0, 1], 1), Vec::new());
    leader.on_append(Tick(1), Offset(5), &mut effects);
    leader.on_tick(Tick(LAG + 1), &mut effects);
    assert_eq!(proposals(&mut effects), [ids(&[0])]);
    leader.on_isr_refused(IsrRefusal::Outdated, &mut effects);
    leader.on_tick(Tick(2 * LAG), &mut effects);
    assert!(effects.is_empty());
}

#[test]
fn a_lower_minimum_commits_what_was_held_back() {
    let (mut leader, mut effects) = (leader(&[0, 1], 2), Vec::new());
    let answer = IsrAnswer { leader_epoch: LeaderEpoch(3), isr: ids(&[0]), partition_epoch: PartitionEpoch(2) };
    leader.on_isr(Tick(1), answer, &mut effects);
    leader.on_append(Tick(LAG + 2), Offset(5), &mut effects);
    assert_eq!(commits(&mut effects), []);
    assert!(!leader.has_enough_in_sync());
    leader.on_settings(Tick(LAG + 3), Settings { lag_time_max_ms: LAG, min_in_sync: 1 }, &mut effects);
    assert_eq!(commits(&mut effects), [5]);
}

#[test]
fn the_leader_is_no_follower_of_its_own() {
    let leader = leader(&[0, 1], 1);
    assert!(leader.has_follower(BrokerId(1)));
    assert!(!leader.has_follower(BrokerId(0)) && !leader.has_follower(BrokerId(5)));
}

#[test]
fn the_low_watermark_is_the_lowest_log_start_of_those_who_live() {
    let mut leader = leader(&[0, 1, 2], 1);
    assert_eq!(leader.low_watermark(Offset(5)), Offset::NONE, "nobody has fetched yet");
    leader.on_follower_log_start(BrokerId(1), Offset(3));
    leader.on_follower_log_start(BrokerId(9), Offset(0));
    assert_eq!(leader.low_watermark(Offset(5)), Offset::NONE);
    leader.on_follower_log_start(BrokerId(2), Offset(7));
    assert_eq!(leader.low_watermark(Offset(5)), Offset(3));
    leader.set_eligible(|id| id != BrokerId(1));
    assert_eq!(leader.low_watermark(Offset(5)), Offset(5));
}
