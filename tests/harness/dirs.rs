//! Where things are: the repository, the built programs, directories and ports of one test.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

/// The directory with the built programs.
///
/// # Panics
/// When the tests were not started by `cargo xtask test`: stale programs would be tested.
pub fn programs() -> PathBuf {
    let dir = std::env::var_os("KAFKA_PROGRAMS")
        .expect("KAFKA_PROGRAMS is not set: run `cargo xtask test`, which builds the programs that are tested");
    PathBuf::from(dir)
}

/// A directory that is removed with its content when dropped; kept when the test panics, so that it can be looked at.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// A new empty directory below the system's temporary one.
    pub fn new(name: &str) -> TempDir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("kafka-test-{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        fs::create_dir_all(&path).expect("the temporary directory can be written");
        TempDir(path)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept for a look: {}", self.0.display());
        } else {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// A TCP port that nobody listens on. It lies outside the range that the system gives to outgoing connections, so
/// that it is still free when the server that was stopped is started again.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let base = 10_000 + (std::process::id() * 37) % 20_000;
    for _ in 0..2_000 {
        let port = (base + NEXT.fetch_add(1, Ordering::Relaxed)) % 22_000 + 10_000;
        let port = u16::try_from(port).expect("below 32 000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 10000 and 32000")
}

/// A TCP port that refuses connections as long as this lives: it is taken, so that no server of another test comes up on
/// it, and nobody listens.
#[derive(Debug)]
pub struct ClosedPort {
    port: u16,
    _socket: OwnedFd,
}

impl ClosedPort {
    /// Takes one.
    pub fn take() -> ClosedPort {
        use rustix::net::{AddressFamily, SocketType, bind, socket};
        loop {
            let port = free_port();
            let taken = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a descriptor is free");
            if bind(&taken, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)).is_ok() {
                return ClosedPort { port, _socket: taken };
            }
        }
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.port
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_closed_port_refuses_whoever_connects_and_whoever_would_listen() {
        let closed = ClosedPort::take();
        let address = ("127.0.0.1", closed.number());
        assert_eq!(TcpStream::connect(address).map_err(|error| error.kind()).err(), Some(ErrorKind::ConnectionRefused));
        for host in ["127.0.0.1", "0.0.0.0"] {
            assert!(TcpListener::bind((host, closed.number())).is_err());
        }
        drop(closed);
        assert!(TcpListener::bind(address).is_ok());
    }
}
