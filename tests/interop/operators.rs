//! What operators ask: the admin server's answers field by field, and the words line by line, of ours and of Apache's.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use regex_lite::Regex;
use serde_json::Value;
use tests::{Kind, RawZk, TempDir, ZooKeeper, free_port};

/// Commands whose fields are the same, whoever answers.
const COMMANDS: [&str; 25] = [
    "configuration",
    "connections",
    "dirs",
    "dump",
    "environment",
    "get_trace_mask",
    "hash",
    "initial_configuration",
    "is_read_only",
    "last_snapshot",
    "leader",
    "monitor",
    "observer_connection_stat_reset",
    "observers",
    "ruok",
    "server_stats",
    "set_trace_mask?traceMask=1",
    "stats",
    "voting_view",
    "watch_summary",
    "watches",
    "watches_by_path",
    "zabstate",
    "stat_reset",
    "connection_stat_reset",
];

const WORDS: [&str; 15] = [
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro", "mntr", "ruok", "srvr", "wchc", "wchp",
    "wchs",
];

/// Everything that one server says.
struct Said {
    fields: Vec<(String, BTreeSet<String>)>,
    words: Vec<(&'static str, BTreeSet<String>)>,
}

#[test]
fn operators_see_the_same() {
    let dir = TempDir::new("operators");
    let [ours, theirs] = [Kind::Ours, Kind::Apache].map(|kind| said(kind, &dir.join(&format!("{kind:?}"))));
    let mut wrong = Vec::new();
    for ((command, ours), (_, theirs)) in ours.fields.iter().zip(&theirs.fields) {
        wrong.extend(difference(command, ours, theirs));
    }
    for ((word, ours), (_, theirs)) in ours.words.iter().zip(&theirs.words) {
        wrong.extend(difference(word, ours, theirs));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn difference(what: &str, ours: &BTreeSet<String>, theirs: &BTreeSet<String>) -> Option<String> {
    let missing: Vec<&String> = theirs.difference(ours).collect();
    let more: Vec<&String> = ours.difference(theirs).collect();
    (ours != theirs).then(|| format!("{what}: ours lacks {missing:?} and has {more:?}"))
}

fn said(kind: Kind, dir: &std::path::Path) -> Said {
    let admin = free_port();
    let settings = format!("admin.enableServer=true\nadmin.serverAddress=127.0.0.1\nadmin.serverPort={admin}");
    let mut zookeeper = ZooKeeper::start_with(kind, dir, &settings);
    let mut client = RawZk::connect(zookeeper.port()).expect("it serves");
    for number in 0..140 {
        client.create(&format!("/n{number}"), b"data").expect("it serves");
    }
    client.get("/n0").expect("it serves");
    client.watch("/n1").expect("it serves");
    client.create_ephemeral("/e").expect("it serves");
    let fields = COMMANDS.map(|command| {
        let mut fields = BTreeSet::new();
        collect(&fetch(admin, command), "", &mut fields);
        fields.retain(|name| !name.ends_with("_per_namespace"));
        (command.to_owned(), fields)
    });
    let words = WORDS.map(|word| {
        let answer = zookeeper.four_letter(word);
        let lines = answer.lines().map(|line| shape(line, word)).filter(|line| !line.contains("_per_namespace"));
        (word, lines.collect())
    });
    drop(client);
    zookeeper.stop();
    Said { fields: fields.into(), words: words.into() }
}

fn fetch(port: u16, command: &str) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a socket has timeouts");
    let request = format!("GET /commands/{command} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{command}: {head}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{command}: {error} in {body}"))
}

/// The names of all fields with the kinds of their values; keys that are ids, times or paths are one.
fn collect(value: &Value, at: &str, fields: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Object(object) => {
            for (name, value) in object {
                let is_key = name.starts_with('/') || name.bytes().all(|byte| byte.is_ascii_digit());
                let name = if is_key { "*" } else { name };
                collect(value, &format!("{at}.{name}"), fields);
            }
            return;
        }
        Value::Array(values) => {
            for value in values {
                collect(value, &format!("{at}[]"), fields);
            }
            "list"
        }
        Value::Number(number) if number.is_f64() => "double",
        Value::Number(_) => "integer",
        Value::String(_) => "text",
        Value::Bool(_) => "switch",
        Value::Null => "null",
    };
    fields.insert(format!("{at}: {kind}"));
}

/// A line without its values.
fn shape(line: &str, word: &str) -> String {
    match word {
        "mntr" => line.split('\t').next().unwrap_or_default().to_owned(),
        "envi" | "conf" => line.split('=').next().unwrap_or_default().to_owned(),
        "dump" if line.contains(" expire at ") => "N expire at DATE:".to_owned(),
        _ if line.starts_with("Zookeeper version: ") => "Zookeeper version".to_owned(),
        _ => numbers().replace_all(line, "N").into_owned(),
    }
}

fn numbers() -> Regex {
    Regex::new(r"0x[0-9a-f]+|-?\d+(\.\d+)?").expect("a pattern")
}
