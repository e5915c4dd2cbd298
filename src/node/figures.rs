//! How the trunks of a node stand, for metrics.

use carillon_sip::event::TrunkState;
use carillon_sip::trunk::tally::{TrunkCaps, TrunkTally};

use super::Node;
use crate::clock::RealNow;

/// How a trunk stands.
#[derive(Clone, Debug)]
pub struct TrunkFigures {
    /// Its name.
    pub name: String,
    /// Whether it can be used.
    pub state: TrunkState,
    /// Lines in use.
    pub lines_used: u32,
    /// What became of its calls.
    pub tally: TrunkTally,
    /// How it stands to its caps.
    pub caps: TrunkCaps,
}

impl Node {
    /// How each trunk stands, in the order of the file.
    pub fn trunks(&self, now: RealNow) -> Vec<TrunkFigures> {
        let states = self.gateway.trunks().zip(self.gateway.trunk_tallies());
        let states = states.zip(self.gateway.trunk_caps(now.monotonic));
        let figures = states.map(|(((name, state, lines_used), (_, tally)), caps)| TrunkFigures {
            name: name.to_owned(),
            state,
            lines_used,
            tally,
            caps,
        });
        figures.collect()
    }
}
