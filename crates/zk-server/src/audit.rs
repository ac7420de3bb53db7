//! The audit log (`audit.enable`): who changed what, a line for each, in Apache's form.

use std::fmt::{self, Write as _};

use zk_proto::ops::CreateMode;
use zk_proto::{Acl, MultiOp, MultiResult, Request, SessionId, Txn};
use zk_state::{Outcome, Write, auth};

use crate::client::{Client, java_host};

const AUDIT: &str = "org.apache.zookeeper.audit.Slf4jAuditLogger";

/// A change that is under way: who wants it, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    session: SessionId,
    /// Names of the identities, with commas in between.
    users: String,
    address: String,
    change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Create {
        path: String,
        mode: &'static str,
    },
    Delete {
        path: String,
    },
    SetData {
        path: String,
    },
    SetAcl {
        path: String,
        acl: String,
    },
    Multi(Vec<Change>),
    Reconfig,
    /// A check: nothing to tell.
    None,
}

impl Intent {
    /// What `client` wants; `None` if it is no change that is told of.
    pub(crate) fn of(client: &Client, write: Write<'_>) -> Option<Intent> {
        let Write::Request(request) = write else { return None };
        let users = client.ids.iter().map(|id| auth::user_of(&id.scheme, &id.id));
        Some(Intent {
            session: client.session,
            users: users.collect::<Vec<&str>>().join(","),
            address: java_host(client.peer.ip()),
            change: Change::of(request)?,
        })
    }

    /// Tells of it when it is done.
    pub(crate) fn tell(&self, outcome: &Outcome) {
        for line in self.lines(outcome) {
            line.tell();
        }
    }

    fn lines(&self, outcome: &Outcome) -> Vec<Line> {
        let who = format!("session={}\tuser={}\tip={}\t", self.session, self.users, self.address);
        let line = |change: &Change, path: Option<&str>, success| {
            change.described(path).map(|what| Line { text: format!("{who}{what}"), success })
        };
        match (&self.change, outcome) {
            (Change::Multi(changes), Outcome::Multi(results)) => {
                if results.iter().any(|result| matches!(result, MultiResult::Error(_))) {
                    return vec![Line { text: format!("{who}operation=multiOperation"), success: false }];
                }
                let named = |result: &MultiResult| match result {
                    MultiResult::Create(path) | MultiResult::Create2 { path, .. } => Some(path.clone()),
                    _ => None,
                };
                let lines = changes
                    .iter()
                    .zip(results)
                    .filter_map(|(change, result)| line(change, named(result).as_deref(), true));
                lines.collect()
            }
            (Change::Multi(_), _) => vec![Line { text: format!("{who}operation=multiOperation"), success: false }],
            (change, Outcome::Created { path, .. }) => line(change, Some(path), true).into_iter().collect(),
            (change, outcome) => line(change, None, !matches!(outcome, Outcome::Failed(_))).into_iter().collect(),
        }
    }
}

impl Change {
    fn of(request: &Request) -> Option<Change> {
        let create = |path: &str, flags| Change::Create { path: path.to_owned(), mode: mode_name(flags) };
        Some(match request {
            Request::Create(request) | Request::Create2(request) | Request::CreateContainer(request) => {
                create(&request.path, request.flags)
            }
            Request::CreateTtl(request) => create(&request.path, request.flags),
            Request::Delete(request) => Change::Delete { path: request.path.clone() },
            Request::SetData(request) => Change::SetData { path: request.path.clone() },
            Request::SetAcl(request) => Change::SetAcl { path: request.path.clone(), acl: acl_text(&request.acl) },
            Request::Reconfig(_) => Change::Reconfig,
            Request::Multi(ops) => Change::Multi(ops.iter().map(Change::of_part).collect()),
            _ => return None,
        })
    }

    fn of_part(op: &MultiOp) -> Change {
        let create = |path: &str, flags| Change::Create { path: path.to_owned(), mode: mode_name(flags) };
        match op {
            MultiOp::Create(request) | MultiOp::Create2(request) | MultiOp::CreateContainer(request) => {
                create(&request.path, request.flags)
            }
            MultiOp::CreateTtl(request) => create(&request.path, request.flags),
            MultiOp::Delete(request) => Change::Delete { path: request.path.clone() },
            MultiOp::SetData(request) => Change::SetData { path: request.path.clone() },
            MultiOp::Check(_) | MultiOp::GetData(_) | MultiOp::GetChildren(_) => Change::None,
        }
    }

    /// Operation and object; `named` is the path that a created znode got.
    fn described(&self, named: Option<&str>) -> Option<String> {
        let path = |path: &str| quoted(named.unwrap_or(path));
        Some(match self {
            Change::Create { path: wanted, mode } => {
                format!("operation=create\tznode={}\tznode_type={mode}", path(wanted))
            }
            Change::Delete { path: wanted } => format!("operation=delete\tznode={}", path(wanted)),
            Change::SetData { path: wanted } => format!("operation=setData\tznode={}", path(wanted)),
            Change::SetAcl { path: wanted, acl } => {
                format!("operation=setAcl\tznode={}\tacl={}", path(wanted), quoted(acl))
            }
            Change::Reconfig => "operation=reconfig".to_owned(),
            Change::Multi(_) | Change::None => return None,
        })
    }
}

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    text: String,
    success: bool,
}

