//! What operators reach the server by: the admin server and the metrics for Prometheus, each on a port and a thread of
//! its own. They listen before the state is there, and say then that nothing is served yet.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use net::port_owner;
use vfs::Vfs;

use crate::admin::ADMIN;
use crate::admin::authentication::Certificates;
use crate::admin::door::AdminDoor;
use crate::config::{AdminConfig, ServerConfig};
use crate::line::Line;
use crate::server::ServerError;
use crate::{admin, prometheus};
use http_server::HttpServer;

const FACTORY: &str = "org.apache.zookeeper.server.admin.AdminServerFactory";

/// The servers; dropping it ends them.
#[derive(Debug)]
pub(crate) struct Operators {
    pub(crate) line: Arc<Line>,
    pub(crate) admin_port: Option<u16>,
    pub(crate) metrics_port: Option<u16>,
    servers: Vec<HttpServer>,
}

impl Operators {
    /// Takes the ports, and answers.
    pub(crate) fn start(
        config: &Arc<ServerConfig>,
        vfs: &dyn Vfs,
        trace_mask: &Arc<AtomicI64>,
    ) -> Result<Operators, ServerError> {
        let line = Arc::new(Line::default());
        let mut operators =
            Operators { line: Arc::clone(&line), admin_port: None, metrics_port: None, servers: Vec::new() };
        if let Some(metrics) = &config.prometheus {
            let listener = bind(&metrics.host, metrics.port).map_err(|error| {
                let (reason, advice) =
                    why_not(&error, metrics.port, ["metricsProvider.httpPort", "metricsProvider.httpHost"]);
                ServerError::Metrics { host: metrics.host.clone(), port: metrics.port, reason, advice }
            })?;
            operators.metrics_port = Some(listener.local_addr()?.port());
            operators.servers.push(prometheus::start(listener, metrics.process, Arc::clone(&line))?);
        }
        if let Some((admin, door)) = admin_and_door(config, vfs, &line) {
            let listener = bind(&admin.address, admin.port).map_err(|error| {
                let (reason, advice) = why_not(&error, admin.port, ["admin.serverPort", "admin.serverAddress"]);
                let (host, command_url) = (admin.address.clone(), admin.command_url.clone());
                let advice = format!("{advice}; without the admin server: admin.enableServer=false");
                ServerError::Admin { host, port: admin.port, command_url, reason, advice }
            })?;
            operators.admin_port = Some(listener.local_addr()?.port());
            let certificates = Certificates::load(&config.security, vfs);
            let server = admin::start(config, listener, door, certificates, Arc::clone(trace_mask), line)?;
            operators.servers.push(server);
        }
        Ok(operators)
    }
}

/// The admin server's settings and its door. `None`: there is none, or it cannot be had, and then, as with Apache's, the
/// server goes on without.
fn admin_and_door<'a>(
    config: &'a ServerConfig,
    vfs: &dyn Vfs,
    line: &Arc<Line>,
) -> Option<(&'a AdminConfig, AdminDoor)> {
    let admin = config.admin.as_ref()?;
    match AdminDoor::new(admin, vfs, Arc::clone(line)) {
        Ok(door) => Some((admin, door)),
        Err(error) => {
            tracing::error!(target: ADMIN, "Failed to load authentication certificates for admin server. {error}");
            tracing::warn!(target: FACTORY, "Unable to start JettyAdminServer: the server goes on without it");
            None
        }
    }
}

/// Listens at the first address of `host` that can be had.
fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    TcpListener::bind(addresses.as_slice())
}

/// Why a port cannot be had, in Java's words, and what can be done; `settings` are those of port and address.
pub(crate) fn why_not(error: &io::Error, port: u16, settings: [&str; 2]) -> (String, String) {
    let [port_setting, address_setting] = settings;
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let owner = port_owner(port).map_or_else(|| "a process of another user".into(), |owner| owner.to_string());
            let advice = format!("{owner} listens there; stop it, or set another {port_setting}");
            ("Address already in use".to_owned(), advice)
        }
        io::ErrorKind::AddrNotAvailable => {
            ("Cannot assign requested address".to_owned(), format!("{address_setting} is no address of this machine"))
        }
        io::ErrorKind::PermissionDenied => (
            "Permission denied".to_owned(),
            format!("ports below 1024 are for the superuser; set another {port_setting}"),
        ),
        _ => (error.to_string(), format!("the port cannot be listened on; see {port_setting} and {address_setting}")),
    }
}
