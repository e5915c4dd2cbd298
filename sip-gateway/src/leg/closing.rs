//! The end of an answered leg: our BYE until it is answered (RFC 3261 §15.1.1).

use std::time::Duration;

use super::wire::{Owner, Wire};
use super::{Leg, Notice, State, reason};
use crate::auth::{Answers, Asked};
use crate::message::{HeaderName, Method, Response};
use crate::transaction::TransactionKey;

impl Leg {
    /// Sends BYE; `then` is told once it is answered or given up.
    pub(super) fn close(&mut self, then: Notice, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        // §15: a callee sends no BYE before the ACK of its 2xx has come, or is given up.
        if let State::Up(up) = &mut self.state
            && up.reinvite.as_ref().is_some_and(|reinvite| reinvite.first)
        {
            up.leaving.get_or_insert(then);
            return Vec::new();
        }
        match self.send_bye(0, reason::of_notice(&then), &[], Owner::Leg(self.id), wire, now) {
            Some(bye) => {
                self.change(State::Closing { bye, answers: Answers::default(), then });
                self.deadline = Some(now.saturating_add(self.limit()));
                Vec::new()
            }
            None => self.finish(then, now),
        }
    }

    /// Sends BYE in one of its dialogs; `reason` is the value of its Reason header.
    pub(super) fn send_bye(
        &mut self,
        index: usize,
        reason: &'static str,
        authorization: &[(HeaderName, String)],
        owner: Owner,
        wire: &mut Wire,
        now: Duration,
    ) -> Option<TransactionKey> {
        let dialog = self.dialogs.get_mut(index)?;
        let mut request = dialog.request(Method::Bye, &wire.names.branch());
        request.headers.append(HeaderName::Reason, reason);
        for (name, value) in authorization {
            request.headers.append(name.clone(), value.clone());
        }
        wire.send(owner, request, dialog.destination(), dialog.local(), now).ok()
    }

    /// A response to our BYE. Whatever it says, the call is over (§15.1.1), unless it asks who we are.
    pub(super) fn closing(&mut self, response: &Response, wire: &mut Wire, now: Duration) -> Vec<Notice> {
        let State::Closing { answers, then, .. } = &mut self.state else { return Vec::new() };
        if response.status < 200 {
            return Vec::new();
        }
        let (mut answers, then) = (std::mem::take(answers), then.clone());
        let credentials = self.options.credentials.as_ref();
        let authorization = self.dialogs.first().zip(credentials).and_then(|(dialog, credentials)| {
            let asked = Asked { method: "BYE", uri: dialog.remote_target().raw(), body: b"" };
            answers.answer(response, credentials, asked, || wire.names.cnonce())
        });
        let sent = authorization.and_then(|authorization| {
            self.send_bye(0, reason::of_notice(&then), &authorization, Owner::Leg(self.id), wire, now)
        });
        match sent {
            Some(bye) => {
                self.change(State::Closing { bye, answers, then });
                Vec::new()
            }
            None => self.finish(then, now),
        }
    }
}
