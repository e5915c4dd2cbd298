//! Ladders: for each call, which SIP messages went to and fro between whom, and when.
//!
//! Written down at the two doors through which all messages pass, so that a ladder has what was on the wire, repetitions and
//! all. Kept are a few facts of each message ([`Sketch`]): no number, no name, no credentials. A ladder is found by its call or
//! by the Call-ID of one of its dialogs; ended calls stay until newer ones need their room.

mod sketch;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use crate::fingerprint::{ByText, Fingerprints};
use crate::id::CallId;
use crate::transport::Transport;
use crate::verification::Verdict;
pub use sketch::{Body, Cause, Direction, Session, Sketch, Verb};

/// Messages of a call that are kept from its beginning.
pub const FIRST_MAX: usize = 48;
/// Messages of a call that are kept beside them, the newest.
pub const LAST_MAX: usize = 48;
/// Parties of a call that are told apart: a trunk's servers, an agent's phones.
pub const PARTIES_MAX: usize = 16;
/// Ladders of ended calls that are kept.
pub const ENDED_MAX: usize = 4_096;
/// Memory that ladders of ended calls may take.
pub const ENDED_OCTETS_MAX: usize = 8 << 20;
/// Longest Call-ID that a ladder is kept for; what is longer is some peer's, and is not followed.
pub const CALL_ID_MAX: usize = 256;
/// How long after its end a call has had its last messages, as a rule: BYEs on both sides are answered.
pub const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// Rungs that room is made for at once.
const RUNGS_AT_ONCE: usize = 6;
/// How many messages back a repetition is recognised.
const REPEATED_WITHIN: usize = 16;

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From us.
    Sent,
    /// To us.
    Received,
}

/// What a party is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A carrier.
    Trunk,
    /// An agent's phone.
    Phone,
}

/// Somebody who messages of a call were exchanged with: one address in one dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// What it is.
    pub role: Role,
    /// Name of the trunk, or user of the agent.
    pub name: String,
    /// Where its messages go to or come from.
    pub address: SocketAddr,
    /// And over what.
    pub transport: Transport,
    /// Call-ID of the dialog.
    pub call_id: String,
}

/// One message of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Milliseconds since the ladder's beginning.
    pub at_ms: u32,
    /// Which way it went.
    pub way: Way,
    /// Index of the party in [`Ladder::parties`].
    pub party: u8,
    /// The same was there shortly before: a repetition, or an answer of another fork.
    pub again: bool,
    /// What is kept of it.
    pub sketch: Sketch,
}

/// The messages of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// The call; none for one from outside that was refused at once.
    pub call: Option<CallId>,
    /// When the first message, or the order for it, was there.
    pub began: Duration,
    /// Whether the call has ended; what still comes of it is written down all the same.
    pub ended: bool,
    /// What the Identity headers of the INVITE that it begins with are worth (RFC 8224).
    pub identity: Verdict,
    /// Who took part.
    pub parties: Vec<Party>,
    /// Messages that are not kept, those between the first and the last ones; and parties that are not.
    pub left_out: u32,
    /// The first ones in order, then the newest as a ring.
    rungs: Vec<Rung>,
    /// Where in the ring the next one is put.
    next: usize,
}

impl Ladder {
    fn new(call: Option<CallId>, now: Duration) -> Self {
        let (parties, rungs) = (Vec::new(), Vec::new());
        let identity = Verdict::None;
        Self { call, began: now, ended: call.is_none(), identity, parties, left_out: 0, rungs, next: 0 }
    }

    /// What was kept, in order of time.
    pub fn rungs(&self) -> impl Iterator<Item = &Rung> {
        let (first, last) = self.rungs.split_at(self.rungs.len().min(FIRST_MAX));
        let (newer, older) = last.split_at(self.next.min(last.len()));
        first.iter().chain(older).chain(newer)
    }

    /// How many of the kept messages come before those that were left out in between.
    pub fn gap_after(&self) -> usize {
        FIRST_MAX
    }

