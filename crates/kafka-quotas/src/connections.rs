//! How fast connections may come: to a broker, and to each of its listeners (KIP-612).

use std::collections::HashMap;

use time_types::Tick;

use crate::rate::{Rate, Windows};

/// Connections of the last windows.
#[derive(Debug)]
pub struct ConnectionRates {
    windows: Windows,
    broker: Rate,
    listeners: HashMap<String, Rate>,
}

/// What is allowed in a second; `None`: any number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ConnectionLimits {
    /// `max.connection.creation.rate`; not for the listener of the brokers, if there are others.
    pub broker: Option<f64>,
    /// `listener.name.<listener>.max.connection.creation.rate`
    pub listener: Option<f64>,
}

impl ConnectionRates {
    /// Nobody came yet.
    pub fn new(windows: Windows) -> ConnectionRates {
        ConnectionRates { windows, broker: Rate::default(), listeners: HashMap::new() }
    }

    /// A connection came. How long it, and all that come after it, have to wait before it is served, in ms: no longer
    /// than a window, so that somebody who waits in the system's queue is not forgotten there.
    pub fn connect(&mut self, now: Tick, listener: &str, limits: ConnectionLimits) -> u64 {
        let windows = self.windows;
        let count = |rate: &mut Rate, limit: f64| {
            rate.record(windows, now, 1.0);
            rate.excess(windows, now, limit).min(windows.millis)
        };
        let broker = limits.broker.map_or(0, |limit| count(&mut self.broker, limit));
        let listener =
            limits.listener.map_or(0, |limit| count(self.listeners.entry(listener.to_owned()).or_default(), limit));
        broker.max(listener)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows { samples: 11, millis: 1000 };

    /// How many come in a minute if each waits as long as it has to.
    fn come(limits: ConnectionLimits) -> usize {
        let mut rates = ConnectionRates::new(WINDOWS);
        let (mut now, mut came) = (Tick(0), 0);
        while now < Tick(60_000) && came < 100_000 {
            came += 1;
            now = now.after(rates.connect(now, "PLAINTEXT", limits));
        }
        came
    }

    #[test]
    fn connections_come_as_fast_as_they_may() {
        assert_eq!(come(ConnectionLimits::default()), 100_000);
        for limits in [
            ConnectionLimits { broker: Some(10.0), listener: None },
            ConnectionLimits { broker: Some(20.0), listener: Some(10.0) },
            ConnectionLimits { broker: None, listener: Some(10.0) },
        ] {
            let came = come(limits);
            assert!((590..750).contains(&came), "{came} for {limits:?}");
        }
    }

    #[test]
    fn nobody_waits_longer_than_a_window_and_listeners_have_their_own() {
        let mut rates = ConnectionRates::new(WINDOWS);
        let one = ConnectionLimits { broker: None, listener: Some(1.0) };
        let pauses: Vec<u64> = (0..30).map(|_| rates.connect(Tick(0), "A", one)).collect();
        assert_eq!((pauses[0], pauses[29]), (0, 1000));
        assert_eq!(rates.connect(Tick(0), "B", one), 0);
    }
}
