//! The engine: one thread that drives the node with real sockets, a real store and a real clock.
//!
//! Each turn, in this order: what other threads sent (store, media, people), datagrams, timers; each on a budget, so
//! that none starves the others. Everything the node wants done is done before the next input, but for datagrams, which leave
//! together at the end of the turn.

mod handle;
mod questions;
mod signing;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carillon_core::id::RequestId;
use carillon_core::live::LiveView;
use carillon_core::output::{Refused, Reply};
use carillon_core::store::read::Recovered;
use carillon_core::store::sqlite::{OnStored, Store};
use carillon_core::store::write::Refusal;
use carillon_sip::io::hep::{self, HepHandle};
use carillon_sip::io::media::{self, MediaHandle, MediaOptions};
use carillon_sip::io::resolve::{self, ResolverHandle};
use carillon_sip::io::signer::{SignerError, SignerHandle};
use carillon_sip::media::MediaCommand;
use carillon_sip::transport::Local;
use mio::{Events, Poll, Token, Waker};
use rand_chacha::ChaCha20Rng;
use tokio::sync::{oneshot, watch};

use crate::admission;
use crate::breath::Breath;
use crate::caps::Used;
use crate::clock::{RealNow, wall};
use crate::doorbell::Doorbell;
use crate::keeper::{self, Keeper};
use crate::limits;
use crate::meters::Batches;
use crate::node::{self, Node, NodeInput, NodeOutput};
use crate::sockets::{SocketError, Sockets, workers};
use crate::strain::Strain;
use handle::Message;
pub use handle::{EngineHandle, Status, Stopped};

/// Messages from other threads that may wait; a sender beyond that waits itself.
const MESSAGES_MAX: usize = 65_536;
/// Messages taken per turn.
const MESSAGES_PER_TURN: usize = 256;
/// How long streams that are to be closed may wait for other commands to wake the RTP thread. Less than their ports rest.
const CLOSE_PATIENCE: Duration = Duration::from_millis(50);
/// How long a stream that is to be opened may wait for other commands to wake the RTP thread. Its INVITE has yet to reach a
/// phone and be answered; the thread looks by itself each time as long as it has streams.
const OPEN_PATIENCE: Duration = Duration::from_millis(5);
/// How often a wallboard gets a new view.
const LIVE_INTERVAL: Duration = Duration::from_millis(250);

const WAKER: Token = Token(usize::MAX);

/// What an engine is made of.
pub struct EngineOptions {
    /// The node.
    pub node: node::Options,
    /// The open store.
    pub store: Store,
    /// What it held.
    pub recovered: Recovered,
    /// Where the ladders of ended calls are kept, and for how long; `None`: nowhere.
    pub ladders: Option<(PathBuf, Duration)>,
    /// What was spent on capped trunks before.
    pub spent: Vec<Used>,
}

/// The engine's letter box. Made before the engine, because the store needs it to report what is durable.
pub struct Mailbox {
    poll: Poll,
    bell: Arc<Doorbell>,
    sender: SyncSender<Message>,
    messages: Receiver<Message>,
}

impl Mailbox {
    /// An empty letter box.
    pub fn new() -> Result<Self, EngineError> {
        let system = |error| EngineError::System { what: "epoll", error };
        let poll = Poll::new().map_err(system)?;
        let bell = Arc::new(Doorbell::new(Waker::new(poll.registry(), WAKER).map_err(system)?));
        let (sender, messages) = sync_channel(MESSAGES_MAX);
        Ok(Self { poll, bell, sender, messages })
    }

    /// What the store calls when a batch is durable or refused.
    pub fn on_stored(&self) -> OnStored {
        let (sender, bell) = (self.sender.clone(), self.bell.clone());
        Box::new(move |ticket, result| {
            // An engine that is gone needs no answers; the store outlives it only to be closed.
            let _ = sender.send(Message::Stored { ticket, result });
            bell.ring();
        })
    }
}

/// Why an engine can't start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A listening address can't be had.
    #[error("sip.listen: {0}")]
    Listen(#[from] SocketError),
    /// A trunk's signing service can't be asked.
    #[error("trunk identity_service: {0}")]
    Signer(#[from] SignerError),
    /// The system refused threads, polls or randomness.
    #[error("{what}: {error}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        error: io::Error,
    },
}

