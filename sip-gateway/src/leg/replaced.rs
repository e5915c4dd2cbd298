//! Whether a Replaces names a leg, and how the leg stands (RFC 3891 §3).

use super::requests::Side;
use super::{FORKS_MAX, Leg, State};
use crate::dialog::DialogId;
use crate::message::{Replaces, Response};

/// How the dialog stands that a Replaces names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Our INVITE rings there.
    Ringing,
    /// Answered.
    Up,
    /// Ended, or about to be.
    Ended,
}

impl Leg {
    /// Whether this is a phone's dialog that its user has proved to be in: called as this user, or calling as this user.
    pub fn is_phone_of(&self, user: &str) -> bool {
        let caller = || self.invite.headers.from().ok().and_then(|from| from.uri.user_decoded());
        self.options.side == Side::Phone
            && match self.is_called() {
                true => caller().is_some_and(|caller| caller == user.as_bytes()),
                false => self.options.route.trunk == user,
            }
    }

    /// Whether this is the answered dialog that a Replaces of its peer names: the tags are those of the party asked and of the
    /// other one.
    pub fn is_named_by(&self, replaces: &Replaces) -> bool {
        self.dialogs.first().is_some_and(|dialog| is_named(dialog.id(), replaces))
    }

    /// What another phone writes in a Replaces to take this one's place (RFC 3891 §6.1); `None` where nothing is up or rings.
    pub fn replaces(&self) -> Option<String> {
        let (local, remote) = match &self.state {
            State::Inviting { .. } => (&self.options.route.from_tag, self.ringing.last()?),
            State::Up(up) if up.leaving.is_none() => {
                let id = self.dialogs.first()?.id();
                (&id.local_tag, &id.remote_tag)
            }
            State::Called(_) | State::Up(_) | State::Leaving { .. } | State::Closing { .. } | State::Over => {
                return None;
            }
        };
        let remote = if remote.is_empty() { "0" } else { remote };
        Some(format!("{};to-tag={local};from-tag={remote}", self.call_id()))
    }

    /// How the dialog stands that a Replaces names; `None` where it is not this one, or one that a phone began and we have not
    /// answered: no other phone has any use for it.
    pub fn standing(&self, replaces: &Replaces) -> Option<Standing> {
        let rings = || {
            let Self { options, ringing, .. } = self;
            let rings = |tag: &&String| is_tag(&replaces.from_tag, tag);
            options.route.call_id == replaces.call_id
                && is_tag(&replaces.to_tag, &options.route.from_tag)
                && ringing.iter().any(|tag| rings(&tag))
        };
        match &self.state {
            State::Called(_) => None,
            State::Inviting { .. } => rings().then_some(Standing::Ringing),
            State::Up(up) if up.leaving.is_none() => self.is_named_by(replaces).then_some(Standing::Up),
            State::Up(_) | State::Leaving { .. } | State::Closing { .. } | State::Over => {
                (self.is_named_by(replaces) || rings()).then_some(Standing::Ended)
            }
        }
    }

    /// A device rings: another one of the same user may name it.
    pub(super) fn note_ringing(&mut self, response: &Response) {
        if self.options.side != Side::Phone || self.ringing.len() >= FORKS_MAX {
            return;
        }
        let to = response.headers.to();
        let Some(tag) = to.as_ref().ok().and_then(|to| to.tag()) else { return };
        if !self.ringing.iter().any(|known| known == tag) {
            self.ringing.push(tag.to_owned());
        }
    }
}

fn is_named(id: &DialogId, replaces: &Replaces) -> bool {
    id.call_id == replaces.call_id
        && is_tag(&replaces.to_tag, &id.local_tag)
        && is_tag(&replaces.from_tag, &id.remote_tag)
}

/// RFC 3891 §3: a zero also stands for the tag that a peer of RFC 2543 has not got.
fn is_tag(named: &str, tag: &str) -> bool {
    named == tag || (named == "0" && tag.is_empty())
}
