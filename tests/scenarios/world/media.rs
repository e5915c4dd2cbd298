//! The simulated media threads: they take the gateway's commands and tell when first packets leave. No audio flows, but
//! who would hear whom, and from when, is known exactly.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use carillon_sip::id::{CallId, StreamId};
use carillon_sip::media::prompt::Prompt;
use carillon_sip::media::{MediaCommand, MediaEvent, RecordingDone, Remote};

/// One packet's time (20 ms of audio): what is decided now is heard in the next packet.
pub const PACKET: Duration = Duration::from_millis(20);
/// How long a closed recording takes to be hashed.
const CLOSING: Duration = Duration::from_millis(30);
/// A G.711 octet is an eighth of a millisecond.
const OCTETS_PER_MS: u64 = 8;

/// What leaves towards a customer's RTP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audio {
    /// The first packet of what is heard at this agent's RTP address.
    Agent(SocketAddr),
    /// The first packet of the safe-harbour message.
    Message,
    /// The agent's audio stopped.
    Parted(SocketAddr),
}

/// Something that the media threads do at a later time.
#[derive(Clone, Debug)]
pub enum Later {
    /// The first packet of a splice leaves, unless it was parted meanwhile.
    Heard { call: CallId, customer: StreamId, splice: u64 },
    /// The first packet of a prompt leaves, unless the stream was closed.
    Started { call: CallId, stream: StreamId },
    /// The last one did.
    Finished { call: CallId, stream: StreamId },
    /// A recording was closed.
    Recorded { call: CallId, done: RecordingDone },
}

/// What follows from a command or from time.
#[derive(Debug, Default)]
pub struct Follows {
    /// To be told to the node now.
    pub event: Option<MediaEvent>,
    /// Seen on the wire now: our RTP address, and what leaves from it.
    pub audio: Option<(SocketAddr, Audio)>,
    /// To be done later.
    pub later: Vec<(Duration, Later)>,
}

#[derive(Debug)]
struct Stream {
    local: SocketAddr,
    remote: Option<Remote>,
}

#[derive(Debug)]
struct Splice {
    number: u64,
    customer: StreamId,
    agent: StreamId,
    answered_at: Duration,
    since: Duration,
    record: Option<std::path::PathBuf>,
    heard: bool,
    /// Whether its first packet is told of: that of a call's first agent is.
    tells: bool,
}

/// The media threads of one process.
#[derive(Debug)]
pub struct Media {
    /// From a command to the first packet that obeys it.
    first_packet: Duration,
    streams: BTreeMap<StreamId, Stream>,
    /// By the customer's stream, or that of whoever asks a colleague.
    splices: BTreeMap<StreamId, Splice>,
    splices_made: u64,
}

impl Media {
    /// Threads that obey within `first_packet`.
    pub fn new(first_packet: Duration) -> Self {
        Self { first_packet, streams: BTreeMap::new(), splices: BTreeMap::new(), splices_made: 0 }
    }

