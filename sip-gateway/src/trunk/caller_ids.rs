//! Which of a trunk's numbers is shown: near to the callee where that is wanted, else the least used one; each within its daily cap
//! and its rest, and none that does far worse than the others.

use std::collections::BTreeSet;
use std::time::Duration;

use super::reputation::{CALLS_MIN, Reputation};

/// A daily cap counts over this.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// How the numbers of a trunk are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolOptions {
    /// Whether the number that has the longest prefix in common with the called one is preferred.
    pub local: bool,
    /// Most calls with one number in a day, counted from its first call on; 0: as many as come.
    pub daily_max: u32,
    /// Shortest time between two calls with one number.
    pub rest: Duration,
    /// How long a number rests that does far worse than the others; `None`: none does.
    pub recovery: Option<Duration>,
}

impl PoolOptions {
    /// Whether anything of the past decides which number is shown, but for how often each was.
    pub fn looks_back(&self) -> bool {
        self.daily_max > 0 || !self.rest.is_zero() || self.recovery.is_some()
    }
}

/// Numbers of a trunk with how often each was shown.
#[derive(Clone, Debug)]
pub struct CallerIds {
    options: PoolOptions,
    numbers: Vec<Shown>,
    /// Places of those of which something new is to be remembered.
    news: BTreeSet<usize>,
}

/// What of a number outlives the process. Its times are told from the instant at which it is told or put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberBook {
    /// Name of the trunk.
    pub trunk: String,
    /// The number.
    pub number: String,
    /// What became of its calls.
    pub reputation: Reputation,
    /// How long it still rests because it does worse than the others; `None`: it does not.
    pub rests_for: Option<Duration>,
    /// Its calls in the day that it is in.
    pub today: u32,
    /// How long that day still lasts.
    pub day_left: Duration,
    /// How long ago it was shown last; `None`: not that it is known.
    pub shown_ago: Option<Duration>,
}

/// One number.
#[derive(Clone, Debug)]
struct Shown {
    number: String,
    used: u64,
    /// Calls of its day, which ends then.
    today: u32,
    day_ends_at: Duration,
    last: Option<Duration>,
    /// It was last shown before the process began, and has rested then.
    rested_at: Duration,
    reputation: Reputation,
    /// It does worse than the others, and rests.
    recovers_at: Option<Duration>,
}

/// A number that is put to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rested {
    /// Its place among the trunk's numbers, from 1.
    pub place: usize,
    /// How it did.
    pub its: Reputation,
    /// How the others did together.
    pub others: Reputation,
}

impl CallerIds {
    /// Numbers in the order in which they are first used.
    pub fn new(numbers: &[String], options: PoolOptions) -> Self {
        let fresh = |number: &String| Shown {
            number: number.clone(),
            used: 0,
            today: 0,
            day_ends_at: Duration::ZERO,
            last: None,
            rested_at: Duration::ZERO,
            reputation: Reputation::default(),
            recovers_at: None,
        };
        Self { options, numbers: numbers.iter().map(fresh).collect(), news: BTreeSet::new() }
    }

    /// The number to show to a callee: of those that may be used now, the nearest (where that is wanted) and then the least used;
    /// the first of several. `None` where all have had their day or rest; empty text where the trunk has none at all.
    pub fn take(&mut self, called: &str, now: Duration) -> Option<String> {
        if self.numbers.is_empty() {
            return Some(String::new());
        }
        let options = self.options;
        let near = |number: &str| if options.local { in_common(number, called) } else { 0 };
        let usable =
            self.numbers.iter_mut().enumerate().filter(|(_, shown)| shown.may_be_used(&options, now));
        let (place, shown) =
            usable.min_by_key(|(_, shown)| (std::cmp::Reverse(near(&shown.number)), shown.used))?;
        if options.looks_back() {
            self.news.insert(place);
        }
        if shown.today == 0 || now >= shown.day_ends_at {
            (shown.today, shown.day_ends_at) = (0, now.saturating_add(DAY));
        }
        shown.used = shown.used.saturating_add(1);
        shown.today = shown.today.saturating_add(1);
        shown.last = Some(now);
        Some(shown.number.clone())
    }

    /// Takes back one use of a call that was never sent.
    pub fn unused(&mut self, number: &str) {
        if let Some(shown) = self.numbers.iter_mut().find(|shown| shown.number == number) {
            shown.used = shown.used.saturating_sub(1);
            shown.today = shown.today.saturating_sub(1);
            shown.last = None;
        }
    }

