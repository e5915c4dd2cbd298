//! One RTP stream: a socket pair, whom it believes, what it is sending.

use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;

use super::dtmf::{EVENT_LENGTH, Keys};
use super::engine::Slot;
use super::prompt::Player;
use super::record::{Recording, Side};
use super::relay::Outgoing;
use super::rtcp::{self, Reception, Reporter};
use super::rtp::HEADER_LENGTH;
use super::silence::{self, FRAME_SAMPLES};
use super::source::Source;
use super::{Origin, Remote};
use crate::id::{CallId, StreamId};

/// Octets of a packet of our own.
const OWN_PACKET_LENGTH: usize = HEADER_LENGTH + FRAME_SAMPLES;

/// Octets of a packet of ours that says a key.
const KEY_PACKET_LENGTH: usize = HEADER_LENGTH + EVENT_LENGTH;

/// How long a peer that should send may be quiet before it counts as lost.
pub const LOST_AFTER: Duration = Duration::from_secs(60);

/// A stream from `Open` to `Close`.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) local: SocketAddr,
    /// Present once SDP was learnt.
    pub(super) peer: Option<Peer>,
    /// Where it sends to, as the engine last took note of it.
    pub(super) destination: Option<SocketAddr>,
    pub(super) outgoing: Outgoing,
    pub(super) reception: Reception,
    pub(super) reporter: Reporter,
    /// Silence is to be sent whenever nothing else is.
    pub(super) silence: bool,
    pub(super) playing: Option<Playing>,
    /// Keys that the peer is to be told.
    pub(super) keys: Keys,
    pub(super) splice: Option<Splice>,
    /// Kept with the customer's stream.
    pub(super) recording: Option<Box<Recording>>,
}

/// What is known of the other end.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) remote: Remote,
    pub(super) source: Source,
    /// Where its RTCP comes from, once that is known.
    pub(super) rtcp_from: Option<SocketAddr>,
    pub(super) heard_at: Duration,
    /// RTP has come from it.
    pub(super) heard: bool,
    /// It tells keys in RTP.
    pub(super) sends_events: bool,
    pub(super) lost: bool,
}

/// A prompt being played.
#[derive(Debug)]
pub(super) struct Playing {
    pub(super) call: CallId,
    pub(super) player: Player,
}

/// The other stream of a splice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Splice {
    pub(super) call: CallId,
    pub(super) other: Slot,
    /// Which side this stream is.
    pub(super) side: Side,
    /// On the customer's side, until the first agent packet left: when the customer answered.
    pub(super) answered_at: Option<Duration>,
    /// Neither side has ever sent RTP: there is no pause to fill, only a path to keep open.
    pub(super) unheard: bool,
}

impl Stream {
    pub(super) fn new(
        id: StreamId,
        local: SocketAddr,
        origin: Origin,
        rng: &mut ChaCha20Rng,
        now: Duration,
    ) -> Self {
        Self {
            id,
            local,
            peer: None,
            destination: None,
            outgoing: Outgoing::new(origin),
            reception: Reception::default(),
            reporter: Reporter::new(rng, now),
            silence: false,
            playing: None,
            keys: Keys::default(),
            splice: None,
            recording: None,
        }
    }

    /// Learns the peer's SDP, for the first time or anew.
    pub(super) fn set_remote(&mut self, remote: Remote, now: Duration) {
        match &mut self.peer {
            Some(peer) => {
                // Who has just negotiated is there: the wait for RTP begins anew, as after early media without any.
                peer.heard_at = now;
                peer.lost = false;
                peer.source.expect(remote.address, now);
                if remote.address != peer.remote.address {
                    peer.rtcp_from = None;
                }
                peer.remote = remote;
            }
            None => {
                let source = Source::new(remote.address, now);
                let (heard, sends_events, lost) = (false, false, false);
                self.peer =
                    Some(Peer { remote, source, rtcp_from: None, heard_at: now, heard, sends_events, lost });
            }
        }
    }

    /// The peer, when it takes what we send.
    pub(super) fn listener(&self) -> Option<&Peer> {
        self.peer.as_ref().filter(|peer| peer.remote.send)
    }

