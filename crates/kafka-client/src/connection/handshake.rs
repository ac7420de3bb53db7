//! The first words on a connection: which versions the broker speaks, and whether it is one at all.

use std::time::Duration;

use kafka_types::ErrorCode;
use kafka_wire::{ApiKey, Decoder, api_versions};
use net::stream::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;

use super::{Connection, Versions};
use crate::bootstrap::HostPort;
use crate::error::ConnectionError;

/// How long to wait for the answer to a question that only a ZooKeeper server understands.
const PROBE: Duration = Duration::from_secs(1);

/// Asks for the broker's versions. A broker that does not know our version of the question answers in version 0 with
/// the range it knows; it is asked again in that.
pub(super) async fn negotiate(connection: &Connection) -> Result<Versions, ConnectionError> {
    let mut version = ApiKey::ApiVersions.newest_version();
    let mut asked_again = false;
    loop {
        let response = ask(connection, version).await?;
        let versions: Versions =
            response.api_keys.iter().map(|range| (range.api_key, range.min_version..=range.max_version)).collect();
        match ErrorCode::from_code(response.error_code) {
            ErrorCode::None => return Ok(versions),
            ErrorCode::UnsupportedVersion if !asked_again => {
                asked_again = true;
                version = versions.common(ApiKey::ApiVersions).unwrap_or(api_versions::FALLBACK_VERSION);
            }
            code => return Err(ConnectionError::Protocol { reason: format!("ApiVersions: {}", code.message()) }),
        }
    }
}

async fn ask(connection: &Connection, version: i16) -> Result<api_versions::Response, ConnectionError> {
    let request = api_versions::Request {
        client_software_name: "kafka-rust".to_owned(),
        client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let (sender, reply) = oneshot::channel::<Result<Decoder, ConnectionError>>();
    connection
        .start_with::<api_versions::ApiVersions>(
            version,
            &request,
            Some(Box::new(move |_, answer| {
                let _ = sender.send(answer);
            })),
        )
        .await?;
    let timeout_ms = connection.request_timeout_ms;
    let Ok(answer) = tokio::time::timeout(Duration::from_millis(timeout_ms), reply).await else {
        let late = ConnectionError::Timeout { api: ApiKey::ApiVersions, timeout_ms };
        connection.close(late.clone());
        return Err(late);
    };
    let mut body = answer.unwrap_or(Err(ConnectionError::ClosedHere))?;
    api_versions::decode_response(&mut body, version)
        .map_err(|error| ConnectionError::Protocol { reason: format!("ApiVersions: {error}") })
}

/// Finds a better reason for a handshake that failed: people like to give ZooKeeper's port for the broker's.
pub(super) async fn explain(error: ConnectionError, server: &HostPort, address: &str) -> ConnectionError {
    match error {
        ConnectionError::Closed { .. } | ConnectionError::Protocol { .. } if is_zookeeper(server).await => {
            ConnectionError::ZooKeeper { address: address.to_owned() }
        }
        other => other,
    }
}

/// Does a ZooKeeper server answer there? A broker takes the four letters for a length above its limit and closes.
async fn is_zookeeper(server: &HostPort) -> bool {
    let probe = async {
        let mut stream = Stream::connect(&server.host, server.port, PROBE).await.ok()?;
        stream.write_all(b"srvr").await.ok()?;
        let mut answer = Vec::new();
        stream.take(200).read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let signs = ["Zookeeper version:", "is not in the whitelist", "This ZooKeeper instance"];
        Some(signs.iter().any(|sign| answer.contains(sign)))
    };
    tokio::time::timeout(PROBE, probe).await.ok().flatten().unwrap_or(false)
}
