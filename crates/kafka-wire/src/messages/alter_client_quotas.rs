//! AlterClientQuotas (49): set or remove quotas.
//!
//! Sent by admin clients to any broker.

messages! {
    AlterClientQuotas

    /// Entities with operations.
    struct Request {
        0..     entries: Vec<EntryData>;
        0..     validate_only: bool;
    }

    struct EntryData {
        0..     entity: Vec<EntityData>;
        0..     ops: Vec<OpData>;
    }

    struct EntityData {
        0..     entity_type: String;
        /// Null: the default entity.
        0..     entity_name: Option<String>;
    }

    struct OpData {
        0..     key: String;
        0..     value: f64;
        0..     remove: bool;
    }

    /// One result per entity.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     entries: Vec<ResponseEntryData>;
    }

    struct ResponseEntryData {
        0..     error_code: i16;
        0..     error_message: Option<String>;
        0..     entity: Vec<ResponseEntityData>;
    }

    struct ResponseEntityData {
        0..     entity_type: String;
        0..     entity_name: Option<String>;
    }
}
