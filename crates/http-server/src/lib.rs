//! HTTP for operators: a listener with few connections on a thread of its own, so that nothing that comes over it can
//! keep the threads waiting that serve clients.
//!
//! Everything is bounded: connections, the head of a request, the time until it is complete, and the time in which
//! nothing moves in either direction. When all places are taken, the connection on which nothing has moved for longest
//! makes room (`places`).

mod places;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, TcpListener as StdListener};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Sleep;

use self::places::{Place, Places};

/// Bytes of a request's line and headers. Jetty takes 8 KiB, and no word that is asked here needs more.
const HEAD_MAX: usize = 8 << 10;
/// How long accepting rests when the system has no descriptor left.
const REST: Duration = Duration::from_millis(100);

/// What stands between a connection that is accepted and its first request: a handshake, or nothing.
pub trait Door: Clone + Send + 'static {
    /// The connection behind it.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;
    /// What is known of who came through; each request of the connection is handed it.
    type Guest: Clone + 'static;

    /// Lets a connection in. It holds a place meanwhile, so this has to end by itself, whatever the other side does.
    ///
    /// # Errors
    /// Whatever keeps it out; it is closed then.
    fn enter(&self, socket: TcpStream, peer: IpAddr) -> impl Future<Output = io::Result<(Self::Stream, Self::Guest)>>;
}

/// No door: HTTP begins at once, and the guest is an address.
#[derive(Debug, Clone, Copy)]
pub struct Open;

impl Door for Open {
    type Stream = TcpStream;
    type Guest = IpAddr;

    async fn enter(&self, socket: TcpStream, peer: IpAddr) -> io::Result<(TcpStream, IpAddr)> {
        Ok((socket, peer))
    }
}

