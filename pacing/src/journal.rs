//! What a pacer was told and asked, entry by entry, so that each of its decisions can be made again.
//!
//! Entries tell only what has changed since the one before. [`Recorder`] makes them of events and questions, [`Player`]
//! makes events and questions of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::decision::{Capacity, Decision, Limits, Outlook, Upcoming};
use crate::event::{Event, EventKind};

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    /// The pacer was told of an event.
    Told {
        /// Nanoseconds since the entry before; negative where the clock went back.
        after_ns: i64,
        /// What happened.
        kind: EventKind,
    },
    /// The pacer was asked.
    Asked {
        /// Nanoseconds since the entry before.
        after_ns: i64,
        /// Lines that the trunks' concurrency allowed.
        lines_free: u32,
        /// Calls that the trunks' rate caps allowed.
        calls_per_second_free: u32,
        /// Tasks in hand.
        supply: u32,
        /// The limits where they changed.
        limits: Option<Limits>,
        /// The next tasks where they changed.
        upcoming: Option<Upcoming>,
        /// The outlook where it changed.
        outlook: Option<Option<Outlook>>,
        /// What it answered.
        said: Said,
    },
}

/// What tells whether a decision was made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Calls to place.
    pub place: u32,
    /// A sum over every bit of the decision, its whole reason included.
    pub check: u32,
}

impl Said {
    /// Of a decision.
    pub fn of(decision: &Decision) -> Self {
        let Decision { place, until, reason } = decision;
        let forecast = reason.forecast.map(|it| {
            [
                it.horizon_s,
                it.answers,
                it.answers_deviation,
                it.agents,
                it.agents_deviation,
                it.risk,
                it.risk_accepted,
                it.exposure,
                it.allowance,
            ]
        });
        let figures = [
            u64::from(*place),
            until.as_secs(),
            until.subsec_nanos().into(),
            reason.bound as u64,
            reason.agents_free.into(),
            reason.lines_out.into(),
            reason.lines_wanted.into(),
            forecast.is_some().into(),
        ];
        // FNV-1a over words instead of bytes.
        let words = figures.into_iter().chain(forecast.into_iter().flatten().map(f64::to_bits));
        let sum = words.fold(0xcbf2_9ce4_8422_2325_u64, |sum, word| {
            let mixed = (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3);
            mixed ^ (mixed >> 29)
        });
        Self { place: *place, check: (sum ^ (sum >> 32)) as u32 }
    }
}

/// What entries leave out because it has not changed.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    latest: Duration,
    limits: Option<Limits>,
    upcoming: Option<Upcoming>,
    outlook: Option<Option<Outlook>>,
}

/// Makes entries. Those after [`Recorder::new`] need none before it.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    known: Known,
}

impl Recorder {
    /// One whose first entry counts its time from `from`.
    pub fn new(from: Duration) -> Self {
        Self { known: Known { latest: from, ..Known::default() } }
    }

    /// The entry of an event.
    pub fn told(&mut self, event: &Event) -> Entry {
        Entry::Told { after_ns: self.after_ns(event.at), kind: event.kind }
    }

    /// The entry of a question and its answer.
    pub fn asked(&mut self, capacity: &Capacity, decision: &Decision) -> Entry {
        let after_ns = self.after_ns(capacity.now);
        let Capacity { now: _, lines_free, calls_per_second_free, supply, limits, upcoming, outlook } =
            *capacity;
        Entry::Asked {
            after_ns,
            lines_free,
            calls_per_second_free,
            supply,
            limits: changed(&mut self.known.limits, limits),
            upcoming: changed(&mut self.known.upcoming, upcoming),
            outlook: changed(&mut self.known.outlook, outlook),
            said: Said::of(decision),
        }
    }

    fn after_ns(&mut self, at: Duration) -> i64 {
        let latest = std::mem::replace(&mut self.known.latest, at);
        let nanoseconds = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        if at >= latest { nanoseconds(at - latest) } else { -nanoseconds(latest - at) }
    }
}

/// The value where it is not what was known.
fn changed<T: Copy + PartialEq>(known: &mut Option<T>, value: T) -> Option<T> {
    (known.replace(value) != Some(value)).then_some(value)
}

/// What an entry was made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Played {
    /// An event.
    Told(Event),
    /// A question, and what was answered.
    Asked(Capacity, Said),
}

/// Makes events and questions of entries.
#[derive(Clone, Debug, Default)]
pub struct Player {
    known: Known,
}

impl Player {
    /// For the entries of a recorder that began at `from`.
    pub fn new(from: Duration) -> Self {
        Self { known: Known { latest: from, ..Known::default() } }
    }

