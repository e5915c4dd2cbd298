//! What the wire and the disk say of each call: the bookkeeping that checkers share. It is made of datagrams and durable
//! writes alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use carillon::demo::party::sdp;
use carillon::demo::party::text::{Text, user_of};
use carillon_core::attempt::outcome::Outcome;
use carillon_core::id::{AttemptId, ContactId, TaskId};
use carillon_core::store::write::{Intent, Write};

use super::floor::Floor;
use crate::world::cast::{agent_at, trunk_at};
use crate::world::media::Audio;
use crate::world::plan::Plan;
use crate::world::wire::{Seen, Way, What};

/// RFC 3261 §17: an INVITE or a CANCEL that nobody answers is given up after this.
const TRANSACTION_LIFE: Duration = Duration::from_secs(32);

/// How long an answer waits for an agent before the message: the limit of two seconds, less what the message needs to
/// begin within it.
pub const PATIENCE: Duration = Duration::from_millis(1_750);

/// One 200 of an INVITE: a tag of its own.
#[derive(Clone, Debug)]
pub struct Answer {
    pub tag: String,
    pub at: Duration,
    pub acknowledged: bool,
    pub bye_sent: Option<Duration>,
    pub bye_came: Option<Duration>,
}

impl Answer {
    /// When it was over, as far as the node is concerned.
    pub fn ended(&self) -> Option<Duration> {
        self.bye_sent.into_iter().chain(self.bye_came).min()
    }
}

/// One INVITE and what became of it, as seen at the node's socket.
#[derive(Clone, Debug)]
pub struct Call {
    pub call_id: String,
    /// Which trunk it went to; of a phone's calls nothing.
    pub trunk: usize,
    /// User part of the Request-URI.
    pub called: String,
    /// Branches of its INVITEs: a second one after a challenge.
    pub branches: Vec<String>,
    pub from_tag: String,
    /// Our RTP address in its SDP.
    pub rtp: Option<SocketAddr>,
    /// Whether its INVITE made an offer.
    offered: bool,
    /// The process that sent it, counted from 1.
    pub life: u64,
    pub invited_at: Duration,
    /// When the latest of its INVITEs left, and whether any response to it came.
    tried_at: Duration,
    heard: bool,
    pub ringing_at: Option<Duration>,
    pub cancelled_at: Option<Duration>,
    /// When its attempt went on to another trunk. What still comes of it is ended, and counts for nothing.
    pub left_at: Option<Duration>,
    /// The final refusal of the latest INVITE.
    pub refused_at: Option<Duration>,
    pub answers: Vec<Answer>,
    pub agent_heard_at: Option<Duration>,
    /// Who was heard.
    pub agent: Option<String>,
    /// Who has handed it over, and when.
    pub from: Option<(String, Duration)>,
    pub message_at: Option<Duration>,
}

impl Call {
    /// A call that begins with this INVITE, with somebody of that name, on a trunk and in a process.
    fn new(text: &Text, called: &str, (trunk, life): (usize, u64), at: Duration) -> Self {
        Self {
            call_id: text.call_id().to_owned(),
            called: called.to_owned(),
            trunk,
            branches: vec![text.branch().to_owned()],
            from_tag: text.from_tag().to_owned(),
            rtp: None,
            offered: !text.body.is_empty(),
            life,
            invited_at: at,
            tried_at: at,
            heard: false,
            ringing_at: None,
            cancelled_at: None,
            left_at: None,
            refused_at: None,
            answers: Vec::new(),
            agent_heard_at: None,
            agent: None,
            from: None,
            message_at: None,
        }
    }

    /// The node responds to an INVITE.
    fn answered_by_us(&mut self, status: u16, tag: &str, at: Duration) {
        match status {
            ..=100 => {}
            101..=199 => {
                self.ringing_at.get_or_insert(at);
            }
            200..=299 if self.answers.is_empty() => self.answers.push(Answer {
                tag: tag.to_owned(),
                at,
                acknowledged: false,
                bye_sent: None,
                bye_came: None,
            }),
            200..=299 => {}
            300.. => {
                self.refused_at.get_or_insert(at);
            }
        }
    }

