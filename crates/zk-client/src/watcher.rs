//! Events as callers get them, and the watches that must be set again after a reconnect.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use zk_proto::Zxid;
use zk_proto::ops::{SetWatches2, event};

/// What happened to the session, or to a znode with a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A server serves the session (for the first time, or again: then all watches are in place, and those that
    /// fired meanwhile follow).
    Connected,
    /// The same of a server that only reads, since it has lost the others.
    ConnectedReadOnly,
    /// The server has accepted the SASL login.
    SaslAuthenticated,
    /// The connection is lost; the client looks for another server.
    Disconnected,
    /// The session is over, its ephemeral znodes are gone. The last event.
    Expired,
    /// The server did not accept an authentication. The last event.
    AuthFailed,
    /// A watch fired.
    Watch(WatchedEvent),
}

/// A watch that fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedEvent {
    /// What happened.
    pub kind: EventKind,
    /// To which znode, as the caller names it (without the chroot).
    pub path: String,
}

/// What happened to a znode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It was created.
    NodeCreated,
    /// It was deleted.
    NodeDeleted,
    /// Its data was set.
    NodeDataChanged,
    /// A child was created or deleted.
    NodeChildrenChanged,
    /// A data watch was removed on request.
    DataWatchRemoved,
    /// A child watch was removed on request.
    ChildWatchRemoved,
    /// A persistent watch was removed on request.
    PersistentWatchRemoved,
}

impl EventKind {
    /// The kind of a server's event; `None` if no server sends such a number.
    pub(crate) fn from_wire(kind: i32) -> Option<EventKind> {
        Some(match kind {
            event::NODE_CREATED => EventKind::NodeCreated,
            event::NODE_DELETED => EventKind::NodeDeleted,
            event::NODE_DATA_CHANGED => EventKind::NodeDataChanged,
            event::NODE_CHILDREN_CHANGED => EventKind::NodeChildrenChanged,
            _ => return None,
        })
    }
}

/// The events of one session, in the order in which they happened.
///
/// An event is here before the reply that shows the change it tells of is given to the caller. The channel has no
/// bound: a one-shot watch fires once, so callers bound it themselves, and a caller that waits for a reply while it
/// handles an event must not be able to block the client.
#[derive(Debug)]
pub struct EventReceiver(pub(crate) mpsc::UnboundedReceiver<Event>);

impl EventReceiver {
    /// The next event; `None` when the client is closed.
    pub async fn recv(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// The next event if it is there already.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.0.try_recv().ok()
    }
}

/// How a watch looks at its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    /// getData on a znode.
    Data,
    /// exists: on a znode that is there it is a data watch, else it waits for the znode.
    Exists,
    /// getChildren.
    Children,
    /// addWatch, until it is removed.
    Persistent,
    /// addWatch, with all descendants.
    Recursive,
}

/// Which watches to remove (`removeWatches`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatcherType {
    /// Those on children.
    Children,
    /// Those on data.
    Data,
    /// All of them, persistent ones included.
    Any,
    /// Persistent ones that are not recursive (servers from 3.9 on).
    Persistent,
    /// Persistent recursive ones (servers from 3.9 on).
    PersistentRecursive,
}

impl WatcherType {
    pub(crate) fn wire(self) -> i32 {
        match self {
            WatcherType::Children => 1,
            WatcherType::Data => 2,
            WatcherType::Any => 3,
            WatcherType::Persistent => 4,
            WatcherType::PersistentRecursive => 5,
        }
    }

    pub(crate) fn from_wire(kind: i32) -> WatcherType {
        match kind {
            1 => WatcherType::Children,
            2 => WatcherType::Data,
            4 => WatcherType::Persistent,
            5 => WatcherType::PersistentRecursive,
            _ => WatcherType::Any,
        }
    }
}

/// How many bytes of paths one `setWatches` carries at most: Apache splits there, since a server refuses a request
/// above 1 MiB.
const SET_WATCHES_BYTES: usize = 128 * 1024;

/// The watches this client has set, by server path.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

impl Watches {
    /// A reply came that leaves a watch; `found` tells whether the znode was there.
    pub(crate) fn add(&mut self, interest: Interest, found: bool, path: String) {
        match (interest, found) {
            (Interest::Data | Interest::Exists, true) => self.data.insert(path),
            (Interest::Exists, false) => self.exist.insert(path),
            (Interest::Children, true) => self.child.insert(path),
            (Interest::Persistent, _) => self.persistent.insert(path),
            (Interest::Recursive, _) => self.recursive.insert(path),
            (Interest::Data | Interest::Children, false) => false,
        };
    }

