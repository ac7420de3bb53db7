//! Where transcripts are replayed: `bin/` and `config/` in a folder of their own, and servers on ports of their own.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tests::{
    Apache, ClosedPort, Kind, Output, Running, TempDir, Terminal, programs, repository, run_command, wait_until,
};

use crate::compare::{self, Order};
use crate::transcript::{Case, Key, Section};

/// The id that topic `orders` had when the transcripts were taken.
const RECORDED_TOPIC_ID: &str = "wDmyLgLmTYSNjl5dDWwAQg";

/// Apache's programs that the transcripts start.
const PROGRAMS: [&str; 13] = [
    "kafka-acls",
    "kafka-configs",
    "kafka-consumer-groups",
    "kafka-get-offsets",
    "kafka-leader-election",
    "kafka-log-dirs",
    "kafka-reassign-partitions",
    "kafka-topics",
    "kafka-console-producer",
    "kafka-console-consumer",
    "zookeeper-shell",
    "kafka-server-start",
    "zookeeper-server-start",
];

/// The folder, and what stands for the ports and paths of the transcripts.
pub(crate) struct Stage {
    dir: TempDir,
    kind: Kind,
    /// As in the transcripts, and as it is here.
    renamed: Vec<(String, String)>,
    /// Nobody may come up on them meanwhile.
    closed: Vec<ClosedPort>,
}

impl Stage {
    /// A folder for whose programs; nothing runs yet.
    pub(crate) fn new(name: &str, kind: Kind) -> Stage {
        let stage = Stage { dir: TempDir::new(name), kind, renamed: Vec::new(), closed: Vec::new() };
        for part in ["bin", "config"] {
            fs::create_dir_all(stage.path(part)).expect("the folder can be written");
            for entry in fs::read_dir(repository().join(part)).expect("it is part of the repository") {
                let entry = entry.expect("it can be read");
                let to = stage.path(part).join(entry.file_name());
                fs::copy(entry.path(), to).expect("the folder can be written");
            }
        }
        if kind == Kind::Apache {
            for program in PROGRAMS {
                stage.script_of_apache(program);
            }
        }
        stage.write("config/short.properties", "default.api.timeout.ms=5000\nrequest.timeout.ms=3000\n");
        stage.write("config/quick.properties", "default.api.timeout.ms=4000\nrequest.timeout.ms=3000\n");
        stage.write("config/add.properties", "retention.ms=5000\nmin.insync.replicas=1\n");
        stage.write("config/long-line.txt", &("x".repeat(2000) + "\n"));
        stage
    }

    /// Says what stands here for a port or path of the transcripts.
    pub(crate) fn rename(&mut self, recorded: &str, here: &str) {
        self.renamed.push((recorded.to_owned(), here.to_owned()));
    }

    /// Ports on which nobody listens, for the commands that try one.
    pub(crate) fn rename_closed_ports(&mut self) {
        for recorded in ["9093", "2999"] {
            self.rename_closed(recorded);
        }
    }

