//! ApiVersions (18): which requests a broker serves in which versions.
//!
//! Sent by clients first thing on a connection, in the newest version they know. A version the broker does not know is
//! answered in version 0 with UNSUPPORTED_VERSION and the range of ApiVersions itself (see [`decode_response`]); the
//! response header never has tagged fields.

use kafka_types::ErrorCode;

use crate::{ApiKey, DecodeError, Decoder, Message as _};

messages! {
    ApiVersions

    /// Who asks.
    struct Request {
        /// Such as `apache-kafka-java` or `librdkafka`.
        3..     client_software_name: String, ignorable;
        3..     client_software_version: String, ignorable;
    }

    /// The versions, and features (none in ZooKeeper mode).
    struct Response {
        0..     error_code: i16;
        0..     api_keys: Vec<ApiVersion>;
        1..     throttle_time_ms: i32, ignorable;
        3..     supported_features: Vec<SupportedFeatureKey>, ignorable, tag 0;
        /// Version of the znode `/feature`; -1: unknown.
        3..     finalized_features_epoch: i64 = -1, ignorable, tag 1;
        3..     finalized_features: Vec<FinalizedFeatureKey>, ignorable, tag 2;
        3..     zk_migration_ready: bool, ignorable, tag 3;
    }

    struct ApiVersion {
        0..     api_key: i16;
        0..     min_version: i16;
        0..     max_version: i16;
    }

    struct SupportedFeatureKey {
        3..     name: String;
        3..     min_version: i16;
        3..     max_version: i16;
    }

    struct FinalizedFeatureKey {
        3..     name: String;
        3..     max_version_level: i16;
        3..     min_version_level: i16;
    }
}

/// The version that everybody can read, used to tell a client that its own is not known.
pub const FALLBACK_VERSION: i16 = 0;

questions! {
    /// The client says which software it is, in names that must be legal (KIP-511).
    names_the_client: 3..;
}

impl Response {
    /// All that is served, as a response lists it.
    pub fn served() -> Vec<ApiVersion> {
        ApiKey::ALL.iter().copied().map(ApiVersion::served).collect()
    }
}

impl ApiVersion {
    /// The range in which `key` is served.
    pub fn served(key: ApiKey) -> ApiVersion {
        let (min_version, max_version) = key.served_versions().into_inner();
        ApiVersion { api_key: key.code(), min_version, max_version }
    }
}

/// Reads the body of a response to a request of `version`: in that version or, when that is how the broker says that
/// it does not know it, in [`FALLBACK_VERSION`].
pub fn decode_response(decoder: &mut Decoder, version: i16) -> Result<Response, DecodeError> {
    let mut fallback = decoder.clone();
    // A body of version 0 begins like any other: the error code tells which it is.
    let in_fallback = decoder.clone().i16()? == ErrorCode::UnsupportedVersion.code();
    if in_fallback { Response::decode(&mut fallback, FALLBACK_VERSION) } else { Response::decode(decoder, version) }
}
