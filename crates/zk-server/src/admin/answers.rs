//! What each command answers: computed on the thread of the state, piece by piece, laid out as text elsewhere.

use serde_json::{Map, Value, json};
use time_types::WallMillis;
use zk_proto::SessionId;

use super::commands::Action;
use crate::connection::SharedPipeline;
use crate::environment;
use crate::facts::{self, ConnectionFacts, Measured};
use crate::metrics::{self, monitor};
use crate::pipeline::Pipeline;

/// An answer in the making.
pub(crate) type Answer = Map<String, Value>;

/// Puts the fields of an object into an answer.
fn fields(answer: &mut Answer, object: Value) {
    if let Value::Object(object) = object {
        answer.extend(object);
    }
}

/// What `action` answers, without the command's name and its error.
pub(crate) async fn of_state(pipeline: &SharedPipeline, action: Action) -> Answer {
    let mut answer = Answer::new();
    let more = match action {
        Action::Configuration => configuration(&pipeline.borrow()),
        Action::ConnectionStatReset => {
            pipeline.borrow_mut().reset_connections();
            Value::Null
        }
        Action::Connections => connections(pipeline, full).await,
        Action::Dirs => {
            let (data, log) = facts::dir_sizes(pipeline).await;
            json!({ "datadir_size": data, "logdir_size": log })
        }
        Action::Dump => dump(pipeline).await,
        Action::Hash => {
            let pipeline = pipeline.borrow();
            let digests = pipeline.digests.iter().map(|(zxid, digest)| {
                json!({ "zxid": zxid.0, "digest": digest.0, "digest_version": zk_proto::txn::DIGEST_VERSION })
            });
            json!({ "digests": digests.collect::<Vec<Value>>() })
        }
        Action::InitialConfiguration => json!({ "initial_configuration": pipeline.borrow().config.text }),
        Action::IsReadOnly => json!({ "read_only": false }),
        Action::LastSnapshot => last_snapshot(&pipeline.borrow()),
        Action::Leader => json!({ "error": "server is not initialized" }),
        Action::Monitor => {
            let Measured { gauges, registry } = facts::measured(pipeline).await;
            answer.extend(monitor(&gauges, &registry).into_iter().map(|(name, value)| (name, shown(&value))));
            Value::Null
        }
        Action::Observers => json!({ "synced_observers": 0, "observers": [] }),
        Action::ServerStats => server_stats(pipeline).await,
        Action::StatReset => {
            pipeline.borrow_mut().reset_figures();
            Value::Null
        }
        Action::Stats => stats(pipeline).await,
        Action::VotingView => json!({ "current_config": {} }),
        Action::WatchSummary => {
            let summary = facts::watch_summary(pipeline).await;
            json!({
                "num_connections": summary.connections,
                "num_paths": summary.paths,
                "num_total_watches": summary.watches
            })
        }
        Action::Watches => watches(pipeline).await,
        Action::WatchesByPath => watches_by_path(pipeline).await,
        Action::Ruok
        | Action::ObserverConnectionStatReset
        | Action::Environment
        | Action::GetTraceMask
        | Action::SetTraceMask
        | Action::SystemProperties
        | Action::ZabState
        | Action::Snapshot
        | Action::Restore => Value::Null,
    };
    fields(&mut answer, more);
    answer
}

/// Plain ones and those of TLS, each told of by `tell`.
async fn connections(pipeline: &SharedPipeline, tell: fn(&ConnectionFacts) -> Value) -> Value {
    let (secure, plain): (Vec<_>, Vec<_>) =
        facts::connections(pipeline).await.into_iter().partition(|connection| connection.secure);
    let told = |connections: Vec<ConnectionFacts>| connections.iter().map(tell).collect::<Vec<Value>>();
    json!({ "connections": told(plain), "secure_connections": told(secure) })
}

async fn stats(pipeline: &SharedPipeline) -> Value {
    let mut stats = server_stats(pipeline).await;
    if let (Value::Object(stats), Value::Object(connections)) = (&mut stats, connections(pipeline, brief).await) {
        stats.extend(connections);
    }
    stats
}

async fn watches(pipeline: &SharedPipeline) -> Value {
    let by_session = facts::watches(pipeline).await.into_iter();
    let by_session = by_session.map(|(session, paths)| (session.0.to_string(), strings(&paths)));
    json!({ "session_id_to_watched_paths": by_session.collect::<Answer>() })
}

async fn watches_by_path(pipeline: &SharedPipeline) -> Value {
    let by_path = facts::watches_by_path(pipeline).await.into_iter();
    let ids = |sessions: Vec<SessionId>| sessions.into_iter().map(|session| session.0).collect();
    let by_path = by_path.map(|(path, sessions)| (path.to_string(), ids(sessions)));
    json!({ "path_to_session_ids": by_path.collect::<Answer>() })
}

