//! Which process holds a port: for the message of a server that finds it taken.
//!
//! The kernel's tables are no files of ours (they have no length, and links to sockets lead nowhere), so they are
//! read here and not through `vfs`.

use std::fmt;
use std::os::fd::OwnedFd;

use rustix::fs::{Dir, Mode, OFlags, openat, readlinkat};

/// A process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOwner {
    /// Its id.
    pub pid: u32,
    /// The name of its program.
    pub name: String,
}

impl fmt::Display for PortOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, self.name)
    }
}

/// The process that listens on TCP `port` of this machine; `None` if none does or it belongs to another user.
pub fn port_owner(port: u16) -> Option<PortOwner> {
    let proc = open_dir(rustix::fs::CWD, "/proc")?;
    let sockets: Vec<String> = ["net/tcp", "net/tcp6"]
        .iter()
        .filter_map(|table| read(&proc, table))
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    names_in(&proc)
        .into_iter()
        .filter_map(|name| name.parse::<u32>().ok())
        .find(|pid| holds(&proc, *pid, &sockets))
        .map(|pid| PortOwner { pid, name: read(&proc, &format!("{pid}/comm")).unwrap_or_default().trim().to_string() })
}

/// Inodes of the sockets in the state LISTEN (0A) on `port`, from `/proc/net/tcp`: `sl local rem st .. inode`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let local_end = format!(":{port:04X}");
    table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() > 9 && words[1].ends_with(&local_end) && words[3] == "0A")
        .map(|words| words[9].to_string())
        .collect()
}

fn holds(proc: &OwnedFd, pid: u32, sockets: &[String]) -> bool {
    let Some(fds) = open_dir(proc, &format!("{pid}/fd")) else { return false };
    names_in(&fds).iter().any(|fd| {
        readlinkat(&fds, fd.as_str(), Vec::new())
            .is_ok_and(|link| sockets.iter().any(|socket| link.as_bytes() == socket.as_bytes()))
    })
}

fn open_dir(at: impl std::os::fd::AsFd, path: &str) -> Option<OwnedFd> {
    openat(at, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
}

fn names_in(dir: &OwnedFd) -> Vec<String> {
    let Ok(entries) = Dir::read_from(dir) else { return Vec::new() };
    entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn read(at: &OwnedFd, path: &str) -> Option<String> {
    let file = openat(at, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        match rustix::io::read(&file, &mut buffer[..]).ok()? {
            0 => return Some(String::from_utf8_lossy(&bytes).into_owned()),
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0 100\n\
             1: 0100007F:2384 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 778 1 0 100\n\
             2: 00000000:2385 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 779 1 0 100\n";
        assert_eq!(listening_inodes(table, 9092), ["777"]);
    }

    #[test]
    fn only_who_listens_on_a_port_owns_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(port_owner(listener.local_addr().unwrap().port()).unwrap().pid, std::process::id());
        let silent = tokio::net::TcpSocket::new_v4().unwrap();
        silent.bind((std::net::Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        assert_eq!(port_owner(silent.local_addr().unwrap().port()), None);
    }
}
