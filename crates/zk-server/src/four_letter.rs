//! The four-letter words: one word in place of a session, one answer, the end.

use std::fmt::Write;

use zk_state::WatcherId;

use crate::client::{Client, Stage, java_address};
use crate::environment;
use crate::metrics::Summary;
use crate::pipeline::Pipeline;

/// A word that is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(&'static str);

/// All words of Apache's server; any other four bytes are the length of a frame.
const WORDS: [&str; 18] = [
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srst", "srvr", "stat",
    "stmk", "wchc", "wchp", "wchs",
];

impl Word {
    pub(crate) fn recognize(bytes: [u8; 4]) -> Option<Word> {
        WORDS.into_iter().find(|word| word.as_bytes() == bytes).map(Word)
    }
}

/// The answer to `word`, asked by the connection `id`.
pub(crate) fn answer(pipeline: &mut Pipeline, id: WatcherId, word: Word) -> String {
    pipeline.figures.received += 1;
    if let Some(client) = pipeline.clients.get_mut(&id) {
        client.figures.received += 1;
    }
    let answer = if pipeline.config.whitelist.allows(word.0) {
        execute(pipeline, word.0)
    } else {
        format!("{} is not executed because it is not in the whitelist.\n", word.0)
    };
    pipeline.figures.sent += 1;
    answer
}

fn execute(pipeline: &mut Pipeline, word: &str) -> String {
    match word {
        "ruok" => "imok".into(),
        "isro" => "rw".into(),
        // The trace mask of a server that traces nothing by mask: Apache's default.
        "gtmk" => "306".into(),
        "srvr" => format!("{}{}", version(), server(pipeline)),
        "stat" => {
            let clients: String = connections(pipeline).map(|client| brief(client) + "\n").collect();
            format!("{}Clients:\n{clients}\n{}", version(), server(pipeline))
        }
        "cons" => connections(pipeline).map(|client| full(client) + "\n").collect::<String>() + "\n",
        "conf" => configuration(pipeline),
        "dirs" => format!("datadir_size: {}\nlogdir_size: {}\n", data_size(pipeline), log_size(pipeline)),
        "envi" => environment::environment()
            .into_iter()
            .fold("Environment:\n".to_owned(), |text, (name, value)| format!("{text}{name}={value}\n")),
        "crst" => {
            pipeline.clients.values_mut().for_each(|client| client.figures.reset());
            "Connection stats reset.\n".into()
        }
        "srst" => {
            pipeline.figures.reset();
            "Server stats reset.\n".into()
        }
        "wchs" => {
            let (watchers, paths) = pipeline.watches.data_watchers();
            let (total, _) = pipeline.watches.counts();
            format!("{watchers} connections watching {paths} paths\nTotal watches:{total}\n")
        }
        "mntr" => monitor(pipeline),
        other => format!("{other} is not served.\n"),
    }
}

fn version() -> String {
    format!("Zookeeper version: {}\n", environment::VERSION)
}

/// All connections, in the order in which they came.
fn connections(pipeline: &Pipeline) -> impl Iterator<Item = &Client> {
    let mut ids: Vec<&WatcherId> = pipeline.clients.keys().collect();
    ids.sort_unstable();
    ids.into_iter().map(|id| &pipeline.clients[id])
}

fn server(pipeline: &Pipeline) -> String {
    let figures = &pipeline.figures;
    let Summary { max, .. } = figures.latency;
    format!(
        "Latency min/avg/max: {}/{}/{max}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\nZxid: {}\nMode: standalone\nNode count: {}\n",
        figures.latency.min(),
        java_double(figures.latency.mean()),
        figures.received,
        figures.sent,
        pipeline.clients.len(),
        pipeline.outstanding(),
        pipeline.state.last_zxid(),
        pipeline.state.tree().node_count(),
    )
}

/// At most four decimals, at least one, as Java prints a rounded double.
fn java_double(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0');
    if text.ends_with('.') { format!("{text}0") } else { text.to_owned() }
}

/// A line of `stat`. In brackets is whether the server listens to it: not while it answers a word.
fn brief(client: &Client) -> String {
    let listens = u8::from(client.stage != Stage::New);
    let figures = &client.figures;
    format!(
        " {}[{listens}](queued={},recved={},sent={})",
        java_address(client.peer),
        client.queue.len(),
        figures.received,
        figures.sent
    )
}

fn full(client: &Client) -> String {
    let mut line = brief(client);
    if client.stage == Stage::New {
        return line;
    }
    line.pop();
    let figures = &client.figures;
    let appended = write!(
        line,
        ",sid={},lop={},est={},to={},lcxid={:#x},lzxid={:#x},lresp={},llat={},minlat={},avglat={},maxlat={})",
        client.session,
        figures.last_op,
        figures.established,
        client.timeout_ms,
        figures.last_xid,
        figures.last_zxid,
        figures.last_response,
        figures.last_latency,
        figures.latency.min(),
        figures.latency.mean() as u64,
        figures.latency.max
    );
    debug_assert!(appended.is_ok(), "writing to a string does not fail");
    line
}