fn strings(paths: &[std::sync::Arc<str>]) -> Value {
    paths.iter().map(|path| Value::from(&**path)).collect()
}

fn shown(value: &metrics::Value) -> Value {
    match value {
        metrics::Value::Int(number) => (*number).into(),
        metrics::Value::Double(number) => (*number).into(),
        metrics::Value::Text(text) => (*text).into(),
    }
}

fn configuration(pipeline: &Pipeline) -> Value {
    let config = &pipeline.config;
    json!({
        "client_port": pipeline.local_port.map_or(-1, i32::from),
        "data_dir": pipeline.dirs.snapshots_dir().display().to_string(),
        "data_log_dir": pipeline.dirs.logs_dir().display().to_string(),
        "tick_time": config.tick_ms,
        "max_client_cnxns": config.max_client_connections,
        "min_session_timeout": config.min_session_ms,
        "max_session_timeout": config.max_session_ms,
        "server_id": 0,
        "client_port_listen_backlog": config.backlog
    })
}

fn brief(connection: &ConnectionFacts) -> Value {
    json!({
        "remote_socket_address": connection.peer.to_string(),
        // The readiness that Apache's server waits for: of reading.
        "interest_ops": i32::from(connection.listens),
        "outstanding_requests": connection.queued,
        "packets_received": connection.figures.received,
        "packets_sent": connection.figures.sent
    })
}

fn full(connection: &ConnectionFacts) -> Value {
    let mut facts = brief(connection);
    let (session, timeout_ms) = connection.session.map_or((0, 0), |(session, timeout_ms)| (session.0, timeout_ms));
    let figures = &connection.figures;
    let more = json!({
        "session_id": session,
        "last_operation": figures.last_op,
        "established": figures.established,
        "session_timeout": timeout_ms,
        "last_cxid": figures.last_xid,
        "last_zxid": figures.last_zxid,
        "last_response_time": figures.last_response,
        "last_latency": figures.last_latency,
        "min_latency": figures.latency.min(),
        "avg_latency": figures.latency.mean() as u64,
        "max_latency": figures.latency.max
    });
    if let Value::Object(facts) = &mut facts {
        fields(facts, more);
    }
    facts
}

async fn dump(pipeline: &SharedPipeline) -> Value {
    let sessions = facts::expiring(pipeline).await.into_iter();
    let sessions = sessions.map(|bucket| {
        (bucket.tick.to_string(), bucket.sessions.iter().map(|session| Value::from(session.0)).collect())
    });
    let sessions: Answer = sessions.collect();
    let ephemerals = facts::ephemerals(pipeline).await.into_iter();
    let ephemerals: Answer = ephemerals.map(|(owner, paths)| (owner.0.to_string(), paths.into())).collect();
    json!({ "expiry_time_to_session_ids": sessions, "session_id_to_ephemeral_paths": ephemerals })
}

fn last_snapshot(pipeline: &Pipeline) -> Value {
    match pipeline.last_snapshot {
        Some((zxid, WallMillis(written))) => json!({ "zxid": format!("{:x}", zxid.0), "timestamp": written / 1000 }),
        None => json!({ "zxid": "ffffffffffffffff", "timestamp": -1 }),
    }
}

async fn server_stats(pipeline: &SharedPipeline) -> Value {
    let (data, log) = facts::dir_sizes(pipeline).await;
    let pipeline = pipeline.borrow();
    let figures = &pipeline.figures;
    let size = |value: u64| if figures.response.count == 0 { -1 } else { value as i64 };
    let responses = json!({
        "last_buffer_size": size(figures.response_last),
        "min_buffer_size": size(figures.response.min()),
        "max_buffer_size": size(figures.response.max)
    });
    let stats = json!({
        "packets_sent": figures.sent,
        "packets_received": figures.received,
        "fsync_threshold_exceed_count": pipeline.log.slow_syncs(),
        "client_response_stats": responses,
        "data_dir_size": data,
        "log_dir_size": log,
        "provider_null": false,
        "last_processed_zxid": pipeline.state.last_zxid().0,
        "outstanding_requests": pipeline.outstanding(),
        "server_state": "standalone",
        "avg_latency": figures.latency.mean(),
        "max_latency": figures.latency.max,
        "min_latency": figures.latency.min(),
        "num_alive_client_connections": pipeline.clients.len(),
        "auth_failed_count": figures.auth_failed,
        "non_mtlsremote_conn_count": 0,
        "non_mtlslocal_conn_count": 0,
        "uptime": pipeline.clock.tick().since(figures.started)
    });
    json!({
        "version": environment::VERSION,
        "read_only": false,
        "server_stats": stats,
        "client_response": responses,
        "node_count": pipeline.state.tree().node_count()
    })
}
