//! DescribeUserScramCredentials (50): which SCRAM mechanisms users have credentials for.
//!
//! Sent by admin clients to any broker.

messages! {
    DescribeUserScramCredentials

    /// Users; null or empty: all.
    struct Request {
        0..     users: Option<Vec<UserName>>;
    }

    struct UserName {
        0..     name: String;
    }

    /// Mechanisms and iteration counts per user.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     error_code: i16, uncounted;
        0..     error_message: Option<String>;
        0..     results: Vec<DescribeUserScramCredentialsResult>;
    }

    struct DescribeUserScramCredentialsResult {
        0..     user: String;
        0..     error_code: i16;
        0..     error_message: Option<String>;
        0..     credential_infos: Vec<CredentialInfo>;
    }

    struct CredentialInfo {
        0..     mechanism: i8;
        0..     iterations: i32;
    }
}
