//! TLS and SASL to the coordination server, as tools are told of them.

use std::path::Path;

use kafka_metadata::zookeeper_client::client_property;
use properties::{Origin, Properties};
use vfs::OsVfs;
use zk_client::Security;

use crate::settings;

/// Takes the Java system properties of `KAFKA_OPTS`, over them a file of ZooKeeper's client (`-client-configuration`,
/// names as `zookeeper.ssl.keyStore.location`), over that one in Kafka's names (`-zk-tls-config-file`, as
/// `zookeeper.ssl.keystore.location`).
///
/// # Errors
/// What is wrong, in one text.
pub fn load(client_file: Option<&Path>, kafka_file: Option<&Path>) -> Result<Security, String> {
    let mut system = Properties::new();
    system.define(&Origin::Variable("KAFKA_OPTS"), &std::env::var("KAFKA_OPTS").unwrap_or_default());
    let read = |file: Option<&Path>| {
        let file = file.map(|file| file.display().to_string());
        settings::read(file.as_deref()).map_err(|error| format!("{}\n{}", error.exception(), error.hint()))
    };
    let (client, kafka) = (read(client_file)?, read(kafka_file)?);
    let mut lookup = |name: &str| {
        client_property(name, |name| kafka.get(name), |name| client.get(name).or_else(|| system.get(name)))
    };
    Security::load(&mut lookup, &OsVfs).map_err(|error| error.to_string())
}
