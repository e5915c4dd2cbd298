//! The node: dialer and gateway joined by the link into one pure machine.
//!
//! It opens no socket and reads no clock. The engine ([`crate::engine`]) drives it with real ones; the seeded world
//! in `tests/` drives the very same machine with simulated ones.

mod figures;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carillon_core::agent::AgentCommand;
use carillon_core::campaign::CampaignCommand;
use carillon_core::campaign::decisions::Decided;
use carillon_core::dialer::{self, Dialer};
use carillon_core::id::{AttemptId, CampaignId, RequestId, Ticket};
use carillon_core::inbound::KnownCaller;
use carillon_core::input::Input;
use carillon_core::ladder::Ladder;
use carillon_core::live::LiveView;
use carillon_core::output::{Refused, Reply};
use carillon_core::store::read::{Fetched, Recovered};
use carillon_core::store::write::{Refusal, Write};
use carillon_core::time::Utc;
use carillon_sip::auth::Token;
use carillon_sip::command::{AgentLegMode, Command};
use carillon_sip::decoded::Decoded;
use carillon_sip::event::{Room, TrunkState};
use carillon_sip::gateway::{self, Gateway, counters::Counters};
use carillon_sip::id::CallId;
use carillon_sip::media::prompt::Prompt;
use carillon_sip::media::{MediaCommand, MediaEvent};
use carillon_sip::passport::{SignFault, SignRequest};
use carillon_sip::registrar::devices::Devices;
use carillon_sip::resolve::{Answer, Question, Target};
use carillon_sip::transport::Local;
use rand_chacha::ChaCha20Rng;

use crate::admission::{self, Admission, Load};
use crate::caps::{self, Caps, Used};
use crate::clock::{CampaignClock, RealNow};
use crate::ladder;
use crate::link::{self, Errand, News, Surroundings};
pub use figures::TrunkFigures;

/// What a node is made of.
pub struct Options {
    /// For the gateway.
    pub sip: carillon_sip::options::Options,
    /// For the dialer.
    pub dialer: dialer::Options,
    /// How agents' phones are attached.
    pub leg: AgentLegMode,
    /// Where recordings go.
    pub directory: PathBuf,
    /// Campaign seconds per real second.
    pub speed: u32,
}

/// One thing that happened.
#[derive(Debug)]
pub enum NodeInput {
    /// A datagram, or a message of a connection, came in on the listening address `local`.
    Datagram {
        /// As received.
        bytes: Bytes,
        /// Source.
        from: SocketAddr,
        /// Listening address.
        local: Local,
    },
    /// The same, read already by another thread.
    Decoded {
        /// What it is.
        datagram: Box<Decoded>,
        /// As received.
        bytes: Bytes,
        /// Source.
        from: SocketAddr,
        /// Listening address.
        local: Local,
    },
    /// Nothing can be sent to this address: a datagram was refused, a connection could not be opened or broke.
    Unreachable {
        /// Where to.
        to: SocketAddr,
        /// Our address that it would have left from.
        local: Local,
    },
    /// The peer of a connection has proven by its certificate that it is the trunk whose certificate has this name.
    Proven {
        /// The peer.
        from: SocketAddr,
        /// Our address that it is connected with.
        local: Local,
        /// Name of the certificate.
        name: String,
    },
    /// The peer closed its connection.
    Closed {
        /// The peer.
        to: SocketAddr,
        /// Our address that it was connected with.
        local: Local,
    },
    /// A nameserver answered.
    Resolved {
        /// What it was asked.
        question: Question,
        /// What it said.
        answer: Answer,
    },
    /// A service signed a call, or did not.
    Signed {
        /// What it was asked.
        request: SignRequest,
        /// The value of an Identity header, or why there is none.
        answer: Result<String, SignFault>,
    },
    /// The media threads tell something.
    Media(MediaEvent),
    /// What the store held at start. The first input.
    Recovered(Recovered),
    /// What was spent on capped trunks before; to be told once, first of all.
    Spent(Vec<Used>),
    /// A batch is durable, or refused.
    Stored {
        /// The batch.
        ticket: Ticket,
        /// Durable, or why not.
        result: Result<(), Refusal>,
    },
    /// Due tasks.
    Fetched {
        /// The campaign.
        campaign: CampaignId,
        /// What is due.
        fetched: Fetched,
    },
    /// Who calls.
    CallerFound {
        /// The call.
        call: AttemptId,
        /// What the list knows.
        known: Option<KnownCaller>,
    },
    /// A request about campaigns.
    Campaign {
        /// Named in the reply.
        request: RequestId,
        /// What is asked.
        command: CampaignCommand,
    },
    /// An agent's request.
    Agent {
        /// Named in the reply.
        request: RequestId,
        /// What is asked.
        command: AgentCommand,
    },
    /// A device of a user is to be called first.
    PreferDevice {
        /// Whose it is.
        user: String,
        /// Its `+sip.instance` without brackets; `None`: whichever the file names.
        device: Option<String>,
    },
    /// What a device has registered is to end.
    EndDevice {
        /// Whose it is.
        user: String,
        /// What stands for it.
        device: String,
    },
    /// A sign-in has ended that phones may have registered with.
    EndSession {
        /// Whose it was.
        user: String,
        /// The sign-in.
        session: u64,
    },
    /// How the engine fared lately.
    Load(Load),
    /// The way down: trunks are unregistered.
    Drain,
    /// Nothing but time.
    Timeout,
}

