//! How long the machine keeps everybody waiting: what is left of a request's time is the server's own.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::process::wait_until;

/// Between two beats.
const REST: Duration = Duration::from_millis(5);
/// A beat that takes longer was kept waiting.
const USUAL: Duration = Duration::from_millis(50);

/// A thread that wants nothing but to be woken, and to sync a byte on the disk of the test: whoever keeps it waiting (other
/// tests, a disk that is busy, a machine that stands still) keeps a server waiting as well.
#[derive(Debug)]
pub struct Pulse {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    beats: AtomicU64,
    lost_us: AtomicU64,
    stop: AtomicBool,
}

impl Pulse {
    /// Begins to beat, with a file of its own in `dir`.
    ///
    /// # Panics
    /// When the file cannot be made.
    pub fn start(dir: &Path) -> Pulse {
        let file = File::create(dir.join("pulse")).expect("the test's directory can be written");
        let shared = Arc::new(Shared::default());
        let beating = Arc::clone(&shared);
        let thread = std::thread::spawn(move || beating.beat(&file));
        Pulse { shared, thread: Some(thread) }
    }

    /// How long `act` takes, but for the time in which the machine kept everybody waiting.
    pub fn time(&self, act: impl FnOnce()) -> Duration {
        let (lost, begin) = (self.lost(), Instant::now());
        act();
        let took = begin.elapsed();
        if took > USUAL {
            // The beat that was kept waiting beside it counts when it is over.
            let beats = self.shared.beats.load(Ordering::Acquire);
            wait_until(Duration::from_mins(1), || self.shared.beats.load(Ordering::Acquire) > beats);
        }
        took.saturating_sub(self.lost().saturating_sub(lost))
    }

    fn lost(&self) -> Duration {
        Duration::from_micros(self.shared.lost_us.load(Ordering::Acquire))
    }
}

impl Shared {
    fn beat(&self, mut file: &File) {
        while !self.stop.load(Ordering::Acquire) {
            let begin = Instant::now();
            std::thread::sleep(REST);
            let _ = file.write_all(b".").and_then(|()| file.sync_data());
            let took = begin.elapsed();
            if took > USUAL {
                self.lost_us.fetch_add(took.as_micros() as u64, Ordering::AcqRel);
            }
            self.beats.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dirs::TempDir;

    #[test]
    fn what_a_server_takes_is_its_own() {
        let dir = TempDir::new("pulse");
        let pulse = Pulse::start(dir.path());
        let slow = Duration::from_secs(2);
        let took = pulse.time(|| std::thread::sleep(slow));
        // On a machine that stands still for a while some of it is the machine's.
        assert!(took + pulse.lost() >= slow, "{took:?}");
        assert!(pulse.time(|| ()) < Duration::from_secs(1));
    }

    #[test]
    fn what_the_machine_takes_is_not() {
        let dir = TempDir::new("pulse");
        let pulse = Pulse::start(dir.path());
        pulse.shared.lost_us.fetch_add(1_000_000, Ordering::AcqRel);
        let took = pulse.time(|| {
            pulse.shared.lost_us.fetch_add(2_000_000, Ordering::AcqRel);
        });
        assert_eq!(took, Duration::ZERO);
    }
}
