//! The business machine of a dialer.
//!
//! It decides whom to call, when, and what becomes of each task. It speaks no SIP, opens no socket and reads no
//! clock: it is told what happened ([`input::Input`]), answers with values to be carried out
//! ([`output::Output`]) and is driven by `now`. The one I/O room is `store` (feature `store`).
//!
//! Rooms: `campaign` (spec and run state), `contact` (people, numbers, import), `task`, `attempt`, `agent`,
//! `compliance` (the only place that mints a permit), `selection` (who next, which agent), `disposition`,
//! `closure` (close or retry), `trunk` (where the next calls go), `live` (what a wallboard shows), `ladder` (which messages a call was made of), `store` (SQLite), `dialer` (routes between them).

pub mod agent;
pub mod attempt;
pub mod campaign;
pub mod closure;
pub mod compliance;
pub mod contact;
pub mod dialer;
pub mod disposition;
pub mod id;
pub mod inbound;
pub mod input;
pub mod ladder;
pub mod live;
pub mod output;
mod selection;
pub mod store;
pub mod task;
pub mod time;
pub mod trunk;
