//! What copying replicas may use: a limit on a broker's sending to followers, and one on its moves between directories.

use time_types::Tick;

use crate::rate::{Rate, Windows};

/// Bytes that were copied over the last windows, as Apache's *ReplicationQuotaManager* counts them. The limit is an
/// argument: it may be another one at any time.
#[derive(Debug)]
pub struct ReplicationQuota {
    windows: Windows,
    used: Rate,
}

impl ReplicationQuota {
    /// Nothing was copied.
    pub fn new(windows: Windows) -> ReplicationQuota {
        ReplicationQuota { windows, used: Rate::default() }
    }

    /// So many bytes were copied.
    pub fn record(&mut self, now: Tick, bytes: u64) {
        self.used.record(self.windows, now, bytes as f64);
    }

    /// How long to copy nothing until no more than `limit` bytes a second were copied, in ms; 0: go on. What is too much
    /// falls out of the windows some time, so that nobody waits for ever, not even at 0.
    pub fn pause(&mut self, now: Tick, limit: u64) -> u64 {
        self.used.simple_excess(self.windows, now, limit as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows { samples: 11, millis: 1000 };

    #[test]
    fn there_is_no_burst_for_who_begins() {
        let mut quota = ReplicationQuota::new(WINDOWS);
        assert_eq!(quota.pause(Tick(5), 0), 0, "nothing was copied yet");
        quota.record(Tick(5), 1000);
        assert_eq!(quota.pause(Tick(5), 1000), 0, "a second's worth");
        quota.record(Tick(5), 1500);
        assert_eq!(quota.pause(Tick(5), 1000), 2500);
        assert_eq!(quota.pause(Tick(2504), 1000), 1);
        assert_eq!(quota.pause(Tick(2505), 1000), 0);
        assert_eq!(quota.pause(Tick(505), 5000), 0, "another limit is in force at once");
    }

    #[test]
    fn what_is_too_much_is_forgotten() {
        let mut quota = ReplicationQuota::new(WINDOWS);
        quota.record(Tick(0), 1 << 20);
        for limit in [0, 1] {
            assert_eq!(quota.pause(Tick(0), limit), 11_000);
            assert_eq!(quota.pause(Tick(10_999), limit), 1);
        }
        assert_eq!(quota.pause(Tick(11_000), 0), 0);
    }

    #[test]
    fn copies_come_at_the_limit() {
        let (limit, chunk) = (100_000, 30_000);
        let (mut quota, mut now, mut copied) = (ReplicationQuota::new(WINDOWS), Tick(0), 0);
        while now < Tick(60_000) {
            match quota.pause(now, limit) {
                0 => {
                    quota.record(now, chunk);
                    copied += chunk;
                    now = now.after(3);
                }
                pause => now = now.after(pause),
            }
        }
        let measured = copied as f64 / 60.0;
        assert!((measured / limit as f64 - 1.0).abs() < 0.1, "{measured} a second");
    }
}
