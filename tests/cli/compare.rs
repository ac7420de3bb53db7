//! Compares what a program printed with what stands in a transcript.

use std::borrow::Cow;

use regex_lite::Regex;

use crate::transcript::{Line, Section};

/// Each placeholder of the transcripts, and what may stand there.
const PLACEHOLDERS: &[(&str, &str)] = &[
    ("<TIMESTAMP>", r"\d{4}-\d\d-\d\d[T ][\d:]{8}[.,]\d{3}\S*"),
    ("<TIMESTAMP_MS>", r"\d{13}"),
    ("<DATE>", r"\w{3} \w{3} \d\d [\d:]{8} \S+ \d{4}"),
    ("<CLUSTER_ID>", "[A-Za-z0-9_-]{22}"),
    ("<TOPIC_ID>", "[A-Za-z0-9_-]{22}"),
    ("<DIRECTORY_ID>", "[A-Za-z0-9_-]{22}"),
    ("<UUID>", "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    ("<N>", r"\d+"),
    ("<N.N>", r"\d+\.\d+"),
    ("<N.NNNN>", r"\d+\.\d+"),
    ("<PORT>", r"\d+"),
    ("<PID>", r"\d+"),
    ("<HASH>", "[0-9a-f]+"),
    ("<SESSION_ID>", r"(0x[0-9a-f]+|\d+)"),
    ("<ZXID>", "0x[0-9a-f]+"),
    ("<PRODUCER_ID>", r"\d+"),
    ("<CRC>", r"\d+"),
    ("<HOST>", r"\S+"),
    ("<CR>", "\r"),
    ("<0x1b>", "\u{1b}"),
    ("<JAVA_HOME>", ".*"),
    ("<CLASSPATH>", ".*"),
    ("<PATHS>", ".*"),
    ("<USER>", ".*"),
    ("<OS>", ".*"),
    ("<JAVA>", ".*"),
    ("<ENVIRONMENT>", ".*"),
];

/// Does a line fit, placeholders filled?
pub(crate) fn fits(expected: &str, printed: &str) -> bool {
    if expected == printed {
        return true;
    }
    let (expected, printed) = (&*in_order(expected), &*in_order(printed));
    Regex::new(&format!("^{}$", pattern(expected))).expect("escaped text and patterns").is_match(printed)
}

/// A line about a topic, its settings in the order of the alphabet: Apache prints them as a hash map has them.
fn in_order(line: &str) -> Cow<'_, str> {
    let Some((topic, settings)) = line.split_once("\tConfigs: ") else { return Cow::Borrowed(line) };
    let mut settings: Vec<&str> = settings.split(',').collect();
    settings.sort_unstable();
    Cow::Owned(format!("{topic}\tConfigs: {}", settings.join(",")))
}

/// Does a line hold a text, placeholders filled?
fn holds(line: &str, text: &str) -> bool {
    Regex::new(&pattern(text)).expect("escaped text and patterns").is_match(line)
}

fn pattern(text: &str) -> String {
    let mut pattern = regex_lite::escape(text);
    // What the resolver says depends on whether the machine has a network.
    pattern = pattern.replace("Temporary failure in name resolution", ".*");
    for (name, stands_for) in PLACEHOLDERS {
        pattern = pattern.replace(&regex_lite::escape(name), stands_for);
    }
    pattern
}

/// Do the lines fit, one after the other? A cut stands for any number of lines.
fn all_fit(expected: &[Line], printed: &[&str]) -> bool {
    match expected {
        [] => printed.is_empty(),
        [Line::Cut, rest @ ..] => (0..=printed.len()).any(|skipped| all_fit(rest, &printed[skipped..])),
        [Line::Text(text), rest @ ..] => {
            printed.split_first().is_some_and(|(first, others)| fits(text, first) && all_fit(rest, others))
        }
    }
}

/// How whole sections are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Line by line.
    Fixed,
    /// In any order: where the original goes through a hash map, or over partitions.
    Free,
    /// Line by line, but the first event of a session may be there or not: whether Apache's shell prints it before it
    /// ends is a race of two threads.
    FirstEventOptional,
    /// Blocks of access rules in any order, and the rules of each: Java's sets have none. The traces of Java's exceptions
    /// are left out.
    Rules,
    /// Line by line, without the traces of Java's exceptions.
    NoTraces,
}

