//! Who calls, signed before the INVITE leaves: by a key of ours at once, or by a service, for which the call waits.
//!
//! A call asks its service when it is placed and joins the queue of its trunk with the answer, so that the trunk's rate holds for
//! what leaves. It waits no longer than its permit lasts.

use std::time::Duration;

use super::calls::{Call, Stage};
use super::{Gateway, Output};
use crate::event::Failure;
use crate::id::CallId;
use crate::leg::SignedIdentity;
use crate::passport::{OnFailure, SignFault, SignRequest, SignedBy, date};

/// What a call has of a signature.
#[derive(Debug, Default)]
pub(super) enum Signature {
    /// Nothing: nobody was asked, or it goes out without.
    #[default]
    None,
    /// A service was asked.
    Asked {
        /// When.
        at: Duration,
        /// The time that is signed, in seconds since 1970.
        issued_at: i64,
    },
    /// It was given; boxed, since few calls wait at once and all are moved.
    Given(Box<SignedIdentity>),
}

impl Gateway {
    /// Takes a service's answer to [`Output::Sign`]: the value of an Identity header.
    pub fn signed(&mut self, request: &SignRequest, answer: Result<String, SignFault>, now: Duration) {
        self.room_changed();
        self.signature(request.call, request.trunk, answer, now);
        self.settle(now);
    }

    /// The time of day, in seconds since 1970; `None` while it was not told.
    pub(super) fn time_of_day(&self, now: Duration) -> Option<i64> {
        self.started_at?.checked_add(i64::try_from(now.as_secs()).ok()?)
    }

    /// A call is placed: it waits for its service's signature, or for its trunk's rate.
    pub(super) fn ask_or_queue(&mut self, call: CallId, now: Duration) {
        let Some(Call { trunk: index, route, wish, .. }) = self.calls.get(&call) else { return };
        let index = *index;
        let signing = self.trunks.get(index).and_then(|trunk| trunk.options.signing.as_ref());
        let Some(signing) = signing.filter(|signing| matches!(signing.by, SignedBy::Service(_))) else {
            return self.queue(call, now);
        };
        let at = self.time_of_day(now);
        let claims = at.and_then(|at| signing.claims(&route.caller_id, &wish.number, at));
        let asked = Signature::Asked { at: now, issued_at: at.unwrap_or(0) };
        if let Some(known) = self.calls.get_mut(&call) {
            known.signature = asked;
        }
        match claims {
            Some(claims) => self.outputs.push_back(Output::Sign(SignRequest { call, trunk: index, claims })),
            None => self.signature(call, index, Err(SignFault::Claims), now),
        }
    }

    fn signature(&mut self, call: CallId, index: usize, answer: Result<String, SignFault>, now: Duration) {
        // A call that ended meanwhile, or waits for another one's word, has no use for it.
        let Some(known) = self.calls.get_mut(&call).filter(|known| known.trunk == index) else { return };
        let (Stage::Queued { .. }, Signature::Asked { at, issued_at }) = (&known.stage, &known.signature)
        else {
            return;
        };
        let (at, issued_at) = (*at, *issued_at);
        let fault = answer.as_ref().err().cloned();
        known.signature = match answer {
            Ok(identity) => Signature::Given(Box::new(SignedIdentity { identity, date: date(issued_at) })),
            Err(_) => Signature::None,
        };
        let Some(trunk) = self.trunks.get_mut(index) else { return };
        let service = trunk.options.signing.as_ref().and_then(|signing| match &signing.by {
            SignedBy::Service(service) => Some(service.on_failure),
            SignedBy::Key(_) => None,
        });
        let refuse = service.is_none_or(|what| what == OnFailure::Refuse);
        let first = trunk.signed(fault.is_none(), now.saturating_sub(at));
        if let Some(fault) = fault {
            // Once, until something is signed again.
            if first {
                let then =
                    if refuse { "its calls are not made" } else { "its calls go out without Identity" };
                tracing::warn!(trunk = %trunk.options.name, %fault, "calls can't be signed; {then}");
            }
            if refuse {
                let state = trunk.rest_unsigned(now);
                self.tell_trunk(index, state);
                if !self.divert(call, Failure::Unsigned, now) {
                    self.fail_unsent(call, Failure::Unsigned, now);
                }
                return;
            }
        }
        self.queue(call, now);
    }

    /// What the INVITE of a call says of who calls, signed; nothing where the trunk wants none.
    pub(super) fn take_identity(&mut self, call: CallId, now: Duration) -> Option<SignedIdentity> {
        let known = self.calls.get_mut(&call)?;
        if let Signature::Given(identity) = std::mem::take(&mut known.signature) {
            return Some(*identity);
        }
        let known = self.calls.get(&call)?;
        let trunk = self.trunks.get(known.trunk)?;
        let signing = trunk.options.signing.as_ref()?;
        let SignedBy::Key(key) = &signing.by else { return None };
        let at = self.time_of_day(now)?;
        let claims = signing.claims(&known.route.caller_id, &known.wish.number, at);
        let identity = claims.and_then(|claims| key.identity(&claims));
        if identity.is_none() {
            tracing::warn!(trunk = %trunk.options.name, "a call can't be signed; it goes out without Identity");
        }
        Some(SignedIdentity { identity: identity?, date: date(at) })
    }
}
