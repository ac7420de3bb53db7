//! Who is to be told of a change: watches of the connections of this server, beside the tree and never inside it.
//!
//! A watcher has four kinds of watches at a path, independent of each other: data and child watches that fire once,
//! persistent ones (data and children), and persistent recursive ones (data of everything below, too). An event is
//! dropped when the watcher may not read the znode; a one-shot watch is used up all the same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use zk_proto::Acl;
use zk_proto::ops::{SetWatches2, event};

use crate::apply::NodeEvent;
use crate::path;
use crate::state::ZkState;

/// A connection, as the watch tables know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatcherId(pub u64);

/// Kinds that Apache keeps in its table of data watches, and in that of child watches.
const DATA_TABLE: WatchKinds = WatchKinds(WatchKinds::DATA.0 | WatchKinds::PERSISTENT.0 | WatchKinds::RECURSIVE.0);
const CHILD_TABLE: WatchKinds = WatchKinds(WatchKinds::CHILD.0 | WatchKinds::PERSISTENT.0);

/// A set of kinds of watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WatchKinds(u8);

impl WatchKinds {
    /// Fires once: created, deleted, data changed.
    pub const DATA: WatchKinds = WatchKinds(1);
    /// Fires once: child created or deleted, znode deleted.
    pub const CHILD: WatchKinds = WatchKinds(2);
    /// Stays; fires for data and children.
    pub const PERSISTENT: WatchKinds = WatchKinds(4);
    /// Stays; fires for the data of the znode and of all below it.
    pub const RECURSIVE: WatchKinds = WatchKinds(8);
    /// The kinds that fire when data changes, as Apache keeps them in one table.
    pub const DATA_TABLE: WatchKinds = WatchKinds(1 | 4 | 8);
    /// All kinds.
    pub const ANY: WatchKinds = WatchKinds(15);

    fn has_any(self, other: WatchKinds) -> bool {
        self.0 & other.0 != 0
    }

    fn with(self, other: WatchKinds) -> WatchKinds {
        WatchKinds(self.0 | other.0)
    }

    fn without(self, other: WatchKinds) -> WatchKinds {
        WatchKinds(self.0 & !other.0)
    }
}

impl std::ops::BitOr for WatchKinds {
    type Output = WatchKinds;

    fn bitor(self, other: WatchKinds) -> WatchKinds {
        self.with(other)
    }
}

/// Tell this watcher: `kind` (see [`event`]) happened at `path`, if it may read what has `acl` (`None`: everybody may).
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    /// Whom.
    pub watcher: WatcherId,
    /// What happened.
    pub kind: i32,
    /// Where.
    pub path: &'a str,
    /// The ACL that decides.
    pub acl: Option<&'a [Acl]>,
}

/// The watchers of one path; mostly it is one, and a map for one would be ten times as large.
#[derive(Debug)]
enum Watchers {
    One(WatcherId, WatchKinds),
    Many(BTreeMap<WatcherId, WatchKinds>),
}

/// All watches of a server.
#[derive(Debug, Default)]
pub struct Watches {
    by_path: HashMap<Arc<str>, Watchers>,
    by_watcher: FxHashMap<WatcherId, HashSet<Arc<str>>>,
    recursive: usize,
    /// Pairs of path and watcher in the data table and in the child table, as Apache counts them.
    data_count: usize,
    child_count: usize,
}

impl Watches {
    /// Adds watches of some kinds. The root's are at `/`: at the empty path, which reads as the root, nothing ever fires.
    pub fn add(&mut self, path: &str, watcher: WatcherId, kinds: WatchKinds) {
        let path: Arc<str> = match self.by_path.get_key_value(path) {
            Some((path, _)) => Arc::clone(path),
            None => path.into(),
        };
        let before = self.kinds_at(&path, watcher);
        self.store(&path, watcher, before.with(kinds));
    }

    /// Removes watches of some kinds. False if there was none.
    pub fn remove(&mut self, path: &str, watcher: WatcherId, kinds: WatchKinds) -> bool {
        let before = self.kinds_at(path, watcher);
        if !before.has_any(kinds) {
            return false;
        }
        if let Some((path, _)) = self.by_path.get_key_value(path) {
            let path = Arc::clone(path);
            self.store(&path, watcher, before.without(kinds));
        }
        true
    }

    /// Is there a watch of one of these kinds?
    pub fn has(&self, path: &str, watcher: WatcherId, kinds: WatchKinds) -> bool {
        self.kinds_at(path, watcher).has_any(kinds)
    }

    /// Forgets a connection with all its watches.
    pub fn forget(&mut self, watcher: WatcherId) {
        for path in self.by_watcher.remove(&watcher).unwrap_or_default() {
            self.store(&path, watcher, WatchKinds::default());
        }
    }

