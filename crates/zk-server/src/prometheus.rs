//! The metrics for Prometheus, over HTTP on a port of their own (`metricsProvider.*`).

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};

use crate::environment;
use crate::line::{Line, Question};
use crate::metrics::prometheus;
use http_server::{self as http, HttpServer, Reply};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const IDLE: Duration = Duration::from_secs(30);

/// Serves `/metrics` on `listener`; with `process`, figures of the process, too.
pub(crate) fn start(listener: TcpListener, process: bool, line: Arc<Line>) -> io::Result<HttpServer> {
    HttpServer::start("PrometheusHttpServer", listener, IDLE, move |_, request| {
        handle(Arc::clone(&line), process, request)
    })
}

async fn handle(line: Arc<Line>, process: bool, request: Request<Incoming>) -> Response<Reply> {
    let path = request.uri().path();
    if path != "/metrics" {
        return Reply::error(StatusCode::NOT_FOUND, path, "Not Found");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) {
        return Reply::text(StatusCode::METHOD_NOT_ALLOWED, None, "");
    }
    let parameters = http::parameters(request.uri().query());
    let names: Vec<&str> =
        parameters.iter().filter(|(name, _)| name == "name[]").map(|(_, value)| value.as_str()).collect();
    let wanted = |name: &str| names.is_empty() || names.contains(&name);
    let Some(measured) = line.ask(Question::Measured).await else {
        return Reply::error(
            StatusCode::SERVICE_UNAVAILABLE,
            path,
            "This ZooKeeper instance is not currently serving requests",
        );
    };
    let process = if process { environment::process() } else { Vec::new() };
    let text = prometheus(&measured.gauges, &measured.registry, &process, wanted);
    Reply::text(StatusCode::OK, Some(TEXT), text)
}
