//! A person at a terminal: lines are edited, remembered and completed (by rustyline, on a thread of its own, since it
//! waits for keys).

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, ExternalPrinter, Helper};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long the editor waits for a completion before it does without.
const COMPLETION_PATIENCE: Duration = Duration::from_secs(3);

/// What the editor has to say.
pub(super) enum Answer {
    /// The word before the cursor is to be completed.
    Complete { line: String, cursor: usize, reply: Sender<(usize, Vec<String>)> },
    /// A line was typed.
    Line(String),
    /// Ctrl-D, or the terminal is gone.
    End,
    /// Ctrl-C.
    Interrupted,
}

/// The editor's other end.
pub(super) struct Terminal {
    prompts: Sender<String>,
    answers: UnboundedReceiver<Answer>,
    printer: Box<dyn ExternalPrinter + Send>,
    prompting: bool,
}

impl Terminal {
    /// `None` where lines cannot be edited: a terminal that is dumb, or whose kind nobody knows.
    #[expect(clippy::disallowed_methods, reason = "the one thread of this tool: the editor waits for keys")]
    pub(super) fn open() -> Option<Terminal> {
        let kind = std::env::var("TERM").unwrap_or_default();
        if matches!(kind.as_str(), "" | "dumb" | "cons25" | "emacs") {
            return None;
        }
        let (answers_out, answers) = unbounded_channel();
        let (prompts, prompts_in) = mpsc::channel();
        let (ready_out, ready) = mpsc::channel();
        std::thread::spawn(move || edit(&answers_out, &prompts_in, &ready_out));
        let printer = ready.recv().ok()?;
        Some(Terminal { prompts, answers, printer, prompting: false })
    }

    /// Asks for a line.
    pub(super) fn prompt(&mut self, prompt: String) {
        self.prompting = self.prompts.send(prompt).is_ok();
    }

    /// Does the prompt stand on the screen?
    pub(super) fn is_prompting(&self) -> bool {
        self.prompting
    }

    /// What the editor says next. Safe to be dropped at any time.
    pub(super) async fn answer(&mut self) -> Answer {
        let answer = self.answers.recv().await.unwrap_or(Answer::End);
        self.prompting = matches!(answer, Answer::Complete { .. });
        answer
    }

    /// Prints above the prompt.
    pub(super) fn print(&mut self, text: String) {
        // A terminal that is gone ends the shell with the next answer.
        let _ = self.printer.print(text + "\n");
    }
}

/// Reads lines until nobody asks for them.
fn edit(
    answers: &UnboundedSender<Answer>,
    prompts: &Receiver<String>,
    ready: &Sender<Box<dyn ExternalPrinter + Send>>,
) {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    let Ok(mut editor) = Editor::<Completions, DefaultHistory>::with_config(config) else { return };
    editor.set_helper(Some(Completions(answers.clone())));
    let Ok(printer) = editor.create_external_printer() else { return };
    if ready.send(Box::new(printer)).is_err() {
        return;
    }
    while let Ok(prompt) = prompts.recv() {
        let answer = match editor.readline(prompt.as_str()) {
            Ok(line) => Answer::Line(line),
            Err(ReadlineError::Interrupted) => Answer::Interrupted,
            Err(_) => Answer::End,
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

/// Asks the shell what a word could become.
struct Completions(UnboundedSender<Answer>);

impl Completer for Completions {
    type Candidate = String;

    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let (reply, replies) = mpsc::channel();
        let asked = self.0.send(Answer::Complete { line: line.to_owned(), cursor, reply });
        let found = asked.ok().and_then(|()| replies.recv_timeout(COMPLETION_PATIENCE).ok());
        Ok(found.unwrap_or((cursor, Vec::new())))
    }
}

impl Helper for Completions {}

impl Hinter for Completions {
    type Hint = String;
}

impl Highlighter for Completions {}

impl Validator for Completions {}
