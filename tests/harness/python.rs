//! A Python environment with the clients that the tests use, kept below `target/`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::dirs::repository;
use crate::install::ensure_program;
use crate::tools::{Output, run_command};

/// A virtual environment.
#[derive(Debug)]
pub struct Python {
    interpreter: PathBuf,
}

impl Python {
    /// The environment `name` with `packages`; made on the first call.
    ///
    /// # Panics
    /// When Python or the packages cannot be installed.
    pub fn with(name: &str, packages: &[&str]) -> Python {
        let home = repository().join("target/python").join(name);
        fs::create_dir_all(&home).expect("target/ can be written");
        let lock = File::create(home.join("lock")).expect("target/ can be written");
        lock.lock().expect("the file system has locks");
        let wanted = packages.join("\n");
        if fs::read_to_string(home.join("complete")).ok().as_deref() != Some(wanted.as_str()) {
            ensure_program("python3", "python3-venv");
            must(Command::new("python3").args(["-m", "venv"]).arg(home.join("venv")));
            must(Command::new(home.join("venv/bin/pip")).args(["install", "--quiet"]).args(packages));
            fs::write(home.join("complete"), wanted).expect("target/ can be written");
        }
        Python { interpreter: home.join("venv/bin/python") }
    }

    /// Runs a script with arguments.
    pub fn run(&self, script: &Path, args: &[&str]) -> Output {
        let mut command = self.command();
        command.arg(script).args(args);
        run_command(command, "")
    }

    /// The interpreter, for anything else.
    pub fn command(&self) -> Command {
        Command::new(&self.interpreter)
    }
}

fn must(command: &mut Command) {
    let done = command.status().is_ok_and(|status| status.success());
    assert!(done, "{command:?} failed: the tests need Python with these packages");
}
