//! Random schedules: producers of one name come, write, end, repeat every request, are fenced and time out, in any
//! order; appends are held up and fail, markers come late and one by one, coordinators are replaced, and markers of
//! former ones come later still. The specification knows nothing of coordinators: of what a transaction has written,
//! all or nothing is committed, as its producer was told; epochs are given out once and never go back.

use super::*;

const PARTITIONS: i32 = 3;
const SEEDS: u64 = 400;
const STEPS: usize = 1_500;

/// A small generator; the seed is in the message of whatever fails.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

/// A partition as its leader keeps it: what is open for whom, and what became of all that was.
#[derive(Debug, Default)]
struct Leader {
    producers: HashMap<ProducerId, Known>,
    /// Which transaction it was, and committed or not.
    ended: Vec<(u64, bool)>,
}

#[derive(Debug)]
struct Known {
    epoch: ProducerEpoch,
    coordinator_epoch: i32,
    /// The transaction whose records are open.
    open: Option<u64>,
}

impl Leader {
    fn known(&mut self, id: ProducerId) -> &mut Known {
        self.producers.entry(id).or_insert(Known { epoch: ProducerEpoch::NONE, coordinator_epoch: -1, open: None })
    }

    /// `false`: fenced.
    fn take(&mut self, markers: &MarkersToWrite) -> bool {
        let known = self.known(markers.producer_id);
        if markers.producer_epoch < known.epoch || markers.coordinator_epoch < known.coordinator_epoch {
            return false;
        }
        (known.epoch, known.coordinator_epoch) = (markers.producer_epoch, markers.coordinator_epoch);
        let open = known.open.take();
        self.ended.extend(open.map(|transaction| (transaction, markers.committed)));
        true
    }
}

/// One incarnation of the producer.
#[derive(Debug, Default)]
struct Client {
    granted: Option<Granted>,
    /// The transaction that it is in.
    transaction: u64,
    added: Vec<i32>,
    has_written: bool,
    /// Ending so, until it is told that this is done.
    ending: Option<bool>,
    waits_for: Option<(u64, Wait)>,
    is_fenced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wait {
    Init(Option<Granted>),
    Add(i32),
    End(bool),
}

#[derive(Debug, Default)]
struct Checker {
    transactions: u64,
    /// What producers were told.
    told: HashMap<u64, bool>,
    /// What has been written, where.
    written: Vec<(u64, i32)>,
    grants: Vec<(u64, Granted, Option<Granted>, usize)>,
    commits: usize,
    aborts: usize,
    fenced: usize,
}

impl Checker {
    /// An epoch belongs to one producer; only a repeated request may be answered by the same one again.
    fn granted(&mut self, token: u64, granted: Granted, expected: Option<Granted>, client: usize) {
        for (before, earlier, asked, who) in &self.grants {
            let is_repeated = expected.is_some() && *asked == expected && *who == client;
            assert!(*earlier != granted || is_repeated, "{granted:?} was given to two");
            let is_in_order = (*before <= token) == (earlier.1 <= granted.1);
            assert!(*earlier == granted || earlier.0 != granted.0 || is_in_order, "{granted:?} and {earlier:?}");
        }
        self.grants.push((token, granted, expected, client));
    }

    fn check(&self, leaders: &[Leader]) {
        let mut outcomes: HashMap<u64, bool> = HashMap::new();
        for (transaction, committed) in leaders.iter().flat_map(|leader| &leader.ended) {
            let first = *outcomes.entry(*transaction).or_insert(*committed);
            assert_eq!(first, *committed, "transaction {transaction} is torn");
        }
        for (transaction, partition) in &self.written {
            let ended = leaders[*partition as usize].ended.iter().filter(|(one, _)| one == transaction).count();
            assert_eq!(ended, 1, "transaction {transaction} is not over in partition {partition}");
            if let Some(told) = self.told.get(transaction) {
                assert_eq!(outcomes[transaction], *told, "transaction {transaction} did not end as was told");
            }
        }
    }
}

struct Run {
    world: World,
    leaders: Vec<Leader>,
    clients: Vec<Client>,
    checker: Checker,
    dice: Dice,
    /// Of former coordinators, and on their way.
    stale: Vec<MarkersToWrite>,
    /// Partitions that have not taken the markers yet.
    left: HashMap<MarkersToken, Vec<TopicPartition>>,
}

impl Run {
    fn step(&mut self, index: usize) {
        if let Some((token, wait)) = self.clients[index].waits_for {
            match self.world.replies.remove(&token) {
                // It may give up waiting, and ask again.
                None if self.dice.chance(90) => return,
                None => {}
                Some(reply) => self.told(index, token, wait, reply),
            }
            self.clients[index].waits_for = None;
            return;
        }
        let client = &self.clients[index];
        if client.is_fenced && self.dice.chance(90) {
            return;
        }
        let (request, wait) = match client.granted {
            None => (World::init_request(None), Wait::Init(None)),
            Some(granted) => match client.ending {
                Some(committed) => (World::end_request(granted, committed), Wait::End(committed)),
                None => match self.dice.roll(10) {
                    0..4 => {
                        let partition = self.dice.roll(PARTITIONS as u64) as i32;
                        let request = World::add_request(granted, &[partition]);
                        (Request::AddPartitions(request), Wait::Add(partition))
                    }
                    4..7 => return self.write(index, granted),
                    7 if !client.has_written => (World::init_request(Some(granted)), Wait::Init(Some(granted))),
                    8 if !client.added.is_empty() => {
                        let committed = self.dice.chance(60);
                        self.clients[index].ending = Some(committed);
                        (World::end_request(granted, committed), Wait::End(committed))
                    }
                    9 if self.dice.chance(10) => {
                        // It dies, and its successor comes.
                        self.clients[index] = Client::default();
                        return;
                    }
                    _ => return,
                },
            },
        };
        let token = self.world.ask(request);
        self.clients[index].waits_for = Some((token, wait));
    }

