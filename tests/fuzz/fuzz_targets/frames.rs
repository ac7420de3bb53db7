//! Frames: however a stream is cut into reads, the same frames come out, and a length that was only announced takes no
//! memory.
#![no_main]

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};

use libfuzzer_sys::fuzz_target;
use net::FrameReader;
use tokio::io::{AsyncRead, ReadBuf};

const MAX: usize = 1 << 16;

/// Gives its bytes in pieces of this length.
struct Pieces<'a>(&'a [u8], usize);

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let len = self.0.len().min(self.1).min(buffer.remaining());
        let (now, later) = self.0.split_at(len);
        buffer.put_slice(now);
        self.0 = later;
        Poll::Ready(Ok(()))
    }
}

thread_local! {
    static RUNTIME: RefCell<tokio::runtime::Runtime> =
        RefCell::new(tokio::runtime::Builder::new_current_thread().build().expect("a runtime"));
}

/// The frames, and whether the stream ended well.
fn read(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    RUNTIME.with_borrow(|runtime| {
        runtime.block_on(async {
            let mut reader = FrameReader::new(MAX);
            let mut from = Pieces(bytes, piece);
            let mut frames = Vec::new();
            loop {
                match reader.next(&mut from).await {
                    Ok(Some(frame)) => frames.push(frame.to_vec()),
                    Ok(None) => return (frames, true),
                    Err(_) => return (frames, false),
                }
            }
        })
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((piece, stream)) = data.split_first() else { return };
    let whole = read(stream, usize::MAX);
    assert_eq!(read(stream, 1 + usize::from(*piece)), whole);
    let taken: usize = whole.0.iter().map(|frame| 4 + frame.len()).sum();
    assert!(taken <= stream.len() && whole.0.iter().all(|frame| frame.len() <= MAX));
    if whole.1 {
        assert_eq!(taken, stream.len());
    }
});
