//! What ends a connection besides its two sides: silence, and the end of the broker.
//!
//! Both are asked about with every request, so both are asked cheaply: one timer for the whole connection, which is set
//! anew when it has run out and not whenever the client speaks, and one place in the list of those who wait for the end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use net::ShutdownWatch;
use tokio::time::{Sleep, sleep};

use super::seats::Seat;
use crate::clock::Clock;

/// How long requests that are being served when the broker's end begins may still take: their clients get an answer, and
/// parked ones do not hold the end up.
const DRAIN: Duration = Duration::from_millis(100);

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client has been silent for too long.
    Idle,
    /// The broker ends.
    Shutdown,
    /// There are more connections than may be.
    Excess,
}

/// What may end one connection. Futures are pinned by the caller: what a call takes by value has its place in the
/// connection's memory twice.
pub(crate) struct Ends {
    shutdown: ShutdownWatch,
    seat: Seat,
    clock: Clock,
    idle: Duration,
    /// Runs out when the client would have been silent for too long, or earlier.
    timer: Pin<Box<Sleep>>,
}

impl Ends {
    /// The connection has just begun.
    pub(crate) fn new(shutdown: ShutdownWatch, seat: Seat, clock: Clock, idle: Duration) -> Ends {
        Ends { shutdown, seat, clock, idle, timer: Box::pin(sleep(idle)) }
    }

    /// The client was answered at this moment.
    pub(crate) fn active(&self, now: Duration) {
        self.seat.active(now);
    }

    /// The next request, unless the connection ends before it. The client has been silent since then: a moment that the
    /// connection knows, as time since the broker's start.
    pub(crate) async fn before<T>(
        &mut self,
        since: Duration,
        mut request: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, End> {
        std::future::poll_fn(|task| {
            if self.shutdown.has_begun() {
                return Poll::Ready(Err(End::Shutdown));
            }
            if self.seat.is_called() {
                return Poll::Ready(Err(End::Excess));
            }
            if let Poll::Ready(request) = request.as_mut().poll(task) {
                self.seat.busy();
                return Poll::Ready(Ok(request));
            }
            if self.shutdown.poll_begun(task).is_ready() {
                return Poll::Ready(Err(End::Shutdown));
            }
            if self.seat.poll_called(task).is_ready() {
                return Poll::Ready(Err(End::Excess));
            }
            self.poll_idle(since, task).map(|()| Err(End::Idle))
        })
        .await
    }

    /// Has the client been silent for too long, if it was silent since then?
    fn poll_idle(&mut self, since: Duration, task: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(task).is_ready() {
            let left = self.idle.saturating_sub(self.clock.precise().saturating_sub(since));
            if left.is_zero() {
                return Poll::Ready(());
            }
            self.timer.set(sleep(left));
        }
        Poll::Pending
    }

    /// What comes of a request; `None` if the broker has been ending for a while and there is no answer yet.
    pub(crate) async fn unless_drained<T>(&mut self, mut answer: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let mut drained: Option<Pin<Box<Sleep>>> = None;
        std::future::poll_fn(|task| {
            if let Poll::Ready(answer) = answer.as_mut().poll(task) {
                return Poll::Ready(Some(answer));
            }
            if self.shutdown.poll_begun(task).is_pending() {
                return Poll::Pending;
            }
            let drained = drained.get_or_insert_with(|| Box::pin(sleep(DRAIN)));
            drained.as_mut().poll(task).map(|()| None)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::super::seats::{Seats, close_excess};
    use super::*;

    const IDLE: Duration = Duration::from_millis(40);

    fn ends(shutdown: &net::Shutdown, idle: Duration) -> (Ends, Clock) {
        let clock = Clock::start();
        (Ends::new(shutdown.watch(), Seats::default().take(Duration::ZERO), clock, idle), clock)
    }

    #[tokio::test]
    async fn silence_counts_from_the_last_request() {
        let (mut ends, clock) = ends(&net::Shutdown::new(), IDLE);
        for _ in 0..8 {
            // What comes in time counts, however often the timer has run out meanwhile.
            let request = async {
                sleep(IDLE / 4).await;
                7
            };
            if ends.before(clock.precise(), pin!(request)).await != Ok(7) {
                assert!(clock.precise() > IDLE, "a slow machine may be late, never early");
                return;
            }
        }
        let before = clock.precise();
        assert_eq!(ends.before(before, pin!(std::future::pending::<()>())).await, Err(End::Idle));
        assert!(clock.precise().saturating_sub(before) >= IDLE);
    }

    #[tokio::test]
    async fn one_too_many_goes_when_it_is_silent_and_after_its_answer() {
        let (shutdown, clock, seats) = (net::Shutdown::new(), Clock::start(), Seats::default());
        let begin = || Ends::new(shutdown.watch(), seats.take(clock.precise()), clock, Duration::from_mins(10));
        let (mut silent, mut served) = (begin(), begin());
        assert_eq!(served.before(clock.precise(), pin!(std::future::ready(1))).await, Ok(1));
        let call = async |excess: usize| {
            tokio::task::yield_now().await;
            close_excess(seats.candidates(), excess);
        };
        let mut silence = pin!(std::future::pending::<()>());
        let (ended, ()) = tokio::join!(silent.before(clock.precise(), silence.as_mut()), call(1));
        assert_eq!(ended, Err(End::Excess));
        let mut answering = pin!(tokio::task::yield_now());
        let (answer, ()) = tokio::join!(served.unless_drained(answering.as_mut()), call(2));
        assert_eq!(answer, Some(()));
        assert_eq!(served.before(clock.precise(), pin!(std::future::ready(2))).await, Err(End::Excess));
    }

    #[tokio::test]
    async fn the_end_of_the_broker_wakes_who_waits_and_lets_requests_end() {
        let shutdown = net::Shutdown::new();
        let (mut ends, clock) = ends(&shutdown, Duration::from_mins(10));
        let begin = async {
            tokio::task::yield_now().await;
            shutdown.begin();
        };
        let mut silence = pin!(std::future::pending::<()>());
        let (ended, ()) = tokio::join!(ends.before(clock.precise(), silence.as_mut()), begin);
        assert_eq!(ended, Err(End::Shutdown));
        assert_eq!(ends.unless_drained(pin!(std::future::ready(1))).await, Some(1));
        assert_eq!(ends.unless_drained(pin!(tokio::task::yield_now())).await, Some(()));
        assert_eq!(ends.unless_drained(pin!(std::future::pending::<()>())).await, None);
        assert_eq!(ends.before(clock.precise(), pin!(std::future::ready(3))).await, Err(End::Shutdown));
    }
}
