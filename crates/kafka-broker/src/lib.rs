//! The broker process: listeners, dispatch, handlers, replica and coordinator runtimes, controller runtime.
//!
//! A request's way: `network/connection.rs` reads the frame, `network/dispatch.rs` looks up who answers it, a file in
//! `handlers/` turns wire structs into domain calls, and a core decides. Partitions and the coordinators on them
//! live on the shard that owns them (`shard.rs`, `replicas/`); the controller and the coordination session live on the
//! main thread (`controller/`, `zookeeper.rs`, `watches.rs`). `startup.rs` is start and stop on one page.

mod advertised;
mod arguments;
mod authorizer;
mod background;
mod broker;
mod checkpoints;
mod cleaner;
mod cleaner_throttle;
mod clock;
mod config;
mod controller;
mod coordinators;
mod descriptors;
mod dir_failures;
mod dir_moves;
mod fetch_sessions;
mod handlers;
mod housekeeping;
mod idle_settings;
mod java_hash;
mod long_poll;
mod metadata;
mod metrics;
mod network;
mod operators;
mod peers;
mod pid_file;
mod producer_ids;
mod quotas;
mod replicas;
mod replication_quotas;
mod session_file;
mod settings;
mod shard;
mod startup;
mod topics;
mod transactions;
mod waiters;
mod watches;
mod zookeeper;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use kafka_metadata::BrokerConfig;
use properties::Properties;
use tracing::{error, info, warn};
use vfs::OsVfs;

use arguments::{Arguments, Parsed};

/// The Kafka that this broker speaks as; `--version` prints it.
pub(crate) const KAFKA_VERSION: &str = "3.9.1";

/// Runs `kafka-server-start` with the arguments behind its name.
pub fn run(arguments: Vec<String>) -> ExitCode {
    let _ = logging::init(logging::Options::server());
    info!(target: "kafka.utils.Log4jControllerRegistration$", "Registered kafka:type=kafka.Log4jController MBean");
    match arguments::parse(arguments) {
        Parsed::Exit { stdout, stderr, code } => {
            use std::io::Write as _;
            // A closed output has nobody to tell.
            let _ = std::io::stdout().write_all(stdout.as_bytes());
            let _ = std::io::stderr().write_all(stderr.as_bytes());
            ExitCode::from(code)
        }
        Parsed::Fatal(exception) => {
            error!(target: "kafka.Kafka$", exception, "Exiting Kafka due to fatal exception");
            ExitCode::FAILURE
        }
        Parsed::Run(arguments) => serve(&arguments),
    }
}

fn serve(arguments: &Arguments) -> ExitCode {
    let config = match read_config(arguments) {
        Ok(config) => config,
        Err(exception) => {
            error!(target: "kafka.Kafka$", exception, "Exiting Kafka due to fatal exception");
            return ExitCode::FAILURE;
        }
    };
    for name in config.unknown().filter(|name| !operators::SETTINGS.contains(name)) {
        warn!(target: "kafka.server.KafkaConfig", "The setting {name} is not known and ignored");
    }
    idle_settings::tell(&config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("the system has room for an event loop");
    runtime.block_on(until_signal(config))
}

async fn until_signal(config: BrokerConfig) -> ExitCode {
    let clock = clock::Clock::start();
    let mut signals = net::Signals::catch().expect("the system has signals");
    let pid_file = pid_file::PidFile::write(&OsVfs, &config);
    let running = tokio::select! {
        started = startup::start(config, clock) => started,
        signal = signals.next() => {
            info!(target: "org.apache.kafka.common.utils.LoggingSignalHandler", "Terminating process due to signal {signal}");
            drop(pid_file);
            return ExitCode::from(net::exit_code(signal));
        }
    };
    let running = match running {
        Ok(running) => running,
        Err(failure) => {
            let exception = format!("{failure:#}");
            error!(target: "kafka.server.KafkaServer", exception, "Fatal error during KafkaServer startup. Prepare to shutdown");
            info!(target: "kafka.server.KafkaServer", "shut down completed");
            error!(target: "kafka.Kafka$", exception, "Exiting Kafka due to fatal exception during startup.");
            drop(pid_file);
            return ExitCode::FAILURE;
        }
    };
    let signal = tokio::select! {
        signal = signals.next() => signal,
        // At once, as Apache's broker halts: there is no disk to close anything on.
        () = running.failed() => return ExitCode::FAILURE,
    };
    info!(target: "org.apache.kafka.common.utils.LoggingSignalHandler", "Terminating process due to signal {signal}");
    running.stop().await;
    drop(pid_file);
    ExitCode::from(net::exit_code(signal))
}

/// The settings, or the text of the exception that Apache would print.
fn read_config(arguments: &Arguments) -> Result<BrokerConfig, String> {
    let vfs: Arc<dyn vfs::Vfs> = Arc::new(OsVfs);
    let bytes = vfs.read(Path::new(&arguments.file)).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("java.nio.file.NoSuchFileException: {}", arguments.file),
        std::io::ErrorKind::PermissionDenied => format!("java.nio.file.AccessDeniedException: {}", arguments.file),
        _ => format!("java.io.IOException: {}: {error}", arguments.file),
    })?;
    let mut properties = Properties::parse(&arguments.file, &bytes)
        .map_err(|error| format!("java.lang.IllegalArgumentException: {error}"))?;
    for setting in &arguments.overrides {
        properties.override_with("--override", setting);
    }
    BrokerConfig::from_properties(&properties).map_err(|error| {
        let named = properties.entries().iter().find(|entry| error.message.contains(&entry.key));
        let place = named.map(|entry| format!("\n({})", entry.origin)).unwrap_or_default();
        format!("{}: {}{place}", error.class, error.message)
    })
}
