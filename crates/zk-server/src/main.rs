//! `zookeeper-server-start CONFIG [--override key=value ...]`: arguments, logging, clock, signals, exit codes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use net::{Shutdown, Signals, exit_code};
use properties::{Origin, Properties};
use time_types::{Now, Tick, WallMillis};
use tokio::task::LocalSet;
use vfs::{OsVfs, Vfs};
use zk_server::{Clock, PidFile, Server, ServerConfig, ServerError, config};

const MAIN: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
const STANDALONE: &str = "org.apache.zookeeper.server.ZooKeeperServerMain";
const CONFIG: &str = "org.apache.zookeeper.server.quorum.QuorumPeerConfig";
const CLEANUP: &str = "org.apache.zookeeper.server.DatadirCleanupManager";

/// Apache's exit codes.
const UNEXPECTED: u8 = 1;
const BAD_INVOCATION: u8 = 2;
const NO_DATA_DIR: u8 = 3;
const NO_ADMIN_SERVER: u8 = 4;

fn main() -> ExitCode {
    logging::init(logging::Options::server());
    let vfs: Arc<dyn Vfs> = Arc::new(OsVfs);
    let (system, arguments) = system_properties();
    let code = match configure(vfs.as_ref(), &arguments, &system) {
        Ok(config) => serve(config, vfs),
        Err(code) => code,
    };
    if [UNEXPECTED, BAD_INVOCATION, NO_DATA_DIR, NO_ADMIN_SERVER].contains(&code) {
        tracing::error!(target: "org.apache.zookeeper.util.ServiceUtils", "Exiting JVM with code {code}");
    }
    ExitCode::from(code)
}

/// Variables that Apache's scripts hand over to `java`, the one that wins last.
const FLAGS: [&str; 4] = ["SERVER_JVMFLAGS", "JVMFLAGS", "JVM_FLAGS", "KAFKA_OPTS"];

/// The Java system properties, from variables and from `-Dname=value` in front; and the other arguments.
fn system_properties() -> (Properties, Vec<String>) {
    let mut system = Properties::new();
    for variable in FLAGS {
        let flags = std::env::var(variable).unwrap_or_default();
        let others = system.define(&Origin::Variable(variable), &flags);
        if !others.is_empty() {
            tracing::info!(target: MAIN, "{variable}: options of a Java machine have no meaning here: {}", others.join(" "));
        }
    }
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_property = |argument: &String| argument.starts_with("-D") && argument.len() > 2;
    let first = arguments.iter().position(|argument| !is_property(argument)).unwrap_or(arguments.len());
    for argument in arguments.drain(..first) {
        let definition = argument.strip_prefix("-D").unwrap_or_default();
        let (name, value) = definition.split_once('=').unwrap_or((definition, ""));
        system.set(name, value, Origin::Option("-D"));
    }
    (system, arguments)
}

/// What the command line says: a file with overrides, or `port datadir [ticktime] [maxcnxns]`.
fn configure(vfs: &dyn Vfs, arguments: &[String], system: &Properties) -> Result<ServerConfig, u8> {
    let mut overrides = Vec::new();
    let mut words: Vec<&str> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (argument.as_str(), argument.strip_prefix("--override=")) {
            (_, Some(setting)) => overrides.push(setting.to_owned()),
            ("--override", _) => overrides.extend(rest.next().cloned()),
            (word, _) => words.push(word),
        }
    }
    match words.as_slice() {
        [file] => read_file(vfs, file, &overrides, system),
        [port, data_dir, more @ ..] if more.len() <= 2 => {
            let text = |key: &str, value: Option<&&str>| value.map(|value| format!("{key}={value}"));
            let settings = [
                Some(format!("clientPort={port}")),
                Some(format!("dataDir={data_dir}")),
                text("tickTime", more.first()),
                text("maxClientCnxns", more.get(1)),
            ];
            let mut properties = Properties::new();
            for setting in settings.iter().flatten().chain(&overrides) {
                properties.override_with("--override", setting);
            }
            config::parse(&properties, system).map_err(|error| invalid(&arguments.join(" "), &error))
        }
        _ => Err(usage(arguments)),
    }
}

fn read_file(vfs: &dyn Vfs, file: &str, overrides: &[String], system: &Properties) -> Result<ServerConfig, u8> {
    tracing::info!(target: CONFIG, "Reading configuration from: {file}");
    if !Path::new(file).is_absolute() && !file.starts_with("./") {
        tracing::warn!(target: CONFIG, "{file} is relative. Prepend ./ to indicate that you're sure!");
    }
    let config = config::read(vfs, file, overrides, system).map_err(|error| invalid(file, &error))?;
    match (config.client_port, config.client_address) {
        (Some(port), Some(address)) => {
            tracing::info!(target: CONFIG, "clientPortAddress is {address}:{port}");
        }
        (Some(port), None) => tracing::info!(target: CONFIG, "clientPortAddress is 0.0.0.0:{port}"),
        (None, _) => tracing::info!(target: CONFIG, "clientPort is not set"),
    }
    let security = &config.security;
    match (security.secure_port, security.secure_address) {
        (Some(port), Some(address)) => tracing::info!(target: CONFIG, "secureClientPortAddress is {address}:{port}"),
        (Some(port), None) => tracing::info!(target: CONFIG, "secureClientPortAddress is 0.0.0.0:{port}"),
        (None, _) => tracing::info!(target: CONFIG, "secureClientPort is not set"),
    }
    for notice in &config.notices {
        tracing::info!(target: CONFIG, "{notice}");
    }
    for mistake in &config.mistakes {
        tracing::error!(target: CONFIG, "{mistake}");
    }
    for warning in &config.warnings {
        tracing::warn!(target: CONFIG, "{warning}");
    }
    tracing::info!(target: CLEANUP, "autopurge.snapRetainCount set to {}", config.purge_retain);
    tracing::info!(target: CLEANUP, "autopurge.purgeInterval set to {}", config.purge_interval_hours);
    if config.purge_interval_hours == 0 {
        tracing::info!(target: CLEANUP, "Purge task is not scheduled.");
    }
    tracing::warn!(target: MAIN, "Either no config or no quorum defined in config, running in standalone mode");
    Ok(config)
}

