//! When a task that sleeps until the next deadline is to wake, and how it hears that there is an earlier one.

use std::sync::Arc;

use time_types::Tick;
use tokio::sync::Notify;

/// Rings when a deadline is earlier than the one that is slept for: most requests leave all deadlines as they were, and
/// waking a task for nothing costs as much as they do.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    rings: Arc<Notify>,
    set: Option<Tick>,
}

impl Alarm {
    /// Told when the next deadline has become an earlier one.
    pub(super) fn rings(&self) -> Arc<Notify> {
        Arc::clone(&self.rings)
    }

    /// The sleeper has looked at all deadlines, and sleeps until the first of them; returns it.
    pub(super) fn set(&mut self, first: Option<Tick>) -> Option<Tick> {
        self.set = first;
        first
    }

    /// There is a deadline.
    pub(super) fn at_latest(&mut self, deadline: Option<Tick>) {
        let Some(deadline) = deadline else { return };
        if self.set.is_none_or(|set| deadline < set) {
            self.set = Some(deadline);
            self.rings.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rang(alarm: &Alarm) -> bool {
        let rings = alarm.rings();
        tokio::select! {
            biased;
            () = rings.notified() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn rings_for_what_is_earlier_only() {
        let mut alarm = Alarm::default();
        alarm.at_latest(None);
        assert!(!rang(&alarm).await);
        alarm.at_latest(Some(Tick(50)));
        assert!(rang(&alarm).await);
        assert_eq!(alarm.set(Some(Tick(40))), Some(Tick(40)));
        for later in [40, 41] {
            alarm.at_latest(Some(Tick(later)));
            assert!(!rang(&alarm).await);
        }
        alarm.at_latest(Some(Tick(39)));
        alarm.at_latest(Some(Tick(39)));
        assert!(rang(&alarm).await);
        assert!(!rang(&alarm).await);
        assert_eq!(alarm.set(None), None);
        alarm.at_latest(Some(Tick(1_000)));
        assert!(rang(&alarm).await);
    }
}
