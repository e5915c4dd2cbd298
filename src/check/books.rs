//! What a trunk has used of its caps, and how its numbers fare, as the database has it.

use std::path::Path;
use std::time::Duration;

use carillon_core::store::sqlite::{Archive, StoreError};
use carillon_core::store::write::NumberRow;
use carillon_core::time::{CalendarDay, Utc};
use carillon_sip::options::TrunkOptions;
use carillon_sip::trunk::rates::written;

use crate::caps::{self, Used};

/// Most numbers that are told one by one.
const NUMBERS_MAX: usize = 50;

/// One line of what is told: its name, and what is good or bad.
pub type Line = (&'static str, Result<String, String>);

/// What was used of the trunk's caps by calls that have ended; one that is used up is bad. Nothing without caps. A service that never
/// ran has no database and has used nothing.
pub async fn caps(trunk: &TrunkOptions, store: &Path, now: Utc) -> Result<Vec<Line>, StoreError> {
    let minutes = trunk.talk_daily_max.or(trunk.talk_monthly_max).is_some();
    if !minutes && !trunk.spend.is_capped() {
        return Ok(Vec::new());
    }
    let mut archive = if store.is_file() { Some(Archive::open(store).await?) } else { None };
    let mut lines = Vec::new();
    if minutes {
        let used = match &mut archive {
            Some(archive) => caps::talked(&archive.trunk_talk(now).await?, &[], now),
            None => Vec::new(),
        };
        let used = used.iter().find(|used| used.trunk == trunk.name);
        let most = |most: Option<Duration>| most.map(caps::milliseconds);
        lines.push((
            "minutes",
            told(used, most(trunk.talk_daily_max), most(trunk.talk_monthly_max), in_minutes),
        ));
    }
    if trunk.spend.is_capped() {
        let mut books = caps::Books::new(std::slice::from_ref(trunk), now);
        if let Some(archive) = &mut archive {
            let each = |trunk: &str, number: &str, answered, ended| books.add(trunk, number, answered, ended);
            archive.answered_since(&[&trunk.name], CalendarDay::of(now).month, each).await?;
        }
        let used = books.used();
        let currency = &trunk.spend.currency;
        let money = |micros: u64| format!("{} {currency}", written(micros)).trim_end().to_owned();
        lines.push(("spend", told(used.first(), trunk.spend.daily_max, trunk.spend.monthly_max, money)));
    }
    Ok(lines)
}

/// How the trunk's numbers fare, one line each of those that something is known of; bad where all of them rest or have had their day.
/// Nothing where no key asks for that to be known.
pub async fn numbers(trunk: &TrunkOptions, store: &Path, now: Utc) -> Result<Vec<Line>, StoreError> {
    if !trunk.pool.looks_back() || !store.is_file() {
        return Ok(Vec::new());
    }
    let rows = Archive::open(store).await?.numbers().await?;
    let own = |row: &&NumberRow| row.trunk == trunk.name && trunk.caller_ids.contains(&row.number);
    let rows: Vec<&NumberRow> = rows.iter().filter(own).collect();
    let of = trunk.caller_ids.len();
    let away = rows.iter().filter(|row| idle(row, trunk, now).is_some()).count();
    let summary = format!("{} of {of} may be shown", of.saturating_sub(away));
    let mut lines = vec![("numbers", if away < of { Ok(summary) } else { Err(summary) })];
    lines.extend(rows.iter().take(NUMBERS_MAX).map(|row| ("", Ok(fares(row, trunk, now)))));
    Ok(lines)
}

/// Why a number is not shown now.
fn idle(row: &NumberRow, trunk: &TrunkOptions, now: Utc) -> Option<String> {
    let (pool, day_left) = (trunk.pool, row.day_ends_at.since(now));
    let rests = row.rests_until.filter(|until| *until > now && pool.recovery.is_some());
    if let Some(until) = rests {
        return Some(format!(
            "rests for {} more, since it did far worse than the others",
            in_minutes(caps::milliseconds(until.since(now)))
        ));
    }
    let full = pool.daily_max > 0 && row.today >= pool.daily_max && !day_left.is_zero();
    full.then(|| format!("has had its day, for {} more", in_minutes(caps::milliseconds(day_left))))
}

/// `+15550100: 12 of its 300 a day; of 120 calls 31 answered, 2 unwanted; rests for 71:20 min more, ...`.
fn fares(row: &NumberRow, trunk: &TrunkOptions, now: Utc) -> String {
    let today = if row.day_ends_at > now { row.today } else { 0 };
    let most = if trunk.pool.daily_max > 0 { format!(" of {}", trunk.pool.daily_max) } else { String::new() };
    let mut text = format!("{}: {today}{most} calls in its day", row.number);
    if trunk.pool.recovery.is_some() {
        text.push_str(&format!("; of {} {} answered, {} unwanted", row.calls, row.answers, row.unwanted));
    }
    if let Some(why) = idle(row, trunk, now) {
        text.push_str(&format!("; {why}"));
    }
    text
}

/// `1.20 of 50.00 EUR today, 9.00 of 900.00 EUR in this month`.
fn told(
    used: Option<&Used>,
    daily_max: Option<u64>,
    monthly_max: Option<u64>,
    word: impl Fn(u64) -> String,
) -> Result<String, String> {
    let (today, month) = used.map_or((0, 0), |used| (used.today, used.month));
    let of =
        |used: u64, most: Option<u64>, when: &str| Some(format!("{} of {} {when}", word(used), word(most?)));
    let parts = [of(today, daily_max, "today"), of(month, monthly_max, "in this month")];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let full = |used: u64, most: Option<u64>| most.is_some_and(|most| used >= most);
    if full(today, daily_max) || full(month, monthly_max) {
        return Err(format!("{text}: used up, no new call is placed"));
    }
    Ok(text)
}

fn in_minutes(milliseconds: u64) -> String {
    format!("{}:{:02} min", milliseconds / 60_000, milliseconds / 1_000 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_that_is_used_up_is_bad() {
        let used = Used { trunk: "one".into(), today: 90_500, month: 600_000 };
        let said = told(Some(&used), Some(120_000), Some(6_000_000), in_minutes);
        assert_eq!(said, Ok("1:30 min of 2:00 min today, 10:00 min of 100:00 min in this month".into()));
        let said = told(Some(&used), None, Some(600_000), in_minutes);
        assert_eq!(said, Err("10:00 min of 10:00 min in this month: used up, no new call is placed".into()));
        assert_eq!(told(None, Some(1), None, written), Ok("0.00 of 0.000001 today".into()));
    }
}