/// One thing to be done.
#[derive(Debug)]
pub enum NodeOutput {
    /// Send a datagram.
    Transmit {
        /// Destination.
        to: SocketAddr,
        /// Listening address it leaves from.
        local: Local,
        /// The datagram.
        bytes: Bytes,
    },
    /// For a nameserver: answer with [`NodeInput::Resolved`].
    Resolve(Question),
    /// For a trunk's signing service: answer with [`NodeInput::Signed`].
    Sign(SignRequest),
    /// For the media threads.
    Media(MediaCommand),
    /// For the store: make durable and answer with [`NodeInput::Stored`].
    Record {
        /// Named in the answer.
        ticket: Ticket,
        /// All or nothing.
        writes: Arc<[Write]>,
    },
    /// For the store: answer with [`NodeInput::Fetched`].
    Fetch {
        /// The campaign.
        campaign: CampaignId,
        /// Most tasks without an owner wanted.
        limit: u32,
        /// Owners some of whose tasks are wanted.
        owners: Vec<String>,
        /// Due at or before this.
        now: Utc,
    },
    /// For the store: answer with [`NodeInput::CallerFound`].
    FindCaller {
        /// The call.
        call: AttemptId,
        /// In whose lists to look.
        campaigns: Vec<CampaignId>,
        /// E.164 with `+`.
        number: String,
    },
    /// Answer to a request.
    Reply {
        /// Which.
        request: RequestId,
        /// Done or why not.
        result: Result<Reply, Refused>,
    },
    /// A trunk changed.
    Trunk {
        /// Its name.
        name: String,
        /// Its state.
        state: TrunkState,
    },
    /// A trunk is somewhere else.
    Moved {
        /// Its name.
        name: String,
        /// All of its servers.
        targets: Vec<Target>,
    },
    /// A campaign has ended.
    Finished {
        /// Which.
        campaign: CampaignId,
    },
    /// Something stored can't be read back by this version.
    Unreadable {
        /// What it was.
        what: &'static str,
    },
}

/// Dialer, link and gateway in one machine.
pub struct Node {
    dialer: Dialer,
    gateway: Gateway,
    clock: CampaignClock,
    leg: AgentLegMode,
    directory: PathBuf,
    prompts: BTreeMap<CampaignId, Arc<Prompt>>,
    messages: BTreeMap<CampaignId, Arc<Prompt>>,
    talk: Caps,
    spend: Caps,
    /// The room as the dialer was last told, and as the gateway tells it now.
    room: Option<Room>,
    room_now: Room,
    admission: Admission,
    /// While calls are paced: when the dialer is told the room again.
    paced_until: Option<Duration>,
    outputs: VecDeque<NodeOutput>,
}

