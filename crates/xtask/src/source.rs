//! The tree as the checks see it: crates, their manifests, their Rust files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// One package of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    /// Names under `[dependencies]`; what only tests use is free.
    pub(crate) dependencies: Vec<String>,
}

/// The packages below `crates/`, sorted by name.
pub(crate) fn packages(root: &Path) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for entry in fs::read_dir(root.join("crates"))? {
        let dir = entry?.path();
        if dir.join("Cargo.toml").is_file() {
            packages.push(package(dir)?);
        }
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

fn package(dir: PathBuf) -> Result<Package> {
    let manifest = fs::read_to_string(dir.join("Cargo.toml")).with_context(|| dir.display().to_string())?;
    let mut section = "";
    let mut name = String::new();
    let mut dependencies = Vec::new();
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
        } else if let Some((key, value)) = line.split_once('=') {
            let key = key.trim();
            if section == "package" && key == "name" {
                value.trim().trim_matches('"').clone_into(&mut name);
            } else if section == "dependencies" {
                dependencies.push(key.split('.').next().unwrap_or(key).to_owned());
            }
        }
    }
    Ok(Package { name, dir, dependencies })
}

/// All Rust files below `dir`, sorted; `target` folders left out.
pub(crate) fn rust_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target" && name != "golden") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The code of a file up to its tests at the bottom, comments cut off line by line.
pub(crate) fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or(line)))
}
