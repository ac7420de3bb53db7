//! The coordination session that this broker holds, kept beside its data, so that the next run can end it.
//!
//! After `kill -9` the old session would own `/brokers/ids/N` for another 18 seconds and the new run would have to wait
//! for it. Holding the lock of the log directory proves that the old process is dead, so its session may be ended at
//! once, provided that the directory was not copied to another machine, where the old process may well be alive.
//!
//! A plain file of our own, `.zk-session` in the first log directory: one line of version, then `key=value`. Apache's
//! broker ignores it.

use std::path::{Path, PathBuf};

use vfs::Vfs;
use zk_client::SessionKey;
use zk_proto::SessionId;

const NAME: &str = ".zk-session";
const VERSION: &str = "version=1";

/// Writes the session down.
pub(crate) fn write(vfs: &dyn Vfs, dir: &Path, key: SessionKey) -> std::io::Result<()> {
    let password = u128::from_be_bytes(key.password);
    let text = format!(
        "{VERSION}\nmachine={}\nsession={:x}\npassword={password:032x}\ntimeout_ms={}\n",
        machine(vfs),
        key.id.0,
        key.timeout_ms
    );
    vfs::durable::write_private_file(vfs, &path(dir), text.as_bytes())
}

/// The session of the last run; `None` if there is none, or it was another machine's, or a newer version wrote it.
pub(crate) fn read(vfs: &dyn Vfs, dir: &Path) -> Option<SessionKey> {
    let text = String::from_utf8(vfs.read(&path(dir)).ok()?).ok()?;
    let mut lines = text.lines();
    if lines.next() != Some(VERSION) {
        return None;
    }
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    if value("machine")? != machine(vfs) {
        return None;
    }
    let hex = value("password")?;
    let password = u128::from_str_radix(hex, 16).ok()?.to_be_bytes();
    let id = u64::from_str_radix(value("session")?, 16).ok()?.cast_signed();
    Some(SessionKey { id: SessionId(id), password, timeout_ms: value("timeout_ms")?.parse().ok()? })
}

/// Forgets the session: it was closed.
pub(crate) fn remove(vfs: &dyn Vfs, dir: &Path) {
    // Not there is as good.
    let _ = vfs.remove_file(&path(dir));
}

fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// What tells this machine from others.
fn machine(vfs: &dyn Vfs) -> String {
    let id = vfs.read(Path::new("/etc/machine-id")).unwrap_or_default();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{}/{host}", String::from_utf8_lossy(&id).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_reads_back_and_foreign_ones_do_not() {
        let vfs = vfs::MemoryVfs::default();
        let dir = Path::new("/logs");
        vfs.create_dir_all(dir).unwrap();
        let key = SessionKey { id: SessionId(-0x10), password: [0xab; 16], timeout_ms: 18_000 };
        write(&vfs, dir, key).unwrap();
        assert_eq!(read(&vfs, dir), Some(key));
        let text = String::from_utf8(vfs.read(&path(dir)).unwrap()).unwrap();
        let elsewhere = text.replace("machine=", "machine=other");
        vfs::durable::write_file(&vfs, &path(dir), elsewhere.as_bytes()).unwrap();
        assert_eq!(read(&vfs, dir), None);
        vfs::durable::write_file(&vfs, &path(dir), b"version=2\n").unwrap();
        assert_eq!(read(&vfs, dir), None);
        remove(&vfs, dir);
        assert_eq!(read(&vfs, dir), None);
    }
}
