//! What becomes of a call, drawn from its own stream: the same under every policy.

use super::plan::Scenario;
use super::random::{Kind, Stream};
use crate::event::{Ending, Segment};

/// What becomes of a call if an agent is there for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub segment: Segment,
    /// Seconds from placing to ringing; `None` where it never rings.
    pub rings_s: Option<f64>,
    /// Seconds from placing to answer, verdict or failure.
    pub settles_s: f64,
    pub end: End,
}

/// How a call settles.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// Given to agents: a person, or a machine taken for one.
    Live { talk_s: f64, patience_s: f64, person: bool },
    /// Taken for a machine.
    Machine { person: bool },
    /// No answer.
    Failed(Ending),
}

/// Talk with a machine until the agent notices.
const MACHINE_TALK_S: f64 = 6.0;

impl Fate {
    /// The fate of the call with this index, placed at this time. Draws are made in a fixed order.
    pub fn draw(scenario: &Scenario, seed: u64, index: u64, day_s: f64) -> Self {
        let mut stream = Stream::new(seed, Kind::Call, index);
        let (part, factor) = segment(scenario, stream.uniform());
        let live = stream.uniform();
        let rate = (scenario.answer_rate_at(day_s / 3600.0) * factor).clamp(0.0, 1.0);
        let which = stream.uniform();
        let post_dial_s = scenario.post_dial.draw(&mut stream);
        let (talk_s, patience_s) = (scenario.talk.draw(&mut stream), scenario.patience.draw(&mut stream));
        let drift = 1.0 + (scenario.talk_drift - 1.0) * (day_s / (scenario.hours * 3600.0)).clamp(0.0, 1.0);
        let talk_s = talk_s * drift;
        let judged = stream.uniform();
        let delay_s = scenario.detection.as_ref().map_or(0.0, |it| it.delay.draw(&mut stream));
        let segment = Segment { trunk: 0, hour: 0, attempt: part };
        if let Some(outage) = scenario.outage
            && (outage.at_h * 3600.0..outage.at_h * 3600.0 + outage.minutes * 60.0).contains(&day_s)
        {
            let settles_s = scenario.until_congestion.draw(&mut stream);
            return Self { segment, rings_s: None, settles_s, end: End::Failed(Ending::Network) };
        }
        let (people_lost, machines_passed) =
            scenario.detection.as_ref().map_or((0.0, 0.0), |it| (it.people_lost, it.machines_passed));
        let given = |person, talk_s| End::Live { talk_s, patience_s, person };
        let (rings, settles_s, end) = if live < rate {
            let end = if judged < people_lost { End::Machine { person: true } } else { given(true, talk_s) };
            (true, scenario.ring_live.draw(&mut stream) + delay_s, end)
        } else {
            let others = &scenario.others;
            let total = others.machine + others.busy + others.no_answer + others.congestion;
            let point = which * total;
            if point < others.machine {
                let end = if judged < machines_passed {
                    given(false, MACHINE_TALK_S)
                } else {
                    End::Machine { person: false }
                };
                (true, scenario.ring_machine.draw(&mut stream) + delay_s, end)
            } else if point < others.machine + others.busy {
                (false, scenario.until_busy.draw(&mut stream), End::Failed(Ending::Callee))
            } else if point < others.machine + others.busy + others.no_answer {
                (true, scenario.ring_unanswered.draw(&mut stream), End::Failed(Ending::Callee))
            } else {
                (false, scenario.until_congestion.draw(&mut stream), End::Failed(Ending::Network))
            }
        };
        let rings_s = (rings && scenario.ringing_told).then_some(post_dial_s);
        Self { segment, rings_s, settles_s: post_dial_s + settles_s, end }
    }
}

/// The segment of the call with this index, as the list knows it before the call is placed.
pub(super) fn segment_of(scenario: &Scenario, seed: u64, index: u64) -> Segment {
    let (part, _) = segment(scenario, Stream::new(seed, Kind::Call, index).uniform());
    Segment { trunk: 0, hour: 0, attempt: part }
}

fn segment(scenario: &Scenario, point: f64) -> (u8, f64) {
    let total: f64 = scenario.segments.iter().map(|part| part.share).sum();
    let mut left = point * total;
    for (index, part) in scenario.segments.iter().enumerate() {
        left -= part.share;
        if left < 0.0 {
            return (index as u8 + 1, part.factor);
        }
    }
    (0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_as_planned() {
        let scenario = Scenario { answer_rate: 0.25, ..Scenario::default() };
        let fates: Vec<Fate> = (0..40_000).map(|index| Fate::draw(&scenario, 3, index, 0.0)).collect();
        let count = |wanted: fn(&End) -> bool| {
            fates.iter().filter(|fate| wanted(&fate.end)).count() as f64 / fates.len() as f64
        };
        assert!((count(|end| matches!(end, End::Live { .. })) - 0.25).abs() < 0.01);
        assert!((count(|end| matches!(end, End::Machine { .. })) - 0.75 * 0.38).abs() < 0.01);
        assert!((count(|end| matches!(end, End::Failed(Ending::Network))) - 0.075).abs() < 0.01);
    }
}
