//! What went wrong, in terms a caller can act on, with the names that Apache's Java clients give it.

use kafka_types::ErrorCode;
use kafka_wire::ApiKey;

use crate::consumer::NoPosition;

/// Why a connection could not be made, or a call on it got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// The host has no address.
    #[error("{host} cannot be resolved: {reason}")]
    Unresolved {
        /// The host as given.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// Nobody listens there, or nobody answered in time.
    #[error("{address} could not be reached: {reason}")]
    Unreachable {
        /// Host and address as Java writes them: `localhost/127.0.0.1:9092`.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The peer closed the connection before it answered.
    #[error("{address} closed the connection before it answered")]
    Closed {
        /// Host and address as Java writes them.
        address: String,
    },
    /// What answers there is a ZooKeeper server.
    #[error("{address} is a ZooKeeper server, not a Kafka broker")]
    ZooKeeper {
        /// Host and address as Java writes them.
        address: String,
    },
    /// The answer did not come in time; the connection was closed, because the order of answers is all that tells them
    /// apart.
    #[error("no answer to {api} within {timeout_ms} ms")]
    Timeout {
        /// Which request.
        api: ApiKey,
        /// How long it was waited for.
        timeout_ms: u64,
    },
    /// The peer does not speak a version of this request that we know.
    #[error("The node does not support {api}")]
    UnsupportedVersion {
        /// Which request.
        api: ApiKey,
    },
    /// The request cannot be said in the version the peer speaks.
    #[error("{api}: {reason}")]
    Unencodable {
        /// Which request.
        api: ApiKey,
        /// Which field is too much for it.
        reason: String,
    },
    /// The answer is not what the protocol allows.
    #[error("bad answer: {reason}")]
    Protocol {
        /// What is wrong with it.
        reason: String,
    },
    /// This side closed the connection.
    #[error("the connection was closed")]
    ClosedHere,
}

/// Why a call of a client failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A setting is wrong (`ConfigException`); the text is Apache's.
    #[error("{0}")]
    Config(String),
    /// The caller asked for something that cannot be (`IllegalArgumentException`, `IllegalStateException`).
    #[error("{0}")]
    Usage(String),
    /// It took too long (`TimeoutException`); the text says what was waited for.
    #[error("{0}")]
    Timeout(String),
    /// No connection, or none that lasted until the answer.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The cluster said no.
    #[error("{}", message.as_deref().unwrap_or_else(|| code.message()))]
    Broker {
        /// The code.
        code: ErrorCode,
        /// The text that came with it, or what a Java client would say instead.
        message: Option<String>,
    },
    /// A consumer has no place to go on, and no policy that names one.
    #[error(transparent)]
    NoPosition(#[from] NoPosition),
    /// The record is larger than the client's own limit (`RecordTooLargeException`).
    #[error("{0}")]
    RecordTooLarge(String),
    /// The client was closed.
    #[error("{0}")]
    Closed(String),
}

impl Error {
    /// The error for a code without a text of its own; `Ok` for 0.
    pub fn check(code: i16) -> Result<(), Error> {
        Error::check_with(code, None)
    }

    /// The error for a code and the text that came with it; `Ok` for 0. An empty text counts as none.
    pub fn check_with(code: i16, message: Option<&str>) -> Result<(), Error> {
        match ErrorCode::from_code(code) {
            ErrorCode::None => Ok(()),
            code => {
                let message = message.filter(|text| !text.is_empty()).map(str::to_owned);
                Err(Error::Broker { code, message })
            }
        }
    }

    /// The code, if the cluster said no.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Broker { code, .. } => Some(*code),
            Error::NoPosition(NoPosition::OutOfRange { .. }) => Some(ErrorCode::OffsetOutOfRange),
            _ => None,
        }
    }

    /// May the same call succeed when made again?
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::Broker { code, .. } => code.is_retriable(),
            Error::Timeout(_) => true,
            Error::Connection(error) => {
                !matches!(error, ConnectionError::UnsupportedVersion { .. } | ConnectionError::Unencodable { .. })
            }
            Error::Config(_) | Error::Usage(_) | Error::NoPosition(_) | Error::RecordTooLarge(_) | Error::Closed(_) => {
                false
            }
        }
    }

    /// The Java class that Apache's clients throw for it, as their tools print it before the text.
    pub fn exception(&self) -> String {
        const ERRORS: &str = "org.apache.kafka.common.errors";
        match self {
            Error::Config(_) => "org.apache.kafka.common.config.ConfigException".to_owned(),
            Error::Usage(_) => "java.lang.IllegalArgumentException".to_owned(),
            Error::Timeout(_) | Error::Connection(ConnectionError::Timeout { .. }) => {
                format!("{ERRORS}.TimeoutException")
            }
            Error::Connection(ConnectionError::UnsupportedVersion { .. } | ConnectionError::Unencodable { .. }) => {
                format!("{ERRORS}.UnsupportedVersionException")
            }
            Error::Connection(_) => format!("{ERRORS}.DisconnectException"),
            Error::Broker { code, .. } => exception_name(*code),
            Error::NoPosition(NoPosition::NothingCommitted(_)) => {
                "org.apache.kafka.clients.consumer.NoOffsetForPartitionException".to_owned()
            }
            Error::NoPosition(NoPosition::OutOfRange { .. }) => {
                "org.apache.kafka.clients.consumer.OffsetOutOfRangeException".to_owned()
            }
            Error::RecordTooLarge(_) => format!("{ERRORS}.RecordTooLargeException"),
            Error::Closed(_) => "org.apache.kafka.common.KafkaException".to_owned(),
        }
    }
}

