//! The admin server: commands over HTTP, each answered with JSON.

pub(crate) mod answers;
pub(crate) mod authentication;
pub(crate) mod commands;
pub(crate) mod door;
mod json;
pub(crate) mod transfer;

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, STRICT_TRANSPORT_SECURITY};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use self::answers::Answer;
use self::authentication::{Asker, Certificates};
use self::commands::{Action, Command};
use self::door::{AdminDoor, Guest};
use self::transfer::{Piece, Refused};
use crate::config::ServerConfig;
use crate::environment;
use crate::line::{Line, Question};
use http_server::{self as http, HttpServer, Reply};

pub(crate) const ADMIN: &str = "org.apache.zookeeper.server.admin.JettyAdminServer";
const JSON: &str = "application/json";
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";

/// Pieces of a body that may wait for the disk.
const PIECES_WAITING: usize = 4;

/// What the handlers know.
#[derive(Debug)]
struct Desk {
    config: Arc<ServerConfig>,
    command_url: String,
    trace_mask: Arc<AtomicI64>,
    line: Arc<Line>,
    certificates: Option<Certificates>,
    believe_proxy: bool,
}

/// What is said with every answer over TLS: for a day, come by TLS only.
const TLS_ONLY: &str = "max-age=86400; includeSubDomains";

/// Serves commands on `listener`, behind `door`.
pub(crate) fn start(
    config: &Arc<ServerConfig>,
    listener: TcpListener,
    door: AdminDoor,
    certificates: Option<Certificates>,
    trace_mask: Arc<AtomicI64>,
    line: Arc<Line>,
) -> io::Result<HttpServer> {
    let admin = config.admin.clone().unwrap_or_default();
    tracing::info!(
        target: ADMIN,
        "Started AdminServer on address {}, port {} and command URL {}",
        admin.address, listener.local_addr().as_ref().map_or(admin.port, SocketAddr::port), admin.command_url
    );
    let desk = Arc::new(Desk {
        config: Arc::clone(config),
        command_url: admin.command_url,
        trace_mask,
        line,
        certificates,
        believe_proxy: admin.believe_proxy,
    });
    let idle = Duration::from_millis(admin.idle_ms);
    HttpServer::start_behind("AdminServer", listener, idle, door, move |guest: Guest, request| {
        let desk = Arc::clone(&desk);
        async move {
            let mut response = handle(desk, &guest, request).await;
            if guest.secure {
                response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TLS_ONLY));
            }
            response
        }
    })
}

async fn handle(desk: Arc<Desk>, guest: &Guest, request: Request<Incoming>) -> Response<Reply> {
    let path = request.uri().path().to_owned();
    let Some(name) = command_name(&desk.command_url, &path) else {
        return Reply::error(StatusCode::NOT_FOUND, &path, "Not Found");
    };
    let name = match name {
        Ok(name) => name,
        Err(reason) => return Reply::error(StatusCode::BAD_REQUEST, &path, reason),
    };
    let command = Command::named(&name);
    let asker = |request: &Request<Incoming>| Asker::of(guest, request, desk.certificates.as_ref(), desk.believe_proxy);
    match *request.method() {
        Method::GET | Method::HEAD if name.is_empty() => {
            Reply::text(StatusCode::OK, None, commands::page(&desk.command_url))
        }
        Method::GET | Method::HEAD => match command {
            Some(command) if command.by_post => {
                Reply::error(StatusCode::METHOD_NOT_ALLOWED, &path, "HTTP method GET is not supported by this URL")
            }
            Some(Command { action: Action::Snapshot, .. }) => {
                snapshot(&desk, asker(&request), request.uri().query()).await
            }
            Some(command) => run(&desk, command, request.uri().query()).await,
            None => answered(&name, Answer::new(), Some(&format!("Unknown command: {name}"))),
        },
        Method::OPTIONS => {
            let mut response = Reply::text(StatusCode::OK, None, "");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, TRACE, OPTIONS"));
            response
        }
        Method::TRACE => Reply::text(StatusCode::FORBIDDEN, None, ""),
        Method::POST if command.is_some_and(|command| command.by_post) => {
            restore(&desk, asker(&request), request).await
        }
        Method::POST => {
            Reply::error(StatusCode::METHOD_NOT_ALLOWED, &path, "HTTP method POST is not supported by this URL")
        }
        Method::PUT | Method::DELETE => Reply::text(StatusCode::METHOD_NOT_ALLOWED, None, ""),
        _ => Reply::text(StatusCode::NOT_IMPLEMENTED, None, ""),
    }
}

/// The name behind the commands' URL, empty for the list of all; `None` for another URL.
fn command_name(command_url: &str, path: &str) -> Option<Result<String, &'static str>> {
    let rest = path.strip_prefix(command_url)?;
    let name = match rest.strip_prefix('/') {
        Some(name) => name,
        None if rest.is_empty() => "",
        None => return None,
    };
    // What follows a semicolon is about sessions of Java's web servers.
    let name = http::decoded(name.split(';').next().unwrap_or_default());
    if name.contains(|character: char| character.is_control()) {
        return Some(Err("Bad Request"));
    }
    Some(Ok(name))
}

