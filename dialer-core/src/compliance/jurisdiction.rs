//! Jurisdiction packs: calling law and norms as data, each with its source. Not legal advice.
//!
//! A campaign's own windows are what is used where it has any; where it has none, calls are made from 08:00 to 21:00
//! every day, and at every time under `none`. What a campaign asks beyond its pack is not silently corrected but
//! named by [`warnings`], so that the person who set it answers for it.

use std::time::Duration;

use super::window::Calendar;
use crate::campaign::duration_text;
use crate::campaign::spec::{CampaignSpec, Jurisdiction};

/// One jurisdiction's rules, as far as this version knows them.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    /// Hours of calling by weekday (Monday first) in minutes of the day; several spans a day where law has a pause.
    /// `None`: no statute known, the general default is used.
    pub hours: Option<[&'static [(u16, u16)]; 7]>,
    /// Largest share of live answers that may be abandoned, where there is a number.
    pub abandon_limit: Option<f64>,
    /// From answer (or greeting) to agent, where there is a limit.
    pub abandon_after: Option<Duration>,
    /// Most attempts to one person in a time, where there is a cap.
    pub attempts: Option<(u32, Duration)>,
    /// Shortest time before an abandoned person is called again without an agent held for them.
    pub after_abandon: Option<Duration>,
    /// Where it is written and as of when it was read; "from memory" where it was not read.
    pub source: &'static str,
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const CLOSED: &[(u16, u16)] = &[];
const fn hours(from: u16, to: u16) -> (u16, u16) {
    (from * 60, to * 60)
}
const FROM_8_TO_21: &[(u16, u16)] = &[hours(8, 21)];
const FROM_8_TO_20: &[(u16, u16)] = &[hours(8, 20)];
const FROM_9_TO_17: &[(u16, u16)] = &[hours(9, 17)];
const FROM_9_TO_20: &[(u16, u16)] = &[hours(9, 20)];
const FROM_9_TO_21: &[(u16, u16)] = &[hours(9, 21)];
const FROM_9_TO_21_30: &[(u16, u16)] = &[(9 * 60, 21 * 60 + 30)];
const FROM_10_TO_18: &[(u16, u16)] = &[hours(10, 18)];
const FRENCH_WORKDAY: &[(u16, u16)] = &[hours(10, 13), hours(14, 20)];

/// The pack of a jurisdiction; `None` for the test rigs' `none`.
pub fn pack(jurisdiction: Jurisdiction) -> Option<Pack> {
    let plain = Pack {
        hours: None,
        abandon_limit: None,
        abandon_after: None,
        attempts: None,
        after_abandon: None,
        source: "",
    };
    match jurisdiction {
        Jurisdiction::None => None,
        Jurisdiction::Us => Some(Pack {
            hours: Some([FROM_8_TO_21; 7]),
            abandon_limit: Some(0.03),
            abandon_after: Some(Duration::from_secs(2)),
            source: "FTC TSR, 16 CFR 310.4(b)(4) and (c), read 2026-11",
            ..plain
        }),
        Jurisdiction::Uk => Some(Pack {
            abandon_limit: Some(0.03),
            abandon_after: Some(Duration::from_secs(2)),
            after_abandon: Some(DAY * 3),
            source: "Ofcom persistent misuse policy 2010 and 2017, read 2026-11; no numeric safe harbour since 2017",
            ..plain
        }),
        Jurisdiction::Ca => Some(Pack {
            hours: Some([
                FROM_9_TO_21_30,
                FROM_9_TO_21_30,
                FROM_9_TO_21_30,
                FROM_9_TO_21_30,
                FROM_9_TO_21_30,
                FROM_10_TO_18,
                FROM_10_TO_18,
            ]),
            abandon_limit: Some(0.05),
            abandon_after: Some(Duration::from_secs(2)),
            source: "CRTC Unsolicited Telecommunications Rules; two seconds read 2026-11, the rest from memory",
            ..plain
        }),
        Jurisdiction::Au => Some(Pack {
            hours: Some([
                FROM_9_TO_20,
                FROM_9_TO_20,
                FROM_9_TO_20,
                FROM_9_TO_20,
                FROM_9_TO_20,
                FROM_9_TO_17,
                CLOSED,
            ]),
            source: "Telemarketing and Research Calls Industry Standard 2017, read 2026-11; holidays not known here",
            ..plain
        }),
        Jurisdiction::De => Some(Pack {
            hours: Some([
                FROM_8_TO_20,
                FROM_8_TO_20,
                FROM_8_TO_20,
                FROM_8_TO_20,
                FROM_8_TO_20,
                FROM_8_TO_20,
                CLOSED,
            ]),
            attempts: Some((3, DAY)),
            source: "BNetzA on harassing calls, read 2026-11; holidays not known here",
            ..plain
        }),
        Jurisdiction::Fr => Some(Pack {
            hours: Some([
                FRENCH_WORKDAY,
                FRENCH_WORKDAY,
                FRENCH_WORKDAY,
                FRENCH_WORKDAY,
                FRENCH_WORKDAY,
                CLOSED,
                CLOSED,
            ]),
            attempts: Some((4, DAY.saturating_mul(30))),
            source: "decree 2022-1313 and law 2025-594 (opt-in since 2026-08-11), read 2026-11; holidays not known here",
            ..plain
        }),
        Jurisdiction::In => Some(Pack {
            hours: Some([FROM_9_TO_21; 7]),
            source: "TRAI rules 2010-11 on 140-series calls, read 2026-11",
            ..plain
        }),
        Jurisdiction::Cn => Some(Pack {
            hours: Some([FROM_8_TO_21; 7]),
            attempts: Some((5, DAY)),
            source: "MIIT notice 2020 and a carrier's practice (8-21, five a day), read 2026-11",
            ..plain
        }),
    }
}

/// The hours used where a campaign gives none.
pub fn default_calendar(jurisdiction: Jurisdiction) -> Calendar {
    match jurisdiction {
        Jurisdiction::None => Calendar::always(),
        Jurisdiction::Us
        | Jurisdiction::Uk
        | Jurisdiction::Ca
        | Jurisdiction::Au
        | Jurisdiction::De
        | Jurisdiction::Fr
        | Jurisdiction::In
        | Jurisdiction::Cn => Calendar::daily(8 * 60, 21 * 60),
    }
}

/// What a campaign asks beyond its jurisdiction's pack, one sentence each; empty where all is within it.
pub fn warnings(spec: &CampaignSpec) -> Vec<String> {
    let Some(pack) = pack(spec.jurisdiction) else { return Vec::new() };
    let mut warnings = Vec::new();
    let calendar = if spec.windows.is_empty() {
        Some(default_calendar(spec.jurisdiction))
    } else {
        Calendar::from_windows(&spec.windows).ok()
    };
    if let (Some(calendar), Some(hours)) = (calendar, pack.hours)
        && !calendar.is_within(&Calendar::from_spans(hours))
    {
        warnings.push(format!("calling windows are wider than the legal hours ({})", pack.source));
    }
    if let Some(limit) = pack.abandon_limit.filter(|limit| spec.abandon_limit > *limit) {
        warnings.push(format!("abandon_limit is above {limit} ({})", pack.source));
    }
    if let Some(after) = pack.abandon_after.filter(|after| spec.abandon_after > *after) {
        warnings.push(format!("abandon_after is above {} ({})", duration_text::write(after), pack.source));
    }
    let after_abandon = spec.closure.retry.get(&crate::attempt::outcome::Outcome::Abandoned);
    if let (Some(least), Some(delay)) = (pack.after_abandon, after_abandon)
        && delay < &least
    {
        let least = duration_text::write(least);
        warnings.push(format!("closure.retry.abandoned is below {least} ({})", pack.source));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::spec::testing::spec;
    use crate::campaign::spec::{Day, Window};

    const ALL: [Jurisdiction; 8] = [
        Jurisdiction::Us,
        Jurisdiction::Uk,
        Jurisdiction::Ca,
        Jurisdiction::Au,
        Jurisdiction::De,
        Jurisdiction::Fr,
        Jurisdiction::In,
        Jurisdiction::Cn,
    ];

    #[test]
    fn every_pack_names_its_source() {
        for jurisdiction in ALL {
            assert!(pack(jurisdiction).unwrap().source.contains("20"), "{jurisdiction:?}");
        }
        assert_eq!(pack(Jurisdiction::None), None);
    }

    #[test]
    fn the_default_is_eight_to_nine_or_always() {
        for jurisdiction in ALL {
            assert_eq!(default_calendar(jurisdiction), Calendar::daily(480, 1260));
        }
        assert_eq!(default_calendar(Jurisdiction::None), Calendar::always());
    }

    #[test]
    fn what_is_beyond_the_pack_is_named() {
        let mut spec = spec();
        spec.jurisdiction = Jurisdiction::Us;
        assert_eq!(warnings(&spec), Vec::<String>::new());
        spec.windows = vec![Window { days: vec![Day::Mon], from: "08:00".into(), to: "21:01".into() }];
        spec.abandon_limit = 0.031;
        spec.abandon_after = Duration::from_secs(3);
        let found = warnings(&spec);
        assert_eq!(found.len(), 3, "{found:?}");
        spec.jurisdiction = Jurisdiction::None;
        assert_eq!(warnings(&spec), Vec::<String>::new());
    }

    #[test]
    fn a_sunday_in_the_default_hours_is_named_where_sundays_are_closed() {
        let mut spec = spec();
        spec.jurisdiction = Jurisdiction::De;
        assert_eq!(warnings(&spec).len(), 1);
        spec.jurisdiction = Jurisdiction::Uk;
        let abandoned = crate::attempt::outcome::Outcome::Abandoned;
        spec.closure.retry.insert(abandoned, DAY);
        assert_eq!(warnings(&spec).len(), 1);
    }
}
