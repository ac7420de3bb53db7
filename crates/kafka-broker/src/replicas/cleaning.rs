//! How far a partition's log is compacted, and whether anybody is at it.

use kafka_types::Offset;

/// The cleaner's state of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cleaning {
    clean_to: Option<Offset>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Idle,
    /// A job runs: no second one may, and no swap but its own.
    Running,
    /// Compaction failed: it would fail again.
    GivenUp,
}

impl Cleaning {
    /// As the checkpoint says.
    pub(crate) fn from_checkpoint(clean_to: Offset) -> Cleaning {
        Cleaning { clean_to: Some(clean_to), stage: Stage::Idle }
    }

    /// Everything below is compacted; `None`: never was.
    pub(crate) fn clean_to(self) -> Option<Offset> {
        self.clean_to
    }

    /// Is nobody at it, and nothing against it?
    pub(crate) fn may_begin(self) -> bool {
        self.stage == Stage::Idle
    }

    /// Is a job at work?
    pub(crate) fn is_running(self) -> bool {
        self.stage == Stage::Running
    }

    /// A job was handed out.
    pub(crate) fn begin(&mut self) {
        self.stage = Stage::Running;
    }

    /// It came back.
    pub(crate) fn end(&mut self) {
        self.stage = Stage::Idle;
    }

    /// Its segments are in place.
    pub(crate) fn cleaned(&mut self, clean_to: Offset) {
        self.clean_to = Some(clean_to);
    }

    /// It failed: no further tries.
    pub(crate) fn give_up(&mut self) {
        self.stage = Stage::GivenUp;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_job_at_a_time_and_none_after_a_failure() {
        let mut cleaning = Cleaning::from_checkpoint(Offset(5));
        assert!(cleaning.may_begin());
        cleaning.begin();
        assert!(!cleaning.may_begin());
        cleaning.end();
        cleaning.cleaned(Offset(9));
        assert_eq!((cleaning.may_begin(), cleaning.clean_to()), (true, Some(Offset(9))));
        cleaning.give_up();
        assert_eq!((cleaning.may_begin(), cleaning.clean_to()), (false, Some(Offset(9))));
        assert_eq!(Cleaning::default().clean_to(), None);
    }
}
