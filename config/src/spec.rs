//! `[campaign]`, `[[window]]` and `[closure]` as a [`CampaignSpec`].

use std::collections::{BTreeMap, BTreeSet};

use carillon_core::attempt::outcome::Outcome;
use carillon_core::campaign::check::{NAME_CHARACTERS_MAX, check};
use carillon_core::campaign::spec::{
    CampaignSpec, ClosureSpec, Day, InboundSpec, Jurisdiction, Mode, Unanswered, Window, WorkShift, WrapUp,
};
use carillon_core::closure::CALLEE_LEFT;
use carillon_core::contact::number::canonical;
use carillon_sip::options::UserOptions;

use crate::reader::{At, Document, Place, Section, named};

/// A spec that is being read, and where its fields stand.
pub(crate) struct SpecReader<'d> {
    document: &'d Document<'d>,
    places: BTreeMap<String, Place>,
}

impl<'d> SpecReader<'d> {
    /// Nothing read yet.
    pub(crate) fn new(document: &'d Document<'d>) -> Self {
        Self { document, places: BTreeMap::new() }
    }

    /// Remembers where the field `key` of the spec stands, and takes its value.
    pub(crate) fn keep<T>(&mut self, key: impl Into<String>, at: Option<At<T>>) -> Option<T> {
        let at = at?;
        self.places.insert(key.into(), at.place);
        Some(at.value)
    }

    /// Reads `[campaign]`. Wrap-up, talk limit, region, zone, windows and closure are added by the caller.
    pub(crate) fn campaign(&mut self, section: &mut Section<'_>) -> Option<CampaignSpec> {
        let name = section.text("name");
        section.need("name");
        let mode = section.name::<Mode>("mode");
        section.need("mode");
        let jurisdiction = section.name::<Jurisdiction>("jurisdiction");
        section.need("jurisdiction");
        let ratio = section.number("ratio");
        let abandon_limit = section.number("abandon_limit");
        let abandon_strict = section.flag("abandon_strict", false);
        let abandon_after = section.duration("abandon_after");
        let ring_timeout = section.duration("ring_timeout");
        let time_limit = section.duration("time_limit");
        let record = section.flag("record", false);
        let preview_timeout = section.duration("preview_timeout");
        let preview_unanswered = section.name::<Unanswered>("preview_unanswered");
        let preview_again = section.duration("preview_again");
        let mut spec =
            CampaignSpec::new(self.keep("name", name)?, self.keep("mode", mode)?, jurisdiction?.value);
        spec.record = record;
        spec.abandon_strict = abandon_strict;
        spec.ratio = self.keep("ratio", ratio).unwrap_or(spec.ratio);
        spec.abandon_limit = self.keep("abandon_limit", abandon_limit).unwrap_or(spec.abandon_limit);
        spec.abandon_after = self.keep("abandon_after", abandon_after).unwrap_or(spec.abandon_after);
        spec.ring_timeout = self.keep("ring_timeout", ring_timeout).unwrap_or(spec.ring_timeout);
        // A run has no screens on which anybody could decide.
        spec.preview_timeout = self.keep("preview_timeout", preview_timeout).unwrap_or_default();
        spec.preview_unanswered =
            self.keep("preview_unanswered", preview_unanswered).unwrap_or(Unanswered::Call);
        spec.preview_again = self.keep("preview_again", preview_again).unwrap_or(spec.preview_again);
        spec.time_limit = self.keep("time_limit", time_limit);
        Some(spec)
    }

    /// Reads every `[[window]]`.
    pub(crate) fn windows(&mut self, sections: Vec<Section<'_>>) -> Vec<Window> {
        let mut windows = Vec::new();
        for (index, mut section) in sections.into_iter().enumerate() {
            let (days, from, to) = self.hours(&format!("windows[{index}]"), &mut section);
            section.finish();
            windows.push(Window { days, from, to });
        }
        windows
    }

    /// Reads every `[[agents.shift]]`; `users` are the agents there are.
    pub(crate) fn shifts(&mut self, sections: Vec<Section<'_>>, users: &[UserOptions]) -> Vec<WorkShift> {
        let known: BTreeSet<&str> = users.iter().map(|user| user.user.as_str()).collect();
        let mut shifts = Vec::new();
        for (index, mut section) in sections.into_iter().enumerate() {
            let entry = format!("shifts[{index}]");
            let (days, from, to) = self.hours(&entry, &mut section);
            let agents = section.texts("agents", false);
            section.finish();
            let mut named = Vec::new();
            for agent in agents.as_ref().map_or(&[][..], |at| &at.value) {
                if known.contains(agent.value.as_str()) {
                    named.push(agent.value.clone());
                } else {
                    let message = format!("{} is no user of an [[agents.agent]]", agent.value);
                    self.document.problem(&agent.place, message);
                }
            }
            if let Some(at) = agents.as_ref().filter(|at| at.value.is_empty()) {
                self.document.problem(&at.place, "names nobody; leave it out for a shift of everybody");
            }
            self.keep(format!("{entry}.agents"), agents);
            shifts.push(WorkShift { days, from, to, agents: named });
        }
        shifts
    }