/// Starts the engine. Needs a tokio runtime for the store's reads.
pub fn start(
    mailbox: Mailbox,
    mut options: EngineOptions,
) -> Result<(EngineHandle, JoinHandle<()>), EngineError> {
    let sip = &mut options.node.sip;
    sip.streams_max = limits::streams_max();
    if sip.streams_max < usize::from(sip.rtp_ports.1.saturating_sub(sip.rtp_ports.0)) / 2 {
        let streams = sip.streams_max;
        tracing::info!(
            streams,
            "the limit on open files allows fewer RTP streams than rtp_ports, two sockets each"
        );
    }
    let system = |what| move |error| EngineError::System { what, error };
    let origin = Instant::now();
    let Mailbox { poll, bell, sender, messages } = mailbox;

    let sockets = Sockets::bind(&options.node.sip, poll.registry(), &bell)?;

    let media = {
        let (sender, bell) = (sender.clone(), bell.clone());
        let tell = move |event| {
            // Never blocks the RTP thread. A full or closed channel means that the engine is going down.
            let _ = sender.try_send(Message::Media(event));
            bell.ring();
        };
        let rng = secure_generator()?;
        let own = sockets.own();
        let streams_max = options.node.sip.streams_max;
        media::spawn(MediaOptions { clock_start: origin, own, rng, streams_max }, Arc::new(tell))
            .map_err(system("media thread"))?
    };
    let resolver = {
        let (sender, bell) = (sender.clone(), bell.clone());
        let tell = move |question, answer| {
            // An engine that is gone asks nothing.
            let _ = sender.send(Message::Resolved { question, answer });
            bell.ring();
        };
        resolve::spawn(options.node.sip.nameservers.clone(), Arc::new(tell))
            .map_err(system("resolver thread"))?
    };
    let signer = signing::spawn(&options.node.sip.trunks, &sender, &bell)?;
    let hep = match options.node.sip.hep.clone() {
        Some(server) => {
            Some(hep::spawn(server, options.node.sip.media_address).map_err(system("capture server"))?)
        }
        None => None,
    };
    let keeper = match options.ladders {
        Some((directory, keep)) => Some(keeper::spawn(directory, keep).map_err(system("ladders"))?),
        None => None,
    };
    let now = real_now(origin);
    let mut node = Node::new(options.node, secure_generator()?, now);
    let batches = Batches::new(&options.recovered);
    node.handle(NodeInput::Spent(options.spent), now);
    node.handle(NodeInput::Recovered(options.recovered), now);

    let (live_sender, live) = watch::channel(Arc::new(node.live(now)));
    let (status_sender, status) = watch::channel(Arc::new(Status::default()));
    let engine = Engine {
        node,
        poll,
        origin,
        sockets,
        inputs: Vec::new(),
        media,
        media_due: None,
        resolver,
        signer,
        hep,
        keeper,
        store: options.store,
        runtime: tokio::runtime::Handle::current(),
        messages,
        sender: sender.clone(),
        bell: bell.clone(),
        replies: BTreeMap::new(),
        next_request: 1,
        live: live_sender,
        status: status_sender,
        known: Status::default(),
        live_due: Duration::ZERO,
        batches,
        breath: Breath::default(),
        strain: Strain::default(),
    };
    let thread = std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || engine.run())
        .map_err(system("engine thread"))?;
    Ok((EngineHandle { messages: sender, bell, live, status }, thread))
}

struct Engine {
    node: Node,
    poll: Poll,
    origin: Instant,
    sockets: Sockets,
    inputs: Vec<NodeInput>,
    media: MediaHandle,
    /// Commands wait for the RTP thread, which is to be woken by then: once a turn, or later where nothing hurries.
    media_due: Option<Duration>,
    resolver: ResolverHandle,
    signer: Option<SignerHandle>,
    hep: Option<HepHandle>,
    keeper: Option<Keeper>,
    store: Store,
    runtime: tokio::runtime::Handle,
    messages: Receiver<Message>,
    sender: SyncSender<Message>,
    bell: Arc<Doorbell>,
    replies: BTreeMap<RequestId, oneshot::Sender<Result<Reply, Refused>>>,
    next_request: u64,
    live: watch::Sender<Arc<LiveView>>,
    status: watch::Sender<Arc<Status>>,
    known: Status,
    live_due: Duration,
    batches: Batches,
    breath: Breath,
    strain: Strain,
}