    /// The same for another one of the transcripts' ports.
    pub(crate) fn rename_closed(&mut self, recorded: &str) {
        let here = ClosedPort::take();
        self.rename(recorded, &here.number().to_string());
        self.closed.push(here);
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a file in the folder, recorded ports and paths replaced.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), self.here(text)).expect("the folder can be written");
    }

    /// Makes a file of a remark that is one: `config/NAME: TEXT`.
    pub(crate) fn write_remarked(&self, remark: &str) {
        if let Some((name, text)) = remark.split_once(": ").filter(|(name, _)| name.starts_with("config/")) {
            self.write(name, text);
        }
    }

    /// A text of the transcripts as it has to read here.
    pub(crate) fn here(&self, text: &str) -> String {
        replaced(text, self.renamed.iter().map(|(recorded, here)| (recorded.as_str(), here.as_str())))
    }

    /// What was printed here as it would read in the transcripts.
    pub(crate) fn recorded(&self, text: &str) -> String {
        replaced(text, self.renamed.iter().map(|(recorded, here)| (here.as_str(), recorded.as_str())))
    }

    /// Runs a command whose outcome is not looked at but for success. It has more time than others: the first member of a
    /// group waits for the groups' topic. But not so much that it commits by itself before it commits at its end.
    pub(crate) fn setup(&self, command: &str, input: &str) {
        let output = run_command(self.command_within(command, 3000), input);
        assert_eq!(output.code, 0, "{command}: {}{}", output.stdout, output.stderr);
    }

    /// Starts a server in the background, its output in `server.out`.
    pub(crate) fn start(&self, command: &str) -> Running {
        Running::start(self.command(command), &self.path("server.out"))
    }

    /// Replays one case that ends; says what is not as it should be.
    pub(crate) fn replay(&self, case: &Case, order: Order) -> Vec<String> {
        if let Some(keys) = &case.typed {
            return self.type_in(case, keys, order);
        }
        let output = if let Some(signal) = &case.ended_by {
            self.run_until(case, signal)
        } else {
            let input = self.here(case.stdin.as_deref().unwrap_or_default());
            // What is to be read needs time to come on a slow machine, too.
            let least_ms = if case.stdout.texts().next().is_some() { 3000 } else { 1500 };
            run_command(self.command_within(&case.command, least_ms), &input)
        };
        let (stdout, stderr) = (self.recorded(&output.stdout), self.recorded(&output.stderr));
        let mut wrong = Vec::new();
        if case.stdout.texts().any(|line| line.starts_with("[<TIMESTAMP>]")) {
            wrong.extend(compare::log(&case.stdout, &stdout));
        } else {
            wrong.extend(compare::section("stdout", &case.stdout, &stdout, order));
        }
        wrong.extend(compare::errors(&case.stderr, &stderr));
        wrong.extend(wrong_code(case, output.code));
        wrong
    }

    /// The command for a line of a transcript, in `bin/`.
    pub(crate) fn command(&self, line: &str) -> Command {
        self.command_within(line, 1500)
    }

    /// The same; of a timeout so much is left.
    fn command_within(&self, line: &str, least_ms: u64) -> Command {
        let mut line = self.here(line);
        if line.contains(RECORDED_TOPIC_ID) {
            line = line.replace(RECORDED_TOPIC_ID, &self.id_of_orders());
        }
        if self.kind == Kind::Ours {
            line = other_timeouts(&line, least_ms);
        }
        // Signals that a background job ignores would be ignored by all that it starts.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT,HUP", "bash", "-c", &line]).current_dir(self.path("bin"));
        if self.kind == Kind::Ours {
            command.env("KAFKA_PROGRAM_DIR", programs());
        }
        command
    }

    fn id_of_orders(&self) -> String {
        let line = "./kafka-topics.sh --describe --topic orders --bootstrap-server localhost:9092";
        let described = run_command(self.command(line), "").stdout;
        let id = described.split("TopicId: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        id.unwrap_or_else(|| panic!("no id in {described}")).to_owned()
    }

    /// How long what should not come has time to come, when all that should is there.
    fn rest(&self) -> Duration {
        match self.kind {
            Kind::Ours => Duration::from_millis(600),
            Kind::Apache => Duration::from_secs(2),
        }
    }

    /// Runs a command until it has printed what it should, then sends a signal.
    fn run_until(&self, case: &Case, signal: &str) -> Output {
        let (out, err) = (self.path("out"), self.path("err"));
        let mut child = start(self.command(&case.command), &out, &err);
        let group = Pid::from_child(&child);
        let lines = case.stdout.texts().count();
        let started = case.stdout.texts().any(|line| line.contains("started (kafka.server.KafkaServer)"));
        let log = case.stdout.texts().any(|line| line.starts_with("[<TIMESTAMP>]"));
        if self.kind == Kind::Apache && (log || lines == 0) {
            // A Java machine catches signals long before its program is there.
            std::thread::sleep(Duration::from_secs(6));
        }
        let has_come = || {
            if started {
                read(&out).contains("started (kafka.server.KafkaServer)")
            } else if log {
                compare::log(&case.stdout, &self.recorded(&read(&out))).is_none() && catches_signals(group)
            } else {
                // The last line of errors says how it ended.
                let errors = case.stderr.texts().count().saturating_sub(1);
                let complained = lines > 0 || read(&err).lines().count() >= errors;
                read(&out).lines().count() >= lines && complained && catches_signals(group)
            }
        };
        wait_until(Duration::from_mins(1), || {
            has_come() || child.try_wait().expect("our own child can be asked for").is_some()
        });
        std::thread::sleep(self.rest());
        let signal = match signal {
            "SIGINT" => Signal::INT,
            "SIGTERM" => Signal::TERM,
            other => panic!("no signal {other}"),
        };
        let _ = kill_process_group(group, signal);
        let status = child.wait().expect("our own child can be waited for");
        Output { stdout: read(&out), stderr: read(&err), code: code_of(status) }
    }

    /// Types at a terminal.
    fn type_in(&self, case: &Case, keys: &[Key], order: Order) -> Vec<String> {
        let mut command = self.command(&case.command);
        // The transcripts were taken where lines cannot be edited: Kafka ships without JLine.
        command.env("TERM", "dumb");
        let mut terminal = Terminal::start(command);
        terminal.echo();
        let expected = case.terminal.texts().collect::<Vec<_>>().join("\n");
        let sent = sent_by_producer(case, keys).map(|topic| (topic, self.end_of(topic)));
        for (at, key) in keys.iter().enumerate() {
            if let Some(before) = before_key(&expected, keys, at) {
                wait_until(Duration::from_mins(1), || before.stands_on(&terminal.screen()));
            }
            terminal.pause(self.rest());
            match key {
                Key::Text(text) => terminal.send(text),
                Key::Interrupt => {
                    // The console producer lingers for a second, and what lingers is lost.
                    if let Some((topic, end)) = sent {
                        assert!(wait_until(Duration::from_mins(1), || self.end_of(topic) > end), "nothing is sent");
                    }
                    terminal.ctrl_c()
                }
                Key::End => terminal.ctrl_d(),
            };
        }
        let (screen, code) = terminal.end();
        let mut wrong = Vec::new();
        wrong.extend(compare::section("the screen", &case.terminal, &self.recorded(&screen), order));
        wrong.extend(wrong_code(case, code));
        wrong
    }

    /// How many records a topic has had, over all partitions.
    fn end_of(&self, topic: &str) -> u64 {
        let line = format!("./kafka-get-offsets.sh --topic {topic} --bootstrap-server localhost:9092");
        let told = run_command(self.command(&line), "").stdout;
        told.lines().filter_map(|line| line.rsplit(':').next()?.parse::<u64>().ok()).sum()
    }

    /// Puts a script in `bin/` that runs Apache's program.
    fn script_of_apache(&self, program: &str) {
        let command = Apache::get().command(program);
        let words: Vec<String> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let script = self.path("bin").join(format!("{program}.sh"));
        fs::write(&script, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "))).expect("the folder can be written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
}

/// A tool that goes on while lines are typed into it by a pipe.
pub(crate) struct Conversation<'a> {
    stage: &'a Stage,
    child: Child,
    stdin: ChildStdin,
    /// How much of the two streams has been looked at.
    seen: (usize, usize),
}

impl<'a> Conversation<'a> {
    /// Starts the tool, and lets it print its greeting.
    pub(crate) fn start(stage: &'a Stage, command: &str) -> Conversation<'a> {
        let mut command = stage.command(command);
        command.stdin(Stdio::piped());
        let mut child = start(command, &stage.path("said"), &stage.path("complained"));
        let stdin = child.stdin.take().expect("it was piped");
        let mut conversation = Conversation { stage, child, stdin, seen: (0, 0) };
        let greeted = wait_until(Duration::from_mins(1), || conversation.news().0.contains(" path:null\n"));
        assert!(greeted, "no greeting: {:?}", conversation.news());
        std::thread::sleep(Duration::from_millis(50));
        conversation.look_away();
        conversation
    }

    /// Types a line whose outcome is not looked at but for there being one.
    pub(crate) fn say(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).expect("it still reads");
        let answered = wait_until(Duration::from_mins(1), || {
            let (out, err) = self.news();
            out.contains('\n') || err.contains('\n')
        });
        assert!(answered, "nothing comes of {line}");
        std::thread::sleep(Duration::from_millis(200));
        self.look_away();
    }

    /// Types the line of a case; says what is not as it should be.
    pub(crate) fn replay(&mut self, case: &Case) -> Vec<String> {
        let line = self.stage.here(case.stdin.as_deref().expect("a case in a conversation is a line"));
        self.stdin.write_all(line.as_bytes()).expect("it still reads");
        let enough = |text: &str, section: &Section| text.lines().count() >= section.texts().count();
        wait_until(Duration::from_mins(1), || {
            let (out, err) = self.news();
            enough(&out, &case.stdout) && enough(&err, &case.stderr)
        });
        // What should not be there needs time to come, too.
        std::thread::sleep(Duration::from_millis(60));
        let (out, err) = self.news();
        self.look_away();
        let mut wrong = Vec::new();
        wrong.extend(compare::section("stdout", &case.stdout, &self.stage.recorded(&out), Order::Fixed));
        wrong.extend(compare::errors(&case.stderr, &self.stage.recorded(&err)));
        wrong
    }

    fn news(&self) -> (String, String) {
        let (out, err) = (read(&self.stage.path("said")), read(&self.stage.path("complained")));
        (out[self.seen.0..].to_owned(), err[self.seen.1..].to_owned())
    }

    fn look_away(&mut self) {
        let (out, err) = self.news();
        self.seen = (self.seen.0 + out.len(), self.seen.1 + err.len());
    }
}

impl Drop for Conversation<'_> {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// What stands on a terminal when a key is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Before {
    /// Lines that have ended.
    lines: usize,
    /// Something stands behind them: a prompt.
    prompt: bool,
}