    /// Watches in the data table (first) and in the child table, counted as pairs of path and watcher.
    pub fn counts(&self) -> (usize, usize) {
        (self.data_count, self.child_count)
    }

    /// The paths at which a connection has a watch of one of these kinds; in no order.
    pub fn paths_of(&self, watcher: WatcherId, kinds: WatchKinds) -> impl Iterator<Item = &Arc<str>> {
        let paths = self.by_watcher.get(&watcher).into_iter().flatten();
        paths.filter(move |path| self.kinds_at(path, watcher).has_any(kinds))
    }

    /// Fires what an event fires, in Apache's order: the znode's data watches, its child watches, then its parent's.
    pub fn fire(&mut self, event: &NodeEvent, mut tell: impl FnMut(Notice<'_>)) {
        if self.by_path.is_empty() {
            return;
        }
        match event {
            NodeEvent::Created { path, acl, parent_acl } => {
                self.fire_data(path, event::NODE_CREATED, acl, &mut tell);
                self.fire_parent(path, parent_acl, &mut tell);
            }
            NodeEvent::Deleted { path, acl, parent_acl } => {
                let told = self.fire_data(path, event::NODE_DELETED, acl, &mut tell);
                for watcher in self.take(path, WatchKinds::CHILD) {
                    if !told.contains(&watcher) {
                        tell(Notice { watcher, kind: event::NODE_DELETED, path, acl: Some(acl) });
                    }
                }
                self.fire_parent(path, parent_acl, &mut tell);
            }
            NodeEvent::DataChanged { path, acl } => {
                self.fire_data(path::shown(path), event::NODE_DATA_CHANGED, acl, &mut tell);
            }
        }
    }

    /// What a client missed while it was not connected, and the watches it had before. `tell` comes before the reply.
    /// As Apache's server does, it tells without a look at ACLs.
    pub fn set_again(
        &mut self,
        state: &ZkState,
        watcher: WatcherId,
        old: &SetWatches2,
        mut tell: impl FnMut(Notice<'_>),
    ) {
        let since = old.relative_zxid;
        let tree = state.tree();
        let mut tell = |kind, path| tell(Notice { watcher, kind, path, acl: None });
        for path in &old.data_watches {
            match tree.get(path) {
                None => tell(event::NODE_DELETED, path),
                Some(node) if node.stored_stat().mzxid > since => tell(event::NODE_DATA_CHANGED, path),
                Some(_) => self.add(path, watcher, WatchKinds::DATA),
            }
        }
        for path in &old.exist_watches {
            match tree.get(path) {
                Some(_) => tell(event::NODE_CREATED, path),
                None => self.add(path, watcher, WatchKinds::DATA),
            }
        }
        for path in &old.child_watches {
            match tree.get(path) {
                None => tell(event::NODE_DELETED, path),
                Some(node) if node.stored_stat().pzxid > since => tell(event::NODE_CHILDREN_CHANGED, path),
                Some(_) => self.add(path, watcher, WatchKinds::CHILD),
            }
        }
        for path in &old.persistent_watches {
            self.add(path, watcher, WatchKinds::PERSISTENT);
        }
        for path in &old.persistent_recursive_watches {
            self.add(path, watcher, WatchKinds::RECURSIVE);
        }
    }

    /// Fires the data table: at the path itself, and recursive watches up to the root. Gives who was told.
    fn fire_data(
        &mut self,
        path: &str,
        kind: i32,
        acl: &[Acl],
        tell: &mut impl FnMut(Notice<'_>),
    ) -> BTreeSet<WatcherId> {
        let here = WatchKinds::DATA | WatchKinds::PERSISTENT | WatchKinds::RECURSIVE;
        let mut told: BTreeSet<WatcherId> = self.take(path, here).into_iter().collect();
        if self.recursive > 0 {
            let mut above = path;
            while let Some((parent, _)) = path::split(above).filter(|_| above != "/") {
                told.extend(self.take(path::shown(parent), WatchKinds::RECURSIVE));
                above = parent;
            }
        }
        for watcher in &told {
            tell(Notice { watcher: *watcher, kind, path, acl: Some(acl) });
        }
        told
    }

    fn fire_parent(&mut self, path: &str, acl: &[Acl], tell: &mut impl FnMut(Notice<'_>)) {
        let Some((parent, _)) = path::split(path) else { return };
        let parent = path::shown(parent);
        for watcher in self.take(parent, WatchKinds::CHILD | WatchKinds::PERSISTENT) {
            tell(Notice { watcher, kind: event::NODE_CHILDREN_CHANGED, path: parent, acl: Some(acl) });
        }
    }

    /// The watchers with one of `kinds` at `path`; what fires once is removed.
    fn take(&mut self, path: &str, kinds: WatchKinds) -> Vec<WatcherId> {
        let Some((path, watchers)) = self.by_path.get_key_value(path) else { return Vec::new() };
        let path = Arc::clone(path);
        let mut taken = Vec::new();
        watchers.each(|watcher, has| {
            if has.has_any(kinds) {
                taken.push((watcher, has));
            }
        });
        let once = WatchKinds(kinds.0 & (WatchKinds::DATA | WatchKinds::CHILD).0);
        self.drop_kinds(&path, &taken, once);
        taken.into_iter().map(|(watcher, _)| watcher).collect()
    }

    /// Takes kinds from watchers of one path, given with all kinds they have: as [`Watches::store`] for each, with one
    /// look-up of the path for perhaps very many.
    fn drop_kinds(&mut self, path: &Arc<str>, watchers: &[(WatcherId, WatchKinds)], kinds: WatchKinds) {
        let Some(at_path) = self.by_path.get_mut(path) else { return };
        let mut is_empty = false;
        for (watcher, has) in watchers.iter().filter(|(_, has)| has.has_any(kinds)) {
            let left = has.without(kinds);
            // Both are kinds that fire once; the recursive ones stay.
            self.data_count -= usize::from(has.has_any(DATA_TABLE) && !left.has_any(DATA_TABLE));
            self.child_count -= usize::from(has.has_any(CHILD_TABLE) && !left.has_any(CHILD_TABLE));
            if left != WatchKinds::default() {
                at_path.set(*watcher, left);
                continue;
            }
            is_empty = at_path.remove(*watcher);
            if let Some(paths) = self.by_watcher.get_mut(watcher) {
                paths.remove(path);
                if paths.is_empty() {
                    self.by_watcher.remove(watcher);
                }
            }
        }
        if is_empty {
            self.by_path.remove(path);
        }
    }

    fn kinds_at(&self, path: &str, watcher: WatcherId) -> WatchKinds {
        self.by_path.get(path).map_or(WatchKinds::default(), |watchers| watchers.get(watcher))
    }

    /// Sets the kinds of one watcher at one path, in both tables and the counts.
    fn store(&mut self, path: &Arc<str>, watcher: WatcherId, kinds: WatchKinds) {
        let before = self.kinds_at(path, watcher);
        let recount = |count: &mut usize, table| {
            *count = *count + usize::from(kinds.has_any(table)) - usize::from(before.has_any(table));
        };
        recount(&mut self.data_count, DATA_TABLE);
        recount(&mut self.child_count, CHILD_TABLE);
        recount(&mut self.recursive, WatchKinds::RECURSIVE);
        if kinds == WatchKinds::default() {
            if let Some(watchers) = self.by_path.get_mut(path)
                && watchers.remove(watcher)
            {
                self.by_path.remove(path);
            }
            if let Some(paths) = self.by_watcher.get_mut(&watcher) {
                paths.remove(path);
                if paths.is_empty() {
                    self.by_watcher.remove(&watcher);
                }
            }
        } else {
            match self.by_path.get_mut(path) {
                Some(watchers) => watchers.set(watcher, kinds),
                None => {
                    self.by_path.insert(Arc::clone(path), Watchers::One(watcher, kinds));
                }
            }
            self.by_watcher.entry(watcher).or_default().insert(Arc::clone(path));
        }
    }
}

impl Watchers {
    fn get(&self, watcher: WatcherId) -> WatchKinds {
        match self {
            Watchers::One(one, kinds) if *one == watcher => *kinds,
            Watchers::One(..) => WatchKinds::default(),
            Watchers::Many(many) => many.get(&watcher).copied().unwrap_or_default(),
        }
    }

    fn set(&mut self, watcher: WatcherId, kinds: WatchKinds) {
        match self {
            Watchers::One(one, old) if *one == watcher => *old = kinds,
            Watchers::One(one, old) => *self = Watchers::Many(BTreeMap::from([(*one, *old), (watcher, kinds)])),
            Watchers::Many(many) => {
                many.insert(watcher, kinds);
            }
        }
    }

    /// Removes a watcher; true if nobody is left.
    fn remove(&mut self, watcher: WatcherId) -> bool {
        match self {
            Watchers::One(one, _) => *one == watcher,
            Watchers::Many(many) => {
                many.remove(&watcher);
                many.is_empty()
            }
        }
    }

    fn each(&self, mut each: impl FnMut(WatcherId, WatchKinds)) {
        match self {
            Watchers::One(watcher, kinds) => each(*watcher, *kinds),
            Watchers::Many(many) => many.iter().for_each(|(watcher, kinds)| each(*watcher, *kinds)),
        }
    }
}

#[cfg(test)]
mod tests;
