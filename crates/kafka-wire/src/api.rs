//! Which requests there are, which versions of them are served, and which header goes with them.
//!
//! The table is what a 3.9 broker in ZooKeeper mode announces (ApiVersions); `kafka-broker-api-versions` prints it.

use std::fmt;
use std::ops::RangeInclusive;

use crate::schema::Shape;

macro_rules! api_keys {
    ($($(#[$doc:meta])* $name:ident = $code:literal, versions $first:literal ..= $last:literal
        $(, flexible from $flexible:literal)?;)*) => {
        /// A kind of request, by its number on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $(
                $(#[$doc])*
                #[doc = concat!("Served: versions ", stringify!($first), " to ", stringify!($last), ".")]
                $name = $code,
            )*
        }

        impl ApiKey {
            /// Every key that is served, in the order of the numbers.
            pub const ALL: &'static [ApiKey] = &[$(ApiKey::$name),*];

            const fn row(self) -> Row {
                match self {
                    $(ApiKey::$name => Row {
                        name: stringify!($name),
                        first: $first,
                        last: $last,
                        flexible: first_or_never!($($flexible)?),
                    },)*
                }
            }

            /// From the wire; `None` for a number that is not served.
            pub const fn from_code(code: i16) -> Option<ApiKey> {
                match code {
                    $($code => Some(ApiKey::$name),)*
                    _ => None,
                }
            }
        }
    };
}

struct Row {
    name: &'static str,
    first: i16,
    last: i16,
    flexible: i16,
}

