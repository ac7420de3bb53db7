//! `kafka-dump-log.sh`: what stands in the files of a partition, as lines of text.
//!
//! Files are only read, and a segment batch by batch: memory is that of the largest batch, which is no larger than the
//! file it lies in.

mod batches;
mod index;
mod log;
mod message;
mod producers;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::io;
use std::path::Path;

use vfs::{OsVfs, Vfs};

use crate::Invocation;
use crate::exit::{Failure, option_hint};
use crate::options::{Opt, OptionError, Options, Table};
use crate::output::Console;
use crate::start::{Introduction, Mistake};

const PURPOSE: &str = "This tool helps to parse a log file and dump its contents to the console, useful for debugging a \
                       seemingly corrupt log segment.";
const STRING_DECODER: &str = "org.apache.kafka.tools.api.StringDecoder";

const TABLE: Table = Table(&[
    Opt::flag("cluster-metadata-decoder", "Not here: records of KRaft's metadata, which this Kafka does not keep."),
    Opt::flag("deep-iteration", "Shows records, not batches alone. --print-data-log and decoders do so anyway."),
    Opt::value("files", "String", "file1, file2, ...", "REQUIRED: the files to dump, as a,b,.."),
    Opt::flag("help", "Prints this."),
    Opt::flag("index-sanity-check", "Makes only the check of indexes that a broker makes when it starts."),
    Opt::maybe("key-decoder-class", "String", "", "The class that makes text of keys.").or(STRING_DECODER),
    Opt::value("max-bytes", "Integer", "size", "Of a .log, how many bytes to read.").or("2147483647"),
    Opt::value("max-message-size", "Integer", "size", "The largest batch that an index is compared with, in bytes.")
        .or("5242880"),
    Opt::flag("offsets-decoder", "Shows positions and groups: for segments of __consumer_offsets."),
    Opt::flag("print-data-log", "Shows keys and values as well."),
    Opt::flag(
        "remote-log-metadata-decoder",
        "Not here: records about remote segments, which this Kafka does not have.",
    ),
    Opt::flag("skip-record-metadata", "Of records shows keys and values alone."),
    Opt::flag("transaction-log-decoder", "Shows transactions: for segments of __transaction_state."),
    Opt::maybe("value-decoder-class", "String", "", "The class that makes text of values.").or(STRING_DECODER),
    Opt::flag("verify-index-only", "Compares indexes with their segment, and prints differences alone."),
    Opt::flag("version", "Prints the version."),
]);

const INTRODUCTION: Introduction =
    Introduction { table: TABLE, purpose: PURPOSE, without_arguments: Some(PURPOSE), mistake: Mistake::Usage };

/// What Java's tool dies of: the exception's class and its message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Thrown(String);

impl Thrown {
    fn new(class: &str, message: impl Display) -> Thrown {
        Thrown(format!("{class}: {message}"))
    }

    fn io(error: &io::Error, path: &Path) -> Thrown {
        match error.kind() {
            io::ErrorKind::NotFound => Thrown::new("java.nio.file.NoSuchFileException", path.display()),
            io::ErrorKind::PermissionDenied => Thrown::new("java.nio.file.AccessDeniedException", path.display()),
            _ => Thrown::new("java.io.IOException", format!("{}: {error}", path.display())),
        }
    }

    fn option(error: &OptionError) -> Thrown {
        Thrown::new(error.exception(), error)
    }

    fn failure(&self) -> Failure {
        Failure::new(format!("Exception in thread \"main\" {}", self.0))
    }
}

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    if let Err(error) = TABLE.parse(&invocation.args) {
        let mut console = invocation.console;
        return Thrown::option(&error).failure().hint(option_hint(&error, TABLE)).report(TABLE, &mut console);
    }
    let (options, mut console) = match INTRODUCTION.begin(invocation) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    if !options.has("files") {
        return Failure::usage("Missing required argument \"[files]\"").report(TABLE, &mut console);
    }
    for absent in ["cluster-metadata-decoder", "remote-log-metadata-decoder"] {
        if options.has(absent) {
            return Failure::new(format!("--{absent}: there are no such records in this Kafka"))
                .hint("Leave the option out; --print-data-log shows the bytes of any record.")
                .report(TABLE, &mut console);
        }
    }
    match Settings::of(&options).and_then(|settings| dump(&OsVfs, &settings, &mut console)) {
        Ok(()) => 0,
        Err(thrown) => thrown.failure().report(TABLE, &mut console),
    }
}

/// What the options ask for.
#[derive(Debug)]
struct Settings {
    files: Vec<String>,
    print_data: bool,
    deep: bool,
    skip_record_metadata: bool,
    sanity_check: bool,
    verify_only: bool,
    /// Largest batch that an index is compared with, in bytes; Java's tool looks at it with the first index only.
    max_message_size: Result<i32, Thrown>,
    /// How much of a segment is read, in bytes; looked at with the first segment.
    max_bytes: Result<i32, Thrown>,
    offsets: bool,
    transactions: bool,
    key_decoder: String,
    value_decoder: String,
}

