//! Which partition a record goes to: Java's rules, so that a key lies in the same partition whoever wrote it. Pure.

/// How records without a partition of their own are spread (`partitioner.class`, `partitioner.ignore.keys`,
/// `partitioner.adaptive.partitioning.enable`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// By the key's hash; without a key to one partition until it got `batch.size` bytes, then to another (KIP-480,
    /// KIP-794).
    Default {
        /// Treat every record as if it had no key.
        ignores_keys: bool,
        /// Prefer partitions with fewer batches waiting, so that a slow broker gets less.
        adaptive: bool,
    },
    /// Each record to the next partition, whatever its key.
    RoundRobin,
}

impl Default for Strategy {
    fn default() -> Strategy {
        Strategy::Default { ignores_keys: false, adaptive: true }
    }
}

/// The hash of Java's clients for keys: murmur2 with a fixed seed.
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const MIX: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut mixed = u32::from_le_bytes(*word).wrapping_mul(MIX);
        mixed ^= mixed >> 24;
        hash = hash.wrapping_mul(MIX) ^ mixed.wrapping_mul(MIX);
    }
    if !tail.is_empty() {
        for (at, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

/// The partition of a key among `partitions`, which is above 0.
pub fn partition_for_key(key: &[u8], partitions: u32) -> i32 {
    // The sign bit goes, as in Java's `toPositive`.
    ((murmur2(key) & 0x7fff_ffff) % partitions) as i32
}

/// Numbers that look random, from a seed (splitmix64): which partition is next needs no more.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number below `bound`, which is above 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What the choice of the next partition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Has it a leader?
    pub(super) is_available: bool,
    /// Batches that wait for it.
    pub(super) queued: usize,
}

/// The partition that records without a key go to, and how much it got.
#[derive(Debug, Clone, Default)]
pub(super) struct Sticky {
    current: Option<i32>,
    produced: usize,
}

impl Sticky {
    /// The partition to stay with; `None` before the first choice, and when partitions became fewer.
    pub(super) fn current(&self, partitions: usize) -> Option<i32> {
        self.current.filter(|&partition| (partition as usize) < partitions)
    }

    /// So many bytes were appended to it.
    pub(super) fn add(&mut self, bytes: usize) {
        self.produced += bytes;
    }

    /// Would `bytes` more reach the size after which it is another's turn?
    pub(super) fn is_due(&self, bytes: usize, batch_size: usize) -> bool {
        self.produced + bytes >= batch_size
    }

    /// Goes to another partition: any that has a leader; of those, with `adaptive`, rather one that is not behind.
    /// Without any leader all partitions are equal.
    pub(super) fn switch(
        &mut self,
        dice: &mut Dice,
        adaptive: bool,
        candidates: &(impl Iterator<Item = Candidate> + Clone),
    ) -> i32 {
        let available = || candidates.clone().filter(|candidate| candidate.is_available);
        let longest = available().map(|candidate| candidate.queued).max();
        let weight = |candidate: &Candidate| match longest {
            Some(_) if !candidate.is_available => 0,
            Some(longest) if adaptive => (longest + 1 - candidate.queued) as u64,
            _ => 1,
        };
        let total: u64 = candidates.clone().map(|candidate| weight(&candidate)).sum();
        let mut ticket = dice.below(total.max(1));
        let chosen = candidates.clone().position(|candidate| {
            let weight = weight(&candidate);
            let is_it = ticket < weight;
            ticket = ticket.saturating_sub(weight);
            is_it
        });
        let partition = chosen.unwrap_or(0) as i32;
        self.current = Some(partition);
        self.produced = 0;
        partition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        let vectors: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (data, hash) in vectors {
            assert_eq!(murmur2(data) as i32, hash, "{data:?}");
        }
        assert_eq!(partition_for_key(b"foobar", 4), ((-0x2f1b_8442_i32 & i32::MAX) % 4));
    }

    fn candidates(queued: &[Option<usize>]) -> Vec<Candidate> {
        queued.iter().map(|queued| Candidate { is_available: queued.is_some(), queued: queued.unwrap_or(0) }).collect()
    }

    /// How often each partition is chosen in 10 000 choices.
    fn choices(queued: &[Option<usize>], adaptive: bool) -> Vec<usize> {
        let (mut dice, mut sticky) = (Dice::new(7), Sticky::default());
        let candidates = candidates(queued);
        let mut counts = vec![0; queued.len()];
        for _ in 0..10_000 {
            counts[sticky.switch(&mut dice, adaptive, &candidates.iter().copied()) as usize] += 1;
        }
        counts
    }

    #[test]
    fn partitions_without_leader_are_left_out_unless_none_has_one() {
        let counts = choices(&[Some(0), None, Some(0)], true);
        assert_eq!(counts[1], 0);
        assert!(counts[0] > 4_500 && counts[2] > 4_500, "{counts:?}");
        assert!(choices(&[None, None], true).iter().all(|&count| count > 4_500));
    }

    #[test]
    fn a_partition_that_is_behind_gets_less() {
        // Weights 1, 4 and 3 of 8.
        let counts = choices(&[Some(3), Some(0), Some(1)], true);
        assert!((1_100..1_400).contains(&counts[0]), "{counts:?}");
        assert!((4_800..5_200).contains(&counts[1]), "{counts:?}");
        assert!(choices(&[Some(3), Some(0), Some(1)], false).iter().all(|&count| count > 3_000));
    }

    #[test]
    fn a_partition_is_kept_until_it_has_its_share() {
        let mut sticky = Sticky::default();
        assert_eq!(sticky.current(3), None);
        let partition = sticky.switch(&mut Dice::new(1), true, &candidates(&[Some(0); 3]).iter().copied());
        assert_eq!(sticky.current(3), Some(partition));
        sticky.add(900);
        assert!(!sticky.is_due(99, 1000) && sticky.is_due(100, 1000));
        assert_eq!(sticky.current(0), None);
    }
}
