//! From line to line: the session, its events, the history, and the commands that are the shell's own.

use std::io::IsTerminal as _;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;
use zk_client::{Client, Event};

use super::command::{Prepared, prepare};
use super::settings::{Connection, exception, number_format};
use super::source::{PastReader, Session, Source};
use super::terminal::{Answer, Terminal};
use super::{complete, print, usage, words};
use crate::output::Console;

/// How long the end of a session is waited for; its ephemeral znodes go with it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Input that ends within this time is empty, and needs no session.
const EMPTY_INPUT: Duration = Duration::from_millis(20);
/// How long a completion waits for the server.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(2);
/// Lines before the last one that `history` shows.
const HISTORY_SHOWN: usize = 10;
const UNKNOWN_COMMAND: u8 = 127;
/// The exit code of a program that Ctrl-C ends.
const INTERRUPTED: u8 = 130;

/// Lines for standard error.
pub(super) type Complaints = Vec<String>;

/// The shell.
pub(super) struct Shell {
    pub(super) source: Source,
    /// `None` for a tree of the past.
    connection: Option<Connection>,
    usage_head: &'static str,
    pub(super) console: Console,
    terminal: Option<Terminal>,
    history: Vec<String>,
    print_watches: bool,
    /// That of the last command.
    exit_code: u8,
}

/// What a command line asks for beyond its own work.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Continue,
    Quit,
}

impl Shell {
    pub(super) fn new(
        source: Source,
        connection: Option<Connection>,
        usage_head: &'static str,
        console: Console,
    ) -> Shell {
        let (history, exit_code) = (Vec::new(), 0);
        Shell { source, connection, usage_head, console, terminal: None, history, print_watches: true, exit_code }
    }

    /// Runs one command, or all lines of standard input; the exit code.
    pub(super) async fn run(mut self, command: Vec<String>) -> u8 {
        if command.is_empty() {
            self.console.line("Welcome to ZooKeeper!");
            self.interact().await;
        } else if self.await_connection().await {
            self.process(&command).await;
        }
        self.close(false).await;
        self.exit_code
    }

    /// With a person at a terminal lines can be edited and words completed; else they are read as they come.
    async fn interact(&mut self) {
        let edited = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let terminal = if edited { Terminal::open() } else { None };
        self.console.line(&format!("JLine support is {}", if terminal.is_some() { "enabled" } else { "disabled" }));
        self.console.flush();
        match terminal {
            Some(terminal) => self.edit_lines(terminal).await,
            None => self.read_lines().await,
        }
    }

    async fn read_lines(&mut self) {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut first = timeout(EMPTY_INPUT, lines.next_line()).await.ok();
        if !matches!(first, Some(Ok(None))) {
            self.connect();
            if !self.await_connection().await {
                return;
            }
        }
        loop {
            let line = if let Some(line) = first.take() {
                line
            } else {
                tokio::select! {
                    biased;
                    Some(event) = next_event(&mut self.source) => {
                        self.print_event(&event);
                        self.console.flush();
                        continue;
                    }
                    line = lines.next_line() => line,
                }
            };
            let Ok(Some(line)) = line else { return };
            if self.take_line(line).await == Next::Quit {
                return;
            }
        }
    }

    async fn edit_lines(&mut self, terminal: Terminal) {
        self.terminal = Some(terminal);
        self.connect();
        if !self.await_connection().await {
            return;
        }
        loop {
            let prompt = self.prompt();
            let Some(terminal) = &mut self.terminal else { return };
            terminal.prompt(prompt);
            let line = loop {
                let Some(terminal) = &mut self.terminal else { return };
                tokio::select! {
                    biased;
                    Some(event) = next_event(&mut self.source) => self.print_event(&event),
                    answer = terminal.answer() => match answer {
                        Answer::Complete { line, cursor, reply } => {
                            // The editor may have stopped waiting.
                            let _ = reply.send(self.complete(&line, cursor).await);
                        }
                        Answer::Line(line) => break line,
                        Answer::End => return,
                        Answer::Interrupted => {
                            self.exit_code = INTERRUPTED;
                            return;
                        }
                    },
                }
            };
            if self.take_line(line).await == Next::Quit {
                return;
            }
        }
    }

