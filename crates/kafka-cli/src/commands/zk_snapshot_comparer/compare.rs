//! Two trees side by side: both lists of znodes are sorted, and walked together.

use std::cmp::Ordering;

use super::tree_info::{TreeInfo, TreeNode, by_path};

/// Two trees, and what is to be shown of their difference.
pub(super) struct Comparison {
    pub(super) left: TreeInfo,
    pub(super) right: TreeInfo,
    /// A difference of more bytes is shown.
    pub(super) bytes: i64,
    /// A difference of more znodes is shown.
    pub(super) nodes: i64,
    pub(super) debug: bool,
    pub(super) interactive: bool,
}

impl Comparison {
    pub(super) fn max_depth(&self) -> usize {
        self.left.depths.len().max(self.right.depths.len())
    }

    pub(super) fn threshold(&self) -> String {
        format!(
            "Printing analysis for nodes difference larger than {} bytes or node count difference larger than {}.",
            self.bytes, self.nodes
        )
    }

    /// The znodes at a depth.
    pub(super) fn depth(&self, depth: usize) -> String {
        let at = |tree: &TreeInfo| tree.depths.get(depth).cloned().unwrap_or_default();
        format!("Analysis for depth {depth}\n{}", self.lists(&at(&self.left), &at(&self.right)))
    }

    /// The children of a znode.
    pub(super) fn subtree(&self, path: &str) -> String {
        let head = format!("Analysis for node {path}\n");
        let below = |tree: &TreeInfo| tree.by_path.get(path).map(|index| tree.children_of(*index));
        match (below(&self.left), below(&self.right)) {
            (None, None) => format!("{head}Path {path} is neither found in left tree nor right tree.\n"),
            (left, right) => head + &self.lists(&left.unwrap_or_default(), &right.unwrap_or_default()),
        }
    }

    fn lists(&self, left: &[usize], right: &[usize]) -> String {
        let mut lines: Vec<String> = Vec::new();
        let (mut left, mut right) = (left, right);
        loop {
            let (first, second) = (
                left.first().map(|index| &self.left.nodes[*index]),
                right.first().map(|index| &self.right.nodes[*index]),
            );
            let order = match (first, second) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(first), Some(second)) => {
                    let order = by_path(first, second);
                    if self.debug {
                        lines.push(format!("Comparing {} to {}", first.path, second.path));
                        let verdict = match order {
                            Ordering::Less => "left is less",
                            Ordering::Greater => "right is less",
                            Ordering::Equal => "same",
                        };
                        lines.push(verdict.to_owned());
                    }
                    order
                }
            };
            match (order, first, second) {
                (Ordering::Less, Some(node), _) => lines.extend(self.one(node, "left")),
                (Ordering::Greater, _, Some(node)) => lines.extend(self.one(node, "right")),
                (_, Some(first), Some(second)) => lines.extend(self.both(first, second)),
                _ => break,
            }
            left = &left[usize::from(order.is_le())..];
            right = &right[usize::from(order.is_ge())..];
        }
        lines.into_iter().map(|line| line + "\n").collect()
    }

    fn one(&self, node: &TreeNode, side: &str) -> Option<String> {
        let TreeNode { path, size, descendants, .. } = node;
        if *size > self.bytes || *descendants > self.nodes {
            return Some(format!(
                "Node {path} found only in {side} tree. Descendant size: {size}. Descendant count: {descendants}"
            ));
        }
        (self.debug || self.interactive).then(|| format!("Filtered {side} node {path} of size {size}"))
    }

    fn both(&self, left: &TreeNode, right: &TreeNode) -> Option<String> {
        let (size, descendants) = (right.size - left.size, right.descendants - left.descendants);
        if size.abs() > self.bytes || descendants.abs() > self.nodes {
            let path = &left.path;
            return Some(format!("Node {path} found in both trees. Delta: {size} bytes, {descendants} descendants"));
        }
        (self.debug || self.interactive)
            .then(|| format!("Filtered node {} of left size {}, right size {}", left.path, left.size, right.size))
    }
}

#[cfg(test)]
mod tests {
    use zk_proto::txn::CreateTxn;
    use zk_proto::{Acl, Txn, TxnHeader, Zxid};
    use zk_state::ZkState;

    use super::*;

    fn tree(paths: &[(&str, &'static str)]) -> TreeInfo {
        let mut state = ZkState::new();
        for (zxid, (path, data)) in paths.iter().enumerate() {
            let data = Some(bytes::Bytes::from_static(data.as_bytes()));
            let (path, zxid) = ((*path).to_owned(), Zxid(zxid as i64 + 1));
            let txn = CreateTxn { path, data, acl: Acl::open(), ephemeral: false, parent_cversion: -1 };
            state.apply(&TxnHeader { zxid, ..TxnHeader::default() }, &Txn::Create(txn));
        }
        TreeInfo::new(state.tree())
    }

    fn comparison(bytes: i64, nodes: i64, debug: bool) -> Comparison {
        let left = tree(&[("/a", "1234"), ("/a/b", "56"), ("/gone", "x")]);
        let right = tree(&[("/a", "1"), ("/a/b", "56"), ("/a/c", "789"), ("/new", "")]);
        Comparison { left, right, bytes, nodes, debug, interactive: false }
    }

    #[test]
    fn figures_of_a_tree() {
        let expected = "Node count: 7\nTotal size: 7\nMax depth: 3\nCount of nodes at depth 0: 1\n\
                        Count of nodes at depth 1: 3\nCount of nodes at depth 2: 3\n";
        assert_eq!(comparison(0, 0, false).left.to_string(), expected);
    }

    #[test]
    fn differences_beyond_the_threshold_are_shown() {
        let all = comparison(0, 0, false);
        assert_eq!(all.max_depth(), 3);
        assert_eq!(all.depth(0), "Analysis for depth 0\nNode  found in both trees. Delta: -1 bytes, 1 descendants\n");
        let expected = "Analysis for depth 1\nNode /a found in both trees. Delta: 0 bytes, 1 descendants\n\
                        Node /gone found only in left tree. Descendant size: 1. Descendant count: 0\n";
        assert_eq!(all.depth(1), expected);
        let expected = "Analysis for node /a\nNode /a/c found only in right tree. Descendant size: 3. \
                        Descendant count: 0\n";
        assert_eq!(all.subtree("/a"), expected);
        assert!(all.subtree("/x").contains("Path /x is neither found in left tree nor right tree."));
    }

    #[test]
    fn what_is_below_it_is_told_for_debugging() {
        let expected = "Analysis for node /a\nComparing /a/b to /a/b\nsame\n\
                        Filtered node /a/b of left size 2, right size 2\nFiltered right node /a/c of size 3\n";
        assert_eq!(comparison(100, 100, true).subtree("/a"), expected);
    }
}
