//! SIP and media machines of a dialer.
//!
//! This crate speaks to carriers' trunks and agents' softphones. It knows nothing of campaigns, contacts or
//! law: it places the calls it is told to place ([`command::Command`]) and tells what came of them
//! ([`event::Event`]). The machines are pure: datagrams, commands and media events in, datagrams, events and
//! media commands out, `now` as the last argument. Sockets and threads live in `io`, the one I/O room.
//!
//! Rooms: `message` (wire codec), `decoded` (what a datagram is), `sdp`, `auth` (digest), `transaction` (RFC 3261 §17), `dialog` (§12),
//! `leg` (a call towards a trunk or a softphone), `ladder` (which messages a call was made of), `hep` (messages for a capture server), `trunk` (limits, registration), `registrar` (softphones),
//! `media` (RTP), `gateway` (routes between them), `fingerprint` (maps by text), `keyed` (maps by our own keys), `io` (sockets, feature `io`).

pub mod auth;
pub mod command;
pub mod decoded;
pub mod dialog;
pub mod event;
mod fingerprint;
pub mod gateway;
pub mod hep;
pub mod id;
#[cfg(feature = "io")]
pub mod io;
mod keyed;
pub mod ladder;
pub mod leg;
pub mod media;
pub mod message;
pub mod options;
pub mod passport;
pub mod registrar;
pub mod resolve;
pub mod sdp;
pub mod stun;
pub mod transaction;
pub mod transport;
pub mod trunk;
pub mod verification;
