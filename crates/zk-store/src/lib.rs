//! Transaction log and snapshots on disk.
