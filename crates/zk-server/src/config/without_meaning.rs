//! Settings that Apache's server knows and that change nothing here, and why. They are told of once, at start.

/// Name (with a `*` at its end: all that begin so) and reason.
const WITHOUT_MEANING: &[(&str, &str)] = &[
    // A server that is alone.
    ("connectToLearnerMasterLimit", ALONE),
    ("dynamicConfigFile", ALONE),
    ("electionAlg", ALONE),
    ("group.*", ALONE),
    ("initLimit", ALONE),
    ("multiAddress.*", ALONE),
    ("observerMasterPort", ALONE),
    ("oraclePath", ALONE),
    ("peerType", ALONE),
    ("portUnification", ALONE),
    ("quorum.*", ALONE),
    ("quorumListenOnAllIPs", ALONE),
    ("sslQuorum", ALONE),
    ("sslQuorumReloadCertFiles", ALONE),
    ("standaloneEnabled", ALONE),
    ("syncEnabled", ALONE),
    ("syncLimit", ALONE),
    ("weight.*", ALONE),
    ("localSessionsEnabled", ALONE),
    ("localSessionsUpgradingEnabled", ALONE),
    ("zookeeper.cnxTimeout", ALONE),
    ("zookeeper.connectToLearnerMasterLimit", ALONE),
    ("zookeeper.db.autocreate", ALONE),
    ("zookeeper.enableEagerACLCheck", ALONE),
    ("zookeeper.forceSnapshotSync", ALONE),
    ("zookeeper.forward_learner_requests_to_commit_processor_disabled", ALONE),
    ("zookeeper.serializeLastProcessedZxid.enabled", ALONE),
    ("zookeeper.commitLogCount", ALONE),
    ("zookeeper.commitProcessor.*", ALONE),
    ("zookeeper.electionPortBindRetry", ALONE),
    ("zookeeper.fastleader.*", ALONE),
    ("zookeeper.follower.*", ALONE),
    ("zookeeper.leader.*", ALONE),
    ("zookeeper.leaderServes", ALONE),
    ("zookeeper.learner.*", ALONE),
    ("zookeeper.multiAddress.*", ALONE),
    ("zookeeper.observer.*", ALONE),
    ("zookeeper.quorumCnxnTimeoutMs", ALONE),
    ("zookeeper.snapshotSizeFactor", ALONE),
    ("zookeeper.ssl.quorum.*", ALONE),
    ("zookeeper.sslQuorum", ALONE),
    ("zookeeper.tcpKeepAlive", ALONE),
    // Threads, buffers and caches of a Java server.
    ("jvm.pause.*", JAVA),
    ("metricsProvider.maxQueueSize", JAVA),
    ("metricsProvider.numWorkerThreads", JAVA),
    ("metricsProvider.workerShutdownTimeoutMs", JAVA),
    ("metricsProvider.*", PROVIDER),
    ("zookeeper.admin.jetty.*", JAVA),
    ("zookeeper.bitHashCacheSize", JAVA),
    ("zookeeper.intBufferStartingSizeBytes", JAVA),
    ("zookeeper.jmx.*", JAVA),
    ("zookeeper.maxGetChildrenResponseCacheSize", JAVA),
    ("zookeeper.maxInProcessingDeadWatchers", JAVA),
    ("zookeeper.maxResponseCacheSize", JAVA),
    ("zookeeper.messageTracker.*", JAVA),
    ("zookeeper.pathStats.*", JAVA),
    ("zookeeper.requestThrottleStallTime", JAVA),
    ("zookeeper.request_throttle_stall_time", JAVA),
    ("zookeeper.request_throttler.shutdownTimeout", JAVA),
    // What is always so.
    ("zookeeper.requestStaleConnectionCheck", ALWAYS),
    ("zookeeper.request_stale_connection_check", ALWAYS),
    ("zookeeper.netty.*", JAVA),
    ("zookeeper.ssl.handshakeDetectionTimeoutMillis", ALONE),
    ("zookeeper.nio.directBufferBytes", JAVA),
    ("zookeeper.nio.numSelectorThreads", JAVA),
    ("zookeeper.nio.numWorkerThreads", JAVA),
    ("zookeeper.nio.shutdownTimeout", JAVA),
    ("zookeeper.watcherCleanIntervalInSeconds", JAVA),
    ("zookeeper.watcherCleanThreadsNum", JAVA),
    ("zookeeper.watcherCleanThreshold", JAVA),
];

const ALONE: &str = "no meaning for a server that is alone";
const ALWAYS: &str = "no meaning here: a request that waits goes with its connection, always";
const PROVIDER: &str = "no meaning for the metrics provider that is set";
const JAVA: &str = "no meaning here: it tunes the Java server's threads, buffers and caches";

/// Why the setting has no meaning here; `None` if it is none of these.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    WITHOUT_MEANING.iter().find(|(pattern, _)| matches(pattern, name)).map(|(_, reason)| *reason)
}

/// Is `name` the pattern, or does it begin with what stands before the pattern's `*`?
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_names() {
        assert_eq!(reason("initLimit"), Some(ALONE));
        assert_eq!(reason("zookeeper.initLimit"), None);
        assert_eq!(reason("zookeeper.ssl.quorum.keyStore.location"), Some(ALONE));
        assert_eq!(reason("zookeeper.ssl.keyStore.location"), None);
        assert_eq!(reason("zookeeper.netty.advancedFlowControl.enabled"), Some(JAVA));
    }
}