async fn run(desk: &Desk, command: &Command, query: Option<&str>) -> Response<Reply> {
    if command.needs_server && !desk.line.is_open() {
        return answered(command.name, Answer::new(), Some(NOT_SERVING));
    }
    let answer = match command.action {
        Action::Environment => texts(environment::environment()),
        Action::GetTraceMask => trace_mask(desk.trace_mask.load(Ordering::Relaxed)),
        Action::SetTraceMask => set_trace_mask(desk, query),
        Action::SystemProperties => texts(environment::system_properties(&desk.config.properties)),
        Action::ZabState => {
            Map::from_iter([("voting".to_owned(), Value::Bool(false)), ("zabstate".to_owned(), "".into())])
        }
        action => match desk.line.ask(|reply| Question::Command(action, reply)).await {
            Some(answer) => answer,
            None => return answered(command.name, Answer::new(), Some(NOT_SERVING)),
        },
    };
    answered(command.name, answer, None)
}

/// The response to a command. Its name and its error stand last, but an error that the command itself puts in.
fn answered(name: &str, mut answer: Answer, error: Option<&str>) -> Response<Reply> {
    answer.insert("command".to_owned(), name.into());
    if !answer.contains_key("error") {
        answer.insert("error".to_owned(), error.map_or(Value::Null, Value::from));
    }
    Reply::text(StatusCode::OK, Some(JSON), json::pretty(&answer))
}

fn refused(name: &str, refused: &Refused) -> Response<Reply> {
    let mut response = answered(name, Answer::new(), refused.error.as_deref());
    *response.status_mut() = refused.status;
    response
}

/// Takes a snapshot, and sends it unless `streaming=false` is asked for.
async fn snapshot(desk: &Desk, asker: Asker, query: Option<&str>) -> Response<Reply> {
    const NAME: &str = "snapshot";
    let streaming = http::parameters(query).into_iter().find(|(name, _)| name == "streaming");
    let streaming = streaming.is_none_or(|(_, value)| value.eq_ignore_ascii_case("true"));
    let taken = match desk.line.ask(|reply| Question::Snapshot(asker, reply)).await {
        Some(Ok(taken)) => taken,
        Some(Err(reason)) => return refused(NAME, &reason),
        None => return answered(NAME, Answer::new(), Some(NOT_SERVING)),
    };
    let (zxid, len) = (taken.zxid, taken.len);
    let mut response = if streaming {
        let mut response = Response::new(Reply::Pieces { from: taken.pieces(), len: Some(len) });
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        response
    } else {
        answered(NAME, Answer::new(), None)
    };
    for (name, value) in [("last_zxid", zxid.to_string()), ("snapshot_size", len.to_string())] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Takes the snapshot in the request's body in place of the present state.
async fn restore(desk: &Desk, asker: Asker, request: Request<Incoming>) -> Response<Reply> {
    const NAME: &str = "restore";
    let place = match desk.line.ask(|reply| Question::MayRestore(asker, reply)).await {
        Some(Ok(place)) => place,
        Some(Err(reason)) => return refused(NAME, &reason),
        None => return answered(NAME, Answer::new(), Some(NOT_SERVING)),
    };
    let (to, pieces) = mpsc::channel(PIECES_WAITING);
    let receiving = spawn_blocking(move || transfer::receive(&place, pieces));
    send_on(request.into_body(), to).await;
    let received = match receiving.await.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(received) => Box::new(received),
        Err(error) => {
            tracing::warn!(target: ADMIN, "Cannot restore: {error}");
            let error = Some(format!("not a snapshot that can be restored: {error}"));
            return refused(NAME, &Refused { status: StatusCode::INTERNAL_SERVER_ERROR, error });
        }
    };
    match desk.line.ask(|reply| Question::Restore(received, reply)).await {
        Some(Ok(zxid)) => {
            let answer = Map::from_iter([("last_zxid".to_owned(), zxid.0.into())]);
            answered(NAME, answer, None)
        }
        Some(Err(reason)) => refused(NAME, &reason),
        None => answered(NAME, Answer::new(), Some(NOT_SERVING)),
    }
}

/// Hands a body over, piece by piece; without the end if it does not come whole.
async fn send_on(mut body: Incoming, to: mpsc::Sender<Piece>) {
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(frame) = frame else { return };
        let sent = match frame.into_data() {
            Ok(bytes) => to.send(Piece::Bytes(bytes)).await,
            Err(_) => Ok(()),
        };
        if sent.is_err() {
            return;
        }
    }
    // Who receives has failed and says why.
    let _ = to.send(Piece::End).await;
}

fn texts(pairs: Vec<(impl Into<String>, String)>) -> Answer {
    pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn trace_mask(mask: i64) -> Answer {
    Map::from_iter([("tracemask".to_owned(), mask.into())])
}

fn set_trace_mask(desk: &Desk, query: Option<&str>) -> Answer {
    const NEEDED: &str = "setTraceMask requires long traceMask argument";
    let parameters = http::parameters(query);
    let given = parameters.iter().find(|(name, _)| name == "traceMask").map(|(_, value)| value);
    let error = |text: String| Map::from_iter([("error".to_owned(), text.into())]);
    match given {
        None => error(NEEDED.to_owned()),
        Some(text) => match text.parse() {
            Ok(mask) => {
                desk.trace_mask.store(mask, Ordering::Relaxed);
                trace_mask(mask)
            }
            Err(_) => error(format!("{NEEDED}, got {text}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let name = |path| command_name("/commands", path);
        assert_eq!(name("/commands"), Some(Ok(String::new())));
        assert_eq!(name("/commands/"), Some(Ok(String::new())));
        assert_eq!(name("/commands/%72uok;a=b"), Some(Ok("ruok".to_owned())));
        assert_eq!(name("/commands//ruok"), Some(Ok("/ruok".to_owned())));
        assert_eq!(name("/commandsX"), None);
        assert_eq!(name("/"), None);
        assert_eq!(name("/commands/ruok%00"), Some(Err("Bad Request")));
    }
}
