//! What operators ask over HTTP: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever starts brokers and
//! sends clients to them. On a port and a thread of its own, so that it takes nothing from those who serve.
//!
//! `metrics.http.port` is the port, 9404 if it is not set (where Prometheus looks for the JMX exporter); 0 takes any
//! that is free, a negative one switches all of it off. `metrics.http.host` is the address, 127.0.0.1 if it is not set.
//! A port that is taken is told in the log, and the broker goes on without.

use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use http_server::{HttpServer, Reply};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use tracing::{info, warn};

use crate::broker::Broker;
use crate::config::Config;
use crate::metrics::{self, Facts};
use crate::replicas::Owned;

/// The settings that are this module's own.
pub(crate) const SETTINGS: &[&str] = &[PORT, HOST];

const PORT: &str = "metrics.http.port";
const HOST: &str = "metrics.http.host";
const DEFAULT_PORT: u16 = 9404;
const DEFAULT_HOST: &str = "127.0.0.1";

const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
const IDLE: Duration = Duration::from_secs(30);
/// A shard that does not answer for so long hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Listens and answers; `None` when that is switched off or cannot be.
pub(crate) fn start(broker: &Arc<Broker>) -> Option<HttpServer> {
    let (host, port) = match address(&broker.config) {
        Ok(address) => address?,
        Err(text) => {
            warn!(target: "kafka.server.KafkaServer", "{PORT} is no port: {text}; metrics and health are not served");
            return None;
        }
    };
    let listener = match bind(&host, port) {
        Ok(listener) => listener,
        Err(error) => {
            let owner =
                net::port_owner(port).map_or(String::new(), |owner| format!(" (held by process {})", owner.pid));
            info!(
                target: "kafka.server.KafkaServer",
                "Metrics and health are not served: {host}:{port}: {error}{owner}; {PORT} chooses another port, -1 none"
            );
            return None;
        }
    };
    let port = listener.local_addr().map_or(port, |local| local.port());
    let asked = Arc::clone(broker);
    match HttpServer::start("operators", listener, IDLE, move |_, request| answer(Arc::clone(&asked), request)) {
        Ok(server) => {
            info!(target: "kafka.server.KafkaServer", "Metrics and health are served on http://{host}:{port}/metrics, /healthz and /readyz");
            Some(server)
        }
        Err(error) => {
            warn!(target: "kafka.server.KafkaServer", "Metrics and health are not served: {error}");
            None
        }
    }
}

fn address(config: &Config) -> Result<Option<(String, u16)>, String> {
    let broker = config.broker();
    let host = broker.text(HOST).unwrap_or(DEFAULT_HOST).trim().to_owned();
    let Some(text) = broker.text(PORT).map(str::trim) else { return Ok(Some((host, DEFAULT_PORT))) };
    match text.parse::<i32>() {
        Ok(port) if port < 0 => Ok(None),
        Ok(port) => u16::try_from(port).map(|port| Some((host, port))).map_err(|_| text.to_owned()),
        Err(_) => Err(text.to_owned()),
    }
}

fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    TcpListener::bind(addresses.as_slice())
}

async fn answer(broker: Arc<Broker>, request: Request<Incoming>) -> Response<Reply> {
    let path = request.uri().path();
    if !matches!(path, "/metrics" | "/healthz" | "/readyz") {
        return Reply::error(StatusCode::NOT_FOUND, path, "Not Found");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Reply::text(StatusCode::METHOD_NOT_ALLOWED, None, "");
    }
    match path {
        "/metrics" => measured(&broker).await,
        "/healthz" => verdict(&health(&broker).await),
        _ => {
            let mut wrong = health(&broker).await;
            wrong.extend(unready(&broker));
            verdict(&wrong)
        }
    }
}

async fn measured(broker: &Broker) -> Response<Reply> {
    match tokio::time::timeout(IDLE, Facts::gather(broker)).await {
        Ok(Ok(facts)) => Reply::text(StatusCode::OK, Some(METRICS), metrics::exposition(&broker.metrics, &facts)),
        Ok(Err(gone)) => Reply::text(StatusCode::SERVICE_UNAVAILABLE, Some(PLAIN), format!("{gone}\n")),
        Err(_) => Reply::text(StatusCode::SERVICE_UNAVAILABLE, Some(PLAIN), "a shard does not answer\n"),
    }
}

/// `ok`, or what is wrong, a line each.
fn verdict(wrong: &[String]) -> Response<Reply> {
    if wrong.is_empty() {
        return Reply::text(StatusCode::OK, Some(PLAIN), "ok\n");
    }
    let mut text = String::new();
    for line in wrong {
        let _ = writeln!(text, "{line}");
    }
    Reply::text(StatusCode::SERVICE_UNAVAILABLE, Some(PLAIN), text)
}

/// What only a restart could mend.
async fn health(broker: &Broker) -> Vec<String> {
    let mut wrong = Vec::new();
    for shard in 0..broker.shards.count() {
        let looked = tokio::time::timeout(PATIENCE, broker.shards.on(shard, |_: &mut Owned| ())).await;
        if !matches!(looked, Ok(Ok(()))) {
            wrong.push(format!("shard {shard} does not answer"));
        }
    }
    if broker.shared.dirs.online().next().is_none() {
        wrong.push("no log directory is left".to_owned());
    }
    wrong
}

/// Why clients should not be sent here now.
fn unready(broker: &Broker) -> Vec<String> {
    let mut wrong = Vec::new();
    let image = broker.metadata.image();
    if broker.shutdown.has_begun() {
        wrong.push("the broker is shutting down".to_owned());
    }
    if !image.is_alive(broker.id) {
        wrong.push("the broker is not registered, or the controller has not told it so yet".to_owned());
    }
    if image.controller().is_none() {
        wrong.push("there is no controller".to_owned());
    }
    wrong
}
