//! A student's folder: a copy of what the repository gives a student, with its programs built and its own data.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Kind;
use crate::apache::Apache;
use crate::dirs::{TempDir, free_port, programs, repository};
use crate::pty::Terminal;
use crate::tools::{Output, run_command};

/// `bin/`, `config/` and `restart.sh` in a folder of their own, ports and data directories changed in `config/`.
///
/// Commands of the tutorial are run from its `bin/` as a student types them; `9092` and `2181` in them are replaced by
/// the ports of this lab.
#[derive(Debug)]
pub struct Lab {
    dir: TempDir,
    broker_port: u16,
    zookeeper_port: u16,
}

impl Lab {
    /// A new lab; nothing runs yet.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn new(name: &str) -> Lab {
        let dir = TempDir::new(name);
        let lab = Lab { broker_port: free_port(), zookeeper_port: free_port(), dir };
        let root = repository();
        for part in ["bin", "config"] {
            copy_dir(&root.join(part), &lab.path(part));
        }
        fs::copy(root.join("restart.sh"), lab.path("restart.sh")).expect("restart.sh is there");
        fs::create_dir_all(lab.path("target")).expect("the lab can be written");
        symlink(programs(), lab.path("target/release")).expect("the lab can be written");
        lab.edit("config/zookeeper.properties", |line| {
            line.replace("dataDir=/tmp/zookeeper", &format!("dataDir={}", lab.path("zookeeper-data").display()))
                .replace("clientPort=2181", &format!("clientPort={}", lab.zookeeper_port))
        });
        lab.edit("config/server.properties", |line| {
            line.replace("log.dirs=/tmp/kafka-logs", &format!("log.dirs={}", lab.path("kafka-data").display()))
                .replace("#listeners=PLAINTEXT://:9092", &format!("listeners=PLAINTEXT://:{}", lab.broker_port))
                .replace("localhost:2181", &format!("localhost:{}", lab.zookeeper_port))
        });
        lab
    }

    /// A path in the lab.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The broker's port.
    pub fn broker_port(&self) -> u16 {
        self.broker_port
    }

    /// The coordination server's port.
    pub fn zookeeper_port(&self) -> u16 {
        self.zookeeper_port
    }

    /// Changes a file line by line.
    ///
    /// # Panics
    /// When it cannot be read or written.
    pub fn edit(&self, file: &str, change: impl Fn(&str) -> String) {
        let path = self.path(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let changed: Vec<String> = text.lines().map(change).collect();
        fs::write(&path, changed.join("\n") + "\n").expect("the lab can be written");
    }

    /// The command for a line of the tutorial such as `./kafka-topics.sh --list ..`, in `bin/`.
    pub fn command(&self, line: &str) -> Command {
        self.command_of(Kind::Ours, line)
    }

    /// The same with Apache's program behind the script's name.
    pub fn command_of(&self, tools: Kind, line: &str) -> Command {
        let line = line
            .replace("localhost:9092", &format!("localhost:{}", self.broker_port))
            .replace("localhost:2181", &format!("localhost:{}", self.zookeeper_port));
        let mut words = line.split_whitespace();
        let script = words.next().expect("a line names a program");
        let mut command = match tools {
            Kind::Ours => Command::new(script),
            Kind::Apache => {
                let program = script.trim_start_matches("./").trim_end_matches(".sh");
                Apache::get().command(program)
            }
        };
        command.args(words).current_dir(self.path("bin"));
        command
    }

    /// A line of the tutorial at a terminal of its own, which shows what is typed.
    pub fn terminal(&self, tools: Kind, line: &str) -> Terminal {
        let mut terminal = Terminal::start(self.command_of(tools, line));
        terminal.echo();
        terminal
    }

    /// Runs a line of the tutorial to its end.
    pub fn run(&self, tools: Kind, line: &str) -> Output {
        self.run_with_input(tools, line, "")
    }

    /// Runs a line of the tutorial to its end, `input` on its standard input.
    pub fn run_with_input(&self, tools: Kind, line: &str, input: &str) -> Output {
        run_command(self.command_of(tools, line), input)
    }

    /// `kill -9` of both servers, found by their pid files.
    ///
    /// # Panics
    /// When one does not run.
    pub fn kill_both(&self) {
        for server in ["kafka", "zookeeper"] {
            let pid = self.pid_of(server).unwrap_or_else(|| panic!("{server} does not run"));
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    /// The process of a server (`kafka`, `zookeeper`) that the scripts started, by its pid file.
    pub fn pid_of(&self, server: &str) -> Option<rustix::process::Pid> {
        let file = find(self.dir.path(), &format!("{server}.pid"))?;
        let text = fs::read_to_string(file).ok()?;
        rustix::process::Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
    }

    /// Runs `./restart.sh` with arguments in the root of the lab.
    pub fn restart(&self, args: &[&str]) -> Output {
        run_command(self.restart_command(args), "")
    }

    /// The command for that.
    pub fn restart_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("./restart.sh");
        // Without it the script would build what the folder has no sources of.
        command.args(args).env("KAFKA_PROGRAM_DIR", programs()).current_dir(self.dir.path());
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for script in ["./kafka-server-stop.sh", "./zookeeper-server-stop.sh"] {
            let _ = Command::new(script).current_dir(self.path("bin")).output();
        }
    }
}

/// Where a pid file is: the scripts choose the folder.
fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if path.file_name().is_some_and(|file| file == name) {
            return Some(path);
        }
    }
    None
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the lab can be written");
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("the folder can be read");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("the lab can be written");
    }
}
