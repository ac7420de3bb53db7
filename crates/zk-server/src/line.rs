//! From the threads of HTTP to the thread of the state: questions one way, answers the other. A question waits for the
//! one before it, so no number of askers gives the state more than one thing to do at a time.

use std::sync::OnceLock;

use tokio::sync::{mpsc, oneshot};
use zk_proto::Zxid;

use crate::admin::answers::{self, Answer};
use crate::admin::authentication::Asker;
use crate::admin::commands::Action;
use crate::admin::transfer::{self, Direction, Received, Refused, Taken};
use crate::connection::SharedPipeline;
use crate::facts::{self, Measured};
use crate::metrics::definitions::Counter;
use crate::snapshots::Place;

/// Questions that may wait.
const WAITING: usize = 16;

/// A question.
#[derive(Debug)]
pub(crate) enum Question {
    /// What a command answers.
    Command(Action, oneshot::Sender<Answer>),
    /// Everything that is measured.
    Measured(oneshot::Sender<Measured>),
    /// One more of what is counted.
    Count(Counter),
    /// A snapshot, taken now.
    Snapshot(Asker, oneshot::Sender<Result<Taken, Refused>>),
    /// May a snapshot be restored, and where may it be put meanwhile?
    MayRestore(Asker, oneshot::Sender<Result<Place, Refused>>),
    /// A snapshot to be restored.
    Restore(Box<Received>, oneshot::Sender<Result<Zxid, Refused>>),
}

/// The way to a server that may not serve yet.
#[derive(Debug, Default)]
pub(crate) struct Line {
    to: OnceLock<mpsc::Sender<Question>>,
}

impl Line {
    /// The server serves from now on; what is asked comes out here.
    pub(crate) fn open(&self) -> mpsc::Receiver<Question> {
        let (to, questions) = mpsc::channel(WAITING);
        // Opened once, by the one that serves.
        let opened = self.to.set(to);
        debug_assert!(opened.is_ok(), "a line is opened once");
        questions
    }

    /// Asks, and waits for the answer. `None`: the server does not serve.
    pub(crate) async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.to.get()?.send(question(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Counts one more, once the server serves.
    pub(crate) async fn count(&self, counter: Counter) {
        if let Some(to) = self.to.get() {
            // A server that ends counts no more.
            let _ = to.send(Question::Count(counter)).await;
        }
    }

    /// Does the server serve?
    pub(crate) fn is_open(&self) -> bool {
        self.to.get().is_some_and(|to| !to.is_closed())
    }
}

/// Answers what is asked, for ever.
pub(crate) async fn answer(pipeline: SharedPipeline, mut questions: mpsc::Receiver<Question>) {
    while let Some(question) = questions.recv().await {
        // Who asked may be gone.
        match question {
            Question::Command(action, reply) => drop(reply.send(answers::of_state(&pipeline, action).await)),
            Question::Measured(reply) => drop(reply.send(facts::measured(&pipeline).await)),
            Question::Count(counter) => pipeline.borrow_mut().registry.count(counter, 1),
            Question::Snapshot(asker, reply) => drop(reply.send(transfer::take(&pipeline, &asker).await)),
            Question::MayRestore(asker, reply) => {
                let admitted = transfer::admit(&mut pipeline.borrow_mut(), Direction::In, &asker);
                drop(reply.send(admitted.map(|()| pipeline.borrow().place())));
            }
            Question::Restore(received, reply) => drop(reply.send(transfer::restore(&pipeline, *received).await)),
        }
    }
}