impl Line {
    fn tell(&self) {
        if self.success {
            tracing::info!(target: AUDIT, "{self}");
        } else {
            tracing::error!(target: AUDIT, "{self}");
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\tresult={}", self.text, if self.success { "success" } else { "failure" })
    }
}

/// Tells of the ephemeral znodes that go with a session; `server` is the user as whom this server runs.
pub(crate) fn tell_of_session_end(server: &str, session: SessionId, txn: &Txn) {
    let paths = match txn {
        Txn::CloseSession(Some(paths)) => paths.as_slice(),
        // What is too much for one transaction goes before.
        Txn::Delete(delete) => std::slice::from_ref(&delete.path),
        _ => return,
    };
    for path in paths {
        let operation = "ephemeralZNodeDeletionOnSessionCloseOrExpire";
        let text = format!("session={session}\tuser={server}\toperation={operation}\tznode={}", quoted(path));
        Line { text, success: true }.tell();
    }
}

/// Tells that the server serves, or that it was asked to end.
pub(crate) fn tell_of_server(server: &str, starts: bool) {
    let (operation, result) = if starts { ("serverStart", "success") } else { ("serverStop", "invoked") };
    tracing::info!(target: AUDIT, "user={server}\toperation={operation}\tresult={result}");
}

/// What clients name may not look like a field or a line of its own.
fn quoted(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut quoted, character| {
        if character.is_control() {
            let appended = write!(quoted, "\\u{:04x}", u32::from(character));
            debug_assert!(appended.is_ok(), "writing to a string does not fail");
        } else {
            quoted.push(character);
        }
        quoted
    })
}

fn mode_name(flags: i32) -> &'static str {
    match CreateMode::from_flags(flags) {
        Some(CreateMode::Persistent) => "persistent",
        Some(CreateMode::Ephemeral) => "ephemeral",
        Some(CreateMode::PersistentSequential) => "persistent_sequential",
        Some(CreateMode::EphemeralSequential) => "ephemeral_sequential",
        Some(CreateMode::Container) => "container",
        Some(CreateMode::PersistentTtl) => "persistent_with_ttl",
        Some(CreateMode::PersistentSequentialTtl) => "persistent_sequential_with_ttl",
        None => "unknown",
    }
}

fn acl_text(acls: &[Acl]) -> String {
    let shown = acls.iter().map(|acl| format!("{}:{}:{}", acl.id.scheme, acl.id.id, acl.perms));
    shown.collect::<Vec<String>>().join(",")
}

#[cfg(test)]
mod tests {
    use zk_proto::ErrorCode;
    use zk_proto::ops::{CreateRequest, SetAclRequest};

    use super::*;

    fn lines(change: Change, outcome: &Outcome) -> Vec<String> {
        let intent = Intent { session: SessionId(5), users: "127.0.0.1,u".into(), address: "127.0.0.1".into(), change };
        intent.lines(outcome).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_as_apache_writes_them() {
        let who = "session=0x5\tuser=127.0.0.1,u\tip=127.0.0.1\t";
        let request = CreateRequest { path: "/a".into(), data: None, acl: Acl::open(), flags: 2 };
        let change = Change::of(&Request::Create(request.clone())).unwrap();
        let created = Outcome::Created { path: "/a0000000001".into(), stat: zk_proto::Stat::default() };
        let expected =
            format!("{who}operation=create\tznode=/a0000000001\tznode_type=persistent_sequential\tresult=success");
        assert_eq!(lines(change.clone(), &created), [expected]);
        let expected = format!("{who}operation=create\tznode=/a\tznode_type=persistent_sequential\tresult=failure");
        assert_eq!(lines(change, &Outcome::Failed(ErrorCode::NodeExists)), [expected]);
        let set = Request::SetAcl(SetAclRequest { path: "/a\tb".into(), acl: Acl::open(), version: -1 });
        let expected = format!("{who}operation=setAcl\tznode=/a\\u0009b\tacl=world:anyone:cdrwa\tresult=success");
        assert_eq!(lines(Change::of(&set).unwrap(), &Outcome::Done), [expected]);
        let multi = || Change::of(&Request::Multi(vec![MultiOp::Create(request.clone())])).unwrap();
        let failed = Outcome::Multi(vec![MultiResult::Error(ErrorCode::NodeExists)]);
        assert_eq!(lines(multi(), &failed), [format!("{who}operation=multiOperation\tresult=failure")]);
        let done = Outcome::Multi(vec![MultiResult::Create("/a1".into())]);
        assert_eq!(lines(multi(), &done).len(), 1);
    }
}
