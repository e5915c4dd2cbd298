//! Agents: what each does since when, and how many to expect free by each point.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::learnt::{FINISHING, FORM_OPEN, Frame, Learnt, SEAT_STAGES, TALKING, WRAPPING, seat};
use super::tables::{ByPoint, POINTS, Tables, scaled};
use crate::event::AgentKey;
use crate::numeric::Moments;

/// An agent's speed is shrunk to the team's by so many talks.
const SPEED_WEIGHT: f64 = 20.0;

/// What an agent does, as the forecast sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Activity {
    /// Waits for a call.
    Free,
    /// Busy, in one of the stages.
    Busy(usize),
    /// Takes no calls.
    Away,
}

/// One agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seat {
    key: AgentKey,
    activity: Activity,
    since_s: f64,
    exposed_s: f64,
    leaving: bool,
    /// Works off contacts of their own, apart from the pool.
    apart: bool,
    /// Ends of stages, and how many the team's hazards expected.
    ended: f64,
    expected: f64,
    by: ByPoint,
}

impl Seat {
    // A call for each of ten thousand agents costs a sixth of a decision.
    #[inline(always)]
    /// Brings its probabilities up to date, in the sums too.
    fn refresh(&mut self, now_s: f64, frame: &Frame, tables: &Tables, sums: &mut [Moments; POINTS]) {
        let new = match self.activity {
            Activity::Busy(stage) if stage < SEAT_STAGES && !self.leaving => {
                let by = tables.seat(stage, frame.seat_bins.at(now_s - self.since_s));
                let speed = (self.ended + SPEED_WEIGHT) / (self.expected + SPEED_WEIGHT);
                by.map(|by| scaled(by, by, speed))
            }
            Activity::Busy(_) | Activity::Free | Activity::Away => [0.0; POINTS],
        };
        for ((sum, old), new) in sums.iter_mut().zip(&mut self.by).zip(new) {
            if !self.apart {
                sum.replace(*old, new);
            }
            *old = new;
        }
    }
}

/// All agents. What is said of those who are free or come free is said of the pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Seats {
    seats: Vec<Seat>,
    places: BTreeMap<AgentKey, usize>,
    sums: [Moments; POINTS],
    next: usize,
    free: u32,
    working: u32,
    pooled: u32,
}

impl Seats {
    pub fn new() -> Self {
        Self {
            seats: Vec::new(),
            places: BTreeMap::new(),
            sums: [Moments::default(); POINTS],
            next: 0,
            free: 0,
            working: 0,
            pooled: 0,
        }
    }

    /// Agents who wait for a call.
    pub fn free(&self) -> u32 {
        self.free
    }

    /// Agents who wait, talk or wrap up, in the pool or apart.
    pub fn working(&self) -> u32 {
        self.working
    }

    /// Those of them who are in the pool.
    pub fn pooled(&self) -> u32 {
        self.pooled
    }

    /// Probabilities that an agent who is busy now is free by each point.
    pub fn by(&self, key: AgentKey) -> ByPoint {
        self.places.get(&key).and_then(|place| self.seats.get(*place)).map_or([0.0; POINTS], |seat| seat.by)
    }

    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Moments of the agents who come free by a point.
    pub fn coming(&self, point: usize) -> Moments {
        self.sums[point]
    }

    /// Probabilities that busy agents are free by each point, one row an agent.
    pub fn busy(&self) -> impl Iterator<Item = &ByPoint> {
        let busy = |it: &&Seat| matches!(it.activity, Activity::Busy(_)) && !it.apart;
        self.seats.iter().filter(busy).map(|it| &it.by)
    }