    /// Whether a frame of our own is due at the tick `at`.
    pub(super) fn own_frame_due(&self, at: Duration) -> bool {
        if self.playing.is_some() || !self.keys.is_empty() {
            return true;
        }
        let due = || match self.splice {
            Some(Splice { unheard: true, .. }) => self.outgoing.quiet_for(at) >= silence::KEEP_ALIVE,
            Some(Splice { unheard: false, .. }) | None => silence::is_due(self.outgoing.last(), at),
        };
        self.silence && self.listener().is_some() && due()
    }

    /// Whether RTP has ever come from the peer.
    pub(super) fn is_heard(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.heard)
    }

    /// Whether packets of our own have to leave unbroken, so that nothing is relayed in between.
    pub(super) fn is_taken(&self) -> bool {
        self.playing.is_some() || !self.keys.is_empty()
    }

    /// Writes the frame due at the tick `at`. Returns where it goes and its length; `None` when nobody takes it.
    pub(super) fn own_frame(&mut self, buffer: &mut [u8], at: Duration) -> Option<(SocketAddr, usize)> {
        let talkspurt = self.playing.as_ref().is_some_and(|playing| playing.player.at_start());
        let (remote, to) = match self.listener() {
            Some(peer) => (peer.remote, peer.source.destination()),
            None => {
                // A prompt's time passes even when the peer has us on hold, so that the call can't hang.
                if let Some(playing) = &mut self.playing {
                    playing.player.skip_frame();
                }
                self.keys.clear();
                return None;
            }
        };
        let (header, rest) = buffer.split_first_chunk_mut::<HEADER_LENGTH>()?;
        if remote.telephone_event.is_none() {
            self.keys.clear();
        }
        if let Some(payload_type) = remote.telephone_event.filter(|_| self.playing.is_none())
            && let Some(key) = self.keys.next_packet()
        {
            let written = self.outgoing.own_event(payload_type, key.began, at);
            self.keys.began(written.timestamp);
            *header = written.encode();
            *rest.first_chunk_mut::<EVENT_LENGTH>()? = key.event.encode();
            return Some((to, KEY_PACKET_LENGTH));
        }
        let frame = rest.first_chunk_mut::<FRAME_SAMPLES>()?;
        match &mut self.playing {
            Some(playing) => playing.player.next_frame(remote.codec, frame),
            None => *frame = *silence::frame(remote.codec),
        }
        *header = self.outgoing.own_frame(remote.codec, talkspurt, at).encode();
        Some((to, OWN_PACKET_LENGTH))
    }

    /// Where reports go: to where the peer's come from, else one port above RTP (RFC 3550 §11).
    pub(super) fn rtcp_destination(&self) -> Option<SocketAddr> {
        let peer = self.peer.as_ref()?;
        peer.rtcp_from.or_else(|| {
            let to = peer.source.destination();
            Some(SocketAddr::new(to.ip(), to.port().checked_add(1)?))
        })
    }

    /// The last report, with RTCP's BYE (RFC 3550 §6.3.7), and where it goes. Nobody is known to be where no packet, not even
    /// of RTCP, has ever come from: none goes there, and SIP tells them anyway.
    pub(super) fn goodbye(&mut self, now: Duration) -> Option<(SocketAddr, Vec<u8>)> {
        let known = self.peer.as_ref().is_some_and(|peer| peer.heard || peer.rtcp_from.is_some());
        let to = self.rtcp_destination().filter(|_| known)?;
        let mut report = vec![0; rtcp::LENGTH_MAX];
        let length = self.reporter.write_goodbye(&self.outgoing, &mut self.reception, &mut report, now);
        report.truncate(length);
        (length > 0).then_some((to, report))
    }

    /// Whether the peer has just become lost.
    pub(super) fn becomes_lost(&mut self, now: Duration) -> bool {
        let Some(peer) = &mut self.peer else {
            return false;
        };
        // Who holds the call may say nothing, and is expected to say nothing.
        let expected = peer.remote.receive && peer.remote.send;
        let lost = expected && now.saturating_sub(peer.heard_at) >= LOST_AFTER;
        let becomes = lost && !peer.lost;
        peer.lost = lost;
        becomes
    }
}
