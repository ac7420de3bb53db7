//! `zkCleanup.sh`: removes snapshots and logs that recovery will not need. As ZooKeeper's script (`-n COUNT`, the
//! directories are those of the settings beside `bin/`), and as the class behind it (`dataLogDir [snapDir] -n COUNT`).

use std::path::Path;

use jiff::tz::TimeZone;
use vfs::{OsVfs, Vfs};
use zk_store::{Dirs, RETAIN_MIN, obsolete};

use crate::Invocation;
use crate::commands::zookeeper_shell::data_dirs;
use crate::output::Console;
use crate::zk_files::java_time;

const USAGE: &str = "\
Usage:
PurgeTxnLog dataLogDir [snapDir] -n count
\tdataLogDir -- path to the txn log directory
\tsnapDir -- path to the snapshot directory
\tcount -- the number of old snaps/logs you want to keep, value should be greater than or equal to 3";

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let Invocation { program, args, mut console } = invocation;
    let purged = asked(&OsVfs, &program, &args, &mut console)
        .and_then(|(dirs, keep)| purge(&OsVfs, &dirs, keep, logging::local_zone(), &mut console).map_err(Some));
    match purged {
        Ok(()) => 0,
        Err(text) => {
            if let Some(text) = text {
                console.error(&text);
            } else {
                console.line(USAGE);
            }
            1
        }
    }
}

/// The directories, and how many snapshots stay. An error is what is to be said, or that usage is to be shown.
fn asked(
    vfs: &dyn Vfs,
    program: &str,
    args: &[String],
    console: &mut Console,
) -> Result<(Dirs, usize), Option<String>> {
    let (dirs, option, count) = match args {
        [option, count] => (data_dirs(vfs, program, None, None).map_err(Some)?, option, count),
        [log_dir, option, count] => (named(vfs, log_dir, log_dir, console)?, option, count),
        [log_dir, snap_dir, option, count] => (named(vfs, log_dir, snap_dir, console)?, option, count),
        _ => return Err(None),
    };
    let Ok(count) = count.parse::<i32>() else {
        console.error(&format!("'{count}' can not be parsed to integer."));
        return Err(None);
    };
    let Some(count) = usize::try_from(count).ok().filter(|count| *count >= RETAIN_MIN) else {
        console.error("count should be greater than or equal to 3");
        return Err(None);
    };
    if option == "-n" { Ok((dirs, count)) } else { Err(None) }
}

fn named(vfs: &dyn Vfs, log_dir: &str, snap_dir: &str, console: &mut Console) -> Result<Dirs, Option<String>> {
    for dir in [log_dir, snap_dir] {
        if !vfs.exists(Path::new(dir)) {
            let shown = std::path::absolute(dir).unwrap_or_else(|_| dir.into());
            console.error(&format!("Path '{}' does not exist. ", shown.display()));
            return Err(None);
        }
    }
    Ok(Dirs::new(Path::new(snap_dir), Some(Path::new(log_dir))))
}

fn purge(vfs: &dyn Vfs, dirs: &Dirs, keep: usize, zone: &TimeZone, console: &mut Console) -> Result<(), String> {
    let files = obsolete(vfs, dirs, keep).map_err(|error| format!("{}: {error}", dirs.snapshots_dir().display()))?;
    for file in files {
        let modified = vfs.metadata(&file).map_or(0, |found| found.modified_ms);
        let time = java_time(modified, "%b %-d, %Y, %-I:%M:%S %p", zone);
        console.line(&format!("Removing file: {time}\t{}", file.display()));
        if vfs.remove_file(&file).is_err() {
            console.error(&format!("Failed to remove {}", file.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use vfs::{MemoryVfs, OpenMode};

    use super::*;
    use crate::output::testing;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_asked_is_checked() {
        let vfs = MemoryVfs::new();
        vfs.create_dir_all(Path::new("/d")).unwrap();
        let refused = |line: &str| {
            let (mut console, _, err) = testing::console();
            assert!(asked(&vfs, "", &words(line), &mut console).is_err(), "{line}");
            err.text()
        };
        assert_eq!(refused("/d -n 2"), "count should be greater than or equal to 3\n");
        assert_eq!(refused("/d -n x"), "'x' can not be parsed to integer.\n");
        assert_eq!(refused("/x -n 3"), "Path '/x' does not exist. \n");
        for line in ["/d", "/d -m 3", "/d /d /d -n 3"] {
            assert_eq!(refused(line), "", "{line}");
        }
        let (mut console, ..) = testing::console();
        let found = asked(&vfs, "", &words("/d /d -n 5"), &mut console).unwrap();
        assert_eq!(found, (Dirs::new(Path::new("/d"), None), 5));
    }

    #[test]
    fn old_files_go_and_are_named() {
        let vfs = MemoryVfs::new();
        let dirs = Dirs::new(Path::new("/d"), None);
        dirs.create(&vfs).unwrap();
        for zxid in 1..=5 {
            let open = |name: String| vfs.open(&dirs.logs_dir().join(name), OpenMode::Create).unwrap();
            open(format!("snapshot.{zxid}")).write_at(b"ZKSN..\0\0\0\x01/", 0).unwrap();
            open(format!("log.{zxid}"));
        }
        let (mut console, out, _) = testing::console();
        purge(&vfs, &dirs, 3, &TimeZone::UTC, &mut console).unwrap();
        drop(console);
        let names: Vec<String> = out
            .text()
            .lines()
            .map(|line| line.strip_prefix("Removing file: ").unwrap().split('\t').nth(1).unwrap().to_owned())
            .collect();
        let expected = ["snapshot.2", "snapshot.1", "log.1", "log.2"].map(|name| format!("/d/version-2/{name}"));
        assert_eq!(names, expected);
        assert_eq!(vfs.read_dir(dirs.logs_dir()).unwrap().len(), 6);
    }
}
