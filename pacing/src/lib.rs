//! How many calls to place now.
//!
//! Pure arithmetic: events in, a decision out. It knows no campaign file, no phone number, no law text and no
//! clock; `Duration` since the start of the process is its only time. It places nothing itself.
//!
//! Rooms: `event` (what happened), `decision` (question and answer), `floor` (agents and calls as the events tell
//! them), `team` (agents with contacts of their own beside the pool), `budget` (abandonment ledger and the hard stop),
//! `policy` (one file a policy), `share` (agents whom several campaigns share), `journal` (what a pacer was told and asked, so
//! that its decisions can be made again).

pub mod budget;
pub mod decision;
pub mod event;
pub mod floor;
pub mod journal;
mod numeric;
pub mod policy;
pub mod share;
#[cfg(feature = "sim")]
pub mod sim;
pub mod team;

use std::collections::BTreeMap;

pub use decision::{Bound, Capacity, Decision, Forecast, Limits, Outlook, Reason, Upcoming};
pub use event::{AgentKey, CallKey, Event, EventKind, Segment};

/// A pacing policy: learns from events, answers how many calls to place.
///
/// Events are the only truth about agents and calls; [`Capacity`] carries just the room there is.
pub trait Pacer: Send {
    /// Takes in one event. Impossible events (an answer of an unknown call, time going back) are refused and counted.
    fn observe(&mut self, event: &Event);

    /// Says how many calls to place now. Allocates nothing.
    fn decide(&mut self, capacity: &Capacity) -> Decision;

    /// For whom lines leave beyond one per free agent, of those who have contacts of their own in hand (`wishes`): at most
    /// `room`, asked right after a decision and on its terms. A policy that can't foresee when an agent comes free calls nobody
    /// ahead.
    fn ahead(&self, wishes: &BTreeMap<AgentKey, u32>, room: u32) -> team::Ahead {
        let _ = (wishes, room);
        team::Ahead::default()
    }

    /// Impossible events refused so far.
    fn refused_events(&self) -> u64;
}