impl Node {
    /// A node at rest. `identifiers` must be seeded from the system's secure source outside tests.
    pub fn new(options: Options, identifiers: ChaCha20Rng, now: RealNow) -> Self {
        let clock = CampaignClock::new(now, options.speed);
        let outcomes = link::outcomes(&options.sip.trunks);
        let sharing = link::sharing(&options.sip.trunks);
        let (talk, spend) = (Caps::talk(&options.sip.trunks), Caps::spend(&options.sip.trunks));
        Self {
            dialer: Dialer::new(dialer::Options { outcomes, sharing, ..options.dialer }, clock.now(now)),
            gateway: Gateway::new(options.sip, identifiers, now.monotonic),
            clock,
            leg: options.leg,
            directory: options.directory,
            prompts: BTreeMap::new(),
            messages: BTreeMap::new(),
            talk,
            spend,
            room: None,
            room_now: Room::default(),
            admission: Admission::default(),
            paced_until: None,
            outputs: VecDeque::new(),
        }
    }

    /// Gives a campaign its safe-harbour message.
    pub fn set_prompt(&mut self, campaign: CampaignId, prompt: Arc<Prompt>) {
        self.prompts.insert(campaign, prompt);
    }

    /// Gives a campaign the message for callers whom nobody could take.
    pub fn set_message(&mut self, campaign: CampaignId, message: Arc<Prompt>) {
        self.messages.insert(campaign, message);
    }

    /// Something for the phone of `user` to register with; `None` where there is no such user.
    pub fn phone_token(&self, user: &str, session: u64, life: Duration, now: RealNow) -> Option<Token> {
        self.gateway.mint(user, session, life, now.monotonic)
    }

    /// The devices of a user; `None` where there is no such user.
    pub fn devices(&self, user: &str, now: RealNow) -> Option<Devices> {
        self.gateway.devices(user, now.monotonic)
    }

    /// Takes in one thing that happened and lets all that follows from it happen.
    pub fn handle(&mut self, input: NodeInput, now: RealNow) {
        self.gateway.note_time_of_day(now.utc.0.div_euclid(1_000), now.monotonic);
        self.turn_day(now);
        self.tell_room(now);
        let held = !self.admission.takes_caller(now.monotonic);
        self.gateway.hold_callers(held.then_some(admission::RETRY_AFTER));
        match input {
            NodeInput::Datagram { bytes, from, local } => {
                self.gateway.datagram(bytes, from, local, now.monotonic);
            }
            NodeInput::Decoded { datagram, bytes: _, from, local } => {
                self.gateway.decoded(*datagram, from, local, now.monotonic);
            }
            NodeInput::Unreachable { to, local } => self.gateway.transport_error(to, local, now.monotonic),
            NodeInput::Proven { from, local, name } => self.gateway.proven(from, local, &name),
            NodeInput::Closed { to, local } => self.gateway.closed(to, local, now.monotonic),
            NodeInput::Resolved { question, answer } => {
                self.gateway.resolved(question, answer, now.monotonic);
            }
            NodeInput::Signed { request, answer } => self.gateway.signed(&request, answer, now.monotonic),
            NodeInput::Media(event) => self.gateway.media(event, now.monotonic),
            NodeInput::PreferDevice { user, device } => {
                self.gateway.command(Command::PreferDevice { user, device }, now.monotonic);
            }
            NodeInput::EndDevice { user, device } => {
                self.gateway.command(Command::EndDevice { user, device }, now.monotonic);
            }
            NodeInput::EndSession { user, session } => {
                self.gateway.command(Command::EndSession { user, session }, now.monotonic);
            }
            NodeInput::Load(load) => {
                self.admission.judge(&load, now.monotonic);
                self.gateway.shed(self.admission.sheds().then_some(admission::RETRY_AFTER));
                // A rate that is new, or gone, is told at once.
                self.paced_until = Some(now.monotonic);
                self.tell_room(now);
            }
            NodeInput::Drain => self.gateway.command(Command::Drain, now.monotonic),
            NodeInput::Spent(used) => {
                let left = self.spend.start(&used, self.clock.now(now).utc);
                self.allow_spend(left, now);
            }
            NodeInput::Recovered(recovered) => {
                let utc = self.clock.now(now).utc;
                let talked = caps::talked(&recovered.trunk_talk, &recovered.open_attempts, utc);
                let left = self.talk.start(&talked, utc);
                self.allow_talk(left, now);
                for (user, device) in recovered.preferred.clone() {
                    let prefer = Command::PreferDevice { user, device: Some(device) };
                    self.gateway.command(prefer, now.monotonic);
                }
                for row in &recovered.numbers {
                    self.gateway.command(Command::RestoreNumber(link::number(row, now)), now.monotonic);
                }
                for binding in recovered.bindings.iter().filter_map(|row| link::binding(row, now)) {
                    self.gateway.command(Command::RestoreBinding(binding), now.monotonic);
                }
                self.tell_dialer(Input::Recovered(recovered), now);
            }
            NodeInput::Stored { ticket, result } => self.tell_dialer(Input::Stored { ticket, result }, now),
            NodeInput::Fetched { campaign, fetched } => {
                self.tell_dialer(Input::Fetched { campaign, fetched }, now);
            }
            NodeInput::CallerFound { call, known } => {
                self.tell_dialer(Input::CallerFound { call, known }, now);
            }
            NodeInput::Campaign { request, command } => {
                self.tell_dialer(Input::Campaign { request, command }, now);
            }
            NodeInput::Agent { request, command } => self.tell_dialer(Input::Agent { request, command }, now),
            NodeInput::Timeout => {
                self.gateway.handle_timeout(now.monotonic);
                // Pacers are asked now: a trunk that has just gone or come back counts.
                self.tell_room(now);
                self.tell_dialer(Input::Timeout, now);
            }
        }
        self.settle(now);
    }

