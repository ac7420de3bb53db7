//! Where the shell reads from: a server's session, or a tree of the past.

use bytes::Bytes;
use zk_client::{Client, Error, EventReceiver, State, check_path};
use zk_proto::{Acl, ErrorCode, Stat};
use zk_state::NodeRef;
use zk_store::past::Past;

/// A connection and its events.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) events: EventReceiver,
}

/// Where the shell reads from.
pub(super) enum Source {
    /// A server that has not been needed yet.
    Unconnected,
    Server(Session),
    /// A session that was closed.
    Closed,
    Past(Box<Past>),
}

impl Source {
    /// Can commands be given to it?
    pub(super) fn is_alive(&self) -> bool {
        match self {
            Source::Unconnected | Source::Past(_) => true,
            Source::Server(session) => {
                matches!(session.client.state(), State::Connecting | State::Connected(_))
            }
            Source::Closed => false,
        }
    }

    /// How it stands with it, for the prompt.
    pub(super) fn state(&self) -> String {
        match self {
            Source::Unconnected => "CONNECTING".to_owned(),
            Source::Closed => "CLOSED".to_owned(),
            Source::Past(past) => format!("zxid {}", past.state.last_zxid()),
            Source::Server(session) => match session.client.state() {
                State::Connecting => "CONNECTING",
                State::Connected(_) => "CONNECTED",
                State::AuthFailed => "AUTH_FAILED",
                State::Expired | State::Closed => "CLOSED",
            }
            .to_owned(),
        }
    }
}

/// Reads from a tree of the past, with the client's checks and errors.
#[derive(Clone, Copy)]
pub(super) struct PastReader<'a>(pub(super) &'a Past);

impl<'a> PastReader<'a> {
    fn node(self, path: &str) -> Result<NodeRef<'a>, Error> {
        check_path(path, false)?;
        let missing = || Error::Refused { code: ErrorCode::NoNode, path: path.to_owned() };
        self.0.state.tree().get(path).ok_or_else(missing)
    }

    pub(super) fn data(self, path: &str) -> Result<(Option<Bytes>, Stat), Error> {
        self.node(path).map(|node| (node.data().map(Bytes::copy_from_slice), node.stat()))
    }

    pub(super) fn exists(self, path: &str) -> Result<Option<Stat>, Error> {
        match self.node(path) {
            Ok(node) => Ok(Some(node.stat())),
            Err(Error::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn children(self, path: &str) -> Result<(Vec<String>, Stat), Error> {
        self.node(path).map(|node| (node.children().map(str::to_owned).collect(), node.stat()))
    }

    pub(super) fn acl(self, path: &str) -> Result<(Vec<Acl>, Stat), Error> {
        self.node(path).map(|node| (self.0.state.tree().acl_of(node).to_vec(), node.stat()))
    }

    pub(super) fn all_children_number(self, path: &str) -> Result<i32, Error> {
        self.node(path)?;
        Ok(i32::try_from(self.0.state.tree().descendants(path)).unwrap_or(i32::MAX))
    }

    /// Ephemeral znodes of whatever session: the past has none of its own.
    pub(super) fn ephemerals(self, prefix: &str) -> Result<Vec<String>, Error> {
        check_path(prefix, false)?;
        let tree = self.0.state.tree();
        let all = tree.ephemeral_owners().flat_map(|owner| tree.ephemerals_of(owner));
        Ok(all.filter(|path| path.starts_with(prefix)).map(str::to_owned).collect())
    }
}