    /// When it was over: refused, or all its answers ended.
    pub fn ended(&self) -> Option<Duration> {
        if self.answers.is_empty() {
            return self.refused_at;
        }
        self.answers.iter().map(Answer::ended).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// When the talk was over: that of the first answer, which is kept.
    pub fn talk_ended(&self) -> Option<Duration> {
        self.answers.first().and_then(Answer::ended)
    }

    /// Whether the node may take it for over: ended, or given up because nothing at all came, or nothing after a CANCEL.
    pub fn over(&self, now: Duration) -> bool {
        if self.left_at.is_some() {
            return true;
        }
        let unheard = !self.heard && now >= self.tried_at + TRANSACTION_LIFE;
        let cancelled = self.cancelled_at.is_some_and(|at| now >= at + TRANSACTION_LIFE);
        self.ended().is_some() || (self.answers.is_empty() && (unheard || cancelled))
    }

    /// Whoever called us says something more within the dialog.
    fn came(&mut self, text: &Text, at: Duration) {
        for answer in self.answers.iter_mut().filter(|answer| answer.tag == text.to_tag()) {
            match text.method() {
                Some("ACK") => answer.acknowledged = true,
                Some("BYE") => {
                    answer.bye_came.get_or_insert(at);
                }
                _ => {}
            }
        }
    }
}

/// An attempt as the durable writes tell it.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub intent: Intent,
    pub intended: Duration,
    pub placed: Option<Duration>,
    pub answered: Option<Duration>,
    pub bridged: Option<(Duration, String)>,
    pub ended: Option<(Duration, Outcome)>,
}

/// What just became known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The first INVITE of a call towards the carrier left.
    Invited(String),
    /// A CANCEL left.
    Cancelled(String),
    /// A 200 with a tag that was not seen before came.
    Answered(String),
}

/// All calls of a world.
#[derive(Debug)]
pub struct Calls {
    /// Who is free.
    pub floor: Floor,
    /// Calls towards the carrier, by Call-ID.
    pub trunk: BTreeMap<String, Call>,
    /// Calls towards phones, by Call-ID.
    pub phones: BTreeMap<String, Call>,
    /// Calls from outside, by Call-ID; `called` is who calls, and our 200 is the answer.
    pub callers: BTreeMap<String, Call>,
    /// Calls of phones, by Call-ID; `called` is the colleague who is asked, or whose phone it becomes that takes a call over.
    pub lines: BTreeMap<String, Call>,
    /// Those of them that take a call over.
    takeovers: BTreeSet<String>,
    /// Attempts, by id.
    pub attempts: BTreeMap<AttemptId, Attempt>,
    /// The attempt of a Call-ID.
    pub by_call: BTreeMap<String, AttemptId>,
    /// Call-IDs of a number in the order of their INVITEs.
    pub by_number: BTreeMap<String, Vec<String>>,
    /// The call of one of our RTP addresses; the latest.
    by_rtp: BTreeMap<SocketAddr, String>,
    /// Tasks and contacts of numbers.
    pub tasks: BTreeMap<String, (TaskId, ContactId)>,
    /// Processes so far.
    pub life: u64,
    /// When the present process started; `None` while there is none.
    pub since: Option<Duration>,
    /// What the latest thing seen brought.
    pub news: Option<News>,
}

impl Calls {
    /// Before anything happened.
    pub fn new(plan: &Plan) -> Self {
        Self {
            floor: Floor::new(plan),
            trunk: BTreeMap::new(),
            phones: BTreeMap::new(),
            callers: BTreeMap::new(),
            lines: BTreeMap::new(),
            takeovers: BTreeSet::new(),
            attempts: BTreeMap::new(),
            by_call: BTreeMap::new(),
            by_number: BTreeMap::new(),
            by_rtp: BTreeMap::new(),
            tasks: BTreeMap::new(),
            life: 0,
            since: None,
            news: None,
        }
    }

    /// Takes in one thing.
    pub fn see(&mut self, seen: &Seen<'_>) {
        self.news = None;
        self.floor.see(seen);
        match seen.what {
            What::Sip { way: Way::Out, peer, text } => self.sent(peer, text, seen.at),
            What::Sip { way: Way::In, peer, text } => self.came(peer, text, seen.at),
            What::Audio { local, audio } => {
                let call_id = self.by_rtp.get(&local);
                let call = call_id.and_then(|id| self.trunk.get_mut(id).or(self.callers.get_mut(id)));
                match (call, audio) {
                    (Some(call), Audio::Agent(agent)) => {
                        call.agent_heard_at.get_or_insert(seen.at);
                        let leg = self.phones.values().filter(|leg| leg.rtp == Some(agent));
                        call.agent = leg.max_by_key(|leg| leg.invited_at).map(|leg| leg.called.clone());
                    }
                    (Some(call), Audio::Message) => {
                        call.message_at.get_or_insert(seen.at);
                    }
                    (Some(_), Audio::Parted(_)) | (None, _) => {}
                }
            }
            What::Durable { writes } => writes.iter().for_each(|write| self.wrote(write, seen.at)),
            What::Killed => self.since = None,
            What::Started => {
                self.life += 1;
                self.since = Some(seen.at);
            }
            What::Suppressed { .. } | What::Placing { .. } => {}
        }
    }

