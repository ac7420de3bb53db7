//! Where finished lines go: console and file, each line whole.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use vfs::{File, OpenMode, Vfs};

use crate::{Console, Warning};

/// A console, a file, or both.
#[derive(Debug)]
pub struct Output {
    console: Console,
    file: Option<Mutex<Appender>>,
}

#[derive(Debug)]
struct Appender {
    file: Arc<dyn File>,
    end: u64,
    /// The last write failed, which was said on standard error; said again only after it worked in between.
    failing: bool,
}

impl Output {
    /// Opens the file for appending. When that fails, lines go to the console alone and a warning is added.
    pub fn open(console: Console, file: Option<(Arc<dyn Vfs>, PathBuf)>, warnings: &mut Vec<Warning>) -> Output {
        let file = file.and_then(|(vfs, path)| {
            Appender::open(vfs.as_ref(), &path).map_err(|error| warnings.push(Warning::File(error))).ok()
        });
        Output { console, file: file.map(Mutex::new) }
    }

    /// Writes lines that belong together and end with a newline. Nobody can be told when a console is gone (its
    /// terminal was closed, its pipe has no reader), and a server has to go on; so errors there are dropped.
    pub(crate) fn write(&self, lines: &str) {
        let _ = match self.console {
            Console::Stdout => io::stdout().lock().write_all(lines.as_bytes()),
            Console::Stderr => io::stderr().lock().write_all(lines.as_bytes()),
            Console::None => Ok(()),
        };
        if let Some(file) = &self.file {
            file.lock().unwrap_or_else(PoisonError::into_inner).append(lines);
        }
    }
}

impl Appender {
    fn open(vfs: &dyn Vfs, path: &std::path::Path) -> io::Result<Appender> {
        vfs.create_dir_all(&vfs::durable::parent_of(path))?;
        let file = vfs.open(path, OpenMode::Create)?;
        let end = file.len()?;
        Ok(Appender { file, end, failing: false })
    }

    fn append(&mut self, lines: &str) {
        match self.file.write_at(lines.as_bytes(), self.end) {
            Ok(()) => {
                self.end += lines.len() as u64;
                self.failing = false;
            }
            Err(error) => {
                // Where even this fails, the next line is written over the half one.
                let _ = self.file.set_len(self.end);
                if !self.failing {
                    let _ = writeln!(io::stderr(), "Log lines are lost: {error}");
                }
                self.failing = true;
            }
        }
    }
}
