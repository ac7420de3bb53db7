//! What is done when one of several `log.dirs` has failed: its partitions go offline, the controller is told, and a
//! broker without any directory gives up.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_metadata::znodes::notifications;
use kafka_types::TopicPartition;
use tracing::{error, warn};

use crate::broker::Broker;
use crate::replicas::{Owned, Shared};

/// Between attempts to tell the controller.
const RETRY: Duration = Duration::from_secs(1);

/// Waits for failures, for as long as the broker runs.
pub(crate) async fn run(broker: Arc<Broker>, shared: Arc<Shared>) {
    let mut handled = vec![false; shared.dirs.all().len()];
    loop {
        shared.dirs.failure().await;
        for (index, one) in shared.dirs.all().iter().enumerate() {
            if !one.health().is_offline() || std::mem::replace(&mut handled[index], true) {
                continue;
            }
            let path = one.path().to_owned();
            // A directory that failed before the logs were read has no partitions here, and the controller hears of it
            // when it asks for them; telling it does no harm.
            if !stop_serving(&broker, &shared, index, &path).await {
                return;
            }
            tell_controller(&broker).await;
            warn!(
                target: "kafka.server.ReplicaManager",
                "[ReplicaManager broker={}] Stopped serving replicas in dir {}", broker.id, path.display()
            );
        }
    }
}

/// Ends the roles of all partitions in a directory; `false` if there is none left, and the broker gives up.
async fn stop_serving(broker: &Broker, shared: &Shared, index: usize, path: &Path) -> bool {
    let (id, path) = (broker.id, path.display());
    warn!(target: "kafka.server.ReplicaManager", "[ReplicaManager broker={id}] Stopping serving replicas in dir {path}");
    let Ok(gone) = broker.shards.on_all(move |owned| owned.take_offline(index)).await else { return false };
    let (names, moved): (Vec<_>, Vec<_>) = gone.into_iter().unzip();
    let joined = |names: Vec<Vec<TopicPartition>>| {
        names.iter().flatten().map(TopicPartition::to_string).collect::<Vec<_>>().join(",")
    };
    let (names, moved) = (joined(names), joined(moved));
    warn!(
        target: "kafka.server.ReplicaManager",
        "[ReplicaManager broker={id}] Broker {id} stopped fetcher for partitions {names} and stopped moving logs for \
         partitions {moved} because they are in the failed log directory {path}."
    );
    warn!(target: "kafka.log.LogManager", "Stopping serving logs in dir {path}");
    if shared.dirs.online().next().is_none() {
        error!(
            target: "kafka.log.LogManager",
            "Shutdown broker because all log dirs in {} have failed", shared.dirs.paths()
        );
        broker.halt.notify_one();
        return false;
    }
    warn!(
        target: "kafka.log.LogManager",
        "Logs for partitions {names} are offline and logs for future partitions {moved} are offline due to failure on log \
         directory {path}"
    );
    true
}

/// Leaves the notice that the controller looks for; tries until the coordination server has it.
async fn tell_controller(broker: &Broker) {
    let data = Bytes::from(notifications::encode_log_dir_failure(broker.id));
    while let Err(error) = broker.zookeeper.create_sequential(notifications::LOG_DIR_EVENT_PREFIX, data.clone()).await {
        warn!(target: "kafka.server.ReplicaManager", "The controller cannot be told of the failed log directory yet: {error}");
        tokio::time::sleep(RETRY).await;
    }
}

impl Owned {
    /// Ends the roles of the partitions whose directory has failed; their names, and those of moves that end with it.
    fn take_offline(&mut self, index: usize) -> (Vec<TopicPartition>, Vec<TopicPartition>) {
        let shared = Arc::clone(&self.shared);
        let mut names = Vec::new();
        for partition in self.partitions.values_mut() {
            if shared.dirs.index_of(&partition.log) == index {
                partition.go_offline();
                names.push(partition.topic_partition.clone());
            }
        }
        names.sort();
        for name in &names {
            self.resign_coordinator(name);
        }
        let moved = self.forget_moves(index);
        (names, moved)
    }
}
