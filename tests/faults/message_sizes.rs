//! Messages of exactly the largest size, one byte less and one byte more, in every format, compressed and not: Apache's
//! broker says which are taken, and what readers of all formats are given afterwards.

use tests::{
    Asked, Broker, Fetch, JvmPermit, Kind, TIME, TempDir, Tools, ZooKeeper, batch, compare, compressed_batch, full,
    message, stored_gzip,
};

const LARGEST: usize = 2000;
const TOPIC: &str = "sizes";

/// How a message is written, and the version of Produce that carries it.
#[derive(Debug, Clone, Copy)]
struct Form {
    magic: i8,
    version: i16,
    compressed: bool,
}

const FORMS: [Form; 6] = [
    Form { magic: 0, version: 1, compressed: false },
    Form { magic: 0, version: 1, compressed: true },
    Form { magic: 1, version: 2, compressed: false },
    Form { magic: 1, version: 2, compressed: true },
    Form { magic: 2, version: 7, compressed: false },
    Form { magic: 2, version: 7, compressed: true },
];

impl Form {
    fn of_value(self, len: usize) -> Vec<u8> {
        let value = vec![b'v'; len];
        match (self.magic, self.compressed) {
            (2, false) => batch(&[&value], TIME, (-1, -1, -1)),
            (2, true) => compressed_batch(&[&value], TIME),
            (magic, false) => message(magic, 0, TIME, &value),
            // In the wrapper of format 1 the first message inside has offset 0, as all here have.
            (magic, true) => message(magic, 1, TIME, &stored_gzip(&message(magic, 0, TIME, &value))),
        }
    }

    /// A message of so many bytes on the wire; `None` where the encoding's own lengths leave that out.
    fn of_size(self, size: usize) -> Option<Vec<u8>> {
        let overhead = self.of_value(1000).len() - 1000;
        let about = size - overhead;
        (about - 4..about + 4).map(|len| self.of_value(len)).find(|message| message.len() == size)
    }
}

fn history(asked: &mut Asked, sizes: &[usize]) {
    for form in FORMS {
        for size in sizes {
            let Some(message) = form.of_size(*size) else { continue };
            // How small records have become depends on who compressed them: what is compared later lies by itself.
            let code = asked.produce_raw(form.version, TOPIC, i32::from(form.compressed), &message);
            asked.lines.push(format!("{form:?} of {size}: {code}"));
        }
    }
    for version in [0, 1, 2, 3, 4, 9, 12] {
        for (max_bytes, partition_bytes) in [(1 << 20, 1 << 20), (1 << 20, LARGEST as i32), (1, 1)] {
            for offset in [0, 1, 7] {
                let fetch = Fetch { max_bytes, partition_bytes, ..Fetch::new(version, &[(TOPIC, 0, offset)]) };
                asked.fetch(&format!("at most {max_bytes}, {partition_bytes} each, from {offset}"), &fetch);
            }
        }
    }
}

fn run(kind: Kind, sizes: &[usize]) -> Vec<String> {
    let dir = TempDir::new("message-sizes");
    let zookeeper = ZooKeeper::start(Kind::Ours, &dir.join("zookeeper"));
    let broker = Broker::start_for_old_records(kind, &dir.join("kafka"), &zookeeper.address(), "");
    let args = format!(
        "--create --topic {TOPIC} --partitions 2 --config max.message.bytes={LARGEST} --bootstrap-server {}",
        broker.address()
    );
    assert_eq!(Tools(Kind::Ours).run("kafka-topics", &args).code, 0);
    let mut asked = Asked::new(broker.port());
    history(&mut asked, sizes);
    asked.lines
}

#[test]
fn the_largest_message_is_the_one_that_apaches_broker_takes() {
    let _permit = JvmPermit::take();
    // An old message grows when it is converted: the largest one is smaller on the wire.
    let step = if full() { 1 } else { 4 };
    let mut sizes: Vec<usize> = (LARGEST - 64..LARGEST - 3).step_by(step).collect();
    sizes.extend(LARGEST - 3..=LARGEST + 3);
    let ours = run(Kind::Ours, &sizes);
    for form in FORMS {
        let of = |code: &str| {
            ours.iter().filter(|line| line.starts_with(&format!("{form:?}")) && line.ends_with(code)).count()
        };
        assert!(of(": 0") > 0 && of(": 10") > 0, "{form:?} found no limit:\n{}", ours.join("\n"));
    }
    compare(&ours, &run(Kind::Apache, &sizes));
}
