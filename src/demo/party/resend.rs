//! One message that is sent again until it is answered (RFC 3261 §17.1.2.2, §17.2.1, §13.3.1.4).

use std::net::SocketAddr;
use std::time::Duration;

use super::{Outbox, Output, T1, T2, TRANSACTION_LIFE};

/// A message, when it goes out next and when it is given up.
#[derive(Clone, Debug)]
pub struct Resend {
    to: SocketAddr,
    bytes: Vec<u8>,
    interval: Duration,
    due: Duration,
    give_up: Duration,
}

impl Resend {
    /// Sends `bytes` now and again after T1, 2·T1, 4·T1 … at most every T2, for 64·T1.
    pub fn start(to: SocketAddr, bytes: Vec<u8>, now: Duration, out: &mut Outbox) -> Self {
        out.push_back(Output::Transmit { to, bytes: bytes.clone() });
        Self { to, bytes, interval: T1, due: now + T1, give_up: now + TRANSACTION_LIFE }
    }

    /// When [`Self::handle`] wants to be called.
    pub fn due(&self) -> Duration {
        self.due.min(self.give_up)
    }

    /// Sends again what is due. Returns `false` once it is given up.
    pub fn handle(&mut self, now: Duration, out: &mut Outbox) -> bool {
        if now >= self.give_up {
            return false;
        }
        if now >= self.due {
            self.again(out);
            self.interval = (self.interval * 2).min(T2);
            self.due = now + self.interval;
        }
        true
    }

    /// Sends once more, out of turn.
    pub fn again(&self, out: &mut Outbox) {
        out.push_back(Output::Transmit { to: self.to, bytes: self.bytes.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_out_at_the_times_of_timer_e_and_stops_at_timer_f() {
        let mut out = Outbox::new();
        let to = "127.0.0.1:5060".parse().expect("address");
        let mut resend = Resend::start(to, b"x".to_vec(), Duration::ZERO, &mut out);
        let mut sent = vec![0];
        loop {
            let now = resend.due();
            out.clear();
            if !resend.handle(now, &mut out) {
                assert_eq!(now, TRANSACTION_LIFE);
                break;
            }
            assert_eq!(out.len(), 1);
            sent.push(now.as_millis());
        }
        assert_eq!(sent, [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    }
}
