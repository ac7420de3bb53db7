//! A person at a terminal: types, reads the screen, presses Ctrl-C.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use expectrl::process::Process as _;
use expectrl::process::unix::{UnixProcess, WaitStatus};

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;

/// A program whose input and output are one terminal.
///
/// The screen is read all the time, as a terminal's window does: a server that prints is never held up.
pub struct Terminal {
    process: UnixProcess,
    keyboard: File,
    screen: Arc<Screen>,
    /// How much of the screen was waited for.
    seen: usize,
    patience: Duration,
    /// How it ended, once that is known.
    code: Option<i32>,
}

#[derive(Default)]
struct Screen {
    content: Mutex<Content>,
    changed: Condvar,
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    /// Nothing holds the other side any more.
    ended: bool,
}

impl Screen {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, mut terminal: File) {
        let mut bytes = [0; 4096];
        // The end is an error here (EIO), when the last process has closed its side.
        while let Ok(read @ 1..) = terminal.read(&mut bytes) {
            self.lock().bytes.extend_from_slice(&bytes[..read]);
            self.changed.notify_all();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

impl Terminal {
    /// Starts `command` on a terminal of its own, which does not show what is typed (see [`Terminal::echo`]).
    ///
    /// # Panics
    /// When it cannot be started.
    #[expect(clippy::needless_pass_by_value, reason = "callers make it for this one call")]
    pub fn start(command: Command) -> Terminal {
        let process = UnixProcess::spawn_command(as_for_a_person(&command)).expect("the program starts");
        let handle = || process.get_raw_handle().expect("a descriptor is free");
        let (keyboard, window) = (handle(), handle());
        let screen = Arc::new(Screen::default());
        let follower = screen.clone();
        std::thread::spawn(move || follower.follow(window));
        Terminal { process, keyboard, screen, seen: 0, patience: Duration::from_mins(1), code: None }
    }

    /// The terminal shows what is typed, as it does for a person.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn echo(&mut self) -> &mut Terminal {
        self.process.set_echo(true, None).expect("the terminal is there");
        self
    }

    /// Gives up waiting after `time`.
    pub fn patience(&mut self, time: Duration) -> &mut Terminal {
        self.patience = time;
        self
    }

    /// All that stands on the screen by now, line ends as `\n`.
    pub fn screen(&self) -> String {
        text(&self.screen.lock().bytes)
    }

    /// Waits until `text` stands on the screen (after what was waited for before).
    ///
    /// # Panics
    /// When it does not come in time, with the screen so far.
    pub fn expect(&mut self, text: &str) -> &mut Terminal {
        let seen = self.seen;
        let end = self.wait(&format!("`{text}`"), |bytes| {
            let at = bytes[seen..].windows(text.len()).position(|window| window == text.as_bytes())?;
            Some(seen + at + text.len())
        });
        self.seen = end;
        self
    }

    /// Waits until the screen as a whole is as it should be; `what` names that.
    ///
    /// # Panics
    /// When it does not come in time, with the screen so far.
    pub fn expect_screen(&mut self, what: &str, is_right: impl Fn(&str) -> bool) -> &mut Terminal {
        let end = self.wait(what, |bytes| is_right(&text(bytes)).then_some(bytes.len()));
        self.seen = end;
        self
    }

    fn wait<T>(&self, what: &str, find: impl Fn(&[u8]) -> Option<T>) -> T {
        let deadline = Instant::now() + self.patience;
        let mut content = self.screen.lock();
        loop {
            if let Some(found) = find(&content.bytes) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !content.ended,
                "{what} did not come{}; the screen so far:\n{}",
                if content.ended { " before the program ended" } else { " in time" },
                text(&content.bytes)
            );
            content = self.screen.changed.wait_timeout(content, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Lets the program print for so long.
    pub fn pause(&mut self, time: Duration) -> &mut Terminal {
        std::thread::sleep(time);
        self
    }

    /// Types text as it is.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn send(&mut self, text: &str) -> &mut Terminal {
        self.press(text.as_bytes())
    }

    /// Types a line and Enter.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn send_line(&mut self, text: &str) -> &mut Terminal {
        self.press(format!("{text}\n").as_bytes())
    }

    /// Presses Ctrl-D.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn ctrl_d(&mut self) -> &mut Terminal {
        self.press(&[CTRL_D])
    }

    /// Presses Ctrl-C.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn ctrl_c(&mut self) -> &mut Terminal {
        self.press(&[CTRL_C])
    }

    /// Closes the window: what runs in it gets SIGHUP. Returns how it ended, as [`Terminal::end`] does.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn close(self) -> (String, i32) {
        // A program on a terminal of its own leads a process group.
        let group = rustix::process::Pid::from_raw(self.process.pid().as_raw()).expect("a child has an id");
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::HUP);
        self.end()
    }

    fn press(&mut self, keys: &[u8]) -> &mut Terminal {
        self.keyboard.write_all(keys).expect("the terminal is there");
        self
    }

    /// Has the program ended?
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> bool {
        if self.code.is_none() {
            self.code = match self.process.status().expect("our own child can be asked for") {
                WaitStatus::Exited(_, code) => Some(code),
                WaitStatus::Signaled(_, signal, _) => Some(128 + signal as i32),
                _ => None,
            };
        }
        self.code.is_some()
    }

    /// Waits for the end; returns all that stood on the screen, line ends as `\n`, and the exit code (128 + N when
    /// signal N ended it).
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn end(mut self) -> (String, i32) {
        let deadline = Instant::now() + self.patience;
        while !self.has_ended() {
            assert!(Instant::now() < deadline, "it did not end in time; the screen:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(5));
        }
        // What it printed last is read, unless something in the background holds the terminal open.
        let content = self.screen.lock();
        let rest = Duration::from_secs(1);
        let waited = self.screen.changed.wait_timeout_while(content, rest, |content| !content.ended);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        (self.screen(), self.code.unwrap_or_default())
    }
}

/// The same program, which Ctrl-C and a closed window end even if the tests run where both are ignored (a shell's
/// background, `nohup`): programs keep to what was ignored before them.
fn as_for_a_person(command: &Command) -> Command {
    let mut person = Command::new("env");
    person.arg("--default-signal=INT,HUP").arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => person.env(key, value),
            None => person.env_remove(key),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        person.current_dir(dir);
    }
    person
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n")
}
