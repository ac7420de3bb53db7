//! `zkSnapshotRecursiveSummaryToolkit.sh`: how many znodes and bytes lie below each znode of a snapshot.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use vfs::{OsVfs, Vfs};
use zk_state::NodeRef;
use zk_state::tree::Tree;

use crate::Invocation;
use crate::output::Console;
use crate::zk_files::{INVALID_INVOCATION, check_file, load_snapshot};

/// How it is written.
const USAGE: &str = "\
USAGE:


SnapshotRecursiveSummary  <snapshot_file>  <starting_node>  <max_depth>


snapshot_file:    path to the zookeeper snapshot
starting_node:    the path in the zookeeper tree where the traversal should begin
max_depth:        how deep below the starting node figures are shown, 0 is without limit; what is deeper is \
counted all the same";

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let Invocation { args, mut console, .. } = invocation;
    match act(&OsVfs, &args, &mut console) {
        Ok(()) => 0,
        Err((code, text)) => {
            console.error(&text);
            code
        }
    }
}

fn act(vfs: &dyn Vfs, args: &[String], console: &mut Console) -> Result<(), (u8, String)> {
    let usage = || (INVALID_INVOCATION, USAGE.to_owned());
    let [file, start, depth] = args else { return Err(usage()) };
    let depth: i32 = depth.parse().map_err(|_| usage())?;
    let path = Path::new(file);
    check_file(vfs, path).map_err(|text| (1, text))?;
    let loaded = load_snapshot(vfs, path).map_err(|text| (1, text))?;
    let tree = loaded.state.tree();
    if tree.get(start).is_none() {
        return Err((1, format!("Node does not exist: {start}")));
    }
    console.line(&summary(tree, start, depth));
    Ok(())
}

/// A znode that is being counted.
struct Open {
    path: String,
    level: i32,
    children: Vec<String>,
    next: usize,
    nodes: u64,
    bytes: u64,
}

/// Figures of each znode that has children, parents first.
fn summary(tree: &Tree, start: &str, depth: i32) -> String {
    let mut figures: HashMap<String, (u64, u64)> = HashMap::new();
    let mut shown: Vec<(String, i32)> = Vec::new();
    let mut open = vec![enter(tree, start.to_owned(), 0)];
    while let Some(top) = open.last_mut() {
        if top.next == 0 && !top.children.is_empty() && (depth == 0 || top.level <= depth) {
            shown.push((top.path.clone(), top.level));
        }
        if let Some(child) = top.children.get(top.next).cloned() {
            top.next += 1;
            let level = top.level + 1;
            open.push(enter(tree, child, level));
            continue;
        }
        let Some(done) = open.pop() else { break };
        if let Some(parent) = open.last_mut() {
            parent.nodes += done.nodes;
            parent.bytes += done.bytes;
        }
        if !done.children.is_empty() {
            figures.insert(done.path, (done.nodes - 1, done.bytes));
        }
    }
    let mut text = String::new();
    for (path, level) in shown {
        let dashes = "--".repeat(usize::try_from(level).unwrap_or(0));
        let (nodes, bytes) = figures.get(&path).copied().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = write!(text, "{dashes} {path}\n{dashes}   children: {nodes}\n{dashes}   data: {bytes}\n");
    }
    text
}

fn enter(tree: &Tree, path: String, level: i32) -> Open {
    let node = tree.get(&path);
    let below = |name: &str| format!("{}/{name}", path.trim_end_matches('/'));
    let children = node.map_or_else(Vec::new, |node| node.children().map(below).collect());
    let bytes = node.and_then(NodeRef::data).map_or(0, <[u8]>::len) as u64;
    Open { path, level, children, next: 0, nodes: 1, bytes }
}

#[cfg(test)]
mod tests {
    use zk_proto::txn::CreateTxn;
    use zk_proto::{Acl, Txn, TxnHeader, Zxid};
    use zk_state::ZkState;

    use super::*;

    #[test]
    fn figures_add_up() {
        let mut state = ZkState::new();
        for (zxid, path) in [(1, "/a"), (2, "/a/b"), (3, "/a/b/c"), (4, "/a/d")] {
            let data = Some(bytes::Bytes::from_static(b"xy"));
            let txn = CreateTxn { path: path.into(), data, acl: Acl::open(), ephemeral: false, parent_cversion: -1 };
            state.apply(&TxnHeader { zxid: Zxid(zxid), ..TxnHeader::default() }, &Txn::Create(txn));
        }
        let tree = state.tree();
        let whole = " /\n   children: 7\n   data: 8\n-- /a\n--   children: 3\n--   data: 8\n\
                     ---- /a/b\n----   children: 1\n----   data: 4\n-- /zookeeper\n--   children: 2\n--   data: 0\n";
        assert_eq!(summary(tree, "/", 0), whole);
        assert!(!summary(tree, "/", 1).contains("/a/b"));
        assert_eq!(summary(tree, "/a", 0).lines().next(), Some(" /a"));
        assert_eq!(summary(tree, "/a/d", 0), "");
    }
}