impl Settings {
    fn of(options: &Options) -> Result<Settings, Thrown> {
        let failed = |error: OptionError| Thrown::option(&error);
        let number = |name, or| options.number(name).map_err(failed).map(|value| value.unwrap_or(or));
        let class = |name| match options.one(name).map_err(failed)? {
            None | Some("") => Ok(STRING_DECODER.to_owned()),
            Some(class) => Ok(class.to_owned()),
        };
        let files = options.one("files").map_err(failed)?.unwrap_or_default();
        let decoders = ["offsets-decoder", "transaction-log-decoder", "value-decoder-class", "key-decoder-class"];
        let print_data = options.has("print-data-log") || decoders.iter().any(|name| options.has(name));
        Ok(Settings {
            files: java_split(files).into_iter().map(java_path).collect(),
            print_data,
            deep: print_data || options.has("deep-iteration"),
            skip_record_metadata: options.has("skip-record-metadata"),
            sanity_check: options.has("index-sanity-check"),
            verify_only: options.has("verify-index-only"),
            max_message_size: number("max-message-size", 5 << 20),
            max_bytes: number("max-bytes", i32::MAX),
            offsets: options.has("offsets-decoder"),
            transactions: options.has("transaction-log-decoder"),
            key_decoder: class("key-decoder-class")?,
            value_decoder: class("value-decoder-class")?,
        })
    }
}

/// What was noticed on the way, and is told at the end.
#[derive(Debug, Default)]
struct Findings {
    /// Offset in an index, offset in the log.
    mismatches: Vec<(String, Vec<(i64, i64)>)>,
    times: index::TimeFindings,
    /// An offset, and the one that follows it and is not the next.
    gaps: Vec<(String, Vec<(i64, i64)>)>,
}

impl Findings {
    fn report(&self, console: &mut Console) {
        for (file, pairs) in &self.mismatches {
            console.error(&format!("Mismatches in :{file}"));
            for (index, log) in pairs.iter().rev() {
                console.error(&format!("  Index offset: {index}, log offset: {log}"));
            }
        }
        self.times.report(console);
        for (file, pairs) in &self.gaps {
            console.error(&format!("Non-consecutive offsets in {file}"));
            for (first, second) in pairs.iter().rev() {
                console.error(&format!("  {first} is followed by {second}"));
            }
        }
    }
}

/// Adds to what is known of a file.
fn note<T>(findings: &mut Vec<(String, Vec<T>)>, path: &Path, finding: T) {
    let name = absolute(path);
    match findings.iter_mut().find(|(file, _)| *file == name) {
        Some((_, list)) => list.push(finding),
        None => findings.push((name, vec![finding])),
    }
}

fn dump(vfs: &dyn Vfs, settings: &Settings, console: &mut Console) -> Result<(), Thrown> {
    let mut findings = Findings::default();
    for name in &settings.files {
        console.line(&format!("Dumping {name}"));
        let path = Path::new(name);
        match suffix(path)? {
            ".log" => log::dump(vfs, path, settings, &mut findings, console)?,
            ".index" => index::dump(vfs, path, settings, &mut findings, console)?,
            ".timeindex" => index::dump_times(vfs, path, settings, &mut findings, console)?,
            ".snapshot" => producers::dump_snapshot(vfs, path, console)?,
            ".txnindex" => producers::dump_aborted(vfs, path, console)?,
            _ => console.error(&format!("Ignoring unknown file {name}")),
        }
        if console.is_broken() {
            return Ok(());
        }
    }
    findings.report(console);
    Ok(())
}

/// From the last full stop of the file's name on.
fn suffix(path: &Path) -> Result<&str, Thrown> {
    let name = file_name(path);
    if let Some(at) = name.rfind('.') {
        return Ok(&name[at..]);
    }
    let length = name.encode_utf16().count();
    let message = format!("begin -1, end {length}, length {length}");
    Err(Thrown::new("java.lang.StringIndexOutOfBoundsException", message))
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The name up to its first full stop, and the offset that it is.
fn base_offset(path: &Path) -> Result<(&str, i64), Thrown> {
    let name = file_name(path);
    let stem = name.split('.').next().unwrap_or_default();
    match stem.parse() {
        Ok(offset) => Ok((stem, offset)),
        Err(_) => Err(Thrown::new("java.lang.NumberFormatException", format!("For input string: \"{stem}\""))),
    }
}

/// Where Java would say that it lies; `..` and links stay.
fn absolute(path: &Path) -> String {
    match std::path::absolute(path) {
        Ok(path) => path.display().to_string(),
        Err(_) => path.display().to_string(),
    }
}

/// `String.split(",")`: nothing is left of empty parts at the end.
fn java_split(list: &str) -> Vec<&str> {
    if list.is_empty() {
        return vec![""];
    }
    let trimmed = list.trim_end_matches(',');
    if trimmed.is_empty() { Vec::new() } else { trimmed.split(',').collect() }
}

/// `new File(name).toString()`: slashes that say nothing are gone.
fn java_path(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for part in name.chars() {
        if part != '/' || !path.ends_with('/') {
            path.push(part);
        }
    }
    if path.len() > 1 && path.ends_with('/') {
        path.pop();
    }
    path
}
