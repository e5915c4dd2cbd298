//! The caps on what a trunk's calls last and cost: how much is left at the start, and anew with each UTC day and month. Pure, but for
//! [`spent`], which reads what was spent.

use std::collections::BTreeMap;
use std::time::Duration;

use carillon_core::live::{CapOf, CapView, TrunkView};
use carillon_core::store::read::{OpenAttempt, TrunkTalk};
use carillon_core::store::sqlite::{Store, StoreError};
use carillon_core::time::{CalendarDay, Utc};
use carillon_sip::event::TrunkState;
use carillon_sip::gateway::Gateway;
use carillon_sip::options::TrunkOptions;

/// What a capped trunk has used up: milliseconds of talk, or millionths of money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// The trunk.
    pub trunk: String,
    /// Since midnight UTC.
    pub today: u64,
    /// Since the first of the month, UTC.
    pub month: u64,
}

/// What is left to each capped trunk.
#[derive(Debug, Default)]
pub struct Caps {
    caps: BTreeMap<String, Cap>,
    /// The day that was told of; `None`: the store has not said yet what was used.
    day: Option<CalendarDay>,
}

#[derive(Debug, Default)]
struct Cap {
    daily_max: Option<u64>,
    monthly_max: Option<u64>,
    /// Of the day, and of the month, before `base`.
    today: u64,
    month: u64,
    /// What the gateway had counted when the day began.
    base: u64,
}

impl Caps {
    /// The caps on the talk of these trunks, in milliseconds.
    pub fn talk(trunks: &[TrunkOptions]) -> Self {
        let most = |most: Option<Duration>| most.map(milliseconds);
        Self::new(trunks, |trunk| (most(trunk.talk_daily_max), most(trunk.talk_monthly_max)))
    }

    /// The caps on what is spent on these trunks, in millionths.
    pub fn spend(trunks: &[TrunkOptions]) -> Self {
        Self::new(trunks, |trunk| (trunk.spend.daily_max, trunk.spend.monthly_max))
    }

    fn new(trunks: &[TrunkOptions], caps: impl Fn(&TrunkOptions) -> (Option<u64>, Option<u64>)) -> Self {
        let cap = |trunk: &TrunkOptions| {
            let (daily_max, monthly_max) = caps(trunk);
            daily_max.or(monthly_max)?;
            Some((trunk.name.clone(), Cap { daily_max, monthly_max, ..Cap::default() }))
        };
        Self { caps: trunks.iter().filter_map(cap).collect(), day: None }
    }

    /// What was used before; what is left from now on.
    pub fn start(&mut self, used: &[Used], now: Utc) -> Vec<(String, u64)> {
        self.day = Some(CalendarDay::of(now));
        for Used { trunk, today, month } in used {
            if let Some(cap) = self.caps.get_mut(trunk) {
                (cap.today, cap.month) = (*today, *month);
            }
        }
        self.left()
    }

    /// What is left where a new day has begun; else nothing. `counted` is what the gateway has counted of a trunk.
    pub fn turn(&mut self, now: Utc, counted: impl Fn(&str) -> u64) -> Vec<(String, u64)> {
        let Some(day) = self.day.filter(|day| now >= day.next && !self.caps.is_empty()) else {
            return Vec::new();
        };
        let next = CalendarDay::of(now);
        self.day = Some(next);
        for (trunk, cap) in &mut self.caps {
            let counted = counted(trunk);
            let more = counted.saturating_sub(cap.base);
            cap.today = 0;
            cap.month = if next.month == day.month { cap.month.saturating_add(more) } else { 0 };
            cap.base = counted;
        }
        self.left()
    }

    /// Each cap of a trunk, with whether it is one of the month, and what ended calls have used of it. `counted` is what the gateway
    /// has counted of the trunk.
    fn used(&self, trunk: &str, counted: u64) -> impl Iterator<Item = (bool, u64, u64)> {
        let cap = self.caps.get(trunk);
        let more = counted.saturating_sub(cap.map_or(0, |cap| cap.base));
        let day = cap.and_then(|cap| Some((false, cap.today.saturating_add(more), cap.daily_max?)));
        let month = cap.and_then(|cap| Some((true, cap.month.saturating_add(more), cap.monthly_max?)));
        day.into_iter().chain(month)
    }