    /// Notes what became of a call that showed a number. Where that makes it do far worse than the others it rests from now on, unless
    /// it is the last one that does not.
    pub fn note(
        &mut self,
        number: &str,
        what: impl FnOnce(&mut Reputation),
        now: Duration,
    ) -> Option<Rested> {
        let recovery = self.options.recovery?;
        let place = self.numbers.iter().position(|shown| shown.number == number)?;
        let shown = self.numbers.get_mut(place)?;
        what(&mut shown.reputation);
        self.news.insert(place);
        let its = shown.reputation;
        // What comes of calls that were out when it began to rest does not lengthen that.
        if its.calls < CALLS_MIN || !shown.is_recovered(now) {
            return None;
        }
        let awake =
            self.numbers.iter().enumerate().filter(|(other, it)| *other != place && it.is_recovered(now));
        let (count, others) = awake
            .fold((0, Reputation::default()), |(count, sum), (_, it)| (count + 1, sum.with(it.reputation)));
        if count == 0 || !its.is_far_below(others) {
            return None;
        }
        let shown = self.numbers.get_mut(place)?;
        // It begins anew then.
        shown.reputation = Reputation::default();
        shown.recovers_at = Some(now.saturating_add(recovery));
        Some(Rested { place: place + 1, its, others })
    }

    /// Whether there is something new to be remembered.
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// What is new since it was asked last, of a trunk of this name.
    pub fn news(&mut self, trunk: &str, now: Duration) -> Vec<NumberBook> {
        let places = std::mem::take(&mut self.news);
        let book = |shown: &Shown| NumberBook {
            trunk: trunk.to_owned(),
            number: shown.number.clone(),
            reputation: shown.reputation,
            rests_for: shown.recovers_at.filter(|at| *at > now).map(|at| at.saturating_sub(now)),
            today: shown.today,
            day_left: shown.day_ends_at.saturating_sub(now),
            shown_ago: shown.last.map(|last| now.saturating_sub(last)),
        };
        places.into_iter().filter_map(|place| Some(book(self.numbers.get(place)?))).collect()
    }

    /// Puts back what an earlier process knew of a number; nothing where the trunk does not have it any more.
    pub fn restore(&mut self, book: NumberBook, now: Duration) {
        let rest = self.options.rest;
        let recovery = self.options.recovery;
        let Some(shown) = self.numbers.iter_mut().find(|shown| shown.number == book.number) else { return };
        shown.reputation = book.reputation.sound();
        // Not longer than the file says now.
        let rests_for = book.rests_for.zip(recovery).map(|(left, most)| left.min(most));
        shown.recovers_at = rests_for.map(|left| now.saturating_add(left));
        let day_left = book.day_left.min(DAY);
        if !day_left.is_zero() {
            (shown.today, shown.day_ends_at) = (book.today, now.saturating_add(day_left));
        }
        let left = book.shown_ago.map_or(Duration::ZERO, |ago| rest.saturating_sub(ago));
        shown.rested_at = now.saturating_add(left);
    }

    /// How many numbers rest because they do worse than the others.
    pub fn resting(&self, now: Duration) -> usize {
        self.numbers.iter().filter(|shown| !shown.is_recovered(now)).count()
    }

    /// How many calls could be given a number now.
    pub fn free(&self, now: Duration) -> u32 {
        // One number at least never rests for doing badly.
        if self.numbers.is_empty() || (self.options.daily_max == 0 && self.options.rest.is_zero()) {
            return u32::MAX;
        }
        let calls = self.numbers.iter().map(|shown| shown.free(&self.options, now));
        calls.fold(0, u32::saturating_add)
    }

    /// When [`CallerIds::free`] grows by time alone.
    pub fn changes_at(&self, now: Duration) -> Option<Duration> {
        let rested = self.numbers.iter().map(|shown| shown.rested_at(&self.options));
        let new_day = self.numbers.iter().filter(|shown| shown.today > 0).map(|shown| shown.day_ends_at);
        let capped = self.options.daily_max > 0 || !self.options.rest.is_zero();
        let recovered = self.numbers.iter().filter_map(|shown| shown.recovers_at);
        rested.chain(new_day).chain(recovered).filter(|at| *at > now && capped).min()
    }
}

impl Shown {
    fn may_be_used(&self, options: &PoolOptions, now: Duration) -> bool {
        self.free(options, now) > 0
    }

    fn is_recovered(&self, now: Duration) -> bool {
        self.recovers_at.is_none_or(|at| at <= now)
    }

    fn rested_at(&self, options: &PoolOptions) -> Duration {
        self.last.map_or(self.rested_at, |last| last.saturating_add(options.rest))
    }