/// A server; dropping it ends its thread and all its connections.
#[derive(Debug)]
pub struct HttpServer {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Serves `listener` on a new thread. Nothing moving for `idle` ends a connection.
    pub fn start<S, F>(name: &str, listener: StdListener, idle: Duration, service: S) -> io::Result<HttpServer>
    where
        S: Fn(IpAddr, Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Reply>> + 'static,
    {
        HttpServer::start_behind(name, listener, idle, Open, service)
    }

    /// The same behind a door.
    pub fn start_behind<D, S, F>(
        name: &str,
        listener: StdListener,
        idle: Duration,
        door: D,
        service: S,
    ) -> io::Result<HttpServer>
    where
        D: Door,
        S: Fn(D::Guest, Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Reply>> + 'static,
    {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime, async move {
                tokio::select! {
                    () = accept(listener, idle, door, service) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(HttpServer { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported.
            let _ = thread.join();
        }
    }
}

async fn accept<D, S, F>(listener: StdListener, idle: Duration, door: D, service: S)
where
    D: Door,
    S: Fn(D::Guest, Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Response<Reply>> + 'static,
{
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let places = Places::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (door, service) = (door.clone(), service.clone());
                let place = places.take().await;
                let held = Rc::clone(&place);
                let served = async move {
                    match door.enter(stream, peer.ip()).await {
                        Ok((stream, guest)) => serve(stream, guest, idle, held, service).await,
                        Err(error) => tracing::debug!(target: "http", "HTTP connection from {}: {error}", peer.ip()),
                    }
                };
                tokio::task::spawn_local(async move {
                    tokio::select! {
                        () = served => {}
                        () = place.called_in() => {}
                    }
                });
            }
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

async fn serve<T, G, S, F>(stream: T, guest: G, idle: Duration, place: Rc<Place>, service: S)
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    G: Clone + 'static,
    S: Fn(G, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<Reply>> + 'static,
{
    let sleep = Box::pin(tokio::time::sleep(idle));
    let io = TokioIo::new(IdleLimit { stream, idle, sleep, place: Rc::clone(&place) });
    let service = service_fn(move |request| {
        let work = place.work();
        let answer = service(guest.clone(), request);
        async move {
            let answer = answer.await;
            drop(work);
            Ok::<_, Infallible>(answer)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(HEAD_MAX)
        .serve_connection(io, service)
        .await;
    if let Err(error) = served {
        tracing::debug!(target: "http", "HTTP connection: {error}");
    }
}

/// A stream that fails when nothing moves for some time.
struct IdleLimit<T> {
    stream: T,
    idle: Duration,
    sleep: Pin<Box<Sleep>>,
    place: Rc<Place>,
}

impl<T: Unpin> IdleLimit<T> {
    /// Passes on what the stream says; while it says nothing, time runs.
    fn watch<M>(&mut self, context: &mut Context<'_>, moved: Poll<io::Result<M>>) -> Poll<io::Result<M>> {
        match moved {
            Poll::Ready(result) => {
                self.sleep.set(tokio::time::sleep(self.idle));
                self.place.moved();
                Poll::Ready(result)
            }
            Poll::Pending => {
                ready!(self.sleep.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for IdleLimit<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_read(context, into);
        self.watch(context, moved)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for IdleLimit<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, moved)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What is sent back.
#[derive(Debug)]
pub enum Reply {
    /// A text.
    Text(Option<Bytes>),
    /// Pieces as they come; at most so many bytes as are announced, if any are.
    Pieces {
        /// The pieces.
        from: mpsc::Receiver<io::Result<Bytes>>,
        /// Their length together.
        len: Option<u64>,
    },
}

impl Reply {
    /// A response with a text.
    pub fn text(status: StatusCode, kind: Option<&'static str>, text: impl Into<Bytes>) -> Response<Reply> {
        let mut response = Response::new(Reply::Text(Some(text.into())));
        *response.status_mut() = status;
        if let Some(kind) = kind {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        response
    }

    /// A response that says in HTML what is wrong, as Jetty does.
    pub fn error(status: StatusCode, path: &str, message: &str) -> Response<Reply> {
        let (path, message) = (escaped(path), escaped(message));
        let code = status.as_str();
        let page = format!(
            "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n\
             <title>Error {code} {message}</title>\n</head>\n<body><h2>HTTP ERROR {code} {message}</h2>\n<table>\n\
             <tr><th>URI:</th><td>{path}</td></tr>\n<tr><th>STATUS:</th><td>{code}</td></tr>\n\
             <tr><th>MESSAGE:</th><td>{message}</td></tr>\n</table>\n\n</body>\n</html>\n"
        );
        Reply::text(status, Some("text/html;charset=iso-8859-1"), page)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Body for Reply {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Reply::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Reply::Pieces { from, .. } => {
                from.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Reply::Text(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Reply::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Reply::Pieces { len: Some(len), .. } => SizeHint::with_exact(*len),
            Reply::Pieces { len: None, .. } => SizeHint::new(),
        }
    }
}

/// The parameters of a query, percent signs undone; of a name that comes twice the first value.
pub fn parameters(query: Option<&str>) -> Vec<(String, String)> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut all: Vec<(String, String)> = Vec::new();
    for pair in pairs {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        all.push((decoded(&name.replace('+', " ")), decoded(&value.replace('+', " "))));
    }
    all
}

/// Undoes percent signs; what is no code stays as it is.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = (*first == b'%')
            .then(|| after.first_chunk::<2>())
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let all = parameters(Some("traceMask=306&x&y=%41+b%zz%4"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(all, [pair("traceMask", "306"), pair("x", ""), pair("y", "A b%zz%4")]);
        assert!(parameters(None).is_empty());
        assert_eq!(decoded("%c3%a4%"), "ä%");
    }

    #[test]
    fn error_pages_carry_no_markup_of_the_asker() {
        let Reply::Text(Some(page)) = Reply::error(StatusCode::NOT_FOUND, "/<b>", "Not Found").into_body() else {
            panic!("a text")
        };
        let page = String::from_utf8_lossy(&page).into_owned();
        assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"));
    }
}
