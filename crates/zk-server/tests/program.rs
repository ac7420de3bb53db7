//! The program as a user starts it: texts, exit codes, signals, the note for the stop scripts.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests use files directly, and fail by panics")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("zk-server-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }

    fn config(&self, text: &str) -> PathBuf {
        let path = self.0.join("zoo.cfg");
        fs::write(&path, text.replace("DIR", self.0.to_str().unwrap())).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn program() -> Command {
    // Whoever runs the tests may ignore signals, and the program keeps to what was ignored before it.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,HUP", env!("CARGO_BIN_EXE_zookeeper-server-start")]);
    for variable in
        ["KAFKA_PID_DIR", "KAFKA_LOG_LEVEL", "RUST_LOG", "KAFKA_OPTS", "JVMFLAGS", "JVM_FLAGS", "SERVER_JVMFLAGS"]
    {
        command.env_remove(variable);
    }
    // It listens on 8080 otherwise, and tests run side by side.
    command.env("JVM_FLAGS", "-Dzookeeper.admin.enableServer=false");
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = program().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Stdout without the time in front of each line.
fn without_times(stdout: &str) -> Vec<&str> {
    stdout
        .lines()
        .map(|line| if line.starts_with('[') { line.split_once("] ").map_or(line, |(_, rest)| rest) } else { line })
        .collect()
}

/// A port outside the range that the system gives to outgoing connections, so that it stays free.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let base = std::process::id() * 37;
    loop {
        let port = base.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000 + 10_000;
        if TcpListener::bind(("0.0.0.0", port as u16)).is_ok() {
            return port as u16;
        }
    }
}

struct Running(Child);

impl Running {
    /// Starts and waits until it answers `srvr`.
    fn start(command: &mut Command, port: u16) -> Running {
        let running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
        let deadline = Instant::now() + Duration::from_mins(1);
        while !word(port, "srvr").contains("Mode: standalone") {
            assert!(Instant::now() < deadline, "does not serve");
            std::thread::sleep(Duration::from_millis(5));
        }
        running
    }

    fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args(["-s", signal, &self.0.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    fn end(mut self) -> (i32, String) {
        let code = self.0.wait().unwrap().code().unwrap();
        let mut stdout = String::new();
        BufReader::new(self.0.stdout.take().unwrap()).read_to_string(&mut stdout).unwrap();
        (code, stdout)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn word(port: u16, word: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = socket.write_all(word.as_bytes());
        let _ = socket.read_to_string(&mut answer);
    }
    answer
}

#[test]
fn mistakes_in_the_file_end_with_two_and_apaches_words() {
    let scratch = Scratch::new("mistakes");
    for (text, cause) in [
        ("dataDir=DIR/d\nclientPort=abc\n", "Caused by: java.lang.NumberFormatException: For input string: \"abc\""),
        ("dataDir=DIR/d\nclientPort=99999\n", "Caused by: java.lang.IllegalArgumentException: port out of range:99999"),
        (
            "dataDir=DIR/d\nclientPort=1\ntickTime=abc\n",
            "Caused by: java.lang.NumberFormatException: For input string: \"abc\"",
        ),
        ("clientPort=2181\n", "Caused by: java.lang.IllegalArgumentException: dataDir is not set"),
        (
            "dataDir=DIR/d\nclientPort=1\nminSessionTimeout=9000\nmaxSessionTimeout=5000\n",
            "Caused by: java.lang.IllegalArgumentException: minSessionTimeout must not be larger than maxSessionTimeout",
        ),
    ] {
        let path = scratch.config(text);
        let (code, stdout, stderr) = run(&[path.to_str().unwrap()]);
        let lines = without_times(&stdout);
        let error = "ERROR Invalid config, exiting abnormally (org.apache.zookeeper.server.quorum.QuorumPeerMain)";
        let at = lines.iter().position(|line| *line == error).unwrap_or_else(|| panic!("{stdout}"));
        let processing = format!(
            "org.apache.zookeeper.server.quorum.QuorumPeerConfig$ConfigException: Error processing {}",
            path.display()
        );
        assert_eq!(lines[at + 1..at + 3], [processing.as_str(), cause]);
        assert_eq!(*lines.last().unwrap(), "ERROR Exiting JVM with code 2 (org.apache.zookeeper.util.ServiceUtils)");
        assert_eq!((code, stderr.as_str()), (2, "Invalid config, exiting abnormally\n"));
    }
}

#[test]
fn wrong_arguments_end_with_two() {
    let (code, stdout, stderr) = run(&["nofile.properties"]);
    assert!(
        stdout.contains("Caused by: java.lang.IllegalArgumentException: nofile.properties file is missing\n"),
        "{stdout}"
    );
    assert_eq!((code, stderr.as_str()), (2, "Invalid config, exiting abnormally\n"));
    let (code, stdout, stderr) = run(&["a", "b", "c", "d", "e", "f"]);
    assert!(
        stdout.contains("java.lang.IllegalArgumentException: Invalid number of arguments:[a, b, c, d, e, f]\n"),
        "{stdout}"
    );
    let usage = "Usage: ZooKeeperServerMain configfile | port datadir [ticktime] [maxcnxns]\n";
    assert_eq!((code, stderr.as_str()), (2, usage));
}

#[test]
fn a_data_directory_that_is_a_file_ends_with_three() {
    let scratch = Scratch::new("file");
    fs::write(scratch.0.join("d"), b"").unwrap();
    let path = scratch.config("dataDir=DIR/d\nclientPort=1\n");
    let (code, stdout, stderr) = run(&[path.to_str().unwrap()]);
    assert!(stdout.contains("DatadirException: Unable to create data directory"), "{stdout}");
    assert_eq!((code, stderr.as_str()), (3, "Unable to access datadir, exiting abnormally\n"));
}

#[test]
fn a_taken_port_ends_with_one_and_says_who_has_it() {
    let scratch = Scratch::new("port");
    let taken = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let path = scratch.config(&format!("dataDir=DIR/d\nclientPort={port}\n"));
    let (code, stdout, _) = run(&[path.to_str().unwrap()]);
    let lines = without_times(&stdout);
    let at = lines.iter().position(|line| *line == "java.net.BindException: Address already in use").unwrap();
    assert_eq!(
        lines[at - 1],
        "ERROR Unexpected exception, exiting abnormally (org.apache.zookeeper.server.ZooKeeperServerMain)"
    );
    assert!(lines[at + 1].contains(&format!("process {}", std::process::id())), "{stdout}");
    assert_eq!(code, 1);
}

#[test]
fn it_serves_leaves_its_note_and_ends_by_signals() {
    let scratch = Scratch::new("serve");
    let port = free_port();
    let path = scratch.config("dataDir=DIR/data\nclientPort=1\nno.such.key=1\nmaxClientCnxns=0\n");
    let notes = scratch.0.join("pids");
    for (signal, expected) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let mut command = program();
        command.arg(&path).args(["--override", &format!("clientPort={port}")]).env("KAFKA_PID_DIR", &notes);
        let server = Running::start(&mut command, port);
        let note = fs::read_to_string(notes.join("zookeeper.pid")).unwrap();
        let lines: Vec<&str> = note.lines().collect();
        let stat = fs::read_to_string(format!("/proc/{}/stat", server.0.id())).unwrap();
        let started = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap();
        let data = scratch.0.join("data");
        assert_eq!(lines, [&server.0.id().to_string(), started, &port.to_string(), data.to_str().unwrap()]);
        server.signal(signal);
        let (code, stdout) = server.end();
        assert_eq!(code, expected, "{stdout}");
        assert!(!notes.join("zookeeper.pid").exists());
        let lines = without_times(&stdout);
        let ready =
            format!("INFO binding to port 0.0.0.0/0.0.0.0:{port} (org.apache.zookeeper.server.NIOServerCnxnFactory)");
        assert!(lines.contains(&ready.as_str()), "{stdout}");
        assert!(
            lines.iter().any(|line| line.starts_with("WARN") && line.contains("line 3: no.such.key=1")),
            "{stdout}"
        );
    }
}

#[test]
fn a_signal_that_was_ignored_before_stays_ignored() {
    let scratch = Scratch::new("nohup");
    let port = free_port();
    let path = scratch.config(&format!("dataDir=DIR/data\nclientPort={port}\n"));
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_zookeeper-server-start")).arg(&path).env_remove("KAFKA_PID_DIR");
    command.env("JVM_FLAGS", "-Dzookeeper.admin.enableServer=false");
    let server = Running::start(&mut command, port);
    server.signal("HUP");
    // Signals that wait together come in any order, so the first one gets its chance alone.
    assert!(word(port, "srvr").contains("Mode: standalone"));
    server.signal("TERM");
    assert_eq!(server.end().0, 143);
}

#[test]
fn what_is_killed_starts_again_at_once() {
    let scratch = Scratch::new("kill");
    let port = free_port();
    let path = scratch.config(&format!("dataDir=DIR/data\nclientPort={port}\n"));
    for _ in 0..3 {
        let server = Running::start(program().arg(&path), port);
        server.signal("KILL");
        drop(server);
    }
    assert!(holds_snapshot(&scratch.0.join("data/version-2")));
}

fn holds_snapshot(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().any(|entry| entry.unwrap().file_name() == "snapshot.0")
}

#[test]
fn log_lines_begin_with_a_time() {
    let scratch = Scratch::new("lines");
    let path = scratch.config("clientPort=1\n");
    let Output { stdout, .. } = program().arg(&path).output().unwrap();
    let first = BufReader::new(stdout.as_slice()).lines().next().unwrap().unwrap();
    assert!(first.starts_with('[') && first.contains("] INFO Reading configuration from: "), "{first}");
}

#[test]
fn java_system_properties_are_heard() {
    let scratch = Scratch::new("properties");
    let port = free_port();
    let path = scratch.config(&format!("dataDir=DIR/data\nclientPort={port}\n"));
    let bad = program().arg(&path).env("KAFKA_OPTS", "-Xmx1g -Dzookeeper.snapCount=many").output().unwrap();
    let stdout = String::from_utf8(bad.stdout).unwrap();
    assert_eq!(bad.status.code(), Some(2), "{stdout}");
    assert!(stdout.contains("KAFKA_OPTS: options of a Java machine have no meaning here: -Xmx1g"), "{stdout}");
    assert!(stdout.contains("\tKAFKA_OPTS: -Dzookeeper.snapCount=many"), "{stdout}");
    let mut command = program();
    command
        .args(["-Dzookeeper.4lw.commands.whitelist=srvr,ruok", "-Dlog4j.debug"])
        .arg(&path)
        .env("SERVER_JVMFLAGS", "-Dzookeeper.4lw.commands.whitelist=srvr -Dzookeeper.netty.x=1");
    let server = Running::start(&mut command, port);
    assert_eq!(word(port, "ruok"), "imok", "the command line wins");
    server.signal("TERM");
    let (_, stdout) = server.end();
    assert!(stdout.contains("SERVER_JVMFLAGS: -Dzookeeper.netty.x=1: no meaning here"), "{stdout}");
    assert!(stdout.contains("Java properties without a meaning here: log4j.debug"), "{stdout}");
}

#[test]
fn an_admin_port_that_is_taken_is_told_of_and_is_code_4() {
    let scratch = Scratch::new("admin-port");
    let taken = TcpListener::bind(("0.0.0.0", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let settings = format!("admin.enableServer=true\nadmin.serverPort={port}\n");
    let config = scratch.config(&format!("dataDir=DIR/data\nclientPort={}\n{settings}", free_port()));
    let (code, stdout, stderr) = run(&[config.to_str().unwrap()]);
    assert_eq!(code, 4, "{stdout}");
    assert_eq!(stderr, "Unable to start AdminServer, exiting abnormally\n");
    let lines = without_times(&stdout);
    let error = lines.iter().position(|line| line.starts_with("ERROR Unable to start AdminServer")).unwrap();
    assert_eq!(
        lines[error + 1],
        format!(
            "org.apache.zookeeper.server.admin.AdminServer$AdminServerException: Problem starting AdminServer on address 0.0.0.0, port {port} and command URL /commands"
        )
    );
    assert!(
        lines[error + 4].contains("set another admin.serverPort; without the admin server: admin.enableServer=false")
    );
}