api_keys! {
    /// Append records.
    Produce = 0, versions 0..=11, flexible from 9;
    /// Read records; consumers and followers.
    Fetch = 1, versions 0..=17, flexible from 12;
    /// Offsets by timestamp, or the ends of a log.
    ListOffsets = 2, versions 0..=9, flexible from 6;
    /// Brokers, topics, leaders.
    Metadata = 3, versions 0..=12, flexible from 9;
    /// Controller to broker: roles of partitions.
    LeaderAndIsr = 4, versions 0..=7, flexible from 4;
    /// Controller to broker: stop (and delete) replicas.
    StopReplica = 5, versions 0..=4, flexible from 2;
    /// Controller to broker: the cluster as it is now.
    UpdateMetadata = 6, versions 0..=8, flexible from 6;
    /// Broker to controller: move my leaders away.
    ControlledShutdown = 7, versions 0..=3, flexible from 3;
    /// Store positions of a group.
    OffsetCommit = 8, versions 0..=9, flexible from 8;
    /// Read positions of groups.
    OffsetFetch = 9, versions 0..=9, flexible from 6;
    /// Who coordinates a group or a transactional id.
    FindCoordinator = 10, versions 0..=6, flexible from 3;
    /// Enter the next generation of a group.
    JoinGroup = 11, versions 0..=9, flexible from 6;
    /// Still alive.
    Heartbeat = 12, versions 0..=4, flexible from 4;
    /// Leave a group, or remove members from it.
    LeaveGroup = 13, versions 0..=5, flexible from 4;
    /// Hand over or collect the assignment of a generation.
    SyncGroup = 14, versions 0..=5, flexible from 4;
    /// State and members of groups.
    DescribeGroups = 15, versions 0..=5, flexible from 5;
    /// Groups that a broker coordinates.
    ListGroups = 16, versions 0..=5, flexible from 3;
    /// Choose a SASL mechanism.
    SaslHandshake = 17, versions 0..=1;
    /// Which versions the broker serves.
    ApiVersions = 18, versions 0..=4, flexible from 3;
    /// Create topics.
    CreateTopics = 19, versions 0..=7, flexible from 5;
    /// Delete topics.
    DeleteTopics = 20, versions 0..=6, flexible from 4;
    /// Delete the records before an offset.
    DeleteRecords = 21, versions 0..=2, flexible from 2;
    /// A producer id and epoch.
    InitProducerId = 22, versions 0..=5, flexible from 2;
    /// Where an epoch ends in a log.
    OffsetForLeaderEpoch = 23, versions 0..=4, flexible from 4;
    /// Partitions a transaction is about to write to.
    AddPartitionsToTxn = 24, versions 0..=5, flexible from 3;
    /// The group whose offsets a transaction is about to commit.
    AddOffsetsToTxn = 25, versions 0..=4, flexible from 3;
    /// Commit or abort a transaction.
    EndTxn = 26, versions 0..=4, flexible from 3;
    /// Coordinator to leaders: end a transaction in the logs.
    WriteTxnMarkers = 27, versions 0..=1, flexible from 1;
    /// Positions of a group as part of a transaction.
    TxnOffsetCommit = 28, versions 0..=4, flexible from 3;
    /// List ACLs.
    DescribeAcls = 29, versions 0..=3, flexible from 2;
    /// Add ACLs.
    CreateAcls = 30, versions 0..=3, flexible from 2;
    /// Remove ACLs.
    DeleteAcls = 31, versions 0..=3, flexible from 2;
    /// Settings of topics and brokers.
    DescribeConfigs = 32, versions 0..=4, flexible from 4;
    /// Replace all settings of a topic or broker.
    AlterConfigs = 33, versions 0..=2, flexible from 2;
    /// Move replicas between log directories of a broker.
    AlterReplicaLogDirs = 34, versions 0..=2, flexible from 2;
    /// What lies in which log directory.
    DescribeLogDirs = 35, versions 0..=4, flexible from 2;
    /// One step of a SASL exchange.
    SaslAuthenticate = 36, versions 0..=2, flexible from 2;
    /// Add partitions to topics.
    CreatePartitions = 37, versions 0..=3, flexible from 2;
    /// Issue a delegation token.
    CreateDelegationToken = 38, versions 0..=3, flexible from 2;
    /// Prolong a delegation token.
    RenewDelegationToken = 39, versions 0..=2, flexible from 2;
    /// End a delegation token.
    ExpireDelegationToken = 40, versions 0..=2, flexible from 2;
    /// List delegation tokens.
    DescribeDelegationToken = 41, versions 0..=3, flexible from 2;
    /// Delete groups without members.
    DeleteGroups = 42, versions 0..=2, flexible from 2;
    /// Elect leaders now.
    ElectLeaders = 43, versions 0..=2, flexible from 2;
    /// Change single settings.
    IncrementalAlterConfigs = 44, versions 0..=1, flexible from 1;
    /// Move partitions to other brokers.
    AlterPartitionReassignments = 45, versions 0..=0, flexible from 0;
    /// Partitions that are being moved.
    ListPartitionReassignments = 46, versions 0..=0, flexible from 0;
    /// Delete positions of a group.
    OffsetDelete = 47, versions 0..=0;
    /// List quotas.
    DescribeClientQuotas = 48, versions 0..=1, flexible from 1;
    /// Change quotas.
    AlterClientQuotas = 49, versions 0..=1, flexible from 1;
    /// Which SCRAM credentials users have.
    DescribeUserScramCredentials = 50, versions 0..=0, flexible from 0;
    /// Change SCRAM credentials.
    AlterUserScramCredentials = 51, versions 0..=0, flexible from 0;
    /// Leader to controller: change an ISR.
    AlterPartition = 56, versions 0..=3, flexible from 0;
    /// Change finalized features.
    UpdateFeatures = 57, versions 0..=1, flexible from 0;
    /// A client's request that a broker forwards.
    Envelope = 58, versions 0..=0, flexible from 0;
    /// Cluster id, controller and brokers.
    DescribeCluster = 60, versions 0..=1, flexible from 0;
    /// Producers that are known to a partition.
    DescribeProducers = 61, versions 0..=0, flexible from 0;
    /// State of transactions.
    DescribeTransactions = 65, versions 0..=0, flexible from 0;
    /// Transactions that a broker coordinates.
    ListTransactions = 66, versions 0..=1, flexible from 0;
    /// Broker to controller: a block of producer ids.
    AllocateProducerIds = 67, versions 0..=0, flexible from 0;
    /// Member of a KIP-848 group; announced, but answered with UNSUPPORTED_VERSION in ZooKeeper mode.
    ConsumerGroupHeartbeat = 68, versions 0..=0, flexible from 0;
    /// State of KIP-848 groups; announced, but answered with UNSUPPORTED_VERSION in ZooKeeper mode.
    ConsumerGroupDescribe = 69, versions 0..=0, flexible from 0;
}