fn invalid(what: &str, error: &config::ConfigError) -> u8 {
    let exception = format!(
        "org.apache.zookeeper.server.quorum.QuorumPeerConfig$ConfigException: Error processing {what}\n{error}"
    );
    tracing::error!(target: MAIN, exception, "Invalid config, exiting abnormally");
    eprintln!("Invalid config, exiting abnormally");
    BAD_INVOCATION
}

fn usage(arguments: &[String]) -> u8 {
    const USAGE: &str = "Usage: ZooKeeperServerMain configfile | port datadir [ticktime] [maxcnxns]";
    let exception =
        format!("java.lang.IllegalArgumentException: Invalid number of arguments:[{}]", arguments.join(", "));
    tracing::error!(target: STANDALONE, exception, "Invalid arguments, exiting abnormally");
    tracing::info!(target: STANDALONE, "{USAGE}");
    eprintln!("{USAGE}");
    BAD_INVOCATION
}

fn serve(config: ServerConfig, vfs: Arc<dyn Vfs>) -> u8 {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return unexpected(&ServerError::Io(error)),
    };
    let tasks = LocalSet::new();
    let served = tasks.block_on(&runtime, async move {
        // Before anything else, so that no signal is lost.
        let mut signals = Signals::catch()?;
        let data_dir = config.data_dir.clone();
        let server = Server::start(config, Arc::clone(&vfs), clock(), random)?;
        let _note = leave_note(vfs, server.port(), &data_dir)?;
        let shutdown = Shutdown::new();
        let mut running = std::pin::pin!(server.run(shutdown.clone()));
        tokio::select! {
            result = &mut running => result.map(|()| 0),
            signal = signals.next() => {
                tracing::info!(target: STANDALONE, "{signal}: stopping");
                shutdown.begin();
                running.as_mut().await?;
                Ok(exit_code(signal))
            }
        }
    });
    served.unwrap_or_else(|error| unexpected(&error))
}

fn unexpected(error: &ServerError) -> u8 {
    match error {
        ServerError::DataDir { .. } | ServerError::MissingDataDir { .. } | ServerError::InUse { .. } => {
            let exception = error.to_string();
            tracing::error!(target: STANDALONE, exception, "Unable to access datadir, exiting abnormally");
            eprintln!("Unable to access datadir, exiting abnormally");
            NO_DATA_DIR
        }
        // Whatever is written about it, Apache's program ends as if it had been told to.
        ServerError::Log(_) => {
            tracing::info!(
                target: "org.apache.zookeeper.server.ZooKeeperServerListenerImpl",
                "Thread SyncThread:0 exits, error code 1"
            );
            tracing::info!(target: STANDALONE, "Exiting normally");
            tracing::info!(target: "org.apache.zookeeper.util.ServiceUtils", "Exiting JVM with code 0");
            0
        }
        ServerError::Admin { .. } => {
            let exception = error.to_string();
            tracing::error!(target: STANDALONE, exception, "Unable to start AdminServer, exiting abnormally");
            eprintln!("Unable to start AdminServer, exiting abnormally");
            NO_ADMIN_SERVER
        }
        _ => {
            let exception = error.to_string();
            tracing::error!(target: STANDALONE, exception, "Unexpected exception, exiting abnormally");
            UNEXPECTED
        }
    }
}

/// The note for the stop scripts, where they ask for it.
fn leave_note(vfs: Arc<dyn Vfs>, port: Option<u16>, data_dir: &Path) -> std::io::Result<Option<PidFile>> {
    let Some(dir) = std::env::var_os("KAFKA_PID_DIR") else { return Ok(None) };
    PidFile::write(vfs, &PathBuf::from(dir), port, data_dir).map(Some)
}

#[expect(clippy::disallowed_methods, reason = "the one place of this program where time comes from")]
fn clock() -> Clock {
    let start = Instant::now();
    let tick = move || Tick(start.elapsed().as_millis() as u64);
    let now = move || {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Now { tick: tick(), wall: WallMillis(wall as i64) }
    };
    Clock::with_tick(now, tick)
}

/// A random number; 0 where the system has none to give, which only makes snapshots regular.
fn random() -> u64 {
    getrandom::u64().unwrap_or(0)
}
