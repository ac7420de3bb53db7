//! Reads the golden transcripts: `tests/golden/cli/README.md` tells their format.

use std::fs;

use tests::repository;

/// One thing that happens, in the order of the file.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A command that was recorded.
    Case(Box<Case>),
    /// A command that only makes state for what follows.
    Setup {
        /// The command line.
        command: String,
        /// Its standard input.
        input: String,
    },
    /// Any other remark between cases: state that a person has to make.
    Remark(String),
}

/// A command, and what came of it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Case {
    /// Unique within its file.
    pub(crate) name: String,
    /// Remarks that begin with `note:`.
    pub(crate) notes: Vec<String>,
    /// The signal that ended it, if one did.
    pub(crate) ended_by: Option<String>,
    /// What was typed, if its streams were one terminal.
    pub(crate) typed: Option<Vec<Key>>,
    /// One line for bash.
    pub(crate) command: String,
    /// What it was given by a pipe.
    pub(crate) stdin: Option<String>,
    /// What it printed.
    pub(crate) stdout: Section,
    /// What it complained about.
    pub(crate) stderr: Section,
    /// What stood on the terminal.
    pub(crate) terminal: Section,
    /// What a server answered.
    pub(crate) answer: Section,
    /// Its exit code; none where the tool went on.
    pub(crate) code: Option<i32>,
}

impl Case {
    /// What was found wrong with it, each with what it is about.
    pub(crate) fn told(&self, found: Vec<String>) -> Vec<String> {
        found.into_iter().map(|what| format!("=== {}\n$ {}\n{what}", self.name, self.command)).collect()
    }
}

/// One thing typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// Text, line ends included.
    Text(String),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    End,
}

/// The lines of a section.
#[derive(Debug, Default, Clone)]
pub(crate) struct Section {
    /// In order.
    pub(crate) lines: Vec<Line>,
    /// The last line has no end.
    pub(crate) open: bool,
}

/// A line of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// As printed, with placeholders.
    Text(String),
    /// Lines left out here.
    Cut,
}

/// The entries of one file.
pub(crate) fn read(name: &str) -> Vec<Entry> {
    let path = repository().join("tests/golden/cli").join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(&text)
}

fn parse(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut lines = text.lines().enumerate().skip(2).peekable();
    while let Some((number, line)) = lines.next() {
        if let Some(name) = line.strip_prefix("### case: ") {
            let mut case = Case { name: name.to_owned(), ..Case::default() };
            let mut body = Vec::new();
            // A case ends where its exit code stands.
            for (_, line) in lines.by_ref() {
                body.push(line);
                if line.starts_with("--- exit ") {
                    break;
                }
            }
            read_case(&mut case, &body);
            assert!(!case.command.is_empty(), "line {}: a case without a command", number + 1);
            entries.push(Entry::Case(Box::new(case)));
        } else if let Some(setup) = line.strip_prefix("# setup: ") {
            let (command, input) = setup.split_once("<<<").unwrap_or((setup, ""));
            let input = unescape(input.trim().trim_matches('"'));
            entries.push(Entry::Setup { command: command.trim().to_owned(), input });
        } else if let Some(remark) = line.strip_prefix("# ") {
            entries.push(Entry::Remark(remark.to_owned()));
        } else {
            assert!(line.is_empty(), "line {}: neither case nor remark: {line}", number + 1);
        }
    }
    entries
}

fn read_case(case: &mut Case, body: &[&str]) {
    let mut section = "";
    let mut stdin = Section::default();
    for line in body {
        if let Some(code) = line.strip_prefix("--- exit ") {
            case.code = code.parse().ok();
        } else if let Some(name) = line.strip_prefix("--- ") {
            section = name;
            if name == "stdin" {
                case.stdin = Some(String::new());
            }
        } else if section.is_empty() {
            read_remark(case, line);
        } else {
            let section = match section {
                "stdin" => &mut stdin,
                "stdout" => &mut case.stdout,
                "stderr" => &mut case.stderr,
                "terminal" => &mut case.terminal,
                "answer" => &mut case.answer,
                other => panic!("{}: no section `{other}`", case.name),
            };
            section.push(line);
        }
    }
    if let Some(text) = &mut case.stdin {
        let lines: Vec<String> = stdin.texts().map(plain).collect();
        *text = lines.join("\n");
        if !stdin.open && !lines.is_empty() {
            text.push('\n');
        }
    }
}

fn read_remark(case: &mut Case, line: &str) {
    if let Some(command) = line.strip_prefix("$ ") {
        command.clone_into(&mut case.command);
    } else if let Some(note) = line.strip_prefix("# note: ") {
        case.notes.push(note.to_owned());
    } else if let Some(ended) = line.strip_prefix("# ended by ") {
        case.ended_by = ended.split_whitespace().next().map(str::to_owned);
    } else if let Some(typed) = line.strip_prefix("# on a terminal; typed: ") {
        case.typed = Some(keys(typed));
    } else {
        assert!(line.starts_with("# took "), "{}: what is `{line}`?", case.name);
    }
}

/// `"Hello World\n" <Enter> <Ctrl-D>`
fn keys(text: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').expect("a quote is closed");
            keys.push(Key::Text(unescape(&quoted[..end])));
            end + 2
        } else {
            let end = rest.find('>').expect("a key is named in brackets") + 1;
            keys.push(match &rest[..end] {
                "<Enter>" => Key::Text("\n".to_owned()),
                "<Ctrl-C>" => Key::Interrupt,
                "<Ctrl-D>" => Key::End,
                other => panic!("no key {other}"),
            });
            end
        };
        rest = rest[end..].trim_start();
    }
    keys
}

fn unescape(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t")
}

/// Control characters as they were.
fn plain(text: &str) -> String {
    text.replace("<CR>", "\r").replace("<0x1b>", "\u{1b}")
}

impl Section {
    fn push(&mut self, line: &str) {
        let cut = |text: &str| text.starts_with("[... ") && text.contains(" more lines");
        match line.strip_prefix('|') {
            Some(text) if !cut(text) => self.lines.push(Line::Text(text.to_owned())),
            Some(_) => self.lines.push(Line::Cut),
            None if cut(line) => self.lines.push(Line::Cut),
            None if line.starts_with('\\') => self.open = true,
            None => panic!("what is `{line}`?"),
        }
    }

    /// The lines that are there.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| match line {
            Line::Text(text) => Some(text.as_str()),
            Line::Cut => None,
        })
    }
}

#[test]
fn keys_are_read() {
    let typed = keys(r#""Hello World\n" "" <Enter> <Ctrl-D> <Ctrl-C>"#);
    let text = |text: &str| Key::Text(text.to_owned());
    assert_eq!(typed, [text("Hello World\n"), text(""), text("\n"), Key::End, Key::Interrupt]);
}

#[test]
fn every_transcript_is_read() {
    for (name, cases) in [("kafka-topics", 89), ("zookeeper-shell", 120), ("kafka-server-start", 40), ("tutorial", 15)]
    {
        let read = read(name).iter().filter(|entry| matches!(entry, Entry::Case(_))).count();
        assert!(read >= cases, "{name}: {read} cases");
    }
}