/// Requests that 3.9 clients know and a broker in ZooKeeper mode does not serve: number and name, in order.
/// `kafka-broker-api-versions` prints them as `UNSUPPORTED`.
pub const UNSERVED: &[(i16, &str)] = &[
    (55, "DescribeQuorum"),
    (64, "UnregisterBroker"),
    (71, "GetTelemetrySubscriptions"),
    (72, "PushTelemetry"),
    (74, "ListClientMetricsResources"),
    (75, "DescribeTopicPartitions"),
    (76, "ShareGroupHeartbeat"),
    (77, "ShareGroupDescribe"),
    (78, "ShareFetch"),
    (79, "ShareAcknowledge"),
    (80, "AddRaftVoter"),
    (81, "RemoveRaftVoter"),
    (83, "InitializeShareGroupState"),
    (84, "ReadShareGroupState"),
    (85, "WriteShareGroupState"),
    (86, "DeleteShareGroupState"),
    (87, "ReadShareGroupStateSummary"),
];

impl ApiKey {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// The name in Kafka's documentation.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The versions that are served (and that our clients speak).
    pub const fn served_versions(self) -> RangeInclusive<i16> {
        let row = self.row();
        row.first..=row.last
    }

    /// The newest version that is served.
    pub const fn newest_version(self) -> i16 {
        self.row().last
    }

    /// Is this version served?
    pub const fn serves(self, version: i16) -> bool {
        let row = self.row();
        row.first <= version && version <= row.last
    }

    /// The newest version that both we and a peer with this range speak.
    pub fn common_version(self, theirs: &RangeInclusive<i16>) -> Option<i16> {
        let newest = self.newest_version().min(*theirs.end());
        (newest >= *theirs.start() && self.serves(newest)).then_some(newest)
    }

    /// The first version with compact forms and tagged fields (KIP-482); `i16::MAX` when there is none.
    pub const fn first_flexible(self) -> i16 {
        self.row().flexible
    }

    /// Has this version compact forms and tagged fields?
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.row().flexible
    }

    /// The versions of this API's request or response, under the name that errors use.
    pub(crate) const fn shape(self, name: &'static str) -> Shape {
        let row = self.row();
        Shape { name, first: row.first, last: row.last, flexible: row.flexible }
    }

    /// The version of the request header: 0 has no client id, 2 has tagged fields.
    pub const fn request_header_version(self, version: i16) -> i16 {
        match self {
            ApiKey::ControlledShutdown if version == 0 => 0,
            _ if self.is_flexible(version) => 2,
            _ => 1,
        }
    }

    /// The version of the response header: 1 has tagged fields. ApiVersions stays at 0 for ever, because a client
    /// that does not know the broker yet must be able to read the answer.
    pub const fn response_header_version(self, version: i16) -> i16 {
        match self {
            ApiKey::ApiVersions => 0,
            _ if self.is_flexible(version) => 1,
            _ => 0,
        }
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_62_keys_read_back_in_order() {
        assert_eq!(ApiKey::ALL.len(), 62);
        assert!(ApiKey::ALL.is_sorted());
        for &key in ApiKey::ALL {
            assert_eq!(ApiKey::from_code(key.code()), Some(key));
            assert!(UNSERVED.iter().all(|(code, _)| *code != key.code()));
        }
        assert_eq!(ApiKey::from_code(75), None);
        assert_eq!(ApiKey::from_code(-1), None);
    }

    #[test]
    fn headers_follow_the_exceptions() {
        assert_eq!(ApiKey::ControlledShutdown.request_header_version(0), 0);
        assert_eq!(ApiKey::ControlledShutdown.request_header_version(1), 1);
        assert_eq!(ApiKey::ControlledShutdown.request_header_version(3), 2);
        assert_eq!(ApiKey::ApiVersions.request_header_version(3), 2);
        assert_eq!(ApiKey::ApiVersions.response_header_version(4), 0);
        assert_eq!(ApiKey::Produce.response_header_version(8), 0);
        assert_eq!(ApiKey::Produce.response_header_version(9), 1);
        assert_eq!(ApiKey::SaslHandshake.request_header_version(1), 1);
    }

    #[test]
    fn the_common_version_is_the_newest_of_both() {
        assert_eq!(ApiKey::Produce.common_version(&(3..=8)), Some(8));
        assert_eq!(ApiKey::Produce.common_version(&(3..=20)), Some(11));
        assert_eq!(ApiKey::Produce.common_version(&(12..=20)), None);
    }
}