    /// The agent that a call was joined with: heard on the wire, or by the books.
    pub fn agent_of<'a>(&'a self, call: &'a Call) -> Option<&'a str> {
        let attempt =
            || self.attempts.get(self.by_call.get(&call.call_id).filter(|_| call.left_at.is_none())?);
        let by_the_books = || attempt()?.bridged.as_ref().map(|(_, agent)| agent.as_str());
        call.agent.as_deref().or_else(by_the_books)
    }

    /// A line that may still need an agent.
    pub fn may_want_an_agent(&self, call: &Call, now: Duration) -> bool {
        let gave_up = call.answers.first().is_some_and(|answer| now >= answer.at + PATIENCE);
        self.agent_of(call).is_none() && !gave_up && call.message_at.is_none() && !call.over(now)
    }

    /// Picked up, and no agent came in time: hears the message, or is about to, or was ended by us.
    pub fn is_let_down(&self, call: &Call, now: Duration) -> bool {
        let Some(answer) = call.answers.first().filter(|_| call.left_at.is_none()) else { return false };
        let left = answer.bye_came.is_some_and(|came| {
            came < answer.at + PATIENCE && answer.bye_sent.is_none_or(|sent| came <= sent)
        });
        let waited = now >= answer.at + PATIENCE || answer.bye_sent.is_some();
        self.agent_of(call).is_none() && waited && !left
    }

    /// Calls of the present process that are up on a trunk, in either direction.
    pub fn up_on(&self, trunk: usize, now: Duration) -> usize {
        let own = self.trunk.values().filter(|call| call.life == self.life && !call.over(now));
        own.chain(self.callers_up()).filter(|call| call.trunk == trunk).count()
    }

    /// Calls from outside that the present process has taken.
    pub fn callers_up(&self) -> impl Iterator<Item = &Call> {
        let taken = |call: &&Call| call.ringing_at.is_some() || !call.answers.is_empty();
        let own = self.callers.values().filter(|call| call.life == self.life && call.ended().is_none());
        own.filter(taken)
    }

    /// Whether somebody of this number calls the present process, or did until less than `ago` ago.
    pub fn has_called(&self, number: &str, now: Duration, ago: Duration) -> bool {
        let mut own = self.callers.values().filter(|call| call.life == self.life && call.called == number);
        own.any(|call| call.ended().is_none_or(|ended| now < ended + ago))
    }

    /// The call whose news has just come.
    pub fn invited(&self) -> Option<&Call> {
        match &self.news {
            Some(News::Invited(call_id)) => self.trunk.get(call_id),
            Some(News::Cancelled(_) | News::Answered(_)) | None => None,
        }
    }

    fn sent(&mut self, peer: SocketAddr, text: &Text, at: Duration) {
        let call_id = text.call_id();
        if let Some(call) = self.lines.get_mut(call_id) {
            match (text.method(), text.status()) {
                (Some("BYE"), _) => call.answers.iter_mut().for_each(|answer| {
                    answer.bye_sent.get_or_insert(at);
                }),
                (_, Some(status)) if text.cseq().1 == "INVITE" && status != 401 => {
                    call.answered_by_us(status, text.to_tag(), at);
                    let rtp = sdp::Audio::read(&text.body).map(|audio| audio.address);
                    if let Some(rtp) = rtp {
                        call.rtp = Some(rtp);
                        self.by_rtp.insert(rtp, call_id.to_owned());
                    }
                }
                (_, _) => {}
            }
            self.take_over(call_id);
            return;
        }
        if let Some(call) = self.callers.get_mut(call_id) {
            match (text.method(), text.status()) {
                (Some("BYE"), _) => call.answers.iter_mut().for_each(|answer| {
                    answer.bye_sent.get_or_insert(at);
                }),
                (_, Some(status)) if text.cseq().1 == "INVITE" => {
                    let rtp = sdp::Audio::read(&text.body).map(|audio| audio.address);
                    if let Some(rtp) = rtp.filter(|rtp| call.rtp != Some(*rtp)) {
                        call.rtp = Some(rtp);
                        self.by_rtp.insert(rtp, call_id.to_owned());
                    }
                    call.answered_by_us(status, text.to_tag(), at);
                }
                (_, _) => {}
            }
            return;
        }
        let Some(method) = text.method() else { return };
        let trunk_taken = trunk_at(peer);
        let trunk = trunk_taken.is_some();
        let calls = if trunk { &mut self.trunk } else { &mut self.phones };
        if method == "INVITE" && text.to_tag().is_empty() && !calls.contains_key(call_id) {
            let place = (trunk_taken.unwrap_or_default(), self.life);
            let mut call = Call::new(text, user_of(text.uri()), place, at);
            call.rtp = sdp::Audio::read(&text.body).map(|audio| audio.address);
            if trunk {
                if let Some(rtp) = call.rtp {
                    self.by_rtp.insert(rtp, call_id.to_owned());
                }
                self.by_number.entry(call.called.clone()).or_default().push(call_id.to_owned());
                self.news = Some(News::Invited(call_id.to_owned()));
            }
            calls.insert(call_id.to_owned(), call);
            return;
        }
        let Some(call) = calls.get_mut(call_id) else { return };
        let answer = call.answers.iter_mut().find(|answer| answer.tag == text.to_tag());
        match (method, answer) {
            ("INVITE", None)
                if text.to_tag().is_empty()
                    && !call.branches.iter().any(|branch| branch == text.branch()) =>
            {
                call.branches.push(text.branch().to_owned());
                (call.tried_at, call.heard, call.refused_at) = (at, false, None);
            }
            ("CANCEL", _) if call.cancelled_at.is_none() => {
                call.cancelled_at = Some(at);
                self.news = trunk.then(|| News::Cancelled(call_id.to_owned()));
            }
            ("ACK", Some(answer)) => answer.acknowledged = true,
            ("BYE", Some(answer)) => {
                answer.bye_sent.get_or_insert(at);
            }
            _ => {}
        }
    }