    fn prompt(&self) -> String {
        let place = self.connection.as_ref().map_or("past", |connection| connection.server.as_str());
        format!("[zk: {place}({}) {}] ", self.source.state(), self.history.len())
    }

    async fn complete(&mut self, line: &str, cursor: usize) -> (usize, Vec<String>) {
        let (start, dir, prefix) = match complete::wanted(line, cursor) {
            complete::Wanted::Commands(start, names) => return (start, names),
            complete::Wanted::Child { start, dir, prefix } => (start, dir, prefix),
        };
        let children = match &self.source {
            Source::Past(past) => PastReader(past).children(&dir).ok(),
            Source::Server(session) => {
                timeout(COMPLETION_TIMEOUT, session.client.children(&dir, false)).await.ok().and_then(Result::ok)
            }
            Source::Unconnected | Source::Closed => None,
        };
        let mut names = children.map_or_else(Vec::new, |(names, _)| names);
        names.retain(|name| name.starts_with(&prefix));
        names.sort();
        (start, names)
    }

    async fn take_line(&mut self, line: String) -> Next {
        if line.is_empty() {
            return Next::Continue;
        }
        let words = words::split(&line);
        self.history.push(line);
        let next = self.process(&words).await;
        self.console.flush();
        next
    }

    /// The session, which is opened when it is needed for the first time.
    pub(super) fn connect(&mut self) -> Option<Client> {
        if let (Source::Unconnected, Some(connection)) = (&self.source, &self.connection) {
            let mut seed = [0; 8];
            // Without randomness the servers are tried in one order, which is no harm.
            let _ = getrandom::fill(&mut seed);
            let options = connection.options(u64::from_le_bytes(seed)).expect("checked before it became the server");
            let (client, events) = Client::connect(options);
            self.source = Source::Server(Session { client, events });
        }
        match &self.source {
            Source::Server(session) => Some(session.client.clone()),
            _ => None,
        }
    }

    pub(super) fn server(&self) -> &str {
        self.connection.as_ref().map_or("", |connection| connection.server.as_str())
    }

    /// Waits for the first connection if that was asked for. Without one the shell ends.
    async fn await_connection(&mut self) -> bool {
        let Some(limit) = self.connection.as_ref().filter(|connection| connection.wait).map(|it| it.timeout_ms) else {
            return true;
        };
        let Some(client) = self.connect() else { return true };
        let limit = Duration::from_millis(u64::try_from(limit).unwrap_or(0));
        if matches!(timeout(limit, client.connected()).await, Ok(Ok(_))) {
            self.drain_events();
            self.console.flush();
            return true;
        }
        let loss = "org.apache.zookeeper.KeeperException$ConnectionLossException: KeeperErrorCode = ConnectionLoss";
        self.console.error(&exception(&format!("java.io.IOException: {loss}")));
        self.exit_code = 1;
        false
    }

    async fn process(&mut self, words: &[String]) -> Next {
        let Some(command) = words.first() else { return Next::Continue };
        if !usage::is_command(command) {
            self.console.error_text(&usage::all(self.usage_head));
            self.console.error(&format!("Command not found: Command not found {command}"));
            self.exit_code = UNKNOWN_COMMAND;
            return Next::Continue;
        }
        if command == "quit" {
            self.connect();
            self.close(true).await;
            return Next::Quit;
        }
        let mut result = self.own_command(words).await;
        if result.is_ok() {
            result = if self.source.is_alive() {
                self.execute(words).await
            } else {
                self.console.line("Not connected");
                Ok(())
            };
        }
        self.drain_events();
        self.exit_code = u8::from(result.is_err());
        for line in result.err().into_iter().flatten() {
            self.console.error(&line);
        }
        Next::Continue
    }

    /// The commands that are about the shell itself.
    async fn own_command(&mut self, words: &[String]) -> Result<(), Complaints> {
        match words[0].as_str() {
            "redo" => Box::pin(self.redo(words)).await,
            "history" => {
                self.show_history();
                Ok(())
            }
            "printwatches" => {
                if let Some(wanted) = words.get(1) {
                    self.print_watches = wanted == "on";
                } else {
                    let state = if self.print_watches { "on" } else { "off" };
                    self.console.line(&format!("printwatches is {state}"));
                }
                Ok(())
            }
            "connect" => self.reconnect(words).await,
            _ => Ok(()),
        }
    }

