//! How many requests of each kind came, and what each took: time in its stages, bytes, memory.
//!
//! A connection counts on its thread's own shelf, in numbers that no other thread changes: that costs no more than adding.
//! Whoever asks adds the shelves up.
//!
//! Two of Apache's times are not told, since nobody waits here in their sense: the thread that has read a request is the
//! one that answers it (`RequestQueueTimeMs`) and the one that sends the answer (`ResponseQueueTimeMs`).

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use kafka_types::ErrorCode;
use kafka_wire::{ApiKey, ErrorCounts};
use time_types::Tick;

use super::distribution::{Counted, Distribution, QUANTILES, Window, add};

/// Keys are below this; two more are those who fetch.
const KEYS: usize = 128;
const KINDS: usize = KEYS + 2;
/// Versions are below this; a later one is counted with the last.
const VERSIONS: usize = 24;
/// Error codes, counted from the one that is -1.
const CODES: usize = 192;

/// Who fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetcher {
    Consumer,
    Follower,
}

impl Fetcher {
    const ALL: [(Fetcher, &'static str); 2] =
        [(Fetcher::Consumer, "FetchConsumer"), (Fetcher::Follower, "FetchFollower")];
}

/// What is known of a request that was answered. Moments are times since the broker's start.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    /// If it was a fetch.
    pub(crate) fetcher: Option<Fetcher>,
    /// It was read.
    pub(crate) began: Duration,
    /// It began to wait for others: replicas, data, other members of its group. `None` if it did not.
    pub(crate) parked: Option<Duration>,
    /// Its answer was there.
    pub(crate) ready: Duration,
    /// Its answer was with the client's socket.
    pub(crate) sent: Duration,
    /// How long the client was told to wait before it asks again.
    pub(crate) throttled: Duration,
    /// Bytes of the request behind its header.
    pub(crate) bytes: u64,
    /// Time to bring its records into another format.
    pub(crate) conversion: Duration,
    /// Bytes of memory that its records took besides those that came.
    pub(crate) temporary_bytes: u64,
    /// Error codes that its answer tells.
    pub(crate) errors: ErrorCounts,
}

impl Answered {
    /// A request that came with so many bytes, and is answered at once.
    pub(crate) fn at_once(key: ApiKey, version: i16, began: Duration, bytes: u64) -> Answered {
        Answered {
            key,
            version,
            fetcher: None,
            began,
            parked: None,
            ready: began,
            sent: began,
            throttled: Duration::ZERO,
            bytes,
            conversion: Duration::ZERO,
            temporary_bytes: 0,
            errors: ErrorCounts::default(),
        }
    }
}

/// What is told of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum What {
    Total,
    Local,
    Remote,
    Throttle,
    Send,
    Bytes,
    Conversion,
    Temporary,
}

impl What {
    pub(super) const ALL: [What; 8] = [
        What::Total,
        What::Local,
        What::Remote,
        What::Throttle,
        What::Send,
        What::Bytes,
        What::Conversion,
        What::Temporary,
    ];

    /// The end of its name, what it is, and by what its numbers are to be divided.
    pub(super) fn told(self) -> (&'static str, &'static str, f64) {
        // Times are kept in microseconds.
        match self {
            What::Total => ("totaltimems", "Milliseconds from a request's arrival until its answer is sent", 1e3),
            What::Local => ("localtimems", "Milliseconds that this broker worked on a request", 1e3),
            What::Remote => ("remotetimems", "Milliseconds that a request waited for others", 1e3),
            What::Throttle => ("throttletimems", "Milliseconds that a client has to wait by its quota", 1e3),
            What::Send => ("responsesendtimems", "Milliseconds until the client's socket has taken an answer", 1e3),
            What::Bytes => ("requestbytes", "Bytes of a request behind its header", 1.0),
            What::Conversion => {
                ("messageconversionstimems", "Milliseconds to bring a request's records into another format", 1e3)
            }
            What::Temporary => ("temporarymemorybytes", "Bytes of memory for records besides those of a request", 1.0),
        }
    }

    /// Apache tells these two of requests that carry records only.
    pub(super) fn is_of(self, kind: &str) -> bool {
        !matches!(self, What::Conversion | What::Temporary) || matches!(kind, "Produce" | "Fetch")
    }
}

/// All kinds of requests.
#[derive(Debug)]
pub(crate) struct Requests {
    shelves: Vec<Arc<Shelf>>,
    windows: Mutex<HashMap<(usize, usize), Window>>,
}

/// What one thread has counted. Nobody else counts on it.
#[derive(Debug)]
pub(crate) struct Shelf {
    kinds: [OnceLock<Box<Kind>>; KINDS],
}

/// One kind of request.
#[derive(Debug, Default)]
struct Kind {
    versions: [AtomicU64; VERSIONS],
    /// Answers without an error, or parts of them.
    unfailed: AtomicU64,
    /// Errors in answers by their code, once there was any.
    failed: OnceLock<Box<[AtomicU64; CODES]>>,
    /// Those that were ever more than nothing.
    numbers: [OnceLock<Box<Distribution>>; What::ALL.len()],
}

