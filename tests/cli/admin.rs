//! The cases about the admin server: what `curl -i` would show, and what of it is a promise.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::compare::{self, Order};
use crate::transcript::{Case, Line, Section};

/// Fields whose values depend on the machine, on time, or on what was asked before.
const FIGURES: [&str; 15] = [
    "data_dir_size",
    "datadir_size",
    "global_sessions",
    "initial_configuration",
    "last_processed_zxid",
    "log_dir_size",
    "logdir_size",
    "num_alive_client_connections",
    "outstanding_requests",
    "packets_received",
    "packets_sent",
    "version",
    "zookeeper.version",
    "last_cxid",
    "last_zxid",
];

/// Asks as the recorded command does: status, content type, an empty line, the body.
pub(crate) fn curl(command: &str) -> String {
    let url = command.split_whitespace().last().expect("curl URL");
    let method = if command.contains("-X POST") { "POST" } else { "GET" };
    let (address, path) = url.strip_prefix("http://localhost:").and_then(|rest| rest.split_once('/')).expect("a URL");
    let mut stream = TcpStream::connect(("127.0.0.1", address.parse().expect("a port"))).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a socket has timeouts");
    let request = format!("{method} /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split_once(' ')).expect("a status").1;
    let kind =
        lines.filter_map(|line| line.split_once(": ")).find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    format!("HTTP {status}\nContent-Type: {}\n\n{body}", kind.map_or("None", |(_, kind)| kind))
}

/// What is wrong with an answer, if anything.
pub(crate) fn judge(case: &Case, answer: &str) -> Option<String> {
    match case.name.as_str() {
        // Jetty signs its pages; what they say is the same.
        "admin-root" | "admin-metrics" | "admin-post-ruok" => {
            let page = |text: &str| !text.contains("Jetty") && !text.contains("<th>SERVLET:");
            let lines = case.answer.lines.iter().filter(|line| matches!(line, Line::Text(text) if page(text)));
            let expected = Section { lines: lines.cloned().collect(), open: false };
            let answer = answer.lines().filter(|line| page(line)).flat_map(|line| [line, "\n"]).collect::<String>();
            compare::section("the page", &expected, &answer, Order::Fixed)
        }
        // The list has two commands of 3.9 besides.
        "admin-commands" | "admin-commands-slash" => {
            let (restore, snapshot) = (link("restore"), link("snapshot"));
            let answer = answer.replace(&restore, "").replace(&snapshot, "");
            compare::section("the list", &case.answer, &answer, Order::Fixed)
        }
        _ => same_lines(&loosened(&case.answer), answer),
    }
}

fn link(name: &str) -> String {
    format!("<a href=\"/commands/{name}\">{name}</a>\n<br/>\n")
}

/// Every line of one is a line of the other, in any order and number: what lies in hash maps, or is a bean to Jackson,
/// has no order.
pub(crate) fn same_lines(expected: &Section, answer: &str) -> Option<String> {
    let stripped = |text: &str| text.trim_end_matches(',').to_owned();
    // A deadline that nobody has any more, and what is read of the tree by tools.
    let told = |text: &String| !text.starts_with("0 expire at") && !text.contains("_per_namespace\"");
    let wanted: Vec<String> = expected.texts().map(stripped).filter(told).collect();
    let given: Vec<String> = answer.lines().map(stripped).map(told_apart).filter(told).collect();
    let missing = wanted.iter().filter(|text| !given.iter().any(|line| compare::fits(text, line)));
    let missing = missing.map(|text| format!("there should be {text}"));
    let unknown = given.iter().filter(|line| !wanted.iter().any(|text| compare::fits(text, line)));
    let wrong: Vec<String> = missing.chain(unknown.map(|line| format!("what is {line}?"))).collect();
    (!wrong.is_empty()).then(|| format!("{}\nin\n{answer}", wrong.join("\n")))
}

/// Sessions whose time is over in the same tick are told in one line, those of the capture each in one of its own.
fn told_apart(line: String) -> String {
    if let Some((count, rest)) = line.split_once(" expire at ")
        && count.parse::<u32>().is_ok_and(|count| count > 1)
    {
        return format!("1 expire at {rest}");
    }
    if let Some((tick, rest)) = line.split_once("\" : [ ")
        && tick.trim_start_matches([' ', '"']).parse::<u64>().is_ok()
        && let Some((first, others)) = rest.split_once(", ")
        && others.trim_end_matches(" ]").split(", ").all(|id| id.parse::<u64>().is_ok())
    {
        return format!("{tick}\" : [ {first} ]");
    }
    line
}

/// With numbers of any kind in place of figures.
fn loosened(section: &Section) -> Section {
    let mut section = section.clone();
    let is_zero = |value: &str| matches!(value, "0" | "0.0" | "-1");
    for line in &mut section.lines {
        let Line::Text(text) = line else { continue };
        let Some((name, value)) = text.split_once(" : ") else { continue };
        let key = name.trim().trim_matches('"');
        let value = value.trim_end_matches(',');
        if value == "<N>" || is_zero(value) && key.contains("_count") || FIGURES.contains(&key) {
            *text = format!("{name} : <PATHS>");
        }
    }
    section
}