fn configuration(pipeline: &Pipeline) -> String {
    let config = &pipeline.config;
    let data = config.data_dir.join("version-2");
    let log = config.data_log_dir.as_ref().unwrap_or(&config.data_dir).join("version-2");
    format!(
        "clientPort={}\nsecureClientPort=-1\ndataDir={}\ndataDirSize={}\ndataLogDir={}\ndataLogSize={}\ntickTime={}\nmaxClientCnxns={}\nminSessionTimeout={}\nmaxSessionTimeout={}\nclientPortListenBacklog={}\nserverId=0\n",
        pipeline.local_port.map_or(-1, i32::from),
        data.display(),
        data_size(pipeline),
        log.display(),
        log_size(pipeline),
        config.tick_ms,
        config.max_client_connections,
        config.min_session_ms,
        config.max_session_ms,
        config.backlog,
    )
}

fn data_size(pipeline: &Pipeline) -> u64 {
    pipeline.dir_size(pipeline.dirs.snapshots_dir())
}

fn log_size(pipeline: &Pipeline) -> u64 {
    pipeline.dir_size(pipeline.dirs.logs_dir())
}

fn monitor(pipeline: &Pipeline) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        let appended = writeln!(text, "zk_{name}\t{value}");
        debug_assert!(appended.is_ok(), "writing to a string does not fail");
    };
    let (figures, tree) = (&pipeline.figures, pipeline.state.tree());
    let (data_watches, child_watches) = pipeline.watches.counts();
    line("version", &environment::VERSION);
    line("server_state", &"standalone");
    line("ephemerals_count", &tree.ephemeral_count());
    line("num_alive_connections", &pipeline.clients.len());
    line("avg_latency", &java_double(figures.latency.mean()));
    line("outstanding_requests", &pipeline.outstanding());
    line("znode_count", &tree.node_count());
    line("global_sessions", &pipeline.state.sessions().len());
    line("non_mtls_remote_conn_count", &0);
    line("last_client_response_size", &(figures.response_last as i64 - i64::from(figures.response.count == 0)));
    line("packets_sent", &figures.sent);
    line("packets_received", &figures.received);
    line("max_client_response_size", &(figures.response.max as i64 - i64::from(figures.response.count == 0)));
    line("connection_drop_probability", &java_double(pipeline.connection_throttle.drop_chance()));
    line("watch_count", &(data_watches + child_watches));
    line("auth_failed_count", &figures.auth_failed);
    line("min_latency", &figures.latency.min());
    line("max_file_descriptor_count", &environment::open_files_max().unwrap_or(0));
    line("approximate_data_size", &tree.approximate_data_size());
    line("open_file_descriptor_count", &environment::open_files().unwrap_or(0));
    line("local_sessions", &0);
    line("uptime", &pipeline.clock.now().tick.since(figures.started));
    line("max_latency", &figures.latency.max);
    line("outstanding_tls_handshake", &0);
    line("min_client_response_size", &(figures.response.min() as i64 - i64::from(figures.response.count == 0)));
    line("non_mtls_local_conn_count", &0);
    line("outstanding_changes_queued", &pipeline.pending.len());
    line("connection_rejected", &figures.connections_rejected);
    line("sessionless_connections_expired", &figures.sessionless_expired);
    line("connection_drop_count", &figures.connection_drops);
    line("digest_mismatches_count", &pipeline.digest_mismatches);
    line("bytes_received_count", &figures.bytes_received);
    line("prep_processor_request_queued", &figures.requests_prepared);
    line("connection_request_count", &figures.connection_requests);
    line("response_bytes", &figures.bytes_sent);
    line("stale_sessions_expired", &figures.sessions_expired);
    line("unrecoverable_error_count", &figures.unrecoverable);
    line("snap_count", &0);
    let syncs = pipeline.log.figures();
    let fsync = [(syncs.total_ms, syncs.syncs, syncs.max_ms)];
    for (total, count, max) in fsync {
        let mean = if count == 0 { 0.0 } else { total as f64 / count as f64 };
        line("avg_fsynctime", &java_double(mean));
        line("max_fsynctime", &max);
        line("cnt_fsynctime", &count);
        line("sum_fsynctime", &total);
    }
    line("max_sync_processor_batch_size", &syncs.max_batch);
    line("cnt_sync_processor_batch_size", &syncs.syncs);
    line("sum_sync_processor_batch_size", &syncs.txns);
    for (name, summary) in [
        ("snapshottime", &figures.snapshot),
        ("readlatency", &figures.read_latency),
        ("updatelatency", &figures.update_latency),
    ] {
        line(&format!("avg_{name}"), &java_double(summary.mean()));
        line(&format!("min_{name}"), &summary.min());
        line(&format!("max_{name}"), &summary.max);
        line(&format!("cnt_{name}"), &summary.count);
        line(&format!("sum_{name}"), &summary.sum);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_exact() {
        assert_eq!(Word::recognize(*b"ruok"), Some(Word("ruok")));
        for bytes in [*b"RUOK", *b"nope", *b"\0\0\0\x2d"] {
            assert_eq!(Word::recognize(bytes), None);
        }
    }

    #[test]
    fn doubles_as_java_prints_them() {
        assert_eq!(java_double(0.0), "0.0");
        assert_eq!(java_double(4.857_142), "4.8571");
        assert_eq!(java_double(12.5), "12.5");
        assert_eq!(java_double(100.0), "100.0");
    }
}