/// The Java class that Apache's clients throw for a code.
pub fn exception_name(code: ErrorCode) -> String {
    let class = match code {
        ErrorCode::InvalidRecord => return "org.apache.kafka.common.InvalidRecordException".to_owned(),
        ErrorCode::UnknownServerError => "UnknownServerException",
        ErrorCode::CorruptMessage => "CorruptRecordException",
        ErrorCode::RequestTimedOut => "TimeoutException",
        ErrorCode::MessageTooLarge => "RecordTooLargeException",
        ErrorCode::StaleControllerEpoch => "ControllerMovedException",
        ErrorCode::OffsetMetadataTooLarge => "OffsetMetadataTooLarge",
        ErrorCode::InvalidTopicException => "InvalidTopicException",
        ErrorCode::RecordListTooLarge => "RecordBatchTooLargeException",
        ErrorCode::TopicAuthorizationFailed => "TopicAuthorizationException",
        ErrorCode::GroupAuthorizationFailed => "GroupAuthorizationException",
        ErrorCode::ClusterAuthorizationFailed => "ClusterAuthorizationException",
        ErrorCode::TopicAlreadyExists => "TopicExistsException",
        ErrorCode::InvalidConfig => "InvalidConfigurationException",
        ErrorCode::OutOfOrderSequenceNumber => "OutOfOrderSequenceException",
        ErrorCode::DuplicateSequenceNumber => "DuplicateSequenceException",
        ErrorCode::InvalidProducerIdMapping => "InvalidPidMappingException",
        ErrorCode::InvalidTransactionTimeout => "InvalidTxnTimeoutException",
        ErrorCode::NonEmptyGroup => "GroupNotEmptyException",
        ErrorCode::NetworkException => "NetworkException",
        other => return format!("org.apache.kafka.common.errors.{}Exception", camel_case(other.name())),
    };
    format!("org.apache.kafka.common.errors.{class}")
}

/// `NOT_CONTROLLER` as `NotController`.
fn camel_case(name: &str) -> String {
    name.split('_')
        .flat_map(|word| {
            let (first, rest) = word.split_at(1);
            [first.to_owned(), rest.to_ascii_lowercase()]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_names_of_javas_exceptions() {
        let name = |code| exception_name(code).rsplit('.').next().unwrap().to_owned();
        assert_eq!(name(ErrorCode::UnknownTopicOrPartition), "UnknownTopicOrPartitionException");
        assert_eq!(name(ErrorCode::NotLeaderOrFollower), "NotLeaderOrFollowerException");
        assert_eq!(name(ErrorCode::TopicAlreadyExists), "TopicExistsException");
        assert_eq!(name(ErrorCode::NetworkException), "NetworkException");
        assert_eq!(exception_name(ErrorCode::InvalidRecord), "org.apache.kafka.common.InvalidRecordException");
    }

    #[test]
    fn a_text_of_the_broker_goes_before_the_codes_own() {
        let error = Error::check_with(36, Some("Topic 't' already exists.")).unwrap_err();
        assert_eq!(error.to_string(), "Topic 't' already exists.");
        assert_eq!(Error::check_with(36, Some("")).unwrap_err().to_string(), "Topic with this name already exists.");
        assert_eq!(Error::check(0), Ok(()));
    }
}