    fn left(&self) -> Vec<(String, u64)> {
        let left = |cap: &Cap| {
            let today = cap.daily_max.map(|most| most.saturating_sub(cap.today));
            let month = cap.monthly_max.map(|most| most.saturating_sub(cap.month));
            today.into_iter().chain(month).min()
        };
        self.caps.iter().filter_map(|(trunk, cap)| Some((trunk.clone(), left(cap)?))).collect()
    }
}

/// The talk that the store tells of, with that of calls that an earlier process left up, as if they ended now: of each what
/// falls in the day and in the month of `now`.
pub fn talked(talk: &[TrunkTalk], open: &[OpenAttempt], now: Utc) -> Vec<Used> {
    let used = |TrunkTalk { trunk, today, month }: &TrunkTalk| Used {
        trunk: trunk.clone(),
        today: milliseconds(*today),
        month: milliseconds(*month),
    };
    let mut used: Vec<Used> = talk.iter().map(used).collect();
    let CalendarDay { day, month, next: _ } = CalendarDay::of(now);
    for OpenAttempt { answered_at, orphan, .. } in open {
        let Some(answered) = answered_at else { continue };
        let within = |begin: Utc| milliseconds(now.since(begin.max(*answered)));
        let (trunk, today, month) = (&orphan.route.trunk, within(day), within(month));
        match used.iter_mut().find(|known| known.trunk == *trunk) {
            Some(known) => {
                known.today = known.today.saturating_add(today);
                known.month = known.month.saturating_add(month);
            }
            None => used.push(Used { trunk: trunk.clone(), today, month }),
        }
    }
    used
}

/// What was spent in the day and month of `now` on trunks that have a cap: each answered call at the price that the trunk's table has
/// now, those that an earlier process left up included, as if they ended now.
///
/// # Errors
/// The store's.
pub async fn spent(
    store: &Store,
    open: &[OpenAttempt],
    trunks: &[TrunkOptions],
    now: Utc,
) -> Result<Vec<Used>, StoreError> {
    let mut books = Books::new(trunks, now);
    if !books.spent.is_empty() {
        let names: Vec<&str> = books.spent.keys().copied().collect();
        let each =
            |trunk: &str, number: &str, answered: Utc, ended: Utc| books.add(trunk, number, answered, ended);
        store.answered_since(&names, CalendarDay::of(now).month, each).await?;
        for OpenAttempt { number, answered_at, orphan, .. } in open {
            if let Some(answered) = answered_at {
                books.add(&orphan.route.trunk, number, *answered, now);
            }
        }
    }
    Ok(books.used())
}

/// What calls have cost, by capped trunk.
pub struct Books<'t> {
    day: CalendarDay,
    spent: BTreeMap<&'t str, (&'t TrunkOptions, Used)>,
}

impl<'t> Books<'t> {
    /// Nothing yet, in the day and month of `now`.
    pub fn new(trunks: &'t [TrunkOptions], now: Utc) -> Self {
        let nothing = |trunk: &'t TrunkOptions| {
            (trunk.name.as_str(), (trunk, Used { trunk: trunk.name.clone(), today: 0, month: 0 }))
        };
        let capped = trunks.iter().filter(|trunk| trunk.spend.is_capped());
        Self { day: CalendarDay::of(now), spent: capped.map(nothing).collect() }
    }

    /// A call that ended in the month counts whole in the day in which it ended; one of another trunk, or without a price, not at all.
    pub fn add(&mut self, trunk: &str, number: &str, answered: Utc, ended: Utc) {
        let Some((options, used)) = self.spent.get_mut(trunk) else { return };
        let Some(rate) = options.rates.as_ref().and_then(|rates| rates.of(number)) else { return };
        let charge = rate.charge(ended.since(answered));
        used.month = used.month.saturating_add(charge);
        if ended >= self.day.day {
            used.today = used.today.saturating_add(charge);
        }
    }

    /// What was spent on each.
    pub fn used(self) -> Vec<Used> {
        self.spent.into_values().map(|(_, used)| used).collect()
    }
}

