//! `zkSnapshotComparer.sh`: what is larger in one snapshot than in another, depth by depth.

mod compare;
mod tree_info;

use std::io::{self, BufRead};
use std::path::Path;
use std::time::Instant;

use vfs::{OsVfs, Vfs};

use crate::Invocation;
use crate::commons_cli::{Opt, Options, help};
use crate::output::Console;
use crate::zk_files::{INVALID_INVOCATION, check_file, load_snapshot};
use compare::Comparison;
use tree_info::TreeInfo;

const OPTIONS: Options = Options::of(&[
    Opt::flag("l", "(Required) The left snapshot file.").long("left").required("LEFT"),
    Opt::flag("r", "(Required) The right snapshot file.").long("right").required("RIGHT"),
    Opt::flag("b", "(Required) The node data delta size threshold, in bytes, for printing the node.")
        .long("bytes")
        .required("BYTETHRESHOLD"),
    Opt::flag("n", "(Required) The descendant node delta size threshold, in nodes, for printing the node.")
        .long("nodes")
        .required("NODETHRESHOLD"),
    Opt::flag("d", "Use debug output.").long("debug"),
    Opt::flag("i", "Enter interactive mode.").long("interactive"),
]);
const SYNTAX: &str = "java -cp <classPath> org.apache.zookeeper.server.SnapshotComparer";
const WIDTH: usize = 120;

/// Runs the tool.
pub fn run(invocation: Invocation) -> u8 {
    let Invocation { args, mut console, .. } = invocation;
    let parsed = match OPTIONS.parse(&args) {
        Ok(parsed) => parsed,
        Err(error) => {
            console.error(&error.to_string());
            console.bytes(help::render(SYNTAX, &OPTIONS, WIDTH).as_bytes());
            return INVALID_INVOCATION;
        }
    };
    let number = |short| {
        let text = parsed.value(short).unwrap_or_default();
        text.parse::<i32>().map(i64::from).map_err(|_| {
            format!("Exception in thread \"main\" java.lang.NumberFormatException: For input string: \"{text}\"")
        })
    };
    let compared = number("b").and_then(|bytes| {
        let nodes = number("n")?;
        console.line("Successfully parsed options!");
        let mut load = |short| read(&OsVfs, Path::new(parsed.value(short).unwrap_or_default()), &mut console);
        let (left, right) = (load("l")?, load("r")?);
        let (debug, interactive) = (parsed.has("d"), parsed.has("i"));
        console.line(&left.to_string());
        console.line(&right.to_string());
        let comparison = Comparison { left, right, bytes, nodes, debug, interactive };
        if interactive {
            return ask(&comparison, io::stdin().lock(), &mut console);
        }
        all(&comparison, &mut console);
        Ok(())
    });
    match compared {
        Ok(()) => 0,
        Err(text) => {
            console.error(&text);
            1
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the tool tells how long it took")]
fn read(vfs: &dyn Vfs, path: &Path, console: &mut Console) -> Result<TreeInfo, String> {
    check_file(vfs, path)?;
    let begun = Instant::now();
    let loaded = load_snapshot(vfs, path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    console.line(&format!("Deserialized snapshot in {name} in {:.6} seconds", begun.elapsed().as_secs_f64()));
    let begun = Instant::now();
    let info = TreeInfo::new(loaded.state.tree());
    console.line(&format!("Processed data tree in {:.6} seconds", begun.elapsed().as_secs_f64()));
    Ok(info)
}

fn all(comparison: &Comparison, console: &mut Console) {
    console.line(&comparison.threshold());
    for depth in 0..comparison.max_depth() {
        console.bytes(comparison.depth(depth).as_bytes());
    }
    console.line("All layers compared.");
}

/// Depth after depth, or what the user wants to see. Input that ends before the last depth is an error, as Apache's.
fn ask(comparison: &Comparison, mut input: impl BufRead, console: &mut Console) -> Result<(), String> {
    let deepest = comparison.max_depth().saturating_sub(1);
    let mut depth = 0;
    while depth < comparison.max_depth() {
        console.line(&format!(
            "Current depth is {depth}\n- Press enter to move to print current depth layer;\n- Type a number to jump to \
             and print all nodes at a given depth;\n- Enter an ABSOLUTE path to print the immediate subtree of a node. \
             Path must start with '/'."
        ));
        console.flush();
        let mut line = String::new();
        if !input.read_line(&mut line).is_ok_and(|read| read > 0) {
            return Err("Exception in thread \"main\" java.util.NoSuchElementException: No line found".to_owned());
        }
        let wanted = line.trim_end_matches(['\n', '\r']);
        console.line(&comparison.threshold());
        if wanted.is_empty() {
            console.bytes(comparison.depth(depth).as_bytes());
            depth += 1;
        } else if wanted.starts_with('/') {
            console.bytes(comparison.subtree(wanted).as_bytes());
        } else {
            match wanted.parse::<i32>().map(usize::try_from) {
                Ok(Ok(number)) if number <= deepest => {
                    depth = number;
                    console.bytes(comparison.depth(depth).as_bytes());
                }
                Ok(_) => {
                    console.line(&format!("Depth must be in range [0, {deepest}]"));
                    continue;
                }
                Err(_) => console.line(&format!(
                    "Input {wanted} is not valid. Depth must be in range [0, {deepest}]. Path must be an absolute path \
                     which starts with '/'."
                )),
            }
        }
        console.line("");
    }
    console.line("All layers compared.");
    Ok(())
}
