//! Names of brokers, topics, partitions and producers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A broker's number (`broker.id`); -1 means "none" (as in "no leader").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BrokerId(pub i32);

impl BrokerId {
    /// "No broker": -1.
    pub const NONE: BrokerId = BrokerId(-1);
}

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A producer's number, handed out in blocks by the controller; -1 means "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ProducerId(pub i64);

impl ProducerId {
    /// "No producer id": -1.
    pub const NONE: ProducerId = ProducerId(-1);
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic's name; cloning shares the text.
pub type TopicName = Arc<str>;

/// One partition of one topic; cloning shares the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: TopicName,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: impl Into<TopicName>, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// 128 bits that name a topic, a cluster or a log directory; written as 22 characters of URL-safe base64 without
/// padding, as Kafka does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// "No id": all bits zero.
    pub const ZERO: Uuid = Uuid([0; 16]);
    /// Reserved for the metadata topic of KRaft: (0, 1).
    pub const METADATA_TOPIC: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// Is it the "no id"?
    pub fn is_zero(self) -> bool {
        self == Uuid::ZERO
    }

    /// A version-4 id of 16 random bytes; `None` if they make an id that Kafka never hands out (a reserved one, or
    /// one whose text begins with `-`, which tools would take for an option): draw again.
    pub fn from_random(mut random: [u8; 16]) -> Option<Uuid> {
        random[6] = (random[6] & 0x0f) | 0x40;
        random[8] = (random[8] & 0x3f) | 0x80;
        let id = Uuid(random);
        (!id.to_string().starts_with('-')).then_some(id)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 22 characters of URL-safe base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidUuid(pub String);

impl fmt::Display for InvalidUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an id of 22 characters of URL-safe base64", self.0)
    }
}

impl std::error::Error for InvalidUuid {}

impl FromStr for Uuid {
    type Err = InvalidUuid;

    fn from_str(text: &str) -> Result<Uuid, InvalidUuid> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidUuid(text.to_owned()))?;
        bytes.try_into().map(Uuid).map_err(|_| InvalidUuid(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_text_has_22_characters_and_reads_back() {
        let id = Uuid::from_random([7; 16]).expect("legal");
        assert_eq!(id.to_string().len(), 22);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("AAAA".parse::<Uuid>().is_err());
    }
}
