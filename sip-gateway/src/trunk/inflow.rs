//! Inflow: how many calls from outside a trunk may bring, a second and at once.

use std::time::Duration;

/// A second's worth of calls at once, and then so many a second. A pure machine.
#[derive(Clone, Copy, Debug)]
pub struct Inflow {
    /// Time that each call takes of the trunk's; `None`: as many come as may.
    each: Option<Duration>,
    /// Until when that of those taken lasts.
    until: Duration,
}

impl Inflow {
    /// `per_second`: calls a second, above zero; `None`: no limit.
    pub fn new(per_second: Option<f64>) -> Self {
        let each = per_second.and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok());
        Self { each, until: Duration::ZERO }
    }

    /// Whether one more is taken now.
    pub fn takes(&self, now: Duration) -> bool {
        let most = |each: Duration| each.max(Duration::from_secs(1));
        self.each
            .is_none_or(|each| self.until.max(now).saturating_add(each) <= now.saturating_add(most(each)))
    }

    /// One was taken.
    pub fn taken(&mut self, now: Duration) {
        if let Some(each) = self.each {
            self.until = self.until.max(now).saturating_add(each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(inflow: &mut Inflow, many: u32, at_ms: u64) -> u32 {
        let now = Duration::from_millis(at_ms);
        (0..many).fold(0, |taken, _| {
            let takes = inflow.takes(now);
            if takes {
                inflow.taken(now);
            }
            taken + u32::from(takes)
        })
    }

    #[test]
    fn a_second_s_worth_comes_at_once_and_then_so_many_a_second() {
        let mut inflow = Inflow::new(Some(4.0));
        assert_eq!(taken(&mut inflow, 9, 1_000), 4);
        assert_eq!(taken(&mut inflow, 9, 1_249), 0);
        assert_eq!(taken(&mut inflow, 9, 1_250), 1);
        assert_eq!(taken(&mut inflow, 9, 2_000), 3);
        assert_eq!(taken(&mut inflow, 9, 9_000), 4, "a long rest saves no more than a second");
    }

    #[test]
    fn less_than_one_a_second_is_one_in_that_time() {
        let mut inflow = Inflow::new(Some(0.5));
        assert_eq!(taken(&mut inflow, 9, 0), 1);
        assert_eq!(taken(&mut inflow, 9, 1_999), 0);
        assert_eq!(taken(&mut inflow, 9, 2_000), 1);
    }

    #[test]
    fn without_a_limit_all_are_taken() {
        assert_eq!(taken(&mut Inflow::new(None), 1_000, 0), 1_000);
    }
}
