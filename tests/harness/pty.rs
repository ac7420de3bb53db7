//! A person at a terminal: types, reads the screen, presses Ctrl-C.

use std::process::Command;
use std::time::Duration;

use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;
use expectrl::{ControlCode, Eof, Expect as _, Session};

/// A program whose input and output are one terminal.
pub struct Terminal {
    session: OsSession,
    screen: String,
}

impl Terminal {
    /// Starts `command` on a terminal of its own.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: Command) -> Terminal {
        let mut session = Session::spawn(command).expect("the program starts");
        session.set_expect_timeout(Some(Duration::from_mins(1)));
        Terminal { session, screen: String::new() }
    }

    /// The terminal shows what is typed, as it does for a person.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn echo(&mut self) -> &mut Terminal {
        self.session.get_process_mut().set_echo(true, None).expect("the terminal is there");
        self
    }

    /// Gives up waiting after `time`.
    pub fn patience(&mut self, time: Duration) -> &mut Terminal {
        self.session.set_expect_timeout(Some(time));
        self
    }

    /// Waits until `text` stands on the screen (after what was waited for before).
    ///
    /// # Panics
    /// When it does not come in time, with the screen so far.
    pub fn expect(&mut self, text: &str) -> &mut Terminal {
        match self.session.expect(text) {
            Ok(found) => self.screen.push_str(&String::from_utf8_lossy(found.as_bytes())),
            Err(error) => panic!("`{text}` did not come ({error}); the screen so far:\n{}", self.screen),
        }
        self
    }

    /// Lets the program print for so long; what it prints is kept.
    pub fn pause(&mut self, time: Duration) -> &mut Terminal {
        self.session.set_expect_timeout(Some(time));
        // Nothing prints this; the point is to read until the time is over.
        let _ = self.session.expect("\u{1}\u{2}\u{1}");
        self.session.set_expect_timeout(Some(Duration::from_mins(1)));
        self
    }

    /// Types text as it is.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn send(&mut self, text: &str) -> &mut Terminal {
        self.session.send(text).expect("the terminal is there");
        self
    }

    /// Types a line and Enter.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn send_line(&mut self, text: &str) -> &mut Terminal {
        self.session.send_line(text).expect("the terminal is there");
        self
    }

    /// Presses Ctrl-D.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn ctrl_d(&mut self) -> &mut Terminal {
        self.session.send(ControlCode::EndOfTransmission).expect("the terminal is there");
        self
    }

    /// Presses Ctrl-C.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn ctrl_c(&mut self) -> &mut Terminal {
        self.session.send(ControlCode::EndOfText).expect("the terminal is there");
        self
    }

    /// Waits for the end; returns all that stood on the screen, line ends as `\n`, and the exit code (128 + N when
    /// signal N ended it).
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn end(mut self) -> (String, i32) {
        if let Ok(rest) = self.session.expect(Eof) {
            self.screen.push_str(&String::from_utf8_lossy(rest.as_bytes()));
        }
        let code = match self.session.get_process().wait().expect("our own child can be waited for") {
            WaitStatus::Exited(_, code) => code,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
            other => panic!("neither ended nor killed: {other:?}"),
        };
        (self.screen.replace("\r\n", "\n"), code)
    }
}
