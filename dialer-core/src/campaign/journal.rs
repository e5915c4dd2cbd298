//! The journal of a campaign's pacer: all that it was told and asked, so that every decision can be made again; and the plans
//! for owners and the choices for shared agents, which are made beside the pacer.
//!
//! It is kept in segments, each of which begins with the pacer and the team as they were, and is written part by part, a few seconds at a
//! time. A process that is killed loses what it had not handed to the store yet, and nothing that was written is touched
//! again.

use std::collections::BTreeMap;
use std::time::Duration;

use carillon_pacing::journal::{Entry, Recorder, is_choice};
use carillon_pacing::share::Claim;
use carillon_pacing::team::{Ahead, Plan};
use carillon_pacing::{AgentKey, Capacity, Decision, Event, Limits};
use serde::{Deserialize, Serialize};

use crate::id::CampaignId;
use crate::store::write::{JournalEnd, JournalPart};
use crate::time::{Now, Utc};

/// A segment that has lasted so long is followed by another one.
pub const SEGMENT_LENGTH_MAX: Duration = Duration::from_secs(600);
/// So is one whose entries take more bytes.
pub const SEGMENT_BYTES_MAX: usize = 512 * 1024;
/// A part that takes more bytes does not wait for its time.
pub const PART_BYTES_MAX: usize = 64 * 1024;
/// What a store that is away may leave unwritten in bytes; beyond, the segment ends without it.
pub const UNWRITTEN_BYTES_MAX: usize = 1024 * 1024;
/// Segments that are kept of each campaign: a day at the least. `schema_5.sql` drops older ones.
pub const SEGMENTS_MAX: u64 = 144;

/// What another layout of parts changes.
const FORMAT: u32 = 2;

/// How a part begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    pub format: u32,
    /// Time of the pacer from which the first entry counts, in nanoseconds, and the wall clock then.
    pub from_ns: u64,
    pub from_utc: i64,
    /// The number of the last decision before it.
    pub decisions_before: u64,
    /// In the first part of a segment.
    pub opening: Option<Opening>,
}

/// How a segment begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Opening {
    /// Version of the program: another one may decide otherwise.
    pub version: String,
    /// Whether the pacer lived on from the segment before.
    pub continues: bool,
    /// The pacer.
    pub pacer: Vec<u8>,
    /// What stands beside it.
    pub beside: Vec<u8>,
}

/// The pacer, and what stands beside it, as they are written.
pub(crate) struct Snapshot {
    pub pacer: Vec<u8>,
    pub beside: Vec<u8>,
}

/// A choice for an agent whom several campaigns share.
pub(crate) struct Share<'a> {
    pub agent: AgentKey,
    /// The campaigns with their claims, in the order in which equals go.
    pub claims: &'a [(u64, Claim)],
    /// Of the campaign in whose journal it is.
    pub limits: Limits,
    pub chosen: u64,
    /// The agent counts for it already.
    pub stays: bool,
}

/// The segment that is being written.
#[derive(Clone, Copy, Debug)]
struct Open {
    since: Duration,
    part: u32,
    /// Bytes of it that were handed over.
    bytes: usize,
}

/// Writes the journal of one campaign.
pub(crate) struct Journal {
    campaign: CampaignId,
    segment: u64,
    decisions: u64,
    open: Option<Open>,
    /// The pacer has lived through all of the segment before.
    continues: bool,
    recorder: Recorder,
    body: Vec<u8>,
    latest: Duration,
    /// A moment on both clocks.
    clock: (Duration, Utc),
}

impl Journal {
    /// One that goes on behind another.
    pub fn new(campaign: CampaignId, end: JournalEnd, clock: (Duration, Utc)) -> Self {
        Self {
            campaign,
            segment: end.segment,
            decisions: end.decision,
            open: None,
            continues: false,
            recorder: Recorder::default(),
            body: Vec::new(),
            latest: clock.0,
            clock,
        }
    }

    /// The pacer is about to be told.
    pub fn told(&mut self, event: &Event, snapshot: impl FnOnce() -> Option<Snapshot>) {
        if self.begin(event.at, snapshot) {
            let entry = self.recorder.told(event);
            self.add(&entry, event.at);
        }
    }

    /// The pacer is about to be asked: whatever it answers is the decision of the number that is given.
    pub fn asking(&mut self, now: Duration, at: Utc, snapshot: impl FnOnce() -> Option<Snapshot>) -> u64 {
        self.clock = (now, at);
        self.begin(now, snapshot);
        self.decisions = self.decisions.saturating_add(1);
        self.decisions
    }

    /// It has answered.
    pub fn answered(&mut self, capacity: &Capacity, decision: &Decision) {
        if self.open.is_some() {
            let entry = self.recorder.asked(capacity, decision);
            self.add(&entry, capacity.now);
        }
    }

    /// A plan for owners was made; it changed nothing yet.
    pub fn planned(
        &mut self,
        now: Now,
        (wishes, limits, room): (&BTreeMap<AgentKey, u32>, Limits, u32),
        plan: &Plan,
        snapshot: impl FnOnce() -> Option<Snapshot>,
    ) {
        self.clock = (now.monotonic, now.utc);
        if self.begin(now.monotonic, snapshot) {
            let entry = self.recorder.planned(now.monotonic, wishes, limits, room, plan);
            self.add(&entry, now.monotonic);
        }
    }

