use super::*;

/// A machine that can carry so many calls a second: each costs the engine its share of a second.
struct Simulated {
    admission: Admission,
    now: Duration,
    /// Work that waits, in seconds.
    backlog: f64,
    second_per_call: f64,
    carried: u32,
    callers_taken: u32,
    refused_others: u32,
}

impl Simulated {
    fn new(calls_per_second: f64) -> Self {
        let admission = Admission::default();
        let second_per_call = 1.0 / calls_per_second;
        Self {
            admission,
            now: Duration::ZERO,
            backlog: 0.0,
            second_per_call,
            carried: 0,
            callers_taken: 0,
            refused_others: 0,
        }
    }

    /// One window in which calls of ours are offered at a rate, every 50 ms as a pacer does, and others call every 5 ms.
    fn window(&mut self, offered_per_second: f64, callers_per_second: f64) {
        for _ in 0..2 {
            let wanted = (offered_per_second * 0.05) as u32;
            let placed = wanted.min(self.admission.calls_free(self.now));
            (0..placed).for_each(|_| self.take_on());
            self.carried += placed;
            for _ in 0..10 {
                for _ in 0..(callers_per_second * 0.005) as u32 {
                    if self.admission.takes_caller(self.now) && !self.admission.sheds() {
                        self.take_on();
                        self.callers_taken += 1;
                    }
                }
                self.now += WINDOW / 20;
            }
        }
        let busy = self.backlog.min(WINDOW.as_secs_f64());
        self.backlog -= busy;
        let load = Load {
            window: WINDOW,
            busy: Duration::from_secs_f64(busy),
            lag: Duration::from_secs_f64(self.backlog),
            store: Duration::ZERO,
        };
        self.admission.judge(&load, self.now);
        self.refused_others += u32::from(self.admission.sheds());
    }

    fn take_on(&mut self) {
        self.admission.placed(self.now);
        self.backlog += self.second_per_call;
    }

    /// Calls of ours carried a second.
    fn run(&mut self, offered_per_second: f64, seconds: u32) -> f64 {
        self.run_both(offered_per_second, 0.0, seconds).0
    }

    /// Calls of ours, and calls from outside, carried a second.
    fn run_both(&mut self, offered_per_second: f64, callers_per_second: f64, seconds: u32) -> (f64, f64) {
        let before = (self.carried, self.callers_taken);
        (0..seconds * 10).for_each(|_| self.window(offered_per_second, callers_per_second));
        let a_second = |calls: u32| f64::from(calls) / f64::from(seconds);
        (a_second(self.carried - before.0), a_second(self.callers_taken - before.1))
    }
}

#[test]
fn a_machine_that_is_well_paces_nothing() {
    let mut machine = Simulated::new(1_000.0);
    let carried = machine.run(700.0, 20);
    assert!((699.0..=700.0).contains(&carried), "{carried}");
    assert_eq!(machine.admission.rate(), None);
    assert_eq!(machine.admission.calls_free(machine.now), u32::MAX);
    assert_eq!(machine.admission.changes_at(machine.now), None);
}

#[test]
fn at_twice_what_it_can_carry_it_carries_nearly_all_of_it_without_a_backlog() {
    for offered in [1.2, 2.0, 5.0] {
        let mut machine = Simulated::new(1_000.0);
        machine.run(offered * 1_000.0, 10);
        let carried = machine.run(offered * 1_000.0, 30);
        assert!((850.0..1_000.0).contains(&carried), "{offered}: {carried}");
        assert!(machine.backlog < 0.1, "{offered}: {} s of work wait", machine.backlog);
    }
}

#[test]
fn others_are_refused_in_the_worst_of_it_only() {
    let mut machine = Simulated::new(1_000.0);
    machine.run(5_000.0, 30);
    let refused = machine.refused_others;
    assert!(refused < 30, "{refused} windows of 300");
    machine.run(5_000.0, 30);
    assert_eq!(machine.refused_others, refused, "once calls of ours are paced there is room for others");
}