    /// The agent's activity changes; `None` is signed off.
    pub fn change(
        &mut self,
        key: AgentKey,
        to: Option<Activity>,
        now_s: f64,
        frame: &Frame,
        learnt: &mut Learnt,
        tables: &Tables,
    ) {
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                self.places.insert(key, self.seats.len());
                self.seats.push(Seat {
                    key,
                    activity: Activity::Away,
                    since_s: now_s,
                    exposed_s: now_s,
                    leaving: false,
                    apart: false,
                    ended: 0.0,
                    expected: 0.0,
                    by: [0.0; POINTS],
                });
                self.seats.len() - 1
            }
        };
        let seat = &mut self.seats[place];
        let to_activity = to.unwrap_or(Activity::Away);
        let same = seat.activity == to_activity;
        // Wrap-up after the agent told that the end is near changes nothing in what is expected.
        let told = matches!(seat.activity, Activity::Busy(FORM_OPEN | FINISHING));
        if !(same && to.is_some() || told && to_activity == Activity::Busy(WRAPPING)) {
            self.leave_stage(place, to_activity, now_s, frame, learnt, tables);
            self.count(place, false);
            let seat = &mut self.seats[place];
            seat.leaving &= to_activity != Activity::Free;
            (seat.activity, seat.since_s, seat.exposed_s) = (to_activity, now_s, now_s);
            self.count(place, true);
            self.refresh_one(place, now_s, frame, tables);
        }
        if to.is_none() {
            self.remove(key, place);
        }
    }

    /// The agent works off contacts of their own, apart from the pool, or is back in it.
    pub fn set_apart(&mut self, key: AgentKey, apart: bool) {
        let Some(place) = self.places.get(&key).copied().filter(|place| self.seats[*place].apart != apart)
        else {
            return;
        };
        self.count(place, false);
        let seat = &mut self.seats[place];
        seat.apart = apart;
        for (sum, by) in self.sums.iter_mut().zip(seat.by) {
            sum.add(Moments::bernoulli(by), if apart { -1.0 } else { 1.0 });
        }
        self.count(place, true);
    }

    fn count(&mut self, place: usize, more: bool) {
        let seat = &self.seats[place];
        let works = seat.activity != Activity::Away;
        let free = seat.activity == Activity::Free && !seat.apart;
        let counters =
            [(&mut self.free, free), (&mut self.working, works), (&mut self.pooled, works && !seat.apart)];
        for (counter, counts) in counters {
            let change = u32::from(counts);
            *counter = if more { counter.saturating_add(change) } else { counter.saturating_sub(change) };
        }
    }

    /// The agent takes no further call.
    pub fn leaving(&mut self, key: AgentKey, now_s: f64, frame: &Frame, tables: &Tables) {
        if let Some(place) = self.places.get(&key).copied() {
            self.seats[place].leaving = true;
            self.refresh_one(place, now_s, frame, tables);
        }
    }

    /// The agent told how far the call is; says nothing of one who is not busy.
    pub fn told(
        &mut self,
        key: AgentKey,
        stage: usize,
        now_s: f64,
        frame: &Frame,
        learnt: &mut Learnt,
        tables: &Tables,
    ) {
        let Some(place) = self.places.get(&key) else { return };
        match self.seats[*place].activity {
            Activity::Busy(current) if current < stage => {
                self.change(key, Some(Activity::Busy(stage)), now_s, frame, learnt, tables);
            }
            Activity::Busy(_) | Activity::Free | Activity::Away => {}
        }
    }

    /// Counts the time at risk of all running stages.
    pub fn expose(&mut self, now_s: f64, frame: &Frame, learnt: &mut Learnt) {
        for seat in &mut self.seats {
            expose(seat, now_s, frame, learnt);
        }
    }

    /// Brings the expectations of a share of the agents up to date; of all where they are few.
    pub fn refresh(&mut self, now_s: f64, most: usize, frame: &Frame, tables: &Tables) {
        let count = self.seats.len();
        if count == 0 {
            return;
        }
        // Kept beside while so many are added up.
        let mut sums = self.sums;
        for _ in 0..count.min(most) {
            self.next = if self.next + 1 < count { self.next + 1 } else { 0 };
            self.seats[self.next].refresh(now_s, frame, tables, &mut sums);
        }
        self.sums = sums;
    }

    fn leave_stage(
        &mut self,
        place: usize,
        to: Activity,
        now_s: f64,
        frame: &Frame,
        learnt: &mut Learnt,
        tables: &Tables,
    ) {
        let seat = &mut self.seats[place];
        let Activity::Busy(stage) = seat.activity else { return };
        expose(seat, now_s, frame, learnt);
        let age_s = now_s - seat.since_s;
        let kind = match to {
            Activity::Free => seat::READY,
            Activity::Away if seat.leaving => seat::READY,
            Activity::Away => seat::GONE,
            Activity::Busy(WRAPPING) => seat::WRAP,
            Activity::Busy(FORM_OPEN) => seat::FORM,
            Activity::Busy(FINISHING) => seat::FINISHING,
            // Given the next call at once: free in between.
            Activity::Busy(_) => seat::READY,
        };
        learnt.seats[stage].exit(&frame.seat_bins, kind, age_s);
        if stage == TALKING || stage == WRAPPING {
            seat.expected += tables.ends_by(frame, stage, age_s);
            seat.ended += 1.0;
            if seat.expected > 200.0 {
                seat.expected /= 2.0;
                seat.ended /= 2.0;
            }
        }
    }

    fn remove(&mut self, key: AgentKey, place: usize) {
        self.places.remove(&key);
        self.seats.swap_remove(place);
        if let Some(moved) = self.seats.get(place) {
            self.places.insert(moved.key, place);
        }
        if self.seats.is_empty() {
            self.sums = [Moments::default(); POINTS];
        }
    }

    fn refresh_one(&mut self, place: usize, now_s: f64, frame: &Frame, tables: &Tables) {
        self.seats[place].refresh(now_s, frame, tables, &mut self.sums);
    }
}

fn expose(seat: &mut Seat, now_s: f64, frame: &Frame, learnt: &mut Learnt) {
    if let Activity::Busy(stage) = seat.activity
        && let Some(spells) = learnt.seats.get_mut(stage)
    {
        spells.expose(&frame.seat_bins, seat.exposed_s - seat.since_s, now_s - seat.since_s);
    }
    seat.exposed_s = now_s;
}
