//! `zookeeper-shell.sh`: znodes from the command line, one command or many.
//!
//! Events of the session are printed as they come; each is printed before the result of the command that caused it.

mod execute;
mod print;
mod usage;
mod words;

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;
use zk_client::{Client, Event, EventKind, EventReceiver, Options};

use crate::Invocation;
use crate::output::Console;
use crate::start;

/// How long the end of a session is waited for; its ephemeral znodes go with it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// As many lines as `history` shows.
const HISTORY_SHOWN: usize = 11;
const UNKNOWN_COMMAND: u8 = 127;

/// Runs the shell.
pub fn run(invocation: Invocation) -> u8 {
    let Invocation { program, args, mut console } = invocation;
    if args.is_empty() {
        console.line(&format!("USAGE: {program} zookeeper_host:port[/path] [-zk-tls-config-file file] [args...]"));
        return 1;
    }
    let settings = match Settings::parse(&args) {
        Ok(settings) => settings,
        Err(text) => {
            console.error(&text);
            return 1;
        }
    };
    start::block_on(main(settings, console))
}

#[derive(Debug, PartialEq)]
struct Settings {
    server: String,
    timeout_ms: u32,
    read_only: bool,
    wait: bool,
    command: Vec<String>,
}

impl Settings {
    /// The server comes first, then options; the first word without a dash begins the command. Words with a dash that
    /// are no option are skipped, as Apache's shell does.
    fn parse(args: &[String]) -> Result<Settings, String> {
        let mut words = args.iter();
        let mut settings = Settings {
            server: words.next().cloned().unwrap_or_default(),
            timeout_ms: 30_000,
            read_only: false,
            wait: false,
            command: Vec::new(),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("Error: no argument found for option {word}"));
            match word.as_str() {
                "-server" => settings.server.clone_from(value()?),
                "-timeout" => {
                    let text = value()?;
                    settings.timeout_ms = text.parse().map_err(|_| number_format(text))?;
                }
                "-r" => settings.read_only = true,
                "-waitforconnection" => settings.wait = true,
                "-zk-tls-config-file" | "-client-configuration" => {
                    return Err(format!("{word}: not served yet: connections are plain text, without TLS and SASL"));
                }
                option if option.starts_with('-') => {}
                _ => {
                    settings.command.push(word.clone());
                    settings.command.extend(words.by_ref().cloned());
                }
            }
        }
        Ok(settings)
    }
}

fn number_format(text: &str) -> String {
    format!("Exception in thread \"main\" java.lang.NumberFormatException: For input string: \"{text}\"")
}

async fn main(settings: Settings, console: Console) -> u8 {
    let mut shell = Shell { settings, console, session: None, history: Vec::new(), print_watches: true, exit_code: 0 };
    shell.console.line(&format!("Connecting to {}", shell.settings.server));
    if let Err(text) = shell.check_server() {
        shell.console.error(&text);
        return 1;
    }
    if shell.settings.command.is_empty() {
        shell.console.line("Welcome to ZooKeeper!");
        shell.console.line("JLine support is disabled");
        shell.console.flush();
        shell.interact().await;
    } else {
        let command = shell.settings.command.clone();
        shell.process(&command).await;
    }
    shell.close(false).await;
    shell.exit_code
}

/// A connection and its events.
struct Session {
    client: Client,
    events: EventReceiver,
}

struct Shell {
    settings: Settings,
    console: Console,
    /// `None` before the first command that needs it, and after `close`.
    session: Option<Session>,
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
    fn check_server(&self) -> Result<(), String> {
        use properties::grammar::ConnectStringError;
        match Options::new(&self.settings.server) {
            Ok(_) => Ok(()),
            Err(ConnectStringError::NotAPort(text)) => Err(number_format(&text)),
            Err(error) => Err(format!("Exception in thread \"main\" java.lang.IllegalArgumentException: {error}")),
        }
    }

    fn connect(&mut self) -> &mut Session {
        let settings = &self.settings;
        self.session.get_or_insert_with(|| {
            let mut options = Options::new(&settings.server).expect("checked before it became the server");
            options.session_timeout_ms = settings.timeout_ms;
            options.read_only = settings.read_only;
            let mut seed = [0; 8];
            // Without randomness the servers are tried in one order, which is no harm.
            let _ = getrandom::fill(&mut seed);
            options.seed = u64::from_le_bytes(seed);
            let (client, events) = Client::connect(options);
            Session { client, events }
        })
    }

    /// Reads lines until the end of input or `quit`; events are printed while it waits.
    async fn interact(&mut self) {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let client = self.connect().client.clone();
        if self.settings.wait {
            let _ = client.connected().await;
        }
        loop {
            let line = tokio::select! {
                biased;
                Some(event) = next_event(self.session.as_mut()) => {
                    self.print_event(&event);
                    self.console.flush();
                    continue;
                }
                line = lines.next_line() => line,
            };
            let Ok(Some(line)) = line else { return };
            if line.is_empty() {
                continue;
            }
            self.history.push(line.clone());
            let next = self.process(&words::split(&line)).await;
            self.console.flush();
            if next == Next::Quit {
                return;
            }
        }
    }