/// The trunks of a wallboard.
pub fn shown(gateway: &Gateway, talk: &Caps, spend: &Caps) -> Vec<TrunkView> {
    let view = |(name, state, lines): (&str, TrunkState, u32)| {
        let options = gateway.options().trunks.iter().find(|trunk| trunk.name == name);
        let currency = options.map_or_else(String::new, |trunk| trunk.spend.currency.clone());
        let money = spend.used(name, gateway.spent(name)).map(|(month, used, most)| CapView {
            of: CapOf::Spend,
            month,
            used,
            most,
            currency: currency.clone(),
        });
        let minutes = talk.used(name, milliseconds(gateway.talked(name))).map(|(month, used, most)| {
            CapView { of: CapOf::Talk, month, used, most, currency: String::new() }
        });
        TrunkView {
            name: name.to_owned(),
            up: state == TrunkState::Up,
            lines,
            lines_max: options.map_or(0, |trunk| trunk.max_calls),
            caps: money.chain(minutes).collect(),
        }
    };
    gateway.trunks().map(view).collect()
}

/// A length in whole milliseconds.
pub fn milliseconds(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use carillon_config::ServiceConfig;
    use carillon_core::id::{AttemptId, CampaignId, ContactId, TaskId};
    use carillon_core::store::write::{CallRoute, OrphanRow};
    use carillon_sip::options::Options;
    use carillon_sip::transport::Local;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn trunks() -> Vec<TrunkOptions> {
        let file = "[sip]\nlisten = \"127.0.0.1:5060\"\n[[trunk]]\nname = \"one\"\nuri = \"sip:192.0.2.1\"\n\
            caller_ids = [\"+15550100\"]\nrates = [\"+44 0.012 60\"]\nspend_daily_max = \"5\"\n\
            [[trunk]]\nname = \"two\"\nuri = \"sip:192.0.2.2\"\ncaller_ids = [\"+15550101\"]\nrates = [\"+44 9\"]\n\
            [[agents.agent]]\nuser = \"ann\"\npassword = \"a good password\"\n\
            [api]\nadmin_password = \"a long enough password\"\n";
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("service.toml");
        std::fs::write(&path, file).unwrap();
        ServiceConfig::load(&path).unwrap().sip.trunks
    }

    fn capped(daily: u64, monthly: u64) -> Caps {
        let cap = Cap { daily_max: Some(daily), monthly_max: Some(monthly), ..Cap::default() };
        Caps { caps: [("one".to_owned(), cap)].into(), day: None }
    }

    fn left(told: Vec<(String, u64)>) -> Option<u64> {
        told.first().map(|(_, left)| *left)
    }

    #[test]
    fn a_call_is_charged_in_the_day_in_which_it_ended() {
        let (trunks, now) = (trunks(), Utc(45 * DAY_MS + 5));
        let mut books = Books::new(&trunks, now);
        let minute = 60_000;
        // Yesterday, over midnight, today; to nowhere that has a price, and over another trunk.
        books.add("one", "+4420", Utc(44 * DAY_MS), Utc(44 * DAY_MS + minute));
        books.add("one", "+4420", Utc(45 * DAY_MS - minute), Utc(45 * DAY_MS + minute));
        books.add("one", "+4420", Utc(45 * DAY_MS), Utc(45 * DAY_MS + 1));
        books.add("one", "+1202", Utc(45 * DAY_MS), Utc(45 * DAY_MS + minute));
        books.add("two", "+4420", Utc(45 * DAY_MS), Utc(45 * DAY_MS + minute));
        assert_eq!(books.used(), [Used { trunk: "one".into(), today: 36_000, month: 48_000 }]);
    }

    #[test]
    fn a_wallboard_has_each_trunk_with_its_caps() {
        let trunks = trunks();
        let (mut spend, talk) = (Caps::spend(&trunks), Caps::talk(&trunks));
        spend.start(&[Used { trunk: "one".into(), today: 4_600_000, month: 9_000_000 }], Utc(5 * DAY_MS));
        let listen = Local::from("127.0.0.1:5060".parse::<SocketAddr>().unwrap());
        let options = Options { trunks, ..Options::new(vec![listen], [127, 0, 0, 1].into()) };
        let gateway = Gateway::new(options, ChaCha20Rng::from_seed([1; 32]), Duration::ZERO);
        let cap = CapView {
            of: CapOf::Spend,
            month: false,
            used: 4_600_000,
            most: 5_000_000,
            currency: String::new(),
        };
        let trunk =
            |name: &str, caps| TrunkView { name: name.into(), up: true, lines: 0, lines_max: 200, caps };
        assert_eq!(shown(&gateway, &talk, &spend), [trunk("one", vec![cap]), trunk("two", Vec::new())]);
    }

    fn left_up(trunk: &str, answered_at: Option<Utc>) -> OpenAttempt {
        let text = String::new;
        let route = CallRoute {
            trunk: trunk.into(),
            caller_id: text(),
            call_id: text(),
            branch: text(),
            from_tag: text(),
            cseq: 1,
            request_uri: text(),
            from_uri: text(),
            to_uri: text(),
            next_hop: text(),
            local: text(),
        };
        OpenAttempt {
            attempt: AttemptId(1),
            campaign: CampaignId(1),
            task: TaskId(1),
            contact: ContactId(1),
            number: "+4420".into(),
            timezone: None,
            attempts: 1,
            first_attempt_at: None,
            intent_at: Utc(0),
            placed_at: None,
            answered_at,
            bridged_at: None,
            orphan: OrphanRow { route, dialog: None },
        }
    }

    #[test]
    fn calls_that_were_up_when_a_process_died_have_talked_until_the_next_one() {
        let now = Utc(45 * DAY_MS + 7_000);
        let minute = Duration::from_secs(60);
        let known = [TrunkTalk { trunk: "one".into(), today: minute, month: 2 * minute }];
        let open = [
            left_up("one", Some(Utc(45 * DAY_MS - 1_000))),
            left_up("one", None),
            left_up("two", Some(Utc(45 * DAY_MS + 4_000))),
        ];
        let used = |trunk: &str, today, month| Used { trunk: trunk.into(), today, month };
        assert_eq!(talked(&known, &open, now), [used("one", 67_000, 128_000), used("two", 3_000, 3_000)]);
    }

    #[test]
    fn a_restart_goes_on_where_the_last_process_was() {
        let mut caps = capped(60, 100);
        let used = [Used { trunk: "one".into(), today: 50, month: 70 }];
        assert_eq!(left(caps.start(&used, Utc(5 * DAY_MS))), Some(10), "the day is the nearer cap");
        let mut caps = capped(60, 75);
        assert_eq!(left(caps.start(&used, Utc(5 * DAY_MS))), Some(5), "the month is");
        let mut caps = capped(60, 60);
        assert_eq!(left(caps.start(&used, Utc(5 * DAY_MS))), Some(0));
    }

    #[test]
    fn each_day_begins_anew_and_each_month_too() {
        let mut caps = capped(60, 100);
        // The 30th of January 1970.
        caps.start(&[], Utc(29 * DAY_MS + 5));
        assert_eq!(left(caps.turn(Utc(30 * DAY_MS - 1), |_| 50)), None, "the same day");
        assert_eq!(left(caps.turn(Utc(30 * DAY_MS), |_| 50)), Some(50), "of the month");
        assert_eq!(left(caps.turn(Utc(30 * DAY_MS + 9), |_| 90)), None, "told once a day");
        assert_eq!(left(caps.turn(Utc(31 * DAY_MS), |_| 95)), Some(60), "a new month");
        assert_eq!(left(caps.turn(Utc(33 * DAY_MS), |_| 140)), Some(55), "two days later");
        let used: Vec<_> = caps.used("one", 150).collect();
        assert_eq!(
            used,
            [(false, 10, 60), (true, 55, 100)],
            "of the day and of the month, since the day began"
        );
        assert_eq!(caps.used("two", 150).count(), 0);
    }
}
