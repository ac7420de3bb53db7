//! UpdateFeatures (57): change finalized feature levels.
//!
//! Sent by admin clients to the controller. ZooKeeper mode has no features to change.

messages! {
    UpdateFeatures

    /// Features with levels.
    struct Request {
        0..     timeout_ms: i32 = 60000;
        0..     feature_updates: Vec<FeatureUpdateKey>;
        1..     validate_only: bool;
    }

    struct FeatureUpdateKey {
        0..     feature: String;
        0..     max_version_level: i16;
        0..=0   allow_downgrade: bool;
        1..     upgrade_type: i8 = 1;
    }

    /// One result per feature.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     error_code: i16;
        0..     error_message: Option<String>;
        0..     results: Vec<UpdatableFeatureResult>;
    }

    struct UpdatableFeatureResult {
        0..     feature: String;
        0..     error_code: i16;
        0..     error_message: Option<String>;
    }
}

questions! {
    /// How to change a level is an `upgrade_type`, and changes can be tried; before, there is only `allow_downgrade`.
    carries_upgrade_type: 1..;
}
