//! Orders in which a tree is gone through.

use std::collections::HashMap;

/// The children of each znode below a root, sorted.
pub(super) type Children = HashMap<String, Vec<String>>;

/// The path of a child.
pub(super) fn join(parent: &str, name: &str) -> String {
    format!("{}/{name}", parent.trim_end_matches('/'))
}

/// A znode, its children, then what is below each child in turn: Apache's order for `ls -R`.
pub(super) fn depth_first(root: &str, children: &Children) -> Vec<String> {
    let mut found = vec![root.to_owned()];
    let mut open = vec![root.to_owned()];
    while let Some(parent) = open.pop() {
        let below: Vec<String> = children.get(&parent).into_iter().flatten().map(|name| join(&parent, name)).collect();
        found.extend(below.iter().cloned());
        open.extend(below.into_iter().rev());
    }
    found
}

/// Parents before children, level by level.
pub(super) fn breadth_first(root: &str, children: &Children) -> Vec<String> {
    let mut found = vec![root.to_owned()];
    let mut at = 0;
    while let Some(parent) = found.get(at).cloned() {
        found.extend(children.get(&parent).into_iter().flatten().map(|name| join(&parent, name)));
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        let tree: Children = [("/", vec!["a", "d"]), ("/a", vec!["b"]), ("/a/b", vec!["c"]), ("/d", vec!["e"])]
            .into_iter()
            .map(|(path, names)| (path.to_owned(), names.into_iter().map(str::to_owned).collect()))
            .collect();
        assert_eq!(depth_first("/", &tree), ["/", "/a", "/d", "/a/b", "/a/b/c", "/d/e"]);
        assert_eq!(breadth_first("/", &tree), ["/", "/a", "/d", "/a/b", "/d/e", "/a/b/c"]);
        assert_eq!(depth_first("/a", &tree), ["/a", "/a/b", "/a/b/c"]);
    }
}
