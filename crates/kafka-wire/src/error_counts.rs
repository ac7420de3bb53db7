//! Which errors a response tells of, counted while it is written (Apache's `AbstractResponse.errorCounts`, of which its
//! broker makes `kafka.network:type=RequestMetrics,name=ErrorsPerSec`).
//!
//! Every field `error_code` counts, whether the version carries it or not, unless the field is gone by that version or
//! its declaration says otherwise (`uncounted`, `counted_from`).

use kafka_types::ErrorCode;

/// How often each error code, `NONE` included, is in a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorCounts {
    none: u32,
    /// All else, in the order in which they came. Few at a time, so they are searched from front to back.
    errors: Vec<(i16, u32)>,
}

impl ErrorCounts {
    pub(crate) fn count(&mut self, code: i16) {
        self.count_times(code, 1);
    }

    pub(crate) fn add(&mut self, other: &ErrorCounts) {
        self.none += other.none;
        for (code, count) in &other.errors {
            self.count_times(*code, *count);
        }
    }

    fn count_times(&mut self, code: i16, times: u32) {
        if code == 0 {
            self.none += times;
            return;
        }
        match self.errors.iter_mut().find(|(there, _)| *there == code) {
            Some((_, count)) => *count += times,
            None => self.errors.push((code, times)),
        }
    }

    /// How many times there is no error.
    pub fn none(&self) -> u32 {
        self.none
    }

    /// The errors, each with how often it is there.
    pub fn errors(&self) -> impl Iterator<Item = (ErrorCode, u32)> {
        self.errors.iter().map(|(code, count)| (ErrorCode::from_code(*code), *count))
    }
}
