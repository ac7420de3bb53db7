//! The four-letter words: one word in place of a session, one answer, the end.

use std::fmt::{self, Display, Write};
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use zk_state::WatcherId;

use crate::client::java_address;
use crate::config::ServerConfig;
use crate::connection::SharedPipeline;
use crate::environment;
use crate::facts::{self, ConnectionFacts, Measured};
use crate::metrics::{java_double, monitor};
use crate::pipeline::Pipeline;

/// A word that is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(&'static str);

/// All words of Apache's server; any other four bytes are the length of a frame.
const WORDS: [&str; 18] = [
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst", "srvr", "stat",
    "stmk", "wchc", "wchp", "wchs",
];
/// What a telnet sends when it is interrupted: there is no answer to it.
const TELNET_CLOSE: [u8; 4] = [0xff, 0xf4, 0xff, 0xfd];

impl Word {
    pub(crate) fn recognize(bytes: [u8; 4]) -> Option<Word> {
        if bytes == TELNET_CLOSE {
            return Some(Word(""));
        }
        WORDS.into_iter().find(|word| word.as_bytes() == bytes).map(Word)
    }

    /// Do eight bytes follow it?
    pub(crate) fn brings_mask(self) -> bool {
        self.0 == "stmk"
    }
}

/// The answer to `word`, asked by the connection `id`; `mask` is what came behind `stmk`.
pub(crate) async fn answer(pipeline: &SharedPipeline, id: WatcherId, word: Word, mask: Option<i64>) -> String {
    if word.0.is_empty() {
        return String::new();
    }
    let allowed = {
        let mut pipeline = pipeline.borrow_mut();
        pipeline.figures.received += 1;
        if let Some(client) = pipeline.clients.get_mut(&id) {
            client.figures.received += 1;
        }
        pipeline.config.whitelist.allows(word.0)
    };
    let answer = if allowed { execute(pipeline, word.0, mask).await } else { not_allowed(word) };
    pipeline.borrow_mut().figures.sent += 1;
    answer
}

/// The answer while nothing is served.
pub(crate) fn answer_unserved(config: &ServerConfig, word: Word, mask: Option<i64>, trace_mask: &AtomicI64) -> String {
    if word.0.is_empty() {
        return String::new();
    }
    if !config.whitelist.allows(word.0) {
        return not_allowed(word);
    }
    match word.0 {
        "ruok" => "imok".into(),
        "isro" => "null".into(),
        "gtmk" => trace_mask.load(Ordering::Relaxed).to_string(),
        "stmk" => set_trace_mask(trace_mask, mask),
        "envi" => environment_lines(),
        _ => "This ZooKeeper instance is not currently serving requests\n".into(),
    }
}

fn not_allowed(word: Word) -> String {
    format!("{} is not executed because it is not in the whitelist.\n", word.0)
}

/// Without the eight bytes there is no answer.
fn set_trace_mask(trace_mask: &AtomicI64, mask: Option<i64>) -> String {
    let Some(mask) = mask else { return String::new() };
    trace_mask.store(mask, Ordering::Relaxed);
    mask.to_string()
}

fn environment_lines() -> String {
    let environment = environment::environment();
    let pairs = environment.iter().map(|(name, value)| format!("{name}={value}"));
    lines(["Environment:".to_owned()].into_iter().chain(pairs))
}

async fn execute(pipeline: &SharedPipeline, word: &str, mask: Option<i64>) -> String {
    match word {
        "ruok" => "imok".into(),
        "isro" => "rw".into(),
        "gtmk" => pipeline.borrow().trace_mask.load(Ordering::Relaxed).to_string(),
        "stmk" => set_trace_mask(&pipeline.borrow().trace_mask, mask),
        "srvr" => format!("{}{}", version(), server(&pipeline.borrow())),
        "stat" => {
            let clients = lines(facts::connections(pipeline).await.iter().map(brief));
            format!("{}Clients:\n{clients}\n{}", version(), server(&pipeline.borrow()))
        }
        "cons" => lines(facts::connections(pipeline).await.iter().map(full)) + "\n",
        "conf" => configuration(pipeline).await,
        "dirs" => {
            let (data, log) = facts::dir_sizes(pipeline).await;
            format!("datadir_size: {data}\nlogdir_size: {log}\n")
        }
        "dump" => dump(pipeline).await,
        "envi" => environment_lines(),
        "hash" => lines(pipeline.borrow().digests.iter().map(|(zxid, digest)| format!("{:x}: {}", zxid.0, digest.0))),
        "crst" => {
            pipeline.borrow_mut().reset_connections();
            "Connection stats reset.\n".into()
        }
        "srst" => {
            pipeline.borrow_mut().reset_figures();
            "Server stats reset.\n".into()
        }
        "wchs" => {
            let summary = facts::watch_summary(pipeline).await;
            format!(
                "{} connections watching {} paths\nTotal watches:{}\n",
                summary.connections, summary.paths, summary.watches
            )
        }
        "wchc" => grouped(facts::watches(pipeline).await) + "\n",
        "wchp" => grouped(facts::watches_by_path(pipeline).await) + "\n",
        "mntr" => {
            let Measured { gauges, registry } = facts::measured(pipeline).await;
            lines(monitor(&gauges, &registry).iter().map(|(name, value)| format!("zk_{name}\t{value}")))
        }
        other => format!("{other} is not served.\n"),
    }
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.fold(String::new(), |mut text, line| {
        text.push_str(&line);
        text.push('\n');
        text
    })
}

