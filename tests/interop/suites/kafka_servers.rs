//! A broker for suites that want one started: with its coordination server of the same kind, its port and directories its
//! own.

use std::time::Duration;

use tests::{Broker, KafkaBody, KafkaReply, KafkaWire, Kind, TempDir, ZooKeeper, wait_until};

/// Both servers; they end when it is dropped.
pub(super) struct KafkaServers {
    broker: Broker,
    _zookeeper: ZooKeeper,
    _dir: TempDir,
}

impl KafkaServers {
    /// Starts both, and waits until the broker knows of a controller: Apache's has started some time before. `settings`
    /// are more lines for the broker.
    pub(super) fn start(kind: Kind, settings: &str) -> KafkaServers {
        let dir = TempDir::new("suite");
        let zookeeper = ZooKeeper::start(kind, &dir.join("zookeeper"));
        let broker = Broker::start_with(kind, &dir.join("kafka"), &zookeeper.address(), settings);
        let knows = wait_until(Duration::from_mins(1), || controller(broker.port()).is_some_and(|id| id >= 0));
        assert!(knows, "the broker knows of no controller");
        KafkaServers { broker, _zookeeper: zookeeper, _dir: dir }
    }

    /// `host:port` of the broker.
    pub(super) fn address(&self) -> String {
        self.broker.address()
    }
}

/// The controller that a broker tells of.
fn controller(port: u16) -> Option<i32> {
    let mut body = KafkaBody::new(false);
    body.array(0);
    let reply = KafkaWire::connect(port).ok()?.ask(3, 1, &body).ok()?;
    let mut read = KafkaReply::new(&reply, false);
    for _ in 0..read.array()? {
        let _ = (read.i32(), read.text(), read.i32(), read.text());
    }
    Some(read.i32())
}
