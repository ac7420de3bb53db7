//! ApiVersions (18): which requests a broker serves in which versions.
//!
//! Sent by clients first thing on a connection, in the newest version they know. A version the broker does not know is
//! answered in version 0 with UNSUPPORTED_VERSION and the range of ApiVersions itself (see [`decode_response`]); the
//! response header never has tagged fields.

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
