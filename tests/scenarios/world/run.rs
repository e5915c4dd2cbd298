//! A running world: the real node between a simulated network, disk, clock and media, peopled by the demo's parties.
//!
//! One step takes the earliest thing that is due and lets everything happen that follows from it at that instant.

mod parties;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use carillon::admission::WINDOW;
use carillon::clock::RealNow;
use carillon::demo::party::text::Text;
use carillon::demo::party::{Party, carrier, phone};
use carillon::node::{Node, NodeInput, NodeOutput};
use carillon_core::campaign::CampaignCommand;
use carillon_core::id::{AttemptId, CampaignId, RequestId, Ticket};
use carillon_core::inbound::KnownCaller;
use carillon_core::store::read::Fetched;
use carillon_core::time::Utc;

use super::callers::Callers;
use super::cast::{self, CARRIER, NODE, address};
use super::checkers::{Checkers, Violation};
use super::dice::Dice;
use super::disk::{Disk, Outcome};
use super::engine::Engine;
use super::media::{Audio, Follows, Later, Media};
use super::net::Net;
use super::plan::{PLACING, Plan, Step, WRAP_UP};
use super::seconds::Seconds;
use super::tamper::{Fault, Tamper};
use super::wire::{Seen, Trace, What};

/// From the last placing to the end of every call, at the latest: ringing, talks that are cut, lost datagrams.
const SETTLING: Duration = Duration::from_secs(300);
/// A caller's call may outlive the campaign that it is of; until the agent's word on it is on the disk takes so long.
const WORD_AFTER: Duration = WRAP_UP.saturating_add(Duration::from_secs(10));
/// Steps that one instant may take; more is a loop without end.
const STEPS_PER_INSTANT_MAX: u32 = 20_000;
/// What is to happen at a time. `life` is the process that it belongs to; nothing of it outlives that.
#[derive(Debug)]
enum Happening {
    Arrive {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    Fetched {
        life: u64,
        campaign: CampaignId,
        fetched: Fetched,
    },
    CallerFound {
        life: u64,
        call: AttemptId,
        known: Option<KnownCaller>,
    },
    Media {
        life: u64,
        later: Later,
    },
    Lost {
        life: u64,
        agent: usize,
    },
    /// A datagram of the node leaves late, or one that it never wrote.
    Depart {
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    /// The disk's word that a batch is durable, given too early.
    EarlyWord {
        life: u64,
        ticket: Ticket,
    },
    /// The first datagram in line gets its turn, if the engine has time for it.
    Turn,
    /// The engine is told how it fares.
    Judge,
    Script(Step),
    Back,
    Open,
}

struct Process {
    node: Node,
    media: Media,
    /// World time at which it started.
    since: Duration,
}

/// The world.
pub struct World {
    pub plan: Plan,
    pub now: Duration,
    queue: BTreeMap<(Duration, u64), Happening>,
    queued: u64,
    process: Option<Process>,
    life: u64,
    carriers: Vec<carrier::Carrier>,
    pub callers: Callers,
    pub seconds: Seconds,
    tamper: Tamper,
    /// The carrier and its line at each RTP address.
    carrier_lines: BTreeMap<SocketAddr, (usize, u64)>,
    phones: Vec<Option<phone::Phone>>,
    phones_made: u64,
    net: Net,
    pub disk: Disk,
    reads: Dice,
    next_request: u64,
    asked: BTreeMap<RequestId, Asked>,
    /// Those of the plan that are created, in its order.
    pub campaigns: Vec<CampaignId>,
    pub finished: BTreeSet<CampaignId>,
    pub trace: Trace,
    /// The latest INVITE towards the carrier.
    latest_invite: Option<Text>,
    checkers: Checkers,
    violation: Option<Violation>,
    /// Where work takes time.
    pub engine: Option<Engine>,
    /// Windows in which new requests were refused, and of those in which calls were paced.
    pub sheds: (u32, u32),
}

/// A request whose answer is waited for.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Create,
    Other(&'static str),
}

impl World {
    /// A world at its beginning.
    pub fn new(plan: Plan, checkers: Checkers) -> Self {
        let seed = plan.seed;
        let carriers = cast::carriers(&plan);
        let tamper = Tamper::new(plan.planted);
        let mut world = Self {
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            queued: 0,
            process: None,
            life: 0,
            carriers,
            callers: Callers::new(seed),
            seconds: Seconds::new(seed),
            tamper,
            carrier_lines: BTreeMap::new(),
            phones: (0..plan.agents).map(|_| None).collect(),
            phones_made: 0,
            net: Net::new(seed, plan.net.clone(), address(CARRIER)),
            disk: Disk::new(seed, plan.stalls),
            reads: Dice::new(seed, "reads"),
            next_request: 1,
            asked: BTreeMap::new(),
            campaigns: Vec::new(),
            finished: BTreeSet::new(),
            trace: Trace::default(),
            latest_invite: None,
            checkers,
            violation: None,
            engine: plan.slow.then(Engine::default),
            sheds: (0, 0),
            plan,
        };
        world.disk.lossy = world.tamper.is(Fault::OutcomeLost);
        world.boot();
        for agent in 0..world.plan.agents {
            world.phone_on(agent);
        }
        world.later(Duration::from_millis(2_000), Happening::Open);
        if world.engine.is_some() {
            world.later(WINDOW, Happening::Judge);
        }
        for (at, step) in world.plan.script.clone() {
            world.later(at, Happening::Script(step));
        }
        world
    }

    /// Runs it to its end: until the campaign has finished, or long after it should have.
    pub fn run(&mut self) -> Result<(), Violation> {
        let end = PLACING + SETTLING;
        let mut instant = (Duration::ZERO, 0_u32);
        while self.violation.is_none() {
            let Some(next) = self.next() else { break };
            if next > end || (self.is_over() && next > self.now) {
                break;
            }
            instant = if next == instant.0 { (next, instant.1 + 1) } else { (next, 0) };
            assert!(
                instant.1 < STEPS_PER_INSTANT_MAX,
                "seed {}: time stands still at {next:?}",
                self.plan.seed
            );
            self.now = self.now.max(next);
            self.step();
        }
        if self.violation.is_none() {
            let over = self.is_over();
            self.violation = self.checkers.end(self.now, &self.disk.durable, over).err();
        }
        self.violation.take().map_or(Ok(()), Err)
    }

    fn is_over(&self) -> bool {
        self.campaigns.len() == self.plan.specs().len()
            && self.campaigns.iter().all(|it| self.finished.contains(it))
            && self.callers.fates().all(|fate| fate.over_at.is_some_and(|at| self.now >= at + WORD_AFTER))
    }

    /// When the next thing is due.
    fn next(&self) -> Option<Duration> {
        let queue = self.queue.first_key_value().map(|((at, _), _)| *at);
        let node = self.node_timer();
        let phones = self.phones.iter().flatten().filter_map(Party::poll_timeout).min();
        let carriers = self.carriers.iter().filter_map(Party::poll_timeout).min();
        let (callers, seconds) = (self.callers.poll_timeout(), self.seconds.poll_timeout());
        [queue, node, phones, carriers, callers, seconds, self.disk.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn node_timer(&self) -> Option<Duration> {
        let process = self.process.as_ref()?;
        let due = process.node.poll_timeout()? + process.since;
        Some(self.engine.as_ref().map_or(due, |engine| engine.not_before(due)))
    }

    /// Lets happen what is due now: parties, disk and node by their timers, then one thing of the queue.
    fn step(&mut self) {
        let now = self.now;
        if self.disk.poll_timeout().is_some_and(|due| due <= now) {
            let outcomes = self.disk.finish(now);
            self.durable(&outcomes);
            for Outcome { ticket, writes, result } in outcomes {
                if !self.tamper.speaks_early(&writes) {
                    self.tell(NodeInput::Stored { ticket, result });
                }
            }
            return;
        }
        if self.callers.poll_timeout().is_some_and(|due| due <= now) {
            self.callers.handle_timeout(now);
            return self.drain_callers();
        }
        if self.seconds.poll_timeout().is_some_and(|due| due <= now) {
            self.seconds.handle_timeout(now);
            return self.drain_seconds();
        }
        for trunk in 0..self.carriers.len() {
            if self.carriers[trunk].poll_timeout().is_some_and(|due| due <= now) {
                self.carriers[trunk].handle_timeout(now);
                return self.drain_carrier(trunk);
            }
        }
        for agent in 0..self.phones.len() {
            if let Some(phone) = &mut self.phones[agent]
                && phone.poll_timeout().is_some_and(|due| due <= now)
            {
                phone.handle_timeout(now);
                return self.drain_phone(agent);
            }
        }
        let turn = matches!(self.queue.first_key_value(), Some(((at, _), Happening::Turn)) if *at <= now);
        if !turn && self.node_timer().is_some_and(|due| due <= now) {
            return self.tell(NodeInput::Timeout);
        }
        if let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= now
        {
            let happening = entry.remove();
            self.happen(happening);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive { from, to, bytes } if to == address(NODE) && self.engine.is_some() => {
                let (now, engine) = (self.now, self.engine.as_mut());
                if let Some(at) = engine.and_then(|engine| engine.line_up(from, bytes, now)) {
                    self.later(at, Happening::Turn);
                }
            }
            Happening::Arrive { from, to, bytes } => self.arrive(from, to, bytes),
            Happening::Turn => self.turn(),
            Happening::Judge => self.judge(),
            Happening::Fetched { life, campaign, fetched } => {
                let forgotten = self.tamper.is(Fault::ListForgotten) && !self.campaigns.is_empty();
                if life == self.life && !forgotten {
                    self.tell(NodeInput::Fetched { campaign, fetched });
                }
            }
            Happening::CallerFound { life, call, known } => {
                if life == self.life {
                    self.tell(NodeInput::CallerFound { call, known });
                }
            }
            Happening::Media { life, later } => {
                if life == self.life
                    && let Some(process) = &mut self.process
                {
                    let follows = process.media.later(later, self.now - process.since);
                    self.follow(follows);
                }
            }
            Happening::Lost { life, agent } => {
                if life == self.life && self.phones[agent].is_none() {
                    self.lose_audio(agent);
                }
            }
            Happening::Depart { to, bytes } => self.depart(to, bytes),
            Happening::EarlyWord { life, ticket } => {
                if life == self.life {
                    self.tell(NodeInput::Stored { ticket, result: Ok(()) });
                }
            }
            Happening::Script(step) => self.carry_out_script(step),
            Happening::Back => {
                self.boot();
                self.sign_everybody_on();
            }
            Happening::Open => {
                for spec in self.plan.specs() {
                    let spec = self.tamper.spec(&spec);
                    self.ask(Asked::Create, CampaignCommand::Create(Box::new(spec)));
                }
                self.sign_everybody_on();
            }
        }
    }

    /// A datagram is taken when the engine has time for it.
    fn turn(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        match engine.turn(self.now) {
            Ok(Some((_, from, bytes))) => self.arrive(from, address(NODE), bytes),
            Ok(None) => {}
            Err(at) => return self.later(at, Happening::Turn),
        }
        if let Some(at) = self.engine.as_ref().and_then(Engine::next) {
            self.later(at, Happening::Turn);
        }
    }

    fn judge(&mut self) {
        let now = self.now;
        let Some(engine) = &mut self.engine else { return };
        let load = engine.judge(now);
        self.tell(NodeInput::Load(load));
        if let Some(process) = &self.process {
            let admission = process.node.admission();
            self.sheds.0 += u32::from(admission.sheds());
            self.sheds.1 += u32::from(admission.rate().is_some());
        }
        self.later(now + WINDOW, Happening::Judge);
    }

    /// Calls a second that are taken on; `None` while nothing is paced.
    pub fn paced(&self) -> Option<f64> {
        self.process.as_ref()?.node.admission().rate()
    }

    /// Tells the node something and does what it wants done.
    fn tell(&mut self, input: NodeInput) {
        let utc = self.utc();
        let Some(process) = &mut self.process else { return };
        let real = RealNow { monotonic: self.now - process.since, utc };
        process.node.handle(input, real);
        let mut outputs = 0;
        while let Some(output) = self.process.as_mut().and_then(|process| process.node.poll_output()) {
            outputs += 1;
            self.carry_out(output);
        }
        if let Some(engine) = &mut self.engine {
            engine.work(outputs, self.now);
        }
    }

    fn carry_out(&mut self, output: NodeOutput) {
        let (now, life) = (self.now, self.life);
        match output {
            NodeOutput::Transmit { to, local: _, bytes } => self.transmit(to, bytes.to_vec()),
            NodeOutput::Media(command) => {
                if let Some(process) = &mut self.process {
                    let follows = process.media.command(command, now - process.since);
                    self.follow(follows);
                }
            }
            NodeOutput::Record { ticket, writes } => {
                if self.tamper.speaks_early(&writes) {
                    self.later(now, Happening::EarlyWord { life, ticket });
                }
                self.disk.submit(ticket, self.tamper.batch(writes.to_vec()), now);
            }
            NodeOutput::Fetch { campaign, limit, owners, now: due_at } => {
                let fetched = self.disk.durable.fetch(campaign, limit, &owners, due_at);
                let at = now + self.reads.between(1, 10);
                self.later(at, Happening::Fetched { life, campaign, fetched });
            }
            NodeOutput::FindCaller { call, campaigns, number } => {
                let known = self.disk.durable.find_caller(&campaigns, &number);
                let at = now + self.reads.between(1, 10);
                self.later(at, Happening::CallerFound { life, call, known });
            }
            NodeOutput::Reply { request, result } => self.replied(request, result),
            NodeOutput::Trunk { name, state } => self.trace.note(now, &format!("trunk {name} {state:?}")),
            NodeOutput::Resolve(question) => panic!("seed {}: {question:?} asked", self.plan.seed),
            NodeOutput::Sign(request) => panic!("seed {}: {request:?} asked", self.plan.seed),
            NodeOutput::Moved { name, targets } => {
                self.trace.note(now, &format!("trunk {name} at {targets:?}"))
            }
            NodeOutput::Finished { campaign } => {
                self.finished.insert(campaign);
            }
            NodeOutput::Unreadable { what } => panic!("seed {}: {what} unreadable", self.plan.seed),
        }
    }

    /// What follows from the media threads' work.
    fn follow(&mut self, follows: Follows) {
        let (life, since) =
            (self.life, self.process.as_ref().map_or(Duration::ZERO, |process| process.since));
        for (at, later) in follows.later {
            self.later(at + since, Happening::Media { life, later });
        }
        if let Some((local, audio)) = follows.audio {
            self.trace.note(self.now, &format!("audio {local} {audio:?}"));
            self.see(What::Audio { local, audio });
            let remote = self.process.as_ref().and_then(|process| process.media.remote(local));
            if let (Audio::Agent(_) | Audio::Message, Some(remote)) = (audio, remote) {
                self.callers.hears(remote, self.now);
            }
            if let (Audio::Message, Some((trunk, line))) =
                (audio, remote.and_then(|remote| self.carrier_lines.get(&remote)))
            {
                self.carriers[*trunk].hears_message(*line, self.now);
            }
        }
        if let Some(event) = follows.event {
            self.tell(NodeInput::Media(event));
        }
    }

    /// What one commit made durable is seen at once, as the disk has it.
    fn durable(&mut self, outcomes: &[Outcome]) {
        let mut writes = Vec::new();
        for outcome in outcomes.iter().filter(|outcome| outcome.result.is_ok()) {
            self.trace.durable(self.now, &outcome.writes);
            writes.extend_from_slice(&outcome.writes);
        }
        self.tamper.commit(&mut writes);
        self.see(What::Durable { writes: &writes });
    }

    fn see(&mut self, what: What<'_>) {
        if self.violation.is_none() {
            let seen = Seen { at: self.now, what, disk: &self.disk.durable };
            self.violation = self.checkers.see(&seen).err();
        }
    }

    fn later(&mut self, at: Duration, happening: Happening) {
        self.queued += 1;
        self.queue.insert((at, self.queued), happening);
    }

    /// The wall clock as the node reads it.
    fn utc(&self) -> Utc {
        self.tamper.utc(self.plan.begin.after(self.now))
    }
}