    /// The policy has said for whom lines leave ahead.
    pub fn ahead(
        &mut self,
        now: Now,
        (wishes, room): (&BTreeMap<AgentKey, u32>, u32),
        ahead: &Ahead,
        snapshot: impl FnOnce() -> Option<Snapshot>,
    ) {
        self.clock = (now.monotonic, now.utc);
        if self.begin(now.monotonic, snapshot) {
            let entry = self.recorder.ahead(now.monotonic, wishes, room, ahead);
            self.add(&entry, now.monotonic);
        }
    }

    /// The campaign was chosen for which an agent counts; nothing changed yet.
    pub fn shared(&mut self, now: Now, share: &Share<'_>, snapshot: impl FnOnce() -> Option<Snapshot>) {
        let Share { agent, claims, limits, chosen, stays } = *share;
        self.clock = (now.monotonic, now.utc);
        if is_choice(claims.len())
            && self.begin(now.monotonic, snapshot)
            && let Some(entry) = self.recorder.shared(now.monotonic, agent, claims, limits, chosen, stays)
        {
            self.add(&entry, now.monotonic);
        }
    }

    /// Whether a part should be handed over before its time.
    pub fn is_full(&self) -> bool {
        self.body.len() >= PART_BYTES_MAX
    }

    /// What is to be written; ends the segment where it is long enough.
    pub fn take(&mut self) -> Option<JournalPart> {
        let open = self.open.as_mut().filter(|_| !self.body.is_empty())?;
        let mut body = std::mem::take(&mut self.body);
        body.extend_from_slice(&check(&body).to_le_bytes());
        let (segment, part) = (self.segment, open.part);
        open.part = open.part.saturating_add(1);
        open.bytes = open.bytes.saturating_add(body.len());
        if open.bytes >= SEGMENT_BYTES_MAX || self.latest.saturating_sub(open.since) >= SEGMENT_LENGTH_MAX {
            self.open = None;
            self.continues = true;
        }
        let at = self.utc(self.latest);
        Some(JournalPart { campaign: self.campaign, segment, part, at, decisions_to: self.decisions, body })
    }

    /// Makes sure that there is a part that an entry can be added to; false where the pacer can't be written.
    fn begin(&mut self, at: Duration, snapshot: impl FnOnce() -> Option<Snapshot>) -> bool {
        if self.body.len() >= UNWRITTEN_BYTES_MAX {
            tracing::warn!(campaign = %self.campaign, "the pacer's journal has a gap: it could not be written");
            self.body.clear();
            self.open = None;
            self.continues = false;
        }
        if self.open.is_some() && !self.body.is_empty() {
            return true;
        }
        let mut opening = None;
        if self.open.is_none() {
            let Some(Snapshot { pacer, beside }) = snapshot() else { return false };
            let version = env!("CARGO_PKG_VERSION").to_owned();
            opening = Some(Opening { version, continues: self.continues, pacer, beside });
            self.continues = false;
            self.segment = self.segment.saturating_add(1);
            self.open = Some(Open { since: at, part: 0, bytes: 0 });
        }
        self.latest = at;
        self.recorder = Recorder::new(at);
        let head = Head {
            format: FORMAT,
            from_ns: u64::try_from(at.as_nanos()).unwrap_or(u64::MAX),
            from_utc: self.utc(at).0,
            decisions_before: self.decisions,
            opening,
        };
        self.write(&head);
        true
    }

    fn add(&mut self, entry: &Entry, at: Duration) {
        self.write(entry);
        self.latest = at;
    }

    fn write(&mut self, value: &impl Serialize) {
        let body = std::mem::take(&mut self.body);
        match postcard::to_extend(value, body) {
            Ok(body) => self.body = body,
            Err(error) => {
                tracing::warn!(%error, "the pacer's journal has a gap");
                self.open = None;
                self.continues = false;
            }
        }
    }

    fn utc(&self, at: Duration) -> Utc {
        let (known, utc) = self.clock;
        let span = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        if at >= known {
            Utc(utc.0.saturating_add(span(at - known)))
        } else {
            Utc(utc.0.saturating_sub(span(known - at)))
        }
    }
}

/// A part without its check, and its head; `None` where it is damaged or of another layout.
pub(super) fn read(body: &[u8]) -> Option<(Head, &[u8])> {
    let (content, sum) = body.split_last_chunk::<8>()?;
    if check(content) != u64::from_le_bytes(*sum) {
        return None;
    }
    let (format, _) = postcard::take_from_bytes::<u32>(content).ok()?;
    if format == FORMAT { postcard::take_from_bytes::<Head>(content).ok() } else { None }
}

/// FNV-1a.
fn check(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A part whose entries somebody has changed, and its check with them.
    pub fn edited(part: &JournalPart, mut edit: impl FnMut(&mut Entry)) -> JournalPart {
        let (_, mut entries) = read(&part.body).expect("whole");
        let head = part.body.len() - entries.len() - 8;
        let mut body = part.body[..head].to_vec();
        while !entries.is_empty() {
            let (mut entry, rest) = postcard::take_from_bytes::<Entry>(entries).expect("an entry");
            edit(&mut entry);
            body = postcard::to_extend(&entry, body).expect("can be written");
            entries = rest;
        }
        body.extend_from_slice(&check(&body).to_le_bytes());
        JournalPart { body, ..part.clone() }
    }
}
