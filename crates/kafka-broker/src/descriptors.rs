//! How many files may be open: as many as the system allows, and how many of them idle logs may have.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Logs per shard that may have files open while nobody uses them, however many descriptors there are.
const IDLE_LOGS_MAX: usize = 512;
/// Each has up to four, and connections need some, too.
const DESCRIPTORS_PER_LOG: u64 = 16;

/// Raises the soft limit to the hard one, as a Java machine does; returns it. `None`: there is none.
pub(crate) fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// How many logs of one shard may have files open while nobody uses them.
pub(crate) fn idle_logs(limit: Option<u64>, shards: usize) -> usize {
    let share = limit.unwrap_or(u64::MAX) / DESCRIPTORS_PER_LOG / shards.max(1) as u64;
    usize::try_from(share).unwrap_or(usize::MAX).clamp(1, IDLE_LOGS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_logs_leave_most_descriptors_to_others() {
        assert_eq!(idle_logs(None, 2), IDLE_LOGS_MAX);
        assert_eq!(idle_logs(Some(1024), 2), 32);
        assert_eq!(idle_logs(Some(10), 2), 1);
    }
}