impl Before {
    fn stands_on(self, screen: &str) -> bool {
        let prompt = screen.rsplit('\n').next().is_some_and(|last| !last.is_empty());
        let lines = screen.matches('\n').count();
        lines > self.lines || lines == self.lines && (prompt || !self.prompt)
    }
}

/// What stands on the terminal before the key at `at` is pressed, where that can be seen: `expected` shows what is typed
/// where it was typed.
fn before_key(expected: &str, keys: &[Key], at: usize) -> Option<Before> {
    let echo = |key: &Key| match key {
        Key::Text(text) => Some(text.trim_end().to_owned()).filter(|text| !text.is_empty()),
        Key::Interrupt => Some("^C".to_owned()),
        Key::End => None,
    };
    let mut cursor = 0;
    // Line ends that are typed before the next key that shows.
    let mut typed = 0;
    for (number, key) in keys.iter().enumerate() {
        if let Some(echo) = echo(key) {
            let begins = |place: usize| place == 0 || matches!(expected.as_bytes()[place - 1], b'\n' | b'>');
            let place =
                expected[cursor..].match_indices(&echo).map(|(found, _)| cursor + found).find(|at| begins(*at))?;
            if number >= at {
                let screen = &expected[..place];
                let prompt = number == at && !screen.is_empty() && !screen.ends_with('\n');
                return Some(Before { lines: screen.matches('\n').count().saturating_sub(typed), prompt });
            }
            cursor = place + echo.len();
        }
        if let (true, Key::Text(text)) = (number >= at, key) {
            typed += text.matches('\n').count();
        }
    }
    None
}

