//! The transcripts of Apache's tools (`tests/golden/cli`), as far as no server is needed: what is printed on which
//! stream, and the exit code. Of standard error the first line is compared, and the usage table where there is one, with
//! its descriptions masked; what Apache prints besides is Java's.

#![expect(clippy::disallowed_methods, reason = "tests read golden files themselves")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// One case of a transcript.
#[derive(Debug, Default, Clone)]
struct Case {
    command: String,
    stdin: String,
    stdout: String,
    stderr: Vec<String>,
    exit: String,
}

fn transcript(tool: &str) -> BTreeMap<String, Case> {
    let path = format!("{}/../../tests/golden/cli/{tool}.txt", env!("CARGO_MANIFEST_DIR"));
    let mut cases = BTreeMap::new();
    let mut name = String::new();
    let mut section = String::new();
    let mut case = Case::default();
    for line in fs::read_to_string(Path::new(&path)).expect("the transcript is there").lines() {
        if let Some(next) = line.strip_prefix("### case: ") {
            cases.insert(std::mem::replace(&mut name, next.to_owned()), std::mem::take(&mut case));
            section.clear();
        } else if let Some(command) = line.strip_prefix("$ ") {
            command.clone_into(&mut case.command);
        } else if let Some(exit) = line.strip_prefix("--- exit ") {
            exit.clone_into(&mut case.exit);
            section.clear();
        } else if let Some(next) = line.strip_prefix("--- ") {
            next.clone_into(&mut section);
        } else if !section.is_empty() {
            let text = line.strip_prefix('|').unwrap_or(line).to_owned();
            match section.as_str() {
                "stdin" => case.stdin += &(text + "\n"),
                "stdout" => case.stdout += &(text + "\n"),
                _ => case.stderr.push(text),
            }
        }
    }
    cases.insert(name, case);
    cases
}

struct Printed {
    stdout: String,
    stderr: Vec<String>,
    exit: String,
}

