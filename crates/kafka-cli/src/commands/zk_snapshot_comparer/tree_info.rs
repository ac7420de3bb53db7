//! A tree as the comparer sees it: sizes and counts, by depth and by path.

use std::collections::HashMap;
use std::fmt;

use zk_state::tree::Tree;

/// A znode; the root's path is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TreeNode {
    pub(super) path: String,
    /// Bytes of its data and all below it.
    pub(super) size: i64,
    /// Znodes below it.
    pub(super) descendants: i64,
    /// Where its children are.
    pub(super) children: Vec<usize>,
}

/// All znodes of a tree.
#[derive(Debug, Default)]
pub(super) struct TreeInfo {
    pub(super) nodes: Vec<TreeNode>,
    /// By depth, the root's first; sorted as Java sorts paths.
    pub(super) depths: Vec<Vec<usize>>,
    pub(super) by_path: HashMap<String, usize>,
}

impl TreeInfo {
    pub(super) fn new(tree: &Tree) -> TreeInfo {
        let mut info = TreeInfo::default();
        let mut parents: Vec<Option<usize>> = Vec::new();
        let mut open = vec![(String::new(), None, 0)];
        while let Some((path, parent, depth)) = open.pop() {
            let Some(node) = tree.get(&path) else { continue };
            let index = info.nodes.len();
            open.extend(node.children().map(|name| (format!("{path}/{name}"), Some(index), depth + 1)));
            if info.depths.len() <= depth {
                info.depths.resize_with(depth + 1, Vec::new);
            }
            info.depths[depth].push(index);
            info.by_path.insert(path.clone(), index);
            let size = node.data().map_or(0, <[u8]>::len) as i64;
            info.nodes.push(TreeNode { path, size, descendants: 0, children: Vec::new() });
            parents.push(parent);
        }
        // Parents stand before their children: from the end, everything below a znode is complete.
        for index in (0..info.nodes.len()).rev() {
            let Some(parent) = parents[index] else { continue };
            let (size, descendants) = (info.nodes[index].size, info.nodes[index].descendants);
            let above = &mut info.nodes[parent];
            above.size += size;
            above.descendants += descendants + 1;
            above.children.push(index);
        }
        let nodes = &info.nodes;
        info.depths.iter_mut().for_each(|depth| depth.sort_by(|a, b| by_path(&nodes[*a], &nodes[*b])));
        info
    }

    /// The children of a znode, sorted.
    pub(super) fn children_of(&self, index: usize) -> Vec<usize> {
        let mut children = self.nodes[index].children.clone();
        children.sort_by(|a, b| by_path(&self.nodes[*a], &self.nodes[*b]));
        children
    }
}

/// Java compares UTF-16 units.
pub(super) fn by_path(left: &TreeNode, right: &TreeNode) -> std::cmp::Ordering {
    left.path.encode_utf16().cmp(right.path.encode_utf16())
}

impl fmt::Display for TreeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Node count: {}", self.nodes.len())?;
        writeln!(f, "Total size: {}", self.nodes.first().map_or(0, |root| root.size))?;
        writeln!(f, "Max depth: {}", self.depths.len())?;
        for (depth, nodes) in self.depths.iter().enumerate() {
            writeln!(f, "Count of nodes at depth {depth}: {}", nodes.len())?;
        }
        Ok(())
    }
}
