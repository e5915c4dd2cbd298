//! The parties around the node: what reaches them and what they send.

use std::net::SocketAddr;

use bytes::Bytes;
use carillon::demo::party::text::Text;
use carillon::demo::party::{Media as PartyMedia, Output as PartyOutput, Party};
use carillon::node::NodeInput;
use carillon_sip::media::MediaEvent;

use super::{Happening, World};
use crate::world::callers::CALLERS;
use crate::world::cast::{
    self, NODE, address, agent_at, carrier_address, phone_address, phone_media, second_address, trunk_at,
};
use crate::world::tamper::Departure;
use crate::world::wire::{Way, What};

impl World {
    pub(super) fn arrive(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if to == address(NODE) {
            if self.process.is_none() {
                return;
            }
            self.trace.datagram(self.now, Way::In, from, &bytes);
            let mut bytes = bytes;
            if let Some(text) = Text::read(&bytes) {
                if from == address(CALLERS) {
                    self.callers.reached(&text, self.now);
                }
                self.see(What::Sip { way: Way::In, peer: from, text: &text });
                bytes = self.tamper.arrival(&text, bytes);
            }
            self.tell(NodeInput::Datagram { bytes: Bytes::from(bytes), from, local: to.into() });
        } else if to == address(CALLERS) {
            self.callers.datagram(&bytes, from, self.now);
            self.drain_callers();
        } else if agent_at(to).is_some_and(|agent| second_address(agent) == to) {
            self.seconds.datagram(&bytes, from, self.now);
            self.drain_seconds();
        } else if let Some(trunk) = trunk_at(to).filter(|trunk| *trunk < self.carriers.len()) {
            self.carriers[trunk].datagram(&bytes, from, self.now);
            self.drain_carrier(trunk);
        } else if let Some(agent) = (0..self.phones.len()).find(|agent| phone_address(*agent) == to)
            && let Some(phone) = &mut self.phones[agent]
        {
            phone.datagram(&bytes, from, self.now);
            self.drain_phone(agent);
        }
    }

    /// The node wants a datagram sent.
    pub(super) fn transmit(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        if !self.tamper.concerns(to) {
            return self.depart(to, bytes);
        }
        let text = Text::read(&bytes);
        if let Some((at, bytes)) = text.as_ref().and_then(|text| self.tamper.forged(text, &bytes, self.now)) {
            self.later(at, Happening::Depart { to, bytes });
        }
        match text.map_or(Departure::Now, |text| self.tamper.departure(&text, self.now)) {
            Departure::Now => self.depart(to, bytes),
            Departure::At(at) => self.later(at, Happening::Depart { to, bytes }),
            Departure::Never => {}
        }
    }

    /// A datagram leaves from our SIP address.
    pub(super) fn depart(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.trace.datagram(self.now, Way::Out, to, &bytes);
        if let Some(text) = Text::read(&bytes) {
            self.see(What::Sip { way: Way::Out, peer: to, text: &text });
            if text.method() == Some("INVITE") && trunk_at(to).is_some() {
                self.latest_invite = Some(text);
            } else if text.method() == Some("ACK")
                && let Some(agent) = agent_at(to).filter(|agent| phone_address(*agent) == to)
            {
                self.seconds.hears_of(agent, &text);
            }
        }
        self.send(address(NODE), to, bytes);
    }

    pub(super) fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        for at in self.net.carry(from, to, self.now) {
            self.later(at, Happening::Arrive { from, to, bytes: bytes.clone() });
        }
    }

    pub(super) fn drain_carrier(&mut self, trunk: usize) {
        while let Some(output) = self.carriers[trunk].poll_output() {
            match output {
                PartyOutput::Transmit { to, bytes } => self.send(carrier_address(trunk), to, bytes),
                PartyOutput::Media(PartyMedia::Start { line, local, .. }) => {
                    self.carrier_lines.insert(local, (trunk, line));
                }
                PartyOutput::Media(PartyMedia::Sound { .. } | PartyMedia::Stop { .. }) => {}
                PartyOutput::Event(_) => {}
            }
        }
    }

    pub(super) fn drain_callers(&mut self) {
        while let Some(output) = self.callers.poll_output() {
            if let PartyOutput::Transmit { to, bytes } = output {
                self.send(address(CALLERS), to, bytes);
            }
        }
    }

    pub(super) fn drain_seconds(&mut self) {
        while let Some((agent, output)) = self.seconds.poll_output() {
            if let PartyOutput::Transmit { to, bytes } = output {
                self.send(second_address(agent), to, bytes);
            }
        }
    }

    pub(super) fn drain_phone(&mut self, agent: usize) {
        while let Some(output) = self.phones[agent].as_mut().and_then(Party::poll_output) {
            if let PartyOutput::Transmit { to, bytes } = output {
                self.send(phone_address(agent), to, bytes);
            }
        }
    }

    pub(super) fn phone_on(&mut self, agent: usize) {
        self.phones_made += 1;
        let mut phone = cast::phone(&self.plan, agent, self.phones_made);
        phone.sign_on(self.now);
        self.phones[agent] = Some(phone);
        self.drain_phone(agent);
    }

    /// The phone of an agent has been dead so long that its audio counts as lost.
    pub(super) fn lose_audio(&mut self, agent: usize) {
        let Some(process) = &self.process else { return };
        for stream in process.media.streams_to(phone_media(agent)) {
            self.tell(NodeInput::Media(MediaEvent::Lost { stream }));
        }
    }
}
