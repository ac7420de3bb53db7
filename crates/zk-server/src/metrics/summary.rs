//! What is known of many values: least, greatest, sum, count, and how they are spread.

use time_types::Tick;

use super::histogram::Histogram;

/// Prometheus sees the spread of the last ten minutes, in five parts that leave one after the other.
const PARTS: usize = 5;
const PART_MS: u64 = 2 * 60 * 1000;

/// Least, greatest, sum and count of something; milliseconds mostly.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) count: u64,
    pub(crate) sum: u64,
    min: u64,
    pub(crate) max: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, value: u64) {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.sum = self.sum.saturating_add(value);
        self.count += 1;
    }

    /// The least; 0 of nothing.
    pub(crate) fn min(&self) -> u64 {
        self.min
    }

    /// The mean; 0 of nothing.
    pub(crate) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }
}

/// The spread of the last minutes.
#[derive(Debug, Clone, Default)]
struct Window {
    parts: [Histogram; PARTS],
    current: usize,
    until: Tick,
}

impl Window {
    fn turn(&mut self, now: Tick) {
        let mut turned = 0;
        while self.until <= now && turned < PARTS {
            self.current = (self.current + 1) % PARTS;
            self.parts[self.current] = Histogram::default();
            self.until = self.until.after(PART_MS);
            turned += 1;
        }
        if self.until <= now {
            self.until = now.after(PART_MS);
        }
    }
}

/// Which spreads are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread {
    /// Of all values.
    pub(crate) lifetime: bool,
    /// Of the last minutes.
    pub(crate) window: bool,
}

/// One summary.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    pub(crate) figures: Figures,
    lifetime: Option<Box<Histogram>>,
    window: Option<Box<Window>>,
}

impl Summary {
    pub(crate) fn new(spread: Spread, now: Tick) -> Summary {
        let window = || Box::new(Window { until: now.after(PART_MS), ..Window::default() });
        Summary {
            figures: Figures::default(),
            lifetime: spread.lifetime.then(Box::default),
            window: spread.window.then(window),
        }
    }

    pub(crate) fn add(&mut self, value: u64) {
        self.figures.add(value);
        if let Some(histogram) = &mut self.lifetime {
            histogram.add(value);
        }
        if let Some(window) = &mut self.window {
            let current = window.current;
            window.parts[current].add(value);
        }
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.figures = Figures::default();
        if let Some(histogram) = &mut self.lifetime {
            **histogram = Histogram::default();
        }
        if let Some(window) = &mut self.window {
            window.parts = Default::default();
        }
    }

    /// Lets old parts of the window go. To be called every minute or more often.
    pub(crate) fn turn(&mut self, now: Tick) {
        if let Some(window) = &mut self.window {
            window.turn(now);
        }
    }

    /// A quantile of all values, rounded; 0 of nothing.
    pub(crate) fn percentile(&self, quantile: f64) -> u64 {
        self.lifetime.as_ref().and_then(|all| all.quantile(quantile)).map_or(0, |value| value.round() as u64)
    }

    /// A quantile of the last minutes; `None` of nothing.
    pub(crate) fn recent(&self, quantile: f64) -> Option<f64> {
        let window = self.window.as_ref()?;
        let mut all = Histogram::default();
        window.parts.iter().for_each(|part| all.merge(part));
        all.quantile(quantile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let mut figures = Figures::default();
        assert_eq!((figures.min(), figures.mean()), (0, 0.0));
        for value in [3, 1, 5] {
            figures.add(value);
        }
        assert_eq!((figures.min(), figures.max, figures.count, figures.mean()), (1, 5, 3, 3.0));
    }

    #[test]
    fn a_window_forgets_and_a_lifetime_does_not() {
        let mut summary = Summary::new(Spread { lifetime: true, window: true }, Tick(0));
        summary.add(7);
        summary.turn(Tick(PART_MS));
        summary.add(9);
        assert_eq!(summary.recent(0.0), Some(7.0));
        summary.turn(Tick(PART_MS * 5));
        assert_eq!(summary.recent(0.0), Some(9.0), "the part of 7 is over");
        summary.turn(Tick(PART_MS * 100));
        assert_eq!(summary.recent(0.5), None);
        assert_eq!((summary.percentile(0.5), summary.figures.count), (8, 2));
        summary.reset();
        assert_eq!((summary.percentile(0.5), summary.figures.count), (0, 0));
    }

    #[test]
    fn without_spreads_there_are_no_quantiles() {
        let mut summary = Summary::new(Spread { lifetime: false, window: false }, Tick(0));
        summary.add(7);
        assert_eq!((summary.percentile(0.5), summary.recent(0.5)), (0, None));
    }
}