    /// Days and times of a window or a shift.
    fn hours(&mut self, entry: &str, section: &mut Section<'_>) -> (Vec<Day>, String, String) {
        let key = |field: &str| format!("{entry}.{field}");
        let days = section.texts("days", false);
        section.need("days");
        let from = section.text_required("from");
        let to = section.text_required("to");
        let mut known = Vec::new();
        for day in days.as_ref().map_or(&[][..], |at| &at.value) {
            match named::<Day>(&day.value) {
                Ok(day) => known.push(day),
                Err(message) => self.document.problem(&day.place, message),
            }
        }
        self.keep(key("days"), days);
        let from = self.keep(key("from"), Some(from)).unwrap_or_default();
        let to = self.keep(key("to"), Some(to)).unwrap_or_default();
        (known, from, to)
    }

    /// Reads `[closure]` and `[closure.retry]`.
    pub(crate) fn closure(&mut self, mut section: Section<'_>) -> ClosureSpec {
        let attempts_max = section.integer("attempts_max", 1..=100);
        let within = section.duration("within");
        let success = section.texts("success", false);
        let retry = section.section("retry", "[closure.retry]");
        section.finish();
        let mut closure = ClosureSpec::default();
        if let Some(most) = attempts_max.and_then(|at| u32::try_from(at.value).ok()) {
            closure.attempts_max = most;
        }
        closure.within = self.keep("closure.within", within).unwrap_or(closure.within);
        if let Some(success) = self.keep("closure.success", success) {
            closure.success = success.into_iter().map(|at| at.value).collect();
        }
        for (name, delay) in retry.durations() {
            if name == CALLEE_LEFT {
                closure.callee_left = self.keep("closure.callee_left", Some(delay));
                continue;
            }
            match named::<Outcome>(&name) {
                Ok(outcome) => {
                    let delay = self.keep(format!("closure.retry.{name}"), Some(delay)).unwrap_or_default();
                    closure.retry.insert(outcome, delay);
                }
                Err(message) => self.document.problem(&delay.place, message),
            }
        }
        closure
    }

    /// Reads `[inbound]`; the numbers as they are written. The message is a file, which the caller sees to.
    pub(crate) fn inbound(&mut self, mut section: Section<'_>) -> (InboundSpec, Option<At<String>>) {
        let numbers = section.texts("numbers", true);
        let wait_max = section.duration("wait_max");
        let message = section.text("message");
        let default = InboundSpec::default();
        let (owner, team) = (section.flag("owner", default.owner), section.flag("team", default.team));
        self.places.insert("inbound.team".into(), section.place("team"));
        section.finish();
        let mut inbound = InboundSpec { owner, team, ..default };
        inbound.wait_max = self.keep("inbound.wait_max", wait_max).unwrap_or(inbound.wait_max);
        for (index, number) in numbers.map(|at| at.value).unwrap_or_default().into_iter().enumerate() {
            inbound.numbers.extend(self.keep(format!("inbound.numbers[{index}]"), Some(number)));
        }
        (inbound, message)
    }

    /// Brings the numbers that can be called into their one form, with the region of the list.
    pub(crate) fn read_numbers(&self, spec: &mut CampaignSpec) {
        for (index, number) in spec.inbound.numbers.iter_mut().enumerate() {
            match canonical(number, spec.region.as_deref()) {
                Ok(canonical) => *number = canonical,
                // What the check says of it is less than what is known here.
                Err(error) => {
                    if let Some(place) = self.places.get(&format!("inbound.numbers[{index}]")) {
                        self.document.problem(place, error.to_string());
                    }
                    "+999".clone_into(number);
                }
            }
        }
    }

    /// What the script does after a bridged call, from `[agents]`.
    pub(crate) fn script(&mut self, section: &mut Section<'_>) -> WrapUp {
        let after = section.duration("wrap_up");
        let disposition = section.text("disposition");
        WrapUp::Script {
            after: self.keep("wrap_up", after).unwrap_or(std::time::Duration::from_secs(5)),
            disposition: self.keep("disposition", disposition).unwrap_or_else(|| "success".into()),
        }
    }

    /// Checks the whole spec and notes what is wrong at the places where it was read.
    pub(crate) fn check(&self, spec: &CampaignSpec, fallback: &Place) {
        for problem in check(spec) {
            self.document.problem(self.places.get(&problem.key).unwrap_or(fallback), problem.message);
        }
    }
}

/// Notes a name that can't stand in reports, metrics and logs.
pub(crate) fn check_name(document: &Document<'_>, name: &At<String>) {
    let length = name.value.chars().count();
    if !(1..=NAME_CHARACTERS_MAX).contains(&length) || name.value.chars().any(char::is_control) {
        let bounds = format!("must have 1 to {NAME_CHARACTERS_MAX} characters and no control characters");
        document.problem(&name.place, bounds);
    }
}
