//! The jute codec and every record ZooKeeper puts on a wire or on a disk.
