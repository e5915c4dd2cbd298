//! A seeded call centre, driven event by event, with any pacer in its seat.
//!
//! Rooms: `plan` (scenarios), `law` and `random` (durations and where chance comes from), `fate` (what becomes of a
//! call), `world` (the events, those of contacts with an owner in `world/owned`), `desk` (the agents), `measure` (what a
//! shift brought), `policies` (pacers by name), `clairvoyant` and `ceiling` (bounds), `study` (many seeds, summed up),
//! `report` (table and page), `poster` (one picture), `fit` (a scenario from what happened).

pub mod ceiling;
mod clairvoyant;
mod desk;
#[cfg(test)]
mod external_tests;
mod fate;
pub mod fit;
pub mod law;
pub mod measure;
pub mod plan;
pub mod policies;
pub mod poster;
pub mod random;
pub mod report;
#[cfg(test)]
mod snapshot_tests;
pub mod study;
pub mod world;

pub use measure::Shift;
pub use plan::{Plan, Scenario};
pub use study::{Row, Study};
