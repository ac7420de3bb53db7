//! Who is limited by what, and who shares it.

use super::*;

const WINDOWS: Windows = Windows { samples: 11, millis: 1000 };

fn quotas(limits: &[(&str, &str, f64)]) -> Quotas {
    let mut quotas = Quotas::new(Settings { client: WINDOWS, mutation: WINDOWS });
    for (path, key, limit) in limits {
        quotas.set(QuotaEntity::from_path(path).expect("a path"), &[(key, *limit)]);
    }
    quotas
}

#[test]
fn the_nearest_of_eight_places_counts() {
    let key = client_quotas::PRODUCER_BYTE_RATE;
    let places = [
        "users/u/clients/c",
        "users/u/clients/<default>",
        "users/u",
        "users/<default>/clients/c",
        "users/<default>/clients/<default>",
        "users/<default>",
        "clients/c",
        "clients/<default>",
    ];
    let mut limits: Vec<(&str, &str, f64)> =
        places.iter().enumerate().map(|(at, path)| (*path, key, at as f64 + 1.0)).collect();
    while !limits.is_empty() {
        let first = limits[0].2;
        assert_eq!(quotas(&limits).limit(Kind::Produce, "u", "c"), Some(first));
        assert_eq!(quotas(&limits).limit(Kind::Fetch, "u", "c"), None, "another kind");
        limits.remove(0);
    }
    assert_eq!(quotas(&[(places[2], key, 1.0)]).limit(Kind::Produce, "other", "c"), None);
    assert!(!quotas(&[]).is_limited(Kind::Produce));
}

#[test]
fn clients_of_a_user_share_its_limit_and_not_the_one_for_each_client() {
    let key = client_quotas::PRODUCER_BYTE_RATE;
    let mut shared = quotas(&[("users/u", key, 100.0)]);
    assert_eq!(shared.record(Tick(0), Kind::Produce, "u", "a", 1000.0), 0);
    assert_eq!(shared.record(Tick(0), Kind::Produce, "u", "b", 100.0), 1000);
    let mut each = quotas(&[("users/u/clients/<default>", key, 100.0)]);
    assert_eq!(each.record(Tick(0), Kind::Produce, "u", "a", 1000.0), 0);
    assert_eq!(each.record(Tick(0), Kind::Produce, "u", "b", 1000.0), 0);
    assert_eq!(each.most(Kind::Produce, "u", "a"), Some(1000.0));
}

#[test]
fn what_is_taken_back_does_not_count_and_limits_may_change() {
    let mut quotas = quotas(&[("clients/c", client_quotas::CONSUMER_BYTE_RATE, 100.0)]);
    assert_eq!(quotas.record(Tick(0), Kind::Fetch, "u", "c", 1100.0), 1000);
    assert!(!quotas.is_unused(Tick(0), Kind::Fetch, "u", "c"));
    quotas.take_back(Tick(0), Kind::Fetch, "u", "c", 1100.0);
    assert!(quotas.is_unused(Tick(0), Kind::Fetch, "u", "c"));
    assert_eq!(quotas.record(Tick(1), Kind::Fetch, "u", "c", 1000.0), 0);
    let entity = QuotaEntity::from_path("clients/c").expect("a path");
    quotas.set(entity.clone(), &[(client_quotas::CONSUMER_BYTE_RATE, 50.0)]);
    assert!(quotas.record(Tick(2), Kind::Fetch, "u", "c", 1.0) > 9000);
    quotas.set(entity, &[]);
    assert_eq!(quotas.record(Tick(3), Kind::Fetch, "u", "c", 1e9), 0);
}

#[test]
fn time_of_requests_is_waited_for_at_most_as_long_as_it_is_remembered() {
    let mut quotas = quotas(&[("clients/c", client_quotas::REQUEST_PERCENTAGE, 1.0)]);
    assert_eq!(quotas.record(Tick(0), Kind::Request, "u", "c", 100_000.0), 10_000);
}

#[test]
fn addresses_have_their_own_limit_or_the_one_for_all() {
    let key = client_quotas::CONNECTION_CREATION_RATE;
    let mut quotas = quotas(&[("ips/<default>", key, 1.0), ("ips/10.0.0.1", key, 2.0)]);
    let allowed =
        |quotas: &mut Quotas, address: &str| (0..100).take_while(|_| quotas.connect(Tick(0), address) == 0).count();
    assert_eq!(allowed(&mut quotas, "10.0.0.1"), 20);
    assert_eq!(allowed(&mut quotas, "10.0.0.2"), 10);
    assert_eq!(allowed(&mut quotas, "10.0.0.3"), 10);
}

#[test]
fn changes_of_topics_wait_for_the_debt() {
    let mut quotas = quotas(&[("users/u", client_quotas::CONTROLLER_MUTATION_RATE, 1.0)]);
    quotas.mutate(Tick(0), "u", "c", 13.0);
    assert_eq!(quotas.mutation_debt(Tick(0), "u", "d"), 2000, "all clients of the user");
    assert_eq!(quotas.mutation_debt(Tick(2000), "u", "c"), 0);
    assert_eq!(quotas.mutation_debt(Tick(0), "other", "c"), 0);
}

#[test]
fn idle_clients_are_forgotten() {
    let mut quotas = quotas(&[("clients/<default>", client_quotas::PRODUCER_BYTE_RATE, 100.0)]);
    for number in 0..1000 {
        quotas.record(Tick(0), Kind::Produce, "u", &format!("c{number}"), 1.0);
    }
    assert_eq!(quotas.rates.len(), 1000);
    quotas.record(Tick(SWEEP_MS), Kind::Produce, "u", "late", 1.0);
    assert_eq!(quotas.rates.len(), 1);
}
