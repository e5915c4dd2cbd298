//! Whether a [`CampaignSpec`] can be used: the same bounds for the campaign file and for the API.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::campaign::duration_text;
use crate::campaign::spec::{CampaignSpec, Day, Jurisdiction, WorkShift, WrapUp};

/// Most characters of a name or a disposition.
pub const NAME_CHARACTERS_MAX: usize = 100;
/// Most entries of each list in a spec.
pub const ENTRIES_MAX: usize = 100;
/// Most shifts of a roster: one for each half of each agent's day in a team of hundreds.
pub const SHIFTS_MAX: usize = 1_000;
/// Most agents of a campaign that names them.
pub const AGENTS_MAX: usize = 10_000;
/// Greatest weight.
pub const WEIGHT_MAX: u32 = 100;
/// Shortest ringing that a jurisdiction other than `none` allows (US safe harbour: 15 seconds or 4 rings, 16 CFR
/// 310.4(b)(4)(ii)).
pub const RING_TIMEOUT_MIN: Duration = Duration::from_secs(15);

/// Longest time that a caller may be left ringing: carriers give up after three minutes.
pub const WAIT_MAX: Duration = Duration::from_secs(150);

const NO_ZONE: &str = "is not a known zone; write a name like \"Europe/Berlin\" or \"UTC\" (IANA)";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// One thing that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecProblem {
    /// Field of the spec, `ring_timeout`, `windows[2].from`, `closure.attempts_max`.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Everything that is wrong with `spec`; empty when it can be used. In the order of the fields.
pub fn check(spec: &CampaignSpec) -> Vec<SpecProblem> {
    let mut problems = Problems::default();
    problems.name("name", &spec.name);
    problems.number("ratio", spec.ratio, 1.0..=10.0);
    problems.number("abandon_limit", spec.abandon_limit, 0.0..=1.0);
    problems.duration("abandon_after", spec.abandon_after, Duration::from_millis(100)..=MINUTE);
    if spec.safe_harbour.as_deref() == Some("") {
        problems.note("safe_harbour", "is empty; leave it out where there is no message");
    }
    problems.ring_timeout(spec);
    problems.duration("preview_timeout", spec.preview_timeout, Duration::ZERO..=60 * MINUTE);
    problems.duration("preview_again", spec.preview_again, Duration::from_secs(1)..=365 * DAY);
    if let Some(limit) = spec.time_limit {
        problems.duration("time_limit", limit, Duration::from_millis(1)..=365 * DAY);
    }
    problems.entries("trunks", spec.trunks.len());
    if spec.agents.len() > AGENTS_MAX {
        problems.note("agents", format!("at most {AGENTS_MAX} entries"));
    }
    if !(1..=WEIGHT_MAX).contains(&spec.weight) {
        problems.note("weight", format!("must be 1 to {WEIGHT_MAX}"));
    }
    match &spec.wrap_up {
        WrapUp::Script { after, disposition } => {
            problems.duration("wrap_up", *after, Duration::ZERO..=DAY);
            problems.name("disposition", disposition);
        }
        WrapUp::Agent => {}
    }
    problems.duration("talk_limit", spec.talk_limit, Duration::ZERO..=DAY);
    if let Some(region) = &spec.region
        && region.parse::<phonenumber::country::Id>().is_err()
    {
        problems.note("region", "is not a region; write two capital letters like \"US\" (ISO 3166)");
    }
    if let Some(timezone) = &spec.timezone
        && TimeZone::get(timezone).is_err()
    {
        problems.note("timezone", NO_ZONE);
    }
    problems.entries("windows", spec.windows.len());
    for (index, window) in spec.windows.iter().take(ENTRIES_MAX).enumerate() {
        problems.hours(&format!("windows[{index}]"), "window", &window.days, &window.from, &window.to);
    }
    problems.shifts(spec);
    problems.closure(spec);
    problems.inbound(spec);
    problems.found
}

/// Minutes since midnight of `HH:MM`, 00:00 to 24:00.
pub fn minutes_of(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 24 * 60).then_some(total)
}

fn is_there_twice(days: &[Day]) -> bool {
    days.iter().enumerate().any(|(at, day)| days.iter().take(at).any(|before| before == day))
}

#[derive(Default)]
struct Problems {
    found: Vec<SpecProblem>,
}

impl Problems {
    fn note(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.found.push(SpecProblem { key: key.into(), message: message.into() });
    }

