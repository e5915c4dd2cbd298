//! Real parts: `carillon run` between SIPp as carrier and baresip, linphonec (or SIPp) as agent, on the loopback.
//!
//! Nothing here shares code with what it tests: audio is made, coded and found again by the rig's own arithmetic, and
//! SIP is spoken by programs that others wrote. A missing program fails the tests that need it.

mod audio;
mod capture;
mod check;
mod consult;
mod devices;
mod dialog;
mod digest;
mod exits;
mod families;
mod flood;
mod harbour;
mod identity;
mod inbound;
mod legs;
mod linphone;
mod loss;
mod names;
mod outcomes;
mod path;
mod proxy;
mod races;
mod register;
mod replay;
mod resume;
pub mod rig;
mod rsipstack;
mod service;
mod sipvicious;
mod strangers;
mod takeover;
mod tcp;
mod tls;
mod trunks;
mod verification;
mod wallboard;
mod websocket;
mod workers;