    /// What the next entry was made of; `None` where it leaves out what no entry before it told.
    pub fn play(&mut self, entry: &Entry) -> Option<Played> {
        match entry {
            Entry::Told { after_ns, kind } => {
                self.pass(*after_ns);
                Some(Played::Told(Event { at: self.known.latest, kind: *kind }))
            }
            Entry::Asked {
                after_ns,
                lines_free,
                calls_per_second_free,
                supply,
                limits,
                upcoming,
                outlook,
                said,
            } => {
                self.pass(*after_ns);
                let known = &mut self.known;
                known.limits = limits.or(known.limits);
                known.upcoming = upcoming.or(known.upcoming);
                known.outlook = outlook.or(known.outlook);
                let capacity = Capacity {
                    now: known.latest,
                    lines_free: *lines_free,
                    calls_per_second_free: *calls_per_second_free,
                    supply: *supply,
                    limits: known.limits?,
                    upcoming: known.upcoming?,
                    outlook: known.outlook?,
                };
                Some(Played::Asked(capacity, *said))
            }
        }
    }

    fn pass(&mut self, after_ns: i64) {
        let span = Duration::from_nanos(after_ns.unsigned_abs());
        let latest = self.known.latest;
        self.known.latest =
            if after_ns < 0 { latest.saturating_sub(span) } else { latest.saturating_add(span) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::{Bound, Forecast, Reason};
    use crate::event::{CallKey, Segment};

    fn capacity(now_ms: u64, outlook: Option<f64>) -> Capacity {
        let mut upcoming = Upcoming::default();
        upcoming.add(Segment { trunk: 0, hour: 9, attempt: (now_ms % 3) as u8 });
        Capacity {
            now: Duration::from_millis(now_ms),
            lines_free: 7,
            calls_per_second_free: 3,
            supply: 100,
            limits: Limits::new(0.03, true),
            upcoming,
            outlook: outlook.map(|agent_hours_left| Outlook { agent_hours_left }),
        }
    }

    fn decision() -> Decision {
        let forecast = Some(Forecast { risk: 0.1, ..Forecast::default() });
        let reason = Reason { bound: Bound::Risk, agents_free: 1, lines_out: 2, lines_wanted: 3, forecast };
        Decision { place: 4, until: Duration::from_secs(9), reason }
    }

    #[test]
    fn what_is_recorded_is_played() {
        let from = Duration::from_secs(5);
        let (mut recorder, mut player) = (Recorder::new(from), Player::new(from));
        let said = Said::of(&decision());
        // The third one is before the second: the clock went back.
        for (at_ms, outlook) in
            [(5_000, None), (5_050, Some(1.0 / 3.0)), (4_000, Some(1.0 / 3.0)), (9_000, None)]
        {
            let event = Event {
                at: Duration::from_millis(at_ms),
                kind: EventKind::CallRinging { call: CallKey(at_ms) },
            };
            assert_eq!(player.play(&recorder.told(&event)), Some(Played::Told(event)));
            let capacity = capacity(at_ms, outlook);
            let entry = recorder.asked(&capacity, &decision());
            assert_eq!(player.play(&entry), Some(Played::Asked(capacity, said)));
        }
        let same = recorder.asked(&capacity(9_000, None), &decision());
        assert!(matches!(
            same,
            Entry::Asked { after_ns: 0, limits: None, upcoming: None, outlook: None, .. }
        ));
        assert_eq!(Player::new(from).play(&same), None, "needs those before it");
    }

    #[test]
    fn every_figure_of_a_decision_is_in_the_check() {
        let base = decision();
        let mut others = vec![
            Decision { place: 5, ..base },
            Decision { until: Duration::from_millis(9_001), ..base },
            Decision { reason: Reason { bound: Bound::Budget, ..base.reason }, ..base },
            Decision { reason: Reason { agents_free: 2, ..base.reason }, ..base },
            Decision { reason: Reason { lines_out: 3, ..base.reason }, ..base },
            Decision { reason: Reason { lines_wanted: 4, ..base.reason }, ..base },
            Decision { reason: Reason { forecast: None, ..base.reason }, ..base },
        ];
        let forecast = |change: fn(&mut Forecast)| {
            let mut forecast = Forecast { risk: 0.1, ..Forecast::default() };
            change(&mut forecast);
            Decision { reason: Reason { forecast: Some(forecast), ..base.reason }, ..base }
        };
        others.extend([
            forecast(|it| it.horizon_s = 1e-300),
            forecast(|it| it.answers = -0.0),
            forecast(|it| it.answers_deviation = 1.0),
            forecast(|it| it.agents = 1.0),
            forecast(|it| it.agents_deviation = 1.0),
            forecast(|it| it.risk = 0.1_f64.next_up()),
            forecast(|it| it.risk_accepted = 1.0),
            forecast(|it| it.exposure = 1.0),
            forecast(|it| it.allowance = f64::NAN),
        ]);
        let said = Said::of(&base);
        for other in others {
            assert_ne!(Said::of(&other), said, "{other:?}");
        }
    }
}