    fn inbound(&mut self, spec: &CampaignSpec) {
        let inbound = &spec.inbound;
        self.entries("inbound.numbers", inbound.numbers.len());
        for (index, number) in inbound.numbers.iter().take(ENTRIES_MAX).enumerate() {
            let digits = number.strip_prefix('+').unwrap_or_default();
            let sound = (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            if !sound || digits.starts_with('0') {
                let message = "is not a number with its country code; write it like \"+15550100\" (E.164)";
                self.note(format!("inbound.numbers[{index}]"), message);
            }
        }
        self.duration("inbound.wait_max", inbound.wait_max, Duration::ZERO..=WAIT_MAX);
        if !inbound.owner && !inbound.team {
            self.note("inbound.team", "nobody takes the calls: set owner or team");
        }
        if inbound.message.as_deref() == Some("") {
            self.note("inbound.message", "is empty; leave it out where there is no message");
        }
    }

    fn name(&mut self, key: &str, text: &str) {
        let length = text.chars().count();
        if text.trim().is_empty() || length > NAME_CHARACTERS_MAX || text.chars().any(char::is_control) {
            self.note(
                key,
                format!("must have 1 to {NAME_CHARACTERS_MAX} characters and no control characters"),
            );
        }
    }

    fn number(&mut self, key: &str, number: f64, range: RangeInclusive<f64>) {
        // Not a number is in no range.
        if !range.contains(&number) {
            self.note(key, format!("must be between {:?} and {:?}", range.start(), range.end()));
        }
    }

    fn duration(&mut self, key: &str, duration: Duration, range: RangeInclusive<Duration>) {
        if !range.contains(&duration) {
            let [least, most] = [range.start(), range.end()].map(|bound| duration_text::write(*bound));
            self.note(key, format!("must be between {least} and {most}"));
        }
    }

    fn entries(&mut self, key: &str, count: usize) {
        if count > ENTRIES_MAX {
            self.note(key, format!("has {count} entries; at most {ENTRIES_MAX}"));
        }
    }

    fn ring_timeout(&mut self, spec: &CampaignSpec) {
        let short = spec.ring_timeout < RING_TIMEOUT_MIN;
        if short && spec.jurisdiction != Jurisdiction::None {
            self.note("ring_timeout", "below 15s is allowed only with jurisdiction = \"none\"");
        } else {
            self.duration("ring_timeout", spec.ring_timeout, Duration::from_millis(100)..=10 * MINUTE);
        }
    }

    /// Days and times of a calling window or a shift.
    fn hours(&mut self, entry: &str, what: &str, days: &[Day], from: &str, to: &str) {
        let key = |field: &str| format!("{entry}.{field}");
        if days.is_empty() {
            self.note(key("days"), "must name at least one day");
        }
        if is_there_twice(days) {
            self.note(key("days"), "names a day twice");
        }
        let mut time = |field: &str, text: &str| {
            let minutes = minutes_of(text);
            if minutes.is_none() {
                self.note(key(field), "must be a time like \"09:30\", from 00:00 to 24:00");
            }
            minutes
        };
        if let (Some(from), Some(to)) = (time("from", from), time("to", to))
            && from >= to
        {
            self.note(key("to"), format!("must be later than from; write a {what} over midnight as two"));
        }
    }

    fn shifts(&mut self, spec: &CampaignSpec) {
        let count = spec.shifts.len();
        if count > SHIFTS_MAX {
            self.note("shifts", format!("has {count} entries; at most {SHIFTS_MAX}"));
        }
        for (index, shift) in spec.shifts.iter().take(SHIFTS_MAX).enumerate() {
            let WorkShift { days, from, to, agents } = shift;
            self.hours(&format!("shifts[{index}]"), "shift", days, from, to);
            let key = format!("shifts[{index}].agents");
            let mut seen = BTreeSet::new();
            if agents.len() > AGENTS_MAX {
                self.note(&key, format!("at most {AGENTS_MAX} entries"));
            } else if let Some(agent) = agents.iter().find(|agent| !seen.insert(agent.as_str())) {
                self.note(&key, format!("names {agent} twice"));
            }
        }
        if let Some(timezone) = &spec.shifts_timezone
            && TimeZone::get(timezone).is_err()
        {
            self.note("shifts_timezone", NO_ZONE);
        }
    }

    fn closure(&mut self, spec: &CampaignSpec) {
        let closure = &spec.closure;
        if !(1..=100).contains(&closure.attempts_max) {
            self.note("closure.attempts_max", "must be between 1 and 100");
        }
        self.duration("closure.within", closure.within, Duration::from_millis(1)..=3660 * DAY);
        self.entries("closure.success", closure.success.len());
        for disposition in closure.success.iter().take(ENTRIES_MAX) {
            self.name("closure.success", disposition);
        }
        for (outcome, delay) in &closure.retry {
            let name = serde_json::to_value(outcome).ok();
            let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or("?");
            self.duration(&format!("closure.retry.{name}"), *delay, Duration::ZERO..=365 * DAY);
        }
        if let Some(delay) = closure.callee_left {
            self.duration("closure.callee_left", delay, Duration::ZERO..=365 * DAY);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::attempt::outcome::Outcome;
    use crate::campaign::spec::{ClosureSpec, Day, Mode, Window};

    fn spec() -> CampaignSpec {
        serde_json::from_str(r#"{"name": "renewals", "mode": "ratio", "jurisdiction": "us"}"#).unwrap()
    }

    fn keys(change: impl FnOnce(&mut CampaignSpec)) -> Vec<String> {
        let mut spec = spec();
        change(&mut spec);
        check(&spec).into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn defaults_are_fine() {
        assert_eq!(check(&spec()), []);
    }

    #[test]
    fn numbers_and_durations_have_bounds() {
        assert_eq!(keys(|spec| spec.ratio = 0.9), ["ratio"]);
        assert_eq!(keys(|spec| spec.ratio = f64::NAN), ["ratio"]);
        assert_eq!(keys(|spec| spec.ratio = 10.0), [""; 0]);
        assert_eq!(keys(|spec| spec.abandon_limit = 1.01), ["abandon_limit"]);
        assert_eq!(keys(|spec| spec.abandon_after = Duration::ZERO), ["abandon_after"]);
        assert_eq!(keys(|spec| spec.time_limit = Some(Duration::ZERO)), ["time_limit"]);
        assert_eq!(keys(|spec| spec.talk_limit = 2 * DAY), ["talk_limit"]);
        assert_eq!(keys(|spec| spec.closure.attempts_max = 0), ["closure.attempts_max"]);
        assert_eq!(keys(|spec| spec.closure.within = Duration::ZERO), ["closure.within"]);
    }

    #[test]
    fn ring_may_be_short_in_test_rigs_only() {
        let short = Duration::from_secs(14);
        assert_eq!(keys(|spec| spec.ring_timeout = short), ["ring_timeout"]);
        assert_eq!(keys(|spec| spec.ring_timeout = RING_TIMEOUT_MIN), [""; 0]);
        let rig = |spec: &mut CampaignSpec| {
            spec.ring_timeout = short;
            spec.jurisdiction = Jurisdiction::None;
        };
        assert_eq!(keys(rig), [""; 0]);
    }

    #[test]
    fn every_mode_is_taken() {
        for mode in
            [Mode::Manual, Mode::Preview, Mode::Progressive, Mode::Ratio, Mode::Adaptive, Mode::Predictive]
        {
            assert_eq!(keys(|spec| spec.mode = mode), [""; 0]);
        }
    }

    #[test]
    fn names_regions_and_zones_are_known_ones() {
        assert_eq!(keys(|spec| spec.name = " ".into()), ["name"]);
        assert_eq!(keys(|spec| spec.name = "a\nb".into()), ["name"]);
        assert_eq!(keys(|spec| spec.region = Some("us".into())), ["region"]);
        assert_eq!(keys(|spec| spec.region = Some("CN".into())), [""; 0]);
        assert_eq!(keys(|spec| spec.timezone = Some("Mars/Olympus".into())), ["timezone"]);
        assert_eq!(keys(|spec| spec.timezone = Some("Asia/Shanghai".into())), [""; 0]);
        let wrap_up = WrapUp::Script { after: 2 * DAY, disposition: String::new() };
        assert_eq!(keys(|spec| spec.wrap_up = wrap_up), ["wrap_up", "disposition"]);
    }

    #[test]
    fn windows_run_forward_within_a_day() {
        let window = |days: &[Day], from: &str, to: &str| Window {
            days: days.to_vec(),
            from: from.into(),
            to: to.into(),
        };
        let of = |window: Window| keys(|spec| spec.windows = vec![window]);
        assert_eq!(of(window(&[Day::Mon], "00:00", "24:00")), [""; 0]);
        assert_eq!(of(window(&[], "08:00", "08:00")), ["windows[0].days", "windows[0].to"]);
        assert_eq!(of(window(&[Day::Mon, Day::Mon], "8:00", "24:01")).len(), 3);
    }

    #[test]
    fn shifts_run_forward_and_name_nobody_twice() {
        let shift = |from: &str, to: &str, agents: &[&str]| WorkShift {
            days: vec![Day::Mon],
            from: from.into(),
            to: to.into(),
            agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
        };
        let of = |shift: WorkShift| {
            let mut spec = spec();
            spec.shifts = vec![shift];
            check(&spec)
        };
        assert_eq!(of(shift("09:00", "12:30", &["a", "b"])), []);
        let night = of(shift("22:00", "02:00", &[]));
        assert_eq!((night.len(), night[0].key.as_str()), (1, "shifts[0].to"));
        assert_eq!(night[0].message, "must be later than from; write a shift over midnight as two");
        assert_eq!(of(shift("9:00", "12:00", &["a", "a"])).len(), 2);
        assert_eq!(keys(|spec| spec.shifts = vec![shift("09:00", "12:00", &[]); SHIFTS_MAX + 1]), ["shifts"]);
        assert_eq!(keys(|spec| spec.shifts_timezone = Some("Mars".into())), ["shifts_timezone"]);
    }

    #[test]
    fn retry_delays_are_named_by_outcome() {
        let retry = BTreeMap::from([(Outcome::NoAnswer, 400 * DAY)]);
        assert_eq!(
            keys(|spec| spec.closure = ClosureSpec { retry, ..ClosureSpec::default() }),
            ["closure.retry.no_answer"]
        );
    }

    #[test]
    fn clock_times_are_two_and_two_digits() {
        assert_eq!(minutes_of("24:00"), Some(1440));
        assert_eq!(minutes_of("09:30"), Some(570));
        for text in ["", ":", "9:30", "09:60", "24:01", "+9:30", "09:3０", "99:99"] {
            assert_eq!(minutes_of(text), None, "{text}");
        }
    }
}
