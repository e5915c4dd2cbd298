//! What survives a restart: what was learnt, the price and the ledger.

use serde::{Deserialize, Serialize};

use super::learnt::{Frame, Learnt};
use super::price::Price;
use super::{Predictive, PredictiveOptions};
use crate::budget::Ledger;
use crate::event::Segment;

/// Version of the state; another one is refused.
const VERSION: u32 = 1;

/// All that a predictive pacer knows beyond the calls and agents of the moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictiveState {
    version: u32,
    learnt: Learnt,
    /// What the counts of segments in `learnt` are of, in their order. Earlier states have none: their counts are forgotten.
    #[serde(default)]
    segments: Vec<Segment>,
    price: Price,
    ledger: Ledger,
}

/// Why a stored state can't be taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateProblem {
    /// It was written by another version.
    Version(u32),
    /// Its figures are not finite, negative or too few.
    Figures,
}

impl std::fmt::Display for StateProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StateProblem::Version(version) => write!(formatter, "version: {version} where {VERSION} is read"),
            StateProblem::Figures => write!(formatter, "learnt: figures can't be counted with"),
        }
    }
}

impl std::error::Error for StateProblem {}

impl PredictiveState {
    /// The ledger in it.
    pub fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// The same with another ledger: one that was counted anew is believed more than a written one.
    pub fn with_ledger(self, ledger: Ledger) -> Self {
        Self { ledger, ..self }
    }
}

impl Predictive {
    /// What is to be stored. Calls and agents are not in it: events tell them again after a restart.
    pub fn state(&self) -> PredictiveState {
        PredictiveState {
            version: VERSION,
            learnt: self.learnt.clone(),
            segments: self.lines.segment_names(),
            price: self.price,
            ledger: self.ledger,
        }
    }

    /// A pacer that goes on from a stored state. The launch is taken as done where anything was learnt.
    pub fn restore(options: PredictiveOptions, state: PredictiveState) -> Result<Self, StateProblem> {
        let PredictiveState { version, learnt, segments, price, ledger } = state;
        if version != VERSION {
            return Err(StateProblem::Version(version));
        }
        let frame = Frame::new();
        if !learnt.fits(&frame) || !price.is_sound() {
            return Err(StateProblem::Figures);
        }
        let launched = (learnt.answers > 20.0).then_some(f64::NEG_INFINITY);
        let mut pacer = Self::with(options, frame, learnt, price, ledger, launched);
        pacer.lines.name_segments(&segments, &mut pacer.learnt);
        Ok(pacer)
    }
}