    fn free(&self, options: &PoolOptions, now: Duration) -> u32 {
        if !self.is_recovered(now) {
            return 0;
        }
        let rested = now >= self.rested_at(options);
        let today = if now >= self.day_ends_at { 0 } else { self.today };
        let left = if options.daily_max == 0 { u32::MAX } else { options.daily_max.saturating_sub(today) };
        match (rested, options.rest.is_zero()) {
            (false, _) => 0,
            (true, true) => left,
            // One now, and the next after its rest.
            (true, false) => left.min(1),
        }
    }
}

/// How many characters two numbers have in common from the front, `+` or not.
fn in_common(one: &str, other: &str) -> usize {
    let digits = |text: &str| text.trim_start_matches('+').to_owned();
    let (one, other) = (digits(one), digits(other));
    one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Failure;

    fn pool(numbers: &[&str], options: PoolOptions) -> CallerIds {
        CallerIds::new(&numbers.iter().map(|number| (*number).to_owned()).collect::<Vec<_>>(), options)
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn numbers_are_shown_evenly() {
        let mut ids = pool(&["+1", "+2", "+3"], PoolOptions::default());
        let shown: Vec<String> = (0..7).filter_map(|_| ids.take("+4", s(0))).collect();
        assert_eq!(shown, ["+1", "+2", "+3", "+1", "+2", "+3", "+1"]);
        ids.unused("+1");
        assert_eq!(ids.take("+4", s(0)).as_deref(), Some("+1"));
    }

    #[test]
    fn no_numbers_give_an_empty_one() {
        assert_eq!(pool(&[], PoolOptions::default()).take("+1", s(0)).as_deref(), Some(""));
    }

    #[test]
    fn the_nearest_is_shown_and_of_several_the_least_used() {
        let options = PoolOptions { local: true, ..PoolOptions::default() };
        let mut ids = pool(&["+12025550001", "+12025550002", "12125550001", "+442079460000"], options);
        let mut take = |called: &str| ids.take(called, s(0)).unwrap();
        assert_eq!(take("+12125559999"), "12125550001", "with or without +");
        assert_eq!(take("+442012345678"), "+442079460000");
        assert_eq!(take("+12025559999"), "+12025550001");
        assert_eq!(take("+12025559999"), "+12025550002");
        assert_eq!(take("+8613800000000"), "+12025550001", "near none: the least used, the first of several");
    }

    #[test]
    fn a_number_has_its_day_and_its_rest() {
        let options = PoolOptions { daily_max: 2, rest: s(60), ..PoolOptions::default() };
        let mut ids = pool(&["+1"], options);
        assert_eq!((ids.free(s(0)), ids.take("+4", s(0)).as_deref()), (1, Some("+1")));
        assert_eq!((ids.free(s(59)), ids.take("+4", s(59)), ids.changes_at(s(59))), (0, None, Some(s(60))));
        assert_eq!(ids.take("+4", s(60)).as_deref(), Some("+1"));
        assert_eq!(ids.take("+4", s(3_600)), None, "twice is enough");
        assert_eq!(ids.changes_at(s(3_600)), Some(DAY));
        assert_eq!(ids.take("+4", DAY).as_deref(), Some("+1"), "a new day");
    }

    /// Calls with the number that is next, of which one number's are never answered and every third of the others'.
    fn call_on(ids: &mut CallerIds, calls: u32, bad: &str, now: Duration) -> Vec<Rested> {
        let mut rested = Vec::new();
        for call in 0..calls {
            let number = ids.take("+4", now).unwrap();
            let answered = number != bad && call / 3 % 3 == 0;
            rested.extend(ids.note(
                &number,
                |it| if answered { it.answered() } else { it.failed(Failure::Status(480), false) },
                now,
            ));
        }
        rested
    }

    #[test]
    fn a_number_that_nobody_answers_rests_for_a_while() {
        let options = PoolOptions { recovery: Some(s(3_600)), ..PoolOptions::default() };
        let mut ids = pool(&["+1", "+2", "+3"], options);
        let rested = call_on(&mut ids, 600, "+2", s(0));
        assert_eq!(rested.iter().map(|it| it.place).collect::<Vec<_>>(), [2], "once");
        assert!(rested[0].its.calls >= CALLS_MIN && rested[0].its.answers == 0);
        assert_eq!(ids.resting(s(0)), 1);
        let shown: Vec<String> = (0..50).filter_map(|_| ids.take("+4", s(3_599))).collect();
        assert!(!shown.contains(&"+2".to_owned()));
        assert_eq!(ids.resting(s(3_600)), 0);
        assert_eq!(ids.take("+4", s(3_600)).as_deref(), Some("+2"), "back, and the least used one");
    }

    #[test]
    fn the_last_number_never_rests_and_none_does_unless_it_is_wanted() {
        let options = PoolOptions { recovery: Some(s(3_600)), ..PoolOptions::default() };
        let mut ids = pool(&["+1", "+2"], options);
        assert_eq!(call_on(&mut ids, 400, "+2", s(0)).len(), 1);
        assert_eq!(call_on(&mut ids, 400, "+1", s(0)), [], "it is alone now");
        assert_eq!((ids.resting(s(0)), ids.free(s(0))), (1, u32::MAX));
        let mut ids = pool(&["+1", "+2", "+3"], PoolOptions::default());
        assert_eq!(call_on(&mut ids, 600, "+2", s(0)), []);
    }

    #[test]
    fn what_is_known_of_a_number_outlives_the_process() {
        let options =
            PoolOptions { daily_max: 300, rest: s(60), recovery: Some(s(3_600)), ..PoolOptions::default() };
        let lenient = PoolOptions { rest: Duration::ZERO, daily_max: 0, ..options };
        let mut ids = pool(&["+1", "+2", "+3"], lenient);
        assert_eq!(call_on(&mut ids, 600, "+2", s(50)).len(), 1);
        let books = ids.news("alpha", s(70));
        assert_eq!((books.len(), ids.has_news(), ids.news("alpha", s(70)).len()), (3, false, 0));
        assert_eq!(books[1].rests_for, Some(s(3_580)));
        let (today, its) = (books[0].today, books[0].reputation);
        assert_eq!((books[0].shown_ago, books[0].day_left), (Some(s(20)), DAY - s(20)));
        assert!(its.answers > 0);

        // An hour less five minutes later, with a cap that the first number has reached and the third has not.
        let options = PoolOptions { daily_max: today, ..options };
        let mut ids = pool(&["+4", "+3", "+2", "+1"], options);
        let later = |book: &NumberBook| NumberBook {
            rests_for: book.rests_for.map(|left| left - s(3_300)),
            day_left: book.day_left - s(3_300),
            shown_ago: Some(s(30)),
            today: if book.number == "+3" { today - 1 } else { book.today },
            ..book.clone()
        };
        books.iter().for_each(|book| ids.restore(later(book), s(1)));
        assert_eq!((ids.resting(s(1)), ids.resting(s(281))), (1, 0));
        assert_eq!(ids.take("+9", s(2)).as_deref(), Some("+4"));
        assert_eq!(ids.take("+9", s(2)), None, "one has had its day, one rests, one recovers");
        assert_eq!(
            ids.take("+9", s(31)).as_deref(),
            Some("+3"),
            "30 s after it was shown, and 30 s after the start"
        );
        assert_eq!(ids.news("alpha", s(40)).iter().map(|it| it.today).collect::<Vec<_>>(), [1, today]);
        ids.restore(NumberBook { number: "+7".into(), ..books[0].clone() }, s(2));
        // Nobody meddles with the database and rests a number for good.
        let forever = NumberBook { rests_for: Some(s(1 << 40)), ..books[0].clone() };
        ids.restore(forever, s(2));
        assert_eq!(ids.resting(s(3_602)), 0);
    }

    proptest! {
        /// No number is shown more often in its day than the cap, nor before it has rested.
        #[test]
        fn cap_and_rest_hold(
            daily_max in 0u32..6,
            rest in 0u64..400,
            steps in proptest::collection::vec(0u64..5_000, 1..300),
        ) {
            let mut ids = pool(&["+1", "+2"], PoolOptions { daily_max, rest: s(rest), ..PoolOptions::default() });
            let mut now = Duration::ZERO;
            let mut shown: Vec<(Duration, String)> = Vec::new();
            for step in steps {
                now += s(step);
                let free = ids.free(now);
                let taken = ids.take("+3", now);
                prop_assert_eq!(taken.is_some(), free > 0);
                shown.extend(taken.map(|number| (now, number)));
            }
            for number in ["+1", "+2"] {
                let at: Vec<_> = shown.iter().filter(|(_, shown)| shown == number).map(|(at, _)| *at).collect();
                prop_assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= s(rest)));
                let mut day: Option<(Duration, u32)> = None;
                for at in at {
                    let (since, count) = day.filter(|(since, _)| at - *since < DAY).unwrap_or((at, 0));
                    day = Some((since, count + 1));
                    prop_assert!(daily_max == 0 || count < daily_max);
                }
            }
        }
    }
}
