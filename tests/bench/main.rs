//! Ours, Apache's and the floor side by side: `cargo xtask bench [--quick] [--only PART]... [--rounds N]`.
//!
//! Each round starts fresh servers of both on empty directories and measures the same work on both, ours first; the
//! tables show the medians of all rounds. What is measured where, and what the floor is, stands in `tests/README.md`.
#![expect(clippy::disallowed_methods, reason = "a bench reaches clocks and files itself")]

mod assembly;
mod bare_kafka;
mod broker;
mod floor;
mod floor_zk;
mod groups;
mod kafka_crowd;
mod kafka_load;
mod line;
mod own_clients;
mod partitions;
mod proc;
mod seat;
mod servers;
mod table;
mod transactions;
mod zk_crowd;
mod zk_load;
mod zk_scale;
mod zookeeper;

use std::process::ExitCode;

use tests::Kind;

use crate::table::{Table, Who};

const USAGE: &str = "\
Usage: cargo xtask bench [OPTION ...]
  --quick        one round of short measurements: for a look, not for a claim
  --rounds N     so many rounds (3)
  --only PART    only this part; may be given several times: start, produce, consume, clients, zookeeper,
                 million, connections, storms, growth, paced, partitions,
                 crowd, groups, transactions, long
  --load TEXT    of the loads on ZooKeeper only those whose name has this text, such as '64 clients'
  --ours-only    without Apache's servers
  --apache-only  without ours";

/// Parts of the bench that `--only` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Start,
    Produce,
    Consume,
    Clients,
    ZooKeeper,
    Million,
    Connections,
    Storms,
    Growth,
    Paced,
    Partitions,
    Crowd,
    Groups,
    Transactions,
    Long,
}

/// What to measure, and for how long.
#[derive(Debug)]
struct Options {
    quick: bool,
    rounds: usize,
    only: Vec<Part>,
    load: String,
    kinds: Vec<Kind>,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            quick: false,
            rounds: 3,
            only: Vec::new(),
            load: String::new(),
            kinds: vec![Kind::Ours, Kind::Apache],
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => (options.quick, options.rounds) = (true, 1),
                "--ours-only" => options.kinds = vec![Kind::Ours],
                "--apache-only" => options.kinds = vec![Kind::Apache],
                "--rounds" => {
                    let number = words.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0);
                    options.rounds = number.ok_or("--rounds needs a number")?;
                }
                "--load" => options.load = words.next().ok_or("--load needs a text")?,
                "--only" => options.only.push(match words.next().as_deref() {
                    Some("start") => Part::Start,
                    Some("produce") => Part::Produce,
                    Some("consume") => Part::Consume,
                    Some("clients") => Part::Clients,
                    Some("zookeeper") => Part::ZooKeeper,
                    Some("million") => Part::Million,
                    Some("connections") => Part::Connections,
                    Some("storms") => Part::Storms,
                    Some("growth") => Part::Growth,
                    Some("paced") => Part::Paced,
                    Some("partitions") => Part::Partitions,
                    Some("crowd") => Part::Crowd,
                    Some("groups") => Part::Groups,
                    Some("transactions") => Part::Transactions,
                    Some("long") => Part::Long,
                    other => return Err(format!("no part `{}`", other.unwrap_or_default())),
                }),
                other => return Err(format!("no option `{other}`")),
            }
        }
        Ok(options)
    }

    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

/// The tables that come out.
struct Tables {
    start: Table,
    records: Table,
    zookeeper: Table,
    large: Table,
    growth: Table,
    partitions: Table,
    crowd: Table,
    groups: Table,
    transactions: Table,
}

#[expect(clippy::print_stdout, reason = "the tables are what it is for")]
fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("bench: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    raise_open_files();
    fault_in_memory();
    let mut tables = Tables {
        start: Table::new("start, memory, tools"),
        records: Table::new("records"),
        zookeeper: Table::new("ZooKeeper"),
        large: Table::new("ZooKeeper, large"),
        growth: Table::new("ZooKeeper, growing"),
        partitions: Table::new("partitions"),
        crowd: Table::new("many clients of a broker"),
        groups: Table::new("groups"),
        transactions: Table::new("transactions"),
    };
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for kind in &options.kinds {
            zookeeper::measure(*kind, &options, &mut tables);
            zk_scale::measure(*kind, &options, &mut tables);
            broker::measure(*kind, &options, &mut tables);
            own_clients::measure(*kind, &options, &mut tables);
            partitions::measure(*kind, &options, &mut tables);
            kafka_crowd::measure(*kind, &options, &mut tables);
            groups::measure(*kind, &options, &mut tables);
            transactions::measure(*kind, &options, &mut tables);
        }
        zk_scale::paced(&options, &mut tables);
        zookeeper::floor(&options, &mut tables);
        partitions::floor(&options, &mut tables);
        kafka_crowd::floor(&options, &mut tables);
        groups::floor(&options, &mut tables);
    }
    for table in [
        &tables.start,
        &tables.records,
        &tables.zookeeper,
        &tables.large,
        &tables.growth,
        &tables.partitions,
        &tables.crowd,
        &tables.groups,
        &tables.transactions,
    ] {
        let text = table.markdown();
        if !text.is_empty() {
            println!("{text}");
        }
    }
    ExitCode::SUCCESS
}

impl From<Kind> for Who {
    fn from(kind: Kind) -> Who {
        match kind {
            Kind::Ours => Who::Ours,
            Kind::Apache => Who::Apache,
        }
    }
}

/// As many open files as may be, for this process and the servers that it starts.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the soft limit may be raised to the hard one");
}

/// Lets the disk finish what the measurement before has left to it.
fn settle() {
    rustix::fs::sync();
    std::thread::sleep(std::time::Duration::from_millis(500));
}

/// Takes most of what is free and gives it back, once, before anything is measured. A virtual machine gets its memory
/// from its host page by page, which costs several times what a write into the page cache does: whoever measured first
/// would pay for all others. A machine that gives free pages back makes everybody pay again and again, at random.
fn fault_in_memory() {
    const PAGE: usize = 4096;
    const REPORTING: &str = "/sys/module/page_reporting/parameters/page_reporting_order";
    let order = std::fs::read_to_string(REPORTING).ok().and_then(|order| order.trim().parse::<u32>().ok());
    if order.is_some_and(|order| order < 11) {
        eprintln!(
            "This machine gives free memory back to its host, and figures of writes differ by a factor of three.\n\
             To have it keep what it has while this runs: echo 11 > {REPORTING}"
        );
    }
    let free = rustix::system::sysinfo();
    let most = free.freeram as usize / 8 * 7 * free.mem_unit.max(1) as usize;
    let mut memory = vec![0_u8; most];
    for page in memory.chunks_mut(PAGE) {
        page[0] = 1;
    }
    std::hint::black_box(&memory);
}
