//! A server as a process.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::images::generic::GenericImage;

const AT_MOST: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(10);

/// What the image has at `/conf/zoo.cfg`.
const CONFIG: &str = "\
dataDir=/data
tickTime=2000
initLimit=5
syncLimit=2
autopurge.snapRetainCount=3
autopurge.purgeInterval=0
maxClientCnxns=60
standaloneEnabled=true
server.1=localhost:2888:3888;2181
";

/// One server with a folder of its own.
#[derive(Debug)]
pub(crate) struct Server {
    dir: PathBuf,
    flags: Vec<String>,
    /// Ports of the container and of this machine.
    ports: Vec<(u16, u16)>,
    process: Mutex<Option<Child>>,
}

impl Server {
    pub(crate) fn start(image: GenericImage) -> Server {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("container-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(dir.join("data")).expect("the temporary directory can be written");
        // As the image does; it is by this that a server alone finds its port.
        fs::write(dir.join("data/myid"), "1\n").expect("the temporary directory can be written");

        let mut config = CONFIG.to_owned();
        if let Some((source, _)) = image.volumes.iter().find(|(_, destination)| destination == "/conf/zoo.cfg") {
            config = fs::read_to_string(source).expect("the test wrote it");
        }
        let mut volumes = image.volumes;
        if !volumes.iter().any(|(_, destination)| destination == "/data") {
            volumes.push((dir.join("data").display().to_string(), "/data".to_owned()));
        }
        let mut ports = Vec::new();
        if !image.on_host {
            for port in [2181, 2888, 3888] {
                let free = free_port();
                config = config.replace(&port.to_string(), &free.to_string());
                ports.push((port, free));
            }
        }
        let data = volumes.iter().find(|(_, destination)| destination == "/data").map(|(source, _)| source);
        let id = data.and_then(|data| fs::read_to_string(Path::new(data).join("myid")).ok()).unwrap_or_default();
        let asked_at = plain_port(&config, id.trim()).unwrap_or_else(|| {
            let free = free_port();
            writeln!(config, "\nclientPort={free}").expect("a string takes everything");
            free
        });
        // In a container it would have the usual one for itself.
        writeln!(config, "\nadmin.serverPort={}", free_port()).expect("a string takes everything");
        fs::write(dir.join("zoo.cfg"), here(config, &volumes)).expect("the temporary directory can be written");

        let flags = image.environment.into_iter().find(|(name, _)| name == "SERVER_JVMFLAGS");
        let flags = here(flags.map(|(_, value)| value).unwrap_or_default(), &volumes);
        let flags = flags.split_whitespace().map(str::to_owned).collect();
        let server = Server { dir, flags, ports, process: Mutex::new(None) };
        server.run();
        server.wait_healthy(asked_at);
        server
    }

    pub(crate) fn run(&self) {
        let log = File::options().create(true).append(true).open(self.log().0).expect("the log can be written");
        let errors = log.try_clone().expect("a descriptor is free");
        let child = Command::new("java")
            .args(&self.flags)
            .arg("-cp")
            .arg(std::env::var_os("ZOOKEEPER_CLASSPATH").unwrap_or_default())
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(self.dir.join("zoo.cfg"))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("java is on PATH");
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }

    fn wait_healthy(&self, port: u16) {
        let deadline = Instant::now() + AT_MOST;
        while !ask(port).is_some_and(|answer| answer.contains("Mode:")) {
            let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = process.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(ended.is_none(), "the server ended:\n{}", self.log().text());
            drop(process);
            assert!(Instant::now() < deadline, "the server is not healthy:\n{}", self.log().text());
            std::thread::sleep(PAUSE);
        }
    }

    pub(crate) fn stop(&self) {
        let child = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    pub(crate) fn host_port(&self, port: u16) -> u16 {
        self.ports.iter().find(|(inside, _)| *inside == port).map_or(port, |(_, outside)| *outside)
    }

    pub(crate) fn log(&self) -> Log {
        Log(self.dir.join("server.log"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            // The test's framework shows it with what the test printed.
            println!("the server:\n{}", self.log().text());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The file with a server's output.
#[derive(Debug)]
pub(crate) struct Log(PathBuf);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(Path::new(&self.0)).unwrap_or_default()).into_owned()
    }

    pub(crate) fn wait_for(&self, text: &str) -> Result<(), String> {
        let deadline = Instant::now() + AT_MOST;
        while !self.text().contains(text) {
            if Instant::now() > deadline {
                return Err(format!("{text:?} was not printed:\n{}", self.text()));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// Paths in the container become those of this machine.
fn here(mut text: String, volumes: &[(String, String)]) -> String {
    for (source, destination) in volumes {
        text = text.replace(&format!("={destination}"), &format!("={source}"));
    }
    text
}

/// The port on which four-letter words are understood by the server with this number: not that for TLS.
fn plain_port(config: &str, id: &str) -> Option<u16> {
    let of_line = |line: &str| match line.split_once('=')? {
        ("clientPort", port) => port.trim().parse().ok(),
        (name, value) if name.strip_prefix("server.") == Some(id) => {
            value.rsplit([';', ':']).next()?.trim().parse().ok().filter(|_| value.contains(';'))
        }
        _ => None,
    };
    config.lines().find_map(of_line)
}

fn ask(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"srvr").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A port outside the range that the system gives to outgoing connections.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let base = std::process::id() * 37;
    for _ in 0..2_000 {
        let port = base.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000 + 10_000;
        let port = u16::try_from(port).expect("below 30 000");
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 10000 and 30000")
}
