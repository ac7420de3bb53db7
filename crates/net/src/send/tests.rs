//! Pieces over real sockets, by both ways.

use super::*;

use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use vfs::{MemoryVfs, OpenMode, OsVfs, Vfs};

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, server) = tokio::join!(client, listener.accept());
    (client.unwrap(), server.unwrap().0)
}

/// Sends to a peer that reads slowly in small pieces, so that every partial write happens.
async fn received(pieces: &[Piece]) -> (Result<(), SendError>, Vec<u8>) {
    let (mut client, server) = pair().await;
    let reader = async move {
        let mut all = Vec::new();
        let mut buffer = vec![0; 7777];
        loop {
            match client.read(&mut buffer).await.unwrap() {
                0 => return all,
                read => all.extend_from_slice(&buffer[..read]),
            }
            tokio::task::yield_now().await;
        }
    };
    let writer = async move {
        let result = send_all(&server, pieces).await;
        drop(server);
        result
    };
    tokio::join!(writer, reader)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n / 251 + n) as u8).collect()
}

struct RealFile(PathBuf);

impl RealFile {
    fn new(name: &str, content: &[u8]) -> (RealFile, Arc<dyn vfs::File>) {
        let path = std::env::temp_dir().join(format!("net-test-{}-{name}", std::process::id()));
        let file = OsVfs.open(&path, OpenMode::Create).unwrap();
        file.write_at(content, 0).unwrap();
        (RealFile(path), file)
    }
}

impl Drop for RealFile {
    fn drop(&mut self) {
        let _ = OsVfs.remove_file(&self.0);
    }
}

fn memory_file(content: &[u8]) -> Arc<dyn vfs::File> {
    let file = MemoryVfs::new().open(Path::new("/f"), OpenMode::Create).unwrap();
    file.write_at(content, 0).unwrap();
    file
}

#[test]
fn pieces_arrive_in_order_by_sendfile_and_by_copy() {
    let content = pattern(3_000_000);
    let (_guard, real) = RealFile::new("order", &content);
    for file in [real, memory_file(&content)] {
        let pieces = [
            Piece::Bytes(Bytes::from_static(b"head")),
            Piece::Bytes(Bytes::new()),
            Piece::File { file: file.clone(), offset: 5, len: 2_500_000 },
            Piece::File { file: file.clone(), offset: 0, len: 0 },
            Piece::Bytes(Bytes::from(content.clone())),
            Piece::File { file, offset: 2_999_990, len: 10 },
        ];
        let expected = [b"head", &content[5..2_500_005], &content, &content[2_999_990..]].concat();
        assert_eq!(pieces.iter().map(Piece::len).sum::<u64>(), expected.len() as u64);
        let (result, bytes) = run(received(&pieces));
        result.unwrap();
        assert!(bytes == expected);
    }
}

#[test]
fn many_small_pieces() {
    let pieces: Vec<Piece> = (0..500u16).map(|n| Bytes::copy_from_slice(&n.to_be_bytes()).into()).collect();
    let expected: Vec<u8> = (0..500u16).flat_map(u16::to_be_bytes).collect();
    let (result, bytes) = run(received(&pieces));
    result.unwrap();
    assert_eq!(bytes, expected);
}

#[test]
fn a_file_that_was_cut_is_an_error() {
    let (_guard, real) = RealFile::new("cut", b"0123456789");
    for file in [real, memory_file(b"0123456789")] {
        let (result, bytes) = run(received(&[Piece::File { file, offset: 4, len: 10 }]));
        assert!(matches!(result, Err(SendError::FileCut { missing: 4 })));
        assert_eq!(bytes, b"456789");
    }
}

#[test]
fn a_peer_that_left_is_an_error() {
    run(async {
        let (client, server) = pair().await;
        drop(client);
        let piece = [Piece::Bytes(Bytes::from(pattern(1 << 20)))];
        let mut result = send_all(&server, &piece).await;
        for _ in 0..10 {
            result = result.and(send_all(&server, &piece).await);
        }
        assert!(matches!(result, Err(SendError::Io(_))));
    });
}
