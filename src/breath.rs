//! Breath: how long a loop under load rests between two turns, so that one turn serves what came meanwhile.
//!
//! To fall asleep and be woken for every datagram costs more than to serve it, on both sides of the socket. So a loop that
//! is asked often takes a breath of [`BREATH`] between turns: a person on the phone can't hear it. A loop that is
//! asked seldom answers at once.

use std::time::Duration;

/// Shortest time from one turn to the next under load.
pub const BREATH: Duration = Duration::from_millis(2);

/// How long inputs are counted to know what the load is.
const WINDOW: Duration = Duration::from_millis(50);

/// Inputs in a window from which a loop is under load: twice as many as there are breaths in it.
const INPUTS_MIN: u32 = 50;

/// Counts the inputs of a loop and says how long it may rest. A pure machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breath {
    window_began: Duration,
    inputs: u32,
    loaded: bool,
    turn_began: Duration,
}

impl Breath {
    /// A turn begins.
    pub fn turn(&mut self, now: Duration) {
        self.turn_began = now;
        if now.saturating_sub(self.window_began) >= WINDOW {
            // After a silence the count says nothing about now.
            let stale = now.saturating_sub(self.window_began) >= WINDOW * 2;
            self.loaded = self.inputs >= INPUTS_MIN && !stale;
            self.inputs = 0;
            self.window_began = now;
        }
    }

    /// Something was taken in.
    pub fn input(&mut self) {
        self.inputs = self.inputs.saturating_add(1);
    }

    /// How long to rest before the next turn; nothing when the loop is not under load, or this turn took as long already.
    pub fn rest(&self, now: Duration) -> Duration {
        if !self.loaded {
            return Duration::ZERO;
        }
        self.turn_began.saturating_add(BREATH).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn fed(inputs_per_ms: u32, until_ms: u64) -> Breath {
        let mut breath = Breath::default();
        for at in 0..=until_ms {
            breath.turn(ms(at));
            (0..inputs_per_ms).for_each(|_| breath.input());
        }
        breath
    }

    #[test]
    fn a_quiet_loop_answers_at_once() {
        let mut breath = Breath::default();
        for at in (0..1_000).step_by(20) {
            breath.turn(ms(at));
            breath.input();
            assert_eq!(breath.rest(ms(at)), Duration::ZERO);
        }
    }

    #[test]
    fn a_loop_under_load_rests_until_its_turn_is_a_breath_old() {
        let breath = fed(2, 120);
        assert_eq!(breath.rest(ms(120)), BREATH);
        assert_eq!(breath.rest(ms(121)), ms(1));
        assert_eq!(breath.rest(ms(125)), Duration::ZERO, "a long turn is followed by the next at once");
    }

    #[test]
    fn load_that_is_over_is_forgotten() {
        let mut breath = fed(2, 120);
        breath.turn(ms(400));
        assert_eq!(breath.rest(ms(400)), Duration::ZERO);
    }
}
