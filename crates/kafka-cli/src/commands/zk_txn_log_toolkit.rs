//! `zkTxnLogToolkit.sh`: shows the transactions of a log file, mends checksums, or cuts the file at a zxid.

mod chop;
mod text;

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vfs::{File, OpenMode, OsVfs, Vfs};
use zk_proto::{Jute, LoggedTxn};
use zk_store::raw_log::{RawLog, RawLogError, RawRecord};

use crate::Invocation;
use crate::commons_cli::{Opt, Options, Parsed, help};
use crate::output::Console;
use crate::zk_files::{INVALID_INVOCATION, Words};

const OPTIONS: Options = Options::of(&[
    Opt::flag("h", "Print help message").long("help"),
    Opt::flag("r", "Recovery mode. Re-calculate CRC for broken entries.").long("recover"),
    Opt::flag("v", "Be verbose in recovery mode: print all entries, not just fixed ones.").long("verbose"),
    Opt::flag("d", "Dump mode. Dump all entries of the log file with printing the content of a nodepath (default)")
        .long("dump"),
    Opt::flag("y", "Non-interactive mode: repair all CRC errors without asking").long("yes"),
    Opt::flag("c", "Chop mode. Chop txn file to a zxid.").long("chop"),
    Opt::value("z", "Used with chop. Zxid to which to chop.").long("zxid"),
]);
const SYNTAX: &str = "TxnLogToolkit [-dhrvc] <txn_log_file_name> (-z <zxid>)";
const WIDTH: usize = 120;

/// Why the tool ends.
#[derive(Debug)]
struct Failed {
    code: u8,
    text: String,
}

impl Failed {
    fn new(text: impl Into<String>) -> Failed {
        Failed { code: 1, text: text.into() }
    }
}

impl From<RawLogError> for Failed {
    fn from(error: RawLogError) -> Failed {
        Failed::new(format!("Exception in thread \"main\" java.io.IOException: {error}"))
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::new(format!("Exception in thread \"main\" java.io.IOException: {error}"))
    }
}

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let Invocation { args, mut console, .. } = invocation;
    let help = help::render(SYNTAX, &OPTIONS, WIDTH);
    let parsed = match OPTIONS.parse(&args) {
        Ok(parsed) => parsed,
        Err(error) => {
            console.error(&format!("{error}\n"));
            console.bytes(help.as_bytes());
            return 1;
        }
    };
    if parsed.has("h") || parsed.args.is_empty() {
        console.bytes(help.as_bytes());
        return u8::from(!parsed.has("h"));
    }
    match act(&OsVfs, &parsed, io::stdin().lock(), &mut console) {
        Ok(()) => 0,
        Err(failed) => {
            console.error(&failed.text);
            failed.code
        }
    }
}

fn act(vfs: &dyn Vfs, parsed: &Parsed, input: impl BufRead, console: &mut Console) -> Result<(), Failed> {
    let path = Path::new(&parsed.args[0]);
    if vfs.open(path, OpenMode::Read).is_err() {
        return Err(Failed::new(format!("File doesn't exist or not readable: {}", path.display())));
    }
    if let (true, Some(zxid)) = (parsed.has("c"), parsed.value("z")) {
        return chop::run(vfs, path, zxid, console);
    }
    let fixed = if parsed.has("r") { Some(Fixed::create(vfs, path)?) } else { None };
    let dump = Dump { fixed, force: parsed.has("y"), verbose: parsed.has("v"), words: Words::new(input), console };
    dump.run(vfs, path)
}

/// The file that a recovery writes.
struct Fixed {
    path: PathBuf,
    file: Arc<dyn File>,
    end: u64,
    count: u64,
}

impl Fixed {
    fn create(vfs: &dyn Vfs, log: &Path) -> Result<Fixed, Failed> {
        let path = PathBuf::from(format!("{}.fixed", log.display()));
        match vfs.open(&path, OpenMode::CreateNew) {
            Ok(file) => Ok(Fixed { path, file, end: 0, count: 0 }),
            Err(_) => Err(Failed::new(format!("Recovery file {} already exists or not writable", path.display()))),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// Goes through a log.
struct Dump<'a, R> {
    fixed: Option<Fixed>,
    force: bool,
    verbose: bool,
    words: Words<R>,
    console: &'a mut Console,
}

impl<R: BufRead> Dump<'_, R> {
    fn run(mut self, vfs: &dyn Vfs, path: &Path) -> Result<(), Failed> {
        let (mut log, head) = RawLog::open(vfs, path)?;
        if !head.is_log() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            return Err(Failed { code: INVALID_INVOCATION, text: format!("Invalid magic number for {name}") });
        }
        self.console.line(&text::head(&head));
        if let Some(fixed) = &mut self.fixed {
            fixed.write(&head.to_bytes())?;
        }
        let mut count = 0;
        while let Some(record) = log.next()? {
            self.record(&record)?;
            count += 1;
        }
        self.console.line(&format!("EOF reached after {count} txns."));
        if let Some(fixed) = &self.fixed {
            fixed.file.sync_data()?;
            let (path, count) = (fixed.path.display(), fixed.count);
            self.console.line(&format!("Recovery file {path} has been written with {count} fixed CRC error(s)"));
        }
        Ok(())
    }

    fn record(&mut self, record: &RawRecord) -> Result<(), Failed> {
        let mut checksum = record.checksum;
        if checksum != record.true_checksum() {
            let fix = match &self.fixed {
                None => {
                    self.print(record, "CRC ERROR - ")?;
                    false
                }
                Some(_) if self.force => {
                    self.print(record, "CRC FIXED - ")?;
                    true
                }
                Some(_) => {
                    self.print(record, "CRC ERROR - ")?;
                    self.ask()?
                }
            };
            if let Some(fixed) = self.fixed.as_mut().filter(|_| fix) {
                checksum = record.true_checksum();
                fixed.count += 1;
            }
        }
        if self.fixed.is_none() || self.verbose {
            self.print(record, "")?;
        }
        if !record.is_ended() {
            return Err(Failed::new("Last transaction was partial."));
        }
        match &mut self.fixed {
            Some(fixed) => Ok(fixed.write(&record.to_bytes(checksum))?),
            None => Ok(()),
        }
    }

    fn print(&mut self, record: &RawRecord, prefix: &str) -> Result<(), Failed> {
        let logged = LoggedTxn::from_bytes(record.body.clone()).map_err(|error| {
            Failed::new(format!("Exception in thread \"main\" java.io.IOException: {prefix}no transaction: {error}"))
        })?;
        let text = text::transaction(&logged, logging::local_zone());
        self.console.bytes(format!("{prefix}{text}").as_bytes());
        Ok(())
    }

    fn ask(&mut self) -> Result<bool, Failed> {
        loop {
            self.console.bytes(b"Would you like to fix it (Yes/No/Abort) ? ");
            self.console.flush();
            let Some(word) = self.words.next_word() else {
                return Err(Failed::new("Exception in thread \"main\" java.util.NoSuchElementException"));
            };
            match word.chars().next().map(|letter| letter.to_ascii_uppercase()) {
                Some('Y') => return Ok(true),
                Some('N') => return Ok(false),
                Some('A') => return Err(Failed { code: 0, text: "Recovery aborted.".to_owned() }),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
