//! ListTransactions (66): the transactions that a broker coordinates.
//!
//! Sent by admin clients to every broker.

messages! {
    ListTransactions

    /// Filters; empty: all.
    struct Request {
        0..     state_filters: Vec<String>;
        0..     producer_id_filters: Vec<i64>;
        /// Only those that have been open for longer, in ms; below 0: any.
        1..     duration_filter: i64 = -1;
    }

    /// Ids with states.
    struct Response {
        0..     throttle_time_ms: i32;
        0..     error_code: i16;
        0..     unknown_state_filters: Vec<String>;
        0..     transaction_states: Vec<TransactionState>;
    }

    struct TransactionState {
        0..     transactional_id: String;
        0..     producer_id: i64;
        0..     transaction_state: String;
    }
}