impl Engine {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        self.carry_out();
        loop {
            self.bell.answer();
            let began = self.now().monotonic;
            self.breath.turn(began);
            self.strain.turn(began);
            let mut more = match self.take_messages() {
                // Waits until streams and recordings are closed.
                Turn::Quit => {
                    self.flush();
                    self.keep_ladders(true);
                    if let Some(keeper) = self.keeper.take() {
                        keeper.stop();
                    }
                    if let Some(hep) = self.hep.take() {
                        hep.stop();
                    }
                    return self.media.stop();
                }
                Turn::More => true,
                Turn::Idle => false,
            };
            more |= self.take_messages_of_peers();
            self.take_timers();
            self.judge_load();
            self.flush();
            self.show();
            self.wake_media();
            self.strain.rest(self.now().monotonic, more);
            let wait = if more { Duration::ZERO } else { self.wait() };
            let rest = self.breath.rest(self.now().monotonic);
            if !more && !rest.is_zero() {
                std::thread::sleep(rest);
            }
            let wait = wait.saturating_sub(rest);
            match self.poll.poll(&mut events, Some(wait)) {
                Ok(()) => events.iter().for_each(|event| self.sockets.wake(event.token())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "epoll failed; the engine stops");
                    return;
                }
            }
        }
    }

    /// Takes what other threads sent, up to the budget.
    fn take_messages(&mut self) -> Turn {
        for _ in 0..MESSAGES_PER_TURN {
            let input = match self.messages.try_recv() {
                Ok(Message::Media(event)) => NodeInput::Media(event),
                Ok(Message::Resolved { question, answer }) => NodeInput::Resolved { question, answer },
                Ok(Message::Signed { request, answer }) => NodeInput::Signed { request, answer },
                Ok(Message::Stored { ticket, result }) => {
                    self.batches.answered(ticket, &result);
                    NodeInput::Stored { ticket, result }
                }
                Ok(Message::Fetched { campaign, fetched }) => NodeInput::Fetched { campaign, fetched },
                Ok(Message::CallerFound { call, known }) => NodeInput::CallerFound { call, known },
                Ok(Message::Campaign { command, reply }) => {
                    NodeInput::Campaign { request: self.request(reply), command }
                }
                Ok(Message::Agent { command, reply }) => {
                    NodeInput::Agent { request: self.request(reply), command }
                }
                Ok(Message::Prompt { campaign, prompt }) => {
                    self.node.set_prompt(campaign, prompt);
                    continue;
                }
                Ok(Message::Greeting { campaign, prompt }) => {
                    self.node.set_message(campaign, prompt);
                    continue;
                }
                Ok(Message::Phone { user, session, life, reply }) => {
                    // Whoever asked may have gone.
                    let _ = reply.send(self.node.phone_token(&user, session, life, self.now()));
                    continue;
                }
                Ok(Message::Devices { user, reply }) => {
                    let _ = reply.send(self.node.devices(&user, self.now()));
                    continue;
                }
                Ok(Message::PreferDevice { user, device, reply }) => {
                    self.handle(NodeInput::PreferDevice { user, device });
                    let _ = reply.send(());
                    continue;
                }
                Ok(Message::EndDevice { user, device, reply }) => {
                    self.handle(NodeInput::EndDevice { user, device });
                    let _ = reply.send(());
                    continue;
                }
                Ok(Message::EndSession { user, session, reply }) => {
                    self.handle(NodeInput::EndSession { user, session });
                    let _ = reply.send(());
                    continue;
                }
                Ok(Message::Ladder { call, reply }) => {
                    // Whoever asked may have gone.
                    let _ = reply.send(self.node.ladder(&call, self.now()));
                    continue;
                }
                Ok(Message::Decisions { campaign, limit, reply }) => {
                    // Whoever asked may have gone.
                    let _ = reply.send(self.node.decisions(campaign, limit));
                    continue;
                }
                Ok(Message::Drain) => {
                    self.live_due = Duration::ZERO;
                    NodeInput::Drain
                }
                Ok(Message::Quit) | Err(TryRecvError::Disconnected) => return Turn::Quit,
                Err(TryRecvError::Empty) => return Turn::Idle,
            };
            self.handle(input);
        }
        Turn::More
    }

    /// Takes what sockets brought, up to the budget; true when there may be more.
    fn take_messages_of_peers(&mut self) -> bool {
        let mut inputs = std::mem::take(&mut self.inputs);
        let more = self.sockets.take(self.now().monotonic, &mut inputs);
        for input in inputs.drain(..) {
            if let (
                Some(hep),
                NodeInput::Datagram { bytes, from, local } | NodeInput::Decoded { bytes, from, local, .. },
            ) = (&self.hep, &input)
            {
                hep.received(bytes, *from, *local);
            }
            self.handle(input);
        }
        self.inputs = inputs;
        more
    }

    fn take_timers(&mut self) {
        let now = self.now();
        if self.node.poll_timeout().is_some_and(|due| due <= now.monotonic) {
            self.handle(NodeInput::Timeout);
        }
    }

    fn handle(&mut self, input: NodeInput) {
        self.breath.input();
        let now = self.now();
        self.node.handle(input, now);
        self.carry_out();
    }

    /// Does everything the node wants done.
    fn carry_out(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                NodeOutput::Transmit { to, local, bytes } => self.transmit(to, local, &bytes),
                NodeOutput::Media(command) => {
                    let patience = match &command {
                        MediaCommand::Close { .. } | MediaCommand::Unsplice { .. } => CLOSE_PATIENCE,
                        MediaCommand::Open { .. } => OPEN_PATIENCE,
                        MediaCommand::SetRemote { .. }
                        | MediaCommand::Silence { .. }
                        | MediaCommand::Splice { .. }
                        | MediaCommand::HandOver { .. }
                        | MediaCommand::Digit { .. }
                        | MediaCommand::Play { .. } => Duration::ZERO,
                    };
                    let due = self.now().monotonic + patience;
                    self.media_due = Some(self.media_due.map_or(due, |known| known.min(due)));
                    if let Err(error) = self.media.send(command) {
                        tracing::error!(%error, "audio will be missing");
                    }
                }
                NodeOutput::Record { ticket, writes } => {
                    self.batches.submitted(ticket, &writes);
                    if self.store.submit(ticket, writes).is_err() {
                        let result = Err(Refusal::Unavailable("the store's queue is full".into()));
                        self.batches.answered(ticket, &result);
                        let now = self.now();
                        self.node.handle(NodeInput::Stored { ticket, result }, now);
                    }
                }
                NodeOutput::Fetch { campaign, limit, owners, now } => {
                    self.fetch(campaign, limit, owners, now);
                }
                NodeOutput::FindCaller { call, campaigns, number } => {
                    self.find_caller(call, campaigns, number);
                }
                NodeOutput::Reply { request, result } => {
                    if let Some(reply) = self.replies.remove(&request) {
                        // Whoever asked may have gone.
                        let _ = reply.send(result);
                    }
                }
                NodeOutput::Trunk { name, state } => {
                    tracing::info!(trunk = %name, ?state, "trunk");
                    self.known.trunks.insert(name, state);
                    self.live_due = Duration::ZERO;
                }
                NodeOutput::Resolve(question) => {
                    // A question that can't be put is like one that is not answered.
                    if !self.resolver.ask(question) {
                        tracing::warn!("too many names are looked up at once");
                    }
                }
                NodeOutput::Sign(request) => {
                    if let Some(unasked) = signing::ask(self.signer.as_ref(), request) {
                        let now = self.now();
                        self.node.handle(unasked, now);
                    }
                }
                NodeOutput::Moved { name, targets } => {
                    let servers: Vec<String> = targets.iter().map(ToString::to_string).collect();
                    tracing::info!(trunk = %name, servers = %servers.join(" "), "the trunk's name leads here");
                    self.sockets.follow(&name, &targets);
                }
                NodeOutput::Finished { campaign } => {
                    self.known.finished.push(campaign);
                    self.live_due = Duration::ZERO;
                }
                NodeOutput::Unreadable { what } => {
                    tracing::warn!(
                        what,
                        "a stored value can't be read by this version; nothing was done for it"
                    );
                }
            }
        }
    }

    /// Tells the node how it went, once a window.
    fn judge_load(&mut self) {
        let now = self.now().monotonic;
        if now.saturating_sub(self.strain.since()) < admission::WINDOW {
            return;
        }
        let load = self.strain.take(now, self.batches.oldest());
        self.known.busy_share = load.busy_share();
        self.handle(NodeInput::Load(load));
        self.known.admitted_per_second = self.node.admission().rate();
    }

    fn wake_media(&mut self) {
        let now = self.now().monotonic;
        if self.media_due.take_if(|due| *due <= now).is_some() {
            self.media.wake();
        }
    }

    fn transmit(&mut self, to: SocketAddr, local: Local, bytes: &Bytes) {
        let now = self.now();
        if let Some(hep) = &self.hep {
            hep.sent(bytes, to, local);
        }
        self.sockets.send(bytes, to, local, now.monotonic);
    }

    /// Has everything leave, and what becomes of what can't.
    fn flush(&mut self) {
        loop {
            self.sockets.flush(&mut self.inputs);
            if self.inputs.is_empty() {
                return;
            }
            let mut failures = std::mem::take(&mut self.inputs);
            failures.drain(..).for_each(|input| self.handle(input));
            self.inputs = failures;
        }
    }

    fn request(&mut self, reply: oneshot::Sender<Result<Reply, Refused>>) -> RequestId {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.replies.insert(request, reply);
        request
    }

    /// Hands over the ladders of calls that have had their last messages; at the end of the process, of all that have ended.
    fn keep_ladders(&mut self, at_end: bool) {
        let now = self.now();
        let Some(keeper) = &mut self.keeper else { return };
        while let Some(ladder) = self.node.settled_ladder(at_end, now) {
            keeper.keep(ladder);
        }
    }

    /// Shows the newest state to whoever watches.
    fn show(&mut self) {
        let now = self.now();
        if now.monotonic < self.live_due {
            return;
        }
        self.keep_ladders(false);
        self.live_due = now.monotonic + LIVE_INTERVAL;
        self.live.send_replace(Arc::new(self.node.live(now)));
        self.known.calls = self.node.calls();
        self.known.at_rest = self.node.is_draining() && self.node.unfinished(now) == 0;
        self.known.workers = self.sockets.worker_counts();
        self.known.counters = workers::counted(self.node.counters(), &self.known.workers);
        self.known.hep = self.hep.as_ref().map(HepHandle::counts);
        self.known.trunk_figures = self.node.trunks(now);
        self.known.campaign_utc = self.node.campaign_utc(now);
        self.status.send_replace(Arc::new(self.known.clone()));
    }

    fn wait(&self) -> Duration {
        let now = self.now().monotonic;
        let timer = self.node.poll_timeout().map_or(LIVE_INTERVAL, |due| due.saturating_sub(now));
        let due = self.media_due.map_or(self.live_due, |due| due.min(self.live_due));
        timer.min(due.saturating_sub(now))
    }

    fn now(&self) -> RealNow {
        real_now(self.origin)
    }
}

/// A generator for identifiers, seeded from the system's secure source.
fn secure_generator() -> Result<ChaCha20Rng, EngineError> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| EngineError::System { what: "random numbers", error: io::Error::other(error) })?;
    Ok(<ChaCha20Rng as rand_chacha::rand_core::SeedableRng>::from_seed(seed))
}

/// Whether a turn's budget was enough.
enum Turn {
    More,
    Idle,
    Quit,
}

/// The one place where the engine reads the clocks.
fn real_now(origin: Instant) -> RealNow {
    RealNow { monotonic: origin.elapsed(), utc: wall() }
}
