//! Breath: how long a loop under load rests between two turns, so that one turn serves what came meanwhile.
//!
//! To fall asleep and be woken for every datagram costs more than to serve it, on both sides of the socket. So a loop that
//! is asked often takes a breath of [`BREATH`] between turns, and one that is asked very often one of [`DEEP_BREATH`]: a person
//! on the phone can't hear either. A loop that is asked seldom answers at once.

use std::time::Duration;

/// Shortest time from one turn to the next under load.
pub const BREATH: Duration = Duration::from_millis(2);

/// The same under heavy load.
pub const DEEP_BREATH: Duration = Duration::from_millis(4);

/// How long inputs are counted to know what the load is.
const WINDOW: Duration = Duration::from_millis(50);

/// Inputs in a window from which a loop is under load: twice as many as there are breaths in it.
const INPUTS_MIN: u32 = 50;

/// Inputs in a window from which the load is heavy: sixteen to a deep breath.
const INPUTS_HEAVY: u32 = 200;

/// Counts the inputs of a loop and says how long it may rest. A pure machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breath {
    window_began: Duration,
    inputs: u32,
    /// Shortest time from one turn to the next, as the last window told.
    breath: Duration,
    turn_began: Duration,
}

impl Breath {
    /// A turn begins.
    pub fn turn(&mut self, now: Duration) {
        self.turn_began = now;
        if now.saturating_sub(self.window_began) >= WINDOW {
            // After a silence the count says nothing about now.
            let stale = now.saturating_sub(self.window_began) >= WINDOW * 2;
            self.breath = match self.inputs {
                _ if stale => Duration::ZERO,
                INPUTS_HEAVY.. => DEEP_BREATH,
                INPUTS_MIN.. => BREATH,
                _ => Duration::ZERO,
            };
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
        self.turn_began.saturating_add(self.breath).saturating_sub(now)
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
    fn the_heavier_the_load_the_deeper_the_breath() {
        assert_eq!(fed(6, 120).rest(ms(120)), DEEP_BREATH);
    }

    #[test]
    fn load_that_is_over_is_forgotten() {
        let mut breath = fed(2, 120);
        breath.turn(ms(400));
        assert_eq!(breath.rest(ms(400)), Duration::ZERO);
    }
}
