//! AlterUserScramCredentials (51): set or delete SCRAM credentials.
//!
//! Sent by admin clients to any broker. The password itself never travels: the client salts it.

use bytes::Bytes;

messages! {
    AlterUserScramCredentials

    /// Deletions and insertions.
    struct Request {
        0..     deletions: Vec<ScramCredentialDeletion>;
        0..     upsertions: Vec<ScramCredentialUpsertion>;
    }

    struct ScramCredentialDeletion {
        0..     name: String;
        0..     mechanism: i8;
    }

    struct ScramCredentialUpsertion {
        0..     name: String;
        /// 1: SCRAM-SHA-256; 2: SCRAM-SHA-512.
        0..     mechanism: i8;
        0..     iterations: i32;
        0..     salt: Bytes;
        0..     salted_password: Bytes;
    }

    /// One result per user.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     results: Vec<AlterUserScramCredentialsResult>;
    }

    struct AlterUserScramCredentialsResult {
        0..     user: String;
        0..     error_code: i16;
        0..     error_message: Option<String>;
    }
}
