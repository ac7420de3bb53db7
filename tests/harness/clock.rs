//! Another time of day for a program under test.

use std::fs;
use std::path::{Path, PathBuf};

use crate::install::ensure_program;

/// The wall clock of a program; its monotonic clock stays as it is.
#[derive(Debug)]
pub struct WallClock {
    offset: PathBuf,
}

impl WallClock {
    /// One that goes right, kept in `dir`.
    pub fn new(dir: &Path) -> WallClock {
        ensure_program("faketime", "faketime");
        let clock = WallClock { offset: dir.join("offset") };
        clock.set("+0");
        clock
    }

    /// Sets it so many seconds ahead (`+3600`) or back (`-3600`).
    pub fn set(&self, offset: &str) {
        fs::write(&self.offset, offset).expect("the test's directory can be written");
    }

    /// What the program has to run under.
    pub fn words(&self) -> Vec<String> {
        let library = [
            "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
            "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
        ]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("the package brings its library");
        let words = [
            "env",
            &format!("LD_PRELOAD={library}"),
            &format!("FAKETIME_TIMESTAMP_FILE={}", self.offset.display()),
            "FAKETIME_NO_CACHE=1",
            "DONT_FAKE_MONOTONIC=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        ];
        words.map(str::to_owned).to_vec()
    }
}