/// The text with every block of rules sorted, and the blocks; the white space around a rule stays where it is in a block.
fn rules_sorted(lines: &[&str]) -> String {
    let is_trace =
        |line: &&str| line.starts_with("\tat ") || line.starts_with("\t... ") || line.starts_with("Caused by: ");
    let mut blocks: Vec<Vec<&str>> = vec![Vec::new()];
    for line in lines.iter().copied().filter(|line| !is_trace(line)) {
        if line.contains("ACLs for ") {
            blocks.push(Vec::new());
        }
        blocks.last_mut().expect("one at least").push(line);
    }
    let sorted = |lines: &Vec<&str>| {
        let is_rule = |line: &&&str| line.trim().starts_with("(principal=");
        let mut rules: Vec<&str> = lines.iter().filter(is_rule).map(|line| line.trim()).collect();
        rules.sort_unstable();
        let mut rules = rules.into_iter();
        let line = |line: &&str| match line.trim() {
            rule if rule.starts_with("(principal=") => line.replace(rule, rules.next().unwrap_or_default()),
            _ => (*line).to_owned(),
        };
        lines.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let mut blocks: Vec<String> = blocks.iter().map(sorted).collect();
    // What stands before the first block stays there.
    blocks[1..].sort_unstable();
    blocks.join("\n")
}

/// The lines of that event.
const FIRST_EVENT: [&str; 4] = ["", "WATCHER::", "", "WatchedEvent state:SyncConnected type:None path:null"];

/// The section without the first event.
fn without_first_event(section: &Section) -> Section {
    let is_it = |lines: &[Line]| lines.iter().zip(FIRST_EVENT).all(|(line, text)| *line == Line::Text(text.to_owned()));
    let mut section = section.clone();
    if let Some(at) = section.lines.windows(FIRST_EVENT.len()).position(is_it) {
        section.lines.drain(at..at + FIRST_EVENT.len());
    }
    section
}

/// What is wrong with a whole section, if anything.
pub(crate) fn section(name: &str, expected: &Section, printed: &str, order: Order) -> Option<String> {
    if order == Order::FirstEventOptional {
        let printed = printed.replacen(&(FIRST_EVENT.join("\n") + "\n"), "", 1);
        return section(name, &without_first_event(expected), &printed, Order::Fixed);
    }
    let mut lines: Vec<&str> = printed.split('\n').collect();
    let open = lines.pop().is_some_and(|last| {
        let open = !last.is_empty();
        if open {
            lines.push(last);
        }
        open
    });
    let is_trace = |text: &str| text.starts_with("\tat ") || text.starts_with("\t... ");
    let fits = match order {
        Order::NoTraces => {
            let kept = |line: &&Line| matches!(line, Line::Text(text) if !is_trace(text));
            let wanted: Vec<Line> = expected.lines.iter().filter(kept).cloned().collect();
            let found: Vec<&str> = lines.iter().copied().filter(|line| !is_trace(line)).collect();
            all_fit(&wanted, &found)
        }
        Order::Fixed | Order::FirstEventOptional => all_fit(&expected.lines, &lines),
        Order::Rules => {
            let expected: Vec<&str> = expected.texts().collect();
            rules_sorted(&expected) == rules_sorted(&lines)
        }
        Order::Free => {
            let mut left = lines.clone();
            expected.lines.len() == lines.len()
                && expected.texts().all(|text| match left.iter().position(|line| fits(text, line)) {
                    Some(index) => {
                        left.remove(index);
                        true
                    }
                    None => false,
                })
        }
    };
    if fits && (open == expected.open || lines.is_empty()) {
        return None;
    }
    Some(format!("{name} should be\n{}\nand is\n{printed}", shown(expected)))
}

/// What is wrong with standard error, if anything.
///
/// The promise is its first line (warnings of the client library, which come and go with timing, left out), and the
/// count of messages. Behind it Apache's tools print stack traces and usage tables, ours say what to do.
pub(crate) fn errors(expected: &Section, printed: &str) -> Option<String> {
    let (wanted, lines): (Vec<&str>, Vec<&str>) =
        (without_warnings(expected.texts()), without_warnings(printed.lines()));
    let (mut wanted, mut lines) = (wanted.into_iter(), lines.into_iter());
    let (first, printed_first) = (wanted.next(), lines.next());
    let first_fits = match (first, printed_first) {
        (Some(first), Some(printed)) => fits(first, printed),
        (None, None) => true,
        _ => false,
    };
    let counted = |line: &&str| line.starts_with("Processed a total of") || line.starts_with("Created ");
    let all_counted = expected.texts().filter(counted).all(|text| printed.lines().any(|line| line == text));
    if first_fits && all_counted {
        return None;
    }
    Some(format!("stderr should be\n{}\nand is\n{printed}", shown(expected)))
}

/// The lines without warnings, each with the reason that may stand below it.
fn without_warnings<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut warned = false;
    lines
        .filter(|line| {
            let warning = line.starts_with('[') && line.contains("] WARN ") || line.starts_with("[<TIMESTAMP>] WARN ");
            let reason = warned
                && !line.starts_with('[')
                && !line.starts_with("Error occurred: ")
                && (line.contains("Exception: ") || line.contains("(os error") || line.starts_with('\t'));
            warned = warning || reason;
            !warned
        })
        .collect()
}