    /// Takes one command. `now` is the node's monotonic time.
    pub fn command(&mut self, command: MediaCommand, now: Duration) -> Follows {
        let mut follows = Follows::default();
        match command {
            MediaCommand::Open { stream, local, origin: _ } => {
                self.streams.insert(stream, Stream { local, remote: None });
            }
            MediaCommand::SetRemote { stream, remote } => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.remote = Some(remote);
                }
            }
            MediaCommand::Silence { .. } | MediaCommand::Digit { .. } => {}
            MediaCommand::Splice { call, customer, agent, answered_at, record } => {
                self.splices_made += 1;
                let number = self.splices_made;
                let splice = Splice {
                    number,
                    customer,
                    agent,
                    answered_at,
                    since: now,
                    record,
                    heard: false,
                    tells: true,
                };
                self.splices.insert(customer, splice);
                follows
                    .later
                    .push((now + self.first_packet, Later::Heard { call, customer, splice: number }));
            }
            MediaCommand::HandOver { call, customer, agent } => {
                self.splices_made += 1;
                let number = self.splices_made;
                let before = self.splices.remove(&customer);
                let (record, since, answered_at) = match &before {
                    Some(splice) => (splice.record.clone(), splice.since, splice.answered_at),
                    None => (None, now, now),
                };
                let splice = Splice {
                    number,
                    customer,
                    agent,
                    answered_at,
                    since,
                    record,
                    heard: false,
                    tells: false,
                };
                self.splices.insert(customer, splice);
                follows
                    .later
                    .push((now + self.first_packet, Later::Heard { call, customer, splice: number }));
                let heard = before.filter(|splice| splice.heard);
                if let Some((splice, customer)) = heard.zip(self.streams.get(&customer))
                    && let Some(agent) = self.streams.get(&splice.agent)
                {
                    follows.audio = Some((customer.local, Audio::Parted(agent.local)));
                }
            }
            MediaCommand::Unsplice { call, customer, agent } => {
                if let Some(splice) = self.splices.remove(&customer) {
                    let heard = splice.heard;
                    if let Some(path) = splice.record {
                        let duration_ms = milliseconds(now.saturating_sub(splice.since));
                        let done = RecordingDone { path, duration_ms, sha256: "0".repeat(64) };
                        follows.later.push((now + CLOSING, Later::Recorded { call, done }));
                    }
                    if let (true, Some(customer), Some(agent)) =
                        (heard, self.streams.get(&customer), self.streams.get(&agent))
                    {
                        follows.audio = Some((customer.local, Audio::Parted(agent.local)));
                    }
                }
            }
            MediaCommand::Play { call, stream, prompt } => {
                follows.later.push((now + self.first_packet, Later::Started { call, stream }));
                follows.later.push((now + PACKET + length(&prompt), Later::Finished { call, stream }));
            }
            MediaCommand::Close { stream } => {
                self.streams.remove(&stream);
            }
        }
        follows
    }

    /// Does what a command left for later.
    pub fn later(&mut self, later: Later, now: Duration) -> Follows {
        let mut follows = Follows::default();
        match later {
            Later::Heard { call, customer, splice: number } => {
                let Some(splice) = self.splices.get_mut(&customer).filter(|splice| splice.number == number)
                else {
                    return follows;
                };
                let (customer, agent) = (self.streams.get(&splice.customer), self.streams.get(&splice.agent));
                if let (Some(customer), Some(agent)) = (customer, agent)
                    && customer.remote.is_some()
                {
                    splice.heard = true;
                    let after_answer = now.saturating_sub(splice.answered_at);
                    follows.event = splice.tells.then_some(MediaEvent::AgentHeard { call, after_answer });
                    follows.audio = Some((customer.local, Audio::Agent(agent.local)));
                }
            }
            Later::Started { call, stream } => {
                if let Some(stream) = self.streams.get(&stream).filter(|stream| stream.remote.is_some()) {
                    follows.event = Some(MediaEvent::PromptStarted { call });
                    follows.audio = Some((stream.local, Audio::Message));
                }
            }
            Later::Finished { call, stream } => {
                if self.streams.contains_key(&stream) {
                    follows.event = Some(MediaEvent::PromptFinished { call });
                }
            }
            Later::Recorded { call, done } => {
                follows.event = Some(MediaEvent::Recorded { call, recording: Ok(done) });
            }
        }
        follows
    }

    /// Where the peer of one of our RTP addresses listens.
    pub fn remote(&self, local: SocketAddr) -> Option<SocketAddr> {
        let stream = self.streams.values().find(|stream| stream.local == local)?;
        stream.remote.map(|remote| remote.address)
    }

    /// Streams whose peer listens at `address`.
    pub fn streams_to(&self, address: SocketAddr) -> Vec<StreamId> {
        let to = |stream: &&Stream| stream.remote.is_some_and(|remote| remote.address == address);
        self.streams.iter().filter(|(_, stream)| to(stream)).map(|(id, _)| *id).collect()
    }
}

fn length(prompt: &Prompt) -> Duration {
    Duration::from_millis(u64::try_from(prompt.samples()).unwrap_or(u64::MAX) / OCTETS_PER_MS)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
