//! Every file of the golden log directories, against what Apache's tool printed of it; and damaged ones.

use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use vfs::{MemoryVfs, OpenMode};

use super::*;
use crate::output::testing;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/log-dir");

/// The files of a gzipped tar.
fn unpack(set: &str) -> Vec<(String, Vec<u8>)> {
    let packed = OsVfs.read(Path::new(&format!("{GOLDEN}/{set}/data.tar.gz"))).expect("is there");
    let mut tar = Vec::new();
    io::copy(&mut GzDecoder::new(&packed[..]), &mut tar).expect("is a gzip file");
    let mut files = Vec::new();
    let mut rest = &tar[..];
    while let Some((head, after)) = rest.split_first_chunk::<512>() {
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(&head[range]).trim_matches(|c: char| c == '\0' || c == ' ').to_owned()
        };
        let size = usize::from_str_radix(&text(124..136), 8).unwrap_or(0);
        if head[156] == b'0' {
            files.push((text(0..100), after[..size].to_vec()));
        }
        rest = &after[size.div_ceil(512) * 512..];
    }
    files
}

fn put(vfs: &MemoryVfs, path: &Path, bytes: &[u8]) {
    vfs.create_dir_all(path.parent().expect("has one")).expect("creates");
    let file = vfs.open(path, OpenMode::CreateNew).expect("creates");
    file.write_at(bytes, 0).expect("writes");
}

/// A golden directory below the working directory, which is where `data/..` is for the tool.
fn golden(set: &str) -> MemoryVfs {
    let vfs = MemoryVfs::new();
    for (name, bytes) in unpack(set) {
        let path = PathBuf::from(name.trim_start_matches("./"));
        put(&vfs, &std::path::absolute(&path).expect("a path"), &bytes);
    }
    vfs
}

/// What it prints: standard output, standard error with the working directory cut off, and how it ended.
fn run_on(vfs: &MemoryVfs, command: &str) -> (String, String, Result<(), Thrown>) {
    let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
    let options = TABLE.parse(&words).expect("options");
    let mut settings = Settings::of(&options).expect("settings");
    let here = std::path::absolute("data").expect("a path");
    let here = here.parent().expect("it has one").display().to_string();
    settings.files = settings.files.iter().map(|file| absolute(Path::new(file))).collect();
    let (mut console, out, err) = testing::console();
    let ended = dump(vfs, &settings, &mut console);
    drop(console);
    let short = |text: String| text.replace(&format!("{here}/"), "");
    (short(out.text()), short(err.text()), ended.map_err(|thrown| Thrown(short(thrown.0))))
}

/// Replays every command of an expected directory; returns how many there were.
fn replay(vfs: &MemoryVfs, expected: &str) -> usize {
    let mut replayed = 0;
    for path in OsVfs.paths_in(Path::new(&format!("{GOLDEN}/{expected}"))).expect("is there") {
        if !file_name(&path).starts_with("dump-") {
            continue;
        }
        let text = String::from_utf8(OsVfs.read(&path).expect("reads")).expect("is text");
        for case in text.split("$ kafka-dump-log.sh ").skip(1) {
            let (command, wanted) = case.split_once('\n').expect("a line");
            let (out, err, ended) = run_on(vfs, command);
            let (wanted, wanted_err) = wanted.split_once("[stderr]\n").unwrap_or((wanted, ""));
            assert_eq!(out.trim_end(), wanted.trim_end(), "{expected}: {command}");
            match ended {
                Ok(()) => assert_eq!(err.trim_end(), wanted_err.trim_end(), "{expected}: {command}"),
                Err(thrown) => assert_eq!(Some(&*thrown.0), wanted_err.lines().next(), "{expected}: {command}"),
            }
            replayed += 1;
        }
    }
    replayed
}

#[test]
fn every_file_of_a_clean_directory_reads_as_in_apache() {
    assert!(replay(&golden("clean"), "clean/expected") > 80);
}

#[test]
fn every_file_of_a_torn_directory_reads_as_in_apache() {
    assert!(replay(&golden("unclean"), "unclean/expected-dump-of-torn-data") > 80);
}

#[test]
fn every_file_of_old_formats_reads_as_in_apache() {
    assert!(replay(&golden("old-message-formats"), "old-message-formats/expected") > 30);
}

/// Xorshift: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    /// Bytes flipped, overwritten, cut off, put in or doubled.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => bytes.splice(at..at, [self.below(256) as u8; 3]).for_each(drop),
                2 => bytes.extend_from_within(at..),
                kind => {
                    let value = if kind == 3 { 0xff } else { self.below(256) as u8 };
                    for byte in bytes.iter_mut().skip(at).take(1 + self.below(8)) {
                        *byte = if kind == 5 { *byte ^ (1 << self.below(8)) } else { value };
                    }
                }
            }
        }
    }
}

#[test]
fn no_damage_is_more_than_a_line_of_complaint() {
    const OPTIONS: [&str; 6] = [
        "--print-data-log",
        "--offsets-decoder",
        "--transaction-log-decoder",
        "--deep-iteration",
        "--verify-index-only",
        "--index-sanity-check",
    ];
    let (mut numbers, mut complaints) = (Numbers(0x9e37_79b9_7f4a_7c15), 0);
    for set in ["clean", "old-message-formats"] {
        let files: Vec<(String, Vec<u8>)> =
            unpack(set).into_iter().filter(|(name, bytes)| !bytes.is_empty() && name.contains('-')).collect();
        for _ in 0..1500 {
            let (name, bytes) = &files[numbers.below(files.len())];
            let path = std::path::absolute(name.trim_start_matches("./")).expect("a path");
            let vfs = MemoryVfs::new();
            // What an index is compared with lies beside it, unharmed; a segment has no index then.
            let segment = path.with_extension("log");
            if let Some((_, log)) = files.iter().find(|(other, _)| segment.ends_with(other.trim_start_matches("./")))
                && segment != path
            {
                put(&vfs, &segment, log);
            }
            let mut bytes = bytes.clone();
            numbers.damage(&mut bytes);
            put(&vfs, &path, &bytes);
            let command = format!("--files {} {}", path.display(), OPTIONS[numbers.below(OPTIONS.len())]);
            let (_, err, ended) = run_on(&vfs, &command);
            complaints += usize::from(ended.is_err() || !err.is_empty());
        }
    }
    assert!(complaints > 100, "{complaints} of 3000: the damage harms nothing");
}