/// What is wrong with a server's log, if anything: each error, what was the matter, and each milestone are there.
///
/// Of an error with a chain of causes the innermost has to be told; the rest is the shape of Apache's code.
pub(crate) fn log(expected: &Section, printed: &str) -> Option<String> {
    let lines: Vec<String> = printed.lines().map(without_id).collect();
    let mut wanted = expected.texts().peekable();
    while let Some(text) = wanted.next() {
        let milestone = text.contains(" started (kafka.server.KafkaServer)") || text.contains("shut down completed");
        let error = text.starts_with("[<TIMESTAMP>] ERROR") && !of_java(text);
        let mut cause: Option<&str> = None;
        while let Some(next) = wanted.next_if(|next| !next.starts_with('[')) {
            let message = next.split_once("Exception: ").map(|(_, message)| message);
            if cause.is_none() || next.starts_with("Caused by: ") {
                cause = message.or(cause);
            }
        }
        if !milestone && !error {
            continue;
        }
        let text = without_id(text);
        if !lines.iter().any(|line| fits(&text, line)) {
            return Some(format!("there should be the line\n{text}\nin\n{printed}"));
        }
        // The line about a name that is not known holds the name; the resolver's words are the system's.
        let told = error && !text.contains("Unable to resolve address");
        if let Some(message) = cause.filter(|_| told)
            && !lines.iter().any(|line| holds(line, message))
        {
            return Some(format!("there should be a line with\n{message}\nin\n{printed}"));
        }
    }
    None
}

/// Errors about what Java itself has come upon while Apache's server went down.
fn of_java(line: &str) -> bool {
    ["Cannot invoke ", "Unable to start acceptor", "Unable to open socket"].iter().any(|words| line.contains(words))
}

/// Whether the id of the broker is known at the time is no promise.
fn without_id(line: &str) -> String {
    line.replace("[KafkaServer id=0] ", "").replace("[KafkaServer id=1] ", "")
}

fn shown(section: &Section) -> String {
    let lines: Vec<&str> = section
        .lines
        .iter()
        .map(|line| match line {
            Line::Text(text) => text.as_str(),
            Line::Cut => "[...]",
        })
        .collect();
    lines.join("\n")
}

#[test]
fn placeholders_and_cuts_fit() {
    assert!(fits("a (b) <TIMESTAMP>, <N> [x]", "a (b) 2024-11-22 05:31:07,123, 42 [x]"));
    assert!(!fits("a <N>", "a b"));
    let text = |text: &str| Line::Text(text.to_owned());
    let expected = [text("a"), Line::Cut, text("z")];
    assert!(all_fit(&expected, &["a", "b", "c", "z"]) && all_fit(&expected, &["a", "z"]));
    assert!(!all_fit(&expected, &["a", "b"]));
    let expected = Section { lines: vec![text("b"), text("a")], open: false };
    assert_eq!(section("stdout", &expected, "a\nb\n", Order::Free), None);
    assert!(section("stdout", &expected, "a\nb\n", Order::Fixed).is_some());
    assert!(section("stdout", &expected, "a\na\n", Order::Free).is_some());
    assert!(section("stdout", &expected, "b\na", Order::Fixed).is_some());
}
