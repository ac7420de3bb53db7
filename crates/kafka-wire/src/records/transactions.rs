//! `__transaction_state`: one key per transactional id.

use super::Record;

record! { TransactionLogKey, versions 0..=0 }
record! { TransactionLogValue, versions 0..=1, flexible from 1 }

structs! {
    "A record of `__transaction_state`, or a part of one."

    /// Key of a transactional id.
    struct TransactionLogKey {
        0..     transactional_id: String;
    }

    /// State of a transactional id.
    struct TransactionLogValue {
        0..     producer_id: i64;
        0..     producer_epoch: i16;
        0..     transaction_timeout_ms: i32;
        /// 0 empty, 1 ongoing, 2 prepare commit, 3 prepare abort, 4 complete commit, 5 complete abort, 6 dead,
        /// 7 prepare epoch fence.
        0..     transaction_status: i8;
        /// Null when the transaction is empty.
        0..     transaction_partitions: Option<Vec<PartitionsSchema>>;
        /// Wall ms.
        0..     transaction_last_update_timestamp_ms: i64;
        /// Wall ms; -1: not started.
        0..     transaction_start_timestamp_ms: i64;
    }

    /// Partitions of one topic that the transaction has written to.
    struct PartitionsSchema {
        0..     topic: String;
        0..     partition_ids: Vec<i32>;
    }
}

impl Record for TransactionLogKey {
    fn written_version(&self) -> i16 {
        0
    }
}

impl Record for TransactionLogValue {
    fn written_version(&self) -> i16 {
        0
    }
}
