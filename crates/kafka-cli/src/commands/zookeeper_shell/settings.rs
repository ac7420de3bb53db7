//! What the shell is started with: where to connect, and how; and the command, if it is one.

use std::path::{Path, PathBuf};

use properties::Properties;
use properties::grammar::ConnectStringError;
use vfs::{OsVfs, Vfs as _};
use zk_client::Options;

use crate::zookeeper_security;

/// The session timeout when none is given, in milliseconds.
const TIMEOUT_MS: i32 = 30_000;
/// The exit code of Apache's shell when it cannot begin with what it was given.
const INVALID_INVOCATION: u8 = 2;

/// How to reach a server.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Connection {
    pub(super) server: String,
    /// Milliseconds.
    pub(super) timeout_ms: i32,
    pub(super) read_only: bool,
    /// Is the first connection waited for, for as long as the timeout?
    pub(super) wait: bool,
    /// The longest reply that is read, in bytes; `jute.maxbuffer` of the client's configuration.
    pub(super) max_frame_bytes: Option<usize>,
    /// Files that say something about TLS and SASL, in ZooKeeper's names and in Kafka's.
    pub(super) client_configuration: Option<PathBuf>,
    pub(super) tls_config_file: Option<PathBuf>,
}

/// The whole command line.
#[derive(Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) connection: Connection,
    /// `-client-configuration`.
    pub(super) client_configuration: Option<PathBuf>,
    /// `-zk-tls-config-file`.
    pub(super) tls_config_file: Option<PathBuf>,
    /// Empty: lines are read.
    pub(super) command: Vec<String>,
}

/// Why the shell cannot begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: u8,
    pub(super) text: String,
}

impl Refused {
    fn new(text: impl Into<String>) -> Refused {
        Refused { code: 1, text: text.into() }
    }
}

impl Settings {
    /// Reads options up to the first word without a dash, which begins the command. Words with a dash that are no
    /// option are skipped, as Apache's shell does. The server is `localhost:2181` if none is given.
    pub(super) fn parse(args: &[String]) -> Result<Settings, Refused> {
        let mut words = args.iter();
        let mut settings = Settings {
            connection: Connection {
                server: "localhost:2181".to_owned(),
                timeout_ms: TIMEOUT_MS,
                read_only: false,
                wait: false,
                max_frame_bytes: None,
                client_configuration: None,
                tls_config_file: None,
            },
            client_configuration: None,
            tls_config_file: None,
            command: Vec::new(),
        };
        while let Some(word) = words.next() {
            let mut value =
                || words.next().ok_or_else(|| Refused::new(format!("Error: no argument found for option {word}")));
            match word.as_str() {
                "-server" => settings.connection.server.clone_from(value()?),
                "-timeout" => {
                    let text = value()?;
                    settings.connection.timeout_ms =
                        text.parse().map_err(|_| Refused::new(exception(&number_format(text))))?;
                }
                "-r" => settings.connection.read_only = true,
                "-waitforconnection" => settings.connection.wait = true,
                "-client-configuration" => settings.client_configuration = Some(value()?.into()),
                "-zk-tls-config-file" => settings.tls_config_file = Some(value()?.into()),
                "--at-zxid" | "--history" | "--data-dir" | "--data-log-dir" => {
                    return Err(Refused::new(format!(
                        "{word} reads a server's files, not a server: leave {} out",
                        settings.connection.server
                    )));
                }
                option if option.starts_with('-') => {}
                _ => {
                    settings.command.push(word.clone());
                    settings.command.extend(words.by_ref().cloned());
                }
            }
        }
        Ok(settings)
    }

    /// The connection, with what the named files say about it.
    pub(super) fn connection(&self) -> Result<Connection, Refused> {
        let mut connection = self.connection.clone();
        if let Some(file) = &self.client_configuration {
            configure(&mut connection, file, &read(file)?)?;
        }
        connection.client_configuration.clone_from(&self.client_configuration);
        connection.tls_config_file.clone_from(&self.tls_config_file);
        Ok(connection)
    }
}

fn read(file: &Path) -> Result<Properties, Refused> {
    let unreadable = |error: &dyn std::fmt::Display| Refused {
        code: INVALID_INVOCATION,
        text: format!("Error processing {}: {error}", file.display()),
    };
    let bytes = OsVfs.read(file).map_err(|error| unreadable(&error))?;
    Properties::parse(&file.display().to_string(), &bytes).map_err(|error| unreadable(&error))
}

