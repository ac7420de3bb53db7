//! The floor: what is left of a server when only the system calls stay that nobody can do without.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Instant;

use crate::bare_kafka::{self, BareClient, FETCH_BYTES};
use crate::proc::thread_cpu_seconds;

/// What a loop did: how long, and how much processor time of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// Seconds on the wall.
    pub(crate) seconds: f64,
    /// Seconds of the processor.
    pub(crate) cpu: f64,
}

/// Read from the socket, CRC-32C over the batch, write to the file's end; the bare client sends `batch` so many times.
pub(crate) fn produce(dir: &Path, batch: &[u8], times: usize) -> Work {
    let (listener, port) = listen();
    // It grows as a log does: pages that were just given back would be cheaper than fresh ones.
    let file = File::options().append(true).create(true).open(dir.join("floor.log"));
    let mut file = file.expect("the bench's directory can be written");
    let frame = bare_kafka::produce_request("t", batch).len();
    let answer = bare_kafka::produce_answer("t");
    let records = batch.len();
    let server = thread::Builder::new()
        .spawn(move || -> io::Result<f64> {
            let (mut stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            let mut buffer = vec![0; frame];
            let begin = thread_cpu_seconds();
            let mut sum = 0u32;
            for _ in 0..times {
                stream.read_exact(&mut buffer)?;
                // The checksum covers the batch behind its first 21 bytes.
                sum ^= crc32c::crc32c(&buffer[frame - records + 21..]);
                file.write_all(&buffer[frame - records..])?;
                stream.write_all(&answer)?;
            }
            std::hint::black_box(sum);
            Ok(thread_cpu_seconds() - begin)
        })
        .expect("a thread can be started");
    let begin = Instant::now();
    let mut client = BareClient::connect(port).expect("it listens");
    client.produce("t", batch, times).expect("the loop answers");
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = server.join().expect("the loop does not panic").expect("the loop's files and sockets work");
    Work { seconds, cpu }
}

/// One sendfile per fetch, of the file that [`produce`] has written in batches of that many bytes; read once.
pub(crate) fn fetch(dir: &Path, batch: usize) -> (Work, usize) {
    let (listener, port) = listen();
    let file = File::open(dir.join("floor.log")).expect("it was written");
    let total = file.metadata().expect("an open file").len();
    let server = thread::Builder::new()
        .spawn(move || -> io::Result<f64> {
            let (mut stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            let begin = thread_cpu_seconds();
            let mut at = 0;
            while at < total {
                read_request(&mut stream)?;
                // Whole batches only: the client looks at their headers.
                let len = (total - at).min((FETCH_BYTES as usize / batch * batch) as u64);
                stream.write_all(&bare_kafka::fetch_answer_head("t", len as u32))?;
                let end = at + len;
                while at < end {
                    let left = (end - at) as usize;
                    rustix::fs::sendfile(&stream, &file, Some(&mut at), left)?;
                }
            }
            Ok(thread_cpu_seconds() - begin)
        })
        .expect("a thread can be started");
    let begin = Instant::now();
    let mut client = BareClient::connect(port).expect("it listens");
    let read = client.fetch("t", total as usize).expect("the loop answers");
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = server.join().expect("the loop does not panic").expect("the loop's files and sockets work");
    (Work { seconds, cpu }, read)
}

fn read_request(stream: &mut TcpStream) -> io::Result<()> {
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let mut request = vec![0; u32::from_be_bytes(len) as usize];
    stream.read_exact(&mut request)
}

/// A socket that listens, and its port.
pub(crate) fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

/// The 99th percentile.
pub(crate) fn percentile_99(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() * 99 / 100).copied().unwrap_or_default()
}