/// One kind of request, of all threads.
#[derive(Debug, Default)]
pub(super) struct KindFacts {
    pub(super) name: String,
    at: usize,
    versions: [u64; VERSIONS],
    errors: BTreeMap<i16, u64>,
    numbers: [Counted; What::ALL.len()],
}

impl Requests {
    /// For so many threads that serve connections.
    pub(crate) fn new(threads: usize) -> Requests {
        let shelf = |_| Arc::new(Shelf { kinds: [const { OnceLock::new() }; KINDS] });
        Requests { shelves: (0..threads).map(shelf).collect(), windows: Mutex::default() }
    }

    /// Where the connections of this thread count.
    pub(crate) fn shelf(&self, thread: usize) -> Arc<Shelf> {
        Arc::clone(&self.shelves[thread])
    }

    /// Kinds that came at all, and those who fetch.
    pub(super) fn kinds(&self) -> Vec<KindFacts> {
        let name = |at: usize| match at.checked_sub(KEYS) {
            Some(fetcher) => Some(Fetcher::ALL[fetcher].1.to_owned()),
            None => i16::try_from(at).ok().and_then(ApiKey::from_code).map(|key| key.to_string()),
        };
        let facts = |at: usize| {
            let counted: Vec<&Kind> =
                self.shelves.iter().filter_map(|shelf| shelf.kinds[at].get()).map(|kind| &**kind).collect();
            if counted.is_empty() && at < KEYS {
                return None;
            }
            let mut facts = KindFacts { name: name(at)?, at, ..KindFacts::default() };
            for kind in counted {
                facts.add(kind);
            }
            Some(facts)
        };
        (0..KINDS).filter_map(facts).collect()
    }

    /// Quantiles of the last minutes.
    pub(super) fn quantiles(&self, kind: &KindFacts, what: What, now: Tick) -> [f64; QUANTILES.len()] {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry((kind.at, what as usize)).or_default();
        window.quantiles(&kind.numbers[what as usize], kind.count(), now)
    }
}

impl Shelf {
    /// A request is answered.
    pub(crate) fn answered(&self, request: &Answered) {
        let key = usize::try_from(request.key.code()).ok().filter(|code| *code < KEYS);
        let fetcher = request.fetcher.map(|fetcher| KEYS + fetcher as usize);
        for at in key.into_iter().chain(fetcher) {
            self.kinds[at].get_or_init(Box::default).count(request);
        }
        // Apache's broker does not tell who has fetched with an error.
        if let Some(kind) = key.and_then(|at| self.kinds[at].get()) {
            kind.count_errors(&request.errors);
        }
    }
}

impl Kind {
    fn count(&self, request: &Answered) {
        let version = usize::try_from(request.version).unwrap_or(0).min(VERSIONS - 1);
        let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let between = |from: Duration, to: Duration| us(to.saturating_sub(from));
        let parked = request.parked.unwrap_or(request.ready);
        for what in What::ALL {
            let number = match what {
                What::Total => between(request.began, request.sent),
                What::Local => between(request.began, parked),
                What::Remote => between(parked, request.ready),
                What::Throttle => us(request.throttled),
                What::Send => between(request.ready, request.sent),
                What::Bytes => request.bytes,
                What::Conversion => us(request.conversion),
                What::Temporary => request.temporary_bytes,
            };
            if number > 0 {
                self.numbers[what as usize].get_or_init(Box::default).count(number);
            }
        }
        // Behind the others: whoever reads meanwhile takes what is missing to it for zeros.
        add(&self.versions[version], 1);
    }

    fn count_errors(&self, errors: &ErrorCounts) {
        add(&self.unfailed, u64::from(errors.none()));
        for (code, count) in errors.errors() {
            let failed = self.failed.get_or_init(|| Box::new([const { AtomicU64::new(0) }; CODES]));
            let at = usize::try_from(code.code() + 1).ok().and_then(|at| failed.get(at));
            if let Some(counted) = at {
                add(counted, u64::from(count));
            }
        }
    }
}

impl KindFacts {
    fn add(&mut self, kind: &Kind) {
        for (sum, count) in self.versions.iter_mut().zip(&kind.versions) {
            *sum += count.load(Ordering::Relaxed);
        }
        let codes = (-1..).zip(kind.failed.get().into_iter().flat_map(|failed| failed.iter()));
        for (code, count) in codes.chain([(0, &kind.unfailed)]) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                *self.errors.entry(code).or_default() += count;
            }
        }
        for (sum, counted) in self.numbers.iter_mut().zip(&kind.numbers) {
            if let Some(counted) = counted.get() {
                sum.add(counted);
            }
        }
    }

    /// How many came in each version.
    pub(super) fn by_version(&self) -> impl Iterator<Item = (usize, u64)> {
        self.versions.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// How often each error was told, `NONE` included.
    pub(super) fn errors(&self) -> impl Iterator<Item = (ErrorCode, u64)> {
        self.errors.iter().map(|(code, count)| (ErrorCode::from_code(*code), *count))
    }

    pub(super) fn count(&self) -> u64 {
        self.versions.iter().sum()
    }

    pub(super) fn sum(&self, what: What) -> u64 {
        self.numbers[what as usize].sum
    }
}

