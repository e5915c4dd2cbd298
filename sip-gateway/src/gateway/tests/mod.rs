//! The gateway seen from outside: commands and datagrams in, events, datagrams and media commands out.

mod agent_per_call;
mod agent_persistent;
mod attended;
mod cancel;
mod chaos;
mod consult;
mod devices;
mod digest;
mod divert;
mod early;
mod families;
mod identity;
mod in_dialog;
mod incoming;
mod ladders;
mod late_offer;
mod limits;
mod orphan;
mod places;
mod prompt;
mod reason;
mod refused;
mod registrar;
mod session_timer;
mod stun;
mod takeover;
mod tcp;
mod transfer;
mod trunk_call;
mod trunk_registration;
mod verification;

use crate::event::{EndedBy, Event, Failure};
use crate::id::CallId;

const CALL: CallId = CallId(1);

fn failed(failure: Failure) -> Vec<Event> {
    vec![Event::Failed { call: CALL, failure }]
}

fn ended(by: EndedBy, reason: &'static str) -> Vec<Event> {
    vec![Event::Ended { call: CALL, by, reason }]
}
