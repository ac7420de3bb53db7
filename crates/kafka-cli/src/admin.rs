//! What the tools begin with that ask brokers through an admin client: what is required, `--bootstrap-server`,
//! `--command-config`.

use kafka_client::config::AdminConfig;
use kafka_client::{Admin, Error};

use crate::exit::Failure;
use crate::options::Options;
use crate::output::Console;
use crate::start::{self, Introduction};
use crate::{Invocation, settings};

/// Runs a tool that needs these options and ends with a [`Failure`] or well.
pub fn run(
    introduction: Introduction,
    required: &[&str],
    invocation: Invocation,
    work: impl AsyncFnOnce(&Options, &mut Console) -> Result<(), Failure>,
) -> u8 {
    let (options, mut console) = match introduction.begin(invocation) {
        Ok(begun) => begun,
        Err(code) => return code,
    };
    if let Some(missing) = required.iter().find(|name| !options.has(name)) {
        let failure = Failure::usage(format!("Missing required argument \"[{missing}]\""));
        return failure.report(introduction.table, &mut console);
    }
    start::block_on(async move {
        match work(&options, &mut console).await {
            Ok(()) => 0,
            Err(failure) => failure.report(introduction.table, &mut console),
        }
    })
}

/// An admin client for the brokers of `--bootstrap-server`, with the settings of `--command-config`.
///
/// # Errors
/// What is wrong with the file or the settings, in Apache's words.
pub async fn connect(options: &Options) -> Result<Admin, Failure> {
    create(config(options)?).await
}

/// The settings of such a client.
///
/// # Errors
/// What is wrong with the file or the settings, in Apache's words.
pub fn config(options: &Options) -> Result<AdminConfig, Failure> {
    config_for(options.one("bootstrap-server")?.unwrap_or_default(), options.one("command-config")?)
}

/// The settings of a client for these brokers, with those of this file.
///
/// # Errors
/// As [`config`].
pub fn config_for(server: &str, command_config: Option<&str>) -> Result<AdminConfig, Failure> {
    let mut config =
        settings::read(command_config).map_err(|error| Failure::new(error.to_string()).hint(error.hint()))?;
    settings::set(&mut config, "bootstrap.servers", server);
    AdminConfig::parse(settings::pairs(&config))
        .map_err(|error| Failure::new(error.to_string()).hint(format!("{}: {error}", error.exception())))
}

/// A client with these settings.
///
/// # Errors
/// What is wrong with the addresses, in Apache's words.
pub async fn create(config: AdminConfig) -> Result<Admin, Failure> {
    Admin::new(config).await.map_err(|error| not_created(&error))
}

/// Java says this first, and the reason far below.
fn not_created(error: &Error) -> Failure {
    Failure::new("Failed to create new KafkaAdminClient").hint(format!("{}: {error}", error.exception()))
}