    fn told(&mut self, index: usize, token: u64, wait: Wait, reply: Reply) {
        let client = &mut self.clients[index];
        match (wait, reply) {
            (Wait::Init(expected), Reply::InitProducer(Ok(granted))) => {
                self.checker.granted(token, granted, expected, index);
                self.checker.transactions += 1;
                *client =
                    Client { granted: Some(granted), transaction: self.checker.transactions, ..Client::default() };
            }
            (Wait::Add(partition), Reply::AddPartitions(ErrorCode::None)) => client.added.push(partition),
            (Wait::End(committed), Reply::EndTransaction(ErrorCode::None)) => {
                self.checker.told.insert(client.transaction, committed);
                if committed {
                    self.checker.commits += 1;
                } else {
                    self.checker.aborts += 1;
                }
                self.checker.transactions += 1;
                *client =
                    Client { granted: client.granted, transaction: self.checker.transactions, ..Client::default() };
            }
            (_, Reply::AddPartitions(error) | Reply::EndTransaction(error) | Reply::InitProducer(Err(error))) => {
                if matches!(error, ErrorCode::ProducerFenced | ErrorCode::InvalidProducerIdMapping) {
                    self.checker.fenced += 1;
                    client.is_fenced = true;
                    if self.dice.chance(40) {
                        *client = Client::default();
                    }
                }
                assert_ne!(error, ErrorCode::UnknownServerError);
            }
            (wait, reply) => panic!("{wait:?} answered by {reply:?}"),
        }
    }

    /// Writes as a producer does: to what was added, and the leader asks the coordinator if it knows of nothing.
    fn write(&mut self, index: usize, granted: Granted) {
        let client = &self.clients[index];
        let Some(partition) = client.added.get(self.dice.roll(3) as usize).copied() else { return };
        let transaction = client.transaction;
        let known = self.leaders[partition as usize].known(granted.0);
        if granted.1 < known.epoch {
            return;
        }
        let goes_on = known.open.is_some() && known.epoch == granted.1;
        if !goes_on && self.world.verify(granted, partition) != ErrorCode::None {
            return;
        }
        let known = self.leaders[partition as usize].known(granted.0);
        assert!(known.open.is_none_or(|open| open == transaction), "two transactions of one producer are mixed up");
        (known.epoch, known.open) = (granted.1, Some(transaction));
        self.clients[index].has_written = true;
        self.checker.written.push((transaction, partition));
    }

    /// One partition takes one marker.
    fn deliver(&mut self) {
        let Some((token, markers)) = self.world.markers.front().cloned() else { return };
        let left = self.left.entry(token).or_insert_with(|| markers.partitions.clone());
        let taken = left.pop().is_none_or(|partition| self.leaders[partition.partition as usize].take(&markers));
        assert!(taken, "the one living coordinator was fenced");
        if left.is_empty() {
            self.world.markers.pop_front();
            self.world.event(Event::MarkersWritten { token });
        }
    }

    fn disturb(&mut self) {
        match self.dice.roll(100) {
            0..20 => {
                let millis = self.dice.roll(3_000);
                self.world.pass(millis);
            }
            20 if self.dice.chance(20) => self.world.pass(75_000),
            22..30 => self.world.holds_appends = true,
            30..50 => {
                self.world.holds_appends = false;
                self.world.release();
            }
            50..53 => self.world.fail(ErrorCode::NotEnoughReplicas),
            53..55 => {
                self.stale.extend(self.world.markers.iter().map(|(_, markers)| markers.clone()));
                self.left.clear();
                self.world.reloaded();
            }
            55..85 => self.deliver(),
            85..90 => {
                if let Some(markers) = self.stale.pop() {
                    for partition in &markers.partitions {
                        self.leaders[partition.partition as usize].take(&markers);
                    }
                }
            }
            _ => {}
        }
    }
}

fn run(seed: u64) -> Checker {
    let mut world = World::new();
    world.holds_markers = true;
    let mut run = Run {
        world,
        leaders: (0..PARTITIONS).map(|_| Leader::default()).collect(),
        clients: (0..2).map(|_| Client::default()).collect(),
        checker: Checker::default(),
        dice: Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
        stale: Vec::new(),
        left: HashMap::new(),
    };
    for _ in 0..STEPS {
        let which = run.dice.roll(run.clients.len() as u64) as usize;
        run.step(which);
        run.disturb();
    }
    // All is quiet: what is open times out, and all markers arrive.
    run.world.holds_appends = false;
    run.world.release();
    for _ in 0..20 {
        run.world.pass(20_000);
        while !run.world.markers.is_empty() {
            run.deliver();
        }
    }
    run.checker.check(&run.leaders);
    run.checker
}

#[test]
fn no_transaction_is_torn_and_all_end_as_was_told() {
    let (mut commits, mut aborts, mut fenced) = (0, 0, 0);
    for seed in 1..=SEEDS {
        let checker = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|panic| {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic)
        });
        commits += checker.commits;
        aborts += checker.aborts;
        fenced += checker.fenced;
    }
    // The schedules are of use only if all of that happens, and often.
    assert!(commits > 2_000 && aborts > 1_000 && fenced > 1_000, "{commits} {aborts} {fenced}");
}