#[test]
fn of_twice_as_many_callers_nearly_all_that_it_can_carry_are_taken_without_a_backlog() {
    for callers in [1.2, 2.0, 5.0] {
        let mut machine = Simulated::new(1_000.0);
        machine.run_both(0.0, callers * 1_000.0, 10);
        let refused = machine.refused_others;
        let (_, taken) = machine.run_both(0.0, callers * 1_000.0, 30);
        assert!((850.0..1_000.0).contains(&taken), "{callers}: {taken}");
        assert!(machine.backlog < 0.1, "{callers}: {} s of work wait", machine.backlog);
        assert_eq!(machine.refused_others, refused, "{callers}: phones are served all the while");
    }
}

#[test]
fn callers_go_before_calls_of_ours() {
    let mut machine = Simulated::new(1_000.0);
    machine.run_both(1_000.0, 400.0, 10);
    let (ours, callers) = machine.run_both(1_000.0, 400.0, 30);
    assert!(callers > 390.0, "{callers} of 400");
    assert!((450.0..600.0).contains(&ours), "{ours} beside them");
    let (ours, callers) = machine.run_both(1_000.0, 2_000.0, 30);
    assert!(callers > 850.0 && ours < 50.0, "{callers} callers, {ours} of ours");
}

#[test]
fn when_it_is_over_nothing_is_paced_any_more() {
    let mut machine = Simulated::new(1_000.0);
    machine.run(3_000.0, 20);
    assert!(machine.admission.rate().is_some());
    machine.run(100.0, 20);
    assert_eq!(machine.admission.rate(), None);
    assert!(!machine.admission.sheds());
}

#[test]
fn one_strained_window_is_no_overload() {
    let mut admission = Admission::default();
    let lag = Duration::from_millis(90);
    let load = Load { window: WINDOW, busy: WINDOW, lag, store: Duration::ZERO };
    admission.judge(&load, WINDOW);
    admission.judge(&load, WINDOW * 2);
    admission.judge(&Load { window: WINDOW, ..Load::default() }, WINDOW * 3);
    admission.judge(&load, WINDOW * 4);
    assert_eq!((admission.rate(), admission.sheds()), (None, false));
}

#[test]
fn while_a_pile_is_worked_off_nothing_is_placed() {
    let mut admission = Admission::default();
    let lag = Duration::from_millis(300);
    admission.judge(&Load { window: WINDOW, busy: WINDOW, lag, store: Duration::ZERO }, WINDOW);
    assert_eq!((admission.calls_free(WINDOW), admission.rate()), (0, None));
    assert!(admission.takes_caller(WINDOW), "one pile is an import; who calls is not refused for that");
    admission.judge(&Load { window: WINDOW, ..Load::default() }, WINDOW * 2);
    assert_eq!(admission.calls_free(WINDOW * 2), u32::MAX);
}

#[test]
fn a_store_that_does_not_keep_up_paces_calls_but_never_below_the_least_rate() {
    let mut admission = Admission::default();
    let load = Load { window: WINDOW, store: Duration::from_secs(3), ..Load::default() };
    let mut now = Duration::ZERO;
    for _ in 0..100 {
        now += WINDOW;
        admission.judge(&load, now);
    }
    assert_eq!(admission.rate(), Some(RATE_MIN));
    assert!(!admission.sheds(), "the engine is idle, and phones are wanted when the store is well again");
    assert_eq!(admission.calls_free(now), 1);
    admission.placed(now);
    assert_eq!(admission.calls_free(now), 0);
    assert!(admission.takes_caller(now), "ahead of the next call of ours");
    let next = admission.changes_at(now).unwrap();
    assert_eq!(next, now + Duration::from_millis(100));
    assert_eq!(admission.calls_free(next), 1);
    admission.placed(now);
    assert!(!admission.takes_caller(now), "as far as that goes");
    assert_eq!(admission.changes_at(now), Some(now + Duration::from_millis(200)));
}

#[test]
fn what_is_saved_is_bounded() {
    let mut machine = Simulated::new(1_000.0);
    machine.run(3_000.0, 5);
    let later = machine.now + Duration::from_secs(3_600);
    assert!(machine.admission.calls_free(later) <= 200);
    assert_eq!(machine.admission.changes_at(later), None);
}