    /// The next thing to be done, in order.
    pub fn poll_output(&mut self) -> Option<NodeOutput> {
        self.outputs.pop_front()
    }

    /// The real monotonic instant at which [`NodeInput::Timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let dialer = self.dialer.poll_timeout().map(|campaign| self.clock.real(campaign));
        [dialer, self.gateway.poll_timeout(), self.paced_until].into_iter().flatten().min()
    }

    /// How many new calls are taken on.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// What a wallboard shows.
    pub fn live(&self, now: RealNow) -> LiveView {
        let mut view = self.dialer.live(self.clock.now(now));
        view.speed = self.clock.speed();
        view.trunks = caps::shown(&self.gateway, &self.talk, &self.spend);
        view
    }

    /// The newest decisions of a campaign's pacer, newest first; `None` where there is no such campaign.
    pub fn decisions(&self, campaign: CampaignId, limit: usize) -> Option<Vec<Decided>> {
        self.dialer.decisions(campaign, limit)
    }

    /// The messages of a call that is up or ended not long ago, by its number or by the Call-ID of one of its dialogs.
    pub fn ladder(&self, call: &str, now: RealNow) -> Option<Ladder> {
        let number = call.parse().ok().map(CallId);
        let ladder = number.and_then(|call| self.gateway.ladder_of_call(call));
        let ladder = ladder.or_else(|| self.gateway.ladder_of_dialog(call))?;
        Some(ladder::shown(ladder, now))
    }

    /// The next ladder of a call that has ended and had its last messages, or, `at_end` of the process, has ended; each once.
    pub fn settled_ladder(&mut self, at_end: bool, now: RealNow) -> Option<Ladder> {
        let until = if at_end { Duration::MAX } else { now.monotonic };
        self.gateway.settled_ladder(until).map(|ladder| ladder::shown(ladder, now))
    }

    /// What the gateway counted.
    pub fn counters(&self) -> Counters {
        self.gateway.counters()
    }

    /// Calls reserved or up.
    pub fn calls(&self) -> usize {
        self.gateway.calls()
    }

    /// What still waits for a peer's last word, or for the word to come again; zero when nothing is cut short by closing.
    pub fn unfinished(&self, now: RealNow) -> usize {
        self.gateway.unfinished(now.monotonic)
    }

    /// Whether it is on the way down.
    pub fn is_draining(&self) -> bool {
        self.gateway.is_draining()
    }

    /// Campaign time now.
    pub fn campaign_utc(&self, now: RealNow) -> Utc {
        self.clock.now(now).utc
    }

    /// Lets gateway and dialer answer each other until both are silent.
    fn settle(&mut self, now: RealNow) {
        loop {
            if let Some(output) = self.gateway.poll_output() {
                match output {
                    gateway::Output::Transmit { to, local, bytes } => {
                        self.outputs.push_back(NodeOutput::Transmit { to, local, bytes });
                    }
                    gateway::Output::Resolve(question) => {
                        self.outputs.push_back(NodeOutput::Resolve(question));
                    }
                    gateway::Output::Sign(request) => self.outputs.push_back(NodeOutput::Sign(request)),
                    gateway::Output::Media(command) => self.outputs.push_back(NodeOutput::Media(command)),
                    gateway::Output::Event(event) => match link::news(event, now) {
                        News::Dialer(input) => self.tell_dialer(input, now),
                        News::Trunk { name, state } => {
                            self.outputs.push_back(NodeOutput::Trunk { name, state });
                        }
                        News::Moved { name, targets } => {
                            self.outputs.push_back(NodeOutput::Moved { name, targets });
                        }
                    },
                }
            } else if let Some(output) = self.dialer.poll_output() {
                self.carry_out(output, now);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, output: carillon_core::output::Output, now: RealNow) {
        let (prompts, messages) = (&self.prompts, &self.messages);
        let around = Surroundings {
            leg: self.leg,
            directory: &self.directory,
            clock: &self.clock,
            now,
            prompt: &|campaign| prompts.get(&campaign).cloned(),
            message: &|campaign| messages.get(&campaign).cloned(),
        };
        self.outputs.push_back(match link::errand(output, &around) {
            Errand::Gateway(command) => {
                if let Command::Reserve { .. } | Command::Ring { .. } = &command {
                    self.admission.placed(now.monotonic);
                }
                return self.gateway.command(command, now.monotonic);
            }
            Errand::Record { ticket, writes } => NodeOutput::Record { ticket, writes },
            Errand::Fetch { campaign, limit, owners, now } => {
                NodeOutput::Fetch { campaign, limit, owners, now }
            }
            Errand::FindCaller { call, campaigns, number } => {
                NodeOutput::FindCaller { call, campaigns, number }
            }
            Errand::Reply { request, result } => NodeOutput::Reply { request, result },
            Errand::Finished { campaign } => NodeOutput::Finished { campaign },
            Errand::Unreadable { what } => NodeOutput::Unreadable { what },
        });
    }

    /// Gives each capped trunk its minutes and its money where a new day has begun.
    fn turn_day(&mut self, now: RealNow) {
        let utc = self.clock.now(now).utc;
        let left = self.talk.turn(utc, |trunk| caps::milliseconds(self.gateway.talked(trunk)));
        self.allow_talk(left, now);
        let left = self.spend.turn(utc, |trunk| self.gateway.spent(trunk));
        self.allow_spend(left, now);
    }

    fn allow_talk(&mut self, left: Vec<(String, u64)>, now: RealNow) {
        for (trunk, left) in left {
            let left = Duration::from_millis(left);
            self.gateway.command(Command::Budget { trunk, left }, now.monotonic);
        }
    }

    fn allow_spend(&mut self, left: Vec<(String, u64)>, now: RealNow) {
        for (trunk, left) in left {
            self.gateway.command(Command::SpendBudget { trunk, left }, now.monotonic);
        }
    }

    fn tell_dialer(&mut self, input: Input, now: RealNow) {
        self.dialer.handle_input(input, self.clock.now(now));
    }

    fn tell_room(&mut self, now: RealNow) {
        let paced = self.paced_until.is_some_and(|until| until <= now.monotonic);
        if !paced && !self.gateway.room_may_differ(now.monotonic) {
            return;
        }
        self.gateway.update_room(&mut self.room_now, now.monotonic);
        let free = self.admission.calls_free(now.monotonic);
        self.room_now.lines_free = self.room_now.lines_free.min(free);
        self.paced_until = self.admission.changes_at(now.monotonic);
        if self.room.as_ref() != Some(&self.room_now) {
            let told = link::room(&self.room_now, &self.gateway.options().trunks);
            self.room.get_or_insert_default().clone_from(&self.room_now);
            self.tell_dialer(Input::Room(told), now);
        }
    }
}

#[cfg(test)]
mod tests;
