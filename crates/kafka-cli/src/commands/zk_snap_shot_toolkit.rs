//! `zkSnapShotToolkit.sh`: what is in a snapshot, znode by znode, or as JSON for `ncdu`.

mod text;

use std::path::Path;

use vfs::{OsVfs, Vfs};
use zk_proto::SessionId;
use zk_state::tree::Tree;
use zk_store::snapshot::Loaded;

use crate::Invocation;
use crate::output::Console;
use crate::zk_files::{INVALID_INVOCATION, check_file, load_snapshot, snapshot_at};

const USAGE: &str = "USAGE: SnapshotFormatter [-d|-json] snapshot_file\n       -d dump the data for each znode\n       \
                     -json dump znode info in json format";
/// The number before the first znode's, for `ncdu`.
const FIRST_INODE: u64 = 1000;

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
    let refused = |text: &str| (INVALID_INVOCATION, text.to_owned());
    let options = args.iter().take_while(|word| matches!(word.as_str(), "-d" | "-json")).count();
    let (options, rest) = args.split_at(options);
    let [file] = rest else { return Err(refused(USAGE)) };
    let path = Path::new(file);
    check_file(vfs, path).map_err(|text| refused(&text))?;
    let has = |option: &str| options.iter().any(|word| word == option);
    if has("-d") && has("-json") {
        return Err(refused("Cannot specify both data dump (-d) and json mode (-json) in same call"));
    }
    let loaded = load_snapshot(vfs, path).map_err(|text| (1, text))?;
    if has("-json") {
        json(loaded.state.tree(), console);
    } else {
        details(&loaded, snapshot_at(path).zxid.0, has("-d"), console);
    }
    Ok(())
}

fn details(loaded: &Loaded, named: i64, with_data: bool, console: &mut Console) {
    let tree = loaded.state.tree();
    let zone = logging::local_zone();
    console.line(&format!("ZNode Details (count={}):", tree.node_count()));
    let mut last = named;
    let mut open = vec!["/".to_owned()];
    while let Some(path) = open.pop() {
        let Some(node) = tree.get(&path) else { continue };
        last = last.max(node.stored_stat().mzxid.0).max(node.stored_stat().pzxid.0);
        console.line("----");
        console.bytes(text::node(&path, &node.stored_stat(), node.data(), with_data, zone).as_bytes());
        let mut below: Vec<String> = node.children().map(|name| join(&path, name)).collect();
        below.reverse();
        open.extend(below);
    }
    console.line("----");
    console.line("Session Details (sid, timeout, ephemeralCount):");
    let mut sessions: Vec<(SessionId, i32)> = loaded.state.sessions().iter().collect();
    sessions.sort_unstable_by_key(|(session, _)| session.0);
    for (session, timeout) in sessions {
        console.line(&text::session(session, timeout, tree.ephemerals_of(session).count()));
    }
    console.line(&format!("----\nLast zxid: {last:#x}"));
}

/// Nested lists: a znode with children is a list that begins with itself.
fn json(tree: &Tree, console: &mut Console) {
    enum Step {
        Node(String),
        End,
    }
    console.bytes(text::json_head(logging_now()).as_bytes());
    let mut inode = FIRST_INODE;
    let mut open = vec![Step::End, Step::Node("/".to_owned())];
    while let Some(step) = open.pop() {
        let Step::Node(path) = step else {
            console.bytes(b"]");
            continue;
        };
        let Some(node) = tree.get(&path) else { continue };
        inode += 1;
        let shown = text::json_node(&path, node.data().map_or(0, <[u8]>::len), inode);
        let begin = if node.child_count() > 0 { ",[" } else { "," };
        console.bytes(format!("{begin}{shown}").as_bytes());
        if node.child_count() > 0 {
            open.push(Step::End);
            let mut below: Vec<Step> = node.children().map(|name| Step::Node(join(&path, name))).collect();
            below.reverse();
            open.extend(below);
        }
    }
}

fn join(parent: &str, name: &str) -> String {
    format!("{}/{name}", parent.trim_end_matches('/'))
}

#[expect(clippy::disallowed_methods, reason = "the one look at the clock of a tool")]
fn logging_now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}
