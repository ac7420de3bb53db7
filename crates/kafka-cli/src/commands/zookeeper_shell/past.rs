//! The shell on a server's files: `--at-zxid N COMMAND`, `--history PATH`. Nothing is written, and no server is asked.

use std::path::{Path, PathBuf};

use properties::Properties;
use vfs::{OsVfs, Vfs};
use zk_client::check_path;
use zk_proto::Zxid;
use zk_store::Dirs;
use zk_store::past::{Moment, Past, history, tree_at};

use super::shell::Shell;
use super::source::Source;
use super::{history_text, usage};
use crate::output::Console;
use crate::start;

/// How it is written.
const USAGE: &str = "USAGE: --at-zxid N|latest [--data-dir DIR [--data-log-dir DIR]] [COMMAND]\n       \
                     --history PATH [--data-dir DIR [--data-log-dir DIR]]";
/// The settings of the server that belongs to these scripts, beside `bin/`.
const SETTINGS: &str = "config/zookeeper.properties";

/// Are files to be read? Then one of these options comes first.
pub(super) fn is_asked_for(args: &[String]) -> bool {
    let first = args.first().map_or("", |word| word.split('=').next().unwrap_or_default());
    matches!(first, "--at-zxid" | "--history" | "--data-dir" | "--data-log-dir")
}

/// Runs it.
pub(super) fn run(program: &str, args: &[String], mut console: Console) -> u8 {
    let asked = match Asked::parse(args) {
        Ok(asked) => asked,
        Err(text) => {
            console.error(&text);
            console.error(USAGE);
            return 1;
        }
    };
    let dirs = match data_dirs(&OsVfs, program, asked.data_dir.as_deref(), asked.data_log_dir.as_deref()) {
        Ok(dirs) => dirs,
        Err(text) => {
            console.error(&text);
            return 1;
        }
    };
    match asked.what {
        What::Tree(moment) => show_tree(&dirs, moment, asked.command, console),
        What::History(path) => show_history(&dirs, &path, &mut console),
    }
}

fn show_tree(dirs: &Dirs, moment: Moment, command: Vec<String>, mut console: Console) -> u8 {
    let past = match tree_at(&OsVfs, dirs, moment) {
        Ok(past) => past,
        Err(error) => {
            console.error(&error.to_string());
            return 1;
        }
    };
    console.line(&introduction(dirs, &past));
    for warning in warnings(&past) {
        console.error(&warning);
    }
    let shell = Shell::new(Source::Past(Box::new(past)), None, usage::KAFKA_HEAD, console);
    start::block_on(shell.run(command))
}

fn show_history(dirs: &Dirs, path: &str, console: &mut Console) -> u8 {
    if let Err(error) = check_path(path, false) {
        console.error(&error.to_string());
        return 1;
    }
    match history(&OsVfs, dirs, path) {
        Ok(found) => {
            let text = history_text::render(path, &found, logging::local_zone());
            console.bytes(text.output.as_bytes());
            for line in &text.errors {
                console.error(line);
            }
            u8::from(!text.known)
        }
        Err(error) => {
            console.error(&error.to_string());
            1
        }
    }
}

/// What is shown, in a line.
fn introduction(dirs: &Dirs, past: &Past) -> String {
    let made_of = past
        .snapshot
        .as_ref()
        .and_then(|path| path.file_name())
        .map_or_else(|| "an empty tree".to_owned(), |name| name.to_string_lossy().into_owned());
    let time = past.time.map_or_else(String::new, |time| format!(", {}", super::date(time, logging::local_zone())));
    let dir = dirs.snapshots_dir().parent().unwrap_or(dirs.snapshots_dir());
    format!(
        "Reading {} at zxid {}{time} ({made_of} and {} transactions)",
        dir.display(),
        past.state.last_zxid(),
        past.replayed
    )
}

