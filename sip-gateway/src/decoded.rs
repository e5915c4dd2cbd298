//! What a datagram turns out to be, before anybody asks whose it is.
//!
//! Reading needs no knowledge of calls, peers or transactions, so it may be done on any thread, and the gateway takes what came
//! of it ([`crate::gateway::Gateway::decoded`]).

use bytes::Bytes;

use crate::message::{self, DecodeError, Message};
use crate::stun;
use crate::transport::Transport;

/// A datagram, or a message of a stream, that has been read.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// STUN (RFC 5389) on the SIP port, as it came.
    Stun(Bytes),
    /// A good message.
    Message(Message),
    /// Neither, and whether it deserves an answer.
    Broken(DecodeError),
}

impl Decoded {
    /// Reads what came over `transport`; STUN is looked for on UDP alone (RFC 5626 §4.4.2).
    pub fn of(bytes: Bytes, transport: Transport) -> Self {
        if transport == Transport::Udp && stun::is_stun(&bytes) {
            return Self::Stun(bytes);
        }
        match message::decode(bytes) {
            Ok(message) => Self::Message(message),
            Err(error) => Self::Broken(error),
        }
    }

    /// Whether nobody will ever answer it, whoever sent it: keep-alives, noise, broken responses.
    pub fn is_noise(&self) -> bool {
        match self {
            Self::Broken(DecodeError::Drop(_)) => true,
            Self::Broken(DecodeError::Answer { .. }) | Self::Stun(_) | Self::Message(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_told_apart_without_knowing_the_sender() {
        let binding = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
        let stun = Decoded::of(binding.clone().into(), Transport::Udp);
        assert_eq!(stun, Decoded::Stun(binding.clone().into()));
        assert!(Decoded::of(binding.into(), Transport::Tcp).is_noise(), "no STUN in streams");
        let head = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\n";
        let request =
            |rest: &str| Decoded::of(format!("OPTIONS sip:a SIP/2.0\r\n{head}{rest}").into(), Transport::Udp);
        let good = request("CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n");
        assert!(matches!(good, Decoded::Message(Message::Request(_))), "{good:?}");
        let broken = request("CSeq: x OPTIONS\r\n\r\n");
        assert!(matches!(broken, Decoded::Broken(DecodeError::Answer { status: 400, .. })), "{broken:?}");
        assert!(!good.is_noise() && !broken.is_noise() && !stun.is_noise());
        for noise in ["\r\n\r\n", "", "GET / HTTP/1.1\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n"] {
            assert!(Decoded::of(noise.into(), Transport::Udp).is_noise(), "{noise:?}");
        }
    }
}