#[cfg(test)]
mod tests {
    use kafka_wire::encode_counted_response;
    use kafka_wire::fetch::{self, FetchableTopicResponse, PartitionData};

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn produce() -> Answered {
        let begun = Answered::at_once(ApiKey::Produce, 9, MS(1_000), 500);
        Answered { parked: Some(MS(1_003)), ready: MS(1_010), sent: MS(1_012), ..begun }
    }

    fn sums(kind: &KindFacts) -> [u64; What::ALL.len()] {
        What::ALL.map(|what| kind.sum(what))
    }

    #[test]
    fn the_stages_of_a_request_add_up_over_all_threads() {
        let requests = Requests::new(2);
        requests.shelf(0).answered(&produce());
        let converted = Answered { conversion: MS(4), temporary_bytes: 900, throttled: MS(70), ..produce() };
        requests.shelf(1).answered(&converted);
        requests.shelf(1).answered(&Answered { parked: None, version: 10, ..produce() });
        let kinds = requests.kinds();
        let [produced, consumer, follower] = &kinds[..] else { panic!("{kinds:?}") };
        assert_eq!(
            [produced, consumer, follower].map(|kind| &*kind.name),
            ["Produce", "FetchConsumer", "FetchFollower"],
            "those who fetch are always told of"
        );
        assert_eq!((consumer.count(), follower.count()), (0, 0));
        assert_eq!(produced.by_version().collect::<Vec<_>>(), [(9, 2), (10, 1)]);
        let [total, local, remote, throttle, send, bytes, conversion, temporary] = sums(produced);
        assert_eq!((total, local, remote, send), (36_000, 16_000, 14_000, 6_000));
        assert_eq!((throttle, bytes, conversion, temporary), (70_000, 1_500, 4_000, 900));
        let [half, .., most] = requests.quantiles(produced, What::Throttle, Tick(1));
        assert!(half.abs() < 1e-9 && (most - 70_000.0).abs() < 9_000.0, "{half} {most}");
    }

    #[test]
    fn errors_count_by_their_code_with_the_request_and_not_with_who_fetches() {
        let requests = Requests::new(2);
        let partition = |error_code| PartitionData { error_code, ..PartitionData::default() };
        let topic = |codes: &[i16]| FetchableTopicResponse {
            partitions: codes.iter().copied().map(partition).collect(),
            ..FetchableTopicResponse::default()
        };
        for (shelf, codes) in [(0, &[0, 6][..]), (1, &[6, 999, 0, 6])] {
            let response = fetch::Response { responses: vec![topic(codes)], ..fetch::Response::default() };
            let (_, errors) = encode_counted_response(ApiKey::Fetch, 12, 1, &response).expect("it can be told");
            let fetched = Answered { key: ApiKey::Fetch, fetcher: Some(Fetcher::Consumer), errors, ..produce() };
            requests.shelf(shelf).answered(&fetched);
        }
        let kinds = requests.kinds();
        let told = |kind: &KindFacts| kind.errors().map(|(code, count)| (code.name(), count)).collect::<Vec<_>>();
        let by_kind: Vec<_> = kinds.iter().map(|kind| (&*kind.name, told(kind))).collect();
        assert_eq!(
            by_kind,
            [
                ("Fetch", vec![("UNKNOWN_SERVER_ERROR", 1), ("NONE", 4), ("NOT_LEADER_OR_FOLLOWER", 3)]),
                ("FetchConsumer", vec![]),
                ("FetchFollower", vec![]),
            ]
        );
        assert!(ErrorCode::ALL.iter().all(|code| (-1..CODES as i16 - 1).contains(&code.code())), "all have a place");
    }

    #[test]
    fn fetches_count_once_more_by_who_fetches() {
        let requests = Requests::new(1);
        for fetcher in [Fetcher::Consumer, Fetcher::Follower, Fetcher::Follower] {
            requests.shelf(0).answered(&Answered { key: ApiKey::Fetch, fetcher: Some(fetcher), ..produce() });
        }
        let counts: Vec<_> = requests.kinds().into_iter().map(|kind| (kind.count(), kind.name)).collect();
        assert_eq!(counts, [(3, "Fetch".to_owned()), (1, "FetchConsumer".to_owned()), (2, "FetchFollower".to_owned())]);
        assert!(What::Temporary.is_of("Fetch") && !What::Temporary.is_of("FetchConsumer") && What::Send.is_of("Any"));
    }
}
