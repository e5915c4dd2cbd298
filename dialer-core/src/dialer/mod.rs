//! The dialer: the doors of the business machine, and the routes between its rooms.

use std::collections::VecDeque;
use std::time::Duration;

use crate::input::Input;
use crate::live::LiveView;
use crate::output::Output;
use crate::time::Now;

/// Limits of a dialer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Due tasks kept in hand per campaign.
    pub supply_max: u32,
    /// Attempts open at once, all campaigns.
    pub calls_max: u32,
    /// Agents known at once.
    pub agents_max: u32,
    /// Campaigns known at once.
    pub campaigns_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { supply_max: 256, calls_max: 10_000, agents_max: 10_000, campaigns_max: 1_000 }
    }
}

/// The business machine. Tell it what happened, drain what it wants done, call it again at its timeout.
#[derive(Debug)]
pub struct Dialer {
    options: Options,
    outputs: VecDeque<Output>,
}

impl Dialer {
    /// A dialer at rest. It does nothing before [`Input::Recovered`].
    pub fn new(options: Options, _now: Now) -> Self {
        Self { options, outputs: VecDeque::new() }
    }

    /// Takes in one thing that happened. Timers run on [`Input::Timeout`] alone.
    pub fn handle_input(&mut self, input: Input, now: Now) {
        tracing::trace!(?input, ?now, ?self.options, "input");
    }

    /// The next thing to be done, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The monotonic instant, in campaign time, at which [`Input::Timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    /// What a wallboard shows.
    pub fn live(&self, now: Now) -> LiveView {
        LiveView { at: now.utc, ..LiveView::default() }
    }
}
