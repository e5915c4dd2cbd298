//! What a trunk has used of its caps, as the database has it.

use std::path::Path;
use std::time::Duration;

use carillon_core::store::sqlite::{Archive, StoreError};
use carillon_core::time::{CalendarDay, Utc};
use carillon_sip::options::TrunkOptions;
use carillon_sip::trunk::rates::written;

use crate::caps::{self, Used};

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
            Some(archive) => caps::talked(&archive.trunk_talk(now).await?),
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
