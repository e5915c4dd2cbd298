//! Received packets: judged, counted, recorded and passed on.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Engine, Output, Port, Slot, Transmit};
use crate::media::record::Side;
use crate::media::relay::{self, Kind};
use crate::media::source::Verdict;
use crate::media::stream::Splice;
use crate::media::{MediaEvent, rtcp, rtp};

impl Engine {
    pub(super) fn rtp(
        &mut self,
        slot: Slot,
        from: SocketAddr,
        datagram: &mut [u8],
        now: Duration,
    ) -> Option<Transmit> {
        let stream = self.streams.get_mut(slot.0)?.as_mut()?;
        let Ok(packet) = rtp::parse(datagram) else {
            self.counters.malformed += 1;
            return None;
        };
        let Some(peer) = &mut stream.peer else {
            self.counters.foreign += 1;
            return None;
        };
        let kind = relay::kind(packet.header.payload_type, peer.remote.telephone_event);
        match kind {
            Kind::Audio(_) | Kind::TelephoneEvent => {}
            Kind::ComfortNoise | Kind::Unknown => {
                // A peer that suppresses silence is quiet, not lost.
                if kind == Kind::ComfortNoise && from == peer.source.destination() {
                    peer.heard_at = now;
                }
                self.counters.payload_type += 1;
                return None;
            }
        }
        if from != peer.source.destination() && self.own.contains(&from) {
            self.counters.foreign += 1;
            return None;
        }
        let restart = match peer.source.inspect(&packet.header, from, now) {
            Verdict::Accept => false,
            Verdict::AcceptRestart => true,
            Verdict::DropForeign => {
                self.counters.foreign += 1;
                return None;
            }
            Verdict::DropUnproven => {
                self.counters.unproven += 1;
                return None;
            }
        };
        peer.heard_at = now;
        peer.heard = true;
        peer.sends_events |= kind == Kind::TelephoneEvent;
        stream.reception.note(&packet.header, restart, now);
        let splice = stream.splice;
        if restart {
            self.note_destination(slot);
        }
        let Some(splice) = splice else {
            self.counters.unheard += 1;
            return None;
        };
        if splice.unheard {
            self.first_heard([slot, splice.other]);
        }
        let stream = self.streams.get_mut(slot.0)?.as_mut()?;
        if let Kind::Audio(codec) = kind
            && let Some(recording) = match splice.side {
                Side::Customer => stream.recording.as_mut(),
                Side::Agent => self
                    .streams
                    .get_mut(splice.other.0)
                    .and_then(Option::as_mut)
                    .and_then(|customer| customer.recording.as_mut()),
            }
            && let Some(payload) = datagram.get(packet.payload_start..packet.payload_end)
        {
            recording.put(splice.side, codec, packet.header.timestamp, payload, restart, now);
        }
        let other = self.streams.get_mut(splice.other.0)?.as_mut()?;
        if kind == Kind::TelephoneEvent {
            // Said by the peer itself: what it said besides is the same key once more.
            other.keys.clear();
        }
        let length = match (other.is_taken(), other.peer.as_ref().filter(|peer| peer.remote.send)) {
            (false, Some(peer)) => {
                relay::forward(&mut other.outgoing, &packet, kind, restart, &peer.remote, datagram, now)
                    .map(|length| (length, peer.source.destination()))
            }
            (true, _) | (false, None) => None,
        };
        let Some((length, to)) = length else {
            self.counters.unheard += 1;
            return None;
        };
        self.counters.forwarded += 1;
        if let Some(Splice { call, answered_at, .. }) = &mut other.splice
            && kind != Kind::TelephoneEvent
            && let Some(answered_at) = answered_at.take()
        {
            let after_answer = now.saturating_sub(answered_at);
            self.outputs.push_back(Output::Event(MediaEvent::AgentHeard { call: *call, after_answer }));
        }
        Some(Transmit { slot: splice.other, port: Port::Rtp, to, length })
    }

    /// One side of a splice has begun to send.
    fn first_heard(&mut self, sides: [Slot; 2]) {
        for side in sides {
            if let Some(splice) = self.at_mut(side).and_then(|stream| stream.splice.as_mut()) {
                splice.unheard = false;
            }
        }
    }

    pub(super) fn rtcp(&mut self, slot: Slot, from: SocketAddr, datagram: &[u8], now: Duration) {
        let Some(incoming) = rtcp::parse(datagram) else {
            self.counters.malformed += 1;
            return;
        };
        let own = self.own.contains(&from);
        let Some(stream) = self.at_mut(slot) else {
            return;
        };
        match &mut stream.peer {
            Some(peer) if peer.source.is_host(from) && !own => {
                // Whatever it says, BYE too: who still reports is there, who left stops sending.
                peer.heard_at = now;
                peer.rtcp_from = Some(from);
                stream.reporter.note(&incoming, now);
            }
            Some(_) | None => self.counters.foreign += 1,
        }
    }
}
