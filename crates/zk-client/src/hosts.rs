//! Which server to try next, and after how long.

use properties::grammar::HostPort;

/// The pause after the first round in which no server could be reached, in milliseconds; it doubles per round.
const FIRST_PAUSE_MS: u64 = 20;
/// The longest pause between two rounds, in milliseconds (that of Apache's client).
const LONGEST_PAUSE_MS: u64 = 1000;

/// The servers of a connect string in an order of their own, so that many clients spread over them.
#[derive(Debug)]
pub(crate) struct Hosts {
    list: Vec<HostPort>,
    next: usize,
    /// Servers tried since the last one that answered.
    tried: usize,
    random: Random,
}

impl Hosts {
    /// Shuffles the servers by the given seed.
    pub(crate) fn new(mut list: Vec<HostPort>, seed: u64) -> Hosts {
        let mut random = Random(seed);
        for last in (1..list.len()).rev() {
            list.swap(last, random.below(last as u64 + 1) as usize);
        }
        Hosts { list, next: 0, tried: 0, random }
    }

    /// How many servers there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// The server to try and the milliseconds to wait before: none while there are servers not tried yet, then a
    /// pause per round, each longer than the last, with up to half of it left to chance.
    pub(crate) fn try_next(&mut self) -> (HostPort, u64) {
        let host = self.list[self.next].clone();
        self.next = (self.next + 1) % self.list.len();
        let rounds = self.tried / self.list.len();
        let begins_round = self.tried.is_multiple_of(self.list.len());
        self.tried = self.tried.saturating_add(1);
        if rounds == 0 || !begins_round {
            return (host, 0);
        }
        let pause = LONGEST_PAUSE_MS.min(FIRST_PAUSE_MS << (rounds - 1).min(10));
        (host, pause / 2 + self.random.below(pause / 2 + 1))
    }

    /// A server accepted the session: the next search begins without a pause.
    pub(crate) fn connected(&mut self) {
        self.tried = 0;
    }
}

/// SplitMix64: enough to spread clients, and a test can repeat it.
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// A number below `limit`, which is not 0.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(count: u16, seed: u64) -> Hosts {
        Hosts::new((0..count).map(|port| HostPort { host: "h".to_owned(), port }).collect(), seed)
    }

    #[test]
    fn each_server_is_tried_once_per_round_and_only_rounds_pause() {
        let mut hosts = hosts(3, 7);
        let first: Vec<_> = (0..3).map(|_| hosts.try_next()).collect();
        assert!(first.iter().all(|(_, pause)| *pause == 0));
        let mut ports: Vec<_> = first.iter().map(|(host, _)| host.port).collect();
        ports.sort_unstable();
        assert_eq!(ports, [0, 1, 2]);
        let second: Vec<_> = (0..3).map(|_| hosts.try_next().1).collect();
        assert!((10..=20).contains(&second[0]) && second[1..] == [0, 0], "{second:?}");
        for _ in 0..60 {
            hosts.try_next();
        }
        let long = hosts.try_next().1;
        assert!((500..=1000).contains(&long), "{long}");
        hosts.connected();
        assert_eq!(hosts.try_next().1, 0);
    }

    #[test]
    fn the_seed_decides_the_order() {
        let order = |seed| -> Vec<u16> {
            let mut hosts = hosts(20, seed);
            (0..20).map(|_| hosts.try_next().0.port).collect()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
