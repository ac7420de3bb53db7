//! A whole server on memory: any bytes on a connection, behind a handshake or from the first one on, four-letter words
//! among them. It answers or closes, and serves on.
#![no_main]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use time_types::{Now, Tick, WallMillis};
use vfs::MemoryVfs;
use zk_server::{Clock, Server, ServerConfig, config};

const WORDS: [&[u8; 4]; 17] = [
    b"ruok", b"srvr", b"stat", b"mntr", b"conf", b"cons", b"crst", b"dump", b"envi", b"hash", b"isro", b"srst",
    b"wchc", b"wchp", b"wchs", b"dirs", b"gtmk",
];

fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let (started, port) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            tokio::task::LocalSet::new().block_on(&runtime, async {
                let mut config = ServerConfig::new(PathBuf::from("/data"), Some(0));
                config.client_address = Some([127, 0, 0, 1].into());
                config.max_client_connections = 0;
                config.whitelist = config::Whitelist::All;
                let begin = Instant::now();
                let clock = Clock::new(move || Now {
                    tick: Tick(begin.elapsed().as_millis() as u64),
                    wall: WallMillis(1_700_000_000_000 + begin.elapsed().as_millis() as i64),
                });
                let server = Server::start(config, Arc::new(MemoryVfs::new()), clock, || 7).expect("it starts");
                started.send(server.port().expect("it listens")).expect("somebody waits");
                server.run(net::Shutdown::new()).await.expect("it serves for ever");
            });
            std::process::abort();
        });
        // A panic of the server's thread would only end that thread.
        let inner = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            inner(info);
            std::process::abort();
        }));
        port.recv().expect("it starts")
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port())) else { return };
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
    let mut sent = Vec::new();
    match kind % 4 {
        0 => {}
        1 => sent.extend(WORDS[usize::from(kind / 4) % WORDS.len()]),
        _ => {
            // A new session of four seconds.
            sent.extend([0, 0, 0, 45]);
            sent.extend([0; 12]);
            sent.extend(4000i32.to_be_bytes());
            sent.extend([0; 8]);
            sent.extend([0, 0, 0, 16]);
            sent.extend([0; 17]);
        }
    }
    if kind % 4 == 3 {
        // One frame of it all, so that the length is right.
        sent.extend((bytes.len() as u32).to_be_bytes());
    }
    sent.extend(bytes);
    // It may close before all is sent.
    let _ = stream.write_all(&sent);
    let _ = stream.shutdown(Shutdown::Write);
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("neither answered nor closed"),
        _ => {}
    }
});