    fn push(&mut self, rung: Rung) {
        if self.rungs.len() < FIRST_MAX + LAST_MAX {
            if self.rungs.len() == self.rungs.capacity() {
                // Most calls have a dozen; a vector that grows by itself would keep room for as many again.
                self.rungs.reserve_exact(RUNGS_AT_ONCE);
            }
            self.rungs.push(rung);
        } else if let Some(oldest) = self.rungs.get_mut(FIRST_MAX + self.next) {
            *oldest = rung;
            self.next = (self.next + 1) % LAST_MAX;
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    /// The same message, a little earlier.
    fn has_lately(&self, way: Way, party: u8, sketch: &Sketch) -> bool {
        let same = |rung: &&Rung| {
            let Rung { way: its_way, party: its_party, sketch: its, .. } = rung;
            *its_way == way
                && *its_party == party
                && (its.status, its.verb, its.cseq) == (sketch.status, sketch.verb, sketch.cseq)
        };
        self.rungs.iter().rev().take(REPEATED_WITHIN).any(|rung| same(&rung))
    }

    /// The party at this address in the dialog of party `of`; made when it is new and there is room.
    fn party_at(&mut self, of: u8, address: SocketAddr, transport: Transport) -> Option<u8> {
        let known = self.parties.get(usize::from(of))?;
        if (known.address, known.transport) == (address, transport) {
            return Some(of);
        }
        let same = |party: &Party| {
            (party.address, party.transport) == (address, transport) && party.call_id == known.call_id
        };
        if let Some(index) = self.parties.iter().position(same) {
            return u8::try_from(index).ok();
        }
        let party = Party { address, transport, ..known.clone() };
        self.add(party)
    }

    fn add(&mut self, party: Party) -> Option<u8> {
        let index = u8::try_from(self.parties.len()).ok().filter(|_| self.parties.len() < PARTIES_MAX)?;
        // There are hardly ever more than two; a vector that grows by itself would keep room for four.
        self.parties.reserve_exact(1);
        self.parties.push(party);
        Some(index)
    }

    /// Memory that it takes, about.
    fn octets(&self) -> usize {
        let parties = self.parties.iter().map(|party| size_of::<Party>() + 2 * party.call_id.capacity());
        size_of::<Self>() + self.rungs.capacity() * size_of::<Rung>() + parties.sum::<usize>()
    }
}

/// The ladders of all calls.
#[derive(Debug)]
pub struct Ladders {
    ladders: BTreeMap<u64, Box<Ladder>>,
    calls: BTreeMap<CallId, u64>,
    /// Which ladder the messages of a Call-ID belong to, and as which party's.
    dialogs: ByText<(u64, u8)>,
    /// Dialogs that belong to no call once nothing waits to be sent; none beyond the end of a turn.
    parted: Vec<String>,
    /// Ended ones in order, with what they took.
    ended: VecDeque<(u64, usize)>,
    /// Ended ones whose last messages may still come, with the time until then; the newest [`ENDED_MAX`].
    settling: VecDeque<(Duration, u64)>,
    ended_octets: usize,
    begun: u64,
}

impl Ladders {
    /// None yet. `secret` comes from a secure generator.
    pub fn new(secret: &[u8]) -> Self {
        Self {
            ladders: BTreeMap::new(),
            calls: BTreeMap::new(),
            dialogs: ByText::new(Fingerprints::new(secret)),
            parted: Vec::new(),
            ended: VecDeque::new(),
            settling: VecDeque::new(),
            ended_octets: 0,
            begun: 0,
        }
    }

    /// Begins a call's ladder, unless it has one.
    pub fn begin(&mut self, call: CallId, now: Duration) {
        if !self.calls.contains_key(&call) {
            let id = self.insert(Some(call), now);
            self.calls.insert(call, id);
        }
    }

    /// Begins the ladder of a call from outside, which has no name yet. It is kept as an ended one until it gets a name. False
    /// when its Call-ID is known already, or too long.
    pub fn offered(&mut self, party: Party, now: Duration) -> bool {
        if party.call_id.len() > CALL_ID_MAX || self.dialogs.get(&party.call_id).is_some() {
            return false;
        }
        let id = self.insert(None, now);
        self.lead(id, party);
        self.retire(id);
        true
    }

    /// What the Identity headers are worth of a call from outside that has no name yet.
    pub fn judged(&mut self, call_id: &str, identity: Verdict) {
        let id = self.dialogs.get(call_id).map(|(id, _)| *id);
        let ladder = id.and_then(|id| self.ladders.get_mut(&id)).filter(|ladder| ladder.call.is_none());
        ladder.into_iter().for_each(|ladder| ladder.identity = identity);
    }

    /// A call from outside gets its name. One that comes with the Call-ID of an earlier call gets a ladder of its own.
    pub fn named(&mut self, call_id: &str, call: CallId, now: Duration) {
        let Some((id, party)) = self.dialogs.get(call_id).copied() else { return };
        let Some(ladder) = self.ladders.get_mut(&id) else { return };
        if ladder.call.is_none() {
            (ladder.call, ladder.ended) = (Some(call), false);
            self.calls.insert(call, id);
        } else if let Some(party) = ladder.parties.get(usize::from(party)).cloned() {
            self.begin(call, now);
            self.follow(call, party);
        }
    }

    /// From now on the messages of this party's dialog belong to the call.
    pub fn follow(&mut self, call: CallId, party: Party) {
        if let Some(id) = self.calls.get(&call).copied().filter(|_| party.call_id.len() <= CALL_ID_MAX) {
            self.lead(id, party);
        }
    }

    /// The messages of this dialog belong to no call any more, once those are out that wait to be sent: see
    /// [`Ladders::all_sent`].
    pub fn part(&mut self, call_id: &str) {
        self.parted.push(call_id.to_owned());
    }

    /// Nothing waits to be sent.
    pub fn all_sent(&mut self) {
        for call_id in self.parted.drain(..) {
            self.dialogs.remove(&call_id);
        }
    }

    /// A call has ended. Its last messages may still come.
    pub fn over(&mut self, call: CallId, now: Duration) {
        let Some(id) = self.calls.get(&call).copied() else { return };
        if let Some(ladder) = self.ladders.get_mut(&id).filter(|ladder| !ladder.ended) {
            ladder.ended = true;
            self.settling.push_back((now.saturating_add(SETTLED_AFTER), id));
            if self.settling.len() > ENDED_MAX {
                self.settling.pop_front();
            }
            self.retire(id);
        }
    }

    /// A message came or went. Costs a look-up where its Call-ID belongs to no call.
    pub fn note(
        &mut self,
        call_id: &str,
        way: Way,
        (peer, transport): (SocketAddr, Transport),
        sketch: Sketch,
        now: Duration,
    ) {
        let Some((id, party)) = self.dialogs.get(call_id).copied() else { return };
        let Some(ladder) = self.ladders.get_mut(&id) else { return };
        let Some(party) = ladder.party_at(party, peer, transport) else {
            ladder.left_out = ladder.left_out.saturating_add(1);
            return;
        };
        let at_ms = u32::try_from(now.saturating_sub(ladder.began).as_millis()).unwrap_or(u32::MAX);
        let again = ladder.has_lately(way, party, &sketch);
        ladder.push(Rung { at_ms, way, party, again, sketch });
    }

    /// The next ladder of a call that ended long enough ago to have its last messages; each once, and not those that have had
    /// to give way meanwhile.
    pub fn settled(&mut self, now: Duration) -> Option<&Ladder> {
        while let Some((_, id)) = self.settling.pop_front_if(|(at, _)| *at <= now) {
            if self.ladders.contains_key(&id) {
                return self.ladders.get(&id).map(Box::as_ref);
            }
        }
        None
    }

    /// The ladder of a call.
    pub fn of_call(&self, call: CallId) -> Option<&Ladder> {
        self.ladders.get(self.calls.get(&call)?).map(Box::as_ref)
    }

    /// The ladder that a Call-ID belongs to.
    pub fn of_dialog(&self, call_id: &str) -> Option<&Ladder> {
        let (id, _) = self.dialogs.get(call_id)?;
        self.ladders.get(id).map(Box::as_ref)
    }

    /// How many ladders there are.
    pub fn len(&self) -> usize {
        self.ladders.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ladders.is_empty()
    }

    fn insert(&mut self, call: Option<CallId>, now: Duration) -> u64 {
        self.begun = self.begun.saturating_add(1);
        self.ladders.insert(self.begun, Box::new(Ladder::new(call, now)));
        self.begun
    }

    fn lead(&mut self, id: u64, party: Party) {
        let Some(ladder) = self.ladders.get_mut(&id) else { return };
        self.parted.retain(|parted| *parted != party.call_id);
        let known = ladder.parties.iter().position(|known| *known == party);
        let index = known.and_then(|index| u8::try_from(index).ok()).or_else(|| ladder.add(party));
        match index.and_then(|index| Some((index, ladder.parties.get(usize::from(index))?))) {
            Some((index, party)) => self.dialogs.insert(&party.call_id, (id, index)),
            None => ladder.left_out = ladder.left_out.saturating_add(1),
        }
    }

    /// Makes room for a ladder among those that ended.
    fn retire(&mut self, id: u64) {
        let octets = self.ladders.get(&id).map_or(0, |ladder| ladder.octets());
        self.ended.push_back((id, octets));
        self.ended_octets = self.ended_octets.saturating_add(octets);
        while self.ended.len() > ENDED_MAX || self.ended_octets > ENDED_OCTETS_MAX {
            let Some((id, octets)) = self.ended.pop_front() else { return };
            self.ended_octets = self.ended_octets.saturating_sub(octets);
            self.forget(id);
        }
    }

    /// Forgets a ladder, unless its call goes on: then it comes here again.
    fn forget(&mut self, id: u64) {
        let Some(ladder) = self.ladders.remove(&id) else { return };
        if !ladder.ended {
            self.ladders.insert(id, ladder);
            return;
        }
        if let Some(call) = ladder.call.filter(|call| self.calls.get(call) == Some(&id)) {
            self.calls.remove(&call);
        }
        for party in &ladder.parties {
            if self.dialogs.get(&party.call_id).is_some_and(|(its, _)| *its == id) {
                self.dialogs.remove(&party.call_id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
