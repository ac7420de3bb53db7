//! What whole crates may not do: pure crates no I/O, everybody but `vfs` no `std::fs`.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::layers::{Kind, LAYERS};
use crate::source::{code_lines, packages, rust_files};
use crate::verdict;

/// Words that mean the outside world, and so do not belong into a pure crate.
const IMPURE: &[&str] = &[
    "tokio",
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime",
    "static mut",
    "thread_local!",
    "OnceLock",
    "LazyLock",
    "getrandom",
    "async fn",
];

/// Crates that may touch `std::fs`.
const FILE_CRATES: &[&str] = &["vfs", "xtask"];

pub(crate) fn check(root: &Path) -> Result<()> {
    let mut findings = Vec::new();
    let mut looked_at = 0;
    for package in packages(root)? {
        let pure = LAYERS.iter().any(|(name, _, kind)| *name == package.name && *kind == Kind::Pure);
        let files = !FILE_CRATES.contains(&package.name.as_str());
        for path in rust_files(&package.dir.join("src"))? {
            if is_test(&path) {
                continue;
            }
            looked_at += 1;
            let text = fs::read_to_string(&path)?;
            let name = path.strip_prefix(root).unwrap_or(&path).display();
            for (line, code) in code_lines(&text) {
                if pure && let Some(word) = IMPURE.iter().find(|word| code.contains(**word)) {
                    findings.push(format!("{name}:{line}: `{word}` in a pure crate"));
                }
                if files && !pure && code.contains("std::fs") {
                    findings.push(format!("{name}:{line}: `std::fs` outside vfs"));
                }
            }
        }
    }
    verdict("purity", looked_at, &findings)
}

/// Tests may look at golden files: `tests.rs`, `.._tests.rs`, and what lies in a folder `tests`.
fn is_test(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.ends_with("tests") || path.parent().is_some_and(|dir| dir.ends_with("tests"))
}
