//! The journal of a campaign's pacer: all that it was told and asked, so that every decision can be made again.
//!
//! It is kept in segments, each of which begins with the pacer as it was, and is written part by part, a few seconds at a
//! time. A process that is killed loses what it had not handed to the store yet, and nothing that was written is touched
//! again.

use std::time::Duration;

use carillon_pacing::journal::{Entry, Recorder};
use carillon_pacing::{Capacity, Decision, Event};
use serde::{Deserialize, Serialize};

use crate::id::CampaignId;
use crate::store::write::{JournalEnd, JournalPart};
use crate::time::Utc;

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

/// What another layout of parts would change.
const FORMAT: u32 = 1;

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
    pub fn told(&mut self, event: &Event, pacer: impl FnOnce() -> Option<Vec<u8>>) {
        if self.begin(event.at, pacer) {
            let entry = self.recorder.told(event);
            self.add(&entry, event.at);
        }
    }

    /// The pacer is about to be asked: whatever it answers is the decision of the number that is given.
    pub fn asking(&mut self, now: Duration, at: Utc, pacer: impl FnOnce() -> Option<Vec<u8>>) -> u64 {
        self.clock = (now, at);
        self.begin(now, pacer);
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
    fn begin(&mut self, at: Duration, pacer: impl FnOnce() -> Option<Vec<u8>>) -> bool {
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
            let Some(pacer) = pacer() else { return false };
            let version = env!("CARGO_PKG_VERSION").to_owned();
            opening = Some(Opening { version, continues: self.continues, pacer });
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
    let (head, entries) = postcard::take_from_bytes::<Head>(content).ok()?;
    (head.format == FORMAT).then_some((head, entries))
}

/// FNV-1a.
fn check(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