fn run(tool: &str, program: &str, case: &Case) -> Printed {
    let script = format!("./{tool}.sh");
    let arguments = case.command.strip_prefix(&script).expect("the tool's own script");
    let mut child = Command::new("bash")
        .arg("-c")
        .arg(format!("exec -a {script} '{program}' {arguments}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash runs");
    // A tool that ends without reading closes its end.
    let _ = child.stdin.take().expect("piped").write_all(case.stdin.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    Printed {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect(),
        exit: output.status.code().map_or("signal".to_owned(), |code| code.to_string()),
    }
}

/// A usage table: options as they are laid out, and what their descriptions say, blanks apart.
fn table(lines: &[String]) -> Vec<(String, String)> {
    let head = |line: &String| line.find("Description").filter(|_| line.starts_with("Option  "));
    let Some((start, width)) = lines.iter().enumerate().find_map(|(at, line)| Some((at, head(line)?))) else {
        return Vec::new();
    };
    let mut rows: Vec<(String, String)> = Vec::new();
    for line in &lines[start..] {
        let (name, text) = line.split_at(width.min(line.len()));
        let text = text.replace(' ', "");
        match rows.last_mut() {
            Some((_, before)) if name.trim().is_empty() => before.push_str(&text),
            _ => rows.push((name.trim_end().to_owned(), text)),
        }
    }
    // Lines that continue an option's name belong to it.
    let mut options: Vec<(String, String)> = Vec::new();
    for (name, text) in rows {
        match options.last_mut() {
            Some((before, texts)) if name.starts_with("  ") => {
                before.push('\n');
                before.push_str(&name);
                texts.push_str(&text);
            }
            _ => options.push((name, text)),
        }
    }
    options
}

fn same_table(apache: &[String], ours: &[String]) -> Result<(), String> {
    let (apache, ours) = (table(apache), table(ours));
    let names = |table: &[(String, String)]| table.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    if names(&apache) != names(&ours) {
        return Err(format!("options differ:\n{:#?}\n{:#?}", names(&apache), names(&ours)));
    }
    for ((name, facts), (_, text)) in apache.iter().zip(&ours).skip(2) {
        let facts = facts.replace("<description>", "");
        for word in ["REQUIRED", "DEPRECATED"] {
            if facts.contains(word) && !text.contains(word) {
                return Err(format!("{name} is {word}, and the description does not say so"));
            }
        }
        let default = facts.find("(default:").map(|at| &facts[at..]);
        if default.is_some_and(|default| !text.ends_with(default)) {
            return Err(format!("{name}: {text} does not end with {default:?}"));
        }
    }
    Ok(())
}

/// Java's first line, where ours is the same from some word on: the time of day differs.
fn without_time(line: &str) -> String {
    match line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => format!("[]{rest}"),
        None => line.to_owned(),
    }
}

fn check(tool: &str, program: &str, names: &[&str]) {
    let cases = transcript(tool);
    let usage = cases.get("no-arguments").cloned().unwrap_or_default();
    for name in names {
        let case = &cases[*name];
        let printed = run(tool, program, case);
        let context = format!("{tool}, case {name}: {}\n{}", case.command, printed.stderr.join("\n"));
        assert_eq!(printed.stdout, case.stdout, "{context}");
        assert_eq!(printed.exit, case.exit, "{context}");
        let first = |lines: &[String]| lines.first().map(|line| without_time(line)).unwrap_or_default();
        assert_eq!(first(&printed.stderr), first(&case.stderr), "{context}");
        let refers = case.stderr.iter().any(|line| line.contains("the usage table of case"));
        let expected = if refers { &usage.stderr } else { &case.stderr };
        if let Err(difference) = same_table(expected, &printed.stderr) {
            panic!("{context}\n{difference}");
        }
    }
}

#[test]
fn kafka_topics() {
    check(
        "kafka-topics",
        env!("CARGO_BIN_EXE_kafka-topics"),
        &[
            "no-arguments",
            "help",
            "version",
            "unknown-option",
            "missing-bootstrap-server",
            "no-action",
            "two-actions",
            "zookeeper-option-is-gone",
            "create-missing-topic",
            "create-partitions-abc",
            "create-partitions-0",
            "create-partitions-negative",
            "create-replication-0",
            "create-replication-abc",
            "create-replication-too-big",
            "create-name-empty",
            "create-bad-config-key",
            "create-bad-config-value",
            "create-bad-config-policy",
            "create-config-no-equals",
            "create-replica-assignment-duplicate",
            "create-replica-assignment-and-partitions",
            "create-if-exists",
            "create-broker-list-option",
            "describe-topic-id-bad",
            "alter-without-partitions",
            "alter-config",
            "alter-delete-config",
            "alter-replication-factor",
            "delete-without-topic",
            "command-config-missing-file",
            "bad-port",
            "no-port",
        ],
    );
}

#[test]
fn kafka_console_producer() {
    check(
        "kafka-console-producer",
        env!("CARGO_BIN_EXE_kafka-console-producer"),
        &[
            "no-arguments",
            "help",
            "version",
            "unknown-option",
            "missing-topic",
            "missing-server",
            "parse-key-default-separator-missing",
            "parse-headers-missing",
            "parse-headers-bad-pair",
            "separators-the-same",
            "compression-bad",
            "acks-bad",
            "timeout-bad",
            "batch-size-negative",
            "producer-property-bad",
            "producer-config-missing-file",
            "line-reader-unknown",
            "bad-port",
            "bad-server-list",
        ],
    );
}

#[test]
fn kafka_console_consumer() {
    check(
        "kafka-console-consumer",
        env!("CARGO_BIN_EXE_kafka-console-consumer"),
        &[
            "no-arguments",
            "help",
            "version",
            "unknown-option",
            "missing-topic",
            "missing-server",
            "topic-and-include",
            "from-beginning-and-offset",
            "offset-without-partition",
            "partition-without-topic",
            "offset-bad",
            "offset-negative",
            "partition-bad",
            "group-and-partition",
            "max-messages-bad",
            "isolation-level-bad",
            "formatter-unknown",
            "formatter-config-missing-file",
            "group-and-property-group",
            "consumer-property-bad",
            "consumer-property-reset-conflict",
            "consumer-config-missing-file",
            "bad-port",
        ],
    );
}

#[test]
fn zookeeper_shell() {
    check(
        "zookeeper-shell",
        env!("CARGO_BIN_EXE_zookeeper-shell"),
        &[
            "no-arguments",
            "create-no-path",
            "create-with-bad-acl",
            "ls-relative",
            "ls-no-path",
            "addauth-bad-scheme",
            "version",
            "help",
            "redo-none",
            "bad-port",
        ],
    );
}