    async fn process(&mut self, words: &[String]) -> Next {
        let Some(command) = words.first() else { return Next::Continue };
        if !usage::is_command(command) {
            self.console.error_text(&usage::all());
            self.console.error(&format!("Command not found: Command not found {command}"));
            self.exit_code = UNKNOWN_COMMAND;
            return Next::Continue;
        }
        let result = match command.as_str() {
            "quit" => {
                self.connect_if_one_shot();
                self.close(true).await;
                return Next::Quit;
            }
            "redo" => Box::pin(self.redo(words)).await,
            "history" => {
                self.show_history();
                Ok(())
            }
            "printwatches" => {
                self.watches(words);
                Ok(())
            }
            "connect" => self.reconnect(words).await,
            "version" => {
                self.console.line(usage::VERSION);
                Ok(())
            }
            "close" if self.session.is_some() => {
                self.close(true).await;
                Ok(())
            }
            _ if self.session.is_none() && !self.history.is_empty() => {
                self.console.line("Not connected");
                Ok(())
            }
            _ => self.execute(words).await,
        };
        self.drain_events();
        self.exit_code = match result {
            Ok(()) => 0,
            Err(lines) => {
                for line in lines {
                    self.console.error(&line);
                }
                1
            }
        };
        Next::Continue
    }

    fn connect_if_one_shot(&mut self) {
        if self.history.is_empty() {
            self.connect();
        }
    }

    async fn redo(&mut self, words: &[String]) -> Result<(), Vec<String>> {
        let Some(number) = words.get(1) else { return Ok(()) };
        let known = self.history.len();
        let line = number.parse().ok().filter(|at: &usize| *at < known).map(|at| self.history[at].clone());
        let Some(line) = line else { return Err(vec!["Command index out of range".to_owned()]) };
        let words = words::split(&line);
        if words.first().is_some_and(|command| command == "redo") {
            return Err(vec!["No redoing redos".to_owned()]);
        }
        if let Some(last) = self.history.last_mut() {
            *last = line;
        }
        self.process(&words).await;
        if self.exit_code == 0 { Ok(()) } else { Err(Vec::new()) }
    }

    fn show_history(&mut self) {
        let first = self.history.len().saturating_sub(HISTORY_SHOWN);
        for (number, line) in self.history.iter().enumerate().skip(first) {
            self.console.line(&format!("{number} - {line}"));
        }
    }

    fn watches(&mut self, words: &[String]) {
        if let Some(wanted) = words.get(1) {
            self.print_watches = wanted == "on";
        } else {
            let state = if self.print_watches { "on" } else { "off" };
            self.console.line(&format!("printwatches is {state}"));
        }
    }

    async fn reconnect(&mut self, words: &[String]) -> Result<(), Vec<String>> {
        self.close(true).await;
        if let Some(server) = words.get(1) {
            let before = std::mem::replace(&mut self.settings.server, server.clone());
            if let Err(text) = self.check_server() {
                self.settings.server = before;
                return Err(vec![text]);
            }
        }
        let _ = timeout(CLOSE_TIMEOUT, self.connect().client.connected()).await;
        Ok(())
    }

    /// Ends the session; `tell` prints the event for it.
    async fn close(&mut self, tell: bool) {
        let Some(mut session) = self.session.take() else { return };
        let _ = timeout(CLOSE_TIMEOUT, session.client.close()).await;
        while let Some(event) = session.events.try_recv() {
            self.print_event(&event);
        }
        if tell {
            self.print_watcher("state:Closed type:None path:null");
        }
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.session.as_mut().and_then(|session| session.events.try_recv()) {
            self.print_event(&event);
        }
    }

    fn print_event(&mut self, event: &Event) {
        let text = match event {
            Event::Connected => "state:SyncConnected type:None path:null".to_owned(),
            Event::Disconnected => "state:Disconnected type:None path:null".to_owned(),
            Event::Expired => "state:Expired type:None path:null".to_owned(),
            Event::AuthFailed => "state:AuthFailed type:None path:null".to_owned(),
            Event::Watch(watched) => {
                format!("state:SyncConnected type:{} path:{}", kind_name(watched.kind), watched.path)
            }
        };
        self.print_watcher(&text);
    }

    fn print_watcher(&mut self, event: &str) {
        if self.print_watches {
            self.console.line(&format!("\nWATCHER::\n\nWatchedEvent {event}"));
        }
    }
}

async fn next_event(session: Option<&mut Session>) -> Option<Event> {
    match session {
        Some(session) => session.events.recv().await,
        None => None,
    }
}

fn kind_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::NodeCreated => "NodeCreated",
        EventKind::NodeDeleted => "NodeDeleted",
        EventKind::NodeDataChanged => "NodeDataChanged",
        EventKind::NodeChildrenChanged => "NodeChildrenChanged",
        EventKind::DataWatchRemoved => "DataWatchRemoved",
        EventKind::ChildWatchRemoved => "ChildWatchRemoved",
        EventKind::PersistentWatchRemoved => "PersistentWatchRemoved",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(line: &str) -> Result<Settings, String> {
        Settings::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_stand_between_the_server_and_the_command() {
        let parsed = settings("a:1 -timeout 4000 -help -r ls -s /").unwrap();
        assert_eq!((parsed.server.as_str(), parsed.timeout_ms, parsed.read_only), ("a:1", 4000, true));
        assert_eq!(parsed.command, ["ls", "-s", "/"]);
        assert_eq!(settings("a:1 -timeout").unwrap_err(), "Error: no argument found for option -timeout");
        assert!(settings("a:1 -zk-tls-config-file f ls /").unwrap_err().starts_with("-zk-tls-config-file"));
    }

    #[test]
    fn without_arguments_it_says_how_it_is_used() {
        let (console, out, _) = crate::output::testing::console();
        let code = run(Invocation { program: "./zookeeper-shell.sh".into(), args: vec![], console });
        let usage = "USAGE: ./zookeeper-shell.sh zookeeper_host:port[/path] [-zk-tls-config-file file] [args...]\n";
        assert_eq!((code, out.text().as_str()), (1, usage));
    }
}