/// The topic of a console producer that is interrupted when a line has been typed.
fn sent_by_producer<'a>(case: &'a Case, keys: &[Key]) -> Option<&'a str> {
    let types = keys.iter().any(|key| matches!(key, Key::Text(text) if text.contains('\n')));
    let is_producer = case.command.contains("kafka-console-producer") && keys.contains(&Key::Interrupt);
    if !types || !is_producer {
        return None;
    }
    case.command.split_once("--topic ")?.1.split(' ').next()
}

/// Does a program of the group catch Ctrl-C? A shell that only starts it does not count.
fn catches_signals(group: Pid) -> bool {
    let processes = fs::read_dir("/proc").expect("the system tells of its processes").flatten();
    processes.filter(|process| process.file_name().to_string_lossy().parse::<u32>().is_ok()).any(|process| {
        let read = |name: &str| fs::read_to_string(process.path().join(name)).unwrap_or_default();
        let stat = read("stat");
        let Some((name, rest)) = stat.rsplit_once(") ") else { return false };
        let of_group = rest.split(' ').nth(2) == Some(&group.as_raw_nonzero().to_string());
        let status = if of_group && !name.ends_with("(bash") { read("status") } else { String::new() };
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
        caught.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask & 0b10 != 0)
    })
}

fn start(mut command: Command, out: &Path, err: &Path) -> Child {
    let file = |path| File::create(path).expect("the folder can be written");
    command.stdout(file(out)).stderr(file(err)).process_group(0);
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn wrong_code(case: &Case, code: i32) -> Option<String> {
    let wanted = case.code.expect("the case ends");
    (code != wanted).then(|| format!("the exit code should be {wanted} and is {code}"))
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn code_of(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// Java needs seconds to come up; ours do not, and the tests would only wait. Where a timeout does not run out, because so
/// many records are asked for and there are so many, it is to be long enough for any machine.
fn other_timeouts(line: &str, least_ms: u64) -> String {
    let option = "--timeout-ms ";
    let Some(at) = line.find(option) else { return line.to_owned() };
    let start = at + option.len();
    let end = line[start..].find(' ').map_or(line.len(), |len| start + len);
    let Ok(timeout) = line[start..end].parse::<u64>() else { return line.to_owned() };
    let is_counted = line.contains("--max-messages ");
    let timeout = if is_counted { 60_000 } else { (timeout / 3).max(least_ms).min(timeout) };
    format!("{}{timeout}{}", &line[..start], &line[end..])
}

/// The text with other names, all at once: a port that stands for one may hold the digits of another. Of two names that
/// begin at the same place the longer one is meant, and a number only as a whole.
fn replaced<'a>(text: &str, names: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut names: Vec<_> = names.collect();
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    let (mut done, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(next) = rest.chars().next() {
        let after_digit = text[..text.len() - rest.len()].ends_with(|c: char| c.is_ascii_digit());
        let begins = |name: &&(&str, &str)| {
            let is_number = name.0.bytes().all(|byte| byte.is_ascii_digit());
            rest.strip_prefix(name.0)
                .is_some_and(|after| !is_number || !after_digit && !after.starts_with(|c: char| c.is_ascii_digit()))
        };
        if let Some((name, instead)) = names.iter().find(begins) {
            done.push_str(instead);
            rest = &rest[name.len()..];
        } else {
            done.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    done
}

#[test]
fn names_are_replaced_at_once_and_numbers_as_a_whole() {
    let names = [("2181", "38080"), ("8080", "21810"), ("/tmp/zookeeper", "/tmp/t-2181/zookeeper")];
    let text = "localhost:2181, http://localhost:8080/, 12181, 21812, /tmp/zookeeper";
    let here = replaced(text, names.into_iter());
    assert_eq!(here, "localhost:38080, http://localhost:21810/, 12181, 21812, /tmp/t-2181/zookeeper");
    assert_eq!(replaced(&here, names.into_iter().map(|(a, b)| (b, a))), text);
}

#[test]
fn what_stands_on_a_terminal_before_each_key() {
    let text = |text: &str| Key::Text(text.to_owned());
    let before = |lines, prompt| Some(Before { lines, prompt });
    let keys = [text("typed\n"), Key::End];
    assert_eq!([0, 1].map(|at| before_key(">typed\n>", &keys, at)), [before(0, true), None]);
    let keys = [text(""), text("\n"), text("ls /\n"), Key::Interrupt];
    let all = [0, 1, 2, 3].map(|at| before_key("Welcome\nevent ls /\n\nls /\n[n]\n^C", &keys, at));
    assert_eq!(all, [before(2, false), before(2, false), before(3, false), before(5, false)]);
    assert!(before(1, true).is_some_and(|before| !before.stands_on("a\n") && before.stands_on("a\n>")));
    assert!(before(1, true).is_some_and(|before| before.stands_on("a\nb\n") && !before.stands_on(">")));
}

#[test]
fn timeouts_that_run_out_are_shorter_and_others_are_long() {
    let timeout = |words: &str, least_ms| other_timeouts(&format!("./tool.sh --timeout-ms {words}"), least_ms);
    assert_eq!(timeout("10000 --topic t", 1500), "./tool.sh --timeout-ms 3333 --topic t");
    assert_eq!(timeout("4000", 3000), "./tool.sh --timeout-ms 3000");
    assert_eq!(timeout("2000", 3000), "./tool.sh --timeout-ms 2000");
    assert_eq!(timeout("3000 --max-messages 2", 1500), "./tool.sh --timeout-ms 60000 --max-messages 2");
    assert_eq!(timeout("abc", 1500), "./tool.sh --timeout-ms abc");
}
