//! ListGroups (16): the groups that a broker coordinates.
//!
//! Sent by tools to every broker.

messages! {
    ListGroups

    /// Filters.
    struct Request {
        /// Only groups in these states; empty: any.
        4..     states_filter: Vec<String>;
        /// Only groups of these types (`classic`, `consumer`); empty: any.
        5..     types_filter: Vec<String>;
    }

    /// The groups.
    struct Response {
        1..     throttle_time_ms: i32, ignorable;
        0..     error_code: i16;
        0..     groups: Vec<ListedGroup>;
    }

    struct ListedGroup {
        0..     group_id: String;
        0..     protocol_type: String;
        4..     group_state: String, ignorable;
        5..     group_type: String, ignorable;
    }
}

questions! {
    /// Groups can be filtered by state.
    carries_states: 4..;
    /// Groups can be filtered by type.
    carries_types: 5..;
}
