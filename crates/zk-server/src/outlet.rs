//! The way to one client, which its task and the pipeline share: the socket's writing half, and a bell for the task.
//!
//! Mostly the socket takes a reply at once. Then the pipeline writes it, and nobody is woken for it; only what a socket
//! does not take is left to the task. Both live on one thread, and neither holds on to anything across an await.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use net::WriteHalf;
use tokio::io::AsyncWrite;

/// The writing half of a connection. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Outlet(Rc<RefCell<WriteHalf>>);

impl Outlet {
    pub(crate) fn new(write: WriteHalf) -> Outlet {
        Outlet(Rc::new(RefCell::new(write)))
    }

    /// Does it keep what was written until it is flushed?
    pub(crate) fn needs_flush(&self) -> bool {
        self.0.borrow().needs_flush()
    }

    /// Sends what can be sent without waiting, how many bytes that are; 0 also after an error, which the connection's
    /// task sees when it tries.
    pub(crate) fn send_now(&self, bytes: &[u8]) -> usize {
        self.0.borrow().try_write(bytes).unwrap_or(0)
    }
}

impl AsyncWrite for Outlet {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(cx)
    }
}

/// Wakes one task of the same thread, or keeps it from going to sleep the next time.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Bell {
    pub(crate) fn ring(&self) {
        self.rung.set(true);
        if let Some(waker) = self.waiting.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Waits until it has been rung since the last time. Cancel safe; for one task only.
    pub(crate) async fn rung(&self) {
        std::future::poll_fn(|cx| {
            if self.rung.take() {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            if waiting.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                *waiting = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use net::Stream;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn a_bell_is_heard_once_whenever_it_was_rung() {
        run(async {
            let bell = Bell::default();
            bell.ring();
            bell.ring();
            bell.rung().await;
            let ((), ()) = tokio::join!(bell.rung(), async {
                tokio::task::yield_now().await;
                bell.ring();
            });
            let again = tokio::time::timeout(std::time::Duration::from_millis(5), bell.rung()).await;
            assert!(again.is_err(), "it was rung once");
        });
    }

    #[test]
    fn what_a_full_socket_does_not_take_is_left() {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (read, write) = Stream::plain(listener.accept().await.unwrap().0).unwrap().into_split();
            let mut outlet = Outlet::new(write);
            // The socket says that it can be written when the runtime has looked.
            std::future::poll_fn(|cx| Pin::new(&mut outlet).poll_write(cx, b"x")).await.unwrap();
            assert_eq!(outlet.send_now(b"abc"), 3);
            let mut sent = 4;
            let large = vec![0; 1 << 20];
            loop {
                match outlet.send_now(&large) {
                    0 => break,
                    more => sent += more,
                }
            }
            drop((outlet, read));
            let mut received = Vec::new();
            client.read_to_end(&mut received).await.unwrap();
            assert_eq!((received.len(), &received[..4]), (sent, b"xabc".as_slice()));
        });
    }
}
