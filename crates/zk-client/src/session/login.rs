//! The SASL exchange that comes before everything else of a session.

use time_types::Tick;
use zk_proto::ops::{SaslRequest, SaslResponse};
use zk_proto::{Request, Response};

use super::{Effect, Session};
use crate::Error;
use crate::client::State;
use crate::watcher::Event;

impl<T> Session<T> {
    /// A server's token: it is answered, or ends the exchange one way or the other. A server without SASL answers with
    /// none, which is a no.
    pub(super) fn logging_in(&mut self, now: Tick, answer: Result<Response, Error>, effects: &mut Vec<Effect<T>>) {
        let token = match answer {
            Ok(Response::Sasl(SaslResponse { token: Some(token) })) => Some(token),
            _ => None,
        };
        let step = self.exchange.as_mut().zip(token).map(|(exchange, token)| exchange.step(&token));
        match (step, self.key) {
            (Some(Ok(Some(answer))), _) => {
                self.send(now, Request::Sasl(SaslRequest { token: Some(answer.into()) }), None);
            }
            (Some(Ok(None)), Some(key)) => {
                self.exchange = None;
                effects.push(Effect::Became(State::Connected(key)));
                effects.push(Effect::Tell(Event::SaslAuthenticated));
                self.connected(now);
            }
            _ => self.not_authenticated(effects),
        }
    }

    pub(super) fn not_authenticated(&mut self, effects: &mut Vec<Effect<T>>) {
        effects.push(Effect::Disconnect);
        effects.push(Effect::Tell(Event::AuthFailed));
        self.end(Error::AuthFailed { path: String::new() }, State::AuthFailed, effects);
    }
}