    /// Somebody outside calls, or says something more.
    fn caller_came(&mut self, trunk: usize, text: &Text, at: Duration) {
        let call_id = text.call_id();
        let known = self.callers.get(call_id).is_some_and(|call| call.life == self.life);
        if text.method() == Some("INVITE") && text.to_tag().is_empty() && !known {
            let call = Call::new(text, user_of(text.header("From")), (trunk, self.life), at);
            self.callers.insert(call_id.to_owned(), call);
        }
        if let Some(call) = self.callers.get_mut(call_id) {
            call.came(text, at);
        }
    }

    /// A phone calls, or says something more on a line of its own.
    fn line_came(&mut self, text: &Text, at: Duration) {
        let call_id = text.call_id();
        let begins = text.method() == Some("INVITE") && text.to_tag().is_empty();
        if begins && !self.lines.contains_key(call_id) {
            let takes_over = !text.header("Replaces").is_empty();
            let called = if takes_over { user_of(text.header("From")) } else { user_of(text.uri()) };
            self.lines.insert(call_id.to_owned(), Call::new(text, called, (0, self.life), at));
            if takes_over {
                self.takeovers.insert(call_id.to_owned());
            }
        }
        if let Some(call) = self.lines.get_mut(call_id) {
            call.came(text, at);
        }
        self.take_over(call_id);
    }

    /// A line that took a call over is the agent's phone; where it made the offer, from our answer on.
    fn take_over(&mut self, call_id: &str) {
        let line = self.lines.get(call_id).filter(|line| !line.answers.is_empty());
        if let Some(mut line) = line.filter(|_| self.takeovers.contains(call_id)).cloned() {
            line.answers.iter_mut().for_each(|answer| answer.acknowledged |= line.offered);
            self.phones.insert(call_id.to_owned(), line);
        }
    }

    /// When each colleague was first asked over a line.
    pub fn asked_at(&self) -> impl Iterator<Item = Duration> {
        let asks = |line: &&Call| !self.takeovers.contains(&line.call_id);
        self.lines.values().filter(asks).map(|line| line.invited_at)
    }

    /// Lines of the present process over which somebody asks a colleague, who is `called`.
    pub fn asking(&self) -> impl Iterator<Item = &Call> {
        let taken = |call: &&Call| call.ringing_at.is_some() || !call.answers.is_empty();
        let asks = |call: &&Call| call.life == self.life && !self.takeovers.contains(&call.call_id);
        self.lines.values().filter(asks).filter(taken)
    }

