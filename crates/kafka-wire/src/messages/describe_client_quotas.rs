//! DescribeClientQuotas (48): quotas that match a filter.
//!
//! Sent by admin clients to any broker.

messages! {
    DescribeClientQuotas

    /// The filter.
    struct Request {
        0..     components: Vec<ComponentData>;
        0..     strict: bool;
    }

    struct ComponentData {
        0..     entity_type: String;
        /// 0: this name; 1: the default; 2: any name.
        0..     match_type: i8;
        0..     r#match: Option<String>;
    }

    /// Entities with their quotas; null entities with an error.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     error_code: i16;
        0..     error_message: Option<String>;
        0..     entries: Option<Vec<EntryData>>;
    }

    struct EntryData {
        0..     entity: Vec<EntityData>;
        0..     values: Vec<ValueData>;
    }

    struct EntityData {
        0..     entity_type: String;
        0..     entity_name: Option<String>;
    }

    struct ValueData {
        0..     key: String;
        0..     value: f64;
    }
}