fn warnings(past: &Past) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some((first, count)) = past.digest_mismatch {
        warnings.push(format!(
            "WARNING: behind transaction {first} (and {} more) the tree is not what the log says it was",
            count - 1
        ));
    }
    if past.unsealed {
        warnings.push(
            "WARNING: the snapshot does not say when it was finished; changes made meanwhile may show too early"
                .to_owned(),
        );
    }
    if let Some(torn) = &past.torn {
        warnings.push(format!(
            "WARNING: behind it, at byte {} of {}, stands a transaction that was not written to its end",
            torn.offset,
            torn.path.display()
        ));
    }
    warnings
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    what: What,
    data_dir: Option<PathBuf>,
    data_log_dir: Option<PathBuf>,
    command: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Tree(Moment),
    History(String),
}

impl Asked {
    /// Options up to the first word without two dashes, which begins the command.
    fn parse(args: &[String]) -> Result<Asked, String> {
        let mut words = args.iter();
        let (mut what, mut data_dir, mut data_log_dir, mut command) = (None, None, None, Vec::new());
        while let Some(word) = words.next() {
            if !word.starts_with("--") {
                command.push(word.clone());
                command.extend(words.by_ref().cloned());
                break;
            }
            let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
            if !matches!(name, "--at-zxid" | "--history" | "--data-dir" | "--data-log-dir") {
                return Err(format!("{name}: no such option"));
            }
            let value = value.map(str::to_owned).or_else(|| words.next().cloned());
            let value = value.ok_or_else(|| format!("{name}: its value is missing"))?;
            match name {
                "--data-dir" => data_dir = Some(PathBuf::from(value)),
                "--data-log-dir" => data_log_dir = Some(PathBuf::from(value)),
                _ if what.is_some() => return Err("--at-zxid or --history, and one of them".to_owned()),
                "--history" => what = Some(What::History(value)),
                _ => what = Some(What::Tree(moment(&value)?)),
            }
        }
        let what = what.ok_or("--at-zxid or --history is missing")?;
        if matches!(what, What::History(_)) && !command.is_empty() {
            return Err(format!("--history takes no command, and {} was given", command.join(" ")));
        }
        if data_log_dir.is_some() && data_dir.is_none() {
            return Err("--data-log-dir goes with --data-dir".to_owned());
        }
        Ok(Asked { what, data_dir, data_log_dir, command })
    }
}

/// `latest`, or a number: decimal, or hexadecimal behind `0x`, as logs print it.
fn moment(text: &str) -> Result<Moment, String> {
    if text == "latest" {
        return Ok(Moment::Latest);
    }
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let number = number.filter(|number| *number >= 0);
    number.map(|number| Moment::At(Zxid(number))).ok_or_else(|| {
        format!("--at-zxid {text}: a zxid is a number, such as 31 or 0x1f; latest is the end of the log")
    })
}

/// The directories of a server: as named, or as the settings beside `bin/` say.
///
/// # Errors
/// A text for the user, when there is no such directory or no such setting.
pub(crate) fn data_dirs(
    vfs: &dyn Vfs,
    program: &str,
    data_dir: Option<&Path>,
    data_log_dir: Option<&Path>,
) -> Result<Dirs, String> {
    let (data_dir, data_log_dir) = match data_dir {
        Some(dir) => (without_version(dir), data_log_dir.map(without_version)),
        None => settings_dirs(vfs, &settings_files(program))?,
    };
    let dirs = Dirs::new(&data_dir, data_log_dir.as_deref());
    for dir in [dirs.snapshots_dir(), dirs.logs_dir()] {
        if !vfs.metadata(dir).is_ok_and(|found| found.is_dir) {
            let data = dir.parent().unwrap_or(dir).display();
            return Err(format!("{data}: not the data directory of a ZooKeeper: {} is not there", dir.display()));
        }
    }
    Ok(dirs)
}

/// Files lie in `version-2`, and people name that directory too.
fn without_version(dir: &Path) -> PathBuf {
    let is_inner = dir.file_name().is_some_and(|name| name == zk_store::file_names::VERSION_DIR);
    dir.parent().filter(|_| is_inner).unwrap_or(dir).to_path_buf()
}

/// Where the settings may be: beside the folder that the script was called from, or that the program was built in.
fn settings_files(program: &str) -> Vec<PathBuf> {
    let bin = Path::new(program).parent().map(Path::to_path_buf);
    let beside_bin = bin.map(|bin| if bin.as_os_str().is_empty() { PathBuf::from("..") } else { bin.join("..") });
    let built = std::env::current_exe().ok().and_then(|exe| exe.ancestors().nth(3).map(Path::to_path_buf));
    beside_bin.into_iter().chain(built).map(|root| root.join(SETTINGS)).collect()
}