    /// What does not need a server is refused before there is one.
    async fn execute(&mut self, words: &[String]) -> Result<(), Complaints> {
        let Prepared { output, notes, command } = prepare(words);
        self.console.bytes(output.as_bytes());
        for note in notes {
            self.console.error(&note);
        }
        match command.map_err(|line| vec![line])? {
            Some(command) => self.perform(command).await,
            None => Ok(()),
        }
    }

    /// Runs a line of the history again, which takes the place of this one.
    async fn redo(&mut self, words: &[String]) -> Result<(), Complaints> {
        let Some(text) = words.get(1) else { return Ok(()) };
        let number = decode(text).ok_or_else(|| vec![exception(&number_format(text))])?;
        let this = self.history.len().saturating_sub(1);
        let line = usize::try_from(number).ok().filter(|at| *at < this).map(|at| self.history[at].clone());
        let Some(line) = line else { return Err(vec!["Command index out of range".to_owned()]) };
        let words = words::split(&line);
        if words.first().is_some_and(|command| command == "redo") {
            return Err(vec!["No redoing redos".to_owned()]);
        }
        if let Some(last) = self.history.last_mut() {
            *last = line;
        }
        self.process(&words).await;
        Ok(())
    }

    fn show_history(&mut self) {
        let last = self.history.len().saturating_sub(1);
        for number in last.saturating_sub(HISTORY_SHOWN)..=last {
            let line = self.history.get(number).map_or("null", String::as_str);
            let line = format!("{number} - {line}");
            self.console.line(&line);
        }
    }

    async fn reconnect(&mut self, words: &[String]) -> Result<(), Complaints> {
        let Some(mut connection) = self.connection.clone() else {
            return Err(vec!["connect: this shell reads files: start another one for a server".to_owned()]);
        };
        self.close(true).await;
        if let Some(server) = words.get(1) {
            connection.server.clone_from(server);
        }
        connection.options(0).map_err(|text| vec![text])?;
        self.connection = Some(connection);
        self.source = Source::Unconnected;
        if let Some(client) = self.connect() {
            let _ = timeout(CLOSE_TIMEOUT, client.connected()).await;
        }
        Ok(())
    }

    /// Ends the session; `tell` prints the event for it.
    pub(super) async fn close(&mut self, tell: bool) {
        if matches!(self.source, Source::Past(_)) {
            return;
        }
        let Source::Server(mut session) = std::mem::replace(&mut self.source, Source::Closed) else { return };
        let _ = timeout(CLOSE_TIMEOUT, session.client.close()).await;
        while let Some(event) = session.events.try_recv() {
            self.print_event(&event);
        }
        if tell {
            self.print_watcher(print::closed());
        }
    }

    /// Prints the events that are there.
    pub(super) fn drain_events(&mut self) {
        while let Source::Server(session) = &mut self.source {
            let Some(event) = session.events.try_recv() else { return };
            self.print_event(&event);
        }
    }

    fn print_event(&mut self, event: &Event) {
        self.print_watcher(print::event(event));
    }

    fn print_watcher(&mut self, text: String) {
        if !self.print_watches {
            return;
        }
        match &mut self.terminal {
            Some(terminal) if terminal.is_prompting() => terminal.print(text),
            _ => self.console.line(&text),
        }
    }
}

async fn next_event(source: &mut Source) -> Option<Event> {
    match source {
        Source::Server(session) => session.events.recv().await,
        _ => None,
    }
}

/// Reads a number as Java's `Integer.decode`: decimal, `0x` or `#` hexadecimal, `0` octal.
fn decode(text: &str) -> Option<i32> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (radix, digits) = match digits {
        _ if digits.starts_with("0x") || digits.starts_with("0X") => (16, &digits[2..]),
        _ if digits.starts_with('#') => (16, &digits[1..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    let number = i64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with(['+', '-']))?;
    i32::try_from(if negative { -number } else { number }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_javas() {
        for (text, number) in [("7", 7), ("0x10", 16), ("#f", 15), ("010", 8), ("0", 0), ("-2", -2)] {
            assert_eq!(decode(text), Some(number), "{text}");
        }
        for text in ["", "x", "0x", "--1", "99999999999"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
