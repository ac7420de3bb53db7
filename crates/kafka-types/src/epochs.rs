//! Epochs: numbers that only grow, each fencing off what an older holder of a role still sends.

use std::fmt;

macro_rules! epoch {
    ($(#[$doc:meta])* $name:ident($raw:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $raw);

        impl $name {
            /// "No epoch" where the protocol has no null: -1.
            pub const NONE: $name = $name(-1);

            /// The next epoch.
            pub fn next(self) -> $name {
                $name(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

epoch! {
    /// Grows with each election of a partition's leader.
    LeaderEpoch(i32)
}
epoch! {
    /// Grows with each election of a controller (`/controller_epoch`).
    ControllerEpoch(i32)
}
epoch! {
    /// Version of a partition's `state` znode; the compare-and-set token of ISR changes.
    PartitionEpoch(i32)
}
epoch! {
    /// `czxid` of `/brokers/ids/N`: one life of a broker.
    BrokerEpoch(i64)
}
epoch! {
    /// Grows when a producer id is handed to a new incarnation of its producer.
    ProducerEpoch(i16)
}