fn settings_dirs(vfs: &dyn Vfs, files: &[PathBuf]) -> Result<(PathBuf, Option<PathBuf>), String> {
    let Some((file, bytes)) = files.iter().find_map(|file| Some((file, vfs.read(file).ok()?))) else {
        return Err(format!(
            "there is no {SETTINGS} beside bin/ that names dataDir: say where it is with --data-dir DIR"
        ));
    };
    let name = file.display().to_string();
    let properties = Properties::parse(&name, &bytes).map_err(|error| error.to_string())?;
    let dir = |key| properties.get(key).map(str::trim).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let data_dir =
        dir("dataDir").ok_or_else(|| format!("{name} sets no dataDir: say where it is with --data-dir DIR"))?;
    Ok((data_dir, dir("dataLogDir")))
}

#[cfg(test)]
mod tests {
    use vfs::{MemoryVfs, OpenMode};

    use super::*;

    fn asked(line: &str) -> Result<Asked, String> {
        Asked::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_come_before_the_command() {
        let found = asked("--at-zxid 0x1f --data-dir=/d --data-log-dir /l ls -R /").unwrap();
        assert_eq!(found.what, What::Tree(Moment::At(Zxid(31))));
        assert_eq!((found.data_dir, found.data_log_dir), (Some("/d".into()), Some("/l".into())));
        assert_eq!(found.command, ["ls", "-R", "/"]);
        assert_eq!(asked("--history /a").unwrap().what, What::History("/a".to_owned()));
        assert_eq!(asked("--at-zxid latest").unwrap().what, What::Tree(Moment::Latest));
        for (line, text) in [
            ("--at-zxid", "--at-zxid: its value is missing"),
            ("--at-zxid x", "--at-zxid x: a zxid is a number"),
            ("--at-zxid -1", "--at-zxid -1: a zxid is a number"),
            ("--history /a ls /", "--history takes no command, and ls / was given"),
            ("--history /a --at-zxid 1", "--at-zxid or --history, and one of them"),
            ("--data-dir /d", "--at-zxid or --history is missing"),
            ("--history /a --data-log-dir /l", "--data-log-dir goes with --data-dir"),
            ("--history /a --nope", "--nope: no such option"),
        ] {
            let message = asked(line).unwrap_err();
            assert!(message.starts_with(text), "{line}: {message}");
        }
        assert!(is_asked_for(&["--at-zxid=5".to_owned()]) && !is_asked_for(&["localhost:2181".to_owned()]));
    }

    #[test]
    fn directories_are_named_or_found_in_the_settings() {
        let vfs = MemoryVfs::new();
        for dir in ["/d/version-2", "/l/version-2", "/k/config"] {
            vfs.create_dir_all(Path::new(dir)).unwrap();
        }
        let named = data_dirs(&vfs, "", Some(Path::new("/d/version-2")), Some(Path::new("/l"))).unwrap();
        assert_eq!(named, Dirs::new(Path::new("/d"), Some(Path::new("/l"))));
        let message = data_dirs(&vfs, "", Some(Path::new("/x")), None).unwrap_err();
        assert_eq!(message, "/x: not the data directory of a ZooKeeper: /x/version-2 is not there");
        let file = PathBuf::from("/k/config/zookeeper.properties");
        let write = |text: &str| {
            let open = vfs.open(&file, OpenMode::Create).unwrap();
            open.set_len(0).unwrap();
            open.write_at(text.as_bytes(), 0).unwrap();
        };
        let found = || settings_dirs(&vfs, &["/nowhere".into(), file.clone()]);
        assert!(found().unwrap_err().starts_with("there is no config/zookeeper.properties"));
        write("dataDir=/d\nclientPort=2181\n");
        assert_eq!(found(), Ok(("/d".into(), None)));
        write("dataDir=/d\ndataLogDir=/l\n");
        assert_eq!(found(), Ok(("/d".into(), Some("/l".into()))));
        write("clientPort=2181\n");
        assert!(found().unwrap_err().contains("sets no dataDir"));
    }
}
