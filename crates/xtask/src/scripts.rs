//! `bin/*.sh` and the programs behind them, one to one.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Result;

use crate::verdict;

/// Programs that are no tools: the servers. Each has a start script of its own name and a stop script.
const SERVERS: &[&str] = &["zookeeper-server", "kafka-server"];

pub(crate) fn check(root: &Path) -> Result<()> {
    let mut findings = Vec::new();
    let commands: BTreeSet<String> = fs::read_dir(root.join("crates/kafka-cli/src/commands"))?
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().to_string_lossy().into_owned();
            let name = name.strip_suffix(".rs").unwrap_or(&name).replace('_', "-");
            (name != "mod").then_some(name)
        })
        .collect();
    let mut scripts = BTreeSet::new();
    for entry in fs::read_dir(root.join("bin"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".sh") else {
            findings.push(format!("bin/{name}: not a script"));
            continue;
        };
        if path.metadata()?.permissions().mode() & 0o111 == 0 {
            findings.push(format!("bin/{name}: not executable"));
        }
        scripts.insert(kebab_case(stem));
    }
    for server in SERVERS {
        for verb in ["start", "stop"] {
            if !scripts.remove(&format!("{server}-{verb}")) {
                findings.push(format!("bin/{server}-{verb}.sh is missing"));
            }
        }
    }
    // The one file that all others exec through is no tool of its own.
    scripts.remove("kafka-run");
    let looked_at = scripts.len() + commands.len();
    for script in &scripts {
        let command = script.strip_prefix("kafka-").unwrap_or(script);
        if !commands.contains(command) && !commands.contains(script) {
            findings.push(format!("the script of {script}: no commands/{}.rs", command.replace('-', "_")));
        }
    }
    for command in &commands {
        if !scripts.contains(command) && !scripts.contains(&format!("kafka-{command}")) {
            findings.push(format!("commands/{}: no script in bin/", command.replace('-', "_")));
        }
    }
    verdict("scripts", looked_at, &findings)
}

/// ZooKeeper's own scripts are written in camel case (`zkCleanup`), the programs behind them are not (`zk-cleanup`).
fn kebab_case(name: &str) -> String {
    let letters = name.chars().flat_map(|letter| {
        let dash = letter.is_ascii_uppercase().then_some('-');
        dash.into_iter().chain([letter.to_ascii_lowercase()])
    });
    letters.collect()
}

#[test]
fn scripts_in_camel_case_have_programs_that_are_not() {
    assert_eq!(kebab_case("zkTxnLogToolkit"), "zk-txn-log-toolkit");
    assert_eq!(kebab_case("kafka-topics"), "kafka-topics");
}
