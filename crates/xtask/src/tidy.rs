//! What a reader meets first: every file says what it owns, nothing is left undone, and long rooms are listed.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::source::{code_lines, rust_files};
use crate::verdict;

/// How many of the longest files and functions are listed.
const LISTED: usize = 10;

/// Words of things left undone. In pieces, so that this file does not find itself.
fn banned() -> Vec<String> {
    [("TO", "DO"), ("FIX", "ME"), ("XX", "X:"), ("todo", "!("), ("unimplemented", "!("), ("#[ig", "nore]")]
        .iter()
        .map(|(head, tail)| format!("{head}{tail}"))
        .collect()
}

pub(crate) fn check(root: &Path) -> Result<()> {
    let mut findings = Vec::new();
    let mut files = Vec::new();
    let mut functions = Vec::new();
    let paths = [rust_files(&root.join("crates"))?, rust_files(&root.join("tests"))?].concat();
    for path in &paths {
        let text = fs::read_to_string(path)?;
        let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
        if !text.starts_with("//!") && !name.contains("/fuzz_targets/") {
            findings.push(format!("{name}:1: does not open with `//!` saying what it owns"));
        }
        for (index, line) in text.lines().enumerate() {
            if let Some(word) = banned().iter().find(|word| line.contains(word.as_str())) {
                findings.push(format!("{name}:{}: `{word}`", index + 1));
            }
        }
        files.push((code_lines(&text).count(), name.clone()));
        functions.extend(function_lengths(&text).into_iter().map(|(lines, at)| (lines, format!("{name}:{at}"))));
    }
    top_level(root, &mut findings)?;
    list("longest files", files);
    list("longest functions", functions);
    verdict("tidy", paths.len(), &findings)
}

/// Names that may stand at the top of the tree, besides dotfiles.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "crates",
    "bin",
    "config",
    "tests",
    "restart.sh",
    "README.md",
    "target",
    "logs",
    "data",
];

fn top_level(root: &Path, findings: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str()) {
            findings.push(format!("{name}: does not belong to the top level"));
        }
    }
    Ok(())
}

fn list(title: &str, mut rows: Vec<(usize, String)>) {
    rows.sort_by(|a, b| b.cmp(a));
    eprintln!("{title}:");
    for (lines, name) in rows.iter().take(LISTED) {
        eprintln!("  {lines:5} {name}");
    }
}

/// Length and first line of each function outside the tests, by indentation: rustfmt puts the closing brace under the
/// `fn`.
fn function_lengths(text: &str) -> Vec<(usize, usize)> {
    let mut open: Option<(usize, usize)> = None;
    let mut found = Vec::new();
    for (line, code) in code_lines(text) {
        let indent = code.len() - code.trim_start().len();
        if let Some((start, at)) = open {
            if indent == at && code.trim_start().starts_with('}') {
                found.push((line - start + 1, start));
                open = None;
            }
        } else if (code.contains(" fn ") || code.trim_start().starts_with("fn ")) && code.trim_end().ends_with('{') {
            open = Some((line, indent));
        }
    }
    found
}
