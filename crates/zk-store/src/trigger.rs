//! When it is time for a snapshot.

/// Counts transactions and bytes since the last snapshot. The limits are moved by chance between half and all of the
/// settings, so that the servers of an ensemble do not write their snapshots at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotTrigger {
    snap_count: u64,
    snap_bytes: u64,
    count_limit: u64,
    bytes_limit: u64,
    count: u64,
    bytes: u64,
}

impl SnapshotTrigger {
    /// For the settings `snapCount` and `snapSizeLimitInKb` (here in bytes; 0 is no limit). `random` is any number.
    pub fn new(snap_count: u64, snap_bytes: u64, random: u64) -> SnapshotTrigger {
        let (count_limit, bytes_limit) = (0, 0);
        let mut trigger = SnapshotTrigger { snap_count, snap_bytes, count_limit, bytes_limit, count: 0, bytes: 0 };
        trigger.restart(random);
        trigger
    }

    /// A transaction of so many bytes was logged. Is it time?
    pub fn on_append(&mut self, bytes: u64) -> bool {
        self.count += 1;
        self.bytes += bytes;
        self.count > self.count_limit || (self.snap_bytes > 0 && self.bytes > self.bytes_limit)
    }

    /// A snapshot was begun: counting starts again.
    pub fn restart(&mut self, random: u64) {
        let between = |setting: u64, random: u64| setting / 2 + random % (setting / 2).max(1);
        self.count = 0;
        self.bytes = 0;
        self.count_limit = between(self.snap_count, random);
        self.bytes_limit = between(self.snap_bytes, random >> 20);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appends_until_time(trigger: &mut SnapshotTrigger, bytes: u64) -> u64 {
        (1..10_000).find(|_| trigger.on_append(bytes)).unwrap()
    }

    #[test]
    fn between_half_and_all() {
        for random in [0, 1, 499, 500, u64::MAX] {
            let mut trigger = SnapshotTrigger::new(1000, 0, random);
            let first = appends_until_time(&mut trigger, 1 << 40);
            assert!((501..=1000).contains(&first), "{first}");
            trigger.restart(random);
            assert_eq!(appends_until_time(&mut trigger, 1), first);
        }
    }

    #[test]
    fn bytes_count_too() {
        let mut trigger = SnapshotTrigger::new(100_000, 10_000, 0);
        assert_eq!(appends_until_time(&mut trigger, 1000), 6);
        assert_eq!(appends_until_time(&mut SnapshotTrigger::new(0, 0, 7), 1), 1);
    }
}
