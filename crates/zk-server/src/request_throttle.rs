//! Requests that wait because too many are in process (`request_throttle_max_requests`), in the order in which they
//! came. What has waited too long is not carried out: it is answered with an error (`throttled_op_wait_time`) or
//! dropped with its connection (stale requests).

use std::collections::VecDeque;

use bytes::Bytes;
use time_types::Tick;
use zk_state::WatcherId;

/// The settings of the throttle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestThrottleConfig {
    /// Requests that may be in process; 0: any number.
    pub max_requests: usize,
    /// Milliseconds of waiting after which a request is answered with `ThrottledOp`; 0: never.
    pub wait_ms: u64,
    /// Are stale requests dropped?
    pub drop_stale: bool,
    /// Is a request stale that waited longer than its session's timeout?
    pub stale_by_latency: bool,
}

impl Default for RequestThrottleConfig {
    fn default() -> RequestThrottleConfig {
        RequestThrottleConfig { max_requests: 0, wait_ms: 0, drop_stale: true, stale_by_latency: false }
    }
}

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) client: WatcherId,
    pub(crate) frame: Bytes,
    pub(crate) received: Tick,
}

/// What becomes of a request that has waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Carry it out.
    Run,
    /// Answer `ThrottledOp`.
    Refuse,
    /// Close its connection: later requests of the client must not overtake it.
    Drop,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct RequestThrottle {
    config: RequestThrottleConfig,
    waiting: VecDeque<Waiting>,
}

impl RequestThrottle {
    pub(crate) fn new(config: RequestThrottleConfig) -> RequestThrottle {
        RequestThrottle { config, waiting: VecDeque::new() }
    }

    /// Has a new request to wait while `in_process` are?
    pub(crate) fn holds(&self, in_process: usize) -> bool {
        self.config.max_requests > 0 && (!self.waiting.is_empty() || in_process >= self.config.max_requests)
    }

    pub(crate) fn push(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    /// The next request, if there is room for it.
    pub(crate) fn pop(&mut self, in_process: usize) -> Option<Waiting> {
        if in_process < self.config.max_requests { self.waiting.pop_front() } else { None }
    }

    /// Forgets the requests of a connection that is gone.
    pub(crate) fn forget(&mut self, client: WatcherId) {
        if !self.waiting.is_empty() {
            self.waiting.retain(|waiting| waiting.client != client);
        }
    }

    /// Forgets all requests.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// What becomes of a request that waited `waited_ms`; its session's timeout is `timeout_ms`.
    pub(crate) fn judge(&self, waited_ms: u64, timeout_ms: u64) -> Verdict {
        if self.config.drop_stale && self.config.stale_by_latency && waited_ms > timeout_ms {
            Verdict::Drop
        } else if self.config.wait_ms > 0 && waited_ms > self.config.wait_ms {
            Verdict::Refuse
        } else {
            Verdict::Run
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(client: u64) -> Waiting {
        Waiting { client: WatcherId(client), frame: Bytes::new(), received: Tick(0) }
    }

    #[test]
    fn off_holds_nothing() {
        assert!(!RequestThrottle::new(RequestThrottleConfig::default()).holds(usize::MAX));
    }

    #[test]
    fn who_came_first_goes_first() {
        let mut throttle = RequestThrottle::new(RequestThrottleConfig { max_requests: 2, ..Default::default() });
        assert!(!throttle.holds(1) && throttle.holds(2));
        throttle.push(waiting(1));
        throttle.push(waiting(2));
        assert!(throttle.holds(0), "nobody overtakes");
        assert!(throttle.pop(2).is_none());
        assert_eq!(throttle.pop(1).unwrap().client, WatcherId(1));
        throttle.forget(WatcherId(2));
        assert!(throttle.waiting.is_empty());
    }

    #[test]
    fn what_waited_too_long() {
        let config =
            RequestThrottleConfig { max_requests: 1, wait_ms: 50, stale_by_latency: true, ..Default::default() };
        let throttle = RequestThrottle::new(config);
        assert_eq!(throttle.judge(50, 1000), Verdict::Run);
        assert_eq!(throttle.judge(51, 1000), Verdict::Refuse);
        assert_eq!(throttle.judge(1001, 1000), Verdict::Drop);
        let patient = RequestThrottle::new(RequestThrottleConfig { drop_stale: false, wait_ms: 0, ..config });
        assert_eq!(patient.judge(u64::MAX, 1000), Verdict::Run);
    }
}
