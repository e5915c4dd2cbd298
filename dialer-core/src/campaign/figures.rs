//! What a campaign counts while it runs, kept incrementally.

use std::collections::VecDeque;
use std::time::Duration;

/// Length of one step of the recent rate.
const STEP: Duration = Duration::from_secs(10);
/// Steps of the recent rate: five minutes.
const STEPS: usize = 30;
/// Buckets of the answer-to-agent histogram: one a millisecond below 64, then 16 to a doubling, up to an hour.
const BUCKETS: usize = 64 + 16 * 17;

/// Counters of one campaign.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub placed: u64,
    pub answered: u64,
    pub bridged: u64,
    pub abandoned: u64,
    /// Placed, no answer yet.
    pub ringing: u64,
    /// Answered and waiting for an agent or hearing a message.
    pub waiting: u64,
    /// Bridged now.
    pub talking: u64,
    recent: VecDeque<(u64, u64)>,
    answer_to_agent: Vec<u64>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            placed: 0,
            answered: 0,
            bridged: 0,
            abandoned: 0,
            ringing: 0,
            waiting: 0,
            talking: 0,
            recent: VecDeque::new(),
            answer_to_agent: vec![0; BUCKETS],
        }
    }
}

impl Figures {
    /// An INVITE left.
    pub fn placed(&mut self, now: Duration) {
        self.placed = self.placed.saturating_add(1);
        let step = now.as_secs() / STEP.as_secs();
        match self.recent.back_mut() {
            Some((last, count)) if *last == step => *count = count.saturating_add(1),
            Some(_) | None => self.recent.push_back((step, 1)),
        }
        if self.recent.len() > STEPS {
            self.recent.pop_front();
        }
    }

    /// Placed per hour over the last five minutes, or since `started` where that is less.
    pub fn calls_per_hour(&self, started: Duration, now: Duration) -> f64 {
        let step = now.as_secs() / STEP.as_secs();
        let first = step.saturating_sub(STEPS as u64 - 1);
        let placed: u64 = self.recent.iter().filter(|(at, _)| *at >= first).map(|(_, count)| *count).sum();
        let window = STEP * u32::try_from(STEPS).unwrap_or(u32::MAX);
        let span = now.saturating_sub(started).min(window).max(Duration::from_secs(1));
        placed as f64 * 3600.0 / span.as_secs_f64()
    }

    /// First agent audio reached a callee.
    pub fn agent_heard(&mut self, after_answer: Duration) {
        let bucket = bucket(u64::try_from(after_answer.as_millis()).unwrap_or(u64::MAX));
        if let Some(count) = self.answer_to_agent.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
    }

    /// 99th percentile of answer to agent in milliseconds, to the bucket's upper edge.
    pub fn answer_to_agent_p99_ms(&self) -> Option<u64> {
        let total: u64 = self.answer_to_agent.iter().sum();
        if total == 0 {
            return None;
        }
        let rank = total - total / 100;
        let mut seen = 0;
        for (bucket, count) in self.answer_to_agent.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(upper_edge(bucket));
            }
        }
        None
    }
}

fn bucket(milliseconds: u64) -> usize {
    if milliseconds < 64 {
        return usize::try_from(milliseconds).unwrap_or(0);
    }
    let doubling = u64::from(milliseconds.ilog2()) - 6;
    let within = (milliseconds >> (doubling + 2)) - 16;
    usize::try_from(64 + 16 * doubling + within).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

fn upper_edge(bucket: usize) -> u64 {
    if bucket < 64 {
        return bucket as u64;
    }
    let (doubling, within) = ((bucket as u64 - 64) / 16, (bucket as u64 - 64) % 16);
    ((17 + within) << (doubling + 2)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_their_edge_says() {
        for milliseconds in [0, 1, 63, 64, 65, 100, 1_000, 1_999, 2_000, 3_600_000] {
            let edge = upper_edge(bucket(milliseconds));
            assert!(
                edge >= milliseconds && edge as f64 <= milliseconds as f64 * 1.07,
                "{milliseconds} {edge}"
            );
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_99th_percentile_leaves_one_in_a_hundred_above() {
        let mut figures = Figures::default();
        assert_eq!(figures.answer_to_agent_p99_ms(), None);
        (1..=99).for_each(|_| figures.agent_heard(Duration::from_millis(20)));
        figures.agent_heard(Duration::from_millis(2_000));
        assert_eq!(figures.answer_to_agent_p99_ms(), Some(20));
        figures.agent_heard(Duration::from_millis(2_000));
        assert_eq!(figures.answer_to_agent_p99_ms(), Some(2_047));
    }

    #[test]
    fn the_rate_is_of_the_last_five_minutes() {
        let mut figures = Figures::default();
        (0..60).for_each(|second| figures.placed(Duration::from_secs(second)));
        assert_eq!(figures.calls_per_hour(Duration::ZERO, Duration::from_secs(60)), 3600.0);
        assert_eq!(figures.calls_per_hour(Duration::ZERO, Duration::from_secs(400)), 0.0);
        assert_eq!(figures.placed, 60);
    }
}
