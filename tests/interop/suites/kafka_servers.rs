//! A broker for suites that want one started: with its coordination server of the same kind, its port and directories its
//! own.

use tests::{Broker, Kind, TempDir, ZooKeeper};

/// Both servers; they end when it is dropped.
pub(super) struct KafkaServers {
    broker: Broker,
    _zookeeper: ZooKeeper,
    _dir: TempDir,
}

impl KafkaServers {
    /// Starts both; `settings` are more lines for the broker.
    pub(super) fn start(kind: Kind, settings: &str) -> KafkaServers {
        let dir = TempDir::new("suite");
        let zookeeper = ZooKeeper::start(kind, &dir.join("zookeeper"));
        let broker = Broker::start_with(kind, &dir.join("kafka"), &zookeeper.address(), settings);
        KafkaServers { broker, _zookeeper: zookeeper, _dir: dir }
    }

    /// `host:port` of the broker.
    pub(super) fn address(&self) -> String {
        self.broker.address()
    }
}