/// Each key on a line, and below it what belongs to it.
fn grouped<K: Display, V: Display>(groups: impl IntoIterator<Item = (K, Vec<V>)>) -> String {
    let mut text = String::new();
    for (key, values) in groups {
        put(&mut text, format_args!("{key}\n"));
        for value in values {
            put(&mut text, format_args!("\t{value}\n"));
        }
    }
    text
}

fn put(text: &mut String, more: fmt::Arguments<'_>) {
    let appended = text.write_fmt(more);
    debug_assert!(appended.is_ok(), "writing to a string does not fail");
}

fn version() -> String {
    format!("Zookeeper version: {}\n", environment::VERSION)
}

fn server(pipeline: &Pipeline) -> String {
    let figures = &pipeline.figures;
    format!(
        "Latency min/avg/max: {}/{}/{}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\nZxid: {}\nMode: standalone\nNode count: {}\n",
        figures.latency.min(),
        java_double(figures.latency.mean()),
        figures.latency.max,
        figures.received,
        figures.sent,
        pipeline.clients.len(),
        pipeline.outstanding(),
        pipeline.state.last_zxid(),
        pipeline.state.tree().node_count(),
    )
}

/// A line of `stat`. In brackets is whether the server listens to it: not while it answers a word.
fn brief(connection: &ConnectionFacts) -> String {
    format!(
        " {}[{}](queued={},recved={},sent={})",
        java_address(connection.peer),
        u8::from(connection.listens),
        connection.queued,
        connection.figures.received,
        connection.figures.sent
    )
}

fn full(connection: &ConnectionFacts) -> String {
    let mut line = brief(connection);
    let Some((session, timeout_ms)) = connection.session else { return line };
    line.pop();
    let figures = &connection.figures;
    // Before its first request a client has no number of one.
    let last_xid = if figures.last_xid < 0 { String::new() } else { format!("lcxid={:#x},", figures.last_xid) };
    line + &format!(
        ",sid={session},lop={},est={},to={timeout_ms},{last_xid}lzxid={:#x},lresp={},llat={},minlat={},avglat={},maxlat={})",
        figures.last_op,
        figures.established,
        figures.last_zxid,
        figures.last_response,
        figures.last_latency,
        figures.latency.min(),
        figures.latency.mean() as u64,
        figures.latency.max
    )
}

async fn configuration(pipeline: &SharedPipeline) -> String {
    let (data_size, log_size) = facts::dir_sizes(pipeline).await;
    let pipeline = pipeline.borrow();
    let config = &pipeline.config;
    format!(
        "clientPort={}\nsecureClientPort={}\ndataDir={}\ndataDirSize={data_size}\ndataLogDir={}\ndataLogSize={log_size}\ntickTime={}\nmaxClientCnxns={}\nminSessionTimeout={}\nmaxSessionTimeout={}\nclientPortListenBacklog={}\nserverId=0\n",
        pipeline.local_port.map_or(-1, i32::from),
        pipeline.secure_port.map_or(-1, i32::from),
        pipeline.dirs.snapshots_dir().display(),
        pipeline.dirs.logs_dir().display(),
        config.tick_ms,
        config.max_client_connections,
        config.min_session_ms,
        config.max_session_ms,
        config.backlog,
    )
}

async fn dump(pipeline: &SharedPipeline) -> String {
    let sessions = facts::expiring(pipeline).await;
    let count: usize = sessions.iter().map(|bucket| bucket.sessions.len()).sum();
    let mut text = format!("SessionTracker dump:\nSession Sets ({})/({count}):\n", sessions.len());
    text +=
        &grouped(sessions.into_iter().map(|bucket| (expiry_line(bucket.sessions.len(), bucket.wall), bucket.sessions)));
    let ephemerals = facts::ephemerals(pipeline).await;
    put(&mut text, format_args!("ephemeral nodes dump:\nSessions with Ephemerals ({}):\n", ephemerals.len()));
    text += &grouped(ephemerals.into_iter().map(|(owner, paths)| (format!("{owner}:"), paths)));
    let connections = facts::expiring_connections(pipeline).await;
    let count: usize = connections.values().map(Vec::len).sum();
    put(&mut text, format_args!("Connections dump:\nConnections Sets ({})/({count}):\n", connections.len()));
    text + &grouped(connections.into_iter().map(|(deadline, connections)| {
        let shown = |(peer, session)| format!("ip: {} sessionId: {session}", java_address(peer));
        (expiry_line(connections.len(), deadline), connections.into_iter().map(shown).collect())
    }))
}

fn expiry_line(count: usize, deadline: i64) -> String {
    format!("{count} expire at {}:", java_date(deadline))
}

/// A time as `Date.toString` prints it.
fn java_date(millis: i64) -> String {
    let Ok(time) = Timestamp::from_millisecond(millis) else { return millis.to_string() };
    time.to_zoned_datetime(logging::local_zone().clone()).strftime("%a %b %d %H:%M:%S %Z %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_exact() {
        assert_eq!(Word::recognize(*b"ruok"), Some(Word("ruok")));
        assert!(Word::recognize(*b"stmk").is_some_and(Word::brings_mask));
        assert!(Word::recognize(TELNET_CLOSE).is_some());
        for bytes in [*b"RUOK", *b"nope", *b"\0\0\0\x2d"] {
            assert_eq!(Word::recognize(bytes), None);
        }
    }

    #[test]
    fn dates_and_groups() {
        let date = java_date(1_732_650_421_000);
        assert!(date.starts_with("Tue Nov 26 ") || date.starts_with("Wed Nov 27 "), "{date}");
        assert!(date.ends_with(" 2024"));
        assert_eq!(grouped([("a", vec![1, 2]), ("b", vec![])]), "a\n\t1\n\t2\nb\n");
    }
}