/// The settings of a client that mean something here; what cannot be done is refused, what only Java has is passed over.
fn configure(connection: &mut Connection, file: &Path, properties: &Properties) -> Result<(), Refused> {
    for entry in properties.entries() {
        let (key, value) = (entry.key.as_str(), entry.value.trim());
        let refuse = |why: &str| {
            Err(Refused { code: INVALID_INVOCATION, text: format!("{}: {key}={value}: {why}", file.display()) })
        };
        match key {
            "jute.maxbuffer" => match value.parse() {
                Ok(bytes) => connection.max_frame_bytes = Some(bytes),
                Err(_) => return refuse("not a number of bytes"),
            },
            "zookeeper.disableAutoWatchReset" if value.eq_ignore_ascii_case("true") => {
                return refuse("watches are always set again after a reconnect");
            }
            "zookeeper.request.timeout" if value != "0" => {
                return refuse("requests wait for as long as the session lives");
            }
            _ => {}
        }
    }
    Ok(())
}

impl Connection {
    /// What the client needs.
    pub(super) fn options(&self, seed: u64) -> Result<Options, String> {
        let mut options = Options::new(&self.server).map_err(|error| match error {
            ConnectStringError::NotAPort(text) => exception(&number_format(&text)),
            error => exception(&format!("java.lang.IllegalArgumentException: {error}")),
        })?;
        options.session_timeout_ms = u32::try_from(self.timeout_ms).unwrap_or(0);
        options.read_only = self.read_only;
        options.seed = seed;
        options.security =
            zookeeper_security::load(self.client_configuration.as_deref(), self.tls_config_file.as_deref())?;
        if let Some(bytes) = self.max_frame_bytes {
            options.max_frame_bytes = bytes;
        }
        Ok(options)
    }
}

/// What Java says of a text that is no number.
pub(super) fn number_format(text: &str) -> String {
    format!("java.lang.NumberFormatException: For input string: \"{text}\"")
}

/// What Java says of an exception that nobody handles.
pub(super) fn exception(text: &str) -> String {
    format!("Exception in thread \"main\" {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(line: &str) -> Result<Settings, Refused> {
        Settings::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_stand_between_the_server_and_the_command() {
        let parsed = settings("-server a:1 -timeout 4000 -help -r -waitforconnection ls -s /").unwrap();
        let connection = &parsed.connection;
        assert_eq!((connection.server.as_str(), connection.timeout_ms), ("a:1", 4000));
        assert!(connection.read_only && connection.wait);
        assert_eq!(parsed.command, ["ls", "-s", "/"]);
        assert_eq!(settings("").unwrap().connection.server, "localhost:2181");
        let text = |line: &str| settings(line).unwrap_err().text;
        assert_eq!(text("-timeout"), "Error: no argument found for option -timeout");
        assert!(text("-timeout x").starts_with("Exception in thread \"main\" java.lang.NumberFormatException"));
        assert!(text("-server a:1 --at-zxid 5 ls /").contains("leave a:1 out"));
    }

    #[test]
    fn a_connect_string_is_refused_as_java_does() {
        let options = |server: &str| settings(&format!("-server {server}")).unwrap().connection.options(0);
        assert_eq!(
            options("localhost:abc").unwrap_err(),
            "Exception in thread \"main\" java.lang.NumberFormatException: For input string: \"abc\""
        );
        assert!(options("localhost:1//a").unwrap_err().contains("IllegalArgumentException"));
        assert_eq!(options("localhost:1").unwrap().session_timeout_ms, 30_000);
    }

    #[test]
    fn a_clients_configuration_is_honoured_or_refused() {
        let file = Path::new("client.properties");
        let configured = |text: &str| {
            let properties = Properties::parse("client.properties", text.as_bytes()).unwrap();
            let mut connection = settings("").unwrap().connection;
            configure(&mut connection, file, &properties).map(|()| connection.max_frame_bytes)
        };
        assert_eq!(configured("jute.maxbuffer=1000\nother=1"), Ok(Some(1000)));
        assert_eq!(configured("zookeeper.client.secure=false"), Ok(None));
        for refused in ["jute.maxbuffer=x", "zookeeper.request.timeout=5"] {
            assert_eq!(configured(refused).unwrap_err().code, INVALID_INVOCATION, "{refused}");
        }
    }
}