    fn came(&mut self, peer: SocketAddr, text: &Text, at: Duration) {
        let call_id = text.call_id();
        let calls_us = text.method() == Some("INVITE") && !self.phones.contains_key(call_id);
        if agent_at(peer).is_some() && (calls_us || self.lines.contains_key(call_id)) {
            return self.line_came(text, at);
        }
        let begins = text.method() == Some("INVITE") && !self.trunk.contains_key(call_id);
        if let Some(trunk) = trunk_at(peer).filter(|_| begins || self.callers.contains_key(call_id)) {
            return self.caller_came(trunk, text, at);
        }
        let trunk = self.trunk.contains_key(call_id);
        let calls = if trunk { &mut self.trunk } else { &mut self.phones };
        let Some(call) = calls.get_mut(call_id) else { return };
        match text.status() {
            None => {
                let answer = call.answers.iter_mut().find(|answer| answer.tag == text.from_tag());
                if let (Some("BYE"), Some(answer)) = (text.method(), answer) {
                    answer.bye_came.get_or_insert(at);
                }
            }
            // Only what answers this very INVITE: branch, both our tag and the method are its own.
            Some(status)
                if text.cseq().1 == "INVITE"
                    && text.from_tag() == call.from_tag
                    && call.branches.iter().any(|branch| branch == text.branch()) =>
            {
                // What comes after the INVITE was given up doesn't bring it back.
                call.heard |= at < call.tried_at + TRANSACTION_LIFE;
                match status {
                    101..=199 => {
                        call.ringing_at.get_or_insert(at);
                    }
                    200..=299 => {
                        let known = call.answers.iter().any(|answer| answer.tag == text.to_tag());
                        if !known && !text.to_tag().is_empty() {
                            call.answers.push(Answer {
                                tag: text.to_tag().to_owned(),
                                at,
                                acknowledged: false,
                                bye_sent: None,
                                bye_came: None,
                            });
                            self.news = trunk.then(|| News::Answered(call_id.to_owned()));
                        }
                    }
                    // A challenge is a refusal too, until another INVITE follows it.
                    300..=699 => {
                        call.refused_at.get_or_insert(at);
                    }
                    _ => {}
                }
            }
            Some(_) => {}
        }
    }

    fn wrote(&mut self, write: &Write, at: Duration) {
        match write {
            Write::Intent(intent) => {
                self.by_call.insert(intent.route.call_id.clone(), intent.attempt);
                self.tasks.insert(intent.number.clone(), (intent.task, intent.contact));
                let intent = intent.clone();
                let attempt = Attempt {
                    intended: at,
                    placed: None,
                    answered: None,
                    bridged: None,
                    ended: None,
                    intent: intent.clone(),
                };
                self.attempts.insert(intent.attempt, attempt);
            }
            Write::Diverted { attempt, route } => {
                self.by_call.insert(route.call_id.clone(), *attempt);
                let before = self.attempts.get_mut(attempt).map(|known| {
                    known.intended = at;
                    std::mem::replace(&mut known.intent.route, route.clone()).call_id
                });
                if let Some(call) = before.and_then(|before| self.trunk.get_mut(&before)) {
                    call.left_at = Some(at);
                }
            }
            Write::Placed { attempt, .. } => self.progress(*attempt, |known| {
                known.placed.get_or_insert(at);
            }),
            Write::Answered { attempt, .. } => self.progress(*attempt, |known| {
                known.answered.get_or_insert(at);
            }),
            Write::Bridged { attempt, agent, .. } => self.progress(*attempt, |known| {
                known.bridged.get_or_insert((at, agent.clone()));
            }),
            Write::Ended(ended) => self.progress(ended.attempt, |known| {
                known.ended.get_or_insert((at, ended.outcome));
            }),
            Write::HandedOver { attempt, agent } => {
                let before = self.attempts.get_mut(attempt).and_then(|known| {
                    let before = known.bridged.replace((at, agent.clone()));
                    Some((known.intent.route.call_id.clone(), before?.1))
                });
                if let Some((call_id, before)) = before
                    && let Some(call) = self.trunk.get_mut(&call_id)
                {
                    (call.from, call.agent) = (Some((before, at)), Some(agent.clone()));
                }
            }
            Write::Inbound(row) => {
                let call_id = row.leg.as_ref().map(|leg| leg.route.call_id.as_str());
                let call = call_id.and_then(|call_id| self.callers.get_mut(call_id));
                if let (Some(call), Some(agent)) = (call, &row.agent) {
                    call.agent = Some(agent.clone());
                }
            }
            Write::Campaign { .. }
            | Write::Ringing { .. }
            | Write::AgentHeard { .. }
            | Write::Recorded { .. }
            | Write::Disposition { .. }
            | Write::Task { .. }
            | Write::AgentTime { .. }
            | Write::PacerState { .. }
            | Write::Journal(_)
            | Write::AgentLeg { .. }
            | Write::Number(_)
            | Write::Preferred { .. }
            | Write::Binding(_)
            | Write::Unbind { .. } => {}
        }
    }

    fn progress(&mut self, attempt: AttemptId, change: impl FnOnce(&mut Attempt)) {
        if let Some(known) = self.attempts.get_mut(&attempt) {
            change(known);
        }
    }
}
