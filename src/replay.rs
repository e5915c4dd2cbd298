//! `carillon replay`: makes a campaign's recorded pacing decisions again and tells whether they come out the same.

use std::path::PathBuf;

use carillon_core::campaign::decisions::sentence;
use carillon_core::campaign::replay::{Remade, Replayed, replay};
use carillon_core::time::Utc;
use carillon_pacing::journal::Said;
use jiff::Timestamp;

use crate::exit::Exit;
use crate::rehearse::{open, unreadable};
use crate::say::say;

/// What to replay.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// The database.
    pub from: PathBuf,
    /// The campaign's number or name.
    pub campaign: String,
    /// The decision to show, by number.
    pub decision: Option<u64>,
    /// The decision to show, by time (RFC 3339): the last one up to it.
    pub at: Option<String>,
}

/// Replays and prints. Errors: the database or the campaign is not there or none of ours, nothing is recorded, a decision
/// comes out otherwise than it was made.
pub async fn command(options: &ReplayOptions) -> Result<(), Exit> {
    let at = options.at.as_deref().map(|text| text.parse::<Timestamp>());
    let at = at.transpose().map_err(|error| Exit::file(format!("--at: {error}")))?;
    let (mut archive, campaign) = open(&options.from, &options.campaign).await?;
    let parts = archive.journal(campaign.campaign).await.map_err(|error| unreadable(&options.from, error))?;
    drop(archive);
    let name = &campaign.spec.name;
    if parts.is_empty() {
        return Err(Exit::other(format!("campaign `{name}`: no decision is recorded")));
    }
    let (mut span, mut first_other, mut other, mut wanted) = (None, None, 0_u64, None);
    let found = replay(parts, &mut |remade: &Remade| {
        let (first, _) = span.unwrap_or((*remade, *remade));
        span = Some((first, *remade));
        if !remade.is_same() {
            other += 1;
            first_other.get_or_insert(*remade);
        }
        let is_wanted = match (options.decision, at) {
            (Some(number), _) => remade.number == number,
            (None, Some(at)) => remade.at.0 <= at.as_millisecond(),
            (None, None) => false,
        };
        if is_wanted {
            wanted = Some(*remade);
        }
    });
    say(format_args!("campaign {name}: {}", summary(&found)));
    if let Some((first, last)) = span {
        let (from, to) = (time(first.at), time(last.at));
        say(format_args!("decisions {} ({from}) to {} ({to})", first.number, last.number));
    }
    for gap in &found.gaps {
        say(format_args!("gap: {gap}"));
    }
    for version in &found.versions {
        say(format_args!("written in part by version {version}; this is {}", env!("CARGO_PKG_VERSION")));
    }
    match (wanted, options.decision, at) {
        (Some(remade), _, _) => say(shown(&remade).trim_end()),
        (None, None, None) => {}
        (None, _, _) => return Err(Exit::other("the decision that was asked for is not in the record")),
    }
    if let Some(remade) = first_other {
        if wanted.is_none_or(|wanted| wanted.number != remade.number) {
            say(shown(&remade).trim_end());
        }
        return Err(Exit::other(format!(
            "{other} of {} decisions come out otherwise; the first is {} at {}",
            found.decisions,
            remade.number,
            time(remade.at)
        )));
    }
    if let Some(segment) = found.strayed.first() {
        return Err(Exit::other(format!("segment {segment}: the pacer is not the one that was recorded")));
    }
    say("every decision comes out as it was made");
    Ok(())
}

fn summary(found: &Replayed) -> String {
    let Replayed { segments, decisions, events, .. } = found;
    format!("{segments} segments, {decisions} decisions, {events} events replayed")
}

fn time(at: Utc) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| format!("{at:.3}"))
}

/// A decision with all that it rests on.
fn shown(remade: &Remade) -> String {
    let Remade { number, at, capacity, decision, recorded } = remade;
    let now = Said::of(decision);
    let mut text = format!(
        "decision {number} at {}: place {}\n  {}\n  asked with: {} lines free, {} calls per second free, {} tasks in hand, \
         limit {}%, over-dialing {}",
        time(*at),
        decision.place,
        sentence(&decision.reason),
        capacity.lines_free,
        capacity.calls_per_second_free,
        capacity.supply,
        capacity.limits.abandon_limit * 100.0,
        if capacity.limits.over_dial { "allowed" } else { "not allowed" },
    );
    if let Some(outlook) = capacity.outlook {
        text.push_str(&format!(", {:.2} agent hours ahead", outlook.agent_hours_left));
    }
    text.push('\n');
    if let Some(it) = decision.reason.forecast {
        text.push_str(&format!(
            "  forecast: {:.1} s, answers {:.3} ± {:.3}, agents {:.3} ± {:.3}, risk {:.4} of {:.4} accepted, exposure {:.2}, \
             allowance {:.2}\n",
            it.horizon_s,
            it.answers,
            it.answers_deviation,
            it.agents,
            it.agents_deviation,
            it.risk,
            it.risk_accepted,
            it.exposure,
            it.allowance,
        ));
    }
    if now == *recorded {
        text.push_str("  as it was made, to the last bit\n");
    } else {
        text.push_str(&format!(
            "  OTHERWISE THAN IT WAS MADE: then {} were placed (check {:08x}), now {} (check {:08x})\n",
            recorded.place, recorded.check, now.place, now.check
        ));
    }
    text
}
