//! Places for connections, and who has to give one up. A connection that says nothing costs its owner nothing, so a few
//! dozen of them must not keep an operator out until their time is over.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// Connections at a time; more wait in the system's queue.
pub(crate) const PLACES: usize = 50;
/// A connection on which nothing has moved for so long makes room for others.
const SILENT: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "the one clock of the crate")]
fn now() -> Instant {
    Instant::now()
}

/// All places.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: RefCell<Vec<Weak<Place>>>,
    /// A place has become free.
    free: Rc<Notify>,
}

/// The place of one connection; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    /// When something moved last.
    moved: Cell<Instant>,
    /// Requests that are being answered: until then it is the server that says nothing.
    at_work: Cell<usize>,
    called_in: Notify,
    free: Rc<Notify>,
}

/// What there is for somebody who needs a place.
#[derive(Debug)]
enum Prospect {
    Room(Rc<Place>),
    /// None before this one is given up.
    After(Rc<Place>),
    /// None before one is given up, or this time has passed.
    Wait(Duration),
}

impl Places {
    /// Waits for a place.
    pub(crate) async fn take(&self) -> Rc<Place> {
        loop {
            match self.prospect(now()) {
                Prospect::Room(place) => return place,
                Prospect::After(place) => {
                    place.called_in.notify_one();
                    drop(place);
                    self.free.notified().await;
                }
                // Whether somebody went or the time is over: both are looked at again.
                Prospect::Wait(time) => drop(timeout(time, self.free.notified()).await),
            }
        }
    }

    fn prospect(&self, now: Instant) -> Prospect {
        let mut taken = self.taken.borrow_mut();
        taken.retain(|place| place.strong_count() > 0);
        if taken.len() < PLACES {
            let (at_work, called_in) = (Cell::new(0), Notify::new());
            let place = Rc::new(Place { moved: Cell::new(now), at_work, called_in, free: Rc::clone(&self.free) });
            taken.push(Rc::downgrade(&place));
            return Prospect::Room(place);
        }
        let silent = taken.iter().filter_map(Weak::upgrade).filter(|place| place.at_work.get() == 0);
        match silent.min_by_key(|place| place.moved.get()) {
            None => Prospect::Wait(SILENT),
            Some(longest) => match SILENT.saturating_sub(now - longest.moved.get()) {
                Duration::ZERO => Prospect::After(longest),
                rest => Prospect::Wait(rest),
            },
        }
    }
}

impl Place {
    /// Something has moved.
    pub(crate) fn moved(&self) {
        self.moved.set(now());
    }

    /// A request is being answered as long as this lives.
    pub(crate) fn work(self: &Rc<Place>) -> Work {
        self.at_work.set(self.at_work.get() + 1);
        Work(Rc::clone(self))
    }

    /// Waits until the place is needed for somebody else.
    pub(crate) async fn called_in(&self) {
        self.called_in.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.free.notify_one();
    }
}

/// See [`Place::work`].
#[derive(Debug)]
pub(crate) struct Work(Rc<Place>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.at_work.set(self.0.at_work.get() - 1);
        self.0.moved();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// All places, taken one after the other, a millisecond apart; and when the first one was.
    fn all(places: &Places) -> (Vec<Rc<Place>>, Instant) {
        let began = now();
        let taken = (0..PLACES as u32).map(|number| match places.prospect(began + MS * number) {
            Prospect::Room(place) => place,
            other => panic!("{other:?}"),
        });
        (taken.collect(), began)
    }

    #[test]
    fn the_one_that_is_silent_for_longest_makes_room() {
        let places = Places::default();
        let (mut held, began) = all(&places);
        let work = held[0].work();
        held[1].moved.set(began + MS * 500);
        let Prospect::Wait(rest) = places.prospect(began + MS * 100) else { panic!("nobody is silent for so long") };
        assert_eq!(rest + MS * 98, SILENT, "the third is next");
        let Prospect::After(next) = places.prospect(began + MS * 2 + SILENT) else { panic!("it is time") };
        assert!(Rc::ptr_eq(&next, &held[2]));
        drop((next, held.remove(2)));
        let Prospect::Room(place) = places.prospect(began + SILENT * 2) else { panic!("it has gone") };
        drop((place, work));
    }

    #[test]
    fn who_is_being_answered_stays() {
        let places = Places::default();
        let (held, began) = all(&places);
        let work: Vec<Work> = held.iter().map(Place::work).collect();
        assert!(matches!(places.prospect(began + SILENT * 1000), Prospect::Wait(SILENT)));
        drop(work);
        let ended = now();
        assert!(held.iter().all(|place| place.moved.get() >= began && place.moved.get() <= ended));
        assert!(matches!(places.prospect(ended + SILENT), Prospect::After(_)), "the answer was the last that moved");
    }
}
