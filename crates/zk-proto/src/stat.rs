//! What is known of a znode beside its data: as clients see it, and as it is stored.

use crate::ids::Zxid;
use crate::jute::records;

records! {
    /// A znode's counters as clients see them (68 bytes).
    #[derive(Copy)]
    Stat {
        /// Transaction that created it.
        czxid: Zxid,
        /// Transaction that last changed its data.
        mzxid: Zxid,
        /// Creation time, milliseconds since 1970.
        ctime: i64,
        /// Time of the last change of its data, milliseconds since 1970.
        mtime: i64,
        /// Changes of its data.
        version: i32,
        /// Changes of its children: creates and deletes.
        cversion: i32,
        /// Changes of its ACL.
        aversion: i32,
        /// Session that owns it, 0 if it is not ephemeral.
        ephemeral_owner: i64,
        /// Length of its data in bytes.
        data_length: i32,
        /// How many children it has.
        num_children: i32,
        /// Transaction that last created or deleted a child.
        pzxid: Zxid,
    }

    /// A znode's counters as they are stored in snapshots (60 bytes).
    #[derive(Copy)]
    StatPersisted {
        /// Transaction that created it.
        czxid: Zxid,
        /// Transaction that last changed its data.
        mzxid: Zxid,
        /// Creation time, milliseconds since 1970.
        ctime: i64,
        /// Time of the last change of its data, milliseconds since 1970.
        mtime: i64,
        /// Changes of its data.
        version: i32,
        /// Children ever created, deletes not counted (unlike [`Stat::cversion`]).
        cversion: i32,
        /// Changes of its ACL.
        aversion: i32,
        /// Session that owns it; container and TTL nodes have their marks here.
        ephemeral_owner: i64,
        /// Transaction that last created or deleted a child.
        pzxid: Zxid,
    }
}