    /// A watch fired: one-shot watches are used up.
    pub(crate) fn fired(&mut self, kind: EventKind, path: &str) {
        match kind {
            EventKind::NodeCreated | EventKind::NodeDataChanged => {
                self.data.remove(path);
                self.exist.remove(path);
            }
            EventKind::NodeChildrenChanged => {
                self.child.remove(path);
            }
            EventKind::NodeDeleted => {
                self.data.remove(path);
                self.exist.remove(path);
                self.child.remove(path);
            }
            EventKind::DataWatchRemoved | EventKind::ChildWatchRemoved | EventKind::PersistentWatchRemoved => {}
        }
    }

    /// Forgets watches that the server has removed on request, and tells what kinds they were.
    pub(crate) fn remove(&mut self, which: WatcherType, path: &str) -> Vec<EventKind> {
        let mut removed = Vec::new();
        if matches!(which, WatcherType::Children | WatcherType::Any) && self.child.remove(path) {
            removed.push(EventKind::ChildWatchRemoved);
        }
        if matches!(which, WatcherType::Data | WatcherType::Any) {
            let data = self.data.remove(path);
            if self.exist.remove(path) || data {
                removed.push(EventKind::DataWatchRemoved);
            }
        }
        let persistent = matches!(which, WatcherType::Persistent | WatcherType::Any) && self.persistent.remove(path);
        let recursive =
            matches!(which, WatcherType::PersistentRecursive | WatcherType::Any) && self.recursive.remove(path);
        if persistent || recursive {
            removed.push(EventKind::PersistentWatchRemoved);
        }
        removed
    }

    /// Requests that set all watches again at a new server, which compares with the last zxid this client knows.
    pub(crate) fn to_set_again(&self, relative_zxid: Zxid) -> Vec<SetWatches2> {
        let kinds: [(&BTreeSet<String>, Select); 5] = [
            (&self.data, |request| &mut request.data_watches),
            (&self.exist, |request| &mut request.exist_watches),
            (&self.child, |request| &mut request.child_watches),
            (&self.persistent, |request| &mut request.persistent_watches),
            (&self.recursive, |request| &mut request.persistent_recursive_watches),
        ];
        let mut requests: Vec<SetWatches2> = Vec::new();
        let mut room = 0;
        for (paths, select) in kinds {
            for path in paths {
                if room < path.len() || requests.is_empty() {
                    requests.push(SetWatches2 { relative_zxid, ..SetWatches2::default() });
                    room = SET_WATCHES_BYTES;
                }
                room = room.saturating_sub(path.len());
                if let Some(request) = requests.last_mut() {
                    select(request).push(path.clone());
                }
            }
        }
        requests
    }
}

type Select = fn(&mut SetWatches2) -> &mut Vec<String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_wait_for_their_own_events() {
        let mut watches = Watches::default();
        watches.add(Interest::Data, true, "/a".into());
        watches.add(Interest::Children, true, "/a".into());
        watches.add(Interest::Exists, false, "/b".into());
        watches.add(Interest::Data, false, "/none".into());
        watches.add(Interest::Recursive, true, "/r".into());
        watches.fired(EventKind::NodeChildrenChanged, "/a");
        let [request] = &watches.to_set_again(Zxid(7))[..] else { panic!("one request") };
        assert_eq!(request.relative_zxid, Zxid(7));
        assert_eq!(request.data_watches, ["/a"]);
        assert_eq!(request.exist_watches, ["/b"]);
        assert!(request.child_watches.is_empty());
        assert_eq!(request.persistent_recursive_watches, ["/r"]);
        watches.fired(EventKind::NodeDeleted, "/a");
        watches.fired(EventKind::NodeCreated, "/b");
        watches.fired(EventKind::NodeDeleted, "/r");
        assert_eq!(watches.remove(WatcherType::Any, "/r"), [EventKind::PersistentWatchRemoved]);
        assert!(watches.to_set_again(Zxid(7)).is_empty());
    }

    #[test]
    fn many_watches_go_in_several_requests() {
        let mut watches = Watches::default();
        for number in 0..3000 {
            watches.add(Interest::Data, true, format!("/{number:0100}"));
        }
        let requests = watches.to_set_again(Zxid(1));
        assert_eq!(requests.len(), 3);
        assert_eq!(requests.iter().map(|request| request.data_watches.len()).sum::<usize>(), 3000);
        let longest = requests.iter().map(|request| request.data_watches.iter().map(String::len).sum::<usize>()).max();
        assert!(longest <= Some(SET_WATCHES_BYTES));
    }
}
